"""Protective orders that are attached to an entry: stop, take-profits and trailing stop follow what it has filled.

Each leg is an order at the venue, conditional, reduce-only and never larger than what of the entry is still held. A
leg that ends the position cancels the others. A leg whose price or place changes is there before the old one is
canceled: what has filled is not without its stop because of a change.

A leg leaves when the robot hears of the entry's first fill. Where orders meet bars alone that is the end of the bar,
too late for what happens inside it: there the legs leave together with the entry, and the simulated exchange wakes them
by its fills.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from onetape.engine.away_venues import AwayVenues
from onetape.engine.marks import BUY, CHANGING, QUOTES, SELL, TRADES
from onetape.engine.parent_terms import ParentTerms
from onetape.engine.trailing import STEP
from onetape.execution.amount import amount_of, finite_of
from onetape.model.enums import OrderState
from onetape.model.errors import NotAvailable, OrderInvalid, ProcessDown

if TYPE_CHECKING:
    from onetape import _core
    from onetape.engine.host import Host
    from onetape.engine.withdrawals import Withdrawals
    from onetape.model.instrument import Instrument

__all__ = ["Attached", "Protections"]

WOULD_TRIGGER: Final = 4109
REFUSALS_MAX: Final = 10  # of one leg, before it is given up loudly
SHARE_DECIMALS: Final = 9  # of a share, as the core takes it
SHARE_LEAST: Final = 100  # a price that is so many times smaller than the market's is a share, written as a number
SHARE_ROUNDING: Final = Decimal("1e-9")  # three times 1/3 is the whole
TAKE_PROFIT: Final = "take_profit"


@dataclass(slots=True)
class Leg:
    """One leg of a protection, a stop or a take-profit. name: of all the entry's legs; order: what works now; retired:
    those that it replaced and that are not gone yet; filled: size units of the ones that are."""

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


class Stand(NamedTuple):
    """Where a leg stands. share, distance: how far from the entry's average price; both 0: at a price of its own.
    begins, ends: its part of the entry, as shares of it; all legs that have none of their own have the whole."""

    price: Decimal
    share: Decimal = Decimal(0)
    distance: Decimal = Decimal(0)
    begins: Decimal = Decimal(0)
    ends: Decimal = Decimal(1)

    @property
    def follows(self) -> bool:
        return bool(self.share or self.distance)


@dataclass(slots=True)
class Attached:
    """The protection of one entry. stop, trail: as the strategy said them, a price or a distance, or "2%"; takes: each
    take-profit's level and up to which share of the entry it goes, as `levels_of` has them; closed: size units of its
    fills that something else than its legs has ended."""

    entry: _core.Order
    stop: Any
    takes: list[tuple[Any, Decimal]]
    trail: Any
    best: Decimal | None = None
    closed: int = 0
    legs: dict[str, Leg] = field(default_factory=dict)


class Protections:
    """Keeps the protections of one strategy's entries at work."""

    def __init__(self, host: Host, base: type, withdrawals: Withdrawals, owner: str) -> None:
        """owner: where the strategy is among those of the run."""
        self._host, self._loop, self._owner, self._withdrawals = host, host.loop, owner, withdrawals
        self._attached: dict[int, Attached] = {}
        self._traded: set[str] = set()  # symbols whose trades are heard
        self._terms = ParentTerms(host)
        self._away = AwayVenues(host)
        handlers = self._host.handlers_of(base)
        handlers.on("fill", self._on_fill)
        handlers.on("order", self._on_order)
        handlers.on("quote", self._on_quote)
        handlers.on("trade", self._on_trade)
        handlers.on("bar", self._on_bar)
        handlers.on("health", self._on_health)

    def check(
        self, symbol: str, side: int, qty: Any, price: Any, stop: Any, take: Any, trail: Any
    ) -> tuple[int, str] | None:
        """Returns why the entry is denied, its code and the reason: none is to stand without what protects it. Raises
        ValueError for what is neither a price nor a share, and NotAvailable."""
        takes = levels_of(take)
        named = [("stop_loss", stop), *(("take_profit", value) for value, _ in takes), ("trail", trail)]
        for name, value in named:
            if value is None:
                continue
            try:
                amount = _positive(value, Decimal(1))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            falls = name == "trail" or (name == "stop_loss") == (side == BUY)
            if amount >= 1 and _is_share(value) and falls:
                raise ValueError(f"{name}: {value!r} below a price is no price: less than 100%")
        instrument = self._host.instrument_of(symbol)
        if instrument.kind == "spot" and takes and (stop is not None or trail is not None):
            raise NotAvailable(
                "a stop and a take-profit that share one spot balance",
                location=f"order of {symbol}",
                todo="attach one of them",
            )
        reason = self._no_level(instrument, price, named[:-1]) or _no_part(instrument, qty, takes)
        return (OrderInvalid.code, reason) if reason else None

    def _no_level(self, instrument: Instrument, price: Any, levels: list[tuple[str, Any]]) -> str:
        """Returns which level is a share of the price that was written as a price, or none on the tick; "": none is."""
        near = amount_of(price, Decimal(1)) if price is not None else self._terms.price(instrument.symbol)
        for name, value in levels:
            if value is None or _is_share(value):
                continue
            level = _positive(value, Decimal(1))
            if near is not None and level * SHARE_LEAST < near:
                share = f"{(level * 100).normalize():f}%"
                return f"{name}={value} is a price, less than a hundredth of {near:f}: did you mean {share!r}?"
            if 2 * level < instrument.tick:
                return f"{name}={value} is no price that the instrument can carry: its tick is {instrument.tick:f}"
        return ""

    def attach(self, entry: _core.Order, stop: Any, take: Any, trail: Any) -> None:
        """From its first fill on; check() has found nothing against it."""
        if entry.is_closed and not entry.filled_int:
            return
        each = self._attached[entry.id] = Attached(entry, stop, levels_of(take), trail)
        if trail is not None:
            self._loop.subscribe(entry.symbol, QUOTES | TRADES)
        if self._host.legs_with_entry and self._loop.fills_bars(entry.symbol):
            self._send_ahead(each)

    def _send_ahead(self, each: Attached) -> None:
        """Sends the legs together with their entry. Until the entry fills, a leg that follows its price is placed by
        the limit, else by the price of now; where neither is known the leg waits for the fill."""
        entry = each.entry
        price = Decimal(repr(entry.price)) if entry.price else self._terms.price(entry.symbol)
        qty = entry.qty_int - entry.filled_int
        for name, stand in self._stands(each, price or Decimal(0)).items():
            part = _part(self._host.instrument_of(entry.symbol), qty, stand)
            if part and stand.price > 0 and (price or not stand.follows):
                leg = each.legs[name] = _leg_of(name)
                self._place(each, leg, part, stand.price, stand)
        entry.children = [order for leg in each.legs.values() for order in self._orders(leg)]

    # --- what happens -----------------------------------------------------------------------------

    def _on_fill(self, fill: _core.Fill) -> None:
        for each in self._of(fill.symbol):
            self._settle(each)

    def _on_order(self, order: _core.Order) -> None:
        if not order.is_closed:
            self._answered(order)
            return
        for each in self._of(order.symbol):
            if each.entry.id == order.id or any(self._ended(each, leg, order) for leg in each.legs.values()):
                self._settle(each)

    def _answered(self, order: _core.Order) -> None:
        """What the venue says of a leg or of its new size: it may have refused that, and more may have filled
        meanwhile."""
        for each in self._of(order.symbol):
            for leg in each.legs.values():
                if leg.order is None or leg.order.id != order.id or order.state in CHANGING:
                    continue
                if leg.resized:
                    leg.resized, leg.fixed = False, bool(order.code)
                self._settle(each)

    def _ended(self, each: Attached, leg: Leg, order: _core.Order) -> bool:
        """A leg's order is gone. False: it is none of this leg's."""
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
        """Its price is reached already: what it protects is closed at market. Else it is said."""
        if order.code == ProcessDown.code:
            return  # it is tried again when its gateway is back
        leg.refusals += 1
        if order.code == WOULD_TRIGGER and leg.refusals < REFUSALS_MAX:
            leg.fires = True
            return
        words = f"the {leg.name} of {each.entry!r} was refused: {order.code} {order.reason}"
        self._host.log(words, "error", {"symbol": order.symbol, "order": each.entry.id})

    def _on_quote(self, quote: _core.Quote) -> None:
        if quote.symbol in self._traded:
            return
        for each in self._of(quote.symbol):
            if each.trail is not None:
                price = quote.bid_int if each.entry.side == "buy" else quote.ask_int
                self._trail(each, price)

    def _on_trade(self, trade: _core.Trade) -> None:
        # Stops fire by the last trade: one that follows quotes ahead of it would stand beyond it, and fire at once.
        self._traded.add(trade.symbol)
        for each in self._of(trade.symbol):
            if each.trail is not None:
                self._trail(each, trade.price_int)

    def _on_bar(self, bar: _core.Bar) -> None:
        if bar.symbol in self._traded:
            return
        for each in self._of(bar.symbol):
            if each.trail is not None:
                self._trail(each, bar.close_int)

    def _on_health(self, health: _core.Health) -> None:
        if self._away.note(health):
            for each in list(self._attached.values()):
                self._settle(each)

    def _of(self, symbol: str) -> list[Attached]:
        return [each for each in self._attached.values() if each.entry.symbol == symbol]

    def _trail(self, each: Attached, price: int) -> None:
        if not each.entry.filled_int or price <= 0:
            return
        decimals = self._host.instrument_of(each.entry.symbol).price_decimals
        exact, is_long = Decimal(price).scaleb(-decimals), each.entry.side == "buy"
        before = each.best
        if before is None or (exact > before if is_long else exact < before):
            each.best = exact
            self._settle(each)

    # --- what is to stand -------------------------------------------------------------------------

    def _settle(self, each: Attached) -> None:
        """Brings all legs to what of the entry is held: a take-profit to its part of it, the first ones first."""
        entry = each.entry
        exits = sum(leg.filled + sum(order.filled_int for order in self._orders(leg)) for leg in each.legs.values())
        left = entry.filled_int - exits - each.closed
        wanted = max(min(left, self._held(entry)), 0)
        each.closed += max(left - wanted, 0)  # a later entry of the symbol is not its own
        if entry.filled_int:
            average, free = Decimal(repr(entry.average_price)), wanted
            instrument = self._host.instrument_of(entry.symbol)
            for name, stand in self._stands(each, average).items():
                leg, size = each.legs.setdefault(name, _leg_of(name)), wanted
                if leg.kind == TAKE_PROFIT:
                    done = leg.filled + sum(order.filled_int for order in self._orders(leg))
                    size = max(min(_part(instrument, entry.filled_int, stand) - done, free), 0)
                    free -= size
                self._stand(each, leg, size, stand.price)
        elif entry.is_closed:
            for leg in each.legs.values():
                self._stand(each, leg, 0, Decimal(0))
        entry.children = [order for leg in each.legs.values() for order in self._orders(leg)]
        if entry.is_closed and wanted == 0 and not entry.children:
            del self._attached[entry.id]

    def _held(self, entry: _core.Order) -> int:
        """Size units of the position on the entry's side."""
        side = entry.position_side if entry.position_side in ("long", "short") else None
        qty = self._loop.position(entry.symbol, side).qty_int
        return qty if entry.side == "buy" else -qty

    def _stands(self, each: Attached, average: Decimal) -> dict[str, Stand]:
        """Returns where each leg stands behind an entry of that average price, on the tick."""
        entry, found = each.entry, {}
        away = 1 if entry.side == "buy" else -1
        begins = Decimal(0)
        for number, (level, ends) in enumerate(each.takes, 1):
            name = TAKE_PROFIT if len(each.takes) == 1 else f"{TAKE_PROFIT} {number}"
            found[name] = _stand_of(level, average, away)._replace(begins=begins, ends=ends)
            begins = ends
        stops = [] if each.stop is None else [_stand_of(each.stop, average, -away)]
        if each.trail is not None:
            best = average if each.best is None else max(each.best * away, average * away) * away
            behind = best - away * _positive(each.trail, best)
            share = _positive(each.trail, Decimal(1)) if _is_share(each.trail) else Decimal(0)
            distance = Decimal(0) if share else _positive(each.trail, Decimal(1))
            stops.append(Stand(behind, -away * share, -away * distance))
        if stops:
            found["stop"] = max(stops, key=lambda stop: stop.price * away)
        tick = self._host.instrument_of(entry.symbol).tick
        return {
            kind: stand._replace(price=(stand.price / tick).to_integral_value() * tick) for kind, stand in found.items()
        }

    def _stand(self, each: Attached, leg: Leg, wanted: int, price: Decimal) -> None:
        order = leg.order
        if self._away.has(each.entry.symbol):
            return
        if order is None:
            if wanted and leg.refusals < REFUSALS_MAX and not (leg.fires and leg.retired):
                self._place(each, leg, wanted, price)
            return
        if wanted == 0:
            self._withdrawals.cancel(order)
            return
        if order.state in CHANGING or order.state == OrderState.SUBMITTED:
            return  # its news comes here: fills of one moment replace it once, not each time
        if leg.attached:
            leg.trigger = Decimal(repr(order.trigger))  # by the entry's fills, as the exchange has it
            if not each.entry.is_closed and not each.closed and not self._moves(each, leg.trigger, price):
                return  # what more of the entry fills wakes more of it
        if leg.trigger is not None and self._moves(each, leg.trigger, price):
            self._replace(each, leg, wanted, price)
        elif order.qty_int - order.filled_int != wanted:
            decimals = self._host.instrument_of(each.entry.symbol).size_decimals
            whole = Decimal(order.filled_int + wanted).scaleb(-decimals)
            leg.resized = not leg.fixed and bool(self._loop.amend(order, None, whole))
            if not leg.resized:
                self._replace(each, leg, wanted, price)

    def _replace(self, each: Attached, leg: Leg, wanted: int, price: Decimal) -> None:
        """What is there stays where the new one is denied."""
        if leg.refusals >= REFUSALS_MAX:
            return
        old, trigger = leg.order, leg.trigger
        assert old is not None
        self._place(each, leg, wanted, price)
        if leg.order is None and not leg.fires:
            leg.order, leg.trigger = old, trigger
        else:
            leg.retired.append(old)
            self._withdrawals.cancel(old)

    def _moves(self, each: Attached, now: Decimal, to: Decimal) -> bool:
        """A trailing stop goes on in steps; every other price is where it is said to be."""
        if each.trail is None or each.best is None:
            return now != to
        away = 1 if each.entry.side == "buy" else -1
        return (to - now) * away > STEP * _positive(each.trail, each.best)

    def _place(self, each: Attached, leg: Leg, wanted: int, price: Decimal, ahead: Stand | None = None) -> None:
        """ahead: it leaves together with its entry."""
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
            "last",
            None if fires else leg.kind,
            entry.position_side if self._host.is_hedged else None,
            None,
            f"{leg.name} of {entry.id}"[:32],
        )
        if ahead is None:
            leg.order = self._host.place_for(self._owner, *terms)
        else:
            distance = int(ahead.distance.scaleb(instrument.price_decimals))
            attached = (entry.id, int(ahead.share.scaleb(SHARE_DECIMALS)), distance)
            leg.order = self._host.place_attached(self._owner, attached, *terms)
        leg.trigger = price
        if leg.order.is_closed:
            order, leg.order = leg.order, None
            self._refused(each, leg, order)
            if leg.fires and not leg.retired:
                self._place(each, leg, wanted, price)

    def _orders(self, leg: Leg) -> list[_core.Order]:
        return [*([leg.order] if leg.order is not None else []), *leg.retired]


