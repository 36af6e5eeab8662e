"""A guardian's world whose gateway dies before any frame and stays dead for a while, seconds or minutes: the guardian
acts past it, with its own key at the simulated venue, whose answers are lost, late and refusals as the gateway's are.
It is killed meanwhile itself, and the gateway comes back at any moment.

What is promised beside what both promise: never both act, no order leaves that the guardian's journal does not have,
and what closings may take off is no more than what was there.
"""

from __future__ import annotations

import random
import types
from collections import Counter, deque
from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final

from onetape.guardian.events import Record
from onetape.guardian.guardian import LEASE_NS
from onetape.guardian.past_gateway import NUMBERS, ORDER, PLACING, OrderNumbers, PastGateway
from onetape.guardian.takeover import Takeover
from onetape.guardian.venue_reader import FRESH
from onetape.ipc.fence import Fence
from onetape.model.enums import OrderState, PositionSide, RequestKind, Side
from onetape.model.ids import is_past_gateway, robot_tag
from onetape.model.sections import GUARDIAN
from onetape.orders.calls import Call, Purpose
from onetape.orders.managed import IntentOut, Out
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import PositionReport
from onetape.simulation.faults import SPEECHLESS
from onetape.simulation.gateway_life import Died
from onetape.simulation.guardian_world import ACCOUNT, GuardianLife, GuardianWorld
from onetape.simulation.invariants import check, is_handed_over
from onetape.simulation.world import CALL_TIMEOUT, MS, SECOND
from onetape.venues.client_ids import client_id_of

ENDS: Final = frozenset(str(each) for each in OrderState if each.is_final)
CLOSED_WITHIN: Final = 10 * SECOND
LATE: Final = 90 * SECOND  # a comparison each minute
WRITES: Final = frozenset({Purpose.PLACE, Purpose.CANCEL})
LEASE_EVERY: Final = SECOND
FENCE_EVERY: Final = 50 * MS


class PastLife(GuardianLife):
    """It is the line of its own orders, too: what the guardian's process awaits comes from the world's network."""

    world: PastWorld

    def __init__(self, world: PastWorld) -> None:
        super().__init__(world)
        self.waiting: dict[int, tuple[Coroutine[Any, Any, None], Call]] = {}
        self.count = 0
        self.epoch, self.renewed_at = world.now, 0
        reader: Any = types.SimpleNamespace(
            line=self,
            protocol=self.protocol,
            clock=types.SimpleNamespace(now=lambda: world.now),
            steady=lambda: world.now,
        )
        past = PastGateway(
            ACCOUNT,
            world.home.path,
            reader,
            self.core,
            self.follower,
            say=self.write_down,
            spawn=partial(self._go_on, value=None),
            ids=OrderNumbers(self.kept.numbers.get(ACCOUNT, 0), self._reserve),
        )
        self.past = past
        placed = self.kept.placed.get(ACCOUNT, {})
        self.takeover = Takeover(
            ACCOUNT,
            past,
            self.core,
            after=world.takeover_after,
            placed=placed,
            say=self.write_down,
            steady=lambda: world.now,
        )

    def beat(self) -> None:
        super().beat()
        if self.world.now >= self.renewed_at + LEASE_EVERY:
            self.renewed_at = self.world.now
            until = self.world.now + LEASE_NS
            self.world.at(self.world.now + self.world.way(), self._renew, until)

    def _renew(self, until: int) -> None:
        world = self.world
        if not world.is_dead and world.now < until:
            world.lease_until = max(world.lease_until, until)
            world.command(f"lease {until}", "guardian_lease", {"until_ns": until, "epoch": self.epoch})

    def end(self) -> None:
        super().end()
        for work, _ in self.waiting.values():
            work.close()

    def _reserve(self, until: int) -> None:
        self.write_down(Record(NUMBERS, ACCOUNT, f"until {until}", {"account": ACCOUNT, "until": until}))

    # --- its line ---------------------------------------------------------------------------------

    @types.coroutine
    def answer(self, call: Call) -> Generator[Call, Answer, Answer]:
        return (yield call)

    def _go_on(self, work: Coroutine[Any, Any, None], value: Answer | None) -> None:
        try:
            call = work.send(value)
        except StopIteration:
            return
        world = self.world
        world.past_call(self, call)
        self.count += 1
        self.waiting[self.count] = work, call
        world.at(world.now + CALL_TIMEOUT, self._lost, self.count)
        if world.chance("lose_request"):
            if world.random.random() < 0.5:  # the connection is gone, and yet it arrives
                world.at(world.now + int(world.random.uniform(1, 5) * SECOND), world.http, call)
                world.seen["late_request"] += 1
            return
        world.at(world.now + world.way(), self._reach, self.count, call)

    def _reach(self, number: int, call: Call) -> None:
        """At the venue, though the one who has sent it may be dead."""
        world = self.world
        is_done = not world.chance("error_answer")
        status, body = SPEECHLESS[world.kind]
        headers: dict[str, str] = {}
        if is_done or world.random.random() < 0.5:
            if call.purpose in WRITES and world.guardian is self and number in self.waiting:
                check(world.is_dead, f"{call.purpose} of the guardian arrives beside a gateway")
            reply = world.http(call)
            if is_done:
                status, headers, body = reply.status, reply.headers, reply.body
        if not world.chance("lose_answer"):
            received = {name.lower(): value for name, value in headers.items()}
            world.at(world.now + world.way(), self._reply, number, status, received, body)

    def _reply(self, number: int, status: int, headers: dict[str, str], body: bytes) -> None:
        if number in self.waiting:
            call = self.waiting[number][1]
            self._resume_work(number, self.protocol.answer(call, status, headers, body, self.world.now))

    def _lost(self, number: int) -> None:
        if number in self.waiting:
            self._resume_work(number, Answer(Outcome.AMBIGUOUS, text="TimeoutError"))

    def _resume_work(self, number: int, answer: Answer) -> None:
        work, call = self.waiting.pop(number)
        if self.world.guardian is self:
            if call.purpose is Purpose.PLACE:
                self.world.invariants.answer(call, answer.outcome)
            self._go_on(work, answer)
            self._effect()


