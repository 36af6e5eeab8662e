"""Reduce-only orders of sub-accounts on one account: how each goes out, and that none turns the
position of its own sub-account over, whatever is filled, amended, refused or begun anew."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.shared_account import BUY, NOW, PERP, SELL, A, Account, B, C
from long_form import examples
from onetape.accounts.reductions import RETRY_NS
from onetape.model.enums import OrderType, PositionSide, TriggerBy, TriggerKind
from onetape.model.errors import PositionLimit, ReduceOnlyViolated
from onetape.model.order import OWN_REDUCING, REDUCE_ONLY
from onetape.orders.calls import Purpose
from onetape.orders.filters import Refusal
from onetape.orders.gate import Gate
from onetape.orders.halts import Halts, halt_of
from onetape.orders.outcome import Outcome
from onetape.orders.trading_state import Limits
from orders.surroundings import OPEN

STOP = {"trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP}
REDUCING = REDUCE_ONLY | OWN_REDUCING  # of the flags, beside which the kind of a trigger stands


def flags(found) -> int:
    return -found.code if isinstance(found, Refusal) else found.spec.flags & REDUCING


def test_what_only_its_sub_account_holds_goes_out_as_a_plain_order_with_a_mark():
    account = Account()
    account.hold(A, 10)
    assert flags(account.reduce(A, SELL, 5)) == REDUCE_ONLY  # the venue can hold it to that
    account.hold(B, -10)
    assert account.net == 0
    assert flags(account.reduce(A, SELL, 5)) == OWN_REDUCING
    assert flags(account.reduce(B, BUY, 10)) == OWN_REDUCING
    assert b"reduceOnly" not in account.manager.calls[-1].target.encode()
    assert flags(account.reduce(A, SELL, 1)) == -ReduceOnlyViolated.code
    assert flags(account.reduce(A, BUY, 1)) == -ReduceOnlyViolated.code
    assert flags(account.reduce(C, SELL, 1)) == -ReduceOnlyViolated.code


def test_a_robot_cannot_set_the_mark():
    account = Account()
    assert flags(account.ask(A, SELL, 5, own_reducing=True)) == -ReduceOnlyViolated.code


def test_with_the_account_the_other_way_the_bound_is_the_account_s():
    account = Account(bound=12)
    account.hold(A, 10)
    account.hold(B, -20)
    assert flags(account.reduce(A, SELL, 3)) == -PositionLimit.code
    assert flags(account.reduce(A, SELL, 2)) == OWN_REDUCING
    assert flags(account.reduce(B, BUY, 10)) == REDUCE_ONLY
    assert flags(account.reduce(B, BUY, 10)) == OWN_REDUCING


def test_without_sub_accounts_nothing_changes():
    account = Account(is_shared=False)
    for words in ((A, SELL, 5), (B, BUY, 7)):
        assert flags(account.reduce(*words)) == REDUCE_ONLY


@pytest.mark.parametrize(("leg", "opens", "closes"), [(PositionSide.LONG, BUY, SELL), (PositionSide.SHORT, SELL, BUY)])
def test_in_hedge_mode_none_closes_what_another_holds(leg, opens, closes):
    """The venue would: it knows one position of that side. Who has no part of it would trade
    without the money for it, and the other would have more in its books than there is."""
    account = Account()
    account.hold(B, 10 * opens.sign, leg)
    refused = account.ask(A, closes, 5, position_side=leg)
    assert (refused.code, "0.000 of its sub-account" in refused.reason) == (ReduceOnlyViolated.code, True)
    assert account.ask(A, opens, 5, position_side=leg).spec.size_int == 5
    account.hold(A, 4 * opens.sign, leg)
    first = account.ask(A, closes, 3, position_side=leg)
    assert (first.spec.own_reducing, first.spec.reduce_only) == (False, False)
    assert account.ask(A, closes, 2, position_side=leg).code == ReduceOnlyViolated.code
    assert account.ask(B, closes, 10, position_side=leg).spec.size_int == 10
    # A stop and a target for one position are usual.
    stop = {"type": OrderType.MARKET, "trigger_int": 500_000, **STOP}
    assert account.ask(A, closes, 4, 0, position_side=leg, **stop).spec.size_int == 4
    refused = account.ask(A, closes, 5, 0, position_side=leg, **stop)
    assert refused.code == ReduceOnlyViolated.code
    # The position of the other side is another one.
    other = PositionSide.SHORT if leg is PositionSide.LONG else PositionSide.LONG
    assert account.ask(A, opens, 1, position_side=other).code == ReduceOnlyViolated.code


def test_while_the_account_is_not_reconciled_the_venue_judges():
    account = Account()
    spec = account.spec(SELL, 5, reduce_only=True)
    assert account.reductions.outgoing(A, spec, knows=False) == spec


def test_the_mark_stays_through_restarts_amendments_and_fills():
    account = Account()
    account.hold(A, 10)
    account.hold(B, -10)
    order = account.reduce(A, SELL, 6)
    account.answer()
    account.restart()
    order = account.manager.orders[order.client_id]
    assert order.spec.own_reducing and not order.spec.reduce_only
    account.fill(order, 2)
    assert account.reductions.amendment(order, 10, knows=True) is None
    assert account.reductions.amendment(order, 11, knows=True).code == ReduceOnlyViolated.code
    assert flags(account.reduce(A, SELL, 5)) == -ReduceOnlyViolated.code
    assert flags(account.reduce(A, SELL, 4)) == OWN_REDUCING
    account.manager.amend(order, account.now, price=590_000, size=6)
    account.write()
    account.restart()
    assert account.manager.orders[order.client_id].spec.own_reducing
    assert account.reductions.amendment(order, 7, knows=False) is not None


def stopped(account: Account, level: int) -> Gate:
    """level: of a halt; 0: by the kill switch."""
    around = replace(OPEN, takes_off_own=account.reductions.takes_off, adds_to_own=account.reductions.adds)
    gate = Gate(account.manager, {PERP: account.instrument}, Limits(), Halts(), around, ready=True)
    account.manager.references[PERP] = 600_000
    if level:
        gate.halts.begin(halt_of({"level": level}, actor="guardian", account="main", time=NOW))
    else:
        gate.halts.killed = "lunch"
    return gate


HELD = {A: 100, B: -50}


@pytest.mark.parametrize(
    ("held", "robot", "side", "size", "passes"),
    [
        (HELD, A, SELL, 50, "012"),  # under which stops
        (HELD, A, SELL, 60, ""),  # the account would turn
        (HELD, B, SELL, 10, "1"),  # the account has less then, and B is shorter
        (HELD, C, SELL, 10, ""),
        (HELD, A, BUY, 10, "1"),
        (HELD, B, BUY, 10, "1"),
        (HELD, C, BUY, 10, ""),
        ({A: 100, B: -150}, A, BUY, 10, "1"),
        ({A: 100, B: -150}, B, BUY, 50, "012"),
        ({A: 100, B: -150}, C, BUY, 50, ""),
    ],
)
def test_what_passes_a_stop_takes_off_its_own_sub_account_s_part_too(held, robot, side, size, passes):
    found = ""
    for level in (0, 1, 2):
        account = Account()
        for owner, qty in held.items():
            account.hold(owner, qty)
        gate = stopped(account, level)
        refusal = gate.refusal(account.spec(side, size), NOW, robot=robot)
        found += str(level) if refusal is None else ""
        by_hand = gate.refusal(account.spec(side, size), NOW, robot=robot, is_by_hand=True)
        takes_off = account.net * side.sign + size <= 0
        assert (by_hand is None) == (takes_off or (level == 1 and account.net * side.sign > 0))
        order = account.ask(robot, side, size)  # what works is held to the same
        gate.hold_to_stops(NOW)
        assert (order.cancel_open or order.cancel_wanted) == (refusal is not None)
    assert found == passes


@pytest.mark.parametrize("level", [0, 2])
def test_all_that_its_sub_account_has_working_counts_before_what_passes_a_stop(level):
    account = Account()
    account.hold(A, 100)
    account.hold(C, 200)
    gate = stopped(account, level)

    def passes(size: int, side=SELL, **terms) -> bool:
        return gate.refusal(account.spec(side, size, **terms), NOW, robot=A) is None

    assert passes(100) and not passes(110)
    resting = account.ask(A, SELL, 40, price=610_000)
    account.answer()
    assert passes(60) and not passes(70)
    account.reduce(A, SELL, 30, price=610_000)
    assert passes(30) and not passes(40)
    account.reduce(A, SELL, 30, type=OrderType.MARKET, price=0, trigger_int=500_000, **STOP)
    assert passes(30) and not passes(40)  # a stop and a target for one position are usual
    account.ask(C, SELL, 50, price=610_000)
    assert passes(30) and not passes(40)
    assert gate.amendment(resting, NOW, price=0, size=70) is None
    assert gate.amendment(resting, NOW, price=0, size=80) is not None


def test_a_market_order_on_its_way_counts_as_filled():
    account = Account()
    account.hold(A, 10)
    account.hold(B, -10)
    taking = account.ask(A, SELL, 6, 0)
    assert flags(account.reduce(A, SELL, 5)) == -ReduceOnlyViolated.code
    assert flags(account.reduce(A, SELL, 4)) == OWN_REDUCING
    account.answer()
    account.fill(taking, 6)
    assert account.manager.calls == []
    assert flags(account.reduce(A, SELL, 1)) == -ReduceOnlyViolated.code


def test_an_order_in_doubt_counts_as_the_worse_of_both():
    account = Account()
    spec = account.spec(SELL, 5, reduce_only=True)
    assert account.reductions.uncertain(spec).flags == OWN_REDUCING
    assert account.reductions.uncertain(account.spec(SELL, 5)).flags == 0


def test_a_position_that_shrinks_makes_the_newest_smaller():
    account = Account()
    account.hold(A, 10)
    account.hold(B, -10)
    first, second = account.reduce(A, SELL, 5), account.reduce(A, SELL, 5)
    account.answer()
    account.hold(A, -3)
    assert account.manager.calls[-1].purpose is Purpose.AMEND
    account.answer()
    assert (first.worst_left, second.worst_left) == (5, 2)
    account.hold(A, -4)  # three are left, one of them is what the first has to give
    assert account.answer() == [Purpose.CANCEL, Purpose.AMEND]  # the newest first
    assert (first.worst_left, second.is_open) == (3, False)
    account.hold(A, -3)
    assert account.answer() == [Purpose.CANCEL]
    assert account.open(A) == []


def test_an_order_that_is_being_cancelled_counts_no_more():
    account = Account()
    account.hold(A, 10)
    account.hold(B, -10)
    first, second = account.reduce(A, SELL, 5), account.reduce(A, SELL, 5)
    account.answer()
    taking = account.ask(A, SELL, 5, 0)
    account.manager.cancel(first, account.now)
    account.answer(only=Purpose.PLACE)
    account.fill(taking, 5)  # five are left, and one order of five that stays
    assert account.answer() == [Purpose.CANCEL]
    assert (first.is_open, second.worst_left) == (False, 5)


def test_what_a_venue_does_not_make_smaller_is_cancelled_and_asked_again():
    account = Account()
    account.hold(A, 10)
    account.hold(B, -10)
    order = account.reduce(A, SELL, 10)
    account.answer()
    account.hold(A, -3)
    assert account.answer(Outcome.DEFINITIVE) == [Purpose.AMEND]
    assert account.manager.calls == []  # not at once
    for _ in range(2):
        account.now += RETRY_NS
        account.reductions.look()
        account.reductions.hold(account.now)
        account.write()
        assert account.answer(Outcome.DEFINITIVE) == [Purpose.CANCEL]
    assert order.is_open


def test_stops_wait_for_the_venue_s_judgement_unless_only_the_sub_account_holds():
    account = Account()
    terms = {"trigger_int": 590_000, **STOP}
    early = account.reduce(A, SELL, 10, 0, **terms)  # before there is anything to reduce
    assert flags(early) == REDUCE_ONLY
    account.hold(A, 10)
    assert flags(account.reduce(A, SELL, 10)) == REDUCE_ONLY  # a target beside the stop
    account.hold(B, -10)
    assert flags(account.reduce(B, BUY, 10, 0, **terms)) == OWN_REDUCING
    assert flags(account.reduce(B, BUY, 10)) == -ReduceOnlyViolated.code  # the stop is a plain one
    account.answer()
    assert account.open(A) == [10, 10]
    account.hold(A, -4)
    account.answer()
    assert account.open(A) == [6]  # the target is smaller, the stop is gone
    assert not early.is_open


class Venue:
    """What works there, and what is filled of it: anything at all, in any order."""

    def __init__(self, account: Account, seed: int) -> None:
        self.account, self.random = account, random.Random(seed)
        self.flagged = self.plain = 0

    def step(self) -> None:
        account, rng = self.account, self.random
        account.now += RETRY_NS
        robot, side = rng.choice((A, B, C)), rng.choice((BUY, SELL))
        what = rng.random()
        if what < 0.3:
            price = rng.choice((0, 600_000))
            if not account.open(robot) or rng.random() < 0.3:
                account.ask(robot, side, rng.randint(1, 20), price)
        elif what < 0.6:
            own = account.own(robot)
            if own and rng.random() < 0.8:
                side = BUY if own < 0 else SELL
            found = account.reduce(robot, side, rng.randint(1, abs(own) or 20))
            if not isinstance(found, Refusal):
                self.plain += found.spec.own_reducing
                self.flagged += found.spec.reduce_only
        elif what < 0.7 and account.manager.open:
            order = rng.choice(list(account.manager.open.values()))
            size = order.size + rng.randint(-3, 3)
            is_refused = account.reductions.amendment(order, size, knows=True) is not None
            if size > order.filled and not is_refused:
                account.manager.amend(order, account.now, price=0, size=size)
        elif what < 0.75:
            account.write()
            account.answer()
            account.restart()
        account.write()
        account.answer()
        self.settled()
        if account.manager.open and rng.random() < 0.6:
            self.fill(rng.choice(list(account.manager.open.values())))

    def settled(self) -> None:
        """Once the venue has done what it was asked, no sub-account has more reductions at work
        than it holds."""
        account = self.account
        for robot in (A, B, C):
            for side in (BUY, SELL):
                works = sum(
                    o.worst_left
                    for o in account.manager.open.values()
                    if o.robot == robot and o.spec.side is side and (o.spec.own_reducing or o.spec.reduce_only)
                )
                assert works <= max(-account.own(robot) * side.sign, 0)

    def fill(self, order) -> None:
        account, before = self.account, self.account.own(order.robot)
        size = self.random.randint(1, order.worst_left)
        if order.spec.reduce_only:  # the venue holds it to the account's position
            size = min(size, -account.net * order.spec.side.sign)
        if size <= 0:
            return
        reduces = order.spec.own_reducing or order.spec.reduce_only
        account.fill(order, size)
        if reduces:
            after = account.own(order.robot)
            assert before * after >= 0 and abs(after) < abs(before)


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, 2**32))
def test_reductions_never_turn_a_sub_account_over_and_positions_add_up(seed):
    account = Account()
    venue = Venue(account, seed)
    for _ in range(80):
        venue.step()
        assert sum(account.own(robot) for robot in (A, B, C)) == account.net


def test_the_random_sessions_reach_both_ways_out():
    flagged = plain = 0
    for seed in range(5):
        venue = Venue(Account(), seed)
        for _ in range(80):
            venue.step()
        flagged, plain = flagged + venue.flagged, plain + venue.plain
    assert min(flagged, plain) > 10
