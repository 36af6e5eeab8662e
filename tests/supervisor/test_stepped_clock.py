"""The clock of a venue is set by 90 s under a real `up`, and set back: its gateway says so, runs on and trades; one
that begins meanwhile waits until the clock is right."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchange.venue_client import served
from onetape.model.home import gateway_journal
from onetape.model.time import SECOND
from onetape.notify.past_alerts import past_alerts
from onetape.tape.journal import JournalReader
from worlds.gateway_process import configure
from worlds.supervised import Home

ROBOT = '[robots.mm]\nstrategy = "maker.py"\naccount = "main"\n'
STEP_S = 90
ENDS = 8  # so many in a minute, for any other reason, and nobody starts it again


@contextmanager
def trading(folder: Path) -> Iterator[tuple[Any, Home]]:
    """The exchange, in this process, and the home with a robot that has traded there."""
    with served("binance-usdm", seed=5) as (dialect, port):
        configure(folder, port, dialect.exchange.accounts[0])
        with Home(folder, (folder / "onetape.toml").read_text() + ROBOT) as home:
            home.run("up")
            home.wait_for(home.fills)
            yield dialect, home
            home.run("down")


def corrections(home: Home) -> list[float]:
    """Of the gateway's clock, as it alerts them, seconds."""
    with JournalReader(gateway_journal(home.home, "main")) as reader:
        alerts = [msgspec.msgpack.decode(frame.payload) for frame in reader.frames(("alert",))]
    found = [each["state"].removeprefix("CLOCK_SKEW(4404): off by ") for each in alerts if each["kind"] == "clock"]
    return [float(each.partition(" s, set right")[0]) for each in found]


def alerted(home: Home, text: str) -> bool:
    return any("CLOCK_SKEW" in each["message"] and text in each["message"] for each in past_alerts(home.home, 100))


@pytest.mark.parametrize("step_s", [STEP_S, -STEP_S])
def test_a_venue_is_traded_at_while_its_clock_is_wrong_and_after(tmp_path, step_s):
    with trading(tmp_path) as (dialect, home):
        before = home.process("gateway:main")["pid"]
        for count, skew_s in enumerate((step_s, 0), 1):
            dialect.skew = skew_s * SECOND
            home.wait_for(lambda n=count: len(corrections(home)) == n)
            home.wait_for_trades(1)
            gateway = home.process("gateway:main")
            assert (gateway["state"], gateway["restarts"], gateway["pid"]) == ("running", 0, before)
        assert corrections(home) == pytest.approx([step_s, -step_s], abs=1)
        home.wait_for(lambda: alerted(home, "set right"))


def test_a_gateway_that_begins_while_the_clock_is_wrong_waits_and_trades_once_it_is_right(tmp_path):
    with trading(tmp_path) as (dialect, home):
        dialect.skew = -STEP_S * SECOND
        os.kill(home.process("gateway:main")["pid"], signal.SIGKILL)
        home.wait_for(lambda: home.process("gateway:main")["restarts"] > ENDS)
        home.wait_for(lambda: home.process("gateway:main")["state"] == "backoff")
        assert "CLOCK_SKEW" in home.process("gateway:main")["reason"]
        home.wait_for(lambda: alerted(home, "clock is 90"))
        dialect.skew = 0
        home.wait_for(lambda: home.process("gateway:main")["state"] == "running")
        home.wait_for_trades(1)
