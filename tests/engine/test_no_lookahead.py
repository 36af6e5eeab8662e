"""No value that a strategy can see knows more than the tape up to that moment.

A trap strategy notes all that is visible in every callback. A slow model walks over the tape's
frames and says what may be visible; the two must be equal, callback by callback.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from onetape.data.sample import write_sample
from onetape.engine.strategy import Strategy
from onetape.model.time import parse_period
from onetape.tape.journal import JournalReader
from worlds.tapes import BTC, play

PERIODS = ("2s@trade", "5s@mid", "7s@trade")
LAST = 3


class Trap(Strategy):
    def on_start(self):
        self.subscribe(BTC, quotes=True, trades=True, book=True, mark=True, bars=list(PERIODS))
        self.seen = []

    def see(self, kind, *values):
        quote = self.quote(BTC)
        book = self.book(BTC)
        self.seen.append(
            (
                kind,
                self.now,
                values,
                quote and (quote.bid_int, quote.ask_int, quote.ts_recv),
                tuple(book.bids(3)),
                tuple(book.asks(3)),
                tuple(tuple(self.window(period)) for period in PERIODS),
            )
        )

    def window(self, period):
        bars = self.bars(BTC, period, LAST)
        return zip(
            bars.ts_close.tolist(),
            bars.open.tolist(),
            bars.high.tolist(),
            bars.low.tolist(),
            bars.close.tolist(),
            strict=True,
        )

    def on_quote(self, q):
        assert q.ts_recv <= self.now
        self.see("quote", q.bid_int, q.ask_int)

    def on_trade(self, t):
        assert t.ts_recv <= self.now
        self.see("trade", t.price_int, t.size_int)

    def on_book(self, book):
        self.see("book")

    def on_mark(self, m):
        self.see("mark", m.mark_int)

    def on_bar(self, bar):
        assert bar.ts_close <= self.now
        self.bars_heard = (*getattr(self, "bars_heard", ()), (self.now, bar.ts_close))


class SlowBars:
    """All prices so far; bars are made anew from them at each question."""

    def __init__(self, period: int) -> None:
        self.period = period
        self.ticks: list[tuple[int, float]] = []
        self.closed: list[tuple] = []

    def add(self, time: int, price: float) -> None:
        self.ticks.append((time, price))

    def last(self, now: int) -> tuple:
        """The last bars of which the close is at `now` or earlier."""
        if not self.ticks:
            return ()
        begin = self.closed[-1][0] if self.closed else self.ticks[0][0] // self.period * self.period
        while begin + self.period <= now:
            end = begin + self.period
            inside = [p for t, p in self.ticks[-4000:] if begin <= t < end]
            if inside:
                bar = (end, inside[0], max(inside), min(inside), inside[-1])
            else:
                close = self.closed[-1][4]
                bar = (end, close, close, close, close)
            self.closed.append(bar)
            begin = end
        return tuple(self.closed[-LAST:])


def slow(tape: Path, price_scale: float, size_scale: float) -> list[tuple]:
    """What the trap may see, from the frames alone."""
    quote = None
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    bars = [SlowBars(parse_period(period.split("@")[0])) for period in PERIODS]
    expected = []
    with JournalReader(tape) as reader:
        for record in reader:
            kind, data, now = record.type, record.data, record.time
            if kind not in ("quote", "trade", "book", "mark"):
                continue
            # Bars that are due close before the event of their moment is shown or folded.
            for each in bars:
                each.last(now)
            values: tuple = ()
            if kind == "quote":
                quote = (data["bid"], data["ask"], data["ts_recv"])
                values = (data["bid"], data["ask"])
                bars[1].add(now, (data["bid"] + data["ask"]) * 5 / (price_scale * 10))
            elif kind == "trade":
                values = (data["price"], data["size"])
                for each in (bars[0], bars[2]):
                    each.add(now, data["price"] / price_scale)
            elif kind == "mark":
                values = (data["mark"],)
            else:
                for levels, changes in zip(sides, (data["bids"], data["asks"]), strict=True):
                    if record.flags & 1:
                        levels.clear()
                    for price, size in changes:
                        levels[price] = size
                        if not size:
                            del levels[price]
            bids = sorted(sides[0].items(), reverse=True)[:3]
            asks = sorted(sides[1].items())[:3]
            expected.append(
                (
                    kind,
                    now,
                    values,
                    quote,
                    tuple((p / price_scale, s / size_scale) for p, s in bids),
                    tuple((p / price_scale, s / size_scale) for p, s in asks),
                    tuple(each.last(now) for each in bars),
                )
            )
    return expected


def flat(windows) -> list[float]:
    """Each window's length, then its numbers."""
    return [x for bars in windows for x in (len(bars), *(y for bar in bars for y in bar))]


@pytest.mark.parametrize("seed", [1, 7])
def test_all_that_is_visible_is_on_the_tape_already(tmp_path, seed):
    tape = tmp_path / "t"
    write_sample(tape, events=3_000, seed=seed)
    played = play(Trap, tape)
    facts = played.host.instruments[BTC]
    expected = slow(tape, 10.0**facts.price_decimals, 10.0**facts.size_decimals)
    seen = played.robot.seen
    assert not played.host.failures
    assert len(seen) == len(expected) > 2_000
    assert {kind for kind, *_ in seen} >= {"quote", "trade", "book"}
    for got, wanted in zip(seen, expected, strict=True):
        assert got[:6] == wanted[:6]
        assert flat(got[6]) == pytest.approx(flat(wanted[6]), rel=1e-12, abs=0)
    assert len(played.robot.bars_heard) > 50
    assert all(now == close for now, close in played.robot.bars_heard)
