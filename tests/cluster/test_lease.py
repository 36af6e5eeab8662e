"""A lease over a store that answers late, or not at all, with hosts that freeze, end, and whose clocks differ: at most
one host may send to the venue at any time, and one does once the faults are over."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from long_form import examples
from onetape.cluster.lease import Lease, LeaseRecord, LeaseWrite
from onetape.gateway.host_lease import Term
from onetape.options.cluster import LEASE_HELD, LEASE_TAKEN

MS = 10**6
SECOND = 1000 * MS
STEP = 50 * MS
LATE_MAX = 3000  # ms until a message arrives


@dataclass
class Process:
    """What runs under the lease, as the gateway does. Times of its host's clock."""

    floor: int
    term: Term = field(default_factory=Term)
    requested: int = 0

    def may_send(self, now: int) -> bool:
        return bool(self.term.token) and not self.term.late(now)


@dataclass
class Host:
    name: str
    rate: float  # of its clock
    offset: int
    lease: Lease
    process: Process | None = None
    frozen_until: int = 0
    cut_until: int = 0  # nothing reaches the store, or comes from it
    read_at: int = 0
    busy_until: int = 0  # a request is under way,
    request: int = 0  # its number
    epoch: int = 0  # of the newest journal that it has
    inbox: list[tuple[int, int, str, object]] = field(default_factory=list)

    def clock(self, now: int) -> int:
        return int(now * self.rate) + self.offset


