"""Variants of a compiled strategy over one reading of the tape: each row is what its own backtest says."""

from __future__ import annotations

import errno
import json

import pytest

pytest.importorskip("numba")

import onetape
from onetape.engine.session import Session
from onetape.report.sweep_results import RESULTS, read_rows
from onetape.research import sweep as sweeping
from onetape.research import variant
from worlds.strategy_files import write

# Resting orders, targets, timers and randomness; some variants fail, one kills its process.
MAKER = """
import os
import signal

from onetape import Strategy, compiled


@compiled
class Maker(Strategy):
    fast: int = 2
    size: float = 0.01
    seconds: int = 30
    die: int = 0
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        if self.fast == self.die:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.size < 0:
            raise ValueError("below nothing")
        self.order = None
        self.count = 0
        self.subscribe(self.symbol, bars="10s", quotes=True, history=6)
        self.set_timer("turn", every=f"{self.seconds}s")

    def on_quote(self, quote):
        self.count += 1
        if self.count % (50 * self.fast) == 0:
            if self.order is not None:
                self.cancel(self.order)
            self.order = self.buy(self.symbol, self.size, price=quote.bid, post_only=True)

    def on_timer(self, name):
        if self.random.random() < 0.3:
            self.set_target(self.symbol, 0.0)
        if 1 // (7 - self.fast) < 0:
            self.count = 0

    def on_bar(self, bar):
        closes = self.bars(self.symbol, "10s", 6).close
        if len(closes) == 6:
            self.set_target(self.symbol, self.size if closes[-self.fast :].mean() > closes.mean() else -self.size)
"""
GRID = {"fast": [1, 2, 3, 4, 5, 7], "size": [0.01, 0.02, -1.0, 2.0], "seconds": [20, 45]}
TERMS = {"cash": "1000 USDT", "fee": ("0.0002", "0.0005"), "leverage": 5, "latency": "20ms,40ms", "metric": "pnl"}


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    return write(tmp_path_factory.mktemp("code"), "maker", MAKER)


@pytest.fixture(scope="module")
def together(tmp_path_factory, code, sample):
    """The sweep, and how many jobs its one worker took each time."""
    taken, whole = [], sweeping.BACKENDS["local"]

    def in_process(batch):
        for jobs in batch.jobs:
            taken.append(len(jobs))
            for row in variant.run_jobs(batch.setup, jobs):
                batch.take(row)

    sweeping.BACKENDS["local"] = in_process
    try:
        home = tmp_path_factory.mktemp("home")
        return onetape.sweep(str(code), sample, params=GRID, jobs=1, home=home, **TERMS), taken
    finally:
        sweeping.BACKENDS["local"] = whole


def test_what_has_no_room_beside_others_is_taken_alone(tmp_path, code, sample, together, monkeypatch):
    refused, step = [], Session.step

    def without_room(self, *arguments, block=None, **more):
        if block is not None and self.params["fast"] == 2:
            refused.append(self)
            raise (MemoryError, OSError(errno.ENOSPC, "full"))[len(refused) % 2]
        return step(self, *arguments, block=block, **more)

    def in_process(batch):
        for jobs in batch.jobs:
            for row in variant.run_jobs(batch.setup, jobs):
                batch.take(row)

    monkeypatch.setitem(sweeping.BACKENDS, "local", in_process)
    monkeypatch.setattr(Session, "step", without_room)
    params = {"fast": [1, 2, 3, 4], "size": [0.01], "seconds": [20, 45]}
    rows = rows_of(onetape.sweep(str(code), sample, params=params, jobs=1, home=tmp_path, **TERMS)).values()
    whole = {row.get("action_hash") for row in rows_of(together[0]).values()}
    assert len(refused) == 2 and len(rows) == 8 and all(row["action_hash"] in whole for row in rows)


def rows_of(sweep):
    return read_rows(sweep.path / RESULTS)[0]


def test_rows_of_one_reading_are_those_of_each_alone_as_python(tmp_path, code, sample, together):
    found, taken = together
    assert taken == [12] * 4
    alone = onetape.sweep(str(code), sample, params=GRID, jobs=2, home=tmp_path, interpret=True, **TERMS)
    ours, theirs = rows_of(found), rows_of(alone)
    assert ours.keys() == theirs.keys() and len(ours) == 48
    good = [key for key, row in ours.items() if row["error"] is None]
    assert len(good) == 30 and {key: theirs[key] for key in good} == {key: ours[key] for key in good}
    assert len({ours[key]["action_hash"] for key in good}) >= 20  # what is too large is denied alike
    assert sum("below nothing" in row["error"] for row in ours.values() if row["error"]) == 12
    assert sum("ZeroDivision" in row["error"] for row in ours.values() if row["error"]) == 6


def test_a_row_is_its_own_backtest(tmp_path, code, sample, together):
    """Orders too large for the margin among them."""
    found, _ = together
    terms = {name: value for name, value in TERMS.items() if name != "metric"}
    for at in (0, 7, 22):
        row = rows_of(found)[str(at)]
        run = onetape.backtest(str(code), sample, home=tmp_path, report=False, **terms, **found.grid[at])
        assert run.stats["action_hash"] == row["action_hash"]
        assert (float(run.stats["pnl"]), float(run.stats["fees"])) == (row["pnl"], row["fees"])
        assert run.stats["fills"] == row["fills"] and row["orders"] > 0
    assert rows_of(found)["6"]["denied"] > 0


def test_a_variant_that_kills_its_process_takes_no_other_along(tmp_path, code, sample):
    params = {"fast": [1, 2, 3, 4, 5], "size": [0.01, 0.02], "die": [3]}
    found = onetape.sweep(str(code), sample, params=params, jobs=1, home=tmp_path, **TERMS)
    errors = found.frame["error"].to_list()
    assert [each is not None for each in errors] == [False] * 4 + [True] * 2 + [False] * 4
    lines = [json.loads(line)["key"] for line in (found.path / RESULTS).read_text().splitlines()]
    assert sorted(lines) == sorted(str(at) for at in range(10))
