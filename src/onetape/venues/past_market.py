"""Past bars from a venue: requests, and bars made of the answers. Completed bars are the venue's own if it has bars of
the period, or of one that divides it; else they are made of its trades. The running period uses the venue's complete
shorter bars, and for the rest its trades, up to a trade whose number shows where the stream continues: nothing between
the two is missing or counted twice. Without trade numbers that is impossible: then the running bar lacks the earlier
part of its last minute.

Pure: calls come out, bodies of answers go in.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from itertools import pairwise
from typing import Final, NamedTuple, Protocol, runtime_checkable

from onetape import _core
from onetape.model.enums import Side
from onetape.model.instrument import Instrument
from onetape.model.money import split_units
from onetape.model.time import SECOND
from onetape.orders.calls import Call
from onetape.tape.payloads import fields

__all__ = [
    "BARS_MAX",
    "EMPTY_FLAG",
    "PAGES_MAX",
    "Past",
    "PastBar",
    "PastBars",
    "PastMarket",
    "PastTrade",
    "bars_before",
    "bars_between",
]

BARS_MAX: Final = 20_000  # per subscription
PAGES_MAX: Final = 20  # of trades, per subscription
NO_OLDER: Final = "the venue has no older bars"
UNNUMBERED: Final = "the venue's trades have no numbers: the current minute has only trades from now on"
TOO_MANY: Final = "the venue has too many trades to request"
LOOK_BACK: Final = 3600 * SECOND
_HISTORY: Final = fields("history")  # a bar's fields, and the number of the last trade, 0 in type `bar`
EMPTY_FLAG: Final = 16  # nothing was traded in it
_STEPS: Final = (3600 * SECOND, 60 * SECOND)  # periods of the bars that make up the running one


class PastBar(NamedTuple):
    """A past bar. Prices, volume and turnover in units of the instrument; times in ns UTC."""

    ts_open: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int = 0  # 0: unknown
    trades: int = -1  # -1: unknown

    @property
    def is_empty(self) -> bool:
        return self.volume == 0

    def frame(self, period: int, last_trade: int = 0) -> tuple[bytes, int]:
        """Returns payload and flags of its frame, of type `bar` or `history`. period: ns. last_trade: of a history
        frame. Raises struct.error for values beyond 64 bits."""
        own = (self.ts_open, self.ts_open + period, period, self.open, self.high, self.low, self.close, self.volume)
        payload = _HISTORY.pack(*own, *split_units(self.turnover), self.trades, last_trade)
        return payload, EMPTY_FLAG * self.is_empty


class PastTrade(NamedTuple):
    """A past trade. number: the venue's, consecutive. time: ns UTC. side: of the taker."""

    number: int
    time: int
    price: int
    size: int
    side: Side = Side.NONE


class PastBars(Protocol):
    """Requests past bars of a venue, without a key. Reading an answer raises ValueError, LookupError or TypeError if it
    is malformed, VenueUnavailable if it is a refusal."""

    @property
    def intervals(self) -> tuple[int, ...]:
        """Returns the periods of the venue's own bars, ns, at most a day; daily bars begin at 0:00 UTC."""
        ...

    def bars(self, instrument: Instrument, interval: int, begin: int, end: int) -> Call:
        """Requests the bars that open in [begin, end), the oldest first; an answer may have only the first of them."""
        ...

    def bars_of(self, instrument: Instrument, body: bytes) -> list[PastBar]:
        """Returns the bars of an answer, which may also have earlier and later ones than requested."""
        ...


@runtime_checkable
class PastMarket(PastBars, Protocol):
    """A venue that also has past trades, numbered like those of its stream."""

    def trades(self, instrument: Instrument, since: int, cursor: str = "") -> Call:
        """Requests the oldest trades since a time, or those after a page's cursor."""
        ...

    def trades_of(self, instrument: Instrument, body: bytes) -> tuple[list[PastTrade], str]:
        """Returns the trades, oldest first, and the next cursor; "": there are no later trades yet."""
        ...

    def last_trade(self, instrument: Instrument) -> Call:
        """Requests the last trade; `trades_of` reads the answer."""
        ...


