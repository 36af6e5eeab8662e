"""A run is opened at any moment: what is shown there is what the robot had, however one came there,
and looking changes nothing. Real processes, real forks."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from onetape.engine.run_spec import RunSpec
from onetape.model.errors import BadConfig, BadInput, ProcessDown, StrategyError
from onetape.model.time import format_time
from onetape.replay.recorded_run import RecordedRun
from onetape.replay.repeating import Watching, repeat
from onetape.replay.repetition import Recording
from onetape.replay.replay import replay_run
from onetape.replay.robot_state import ITEMS_MAX, TEXT_MAX, whole_state, worded
from onetape.replay.time_travel import COPIES_MAX, Traveller, steps_of
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.supervisor.fork_server import is_readable
from onetape.tape.journal import JournalReader
from waiting import PATIENCE_S, wait_for
from worlds.command_lines import answered
from worlds.strategy_files import TAKER, write
from worlds.tapes import Market

KEEPING = TAKER.replace(
    "        self.n += 1\n",
    "        self.n += 1\n        self._last = (q.bid, q.ask)\n        self.seen.append(q.bid)\n",
).replace("        self.n = 0\n", "        self.n = 0\n        self.seen = []\n")


def plain(value) -> dict:
    return json.loads(json.dumps(value, default=str))


@pytest.fixture(scope="module")
def run(tmp_path_factory, sample) -> Path:
    home = tmp_path_factory.mktemp("travelled")
    code = write(home / "code", "taker", KEEPING)
    return run_backtest(
        BacktestOptions(strategy=str(code), data=[sample], home=home, out="run", write_report=False, latency="20ms")
    ).run


@pytest.fixture(scope="module")
def walked(run) -> dict[int, dict]:
    """The state after every 500th frame and the last, by another way: one pass, no forks."""
    done = RecordedRun(run)
    found = {}

    def note(session) -> None:
        frames = session.loop.counters()["frames"]
        if frames % 500 in (0, 1):
            found[frames] = plain(whole_state(session))

    repeat(Recording(RunSpec(done.plan, done.strategy)), watching=Watching(each=note))
    return found


def robots(state: dict, wanted: dict) -> dict:
    return {name: state[name] for name in wanted}


def test_the_state_is_the_same_whichever_way_one_comes(run, walked):
    with Traveller(run, distance_min=3000) as traveller:
        for place in ("7500", "500", "15001", "15000", "501"):  # on, back, on, back, back
            traveller.go(place)
            wanted = walked[int(place)]
            assert traveller.frames == int(place)
            assert robots(plain(traveller.state()), wanted) == wanted
        for steps in (499, -1, 500, -499, 1):
            traveller.step(steps)
        assert traveller.frames == 501 + 499 - 1 + 500 - 499 + 1
        traveller.step(1500 - traveller.frames)
        assert robots(plain(traveller.state()), walked[1500]) == walked[1500]
        assert walked[1500]["own"]["_last"] and walked[1500]["own"]["n"] > 300
        assert any(each["orders"] for each in walked.values())
        assert any(each["positions"] for each in walked.values())
        assert any(each["memory"] for each in walked.values())


def test_copies_are_left_on_the_way_and_their_number_is_bounded(run):
    with Traveller(run, distance_min=100) as traveller:
        traveller.go("20000")
        places = traveller.copies
        assert places[0] == 1 and len(places) <= COPIES_MAX
        assert max(b - a for a, b in pairwise(places)) <= 20_000 // 4
        state = traveller.state()
        traveller.step(-1)
        assert traveller.step(1) == 1
        assert traveller.state() == state
    wait_for(lambda: not pids_of(run))


def pids_of(run: Path) -> list[int]:
    found = []
    for each in Path("/proc").iterdir():
        try:
            words = (each / "cmdline").read_bytes().split(b"\0") if each.name.isdigit() else []
        except OSError:
            continue
        if str(run).encode() in words:
            found.append(int(each.name))
    return found


def test_a_run_has_two_ends(run):
    with Traveller(run) as traveller:
        assert traveller.step(-1) == 0
        first = traveller.frames
        assert traveller.step(10**9) == 20_001 - first and traveller.is_end
        assert traveller.step(1) == 0
        assert traveller.step(-(10**9)) == 20_001 - first and traveller.frames == first


def test_a_time_shows_what_was_due_by_then(run):
    """A timer between two frames has been, and stepping goes on as if nobody had looked."""
    with JournalReader(RecordedRun(run).plan.inputs[0].path) as reader:
        times = np.array([frame.time for frame in reader.frames()])
    gap = int(np.argmax(np.diff(times)))  # frame gap + 1 is before it
    moment = int(times[gap + 1]) - 1
    with Traveller(run) as traveller:
        traveller.go(format_time(moment))
        assert traveller.frames == gap + 1
        looked = traveller.state()
        assert looked["now"] <= moment and looked["frame"]["seq"] == gap + 1
        assert looked["after"][0]["seq"] == gap + 2
        traveller.step(3)
        after = traveller.state()
        traveller.step(-3)
        traveller.step(3)
        assert traveller.state() == after
    state = replay_run(run, until=format_time(moment))["state"]
    assert plain(state) == plain(looked)


def test_a_time_after_the_end_is_the_end(run):
    """The robot's timer would go on for ever."""
    with Traveller(run) as traveller:
        traveller.go("2200-01-01")
        ended = traveller.state()
        assert traveller.is_end and ended["frame"]["seq"] == 20_001
        traveller.step(-1)
        traveller.step(1)
        assert traveller.state() == ended
    assert plain(replay_run(run, until="2200-01-01")["state"]) == plain(ended)


