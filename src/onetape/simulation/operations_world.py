"""Operations of the desk over two or three gateways' cores at simulated exchanges, in one virtual time.

Desk, sagas, commands' doors, cores, journals, their readers and exchanges are those that run. Virtual are the clock of
the event loop, the networks, and the death of processes: gateways are killed before any frame of their journals and
stay away for a while, the desk's process before or after any of its records. What accounts hold is shown as their
gateways' tables would show it.
"""

from __future__ import annotations

import asyncio
import random
import selectors
import tempfile
import weakref
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from shutil import rmtree
from types import SimpleNamespace
from typing import Any

import msgspec

from onetape.control.desk import Desk
from onetape.hedge.model import LegView, Level
from onetape.hedge.saga import Goal, Saga
from onetape.ipc.system import CommandResult
from onetape.model.enums import PositionSide, Side
from onetape.model.errors import OnetapeError
from onetape.model.home import gateway_journal
from onetape.model.instrument import Instrument
from onetape.model.money import money
from onetape.options.guardian_rules import GuardianSettings
from onetape.simulation.faults import Faults
from onetape.simulation.gateway_life import Died
from onetape.simulation.past_world import PastWorld
from onetape.simulation.robots import LEVERAGE
from onetape.simulation.tape_hash import hash_of
from onetape.simulation.wallets import COMMANDS, Wallets
from onetape.simulation.world import SECOND, START, TURN, World

MS = SECOND // 1000
KINDS = ("binance-usdm", "aster", "pacifica")
ZERO = Decimal(0)
AWAY_S = 6.0  # the longest that a killed process is away
LEVELS = 5
ENDS_WITHIN_S = 600.0  # of virtual time: an operation that takes longer never ends
HARSH = Faults(lose_request=0.1, lose_answer=0.25, error_answer=0.1, slow=0.2, delay_stream=0.2)


class Killed(BaseException):
    """kill -9 of the desk's process."""


