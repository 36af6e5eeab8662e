"""Sweeps: the same table however it was made, and every row repeatable by its command."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import copied_process
import onetape
from copied_process import ONETAPE, Copied
from onetape.model.errors import BadConfig, BadInput, Divergence, StrategyError
from onetape.report.sweep_results import RESULTS, open_sweep, read_rows
from onetape.research.pool import Batch, run_local
from waiting import PATIENCE_S, wait_for
from worlds.strategy_files import write

# Late variants are quick, so that with two workers they end first; some fail when told to.
TREND = """
import os
import signal
import sys
import time

from onetape import Strategy


class Trend(Strategy):
    fast: int = 2
    slow: int = 6
    size: float = 0.01
    pause: float = 0.0
    fail: int = 0
    die: int = 0
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.n = 0
        print("begun", file=sys.stderr, flush=True)
        time.sleep(self.pause / self.fast / (self.slow - 4))
        if self.fast == self.die:
            os.kill(os.getpid(), signal.SIGKILL)
        self.subscribe(self.symbol, bars="10s", history=self.slow)

    def on_bar(self, bar):
        if self.fast == self.fail:
            raise ValueError("as told")
        if bar.close < 0 or not self.n: print("not an answer"); self.n = 1
        closes = self.bars(self.symbol, "10s", self.slow).close
        if len(closes) == self.slow:
            up = closes[-self.fast:].mean() > closes.mean()
            self.set_target(self.symbol, self.size if up else -self.size)
