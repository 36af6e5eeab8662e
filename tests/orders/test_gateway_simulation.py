"""Random trading and random commands about money through a bad network, in virtual time: what must
hold holds after every event, and afterwards the gateway believes what the exchange says, of orders
and of money to the last unit.

Besides seeds that are the same for every change each run draws some of its own, from SIMULATION_SEED,
which it prints: `.ci/run` makes that of the change, so that a change is judged the same each time. A
failing seed is shown with the command that repeats it, and `onetape chaos --seeds 3000 --hours 300` plays that many
hours of new ones."""

from __future__ import annotations

import os
import random
from collections import Counter
from itertools import islice

import pytest

from long_form import LONG, long_form
from onetape.accounts.booked_fills import BookedFills
from onetape.accounts.booking import Booking
from onetape.accounts.entries import MAIN
from onetape.model.enums import OrderNews
from onetape.orders.managed import NewsOut
from onetape.orders.manager import OrderManager
from onetape.orders.reconcile import Reconciler
from onetape.simulation.faults import Faults
from onetape.simulation.seeds import KINDS, Seed, SellToBuyWorld, drawn
from onetape.simulation.world import World
from onetape.venues.binance.gateway import BinanceUsdmVenue

SEEDS = 1000 if LONG else 5  # of each kind, and twice as many of
NEWEST = ("aster", "pacifica")
LONGER = 10 if LONG else 1  # of these trade five minutes
DRAWN = 200 if LONG else 24  # a second or two each


@pytest.mark.parametrize("kind", KINDS)
def test_without_faults_nothing_is_ever_unknown(kind):
    world = World(1, Faults.none(), kind, crashes=False).run(60)
    assert world.differences() == []
    lost = [o for o in world.outs if isinstance(o, NewsOut) and o.news is OrderNews.LOST]
    assert lost == []
    assert world.seen["robot places"] > 30


@pytest.mark.parametrize("kind", KINDS)
def test_purchases_wait_for_their_money_and_get_it(kind):
    seen: Counter = Counter()
    for number in (1, 4, 8, 10):
        world = SellToBuyWorld(number, Faults.none(), kind, crashes=False).run(120)
        assert world.differences() == []
        seen += world.seen
    assert seen["waits for money"] > seen["had its money"] > 3


FIXED = [
    Seed("World", kind, number, 300 if number < LONGER else 60)
    for kind in KINDS
    for number in range(SEEDS * (1 + (kind in NEWEST)))
] + [
    Seed(world, kind, number, seconds)
    for world, numbers, seconds in (
        ("SellToBuyWorld", (7, 10), 120),
        ("HaltWorld", (3, 4) if LONG else (3,), 900),
        ("TakeoverWorld", range(50 if LONG else 2), 120),  # some five takeovers each
    )
    for kind in KINDS
    for number in numbers
]
LASTS = {"GuardianWorld": 60}  # it costs some six times as much
NEW = [
    seed._replace(seconds=LASTS.get(seed.world, seed.seconds))
    for seed in islice(drawn(random.Random(int(os.environ["SIMULATION_SEED"])), 300), DRAWN)
]
ONCE_BROKEN = [
    # After a takeover stops on spot each passed as a reduction of the same coins.
    Seed("TakeoverWorld", "kraken", 968586080, 300),
    # A word of an earlier amendment comes after a restart, and after the fills of a later one.
    Seed("World", "binance-usdm", 1083, 60),
    # In hedge mode a sub-account closes what another one holds.
    Seed("World", "binance-usdm", 4019, 60),
    Seed("World", "binance-usdm", 5044, 60),
    # What the books begin with has a deposit that a list tells of a microsecond later.
    Seed("World", "kraken", 1107, 60),
    # An order that only closes takes its fee from a sub-account that has lost what it had.
    Seed("World", "binance-usdm", 6191986, 1200),
    # What the venue made to settle was filled, and stayed open here.
    Seed("EntryWorld", "binance-usdm", 4540047, 120),
    # The last trade of other hands' order comes before any other word about it.
    Seed("World", "kraken", 12345, 120),
    # What the venue had rounded was taken for unexplained by a reset at the same moment.
    Seed("World", "kraken", 991425131, 1500),
    # The stream told twice of a fee that the history had told of with its symbol.
    Seed("World", "binance-usdm", 858741435, 1500),
    # A balance was corrected while a fill waited for the name of its order.
    Seed("EntryWorld", "kraken", 540091353, 300),
    # An owner's wrong total stayed, and what was allocated was not there, when robots were told.
    Seed("World", "kraken", 475527474, 700),
    # A stop that had waited for money was looked for among the orders of the book.
    Seed("SellToBuyWorld", "binance-usdm", 928094117, 1800),
    # A forced close was handed over inside while the hub stood still, and counted as an order.
    Seed("HubWorld", "binance-usdm", 706410027, 90),
    # A journal that was read in one burst opened, turned and opened a position anew, and each had its ladder sent.
    Seed("GuardianWorld", "pacifica", 519748041, 60),
    # The world ended while the venue's word on a stop that had nothing to reduce was on its way.
    Seed("SellToBuyWorld", "aster", 197302003, 300),
    # An amendment ended its order, which is what the answers to it and to each cancel said.
    Seed("GuardianWorld", "bitmex", 24798827, 120),
    # A reduction that has become too large is made smaller, on a market that is stale, too.
    Seed("HubWorld", "aster", 237990255, 300),
    # Funding that was heard of late had been taken for the rounding of many fills.
    Seed("SellToBuyWorld", "bitmex", 963574977, 300),
    # Of two sales at one moment the first waited for the name of its order, and ids do not say which came first.
    Seed("SellToBuyWorld", "bitmex", 397580361, 300),
    # An order that only the venue had after a takeover held no money.
    Seed("TakeoverWorld", "aster", 20, 120),
]


