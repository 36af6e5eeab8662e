"""What a merge of several sources takes, by its definition, and what a bad tick is. Slow and plain."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SECOND = 10**9
KEEP = 600 * SECOND


class Quote(NamedTuple):
    source: int
    ts_event: int
    ts_recv: int
    bid: int
    ask: int
    update_id: int

    @property
    def content(self) -> tuple[int, ...]:
        return self.ts_event, self.bid, self.ask, self.update_id


class Values:
    """One value of one symbol. ranks: by source, the lower the better."""

    def __init__(self, ranks: list[int], stale_ns: int) -> None:
        self.ranks, self.stale_ns = ranks, stale_ns
        self.held: Quote | None = None
        self.heard_at = 0  # the held value's source, with just this value

    def take(self, quote: Quote) -> str:
        outcome = self._judged(quote)
        if outcome == "taken":
            self.held, self.heard_at = quote, quote.ts_recv
        elif outcome == "duplicate" and self.held is not None and quote.source == self.held.source:
            self.heard_at = quote.ts_recv
        return outcome

    def _judged(self, quote: Quote) -> str:
        held = self.held
        if held is None:
            return "taken"
        has_times = bool(quote.ts_event and held.ts_event)
        if has_times and quote.ts_event != held.ts_event:
            return "taken" if quote.ts_event > held.ts_event else "older"
        if quote.update_id and held.update_id and quote.update_id != held.update_id:
            is_reset = quote.source == held.source and not has_times
            return "taken" if quote.update_id > held.update_id or is_reset else "older"
        if quote.content == held.content:
            return "duplicate"
        if quote.source == held.source:  # of one stream the later is the newer
            return "taken"
        if quote.update_id and quote.update_id == held.update_id:
            return "duplicate"
        if self.ranks[quote.source] < self.ranks[held.source]:
            return "taken"
        return "taken" if not has_times and quote.ts_recv - self.heard_at > self.stale_ns else "older"


class Trades:
    """Each once. Without an id a trade is the n-th of its content at its venue time, n counted
    within each source."""

    def __init__(self) -> None:
        self.taken: set[Any] = set()
        self.counts: dict[int, tuple[int, Counter[Any]]] = {}
        self.newest = -1

    def take(self, source: int, ts_event: int, price: int, size: int, id_: int) -> tuple[str, bool]:
        key: Any = id_
        if not id_:
            at, counts = self.counts.get(source, (None, Counter()))
            if at != ts_event:
                counts = Counter()
            counts[price, size] += 1
            self.counts[source] = ts_event, counts
            key = (ts_event, price, size, counts[price, size])
        if key in self.taken:
            return "duplicate", False
        self.taken.add(key)
        is_late = ts_event < self.newest
        self.newest = max(self.newest, ts_event)
        return "taken", is_late


class Bars:
    """Each once by its period and opening; what the venue answered takes the place of anything else, and what it says
    at all that of what was made of trades. rank: 0 of trades, 1 of a stream, 2 of an answer."""

    def __init__(self) -> None:
        self.close: dict[tuple[int, int], tuple[int, int]] = {}  # and its rank
        self.disagreed: Counter[int] = Counter()

    def take(self, source: int, period: int, ts_open: int, close: int, rank: int) -> str:
        held, held_rank = self.close.get((period, ts_open), (None, 0))
        if held is not None and (held_rank or not rank):
            if held == close:
                self.close[period, ts_open] = close, max(rank, held_rank)
                return "duplicate"
            if rank < 2:
                self.disagreed[source] += 1
                return "duplicate"
        self.close[period, ts_open] = close, rank
        return "taken" if held is None else "corrected"


def bars_of(trades: list[tuple[int, int, int, int]]) -> dict[int, tuple[int, ...]]:
    """Bars of a minute of all trades (number, time, price, size), by when they open: open, high, low, close, volume,
    turnover."""
    minutes: dict[int, list[tuple[int, int]]] = {}
    for _, time, price, size in sorted(trades):
        minutes.setdefault(time - time % (60 * SECOND), []).append((price, size))
    return {
        ts_open: (
            rows[0][0],
            max(price for price, _ in rows),
            min(price for price, _ in rows),
            rows[-1][0],
            sum(size for _, size in rows),
            sum(price * size for price, size in rows),
        )
        for ts_open, rows in minutes.items()
    }


class Memory:
    """The last `count_max` trades at least where they are young, and no more."""

    def __init__(self, count_max: int, keep_ns: int) -> None:
        self.count_max, self.keep_ns = count_max, keep_ns
        self.room = 0
        self.held: list[tuple[int, int]] = []  # id, time
        self.newest = self.forgotten = -(2**63)

    def take(self, id_: int, time: int) -> str:
        if any(each == id_ for each, _ in self.held):
            return "taken"
        if time <= self.forgotten:
            return "late"
        self.newest = max(self.newest, time)
        if len(self.held) == self.room:
            is_young = not self.held or self.newest - self.held[0][1] < self.keep_ns
            if self.room < self.count_max and is_young:
                self.room = self.room * 2 or min(16, self.count_max)
            else:
                self.forgotten = max(self.forgotten, self.held.pop(0)[1])
        self.held.append((id_, time))
        return "fresh"


@dataclass
class Filter:
    """Bad ticks of one symbol, with the core's default bounds. Prices are doubled."""

    window: list[int] = field(default_factory=list)
    since_band: int = 0
    median: int = 0
    width: int = 0
    candidate: tuple[int, int, int, int] | None = None  # price, time, source, count
    held: list[tuple[int, int]] = field(default_factory=list)  # source, sequence
    released: list[tuple[int, int]] = field(default_factory=list)
    locked_since: int | None = None
    last: dict[int, Quote] = field(default_factory=dict)
    last_sizes: dict[int, tuple[int, int]] = field(default_factory=dict)
    ids: set[int] = field(default_factory=set)
    held_ids: set[tuple[int, int]] = field(default_factory=set)

    def quote(self, quote: Quote, bid_size: int, ask_size: int) -> str:
        self.released = []
        bid, ask = quote.bid, quote.ask
        if min(bid, ask, bid_size, ask_size) < 0:
            return "negative"
        has_bid, has_ask = bool(bid or bid_size), bool(ask or ask_size)
        if (has_bid and not bid) or (has_ask and not ask) or not (has_bid or has_ask):
            return "zero_price"
        is_whole = has_bid and has_ask
        if is_whole and bid > ask:
            return "crossed"
        last = self.last.get(quote.source)
        if last is not None:
            if (*last.content, *self.last_sizes[quote.source]) == (*quote.content, bid_size, ask_size):
                return "duplicate"
            is_before = bool(quote.ts_event) and quote.ts_event < last.ts_event
            is_below = quote.ts_event == last.ts_event and 0 < quote.update_id < last.update_id
            if is_before or is_below:
                return "out_of_order"
        if is_whole and bid == ask:
            if self.locked_since is None:
                self.locked_since = quote.ts_recv
            if quote.ts_recv - self.locked_since > SECOND:
                return "locked_too_long"
        else:
            self.locked_since = None
        if is_whole and self._is_spike(quote.source, quote.ts_recv, bid + ask, None, 0):
            return "spike"
        self.last[quote.source], self.last_sizes[quote.source] = quote, (bid_size, ask_size)
        return "none"

    def trade(self, source: int, at: int, price: int, size: int, id_: int, sequence: int) -> str:
        self.released = []
        if price < 0 or size < 0:
            return "negative"
        if price == 0:
            return "zero_price"
        if id_ and (id_ in self.ids or (source, id_) in self.held_ids):
            return "duplicate"
        if self._is_spike(source, at, 2 * price, sequence, id_):
            return "spike"
        if id_:
            self.ids.add(id_)
        return "none"

    def _is_spike(self, source: int, at: int, price: int, sequence: int | None, id_: int) -> bool:
        if len(self.window) < 8 or abs(price - self.median) <= self.width:
            self._drop()
            self._learn(price)
            return False
        agrees = False
        if self.candidate is not None:
            centre, since, first, count = self.candidate
            agrees = abs(price - centre) <= int(abs(centre) * 10_000.0 * 1e-6) and at - since <= 10 * SECOND
        if not agrees:
            self._drop()
            centre, since, first, count = price, at, source, 0
        count += 1
        if count >= 3 or (agrees and first != source):
            self.released = self.held
            self.ids |= {each for _, each in self.held_ids}
            self.window, self.since_band = [], 0
            self.held, self.held_ids, self.candidate = [], set(), None
            self._learn(price)
            return False
        self.candidate = centre, since, first, count
        if sequence is not None:
            self.held.append((source, sequence))
            if id_:
                self.held_ids.add((source, id_))
        return True

    def _drop(self) -> None:
        self.candidate, self.held, self.held_ids = None, [], set()

    def _learn(self, price: int) -> None:
        self.window = [*self.window, price][-32:]
        self.since_band += 1
        if len(self.window) >= 8 and (len(self.window) == 8 or self.since_band >= 8):
            self.median = sorted(self.window)[len(self.window) // 2]
            away = sorted(abs(each - self.median) for each in self.window)[len(self.window) // 2]
            self.width = int(max(10 * 1.4826 * away, abs(self.median) * 10_000.0 * 1e-6))
            self.since_band = 0
