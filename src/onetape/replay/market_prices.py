"""Read the recorded market of a run as columns: price at a time, last price, and differences of two markets."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onetape.engine.latency import RECORDED
from onetape.engine.plan import RunPlan
from onetape.engine.tape_facts import streams_of
from onetape.model.errors import BadInput
from onetape.model.symbol import at_exchange as symbol_at
from onetape.model.time import TIME_MAX
from onetape.tape.journal import JournalReader

__all__ = ["Market", "first_data_difference"]

Ints = NDArray[np.int64]
# Fields that identify an event: the venue's stamp and content, not our receipt.
_FIELDS = {
    "quote": ("ts_event", "bid", "ask", "bid_size", "ask_size"),
    "trade": ("ts_event", "price", "size", "side"),
    "bar": ("ts_open", "ts_close", "open", "high", "low", "close", "volume"),
    "book": ("ts_event", "first_id", "last_id"),
    "mark": ("ts_event", "mark", "index"),
    "funding": ("ts_event", "rate"),
    "liquidation": ("ts_event", "price", "size", "side"),
    "open_interest": ("ts_event", "size"),
    "mbo": ("ts_event", "order_id", "price", "size", "action", "side"),
}
_BUY = 1


class Market:
    """Reads events of the run's instruments, up to the end of the run, on first use."""

    def __init__(self, plan: RunPlan, symbols: list[str]) -> None:
        self.start = -TIME_MAX if plan.start is None else plan.start
        self.end = TIME_MAX if plan.end is None else plan.end
        # A running or killed run has not recorded how far it read.
        self.inputs = [(Path(each.path), each.last_sequence or TIME_MAX) for each in plan.inputs]
        self.symbols = symbols
        self._columns: dict[tuple[str, str], dict[str, Ints]] = {}
        self._streams: dict[Path, dict[int, str]] = {}
        self._touches: dict[tuple[str, int], tuple[Ints, Ints]] = {}
        self._references: dict[tuple[str, bool], tuple[Ints, Ints, str]] = {}
        self._volumes: dict[str, tuple[Ints, list[Ints]]] = {}
        # The exchange's clock: receipt times, or the stamps of a live venue or of recorded ages.
        self._venue_time = plan.is_at_gateway or plan.latency.clock == RECORDED
        self._feed = plan.latency.feed or 0
        for path, _ in self.inputs:
            if not path.exists():
                raise BadInput(f"the tape {path} is gone", location="run.toml", todo="put it back where it was")

    @property
    def mark(self) -> tuple[Any, ...]:
        """Returns a value equal for runs that read the same part of the same tapes."""
        found = []
        for path, last in self.inputs:
            with JournalReader(path) as reader:
                found.append((reader.uuid, last))
        return (self.start, self.end, *found)

    def events(self, kind: str, symbol: str) -> dict[str, Ints]:
        """Returns columns `time` and _FIELDS of a symbol's events of one type, from all tapes, by time."""
        key = kind, symbol
        if key not in self._columns:
            parts = [
                part for path, last in self.inputs if (part := self._of_tape(path, last, kind, symbol)) is not None
            ]
            names = ("time", *_FIELDS[kind])
            joined = {
                name: np.concatenate([part[name] for part in parts]) if parts else np.zeros(0, np.int64)
                for name in names
            }
            order = np.argsort(joined["time"], kind="stable")
            self._columns[key] = {name: column[order] for name, column in joined.items()}
        return self._columns[key]

    def _of_tape(self, path: Path, last: int, kind: str, symbol: str) -> dict[str, Ints] | None:
        with JournalReader(path) as reader:
            if all(kind != schema.name for schema in reader.schemas.by_id.values()):
                return None  # a tape older than the type
            rows = reader.columns(kind)
        if path not in self._streams:
            self._streams[path] = {n: each.symbol for n, each in streams_of(path).items()}
        listed = symbol_at(symbol)  # several accounts share one market
        streams = [s for s, name in self._streams[path].items() if name == listed]
        keep = np.isin(rows["stream"], streams) & (rows["sequence"] <= last)
        keep &= rows["time"] < self.end
        if not keep.any():
            return None
        names = ("time", *_FIELDS[kind])
        return {name: rows[name][keep].astype(np.int64) for name in names}

    def touch(self, symbol: str, side: int, moment: int, *, before: bool) -> int:
        """Returns the price that a taker of `side` would have met at a time, in half units, 0: unknown. It is the
        opposite best price; without quotes the last trade; without trades the bar's open or close.

        before: True excludes events of exactly that time: an order with latency arrives before them, one without
        latency after.
        """
        key = symbol, side
        if key not in self._touches:
            self._touches[key] = self._touch(symbol, side)
        times, prices = self._touches[key]
        at = int(np.searchsorted(times, moment + (not before), side="right")) - 1
        return 2 * int(prices[at]) if at >= 0 else 0

    def _touch(self, symbol: str, side: int) -> tuple[Ints, Ints]:
        """Returns (times, prices) of the touch. Times are the events' plus 1 ns, so that an order of the same time
        precedes them. A bar counts with its close."""
        quotes = self.events("quote", symbol)
        if len(quotes["time"]):
            return quotes["time"] + 1, quotes["ask" if side == _BUY else "bid"]
        trades = self.events("trade", symbol)
        if len(trades["time"]):
            return trades["time"] + 1, trades["price"]
        bars = self.events("bar", symbol)
        times = np.concatenate([bars["ts_open"] + 1, bars["ts_close"]])
        order = np.argsort(times, kind="stable")
        return times[order], np.concatenate([bars["open"], bars["close"]])[order]

    def value_at_end(self, symbol: str) -> int:
        """Returns the price at which the run values a holding at its end: see `values_at`."""
        return int(self.values_at(symbol, np.array([TIME_MAX]))[0])

    def values_at(self, symbol: str, moments: Ints) -> Ints:
        """Returns prices at which the run values a holding, after all events of each time, in half units; 0: unknown.
        As in the engine: mark, else mid of the quote, else last trade, else close of the bar."""
        found = np.zeros(len(moments), dtype=np.int64)
        for kind, field in (("mark", "mark"), ("quote", ""), ("trade", "price"), ("bar", "close")):
            rows = self.events(kind, symbol)
            if len(rows["time"]):
                at = np.searchsorted(rows["time"], moments, side="right") - 1
                prices = 2 * rows[field][at] if field else _mids(rows)[at]
                found = np.where((found == 0) & (at >= 0), prices, found)
        return found

    def reference(self, symbol: str, moments: Ints, *, before: bool = False) -> tuple[Ints, str]:
        """Returns (reference price at each time in half units, 0: unknown; its kind): mids of `quote`, else `trade`,
        else `bar`. before: True uses the exchange's clock and excludes events of exactly that time; False as received
        by the robot."""
        times, prices, kind = self.references(symbol, at_exchange=before)
        at = np.searchsorted(times, moments, side="left" if before else "right") - 1
        return (np.where(at >= 0, prices[at], 0) if len(times) else np.zeros(len(moments), np.int64)), kind

    def references(self, symbol: str, *, at_exchange: bool) -> tuple[Ints, Ints, str]:
        """Returns times and prices for `reference`, in order of time, and their kind."""
        key = symbol, at_exchange
        if key not in self._references:
            self._references[key] = self._reference(symbol, at_exchange)
        return self._references[key]

    def _reference(self, symbol: str, at_exchange: bool) -> tuple[Ints, Ints, str]:
        quotes, trades = self.events("quote", symbol), self.events("trade", symbol)
        if len(quotes["time"]):
            mids = _mids(quotes)
            times = self.clock(quotes) if at_exchange else quotes["time"]
            times, prices, kind = times[mids > 0], mids[mids > 0], "quote"
        elif len(trades["time"]):
            times = self.clock(trades) if at_exchange else trades["time"]
            prices, kind = 2 * trades["price"], "trade"
        else:
            bars = self.events("bar", symbol)
            times = np.concatenate([bars["ts_open"] + 1, bars["ts_close"]])
            prices, kind = 2 * np.concatenate([bars["open"], bars["close"]]), "bar"
        order = np.argsort(times, kind="stable")
        return times[order], prices[order], kind

    def clock(self, rows: dict[str, Ints]) -> Ints:
        """Returns the times of the rows by the clock of the run's exchange."""
        if not self._venue_time:
            return rows["time"] - self._feed
        return np.where(rows["ts_event"] > 0, rows["ts_event"] + self._feed, rows["time"])

    def vwap(self, symbol: str, start: int, end: int) -> Fraction:
        """Returns the volume-weighted price, in halves of a unit, of trades in [start, end] at the exchange, 0:
        none. Without trades: of the bars that end within it, each at the middle of high and low."""
        if symbol not in self._volumes:
            trades, bars = self.events("trade", symbol), self.events("bar", symbol)
            if len(trades["time"]):
                times, price, size = self.clock(trades), 2 * trades["price"], trades["size"]
            else:
                length = bars["ts_close"] - bars["ts_open"]
                keep = length == length.min(initial=TIME_MAX)
                times, size = bars["ts_close"][keep], bars["volume"][keep]
                price = bars["high"][keep] + bars["low"][keep]
            order = np.argsort(times, kind="stable")
            worth = price * size  # high and low words are summed separately: the product sum may exceed 64 bits
            parts = (worth >> 32, worth & 0xFFFFFFFF, size)
            self._volumes[symbol] = times[order], [np.concatenate([[0], np.cumsum(each[order])]) for each in parts]
        times, sums = self._volumes[symbol]
        first, last = np.searchsorted(times, start, side="left"), np.searchsorted(times, end, side="right")
        high, low, volume = (int(each[last] - each[first]) for each in sums)
        return Fraction((high << 32) + low, volume) if volume > 0 else Fraction(0)


