"""The public data of a simulated exchange: its instruments, their prices, books and trades."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from onetape._core import FLAG_SNAPSHOT
from onetape.exchange.listing import SIDES, Listing, changed_filters
from onetape.exchange.reports import DepthReport, MarkReport, QuoteReport, TradeReport
from onetape.exchange.timeline import Timeline, recorded
from onetape.model.enums import EventType, Side, TriggerBy
from onetape.model.instrument import Instrument
from onetape.tape.payloads import LEVEL, fields

__all__ = ["MARK", "TRADE", "Board", "Market"]

QUOTE, TRADE, BOOK = EventType.QUOTE.id, EventType.TRADE.id, EventType.BOOK.id
MARK, BAR, FUNDING = EventType.MARK.id, EventType.BAR.id, EventType.FUNDING.id
_QUOTE_FIELDS: Final = fields("quote", "bid", "ask", "bid_size", "ask_size", "update_id")
_TRADE_FIELDS: Final = fields("trade", "price", "size", "id_low", "side")
_BOOK_FIELDS: Final = fields("book", "first_id", "last_id", "bid_count", "ask_count")
_MARK_FIELDS: Final = fields("mark", "mark", "index")
_RATE: Final = fields("funding", "rate")


Minute = tuple[int, Sequence[tuple[int, int, int, int, int]]]  # in the form of `Listing.add_minute`


class Listed(Protocol):
    @property
    def instrument(self) -> Instrument: ...


class Market(Protocol):
    """The market of an exchange, generated or recorded. core: has the methods of `_core.OrderFlow`."""

    start: int
    core: Any

    @property
    def markets(self) -> Sequence[Listed]: ...


class Board:
    """Lists instruments in the order of the market. currencies: of accounts, besides those of the instruments."""

    def __init__(self, timeline: Timeline, market: Market, currencies: tuple[str, ...]) -> None:
        self.timeline = timeline
        self.flow: Any = market.core
        self.instruments = [each.instrument for each in market.markets]
        self.listings = tuple(Listing(i, at) for at, i in enumerate(self.instruments))
        own = (currency for i in self.instruments for currency in (i.settle, i.quote, i.base))
        self.currencies = tuple(dict.fromkeys((*own, *currencies)))
        self.maintenance = (0, "")  # end (ns UTC), and the purpose of requests that are still accepted
        self.is_heard = True  # whether books and quotes are reported

    def price(self, index: int, by: TriggerBy) -> int:
        """Returns the price that a trigger watches, 0: unknown."""
        listing = self.listings[index]
        return {TriggerBy.MARK: listing.mark, TriggerBy.INDEX: listing.index}.get(by, listing.last)

    def levels(self, index: int, side: Side, count: int) -> list[tuple[int, int]]:
        """Returns (price, size) of the book, best first."""
        book = self.flow.bids if side is Side.BUY else self.flow.asks
        found: list[tuple[int, int]] = book(index, count)
        return found

    def size_for(self, index: int, side: Side, money: int) -> int:
        """Returns the size, in whole lots, that an amount of the quote currency trades now. side: of the book; money:
        in units of price times size."""
        left, size = money, 0
        for price, there in self.levels(index, side, 1 << 30):
            take = min(there, left // price)
            size, left = size + take, left - take * price
            if take < there:
                break
        return size - size % self.instruments[index].lot_int

    def take(self, kind: int, flags: int, index: int, time: int, payload: bytes) -> None:
        """Applies one event of the market, except marks, and reports it."""
        listing, say = self.listings[index], self.timeline.say
        if kind == BOOK:
            first, last, bids, asks = _BOOK_FIELDS.unpack_from(payload)
            before, listing.depth_id = listing.depth_id, last
            if self.is_heard and not flags & FLAG_SNAPSHOT:
                levels = list(LEVEL.iter_unpack(payload[_BOOK_FIELDS.size :]))
                say(DepthReport(time, index, first, last, before, levels[:bids], levels[bids : bids + asks]))
        elif kind == QUOTE:
            bid, ask, bid_size, ask_size, update = _QUOTE_FIELDS.unpack_from(payload)
            listing.bid, listing.bid_size = bid, bid_size
            listing.ask, listing.ask_size = ask, ask_size
            if self.is_heard:
                quote = QuoteReport(time, index, bid, bid_size, ask, ask_size, update)
                listing.quotes.append(quote)
                say(quote)
        elif kind == TRADE:
            price, size, trade_id, side = _TRADE_FIELDS.unpack_from(payload)
            trade = TradeReport(time, index, price, size, SIDES[side], trade_id)
            if listing.bar is not None and listing.bar.close_time <= time:
                self._close_bar(listing, listing.bar.close_time)  # the minute ends after the trade
            listing.add_trade(trade)
            say(trade)
        elif kind == FUNDING:
            (listing.funding_rate,) = _RATE.unpack_from(payload)
        elif kind == BAR:
            self._close_bar(listing, time)

    def take_history(self, history: Sequence[tuple[Sequence[Minute], Sequence[tuple[int, int, int]]]]) -> None:
        """Applies past trades and marks of each instrument, as `_core.OrderFlow.history` returns them, without
        reports."""
        for listing, (minutes, marks) in zip(self.listings, history, strict=True):
            for end, rows in minutes:
                listing.add_minute(end, rows)
            listing.add_marks(marks)

    def _close_bar(self, listing: Listing, end: int) -> None:
        if (bar := listing.close_bar(end)) is not None:
            self.timeline.say(bar)

    @staticmethod
    def mark_of(payload: bytes) -> tuple[int, int]:
        """Returns (mark, index price) of a market event."""
        mark, index_price = _MARK_FIELDS.unpack_from(payload)
        return mark, index_price

    def set_mark(self, index: int, mark: int, index_price: int, now: int) -> None:
        self.listings[index].add_mark(now, mark, index_price)
        self.timeline.say(MarkReport(now, index, mark, index_price))

    @recorded("set_open")
    def set_open(self, index: int, is_open: bool, now: int) -> None:
        """Halts or reopens an instrument. Working orders stay in the book."""
        self.listings[index].is_open = is_open

    @recorded("set_listed")
    def set_listed(self, index: int, is_listed: bool, now: int) -> None:
        """Sets whether the venue lists an instrument at all."""
        self.listings[index].is_listed = is_listed

    @recorded("set_maintenance")
    def set_maintenance(self, until: int, allowed: str) -> None:
        """Begins maintenance until `until` (ns UTC, 0: ends it): only requests of the purpose `allowed` are
        accepted."""
        self.maintenance = (until, allowed)

    @recorded("change_instrument")
    def change_instrument(self, index: int, changes: dict[str, str]) -> None:
        """Changes an instrument's filters, given as decimals in text. They may only become coarser, because the
        matching engine keeps the first version. Raises BadInput."""
        self.replace(index, changed_filters(self.instruments[index], changes))

    def replace(self, index: int, instrument: Instrument) -> None:
        self.instruments[index] = self.listings[index].instrument = instrument
