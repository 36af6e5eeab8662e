"""One seed of a simulated world played to its end, and what has to hold there: both sides agree,
another reconciliation changes nothing, and a restart with and without the journal ends equal."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import NamedTuple

from guardian.guardian_world import GuardianWorld
from guardian.past_world import PastWorld
from onetape.orders.calls import Call
from onetape.orders.managed import HealthOut
from onetape.orders.manager import OrderManager
from onetape.orders.outcome import Answer
from orders.entry_world import EntryWorld
from orders.gateway_invariants import check
from orders.gateway_life import Home
from orders.gateway_world import World
from orders.halt_world import HaltWorld
from orders.hub_world import HubWorld
from orders.takeover_world import TakeoverWorld


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


class Seed(NamedTuple):
    """world: of `WORLDS`; seconds: how long it trades."""

    world: str
    kind: str
    number: int
    seconds: float

    @property
    def command(self) -> str:
        """What repeats it."""
        named = f"--world {self.world} --kind {self.kind} --seed {self.number}"
        return f".venv/bin/python tests/orders/simulate.py {named} --seconds {self.seconds:g}"

    def begun(self) -> World:
        return WORLDS[self.world](self.number, kind=self.kind)

    def played(self) -> World:
        """As `play` does it. Raises AssertionError with the command that repeats what broke."""
        try:
            return play(self.begun(), self.seconds)
        except Exception as error:
            raise AssertionError(f"{self.command}: {type(error).__name__}: {error}") from error


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


def positions_of(world: World, held: dict) -> dict:
    return {key: qty for key, qty in held.items() if world.protocol.traits.has_position(key[0])}


def beliefs(manager: OrderManager) -> tuple:
    orders = {o.client_id: (o.price, o.size, o.filled) for o in manager.open.values()}
    held = {key: qty for key, qty in manager.positions.items() if qty}
    return orders, held


def venues_answer(world: World, call: Call) -> Answer:
    reply = world.http(world.protocol.signed(call, world.now))
    received = {name.lower(): value for name, value in reply.headers.items()}
    return world.protocol.answer(call, reply.status, received, reply.body, world.now)


def one_more_round(world: World) -> list:
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
    world.invariants.out = lambda out: None  # it judges one life
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
