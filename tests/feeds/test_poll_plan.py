"""Polls in simulated time: what an address may be asked is used and never passed, however many share it."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.feeds.poll_plan import (
    ANSWER_WITHIN,
    BUSY_FOR,
    HOLDER_BITS,
    LEASE,
    LOST,
    TICK,
    Contact,
    Pollers,
    PollPlan,
    Share,
    Turns,
    holder_of,
)
from onetape.model.time import SECOND
from onetape.orders.budget import Budget, WindowCounts
from onetape.orders.calls import Purpose
from onetape.venues.binance.polls import BinancePolls
from onetape.venues.kraken.polls import KrakenPolls

START = 1_795_000_020_000_000_000  # at the beginning of a minute
MINUTE = 60 * SECOND
POLLS = {"binance-usdm": BinancePolls(), "kraken": KrakenPolls()}


class World:
    """Pollers of one address, which is one venue's. late: how late each wakes up at most, ns. symbols: asked for one by
    one; an answer comes at once. apart: each poller is on a machine of its own, whose clock begins at some time."""

    def __init__(
        self, kind: str, percent: int = 95, late: int = 2_000_000, symbols: int = 0, *, apart: bool = False
    ) -> None:
        self.apart, self.behind = apart, defaultdict(int)  # ns by poller
        self.names = [f"S{n:03}" for n in range(symbols)]
        self.turns: dict[int, Turns] = {}
        self.served: list[tuple[int, int, str]] = []  # time, poller, symbol
        self.polls, self.percent, self.late = POLLS[kind], percent, late
        self.pollers = Pollers()
        self.counts: dict[int, WindowCounts] = defaultdict(WindowCounts)  # by address
        self.plans: dict[int, PollPlan] = {}
        self.requests: list[tuple[int, int, str, int]] = []  # time, poller, kind, weight
        self.chance = random.Random(7)
        self.now = START

    def join(self, holder: int) -> None:
        self.behind[holder] = self.chance.randrange(START) * self.apart
        self.plans[holder] = PollPlan(self.polls.kinds, self.polls.rule, percent=self.percent, now=self.own(holder))
        self.plans[holder].ahead = self.behind[holder]
        self.turns[holder] = Turns()
        self.turns[holder].set_names(self.names)

    def own(self, holder: int) -> int:
        """The time of a poller's machine."""
        return self.now - self.behind[holder]

    def serve(self, holder: int) -> None:
        turns = self.turns[holder]
        turns.share = self.plans[holder].share
        name = turns.take(self.now)
        if name is not None:
            self.served.append((self.now, holder, name))
            turns.done(name, self.now, 0)

    def run(self, until: int) -> None:
        """Each wakes up when its plan says, and renews its lease each second."""
        wakes = dict.fromkeys(self.plans, self.now)
        renews = {holder: self.now + n * SECOND // 7 for n, holder in enumerate(self.plans)}
        counts = {holder: self.counts[holder >> HOLDER_BITS] for holder in self.plans}
        budgets = {
            holder: Budget((self.polls.rule,), counts[holder], usual_percent=self.percent) for holder in self.plans
        }
        for holder in self.plans:
            self.plans[holder].share = self.pollers.renew(holder, self.now)
        while self.now < until:
            holder = min(self.plans, key=lambda each: min(wakes[each], renews[each]))
            self.now = max(self.now, min(wakes[holder], renews[holder]))
            plan = self.plans[holder]
            if renews[holder] <= self.now:
                plan.share, renews[holder] = self.pollers.renew(holder, self.now), self.now + SECOND
                passed = self.now % self.polls.rule.window
                used = counts[holder].spend(0, self.now - passed, 0, 0)
                plan.spent(used, self.polls.rule.window - passed, self.own(holder))
            while (kind := plan.take(self.own(holder))) is not None:
                verdict = budgets[holder].take(Purpose.MARKET, kind.weight, self.now)
                if verdict is None:
                    self.requests.append((self.now, holder, kind.name, kind.weight))
                    if kind.by_symbol:
                        self.serve(holder)
                else:
                    plan.give_back(kind)
                    plan.hold(verdict.retry_at - self.behind[holder])
            wakes[holder] = plan.next_at(self.own(holder)) + self.behind[holder] + self.chance.randrange(self.late + 1)

    def windows(self, address: int | None = None) -> dict[int, int]:
        used: dict[int, int] = defaultdict(int)
        for time, holder, _, weight in self.requests:
            if address is None or holder >> HOLDER_BITS == address:
                used[time // self.polls.rule.window] += weight
        return used


@pytest.mark.parametrize("kind", POLLS)
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_nine_tenths_of_what_the_venue_allows_are_used_and_nothing_beyond_it(kind, count):
    world = World(kind)
    for holder in range(1, count + 1):
        world.join(holder)
    world.run(START + 10 * MINUTE)
    used = world.windows()
    most = world.polls.rule.most
    whole = [used[window] for window in sorted(used)[1:-1]]
    print(f"{kind}, {count} pollers: {sum(whole) / len(whole) / most:.1%} of the limit, most {max(whole) / most:.1%}")
    assert max(used.values()) <= most
    assert sum(whole) / len(whole) >= 0.9 * most


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_asks_within_its_slot_and_together_they_ask_evenly(count, apart):
    world = World("binance-usdm", late=0, apart=apart)
    for holder in range(1, count + 1):
        world.join(holder)
    world.run(START + MINUTE)
    for time, holder, _, _ in world.requests:
        index = holder - 1
        assert index * TICK // count <= time % TICK < (index + 1) * TICK // count
    by_slot = Counter(holder for _, holder, _, _ in world.requests)
    assert max(by_slot.values()) - min(by_slot.values()) <= 2


@pytest.mark.parametrize(("addresses", "each"), [(10, 1), (3, 2)])
@pytest.mark.parametrize("is_hurried", [False, True])
def test_addresses_add_up_and_their_pollers_divide_the_symbols(addresses, each, is_hurried):
    def played(places: int, pollers: int) -> World:
        world = World("binance-usdm", symbols=60)
        for place in range(places):
            for number in range(pollers):
                world.join(holder_of(f"10.0.0.{place}", number + 1))
        for plan in world.plans.values():
            plan.hurry(START if is_hurried else 0)
        world.run(START + 5 * MINUTE)
        return world

    one, all_of_them = played(1, each), played(addresses, each)
    requested = [sum(weight for *_, weight in world.requests) for world in (one, all_of_them)]
    print(f"{addresses} addresses: {requested[1] / requested[0]:.2f} times the weight of one")
    assert requested[1] >= 0.95 * addresses * requested[0]
    for address in {holder >> HOLDER_BITS for holder in all_of_them.plans}:
        assert max(all_of_them.windows(address).values()) <= all_of_them.polls.rule.most
    last = [served for served in all_of_them.served if served[0] > START + MINUTE]
    by_name: dict[str, set[int]] = defaultdict(set)
    for _, holder, name in last:
        by_name[name].add(holder)
    assert set(by_name) == set(all_of_them.names) and all(len(holders) == 1 for holders in by_name.values())


def test_kinds_are_asked_by_their_shares():
    world = World("binance-usdm")
    world.join(1)
    world.run(START + 5 * MINUTE)
    spent: Counter[str] = Counter()
    for _, _, kind, weight in world.requests:
        spent[kind] += weight
    for kind in world.polls.kinds:
        assert spent[kind.name] / spent.total() == pytest.approx(kind.share, abs=0.02)


def test_one_that_joins_or_dies_moves_the_others_and_nothing_is_lost_or_over():
    world = World("binance-usdm")
    world.join(1)
    world.run(START + 2 * MINUTE)
    world.join(2)
    world.run(START + 4 * MINUTE)
    assert [plan.share for plan in world.plans.values()] == [Share(0, 2), Share(1, 2)]
    died = world.now
    del world.plans[1]  # without a word
    world.run(START + 6 * MINUTE)
    assert world.plans[2].share == Share(0, 1)
    used = world.windows()
    assert max(used.values()) <= world.polls.rule.most
    full = died // MINUTE + 2  # its lease has ended, and the window after that is whole
    assert used[full - 4] >= 0.9 * world.polls.rule.most  # while there were two
    late = [each for each in world.requests if each[0] >= died + LEASE + 2 * SECOND]
    span = world.now - (died + LEASE + 2 * SECOND)
    assert sum(weight for *_, weight in late) / span * MINUTE >= 0.9 * world.polls.rule.most


@pytest.mark.parametrize("count", [1, 2, 5])
def test_of_so_many_takes_each_symbol_has_its_part_whoever_serves_it(count):
    world = World("binance-usdm", late=0, symbols=10)
    for holder in range(1, count + 1):
        world.join(holder)
    world.run(START + 3 * MINUTE)
    times = len(world.served) // 10
    found = Counter(name for _, _, name in world.served[: times * 10])
    assert times > 5 and len(found) == 10
    assert max(found.values()) <= times + 1 and min(found.values()) >= times - 1
    assert len({holder for _, holder, _ in world.served}) == count


@pytest.mark.parametrize("seed", range(5))
def test_a_dead_poller_s_symbols_are_served_by_others_within_its_lease(seed):
    """Pollers join and die at random; one is always there. A symbol waits for a lease, a renewal and rounds at most."""
    chance, world = random.Random(seed), World("binance-usdm", symbols=10)
    for holder in (1, 2, 3):
        world.join(holder)
    last = 3
    for _ in range(12):
        world.run(world.now + chance.randrange(5, 30) * SECOND)
        if len(world.plans) > 1 and chance.random() < 0.5:
            del world.plans[chance.choice(list(world.plans))]  # kill -9: its lease stays
        else:
            world.join(last := last + 1)
    seen: dict[str, list[int]] = defaultdict(list)
    for time, _, name in world.served:
        seen[name].append(time)
    alone = World("binance-usdm", symbols=10)
    alone.join(1)
    alone.run(START + MINUTE)
    round_ns = MINUTE * 10 // len(alone.served)
    gaps = [b - a for times in seen.values() for a, b in pairwise(times)]
    assert len(seen) == 10 and max(gaps) <= LEASE + 2 * SECOND + 3 * round_ns
    slots = Counter(time % TICK * 8 // TICK for time, *_ in world.requests)
    assert min(slots.values()) > 0  # all of a tick is used


def test_where_the_venue_says_wait_nothing_is_asked_until_then():
    polls = POLLS["binance-usdm"]
    plan = PollPlan(polls.kinds, polls.rule, percent=95, now=START)
    later = START + 20 * SECOND
    plan.hold(later)
    plan.hold(START + SECOND)  # a shorter word does not shorten it
    assert plan.next_at(START + 5 * SECOND) >= later
    assert plan.take(later - 1) is None
    assert plan.take(plan.next_at(later)) is not None
    # What was not spent meanwhile is not spent at once: of each kind one.
    taken = [kind.name for _ in range(9) if (kind := plan.take(later + 1)) is not None]
    assert len(taken) == len(set(taken)) < len(polls.kinds)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("moment", range(0, 1000, 83))
def test_prices_come_at_once_and_first_while_no_stream_brings_them(count, moment):
    world = World("binance-usdm")
    for holder in range(1, count + 1):
        world.join(holder)
    world.run(START + MINUTE + moment * 10**6)
    lost = world.now
    for since in (lost, 0):
        for plan in world.plans.values():
            plan.hurry(since)
        world.run(world.now + MINUTE)
    quotes = [time for time, _, kind, _ in world.requests if kind == "quotes" and lost <= time <= lost + MINUTE]
    assert quotes[0] - lost <= world.late
    assert max(b - a for a, b in pairwise(quotes)) <= 0.2 * SECOND
    assert 0.9 * world.polls.rule.most < world.windows()[START // MINUTE + 1] <= world.polls.rule.most
    last = Counter(kind for time, _, kind, _ in world.requests if time > world.now - MINUTE)
    assert last["quotes"] < 240  # as before


def test_beside_an_account_more_is_spent_while_no_stream_brings_prices_and_no_more_than_was_said():
    plan = PollPlan(POLLS["binance-usdm"].kinds, POLLS["binance-usdm"].rule, percent=54, now=START, urgent_percent=80)
    weights = []
    for since in (0, START + 2 * MINUTE, 0):
        plan.hurry(since)
        now = until = START + len(weights) * 2 * MINUTE
        quotes, spent = [], 0
        while now < until + MINUTE:
            while (kind := plan.take(now)) is not None:
                spent += kind.weight
                quotes += [now] * (kind.name == "quotes")
            now = plan.next_at(now)
        weights.append(spent)
        assert (max(b - a for a, b in pairwise(quotes)) < 0.2 * SECOND) == (since > 0)
    most = POLLS["binance-usdm"].rule.most
    assert weights[0] <= 0.54 * most < 0.75 * most < weights[1] <= 0.8 * most and weights[2] <= 0.54 * most


@given(st.lists(st.tuples(st.sampled_from(["renew", "release", "wait"]), st.integers(1, 5)), max_size=40))
def test_whoever_lives_has_a_place_and_no_two_have_the_same(steps):
    pollers, now, last = Pollers(), START, {}
    for what, holder in steps:
        if what == "wait":
            now += holder * SECOND
        elif what == "release":
            pollers.release(holder)
            last.pop(holder, None)
        else:
            share = pollers.renew(holder, now)
            last[holder] = now
            living = {each for each, at in last.items() if now - at < LEASE}
            assert share.pollers == len(living)
            assert share.place == sorted(living).index(holder)


# --- turns ----------------------------------------------------------------------------------------


def served(turns: Turns, count: int, now: int, *, step: int = SECOND, trades=lambda name: 0) -> Counter[str]:
    found: Counter[str] = Counter()
    for _ in range(count):
        name = turns.take(now)
        now += step
        if name is not None:
            found[name] += 1
            turns.done(name, now, trades(name))
    return found


def test_all_are_served_alike_whoever_comes_or_goes():
    turns = Turns()
    names = [f"S{n}" for n in range(17)]
    turns.set_names(names)
    found = served(turns, 5 * 17, START)
    assert set(found.values()) == {5}
    turns.set_names(names[3:])
    assert set(served(turns, 14, START + 1000 * SECOND)) == set(names[3:])


def test_one_whose_answer_is_under_way_is_passed_over_until_its_lease_ends():
    turns = Turns()
    turns.set_names(["A", "B"])
    first = turns.take(START)
    second = turns.take(START)
    assert {first, second} == {"A", "B"} and turns.take(START) is None
    turns.done(second, START, None)
    assert turns.take(START + 1) == second
    assert turns.take(START + ANSWER_WITHIN) == first  # its answer never came


def test_pollers_divide_the_names_and_leave_none_out():
    shares = [Turns(share=Share(index, 3)) for index in range(3)]
    for turns in shares:
        turns.set_names(f"S{n}" for n in range(20))
    found = [served(turns, 7, START) for turns in shares]
    assert sum(map(len, found)) == 20 and not set(found[0]) & set(found[1])
    shares[0].share = Share(0, 1)  # the others are gone
    assert len(served(shares[0], 40, START + 60 * SECOND)) == 20


def test_twenty_hot_ones_of_two_hundred_wait_a_tenth_of_what_the_others_wait():
    """By a condition, whatever they trade; and no longer than the condition is fresh."""
    names = [f"S{n:03}" for n in range(200)]
    hot, turns = set(names[::10]), Turns()
    turns.set_names(names)
    turns.set_hot((), START)
    busy = {"trades": lambda name: 0 if name in hot else 5000 if name < "S020" else 10}
    alike = served(turns, 800, START, step=SECOND // 8, **busy)
    assert set(alike.values()) == {4}  # trades make nobody busy where a condition says it
    now = START + 100 * SECOND
    turns.set_hot(hot, now)
    found = served(turns, 1600, now, step=SECOND // 10, **busy)  # 160 s
    of_hot, of_others = (sum(found[n] for n in group) / len(group) for group in (hot, set(names) - hot))
    assert of_hot >= 10 * of_others and of_hot >= 8 * 1600 / 200 and len(found) == 200
    late = served(turns, 1000, now + BUSY_FOR + 1, step=SECOND // 8, **busy)
    assert max(late[n] for n in hot) <= 5


def test_twenty_busy_ones_of_two_hundred_are_asked_about_ten_times_as_often():
    busy = {f"S{n:03}" for n in range(0, 200, 10)}
    turns = Turns()
    turns.set_names(f"S{n:03}" for n in range(200))

    def trades(name: str) -> int:
        return 5000 if name in busy else 10

    served(turns, 450, START, step=SECOND // 8, trades=trades)  # learns
    count = 2000
    found = served(turns, count, START + 60 * SECOND, step=SECOND // 8, trades=trades)
    of_busy = sum(found[name] for name in busy) / len(busy)
    assert of_busy >= 8 * count / 200
    assert len(found) == 200  # the others have their turns
    quiet = served(turns, 400, START + 3600 * SECOND, step=SECOND // 8)
    assert max(quiet.values()) <= 3  # an old figure makes nobody busy


def test_what_others_ask_for_is_saved_over_the_window_and_leaves_no_pause_at_its_end():
    world = World("binance-usdm")
    world.join(1)
    world.run(START + MINUTE)
    world.plans[1].hurry(world.now)
    others = Budget((world.polls.rule,), world.counts[0], usual_percent=95)
    assert others.take(Purpose.MARKET, 120, world.now + 1) is None
    world.run(START + 2 * MINUTE + 5 * SECOND)
    quotes = [time for time, _, kind, _ in world.requests if kind == "quotes" and time >= START + MINUTE]
    assert max(b - a for a, b in pairwise(quotes)) <= 0.3 * SECOND
    assert world.windows()[START // MINUTE + 1] >= 0.9 * world.polls.rule.most - 120


CONTACTS = {  # what comes when ("a": an answer; a number: a failure of what was asked then): whether it is news
    "a first answer, and the next": [(0, "a", True), (1, "a", False)],
    "nothing ever answers": [(4, 0, True), (5, 1, False)],
    "one of many fails": [(0, "a", True), (1, 0, False), (3, "a", False)],
    "the last answer is long ago": [(0, "a", True), (2, 1, True), (3, 1, False), (4, "a", True)],
    "asked before the last answer": [(1, "a", True), (4, 0, False), (4, 2, True)],
}


@pytest.mark.parametrize("name", CONTACTS)
def test_a_venue_is_lost_by_what_was_asked_since_its_last_answer(name):
    contact = Contact()
    for at, what, is_news in CONTACTS[name]:
        now = START + at * LOST // 2
        found = contact.answered(now) if what == "a" else contact.failed(START + what * LOST // 2, now)
        assert found == is_news, (at, what)


def test_leases_of_an_earlier_start_of_the_machine_take_no_share():
    """They are of its steady clock, which begins anew; nobody renews them any more."""
    pollers = Pollers([(1, START + 100 * MINUTE), (2, START + SECOND)])
    assert pollers.renew(3, START) == Share(1, 2)
