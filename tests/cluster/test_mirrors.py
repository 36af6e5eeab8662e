"""Hosts that copy each other's journals: over a bus that loses, doubles and reorders, and over a real nats-server."""

from __future__ import annotations

import random
import shutil
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
import pytest

from onetape.cluster.blocks import HostState, HostThere, JournalState, Pulse, decode_block, encode_block, token
from onetape.cluster.mirror import HostMirror
from onetape.model.errors import BadInput
from onetape.model.home import hosts_of
from onetape.options.cluster import ClusterOptions
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.prune import prune
from onetape.tape.verify import verify

SECOND = 10**9
SMALL: dict[str, Any] = {"segment_bytes_first": 64 << 10, "segment_bytes_max": 128 << 10, "durable": False}
JOURNAL = "journal/gateway-main"


class World:
    """Hosts in one thread, with their clock, and a bus between them. fault: share of messages that are lost, and of
    those that come twice; up to `shuffled` of the oldest change their order."""

    def __init__(self, folder: Path, seed: int, *, fault: float = 0.0, shuffled: int = 1) -> None:
        self.folder, self.random, self.fault, self.shuffled = folder, random.Random(seed), fault, shuffled
        self.now = 1_700_000_000 * SECOND
        self.hosts: dict[str, HostMirror] = {}
        self.cut: set[tuple[str, str]] = set()  # (from, to): nothing passes
        self._queue: list[tuple[str, str, bytes, str]] = []
        self._step = 0

    def host(self, name: str, *follows: str, **more: Any) -> HostMirror:
        if name in self.hosts:
            self.hosts[name].close()

        def send(subject: str, message: bytes, reply: str) -> None:
            self._queue.append((name, subject, message, reply))

        home = self.folder / name
        options = ClusterOptions(host=name, home=str(home), servers=[], follow=list(follows), **more)
        self.hosts[name] = HostMirror(options, send=send, durable=False)
        return self.hosts[name]

    def writer(self, host: str, journal: str = JOURNAL, **options: Any) -> JournalWriter:
        return JournalWriter(self.folder / host / journal, process="gateway:main", **{**SMALL, **options})

    def write(self, writer: JournalWriter, count: int) -> None:
        for _ in range(count):
            writer.append("log", self.random.randbytes(self.random.randrange(400)), time=self.now)

    def step(self, count: int = 1) -> None:
        """A tenth of a second."""
        for _ in range(count):
            self.now += SECOND // 10
            self._step += 1
            for host in self.hosts.values():
                if self._step % 10 == 0 or host.is_due:
                    host.announce(self.now)
                host.pulse(self.now)
                host.publish()
                host.tick(self.now)
            self._deliver()

    def _deliver(self) -> None:
        while self._queue:
            sender, subject, message, reply = self._queue.pop(
                self.random.randrange(min(len(self._queue), self.shuffled))
            )
            for name, host in self.hosts.items():
                wanted = any(fnmatchcase(subject, each) for each in (*host.subjects, *host.tapes))
                if not wanted or (sender, name) in self.cut or self.random.random() < self.fault:
                    continue
                for _ in range(1 + (self.random.random() < self.fault)):
                    host.received(subject, message, reply, self.now)

    def copied(self, by: str, of: str) -> Path:
        return hosts_of(self.folder / by) / of / JOURNAL

    def until_equal(self, by: str, of: str, steps: int = 300) -> None:
        last = JournalReader(self.folder / of / JOURNAL).last_sequence
        for _ in range(steps):
            self.step()
            if self.copied(by, of).is_dir() and JournalReader(self.copied(by, of)).last_sequence == last:
                break
        self.step(20)  # the end of a segment has no sequence
        ours, theirs = JournalReader(self.copied(by, of)), JournalReader(self.folder / of / JOURNAL)
        count = 0
        while (frame := theirs.next_frame()) is not None:
            assert ours.next_frame() == frame
            count += 1
        assert count and ours.next_frame() is None  # the chain was checked by the copy itself


@pytest.mark.parametrize("seed", range(20))
def test_copies_become_equal_whatever_the_bus_does(tmp_path, seed):
    world = World(tmp_path, seed, fault=0.05 * (seed % 8), shuffled=1 + seed % 5)
    world.host("tokyo-1")
    world.host("osaka", "tokyo-*/journal/gateway-*")
    world.host("kyoto", "tokyo-1/*")
    writer = world.writer("tokyo-1")
    for step in range(120):
        world.write(writer, world.random.randrange(30))
        if world.random.random() < 0.05:  # the gateway dies, or a copying process does
            writer = None
            writer = world.writer("tokyo-1")
        if world.random.random() < 0.05:
            world.host("osaka", "tokyo-*/journal/gateway-*")
        if step % 40 == 10:
            world.cut = {("tokyo-1", "kyoto")} if seed % 2 else {("kyoto", "tokyo-1")}
        if step % 40 == 30:
            world.cut = set()
        world.step()
    world.cut, world.fault = set(), 0.0
    for name in ("osaka", "kyoto"):
        world.until_equal(name, "tokyo-1")
    writer.close()


@pytest.mark.parametrize(
    "journal", ["../../../out", "journal/../../../out", "/out", "", ".", "journal//gateway-main", "journal/a\0b"]
)
def test_a_journal_that_leads_out_of_its_hosts_folder_is_refused(tmp_path, journal):
    world = World(tmp_path, 1)
    mirror = world.host("b", "a/*")
    state = HostState("a", "1", world.now, {journal: JournalState("00" * 16)}, [], [], False, [])
    with pytest.raises(BadInput, match="no path below a home"):
        mirror.received("onetape.host.a", msgspec.json.encode(state), "", world.now)
    assert not mirror.copies and not hosts_of(tmp_path / "b").exists()