def test_frames_around_are_those_of_the_tape(run):
    state = replay_run(run, until="4000")["state"]
    assert [each["seq"] for each in state["before"]] == list(range(3995, 4000))
    assert state["frame"]["seq"] == 4000
    assert [each["seq"] for each in state["after"]] == list(range(4001, 4006))
    with JournalReader(RecordedRun(run).plan.inputs[0].path) as reader:
        reader.seek_sequence(4000)
        frame = reader.next()
    assert (state["frame"]["time"], state["frame"]["type"]) == (frame.time, frame.type)
    assert state["frame"]["time"] <= state["now"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("25:00:00", "no such time of day"),
        ("23:59:59", "is not within the run"),
        ("yesterday", "not a time"),
        ("12:3x", "not a time"),
    ],
)
def test_a_place_that_is_none_is_refused(run, text, words):
    with pytest.raises(BadConfig, match=words):
        replay_run(run, until=text)


def test_a_time_of_day_is_that_of_the_runs_day(run):
    by_day = replay_run(run, until="00:01:02.5")["state"]
    assert plain(by_day) == plain(replay_run(run, until="2026-01-01T00:01:02.5Z")["state"])
    assert by_day["now"] <= 1767225662_500_000_000 < by_day["after"][0]["time"]


def test_a_run_over_two_tapes_stops_between_frames_as_they_were_taken(tmp_path):
    """So many frames of all, and not so many of each: the slow tape is not read ahead."""
    quick, slow = Market(tmp_path / "quick"), Market(tmp_path / "slow", "kraken:BTC/USD")
    for second in range(100):
        quick.quote(second, 99.9 + second % 3, 100.1 + second % 3)
    for second in range(0, 100, 25):
        slow.quote(second + 0.5, 99.9, 100.1)
    text = """
from onetape import Strategy

class Both(Strategy):
    def on_start(self):
        self.seen = {}
        for symbol in ("binance:BTC/USDT:USDT", "kraken:BTC/USD"):
            self.subscribe(symbol, quotes=True)
    def on_quote(self, q):
        self.seen[q.symbol] = self.seen.get(q.symbol, 0) + 1
"""
    done = run_backtest(
        BacktestOptions(
            strategy=str(write(tmp_path / "code", "both", text)),
            data=[quick.done(), slow.done()],
            home=tmp_path,
            out="both",
            write_report=False,
        )
    ).run
    state = replay_run(done, until="40")["state"]
    seen = state["own"]["seen"]
    assert sum(seen.values()) + 2 == 40 == state["frames"]  # and an instrument of each tape
    assert seen["kraken:BTC/USD"] == 2
    with Traveller(done) as traveller:
        traveller.go("40")
        assert plain(traveller.state()) == plain(state)
        tapes = []
        for _ in range(30):
            traveller.step(1)
            tapes.append(traveller.state()["frame"]["tape"])
        assert tapes.count("input1") == 1 and tapes.count("input0") == 29