class Venue(World):
    """An account at an exchange of its own, whose gateway has no robots. place: what its venue is called."""

    def __init__(self, name: str, seed: int, kind: str, faults: Faults, place: str) -> None:
        self.name, self.place = name, place
        super().__init__(seed, faults, kind)
        self.invariants.tags = (*self.invariants.tags, "ToperatorX")

    def rise(self) -> None:
        self.is_dead = True
        self.at(self.now + int(self.random.uniform(0.1, AWAY_S) * SECOND), self.come)

    def come(self) -> None:
        self.is_dead = False
        super().rise()

    def catch_up(self, now: int, *, sees_all: bool = True) -> None:
        """Brings it to a moment; sees_all: else only where something is due."""
        next_event = self.events[0][0] if self.events else 2**62
        if now > self.now and (sees_all or min(next_event, self.next_due(), self.now + TURN) <= now):
            self.until(now)

    def commanded(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """What its door answers; None: nobody is there, or it died over it."""
        if self.is_dead:
            return None
        try:
            self.core.stamp(self.moment())
            self.core.carry_out()
            return self.life.commands.door.answer({**request, "token": self.home.tokens["operator"]})
        except Died:
            self.die()
            return None

    @property
    def instrument(self) -> Instrument:
        return next(each for each in self.instruments if each.symbol == self.symbols[0])

    def base(self, units: int) -> Decimal:
        """Returns a size of its contract in coins."""
        return self.instrument.size(units) * self.instrument.multiplier

    @property
    def held_base(self) -> Decimal:
        """The venue's own word on the position, base."""
        return self.base(self.account.qty(0))

    def leg_view(self) -> LegView:
        instrument, manager = self.instrument, self.manager
        bids, asks = (
            tuple(
                Level(instrument.price(price), self.base(size))
                for price, size in self.exchange.board.levels(0, side, LEVELS)
            )
            for side in (Side.BUY, Side.SELL)
        )
        why = "its gateway does not run" if self.is_dead else "" if self.core.gate.ready else "its stream is lost"
        mark = (bids[0].price + asks[0].price) / 2 if bids and asks else ZERO
        held = self.base(manager.positions.get((instrument.symbol, PositionSide.BOTH), 0))
        equity = money(self.money.ledger.total(instrument.settle)) if not why else ZERO
        return LegView(
            self.name,
            self.place,
            instrument,
            position=held,
            mark=mark,
            bids=bids,
            asks=asks,
            equity=equity,
            available=max(equity - abs(held) * mark / LEVERAGE, ZERO),
            leverage=Decimal(LEVERAGE),
            taker_fee=instrument.taker_fee,
            market_at=self.now,
            account_at=self.now,
            refusal=why,
            unfit=why,
        )


class GuardedVenue(Venue, PastWorld):
    """A guardian watches the account, acts past its gateway while that is dead, and is killed itself. Its levels are
    far from the market: no stop fires, and all that trades is operations."""

    def __init__(self, *of: Any) -> None:
        super().__init__(*of)
        self.settings, self.away = GuardianSettings(), ((0.1, AWAY_S), (0.1, AWAY_S), (AWAY_S, 30))

    rise = PastWorld.rise

    def be_quiet(self) -> None:
        super().be_quiet()
        while self.wrong or self.late:  # each has its bound
            self.until(self.now + SECOND)


class House:
    """Everything of one seed. kill_at: the desk's process is killed at this record, counted from 1; 0: it is not.
    wallets: two of three accounts are a master and its sub-account, between which margin may move. guarded: a guardian
    watches each account."""

    account_kinds: tuple[str, ...] = ()
    loop_ends = False  # the desk's event loop is closed, and kills nobody

    def __init__(
        self,
        seed: int,
        *,
        accounts: int = 0,
        faults: Faults | None = None,
        crashes: bool = True,
        wallets: bool = False,
        guarded: bool = False,
    ) -> None:
        self.seed, self.random = seed, random.Random(seed)
        self.now = START
        self.faults = self.random.choice((Faults(), HARSH)) if faults is None else faults
        self.path = Path(tempfile.mkdtemp(prefix="house-"))
        weakref.finalize(self, rmtree, self.path, ignore_errors=True)
        (self.path / "journal").mkdir()
        self.venues: dict[str, Venue] = {}
        self.guarded = guarded
        accounts = accounts or (3 if wallets else self.random.choice((2, 3)))
        kinds = self.account_kinds or ((*KINDS[:2], KINDS[0]) if wallets else KINDS)
        for number, name in enumerate("abc"[:accounts]):
            place = "a" if wallets and name == "c" else name
            venue = self.new_venue(number, name, kinds[number], place)
            venue.crashes = crashes
            if isinstance(venue, GuardedVenue):
                venue.begin_watch()
            gateway_journal(self.path, name).symlink_to(gateway_journal(venue.home.path, "main"))
            self.venues[name] = venue
            venue.connect()
        while not all(each.core.gate.ready for each in self.venues.values()):
            self.advance(SECOND)
        self.began = self.now
        for venue in self.venues.values():
            venue.faults = self.faults
            if crashes:
                venue.at(self.now + int(self.random.expovariate(1 / 20) * SECOND), venue.crash, 20)
        self.records: list[bytes] = []
        self.kinds = {each.place: each.kind for each in self.venues.values()}
        self.wallets = Wallets(self, "a", "c") if wallets else None  # else margin has no way
        self.count = 0
        self.kill_at = 0
        self.is_killed = self.is_mute = False  # mute: no venue says what trades
        self.refusal = ""  # of accounts whose gateways are well
        self.kills = 0
        self.looks: list[tuple[int, bool]] = []  # when, and whether any account took orders

    def new_venue(self, number: int, name: str, kind: str, place: str) -> Venue:
        made = GuardedVenue if self.guarded else Venue
        # A multiple of five is no hedge mode.
        return made(name, 5 * (self.seed * 3 + number), kind, Faults.none(), place)

    @property
    def elapsed(self) -> float:
        """Returns how long it has run since all gateways were ready, seconds."""
        return (self.now - self.began) / SECOND

    def journals(self) -> dict[str, Path]:
        """Returns its tapes by what they are of."""
        return {name: gateway_journal(venue.home.path, "main") for name, venue in self.venues.items()}

    def hash(self) -> str:
        """Returns the SHA-256 of all its tapes' frames."""
        return hash_of(self.journals(), [venue.home.path for venue in self.venues.values()])

    # --- time -------------------------------------------------------------------------------------

    def advance(self, span: int) -> None:
        self.now += span
        for venue in self.venues.values():
            venue.catch_up(self.now, sees_all=False)

    # --- the desk's surroundings ------------------------------------------------------------------

    def append(self, record: dict[str, Any], event: str = "memory") -> int:
        """Of its tape."""
        if self.is_killed:
            raise Killed
        self.count += 1
        self.is_killed = self.count == self.kill_at
        if not self.is_killed or self.random.random() < 0.5:
            self.records.append(msgspec.msgpack.encode(record))
        if self.is_killed:
            raise Killed
        return self.count

    def read(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(record=msgspec.msgpack.decode(each)) for each in self.records]

    def refresh(self) -> None:
        for venue in self.venues.values():
            venue.catch_up(self.now)

    def symbols(self) -> SimpleNamespace:
        of = {name: each.instrument for name, each in self.venues.items()}
        return SimpleNamespace(of=lambda _: of, on=lambda _, accounts: {name: of[name] for name in accounts})

    def legs(self, symbol: str, accounts: Sequence[str]) -> list[LegView]:
        found = [self.venues[name].leg_view() for name in accounts]
        found = [replace(each, refusal=each.refusal or self.refusal) for each in found]
        self.looks.append((self.now, not all(each.refusal for each in found)))
        return found

    def booked(self, account: str) -> tuple[()]:
        """Wallets are a model, whose transfers are on no tape."""
        return ()

    def price_of(self, coin: str, currency: str) -> Decimal:
        return Decimal(1 if coin in ("USDT", "USDC") else 0)

    def traded(self, account: str, symbol: str, since: int) -> Decimal | None:
        venue = self.venues[account]
        sizes = [each.size for each in venue.exchange.board.listings[0].trades if each.time >= since]
        return venue.base(sum(sizes)) if sizes and not self.is_mute else None

    def gate(self, accounts: Sequence[str], reduces: bool) -> None:
        """Nothing is alerted."""

    async def send_command(
        self,
        target: str,
        command: str,
        fields: dict[str, Any] | None = None,
        *,
        timeout: float = 5.0,
        command_id: str = "",
    ) -> CommandResult:
        """As the sender of commands: again under its id, until there is an answer or the time is over."""
        venue, until = self.venues[target.partition(":")[2]], self.now + int(timeout * SECOND)
        request = {"id": command_id, "target": "gateway:main", "command": command, "actor": "operator"}
        while True:
            await asyncio.sleep(self.random.uniform(0.0001, 0.002))
            if self.is_killed:
                raise Killed
            venue.catch_up(self.now)
            if self.wallets is not None and command in COMMANDS:
                answer = None if venue.is_dead else self.wallets.answer(venue.name, command, fields or {})
            else:
                answer = venue.commanded({**request, "fields": fields or {}})
            if answer is not None and self.random.random() >= self.faults.lose_answer:
                await asyncio.sleep(self.random.uniform(0.0001, 0.002))
                return CommandResult(command_id, answer["status"], answer["result"], answer["error"])
            if self.now >= until:
                return CommandResult(command_id, "timeout")
            await asyncio.sleep(0.1)

    # --- operations -------------------------------------------------------------------------------

    def operate(self, operation: str, call: Callable[[Desk], Awaitable[object]]) -> object:
        """Carries out one call, which its caller repeats after each kill, and returns its reply or its error once the
        operation has ended."""
        while True:
            loop = VirtualLoop(self)
            try:
                return loop.run_until_complete(self._life(operation, call))
            except Killed:
                self.kills += 1
                self.advance(int(self.random.uniform(0.01, 4) * SECOND))
            finally:
                self.is_killed = True  # what is left of its tasks does nothing
                loop.end()
                self.is_killed = False

    async def _life(self, operation: str, call: Callable[[Desk], Awaitable[object]]) -> object:
        desk = Desk(self, self, self.path, self, self, now=lambda: self.now)  # type: ignore[arg-type]
        await desk.resume()
        async with asyncio.timeout(ENDS_WITHIN_S):
            try:
                reply = await call(desk)
            except OnetapeError as error:
                reply = error
            await desk.cost(operation)
            while desk.moves.under_way:
                await asyncio.sleep(0.5)
        return reply

    def saga(self, operation: str) -> Saga | None:
        return Saga.of(each.record for each in self.read() if each.record.get("operation") == operation)

    def be_quiet(self) -> None:
        for venue in self.venues.values():
            venue.catch_up(self.now)
            while venue.is_dead:
                venue.until(venue.now + SECOND)
            venue.be_quiet()

    # --- what must hold ---------------------------------------------------------------------------

    def naked_spans(self, goal: Goal) -> list[tuple[int, int]]:
        """From when to when, ns, anything of an operation was naked by the venues' own trades."""
        trades = sorted(
            (trade.fill.time, self.venues[name].base(trade.fill.size) * trade.order.side.sign)
            for name, venue in self.venues.items()
            for trade in venue.account.trades
            if trade.order.index == 0 and trade.fill.time >= goal.begun
        )
        low, high = sorted((ZERO, goal.plan.change))
        spans, since, change = [], 0, ZERO
        for at, size in trades:
            change += size
            is_naked = not low - goal.least < change < high + goal.least
            if since and not is_naked:
                spans.append((since, at))
            since = (since or at) if is_naked else 0
        return spans + ([(since, self.now)] if since else [])

    def owed(self, saga: Saga, begin: int, end: int) -> int:
        """Returns for how much of a time, ns, a venue owed the answer to an order, or no account took any."""
        spans = [(each.at, each.closed_at) for each in saga.attempts]
        spans += [(at, until) for (at, is_usable), (until, _) in pairwise([*self.looks, (end, True)]) if not is_usable]
        total, reached = 0, begin
        for at, until in sorted(spans):
            at, until = max(at, reached), min(until, end)
            total, reached = total + max(until - at, 0), max(reached, until)
        return total


class _Selector:
    """Waits in virtual time."""

    def __init__(self, house: House) -> None:
        self._house, self._real = house, selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[Any]:
        if self._house.is_killed and not self._house.loop_ends:
            raise Killed
        assert timeout is not None, "nothing would ever happen"
        if timeout > 0:
            self._house.advance(int(timeout * SECOND) + 1)
        return self._real.select(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, house: House) -> None:
        self._house = house
        house.loop_ends = False
        super().__init__(_Selector(house))  # type: ignore[arg-type]
        self.set_exception_handler(lambda loop, context: None)

    def time(self) -> float:
        return (self._house.now - START) / SECOND

    def end(self) -> None:
        self._house.loop_ends = True
        tasks = asyncio.all_tasks(self)
        for task in tasks:
            task.cancel()
        self.stop()
        self.run_forever()  # a kill may have come before the stop that was wanted already
        if tasks:
            self.run_until_complete(asyncio.wait(tasks))
        self.close()
