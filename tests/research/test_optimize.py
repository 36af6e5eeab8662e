"""A search over a grid: it finds what is there, tries nothing twice, and goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import onetape
from onetape.cli.main import run as cli
from onetape.engine.grid import Grid
from onetape.model.errors import BadConfig
from onetape.report.sweep_results import RESULTS, open_sweep
from onetape.research.optimize import proposals
from worlds.strategy_files import write

PEAK = """
from onetape import Strategy


class Peak(Strategy):
    '''Costs of trading too often grow with the distance of `a` from 41.'''
    a: int = 1
    kind: str = "x"
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, bars="10s")
        self.n = 0

    def on_bar(self, bar):
        self.n += 1
        if self.n <= abs(self.a - 41) + 30 * (self.kind == "y"):
            self.set_target(self.symbol, 0.01 * (self.n % 2))
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("code"), "peak", PEAK)


def search(code: Path, data: Path, home: Path, **options):
    options = {"params": {"a": range(1, 61)}, "trials": 25, "metric": "fees", "home": home, "jobs": 1, **options}
    return onetape.sweep(str(code), data, **options)


def keys(sweep) -> list[str]:
    return [json.loads(line)["key"] for line in (sweep.path / RESULTS).read_text().splitlines()]


def drive(grid: Grid, trials: int, ahead: int, sampler: str = "tpe", *, fail=lambda place: False, hold=0):
    """Answers as many at once as may run, the latest first. Returns what was tried in its order."""
    rows, running, tried = {}, [], []

    def value(params):
        return -sum((float(each) - 30) ** 2 for each in params.values())

    def job(at):
        return {"key": str(at), "params": grid[at]}

    for each in proposals(grid, rows, job, metric="pnl", trials=trials, ahead=ahead, sampler=sampler, seed=3):
        if each is not None:
            running.append(each)
            tried.append(each["key"])
        if each is None or len(running) >= ahead - hold:
            done = running.pop()
            error = "no" if fail(done["params"]) else None
            rows[done["key"]] = {"key": done["key"], "error": error, "pnl": value(done["params"]), "stats": {}}
    return tried


GRID = Grid({"x": tuple(range(100)), "y": tuple(range(100))})


@pytest.mark.parametrize("ahead", [1, 4])
def test_it_comes_nearer_than_chance_and_tries_nothing_twice(ahead):
    best = {}
    for sampler in ("tpe", "random"):
        tried = drive(GRID, 80, ahead, sampler)
        assert len(set(tried)) == len(tried) == 80
        best[sampler] = min(sum((each - 30) ** 2 for each in GRID[int(key)].values()) for key in tried)
    assert best["tpe"] < best["random"] and best["tpe"] < 50


def test_who_answers_first_changes_nothing():
    assert drive(GRID, 40, 4) == drive(GRID, 40, 4, hold=2) == drive(GRID, 40, 4, hold=3)


def test_all_of_a_small_grid_is_tried_once():
    small = Grid({"x": (1, 2, 3), "kind": ("1", "2")})
    assert sorted(drive(small, 50, 1)) == [str(each) for each in range(6)]


def test_variants_that_fail_are_no_end():
    assert len(drive(GRID, 30, 2, fail=lambda params: params["x"] % 2)) == 30


def test_it_finds_the_planted_optimum(tmp_path, code, sample):
    found = search(code, sample, tmp_path)
    assert found.tries == len(found.rows) == 25 < len(found.grid) == 60
    assert abs(found.best()["params"]["a"] - 41) <= 2
    repeated = search(code, sample, tmp_path, out="repeated")
    assert keys(repeated) == keys(found)


def test_a_search_goes_on_with_the_same_trials(tmp_path, code, sample):
    whole = search(code, sample, tmp_path, out="whole")
    part = search(code, sample, tmp_path, out="part", trials=12)
    file = part.path / RESULTS
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:7]) + lines[7][:20])  # killed in the middle of a line
    more = search(code, sample, tmp_path, out="part", resume=True)
    assert keys(more) == keys(whole)
    with pytest.raises(BadConfig, match="another sampler"):
        search(code, sample, tmp_path, out="part", resume=True, sampler="random")


def test_each_window_of_a_walk_has_a_search_of_its_own(tmp_path, code, sample):
    found = search(code, sample, tmp_path, trials=4, walk_forward="3m,2m,30s", jobs=2)
    windows = found.walk_forward["windows"]
    assert len(windows) > 1
    for window in windows:
        assert window["test_start"] - window["train_end"] == 30 * 10**9
        assert sum(key.startswith(f"train/{window['window']}/") for key in keys(found)) == 4


def test_the_command_names_the_best_its_trials_and_the_odds(tmp_path, code, sample, capfd):
    line = ["optimize", str(code), "--data", str(sample), "--param", "a=1..60", "--param", "kind=x,y", "--trials", "12"]
    line += ["--metric", "fees", "--home", str(tmp_path), "--out", "o", "--jobs", "2"]
    assert cli([*line, "--json"]) == 0
    value = json.loads(capfd.readouterr().out)
    assert len(value["trials"]) == value["variants"] == 12 and 0 <= value["odds_of_luck"] <= 1
    best = min(value["trials"], key=lambda each: each["value"])
    assert value["best"]["params"] == best["params"] and value["best"]["value"] == best["value"]
    assert value["overfitting"]["tries"] == 12 and "luck" in value["overfitting"]["verdict"]
    page = (open_sweep(tmp_path / "sweeps" / "o").path / "report.html").read_text()
    assert "tries were made, of which" in page and "Probability of overfitting (PBO)" in page
    # The map has the values that were tried, not all that might have been.
    tried = sorted({each["params"]["a"] for each in value["trials"]})
    assert f'"axes":{{"a":{json.dumps(tried, separators=(",", ":"))},"kind":' in page
    assert cli([*line, "--resume", "--trials", "13"]) == 0
    assert "the best is luck with a probability of" in capfd.readouterr().out
    assert cli(["compare", str(tmp_path / "sweeps" / "o"), "--json", "--home", str(tmp_path)]) == 0
    assert json.loads(capfd.readouterr().out)["tries"] == 13