class World:
    def __init__(self, seed: int, *, faults: bool = True) -> None:
        self.random, self.faults = random.Random(seed), faults
        self.now = 0
        self.record: LeaseRecord | None = None
        self.revision = 0
        self.arriving: list[tuple[int, int, Host, str, LeaseWrite | None]] = []
        self.hosts = [self.host(name) for name in ("a", "b", "c")[: self.random.choice((2, 2, 3))]]
        self.changes = 0
        self.ran: set[str] = set()

    def host(self, name: str) -> Host:
        rate = 1 + self.random.uniform(-0.08, 0.08) * self.faults
        offset = self.random.randrange(10**15)
        made = Host(name, rate, offset, Lease(name, is_first=name == "a", now=int(self.now * rate) + offset))
        made.lease.can_take = True
        return made

    # --- the store --------------------------------------------------------------------------------

    def delay(self) -> int:
        most = LATE_MAX if self.faults and self.random.random() < 0.1 else 20
        return self.now + self.random.randrange(1, most) * MS

    def is_lost(self, host: Host) -> bool:
        return self.now < host.cut_until or (self.faults and self.random.random() < 0.05)

    def arrive(self) -> None:
        due = [each for each in self.arriving if each[0] <= self.now]
        self.arriving = [each for each in self.arriving if each[0] > self.now]
        self.random.shuffle(due)
        for _, number, host, what, write in due:
            if what == "read":
                answer: object = (self.record, self.revision)
            elif write is not None and write.revision == self.revision:
                self.revision += self.random.randrange(1, 9)  # other subjects count, too
                if self.record is None or write.record.host != self.record.host:
                    self.changes += 1
                assert self.record is None or write.record.token >= self.record.token, "a token went back"
                self.record, answer = write.record, self.revision
            else:
                answer = 0
            if not self.is_lost(host):
                host.inbox.append((self.delay(), number, what, answer))

    def ask(self, host: Host, what: str, write: LeaseWrite | None = None) -> None:
        host.busy_until = host.clock(self.now) + SECOND
        host.request += 1
        if not self.is_lost(host):
            self.arriving.append((self.delay(), host.request, host, what, write))

    # --- one host ---------------------------------------------------------------------------------

    def turn(self, host: Host) -> None:
        now, lease = host.clock(self.now), host.lease
        for each in [each for each in host.inbox if each[0] <= self.now]:
            host.inbox.remove(each)
            _, number, what, answer = each
            if number != host.request or now > host.busy_until:
                continue  # the request had timed out
            host.busy_until = 0
            if what == "read":
                record, revision = answer
                lease.seen(record, revision, now)
            elif answer:
                lease.written(answer, now)
            else:
                lease.refused()
                self.ask(host, "read")
        if now >= host.busy_until:
            if (write := lease.tick(now)) is not None:
                self.ask(host, "write", write)
            elif lease.holder != host.name and now - host.read_at > SECOND // 2:
                host.read_at = now
                self.ask(host, "read")
        self.run(host, now)

    def run(self, host: Host, now: int) -> None:
        process = host.process
        if process is None:
            if host.lease.holder == host.name and not host.lease.goes_to:
                host.process = Process(floor=max(each.epoch for each in self.hosts))
            return
        term = process.term
        if term.token and (not process.may_send(now) or host.lease.goes_to):
            host.process = None  # it ends itself, or was stopped
            if host.lease.goes_to:
                host.lease.ended()
            return
        if now - process.requested >= SECOND // 4:
            process.requested, is_new = now, not term.token
            token, until = host.lease.requested(now, term.token - 1 if term.token else process.floor)
            if not term.answered(token, max(0, until - now) // MS * MS, now):
                host.process = None
            elif is_new and term.token:
                assert term.token > process.floor
                host.epoch = term.token

    # --- time -------------------------------------------------------------------------------------

    def harm(self) -> None:
        host = self.random.choice(self.hosts)
        match self.random.randrange(6):
            case 0:
                host.frozen_until = self.now + self.random.randrange(12) * SECOND
            case 1:
                host.cut_until = self.now + self.random.randrange(15) * SECOND
            case 2:
                host.process = None
            case 3:  # its process `cluster` begins anew
                host.busy_until = 0
                host.request += 1
                host.lease = Lease(host.name, is_first=host.name == "a", now=host.clock(self.now))
                host.lease.can_take = True
            case 4:  # the whole host does
                host.process = None
                host.busy_until = 0
                host.request += 1
                host.lease = Lease(host.name, is_first=host.name == "a", now=host.clock(self.now))
                host.lease.can_take = True
                host.frozen_until = self.now + self.random.randrange(30) * SECOND
            case 5 if host.lease.holder == host.name:
                host.lease.move(self.random.choice(self.hosts).name)

    def play(self, seconds: int, *, harm: float = 0.0) -> None:
        for _ in range(seconds * SECOND // STEP):
            self.now += STEP
            if self.random.random() < harm:
                self.harm()
            self.arrive()
            for host in self.hosts:
                if self.now >= host.frozen_until:
                    self.turn(host)
            sending = [
                host.name
                for host in self.hosts
                if host.process is not None and host.process.may_send(host.clock(self.now))
            ]
            assert len(sending) <= 1, f"{sending} send at the same time"
            self.ran.update(sending)


@pytest.mark.parametrize("seed", range(examples(60)))
def test_no_two_hosts_ever_send_and_one_does_in_the_end(seed):
    world = World(seed)
    world.play(90, harm=0.02)
    world.faults = False
    for host in world.hosts:
        host.frozen_until, host.cut_until = min(host.frozen_until, world.now + 5 * SECOND), 0
    world.play(60)
    assert [host.name for host in world.hosts if host.process and host.process.may_send(host.clock(world.now))]


def test_the_world_changes_hands_often_enough_to_prove_anything():
    worlds = [World(seed) for seed in range(20)]
    for world in worlds:
        world.play(90, harm=0.02)
    assert sum(world.changes for world in worlds) > 60
    assert set.union(*(world.ran for world in worlds)) == {"a", "b", "c"}


def test_a_lease_belongs_first_to_the_host_of_the_process_and_stays_there():
    world = World(1, faults=False)
    world.play(30)
    assert world.record is not None and world.record.host == "a" and world.changes == 1


def test_a_host_that_is_gone_is_followed_within_ten_seconds():
    world = World(1, faults=False)
    world.play(10)
    gone = world.hosts[0]
    gone.frozen_until, gone.process = world.now + 1000 * SECOND, None
    world.play(LEASE_TAKEN // SECOND + 2)
    assert world.hosts[1].process is not None and world.hosts[1].process.term.token == 2


def test_a_planned_move_needs_no_waiting():
    world = World(1, faults=False)
    world.play(10)
    world.hosts[0].lease.move("b")
    world.play(LEASE_TAKEN // SECOND - 1)
    assert world.hosts[0].process is None
    assert world.hosts[1].process is not None and world.hosts[1].process.may_send(world.hosts[1].clock(world.now))


def test_a_process_that_does_not_come_back_leaves_its_host():
    world = World(1, faults=False)
    world.play(10)
    world.hosts[0].process = None
    world.hosts[0].lease.can_take = False
    before, world.run = world.run, lambda host, now: before(host, now) if host.name != "a" else None  # type: ignore[method-assign]
    world.play(20)
    assert world.record is not None and world.record.host == "b"


def test_a_store_that_lost_its_records_is_believed():
    world = World(1, faults=False)
    world.play(10)
    world.record, world.revision = None, 0
    world.play(20)
    assert world.record is not None and world.record.host == "a" and world.record.token > 1


def test_a_renewal_counts_from_when_it_was_sent():
    lease = Lease("a", is_first=True, now=SECOND)
    lease.can_take = True
    lease.seen(None, 0, SECOND)
    assert lease.tick(10 * SECOND) is not None
    lease.written(7, 11 * SECOND)
    assert lease.requested(11 * SECOND, 0) == (1, 10 * SECOND + LEASE_HELD)


def test_a_token_is_above_all_that_were_seen_and_above_the_journal():
    lease = Lease("b", is_first=False, now=0)
    lease.can_take = True
    lease.seen(LeaseRecord("a", 5), 9, SECOND)
    assert lease.tick(LEASE_TAKEN) is None
    write = lease.tick(SECOND + LEASE_TAKEN + 1)
    assert write is not None and (write.record.host, write.record.token, write.revision) == ("b", 6, 9)
    lease.written(12, SECOND + LEASE_TAKEN + 2)
    assert lease.requested(8 * SECOND, 20) == (0, 0)  # the journal's last writer had 20
    write = lease.tick(8 * SECOND + 1)
    assert write is not None and write.record.token == 21


def test_a_host_that_lost_its_lease_says_so_even_if_its_name_is_back():
    lease = Lease("a", is_first=True, now=0)
    lease.can_take = True
    lease.seen(None, 0, 0)
    assert lease.tick(SECOND) is not None
    lease.written(1, SECOND)
    lease.seen(LeaseRecord("a", 3), 4, 2 * SECOND)  # another incarnation of this host's process has it
    assert lease.requested(2 * SECOND, 0) == (0, 0)


def test_another_host_waits_when_the_store_has_lost_its_record():
    lease = Lease("b", is_first=False, now=0)
    lease.can_take = True
    lease.seen(LeaseRecord("a", 5), 9, 100 * SECOND)
    lease.seen(None, 0, 101 * SECOND)
    assert lease.tick(102 * SECOND) is None  # a may still trade
    write = lease.tick(101 * SECOND + LEASE_TAKEN + 1)
    assert write is not None and write.record.token == 6


def test_a_term_ends_with_its_last_good_answer_and_with_a_later_start():
    term = Term()
    assert term.answered(5, 4 * SECOND, 10 * SECOND) and term.until == 14 * SECOND
    assert term.answered(0, 0, 12 * SECOND) and term.answered(5, 0, 13 * SECOND) and term.until == 14 * SECOND
    assert not term.late(15 * SECOND) and term.late(15 * SECOND + 1) == 1
    assert not term.answered(6, 4 * SECOND, 13 * SECOND)
