"""A mirror: a journal copied block by block, whatever way its blocks come and its writers die."""

from __future__ import annotations

import os
import random
import signal
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_tapes import SMALL, UUID, instrument, make_tape, write_quotes

from onetape import _core
from onetape.model.errors import BadInput, JournalLocked, TornTape
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.verify import verify
from waiting import wait_for


def opened(path: Path, *, durable: bool = False, seal: bytes = bytes(32)) -> _core.Mirror:
    return _core.Mirror.open(str(path), durable=durable, seal=seal)


def blocks(path: Path, bytes_max: int, *place: int) -> list[tuple[int, int, int, bytes]]:
    reader = JournalReader(path)
    if place:
        _core.seek_block(reader.core, *place)
    found = []
    while (block := _core.next_block(reader.core, bytes_max)) is not None:
        found.append(block)
    return found


def copy(there: Path, mirror: _core.Mirror, bytes_max: int = 5000) -> None:
    for segment, offset, _, content in blocks(there, bytes_max, *(mirror.place[:2] if mirror.place[0] else ())):
        assert mirror.take(segment, offset, content) == "taken"


def files(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in sorted(path.glob("*.tape"))}


def sealed_alike(there: Path, copied: Path) -> bool:
    return files(there) == files(copied)


@pytest.mark.parametrize("bytes_max", [1, 700, 1 << 20])
def test_a_copy_has_the_same_segments_byte_for_byte(tmp_path: Path, bytes_max: int) -> None:
    make_tape(tmp_path / "a", 5000)
    mirror = opened(tmp_path / "b")
    copy(tmp_path / "a", mirror, bytes_max)
    assert mirror.uuid == UUID and mirror.place[2] == 5001
    wait_for(lambda: sealed_alike(tmp_path / "a", tmp_path / "b"))
    assert replace(verify(tmp_path / "b"), path=str(tmp_path / "a")) == verify(tmp_path / "a")


def test_a_reader_of_a_growing_copy_reads_what_that_of_the_journal_does(tmp_path: Path) -> None:
    mirror, random_ = opened(tmp_path / "b"), random.Random(5)
    with JournalWriter(tmp_path / "a", **SMALL) as writer:
        source = JournalReader(tmp_path / "a")
        seen: list[Any] = []
        reader = None
        for number in range(3000):
            writer.append("log", os.urandom(random_.randrange(300)), time=number)
            if random_.random() < 0.1:
                while (block := _core.next_block(source.core, 3000)) is not None:
                    assert mirror.take(block[0], block[1], block[3]) == "taken"
                reader = reader or JournalReader(tmp_path / "b")
                while (frame := reader.next_frame()) is not None:
                    seen.append(frame)
                assert len(seen) == number + 1 == reader.last_sequence and reader.writer_alive
    assert (reader is not None and reader.crc == JournalReader(tmp_path / "a").crc) or seen


@pytest.mark.parametrize("seed", range(10))
def test_blocks_that_come_late_twice_cut_or_not_at_all_change_nothing(tmp_path: Path, seed: int) -> None:
    random_ = random.Random(seed)
    for life in range(3):
        make_tape(tmp_path / "a", 1200, close=life == 2)
    mirror, steps = opened(tmp_path / "b"), 0
    end = blocks(tmp_path / "a", 1 << 20)[-1]
    while mirror.place[:2] != (end[0], end[1] + len(end[3])):
        steps += 1
        assert steps < 2000
        some = (
            blocks(tmp_path / "a", random_.randrange(1, 6000), *mirror.place[:2])
            if mirror.place[0]
            else blocks(tmp_path / "a", 4000)
        )
        chosen = random_.choices(some[:6], k=4)
        for segment, offset, _, content in chosen:
            assert mirror.take(segment, offset, content) in ("taken", "missing")
        if random_.random() < 0.3:
            mirror = None  # the process dies, and another takes its place
            mirror = opened(tmp_path / "b")
    wait_for(lambda: sealed_alike(tmp_path / "a", tmp_path / "b"))