# --- what the robot keeps ---------------------------------------------------------------------


@dataclass
class Kept:
    a: int
    b: list


class Slotted:
    __slots__ = ("x", "y")

    def __init__(self) -> None:
        self.x = 1


class Loud:
    def __init__(self) -> None:
        self.inner = 1

    def __repr__(self) -> str:
        raise RuntimeError("looked at")

    def __getattr__(self, name: str):
        raise RuntimeError(f"asked for {name}")


def endless() -> list:
    found: list = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1.5, 1.5),
        (float("nan"), "nan"),
        (Decimal("0.10"), "0.10"),
        ((1, (2, 3)), [1, [2, 3]]),
        ({3, 1, 2}, ["1", "2", "3"]),
        (deque([1, 2], maxlen=5), [1, 2]),
        ({1: {"a": b"\x01"}}, {"1": {"a": "01"}}),
        (np.float64(2.5), 2.5),
        (np.arange(3), [0, 1, 2]),
        (np.zeros((2, 2)), {"shape": [2, 2], "last": [0.0] * 4}),
        (Kept(1, [2]), {"type": "Kept", "a": 1, "b": [2]}),
        (Slotted(), {"type": "Slotted", "x": 1}),
        (endless(), [[[[[["... list"]]]]]]),
        (list(range(ITEMS_MAX + 5)), ["... 5 before", *range(5, ITEMS_MAX + 5)]),
        (len, "... len"),
        (iter([1]), "... list_iterator"),
    ],
)
def test_attributes_are_shown_plain_and_none_of_their_code_is_run(value, shown):
    assert worded(value) == shown
    json.dumps(worded(value))


def test_an_object_is_shown_without_asking_it():
    assert worded({"x": [Loud()]}) == {"x": [{"type": "Loud", "inner": 1}]}


def test_what_is_shown_of_attributes_is_bounded():
    text = worded("x" * 10**6)
    assert len(text) < TEXT_MAX + 50 and text.endswith("of 1000000 characters")
    many = worded({n: n for n in range(10**5)})
    assert len(many) == ITEMS_MAX + 1 and many["..."] == f"{10**5 - ITEMS_MAX} more"
    assert len(json.dumps(worded(np.zeros(10**6)))) < 2000


# --- the command ------------------------------------------------------------------------------


def test_the_command_tells_the_contracts_keys_and_the_state(run, walked):
    reported = answered(run.parent, "replay", run, "--until", "2000", "--step", "2")
    for key in ("run", "events", "actions", "divergences", "first_divergence", "action_hash"):
        assert key in reported
    assert robots(reported["state"], walked[2000]) == walked[2000]
    assert [each["frames"] for each in reported["steps"]] == [2001, 2002]
    assert robots(reported["steps"][0], walked[2001]) == walked[2001]
    back = answered(run.parent, "replay", run, "--until", "2003", "--step", "-3")
    assert [each["frames"] for each in back["steps"]] == [2002, 2001, 2000]
    assert back["steps"][2]["own"] == reported["state"]["own"]
    assert "state" not in answered(run.parent, "replay", run)
    refused = answered(run.parent, "replay", run, "--step", "2", code=2)
    assert "--until" in refused["error"]["message"]
    with pytest.raises(BadConfig, match="0 steps"):
        steps_of(run, "2000", 0)