class Closings:
    """What the guardian has closed at the market past a dead gateway, of each position and side."""

    def __init__(self, world: PastWorld) -> None:
        self.world = world
        self.sent: dict[tuple[str, PositionSide, Side], list[tuple[int, str, int]]] = {}
        self.filled: Counter[str] = Counter()  # by client id
        self.ended: set[str] = set()  # by the guardian's journal
        self.trades = 0
        self.believed: dict[tuple[str, PositionSide], int] = {}  # as a gateway died, by the guardian
        self.could: dict[tuple[str, PositionSide, Side], deque[tuple[int, int]]] = {}  # be taken off, and what was

    def count_trades(self) -> None:
        """The exchange's trades and positions."""
        world = self.world
        new = len(world.account.trades) - self.trades
        for trade in islice(reversed(world.account.trades), new):
            self.filled[client_id_of(trade.order.client_id)] += trade.fill.size
        self.trades += new
        for at, symbol in enumerate(world.symbols):
            for position_side in world.account.sides:
                held = int(world.account.qty(at, position_side))
                for side in Side:
                    of, left = (symbol, position_side, side), max(-held * side.sign, 0)
                    log, sent = self.could.setdefault(of, deque()), self.sent.setdefault(of, [])
                    if not left:  # what comes late takes nothing off
                        sent.clear()
                    log.append((world.now, left + sum(self.filled[name] for _, name, _ in sent)))
                    while log[0][0] < world.now - CLOSED_WITHIN:
                        log.popleft()

    def leaves(self, call: Call) -> None:
        assert call.subject is not None
        self.count_trades()
        name, now = call.subject.client_id, self.world.now
        symbol, side, position_side, size, trigger = self.world.invariants.intents_past[name]
        if trigger:
            return
        of = symbol, position_side, side
        sent = self.sent[of]
        sent.append((now, name, size))
        rows = [(at, self.filled[each] if each in self.ended else most) for at, each, most in sent]
        claimed = sum(
            self.filled[each] if at < now - CLOSED_WITHIN else most
            for (at, most), (_, each, _) in zip(rows, sent, strict=True)
        )
        could = max(each for _, each in self.could[of])
        # The gateway may have died before it heard of fills: what it had is tried to be closed, once.
        believed = max(-self.believed.get((symbol, position_side), 0) * side.sign, 0)
        since = sum(most for at, most in rows if at >= self.world.died_at)
        is_right = claimed <= could or since <= believed
        check(is_right, f"{name} closes {size}: with others {claimed} of {could}, {since} of {believed}")


