"""A gateway that has asked the simulated Kraken too often: it waits, and comes back.

What asks is real: a reconcile round, an order nobody knows the state of, and the token of the
account's stream, each with its own clock of retries. The exchange is the simulated one, the time
is the test's.
"""

from __future__ import annotations

import asyncio
from collections import Counter as Counted
from itertools import pairwise

import pytest

from exchange.venue_client import served
from onetape.exchange.dialect import Request as Http
from onetape.exchange.kraken.limits import KEY, Counter
from onetape.exchange.venues import Crowd, open_venue
from onetape.feeds.query_line import VenueLine
from onetape.feeds.request_budget import PAUSED, AddressBudget, BudgetError
from onetape.feeds.venue_clock import VenueClock
from onetape.model.enums import OrderState, RequestKind, Side
from onetape.model.errors import VenueRateLimit
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.net.connection import reconnect_after
from onetape.orders.calls import Call, Purpose
from onetape.orders.managed import Request
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reconcile import Reconciler
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue
from orders.surroundings import manager_at

KEY_STARTER = (15, 330_000)  # of a key of the lowest tier
START = 1_795_000_000 * SECOND
STEP = SECOND // 10


class World:
    """A gateway's cores, its budget and its exchange. minutes of virtual time are cheap."""

    def __init__(self, path, tier: tuple[int, int]) -> None:
        self.now = START
        self.said: list[str] = []
        self.requests: list[tuple[int, Purpose, int]] = []  # when, what, and the answer's code
        self.dialect = open_venue("kraken", seed=3, now=START, market=Crowd(0.1, SECOND))
        self.dialect.limits.key = tier
        self.account = self.dialect.exchange.accounts[0]
        self.venue = open_trading_venue("kraken", self.account.key, self.account.secret, Addresses("", "", ""))
        listed = self.venue.instruments_of(self.http(self.venue.instruments()).body, frozenset())
        self.spec = OrderSpec(
            symbol=listed[0].symbol,
            side=Side.BUY,
            size_int=100_000,
            price_int=self.dialect.exchange.listings[0].bid * 9 // 10,
        )
        self.manager = manager_at(self.venue.protocol)
        self.reconciler = Reconciler(self.manager, [listed[0].symbol], is_new=True)
        self.budget = AddressBudget(
            path,
            self.venue.budget,
            now=lambda: self.now,
            steady=lambda: self.now,
            say=lambda o: self.said.append(o.state),
        )
        self.token, self.token_at, self.failures = "", START, 0

    def http(self, call: Call):
        path, _, query = call.target.partition("?")
        received = {name.lower(): value for name, value in call.headers.items()}
        request = Http(call.method, path, query, call.body, received, "127.0.0.1")
        return self.dialect.http(request, self.now)

    def ask(self, call: Call) -> Answer:
        """As the gateway's line does."""
        try:
            self.budget.take(call)
        except BudgetError as spent:
            return spent.answer
        reply = self.http(call)
        self.budget.heard(reply.status, reply.headers)
        answer = self.venue.protocol.answer(call, reply.status, reply.headers, reply.body, self.now)
        self.budget.answered(call, reply.status, answer)
        self.requests.append((self.now, call.purpose, answer.code))
        return answer

    def exhaust(self, over: int) -> None:
        """So much has been asked with this key above what it may."""
        limits = self.dialect.limits
        counter = limits.keys.setdefault(self.account.key, Counter())
        counter.used, counter.at = (limits.key[0] + over) * 1_000_000, self.now

    def lose_an_order(self) -> None:
        """It rests at the venue, and the answer to its placing was lost."""
        order = self.manager.submit("lost-1", Request(1, RequestKind.PLACE, 1, self.spec), self.now)
        call = self.manager.calls.pop()
        assert self.ask(call).outcome is Outcome.DONE
        self.manager.answered(call, Answer(Outcome.AMBIGUOUS), self.now)
        assert order.state is OrderState.UNKNOWN

    def step(self) -> None:
        self.now += STEP
        self.dialect.exchange.advance(self.now)
        if not self.token and self.now >= self.token_at:
            self.token = self.ask(self.venue.stream_key(self.now)).value
            self.failures += 1
            self.token_at = self.now + int(reconnect_after(self.failures) * SECOND)
        self.manager.tick(self.now)
        self.reconciler.tick(self.now)
        self.budget.look()
        while self.manager.calls:
            call = self.manager.calls.pop(0)
            answer = self.ask(call)
            if not self.reconciler.answered(call, answer, self.now):
                self.manager.answered(call, answer, self.now)

    @property
    def is_back(self) -> bool:
        return bool(self.token) and self.reconciler.rounds > 0

    def refusals(self) -> list[int]:
        """When, in seconds since the beginning."""
        return [(t - START) // SECOND for t, _, c in self.requests if c == VenueRateLimit.code]

    def run(self, seconds: int) -> None:
        """Until it is back, or so long."""
        until = self.now + seconds * SECOND
        while not self.is_back and self.now < until:
            self.step()


@pytest.fixture(params=[KEY_STARTER, KEY], ids=["starter", "intermediate"])
def world(tmp_path, request):
    made = World(tmp_path / "run" / "budget-kraken", request.param)
    yield made
    made.budget.close()


def test_a_gateway_whose_key_is_used_up_comes_back(world):
    world.lose_an_order()
    world.exhaust(10)
    world.reconciler.start(world.now, "start")
    world.run(300)
    assert world.is_back, world.refusals()
    assert (world.now - START) // SECOND <= 180
    assert world.manager.orders["lost-1"].state is OrderState.ACCEPTED
    refusals = world.refusals()
    assert refusals
    assert all(b - a >= 4 for a, b in pairwise(refusals))  # one clock
    assert "counts too many requests with this key, for 5.0 s" in world.said[0]
    assert world.said[1] == "available again"


def test_orders_that_never_arrived_cost_few_questions(world):
    """Killed while two of them left: it is ready all the same, and asks no more than it may."""
    for number in (1, 2):
        request = Request(number, RequestKind.PLACE, 1, world.spec)
        order = world.manager.submit(f"gone-{number}", request, world.now)
        world.manager.answered(world.manager.calls.pop(), Answer(Outcome.AMBIGUOUS), world.now)
        assert order.state is OrderState.UNKNOWN
    world.reconciler.start(world.now, "start")
    world.run(60)
    assert (world.now - START) / SECOND <= 7, world.refusals()
    reads = Counted(purpose for _, purpose, _ in world.requests)
    assert reads[Purpose.BALANCES] <= 2  # not one for each look at what is not known yet
    while world.now < START + 30 * SECOND:
        world.step()
    assert not world.manager.open
    assert not world.refusals() or world.dialect.limits.key == KEY_STARTER


def test_orders_and_cancels_leave_while_reads_wait(world):
    world.exhaust(10)
    assert world.ask(world.venue.protocol.balances(world.now)).code == VenueRateLimit.code
    sent = len(world.requests)
    held = world.ask(world.venue.protocol.balances(world.now))
    assert (held.outcome, held.retry_after) == (Outcome.SAFE, 6 * SECOND)
    assert len(world.requests) == sent
    order = world.manager.submit("o-1", Request(1, RequestKind.PLACE, 1, world.spec), world.now)
    call = world.manager.calls.pop()
    world.manager.answered(call, world.ask(call), world.now)
    assert order.state is OrderState.ACCEPTED
    world.manager.cancel(order, world.now)
    call = world.manager.calls.pop()
    assert world.ask(call).outcome is Outcome.DONE
    assert not world.account.open_orders


@pytest.mark.parametrize(("status", "code"), [(200, "Late"), (429, "429")])
def test_what_the_key_is_not_refused_for_pauses_nothing(world, status, code):
    call = world.venue.protocol.balances(world.now)
    reported = Answer(Outcome.SAFE, code=VenueRateLimit.code, venue_code=code)
    world.budget.answered(call, status, reported)
    assert world.budget.status()["paused_s"] == 0
    assert world.said == []


def test_a_gateways_line_asks_no_more_once_it_was_refused(tmp_path):
    with served("kraken", limits=True) as (dialect, port):
        account, rest = dialect.exchange.accounts[0], f"http://127.0.0.1:{port}"
        venue = open_trading_venue("kraken", account.key, account.secret, Addresses(rest, "", ""))
        dialect.limits.key = (0, 0)  # whatever is asked
        clock = VenueClock()
        budget = AddressBudget(tmp_path / "run" / "budget-kraken", (), now=clock.now, say=lambda _: None)

        async def ask() -> list[Answer]:
            line = VenueLine(venue, rest, clock, budget=budget)
            async with line.open():
                return [await line.answer(venue.protocol.balances(clock.now())) for _ in range(3)]

        first, *others = asyncio.run(ask())
        budget.close()
        assert first.text == "EAPI:Rate limit exceeded"
        assert {a.text for a in others} == {PAUSED}
        assert dialect.limits.keys[account.key].used == 1_000_000
