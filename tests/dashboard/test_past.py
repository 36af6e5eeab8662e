"""Runs as pages see them: moments as `onetape replay` finds them, reports that reach nothing, backtests."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from test_access import serving

from onetape.dashboard.past import Past, folder_of
from onetape.dashboard.sweep_map import SIDE_MAX, SweepMaps, map_of
from onetape.dashboard.trials import Trials
from onetape.model.errors import BadConfig, BadInput, DuplicateCommand
from onetape.model.time import MS
from onetape.report.sweep_results import metric_of, open_sweep
from onetape.tape.journal import JournalReader, JournalWriter, type_id
from waiting import PATIENCE_S

CROSS = """
from onetape import Strategy


class Cross(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"
    every: int = 7  # bars between two trades

    def on_start(self):
        self.seen = 0
        self.subscribe(self.symbol, bars="1m")

    def on_bar(self, bar):
        self.seen += 1
        self.memory["seen"] = self.seen
        if self.seen % self.every == 0:
            (self.sell if self.position(self.symbol).qty > 0 else self.buy)(self.symbol, 0.01)
"""


def onetape(folder: Path, *call: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "onetape", *call, "--json"], cwd=folder, capture_output=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A page does not wait as long as a test on a busy machine has to."""
    monkeypatch.setattr("onetape.dashboard.trials.PARAMS_WITHIN_S", PATIENCE_S)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A folder with a strategy, a market and a run of it."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "strategies").mkdir()
    (folder / "strategies" / "cross.py").write_text(CROSS)
    (folder / "strategies" / "helper.py").write_text("X = 1\n")
    (folder / "onetape.toml").write_text("[dashboard]\nport = 0\n")
    onetape(folder, "sample", "--out", "market.tape", "--events", "60000")
    onetape(folder, "backtest", "strategies/cross.py", "--data", "market.tape", "--out", "monday")
    return folder


def made(project: Path, *call: str) -> dict:
    topic, *words = call

    async def work():
        past = Past(project / ".onetape")
        try:
            return await past.topics()[topic].make(words)
        finally:
            await past.close()

    return asyncio.run(work())


def test_a_moment_is_what_replay_says_there_and_steps_go_on_and_back(project):
    fills = made(project, "run", "monday")["fills"]
    place = fills[2]["place"]
    states = {}

    async def work():
        past = Past(project / ".onetape")
        moment = past.topics()["moment"].make
        try:
            for step in (0, 3, 1, -2, 0):
                states.setdefault(step, []).append(await moment(["monday", place, str(step)]))
            states["frame"] = [await moment(["monday", str(states[0][0]["frames"] - 2), ""])]
        finally:
            await past.close()

    asyncio.run(work())
    replayed = onetape(project, "replay", "monday", "--until", place, "--step", "3")
    back = onetape(project, "replay", "monday", "--until", place, "--step", "-2")
    wanted = {0: replayed["state"], 1: replayed["steps"][0], 3: replayed["steps"][2], -2: back["steps"][1]}
    for step, state in wanted.items():
        for seen in states[step]:
            assert seen["step"] == step
            assert {key: seen[key] for key in ("frames", "equity", "positions", "orders", "memory", "own")} == {
                key: state[key] for key in ("frames", "equity", "positions", "orders", "memory", "own")
            }, step
    assert states["frame"][0]["frames"] == states[-2][0]["frames"] == states[0][0]["frames"] - 2
    assert states[0][0]["state_hash"] == replayed["state"]["state_hash"]


def test_nothing_that_came_after_a_moment_is_among_its_bars(project):
    run = made(project, "run", "monday")
    middle = (run["first"] + run["last"]) // 2 // 60_000 * 60_000 + 30_000
    at = run["fills"][0]["place"][:10]
    assert at == "2026-01-01"
    moment = f"2026-01-01T{middle // 3_600_000 % 24:02}:{middle // 60_000 % 60:02}:30Z"
    bars = made(project, "moment_bars", "monday", run["symbols"][0], "1m", moment, "1000")["bars"]
    end = f"2026-01-01T{run['last'] // 3_600_000 % 24 + 1:02}:00:00Z"
    later = made(project, "moment_bars", "monday", run["symbols"][0], "1m", end, "1000")["bars"]
    assert [each[0] for each in bars] == list(range(run["first"] // 60_000 * 60, middle // 1000 - 30 + 60, 60))
    assert bars[:-1] == later[: len(bars) - 1]
    assert bars[-1] != later[len(bars) - 1]  # half of a minute is not the minute


def test_runs_are_listed_with_what_they_came_to(project):
    (row,) = made(project, "runs")
    result = made(project, "run", "monday")
    assert (row["name"], row["kind"], row["goes_on"], row["has_report"]) == ("monday", "backtest", False, True)
    assert row["params"] == {"symbol": "binance:BTC/USDT:USDT", "every": 7}
    assert row["pnl"] == result["pnl"] and len(result["fills"]) == row["fills"] > 3
    assert result["equity"][-1][1] == pytest.approx(float(row["final_equity"]))


def test_a_run_that_goes_on_is_shown_up_to_where_it_is(project):
    """Its journal has room for frames in advance: the length of a file does not tell that one came."""
    growing = project / ".onetape" / "runs" / "growing"
    shutil.copytree(project / ".onetape" / "runs" / "monday", growing, ignore=shutil.ignore_patterns("*.tape"))
    with JournalReader(project / ".onetape" / "runs" / "monday" / "journal") as reader:
        frames = list(reader.frames())
    half = len(frames) // 2

    async def work(writer):
        def write(part):
            for each in part:
                if each.type == type_id("instrument"):
                    writer.append_instrument(each.stream, each.time, each.payload)
                else:
                    writer.append_raw(each.type, each.payload, each.flags, each.stream, each.time)

        past = Past(project / ".onetape")
        line = past.topics()["run"].make
        try:
            write(frames[:half])
            assert (await line(["growing"]))["last"] == frames[half - 1].time // MS
            write(frames[half:])
            assert (await line(["growing"]))["last"] == frames[-1].time // MS
        finally:
            await past.close()

    with JournalWriter(growing / "journal", durable=False) as writer:
        asyncio.run(work(writer))
    shutil.rmtree(growing)


@pytest.mark.parametrize("name", ["..", ".", "", "monday/../monday", "../runs/monday", "/etc", "none"])
def test_a_name_that_is_no_run_reaches_no_file(project, name):
    with pytest.raises(BadInput):
        folder_of(project / ".onetape", "runs", name)
    with pytest.raises(BadInput):
        folder_of(project / ".onetape", "state", "monday")
    with pytest.raises(BadInput):
        made(project, "moment", name, "5")


@pytest.mark.parametrize("place", ["", "never", "99:99"])
def test_a_place_that_is_none_is_refused_and_the_next_one_is_found(project, place):
    async def work():
        past = Past(project / ".onetape")
        moment = past.topics()["moment"].make
        try:
            with pytest.raises((BadConfig, BadInput)):
                await moment(["monday", place, ""])
            assert (await moment(["monday", "500", ""]))["frames"] == 500
        finally:
            await past.close()

    asyncio.run(work())


def test_a_report_is_shown_to_who_is_logged_in_and_reaches_nothing(project):
    async def work():
        async with serving(project / ".onetape") as server:
            path = "/report/runs/monday"
            assert (await server.call("GET", path))[0] == 401
            await server.login()
            cookie, ticket = server.own, (await server.hello())["ticket"]
            assert (await server.call("GET", path, headers=cookie))[0] == 401
            status, headers, text = await server.call("GET", f"{path}?ticket={ticket}", headers=cookie)
            assert status == 200 and "Cross" in text
            policy = headers["Content-Security-Policy"]
            assert "sandbox allow-scripts" in policy and "allow-same-origin" not in policy
            assert "default-src 'none'" in policy and "frame-ancestors 'self'" in policy
            for bad in (
                "/report/runs/none",
                "/report/state/monday",
                "/report/runs/..%2F..%2Frun",
                "/report/runs/%2e%2e",
            ):
                assert (await server.call("GET", f"{bad}?ticket={ticket}", headers=cookie))[0] in (400, 404), bad

    asyncio.run(work())


def test_a_backtest_is_begun_watched_and_ended(project):
    async def work():
        trials = Trials(project, project / ".onetape")
        try:
            files = await trials.topics()["trial_files"].make(())
            assert files == {"strategies": ["strategies/cross.py"], "tapes": ["market.tape"]}
            params = await trials.topics()["trial_params"].make(["strategies/cross.py"])
            assert params["every"]["value"] == 7 and params["every"]["help"] == "bars between two trades"
            wanted = {
                "strategy": "strategies/cross.py",
                "tapes": ["market.tape"],
                "params": {"every": 9},
                "run": "paged",
            }
            assert await trials.carry_out("backtest", wanted) == {"run": "paged"}
            with pytest.raises(DuplicateCommand):
                await trials.carry_out("backtest", {**wanted, "run": "other"})
            (shown,) = await _ended(trials)
            assert shown["error"] == ""
            row = made_row(project, "paged")
            assert row["params"]["every"] == 9 and not row["goes_on"]
            await trials.carry_out("backtest", {**wanted, "params": {"every": "x"}, "run": "bad"})
            assert "every" in (await _ended(trials))[0]["error"]
            await trials.carry_out("backtest", {**wanted, "run": "ended"})
            while (await trials.topics()["trials"].make(()))[0]["is_running"]:
                with suppress(BadInput):  # it has not begun yet, or has just ended
                    await trials.carry_out("stop", {"run": "ended"})
                await asyncio.sleep(0.02)
            for bad in (
                {"strategy": "../evil.py"},
                {"tapes": []},
                {"tapes": ["/etc"]},
                {"run": "../x"},
                {"params": {"--home": "x"}},
            ):
                with pytest.raises(BadInput):
                    await trials.carry_out("backtest", {**wanted, **bad})
        finally:
            await trials.close()

    asyncio.run(work())


def test_a_sweep_is_begun_its_map_grows_and_what_it_has_done_is_kept_when_it_is_ended(project):
    async def work():
        trials, past = Trials(project, project / ".onetape"), Past(project / ".onetape")
        try:
            params = {"every": "1:400:1"}
            wanted = {"strategy": "strategies/cross.py", "tapes": ["market.tape"], "params": params, "run": "map"}
            for bad in ({"run": "../x"}, {"params": {"--home": "1,2"}}, {"tapes": ["/etc"]}):
                with pytest.raises(BadInput):
                    await trials.carry_out("sweep", {**wanted, **bad})
            assert await trials.carry_out("sweep", wanted) == {"run": "map"}
            with pytest.raises(DuplicateCommand):
                await trials.carry_out("backtest", {**wanted, "params": {}, "run": "other"})
            look = past.topics()["sweep"].make
            while True:
                with suppress(BadInput):  # it has not begun yet
                    if (found := await look(["map", "pnl"]))["done"] > 2:
                        break
                await asyncio.sleep(0.02)
            assert found["tries"] == 400 and found["x"] == found["y"] == "every"
            await trials.carry_out("stop", {"run": "map"})
            (shown,) = await _ended(trials)
            assert shown["error"] == "ended by the page"
            kept = (await look(["map", "pnl"]))["done"]
            assert found["done"] <= kept < 400
            twins = [row for row in past._listed() if row["name"] == "map"]
            assert [(row["kind"], row["has_report"]) for row in twins] == [("sweep", False)]
            with pytest.raises(BadInput, match="is none of"):
                await look(["map", "", "nobody"])
        finally:
            await trials.close()
            await past.close()

    asyncio.run(work())
    check_a_wide_map(project / ".onetape" / "sweeps" / "map")


def check_a_wide_map(folder: Path) -> None:
    """Of a sweep of 400, with a hundred more results than it has."""
    maps = SweepMaps()
    maps.look(folder)
    with (folder / "results.jsonl").open("a+") as file:
        file.seek(0)
        row = json.loads(file.readline())
        file.writelines(json.dumps({**row, "key": str(n), "fills": n}) + "\n" for n in range(100, 200))
    wide = maps.look(folder, "fills")
    assert wide["columns"][-3:] == ["198", "199", "200"] and len(wide["columns"]) == SIDE_MAX
    assert wide["left_out"] == {"every": wide["done"] - SIDE_MAX} and len(wide["rows"]) == 100
    assert [row["params"]["every"] for row in wide["rows"][:3]] == ["200", "199", "198"]


def test_a_map_has_the_best_of_what_is_not_shown_and_the_worst_values_are_left_out(project):
    symbols = "--param=symbol=binance:BTC/USDT:USDT,binance:NONE/USDT:USDT"
    call = ("sweep", "strategies/cross.py", "--data", "market.tape", "--out", "two", "--param=every=3,5", symbols)
    onetape(project, *call, "--metric=pnl")
    sweep = open_sweep(project / ".onetape" / "sweeps" / "two")
    found = map_of(sweep, x="every", y="every")
    best = {row["params"]["every"]: metric_of(row, "pnl") for row in sweep.rows if metric_of(row, "pnl") is not None}
    assert found["columns"] == ["3", "5"] and found["lines"] == [""]
    assert {found["columns"][column]: value for column, _, value, _ in found["cells"]} == {
        str(every): value for every, value in best.items()
    }
    both = map_of(sweep)
    assert (both["x"], both["y"], both["done"], both["failed"]) == ("every", "symbol", 4, 2)
    assert [row["error"] is None for row in both["rows"]] == [True, True, False, False]  # a failure is no result


async def _ended(trials: Trials) -> list[dict]:
    while (shown := await trials.topics()["trials"].make(()))[0]["is_running"]:
        await asyncio.sleep(0.02)
    return shown


def made_row(project: Path, name: str) -> dict:
    rows = [json.loads(json.dumps(each)) for each in Past(project / ".onetape")._listed() if each["name"] == name]
    return rows[0]
