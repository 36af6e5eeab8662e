"""Follows the journals of a gateway's robots; its core handles their requests."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.gateway.core import GatewayCore, Moment
from onetape.gateway.latency_spans import Spans
from onetape.gateway.robot_lag import RobotLag
from onetape.model.errors import BadInput, IoFailed, SchemaMismatch, TornTape
from onetape.model.home import robot_journal
from onetape.model.instrument import Instrument
from onetape.model.symbol import at_exchange
from onetape.orders.managed import TakenOut
from onetape.orders.order_frames import ended_key
from onetape.projections.robot_life import RobotLife
from onetape.tape.journal import JournalReader, type_id
from onetape.tape.wait import JournalWatch, Waiter

__all__ = ["Robots"]

TURN_FRAMES: Final = 64  # of one robot, before the next one's turn
COMING_S: Final = 30.0  # longest time from its attachment until a robot has a journal
UNREADABLE: Final = (BadInput, IoFailed, SchemaMismatch, TornTape)
_ORDER_REQUEST: Final = type_id("order_request")
_INSTRUMENT: Final = type_id("instrument")
_CYCLE: Final = type_id("cycle")
_PARAMS: Final = type_id("params")


class Robots:
    """Follows the journals of robots and passes on their requests.

    moment: returns the time, called at each event. wall: the machine's clock, ns UTC.
    lag: measures how far behind they are.
    decided: called for each request, after the orders are sent.
    may_lack_end: the gateway's tape may lack its end, so requests on robots' journals that the tape does not record as
    processed may have been sent.
    """

    def __init__(
        self,
        core: GatewayCore,
        *,
        loop: asyncio.AbstractEventLoop,
        moment: Callable[[], Moment],
        spans: Spans | None = None,
        lag: RobotLag | None = None,
        may_lack_end: bool = False,
        decided: Callable[[str], None] = lambda _symbol: None,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self._core = core
        self._home = Path(core.options.home)
        self._account = core.options.account
        self._tape = core.tape
        self._moment, self.wall = moment, wall
        self._spans = spans or Spans()
        self._lag = lag
        self._decided = decided
        self._followed: dict[int, tuple[RobotLife, JournalReader]] = {}
        self._coming: dict[int, float] = {}  # attached, when: their journals do not exist yet
        self._uncertain_until: dict[int, int] = {}  # by robot: up to this frame
        self._waiter = Waiter()
        self._loop = loop
        self._is_due = False  # another look is scheduled
        self._watch = JournalWatch(self._waiter, self._take_requests, loop)
        for life in self._tape.robots.values():
            if life.is_operator or not life.journal or not robot_journal(self._home, life.journal).is_dir():
                continue
            try:
                self._follow(life)
            except UNREADABLE as error:
                self._give_up(life, error)
                continue
            if may_lack_end:
                self._uncertain_until[life.number] = self._followed[life.number][1].last_sequence

    def close(self) -> None:
        self._watch.close()

    def attach(
        self, name: str, journal: str, now: int, *, slot: int, rate: int = 0, epoch: int = 0
    ) -> RobotLife | None:
        """Attaches a robot, as `OrderRequests.attach` does. Its journal does not exist yet."""
        former = next((r.number for r in self._tape.robots.values() if r.name == name), 0)
        if former in self._followed:
            self._take_all()  # all requests of its earlier incarnation
            self._leave(former)
        taken = _last_sequence(robot_journal(self._home, journal))
        reserved = self._core.parts.operators_to_come
        life = self._core.requests.attach(
            name, journal, now, taken=taken, slot=slot, rate=rate, reserved=reserved, epoch=epoch
        )
        if life is not None:
            self._uncertain_until.pop(life.number, None)
            self._coming[life.number] = time.monotonic()
        return life

    @property
    def count(self) -> int:
        """Returns the number of running and starting robots."""
        late = time.monotonic() - COMING_S
        there = sum(bool(reader.core.writer_alive) for _, reader in self._followed.values())
        return there + sum(since > late for since in self._coming.values())

    def runs(self, number: int) -> bool:
        """Tells whether the robot of that number is running or starting."""
        if number in self._followed:
            return bool(self._followed[number][1].core.writer_alive)
        return self._coming.get(number, 0) > time.monotonic() - COMING_S

    def follow(self, number: int, *, is_local: bool = False) -> None:
        """Follows the robot's journal: from now on its requests are processed. is_local: the robot is in this process
        and calls `look` after its requests, without waking this process."""
        self._coming.pop(number, None)
        self._core.requests.attached(self._tape.robots[number])
        self._follow(self._tape.robots[number], is_local=is_local)
        self._watch.look()

    def look(self) -> None:
        """Processes robots' requests, without waiting to be woken."""
        self._is_due = False
        if self._take_requests() and not self._is_due:  # after other pending work of the loop
            self._is_due = True
            self._loop.call_soon(self.look)

    def ended(self) -> list[int]:
        """Returns the robots whose processes are gone, and checks the lag of the others."""
        numbers = []
        for life, reader in self._followed.values():
            if reader.core.writer_alive:
                self._look_at_lag(life, reader)
            else:
                numbers.append(life.number)
        return numbers

    def _look_at_lag(self, life: RobotLife, reader: JournalReader) -> None:
        if self._lag is None or not life.leads:
            return
        now = self.wall()
        behind = self._lag.of_progress(reader.control.get("progress", 0), now)
        if behind and self._lag.began(life.number):
            self._tape.lag(life, "behind", behind, now)
        elif not behind and self._lag.ended(life.number):
            self._tape.lag(life, "caught up", 0, now)

    def _follow(self, life: RobotLife, *, is_local: bool = False) -> None:
        self._spans.follow(life.name)
        # From its beginning, where it names its instruments.
        reader = JournalReader(robot_journal(self._home, life.journal))
        life.uuid = _uuid_bytes(reader.core.uuid)
        self._followed[life.number] = (life, reader)
        if not is_local:
            self._waiter.add(reader)

    def _leave(self, number: int) -> None:
        """Stops following a journal and closes it."""
        _, reader = self._followed.pop(number)
        self._waiter.remove(reader)
        reader.close()

    def _take_all(self) -> None:
        while self._take_requests():
            pass

    def _take_requests(self) -> bool:
        """Processes a few requests of each robot, so that one busy robot does not delay the others; tells whether there
        may be more."""
        core, requests = self._core, self._core.requests
        now, has_more = 0, False
        decided = newest = 0  # when the first and the last of them were read
        # (ts_market_recv, ts_request_recv, symbol, robot)
        came: list[tuple[int, int, str, str]] = []
        for life, reader in list(self._followed.values()):
            first = last = frames = 0
            try:
                while frames < TURN_FRAMES and (raw := reader.next_raw()) is not None:
                    frames += 1
                    kind, _, sequence, received, stream, payload = raw
                    if kind == _INSTRUMENT:
                        life.symbols[stream] = Instrument.from_msgpack(payload).symbol
                    elif kind == _PARAMS:
                        life.sit(msgspec.msgpack.decode(payload), self._account)
                    elif kind == _ORDER_REQUEST and sequence > life.taken and life.trades(stream):
                        newest = taken = self.wall()  # some are written while the first is handled
                        if not decided:
                            decided, now = taken, self._begin(taken)
                        first, last = first or sequence, sequence
                        is_sent = sequence <= self._uncertain_until.get(life.number, 0)
                        symbol = at_exchange(life.symbols.get(stream, ""))
                        if not is_sent:  # else it was written while no gateway ran
                            came.append((received, taken, symbol, life.name))
                        behind = self._behind(life, received, taken)
                        requests.take_frame(
                            life,
                            payload,
                            symbol,
                            now,
                            wall=taken,
                            cause=received,
                            may_be_sent=is_sent,
                            behind_ns=behind,
                        )
                    elif kind == _CYCLE and sequence > life.taken:
                        if not decided:
                            decided = self.wall()
                            now = self._begin(decided)
                        first, last = first or sequence, sequence
                        requests.end_cycle(ended_key(payload), life.slot, life.number)
            except UNREADABLE as error:
                self._give_up(life, error)
            has_more = has_more or frames == TURN_FRAMES
            if last:
                # The time when they arrived, not when they were handled.
                requests.taken(TakenOut(life.number, first, last, decided))
        if decided or core.has_effects:
            if newest != decided:
                core.stamp(self._moment())  # later requests arrived: no intent is older than its request
            core.end_requests()
        self._spans.decided_at = 0
        for received, taken, symbol, name in came:  # counted after the orders are sent
            self._spans.decided(received, taken, name)
            self._decided(symbol)
        return has_more

    def _begin(self, decided: int) -> int:
        """Begins a round at the time of its first request; returns the venue's time."""
        self._spans.decided_at = decided
        return self._core.stamp(self._moment())

    def _give_up(self, life: RobotLife, error: Exception) -> None:
        if life.number in self._followed:
            self._leave(life.number)
        self._core.requests.unreadable(life, error)

    def _behind(self, life: RobotLife, decided: int, now: int) -> int:
        """Returns by how much the market that the robot decided on was too old, ns; 0: not too old."""
        if self._lag is None:
            return 0
        behind = self._lag.of_decision(decided, now)
        if behind and self._lag.began(life.number):
            self._tape.lag(life, "behind", behind, now)
        return behind


def _last_sequence(journal: Path) -> int:
    """Returns the last sequence written by earlier incarnations, whose requests are dropped."""
    if not journal.is_dir():
        return 0
    with JournalReader(journal) as reader:
        return reader.last_sequence


def _uuid_bytes(value: Any) -> bytes:
    return bytes(value) if not isinstance(value, str) else bytes.fromhex(value.replace("-", ""))