class Past(NamedTuple):
    """Past bars. completed: without gaps, up to the running period. running: the bar of the running period so far;
    None: unknown, and then `completed` is empty. last_trade: the number of the last trade in the bars, 0: unknown.
    lacks: why there are fewer bars than requested, "" if all are there."""

    completed: list[PastBar]
    running: PastBar | None
    last_trade: int
    lacks: str = ""


Asking = Generator[Call, bytes, Past]
Kept = Callable[[int], Iterable[PastBar]]


class _Traded(NamedTuple):
    """The trades of a period. last, price: number and price of the last trade up to the period's end, 0 if unknown.
    is_all: no trade of the period is missing."""

    trades: list[PastTrade]
    last: int
    price: int
    is_all: bool = True


def bars_before(
    past: PastBars, instrument: Instrument, period: int, count: int, now: int, kept: Kept = lambda _: ()
) -> Asking:
    """Returns the last `count` bars that were complete at `now`, and the running one. period: ns. kept: returns the
    cached bars of a period; only the others are requested."""
    count = min(count, BARS_MAX)
    opened = _core.bar_open_time(now, period)
    unit = max((each for each in past.intervals if period % each == 0), default=0)
    if not unit:
        if not isinstance(past, PastMarket):
            return Past([], None, 0, UNNUMBERED)
        return (yield from _of_trades(past, instrument, period, count, now))
    completed: list[PastBar] = []
    if count:
        rows = yield from bars_between(past, instrument, unit, opened - count * period, opened, kept(unit))
        completed = _whole(rows, period, opened)
    rows, at = [], opened
    for step in _STEPS:
        if step in past.intervals and step < period and period % step == 0:
            end = now - now % step
            if end > at:
                rows += yield from bars_between(past, instrument, step, at, end, kept(step))
                at = end
    numbered = past if isinstance(past, PastMarket) else None
    traded = (yield from _trades(numbered, instrument, at, now)) if numbered else _Traded([], 0, 0)
    if not traded.is_all:
        return Past([], None, 0, TOO_MANY)
    rows += _alone(traded.trades)
    before = completed[-1].close if completed else traded.price
    if not rows and not before:
        return Past([], None, 0, "nothing was traded" if numbered else UNNUMBERED)
    running = _joined(rows, period)[0] if rows else _quiet(opened, before)
    lacks = NO_OLDER if len(completed) < count else "" if numbered else UNNUMBERED
    return Past(completed, running, traded.last, lacks)