"""
GRID = {"fast": [1, 2, 3], "slow": [5, 7]}


@pytest.fixture(scope="module")
def code(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("code"), "trend", TREND)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, code, sample):
    """The sweep that the others are compared with."""
    home = tmp_path_factory.mktemp("home")
    return onetape.sweep(str(code), sample, params=GRID, jobs=1, home=home, metric="pnl")


def run(code: Path, data: Path, home: Path, **options):
    options = {"params": GRID, "metric": "pnl", "jobs": 2, "home": home, **options}
    return onetape.sweep(str(code), data, **options)


def table(sweep) -> bytes:
    return (sweep.path / "results.parquet").read_bytes()


def test_one_row_a_variant_in_the_order_of_the_grid(whole):
    frame = whole.frame
    assert frame["variant"].to_list() == list(range(6))
    assert frame["fast"].to_list() == [1, 1, 2, 2, 3, 3]
    assert frame["slow"].to_list() == [5, 7] * 3
    assert frame["error"].null_count() == 6 and set(frame["seed"]) == {1}
    assert frame["pnl"].n_unique() > 3 and frame["fills"].min() > 5
    for name in ("sharpe", "max_drawdown", "turnover", "period_sharpe", "skewness", "action_hash"):
        assert name in frame.columns
    assert pl.read_parquet(whole.path / "results.parquet").equals(frame)


def test_how_many_processes_there_are_changes_no_byte(tmp_path, code, sample, whole):
    two = run(code, sample, tmp_path, params={**GRID, "pause": [0.3]})
    rows = [json.loads(line)["key"] for line in (two.path / RESULTS).read_text().splitlines()]
    assert sorted(rows) == [str(n) for n in range(6)]
    one = run(code, sample, tmp_path, params={**GRID, "pause": [0.3]}, jobs=1)
    assert table(one) == table(two)
    assert one.frame.drop("pause").equals(whole.frame)


def test_the_printed_command_repeats_a_variant(tmp_path, whole):
    for variant in (0, 5):
        words = shlex.split(whole.command(variant))
        assert words[:2] == ["onetape", "backtest"]
        done = copied_process.run(*words[1:], "--home", tmp_path, "--json", check=True)
        value = json.loads(done.stdout)
        row = whole.frame.row(variant, named=True)
        assert value["action_hash"] == row["action_hash"]
        assert float(value["pnl"]) == row["pnl"] and value["fills"] == row["fills"]


def test_best_takes_the_first_of_equals_and_less_where_less_is_better(whole):
    frame = whole.frame
    assert whole.best()["variant"] == frame["pnl"].arg_max()
    least = whole.best("max_drawdown")
    assert least["variant"] == frame["max_drawdown"].arg_min()
    assert least["params"] == {"fast": frame["fast"][least["variant"]], "slow": frame["slow"][least["variant"]]}
    assert whole.best("orders")["value"] == frame["orders"].max()
    with pytest.raises(BadConfig, match="unknown metric 'luck'"):
        whole.best("luck")
    # Less than two hours of data: no Sharpe ratio of a year.
    with pytest.raises(BadConfig, match="no variant has a value of sharpe: less than a day"):
        whole.best("sharpe")


def test_a_failing_variant_is_a_row_and_the_others_go_on(tmp_path, code, sample, whole):
    found = run(code, sample, tmp_path, params={**GRID, "fail": [2]})
    frame = found.frame
    assert [error is not None for error in frame["error"]] == [False, False, True, True, False, False]
    assert "as told" in frame["error"][2] and frame["pnl"][2] is None
    rest = frame.filter(pl.col("error").is_null())
    assert rest["pnl"].to_list() == [whole.frame["pnl"][n] for n in (0, 1, 4, 5)]
    assert found.best("pnl")["variant"] not in (2, 3)


def test_a_worker_that_dies_costs_its_variant_alone_which_is_tried_again(tmp_path, code, sample, whole):
    params = {**GRID, "die": [2]}
    found = run(code, sample, tmp_path, params=params, out="dies")
    assert [error for error in found.frame["error"] if error] == ["its worker process ended with signal 9"] * 2
    assert found.frame["pnl"][5] == whole.frame["pnl"][5]
    second = run(code, sample, tmp_path, params=params, out="dies", resume=True)
    lines = (second.path / RESULTS).read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines].count("2") == 2


def test_all_variants_failing_says_so(tmp_path, code, sample):
    found = run(code, sample, tmp_path, params={"fast": [2], "fail": [2]})
    with pytest.raises(BadConfig, match=r"all 1 variants failed, the first with: .*as told"):
        found.best()


# --- killed and continued -------------------------------------------------------------------------


def start(code: Path, data: Path, home: Path, pause: float) -> subprocess.Popen:
    return Copied(
        ONETAPE,
        "sweep",
        code,
        "--data",
        data,
        "--param",
        "fast=1,2,3",
        "--param",
        "slow=5:7:2",
        "--param",
        f"pause={pause}",
        "--metric",
        "pnl",
        "--jobs",
        "2",
        "--home",
        home,
        "--out",
        "s",
        "--resume",
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for_lines(home: Path, count: int) -> int:
    path = home / "sweeps" / "s" / RESULTS
    wait_for(lambda: path.exists() and path.read_bytes().count(b"\n") >= count)
    return path.read_bytes().count(b"\n")


def children_of(process: subprocess.Popen) -> list[int]:
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(each) for each in path.read_text().split()]


def test_a_sweep_killed_in_the_middle_ends_with_the_same_table(tmp_path, code, sample):
    straight = start(code, sample, tmp_path / "a", 0.6)
    assert straight.wait(120) == 0, straight.stderr.read()
    killed = start(code, sample, tmp_path / "b", 0.6)
    done = wait_for_lines(tmp_path / "b", 2)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    results = tmp_path / "b" / "sweeps" / "s" / RESULTS
    assert done < 6 and not (results.parent / "results.parquet").exists()
    # The line that was being written when the machine went down.
    with results.open("ab") as file:
        file.write(b'{"key":"5","error":null,"pnl":12')
    kept = read_rows(results)[0]
    second = start(code, sample, tmp_path / "b", 0.6)
    _, err = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 0, err
    rows = [json.loads(line)["key"] for line in results.read_text().splitlines()]
    assert len(rows) == len(set(rows)) == 6 and set(kept) <= set(rows)
    same = [tmp_path / name / "sweeps" / "s" / "results.parquet" for name in "ab"]
    assert same[0].read_bytes() == same[1].read_bytes()


def test_ctrl_c_keeps_what_is_done_and_leaves_nobody_behind(tmp_path, code, sample):
    process = start(code, sample, tmp_path, 4.0)
    wait_for_lines(tmp_path, 1)
    children = children_of(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert "INTERRUPTED" in err and "of 6 results are kept in" in err
    assert "--resume" in err and "Traceback" not in err
    assert len(children) == 2
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
    folder = tmp_path / "sweeps" / "s"
    assert 1 <= len(open_sweep(folder)) < 6 and not (folder / ".work").exists()


def test_the_workers_of_a_killed_sweep_end_by_themselves(tmp_path, code, sample):
    process = start(code, sample, tmp_path, 20.0)
    while "begun" not in (line := process.stderr.readline()):
        assert line, "it ended"
    children = children_of(process)
    assert len(children) == 2
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_for(
        lambda: not any(Path(f"/proc/{child}").exists() for child in children), lambda: "a worker outlived its sweep"
    )


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"params": {"fast": [1, 2]}}, "another grid"),
        ({"seed": 4}, "other options: seed 1, now 4"),
        ({"order_rate": "2/10s", "hedge": True}, "other options: hedge False, now True, order rate None, now 2/10s"),
        ({"end": "2026-01-01T00:03:00Z"}, "another end"),
        ({"walk_forward": "2m,1m"}, "another (start|end|walk forward)"),
    ],
)
def test_resume_mixes_no_two_sweeps(tmp_path, code, sample, changed, says):
    run(code, sample, tmp_path, params={"fast": [1]}, out="s")
    with pytest.raises(BadConfig, match=says):
        run(code, sample, tmp_path, **{"params": {"fast": [1]}, "out": "s", "resume": True, **changed})


def test_resume_refuses_edited_code_and_other_data(tmp_path, code, sample):
    own = write(tmp_path, "own", TREND)
    run(own, sample, tmp_path, params={"fast": [1]}, out="s")
    own.write_text(TREND.replace("closes[-self.fast:]", "closes[-self.slow:]"))
    with pytest.raises(BadConfig, match="another source"):
        run(own, sample, tmp_path, params={"fast": [1]}, out="s", resume=True)
    own.write_text(TREND)
    other = tmp_path / "other.tape"
    from onetape.data.sample import write_sample

    write_sample(other, events=20_000, seed=4)
    with pytest.raises(BadConfig, match="other tapes"):
        run(own, other, tmp_path, params={"fast": [1]}, out="s", resume=True)


def test_a_finished_sweep_resumed_runs_nothing(tmp_path, code, sample):
    first = run(code, sample, tmp_path, params={"fast": [1]}, out="s")
    before = table(first)
    second = run(code, sample, tmp_path, params={"fast": [1]}, out="s", resume=True)
    assert table(second) == before and (second.path / RESULTS).read_text().count("\n") == 1


def test_an_existing_folder_is_never_overwritten(tmp_path, code, sample):
    run(code, sample, tmp_path, params={"fast": [1]}, out="s")
    with pytest.raises(BadConfig, match="the sweep exists"):
        run(code, sample, tmp_path, params={"fast": [1]}, out="s")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(BadConfig, match="is no sweep"):
        run(code, sample, tmp_path, params={"fast": [1]}, out=tmp_path / "mine")
    assert [*(tmp_path / "mine").iterdir()] == [tmp_path / "mine" / "thesis.txt"]


def test_by_force_an_existing_sweep_is_replaced_and_nothing_else(tmp_path, code, sample):
    run(code, sample, tmp_path, params={"fast": [1, 2]}, out="s")
    replaced = run(code, sample, tmp_path, params={"fast": [3]}, out="s", force=True)
    assert replaced.frame["fast"].to_list() == [3]
    assert (replaced.path / RESULTS).read_text().count("\n") == 1
    before = table(replaced)
    with pytest.raises(BadInput):  # a slip in the data costs nothing
        run(code, tmp_path / "no.tape", tmp_path, params={"fast": [3]}, out="s", force=True)
    assert table(replaced) == before and [each.name for each in replaced.path.parent.iterdir()] == ["s"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(BadConfig, match="is no sweep"):
        run(code, sample, tmp_path, params={"fast": [1]}, out=tmp_path / "mine", force=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"


def test_a_sweep_that_cannot_begin_leaves_nothing(tmp_path, code, sample):
    for options, error in (
        ({"params": {"speed": [1]}}, BadConfig),
        ({"metric": "luck"}, BadConfig),
        ({"backend": "cloud"}, BadConfig),
        ({"walk_forward": "30d,10d"}, BadConfig),
        ({"fee": "lots"}, BadConfig),
    ):
        with pytest.raises(error):
            run(code, sample, tmp_path / "none", **options)
    with pytest.raises(BadInput):
        run(code, tmp_path / "gone.tape", tmp_path / "none")
    assert [*(tmp_path / "none").glob("sweeps/*")] == []


def test_a_damaged_results_file_is_named_by_its_line(tmp_path, code, sample):
    found = run(code, sample, tmp_path, params={"fast": [1, 2]})
    file = found.path / RESULTS
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0][:40], lines[1], ""]))
    with pytest.raises(BadInput, match="line 1 is no result"):
        open_sweep(found.path)


def test_only_one_sweep_at_a_time_writes_a_folder(tmp_path, code, sample):
    process = start(code, sample, tmp_path, 3.0)
    try:
        wait_for_lines(tmp_path, 0 if (tmp_path / "sweeps").exists() else 1)
        with pytest.raises(onetape.model.errors.JournalLocked):
            run(code, sample, tmp_path, params={"fast": [1]}, out="s", resume=True)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)


# --- where a class comes from ---------------------------------------------------------------------


def test_a_class_of_a_script_without_a_guard_works_and_runs_the_script_once(tmp_path, sample):
    """Other systems import the script in every worker, which then begins a sweep of its own."""
    script = tmp_path / "research.py"
    script.write_text(
        f"""
