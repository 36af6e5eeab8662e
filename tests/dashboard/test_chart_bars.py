"""Bars, marks and trades of a journal, read by steps, beside the same made row by row."""

from __future__ import annotations

import struct

import pytest

from onetape.dashboard import bars as bars_module
from onetape.dashboard.bars import INTERVALS, Bars, Fills, Trades, base_of
from onetape.model.catalogue import find
from onetape.model.time import SECOND
from onetape.tape.journal import JournalWriter
from onetape.tape.segments import list_segments
from worlds.frames import FILL

BEGAN = 20_000 * 86400 * SECOND
COUNT = 70_000  # more than are read at once
SYMBOL = "binance:BTC/USDT:USDT"
SCALE = 10 ** find(SYMBOL).price_decimals
QUOTE, TRADE = struct.Struct("<6qQQ"), struct.Struct("<4qQQBB14x")


class Tape:
    """A quote a second, of another instrument a third of them; fills now and then."""

    def __init__(self, folder, count: int = COUNT, name: str = "main") -> None:
        self.path, self.quotes, self.fills = folder / name, [], []
        folder.mkdir(exist_ok=True)
        self.writer = JournalWriter(self.path, process="gateway:main", durable=False, segment_bytes_first=1 << 20)
        for stream, symbol in ((1, SYMBOL), (2, "binance:ETH/USDT:USDT")):
            self.writer.append_instrument(stream, BEGAN, find(symbol).to_msgpack())
        self.write(count)

    def write(self, count: int) -> None:
        for n in range(len(self.quotes), len(self.quotes) + count):
            at, bid = BEGAN + n * SECOND, 600_000 + n * n % 997
            self.quotes.append((at // SECOND, (bid + 1) / SCALE))
            self.writer.append("quote", QUOTE.pack(at, at, bid, bid + 2, 1, 1, 0, 0), stream=1, time=at)
            if n % 3 == 0:
                self.writer.append("quote", QUOTE.pack(at, at, 5, 7, 1, 1, 0, 0), stream=2, time=at)
            if n % 500 == 0:
                self.fills.append((at // SECOND, "buy" if n % 1000 else "sell", bid / SCALE))
                side = 1 if n % 1000 else 2
                fill = FILL.pack(n + 1, n + 1, n + 1, at, bid, 10, 0, 0, side, 1, 1, 1, 0, 0)
                self.writer.append("fill", fill, stream=1, time=at)

    def bars(self, interval: str, first: int = 0, last: int | None = None) -> list[list[float]]:
        span, found = INTERVALS[interval] // SECOND, {}
        for at, price in self.quotes[first:last]:
            bar = found.setdefault(at // span * span, [price] * 4)
            bar[1:] = [max(bar[1], price), min(bar[2], price), price]
        return [[at, *bar] for at, bar in found.items()]


@pytest.fixture
def tape(tmp_path, monkeypatch):
    monkeypatch.setattr(bars_module, "FRAMES_MAX", 20_000)
    made = Tape(tmp_path)
    yield made
    made.writer.close()


def bars_of(tape: Tape, interval: str) -> tuple[Bars, int]:
    span = INTERVALS[interval]
    return Bars(tape.path, find(SYMBOL), base_of(span)), span


@pytest.mark.parametrize("interval", INTERVALS)
def test_pages_put_together_are_the_bars_of_all_quotes(tape, interval):
    bars, span = bars_of(tape, interval)
    bars.ahead()
    found, more, before, steps, whole = [], True, float("inf"), 0, tape.bars(interval)
    while more:
        page, more = bars.page(span, 7_000, before)
        if len(page) < 7_000 and more:
            end = len(whole) - len(found)
            assert page == whole[end - len(page) : end]
            bars.back()
            steps += 1
            continue
        found, before = page + found, page[0][0] if page else before
    assert found == whole
    assert steps == 5  # of 93,476 frames: none is read twice
    bars.close()


@pytest.mark.parametrize("interval", ["5s", "5m"])
def test_what_comes_is_followed_beside_steps_back(tape, interval):
    bars, span = bars_of(tape, interval)
    bars.ahead()
    for count in (1, 299, 1, 601):
        tape.write(count)
        bars.back()
        assert bars.ahead()
        assert bars.page(span, 2)[0] == tape.bars(interval)[-2:]
    bars.back()
    assert bars.page(span, 10**6) == (tape.bars(interval), False)
    bars.close()


def test_what_came_while_nobody_looked_is_taken_by_steps(tape):
    bars, span = bars_of(tape, "1m")
    bars.ahead()
    assert bars.page(span, 3) == ([], True)
    bars.back()
    tape.write(40_000)
    looks = 0
    while not bars.ahead():
        looks += 1
    assert looks == 2 and bars.page(span, 3)[0] == tape.bars("1m")[-3:]
    bars.close()


@pytest.mark.parametrize("interval", INTERVALS)
def test_at_a_moment_nothing_is_there_of_what_came_after_it(tape, interval):
    """Forward and back, from far and near."""
    bars, span = bars_of(tape, interval)
    for n in (30_000, 30_017, 29_000, 69_999, 12, 50_000):
        more, looks = True, 0
        while more:
            found, more = bars.page_at(span, 100, BEGAN + n * SECOND + 1)
            looks += 1
        assert found == tape.bars(interval, last=n + 1)[-100:], n
        assert looks <= 7
    bars.close()


def test_a_moment_that_is_far_is_begun_anew(tape, monkeypatch):
    monkeypatch.setattr(bars_module, "FAR_STEPS", 1)
    bars, span = bars_of(tape, "1s")
    for n in (69_000, 20_000):
        assert bars.page_at(span, 50, BEGAN + n * SECOND + 1) == (tape.bars("1s", last=n + 1)[-50:], False)
    bars.close()


@pytest.mark.parametrize("interval", ["1s", "5s"])
def test_moments_of_a_tape_of_more_bars_than_are_kept(tape, monkeypatch, interval):
    monkeypatch.setattr(Bars, "rows_max", 30_000)
    bars, span = bars_of(tape, interval)
    for n in (12, 69_000, 20_000, 39_100, 69_000, 12):
        more, looks = True, 0
        while more and looks < 10:
            found, more = bars.page_at(span, 100, BEGAN + n * SECOND + 1)
            looks += 1
        assert found == tape.bars(interval, last=n + 1)[-100:] and not more, n
    bars.close()


@pytest.mark.parametrize("kind", [Bars, Fills])
def test_a_damaged_tape_is_shown_up_to_there_and_not_asked_for_without_end(tape, kind):
    segments = list_segments(tape.path)
    damaged = segments[len(segments) // 2]
    with damaged.path.open("r+b") as file:
        file.seek(600_000)
        file.write(b"\xff" * 512)
    rows = kind(tape.path, find(SYMBOL), *([SECOND] if kind is Bars else []))
    looks = 0
    rows.ahead()
    while rows.back():
        rows.ahead()
        looks += 1
    had = len(rows.rows)
    assert had and rows.is_whole and rows.since and looks < 5
    tape.write(1000)
    assert rows.ahead() and not rows.back() and len(rows.rows) > had
    if isinstance(rows, Bars):
        assert not rows.page(SECOND, 7_000, float(rows.rows[5, 0]))[1]
        assert rows.page_at(SECOND, 100, BEGAN + SECOND * 5_000)[0]  # what lies before the damage
    rows.close()


def test_more_bars_than_are_kept_end_there_and_each_is_whole(tape, monkeypatch):
    monkeypatch.setattr(Bars, "rows_max", 30_000)
    bars, span = bars_of(tape, "5s")
    bars.ahead()
    while bars.back():
        pass
    found, more = bars.page(span, 10**6)
    whole = tape.bars("5s")
    assert not more and found == whole[-len(found) :] and 5990 <= len(found) <= 6000
    tape.write(20_000)
    while not bars.ahead():
        pass
    found, more = bars.page(span, 10**6)
    assert not more and found == tape.bars("5s")[-len(found) :] and 5990 <= len(found) <= 6000
    bars.close()


def test_own_fills_are_a_mark_for_each_bar_and_side(tape):
    fills = Fills(tape.path, find(SYMBOL))
    fills.ahead()
    while fills.back():
        pass
    marks = fills.marks(SECOND, 0, 2**40)
    assert [each[:4] for each in marks] == [(at, side, pytest.approx(price), 1) for at, side, price in tape.fills]
    first, last = tape.fills[10][0], tape.fills[20][0]
    assert [each[0] for each in fills.marks(SECOND, first, last)] == [each[0] for each in tape.fills[10:20]]
    (buys, sells) = fills.marks(86400 * SECOND, 0, 2**40)
    assert (buys[1], sells[1]) == ("buy", "sell") and buys[3] + sells[3] == len(tape.fills)
    assert float(buys[4]) == pytest.approx(sum(float(each[4]) for each in marks if each[1] == "buy"))
    prices = [price for _, side, price in tape.fills if side == "buy"]
    assert buys[2] == pytest.approx(sum(prices) / len(prices))
    fills.close()


def test_of_trades_the_newest_are_kept_and_a_journal_made_anew_is_read_anew(tmp_path):
    path = tmp_path / "main"
    trades = Trades(path, find(SYMBOL))
    assert trades.ahead() and trades.newest() == []  # there is none yet
    for life in (1, 2):
        with JournalWriter(path, process="gateway:main", durable=False) as writer:
            writer.append_instrument(life, BEGAN, find(SYMBOL).to_msgpack())
            for n in range(60):
                trade = TRADE.pack(BEGAN, BEGAN, 600_000 + n, life * 1000, n, 0, 1, 0)
                writer.append("trade", trade, stream=life, time=BEGAN)
            trades.ahead()
            trades.back()
            newest = trades.newest()
            assert len(newest) == 40 and newest[0][1:] == ("60005.9", f"{life}.000", "buy")
        for each in path.iterdir():
            each.unlink()
    trades.close()
