"""The public data of one instrument of a simulated exchange."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import compress, groupby, takewhile
from typing import Final

from msgspec import ValidationError, convert, structs

from onetape.exchange.bars import PriceBars, flat_bar, one_of
from onetape.exchange.reports import BarReport, QuoteReport, TradeReport
from onetape.model.enums import Kind, Side
from onetape.model.errors import BadInput
from onetape.model.instrument import Instrument
from onetape.model.margin import MarginBracket
from onetape.model.time import DAY, MINUTE

__all__ = ["FILTERS", "SIDES", "Listing", "changed_brackets", "changed_filters"]

FILTERS: Final = (
    "tick",
    "lot",
    "size_min",
    "size_max",
    "market_lot",
    "market_size_min",
    "market_size_max",
    "notional_min",
    "band_up",
    "band_down",
)
PREMIUM_DECIMALS: Final = 8
QUOTES_KEPT: Final = 1000
TRADES_KEPT: Final = 50_000  # more than an hour of a generated market
BARS_KEPT: Final = 3000
SIDES: Final = (Side.NONE, Side.BUY, Side.SELL)  # index: the side's number in market events
FUNDING_RATE: Final = 100_000_000  # 0.0001 in 1e-12: the base rate of a balanced market, for FUNDING_SPAN
FUNDING_SPAN: Final = 480 * MINUTE


@dataclass(slots=True)
class Listing:
    """The public data of one instrument."""

    instrument: Instrument
    at: int = 0  # its index in the exchange
    bid: int = 0
    bid_size: int = 0
    ask: int = 0
    ask_size: int = 0
    last: int = 0
    mark: int = 0
    index: int = 0
    depth_id: int = 0  # of the last depth message
    funding_rate: int = FUNDING_RATE  # 1e-12
    funding_time: int = 0  # of the next payment
    is_open: bool = True
    is_listed: bool = True  # False: the venue lists no such symbol
    quotes: deque[QuoteReport] = field(default_factory=lambda: deque(maxlen=QUOTES_KEPT))
    trades: deque[TradeReport] = field(default_factory=lambda: deque(maxlen=TRADES_KEPT))
    bars: deque[BarReport] = field(default_factory=lambda: deque(maxlen=BARS_KEPT))
    bar: BarReport | None = None  # the current minute, once it has a trade
    mark_bars: PriceBars = field(default_factory=PriceBars)
    index_bars: PriceBars = field(default_factory=PriceBars)
    premium_bars: PriceBars = field(default_factory=PriceBars)  # of mark over index, 1e-8
    fundings: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=1000))

    def __post_init__(self) -> None:
        if interval := self.instrument.funding_interval:
            self.funding_rate = FUNDING_RATE * interval // FUNDING_SPAN

    @property
    def valuation(self) -> int:
        """Returns the price for the valuation of positions, 0: unknown."""
        return self.mark or self.last

    def trades_from(self, number: int) -> list[TradeReport]:
        """Returns the trades from this number on."""
        if not number:
            return list(self.trades)
        found = list(takewhile(lambda trade: trade.trade_id >= number, reversed(self.trades)))
        found.reverse()
        return found

    def add_mark(self, time: int, mark: int, index: int) -> None:
        self.mark, self.index = mark, index
        self.mark_bars.add(time, mark)
        if index:
            self.index_bars.add(time, index)
            self.premium_bars.add(time, (mark - index) * 10**PREMIUM_DECIMALS // index)

    def add_marks(self, marks: Sequence[tuple[int, int, int]]) -> None:
        """Adds many marks like `add_mark`. marks: (time, mark, index)."""
        if not marks:
            return
        _, self.mark, self.index = marks[-1]
        self.mark_bars.add_all([(time, mark) for time, mark, _ in marks])
        indexed = [each for each in marks if each[2]]
        self.index_bars.add_all([(time, index) for time, _, index in indexed])
        premium = [(time, (mark - index) * 10**PREMIUM_DECIMALS // index) for time, mark, index in indexed]
        self.premium_bars.add_all(premium)

    def add_minute(self, end: int, rows: Sequence[tuple[int, int, int, int, int]]) -> None:
        """Adds the trades of one minute like `add_trade`. end: of the minute, 0: it is still running. rows: (time,
        price, size, id, number of the side)."""
        at = self.at
        trades = [TradeReport(time, at, price, size, SIDES[side], id_) for time, price, size, id_, side in rows]
        for start, found in groupby(trades, lambda trade: trade.time - trade.time % MINUTE):
            minute = list(found)
            if self.bar is not None and self.bar.close_time <= minute[0].time:
                self.close_bar(self.bar.close_time)
            bar, running = self._bar_of(minute, start), self.bar
            is_same = running is not None and running.open_time == start
            self.bar = one_of((running, bar), start, start + MINUTE) if running is not None and is_same else bar
            self.last = bar.close
        self.trades.extend(trades)
        if end:
            self.close_bar(end)

    def _bar_of(self, trades: Sequence[TradeReport], start: int) -> BarReport:
        prices, sizes = [each.price for each in trades], [each.size for each in trades]
        turnovers = [self._turnover(each) for each in trades]
        bought = [each.side is Side.BUY for each in trades]
        return BarReport(
            trades[-1].time,
            trades[0].at,
            start,
            start + MINUTE,
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            sum(sizes),
            sum(turnovers),
            len(trades),
            sum(compress(sizes, bought)),
            sum(compress(turnovers, bought)),
            trades[0].trade_id,
            trades[-1].trade_id,
        )

    def _turnover(self, trade: TradeReport) -> int:
        if self.instrument.kind is Kind.INVERSE:
            return self.instrument.notional_units(trade.price, trade.size)
        return trade.price * trade.size

    def add_trade(self, trade: TradeReport) -> None:
        self.trades.append(trade)
        self.last = trade.price
        price, size = trade.price, trade.size
        turnover = self._turnover(trade)
        bar, start = self.bar, trade.time - trade.time % MINUTE
        bought = trade.side is Side.BUY
        if bar is None or bar.open_time != start:
            self.bar = self._bar_of((trade,), start)
            return
        _, at, _, end, first, high, low, _, volume, total, trades, buy_volume, buy_total, first_trade, _ = bar
        self.bar = BarReport(  # a new object: `_replace` takes four times as long, for each trade
            trade.time,
            at,
            start,
            end,
            first,
            max(high, price),
            min(low, price),
            price,
            volume + size,
            total + turnover,
            trades + 1,
            buy_volume + size * bought,
            buy_total + turnover * bought,
            first_trade,
            trade.trade_id,
        )

    def running(self, now: int) -> BarReport | None:
        """Returns the minute bar of `now`; None if there was never a trade."""
        if self.bar is not None or not self.last:
            return self.bar
        return flat_bar(now, self.at, now - now % MINUTE, self.last)

    def close_bar(self, end: int) -> BarReport | None:
        """Moves the minute bar that ends at `end` to the history and returns it; None if the history has it already."""
        bar = self.running(end - 1)
        if bar is None or bar.close_time > end:
            return None
        self.bars.append(bar)
        self.bar = None
        return bar

    @property
    def minutes(self) -> list[BarReport]:
        """Returns the completed minute bars, and the current one once it has a trade."""
        return [*self.bars, self.bar] if self.bar is not None else list(self.bars)

    def day(self, now: int, since: int = 0) -> BarReport:
        """Returns the last 24 hours as one bar, at most since `since` (ns UTC)."""
        since = since or now - DAY + 1
        bars = [bar for bar in self.minutes if bar.open_time >= since]
        return one_of(bars or [flat_bar(now, self.at, since, self.last)], since, now)


def changed_filters(instrument: Instrument, changes: dict[str, str]) -> Instrument:
    """Returns the instrument with changed filters, given as decimals in text. Raises BadInput."""
    values = {}
    for name, text in changes.items():
        if name not in FILTERS:
            raise BadInput(f"no filter {name!r}", location=instrument.symbol, todo=f"one of {', '.join(FILTERS)}")
        try:
            value = Decimal(text)
        except (InvalidOperation, TypeError, ValueError):
            raise BadInput(f"{name} is no decimal: {text!r}", location=instrument.symbol) from None
        step = getattr(instrument, name) if name in ("tick", "lot") else None
        if not value.is_finite() or value < 0 or (step and (not value or value % step)):
            wanted = f"a multiple of {step}" if step else "0 or more"
            raise BadInput(f"{name} {text} is not {wanted}", location=instrument.symbol)
        values[name] = value
    return structs.replace(instrument, **values, version=instrument.version + 1)


def changed_brackets(instrument: Instrument, rows: object) -> Instrument:
    """Returns an instrument with these margin brackets: objects of notional_max, maintenance_rate and leverage_max,
    by rising notional. Raises BadInput."""
    try:
        brackets = convert(rows, tuple[MarginBracket, ...], strict=False)
    except ValidationError as error:
        raise BadInput(f"the rows are no brackets: {error}", location=instrument.symbol) from None
    if not brackets:
        raise BadInput("no rows", location=instrument.symbol)
    return structs.replace(instrument, brackets=brackets, version=instrument.version + 1)