def test_a_terminal_steps_by_hand(run):
    """As typed: what it says after each line, through a pseudo terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "onetape", "replay", str(run), "--until", "2000"],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(theirs)
        try:
            said = until_prompt(ours)
            assert re.search(r"> input0:2000 ", said) and "h for help" in said
            for line, wanted in (
                ("n", r"input0:2001 .*\r\n.*equity"),
                ("n 10", r"input0:2011 "),
                ("p", r"input0:2010 "),
                ("", r"input0:2009 "),
                ("g 00:00:20", r"input0:\d+  2026-01-01 00:00:(19|20)"),
                ("o", r"working orders"),
                ("b", r"binance:BTC/USDT:USDT  [\d.]+ @ [\d.]+ / "),
                ("s", r"parameters\r\n[\s\S]*own[\s\S]*  seen = "),
                ("f", r"> input0:"),
                ("g 10:00", r"is not within the run"),
                ("n x", r"x is no count"),
                ("?", r"the whole state"),
                ("p 100000", r"the run begins here"),
            ):
                os.write(ours, f"{line}\n".encode())
                answer = until_prompt(ours)
                assert re.search(wanted, answer), (line, answer)
            os.write(ours, b"q\n")
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
            os.close(ours)


def until_prompt(terminal: int) -> str:
    said = ""
    while not said.endswith("\n> "):
        assert is_readable(terminal, PATIENCE_S), said
        said += os.read(terminal, 65536).decode()
    return said


# --- what goes wrong --------------------------------------------------------------------------


def test_a_killed_process_is_one_line(run):
    with Traveller(run) as traveller:
        traveller.go("100")
        os.kill(pids_of(run)[-1], signal.SIGSTOP)  # any of them: it is the owner who must not hang
        for pid in pids_of(run):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(ProcessDown, match="has ended"):
            traveller.step(1)


def test_what_is_wrong_with_a_run_is_said_as_ever(tmp_path, run):
    with pytest.raises(BadConfig, match="not a run"):
        Traveller(tmp_path)
    assert pids_of(tmp_path) == []
    market = Market(tmp_path / "t")
    for second in range(10):
        market.quote(second, 99.9, 100.1)
    code = write(tmp_path / "code", "taker", TAKER)
    made = run_backtest(
        BacktestOptions(strategy=str(code), data=[market.done()], home=tmp_path, out="r", write_report=False)
    ).run
    kept = made / "source" / "taker.py"
    kept.write_text(TAKER.replace("self.order = None", "self.order = 1 / 0", 1))
    with pytest.raises(StrategyError, match="ZeroDivisionError"):
        Traveller(made)
    (tmp_path / "t").rename(tmp_path / "away")
    with pytest.raises(BadInput, match="is gone"):
        Traveller(made)


COMPILED = """
from onetape import Strategy, compiled


@compiled
class Counts(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.seen = 0
        self.last = 0.0

    def on_quote(self, quote):
        self.seen += 1
        self.last = quote.bid
        if self.seen % 100 == 0:
            self.buy(self.symbol, 0.01)
"""


def test_attributes_of_machine_code_are_those_of_the_moment(tmp_path, sample):
    pytest.importorskip("numba")
    states = []
    for interpret in (False, True):
        done = run_backtest(
            BacktestOptions(
                strategy=str(write(tmp_path / "code", "counts", COMPILED)),
                data=[sample],
                home=tmp_path,
                out=f"run-{interpret}",
                write_report=False,
                interpret=interpret,
            )
        ).run
        with Traveller(done) as traveller:
            traveller.go("9000")
            traveller.step(-700)
            states.append(traveller.state())
    assert states[0] == states[1]
    assert states[0]["own"]["seen"] > 1000 and states[0]["positions"]
