"""A guardian starts from a checkpoint of its own journal: it changes nothing that is known, and one that does not fit
is not used."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from onetape.guardian import kept
from onetape.guardian.kept import checkpoint_file, recover, write_checkpoint
from onetape.ipc.command_tape import CommandTape
from onetape.model.enums import OrderState
from onetape.model.ids import client_id
from onetape.projections.once import Once
from onetape.tape.checkpoint import previous_of
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.prune import pins, prune
from onetape.tape.segments import list_segments


def written(chance: random.Random, number: int) -> tuple[str, str, dict, bool]:
    """One of what a guardian writes: kind, state, of what, and whether it is wrong."""
    of = {"account": chance.choice(("main", "b")), "symbol": chance.choice(("x:A/U:U", "x:B/U:U")), "side": "both"}
    levels = {"levels": {"0": number}, "caps": {}, "opened": f"j {number}", "looked_back": False}
    shares = {"opened": "j 1", "base": number, "left": "4/5"}
    order = {**of, "order": client_id("t1", epoch=1, ordinal=2**31 + number // 9)}
    order["trigger"] = chance.choice((0, 100))
    return chance.choice(
        (
            ("ladder", "placing", {**of, **levels}, False),
            ("ladder", "verified", of, False),
            ("ladders", "50 share 200", {"account": "main"}, True),
            ("hard stop", "flattening", {**of, "reason": "8 %", "opened": f"j {number}"}, True),
            ("hard stop", "flat", of, False),
            ("protection", "lost", of, True),
            ("protection", "stands", of, False),
            ("local stop", "closing", {**of, **shares}, True),
            ("take-profits", "closing", {**of, **shares}, False),
            ("epoch", "began", {"epoch": number}, False),
            ("past gateway", "placing", order, False),
            ("past gateway", str(OrderState.FILLED), order, False),
            ("past gateway", "taken over", order, False),
            ("gateway", "back", {}, False),
        )
    )


def journal_of(path: Path, seed: int, count: int = 500) -> int:
    """Returns its last frame."""
    chance = random.Random(seed)
    for life in range(3):
        with JournalWriter(path, process="guardian", durable=False) as writer:
            write(writer, chance, range(life * count, (life + 1) * count))
    with JournalReader(path) as reader:
        return reader.last_sequence


def write(writer: JournalWriter, chance: random.Random, numbers: range) -> None:
    tape = CommandTape(writer)
    for number in numbers:
        if number % 7 == 0:
            command = {"id": f"c{number}", "actor": "operator", "target": "guardian", "command": "reset"}
            tape.command({**command, "fields": {"account": "main"}}, number)
            reply = {"id": f"c{number}", "status": "applied", "result": {"positions": 1}, "error": None}
            tape.command_reply(reply, number)
        kind, state, about, is_wrong = written(chance, number)
        record = {"kind": kind, "subject": "main", "state": state, "about": about}
        record |= {"severity": "critical"} if is_wrong else {}
        writer.append("health", msgspec.msgpack.encode(record), time=number)


def state_of(path: Path, file: Path, until: int = 0) -> tuple[bytes, int, str]:
    once = Once()
    found = recover(path, file, once, until=until)
    return msgspec.json.encode((found.kept, once.to_record()), order="deterministic"), found.sequence, found.refused


@pytest.fixture
def place(tmp_path) -> tuple[Path, Path, int]:
    path = tmp_path / "journal" / "guardian"
    path.parent.mkdir()
    return path, checkpoint_file(tmp_path), journal_of(path, seed=1)


def test_a_checkpoint_at_any_frame_changes_nothing_that_is_known(place):
    path, file, last = place
    whole, _, _ = state_of(path, file)
    assert b"flattening" in whole and b"placing" not in whole
    chance = random.Random(2)
    for sequence in sorted({1, last, *(chance.randrange(1, last) for _ in range(12))}):  # each from the one before
        write_checkpoint(path, file, sequence=sequence)
        assert state_of(path, file) == (whole, sequence, "")


def test_a_start_reads_only_what_came_after_it_however_long_the_tape_is(place, monkeypatch):
    path, file, last = place
    write_checkpoint(path, file, sequence=last - 5)
    read = []
    monkeypatch.setattr(kept.Kept, "take", lambda *_: read.append(1))
    monkeypatch.setattr(kept, "note_command", lambda *_: read.append(1))
    state_of(path, file)
    assert len(read) == 5


@pytest.mark.parametrize("damage", [b"", b"x" * 200, None])
def test_one_that_is_damaged_is_passed_over_for_the_one_before_or_the_whole_tape(place, damage):
    path, file, last = place
    whole, _, _ = state_of(path, file)
    for sequence in (last // 2, last):
        write_checkpoint(path, file, sequence=sequence)
    for each, used in ((file, last // 2), (previous_of(file), 0)):
        each.write_bytes(each.read_bytes()[:-3] if damage is None else damage)
        assert state_of(path, file) == (whole, used, "is damaged")


def test_one_of_another_journal_or_form_is_passed_over(place, tmp_path, monkeypatch):
    path, file, last = place
    write_checkpoint(path, file, sequence=last)
    other = tmp_path / "other"
    journal_of(other, seed=3)
    assert state_of(other, file)[1:] == (0, "is of another journal")
    monkeypatch.setattr(kept, "MADE_BY", "3 0.0.0")
    assert state_of(path, file)[1:] == (0, "was made by another version, or for other instruments")


def test_one_that_fits_and_cannot_be_read_is_passed_over(place):
    path, file, last = place
    whole, _, _ = state_of(path, file)
    write_checkpoint(path, file, sequence=last)
    body = msgspec.json.encode(msgspec.json.decode(file.read_bytes().split(b"\n", 1)[1]) | {"kept": 5})
    file.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    assert state_of(path, file) == (whole, 0, "is damaged: Expected `object`, got `int` - at `$.kept`")


def test_what_no_checkpoint_has_is_not_pruned_and_the_rest_may_go(place):
    path, file, last = place
    whole, _, _ = state_of(path, file)
    assert prune(path, size=1).removed == []
    for sequence in (last - 1, last):
        write_checkpoint(path, file, sequence=sequence)
    assert [each.first_sequence for each in pins(path)] == [last - 1]
    assert prune(path, size=1).removed and list_segments(path)[0].first_seq > 1
    assert state_of(path, file) == (whole, last, "")


KILLED = """
import os, signal, sys
from pathlib import Path
from onetape.guardian.kept import write_checkpoint