BRIEF = [seed for seed in ONCE_BROKEN if seed.seconds <= 700]
LENGTHY = long_form(*((seed,) for seed in ONCE_BROKEN if seed not in BRIEF))  # half a minute each, and more


@pytest.mark.parametrize("seed", [*FIXED, *BRIEF, *NEW, *LENGTHY], ids=lambda seed: "-".join(map(str, seed)))
def test_what_must_hold_holds_after_every_event(seed):
    world = seed.played()
    assert world.invariants.checks > 300


WANTED = (
    "lose_request", "lose_answer", "error_answer", "slow", "duplicate", "delay_stream", "crash",
    "kill switch", "robot amends", "trade by hand", "crash at a start", "deposit",
    "late_request", "silent withdraw", "another credit", "command applied", "command refused",
    "command duplicate", "checkpoint", "robot lost", "reduced while killed",
)  # fmt: skip


def test_every_fault_comes_up():
    """A simulation that never loses an answer proves nothing about lost answers."""
    missing = set(WANTED)
    for seed in (6, 5, *range(40)):  # the first two have all, as it is now
        missing -= World(seed).run(90).seen.keys()
        if not missing:
            return
    pytest.fail(f"never seen: {sorted(missing)}")


def booking_twice(monkeypatch):
    monkeypatch.setattr("onetape.orders.books.Books.has", lambda self, fill: False)


def blind_limits(monkeypatch):
    monkeypatch.setattr("onetape.orders.pre_trade.exposure.worst_held", lambda *a, **k: 0)


def resending(monkeypatch):
    def lost(self, order, now):
        from onetape.model.enums import OrderState, RequestKind

        if order.state is OrderState.SUBMITTED:
            self.send(order, RequestKind.PLACE, now)

    monkeypatch.setattr(OrderManager, "_lost", lost)


def touching_others(monkeypatch):
    monkeypatch.setattr("onetape.orders.managed.Order.is_foreign", property(lambda self: False))
    cancel_all = OrderManager.cancel_all

    def all_of_them(self, now, robot=0, **among):
        for order in list(self.open.values()):
            self.cancel(order, now)
        return cancel_all(self, now, robot, **among)

    monkeypatch.setattr(OrderManager, "cancel_all", all_of_them)


def believing_in_absence(monkeypatch):
    monkeypatch.setattr("onetape.orders.manager.is_absent", lambda *a, **k: True)
    # Reconciliation finds what works after all, cancels it, and that hides it.
    monkeypatch.setattr(Reconciler, "_working_ended", lambda self: [])


def forgetting_what_was_not_booked(monkeypatch):
    monkeypatch.setattr(BookedFills, "unbooked", lambda self: iter(()))


def letting_anyone(monkeypatch):
    class Anybody(str):
        __slots__ = ()
        __hash__ = None

        def __ne__(self, other):
            return False

    monkeypatch.setattr("onetape.accounts.slots.Slots.name_of", lambda self, slot: Anybody())


def letting_the_pool_pay(monkeypatch):
    fill = Booking.fill
    monkeypatch.setattr(Booking, "fill", lambda self, report, slot: fill(self, report, MAIN))


def forgetting_fees(monkeypatch):
    fill = Booking.fill
    free = lambda self, report, slot: fill(self, report._replace(fee=0), slot)  # noqa: E731
    monkeypatch.setattr(Booking, "fill", free)


MUTANTS = (
    booking_twice,
    blind_limits,
    resending,
    touching_others,
    believing_in_absence,
    forgetting_what_was_not_booked,
    letting_anyone,
    letting_the_pool_pay,
    forgetting_fees,
)


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
