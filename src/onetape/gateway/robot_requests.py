"""The robots of a gateway: whose journals it follows, and what becomes of their requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from onetape.accounts.crossing import Crossing
from onetape.accounts.proceeds import Proceeds
from onetape.gateway.account_money import AccountMoney
from onetape.gateway.admission import Admission
from onetape.gateway.gateway_tape import GatewayTape, RobotLife
from onetape.gateway.latency_spans import Spans
from onetape.gateway.options import GatewayOptions
from onetape.gateway.order_frames import ended_key, request_of
from onetape.gateway.robot_lag import RobotLag
from onetape.model.enums import OrderNews, RequestKind
from onetape.model.errors import BadInput, IoFailed, SchemaMismatch, TornTape
from onetape.model.instrument import Instrument
from onetape.model.order import OrderSpec
from onetape.orders.doubt import amend_in_doubt, place_in_doubt
from onetape.orders.filters import Refusal
from onetape.orders.gate import Gate
from onetape.orders.managed import CycleOut, HealthOut, Managed, Request, TakenOut
from onetape.orders.manager import OrderManager
from onetape.tape.journal import JournalReader, type_id
from onetape.tape.wait import JournalWatch, Waiter

__all__ = ["ROBOTS_MAX", "Robots", "open_crossing", "open_proceeds"]

ROBOTS_MAX: Final = 250
TURN_FRAMES: Final = 64  # of one robot, before the next one's are looked at
COMING_S: Final = 30.0  # from its attachment until a robot has a journal, at most
UNREADABLE: Final = (BadInput, IoFailed, SchemaMismatch, TornTape)
_ORDER_REQUEST: Final = type_id("order_request")
_INSTRUMENT: Final = type_id("instrument")
_CYCLE: Final = type_id("cycle")


class Robots:
    """now: gives the venue's time. carry_out: takes what the manager wants after requests. spans:
    told when they came. lag: looks at how far behind they are. crossing: orders that meet those of
    other sub-accounts trade inside. proceeds: orders that wait for money which others bring.
    in_doubt: the gateway's tape may lack its end, so that what robots have asked for until now, and
    the tape does not say was taken, may have left."""

    def __init__(
        self,
        manager: OrderManager,
        gate: Gate,
        tape: GatewayTape,
        money: AccountMoney,
        crossing: Crossing | None = None,
        *,
        proceeds: Proceeds,
        loop: Any,
        now: Callable[[], int],
        carry_out: Callable[[], None],
        spans: Spans | None = None,
        lag: RobotLag | None = None,
        in_doubt: bool = False,
    ) -> None:
        self._spans = spans or Spans()
        self._lag = lag
        self._manager = manager
        self._gate = gate
        self._tape = tape
        self._money = money
        self.admission = Admission(manager, gate, tape, money, crossing, proceeds)
        self._proceeds = proceeds
        self._now = now
        self._carry_out = carry_out
        self._lives: dict[int, tuple[RobotLife, JournalReader]] = {}
        self._coming: dict[int, float] = {}  # attached, when: their journals are not there yet
        self._in_doubt: dict[int, int] = {}  # by robot: up to this frame
        self._placed: tuple[RobotLife, int] | None = None  # the newest order of this round
        self._waiter = Waiter()
        self._loop = loop
        self._is_due = False  # another look, soon
        self._watch = JournalWatch(self._waiter, self._take_requests, loop)
        for life in tape.robots.values():
            if life.is_operator or not Path(life.journal).is_dir():
                continue
            try:
                self._follow(life)
            except UNREADABLE as error:
                self._give_up(life, error)
                continue
            if in_doubt:
                self._in_doubt[life.number] = self._lives[life.number][1].last_sequence

    def close(self) -> None:
        self._watch.close()

    def attach(self, name: str, journal: str, now: int, *, slot: int, rate: int = 0) -> RobotLife | None:
        """A robot begins a life, None: there are too many. Its journal is not there yet. slot: the
        sub-account that it trades with; rate: orders a second that it may send, 0: any."""
        known = next((r for r in self._tape.robots.values() if r.name == name), None)
        number = known.number if known else len(self._tape.robots) + 1
        if number > ROBOTS_MAX:
            return None
        if number in self._lives:
            self._take_all()  # what the life before has asked for, to its end
            self._leave(number)
        taken = _last_sequence(Path(journal))
        before = known or RobotLife(number, name, 0, journal)
        life = before.next_life(journal, taken=taken, slot=slot, rate=rate)
        self._in_doubt.pop(number, None)
        self._tape.attach(life, now)
        self._tape.writer.ensure("disk")  # a life whose number is forgotten would repeat its ids
        self._coming[number] = time.monotonic()
        return life

    @property
    def count(self) -> int:
        """How many are there, or on their way."""
        late = time.monotonic() - COMING_S
        there = sum(bool(reader.core.writer_alive) for _, reader in self._lives.values())
        return there + sum(since > late for since in self._coming.values())

    def runs(self, number: int) -> bool:
        """Its robot is there, or on its way."""
        if number in self._lives:
            return bool(self._lives[number][1].core.writer_alive)
        return self._coming.get(number, 0) > time.monotonic() - COMING_S

    def follow(self, number: int, *, is_here: bool = False) -> None:
        """The robot's journal is there: from now on its requests are taken. is_here: the robot is
        in this process and calls `look` when it has asked for something; nobody need ring."""
        self._coming.pop(number, None)
        self._manager.outs.append(HealthOut("robot", self._tape.robots[number].name, "attached"))
        self._follow(self._tape.robots[number], is_here=is_here)
        self._watch.look()

    def look(self) -> None:
        """Takes what robots have asked for, without waiting to be rung."""
        self._is_due = False
        if self._take_requests() and not self._is_due:  # after what else there is to do
            self._is_due = True
            self._loop.call_soon(self.look)

    def look_after(self, now: int, *, orphans: str) -> None:
        """A robot that died with orders open loses them, where orphans is "cancel"; also one that
        turns up late, because nobody knew then what had become of it, and one that the venue would
        not cancel when it was asked: the robot's next life waits for that."""
        for life, reader in self._lives.values():
            if reader.core.writer_alive:
                self._look_at_lag(life, reader)
                continue
            left = [o for o in self._manager.open.values() if o.robot == life.number]
            if left and not life.is_lost:
                self._manager.outs.append(HealthOut("robot", life.name, "lost", "critical"))
                life.is_lost = True
            for order in left if orphans == "cancel" else ():
                self._manager.cancel_once(order, now)
        for number in self._coming if orphans == "cancel" else ():
            self.cancel_all(number, now)

    def _look_at_lag(self, life: RobotLife, reader: JournalReader) -> None:
        if self._lag is None:
            return
        now = time.time_ns()
        behind = self._lag.of_progress(reader.control.get("progress", 0), now)
        if behind and self._lag.began(life.number):
            self._tape.lag(life, "behind", behind, now)
        elif not behind and self._lag.ended(life.number):
            self._tape.lag(life, "caught up", 0, now)

    def cancel_all(self, number: int, now: int) -> None:
        """What the robot has working."""
        for order in list(self._manager.open.values()):
            if order.robot == number:
                self._manager.cancel_once(order, now)

    def _follow(self, life: RobotLife, *, is_here: bool = False) -> None:
        # From its beginning: that is where it names its instruments.
        reader = JournalReader(life.journal)
        life.uuid = _uuid_bytes(reader.core.uuid)
        self._lives[life.number] = (life, reader)
        if not is_here:
            self._waiter.add(reader)

    def _leave(self, number: int) -> None:
        """A journal that is read no more."""
        _, reader = self._lives.pop(number)
        self._waiter.remove(reader)
        reader.close()

    def _take_all(self) -> None:
        while self._take_requests():
            pass

    def _take_requests(self) -> bool:
        """A few of each robot, so that one that asks without end keeps nobody waiting; whether
        there may be more."""
        now = self._now()
        has_more = False
        decided = 0  # when the first of them was taken in
        came: list[tuple[int, int]] = []  # when what each was decided on had come; it was taken in
        for life, reader in list(self._lives.values()):
            first = last = frames = 0
            try:
                while frames < TURN_FRAMES and (raw := reader.next_raw()) is not None:
                    frames += 1
                    kind, _, sequence, received, stream, payload = raw
                    if kind == _INSTRUMENT:
                        life.symbols[stream] = Instrument.from_msgpack(payload).symbol
                    elif kind == _ORDER_REQUEST and sequence > life.taken:
                        taken = time.time_ns()  # some are written while the first is seen to
                        decided = decided or taken
                        first, last = first or sequence, sequence
                        is_sent = sequence <= self._in_doubt.get(life.number, 0)
                        if not is_sent:  # else it lay there while no gateway ran
                            came.append((received, taken))
                        behind = self._behind(life, received)
                        self.admission.hold_placed()  # this one finds less
                        if self._proceeds.waiting:
                            self._proceeds.came(life.number, received)
                        self._request(life, stream, payload, now, cause=received, may_be_sent=is_sent, behind_ns=behind)
                    elif kind == _CYCLE and sequence > life.taken:
                        decided = decided or time.time_ns()
                        first, last = first or sequence, sequence
                        self._end_cycle(life, payload)
            except UNREADABLE as error:
                self._give_up(life, error)
            has_more = has_more or frames == TURN_FRAMES
            if last:
                # The stamp of when they came, not of when they were seen to.
                self._manager.outs.append(TakenOut(life.number, first, last, decided))
        self._spans.decided_at = decided
        if self._proceeds.waiting:
            self.admission.hold_placed()  # who waits for money finds less, too
        self._carry_out()  # the wire first
        if self.admission.unheld:
            self.admission.hold_placed()
            self._money.publish()
        self._spans.decided_at = 0
        for received, taken in came:  # counted once the orders are out
            self._spans.decided(received, taken)
        if self._placed is not None:
            life, order_id = self._placed
            life.look_ahead(order_id + 1)  # a robot numbers its orders one after the other
            self._placed = None
        return has_more

    def _give_up(self, life: RobotLife, error: Exception) -> None:
        """What a robot's journal holds is a stranger's word. One that cannot be read is followed no
        more, and the others go on."""
        if life.number in self._lives:
            self._leave(life.number)
        words = f"its journal cannot be read: {error}"[:200]
        self._manager.outs.append(HealthOut("robot", life.name, words, "critical"))

    def _request(
        self,
        life: RobotLife,
        stream: int,
        payload: bytes,
        now: int,
        *,
        cause: int,
        may_be_sent: bool,
        behind_ns: int = 0,
    ) -> None:
        symbol = life.symbols.get(stream, "")
        _, kind, order_id, spec, denied = request_of(payload, symbol)
        if denied:
            return
        manager = self._manager
        if symbol not in self._gate.instruments:  # robots deny these themselves
            words = f"for {symbol or 'no instrument'}, which this gateway does not trade"
            manager.outs.append(HealthOut("order", f"{life.name} {order_id}", words, "warning"))
            return
        known = manager.by_robot.get((life.number, order_id))
        if kind is RequestKind.PLACE:
            if known is not None or order_id in life.denied:
                return
            name = life.client_id(order_id)
            self._placed = life, order_id
            chars = manager.venue.client_id_chars
            sendable = len(name) <= chars and spec.symbol in self._gate.instruments
            if may_be_sent and sendable:
                if name not in manager.orders:
                    request = Request(life.number, kind, order_id, self._money.reductions.in_doubt(spec))
                    self._money.order(place_in_doubt(manager, name, request, now))
                    self.admission.claim(life, spec, name, now)
                return
            self.admission.place(life, order_id, spec, now, behind_ns=behind_ns, cause=cause)
        elif known is not None:
            if kind is RequestKind.CANCEL:
                manager.cancel(known, now)
            elif may_be_sent:
                amend_in_doubt(manager, known, now, price=spec.price_int, size=spec.size_int)
            else:
                self._amend(known, spec, now, behind_ns=behind_ns, rate=life.rate)

    def _behind(self, life: RobotLife, decided: int) -> int:
        """How old the market was that the robot decided on, ns; 0: as new as it may be."""
        if self._lag is None:
            return 0
        behind = self._lag.of_decision(decided, time.time_ns())
        if behind and self._lag.began(life.number):
            self._tape.lag(life, "behind", behind, time.time_ns())
        return behind

    def _end_cycle(self, life: RobotLife, payload: bytes) -> None:
        key = ended_key(payload)
        refused = self._tape.first.end(key, life.slot, life.number)
        self._manager.outs.append(CycleOut(key, life.slot, life.number, refused))

    def _amend(self, order: Managed, spec: OrderSpec, now: int, *, behind_ns: int, rate: int) -> None:
        price, size = spec.price_int or order.price, spec.size_int or order.life.size
        refusal = self._gate.amendment(order, now, price=price, size=size, behind_ns=behind_ns, rate=rate)
        if refusal is None:
            self._manager.amend(order, now, price=price, size=size)
            self._money.order(order)
        else:
            news = OrderNews.UPDATE_REJECTED
            self._manager.refuse(order, news, now, refusal.code, refusal.reason)