path, file, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
step = 0
while True:  # killed before each of its calls of the system
    step += 1
    child = os.fork()
    if not child:
        left = [step]
        def counted(call):
            def do(*args, **words):
                left[0] -= 1
                if not left[0]:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*args, **words)
            return do
        for name in ("open", "fsync", "replace", "rename", "close", "mkdir"):
            setattr(os, name, counted(getattr(os, name)))
        write_checkpoint(path, file, sequence=last - 40 + step)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(status, flush=True)
    sys.stdin.readline()
    if not status:
        break
"""


def test_killed_at_any_point_of_a_checkpoint_nothing_is_lost(place):
    path, file, last = place
    whole, _, _ = state_of(path, file)
    write_checkpoint(path, file, sequence=last // 2)
    words = [sys.executable, "-c", KILLED, str(path), str(file), str(last)]
    killed = 0
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        for line in process.stdout:
            state, sequence, refused = state_of(path, file)
            assert (state, refused) == (whole, "") and sequence >= last // 2
            killed += int(line) == 9
            process.stdin.write("\n")
            process.stdin.flush()
    assert killed > 5 and process.returncode == 0


SHAPES = {1: "ef1ec3e14ff76af3", 2: "767db66c2c031089"}


def test_a_record_that_changes_its_shape_needs_a_new_format():
    from hashlib import sha256

    (_,), named = msgspec.json.schema_components([kept.Kept])
    shape = {name: sorted(part.get("properties", ())) for name, part in named.items()}
    assert sha256(repr(sorted(shape.items())).encode()).hexdigest()[:16] == SHAPES[kept.FORMAT]
