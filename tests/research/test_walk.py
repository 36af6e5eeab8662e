"""Walk-forward: windows, what is chosen in them, and that nothing of later days decides it."""

from __future__ import annotations

import json
import math
import random
import shlex
from pathlib import Path

import numpy as np
import pytest

import copied_process
import onetape
from long_form import long_form
from onetape.engine.grid import Grid
from onetape.model.errors import BadConfig
from onetape.report.drawdowns import max_drawdown
from onetape.research.walk import Window, parse_walk, summarize_walk, windows_of
from worlds.strategy_files import write
from worlds.tapes import START, Market

HOUR = 3600 * 10**9
FOLLOW = """
from onetape import Strategy


class Follow(Strategy):
    fast: int = 2
    sign: int = 1
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, bars="1m", history=self.fast + 1)
        self.first = None

    def on_bar(self, bar):
        closes = self.bars(self.symbol, "1m", self.fast + 1).close
        if self.first is None:
            self.first = len(closes)
            self.log("first", bars=len(closes))
        if len(closes) > self.fast:
            self.set_target(self.symbol, 0.5 * self.sign * (1 if closes[-1] > closes[0] else -1))
"""
GRID = {"fast": [2, 5, 9], "sign": [1, -1]}


def market(path: Path, *, hours: float, seed: int = 1, after: float = 1e9, other: int = 0) -> Path:
    """Bars of a random walk with drifts; from `after` hours on those of another seed."""
    tape = Market(path)
    chance, price = random.Random(seed), 1000.0
    for minute in range(int(hours * 60)):
        if other and minute >= after * 60:
            chance, other = random.Random(other), 0
        drift = math.sin(minute / 37) * 0.4
        close = round(price + chance.gauss(drift, 1), 1)
        high, low = max(price, close) + 0.3, min(price, close) - 0.3
        tape.bar((minute + 1) * 60, "1m", (round(price, 1), round(high, 1), round(low, 1), close))
        price = close
    return tape.done()


@pytest.fixture(scope="module")
def code(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("code"), "follow", FOLLOW)


@pytest.fixture(scope="module")
def tape(tmp_path_factory) -> Path:
    return market(tmp_path_factory.mktemp("tape") / "t", hours=12)


def walk(code: Path, tape: Path, home: Path, **options):
    options = {"params": GRID, "walk_forward": ("3h", "2h"), "metric": "pnl", "jobs": 1, **options}
    return onetape.sweep(str(code), tape, home=home, fee=(0, 0), latency="0", **options)


@pytest.fixture(scope="module")
def done(tmp_path_factory, code, tape):
    return walk(code, tape, tmp_path_factory.mktemp("home"))


@pytest.mark.parametrize(
    ("end", "anchored", "gap", "expected"),
    [
        (50, False, 0, [(0, 30, 40), (10, 40, 50)]),
        (45, False, 0, [(0, 30, 40), (10, 40, 45)]),
        (31, False, 0, [(0, 30, 31)]),
        (50, True, 0, [(0, 30, 40), (0, 40, 50)]),
        (50, False, 5, [(0, 30, 45), (10, 40, 50)]),
        (45, True, 5, [(0, 30, 45)]),
    ],
)
def test_each_test_window_follows_its_train_window(end, anchored, gap, expected):
    found = windows_of(0, end, train=30, test=10, anchored=anchored, gap=gap)
    assert [(w.train_start, w.train_end, w.test_end) for w in found] == expected
    assert all(w.train_end + gap == w.test_start for w in found)
    assert [w.number for w in found] == [*range(1, len(found) + 1)]


@pytest.mark.parametrize(("end", "says"), [(30, "the first train window alone"), (10**9, "windows, at")])
def test_windows_that_cannot_be_are_refused(end, says):
    with pytest.raises(BadConfig, match=says):
        windows_of(0, end, train=30, test=10)


@pytest.mark.parametrize("text", ["30d", "30d,10d,5d,1d", "30d,10d,-1d", "30d,soon", "0s,10d", "30d,-1d", ""])
def test_what_is_no_pair_of_durations_is_refused(text):
    with pytest.raises(BadConfig, match="--walk-forward"):
        parse_walk(text)