def _last_sequence(journal: Path) -> int:
    """Of what earlier lives have written there: nobody waits for that any more."""
    if not journal.is_dir():
        return 0
    with JournalReader(journal) as reader:
        return reader.last_sequence


def open_crossing(
    options: GatewayOptions,
    manager: OrderManager,
    instruments: Iterable[Instrument],
    *,
    slot_of: Callable[[int], int],
    quote: Callable[[str], tuple[int, int]],
    gate: Gate,
    newest: int,
) -> Crossing | None:
    """None where it is not wanted, or there is nobody to cross with."""
    if not options.cross_internally or not options.subaccounts:
        return None
    known = {i.symbol: i for i in instruments}
    return Crossing(manager, known, slot_of=slot_of, quote=quote, judge=gate.left, newest=newest)


def open_proceeds(
    manager: OrderManager,
    instruments: Iterable[Instrument],
    money: AccountMoney,
    *,
    slot_of: Callable[[int], int],
    quote: Callable[[str], tuple[int, int]],
    gate: Gate,
    crossing: Crossing | None,
) -> Proceeds:
    """Orders that wait for money are judged as new ones, once it is there."""

    def judge(order: Managed, now: int, is_inside: bool) -> Refusal | None:
        refusal = money.refusal(order.robot, order.spec, order.life.remaining)
        return refusal or gate.left(order, now, is_inside=is_inside)

    known = {i.symbol: i for i in instruments}
    return Proceeds(manager, known, money, slot_of=slot_of, quote=quote, judge=judge, crossing=crossing)


def _uuid_bytes(value: Any) -> bytes:
    return bytes(value) if not isinstance(value, str) else bytes.fromhex(value.replace("-", ""))
