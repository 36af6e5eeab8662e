"""The state table over a real journal: rebuilt after a kill, it equals the fold of the tape."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from onetape.tape.journal import JournalReader, JournalWriter, Record
from onetape.tape.state import GroupSpec, Layout, StateReader, StateWriter
from onetape.tape.state_table import StateTable

LAYOUT = Layout([GroupSpec(1, "account", (("total", "i"), ("a", "i"), ("b", "i")))])
GATEWAY = """
import sys
from test_state_rebuild import *
serve(Path(sys.argv[1]), int(sys.argv[2]))
"""


def step(table: StateTable, record: Record) -> None:
    if record.type != "transfer":
        return
    group = table.get("account", "main")
    a, b = (group["a"], group["b"]) if group else (0, 0)
    assert isinstance(a, int)
    assert isinstance(b, int)
    a, b = a + record.data["a"], b + record.data["b"]
    values = {"total": a + b, "a": a, "b": b}
    table.put("account", "main", values, ts=record.time)


def serve(home: Path, checkpoint_each: int) -> None:
    """A gateway: rebuilds, publishes, then appends and folds until it is killed."""
    with JournalWriter(home / "journal", process="gateway", durable=False) as journal:
        reader = JournalReader(home / "journal")
        table, _ = StateTable.rebuild(LAYOUT, reader, step, checkpoint=home / "checkpoint")
        table.attach(StateWriter(home / "state", "gateway", LAYOUT))
        print("ready", flush=True)
        while True:
            n = journal.published
            payload = msgspec.msgpack.encode({"a": n + 1, "b": -n})
            journal.append("transfer", payload, time=n)
            while (record := reader.next()) is not None:
                table.fold(record, reader.crc, step)
            if n % checkpoint_each == checkpoint_each - 1:
                table.save(home / "checkpoint", uuid=reader.uuid)


@pytest.mark.parametrize("checkpoint_each", [3, 10**9])
def test_a_killed_process_comes_back_to_the_state_of_its_tape(tmp_path: Path, checkpoint_each: int) -> None:
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", GATEWAY, str(tmp_path), str(checkpoint_each)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        state = StateReader(tmp_path / "state", "gateway", LAYOUT)
        for _ in range(2000):
            group = state.get("account", "main")
            if group is not None:
                a, b = group["a"], group["b"]
                assert isinstance(a, int)
                assert isinstance(b, int)
                assert group["total"] == a + b == group.sequence
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        tape = JournalReader(tmp_path / "journal")
        slow, how = StateTable.rebuild(LAYOUT, tape, step)
        fast, _ = StateTable.rebuild(
            LAYOUT, JournalReader(tmp_path / "journal"), step, checkpoint=tmp_path / "checkpoint"
        )
        assert slow.groups("account") == fast.groups("account")
        group = state.get("account", "main")
        if group is not None:  # the tape is ahead by the frame that was being folded, at most
            assert how.sequence - 1 <= group.sequence <= how.sequence
