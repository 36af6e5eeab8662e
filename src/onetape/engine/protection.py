"""Protective orders that are attached to an entry: stop, take-profit and trailing stop follow what it has filled.

Each leg is an order at the venue, conditional, reduce-only and never larger than what of the entry is still held. A
leg that ends the position cancels the other one. A leg whose price or place changes is there before the old one is
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
from onetape.execution.amount import amount_of
from onetape.model.enums import OrderState
from onetape.model.errors import NotAvailable, ProcessDown

if TYPE_CHECKING:
    from onetape import _core
    from onetape.engine.host import Host
    from onetape.engine.withdrawals import Withdrawals

__all__ = ["Attached", "Protections"]

WOULD_TRIGGER: Final = 4109
REFUSALS_MAX: Final = 10  # of one leg, before it is given up loudly
SHARE_DECIMALS: Final = 9  # of a share, as the core takes it


@dataclass(slots=True)
class Leg:
    """One leg of a protection, a stop or a take-profit. order: what works now; retired: those that it replaced and that
    are not gone yet; filled: size units of the ones that are."""

    kind: str
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
    """Where a leg stands. share, distance: how far from the entry's average price; both 0: at a price of its own."""

    price: Decimal
    share: Decimal = Decimal(0)
    distance: Decimal = Decimal(0)

    @property
    def follows(self) -> bool:
        return bool(self.share or self.distance)


@dataclass(slots=True)
class Attached:
    """The protection of one entry. stop, take, trail: as the strategy said them, a price or a distance, or "2%".
    closed: size units of its fills that something else than its legs has ended."""

    entry: _core.Order
    stop: Any
    take: Any
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

    def check(self, symbol: str, side: int, stop: Any, take: Any, trail: Any) -> None:
        """Before the entry leaves: none is to stand without what protects it. Raises ValueError for what is neither a
        price nor a share, and NotAvailable."""
        falls = (stop, trail) if side == BUY else (take, trail)
        for name, value in (("stop_loss", stop), ("take_profit", take), ("trail", trail)):
            if value is None:
                continue
            try:
                amount = _positive(value, Decimal(1))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            if amount >= 1 and _is_share(value) and value in falls:
                raise ValueError(f"{name}: {value!r} below a price is no price: less than 100%")
        instrument = self._host.instrument_of(symbol)
        if instrument.kind == "spot" and take is not None and (stop is not None or trail is not None):
            raise NotAvailable(
                "a stop and a take-profit that share one spot balance",
                location=f"order of {symbol}",
                todo="attach one of them",
            )

    def attach(self, entry: _core.Order, stop: Any, take: Any, trail: Any) -> None:
        """From its first fill on; check() has found nothing against it."""
        if entry.is_closed and not entry.filled_int:
            return
        each = self._attached[entry.id] = Attached(entry, stop, take, trail)
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
        for kind, stand in self._stands(each, price or Decimal(0)).items():
            if stand.price > 0 and (price or not stand.follows):
                leg = each.legs[kind] = Leg(kind)
                self._place(each, leg, qty, stand.price, stand)
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
        words = f"the {leg.kind} of {each.entry!r} was refused: {order.code} {order.reason}"
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
        """Brings both legs to what of the entry is held."""
        entry = each.entry
        exits = sum(leg.filled + sum(order.filled_int for order in self._orders(leg)) for leg in each.legs.values())
        left = entry.filled_int - exits - each.closed
        wanted = max(min(left, self._held(entry)), 0)
        each.closed += max(left - wanted, 0)  # a later entry of the symbol is not its own
        if entry.filled_int:
            average = Decimal(repr(entry.average_price))
            for kind, stand in self._stands(each, average).items():
                self._stand(each, each.legs.setdefault(kind, Leg(kind)), wanted, stand.price)
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
        if each.take is not None:
            found["take_profit"] = _stand_of(each.take, average, away)
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
            f"{leg.kind} of {entry.id}"[:32],
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
