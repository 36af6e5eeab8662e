"""What comes from outside on a tape: external events, words about feeds, types nobody knows."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import msgspec
import pytest

import copied_process
from onetape import Strategy
from onetape.tape.inspect import cat
from onetape.tape.verify import verify
from worlds.tapes import BTC, Market, at_ns, play

UNKNOWN = 200


class Hears(Strategy):
    symbol: str = BTC

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.seen = ["start"]

    def on_quote(self, quote):
        self.seen.append("quote")

    def on_event(self, event):
        assert event.kind == "external" and event.type == event["type"]
        self.seen.append((event["time"], event["type"], event["ts_event"]))
        self.buy(self.symbol, 0.01)

    def on_health(self, health):
        self.seen.append((health.kind, health.subject, health.state))


def external(market: Market, at: float, published: int) -> None:
    record = {"type": "mood", "ts_event": published, "data": {"score": 1}}
    market.raw("external", msgspec.msgpack.encode(record), at)


def health(market: Market, at: float, **record: object) -> None:
    market.raw("health", msgspec.msgpack.encode(record), at)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Of 0.1 s to 4 s, with a frame of an unknown type."""
    market = Market(tmp_path / "a.tape")
    market.quote(0.1, 99.9, 100.1)
    external(market, 0.2, 7)
    health(market, 0.3, kind="feed", subject="collector:x", state="lost")
    market.quote(1, 99.9, 100.1)
    market._writer.append(UNKNOWN, b"\x81\xa1a\x01", stream=1, time=at_ns(1.5))
    external(market, 2, at_ns(1.25))
    health(market, 2.5, kind="feed", subject="collector:x", state="gap", silent_ms=6000)
    health(market, 2.6, kind="reconciled", subject="main", state="0 differences")
    health(market, 2.7, kind="lag", subject="other", state="behind", robot=9)
    market.quote(3, 99.9, 100.1)
    market.quote(4, 99.9, 100.1)
    return market.done()


def test_external_events_keep_their_publish_time_and_come_at_their_receipt(tape):
    robot = play(Hears, tape).robot
    assert robot.seen == [
        "start",
        "quote",
        (at_ns(0.2), "mood", 7),
        ("feed", "collector:x", "lost"),
        "quote",
        (at_ns(2), "mood", at_ns(1.25)),
        ("feed", "collector:x", "gap"),
        "quote",
        "quote",
    ]


def test_what_came_before_the_start_is_not_shown(tape):
    robot = play(Hears, tape, start=at_ns(0.5)).robot
    assert robot.seen[:3] == ["start", "quote", (at_ns(2), "mood", at_ns(1.25))]


def onetape(*arguments: str) -> subprocess.CompletedProcess[str]:
    return copied_process.run(*arguments)


def test_a_type_that_nobody_knows_is_counted_and_harms_nothing(tape, tmp_path):
    assert verify(tape).ok
    (found,) = [each for each in cat(tape) if each["type"] == f"type_{UNKNOWN}"]
    assert (found["a"], found["time"]) == (1, at_ns(1.5))
    source = tmp_path / "hears.py"
    source.write_text(
        "from onetape import Strategy\n\n\nclass Hears(Strategy):\n"
        f"    symbol: str = '{BTC}'\n\n    def on_start(self):\n"
        "        self.subscribe(self.symbol, quotes=True)\n\n"
        "    def on_event(self, event):\n        self.buy(self.symbol, 0.01)\n"
    )
    home = ("--home", str(tmp_path / "home"), "--json")
    run = onetape("backtest", str(source), "--data", str(tape), "--out", "r", *home)
    answer = json.loads(run.stdout)
    assert run.returncode == 0, run.stderr
    assert (answer["events"], answer["orders"]) == (4, 2)
    repeated = json.loads(onetape("replay", "r", "--verify", *home).stdout)
    assert repeated["divergences"] == 0 and repeated["action_hash"] == answer["action_hash"]
    lines = onetape("journal", "cat", str(tape), "--jsonl").stdout.splitlines()
    assert f"type_{UNKNOWN}" in [json.loads(line)["type"] for line in lines]
    report = (tmp_path / "home" / "runs" / "r" / "report.html").read_text()
    assert f"1 of type {UNKNOWN}" in report
