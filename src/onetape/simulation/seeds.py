"""One seed of a simulated world played to its end, and what has to hold there: both sides agree,
another reconciliation changes nothing, and a restart with and without the journal ends equal."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from onetape.model.home import gateway_journal
from onetape.model.sections import GUARDIAN
from onetape.model.time import SECOND
from onetape.orders.calls import Call
from onetape.orders.managed import HealthOut, Out
from onetape.orders.manager import OrderManager
from onetape.orders.outcome import Answer
from onetape.simulation.entry_world import EntryWorld
from onetape.simulation.gateway_life import Home
from onetape.simulation.guardian_world import GuardianWorld
from onetape.simulation.halt_world import HaltWorld
from onetape.simulation.hub_world import HubWorld
from onetape.simulation.invariants import check
from onetape.simulation.operations import Operations
from onetape.simulation.past_world import PastWorld
from onetape.simulation.system_world import System
from onetape.simulation.takeover_world import TakeoverWorld
from onetape.simulation.tape_hash import hash_of
from onetape.simulation.world import World
from onetape.tape.segments import is_tape


@dataclass
class SellToBuyWorld(World):
    """Its robots have little money, and close one thing to open another in one go."""

    sells_to_buy: bool = True


KINDS = ("binance-usdm", "kraken", "aster", "pacifica", "bitmex", "bybit", "hyperliquid", "okx", "binance-spot")
WORLDS: dict[str, type[World]] = {
    "World": World,
    "EntryWorld": EntryWorld,
    "SellToBuyWorld": SellToBuyWorld,
    "HubWorld": HubWorld,
    "HaltWorld": HaltWorld,
    "GuardianWorld": GuardianWorld,
    "PastWorld": PastWorld,
    "TakeoverWorld": TakeoverWorld,
}


# Two take no orders by WebSocket, and of a spot account no guardian can ask what it holds.
NOT_THERE = [("EntryWorld", "aster"), ("EntryWorld", "bitmex"), ("PastWorld", "kraken"), ("PastWorld", "binance-spot")]
# Every world comes before any of them comes at its next venue: a few in a row reach them all.
ROUNDS = [[(world, KINDS[(at + turn) % len(KINDS)]) for at, world in enumerate(WORLDS)] for turn in range(len(KINDS))]
PAIRS = [pair for pairs in ROUNDS for pair in pairs if pair not in NOT_THERE]
SEED_MAX = 10**9
SYSTEM, OPERATIONS = "System", "Operations"  # of several accounts, at venues that they draw


class Seed(NamedTuple):
    """world: of `WORLDS`, or one of those of several accounts; kind: of its venue, "" where it draws them; seconds: how
    long it trades."""

    world: str
    kind: str
    number: int
    seconds: float

    @classmethod
    def of(cls, number: int, seconds: float, world: str = "", kind: str = "") -> Seed:
        """Returns a seed whose number decides what is not said: every other one is of a whole system."""
        chance = random.Random(number)
        pairs = [(SYSTEM, "")] * (len(PAIRS) - len(WORLDS)) + [(OPERATIONS, "")] * len(WORLDS) + PAIRS
        pairs = [pair for pair in pairs if world in ("", pair[0]) and kind in ("", pair[1])]
        return cls(*chance.choice(pairs), number, seconds)

    @property
    def command(self) -> str:
        """What repeats it."""
        venue = f" --venue {self.kind}" if self.kind else ""
        return f"onetape chaos --seed {self.number} --world {self.world}{venue} --hours {self.seconds / 3600:.9g}"

    def begun(self) -> World:
        """Returns its world of one account."""
        return WORLDS[self.world](self.number, kind=self.kind)

    def game(self) -> Game:
        """Returns its world as a campaign plays it."""
        if self.world == SYSTEM:
            return System(self.number)
        if self.world == OPERATIONS:
            return Operations(self.number)
        return Alone(self.begun())

    def played(self) -> World:
        """As `play` does it, of a world of one account. Raises AssertionError with the command that repeats what
        broke."""
        try:
            return play(self.begun(), self.seconds)
        except Exception as error:
            raise AssertionError(f"{self.command}: {type(error).__name__}: {error}") from error


class Game(Protocol):
    """A world that a campaign plays."""

    @property
    def seen(self) -> Counter[str]:
        """Returns how often each fault and event came."""

    @property
    def elapsed(self) -> float:
        """Returns how long it has run, simulated seconds."""

    def play(self, seconds: float) -> object:
        """Trades so long, and holds the end to account. Raises Broken, or what broke."""

    def hash(self) -> str:
        """Returns the SHA-256 of all its tapes' frames."""

    def journals(self) -> dict[str, Path]:
        """Returns its tapes by what they are of."""


