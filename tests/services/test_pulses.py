"""How old a heartbeat is: of the journal that a process has now."""

from __future__ import annotations

import time
from pathlib import Path

from onetape.services.supervisor_pulse import Pulses
from onetape.tape.journal import JournalWriter


def began(home: Path, run: str) -> JournalWriter:
    """A robot's life, as it says it."""
    journal = home / "runs" / run / "journal"
    writer = JournalWriter(journal, heartbeat=True, created=time.time_ns())
    (home / "run").mkdir(exist_ok=True)
    (home / "run" / "robot-mm.out").write_text(f"ready {journal}\n")
    return writer


def is_heard(pulses: Pulses) -> bool:
    """Soon enough."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if pulses.ages("robot:mm", "robot", ("gateway:x",))["heartbeat_age_ms"] is not None:
            return True
        time.sleep(0.01)
    return False


def test_a_robot_that_began_again_is_not_looked_for_in_its_last_run(tmp_path: Path):
    pulses = Pulses(tmp_path)
    first = began(tmp_path, "one")
    assert is_heard(pulses)
    first.close()
    # Somebody asks while it is away; the next life is looked at all the same.
    assert pulses.silent_s("robot:mm", "robot") == 0
    second = began(tmp_path, "two")
    assert is_heard(pulses)
    second.close()
    pulses.close()
