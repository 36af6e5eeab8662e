"""Attach protective orders to an entry: stop, take-profits and trailing stop that follow its fills.

Each leg is an order at the venue, conditional, reduce-only and never larger than the part of the entry still held. A
leg that ends the position cancels the others. To change a leg's price or size, the new order is placed before the
old one is canceled: filled quantity is never without its stop. A spot venue has no reduce-only orders, and an order
holds back the coins that it sells: there the old one is canceled first, and a take-profit beside a stop waits here
until the market has reached its price. Then the stop gives up its coins, and they are sold at market.

A leg leaves when the robot receives the entry's first fill. Where orders fill only on bars this would be the end of
the bar, too late for events inside it: there the legs leave together with the entry, and the simulated exchange
activates them by its fills.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from onetape.engine.away_venues import AwayVenues
from onetape.engine.handlers import PRIVATE_TIMER
from onetape.engine.marks import BUY, CHANGING, QUOTES, SELL, SIDES, TRADES
from onetape.engine.parent_terms import ParentTerms
from onetape.engine.trailing import STEP
from onetape.execution.amount import amount_of, plain_of
from onetape.execution.levels import LegPrice, improbable, is_share, leg_price, levels_of, no_part, part_of, positive_of
from onetape.model.back_off import back_off
from onetape.model.enums import OrderState, TriggerBy
from onetape.model.errors import NotAvailable, OnetapeError, OrderInvalid, ProcessDown, StrategyError
from onetape.model.time import MINUTE, SECOND

if TYPE_CHECKING:
    from onetape import _core
    from onetape.engine.host import Host
    from onetape.engine.withdrawals import Withdrawals
    from onetape.model.instrument import Instrument

__all__ = ["PROTECTED", "Attached", "Protections"]

WOULD_TRIGGER: Final = 4109
REFUSALS_MAX: Final = 10  # of one leg, before an error ends it
SHARE_DECIMALS: Final = 9  # units of a share, in the core's form
STOP: Final = "stop"
TAKE_PROFIT: Final = "take_profit"
PROTECTED: Final = "protected"  # key of what is saved


@dataclass(slots=True)
class Leg:
    """One leg of a protection, a stop or a take-profit. name: unique within the entry; order: the working one;
    retired: replaced orders that are not closed yet; filled: size units filled by closed orders."""

    kind: str
    name: str
    order: _core.Order | None = None
    trigger: Decimal | None = None
    retired: list[_core.Order] = field(default_factory=list)
    filled: int = 0
    refusals: int = 0
    fires: bool = False
    resized: bool = False
    fixed: bool = False
    attached: bool = False  # `order` left together with the entry
    due: int = 0  # it is not placed before, after a refusal [ns]


@dataclass(slots=True)
class Attached:
    """The protection of one entry. stop, trail: as the strategy passed them, a price or a distance, or "2%"; takes:
    level of each take-profit and its cumulative share of the entry, as from `levels_of`; waits: the take-profits
    are no orders until their prices are reached, because a stop holds the coins; closed: size units of the entry's
    fills closed by other orders."""

    entry: _core.Order | Filled
    stop: Any
    takes: list[tuple[Any, Decimal]]
    trail: Any
    waits: bool
    best: Decimal | None = None
    closed: int = 0
    legs: dict[str, Leg] = field(default_factory=dict)


@dataclass(slots=True)
class Filled:
    """An entry of an earlier incarnation that has ended."""

    id: int
    symbol: str
    side: str
    position_side: str
    filled_int: int
    average_price: float
    qty_int: int = 0
    price: float | None = None
    is_closed: bool = True
    children: list[_core.Order] = field(default_factory=list)


class Protections:
    """Keeps the protective orders of one strategy's entries working, live also after a restart of its process."""

    def __init__(self, host: Host, base: type, withdrawals: Withdrawals, owner: str) -> None:
        """owner: location of the strategy in the run."""
        self._host, self._loop, self._owner, self._withdrawals = host, host.loop, owner, withdrawals
        self._attached: dict[int, Attached] = {}
        self._traded: set[str] = set()  # symbols whose trades are followed
        self._terms = ParentTerms(host)
        self._away = AwayVenues(host)
        self._leaving: tuple[str, int] = "", 0  # a sale on spot that is about to be placed: symbol, size units
        self._places = False  # a leg's order is being placed
        self._loop.hear_sales(self._before_sale)
        # Live the attached protections outlive the process: they are saved beside the strategy's memory.
        self._kept: dict[int, list[Any]] = {}
        if host.robot_numbers:
            self._kept = host.kept.setdefault(owner, {}).setdefault(PROTECTED, {})
        self._timer, self._retry_at = f"{PRIVATE_TIMER}protect{owner}", 0  # for the next try of a refused leg
        handlers = self._host.handlers_of(base)
        handlers.on("fill", self._on_fill)
        handlers.on("order", self._on_order)
        handlers.on("quote", self._on_quote)
        handlers.on("trade", self._on_trade)
        handlers.on("bar", self._on_bar)
        handlers.on("health", self._on_health)
        handlers.on("timer", self._on_timer)

    # --- restarts ---------------------------------------------------------------------------------

    def _keep(self, each: Attached) -> None:
        """Save a protection: terms, progress, and its orders, which the next incarnation may find working."""
        if not self._host.robot_numbers:
            return
        entry = each.entry
        if entry.id not in self._attached:
            self._kept.pop(entry.id, None)
        else:
            legs = {
                name: [leg.filled, [(order.id, order.filled_int) for order in self._orders(leg)]]
                for name, leg in each.legs.items()
            }
            terms = [plain_of(each.stop), [(plain_of(level), str(ends)) for level, ends in each.takes]]
            best = None if each.best is None else str(each.best)
            average = entry.average_price if entry.filled_int else 0.0
            of = [entry.symbol, entry.side, entry.position_side, entry.filled_int, average]
            self._kept[entry.id] = [*of, *terms, plain_of(each.trail), best, each.closed, legs]
        self._loop.touch_memory()

    def resume(self) -> None:
        """Resume the protections of an earlier incarnation before on_start; their orders begin after it."""
        missed: dict[int, list[tuple[int, float]]] = {}
        for fill in self._host.missed:
            missed.setdefault(fill.order.id, []).append((fill.qty_int, fill.price))
        for number, (symbol, side, position, filled, average, *terms, closed, legs) in list(self._kept.items()):
            try:
                self._host.instrument_of(symbol)  # in one-way mode the sides need none
                if (position if position in SIDES else None) not in self._host.sides_of(symbol):
                    raise StrategyError("the account's position mode has changed", location=symbol)
            except OnetapeError as problem:
                del self._kept[number]
                words = f"the protection of order {number} of {symbol} does not go on: {problem}"
                self._host.log(words, "warning", {"symbol": symbol, "order": number})
                continue
            working = {order.id: order for order in self._loop.working(symbol)}
            entry: _core.Order | Filled | None = working.get(number)
            if entry is None:
                for qty, price in missed.get(number, ()):
                    filled, average = filled + qty, (filled * average + qty * price) / (filled + qty)
                entry = Filled(number, symbol, side, position, filled, average)
            stop, takes, trail, best = terms
            levels = [(level, Decimal(ends)) for level, ends in takes]
            waits = self._has_one_sale(symbol, stop, levels, trail)
            each = Attached(entry, stop, levels, trail, waits, None if best is None else Decimal(best), closed)
            self._attached[number] = each
            for name, (done, orders) in legs.items():
                leg = each.legs[name] = _leg_of(name)
                leg.filled = done + sum(
                    before + sum(qty for qty, _ in missed.get(order, ()))
                    for order, before in orders
                    if order not in working
                )
                own = [working[order] for order, _ in orders if order in working]
                leg.order, leg.retired = next(iter(own), None), own[1:]
                if leg.order is not None and leg.order.trigger is not None:
                    leg.trigger = Decimal(repr(leg.order.trigger))
                for order in leg.retired:
                    self._withdrawals.cancel(order)
            self._follow(each)
            self._host.log(f"the protection of order {number} of {symbol} goes on", "info", {"order": number})
        if self._attached:
            self._loop.set_timer(self._timer, 0, self._loop.now)

    def _on_timer(self, name: str) -> None:
        if name == self._timer:
            self._retry_at = 0
            for each in list(self._attached.values()):
                self._settle(each)

    # --- entries ----------------------------------------------------------------------------------

    def check(
        self, symbol: str, side: int, qty: Any, price: Any, stop: Any, take: Any, trail: Any
    ) -> tuple[int, str] | None:
        """Returns code and reason when the entry must be denied: no entry may stand without its protection. Raises
        ValueError for a level that is neither a price nor a share, and NotAvailable."""
        takes = levels_of(take)
        named = [("stop_loss", stop), *(("take_profit", value) for value, _ in takes), ("trail", trail)]
        for name, value in named:
            if value is None:
                continue
            try:
                amount = positive_of(value, Decimal(1))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            falls = name == "trail" or (name == "stop_loss") == (side == BUY)
            if amount >= 1 and is_share(value) and falls:
                raise ValueError(f"{name}: {value!r} below a price is no price: less than 100%")
        instrument = self._host.instrument_of(symbol)
        if not instrument.trigger_by and any(value is not None for _, value in named):
            raise NotAvailable(
                "protective orders: the venue takes no orders with a trigger", location=f"order of {symbol}"
            )
        reason = self._no_level(instrument, price, named[:-1]) or no_part(instrument, qty, takes)
        return (OrderInvalid.code, reason) if reason else None

    def _no_level(self, instrument: Instrument, price: Any, levels: list[tuple[str, Any]]) -> str:
        """Returns why a level is refused: it looks like a share written as a price, or is below a tick; "": none is."""
        near = amount_of(price, Decimal(1)) if price is not None else self._terms.price(instrument.symbol)
        return next((why for each in levels if (why := improbable(*each, near, instrument))), "")

    def attach(self, entry: _core.Order, stop: Any, take: Any, trail: Any) -> None:
        """Attach the protection from the entry's first fill on; check() has accepted it."""
        if entry.is_closed and not entry.filled_int:
            return
        takes = levels_of(take)
        each = Attached(entry, stop, takes, trail, self._has_one_sale(entry.symbol, stop, takes, trail))
        self._attached[entry.id] = each
        self._follow(each)
        self._keep(each)
        if self._host.legs_with_entry and self._loop.fills_bars(entry.symbol):
            self._send_ahead(each)

    def _has_one_sale(self, symbol: str, stop: Any, takes: list[tuple[Any, Decimal]], trail: Any) -> bool:
        """Returns True where a stop and a take-profit would both hold back the same coins."""
        has_stop = stop is not None or trail is not None
        return has_stop and bool(takes) and self._host.instrument_of(symbol).kind == "spot"

    def _follow(self, each: Attached) -> None:
        if each.trail is not None or each.waits:
            self._loop.subscribe(each.entry.symbol, QUOTES | TRADES)

    def _send_ahead(self, each: Attached) -> None:
        """Send the legs together with their entry. Until the entry fills, a leg relative to its price uses the
        limit, else the current price; without either it waits for the fill."""
        entry = each.entry
        price = Decimal(repr(entry.price)) if entry.price else self._terms.price(entry.symbol)
        qty, instrument = entry.qty_int - entry.filled_int, self._host.instrument_of(entry.symbol)
        stands = {
            name: stand
            for name, stand in self._leg_prices(each, price or Decimal(0)).items()
            if part_of(instrument, qty, stand) and stand.price > 0 and (price or not stand.follows)
        }
        # Legs that left together are one sale for the simulated exchange, as long as none is replaced.
        each.waits &= each.trail is not None or len(stands) <= len(each.takes)
        for name, stand in stands.items():
            leg = _leg_of(name)
            if not (each.waits and leg.kind == TAKE_PROFIT):
                each.legs[name] = leg
                self._place(each, leg, part_of(instrument, qty, stand), stand.price, stand)
        entry.children = [order for leg in each.legs.values() for order in self._orders(leg)]

    # --- events -----------------------------------------------------------------------------------

    def _on_fill(self, fill: _core.Fill) -> None:
        for each in self._of(fill.symbol):
            self._settle(each)

    def _on_order(self, order: _core.Order) -> None:
        if not order.is_closed:
            self._answered(order)
            return
        for each in self._of(order.symbol):
            is_own = each.entry.id == order.id or any(self._ended(each, leg, order) for leg in each.legs.values())
            if is_own or self._cancels_first(each):  # a sale that has ended holds its coins back no more
                self._settle(each)

    def _before_sale(self, symbol: str, units: int) -> None:
        """Let legs give up the coins that an order of the strategy sells."""
        if self._places:
            return
        self._leaving = symbol, units
        try:
            for each in self._of(symbol):
                self._settle(each)
        finally:
            self._leaving = "", 0

    def _answered(self, order: _core.Order) -> None:
        """Handle the venue's answer about a leg or its new size: it may have refused it, and more may have filled
        meanwhile."""
        for each in self._of(order.symbol):
            for leg in each.legs.values():
                if leg.order is None or leg.order.id != order.id or order.state in CHANGING:
                    continue
                if leg.resized:
                    leg.resized, leg.fixed = False, bool(order.code)
                self._settle(each)

    def _ended(self, each: Attached, leg: Leg, order: _core.Order) -> bool:
        """Handle the end of a leg's order. Returns False when the order is not this leg's."""
        if leg.order is not None and leg.order.id == order.id:
            leg.order = None
            leg.filled += order.filled_int
            if order.state in (OrderState.REJECTED, OrderState.DENIED):
                self._refused(each, leg, order)
            return True
        if any(old.id == order.id for old in leg.retired):
            leg.retired = [old for old in leg.retired if old.id != order.id]
            leg.filled += order.filled_int
            return True
        return False

    def _refused(self, each: Attached, leg: Leg, order: _core.Order) -> None:
        """Handle a refused leg: close at market when its price is reached already, else report it."""
        if order.code == ProcessDown.code:
            return  # it is retried when its gateway is back
        leg.refusals += 1
        if order.code == WOULD_TRIGGER and leg.refusals < REFUSALS_MAX:
            leg.fires = True
            return
        leg.due = self._loop.now + back_off(SECOND // 4, leg.refusals, MINUTE)
        words = f"the {leg.name} of {each.entry!r} was refused: {order.code} {order.reason}"
        self._host.log(words, "error", {"symbol": order.symbol, "order": each.entry.id})

    def _on_quote(self, quote: _core.Quote) -> None:
        if quote.symbol in self._traded:
            return
        for each in self._of(quote.symbol):
            price = quote.bid_int if each.entry.side == "buy" else quote.ask_int
            self._reach(each, price)
            self._trail(each, price)

    def _on_trade(self, trade: _core.Trade) -> None:
        # Stops fire on the last trade: one moved by quotes ahead of it would be beyond it, and fire at once.
        self._traded.add(trade.symbol)
        for each in self._of(trade.symbol):
            self._reach(each, trade.price_int)
            self._trail(each, trade.price_int)

    def _on_bar(self, bar: _core.Bar) -> None:
        if bar.symbol in self._traded:
            return
        for each in self._of(bar.symbol):
            self._reach(each, bar.high_int if each.entry.side == "buy" else bar.low_int)
            self._trail(each, bar.close_int)

    def _on_health(self, health: _core.Health) -> None:
        if self._away.note(health):
            for each in list(self._attached.values()):
                self._settle(each)

    def _of(self, symbol: str) -> list[Attached]:
        return [each for each in self._attached.values() if each.entry.symbol == symbol]

    def _reach(self, each: Attached, price: int) -> None:
        """Let the waiting take-profits go whose prices are reached."""
        entry = each.entry
        if not each.waits or not entry.filled_int or price <= 0:
            return
        decimals = self._host.instrument_of(entry.symbol).price_decimals
        exact, away = Decimal(price).scaleb(-decimals), 1 if entry.side == "buy" else -1
        reached = [leg for leg in each.legs.values() if _is_reached(leg, exact, away)]
        for leg in reached:
            leg.fires = self._is_due(leg)
        if any(leg.fires for leg in reached):
            self._settle(each)

    def _trail(self, each: Attached, price: int) -> None:
        if each.trail is None or not each.entry.filled_int or price <= 0:
            return
        decimals = self._host.instrument_of(each.entry.symbol).price_decimals
        exact, is_long = Decimal(price).scaleb(-decimals), each.entry.side == "buy"
        before = each.best
        if before is None or (exact > before if is_long else exact < before):
            each.best = exact
            self._settle(each)

    # --- target state of legs ---------------------------------------------------------------------

    def _settle(self, each: Attached) -> None:
        """Bring all legs to the held part of the entry: each take-profit to its part, the first ones first."""
        entry = each.entry
        left, held = self._left(each), self._held(entry)
        sells_coins = entry.side == "buy" and self._cancels_first(each)
        if sells_coins:  # nothing cuts two sales of the same coins: those of later entries are not its own
            later = (of for of in self._of(entry.symbol) if of.entry.id > entry.id and of.entry.side == "buy")
            held -= sum(map(self._left, later))
        kept = wanted = max(min(left, held), 0)
        each.closed += max(left - wanted, 0)  # a later entry of the symbol is not protected by it
        if sells_coins:
            wanted = max(min(wanted, held - self._sold(entry.symbol)), 0)
        if entry.filled_int:
            average, free = Decimal(repr(entry.average_price)), wanted
            instrument = self._host.instrument_of(entry.symbol)
            stands = self._leg_prices(each, average)
            sizes = dict.fromkeys(stands, wanted)
            for name, stand in stands.items():
                leg = each.legs.setdefault(name, _leg_of(name))
                if leg.kind == TAKE_PROFIT:
                    done = leg.filled + sum(order.filled_int for order in self._orders(leg))
                    sizes[name] = max(min(part_of(instrument, entry.filled_int, stand) - done, free), 0)
                    free -= sizes[name]
            if each.waits:
                self._divide(each, sizes, stands, wanted)
            for name, size in sizes.items():
                self._stand(each, each.legs[name], size, stands[name].price)
        elif entry.is_closed:
            for leg in each.legs.values():
                self._stand(each, leg, 0, Decimal(0))
        entry.children = [order for leg in each.legs.values() for order in self._orders(leg)]
        if entry.is_closed and kept == 0 and not entry.children:
            del self._attached[entry.id]
        self._keep(each)

    def _left(self, each: Attached) -> int:
        """Returns size units of the entry that its legs and other orders have not closed."""
        exits = sum(leg.filled + sum(order.filled_int for order in self._orders(leg)) for leg in each.legs.values())
        return each.entry.filled_int - exits - each.closed

    def _sold(self, symbol: str) -> int:
        """Returns size units in working sales of the strategy's own, and in the one about to be placed."""
        own = {order.id for of in self._of(symbol) for leg in of.legs.values() for order in self._orders(leg)}
        sales = (o for o in self._loop.working(symbol) if o.side == "sell" and o.id not in own)
        return sum(o.qty_int - o.filled_int for o in sales) + (self._leaving[1] if self._leaving[0] == symbol else 0)

    def _divide(self, each: Attached, sizes: dict[str, int], stands: dict[str, LegPrice], wanted: int) -> None:
        """Divide coins that only one sale may hold: the take-profits whose prices are reached get theirs, once the stop
        has given them up, and the stop keeps the rest."""
        takes = {name: leg for name, leg in each.legs.items() if leg.kind == TAKE_PROFIT and name in sizes}
        for name, leg in takes.items():
            if leg.order is None and not leg.fires:
                sizes[name], leg.trigger = 0, stands[name].price
        sizes[STOP] = wanted - sum(sizes[name] for name in takes)
        stop = each.legs[STOP]
        if sum(order.qty_int - order.filled_int for order in self._orders(stop)) > sizes[STOP]:
            sizes.update({name: 0 for name, leg in takes.items() if leg.order is None})

    def _held(self, entry: _core.Order | Filled) -> int:
        """Returns size units of the position on the entry's side."""
        side = entry.position_side if entry.position_side in ("long", "short") else None
        qty = self._loop.position(entry.symbol, side).qty_int
        return qty if entry.side == "buy" else -qty

    def _leg_prices(self, each: Attached, average: Decimal) -> dict[str, LegPrice]:
        """Returns the price of each leg for an entry with that average price, on the tick."""
        entry, found = each.entry, {}
        away = 1 if entry.side == "buy" else -1
        begins = Decimal(0)
        for number, (level, ends) in enumerate(each.takes, 1):
            name = TAKE_PROFIT if len(each.takes) == 1 else f"{TAKE_PROFIT} {number}"
            found[name] = leg_price(level, average, away)._replace(begins=begins, ends=ends)
            begins = ends
        stops = [] if each.stop is None else [leg_price(each.stop, average, -away)]
        if each.trail is not None:
            best = average if each.best is None else max(each.best * away, average * away) * away
            behind = best - away * positive_of(each.trail, best)
            share = positive_of(each.trail, Decimal(1)) if is_share(each.trail) else Decimal(0)
            distance = Decimal(0) if share else positive_of(each.trail, Decimal(1))
            stops.append(LegPrice(behind, -away * share, -away * distance))
        if stops:
            found[STOP] = max(stops, key=lambda stop: stop.price * away)
        tick = self._host.instrument_of(entry.symbol).tick
        return {
            kind: stand._replace(price=(stand.price / tick).to_integral_value() * tick) for kind, stand in found.items()
        }

    def _stand(self, each: Attached, leg: Leg, wanted: int, price: Decimal) -> None:
        order = leg.order
        if self._away.has(each.entry.symbol):
            return
        if order is None:
            if wanted and self._is_due(leg) and not (leg.retired and (leg.fires or self._cancels_first(each))):
                self._place(each, leg, wanted, price)
            return
        if wanted == 0:
            self._withdrawals.cancel(order)
            return
        if order.state in CHANGING or order.state == OrderState.SUBMITTED:
            return  # its event comes here: fills of one moment cause one replacement, not several
        if leg.attached:
            leg.trigger = Decimal(repr(order.trigger))  # by the entry's fills, as the exchange applies them
            if not each.entry.is_closed and not each.closed and not self._moves(each, leg.trigger, price):
                return  # further fills of the entry activate more of it
        if leg.trigger is not None and self._moves(each, leg.trigger, price):
            self._replace(each, leg, wanted, price)
        elif order.qty_int - order.filled_int != wanted:
            decimals = self._host.instrument_of(each.entry.symbol).size_decimals
            whole = Decimal(order.filled_int + wanted).scaleb(-decimals)
            may_amend = not (leg.fixed or self._cancels_first(each))
            leg.resized = may_amend and bool(self._loop.amend(order, None, whole))
            if not leg.resized:
                self._replace(each, leg, wanted, price)

    def _replace(self, each: Attached, leg: Leg, wanted: int, price: Decimal) -> None:
        """Replace a leg's order; the old one stays when the new one is denied."""
        old, trigger = leg.order, leg.trigger
        assert old is not None
        if self._cancels_first(each):
            self._withdrawals.cancel(old)
            return
        if not self._is_due(leg):
            return
        self._place(each, leg, wanted, price)
        if leg.order is None and not leg.fires:
            leg.order, leg.trigger = old, trigger
        else:
            leg.retired.append(old)
            self._withdrawals.cancel(old)

    def _cancels_first(self, each: Attached) -> bool:
        """Returns True on spot, where the old order holds back the coins that the new one sells."""
        return self._host.instrument_of(each.entry.symbol).kind == "spot"

    def _is_due(self, leg: Leg) -> bool:
        if leg.refusals >= REFUSALS_MAX:
            return False
        if self._loop.now >= leg.due:
            return True
        if not self._retry_at or leg.due < self._retry_at:
            self._retry_at = leg.due
            self._loop.set_timer(self._timer, 0, leg.due)
        return False

    def _moves(self, each: Attached, now: Decimal, to: Decimal) -> bool:
        """Returns True when the price must move: a trailing stop moves in steps, other prices exactly."""
        if each.trail is None or each.best is None:
            return now != to
        away = 1 if each.entry.side == "buy" else -1
        return (to - now) * away > STEP * positive_of(each.trail, each.best)

    def _place(self, each: Attached, leg: Leg, wanted: int, price: Decimal, ahead: LegPrice | None = None) -> None:
        """Place a leg's order. ahead: together with its entry."""
        entry, fires, leg.fires = each.entry, leg.fires, False
        leg.resized = leg.fixed = False
        leg.attached = ahead is not None
        instrument = self._host.instrument_of(entry.symbol)
        terms = (
            entry.symbol,
            SELL if entry.side == "buy" else BUY,
            Decimal(wanted).scaleb(-instrument.size_decimals),
            None,
            False,
            instrument.kind != "spot",
            "GTC",
            None if fires else price,
            str(instrument.watched(TriggerBy.LAST)),
            None if fires else leg.kind,
            entry.position_side if None not in self._host.sides_of(entry.symbol) else None,
            None,
            f"{leg.name} of {entry.id}"[:32],
        )
        self._places = True
        try:
            if ahead is None:
                leg.order = self._host.place_for(self._owner, *terms)
            else:
                distance = int(ahead.distance.scaleb(instrument.price_decimals))
                attached = (entry.id, int(ahead.share.scaleb(SHARE_DECIMALS)), distance)
                leg.order = self._host.place_attached(self._owner, attached, *terms)
        finally:
            self._places = False
        leg.trigger = price
        if leg.order.is_closed:
            order, leg.order = leg.order, None
            self._refused(each, leg, order)
            if leg.fires and not leg.retired:
                self._place(each, leg, wanted, price)

    def _orders(self, leg: Leg) -> list[_core.Order]:
        return [*([leg.order] if leg.order is not None else []), *leg.retired]


def _leg_of(name: str) -> Leg:
    return Leg(TAKE_PROFIT if name.startswith(TAKE_PROFIT) else name, name)


def _is_reached(leg: Leg, price: Decimal, away: int) -> bool:
    """Returns True when the price reaches a take-profit that waits without an order. away: 1: the price rises to it."""
    if leg.kind != TAKE_PROFIT or leg.order is not None or leg.fires or leg.trigger is None:
        return False
    return (price - leg.trigger) * away >= 0
