"""How conflated depth is: by hand on made tapes, beside plain Python on recorded ones."""

from __future__ import annotations

import tomllib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from test_money_runs import backtest

from onetape.data.importing import import_files
from onetape.data.quality.conflation import conflation_of
from onetape.data.quality.market import verify_market
from onetape.tape.journal import JournalReader
from worlds.strategy_files import listener
from worlds.tapes import BTC, START, Market

MS = 10**6


def made(path: Path, *, stamped: bool = True) -> Path:
    """Depth at 0, 100, 200, 500 ms; prints at 30, 60, 150 and 400; one at 10 before any book is.
    Stamps are 5 ms older than the receipt, but for the print at 150: its display was at 200."""
    market = Market(path)

    def stamp(ms: int) -> dict[str, int]:
        return {"ts_event": market_time(ms - 5)} if stamped else {}

    market.book(0.0, [(100, 10)], [(102, 10)], snapshot=True, **stamp(0))
    market.trade(0.03, 100, 2, "sell", **stamp(30))
    market.trade(0.06, 102, 1, "buy", **stamp(60))
    market.book(0.1, [(100, 8)], [(102, 10)], snapshot=False, **stamp(100))  # the first one's 2, not the other's
    market.trade(0.15, 100, 3, "sell", **stamp(90))
    market.book(0.2, [(100, 8)], [], snapshot=False, **stamp(200))
    market.book(0.5, [(100, 8)], [], snapshot=False, **stamp(500))
    market.trade(0.55, 100, 3, "sell", **stamp(550))  # nothing comes after it
    return market.done()


def market_time(ms: int) -> int:
    return START + ms * MS


def test_counts_of_a_made_tape(tmp_path: Path) -> None:
    [found] = conflation_of(made(tmp_path / "a.tape")).values()
    assert (found.messages, found.prints) == (4, 3)
    assert found.interval_ns == 100 * MS
    assert found.explaining == 1
    assert (found.late, found.stamped) == (1, 4)
    shown = verify_market(tmp_path / "a.tape").as_json()[BTC]["book"]["conflation"]
    assert shown == found.as_json()
    assert shown["prints_explaining"] == round(1 / 3, 6)


RESTING = listener(feeds="book=True", book="if self.n == 1: self.buy(self.symbol, 1, 99)")


def test_a_run_says_how_blind_its_fills_were(tmp_path: Path) -> None:
    tape = made(tmp_path / "a.tape")
    done = backtest(tmp_path, tape, "run", RESTING, latency="0")
    [row] = tomllib.loads((done.run / "run.toml").read_text())["depth"]
    assert row == {"symbol": BTC, **conflation_of(tape)[1].as_json()}
    [line] = [each for each in done.assumptions if each.key == "conflation"]
    assert "every 100 ms" in line.text
    assert "33% of the trades" in line.text
    assert "25% came after" in line.text
    assert line.bias == 1


def test_a_source_without_stamps_says_nothing_of_late_prints(tmp_path: Path) -> None:
    [found] = conflation_of(made(tmp_path / "a.tape", stamped=False)).values()
    assert (found.late, found.stamped, found.late_share) == (0, 0, 0.0)


def test_depth_without_prints_is_left_out(tmp_path: Path) -> None:
    market = Market(tmp_path / "a.tape")
    market.book(0.0, [(100, 10)], [(102, 10)], snapshot=True)
    market.book(0.1, [(100, 8)], [], snapshot=False)
    assert conflation_of(market.done()) == {}


def test_only_so_many_messages_are_looked_at(tmp_path: Path) -> None:
    path = made(tmp_path / "a.tape")
    [found] = conflation_of(path, 4).values()
    assert (found.messages, found.prints) == (2, 2)


@pytest.mark.parametrize(
    ("name", "symbol", "interval_ms"),
    [
        ("binance-usdm/btcusdt-2024-08-08.raw.gz", "binance:BTC/USDT:USDT", 52),
        ("binance-spot/btcusdt-2024-08-08.raw.gz", "binance:BTC/USDT", 100),
    ],
)
def test_recorded_depth_is_measured_as_plain_columns_say(
    tmp_path: Path, shared: Path, name: str, symbol: str, interval_ms: int
) -> None:
    tape = tmp_path / "recorded.tape"
    import_files("binance-raw", [shared / name], symbol=symbol, out=tape)
    [found] = conflation_of(tape).values()
    rows = []
    with JournalReader(tape) as reader:
        for frame in reader.frames(types=["book", "trade"]):
            event, _ = np.frombuffer(bytes(frame.payload[:16]), dtype="<i8")
            rows.append((frame.type == 4, frame.time, int(event)))
    is_book = np.array([row[0] for row in rows])
    books = np.flatnonzero(is_book)
    synced = books[1:]  # the first is the snapshot that the captures begin with
    gaps = [rows[b][1] - rows[a][1] for a, b in pairwise(books) if b - a > 1]
    assert round(found.interval_ns / MS) == interval_ms
    assert abs(found.interval_ns - float(np.median(gaps))) < 2 * MS
    between = sum(int(b - a - 1) for a, b in pairwise(books))
    assert abs(found.prints - between) <= 20  # those before the book was synced
    late = 0
    last = 0
    for book, _, stamp in rows:
        if book:
            last = stamp
        elif last and stamp <= last:
            late += 1
    assert abs(found.late - late) <= 20
    assert len(synced) + 1 == found.messages
