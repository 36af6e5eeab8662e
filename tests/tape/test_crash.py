"""Writers that die: by kill -9 at any instruction, and with the machine.

The two are not the same. After a kill all stores are there, up to some instruction. After a loss of
power any page that was not synced may be old or new, and torn at 512 bytes within.
"""

from __future__ import annotations

import mmap
import os
import random
import shutil
import signal
import struct
import time
from pathlib import Path

import pytest
from made_tapes import UUID
from read_tape import Tape

from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.verify import verify
from waiting import PATIENCE_S

LONG = os.environ.get("ONETAPE_LONG") == "1"
KILLS = 1000 if LONG else 100
IMAGES = 3000 if LONG else 150
SIZES = {"segment_bytes_first": 64 << 10, "segment_bytes_max": 128 << 10, "durable": False}


def payload(sequence: int) -> bytes:
    return struct.pack("<Q", sequence) + bytes([sequence & 0xFF]) * (sequence * 7919 % 331)


def check_contents(directory: Path, first: int = 1) -> int:
    """All frames are what was written, without a gap; gives the last sequence."""
    expected = first
    for frame in JournalReader(directory).frames():
        assert frame.sequence == expected
        assert frame.payload == payload(expected)
        expected += 1
    return expected - 1


def write_until_killed(directory: Path, acknowledged: mmap.mmap, seed: int) -> None:
    writer = JournalWriter(directory, uuid=UUID, **SIZES)
    sequence = writer.published
    while True:
        sequence += 1
        assert writer.core.append(23, payload(sequence), 0, 0, sequence) == sequence
        acknowledged[:8] = struct.pack("<Q", sequence)
        if sequence % 4096 == seed % 4096:
            writer.close()
            writer = JournalWriter(directory, uuid=UUID, **SIZES)


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    directory = tmp_path / "j"
    chance = random.Random(20261120)
    acknowledged = mmap.mmap(-1, 8)
    for round_ in range(KILLS):
        before = acknowledged[:8]
        child = os.fork()
        if child == 0:
            try:
                write_until_killed(directory, acknowledged, round_ * 997)
            finally:
                os._exit(1)
        deadline = time.monotonic() + PATIENCE_S
        if chance.random() < 0.7:  # else anywhere in opening and recovery
            while acknowledged[:8] == before and time.monotonic() < deadline:
                pass
        time.sleep(chance.random() * 0.008)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"the writer ended by itself in round {round_}"

        reported = struct.unpack("<Q", acknowledged[:8])[0]
        if not any(directory.glob("*.tape")):
            continue
        report = verify(directory)
        assert report.ok, report
        assert report.last_seq >= reported
        if round_ % 10 == 9:
            with JournalWriter(directory, uuid=UUID, **SIZES) as writer:
                assert writer.recovered[0] >= reported
            # Keeps the later rounds short: what was checked may go.
            assert check_contents(directory) >= reported
            shutil.rmtree(directory)
            acknowledged[:8] = bytes(8)
    assert KILLS >= 100


def half_written(tmp_path: Path) -> tuple[Path, int]:
    """A journal whose writer died between storing a frame's body and its length."""
    directory = tmp_path / "j"
    writer = JournalWriter(directory, uuid=UUID, **SIZES)
    for sequence in range(1, 41):
        writer.core.append(23, payload(sequence), 0, 0, sequence)
    del writer
    path = directory / "0000000001.tape"
    data = bytearray(path.read_bytes())
    frames = list(Tape(directory).frames())
    at = int.from_bytes(data[80:88], "little") + sum((32 + len(f.payload) + 7) & ~7 for f in frames)
    data[at + 8 : at + 8 + 150] = os.urandom(149) + b"\1"
    path.write_bytes(data)
    return directory, 150 + 8


def test_a_frame_without_its_length_is_not_there(tmp_path: Path) -> None:
    directory, torn = half_written(tmp_path)
    assert check_contents(directory) == 40
    assert verify(directory).torn_bytes == torn
    writer = JournalWriter(directory, uuid=UUID, **SIZES)
    assert writer.recovered[:2] == (40, torn)
    for sequence in range(41, 61):
        assert writer.core.append(23, payload(sequence), 0, 0, sequence) == sequence
    writer.close()
    assert check_contents(directory) == 60
    aside = next(directory.glob("torn-1-*.bin"))
    assert aside.stat().st_size == torn


PAGE, SECTOR = 4096, 512


