"""Move trailing stops: stops at the venue that follow the best price at a distance.

One order works at a time, so that all together never fill more than the wanted quantity: to move a stop it is
canceled, and the next one, for the remaining quantity, leaves when it is closed. A price already passed by then is
taken at market.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from onetape.engine.away_venues import AwayVenues
from onetape.engine.marks import MARK, QUOTES, SELL, TRADES
from onetape.engine.notes import Signal, number_of
from onetape.engine.parent_terms import ParentTerms
from onetape.execution.amount import amount_of
from onetape.model.enums import OrderState
from onetape.model.errors import OrderInvalid, OrderWouldTrigger, ProcessDown
from onetape.model.request_key import RequestKey

if TYPE_CHECKING:
    from onetape import _core
    from onetape.engine.host import Host
    from onetape.engine.withdrawals import Withdrawals

__all__ = ["STEP", "StopTerms", "TrailingStops"]

STEP: Final = Decimal("0.05")  # of its distance: lag at which a trailing stop is moved
REFUSALS_MAX: Final = 10  # of one stop, before an error ends it


class StopTerms(NamedTuple):
    """Arguments of `place`, in its order."""

    symbol: str
    side: int
    qty: Any
    price: Any
    post_only: bool
    reduce_only: bool
    tif: str
    trigger: Any
    trigger_by: str
    kind: str | None
    position_side: str | None
    expire: int | None
    tag: str


@dataclass(slots=True)
class Trailing:
    """One trailing stop. first: the order returned to the strategy; order: the working one, None: the last one is
    closed; left: size units; best: best price since the start; moves: the order is being canceled for the next
    one."""

    first: _core.Order
    order: _core.Order | None
    terms: StopTerms
    trail: Any
    left: int
    trigger: Decimal
    best: Decimal
    moves: bool = False
    refusals: int = 0

    @property
    def away(self) -> int:
        """Direction in which the stop follows: up for a sell."""
        return 1 if self.terms.side == SELL else -1


class TrailingStops:
    """Moves the trailing stops of one strategy."""

    def __init__(self, host: Host, base: type, withdrawals: Withdrawals, owner: str) -> None:
        """owner: location of the strategy in the run."""
        self._host, self._loop, self._prices, self._owner = host, host.loop, ParentTerms(host), owner
        self._withdrawals = withdrawals
        self._all: dict[int, Trailing] = {}  # by the id of the first order
        self._traded: set[str] = set()  # symbols whose trades are followed
        self._away = AwayVenues(host)
        handlers = self._host.handlers_of(base)
        handlers.on("order", self._on_order)
        handlers.on("quote", self._on_quote)
        handlers.on("trade", self._on_trade)
        handlers.on("mark", self._on_mark)
        handlers.on("bar", self._on_bar)
        handlers.on("health", self._on_health)

    def begin(
        self, terms: StopTerms, trail: Any, once: str | RequestKey | None, signal: Signal | int | None
    ) -> _core.Order:
        """Place the first stop, at `trigger` or at its distance from the current price. Raises ValueError for an
        invalid trailing stop; without a price the order is returned denied."""
        symbol, instrument = terms.symbol, self._host.instrument_of(terms.symbol)
        if terms.price is not None or terms.post_only:
            raise ValueError("a trailing stop takes at market: it has no price and no post_only")
        if trail is None:
            raise ValueError('kind="trailing" needs trail: a distance, or a share of the best price as "1%"')
        self._loop.subscribe(symbol, MARK if terms.trigger_by in ("mark", "index") else QUOTES | TRADES)
        away = 1 if terms.side == SELL else -1
        start = self._prices.price(symbol)
        if start is None and terms.trigger is not None:
            said = Decimal(str(terms.trigger))
            start = said + away * amount_of(trail, said)
        if start is None:
            amount_of(trail, Decimal(1))
            more = self._host.notes.more(None, number_of(signal))
            words = "no price is known yet from which a stop could trail"
            return self._loop.place_with(more, OrderInvalid.code, words, *terms._replace(kind=None, trigger=None))
        distance = amount_of(trail, start)
        if not 0 < distance < start:
            raise ValueError(f"trail is a distance above 0 and below the price, not {trail!r}")
        if terms.trigger is None:
            trigger = start - away * distance
            terms = terms._replace(trigger=(trigger / instrument.tick).to_integral_value() * instrument.tick)
        order = self._host.place_with(once, signal, *terms._replace(kind="stop"))
        if not order.is_closed:
            trigger = Decimal(str(order.trigger))
            self._all[order.id] = Trailing(order, order, terms, trail, order.qty_int, trigger, start)
        return order

    def canceled(self, order: _core.Order) -> bool:
        """End the stop to which an order belongs, or belonged. Returns True when another order of it worked, and is
        being canceled."""
        for each in self._all.values():
            if order.id in (each.first.id, each.order.id if each.order is not None else 0):
                working = each.order
                self._end(each)
                if working is not None and working.id != order.id:
                    self._withdrawals.cancel(working)
                    return True
                return False
        return False

    def drop(self, symbol: str | None) -> None:
        """Forget the stops of a symbol, or all, whose orders the caller cancels."""
        for each in tuple(self._all.values()):
            if symbol in (None, each.terms.symbol):
                self._end(each)

    # --- events -----------------------------------------------------------------------------------

    def _on_trade(self, trade: _core.Trade) -> None:
        # Stops fire on the last trade: one moved by quotes ahead of it would be beyond it, and fire at once.
        self._traded.add(trade.symbol)
        self._follow(trade.symbol, "last", trade.price_int, trade.price_int)

    def _on_quote(self, quote: _core.Quote) -> None:
        if quote.symbol not in self._traded:
            self._follow(quote.symbol, "last", quote.bid_int, quote.ask_int)

    def _on_bar(self, bar: _core.Bar) -> None:
        if bar.symbol not in self._traded:
            self._follow(bar.symbol, "last", bar.close_int, bar.close_int)

    def _on_mark(self, mark: _core.Mark) -> None:
        self._follow(mark.symbol, "mark", mark.mark_int, mark.mark_int)
        self._follow(mark.symbol, "index", mark.index_int, mark.index_int)

    def _on_health(self, health: _core.Health) -> None:
        if self._away.note(health):
            for each in tuple(self._all.values()):
                self._settle(each)

    def _on_order(self, order: _core.Order) -> None:
        for each in tuple(self._all.values()):
            if each.order is None or each.order.id != order.id:
                continue
            if order.is_closed:
                self._closed(each, order)
            else:
                self._settle(each)

    def _closed(self, each: Trailing, order: _core.Order) -> None:
        each.left -= order.filled_int
        moved, each.moves, each.order = each.moves, False, None
        is_refused = order.state in (OrderState.REJECTED, OrderState.DENIED)
        is_first = order.id == each.first.id  # the strategy receives it, as for any stop
        goes_on = (is_refused and not is_first) or (moved and order.state == OrderState.CANCELED)
        if each.left <= 0 or not goes_on:
            self._end(each)
            if order.filled_int and each.left > 0:  # it has fired
                left = self._host.instrument_of(order.symbol).size(each.left)
                words = f"the trailing stop of {each.first!r} ended with {left} not taken: {order.code} {order.reason}"
                self._host.log(words, "warning", {"symbol": order.symbol, "order": each.first.id})
        elif is_refused:
            self._refused(each, order)
        else:
            self._settle(each)

    # --- following the price ----------------------------------------------------------------------

    def _follow(self, symbol: str, by: str, sold_at: int, bought_at: int) -> None:
        """Apply a price. sold_at, bought_at: units; what a sell and a buy would get now."""
        for each in tuple(self._all.values()):
            price = sold_at if each.terms.side == SELL else bought_at
            if each.terms.symbol != symbol or each.terms.trigger_by != by or price <= 0:
                continue
            exact = Decimal(price).scaleb(-self._host.instrument_of(symbol).price_decimals)
            if (exact - each.best) * each.away > 0:
                each.best = exact
                self._settle(each)
            elif each.order is None:
                self._settle(each)

    def _settle(self, each: Trailing) -> None:
        """Move the stop to its price: cancel a lagging order, place the next one after a closed one."""
        if self._away.has(each.terms.symbol):
            return
        distance = amount_of(each.trail, each.best)
        tick = self._host.instrument_of(each.terms.symbol).tick
        wanted = ((each.best - each.away * distance) / tick).to_integral_value() * tick
        if each.order is None:
            if (wanted - each.trigger) * each.away > 0:
                each.trigger = wanted
            self._place(each, each.terms._replace(kind="stop", trigger=each.trigger))
        elif (
            not each.moves
            and each.order.state == OrderState.ACCEPTED
            and (wanted - each.trigger) * each.away > STEP * distance
        ):
            each.moves = True
            self._withdrawals.cancel(each.order)

    def _place(self, each: Trailing, terms: StopTerms) -> None:
        qty = Decimal(each.left).scaleb(-self._host.instrument_of(terms.symbol).size_decimals)
        with self._host.notes.at(self._owner):
            order = self._host.place_with(None, None, *terms._replace(qty=qty))
        each.order = None if order.is_closed else order
        each.first.children = [] if each.order is None else [each.order]
        if order.is_closed:
            self._refused(each, order)

    def _refused(self, each: Trailing, order: _core.Order) -> None:
        """Handle a refused stop: take the rest when its price is reached already, else retry with the next price."""
        if order.code == ProcessDown.code:
            return  # retried when its gateway is back
        each.refusals += 1
        if order.code == OrderWouldTrigger.code and order.kind is not None:
            self._place(each, each.terms._replace(kind=None, trigger=None))
        elif each.refusals >= REFUSALS_MAX:
            words = f"the trailing stop of {each.first!r} was refused: {order.code} {order.reason}"
            self._host.log(words, "error", {"symbol": order.symbol, "order": each.first.id})
            self._end(each)

    def _end(self, each: Trailing) -> None:
        self._all.pop(each.first.id, None)
        each.first.children = []
