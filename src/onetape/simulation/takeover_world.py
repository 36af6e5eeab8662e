"""A gateway with a standby on another host: it dies, or is cut off from its servers and goes on trading for a while;
the other host continues with its copy, which ends before the last frames. What the dead one did after the copy's end is
found at the venue: no order is doubled, no fill lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from onetape import _core
from onetape.cluster.blocks import decode_block, encode_block
from onetape.cluster.copy import JournalCopy
from onetape.cluster.source import JournalSource
from onetape.model.enums import OrderState
from onetape.model.home import gateway_journal
from onetape.options.cluster import LEASE_SENDS, LEASE_TAKEN
from onetape.orders.books import OPENING
from onetape.orders.managed import AccountOut, FillOut, IntentOut, NewsOut, Out
from onetape.simulation.gateway_life import Died, Home, Life
from onetape.simulation.invariants import ENDS
from onetape.simulation.robots import SimRobot
from onetape.simulation.world import SECOND, World
from onetape.tape.journal import JournalReader

STARTS_MAX = 3 * SECOND  # until the new gateway runs
LOST_MAX = 200  # frames that the copy lacks


@dataclass
class TakeoverWorld(World):
    """Each death of its gateway ends on another host."""

    crash_every: int = 40
    # Last frame of the journal, what it is, the order's state in news and fills, and whether the ledger had begun.
    history: list[tuple[int, Out, OrderState | None, bool]] = field(default_factory=list)
    is_cut_off: bool = False  # the copy gets no more frames
    copied_to: int = 0  # the copy's last frame, then

    def run(self, seconds: float) -> World:
        self.at(self.now + int(self.random.expovariate(1 / self.crash_every) * SECOND), self.cut_off)
        return super().run(seconds)

    def crash(self, every: int) -> None:
        if self.money_invariants.sums or self.stopping:
            super().crash(every)
        else:  # what a ledger opens with, the invariants take from its first life
            self.at(self.now + SECOND, self.crash, every)

    def cut_off(self) -> None:
        """The lease cannot be renewed: the gateway opens nothing after a while, and then ends."""
        self.at(self.now + int(self.random.expovariate(1 / self.crash_every) * SECOND), self.cut_off)
        if self.stopping or self.is_dead or self.is_cut_off or not self.money_invariants.sums:
            return
        self.seen["cut off"] += 1
        self.is_cut_off, self.copied_to = True, self.life.writer.published
        self.at(self.now + LEASE_SENDS, self.end_of_lease, self.life)

    def end_of_lease(self, life: Life) -> None:
        if life is self.life and not self.is_dead:
            raise Died

    def out(self, out: Out) -> None:
        of = out if isinstance(out, NewsOut) else out.order if isinstance(out, FillOut) else None
        state = of.state if of is not None else None
        self.history.append((self.life.writer.published, out, state, bool(self.money_invariants.sums)))
        super().out(out)

    def rise(self) -> None:
        """By the lease the next one begins a second after the last request that this one may send, or later."""
        self.life.end()
        self.is_dead = True
        wait = self.random.uniform(LEASE_TAKEN - LEASE_SENDS, LEASE_TAKEN + STARTS_MAX)
        self.at(self.now + int(wait), self.take_over)

    def take_over(self) -> None:
        self.seen["takeover"] += 1
        if not self.is_cut_off:
            self.copied_to = self._last() - self.random.choice((0, self.random.randrange(LOST_MAX)))
        self.is_cut_off = False
        self.copied_to = max(self.copied_to, next((at for at, *_, has_ledger in self.history if has_ledger), 0))
        home = Home()
        copy_until(gateway_journal(self.home.path, "main"), gateway_journal(home.path, "main"), self.copied_to)
        self.home = home
        self.owners.forget_after(self.copied_to)
        self.forget_after(self.copied_to)
        self.is_dead = False
        frames = self.random.randrange(6) if self.random.random() < 0.3 and not self.is_quiet else -1
        try:
            self.begin_gateway(home, frames=frames)
        except Died:
            self.seen["crash at a start"] += 1
            self.rise()
            return
        self.money_invariants.follow(home)
        for _, out, _, has_ledger in self.history:
            if has_ledger and isinstance(out, FillOut):
                self.money_invariants.out(out)
        self.state_invariants.follow(home)
        for robot in self.robots:  # they start anew
            robot.is_there = False
            self.at(self.now + int(self.random.uniform(0, 3) * SECOND), self.start_robot, robot)

    def start_robot(self, robot: SimRobot) -> None:
        if self.is_dead:
            self.at(self.now + SECOND, self.start_robot, robot)
        elif not robot.is_there:
            robot.begin_life()

    def _last(self) -> int:
        with JournalReader(gateway_journal(self.home.path, "main")) as reader:
            return reader.last_sequence

    def forget_after(self, sequence: int) -> None:
        """The invariants judge by what the copy has; what the dead gateway did after it is only known to have left."""
        of = self.invariants
        gone = [out for at, out, *_ in self.history if at > sequence]
        self.seen["frames lost"] += len(gone)
        self.history = [each for each in self.history if each[0] <= sequence]
        of.intents_lost |= {name for out in gone if isinstance(out, IntentOut) and (name := out.order.client_id)}
        of.booked.clear()
        of.sums.clear()
        of.ended.clear()
        of.unknown_to_robots.clear()
        for _, out, state, _ in self.history:
            match out:
                case FillOut():
                    of.booked.add(out.fill.key)
                    at = out.fill.symbol, out.fill.position_side
                    of.sums[at] = of.sums.get(at, 0) + out.fill.size * out.fill.side.sign
                    if out.order is not None and state is not OrderState.UNKNOWN:
                        of.unknown_to_robots.discard(out.order.client_id)
                case AccountOut() if out.source == OPENING and out.side is not None:
                    of.sums[out.name, out.side] = out.amount
                case NewsOut() if not out.order.is_met:  # else it is met anew
                    name = out.order.client_id
                    (of.unknown_to_robots.add if state is OrderState.UNKNOWN else of.unknown_to_robots.discard)(name)
                    if state is not None and state.is_final and out.news.value in ENDS:
                        of.ended.add(name)
        self.outs = [out for _, out, *_ in self.history]

    def be_quiet(self) -> None:
        self.stopping = True
        while self.is_dead:
            self.until(self.now + SECOND)
        self.is_cut_off = False
        super().be_quiet()


def copy_until(journal: Path, to: Path, sequence: int) -> None:
    """Copies a journal as the other host does, up to a frame."""
    source, copy = JournalSource(journal), JournalCopy(to, "journal/gateway-main", durable=False)
    to.parent.mkdir(parents=True, exist_ok=True)
    copy.announced(source.state(0), 0)
    reader = JournalReader(journal)
    while (block := _core.next_block(reader.core, 1)) is not None and block[2] <= sequence:
        copy.block(decode_block(encode_block(reader.uuid.bytes, *block)), 0)
    copy.close()
    reader.close()
    source.close()
