"""Longer bars of a tape that has only bars: made of its shorter ones wherever they divide."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from core_tested import BarStream
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.engine.compiled import compiled
from onetape.engine.strategy import Strategy
from onetape.model.errors import StrategyError, UnknownSymbol
from worlds.tapes import BTC, Market, at_ns, play

VENUE, FINER = 2, 3
MINUTE = 60


class Seen(Strategy):
    bars_of: str = "5m"
    history: int = 0

    def on_start(self):
        self.subscribe(BTC, bars=["1m", self.bars_of], history=self.history)
        self.seen = []

    def on_bar(self, bar):
        if bar.period == self.bars_of.partition("@")[0]:
            minutes = self.bars(BTC, "1m", 1)
            self.closes = list(self.bars(BTC, self.bars_of, 99).close)
            self.seen.append((self.now, bar.ts_open, bar.open, bar.high, bar.low, bar.close, bar.volume))
            assert minutes.ts_close[-1] == bar.ts_close or bar.ts_close < self.now


def minutes(tmp_path: Path, *, of: range, without: tuple[int, ...] = ()) -> Path:
    """Minute n opens at n, ends at n + 0.5, and reaches from n - 1 to n + 1; its volume is n."""
    market = Market(tmp_path / "t")
    for n in of:
        if n not in without:
            price = 1000 + n
            market.bar((n + 1) * MINUTE, "1m", (price, price + 1, price - 1, price + 0.5), n + 1)
    return market.done()


def test_five_minutes_are_made_of_one_and_seen_when_they_close(tmp_path):
    robot = play(Seen, minutes(tmp_path, of=range(10))).robot
    assert robot.seen == [
        (at_ns(300), at_ns(0), 1000, 1005, 999, 1004.5, 15),
        (at_ns(600), at_ns(300), 1005, 1010, 1004, 1009.5, 40),
    ]


def test_a_missing_minute_in_the_middle_is_left_out(tmp_path):
    robot = play(Seen, minutes(tmp_path, of=range(5), without=(2,))).robot
    assert robot.seen == [(at_ns(300), at_ns(0), 1000, 1005, 999, 1004.5, 12)]


def test_without_its_last_minute_it_is_seen_when_no_other_can_come(tmp_path):
    robot = play(Seen, minutes(tmp_path, of=range(12), without=(4,))).robot
    assert [(now, opened) for now, opened, *_ in robot.seen] == [(at_ns(360), at_ns(0)), (at_ns(600), at_ns(300))]


def test_a_period_without_any_minute_has_no_bar(tmp_path):
    robot = play(Seen, minutes(tmp_path, of=range(15), without=tuple(range(5, 10)))).robot
    assert [opened for _, opened, *_ in robot.seen] == [at_ns(0), at_ns(600)]


def test_history_holds_them_too(tmp_path):
    tape = minutes(tmp_path, of=range(20))
    robot = play(Seen, tape, start=at_ns(601), params={"history": 2}).robot
    assert [opened for _, opened, *_ in robot.seen] == [at_ns(600), at_ns(900)]
    assert robot.closes == [1004.5, 1009.5, 1014.5, 1019.5]


def test_the_longest_period_that_divides_is_taken(tmp_path):
    market = Market(tmp_path / "t")
    for n in range(1, 16):
        market.bar(n * MINUTE, "1m", (1, 1, 1, 1), 1)
        if n % 5 == 0:
            market.bar(n * MINUTE, "5m", (2, 2, 2, 2), 5)
    session = play(Seen, market.done(), params={"bars_of": "15m"}).session
    assert session.host.bars.sources[f"{BTC} 15m"] == "5m"
    assert [row[2] for row in session.robot.seen] == [2]


def test_which_ones_can_be_written_down(tmp_path):
    session = play(Seen, minutes(tmp_path, of=range(10)), params={"bars_of": "10m@1m"}).session
    assert session.host.bars.sources[f"{BTC} 10m"] == "1m"
    assert [row[6] for row in session.robot.seen] == [55]


@pytest.mark.parametrize(("text", "words"), [("5m@2m", "does not divide"), ("5m@5m", "divide"), ("5m@x", "after @")])
def test_what_cannot_be_made_is_said(tmp_path, text, words):
    with pytest.raises(StrategyError, match=words):
        play(Seen, minutes(tmp_path, of=range(2)), params={"bars_of": text})


def test_a_period_that_none_divides_names_what_there_is(tmp_path):
    with pytest.raises(UnknownSymbol, match="bars of 1m only, of which none of 90s") as raised:
        play(Seen, minutes(tmp_path, of=range(2)), params={"bars_of": "90s"})
    assert "multiple of 1m" in str(raised.value)


@compiled
class CompiledSeen(Strategy):
    def on_start(self):
        self.total = 0.0
        self.subscribe(BTC, bars=["1m", "5m"])

    def on_bar(self, bar):
        window = self.bars(BTC, "5m", 2)
        if len(window) == 2:
            self.total = window.close.sum()


def test_compiled_strategies_have_them(tmp_path):
    session = play(CompiledSeen, minutes(tmp_path, of=range(10))).session
    assert session.robot.total == 1004.5 + 1009.5


bars_of_a_minute = st.tuples(st.integers(1, 4), *[st.integers(1, 50)] * 4, st.integers(0, 9), st.booleans())


@settings(max_examples=examples(100), deadline=None)
@given(rows=st.lists(bars_of_a_minute, max_size=40), times=st.integers(2, 9), start=st.integers(0, 99))
def test_they_equal_a_slow_sum(rows, times, start):
    """Any minutes, with holes: each period's bar is what its minutes come to, and is closed not
    before its end."""
    minute = 60 * 10**9
    stream = BarStream()
    stream.add(times * minute, FINER, minute)
    at, whole, got = start, {}, []
    first = start + rows[0][0] if rows else start
    for skipped, open_, high, low, close, volume, _ in rows:
        at += skipped
        row = (open_, max(open_, high, low, close), min(open_, high, low, close), close, volume)
        now = (at + 1) * minute
        got += stream.take(now - 1)
        # The first period is known only from its first minute on.
        is_cut = at // times == first // times and first % times != 0
        assert stream.on_bar(at * minute, now, *row) == ("late" if is_cut else "folded")
        closed = stream.take(now)
        assert all(each[2] <= now for each in closed)
        got += closed
        if not is_cut:
            whole.setdefault(at // times, []).append(row)
    got += stream.take((at + 2 * times) * minute)
    assert [each[1:8] for each in got] == [
        (
            period * times * minute,
            (period + 1) * times * minute,
            rows[0][0],
            max(row[1] for row in rows),
            min(row[2] for row in rows),
            rows[-1][3],
            sum(row[4] for row in rows),
        )
        for period, rows in sorted(whole.items())
    ]


HOUR, DAY, NS = 3600, 86_400, 10**9


@pytest.mark.parametrize(("times", "length"), [(2, 2 * DAY), (7, 7 * DAY)])
def test_days_off_the_grid_of_utc_are_all_in_what_is_made_of_them(times, length):
    """Days of Berlin: they begin at 23:00 UTC in winter, at 22:00 in summer, and one has 23 hours."""
    monday = 1_711_324_800  # 2024-03-25
    opens = [monday + n * DAY - (HOUR if n < 7 else 2 * HOUR) for n in range(15)]
    stream = BarStream()
    stream.add(length * NS, FINER, DAY * NS)
    got = []
    for n, (opened, closed) in enumerate(pairwise(opens)):
        stream.on_bar(opened * NS, closed * NS, 1, 1, 1, 1, 2**n, period=DAY * NS)
        got += stream.take(closed * NS)
    begins = next(n for n in range(14) if (monday + n * DAY - 4 * DAY * (times == 7)) % length == 0)
    groups = [range(n, n + times) for n in range(begins, 15 - times, times)]
    assert [(each[1] // NS, each[2] // NS, each[7]) for each in got] == [
        (opens[group[0]], opens[group[-1] + 1], sum(2**n for n in group)) for group in groups
    ]


def test_a_first_period_without_its_beginning_has_no_bar(tmp_path):
    robot = play(Seen, minutes(tmp_path, of=range(2, 15))).robot
    assert [row[1] for row in robot.seen] == [at_ns(300), at_ns(600)]


def test_sessions_that_begin_late_each_day_have_a_bar_from_the_second_day_on(tmp_path):
    robot = play(Seen, minutes(tmp_path, of=range(15), without=(0, 5, 10))).robot
    assert [row[1] for row in robot.seen] == [at_ns(300), at_ns(600)]


@pytest.mark.parametrize("hours", [23, 25])
def test_a_day_of_other_length_is_a_day(hours):
    stream = BarStream()
    stream.add(DAY, VENUE)
    assert stream.on_bar(0, hours * HOUR, 1, 1, 1, 1, 5, period=DAY) == "folded"
    assert [each[1:3] for each in stream.take(hours * HOUR)] == [(0, hours * HOUR)]
