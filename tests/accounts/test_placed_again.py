"""What an internal trade leaves of an order goes to the venue by itself: as the same order of its
robot, never more than was asked for, whatever is lost and whenever the gateway dies."""

from __future__ import annotations

import random

import pytest

from accounts.exact_venue import Died, Steps, Venue
from accounts.shared_account import BUY, PERP, SELL, A, Account, B, C
from onetape.model.enums import OrderNews, OrderState
from onetape.model.errors import Killed, VenueUnavailable
from onetape.model.ids import parse_client_id
from onetape.model.time import SECOND
from onetape.orders.calls import Purpose
from onetape.orders.filters import Refusal
from onetape.orders.reports import OrderStatusReport

BID, ASK = 599_990, 600_010


@pytest.fixture
def venue() -> Venue:
    return Venue(Account(crosses=True))


def works(venue: Venue, robot: int, size: int, price: int = BID, side=BUY):
    order = venue.account.ask(robot, side, size, price)
    venue.take()
    return order


def there(venue: Venue, order) -> list[tuple[str, int, OrderState]]:
    """What the venue has had of it: ids, sizes, states."""
    found = [n for n in venue.orders if venue.account.manager.orders.get(n) is order]
    return [(name, venue.orders[name].size, venue.orders[name].state) for name in found]


def reports_of(venue: Venue, order) -> list[str]:
    """Robots hear of it."""
    words = [w for what, w in venue.account.tape if what == "news" and w[0] == order.client_id]
    return [heard.news.value for _, heard in words]


def test_what_is_left_of_the_one_that_waited_goes_back_to_the_venue(venue):
    waiting = works(venue, A, 10)
    taking = venue.account.ask(B, SELL, 4, 0)
    assert venue.take() == [Purpose.CANCEL, Purpose.PLACE]
    second = str(parse_client_id(waiting.client_id)._replace(attempt=1))
    assert there(venue, waiting) == [(waiting.client_id, 10, OrderState.CANCELED), (second, 6, OrderState.ACCEPTED)]
    assert there(venue, taking) == []
    assert (waiting.state, waiting.remaining) == (OrderState.PARTIALLY_FILLED, 6)
    assert reports_of(venue, waiting) == ["accepted", "updated"]  # and never cancelled
    venue.fill(second, 6, BID)
    assert waiting.state is OrderState.FILLED
    assert (venue.account.own(A), venue.account.own(B), venue.account.net) == (10, -4, 6)
    venue.check()


def test_what_is_left_of_the_one_that_came_goes_to_the_venue(venue):
    waiting = works(venue, A, 10)
    taking = venue.account.ask(B, SELL, 15, 0)
    venue.take()
    assert waiting.state is OrderState.FILLED
    assert there(venue, taking) == [(taking.client_id, 5, OrderState.ACCEPTED)]
    venue.fill(taking.client_id, 5, BID - 5)
    assert taking.state is OrderState.FILLED
    venue.check()


def test_what_the_venue_filled_meanwhile_is_not_sold_twice(venue):
    waiting = works(venue, A, 10)
    taking = venue.account.ask(B, SELL, 10, 0)
    venue.fill(waiting.client_id, 7, BID)
    venue.take()
    assert waiting.state is OrderState.FILLED
    assert there(venue, taking) == [(taking.client_id, 7, OrderState.ACCEPTED)]
    venue.check()


def test_where_the_venue_filled_all_the_new_order_goes_there(venue):
    waiting = works(venue, A, 10)
    taking = venue.account.ask(B, SELL, 10, 0)
    venue.fill(waiting.client_id, 10, BID)
    venue.settle(2)
    assert there(venue, taking) == [(taking.client_id, 10, OrderState.ACCEPTED)]
    assert reports_of(venue, taking) == ["accepted"]
    venue.check()


def test_an_answer_that_comes_too_late_for_the_trade_puts_the_order_back(venue):
    waiting = works(venue, A, 10)
    taking = venue.account.ask(B, SELL, 10, 0)
    venue.account.now += 5 * SECOND
    venue.account.crossing.tick(venue.account.now)
    venue.account.write()
    assert taking.state is OrderState.DENIED
    venue.settle(2)
    assert [size for _, size, _ in there(venue, waiting)] == [10, 10]
    assert waiting.state is OrderState.ACCEPTED
    venue.check()


def test_a_robot_that_cancels_the_new_order_leaves_the_other_one_working(venue):
    waiting = works(venue, A, 10)
    taking = venue.account.ask(B, SELL, 4, 0)
    venue.account.manager.cancel(taking, venue.account.now)
    venue.settle(2)
    assert taking.state is OrderState.CANCELED
    assert (waiting.state, waiting.remaining) == (OrderState.ACCEPTED, 10)
    venue.check()