def mixed(old: bytes, new: bytes, chance: random.Random) -> bytes:
    """Each page old or new; now and then one that is torn at its sectors."""
    old = old.ljust(len(new), b"\0")
    keep = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    out = bytearray(old)
    for page in range(0, len(new), PAGE):
        if old[page : page + PAGE] == new[page : page + PAGE]:
            continue
        torn = chance.random() < 0.2
        step = SECTOR if torn else PAGE
        for at in range(page, min(page + PAGE, len(new)), step):
            if chance.random() < (0.5 if torn else keep):
                out[at : at + step] = new[at : at + step]
    return bytes(out)


def state(directory: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in directory.iterdir() if p.is_file()}


def test_power_loss_leaves_a_prefix_that_holds_all_that_was_durable(tmp_path: Path) -> None:
    chance = random.Random(7)
    directory = tmp_path / "j"
    cases = []
    for case in range(5):
        shutil.rmtree(directory, ignore_errors=True)
        writer = JournalWriter(directory, uuid=UUID, segment_bytes_first=64 << 10, segment_bytes_max=64 << 10)
        count = chance.choice((0, 5, 150, 380, 700))
        for sequence in range(1, count + 1):
            writer.core.append(23, payload(sequence), 0, 0, sequence)
        writer.sync()
        at_sync = state(directory)
        last = count + chance.choice((1, 30, 200, 300))
        for sequence in range(count + 1, last + 1):
            writer.core.append(23, payload(sequence), 0, 0, sequence)
        # Seals sync by themselves: let those on their way be done.
        time.sleep(0.3)
        cases.append((count, last, at_sync, state(directory)))
        del writer
        assert case < 5
    for image in range(IMAGES):
        durable, last, old, new = cases[image % len(cases)]
        shutil.rmtree(directory)
        directory.mkdir()
        for name, content in new.items():
            sealed = name.endswith(".tape") and content[96:104] != bytes(8)
            if name.endswith(".tape") and not sealed:
                content = mixed(old.get(name, b""), content, chance)
            if name == "control":
                # The hint may be as old as the sync; another boot in any case.
                page = bytearray(chance.choice((old[name], content)))
                page[48:64] = bytes(16)
                content = bytes(page)
            (directory / name).write_bytes(content)
        report = verify(directory)
        assert report.ok, (image, report)
        writer = JournalWriter(directory, uuid=UUID, **SIZES)
        found = writer.recovered[0]
        assert durable <= found <= last, image
        for sequence in range(found + 1, found + 4):
            assert writer.core.append(23, payload(sequence), 0, 0, sequence) == sequence
        writer.close()
        assert check_contents(directory) == found + 3
        assert verify(directory).ok


def test_two_processes_never_see_a_torn_frame(tmp_path: Path) -> None:
    """Publication over two mappings of one file: what a thread sanitizer cannot watch."""
    count = 3_000_000 if LONG else 150_000
    directory = tmp_path / "j"
    writer = JournalWriter(directory, uuid=UUID, segment_bytes_first=1 << 20, durable=False)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            reader = JournalReader(directory)
            seen = 0
            deadline = time.monotonic() + PATIENCE_S
            while seen < count and time.monotonic() < deadline:
                raw, _ = reader.core.read_rows(2, 64, 65536)
                if not len(raw):
                    continue
                rows = reader.schemas.named("quote").rows(raw)
                expected = range(seen + 1, seen + 1 + len(rows))
                assert (rows["sequence"] == expected).all()
                assert (rows["bid"] == rows["sequence"]).all()
                assert (rows["ask_size"] == rows["time"] * 3).all()
                seen += len(rows)
            status = 0 if seen == count else 2
        finally:
            os._exit(status)
    append = writer.append_quote
    for n in range(1, count + 1):
        append(1, n, n, n, n, n, n * 3)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    writer.close()


@pytest.mark.parametrize("name", ["control", "bells", "lock"])
def test_a_journal_is_whole_without_the_files_beside_it(tmp_path: Path, name: str) -> None:
    directory = tmp_path / "j"
    with JournalWriter(directory, uuid=UUID, **SIZES) as writer:
        for sequence in range(1, 500):
            writer.core.append(23, payload(sequence), 0, 0, sequence)
    (directory / name).unlink()
    assert check_contents(directory) == 499
    assert verify(directory).ok
    with JournalWriter(directory, uuid=UUID, **SIZES) as writer:
        assert writer.published == 499
