"""Orders of two sub-accounts that meet trade inside: what the venue is asked, what robots are told,
and what is left after any end of the gateway."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.shared_account import BUY, SELL, A, Account, B, C
from long_form import examples
from onetape.model.enums import OrderState, PositionSide, TimeInForce, TriggerBy
from onetape.model.errors import SelfTrade
from onetape.model.order import OWN_REDUCING
from onetape.model.time import SECOND
from onetape.orders.calls import Purpose
from onetape.orders.outcome import Outcome
from onetape.orders.reports import INTERNAL_TRADES

BID, ASK = 599_990, 600_010


@pytest.fixture
def account() -> Account:
    return Account(crosses=True)


def works(account: Account, robot: int, side, size: int, price: int, **terms):
    order = account.ask(robot, side, size, price, **terms)
    account.answer()
    return order


def inside(account: Account) -> list[tuple[str, int, int]]:
    """Of the tape: client id, signed size, price."""
    received = [words[0] for what, words in account.tape if what == "fill"]
    return [(f.client_id, f.size * f.side.sign, f.price) for f in received if f.is_internal]


def states(*orders) -> list[OrderState]:
    return [order.state for order in orders]


def test_what_waits_at_the_venue_is_taken_off_first(account):
    waiting = works(account, A, BUY, 10, BID)
    taking = account.ask(B, SELL, 10, 0)
    assert taking.is_held
    assert inside(account) == []
    assert account.answer() == [Purpose.CANCEL]
    assert inside(account) == [(taking.client_id, -10, BID), (waiting.client_id, 10, BID)]
    assert states(waiting, taking) == [OrderState.FILLED, OrderState.FILLED]
    assert (account.own(A), account.own(B), account.net) == (10, -10, 0)
    assert account.manager.calls == []
    received = [words[1].news.value for what, words in account.tape if what == "news"]
    assert received == ["accepted"]  # filled, and never cancelled


def test_the_middle_is_the_price_where_both_allow_it(account):
    works(account, A, BUY, 10, 600_005)
    account.ask(B, SELL, 10, 599_995)
    account.answer()
    assert [price for _, _, price in inside(account)] == [600_000, 600_000]


def test_several_that_wait_are_met_best_first(account):
    first, second = works(account, A, BUY, 5, BID + 2), works(account, C, BUY, 5, BID + 4)
    taking = account.ask(B, SELL, 8, 0)
    account.answer()
    sizes = {name: size for name, size, _ in inside(account) if size > 0}
    assert sizes == {second.client_id: 5, first.client_id: 3}
    assert taking.state is OrderState.FILLED


def test_what_cannot_be_taken_off_holds_nobody_for_long(account):
    works(account, A, BUY, 10, BID)
    taking = account.ask(B, SELL, 10, 0)
    account.crossing.tick(account.now)
    assert taking.is_open
    account.now += 5 * SECOND
    account.crossing.tick(account.now)
    account.write()
    assert taking.state is OrderState.DENIED
    assert inside(account) == []


def test_a_cancel_that_the_venue_refuses_ends_it_at_once(account):
    waiting = works(account, A, BUY, 10, BID)
    taking = account.ask(B, SELL, 10, 0)
    account.answer(Outcome.DEFINITIVE)
    account.crossing.tick(account.now)
    account.write()
    assert states(waiting, taking) == [OrderState.ACCEPTED, OrderState.DENIED]


def test_a_robot_may_cancel_what_waits_here(account):
    works(account, A, BUY, 10, BID)
    taking = account.ask(B, SELL, 10, 0)
    account.manager.amend(taking, account.now, price=0, size=20)
    account.manager.cancel(taking, account.now)
    account.write()
    assert taking.state is OrderState.CANCELED
    assert account.answer() == [Purpose.CANCEL]  # of the other one; nothing of this one
    account.crossing.tick(account.now)
    assert inside(account) == []


TERMS = {
    "its own sub-account's": (A, SELL, {}),
    "post-only": (B, SELL, {"price": BID, "post_only": True}),
    "fill or kill": (B, SELL, {"price": BID, "tif": TimeInForce.FOK}),
    "a stop": (B, SELL, {"trigger_int": BID, "trigger_by": TriggerBy.LAST}),
    "another leg": (B, SELL, {"position_side": PositionSide.LONG}),
    "a limit away": (B, SELL, {"price": BID + 1}),
}


@pytest.mark.parametrize("name", TERMS)
def test_what_does_not_cross(account, name):
    robot, side, terms = TERMS[name]
    works(account, A, BUY, 10, BID)
    spec = account.spec(side, 10, terms.pop("price", 0), **terms)
    assert account.crossing.matches(robot, spec) == []


def test_where_the_market_gives_more_nobody_crosses(account):
    works(account, A, BUY, 10, BID - 1)
    assert account.ask(B, SELL, 10, 0).code == SelfTrade.code
    account.quote = (0, 0)  # nobody knows the market
    works(account, C, BUY, 10, BID)
    assert account.ask(B, SELL, 10, 0).code == SelfTrade.code


def test_reductions_of_both_meet(account):
    account.crosses = False
    account.hold(A, 10)
    account.hold(B, -10)
    account.crosses = True
    waiting = account.reduce(B, BUY, 10, BID)
    account.answer()
    taking = account.reduce(A, SELL, 10, 0)
    assert waiting.spec.flags == taking.spec.flags == OWN_REDUCING
    account.answer()
    assert (account.own(A), account.own(B), account.net) == (0, 0, 0)
    assert states(waiting, taking) == [OrderState.FILLED, OrderState.FILLED]


def test_a_gateway_that_ends_before_tells_that_nothing_became_of_it(account):
    waiting = works(account, A, BUY, 10, BID)
    taking = account.ask(B, SELL, 10, 0)
    account.restart()
    assert account.manager.orders[taking.client_id].state is OrderState.DENIED
    assert account.manager.orders[waiting.client_id].state is OrderState.UNKNOWN  # is asked for
    assert account.answer() == []
    assert inside(account) == []


@pytest.mark.parametrize("size", [10, 4, 15])
def test_a_gateway_that_ends_between_both_fills_books_the_other(account, size):
    waiting = works(account, A, BUY, 10, BID)
    taking = account.ask(B, SELL, size, 0)
    account.answer()
    whole = inside(account)
    at = next(n for n, (what, words) in enumerate(account.tape) if what == "fill" and words[0].is_internal)
    del account.tape[at + 1 :]
    account.restart()
    assert inside(account) == whole
    assert account.own(A) == -account.own(B) == min(size, 10)
    taking = account.manager.orders[taking.client_id]
    assert not taking.is_open
    account.restart()
    assert inside(account) == whole
    # And the next trade has an id of its own.
    if size >= 10:
        works(account, A, BUY, 1, BID)
        account.ask(C, SELL, 1, 0)
        account.answer()
        received = [w[0].trade_id for what, w in account.tape if what == "fill" and w[0].is_internal]
        assert sorted(received) == [INTERNAL_TRADES + n for n in (1, 1, 2, 2)]
    assert waiting.client_id in account.manager.orders


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_happens_positions_add_up_and_no_held_order_leaves(seed):
    session(seed)


def test_the_random_sessions_cross_and_die_between_both_fills():
    found = [session(seed) for seed in range(40)]
    assert sum(crossed for crossed, _ in found) > 40
    assert sum(halves for _, halves in found) > 0


def session(seed: int) -> tuple[int, int]:
    """How often orders met, and how often a gateway died between the two fills of a trade."""
    rng, account, halves = random.Random(seed), Account(crosses=True), 0
    for _ in range(60):
        account.now += SECOND // 3
        what, robot, side = rng.random(), rng.choice((A, B, C)), rng.choice((BUY, SELL))
        if what < 0.5:
            price = rng.choice((0, BID + rng.randint(-5, 25)))
            account.ask(robot, side, rng.randint(1, 20), price)
        elif what < 0.75 and account.manager.open:
            order = rng.choice(list(account.manager.open.values()))
            if not order.is_held and order.accepted and order.worst_left:
                account.fill(order, rng.randint(1, order.worst_left))
        elif what < 0.8:
            account.write()
            kind, words = account.tape[-1] if account.tape else ("", ())
            if kind == "fill" and words[0].is_internal:
                del account.tape[-1]  # it died before it wrote that
                halves += 1
            account.answer()
            account.restart()
        elif what < 0.9 and account.manager.open:
            account.manager.cancel(rng.choice(list(account.manager.open.values())), account.now)
        held = {o.client_id for o in account.manager.orders.values() if o.is_held}
        account.write()
        for call in account.manager.calls:
            assert call.subject is None or call.subject.client_id not in held
        if rng.random() < 0.7:
            account.answer(rng.choice((Outcome.DONE, Outcome.DONE, Outcome.DEFINITIVE)))
        account.crossing.tick(account.now)
        account.write()
        assert sum(account.own(each) for each in (A, B, C)) == account.net
        by_fills = sum(
            words[0].size * words[0].side.sign
            for what, words in account.tape
            if what == "fill" and not words[0].is_internal
        )
        assert account.net == by_fills
        sums: dict[int, int] = {}
        for kind, words in account.tape:
            if kind == "fill" and words[0].is_internal:
                at = words[0].trade_id
                sums[at] = sums.get(at, 0) + words[0].size * words[0].side.sign
        assert not any(sums.values())
    account.now += 6 * SECOND
    account.answer()
    account.crossing.tick(account.now)
    account.write()
    assert not [o for o in account.manager.open.values() if o.is_held]
    return len(inside(account)) // 2, halves
