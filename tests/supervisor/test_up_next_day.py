"""`up` of a folder that was left for a day: the simulated exchange's market would take too long to
be made again, so that it begins anew, and everybody is told."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import msgspec
import pytest

from long_form import LONG
from onetape.exchange.kept_state import VenueState
from onetape.model.config import parse_config
from onetape.model.time import HOUR
from onetape.supervisor.restart_rules import START_WITHIN_S
from onetape.supervisor.start import Starter, children_of, process_journal
from onetape.tape.journal import JournalReader, JournalWriter
from worlds.supervised import Home

# Buys once, and says with what it begins.
BUYER = """
from onetape import Strategy


class Buyer(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.memory["starts"] = self.memory.get("starts", 0) + 1
        self.log(
            "started", starts=self.memory["starts"], resumed=self.resumed,
            qty=self.position(self.symbol).qty,
        )

    def on_quote(self, quote):
        if not self.orders(self.symbol) and self.position(self.symbol).qty == 0:
            self.buy(self.symbol, 0.01)
"""
ALLOCATE = ("send", "gateway:main", "allocate", "strategy=a", "currency=USDT", "amount=20000", "index=2")


def age(state: Path, nanoseconds: int) -> None:
    """As if the exchange had begun so much earlier."""
    old = state.with_name("old")
    state.rename(old)
    with JournalReader(old) as reader, JournalWriter(state) as writer:
        for frame in reader.frames():
            payload = frame.payload
            if frame.sequence == 1:
                opened = msgspec.msgpack.decode(payload)
                payload = msgspec.msgpack.encode({**opened, "start": opened["start"] - nanoseconds})
            writer.append(frame.type, payload, flags=frame.flags, stream=frame.stream, time=frame.time)
    shutil.rmtree(old)


def test_an_exchange_may_take_as_long_as_its_age_needs(tmp_path: Path) -> None:
    config = parse_config('[venues.x]\nkind = "binance-usdm"\n')
    starter = Starter(config, home=tmp_path, folder=tmp_path, environ={})
    (venue,) = children_of(config)
    assert starter.starts_within(venue) == START_WITHIN_S
    state = process_journal(tmp_path, venue.name)
    kept, _ = VenueState.open(state, kind="binance-usdm", seed=1, now=time.time_ns(), limits=True)
    kept.close()
    assert starter.starts_within(venue) < START_WITHIN_S + 10
    age(state, 20 * HOUR)
    # Twenty hours are made again within two minutes here, and within twenty anywhere.
    assert 19 * 60 < starter.starts_within(venue) - START_WITHIN_S < 21 * 60


def started(home: Home) -> list[dict]:
    """What the newest run's robot said of itself."""
    run = max((home.home / "runs").iterdir(), key=lambda each: each.stat().st_mtime)
    with JournalReader(run / "journal") as reader:
        received = [msgspec.msgpack.decode(frame.payload) for frame in reader.frames(("log",))]
    return [each["fields"] for each in received]


@pytest.mark.skipif(not LONG, reason="in the long form: make prove WHAT=long")
def test_an_old_exchange_begins_anew_and_its_robots_with_nothing(tmp_path: Path) -> None:
    with Home(tmp_path, maker=BUYER) as home:
        assert home.run("up")["notes"] == []
        for process in home.now()["processes"]:
            assert process["memory_bytes"] > 1 << 20
            assert process["open_files"] > 3
        home.wait_for(lambda: home.now()["processes"][-1]["cpu_percent"] is not None)
        assert home.run(*ALLOCATE)["status"] == "applied"
        home.wait_for(home.fills)
        home.run("down")
        # The same day: the exchange goes on, and the robot takes over what it had.
        assert home.run("up")["notes"] == []
        assert started(home) == [{"starts": 2, "resumed": True, "qty": 0.01}]
        home.run("down")
        runs = len(list((home.home / "runs").iterdir()))
        assert runs == 2

        age(process_journal(home.home, "venue:x"), 20 * HOUR)
        (note,) = home.run("up")["notes"]
        assert "venue:x begins anew" in note
        assert "20.0 hours old" in note
        assert note in home.log()
        (aside,) = (home.home / "journal").glob("venue-x.until-*")
        assert aside.name in note
        assert started(home) == [{"starts": 1, "resumed": False, "qty": 0.0}]
        home.run("down")
        for run in (home.home / "runs").iterdir():
            assert home.run("replay", str(run), "--verify")["divergences"] == 0, run