def _mids(quotes: dict[str, Ints]) -> Ints:
    """Returns mids in half units, 0 if a side is missing."""
    return np.where((quotes["bid"] > 0) & (quotes["ask"] > 0), quotes["bid"] + quotes["ask"], 0)


def first_data_difference(a: Market, b: Market) -> int | None:
    """Returns the first time (ns) at which one market has an event that the other lacks, or None. Only the time
    covered by both is compared: earlier data are history, later data did not exist for the shorter run.
    """
    if a.mark == b.mark:
        return None
    begin = max(a.start, b.start)
    found = []
    for symbol in sorted(set(a.symbols) | set(b.symbols)):
        for kind in _FIELDS:
            left, right = a.events(kind, symbol), b.events(kind, symbol)
            for mine, theirs in ((left, right), (right, left)):
                lacking = ~_among(mine, theirs, kind) & (mine["time"] >= begin)
                if lacking.any():
                    found.append(int(mine["time"][lacking].min()))
    return min(found, default=None)


def _among(a: dict[str, Ints], b: dict[str, Ints], kind: str) -> NDArray[np.bool_]:
    """Returns an array: True for each row of `a` that is also in `b`."""
    rows = [np.ascontiguousarray(np.column_stack([each[name] for name in _FIELDS[kind]])) for each in (a, b)]
    whole = np.dtype((np.void, 8 * len(_FIELDS[kind])))
    left, right = (each.view(whole).ravel() for each in rows)
    return np.isin(left, right)
