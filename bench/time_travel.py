"""A recorded day of quotes with a Python robot: replay beside the backtest of the same events, a
jump into the day by a process of its own, and jumps and steps of one that has been through it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from market_tapes import SYMBOL, walk_tape

from onetape.engine.plan import read_plan
from onetape.model.time import format_time
from onetape.replay.replay import replay_run
from onetape.replay.time_travel import Traveller
from onetape.research.backtest import BacktestOptions, run_backtest

EVENTS = 10_000_000
PLACES = (0.95, 0.05, 0.63, 0.3, 0.81, 0.5)  # of the day

# Two averages on every quote, and an order now and then.
ROBOT = f'''
from onetape import Strategy


class Robot(Strategy):
    symbol: str = "{SYMBOL}"

    def on_start(self):
        self.fast = self.slow = 0.0
        self.seen = 0
        self.subscribe(self.symbol, quotes=True)

    def on_quote(self, quote):
        mid = quote.mid
        self.fast += 0.01 * (mid - self.fast)
        self.slow += 0.001 * (mid - self.slow)
        self.seen += 1
        if self.seen % 10_000 == 0:
            self.set_target(self.symbol, 0.01 if self.fast > self.slow else -0.01)
'''
# Looks at the market once a second and listens to nothing.
TIMER = ROBOT.replace("self.subscribe(self.symbol, quotes=True)", 'self.set_timer("look", every="1s")')
TIMER = TIMER.replace(
    "def on_quote(self, quote):\n        mid = quote.mid",
    "def on_timer(self, name):\n        quote = self.quote(self.symbol)\n"
    "        if quote is None:\n            return\n        mid = quote.mid",
)


def python_alone(count: int) -> float:
    """The same arithmetic a second in this interpreter, called from a loop."""
    space: dict[str, Any] = {}
    exec(ROBOT.replace("from onetape import Strategy", "Strategy = object"), space)
    robot = space["Robot"]()
    robot.fast = robot.slow = 0.0
    robot.seen = 0
    robot.set_target = lambda *_: None
    quote = SimpleNamespace(mid=60_000.0)
    began = time.process_time()
    for _ in range(count):
        robot.on_quote(quote)
    return count / (time.process_time() - began)


def processor_s(run: Path) -> dict[int, float]:
    """By process of a traveller through `run`: seconds of processor time so far."""
    found = {}
    for each in Path("/proc").iterdir():
        with suppress(OSError):  # ended meanwhile
            if each.name.isdigit() and str(run).encode() in (each / "cmdline").read_bytes():
                words = (each / "stat").read_text().rpartition(")")[2].split()
                ticks = int(words[11]) + int(words[12])
                found[int(each.name)] = ticks / os.sysconf("SC_CLK_TCK")
    return found


def jump(traveller: Traveller, run: Path, place: float) -> tuple[str, float, float]:
    """What the traveller says of its checkpoints; seconds by the clock and of the processor."""
    before, began = processor_s(run), time.perf_counter()
    traveller.go(str(int(place)))
    traveller.state()
    by_clock = time.perf_counter() - began
    after = processor_s(run)
    return traveller.problem, by_clock, sum(at - before.get(pid, 0) for pid, at in after.items())


def measure(events: int, places: int) -> dict[str, Any]:
    tape = walk_tape(events)
    home = Path(tempfile.mkdtemp(prefix="onetape-bench-"))
    try:
        found: dict[str, Any] = {"python_alone_per_s": python_alone(min(events, 1_000_000))}
        for name, text in (("on_quote", ROBOT), ("on_timer", TIMER)):
            code = home / f"{name}.py"
            code.write_text(text)
            found[name] = _one(home, name, code, tape, events, places)
        return found
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _one(home: Path, name: str, code: Path, tape: Path, events: int, places: int) -> dict[str, float]:
    began = time.process_time()
    done = run_backtest(
        BacktestOptions(strategy=str(code), data=[tape], home=home, out=name, write_report=False, cash="10000000 USDT")
    )
    tested = time.process_time() - began
    run = done.run
    # Processor time of the whole call, both ways; then what a user waits for, by the clock.
    began = time.process_time()
    second = replay_run(run, verify=True)
    replayed = time.process_time() - began
    if second["divergences"]:
        raise SystemExit("the replay is not the run")
    found = {
        "backtest_events_per_s": events / tested,
        "replay_events_per_s": events / replayed,
        "replay_to_backtest": tested / replayed,
    }
    plan, _ = read_plan(run)
    times = [plan.inputs[0].last_sequence * share for share in PLACES[:places]]
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "onetape", "replay", str(run), "--until", str(int(max(times))), "--json"],
        check=True,
        capture_output=True,
    )
    found["command_to_the_end_s"] = time.perf_counter() - began
    kept = run / "checkpoints"
    found["checkpoints_bytes"] = float(sum(each.stat().st_size for each in kept.glob("*")))
    if kept.exists():  # the same by running all callbacks
        kept.rename(run / "put aside")
        with Traveller(run) as traveller:
            _, found["first_jump_from_beginning_s"], found["first_jump_from_beginning_cpu_s"] = jump(
                traveller, run, times[0]
            )
        (run / "put aside").rename(kept)
    began = time.perf_counter()
    with Traveller(run) as traveller:
        found["open_s"] = time.perf_counter() - began
        found["open_cpu_s"] = sum(processor_s(run).values())
        jumps = []
        for place in times:
            problem, by_clock, processor = jump(traveller, run, place)
            if problem:
                raise SystemExit(problem)
            jumps.append(by_clock)
            found.setdefault("first_jump_cpu_s", processor)
        found["first_jump_s"] = jumps[0]
        found["later_jumps_s_max"] = max(jumps[1:], default=jumps[0])
        backs = []
        for _ in range(20):
            began = time.perf_counter()
            traveller.step(-1)
            traveller.state(around=0)
            backs.append(time.perf_counter() - began)
        found["first_step_back_s"], found["later_steps_back_s_max"] = backs[0], max(backs[1:])
        found["copies"] = float(len(traveller.copies))
        state = traveller.state()
        traveller.go(format_time(state["now"]))  # by time as well
    return found


def figures(found: dict[str, Any]) -> list[dict[str, Any]]:
    made = []
    for name in ("on_quote", "on_timer"):
        each = found[name]
        made += [
            {"name": f"replay, {name}", "value": each["replay_events_per_s"], "unit": "events/s",
             "better": "more", "reach": 2e6,
             "against": {"name": "backtest", "value": each["backtest_events_per_s"]}, "note": ""},
            {"name": f"first jump into a day, {name}", "unit": "s", "better": "less", "reach": 2.0,
             "value": each["open_s"] + each["first_jump_s"], "against": None, "note": ""},
            {"name": f"first jump into a day, {name}, processor", "unit": "s", "better": "less",
             "reach": 2.0, "value": each["open_cpu_s"] + each["first_jump_cpu_s"],
             "against": None, "note": ""},
            {"name": f"later jumps, {name}", "value": each["later_jumps_s_max"], "unit": "s",
             "better": "less", "reach": 2.0, "against": None, "note": ""},
            {"name": f"a step back, {name}", "value": each["later_steps_back_s_max"], "unit": "s",
             "better": "less", "reach": None, "against": None, "note": ""},
        ]  # fmt: skip
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--places", type=int, default=len(PLACES))
    options = parser.parse_args()
    found = measure(options.events, options.places)
    print(json.dumps({"figures": figures(found), "measured": found}))


if __name__ == "__main__":
    main()
