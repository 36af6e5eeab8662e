"""Which run of its writer a journal is from, and where that run begins."""

from __future__ import annotations

from pathlib import Path

from onetape.tape.incarnation import Incarnation
from onetape.tape.journal import JournalReader, JournalWriter


def write(path: Path, count: int, payload: int = 16) -> None:
    with JournalWriter(path, process="p", durable=False, segment_bytes_first=64 << 10, segment_bytes_max=64 << 10) as w:
        for _ in range(count):
            w.append("health", bytes(payload), time=1)


def test_a_run_begins_where_its_writer_opened_the_journal(tmp_path: Path):
    path = tmp_path / "j"
    write(path, 3)
    with JournalReader(path) as reader:
        incarnation = Incarnation(reader)
        assert incarnation.is_new() and incarnation.first == 1
        assert not incarnation.is_new()
        write(path, 100, payload=4000)  # over several segments
        assert incarnation.is_new() and incarnation.first == 4
        write(path, 0)  # one that has not said anything yet
        assert incarnation.is_new() and incarnation.first == 104
        write(path, 1)
        assert incarnation.is_new() and incarnation.first == 104
        assert len(list(reader)) == 104  # the reader's place is its own


def test_who_opens_late_finds_the_beginning_of_the_run_over_all_its_segments(tmp_path: Path):
    path = tmp_path / "j"
    write(path, 2)
    write(path, 200, payload=4000)
    with JournalReader(path) as reader:
        assert reader.core.epoch == 1
        incarnation = Incarnation(reader)
        assert incarnation.is_new() and incarnation.first == 3


def test_a_run_whose_beginning_is_pruned_begins_with_what_is_left(tmp_path: Path):
    path = tmp_path / "j"
    write(path, 2)
    write(path, 200, payload=4000)
    segments = sorted(path.glob("*.tape*"))
    for each in segments[:-2]:
        each.unlink()
    with JournalReader(path) as reader:
        left = reader.next_sequence
        incarnation = Incarnation(reader)
        assert incarnation.is_new() and incarnation.first == left


def test_a_journal_without_a_control_page_has_one_run(tmp_path: Path):
    path = tmp_path / "j"
    write(path, 2)
    (path / "control").unlink()
    with JournalReader(path) as reader:
        incarnation = Incarnation(reader)
        assert not incarnation.is_new() and incarnation.first == 0
