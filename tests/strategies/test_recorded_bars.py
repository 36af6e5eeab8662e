"""Strategies on recorded bars of an index future, held against the file itself."""

from __future__ import annotations

import csv
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import onetape
from onetape import Strategy
from onetape.data.importing import import_files
from onetape.replay.replay import replay_run
from onetape.research.backtest import BacktestOptions, run_backtest
from worlds.tapes import play

SYMBOL = "cffex:IF"
FIELDS = ("open", "high", "low", "close", "volume")
PERIOD = 300 * 10**9


@pytest.fixture(scope="module")
def table(shared: Path) -> Path:
    return shared / "bars" / "cffex-if-5m-2018-first-half.csv"


@pytest.fixture(scope="module")
def rows(table: Path) -> dict[str, np.ndarray]:
    with table.open() as file:
        lines = list(csv.DictReader(file))
    found = {name: np.array([float(line[name]) for line in lines]) for name in FIELDS}
    stamps = np.array([line["DATETIME"] for line in lines], dtype="datetime64[ns]")
    found["ts_open"] = stamps.astype(np.int64)
    return found


@pytest.fixture(scope="module")
def tape(table, rows, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("cffex") / "if.tape"
    import_files("csv", [table], symbol=SYMBOL, out=out)
    return out


class Trap(Strategy):
    """Keeps every value that can be asked for at each bar."""

    symbol: str = SYMBOL

    def on_start(self):
        self.subscribe(self.symbol, bars="5m", quotes=True, trades=True, book=True, mark=True)
        self.seen = []
        self.others = []

    def on_bar(self, bar):
        shown = self.bars(self.symbol, "5m", 10_000)
        self.seen.append(
            (
                self.now,
                {name: getattr(bar, name) for name in (*FIELDS, "ts_open", "ts_close")},
                {name: getattr(shown, name) for name in (*FIELDS, "ts_open")},
                self.quote(self.symbol),
                (self.book(self.symbol).best_bid, self.book(self.symbol).best_ask),
                self.equity,
                self.position(self.symbol).qty,
            )
        )

    def on_quote(self, q):
        self.others.append(q)

    def on_trade(self, t):
        self.others.append(t)

    def on_book(self, b):
        self.others.append(b)

    def on_mark(self, m):
        self.others.append(m)


def test_all_that_is_visible_at_a_bar_is_the_data_up_to_it(rows, tape) -> None:
    robot = play(Trap, tape).robot
    assert len(robot.seen) == len(rows["open"]) == 3589
    assert robot.others == []
    for k, (now, bar, shown, quote, touch, equity, qty) in enumerate(robot.seen):
        assert now == bar["ts_close"] == rows["ts_open"][k] + PERIOD
        for name in (*FIELDS, "ts_open"):
            assert bar[name] == rows[name][k], (k, name)
            assert np.array_equal(shown[name], rows[name][: k + 1]), (k, name)
        assert quote is None
        assert touch == (None, None)
        assert equity == pytest.approx(100_000)
        assert qty == 0


class Large(Strategy):
    """One market order of 0.8 of the volume that the next bar will have, known from the file."""

    symbol: str = SYMBOL
    at: int = 100
    size: int = 1

    def on_start(self):
        self.subscribe(self.symbol, bars="5m")
        self.n = 0
        self.got = []

    def on_bar(self, bar):
        self.n += 1
        if self.n == self.at:
            self.buy(self.symbol, self.size)

    def on_fill(self, fill):
        self.got.append((fill.price, fill.qty))


@pytest.mark.parametrize("at", [100, 500, 1000, 2000, 3000])
def test_an_order_of_most_of_a_bar_needs_two(rows, tape, at) -> None:
    size = int(0.8 * rows["volume"][at])
    assert size > 1
    robot = play(Large, tape, params={"at": at, "size": size}, cash={"XXX": Decimal(10**10)}).robot
    expected, left, k = [], size, at
    while left:
        part = min(left, int(rows["volume"][k]) // 2)
        if part:
            expected.append((rows["open"][k], part))
        left -= part
        k += 1
    assert robot.got == expected
    assert len(expected) >= 2


def test_nothing_is_bought_of_a_bar_without_volume(rows, tape) -> None:
    volume = rows["volume"]
    started = int(np.argmax(volume > 0))
    (empty,) = np.nonzero(volume[started + 1 :] == 0)[0][:1] + started + 1
    after = empty + int(np.argmax(volume[empty:] > 1))
    robot = play(Large, tape, params={"at": int(empty), "size": 1}).robot
    assert robot.got == [(rows["open"][after], 1)]


def test_the_random_strategy_is_seeded_and_sells_short_too(rows, tape, tmp_path) -> None:
    code = Path(__file__).resolve().parents[2] / "strategies" / "random_walk.py"

    def run(name: str, seed: int):
        return run_backtest(
            BacktestOptions(
                strategy=str(code),
                data=[tape],
                home=tmp_path,
                out=name,
                seed=seed,
                params={"symbol": SYMBOL, "every": "5m", "size": "1"},
                stress=False,
            )
        )

    one, second, other = run("one", 7), run("again", 7), run("other", 8)
    assert one.action_hash == second.action_hash != other.action_hash
    assert one.pnl == second.pnl
    assert one.fills > 100
    assert replay_run(one.run, verify=True)["divergences"] == 0
    fills = onetape.open(one.run).fills
    held = np.cumsum(np.where(fills["side"].to_numpy() == "buy", 1, -1) * fills["qty"].to_numpy())
    assert held.min() == -1
    assert held.max() == 1
    assert set(fills["price"].to_list()) <= {*rows["open"], *rows["close"]}
