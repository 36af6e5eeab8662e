"""Random trading and random commands about money through a bad network, in virtual time: what must
hold holds after every event, and afterwards the gateway believes what the exchange says, of orders
and of money to the last unit.

A failing seed is shown with the line that repeats it. `make simulate SEEDS=2000 HOURS=1` runs more
and longer."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from onetape.accounts.booking import Booking
from onetape.accounts.entries import MAIN
from onetape.model.enums import OrderNews
from onetape.orders.managed import HealthOut, NewsOut
from onetape.orders.manager import OrderManager
from onetape.services.kept_money import KeptMoney
from onetape.venues.binance.gateway import BinanceUsdmVenue
from orders.gateway_invariants import Broken
from orders.gateway_life import Home
from orders.gateway_world import Faults, World

LONG = bool(os.environ.get("ONETAPE_LONG"))
KINDS = ("binance-usdm", "kraken")
SEEDS = int(os.environ.get("SEEDS", "1000" if LONG else "50"))  # of each kind
SECONDS = float(os.environ.get("HOURS", "0")) * 3600
FIRST = int(os.environ.get("FIRST_SEED", "0"))


def seconds_of(seed: int) -> float:
    """The first ones trade five minutes."""
    return SECONDS or (300 if seed - FIRST < (10 if LONG else 3) else 60)


def traded(seed: int, kind: str) -> World:
    """Its end, the seed shown where it fails."""
    seconds = seconds_of(seed)
    again = f"World({seed}, kind={kind!r}).run({seconds:g})"
    world = World(seed, kind=kind)
    try:
        world.run(seconds)
    except Broken as broken:
        pytest.fail(f"{again}: {broken}")
    assert world.differences() == [], f"{again}, {dict(world.seen)}"
    return world


@pytest.mark.parametrize("kind", KINDS)
def test_without_faults_nothing_is_ever_unknown(kind):
    world = World(1, Faults.none(), kind, crashes=False).run(60)
    assert world.differences() == []
    lost = [o for o in world.outs if isinstance(o, NewsOut) and o.news is OrderNews.LOST]
    assert lost == []
    assert world.seen["robot places"] > 30


# 1083: a word of an earlier amendment comes after a restart, and after the fills of a later one.
# 1107: what the books begin with has a deposit that a list tells of a microsecond later.
# 4019, 5044: in hedge mode a sub-account closes what another one holds.
ONCE_BROKEN = (
    ("binance-usdm", 1083),
    ("binance-usdm", 4019),
    ("binance-usdm", 5044),
    ("kraken", 1107),
)


@pytest.mark.parametrize(
    ("kind", "seed"),
    [(kind, seed) for kind in KINDS for seed in range(FIRST, FIRST + SEEDS)] + list(ONCE_BROKEN),
)
def test_what_must_hold_holds_after_every_event(kind, seed):
    world = traded(seed, kind)
    assert world.invariants.checks > 500
    again_changes_nothing(world)
    restarts_end_equal(world)


def beliefs(manager: OrderManager) -> tuple:
    orders = {o.client_id: (o.price, o.life.size, o.life.filled) for o in manager.open.values()}
    held = {key: qty for key, qty in manager.positions.items() if qty}
    return orders, held


def reconciled(world: World) -> list:
    """What the gateway says in one more round, while the market stands still."""
    world.outs.clear()
    world.reconciler.start(world.now, "again")
    for _ in range(100):
        if not world.reconciler.is_running and world.money.moves_wanted is None:
            break
        world.now += 100_000_000
        world.tick()
        calls, world.manager.calls = world.manager.calls, []
        for call in calls:
            reply = world.http(call)
            told = {name.lower(): value for name, value in reply.headers.items()}
            answer = world.protocol.answer(call, reply.status, told, reply.body, world.now)
            world.take(call, answer)
            world.write()
    assert not world.reconciler.is_running
    return world.outs


def again_changes_nothing(world: World) -> None:
    before = beliefs(world.manager)
    reconciled(world)
    said = [o for o in reconciled(world) if not isinstance(o, HealthOut)]
    assert said == []
    assert beliefs(world.manager) == before


def restarts_end_equal(world: World) -> None:
    """A gateway with its journal, and one without: what they believe after their first round."""
    before, slots = beliefs(world.manager), world.money_invariants.slots()
    world.invariants.out = lambda out: None  # it judges one life
    home = Home()
    for each in (world.home, home):
        world.life.end()
        world.begin_gateway(each, with_robots=each is world.home)
        reconciled(world)
        world.money_invariants.follow(each)
        orders, held = beliefs(world.manager)
        assert orders == before[0]
        if each is world.home or world.protocol.traits.positions:
            assert held == before[1]
        now = world.money_invariants.slots()
        if each is world.home:
            assert now == slots
        else:
            assert {name: rows[0] for name, rows in now.items()} == {
                name: rows[0] for name, rows in slots.items()
            }
    for order in world.manager.open.values():  # without a journal nothing says whose they are
        assert order.is_foreign


WANTED = (
    "lose_request", "lose_answer", "error_answer", "slow", "duplicate", "delay_stream", "crash",
    "kill switch", "robot amends", "trade by hand", "crash at a start", "deposit",
    "late_request", "silent withdraw", "another credit", "command applied", "command refused",
    "command duplicate", "checkpoint",
)  # fmt: skip


def test_every_fault_comes_up():
    """A simulation that never loses an answer proves nothing about lost answers."""
    seen: Counter = Counter()
    for seed in range(8):
        seen += World(seed).run(90).seen
    for what in WANTED:
        assert seen[what], what


def booking_twice(monkeypatch):
    monkeypatch.setattr("onetape.orders.books.Books.has", lambda self, fill: False)


def blind_limits(monkeypatch):
    monkeypatch.setattr("onetape.orders.gate.worst_held", lambda *a, **k: 0)


def sending_again(monkeypatch):
    def lost(self, order, now):
        from onetape.model.enums import OrderState, RequestKind

        if order.state is OrderState.SUBMITTED:
            self.send(order, RequestKind.PLACE, now)

    monkeypatch.setattr(OrderManager, "_lost", lost)


def touching_others(monkeypatch):
    monkeypatch.setattr("onetape.orders.managed.Managed.is_foreign", property(lambda self: False))
    cancel_all = OrderManager.cancel_all

    def all_of_them(self, now, robot=0):
        for order in list(self.open.values()):
            self.cancel(order, now)
        return cancel_all(self, now, robot)

    monkeypatch.setattr(OrderManager, "cancel_all", all_of_them)


def believing_in_absence(monkeypatch):
    monkeypatch.setattr("onetape.orders.manager.is_absent", lambda *a, **k: True)


def forgetting_what_was_not_booked(monkeypatch):
    monkeypatch.setattr(KeptMoney, "unbooked", lambda self: iter(()))


def letting_anyone(monkeypatch):
    class Anybody(str):
        __slots__ = ()
        __hash__ = None

        def __ne__(self, other):
            return False

    monkeypatch.setattr("onetape.accounts.slots.Slots.name_of", lambda self, slot: Anybody())


def letting_the_pool_pay(monkeypatch):
    fill = Booking.fill
    monkeypatch.setattr(Booking, "fill", lambda self, told, slot: fill(self, told, MAIN))


def forgetting_fees(monkeypatch):
    fill = Booking.fill
    free = lambda self, told, slot: fill(self, told._replace(fee=0), slot)  # noqa: E731
    monkeypatch.setattr(Booking, "fill", free)


MUTANTS = (
    booking_twice, blind_limits, sending_again, touching_others, believing_in_absence,
    forgetting_what_was_not_booked, letting_anyone, letting_the_pool_pay, forgetting_fees,
)  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.__name__)
def test_a_gateway_that_is_broken_is_caught(monkeypatch, mutant):
    mutant(monkeypatch)
    faults = Faults()
    if mutant in MUTANTS[2:5]:  # where much is unknown little is dared
        faults = Faults(slow=0.4, lose_request=0.2)
    elif mutant is forgetting_what_was_not_booked:
        # A probe that finds the stream late has all reconciled, and that hides it.
        monkeypatch.setattr(BinanceUsdmVenue, "probe_s", 0.0)
        faults = Faults(slow=0.4, delay_stream=0.3, freeze_stream=0.0)
    for seed in (0, 28, 5, 4, 1, 11, 15, *range(90)):  # the first ones catch one each, as it is now
        world = World(seed, faults)
        try:
            world.run(60)
        except (AssertionError, KeyError):
            return
        if world.differences():
            return
    pytest.fail("nobody noticed")