def _of_trades(past: PastMarket, instrument: Instrument, period: int, count: int, now: int) -> Asking:
    opened = _core.bar_open_time(now, period)
    # One period more, because the period of the first trade in the answer may lack earlier trades.
    begin, lacks = opened - (count + 1) * period, ""
    traded = yield from _trades(past, instrument, begin, now)
    if traded.is_all and not any(each.time < begin + period for each in traded.trades):
        # No trade in the first period: an earlier trade gives the price of the periods before the first trade.
        traded = yield from _trades(past, instrument, begin - LOOK_BACK, now)
    if not traded.is_all:  # estimate from the trades read how far back PAGES_MAX pages reach
        covered = traded.trades[-1].time - begin
        begin, lacks = max(begin, now - covered // 2), TOO_MANY
        traded = yield from _trades(past, instrument, begin, now)
        if not traded.is_all:
            return Past([], None, 0, lacks)
    bars = _whole(_alone(traded.trades), period, opened + period)[1:]
    completed = [bar for bar in bars if bar.ts_open < opened]
    completed = completed[max(len(completed) - count, 0) :]
    running = next((bar for bar in bars if bar.ts_open == opened), None)
    if len(completed) < count:
        lacks = lacks or NO_OLDER
    return Past(completed, running, traded.last if running else 0, lacks)


def bars_between(
    past: PastBars, instrument: Instrument, interval: int, begin: int, end: int, kept: Iterable[PastBar] = ()
) -> Generator[Call, bytes, list[PastBar]]:
    """Returns the venue's bars that open in [begin, end). Requests the range from the first to the last bar that is not
    in `kept`."""
    found = {row.ts_open: row for row in kept if begin <= row.ts_open < end}
    while begin in found:
        begin += interval
    while end - interval in found:
        end -= interval
    while begin < end:
        rows = past.bars_of(instrument, (yield past.bars(instrument, interval, begin, end)))
        new = [row for row in rows if begin <= row.ts_open < end]
        if not new:
            break
        found |= {row.ts_open: row for row in new}
        begin = new[-1].ts_open + interval
    return [found[at] for at in sorted(found)]


def _trades(past: PastMarket, instrument: Instrument, begin: int, now: int) -> Generator[Call, bytes, _Traded]:
    """Returns the trades in [begin, now]."""
    found: list[PastTrade] = []
    cursor = ""
    for _ in range(PAGES_MAX):
        page, cursor = past.trades_of(instrument, (yield past.trades(instrument, begin, cursor)))
        found += (each for each in page if begin <= each.time <= now)
        after = next((each for each in page if each.time > now), None)
        if after is not None:
            return _Traded(found, after.number - 1, found[-1].price if found else 0)
        if not cursor:
            break
    else:
        return _Traded(found, 0, 0, is_all=False)
    if found:
        return _Traded(found, found[-1].number, found[-1].price)
    page, _ = past.trades_of(instrument, (yield past.last_trade(instrument)))
    if not page:
        return _Traded([], 0, 0)
    last = page[-1]
    return _Traded([], last.number - 1, 0) if last.time > now else _Traded([], last[0], last.price)


def _alone(trades: Iterable[PastTrade]) -> list[PastBar]:
    """Returns each trade as a bar."""
    return [PastBar(time, price, price, price, price, size, price * size, 1) for _, time, price, size, _ in trades]


def _joined(rows: Iterable[PastBar], period: int) -> list[PastBar]:
    """Merges the rows of each period into one bar, in order."""
    found: dict[int, PastBar] = {}
    for row in rows:
        at = _core.bar_open_time(row.ts_open, period)
        found[at] = _and(found[at], row) if at in found else row._replace(ts_open=at)
    return list(found.values())


def _and(bar: PastBar, later: PastBar) -> PastBar:
    """Merges two bars. Prices of a bar without trades do not count."""
    if later.is_empty:
        return bar
    if bar.is_empty:
        return later._replace(ts_open=bar.ts_open)
    has_turnover = bar.turnover and later.turnover
    return PastBar(
        bar.ts_open,
        bar.open,
        max(bar.high, later.high),
        min(bar.low, later.low),
        later.close,
        bar.volume + later.volume,
        bar.turnover + later.turnover if has_turnover else 0,
        bar.trades + later.trades if bar.trades >= 0 and later.trades >= 0 else -1,
    )


def _whole(rows: Iterable[PastBar], period: int, end: int) -> list[PastBar]:
    """Returns bars without gaps up to `end`: a period that the venue leaves out becomes a bar without trades."""
    found: list[PastBar] = []
    for bar, after in pairwise([*_joined(rows, period), PastBar(end, 0, 0, 0, 0, 0)]):
        found.append(bar)
        at = bar.ts_open + period
        while at < after.ts_open:
            found.append(_quiet(at, bar.close))
            at += period
    return found


def _quiet(opened: int, price: int) -> PastBar:
    """Returns the bar of a period without a trade, at the last price."""
    return PastBar(opened, price, price, price, price, 0, 0, 0)