@pytest.mark.parametrize("dies", [False, True])
def test_a_robot_that_cancels_what_is_being_taken_off_has_it_cancelled(venue, dies):
    waiting = works(venue, A, 10)
    venue.account.ask(B, SELL, 4, 0)
    venue.account.manager.cancel(waiting, venue.account.now)
    venue.account.write()
    if dies:  # the venue has done it, and nobody hears the answer
        venue.orders[waiting.client_id].state = OrderState.CANCELED
        venue.account.restart()
    venue.settle(20)
    waiting = venue.account.manager.orders[waiting.client_id]
    assert waiting.state is OrderState.CANCELED
    assert [state for *_, state in there(venue, waiting)] == [OrderState.CANCELED]
    venue.check()


def test_what_ends_here_is_cancelled_by_whoever_ends_all_of_a_robot(venue):
    waiting = works(venue, A, 10)
    venue.account.ask(B, SELL, 4, 0)
    venue.account.manager.cancel_once(waiting, venue.account.now)
    venue.settle(2)
    assert waiting.state is OrderState.CANCELED
    venue.check()


def test_two_that_wait_and_one_that_the_venue_fills_first(venue):
    """What is left of the second is met here, and does not go back before."""
    first, second = works(venue, A, 5, BID + 4), works(venue, C, 5, BID + 2)
    taking = venue.account.ask(B, SELL, 8, 0)
    venue.fill(first.client_id, 5, BID + 4)
    cancels = list(venue.account.manager.calls)
    venue.account.manager.calls = cancels[1:]  # of the second; the first is never answered
    venue.take()
    venue.settle(6)
    assert taking.filled >= 5 and second.filled == 5
    venue.check()


def test_what_may_not_go_back_is_cancelled_and_says_why(venue):
    waiting = works(venue, A, 10)
    venue.account.ask(B, SELL, 4, 0)
    venue.account.refusal = Refusal.of(Killed, "the kill switch is on")
    venue.take()
    assert waiting.state is OrderState.CANCELED
    assert venue.orders[waiting.client_id].state is OrderState.CANCELED
    assert len(there(venue, waiting)) == 1
    venue.check()


def test_what_is_in_the_way_for_now_is_waited_for(venue):
    waiting = works(venue, A, 10)
    venue.account.ask(B, SELL, 4, 0)
    venue.account.refusal = Refusal.of(VenueUnavailable, "being reconciled")
    venue.settle(20)
    assert waiting.is_held and waiting.remaining == 6
    venue.account.refusal = None
    venue.settle(1)
    assert [size for _, size, _ in there(venue, waiting)] == [10, 6]
    venue.account.ask(B, SELL, 1, 0)
    venue.account.refusal = Refusal.of(VenueUnavailable, "being reconciled")
    venue.settle(70)
    assert waiting.state is OrderState.CANCELED  # in the end
    venue.check()


def test_what_the_venue_does_not_take_again_is_cancelled(venue):
    waiting = works(venue, A, 10)
    venue.account.ask(B, SELL, 4, 0)
    venue.refuses = True
    venue.take()
    assert reports_of(venue, waiting) == ["accepted", "canceled"]
    assert (waiting.state, waiting.filled) == (OrderState.CANCELED, 4)
    venue.check()


def test_an_answer_that_is_lost_is_asked_for_by_the_new_id(venue):
    waiting = works(venue, A, 10)
    venue.account.ask(B, SELL, 4, 0)
    venue.loses = True
    venue.settle(1)
    venue.loses = False
    venue.settle(20)
    assert (waiting.state, waiting.remaining) == (OrderState.PARTIALLY_FILLED, 6)
    assert sum(left > 0 for left in (venue.orders[n].left for n, *_ in there(venue, waiting))) == 1
    venue.check()


def test_late_words_about_the_order_before_mean_nothing(venue):
    waiting = works(venue, A, 10)
    venue.account.ask(B, SELL, 4, 0)
    venue.take()
    gone = OrderStatusReport(
        PERP, waiting.client_id, "", OrderState.CANCELED, venue.account.now + 1, OrderNews.CANCELED, size=10, filled=0
    )
    venue.account.manager.hear([gone, gone._replace(news=None)], venue.account.now)
    assert (waiting.state, waiting.remaining) == (OrderState.PARTIALLY_FILLED, 6)
    venue.check()