def test_a_host_that_speaks_for_another_one_is_refused(tmp_path):
    world = World(tmp_path, 1)
    mirror = world.host("b", "a/*")
    for subject, message in (
        ("onetape.host.c", HostState("a", "1", world.now, {}, [], [], False, [])),
        ("onetape.host.c", HostThere("a", world.now, [])),
        ("onetape.pulse.c", Pulse("a", {}, "{}")),
    ):
        with pytest.raises(BadInput, match="c sends what is of 'a'"):
            mirror.received(subject, msgspec.json.encode(message), "", world.now)
    assert not mirror.hosts


def test_a_host_that_comes_late_has_all_frames_and_one_that_retention_has_passed_those_that_are_left(tmp_path):
    world = World(tmp_path, 1)
    world.host("a")
    writer = world.writer("a")
    world.write(writer, 3000)
    world.host("b", "a/*")
    world.until_equal("b", "a")
    world.cut = {("a", "b")}
    world.write(writer, 3000)
    prune(tmp_path / "a" / JOURNAL, size=200_000)
    world.step(20)
    world.cut = set()
    world.step(60)
    copies = sorted(each.name for each in world.copied("b", "a").parent.iterdir())
    assert copies == ["gateway-main", "gateway-main.old-1"]  # what was copied before is kept
    assert verify(world.copied("b", "a")).last_seq == writer.published
    world.host("c", "a/*")
    world.step(60)
    assert verify(world.copied("c", "a")).first_seq > 1 and not any(
        each.missing for each in world.hosts["c"].copies.values()
    )
    writer.close()


def test_a_journal_that_takes_anothers_place_is_copied_anew(tmp_path):
    world = World(tmp_path, 2)
    world.host("a")
    world.host("b", "a/*")
    with world.writer("a") as writer:
        world.write(writer, 50)
        world.until_equal("b", "a")
    shutil.rmtree(tmp_path / "a" / JOURNAL)
    with world.writer("a") as writer:
        world.write(writer, 20)
        world.step(20)
        world.until_equal("b", "a")
    assert JournalReader(world.copied("b", "a").with_name("gateway-main.old-1")).last_sequence == 50


def test_a_journal_that_is_found_before_its_first_segment_is_there_is_copied(tmp_path):
    world = World(tmp_path, 5)
    world.host("a")
    world.host("b", "a/*")
    with world.writer("a") as writer:
        segment = tmp_path / "a" / JOURNAL / "0000000001.tape"
        segment.rename(tmp_path / segment.name)
        assert JournalReader(segment.parent).uuid == writer.uuid
        world.step(12)  # announced
        (tmp_path / segment.name).rename(segment)
        world.write(writer, 50)
        world.until_equal("b", "a")


def test_a_reader_of_a_copy_sees_whether_the_writer_lives(tmp_path):
    world = World(tmp_path, 3)
    world.host("a")
    world.host("b", "a/*")
    writer = world.writer("a", heartbeat=True)
    world.write(writer, 5)
    world.until_equal("b", "a")
    copied = JournalReader(world.copied("b", "a"))
    age = abs(copied.control["heartbeat"] - world.now)
    assert age < 365 * 86400 * SECOND and copied.writer_alive  # by the clock of the host that copies
    writer.progress(3)
    world.step(10)
    assert copied.control["progress"] == 3 and not copied.control["closed"]
    writer.close()
    world.step(20)
    assert copied.control["closed"]


def test_readers_see_one_of_two_hubs_and_the_other_once_it_has_been_away_for_a_while(tmp_path):
    world = World(tmp_path, 6)
    world.host("a"), world.host("b")
    shared = {"hub": ["a", "b"]}
    world.host("c", "*/journal/hub", shared=shared)
    hubs = {host: world.writer(host, "journal/hub", heartbeat=True) for host in "ab"}

    def shown() -> str:
        world.step(20)
        return (tmp_path / "c" / "journal" / "hub").resolve().parts[-3]

    for writer in hubs.values():
        world.write(writer, 5)
    assert shown() == "a"
    hubs.pop("a").close()
    assert shown() == "a"  # it restarts
    hubs["a"] = world.writer("a", "journal/hub", heartbeat=True)
    assert shown() == "a"
    hubs.pop("a").close()
    assert [shown() for _ in range(4)][-1] == "b"
    hubs["a"] = world.writer("a", "journal/hub", heartbeat=True)
    assert shown() == "b"  # no reader changes without need, also after a restart of the process that copies
    world.host("c", "*/journal/hub", shared=shared)
    assert shown() == "b"
    for writer in hubs.values():
        writer.close()


def test_nothing_is_sent_of_journals_that_nobody_follows(tmp_path):
    world = World(tmp_path, 4)
    host = world.host("a")
    world.host("b", "a/journal/hub")
    with world.writer("a") as writer:
        world.write(writer, 50)
        world.step(30)
        assert host.sources.keys() == {JOURNAL} and not host.followed
    assert not hosts_of(tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("message", "words"), [(b"short", "shorter than its head"), (b"\x09" * 60, "blocks of version")]
)
def test_a_message_that_is_no_block_is_named(message, words):
    with pytest.raises(BadInput, match=words):
        decode_block(message)


def test_blocks_and_names_survive_their_way():
    block = decode_block(encode_block(bytes(range(16)), 3, 4096, 77, b"frames"))
    assert (block.segment, block.offset, block.last_sequence) == (3, 4096, 77)
    assert block.message[block.start :] == b"frames"
    assert token("runs/2026.1 a*>/journal") == "runs%2F2026%2E1%20a%2A%3E%2Fjournal"