@dataclass
class PastWorld(GuardianWorld):
    crash_every: int = 40
    is_guarded: bool = True
    guardian_away: float = 9  # longer than its lease
    lease_until: int = 0  # the last that a guardian has wished
    away: tuple[tuple[float, float], ...] = ((0.2, 3), (3, 30), (3, 30), (30, 150))  # seconds, of a gateway that died

    def __post_init__(self) -> None:
        chance = random.Random(self.seed * 17 + 3)
        self.takeover_after = int(chance.uniform(1, 5) * SECOND)
        self.has_hub = chance.random() < 0.5  # whose market the guardian has without a gateway, too
        self.died_at = 0
        self.late: dict[tuple[str, PositionSide, str], int] = {}  # since when
        super().__post_init__()
        self.fence = Fence(self.home.path, ACCOUNT, holder="gateway")  # of one that begins
        self.invariants.tags = (*self.invariants.tags, f"T{robot_tag(GUARDIAN)}X")
        self.closings = Closings(self)

    # --- lives ------------------------------------------------------------------------------------

    def new_guardian(self) -> PastLife:
        return PastLife(self)

    @property
    def heartbeat(self) -> int:
        return self.died_at if self.is_dead else self.now

    def quoted(self) -> list[str]:
        return self.symbols if self.has_hub or not self.is_dead else []

    def marked(self, rows: list[Any]) -> list[Any]:
        """Positions, with the mark prices of the market where they have none."""
        if self.venue.marks is None or not any(getattr(row, "qty", 0) for row in rows):
            return rows
        body = self.http(self.venue.marks.call).body
        marks = self.venue.marks.read(body, self.now - FRESH)
        return [row._replace(mark=marks.get(row.symbol)) if isinstance(row, PositionReport) else row for row in rows]

    def rise(self) -> None:
        self.life.end()
        self._stay_dead(self.random.choice(self.away))

    def _stay_dead(self, seconds: tuple[float, float]) -> None:
        self.is_dead, self.died_at, self.began = True, self.now, self.now
        self.at(self.now + int(self.random.uniform(*seconds) * SECOND), self._come)
        if self.guardian is not None and self.crashes and not self.is_quiet and self.random.random() < 0.3:
            self.guardian.writer.left = self.random.randrange(40)

    def _come(self) -> None:
        """It waits for the fence, and has it while it reads what was."""
        if self.fence.take():
            self.at(self.now + int(self.random.uniform(0, 1.5) * SECOND), self._enter)
        else:
            self.seen["waits for the fence"] += 1
            self.at(self.now + FENCE_EVERY, self._come)

    def _enter(self) -> None:
        self.fence.release()
        is_mortal = self.crashes and not self.is_quiet and self.random.random() < 0.3
        frames = self.random.randrange(6) if is_mortal else -1
        self.is_dead = False
        try:
            self.begin_gateway(self.home, frames=frames)
        except Died:
            self.seen["crash at a start"] += 1
            self.life.end()
            self._stay_dead((0.1, 3))

    def be_quiet(self) -> None:
        self.stopping = True
        while self.is_dead:
            self.until(self.now + SECOND)
        super().be_quiet()

    # --- what is promised -------------------------------------------------------------------------

    def said(self, record: Record) -> None:
        super().said(record)
        if record.kind == "gateway" and record.state.startswith("dead"):
            self.closings.believed = {(each.instrument.symbol, each.side): each.qty for each in self.guards()}
        if record.kind != ORDER:
            return
        if record.state == PLACING:
            self.invariants.intends_past(record.about)
        elif record.state in ENDS:
            self.closings.ended.add(record.about["order"])

    def out(self, out: Out) -> None:
        super().out(out)
        if isinstance(out, IntentOut) and out.kind is RequestKind.PLACE and self.now >= self.lease_until:
            order, spec = out.order, out.order.spec
            takes_off = self.gate.reduces(spec, order) or is_handed_over(order)
            takes_off = takes_off or self.invariants.worst(spec.symbol, spec.side, spec.position_side) <= 0
            check(takes_off or is_past_gateway(order.order_id), f"{order.client_id} is opened without a guardian")

    def past_call(self, life: PastLife, call: Call) -> None:
        """The guardian's own leaves."""
        self.seen[f"past: {call.purpose}"] += 1
        if call.purpose in WRITES:
            check(self.is_dead and life.past._fence.is_held, f"{call.purpose} of the guardian beside a gateway")
            self.invariants.call(call)
        if call.purpose is Purpose.PLACE:
            self.closings.leaves(call)

    def check_stops(self) -> None:
        if not self.is_dead and not self.reconciler.rounds:  # it takes stops over by its first look at the venue
            self.began = self.now
        super().check_stops()
        self.closings.count_trades()
        at_venue = {order.client_id for order in self.waiting()}
        found = set()
        for guard in self.guards():
            key = guard.instrument.symbol, guard.side
            if self.held(guard) and guard.flattening:
                found.add((*key, "is flattened"))
            rows = {name for name, row in guard.rows.items() if not row.has_fired}
            found |= {(*key, f"has {name}, which is not there") for name in rows - at_venue if not self.is_dead}
        self.late = {each: self.late.get(each, self.now) for each in found}
        for each, since in self.late.items():
            check(self.now - max(since, self.began) < LATE, f"{each} for {(self.now - since) / SECOND:.1f} s")

    def differences(self) -> list[str]:
        return super().differences() + [f"{key} at the end" for key in self.late if self.guardian is not None]