def test_a_changed_bit_anywhere_in_a_block_is_found(tmp_path: Path) -> None:
    make_tape(tmp_path / "a", 40)
    some = blocks(tmp_path / "a", 1 << 20)
    random_ = random.Random(3)
    for number in range(300):
        mirror = opened(tmp_path / f"b{number}")
        at, bit = random_.randrange(len(some)), random_.randrange(8)
        place = random_.randrange(len(some[at][3]))
        if at == 0 and 96 <= place < 104:
            continue  # the mark of a sealed segment, which a copy sets itself
        changed = bytearray(some[at][3])
        changed[place] ^= 1 << bit
        for segment, offset, _, content in some[:at]:
            assert mirror.take(segment, offset, content) == "taken"
        before = mirror.place
        got = mirror.take(some[at][0], some[at][1], bytes(changed))
        if got == "taken":
            assert at == 0 and bytes(changed[256:]) != some[0][3][256:], (at, place)  # padding behind the preamble
            continue
        assert got == "damaged" and (at or mirror.place == before)
        copy(tmp_path / "a", mirror)  # the true bytes still fit
        assert mirror.place[2] == 41


def test_other_bytes_at_a_place_that_is_there_are_foreign(tmp_path: Path) -> None:
    """A host that lost frames with its power, and wrote others."""
    for name, first in (("a", 10), ("c", 20)):
        with JournalWriter(tmp_path / name, uuid=UUID, **SMALL) as writer:
            writer.append_instrument(1, 0, instrument())
            for number in range(50):
                writer.append("log", struct.pack("<q", first + number), time=number)
    mirror = opened(tmp_path / "b")
    header, frames, *_ = blocks(tmp_path / "a", 1 << 20)
    assert [mirror.take(*each[:2], each[3]) for each in (header, frames)] == ["taken", "taken"]
    other = blocks(tmp_path / "c", 1 << 20)[1]
    assert mirror.take(*other[:2], other[3]) == "foreign"
    assert mirror.place[2] == 51


def test_a_writer_goes_on_with_the_copy_and_the_chain_goes_on_with_it(tmp_path: Path) -> None:
    make_tape(tmp_path / "a", 900, close=False)
    mirror = opened(tmp_path / "b", durable=True)
    copy(tmp_path / "a", mirror)
    mirror.sync()
    assert mirror.durable == 901
    with pytest.raises(JournalLocked):
        JournalWriter(tmp_path / "b")
    mirror = None
    with JournalWriter(tmp_path / "b", **SMALL) as writer:
        assert (writer.uuid.bytes, writer.epoch, writer.published) == (UUID, 2, 901)
        write_quotes(writer, 50)
    assert verify(tmp_path / "b").last_seq == 951
    ours, theirs = JournalReader(tmp_path / "b"), JournalReader(tmp_path / "a")
    assert all(ours.next_frame() == theirs.next_frame() for _ in range(901))


def test_a_process_that_is_killed_leaves_a_copy_that_goes_on(tmp_path: Path) -> None:
    make_tape(tmp_path / "a", 20_000)
    everything = blocks(tmp_path / "a", 1000)
    for kill_after in (1, 40, 333, len(everything) - 2):
        copied = tmp_path / f"b{kill_after}"
        child = os.fork()
        if child == 0:
            mirror = opened(copied)
            for segment, offset, _, content in everything[:kill_after]:
                mirror.take(segment, offset, content)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        mirror = opened(copied)
        assert mirror.place[:2] == (everything[kill_after][0], everything[kill_after][1])
        copy(tmp_path / "a", mirror)
        wait_for(lambda place=copied: sealed_alike(tmp_path / "a", place))


def test_a_copy_begins_where_retention_has_left_the_journal(tmp_path: Path) -> None:
    from onetape.tape.prune import prune
    from onetape.tape.pruned import read_pruned, write_pruned

    make_tape(tmp_path / "a", 6000)
    prune(tmp_path / "a", size=200_000)
    pruned = read_pruned(tmp_path / "a")
    assert pruned is not None
    mirror = opened(tmp_path / "b", seal=bytes.fromhex(pruned.seal))
    copy(tmp_path / "a", mirror)
    write_pruned(tmp_path / "b", pruned)
    wait_for(lambda: sealed_alike(tmp_path / "a", tmp_path / "b"))
    assert replace(verify(tmp_path / "b"), path=str(tmp_path / "a")) == verify(tmp_path / "a")
    with pytest.raises(BadInput, match="pruned; the tape now begins with segment"):
        blocks(tmp_path / "a", 1000, 1, 0)


def test_a_place_that_the_journal_does_not_reach_is_foreign_to_it(tmp_path: Path) -> None:
    make_tape(tmp_path / "a", 10, close=False)
    with pytest.raises(TornTape, match="ends before offset 1000000"):
        blocks(tmp_path / "a", 1000, 1, 1_000_000)
    assert blocks(tmp_path / "a", 1 << 20, 1, 0)[0][1] == 0
