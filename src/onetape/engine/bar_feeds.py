"""Open the bar feeds that a strategy subscribes to, and load their bars from before the start.

A live robot gets its venue's bars, requested by the gateway; a backtest builds them from data
before the start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from onetape.engine.plan import History
from onetape.engine.run_host import RunHost
from onetape.engine.tape_facts import Inventory
from onetape.model.enums import EventType
from onetape.model.errors import NotAvailable, UnknownSymbol, UsageError
from onetape.model.instrument import Instrument
from onetape.model.symbol import at_exchange
from onetape.model.time import format_duration, parse_period

__all__ = ["BARS_MAX", "BarFeeds", "check_bar_count"]

TRADE, MID, VENUE, FINER = 0, 1, 2, 3  # BarSource of core/market/bars.hpp
SOURCES: Final = {"trade": TRADE, "mid": MID, "venue": VENUE}
# Source of bars that close by traded amount, by the last letter of their period.
AMOUNTS: Final = {"v": 4, "t": 5, "n": 6, "i": 7}
_AMOUNT: Final = re.compile(r"(?P<count>\d{1,15}(\.\d{1,15})?)(?P<of>[vtni])\Z", re.ASCII)
_AMOUNT_MAX: Final = 2**62
_NOTIONAL_DECIMALS: Final = 6
BARS_MAX: Final = 10_000_000  # of one feed, kept in memory: minutes of 19 years, some 1.4 GB
_QUOTE, _TRADE, _BAR = EventType.QUOTE.id, EventType.TRADE.id, EventType.BAR.id


def check_bar_count(name: str, count: int) -> None:
    """Raises for a value that is no bar count from 0 to BARS_MAX."""
    if isinstance(count, bool) or not hasattr(count, "__index__"):
        raise TypeError(f"{name} is a number of bars, not {count!r}")
    if not 0 <= count <= BARS_MAX:
        raise ValueError(f"{name} is 0 to {BARS_MAX} bars, not {count}")


class BarFeeds:
    """Opens the bar feeds of one host. sources: "symbol period" -> trade, mid, venue, or the shorter period from
    which the bars are built."""

    def __init__(self, host: RunHost, sources: Mapping[str, str], inventory: Callable[[], Inventory]) -> None:
        self._host = host
        self._inventory = inventory
        self.sources = dict(sources)
        # (symbol, period as written) -> (period in ns, source) of the subscribed feeds.
        self.keys: dict[tuple[str, str], tuple[int, int]] = {}
        self.history = 0  # largest bar count that a subscription requested
        self.longest_period = 0
        # (symbol, source period in ns) of the feeds
        self.periods: set[tuple[str, int]] = set()
        # Live only, by symbol and period in ns: number of earlier bars to request from the venue (`live`), and
        # requests without an answer yet (`pending`). `venue_periods`: venue ("": all) -> period in ns of the bars
        # that its gateway receives, 0: none.
        self.live: dict[tuple[str, int], int] = {}
        self.pending: dict[tuple[str, int], int] = {}
        self.venue_periods: dict[str, int] = {}
        self.take_pending: Callable[[], None] = lambda: None
        self.from_first = False  # True: load all earlier data for bars by amount

    def subscribe(self, symbol: str, text: str, history: int) -> None:
        """Start a bar feed. `text` is a period, optionally with @trade, @mid, @venue or the shorter period from
        which to build the bars."""
        check_bar_count("history", history)
        host = self._host
        instrument = host.instrument_of(symbol)
        if (amount := _amount(text, instrument)) is not None:
            self._subscribe_amount(symbol, text, *amount, history)
            return
        period_text, _, source_text = text.partition("@")
        period = parse_period(period_text)
        name, whole = f"{symbol} {period_text}", f"{symbol} {text}"
        chosen = self.sources.get(whole) or source_text or self.sources.get(name) or self._source_for(symbol, period)
        heard = self._heard(symbol)
        if chosen == "venue" and heard and period != heard:
            name, chosen = whole, format_duration(heard)  # periods that the gateway receives
        if chosen in SOURCES:
            source, made_of = SOURCES[chosen], 0
        else:
            source, made_of = FINER, _finer(text, period, chosen)
        # The run records its choice of source: a replay on a tape that has grown could choose another one.
        if host.notes_choices and name not in self.sources:
            record = {"bar_source": name, "from": chosen}
            host.append(EventType.PARAMS.id, record)
        self.sources[name] = chosen
        if host.is_traded_live(symbol):
            self._subscribe_live(symbol, period, source, made_of, text, history)
        self.keys[symbol, text] = (period, source)
        self.keys.setdefault((symbol, period_text), (period, source))
        self.history = max(self.history, history)
        self.longest_period = max(self.longest_period, period)
        self.periods.add((symbol, made_of or period))
        host.loop.subscribe_bars(symbol, period, source, period_text, history, made_of)

    def _subscribe_amount(self, symbol: str, text: str, amount: int, source: int, history: int) -> None:
        """Start bars by amount; they begin with the first trade of the robot's data."""
        if self._host.is_traded_live(symbol):
            if history:
                words = f"{symbol} has no history of bars by traded amount: bars {text} start now"
                self._host.log(words, "warning", {})
        elif history:
            self.from_first = True
        self.keys[symbol, text] = (amount, source)
        self.history = max(self.history, history)
        self._host.loop.subscribe_bars(symbol, amount, source, text, history, 0)

    def _subscribe_live(self, symbol: str, period: int, source: int, made_of: int, text: str, history: int) -> None:
        heard = self._heard(symbol)
        if source in (VENUE, FINER) and heard is not None and (made_of or period) != heard:
            own = f"receives bars of {format_duration(heard)}" if heard else "does not receive its venue's own bars"
            raise NotAvailable(
                f"bars {text!r} of {symbol}: its gateway {own}",
                todo=f"subscribe to bars={text.partition('@')[0]!r}, made of its trades",
            )
        if source != MID:
            key = (symbol, made_of or period)
            # One extra period of shorter bars: for the bar that is already running.
            count = (history + 1) * (period // made_of) if made_of and history else history
            if key not in self.live or key in self.pending:
                self.live[key] = self.pending[key] = max(count, self.live.get(key, 0))
            elif count > self.live[key]:
                words = f"{symbol} {text}: history={history} is too late, {self.live[key]} bars were loaded before"
                self._host.log(words, "warning", {})
        elif history:
            words = f"{symbol} has no mid-price history: bars {text} start now"
            self._host.log(words, "warning", {})

    def _heard(self, symbol: str) -> int | None:
        return self.venue_periods.get(symbol.partition(":")[0], self.venue_periods.get(""))

    def _source_for(self, symbol: str, period: int) -> str:
        if self._host.notes_choices:
            # Every venue sends trades. The present content of a gateway's growing tape must not decide, or two starts
            # of one robot would have different bars.
            return "trade"
        types, periods = self._inventory().get(at_exchange(symbol), ({}, []))
        if period in periods:
            return "venue"
        if types.get(_TRADE):
            return "trade"
        if types.get(_QUOTE):
            return "mid"
        if dividing := [each for each in periods if period % each == 0]:
            return format_duration(max(dividing))  # fewest bars to add up
        if types.get(_BAR):
            shown = " and ".join(format_duration(each) for each in sorted(periods))
            raise UnknownSymbol(
                f"{symbol} has bars of {shown} only, of which none of {format_duration(period)} can be made",
                todo=f"subscribe to a multiple of {format_duration(min(periods))}",
            )
        return "trade"

    def key(self, symbol: str, text: str) -> tuple[int, int]:
        """Returns (period in ns, source) of a subscribed feed."""
        key = self.keys.get((symbol, text))
        if key is None:
            self._host.instrument_of(symbol)
            raise ValueError(f"bars {text!r} of {symbol} are not subscribed: call subscribe(..., bars=)")
        if self.pending:
            self.take_pending()
        return key

    def note_history(self, history: History) -> None:
        """Log a warning when a live robot got fewer earlier bars than requested, or only part of a running bar built
        from trades."""
        wanted, built = self.live.get((history.symbol, history.period), 0), (history.period, SOURCES["trade"])
        is_built = any(symbol == history.symbol and of == built for (symbol, _), of in self.keys.items())
        if history.bars < wanted or (history.reason and is_built):
            bars = f"{history.bars} of {wanted} requested bars of {format_duration(history.period)}"
            words = f"{history.symbol}: {bars} from before the start"
            self._host.log(f"{words}: {history.reason}", "warning", {})


def _amount(text: str, instrument: Instrument) -> tuple[int, int] | None:
    """Returns (amount at which a bar closes, in the core's units; source) of bars `text`, or None for bars that close
    by time."""
    match = _AMOUNT.match(text)
    if match is None:
        return None
    decimals = {"v": instrument.size_decimals, "i": instrument.size_decimals, "n": _NOTIONAL_DECIMALS}
    amount = Decimal(match["count"]).scaleb(decimals.get(match["of"], 0))
    if amount != int(amount) or not 0 < amount < _AMOUNT_MAX:
        raise ValueError(f"bars {text!r}: not an amount that {instrument.symbol} can be traded in")
    return int(amount), AMOUNTS[match["of"]]


def _finer(text: str, period: int, source: str) -> int:
    """Returns the period of the shorter bars from which bars `text` are built."""
    try:
        made_of = parse_period(source)
    except UsageError:
        raise ValueError(f"bars {text!r}: after @ comes trade, mid, venue or a shorter period") from None
    if made_of >= period or period % made_of:
        raise ValueError(f"bars {text!r}: {source} does not divide their period")
    return made_of