import numpy as np
import onetape

print("once")
SYMBOL = "binance:BTC/USDT:USDT"

class Mine(onetape.Strategy):
    fast: int = 3
    def on_start(self):
        self.subscribe(SYMBOL, bars="30s")
    def on_bar(self, bar):
        closes = self.bars(SYMBOL, "30s", self.fast).close
        self.set_target(SYMBOL, 0.01 * float(np.sign(closes[-1] - closes[0])))

found = onetape.sweep(Mine, {str(sample)!r}, params={{"fast": [2, 3, 4]}}, jobs=2, metric="pnl",
                      home={str(tmp_path / "home")!r})
print(found.frame["fills"].min() > 0, found.frame["error"].null_count())
"""
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["once", "True", "3"]


def test_an_edit_of_the_file_while_it_runs_is_not_mixed_in(tmp_path, sample):
    own = write(tmp_path, "own", TREND)
    setup = open_sweep(run(own, sample, tmp_path, params={"fast": [1]}).path).facts
    own.write_text(TREND + "\n# edited\n")
    work = {"sys_path": sys.path, "scratch": str(tmp_path), "keep_runs": "", **setup}
    with pytest.raises(onetape.model.errors.ProcessDown, match="was edited"):
        run_local(Batch(work, [{"key": "0", "params": {}}], lambda row: None, processes=1))


def test_a_class_that_is_in_no_file_is_refused_with_a_way_out(tmp_path, sample):
    loose = type("Loose", (onetape.Strategy,), {"__module__": "__main__"})
    with pytest.raises(BadConfig, match="put the strategy into a file"):
        onetape.sweep(loose, sample, params={}, home=tmp_path, metric="pnl")


def test_a_frame_is_data_too_and_is_imported_once(tmp_path, code):
    start_ns = 1_767_225_600 * 10**9
    times = [start_ns + n * 10 * 10**9 for n in range(200)]
    prices = [100 + (n * 7 % 13) / 10 for n in range(200)]
    frame = pl.DataFrame(
        {
            "time": times,
            "open": prices,
            "high": [p + 1 for p in prices],
            "low": [p - 1 for p in prices],
            "close": prices,
            "volume": [50.0] * 200,
        }
    )
    found = run(code, frame, tmp_path, params={"fast": [1, 2]}, symbol="data:X")
    assert found.frame["events"].to_list() == [200, 200]
    assert len([*(tmp_path / "tapes").iterdir()]) == 1


# --- look-ahead, kept runs, pages -----------------------------------------------------------------


def test_an_honest_strategy_passes_and_the_answer_says_which_were_checked(tmp_path, code, sample):
    from onetape.research.sweep import SweepOptions, run_sweep

    result = run_sweep(SweepOptions(str(code), [sample], tmp_path, GRID, metric="pnl", check_lookahead=True, jobs=2))
    checked = result.lookahead
    best = result.sweep.best()["variant"]
    assert checked["how"] == "sample" and checked["of"] == 6
    assert set(checked["checked"]) == {0, 1, 3, 5, best}
    assert checked["decisions"] > 20 and checked["differing"] == checked["failed"] == []


def test_a_strategy_that_reads_its_own_tape_is_found_in_a_sweep(tmp_path, sample, monkeypatch):
    from worlds.strategy_files import CHEAT

    monkeypatch.setenv("CHEAT_TAPE", str(sample))
    cheat = write(tmp_path, "cheat", CHEAT)
    with pytest.raises(Divergence, match=r"1 of 1 checked variants .*reads the tested data"):
        onetape.sweep(str(cheat), sample, params={}, home=tmp_path, metric="pnl", check_lookahead="all")


def test_kept_runs_are_runs(tmp_path, code, sample, whole):
    found = run(code, sample, tmp_path, keep_runs=True, params={"fast": [2], "slow": [7]})
    kept = onetape.open(found.path / "runs" / "0")
    assert kept.stats["action_hash"] == found.frame["action_hash"][0]
    assert len(kept.fills) == found.frame["fills"][0]


def test_everything_a_sweep_leaves_is_its_owners_alone(whole):
    for path in [whole.path, *whole.path.rglob("*")]:
        mode = path.stat().st_mode & 0o777
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_the_command_answers_in_json(tmp_path, code, sample, capfd):
    from onetape.cli.main import run as cli

    line = ["sweep", str(code), "--data", str(sample), "--param", "fast=1:2:1", "--param", "slow=5",
            "--metric", "pnl", "--jobs", "1", "--home", str(tmp_path), "--json"]  # fmt: skip
    assert cli(line) == 0
    value = json.loads(capfd.readouterr().out)
    assert value["variants"] == value["done"] == value["ran"] == 2 and value["failed"] == 0
    assert value["best"]["metric"] == "pnl" and value["best"]["command"].startswith("onetape backtest")
    assert Path(value["results"]).is_file() and Path(value["report"]).is_file()
    assert cli([*line, "--out", "x", "--param", "fast=1"]) == 2  # given twice
    capfd.readouterr()
    assert cli([*line[:-1], "--out", "y"]) == 0
    text = capfd.readouterr().out
    assert "2 variants of Trend, 0 failed" in text and "the best again: onetape backtest" in text


def test_a_broken_strategy_file_is_one_error_before_any_worker(tmp_path, sample):
    broken = write(tmp_path, "broken", "from onetape import Strategy\n1/0\n")
    with pytest.raises(StrategyError, match="ZeroDivisionError"):
        onetape.sweep(str(broken), sample, params={}, home=tmp_path)


def test_a_parameter_given_as_an_option_is_told_where_it_goes(tmp_path, code, sample):
    with pytest.raises(BadConfig, match=r"unknown option 'fast'.*params=\{'fast'"):
        onetape.sweep(str(code), sample, params={}, fast=[1, 2], home=tmp_path)


def test_a_sweep_killed_before_its_manifest_begins_anew(tmp_path, code, sample):
    begun = tmp_path / "sweeps" / "s"
    (begun / "source").mkdir(parents=True)
    (begun / ".lock").touch()
    found = run(code, sample, tmp_path, params={"fast": [1]}, out="s", resume=True)
    assert len(found) == 1 and found.frame["error"].null_count() == 1


def test_a_module_of_a_package_with_relative_imports_works(tmp_path, sample, monkeypatch):
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "sizes.py").write_text("SIZE = 0.02\n")
    (package / "trend.py").write_text("from .sizes import SIZE\n" + TREND.replace("0.01", "SIZE"))
    monkeypatch.syspath_prepend(tmp_path)
    from importlib import import_module

    for options in ("mine.trend:Trend", import_module("mine.trend").Trend):
        found = onetape.sweep(options, sample, params={"fast": [2, 3]}, home=tmp_path, metric="pnl", jobs=1)
        assert found.frame["error"].null_count() == 2 and found.frame["fills"].min() > 0
        assert found.facts["reference"] == "mine.trend:Trend" and found.facts["source_hash"]


def test_a_file_of_data_is_imported_once(tmp_path, code):
    lines = ["time,open,high,low,close,volume"]
    for n in range(120):
        price = 100 + n % 9
        lines.append(f"{1_767_225_600 + n * 10},{price},{price + 1},{price - 1},{price},5")
    file = tmp_path / "bars.csv"
    file.write_text("\n".join(lines) + "\n")
    params = {"fast": [1, 2, 3], "symbol": ["data:BARS"]}
    found = run(code, file, tmp_path, params=params, cash="1000 XXX")
    assert found.frame["events"].to_list() == [120] * 3, found.frame["error"].to_list()
    assert len([*(tmp_path / "tapes").iterdir()]) == 1
    assert found.facts["sources"] == [str(file)]


def test_a_tape_that_grew_in_between_is_read_as_far_as_before(tmp_path, code, sample):
    """The journal of a live market: a sweep begun at noon is of the morning, whenever it ends."""
    from onetape.tape.journal import JournalReader, JournalWriter

    with JournalReader(sample) as reader:
        identity, frames = reader.uuid, list(reader.frames())

    def grow(path: Path, first: int, last: int) -> None:
        with JournalWriter(path, process="live", uuid=identity, durable=False) as writer:
            for frame in frames[first:last]:
                if frame.type == 1:
                    writer.append_instrument(frame.stream, frame.time, frame.payload)
                else:
                    writer.append(frame.type, frame.payload, flags=frame.flags, stream=frame.stream, time=frame.time)

    live = tmp_path / "live.tape"
    grow(live, 0, 8_000)
    params = {"fast": [1, 2, 3]}
    first = run(code, live, tmp_path, params=params, out="s")
    before = table(first)
    lines = (first.path / RESULTS).read_text().splitlines(keepends=True)
    (first.path / RESULTS).write_text(lines[0])
    grow(live, 8_000, len(frames))
    second = run(code, live, tmp_path, params=params, out="s", resume=True)
    assert table(second) == before
    later = run(code, live, tmp_path, params=params, out="later")
    assert later.frame["events"][0] > second.frame["events"][0]


def test_what_one_variant_leaves_in_a_global_is_not_there_for_the_next(tmp_path, sample):
    """Else a row would depend on which others its worker had run before."""
    (tmp_path / "beside.py").write_text("SEEN = []\n")
    text = TREND.replace("import os\n", "import os\nfrom beside import SEEN\nHERE = []\n", 1).replace(
        "    def on_start(self):\n",
        "    def on_start(self):\n        SEEN.append(1); HERE.append(1)\n"
        "        assert len(SEEN) == len(HERE) == 1, (SEEN, HERE)\n",
    )
    own = write(tmp_path, "own", text)
    found = run(own, sample, tmp_path, params={"fast": [1, 2, 3]}, jobs=1)
    assert found.frame["error"].to_list() == [None] * 3