def levels_of(take: Any) -> list[tuple[Any, Decimal]]:
    """Returns each take-profit's level, and up to which share of the entry it goes. take: one level, or several with
    the share that each closes. Raises ValueError."""
    if take is None:
        return []
    if not isinstance(take, (list, tuple)):
        return [(take, Decimal(1))]
    found, sum_ = [], Decimal(0)
    for each in take:
        if not isinstance(each, (list, tuple)) or len(each) != 2:
            raise ValueError(f"take_profit: a level, or a list of (level, share of the entry), not {each!r} in it")
        share = finite_of("take_profit: the share", each[1])
        sum_ += share
        if share <= 0 or sum_ > 1 + SHARE_ROUNDING:
            raise ValueError(f"take_profit: shares of the entry are above 0 and together at most 1, not {take!r}")
        found.append((each[0], sum_ if sum_ < 1 - SHARE_ROUNDING else Decimal(1)))
    if not found:
        raise ValueError("take_profit: an empty list: leave it out")
    return found


def _part(instrument: Instrument, size: int, stand: Stand) -> int:
    """Returns a leg's part of so much of the entry, in whole lots, the last one with what is left; size units."""

    def up_to(share: Decimal) -> int:
        return size if share == 1 else int(size * share) // instrument.lot_int * instrument.lot_int

    return up_to(stand.ends) - up_to(stand.begins)


