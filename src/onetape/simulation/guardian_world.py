"""A gateway's world with a guardian: its core reads the gateway's journal as its process does, asks the
simulated venue itself, and sends its commands through the gateway's door. Guardian and gateway are killed
before any frame of their journals, and commands, listings and reports are late, lost or told twice.

What is promised is held against the venue's own list of stops and positions: a stop does not go while
those that stay do not protect, no position is without stops and no stop without a position for longer than
a bound unless that has been said, and no level is loosened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Final

import msgspec

from onetape.exchange.account import SimOrder
from onetape.guardian.account_follower import AccountFollower
from onetape.guardian.core import BACKOFF, GuardianCore
from onetape.guardian.events import (
    CancelStops,
    CloseSubAccount,
    Effect,
    Flatten,
    PlaceStops,
    ReadVenue,
    Record,
    Unprotected,
)
from onetape.guardian.guardian import close_fields, placed_of, stops_fields
from onetape.guardian.kept import checkpoint_file, recover, write_checkpoint
from onetape.guardian.position_guard import COVERED, PositionGuard
from onetape.guardian.takeover import Takeover
from onetape.ipc.system import CommandResult
from onetape.model.enums import PositionSide, Side, TriggerKind
from onetape.model.ids import robot_tag
from onetape.model.sections import GUARDIAN
from onetape.options.guardian_rules import GuardianSettings, Rules
from onetape.orders.outcome import Outcome
from onetape.orders.reports import OrderStatusReport, PositionReport
from onetape.projections.once import Once
from onetape.simulation.faults import Faults
from onetape.simulation.gateway_life import SLOTS, Died, Home, MortalWriter
from onetape.simulation.invariants import check
from onetape.simulation.robots import TAGS
from onetape.simulation.world import MS, SECOND, World
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.segments import is_tape
from onetape.tape.wait import Waiter
from onetape.venues.client_ids import client_id_of
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

ACCOUNT: Final = "main"
TICK: Final = 50 * MS
TIMEOUT: Final = 4 * SECOND  # of a command, in which it is sent again and again
# The venue is asked for what it holds every five seconds and believed the second time; a listing may be lost, a cancel
# for five seconds more, and the question what became of it for two. Past a dead gateway both are asked each second or
# two, and a stop on its tape that no listing has had takes room for ten.
# Where a quarter of all answers is lost, each step may take three tries.
BOUND: Final = 25 * SECOND
HARSH: Final = 0.1  # answers that are lost
TIGHT: Final = GuardianSettings(
    Rules(
        tuple(map(Decimal, ("0.0004", "0.0006", "0.0008", "0.001"))),
        Decimal("0.002"),
        targets=(Decimal("0.0005"), Decimal("0.001")),
    )
)
STOPS_MAX: Final = 60


class _Died(Exception):
    """The guardian has."""


class GuardianLife:
    """One life of a guardian's process around its core."""

    def __init__(self, world: GuardianWorld) -> None:
        self.world = world
        path = world.home.path / "journal" / GUARDIAN
        file = checkpoint_file(world.home.path)
        self.kept, at, refused = recover(path, file, Once())
        assert not refused
        if is_tape(path) and not world.life_count % 2:  # of a frame between the one before and the end
            with JournalReader(path) as reader:
                middle = (at + reader.last_sequence + 1) // 2
            if middle:  # else it died before its first frame
                write_checkpoint(path, file, sequence=middle)
            assert recover(path, file, Once()).kept == self.kept
        world.life_count += 1
        self.writer = MortalWriter(
            JournalWriter(
                path,
                process=GUARDIAN,
                uuid=world.identity(GUARDIAN),
                created=1,
                durable=False,
                segment_bytes_first=1 << 16,
            )
        )
        venue = open_trading_venue(
            world.kind, world.key, world.secret, Addresses("", "", ""), world.account.password, isolated=world.isolated
        )
        self.protocol = venue.protocol
        self.protocol.set_instruments(world.instruments)
        watched = {ACCOUNT} if self.protocol.traits.positions else set()
        bounds = {ACCOUNT: self.protocol.traits.triggers_max}
        self.core = GuardianCore(world.settings, epoch=str(world.now), watched=watched, bounds=bounds)
        self.follower = AccountFollower(ACCOUNT, world.home.path, self.core, SLOTS)
        self.waiter = Waiter()
        self.takeover: Takeover | None = None

    def begin(self) -> None:
        assert self.follower.follow(self.waiter, self.world.now, self._resume)
        self._effect()

    def _resume(self) -> None:
        self.kept.resume(self.core, ACCOUNT, self.follower.view.instruments)

    def end(self) -> None:
        self.follower.leave(self.waiter)
        self.writer.leave()
        if self.takeover is not None:
            self.takeover.close()

    def take(self) -> None:
        self.follower.take(self.world.now)
        self._effect()

    def beat(self) -> None:
        world = self.world
        if self.takeover is not None:
            self.takeover.look(world.heartbeat, world.now)
        for symbol in world.quoted():
            self.core.quote(ACCOUNT, symbol, *world.best(symbol), world.now)
        self.core.tick(world.now)
        self._effect()

    def _effect(self) -> None:
        effects, self.core.effects = self.core.effects, []
        for effect in effects:
            if isinstance(effect, Record):
                self.write_down(effect)
        for effect in effects:
            if not isinstance(effect, Record):
                self.world.leaves(effect)
                if self.takeover is None or not self.takeover.does(effect):
                    self.world.at(self.world.now + self.world.way(), self._arrive, effect, self.world.now)
        if self.core.effects:  # of what was done at once
            self._effect()

    def write_down(self, record: Record) -> None:
        words = {"kind": record.kind, "subject": record.subject, "state": record.state, "about": dict(record.about)}
        words |= {"severity": record.severity} if record.severity else {}
        try:
            self.writer.append("health", msgspec.msgpack.encode(words), time=self.world.now)
        except Died:
            raise _Died from None
        self.world.said(record)

    def _arrive(self, effect: Any, sent: int) -> None:
        """At the venue, or at the gateway, which may die of it; then it is sent again."""
        world = self.world
        if world.guardian is not self:
            return
        if isinstance(effect, ReadVenue):
            if not world.chance("lose_request"):
                self._read(effect, sent)
            return
        answer = None
        if world.now < sent + TIMEOUT:
            world.at(world.now + SECOND // 2, self._arrive_anew, effect, sent)
            if not world.is_dead:
                answer = world.command(effect.id, *self._command(effect))
        if answer is not None and world.chance("lose_answer"):
            return
        self.ids_done.add(effect.id)
        world.at(world.now + world.way(), self._answer, effect, answer)

    def _arrive_anew(self, effect: Any, sent: int) -> None:
        if effect.id not in self.ids_done:
            self._arrive(effect, sent)

    @property
    def ids_done(self) -> set[str]:
        found: set[str] = self.__dict__.setdefault("_answered", set())
        return found

    def _command(self, effect: Effect) -> tuple[str, dict[str, Any]]:
        match effect:
            case PlaceStops():
                instrument = self.follower.view.instruments[effect.symbol]
                return "place_stops", stops_fields(effect, instrument, self.core.settings.trigger_by)
            case CancelStops():
                return "cancel_stops", {"orders": list(effect.orders)}
            case Flatten():
                return "flatten", {"symbol": effect.symbol, "reason": effect.reason}
            case CloseSubAccount():
                return "close", close_fields(effect, self.follower.view.instruments[effect.symbol])
            case Unprotected():
                return "unprotected", {"symbol": effect.symbol, "since": effect.since}
        raise AssertionError(effect)

    def _answer(self, effect: Effect, answer: dict[str, Any] | None) -> None:
        if self.world.guardian is not self:
            return
        if isinstance(effect, PlaceStops):
            found = answer or {"status": "timeout", "result": None, "error": None}
            result = CommandResult(effect.id, found["status"], found["result"], found["error"], "")
            self.core.answered(effect.id, *placed_of(effect, result), self.world.now)
        elif isinstance(effect, Unprotected) and answer is not None:
            self.core.protection_reported(effect)
        self._effect()

    def _read(self, effect: ReadVenue, sent: int) -> None:
        world, protocol, rows = self.world, self.protocol, list[Any]()
        call = protocol.open_stops(effect.symbol, world.now) if effect.symbol else protocol.positions(world.now)
        while call is not None:
            reply = world.http(protocol.signed(call, world.now))
            answer = protocol.answer(call, reply.status, reply.headers, reply.body, world.now)
            if answer.outcome is not Outcome.DONE or world.chance("lose_answer"):
                return
            rows += [row for row in answer.reports if getattr(row, "client_id", "") not in world.hidden()]
            call = protocol.more_positions(answer.cursor, world.now) if answer.cursor else None
        world.at(world.now + world.way(), self._listed, effect, sent, world.marked(rows))

    def _listed(self, effect: ReadVenue, sent: int, rows: list[Any]) -> None:
        if self.world.guardian is not self:
            return
        if effect.symbol:
            rows = [row for row in rows if isinstance(row, OrderStatusReport)]
            if self.takeover is not None:
                self.takeover.stops_listed(rows)
            names = {row.client_id for row in rows}
            self.core.stops_read(ACCOUNT, effect.symbol, names, sent, self.world.now)
        else:
            rows = [row for row in rows if isinstance(row, PositionReport)]
            self.core.positions_read(ACCOUNT, rows, sent, self.world.now)
        self._effect()


@dataclass
class GuardianWorld(World):
    """settings: of the guardian; by default its levels are so near that the market meets them."""

    settings: GuardianSettings = TIGHT
    guardian: GuardianLife | None = None
    guardian_away: float = 3  # seconds from its death on, at most
    began: int = 0  # the guardian, or the gateway; since when both are there
    wrong: dict[tuple[str, PositionSide, str], int] = field(default_factory=dict)  # since when
    levels: dict[tuple[str, Side, str], dict[int, int]] = field(default_factory=dict)  # of each position
    life_count: int = 0  # of the guardian
    withdrawn: set[str] = field(default_factory=set)  # stops whose end was wished
    stood: dict[str, Any] = field(default_factory=dict)  # at the venue, by client id
    shown_at: dict[str, int] = field(default_factory=dict)  # from when listings have a stop

    def __post_init__(self) -> None:
        super().__post_init__()
        operators = ("operator", *(f"operator:{name}" for name in SLOTS))
        self.invariants.tags = (*TAGS, *(f"T{robot_tag(name)}X" for name in operators))

    def run(self, seconds: float) -> GuardianWorld:
        self.begin_watch()
        super().run(seconds)
        self.end_guardian()
        return self

    def begin_watch(self) -> None:
        self.begin_guardian()
        self.at(self.now + TICK, self.tick_guardian)
        if self.crashes:
            self.at(self.now + 40 * SECOND, self.crash_guardian, 40)

    # --- lives ------------------------------------------------------------------------------------

    def begin_gateway(self, home: Home, **options: Any) -> None:
        super().begin_gateway(home, **options)
        self.began = self.now

    def begin_guardian(self) -> None:
        if self.guardian is None:
            self.began = self.now
            self.guardian = self.new_guardian()
            self.alive(self.guardian.begin)

    def new_guardian(self) -> GuardianLife:
        return GuardianLife(self)

    def end_guardian(self) -> None:
        if self.guardian is not None:
            self.guardian.end()
            self.guardian = None

    def crash_guardian(self, every: int) -> None:
        if self.stopping:
            return
        self.at(self.now + int(self.random.expovariate(1 / every) * SECOND), self.crash_guardian, every)
        if self.guardian is not None:
            self.guardian.writer.left = self.random.randrange(6)

    def alive(self, do: Callable[..., object], *args: Any) -> None:
        try:
            do(*args)
        except _Died:
            self.seen["guardian dies"] += 1
            self.end_guardian()
            self.at(self.now + int(self.random.uniform(0.2, self.guardian_away) * SECOND), self.begin_guardian)

    def step(self, what: Callable[..., object] | None = None, *args: Any) -> None:
        if what is not None and isinstance(getattr(what, "__self__", None), GuardianLife):
            super().step(partial(self.alive, what), *args)
        else:
            super().step(what, *args)

    def wake(self) -> None:
        self.at(self.now + self.random.randrange(1, 5) * MS, self.tell_guardian)

    def tell_guardian(self) -> None:
        if self.guardian is not None:
            self.alive(self.guardian.take)

    def tick_guardian(self) -> None:
        self.at(self.now + TICK, self.tick_guardian)
        if self.guardian is not None:
            self.alive(self.guardian.take)
        if self.guardian is not None:
            self.alive(self.guardian.beat)
        self.check_stops()

    def command(self, id_: str, command: str, fields: dict[str, Any], actor: str = GUARDIAN) -> dict[str, Any]:
        answer = super().command(id_, command, fields, actor)
        self.seen[f"{command} {answer['status']}"] += 1
        return answer

    @property
    def heartbeat(self) -> int:
        """The gateway's last."""
        return self.now

    def quoted(self) -> list[str]:
        """Symbols of which the guardian has the market."""
        return self.symbols

    def marked(self, rows: list[Any]) -> list[Any]:
        """Positions, as the guardian has them."""
        return rows

    # --- what is promised -------------------------------------------------------------------------

    def waiting(self, *at: int) -> list[Any]:
        """Stops that the venue has, in a service of their own or among the other orders."""
        among = (o for o in self.account.open_orders.values() if o.trigger and o.index in (at or (o.index,)))
        return [*self.exchange.conditionals.open_of(self.account, *at), *map(Stop, among)]

    def hidden(self) -> set[str]:
        """Stops that the venue has acknowledged and does not list yet."""
        for order in self.waiting():
            if order.client_id not in self.shown_at:
                late = self.chance("slow")
                self.shown_at[order.client_id] = self.now + (int(self.random.uniform(0.1, 4) * SECOND) if late else 0)
        return {name for name, at in self.shown_at.items() if self.now < at}

    def said(self, record: Record) -> None:
        """It stands on the guardian's journal."""
        self.seen[f"guardian: {record.kind} {record.state.split(':')[0]}"[:40]] += 1

    def guards(self) -> list[PositionGuard]:
        guards = self.guardian.core.guards.values() if self.guardian is not None else ()
        return [each for each in guards if each.instrument.symbol in self.symbols]  # a venue may list others as flat

    def held(self, guard: PositionGuard) -> int:
        """By the venue."""
        return int(self.account.qty(self.symbols.index(guard.instrument.symbol), guard.side))

    def resting(self, guard: PositionGuard, without: tuple[str, ...] = (), *, targets: bool = False) -> list[Any]:
        """The guardian's stops, or its take-profits, of a symbol and side at the venue, also those that fire just
        now."""
        assert self.guardian is not None
        kind = TriggerKind.TAKE_PROFIT if targets else TriggerKind.STOP
        names = {o.client_id for o in self.manager.open.values() if o.is_protective and o.spec.trigger_kind is kind}
        names |= {name for name, row in guard.rows.items() if row.is_target is targets}
        at = self.symbols.index(guard.instrument.symbol)
        return [
            order
            for order in self.waiting(at)
            if order.client_id in names and order.client_id not in without and order.position_side is guard.side
            if order.child is None or order.child.is_open
        ]

    def leaves(self, effect: Effect) -> None:
        """What the guardian sends is judged by what the venue has at this moment."""
        match effect:
            case CancelStops():
                new = set(effect.orders) - self.withdrawn
                self.withdrawn |= new
                for guard in self.guards():
                    if any(row.client_id in new for row in guard.working()):
                        self._withdraws(guard, effect.orders)
            case PlaceStops():
                guard = next(
                    g for g in self.guards() if (g.instrument.symbol, g.side) == (effect.symbol, effect.position_side)
                )
                sign = -effect.closes.sign
                levels = self.levels.setdefault((effect.symbol, effect.closes, guard.opened), {})
                for rung in effect.rungs if not effect.is_target else ():
                    before = levels.get(rung.rank)
                    if rung.trigger and before is not None:
                        check((rung.trigger - before) * sign >= 0, f"level {rung.rank} of {effect.symbol} is looser")
                    if rung.trigger:
                        levels[rung.rank] = rung.trigger

    def _withdraws(self, guard: PositionGuard, names: tuple[str, ...]) -> None:
        held = self.held(guard)
        if held * guard.qty <= 0:
            return  # both have to say that it is there
        if not any(o.client_id in names for o in self.resting(guard)):
            return  # they have fired or ended there, and no stream has told of it
        stays = [o for o in self.resting(guard, (*names, *guard.cancels)) if o.side is guard.closes]
        covered, least = sum(o.size for o in stays), min(abs(held), guard.target)
        shown = [(o.client_id, o.state, o.size) for o in stays]
        canceled = [o.size for o in self.resting(guard) if o.client_id in names]
        if len(canceled) == 1 and covered + canceled[0] < least * COVERED and len(stays) > 1:
            self.seen["made room"] += 1
            check(canceled[0] <= min(o.size for o in stays), f"{names} is canceled, and not the smallest: {shown}")
            return  # all slots of the venue were not enough
        check(covered >= least * COVERED, f"{names} are canceled: of {least} stays protected {covered}: {shown}")

    def check_stops(self) -> None:
        for guard in self.guards():
            key = guard.instrument.symbol, guard.side
            held = self.held(guard)
            if held * guard.qty <= 0:  # another position, though the gateway may not know
                for closes in Side:
                    self.levels.pop((guard.instrument.symbol, closes, guard.opened), None)
            stops, targets = self.resting(guard), self.resting(guard, targets=True)
            check(len(stops) <= STOPS_MAX and len(targets) <= STOPS_MAX, f"stops of {key} pile up")
            self.stood |= {order.client_id: order for order in (*stops, *targets)}
            for order in (*stops, *targets) if guard.side is PositionSide.BOTH else ():
                check(order.reduce_only, f"{order.client_id} may open a position")
            covered = sum(o.size for o in stops if o.side.sign * held < 0)
            is_said = guard.is_lost or bool(guard.flattening)
            bare = bool(held) and covered < guard.target * COVERED and not is_said
            orphans = any(o.side.sign * held >= 0 for o in (*stops, *targets))
            taken = sum(o.size for o in targets if o.side.sign * held < 0)
            is_worked = guard.cancels or any(o.placement or o.backoff > BACKOFF for o in (guard.stops, guard.targets))
            over = max(covered, 0 if self.is_dead else taken) * 100 > max(abs(held), guard.target) * 106 and not (
                is_said or is_worked
            )
            for what, is_wrong in (("bare", bare), ("orphans", orphans), ("over", over)):
                since = self.wrong.setdefault((*key, what), self.now) if is_wrong else self.wrong.pop((*key, what), 0)
                bound = BOUND if self.faults.lose_answer < HARSH else 3 * BOUND
                if is_wrong and self.now - max(since, self.began) > bound:
                    words = [(o.client_id, o.size, o.trigger) for o in (*stops, *targets)]
                    check(False, f"{key} {what} for {(self.now - since) / SECOND:.1f} s: {held} held, {words}")

        for name, order in list(self.stood.items()):
            if not order.is_open:
                del self.stood[name]
                check(order.state != "CANCELED" or name in self.withdrawn, f"{name} was canceled, not by the guardian")

    def differences(self) -> list[str]:
        return super().differences() + [f"{key} at the end" for key in self.wrong if self.guardian is not None]


class Stop:
    """An order of the book that waits for its trigger, as one that waits apart."""

    child = None

    def __init__(self, order: SimOrder) -> None:
        self._order = order
        self.client_id = client_id_of(order.client_id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._order, name)

    @property
    def state(self) -> str:
        """The venue itself cancels what has nothing more to reduce, and says why."""
        return "EXPIRED" if self._order.code else self._order.state.upper()


def calm(seed: int = 0, kind: str = "binance-usdm") -> GuardianWorld:
    """Runs already; nothing fails but what a test makes fail, and nobody trades but it."""
    world = GuardianWorld(seed, Faults.none(), crashes=False, settings=GuardianSettings(), kind=kind)
    world.connect()
    world.begin_watch()
    world.until(world.now + SECOND)
    return world
