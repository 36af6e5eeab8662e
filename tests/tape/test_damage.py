"""Damage is named, wherever it is, and never taken for a torn tail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from made_tapes import SMALL, UUID, frame_places, make_tape, write_quotes

from onetape.model.errors import BadInput, SchemaMismatch, TornTape
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.repair import repair
from onetape.tape.verify import verify

FIRST = "0000000001.tape"


def flip(path: Path, offset: int, mask: int = 1) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ mask]))


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """A sealed tape of at least three segments."""
    make_tape(tmp_path / "t", 8000)
    assert len(list((tmp_path / "t").glob("*.tape"))) >= 3
    return tmp_path / "t"


def test_a_flipped_byte_is_found_at_every_offset(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 4)
    path = tmp_path / "t" / FIRST
    whole = path.read_bytes()
    assert verify(tmp_path / "t").ok
    missed = []
    for offset in range(len(whole)):
        mask = 1 << (offset % 8)
        flip(path, offset, mask)
        if verify(tmp_path / "t").ok:
            missed.append(offset)
        flip(path, offset, mask)
    assert path.read_bytes() == whole
    assert missed == []


def test_a_sealed_tape_cut_anywhere_is_damaged(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 4)
    path = tmp_path / "t" / FIRST
    whole = path.read_bytes()
    for size in [0, 1, 255, 256, 257, *range(len(whole) - 400, len(whole), 7)]:
        path.write_bytes(whole[:size])
        report = verify(tmp_path / "t")
        assert not report.ok, size
    path.write_bytes(whole + b"\0" * 8)
    assert not verify(tmp_path / "t").ok


def test_a_missing_segment_is_named(several: Path) -> None:
    numbers = sorted(p.name for p in several.glob("*.tape"))
    for name in numbers:
        aside = (several / name).rename(several / "aside")
        report = verify(several)
        assert not report.ok, name
        aside.rename(several / name)
    (several / numbers[1]).unlink()
    with pytest.raises(TornTape, match="missing"):
        list(JournalReader(several))


def test_swapped_segments_are_named(several: Path) -> None:
    one, two = several / "0000000001.tape", several / "0000000002.tape"
    one.rename(several / "aside")
    two.rename(one)
    (several / "aside").rename(two)
    assert not verify(several).ok
    with pytest.raises(TornTape, match="holds segment"):
        list(JournalReader(several))


def test_a_segment_of_another_journal_is_named(several: Path, tmp_path: Path) -> None:
    make_tape(tmp_path / "other", 8000, uuid=bytes(range(1, 17)))
    shutil.copy(tmp_path / "other" / "0000000002.tape", several / "0000000002.tape")
    assert any("belongs to journal" in what for what in verify(several).damage)
    with pytest.raises(TornTape, match="belongs to journal"):
        list(JournalReader(several))


def test_a_segment_of_another_recording_of_the_same_journal_is_named(several: Path, tmp_path: Path) -> None:
    make_tape(tmp_path / "other", 8000, created=5)
    shutil.copy(tmp_path / "other" / "0000000002.tape", several / "0000000002.tape")
    assert not verify(several).ok


def test_the_reader_stops_at_damage_and_does_not_skip_it(several: Path) -> None:
    flip(several / "0000000002.tape", 9000)
    read = 0
    with pytest.raises(TornTape, match="offset"):
        for _ in JournalReader(several):
            read += 1
    report = verify(several)
    assert not report.ok and report.damaged == 1
    assert f"after sequence {read}" in report.damage[0]


def test_a_writer_refuses_a_damaged_journal(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 200, close=False)
    flip(tmp_path / "t" / FIRST, 9000)
    with pytest.raises(TornTape, match="good ones from"):
        JournalWriter(tmp_path / "t", **SMALL)
    with pytest.raises(TornTape):
        list(JournalReader(tmp_path / "t"))
    assert not verify(tmp_path / "t").ok


@pytest.mark.parametrize("field", [0, 4, 8, 16, 24, 28, 40])
def test_a_bad_frame_before_the_last_is_damage_whichever_field_was_hit(tmp_path: Path, field: int) -> None:
    make_tape(tmp_path / "t", 50, close=False)
    last_but_one = frame_places(tmp_path / "t" / FIRST)[-3]
    flip(tmp_path / "t" / FIRST, last_but_one + field, 4)
    report = verify(tmp_path / "t")
    assert (report.ok, report.last_seq) == (False, 49)
    with pytest.raises(TornTape):
        JournalWriter(tmp_path / "t", **SMALL)


def test_a_hit_in_the_last_frame_of_a_dead_writer_is_a_torn_tail(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 50, close=False)
    data = (tmp_path / "t" / FIRST).read_bytes()
    end = len(data.rstrip(b"\0"))
    flip(tmp_path / "t" / FIRST, end - 20)
    report = verify(tmp_path / "t")
    assert (report.ok, report.last_seq, report.frames) == (True, 50, 50)
    assert report.torn_bytes > 0
    writer = JournalWriter(tmp_path / "t", **SMALL)
    last, torn, aside = writer.recovered
    assert (last, torn) == (50, report.torn_bytes)
    assert Path(aside).stat().st_size == torn
    write_quotes(writer, 10)
    writer.close()
    after = verify(tmp_path / "t")
    assert (after.ok, after.last_seq, after.torn_bytes) == (True, 60, 0)


def test_garbage_behind_the_last_frame_is_torn(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 50, close=False)
    path = tmp_path / "t" / FIRST
    with path.open("r+b") as file:
        file.seek(frame_places(path)[-1])
        file.write(os.urandom(1000))
    report = verify(tmp_path / "t")
    assert (report.ok, report.frames) == (True, 51)
    assert 990 <= report.torn_bytes <= 1000


@pytest.mark.parametrize("has_control", [True, False])
def test_a_torn_tail_is_the_end_for_who_reads_and_repair_sets_it_aside(tmp_path: Path, has_control: bool) -> None:
    tape = tmp_path / "t"
    make_tape(tape, 50, close=False)
    with (tape / FIRST).open("r+b") as file:
        file.seek(frame_places(tape / FIRST)[-1])
        file.write(os.urandom(900))
    if not has_control:
        (tape / "control").unlink()
    torn, frames = verify(tape).torn_bytes, verify(tape).frames
    assert torn > 0 and verify(tape).ok
    with JournalReader(tape) as reader:
        assert len(list(reader.frames())) == 51
    mended = repair(tape)
    assert (mended.changed, mended.frames_lost, mended.damage, len(mended.set_aside)) == (True, 0, [], 1)
    after = verify(tape)
    assert (after.ok, after.torn_bytes) == (True, 0) and after.frames in (frames, frames + 1)  # its end
    with JournalReader(tape) as reader:
        assert len(list(reader.frames())) == 51
    assert not repair(tape).changed
    with JournalWriter(tape, **SMALL) as writer:
        write_quotes(writer, 10)
    assert verify(tape).ok


def test_a_reader_that_waits_at_a_torn_tail_goes_on_with_the_next_writer(tmp_path: Path) -> None:
    tape = tmp_path / "t"
    make_tape(tape, 50, close=False)
    (tape / "control").unlink()
    os.truncate(tape / FIRST, len((tape / FIRST).read_bytes().rstrip(b"\0")) - 30)
    with JournalReader(tape) as reader:
        assert len(list(reader.frames())) == 50
        with JournalWriter(tape, **SMALL) as writer:
            write_quotes(writer, 10)
            assert len(list(reader.frames())) == 10


def test_an_open_journal_cut_short_by_a_copy_is_torn_not_damaged(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 50, close=False)
    (tmp_path / "t" / "control").unlink()
    path = tmp_path / "t" / FIRST
    end = len(path.read_bytes().rstrip(b"\0"))
    os.truncate(path, end - 30)
    report = verify(tmp_path / "t")
    assert (report.ok, report.frames) == (True, 50)
    with JournalWriter(tmp_path / "t", **SMALL) as writer:
        assert writer.recovered[0] == 50
    assert verify(tmp_path / "t").ok


def test_frames_that_were_on_disk_may_not_be_missing(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "t", uuid=UUID)
    write_quotes(writer, 20)
    writer.sync()
    assert writer.durable == 20
    del writer
    path = tmp_path / "t" / FIRST
    end = len(path.read_bytes().rstrip(b"\0"))
    flip(path, end - 20)
    assert not verify(tmp_path / "t").ok
    with pytest.raises(TornTape, match="was on disk"):
        JournalWriter(tmp_path / "t")


def test_repair_sets_aside_what_follows_the_damage(several: Path) -> None:
    before = {p.name: p.read_bytes() for p in several.glob("*.tape")}
    flip(several / "0000000002.tape", 9000)
    report = repair(several)
    assert report.changed and report.frames_lost > 0
    assert {Path(p).name for p in report.set_aside} >= {"damaged-2.bin", "damaged-3.bin"}
    after = verify(several)
    assert after.ok and after.last_seq == report.last_seq
    assert (several / FIRST).read_bytes() == before[FIRST]
    assert [r.sequence for r in JournalReader(several)] == list(range(1, report.last_seq + 1))
    with JournalWriter(several, **SMALL) as writer:
        write_quotes(writer, 5)
        assert writer.published == report.last_seq + 5
    assert verify(several).ok


def test_repair_of_a_hurt_seal_loses_nothing(several: Path) -> None:
    path = several / "0000000002.tape"
    whole = path.read_bytes()
    flip(path, len(whole) - 5)
    report = repair(several)
    assert report.frames_lost == 0
    assert path.read_bytes() == whole
    assert verify(several).ok


def test_repair_leaves_a_sound_tape_alone(several: Path) -> None:
    before = {p.name: p.read_bytes() for p in several.glob("*.tape")}
    assert not repair(several).changed
    assert {p.name: p.read_bytes() for p in several.glob("*.tape")} == before


def test_other_files_are_foreign_and_later_versions_are_refused(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 4)
    path = tmp_path / "t" / FIRST
    whole = path.read_bytes()
    path.write_bytes(b"GIF89a" + whole[6:])
    with pytest.raises(TornTape, match="not a tape segment"):
        JournalReader(tmp_path / "t")
    path.write_bytes(whole[:8] + b"\x02" + whole[9:])
    with pytest.raises(SchemaMismatch, match="format version 2"):
        JournalReader(tmp_path / "t")


def test_nothing_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "none", tmp_path / "empty"):
        with pytest.raises(BadInput):
            JournalReader(path)
        with pytest.raises(BadInput):
            verify(path)


def test_a_symlink_is_no_segment(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 4)
    path = tmp_path / "t" / FIRST
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Exception, match="open"):
        JournalReader(tmp_path / "t")


READ_ONLY = """
import sys
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.verify import verify
print(len(list(JournalReader(sys.argv[1]))), verify(sys.argv[1]).ok)
try:
    JournalWriter(sys.argv[1])