class Alone:
    """A world of one account, as a campaign plays it."""

    def __init__(self, world: World) -> None:
        self.world, self._began = world, world.now

    @property
    def seen(self) -> Counter[str]:
        return self.world.seen

    @property
    def elapsed(self) -> float:
        return (self.world.now - self._began) / SECOND

    def play(self, seconds: float) -> World:
        return play(self.world, seconds)

    def journals(self) -> dict[str, Path]:
        found = {"gateway": gateway_journal(self.world.home.path, "main")}
        guardian = self.world.home.path / "journal" / GUARDIAN
        return {**found, "guardian": guardian} if is_tape(guardian) else found

    def hash(self) -> str:
        return hash_of(self.journals(), (self.world.home.path,))


class Played(NamedTuple):
    """How a seed ended. simulated, cpu: seconds; failure: the first invariant that did not hold, "": none; hash: of all
    its tapes' frames."""

    seed: Seed
    simulated: float
    cpu: float
    failure: str
    seen: dict[str, int]
    hash: str


def drawn(rng: random.Random, seconds: float, pairs: Sequence[tuple[str, str]] = PAIRS) -> Iterator[Seed]:
    """Without end: every world at every venue in turn, from a drawn one on, so that short draws reach them all."""
    for world, kind in islice(cycle(pairs), rng.randrange(len(pairs)), None):
        yield Seed(world, kind, rng.randrange(SEED_MAX), seconds)


def play(world: World, seconds: float) -> World:
    """Trade so long, and hold the end to account. Raises Broken, or what broke."""
    world.run(seconds)
    found = world.differences()
    check(not found, f"{found}, {dict(world.seen)}")
    reconciling_changes_nothing(world)
    restarts_end_equal(world)
    return world


def positions_of(world: World, held: Mapping[Any, int]) -> dict[Any, int]:
    return {key: qty for key, qty in held.items() if world.protocol.traits.has_position(key[0])}


def beliefs(manager: OrderManager) -> tuple[dict[str, Any], dict[Any, int]]:
    orders = {o.client_id: (o.price, o.size, o.filled) for o in manager.open.values()}
    held = {key: qty for key, qty in manager.positions.items() if qty}
    return orders, held


def venues_answer(world: World, call: Call) -> Answer:
    reply = world.http(world.protocol.signed(call, world.now))
    received = {name.lower(): value for name, value in reply.headers.items()}
    return world.protocol.answer(call, reply.status, received, reply.body, world.now)


def one_more_round(world: World) -> list[Out]:
    """What the gateway says in one more round, while the market stands still."""
    world.outs.clear()
    core = world.core
    core.stamp(world.moment())
    world.kept_back = []
    if core.is_up:
        core.reconcile()
    else:
        core.stream_came(world.moment())
    for _ in range(100):
        if not core.reconciler.is_running and core.money.moves_wanted is None:
            break
        world.now += 100_000_000
        core.tick(world.moment())
        calls, world.kept_back = world.kept_back, []
        for call in calls:
            core.answered(call, venues_answer(world, call), world.moment())
    world.kept_back = None
    check(not core.reconciler.is_running, "the last reconciliation is not over")
    return world.outs


def reconciling_changes_nothing(world: World) -> None:
    before = beliefs(world.manager)
    one_more_round(world)
    said = [out for out in one_more_round(world) if not isinstance(out, HealthOut)]
    check(not said, f"one more reconciliation says {said}")
    after = beliefs(world.manager)
    check(after == before, f"one more reconciliation makes {after} of {before}")


def restarts_end_equal(world: World) -> None:
    """A gateway with its journal, and one without: what they believe after their first round."""
    before, slots = beliefs(world.manager), world.money_invariants.slots()
    works = world.manager.open.values() if world.gate.halts.killed else ()
    ends = {o.client_id for o in works if o.robot and not world.gate.reduces(o.spec, o)}  # before it knows what is held
    wanted = {name: each for name, each in before[0].items() if name not in ends}
    world.invariants.out = lambda out: None  # type: ignore[method-assign]  # it judges one life
    home = Home()
    for each in (world.home, home):
        world.life.end()
        world.begin_gateway(each, with_robots=each is world.home)
        one_more_round(world)
        world.money_invariants.follow(each)
        world.state_invariants.follow(each)
        what = f"a restart {'with' if each is world.home else 'without'} its journal"
        orders, held = beliefs(world.manager)
        orders = {name: each for name, each in orders.items() if name not in ends}
        check(orders == wanted, f"{what} makes {orders} of {wanted}")
        kept = before[1]
        if each is not world.home:  # nothing says what was bought on spot
            held, kept = (positions_of(world, of) for of in (held, kept))
        check(held == kept, f"{what} makes {held} of {kept}")
        now = world.money_invariants.slots()
        if each is world.home:
            check(now == slots, f"{what} makes {now} of {slots}")
        else:
            totals = [{name: rows[0] for name, rows in of.items()} for of in (now, slots)]
            check(totals[0] == totals[1], f"{what} makes {totals[0]} of {totals[1]}")
    # Without a journal nothing says whose they are, but of the guardian's stops, which are the operator's.
    for order in world.manager.open.values():
        is_foreign = order.is_foreign or (world.is_guarded and order.is_protective)
        check(is_foreign, f"{order.client_id} is ours without a journal")