def test_durations_are_the_usual_ones():
    assert parse_walk("30d,10d") == (30 * 24 * HOUR, 10 * 24 * HOUR, 0)
    assert parse_walk(("90m", "1h", "5m")) == (3 * HOUR // 2, HOUR, HOUR // 12)


def test_in_each_window_the_best_of_training_is_traded(done):
    frame, rows = done.windows, done.frame
    assert len(frame) == 5  # nine hours of tests, the last one cut to one
    for window in frame.iter_rows(named=True):
        mine = rows.filter(rows["window"] == window["window"])
        train, test = (mine.filter(mine["phase"] == phase) for phase in ("train", "test"))
        assert len(train) == 6 and len(test) == 1
        assert window["variant"] == train["variant"][train["pnl"].arg_max()] == test["variant"][0]
        assert window["in_sample"] == train["pnl"].max()
        assert window["out_of_sample"] == window["pnl"] == test["pnl"][0]
        assert window["ratio"] == pytest.approx(window["out_of_sample"] / window["in_sample"])
        assert window["param.fast"] == test["fast"][0]
    assert frame["variant"].n_unique() > 1, "the market never asks for another choice"
    assert done.walk_forward["efficiency"] == pytest.approx(float(np.median(frame["ratio"])))


def test_the_equity_out_of_sample_is_the_sum_of_the_windows(done):
    equity, windows = done.equity, done.windows
    assert equity["equity"][-1] - 100_000 == pytest.approx(windows["pnl"].sum(), abs=1e-9)
    ts = equity["time"].to_physical().to_numpy()
    assert (np.diff(ts) > 0).all()
    assert ts[0] >= START + 3 * HOUR and ts[-1] <= START + 12 * HOUR
    # At the end of each window the line stands at what was earned up to there.
    ends = windows["test_end"].to_physical().to_numpy()
    at = np.searchsorted(ts, ends, side="left") - 1
    levels = equity["equity"].to_numpy()[at]
    assert levels == pytest.approx(100_000 + np.cumsum(windows["pnl"].to_numpy()), abs=1e-6)
    fall = max_drawdown(ts, equity["equity"].to_numpy())
    assert done.stats["max_drawdown"] == pytest.approx(fall.fraction)
    assert done.stats["pnl"] == pytest.approx(windows["pnl"].sum())
    # Of each fill nothing is known here, and nothing is said: a volume of 0 would be a figure.
    assert done.stats.keys().isdisjoint({"win_rate", "volume", "fills_per_day", "leverage_peak", "capacity"})
    assert done.stats["fills"] > 0


def test_a_window_is_repeated_by_the_backtest_of_its_times(tmp_path, done):
    window = done.windows.row(1, named=True)
    facts = done.walk_forward["windows"][1]
    line = done.command(facts["variant"], start=facts["test_start"], end=facts["test_end"])
    words = shlex.split(line)[1:]
    out = copied_process.run(*words, "--home", tmp_path, "--json", check=True)
    assert float(json.loads(out.stdout)["pnl"]) == window["pnl"]


def test_history_from_before_the_window_is_there_and_is_not_traded(tmp_path, code, tape):
    kept = walk(code, tape, tmp_path, params={"fast": [9]}, keep_runs=True)
    for number, window in enumerate(kept.walk_forward["windows"], 1):
        run = onetape.open(kept.path / "runs" / f"test-{number}-0")
        log = run.events("log").row(0, named=True)
        assert log["fields"]["bars"] == 10, "all bars before the start are there at the first bar"
        first = run.orders["time"].to_physical().min()
        assert window["test_start"] <= first <= window["test_start"] + 60 * 10**9
        assert run.fills["time"].to_physical().max() < window["test_end"]


@pytest.mark.parametrize("hour", [5, *long_form(3, 7)])
def test_what_comes_after_a_train_window_never_changes_its_choice(tmp_path, code, done, hour):
    """The same market up to an hour, and another one after it: all train windows that end by then
    choose the same, to the last digit."""
    for seed in (7, 8):
        changed = market(tmp_path / f"t{seed}", hours=12, after=hour, other=seed)
        found = walk(code, changed, tmp_path / f"h{seed}")
        same = later = 0
        for ours, theirs in zip(done.walk_forward["windows"], found.walk_forward["windows"], strict=True):
            if ours["train_end"] <= START + hour * HOUR:
                assert (ours["variant"], ours["in_sample"]) == (theirs["variant"], theirs["in_sample"])
                same += 1
            else:
                later += ours["in_sample"] != theirs["in_sample"]
        assert same == (hour - 1) // 2 and later > 0, "the change has to show somewhere"


def test_choices_of_train_windows_are_those_of_a_tape_that_ends_there(tmp_path, code, tape, done):
    from onetape.replay.lookahead import cut_tape

    window = done.walk_forward["windows"][2]
    cut = tmp_path / "cut"
    cut_tape(tape, cut, window["train_end"] - 1)
    plain = onetape.sweep(
        str(code),
        cut,
        params=GRID,
        metric="pnl",
        jobs=1,
        home=tmp_path,
        fee=(0, 0),
        latency="0",
        start=window["train_start"],
    )
    assert plain.best()["variant"] == window["variant"]


def test_anchored_windows_learn_from_everything_before(tmp_path, code, tape, done):
    found = walk(code, tape, tmp_path, anchored=True)
    starts = {window["train_start"] for window in found.walk_forward["windows"]}
    assert len(starts) == 1
    assert found.walk_forward["windows"][0] == done.walk_forward["windows"][0]
    assert found.windows["in_sample"].to_list() != done.windows["in_sample"].to_list()


def test_a_walk_resumed_is_the_same(tmp_path, code, tape, done):
    full = walk(code, tape, tmp_path, out="w")
    lines = (full.path / "results.jsonl").read_text().splitlines(keepends=True)
    (full.path / "results.jsonl").write_text("".join(lines[:17]))
    second = walk(code, tape, tmp_path, out="w", resume=True)
    assert second.walk_forward == done.walk_forward
    assert (second.path / "results.parquet").read_bytes() == (done.path / "results.parquet").read_bytes()


def test_without_any_value_of_the_metric_the_reason_is_said(tmp_path, code, tape):
    with pytest.raises(BadConfig, match="sharpe needs a day of data, and a run covers 2h"):
        walk(code, tape, tmp_path, metric="sharpe")
    quiet = write(tmp_path, "quiet", FOLLOW.replace("0.5 * self.sign", "0 * self.sign"))
    with pytest.raises(BadConfig, match="in no train window: no variant has a value of win_rate"):
        walk(quiet, tape, tmp_path, metric="win_rate")


def row(key: str, pnl: float, ts=(), equity=()) -> dict:
    return {
        "key": key,
        "error": None,
        "stats": {},
        "pnl": pnl,
        "final_equity": 100 + pnl,
        "orders": 1,
        "fills": 1,
        "fees": 0.5,
        "funding": 0.0,
        "equity": [[*ts], [*equity]],
    }


def test_windows_without_a_choice_or_with_a_failure_are_flat_and_said():
    windows = [Window(n, n * 10, n * 10 + 10, n * 10 + 10, n * 10 + 20) for n in (1, 2, 3)]
    rows = {
        "train/1/0": row("train/1/0", 5),
        "test/1/0": row("test/1/0", 2, [20, 29], [100.0, 102.0]),
        "train/2/0": {"key": "train/2/0", "error": "no"},
        "train/3/0": row("train/3/0", -4),
        "test/3/0": {"key": "test/3/0", "error": "it broke"},
    }
    found = summarize_walk(windows, Grid({}), rows, "pnl")
    one, two, three = found["windows"]
    assert one["ratio"] == pytest.approx(0.4) and one["error"] is None
    assert two["variant"] is None and "no variant" in two["error"]
    assert three["error"] == "it broke" and three["pnl"] is None and three["ratio"] is None
    assert found["equity"] == [[20, 29], [100.0, 102.0]]
    assert found["stats"]["fills"] == 1 and found["stats"]["fees"] == 0.5
