"""How old a heartbeat is: of the journal that a process has now."""

from __future__ import annotations

import time
from pathlib import Path

from onetape.supervisor.heartbeat import Pulses
from onetape.tape.journal import JournalWriter
from waiting import wait_for


def began(home: Path, run: str) -> JournalWriter:
    """A robot's life, as it says it."""
    journal = home / "runs" / run / "journal"
    writer = JournalWriter(journal, heartbeat=True, created=time.time_ns())
    (home / "run").mkdir(exist_ok=True)
    (home / "run" / "robot-mm.out").write_text(f"waits for the market\nready {journal}\n")
    return writer


def is_heard(pulses: Pulses) -> bool:
    return pulses.ages("robot:mm", "robot", "gateway:x")["heartbeat_age_ms"] is not None


def test_a_robot_that_began_again_is_not_looked_for_in_its_last_run(tmp_path: Path):
    pulses = Pulses(tmp_path)
    first = began(tmp_path, "one")
    wait_for(lambda: is_heard(pulses))
    first.close()
    # Somebody asks while it is away; the next life is looked at all the same.
    assert pulses.silent_s("robot:mm", "robot") == 0
    second = began(tmp_path, "two")
    wait_for(lambda: is_heard(pulses))
    second.close()
    pulses.close()


def test_silence_is_in_seconds(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Pulses, "_ages", lambda *_: {"heartbeat_age_ms": 1500})
    assert Pulses(tmp_path).silent_s("robot:mm", "robot") == 1.5
