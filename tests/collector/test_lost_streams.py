"""Since when nobody but the pollers brings a venue's market: a hub's word of its sources ends with the hub."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from onetape.collector.lost_streams import LostStreams
from onetape.tape.journal import JournalWriter


def say(writer: JournalWriter, kind: str, subject: str, state: str, **about: object) -> None:
    record = {"kind": kind, "subject": subject, "state": state, **about}
    writer.append("health", msgspec.msgpack.encode(record), time=time.time_ns())


def test_what_a_hub_called_failing_is_forgotten_when_another_one_begins(tmp_path: Path):
    path = tmp_path / "hub"
    lost = LostStreams(path, ["a"])
    with JournalWriter(path, process="hub", durable=False) as hub:
        say(hub, "source", "a", "failing")
        assert lost.look() > 0
    assert lost.look() == 0  # no hub runs
    with JournalWriter(path, process="hub", durable=False) as hub:
        say(hub, "hub", "hub", "sources", sources=[])
        assert lost.look() == 0
        late = LostStreams(path, ["a"])
        assert late.look() == 0
        say(hub, "source", "a", "failing")
        assert lost.look() > 0 and late.look() > 0
        late.close()
    lost.close()
