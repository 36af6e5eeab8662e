"""Orders by hand at a gateway: commands of its operator and its guardian.

They pass the checks of a robot's orders, and belong to separate owners on the tape, so that fills and positions are the
operator's and no robot's. A sub-account's position consists of parts: each robot's, from its own orders, and the rest,
which is the operator's. A robot's part is closed under the robot's number, because its position is the sum of its
orders on the tape, in this and its next incarnations.

Each order has a request key made of its command's id. Key and order are in one frame of the tape, so a command repeated
after a crash finds the order that it has placed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import msgspec

from onetape.accounts.entries import MAIN
from onetape.gateway.brackets import check_levels
from onetape.gateway.core import GatewayCore
from onetape.gateway.parts import Part
from onetape.ipc.door import ALL, Command, Do, Handler, Repeated
from onetape.model.decimals import whole_number
from onetape.model.enums import Kind, OrderState, OrderType, PositionSide, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import (
    AccountMode,
    NotAvailable,
    NotOwner,
    OrderInvalid,
    OrderUnknown,
    ServiceTimeout,
    UnknownSymbol,
    UsageError,
)
from onetape.model.instrument import Instrument
from onetape.model.near import did_you_mean
from onetape.model.order import OrderSpec
from onetape.model.request_key import BY_HAND_EXPIRES, RequestKey, key_by_hand
from onetape.model.sections import GUARDIAN, OPERATOR
from onetape.model.time import DAY, MINUTE
from onetape.orders.backing import reducible
from onetape.orders.filters import keeps_rules
from onetape.orders.order import Order
from onetape.projections.account import order_row
from onetape.projections.found import part_key
from onetape.projections.robot_life import RobotLife

__all__ = ["OrdersByHand"]

# A guardian's command ids are unique to one incarnation, which waits only seconds for an answer: older request keys
# would fill the table for nothing.
GUARDIAN_KEY_EXPIRES: Final = 10 * MINUTE
SHARE_KEY_EXPIRES: Final = DAY
STOPS_FIELDS: Final = ("symbol", "side", "position_side", "trigger_by", "stops")
LEVERAGE_MAX: Final = 1000  # beyond any venue's limit, which it checks itself
STOPS_MAX: Final = 50  # per command
TOO_LATE: Final = "not placed: its until_ns had passed"
PLACE_FIELDS: Final = (
    "symbol",
    "side",
    "qty",
    "price",
    "tif",
    "post_only",
    "reduce_only",
    "position_side",
    "trigger",
    "trigger_by",
    "kind",
    "stop_loss",
    "take_profit",
    "expire_ns",
    "orders",
    "dry_run",
    "until_ns",
)
CHECK_FIELDS: Final = tuple(each for each in PLACE_FIELDS if each not in ("orders", "dry_run", "until_ns"))
_BOTH: Final = PositionSide.BOTH
_POSITION_SIDES: Final = {each.value: each for each in PositionSide}
_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}
_TRIGGERS: Final = {str(each): each for each in (TriggerBy.LAST, TriggerBy.MARK, TriggerBy.INDEX)}
_KINDS: Final = {str(each): each for each in (TriggerKind.STOP, TriggerKind.TAKE_PROFIT)}
_TIFS: Final = {each.value.lower(): each for each in TimeInForce}


class OrdersByHand:
    """Executes people's orders as those of one more robot.

    core: of the account that they trade on.
    runs: tells whether a robot of that number is running or starting.
    now: the venue's time, ns UTC.
    """

    def __init__(self, core: GatewayCore, *, runs: Callable[[int], bool], now: Callable[[], int]) -> None:
        self._market = core.market
        self._manager = core.manager
        self._gate = core.gate
        self._tape = core.tape
        self._money = core.money
        self._runs = runs
        self._admission = core.admission
        self._parts = core.parts
        self._leverage = core.leverage
        self._now = now
        self._carry_out = core.carry_out
        self._core = core
        if core.options.is_guarded:  # the operator owns what a guardian reduces and no robot holds
            self._parts.operator(MAIN)

    @property
    def handlers(self) -> dict[str, Handler]:
        close = ("symbol", "subaccount", "position_side", "qty", "dry_run")
        return {
            "place": Handler(self._place, fields=PLACE_FIELDS, reaches_out=True),
            "check_order": Handler(self._check_order, fields=CHECK_FIELDS, asks=True),
            "cancel": Handler(
                self._cancel, fields=("order", "symbol", "dry_run"), reaches_out=True, actors=(GUARDIAN,)
            ),
            "close": Handler(self._close, fields=close, reaches_out=True, actors=(GUARDIAN,)),
            "flatten": Handler(
                self._flatten, fields=("symbol", "reason", "dry_run"), reaches_out=True, actors=(GUARDIAN,)
            ),
            "place_stops": Handler(self._place_stops, fields=STOPS_FIELDS, is_intent=True, actors=(GUARDIAN,)),
            "cancel_stops": Handler(self._cancel_stops, fields=("orders",), is_intent=True, actors=(GUARDIAN,)),
            "take_share": Handler(
                self._take_share, fields=("order", "qty", "price"), reaches_out=True, actors=(GUARDIAN,)
            ),
            "leverage": Handler(self._set_leverage, fields=("symbol", "leverage"), reaches_out=True),
            "leverages": Handler(self._leverages, fields=("symbol",), asks=True, anyone=True),
            "order": Handler(self._order, fields=("order",), asks=True),
            "quote": Handler(self._quote, fields=("symbol",), asks=True),
        }

    # --- commands ---------------------------------------------------------------------------------

    def _place(self, command: Command) -> Do:
        fields = command.fields
        many = fields.get("orders", [{}])
        if not isinstance(many, list) or not 0 < len(many) <= STOPS_MAX or not all(isinstance(o, dict) for o in many):
            raise UsageError(f"orders is a list of 1 to {STOPS_MAX}, with qty, price and trigger")
        if "orders" in fields and (other := {name for each in many for name in each} - {"qty", "price", "trigger"}):
            raise UsageError(f"an order of a list has qty, price and trigger, not {min(other)[:40]!r}")
        specs = [
            msgspec.structs.replace(self._spec({**fields, **each}), once=_key(command, str(number or "")))
            for number, each in enumerate(many)
        ]
        instrument = self._gate.instruments[specs[0].symbol]
        check_levels(specs[0], fields, instrument, max(self._market.best(instrument.symbol)))
        is_dry = _flag(fields, "dry_run")
        until = fields.get("until_ns")
        if until is not None and (until := whole_number(until)) is None:
            raise UsageError("until_ns is a time in ns UTC, after which nothing is placed")

        def do() -> Any:
            found = [self._placed(spec.once, MAIN) for spec in specs]
            is_late = until is not None and self._wall() > until  # the sender has stopped waiting for it
            if is_late and not any(found):
                raise ServiceTimeout(TOO_LATE)
            if is_late or all(found):
                rows = [each or _late(spec) for each, spec in zip(found, specs, strict=True)]
                return Repeated({"orders": self._shown(rows), "checks": []})
            life = self._parts.operator(MAIN, is_dry=is_dry)
            orders: list[Order | dict[str, Any]] = []
            checks: list[dict[str, Any]] = []
            for spec, placed in zip(specs, found, strict=True):  # some were placed before a crash
                if placed is not None:
                    orders.append(placed)
                    continue
                made, more = self._submit(life, spec, is_dry=is_dry)
                orders += made
                checks += more
            return {"orders": self._shown(orders), "checks": checks}

        return do

    def _check_order(self, command: Command) -> Do:
        """Returns the checks that an order by hand would have to pass now, as a dry run, and writes nothing to the
        tape."""
        spec = msgspec.structs.replace(self._spec(command.fields), once=_key(command, ""))
        return lambda: {"checks": self._checks(self._parts.operator(MAIN, is_dry=True), spec, self._now())}

    def _cancel(self, command: Command) -> Do:
        fields = command.fields
        if ("order" in fields) == ("symbol" in fields):
            raise UsageError("cancel takes order=ID or symbol=NAME (*: all)")
        if "symbol" in fields:
            is_all = fields["symbol"] == ALL
            symbol = "" if is_all else self._instrument(fields).symbol
            works = self._works(command)
            found = [o for o in works if o.robot and not o.is_protective and (is_all or o.spec.symbol == symbol)]
        else:
            found = [self._found(str(fields["order"]))]
        is_dry = _flag(fields, "dry_run")

        def do() -> dict[str, Any]:
            if not is_dry:
                if command.actor != GUARDIAN:
                    self._core.brackets.give_up(found)
                self._cancel_all(found)
            self._finish()
            return {"orders": self._shown(found), "checks": []}

        return do

    def _close(self, command: Command) -> Do:
        fields = command.fields
        instrument = self._instrument(fields)
        named = fields.get("subaccount")
        slots = self._parts.slots
        slot = slots.get(str(named)) if named is not None else MAIN
        if slot is None:
            raise UsageError(f"no sub-account {str(named)[:40]!r}, but {', '.join(slots)}")
        is_dry = _flag(fields, "dry_run")
        has_qty = fields.get("qty") is not None
        if has_qty and named is None:
            raise UsageError("qty needs one sub-account: write subaccount=main or another")
        most = _units(fields["qty"], instrument.size_decimals, what="qty") if has_qty else None
        side = self._side(fields)

        def parts() -> list[Part]:
            found = [each for each in self._parts_for(command, instrument.symbol, slot) if side in (None, each.side)]
            if most is not None:  # of the sub-account's net position, without its robots' offsetting parts
                total = sum(each.qty for each in found)
                return [each for each in found if each.qty * total > 0]
            return [each for each in found if named is not None or each.life.is_operator]

        for part in parts() if not command.is_repeated else ():
            if not part.life.is_operator and self._runs(part.life.number) and command.actor != GUARDIAN:
                raise NotOwner(
                    f"robot {part.life.name} holds this position, and is running or starting",
                    location=instrument.symbol,
                    todo="end the robot first, or flatten",
                )

        def do() -> dict[str, Any]:
            if most is None:
                return self._closed(command, parts, is_dry=is_dry)
            before = self._placed_to_close(command, instrument.symbol)
            used = sum(most if isinstance(each, dict) else each.filled + each.worst_left for each in before)
            if command.actor == GUARDIAN:  # its quantity includes the working orders
                others = self._working_to_close(parts(), slot)
                used += sum(each.worst_left for each in others if each not in before)
            return self._closed(command, parts, is_dry=is_dry, most=most - used, before=before)

        return do

    def _side(self, fields: Mapping[str, Any]) -> PositionSide | None:
        """Returns the side of a position, None: all of them. Raises AccountMode for one that the account's mode has
        not."""
        if fields.get("position_side") is None:
            return None
        side: PositionSide = _word(fields, "position_side", _POSITION_SIDES)
        mode = self._manager.mode
        if mode is not None and mode.hedge is (side is _BOTH):
            raise AccountMode(f"{side}: the account is in {'hedge' if mode.hedge else 'one-way'} mode")
        return side

    def _flatten(self, command: Command) -> Do:
        fields = command.fields
        symbol = self._instrument(fields).symbol if fields.get("symbol") else ""

        def parts() -> list[Part]:
            if symbol:
                return self._parts_for(command, symbol)
            return [
                part for each in self._gate.instruments for side in PositionSide for part in self._parts.of(each, side)
            ]

        is_dry = _flag(fields, "dry_run")

        def do() -> Any:
            is_all = not symbol and not is_dry
            if is_all and command.is_repeated and command.id not in self._tape.state.begun:
                before = self._placed_to_close(command, *self._gate.instruments)
                return Repeated(self._outcome(parts, before, [], nets=True))
            open_ = self._works(command) if symbol else self._manager.open.values()
            works = [each for each in open_ if symbol in ("", each.spec.symbol) and _yields(each)]
            if not is_dry:
                self._cancel_all(works)
            done = self._closed(command, parts, is_dry=is_dry, nets=True, is_killed=not symbol)
            return {**done, "orders": self._shown(works)} if is_dry else done

        return do

    def _set_leverage(self, command: Command) -> Do:
        instrument, times = self._instrument(command.fields), str(command.fields.get("leverage", ""))
        self._leverage.check(instrument.symbol)
        if not times.isascii() or not times.isdigit() or not 0 < int(times) <= LEVERAGE_MAX:
            raise UsageError(f"leverage is a whole number of times from 1 to {LEVERAGE_MAX}, not {times[:40]!r}")

        def do() -> dict[str, Any]:
            state = self._leverage.set(instrument.symbol, int(times), self._now(), command=command.id)
            self._finish()
            return {"symbol": instrument.symbol, **state}

        return do

    def _leverages(self, command: Command) -> Do:
        symbol = self._instrument(command.fields).symbol
        return lambda: {"symbol": symbol, **self._leverage.state(symbol)}

    def _order(self, command: Command) -> Do:
        order = self._found(str(command.fields.get("order", "")))
        return lambda: self._row(order)

    def _quote(self, command: Command) -> Do:
        instrument = self._instrument(command.fields)

        def do() -> dict[str, Any]:
            prices = zip(("bid", "ask"), self._market.best(instrument.symbol), strict=True)
            shown = {name: instrument.price_text(price) for name, price in prices}
            figures = {name: str(getattr(instrument, name)) for name in ("tick", "lot", "price_decimals")}
            return {**shown, **figures}

        return do

    # --- commands of the guardian -----------------------------------------------------------------

    def _place_stops(self, command: Command) -> Do:
        """Places stops for one position, `{qty, trigger}` each; one without `trigger` closes at the market, one whose
        `kind` is `take_profit` waits for the price on the other side. They pass the list of rules as any order. Each
        belongs to the holder of the largest part that the stops before it in the list leave, so that its fill reduces
        the part that it protects. Existing stops are assumed to be replaced by these."""
        fields = command.fields
        instrument = self._instrument(fields)
        stops = fields.get("stops")
        if not isinstance(stops, list) or not 0 < len(stops) <= STOPS_MAX:
            raise UsageError(f"stops is a list of 1 to {STOPS_MAX}")
        side = _word(fields, "side", _SIDES)
        of = _word(fields, "position_side", _POSITION_SIDES, "both")
        by = _word(fields, "trigger_by", _TRIGGERS, "last")
        if instrument.kind is Kind.SPOT:
            raise NotAvailable("a spot account has no position to protect", location=instrument.symbol)
        specs = []
        for number, each in enumerate(stops):
            if not isinstance(each, dict) or not {"qty"} <= set(each) <= {"qty", "trigger", "kind"}:
                raise UsageError("a stop is {qty, trigger, kind}")
            has_trigger = each.get("trigger") is not None
            if not has_trigger and each.get("kind") is not None:
                raise UsageError(f"a stop of kind {each['kind']!r} has no trigger", todo="name one, or no kind")
            kind = _word(each, "kind", _KINDS, "stop")
            trigger = _units(each["trigger"], instrument.price_decimals, what="trigger") if has_trigger else 0
            specs.append(
                OrderSpec(
                    symbol=instrument.symbol,
                    side=side,
                    size_int=_units(each["qty"], instrument.size_decimals, what="qty"),
                    type=OrderType.MARKET,
                    trigger_int=trigger,
                    trigger_by=by if has_trigger else TriggerBy.NONE,
                    trigger_kind=kind if has_trigger else TriggerKind.NONE,
                    position_side=of,
                    reduce_only=of is _BOTH,
                    tag=GUARDIAN,
                    once=_key(command, str(number)),
                )
            )

        def do() -> dict[str, Any]:
            free = self._held_by(instrument, of, side)
            orders: list[Order | dict[str, Any]] = []
            for spec in specs:
                part = max(free, key=lambda each: free[each])
                free[part] -= spec.size_int
                life = self._tape.robots[part] if part else self._parts.operator(MAIN)
                placed = self._placed(spec.once, life.slot)
                orders += [placed] if placed is not None else self._place_one(life, spec)
            self._finish()
            return {"orders": self._shown(orders)}

        return do

    def _place_one(self, life: RobotLife, spec: OrderSpec) -> list[Order]:
        return [self._admission.place_by_hand(life, spec, self._now())]

    def _held_by(self, instrument: Instrument, of: PositionSide, side: Side) -> dict[int, int]:
        """Returns the quantity of each part that an order of that side may reduce, in units by robot number; {0: 0},
        for the operator, if there is no part."""
        held: dict[int, int] = {}
        for part in self._parts.of(instrument.symbol, of):
            if part.qty * side.sign < 0:
                held[part.life.number] = held.get(part.life.number, 0) + abs(part.qty)
        return held or {0: 0}

    def _cancel_stops(self, command: Command) -> Do:
        names = command.fields.get("orders")
        if not isinstance(names, list) or not 0 < len(names) <= STOPS_MAX:
            raise UsageError(f"orders is a list of 1 to {STOPS_MAX} names")
        orders = [self._manager.orders.get(str(name)) for name in names]
        found = [each for each in orders if each is not None and each.is_protective]
        if not found:  # an unknown order or one that is no stop does not prevent the others
            raise NotOwner(f"{', '.join(map(str, names))[:80]}: no stop of the guardian's")

        def do() -> dict[str, Any]:
            self._cancel_all(found)
            self._finish()
            return {"orders": self._shown(found)}

        return do

    def _take_share(self, command: Command) -> Do:
        """Reduces a limit order by `qty` and, once the venue has confirmed that, takes this quantity at `price` or
        better under the name of its robot. Repeat the command until it returns `taken`. Works once per order: a share
        taken before the order is reduced could trade twice."""
        fields = command.fields
        order = self._found(str(fields.get("order", "")))
        instrument = self._gate.instruments[order.spec.symbol]
        if order.spec.type is not OrderType.LIMIT or order.spec.trigger_by is not TriggerBy.NONE:
            raise NotAvailable(f"{order.client_id} is no limit order", location=instrument.symbol)
        taking = msgspec.structs.replace(
            order.spec,
            size_int=_units(fields.get("qty"), instrument.size_decimals, what="qty"),
            price_int=_units(fields.get("price"), instrument.price_decimals, what="price"),
            tif=TimeInForce.IOC,
            expire=0,
            post_only=False,
            once=key_by_hand(order.client_id, "take_share", SHARE_KEY_EXPIRES),
        )
        return lambda: self._share_taken(order, taking)

    def _share_taken(self, order: Order, taking: OrderSpec) -> dict[str, Any]:
        life = self._tape.robots[order.robot]
        placed = self._placed(taking.once, life.slot)
        if placed is not None:
            return {"state": "taken", "orders": self._shown([placed])}
        # Before the books are reconciled the taking order would be denied, but the limit order reduced.
        if order.is_open and (order.pending or order.is_unknown or not self._gate.ready):
            return {"state": "reducing", "orders": []}
        size, qty = self._tape.state.shares.pop(order.client_id, (0, 0))
        if not order.is_open or (size and order.size != size):
            return {"state": "not reduced" if order.is_open else "ended", "orders": []}
        if not size:
            size = order.size - taking.size_int
            if not order.filled < size < order.size:
                return {"state": "not reduced", "orders": []}
            if (why := self._gate.amendment(order, self._now(), price=0, size=size)) is not None:
                return {"state": f"been refused: {why.reason}", "orders": []}
            if not keeps_rules(taking, self._gate.instruments[taking.symbol], 0):
                return {"state": "been refused: so little cannot be traded", "orders": []}
            self._tape.state.shares[order.client_id] = size, taking.size_int
            self._manager.amend(order, self._now(), price=0, size=size, share=taking.size_int)
            self._money.order(order)
            self._finish()
            return {"state": "reducing", "orders": []}
        (made,) = self._place_one(life, msgspec.structs.replace(taking, size_int=qty))
        self._finish()
        state = "taken" if made.state is not OrderState.DENIED else f"been reduced, its share denied: {made.reason}"
        return {"state": state, "orders": self._shown([made])}

    # --- closing ----------------------------------------------------------------------------------

    def _closed(
        self,
        command: Command,
        parts: Callable[[], list[Part]],
        *,
        is_dry: bool = False,
        nets: bool = False,
        is_killed: bool = False,
        most: int | None = None,
        before: Sequence[Order | dict[str, Any]] = (),
    ) -> dict[str, Any]:
        """Places a market order for each part, less the working orders that close it. `left`: the positions that
        remain, also while those orders are unfilled; another command with a new id closes what remains then. In a dry
        run `orders` are those that would be cancelled. nets: parts that offset each other are not `left` but
        `offsetting`: the account holds nothing. is_killed: assume that the kill switch is on. most: units, of all parts
        together, besides `before`, the orders that the same command has placed for them; None: all."""
        orders = list(before)
        checks: list[dict[str, Any]] = []
        for part in parts():
            yielding = self._working_of(part, command)
            if is_dry:
                orders += yielding
            else:
                self._cancel_all(yielding)
            spec = self._closing(part, command, most, is_killed=is_killed or bool(self._gate.halts.killed))
            if spec is None:
                continue
            if (placed := self._placed(spec.once, part.life.slot)) is not None:
                orders += [placed] if most is None else []  # else it is in `before`
                continue
            most = None if most is None else most - spec.size_int
            life = part.life if is_dry or part.life.number else self._parts.operator(part.life.slot)
            made, more_checks = self._submit(life, spec, is_dry=is_dry)
            orders += made
            checks += more_checks
        self._finish()
        return self._outcome(parts, orders, checks, nets=nets)

    def _outcome(
        self,
        parts: Callable[[], list[Part]],
        orders: Sequence[Order | dict[str, Any]],
        checks: list[dict[str, Any]],
        *,
        nets: bool,
    ) -> dict[str, Any]:
        held = [each for each in parts() if abs(each.qty) >= self._least(each.symbol)]
        positions = self._manager.positions
        open_ = [each for each in held if positions.get((each.symbol, each.side))]
        works = sum(bool(each.robot) and not each.is_protective for each in self._manager.open.values())
        return {
            "orders": self._shown(orders),
            "checks": checks,
            "working": works,
            "left": [self._held(each) for each in (open_ if nets else held)],
            "offsetting": [self._held(each) for each in held if nets and each not in open_],
        }

    def _held(self, part: Part) -> dict[str, Any]:
        qty = self._gate.instruments[part.symbol].size_text(part.qty)
        return {"symbol": part.symbol, "side": str(part.side), "owner": part.life.name, "qty": qty}

    def _least(self, symbol: str) -> int:
        """Returns the smallest tradable quantity; a smaller position remains."""
        instrument = self._gate.instruments[symbol]
        return int(max(instrument.lot, instrument.size_min).scaleb(instrument.size_decimals))

    def _working_of(self, part: Part, command: Command) -> list[Order]:
        """Returns the working orders that would block closing a position, or open it again."""
        of = part.life.number, part.symbol
        return [each for each in self._works(command) if (each.robot, each.spec.symbol) == of and _yields(each)]

    def _works(self, command: Command) -> Iterable[Order]:
        """Returns the working orders; for a repeated command those that worked at its first execution, including ended
        ones."""
        found, manager = self._tape.found_by(command), self._manager
        if found is None:
            return manager.open.values()
        return [manager.orders[name] for name in found.orders if name in manager.orders]

    def _parts_for(self, command: Command, symbol: str, slot: int | None = None) -> list[Part]:
        """Returns the parts of a symbol's positions; for a repeated command what is left of those at its first
        execution."""
        parts = [each for side in PositionSide for each in self._parts.of(symbol, side, slot)]
        found = self._tape.found_by(command)
        if found is None:
            return parts
        left = [(each, found.left(_part_key(each), each.qty)) for each in parts]
        return [each._replace(qty=qty) for each, qty in left if qty]

    def _placed_to_close(self, command: Command, *symbols: str) -> list[Order | dict[str, Any]]:
        """Returns the orders that the same command placed before a crash, also for parts that are closed by now,
        because they count toward the command's quantity."""
        robots = self._tape.robots.values()
        of = [(life, symbol, side) for symbol in symbols for life in robots for side in PositionSide]
        found = [self._placed(_closing_key(command, *each), each[0].slot) for each in of]
        return [each for each in found if each is not None]

    def _working_to_close(self, parts: Sequence[Part], slot: int) -> list[Order]:
        """Returns the working orders that close any of a sub-account's parts, which are all of one symbol and
        direction."""
        of = {(each.symbol, Side.SELL if each.qty > 0 else Side.BUY) for each in parts}
        works = self._manager.open.values()
        return [
            each
            for each in works
            if (each.spec.symbol, each.spec.side) in of
            and self._tape.parts.slot_of(each.robot) == slot
            and _closes(each)
        ]

    def _cancel_all(self, orders: Sequence[Order]) -> None:
        for order in orders:
            if order.is_open:
                self._manager.cancel_once(order, self._now())

    def _closing(self, part: Part, command: Command, most_units: int | None, *, is_killed: bool) -> OrderSpec | None:
        """Makes the order that closes as much of a part as is allowed now; None: nothing is."""
        instrument = self._gate.instruments[part.symbol]
        is_spot = instrument.kind is Kind.SPOT
        if is_spot and part.qty < 0:
            return None
        spec = OrderSpec(
            symbol=part.symbol,
            side=Side.SELL if part.qty > 0 else Side.BUY,
            size_int=abs(part.qty),
            type=OrderType.MARKET,
            position_side=part.side,
            reduce_only=not is_spot and part.side is _BOTH,
            tag=OPERATOR,
            once=_closing_key(command, part.life, part.symbol, part.side),
        )
        working = sum(
            each.worst_left
            for each in self._manager.open.values()
            if each.robot == part.life.number
            and (each.spec.symbol, each.spec.side) == (spec.symbol, spec.side)
            and each.spec.position_side is spec.position_side
            and _closes(each)
        )
        size = abs(part.qty) - working
        if most_units is not None:
            size = min(size, most_units)
        if is_killed:  # an order that reduces a part but not the account's position is new risk
            size = min(size, reducible(self._manager, spec))
        if is_spot:  # the fee may have been taken from the bought amount
            factor = 10 ** (18 - instrument.size_decimals)
            free = self._money.accounts.available(instrument.base, part.life.slot)
            size = min(size, max(free, 0) // factor)
        most = instrument.market_size_max or instrument.size_max
        if most:
            size = min(size, int(most.scaleb(instrument.size_decimals)))
        lot = int((instrument.market_lot or instrument.lot).scaleb(instrument.size_decimals))
        size -= size % max(lot, 1)
        return msgspec.structs.replace(spec, size_int=size) if size > 0 else None

    # --- one order --------------------------------------------------------------------------------

    def _wall(self) -> int:
        self._now()
        return self._core.wall

    def _submit(self, life: RobotLife, spec: OrderSpec, *, is_dry: bool) -> tuple[list[Order], list[dict[str, Any]]]:
        now = self._now()
        checks = self._checks(life, spec, now)
        if is_dry:
            return [], checks
        order = self._admission.place_by_hand(life, spec, now)
        self._finish()
        return [order], checks

    def _checks(self, life: RobotLife, spec: OrderSpec, now: int) -> list[dict[str, Any]]:
        order_id = self._tape.state.next_by_hand(now)
        if not life.number:  # a query only: use a robot of the same sub-account
            robots = self._tape.robots.values()
            life = replace(life, number=next((r.number for r in robots if r.slot == life.slot), 0))
        rules = self._admission.checks(life, order_id, spec, now)
        return [{"symbol": spec.symbol, **each.as_json()} for each in rules]

    def _finish(self) -> None:
        """Writes the request to the tape before the answer names it."""
        self._carry_out()
        self._admission.hold_placed()
        self._money.publish()

    def _placed(self, key: RequestKey | None, slot: int) -> Order | dict[str, Any] | None:
        """Returns the order that the same command has placed before; its row, if it ended too long ago."""
        name = self._tape.state.first.winner(key, slot) if key is not None else None
        return None if name is None else self._manager.orders.get(name) or {"client_id": name, "state": "ended"}

    def _found(self, name: str) -> Order:
        manager = self._manager
        order = manager.orders.get(name)
        if order is None:
            of_venue = (o for o in manager.orders.values() if name in (o.venue_id, *o.former_venue_ids))
            order = next(of_venue, None) or next((o for o in manager.open.values() if str(o.order_id) == name), None)
        if order is None:
            raise OrderUnknown(f"no order is called {name[:60]!r}", todo="onetape orders lists the working ones")
        if order.is_foreign:
            raise NotOwner(f"order {name} was not placed through this gateway")
        return order

    def _spec(self, fields: Mapping[str, Any]) -> OrderSpec:
        instrument = self._instrument(fields)
        side, by = _word(fields, "side", _SIDES), _word(fields, "trigger_by", _TRIGGERS, "last")
        price, trigger = fields.get("price"), fields.get("trigger")
        if (trigger is None) is not (fields.get("kind") is None):
            raise UsageError("a trigger has a kind", todo=f"kind={'|'.join(_KINDS)}")
        expire = whole_number(fields.get("expire_ns", 0))
        if expire is None:
            raise UsageError("expire_ns is a time in ns UTC")
        return OrderSpec(
            symbol=instrument.symbol,
            side=side,
            size_int=_units(fields.get("qty"), instrument.size_decimals, what="qty"),
            type=OrderType.MARKET if price is None else OrderType.LIMIT,
            price_int=0 if price is None else _units(price, instrument.price_decimals, what="price"),
            tif=_word(fields, "tif", _TIFS, "gtc"),
            expire=expire,
            trigger_int=0 if trigger is None else _units(trigger, instrument.price_decimals, what="trigger"),
            trigger_by=TriggerBy.NONE if trigger is None else by,
            trigger_kind=TriggerKind.NONE if trigger is None else _word(fields, "kind", _KINDS),
            post_only=_flag(fields, "post_only"),
            reduce_only=_flag(fields, "reduce_only"),
            position_side=_word(fields, "position_side", _POSITION_SIDES, "both"),
        )

    def _instrument(self, fields: Mapping[str, Any]) -> Instrument:
        symbol = str(fields.get("symbol", ""))
        found = self._gate.instruments.get(symbol)
        if found is None:
            near = did_you_mean(symbol, self._gate.instruments)
            raise UnknownSymbol(
                f"this gateway does not trade {symbol[:60]!r}", todo=near or ", ".join(list(self._gate.instruments)[:5])
            )
        return found

    # --- results ----------------------------------------------------------------------------------

    def _shown(self, orders: Sequence[Order | dict[str, Any]]) -> list[dict[str, Any]]:
        return [self._row(each) if isinstance(each, Order) else each for each in orders]

    def _row(self, order: Order) -> dict[str, Any]:
        """Renders an order like `onetape orders`."""
        instrument, life = self._gate.instruments[order.spec.symbol], self._tape.robots.get(order.robot)
        return order_row(order, order.client_id, instrument, life)


def _late(spec: OrderSpec) -> dict[str, Any]:
    """Returns the row of an order that was not placed in time, though others of its list were."""
    why = {"code": ServiceTimeout.code, "reason": TOO_LATE}
    return {"client_id": "", "symbol": spec.symbol, "side": str(spec.side), "state": str(OrderState.DENIED), **why}


def _yields(order: Order) -> bool:
    """Tells whether an order is of ours and is cancelled before a position is closed: a stop stays until the end."""
    return bool(order.robot) and not order.is_protective and not _closes(order)


def _closes(order: Order) -> bool:
    """Tells whether an order by hand or of the guardian closes a position at the market."""
    spec = order.spec
    return spec.type is OrderType.MARKET and spec.tag in (OPERATOR, GUARDIAN) and spec.trigger_by is TriggerBy.NONE


def _key(command: Command, part: str) -> RequestKey:
    """Makes the request key of one of a command's orders."""
    return key_by_hand(command.id, part, GUARDIAN_KEY_EXPIRES if command.actor == GUARDIAN else BY_HAND_EXPIRES)


def _part_key(part: Part) -> str:
    number = 0 if part.life.is_operator else part.life.number
    return part_key(part.life.slot, number, part.symbol, part.side)


def _closing_key(command: Command, life: RobotLife, symbol: str, side: PositionSide) -> RequestKey:
    return _key(command, f"{life.name} {symbol} {side}")


def _word(fields: Mapping[str, Any], name: str, words: Mapping[str, Any], default: str = "") -> Any:
    word = str(fields.get(name, default)).lower()
    if word not in words:
        raise UsageError(f"{name} is {', '.join(words)}, not {word[:40]!r}")
    return words[word]


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if isinstance(value, bool):
        return value
    return bool(_word(fields, name, {"true": True, "yes": True, "false": False, "no": False}))


def _units(value: Any, decimals: int, *, what: str) -> int:
    """Converts a decimal to units, exactly: values typed by hand are not rounded. Raises OrderInvalid, UsageError."""
    try:
        scaled = Decimal(str(value)).scaleb(decimals)
        units = int(scaled)
    except (ArithmeticError, ValueError) as error:
        raise UsageError(f"{what} is a number, not {str(value)[:40]!r}") from error
    if not -(2**63) < units < 2**63:
        raise OrderInvalid(f"{what} {str(value)[:40]} is beyond what an order can carry")
    if units != scaled:
        raise OrderInvalid(f"{what} {str(value)[:40]} has more than {decimals} decimals")
    return units
