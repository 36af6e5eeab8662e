"""The guardian's own orders on an account whose gateway is dead.

It acts only while it holds the account's fence, which a gateway holds while it runs: never both. Its orders can only
reduce, belong to the owner of the reduced part, and are on the guardian's tape before they are sent. It uses the
gateway's order manager: an order without an answer is UNKNOWN and queried by its id. Client ids show that a guardian
placed the order while no gateway ran; the next gateway takes it over.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from onetape.guardian.account_follower import AccountFollower
from onetape.guardian.core import SETTLES, GuardianCore
from onetape.guardian.events import WITHDRAWN, PlaceStops, Record, StopRow
from onetape.guardian.position_guard import PositionGuard
from onetape.guardian.venue_reader import VenueReader
from onetape.ipc.fence import Fence
from onetape.model.enums import OrderType, PositionSide, RequestKind, Side, TriggerBy, TriggerKind
from onetape.model.ids import client_id_of_order, is_past_gateway, next_by_hand, parse_client_id, robot_tag
from onetape.model.order import OrderSpec
from onetape.model.sections import GUARDIAN, OPERATOR
from onetape.model.time import SECOND
from onetape.orders.account_orders import AccountOrders
from onetape.orders.calls import ORDER_PURPOSES, Call, OrderKey, Purpose
from onetape.orders.managed import FillOut, IntentOut, NewsOut, Request
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order
from onetape.orders.outcome import Outcome
from onetape.orders.queries import ABSENT_AFTER
from onetape.orders.reports import OrderStatusReport
from onetape.risk.stop_ladder import Rung, pieces

__all__ = ["NOT_THERE", "NUMBERS", "ORDER", "PLACING", "TAKEN_OVER", "OrderNumbers", "PastGateway", "number_of"]

ORDER: Final = "past gateway"  # the kind of its records,
NUMBERS: Final = "numbers past gateway"  # the kind of the record of reserved numbers,
PLACING: Final = "placing"  # the state of the first record of an order,
TAKEN_OVER: Final = "taken over"  # and of the last record of a stop that a gateway has,
NOT_THERE: Final = "not there"  # or does not have after it has reconciled with its venue
RESERVED: Final = 1 << 30  # ids per sync of the guardian's tape: those of one second
NOBODY: Final = -1  # in place of a robot's number, if the gateway's tape has no operator
LIST_EVERY: Final = 10 * SECOND  # between listings of orders that would open again, if the last had no answer
RELIST_AFTER: Final = 2 * SECOND  # if the last listing had some, or was refused
ASK_AFTER: Final = SECOND // 10
_WRITES: Final = frozenset({Purpose.PLACE, Purpose.CANCEL})


class _Handed(NamedTuple):
    """A stop that a gateway is to take over. about: as it was placed; compared: the gateway's count of reconciliations
    then."""

    about: Mapping[str, Any]
    compared: int


class OrderNumbers:
    """Assigns order ids, unique over incarnations and power losses. last: the last that an earlier incarnation may have
    used; reserve: makes the end of a range durable before any id of it is used."""

    def __init__(self, last: int, reserve: Callable[[int], None]) -> None:
        self._last = self._reserved = last
        self._reserve = reserve

    def next(self, now: int) -> int:
        """Returns the next id. now: ns UTC."""
        self._last = next_by_hand(self._last, now, is_past_gateway=True)
        if self._last > self._reserved:
            self._reserved = self._last + RESERVED - 1
            self._reserve(self._reserved)
        return self._last


class PastGateway:
    """Places the guardian's own orders on one account whose gateway is dead. say: writes a record to the guardian's
    tape; spawn: runs a concurrent task; ids: assigns the ids of its orders."""

    def __init__(
        self,
        account: str,
        home: Path,
        reader: VenueReader,
        core: GuardianCore,
        follower: AccountFollower,
        *,
        say: Callable[[Record], None],
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        ids: OrderNumbers,
    ) -> None:
        self._account, self._core, self._follower = account, core, follower
        self._line, self._protocol, self._now = reader.line, reader.protocol, reader.clock.now
        self._say, self._spawn, self._steady = say, spawn, reader.steady
        self._fence = Fence(home, account, holder=GUARDIAN)
        self._under_way = 0  # count of calls
        self._began = 0  # when its gateway was found dead, ns of the steady clock
        self._ids = ids
        self._flattening: set[tuple[str, PositionSide]] = set()
        self._stops: dict[str, None] = {}  # in the order of their placing
        self._handed: dict[str, _Handed] = {}  # stops that a gateway is to take over, by client id
        self.begin_anew({})

    def begin_anew(self, placed: Mapping[str, Mapping[str, Any]]) -> None:
        """Hands over all placed orders to the gateway. placed: by earlier incarnations, as in `recall`."""
        stops: dict[str, Mapping[str, Any]] = {name: _about(self._manager.orders[name]) for name in self._stops}
        stops |= {name: about for name, about in placed.items() if about["trigger"]}
        self._handed |= {name: _Handed(about, self._follower.comparisons) for name, about in stops.items()}
        self._stops.clear()
        self._manager: OrderManager = OrderManager(AccountOrders(self._protocol), self, {})
        self._closings: dict[str, tuple[int, int]] = {}  # when sent, ns of a steady clock, and filled quantity
        self._unsure: dict[PositionGuard, tuple[int, int]] = {}  # fills during a listing: when reported, size
        self._flattening.clear()
        self._list_at = 0  # next listing of orders that would open them again; 0: the last one had none

    def look_at_handed(self) -> None:
        """Completes the handover of stops. A stop that a gateway does not have after a reconciliation with the venue
        has ended meanwhile, which nothing else reports."""
        for name, handed in list(self._handed.items()):
            if self._follower.has_stop(name):
                del self._handed[name]
                self._record(name, TAKEN_OVER, {})
            elif self._follower.comparisons > handed.compared:
                del self._handed[name]
                self._record(name, NOT_THERE, {})
                self._core.stop_ended(self._account, name, self._steady())

    def begin_alone(self, placed: Mapping[str, Mapping[str, Any]]) -> None:
        """Starts to act, because its gateway is dead. placed: by earlier incarnations, as in `recall`."""
        self._began = self._steady()
        self.look_at_handed()
        handed, self._handed = self._handed, {}
        self.recall({**placed, **{name: each.about for name, each in handed.items()}})

    # --- the fence --------------------------------------------------------------------------------

    @property
    def is_alone(self) -> bool:
        """Tells whether no gateway runs."""
        is_free = self._fence.take()
        self._end()
        return is_free

    def begin(self) -> bool:
        """Takes the fence until nothing of its own is under way. False: a gateway runs."""
        return self._fence.take()

    def _end(self) -> None:
        is_pending = any(order.pending for order in self._manager.open.values())
        if not self._under_way and not is_pending:
            self._fence.release()

    def close(self) -> None:
        self._fence.release()

    # --- orders -----------------------------------------------------------------------------------

    def place(self, effect: PlaceStops) -> dict[str, Rung]:
        """Places stops, and market closes; returns them by client id."""
        free = self._parts(effect.symbol, effect.position_side, effect.closes)
        placed = {}
        for rung in effect.rungs:
            robot = max(free, key=lambda each: free[each])
            free[robot] -= rung.size
            placed[self._submit(robot, self._spec(effect, rung))] = rung
        self._carry_out()
        return placed

    def _spec(self, effect: PlaceStops, rung: Rung) -> OrderSpec:
        is_stop, instrument = rung.trigger > 0, self._follower.view.instruments[effect.symbol]
        return OrderSpec(
            symbol=effect.symbol,
            side=effect.closes,
            size_int=rung.size,
            type=OrderType.MARKET,
            trigger_int=rung.trigger,
            trigger_by=instrument.watched(self._core.settings.trigger_by) if is_stop else TriggerBy.NONE,
            trigger_kind=TriggerKind.STOP if is_stop else TriggerKind.NONE,
            position_side=effect.position_side,
            reduce_only=effect.position_side is PositionSide.BOTH,
            tag=GUARDIAN,
        )

    def flatten(self, guards: list[PositionGuard]) -> None:
        """Closes positions at the market, less working closes, and cancels orders that would open them again. These are
        listed at the same time: closing does not wait for the listing."""
        for guard in guards:
            if (of := (guard.instrument.symbol, guard.side)) not in self._flattening:
                self._flattening.add(of)
                self._list_at = self._now()
            working = sum(
                order.worst_left
                for order in self._manager.open.values()
                if order.spec.symbol == guard.instrument.symbol
                and order.spec.position_side is guard.side
                and order.spec.side is guard.closes
                and not order.is_protective
            )
            left = abs(guard.qty) - working - self._filled_since(guard)
            parts = self._parts(guard.instrument.symbol, guard.side, guard.closes)
            for robot in sorted(parts, key=lambda each: parts[each], reverse=True):
                size = min(left, parts[robot])
                left -= size
                self._close(guard, robot, size)
        self._carry_out()
        self._look_for_openers()

    def _filled_since(self, guard: PositionGuard) -> int:
        """Returns fills that the position's last listing may not include."""
        at, size = self._unsure.get(guard, (0, 0))
        if guard.listed_at >= at + SETTLES:
            self._unsure.pop(guard, None)
            return 0
        return size

    def _filled(self, order: Order) -> None:
        """Subtracts a close's fill from the position at once, because listings are slow, and nothing may be closed
        twice. If the position is from a listing requested after the order was sent, which may include the fill, it is
        only kept as unsure."""
        sent, counted = self._closings[order.client_id]
        new, now, spec = order.filled - counted, self._steady(), order.spec
        self._closings[order.client_id] = sent, order.filled
        held = (each for each in self._core.held(self._account, spec.symbol) if each.side is spec.position_side)
        guard = next(held, None)
        if guard is None or new <= 0 or guard.qty * spec.side.sign > 0:
            return
        if guard.believed_at >= sent:
            self._unsure[guard] = now, self._filled_since(guard) + new
            return
        qty = guard.qty + spec.side.sign * min(new, abs(guard.qty))
        entry = guard.entry if qty else None
        self._core.position(self._account, spec.symbol, guard.side, qty, entry, now, opened=guard.opened)

    def _close(self, guard: PositionGuard, robot: int, size: int) -> None:
        for piece in pieces(guard.instrument, size):
            effect = PlaceStops("", self._account, guard.instrument.symbol, guard.side, guard.closes, ())
            self._submit(robot, self._spec(effect, Rung(0, 0, piece)))

    def cancel(self, symbols: Mapping[str, str]) -> None:
        """Cancels stops. symbols: by client id."""
        for name, symbol in symbols.items():
            order = self._manager.orders.get(name)
            if order is not None and order.is_open:
                self._manager.cancel_once(order, self._now())
            elif order is None:
                self._record(name, "canceling", {"symbol": symbol})
                key = OrderKey(symbol, name, self._protocol.traits.conditionals)
                self._send(self._protocol.cancel(key, self._now()))
        self._carry_out()

    def _look_for_openers(self) -> None:
        """Lists orders that would open again, until a listing has none, in case a listing or a cancel was lost."""
        if self._list_at and self._now() >= self._list_at:
            self._list_at = self._now() + LIST_EVERY
            self._spawn(self._cancel_what_opens())

    async def _cancel_what_opens(self) -> None:
        """Cancels our orders that would open positions being flattened; foreign ones stay."""
        began, is_done = self._list_at, True
        for call in self._protocol.open_orders(self._now()):
            answer = await self._line.answer(call)
            rows = [row for row in answer.reports if isinstance(row, OrderStatusReport) and self._opens(row)]
            is_done = is_done and answer.outcome is Outcome.DONE and not rows
            for row in rows if self.begin() else ():
                self._record(row.client_id, "canceling", {"symbol": row.symbol})
                key = OrderKey(row.symbol, row.client_id, row.conditional, row.venue_id)
                self._send(self._protocol.cancel(key, self._now()))
        if self._list_at == began:  # no other flatten began since
            self._list_at = 0 if is_done else self._now() + RELIST_AFTER

    def _opens(self, row: OrderStatusReport) -> bool:
        if (row.symbol, row.position_side) not in self._flattening or row.client_id in self._manager.orders:
            return False
        match row.position_side:
            case PositionSide.BOTH:  # either side: it could turn a flat position
                opens = not row.reduce_only
            case PositionSide.LONG:
                opens = row.side is Side.BUY
            case PositionSide.SHORT:
                opens = row.side is Side.SELL
        return opens and self.owner_of(row.client_id) is not None

    def _submit(self, robot: int, spec: OrderSpec) -> str:
        order_id = self._ids.next(self._now())
        name = self._client_id(robot, order_id)
        if spec.trigger_by is TriggerBy.NONE:
            self._closings[name] = self._steady(), 0
        self._manager.submit(name, Request(robot, RequestKind.PLACE, order_id, spec), self._now())
        return name

    def _client_id(self, robot: int, order_id: int) -> str:
        life = self._follower.view.robots.get(robot)
        if life is not None:
            return life.client_id(order_id)
        return client_id_of_order(robot_tag(GUARDIAN), order_id)

    def owner_of(self, name: str) -> tuple[int, int] | None:
        """Returns the owner of an order by its client id: the robot's number on the account, the order's number."""
        parsed = parse_client_id(name)
        if parsed is None:
            return None
        order_id = parsed.order_id
        for number, life in self._follower.view.robots.items():
            if robot_tag(life.name) == parsed.tag:
                return number, order_id
        return (NOBODY, order_id) if is_past_gateway(order_id) else None

    def is_by_hand(self, robot: int, order_id: int) -> bool:
        """Returns False: the guardian takes over only its own orders, whose ids show it; none of them is by hand."""
        return False

    def _parts(self, symbol: str, side: PositionSide, closes: Side) -> dict[int, int]:
        """Returns the quantities that an order of that side reduces, by robot number: as on the gateway's tape, and the
        rest is the operator's."""
        view = self._follower.view
        parts = {number: life.held.get(symbol, {}).get(side, 0) for number, life in view.robots.items()}
        found = {number: abs(qty) for number, qty in parts.items() if qty * closes.sign < 0}
        operator = next((number for number, life in view.robots.items() if life.name == OPERATOR), NOBODY)
        total = sum(abs(each.qty) for each in self._core.held(self._account, symbol) if each.side is side)
        found[operator] = found.get(operator, 0) + max(total - sum(found.values()), 0)
        return found

    # --- the venue --------------------------------------------------------------------------------

    def tick(self) -> None:
        """Sends due queries of unanswered orders and of closes' fills, which no stream reports; to be called some
        twenty times a second."""
        now = self._now()
        for order in self._manager.open.values():
            if not order.is_protective and not order.pending and not order.asking and not order.ask_at:
                order.ask_at = now + ASK_AFTER
        self._manager.tick(now)
        self._carry_out()
        self._look_for_openers()

    def recall(self, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Restores orders of an earlier incarnation without a known end, by client id, and queries them."""
        instruments = self._follower.view.instruments
        for name, about in records.items():
            parsed = parse_client_id(name)
            if parsed is None or about["symbol"] not in instruments or name in self._manager.orders:
                continue
            spec = OrderSpec(
                symbol=about["symbol"],
                side=Side(about["side"]),
                size_int=about["size"],
                type=OrderType.MARKET,
                trigger_int=about["trigger"],
                trigger_by=TriggerBy.LAST if about["trigger"] else TriggerBy.NONE,
                trigger_kind=TriggerKind.STOP if about["trigger"] else TriggerKind.NONE,
                position_side=PositionSide(about["position_side"]),
                tag=GUARDIAN,
            )
            request = Request(about["robot"], RequestKind.PLACE, parsed.order_id, spec)
            self._manager.place_uncertain(name, request, self._now())
        self._carry_out()

    def stops_listed(self, rows: list[OrderStatusReport]) -> None:
        """Handles the venue's listing of stops, which may include its own of earlier incarnations."""
        own = [row for row in rows if (of := self.owner_of(row.client_id)) and is_past_gateway(of[1])]
        self._manager.hear(own, self._now(), source="rest")
        self._carry_out()

    def _carry_out(self) -> None:
        """Writes intents and news to the tape, then sends calls, then passes stops to the core."""
        manager = self._manager
        while manager.outs or manager.calls:
            outs, manager.outs = manager.outs, []
            changed: dict[str, Order] = {}
            for out in outs:
                match out:
                    case IntentOut(order=order, kind=RequestKind.PLACE):
                        self._record(order.client_id, PLACING, _about(order))
                    case IntentOut(order=order):
                        self._record(order.client_id, "canceling", {"symbol": order.spec.symbol})
                    case NewsOut(order=order):
                        changed[order.client_id] = order
                        self._record(order.client_id, str(out.state), {"code": out.code, "reason": out.reason})
                    case FillOut(order=Order() as order):
                        changed[order.client_id] = order
                        self._record(order.client_id, str(order.state), {"filled": order.filled})
            calls, manager.calls = manager.calls, []
            for call in calls:
                if call.purpose in _WRITES and not self.begin():  # a gateway has started
                    continue
                self._send(call)
            for order in changed.values():
                self._stop_changed(order)
                if order.client_id in self._closings:
                    self._filled(order)
                    if not order.is_open:
                        spec, left = order.spec, order.size - order.filled
                        self._core.close_ended(self._account, spec.symbol, spec.position_side, left)
        self._end()

    def _stop_changed(self, order: Order) -> None:
        now = self._steady()
        if order.is_protective and order.is_open:
            self._stops[order.client_id] = None
            self._core.stop(self._account, _row(order), now)
        elif order.client_id in self._stops and not order.is_open:
            del self._stops[order.client_id]
            self._core.stop_ended(self._account, order.client_id, now, is_canceled=order.state in WITHDRAWN)

    def _send(self, call: Call) -> None:
        self._under_way += 1
        self._spawn(self._make(call))

    async def _make(self, call: Call) -> None:
        try:
            protects = call.purpose in ORDER_PURPOSES  # it does nothing else
            answer = await self._line.answer(self._protocol.signed(call._replace(protects=protects), self._now()))
        finally:
            self._under_way -= 1
        name = call.subject.client_id if call.subject is not None else ""
        if call.purpose is Purpose.CANCEL and name not in self._manager.orders:
            # An order under way when its gateway died may still arrive: cancel it again until then.
            is_absent = answer.not_found and self._steady() >= self._began + ABSENT_AFTER
            if is_absent or (not answer.not_found and answer.outcome in (Outcome.DONE, Outcome.SETTLED)):
                self._core.stop_ended(self._account, name, self._steady())
        else:
            self._manager.answered(call, answer, self._now())
        self._carry_out()

    def _record(self, name: str, state: str, about: Mapping[str, Any]) -> None:
        self._say(Record(ORDER, f"{self._account} {name}", state, {"account": self._account, "order": name, **about}))


def _about(order: Order) -> dict[str, Any]:
    """Returns the facts by which another incarnation of the guardian queries the order."""
    spec = order.spec
    return {
        "symbol": spec.symbol,
        "side": str(spec.side),
        "position_side": str(spec.position_side),
        "size": spec.size_int,
        "trigger": spec.trigger_int,
        "robot": order.robot,
    }


def _row(order: Order) -> StopRow:
    spec = order.spec
    return StopRow(
        client_id=order.client_id,
        venue_id=order.venue_id,
        symbol=spec.symbol,
        position_side=spec.position_side,
        closes=spec.side,
        trigger=spec.trigger_int,
        left=order.worst_left,
        state=order.state,
    )


def number_of(name: str) -> int:
    """Returns the order id in that client id; 0: it is not one of these."""
    parsed = parse_client_id(name)
    return parsed.order_id if parsed is not None and is_past_gateway(parsed.order_id) else 0