except Exception as error:
    print(type(error).__name__)
"""


def test_a_read_only_directory_can_be_read_and_not_written(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 4)
    command = f"mount --bind {tmp_path}/t {tmp_path}/t && mount -o remount,ro,bind {tmp_path}/t"
    run = f'{command} && exec {sys.executable} -c "$0" {tmp_path}/t'
    done = subprocess.run(["unshare", "-rm", "sh", "-c", run, READ_ONLY], capture_output=True, text=True)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"no read-only mount here: {done.stderr.strip()[:80]}")
    assert done.stdout.split("\n")[0] == "5 True", done.stderr
    assert done.stdout.split("\n")[1] in ("IoFailed", "BadInput")


def test_a_writer_does_not_go_on_from_a_damaged_preamble(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 3, close=False)
    flip(tmp_path / "t" / FIRST, 400)
    with pytest.raises(TornTape, match="preamble"):
        JournalWriter(tmp_path / "t", **SMALL)
    assert [path.name for path in (tmp_path / "t").glob("*.tape")] == [FIRST]
    flip(tmp_path / "t" / FIRST, 400)
    with JournalWriter(tmp_path / "t", **SMALL) as second:
        assert second.published == 4  # the instrument and three quotes


def test_a_writer_that_died_between_two_segments_left_no_damage(tmp_path: Path) -> None:
    make_tape(tmp_path / "t", 3000, close=False)
    segments = sorted((tmp_path / "t").glob("*.tape"))
    for path in segments[1:]:
        path.unlink()
    for path in (tmp_path / "t").glob("*.new"):
        path.unlink()
    # More was published than is left: the segments behind are missing.
    assert not verify(tmp_path / "t").ok
    with pytest.raises(TornTape, match="missing"):
        list(JournalReader(tmp_path / "t"))
    # The same files, and a control page that says that nothing came after them: the end frame was
    # stored, and the next segment was not entered.
    last = verify(tmp_path / "t").last_seq
    with (tmp_path / "t" / "control").open("r+b") as file:
        file.seek(64)
        file.write(last.to_bytes(8, "little"))
    assert verify(tmp_path / "t").ok
    assert len(list(JournalReader(tmp_path / "t"))) == last
    with JournalWriter(tmp_path / "t", **SMALL) as second:
        assert second.published == last
    assert verify(tmp_path / "t").ok
