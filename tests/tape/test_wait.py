"""Sleeping until a writer rings, in one process and in others, with and without an event loop."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest
from made_tapes import SMALL, UUID

from onetape import _core
from onetape.model.errors import BadInput
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.prune import prune
from onetape.tape.wait import JournalWatch, Waiter
from waiting import PATIENCE_S, wait_for


def test_a_wait_ends_at_once_when_something_is_there_and_at_its_time_when_not(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "j", **SMALL) as writer:
        reader = JournalReader(tmp_path / "j")
        waiter = Waiter(tmp_path / "bells")
        waiter.add(reader)
        begin = time.monotonic()
        assert not waiter.wait(0.15)
        assert 0.14 < time.monotonic() - begin < PATIENCE_S
        writer.append("log", b"\x80")
        assert waiter.wait(PATIENCE_S)
        assert reader.next() is not None
        assert not waiter.wait(0)


@pytest.mark.parametrize("spin", [0.0, 0.002])
def test_a_sleeper_in_another_process_hears_every_append(tmp_path: Path, spin: float) -> None:
    count = 150
    writer = JournalWriter(tmp_path / "j", uuid=UUID, **SMALL)
    ready, reported = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            reader = JournalReader(tmp_path / "j")
            waiter = Waiter(tmp_path / "bells")
            waiter.add(reader)
            os.write(ready[1], b"r")
            for _ in range(count):
                if not waiter.wait(PATIENCE_S, spin=spin) or reader.next() is None:
                    os._exit(3)
                os.write(reported[1], b".")
            status = 0
        finally:
            os._exit(status)
    os.read(ready[0], 1)
    begin = time.monotonic()
    for n in range(count):
        # Now at once, now when it sleeps: every place between looking and sleeping is met.
        time.sleep((n % 7) * 0.0004)
        writer.append("log", b"\x80", time=n)
        os.read(reported[0], 1)
    assert time.monotonic() - begin < PATIENCE_S  # a ring that is not heard ends no wait
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    writer.close()


def test_a_sleeper_wakes_for_the_next_segment_and_the_next_epoch(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "j", uuid=UUID, **SMALL)
    reader = JournalReader(tmp_path / "j")
    waiter = Waiter(tmp_path / "bells")
    waiter.add(reader)
    seen = 0
    for n in range(4000):
        writer.append("log", bytes(150), time=n)
        assert waiter.wait(PATIENCE_S)
        while reader.next_raw() is not None:
            seen += 1
    assert seen == 4000 and reader.core.segment > 2
    writer.close()
    assert not waiter.wait(0.05)
    with JournalWriter(tmp_path / "j", **SMALL) as writer:
        assert not waiter.wait(0.05)
        writer.append("log", b"\x80")
        assert waiter.wait(PATIENCE_S)
        assert reader.next_raw() is not None
        assert reader.epoch == 2


def test_signals_are_served_while_waiting(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "j", **SMALL):
        waiter = Waiter(tmp_path / "bells")
        waiter.add(JournalReader(tmp_path / "j"))

        class Alarm(Exception):
            pass

        def ring(_number: int, _frame: object) -> None:
            raise Alarm

        before = signal.signal(signal.SIGALRM, ring)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            begin = time.monotonic()
            with pytest.raises(Alarm):
                waiter.wait(PATIENCE_S)
            assert time.monotonic() - begin < PATIENCE_S
        finally:
            signal.signal(signal.SIGALRM, before)


def test_several_journals_are_followed_in_turn(tmp_path: Path) -> None:
    writers = [JournalWriter(tmp_path / name, **SMALL) for name in "ab"]
    waiter = Waiter(tmp_path / "bells")
    for name in "ab":
        waiter.add(JournalReader(tmp_path / name))
    for n in range(10):
        for writer in writers:
            writer.append("log", bytes([n]))
    seen: list[tuple[int, int]] = []
    handled = waiter.follow(lambda i, _t, _f, s, _ti, _st, _p: seen.append((i, s)), 0.01)
    assert handled == 20
    assert sorted(seen) == [(i, s) for i in (0, 1) for s in range(1, 11)]
    for writer in writers:
        writer.close()


def test_a_journal_that_is_read_no_more_wakes_nobody(tmp_path: Path) -> None:
    """Its frames would be there for ever: whoever sleeps would turn round and round."""
    waiter = Waiter()
    with JournalWriter(tmp_path / "a") as left, JournalWriter(tmp_path / "b") as read:
        readers = [JournalReader(tmp_path / name) for name in ("a", "b")]
        for reader in readers:
            waiter.add(reader)
        waiter.remove(readers[0])
        readers[0].close()
        left.append("log", b"nobody reads it")
        assert not waiter.wait(0)
        there, _ = waiter.core.arm()
        assert not there
        read.append("log", b"x")
        assert waiter.wait(PATIENCE_S)
        assert readers[1].next_frame() is not None
        readers[1].close()


@pytest.mark.parametrize("pause_s", [0.0, 0.005])
def test_an_event_loop_watches_a_journal_beside_its_sockets(tmp_path: Path, pause_s: float) -> None:
    async def run() -> int:
        writer = JournalWriter(tmp_path / "j", **SMALL)
        reader = JournalReader(tmp_path / "j")
        waiter = Waiter(tmp_path / "bells")
        waiter.add(reader)
        seen = 0
        done = asyncio.Event()

        times: list[float] = []

        def handle() -> None:
            nonlocal seen
            times.append(time.monotonic())
            while reader.next_raw() is not None:
                seen += 1
            if seen == 60:
                done.set()

        watch = JournalWatch(waiter, handle, asyncio.get_running_loop(), pause_s=pause_s)
        for n in range(60):
            writer.append("log", b"\x80", time=n)
            await asyncio.sleep(0.001 * (n % 3))
        await asyncio.wait_for(done.wait(), PATIENCE_S)
        watch.close()
        writer.close()
        assert all(later - earlier >= 0.8 * pause_s for earlier, later in pairwise(times))  # timers may be early
        return seen

    assert asyncio.run(run()) == 60


def test_an_idle_wait_uses_hardly_any_cpu(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "j", **SMALL):
        waiter = Waiter(tmp_path / "bells")
        waiter.add(JournalReader(tmp_path / "j"))
        begin = time.process_time()
        waiter.wait(1.0)
        assert time.process_time() - begin < 0.5  # a wait that spins would use the whole second


def test_a_living_reader_keeps_its_segments_and_a_dead_one_does_not(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "j", uuid=UUID, **SMALL)
    for n in range(8000):
        writer.append("log", bytes(60), time=n)
    writer.close()
    ready, end = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        waiter = Waiter(tmp_path / "bells")
        reader = JournalReader(tmp_path / "j")
        reader.core.seek_sequence(3000)
        waiter.add(reader)
        os.write(ready[1], bytes([reader.core.segment]))
        os.read(end[0], 1)
        os._exit(0)
    stands_in = os.read(ready[0], 1)[0]
    assert stands_in > 1
    report = prune(tmp_path / "j", keep_sequence=7000)
    assert report.kept_by_readers == [stands_in]
    assert report.removed == list(range(1, stands_in))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    report = prune(tmp_path / "j", keep_sequence=7000)
    assert report.kept_by_readers == [] and stands_in in report.removed
    for fd in (*ready, *end):
        os.close(fd)


def test_a_reader_whose_place_was_pruned_is_told(tmp_path: Path) -> None:
    writer = JournalWriter(tmp_path / "j", uuid=UUID, **SMALL)
    reader = JournalReader(tmp_path / "j")
    for n in range(8000):
        writer.append("log", bytes(60), time=n)
    writer.close()
    prune(tmp_path / "j", keep_sequence=7000)
    with pytest.raises(BadInput, match="pruned"):
        for _ in reader:
            pass


def test_more_readers_than_places_are_refused_by_name(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "j", **SMALL):
        waiter = Waiter(tmp_path / "bells")
        for _ in range(64):
            waiter.add(JournalReader(tmp_path / "j"))
        with pytest.raises(BadInput, match="64 places"):
            waiter.add(JournalReader(tmp_path / "j"))
        del waiter
        second = Waiter(tmp_path / "bells")
        second.add(JournalReader(tmp_path / "j"))


def test_a_bell_directory_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(Exception, match="0700"):
        _core.Waiter(str(tmp_path / "open"))


def test_a_heartbeat_shows_life_and_progress(tmp_path: Path) -> None:
    began = time.time_ns()
    writer = JournalWriter(tmp_path / "j", heartbeat=True, **SMALL)
    reader = JournalReader(tmp_path / "j")
    wait_for(lambda: reader.control["heartbeat"] >= began)
    first = reader.control
    writer.append("log", b"\x80")
    writer.progress(41)
    wait_for(lambda: reader.control["heartbeat"] > first["heartbeat"])
    second = reader.control
    assert second["heartbeat"] <= time.time_ns()
    assert second["progress"] == 41 and second["progress_time"] > first["progress_time"]
    assert reader.writer_alive
    writer.close()
    assert reader.control["closed"] and not reader.writer_alive