def test_it_is_amended_and_cancelled_by_its_quantities_there(venue):
    waiting = works(venue, A, 10)
    venue.account.ask(B, SELL, 4, 0)
    venue.take()
    venue.account.manager.amend(waiting, venue.account.now, price=BID - 10, size=12)
    call = venue.account.manager.calls.pop()
    assert (call.terms["quantity"], call.terms["origClientOrderId"]) == ("0.008", waiting.name)
    venue.account.manager.cancel(waiting, venue.account.now)
    assert venue.account.manager.calls[0].terms["origClientOrderId"] == waiting.name
    venue.take()
    assert waiting.state is OrderState.CANCELED


def test_what_no_tape_of_ours_has_placed_again_is_the_same_order(venue):
    """The end of the tape was lost with the power."""
    waiting = works(venue, A, 10)
    venue.account.ask(B, SELL, 4, 0)
    venue.take()
    tape = venue.account.tape
    at = next(n for n, (what, w) in enumerate(tape) if what == "intent" and w[-1] and n > 4)
    del tape[at:]
    manager = venue.account.manager
    venue.account.restart()
    name = next(n for n, each in venue.orders.items() if each.left)
    venue.account.manager.owners.owner_of = lambda _: (A, waiting.order_id)
    venue.account.manager.hear([venue.report(name)], venue.account.now)
    venue.settle(20)
    order = venue.account.manager.orders[waiting.client_id]
    assert manager is not venue.account.manager
    assert (order.name, order.remaining) == (name, 6)
    venue.check()


SCENES = {"some of what waited": (10, 4), "more than waited": (10, 15), "all": (10, 10)}


def scene(venue: Venue, waits: int, takes: int) -> None:
    works(venue, A, waits)
    venue.account.ask(B, SELL, takes, 0)
    venue.take()
    venue.settle(1)


@pytest.mark.parametrize("name", SCENES)
def test_a_gateway_may_die_between_every_two_steps(name):
    steps = Steps()
    scene(Venue(Account(crosses=True), steps), *SCENES[name])
    assert steps.taken >= 10
    ended = set()
    for left in range(steps.taken):
        venue = Venue(Account(crosses=True), Steps(left))
        with pytest.raises(Died):
            scene(venue, *SCENES[name])
        venue.account.manager.calls.clear()
        venue.account.restart()
        venue.check(is_settled=False)
        venue.settle()
        venue.check()
        ended |= {(o.robot, o.state, o.filled) for o in venue.account.manager.orders.values()}
    assert len(ended) > 3  # they are not all alike


def test_random_sessions_never_fill_too_much():
    found = [session(seed) for seed in range(60)]
    assert sum(second for second, _ in found) > 50
    assert sum(deaths for _, deaths in found) > 50


def session(seed: int) -> tuple[int, int]:
    """How many orders were placed again, and how often the gateway died."""
    rng, deaths = random.Random(seed), 0
    steps = Steps()
    venue = Venue(Account(crosses=True), steps)
    account = venue.account
    for _ in range(60):
        account.now += SECOND // 5
        steps.left = steps.taken + rng.randint(0, 8) if rng.random() < 0.1 else None
        try:
            move(rng, venue)
        except Died:
            deaths += 1
            account.manager.calls.clear()
            account.restart()
        steps.left = None
        venue.check(is_settled=False)
    venue.loses = venue.refuses = False
    rows = [fill for each in venue.orders.values() for fill in each.fills]
    account.manager.hear(rows, account.now)  # as a round of reconciliation asks for them
    venue.settle()
    for name in [n for n, each in venue.orders.items() if each.left]:
        venue.fill(name, venue.orders[name].left, BID)
    venue.settle(15)
    venue.check()
    assert not [o for o in account.manager.open.values() if o.is_held or o.is_unknown]
    return sum(o.reissues for o in {id(o): o for o in account.manager.orders.values()}.values()), deaths


def move(rng: random.Random, venue: Venue) -> None:
    account, what = venue.account, rng.random()
    if what < 0.45:
        price = rng.choice((0, BID + rng.randint(-3, 23)))
        account.ask(rng.choice((A, B, C)), rng.choice((BUY, SELL)), rng.randint(1, 20), price)
    elif what < 0.65:
        works_there = [n for n, each in venue.orders.items() if each.left]
        if works_there:
            name = rng.choice(works_there)
            left = venue.orders[name].left
            venue.fill(name, rng.randint(1, left), BID, is_reported=rng.random() < 0.7)
    elif what < 0.75 and account.manager.open:
        account.manager.cancel(rng.choice(list(account.manager.open.values())), account.now)
        account.write()
    venue.loses, venue.refuses = rng.random() < 0.1, rng.random() < 0.1
    if rng.random() < 0.8:
        venue.take()
    account.manager.tick(account.now)
    account.crossing.tick(account.now)
    account.write()