def _no_part(instrument: Instrument, qty: Any, takes: list[tuple[Any, Decimal]]) -> str:
    """Returns which take-profit would close less than one lot of the whole entry; "": none would."""
    begins = Decimal(0)
    for level, ends in takes:
        if not begins and ends == 1:
            break  # all of it: a quantity below a lot is denied as that
        size = int(finite_of("qty", qty).scaleb(instrument.size_decimals))
        if not _part(instrument, size, Stand(Decimal(0), begins=begins, ends=ends)):
            return f"take_profit={level}: its share of {qty} is less than one lot ({instrument.lot:f})"
        begins = ends
    return ""


def _leg_of(name: str) -> Leg:
    return Leg(TAKE_PROFIT if name.startswith(TAKE_PROFIT) else name, name)


def _stand_of(value: Any, average: Decimal, away: int) -> Stand:
    """Returns a price, or a share of the entry's average away from it."""
    if not _is_share(value):
        return Stand(_positive(value, Decimal(1)))
    share = _positive(value, Decimal(1))
    return Stand(average + away * share * average, away * share)


def _is_share(value: Any) -> bool:
    return str(value).strip().endswith("%")


def _positive(value: Any, of: Decimal) -> Decimal:
    if not (amount := amount_of(value, of)):
        raise ValueError(f"neither a price nor a share of one: {value!r}")
    return amount
