"""Reduce-only orders of sub-accounts on one account: how each goes out, and that none turns the
position of its own sub-account over, whatever is filled, amended, refused or begun anew."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetape.accounts.booking import Booking
from onetape.accounts.reductions import AGAIN, Reductions
from onetape.model import catalogue
from onetape.model.enums import (
    Liquidity,
    OrderState,
    OrderType,
    PositionSide,
    RequestKind,
    Side,
    TriggerBy,
)
from onetape.model.errors import PositionLimit, ReduceOnlyViolated
from onetape.model.order import OWN_REDUCING, REDUCE_ONLY, OrderSpec
from onetape.orders.calls import Purpose
from onetape.orders.filters import Refusal
from onetape.orders.managed import FillOut, IntentOut, NewsOut, Request
from onetape.orders.manager import OrderManager
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.recover import Recovery
from onetape.orders.told import FillTold, OrderTold
from onetape.services.gateway_journal import REQUEST, request_of
from onetape.venues.binance.trading import BinanceUsdmProtocol

PERP = "binance:BTC/USDT:USDT"
NOW = 1_795_000_000_000_000_000
BUY, SELL = Side.BUY, Side.SELL
A, B, C = 1, 2, 3  # robots; their slots are one more


class Account:
    """Three robots with a sub-account each, a manager and books, without a venue: whoever writes
    the test says what it does. Sizes and prices in units."""

    def __init__(self, bound: int = 0, *, is_shared: bool = True) -> None:
        self.instrument = catalogue.find(PERP)
        assert self.instrument is not None
        self.bound, self.is_shared = bound, is_shared
        self.tape: list = []
        self.count, self.now = 0, NOW
        self.begin()

    def begin(self) -> None:
        protocol = BinanceUsdmProtocol("k", "s")
        protocol.set_instruments([self.instrument])
        self.manager = OrderManager(protocol)
        self.booking = Booking({PERP: self.instrument})
        self.reductions = Reductions(
            self.manager, {PERP: self.instrument}, own=self.own_of_slot,
            slot_of=lambda robot: robot + 1, bounds={PERP: self.bound} if self.bound else {},
            is_shared=self.is_shared,
        )  # fmt: skip

    def again(self) -> None:
        """A new life, from what the tape keeps of the old one."""
        self.begin()
        recovery = Recovery(self.manager)
        for what, words in self.tape:
            getattr(recovery, what)(*words)
            if what == "fill":
                self.booking.fill(words[0], int(words[0].client_id.split()[0]) + 1)
        recovery.finish(self.now)
        for order in self.manager.open.values():
            self.reductions.order(order)
        self.manager.outs.clear()

    def own_of_slot(self, slot: int, symbol: str) -> int:
        held = self.booking.positions.get((slot, symbol, PositionSide.BOTH))
        return held.qty if held else 0

    def own(self, robot: int) -> int:
        return self.own_of_slot(robot + 1, PERP)

    @property
    def net(self) -> int:
        return self.manager.positions.get((PERP, PositionSide.BOTH), 0)

    def spec(self, side: Side, size: int, price: int = 600_000, **terms) -> OrderSpec:
        terms.setdefault("type", OrderType.LIMIT if price else OrderType.MARKET)
        return OrderSpec(symbol=PERP, side=side, size_int=size, price_int=price, **terms)

    def ask(self, robot: int, side: Side, size: int, price: int = 600_000, **terms):
        """As a gateway takes a request: the order, or why there is none."""
        spec = self.spec(side, size, price, **terms)
        found = self.reductions.outgoing(robot, spec, knows=True)
        if isinstance(found, Refusal):
            return found
        self.count += 1
        request = Request(robot, RequestKind.PLACE, self.count, found)
        order = self.manager.submit(f"{robot} {self.count}", request, self.now)
        self.reductions.order(order)
        self.write()
        return order

    def reduce(self, robot: int, side: Side, size: int, price: int = 600_000, **terms):
        return self.ask(robot, side, size, price, reduce_only=True, **terms)

    def write(self) -> None:
        """As a gateway carries out: the tape, the books, then what has become too much."""
        while self.manager.outs:
            outs, self.manager.outs = self.manager.outs, []
            for out in outs:
                match out:
                    case IntentOut():
                        self.intend(out)
                    case NewsOut():
                        o = out.order
                        words = (o.client_id, out.news, o.life.size, o.price, "")
                        self.tape.append(("news", words))
                        self.reductions.order(o)
                    case FillOut():
                        fill, robot = out.fill, out.order.robot
                        self.tape.append(("fill", (fill,)))
                        self.booking.fill(fill, robot + 1)
                        self.reductions.position(robot + 1, PERP, fill.side)
                        self.reductions.order(out.order)
            self.reductions.hold(self.now)

    def intend(self, out: IntentOut) -> None:
        """Through the bytes of the tape."""
        o, spec = out.order, out.order.spec
        payload = REQUEST.pack(
            o.order_id, out.price, out.size, spec.trigger_int, 0, out.kind.id, spec.side.id,
            spec.type.id, spec.tif.id, spec.flags, spec.trigger_by.id, spec.position_side.id,
            o.robot, b"",
        )  # fmt: skip
        robot, kind, order_id, read, _ = request_of(payload, PERP)
        self.tape.append(("intent", (o.client_id, robot, order_id, kind, read, o.created)))

    def answer(self, outcome: Outcome = Outcome.DONE, *, only: Purpose | None = None) -> list:
        """The venue answers all that it was asked. What it was asked."""
        calls, self.manager.calls = self.manager.calls, []
        for call in calls:
            if call.purpose is Purpose.QUERY or (only is not None and call.purpose is not only):
                self.manager.calls.append(call)
            else:
                told = (self.canceled(call),) if call.purpose is Purpose.CANCEL else ()
                answer = Answer(outcome, told if outcome is Outcome.DONE else ())
                self.manager.answered(call, answer, self.now)
        self.write()
        return [call.purpose for call in calls]

    def canceled(self, call) -> OrderTold:
        order = self.manager.orders[call.subject.client_id]
        return OrderTold(
            PERP, order.client_id, "", OrderState.CANCELED, self.now, filled=order.life.filled
        )

    def fill(self, order, size: int, price: int = 600_000) -> None:
        self.count += 1
        self.now += 1
        told = FillTold(
            PERP, order.client_id, "", self.count, order.spec.side, PositionSide.BOTH, price, size,
            self.now, 0, "", Liquidity.TAKER,
        )  # fmt: skip
        self.manager.hear([told], self.now)
        self.write()

    def hold(self, robot: int, qty: int) -> None:
        """A robot comes to hold so much."""
        order = self.ask(robot, BUY if qty > 0 else SELL, abs(qty), 0)
        self.answer()
        self.fill(order, abs(qty))

    def open(self, robot: int) -> list[int]:
        return [o.worst_left for o in self.manager.open.values() if o.robot == robot]


def flags(found) -> int:
    return found.spec.flags if not isinstance(found, Refusal) else -found.code


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


@pytest.mark.parametrize("side", [PositionSide.LONG, PositionSide.SHORT])
def test_in_hedge_mode_nothing_changes(side):
    account = Account()
    assert flags(account.reduce(A, SELL, 5, position_side=side)) == REDUCE_ONLY


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
    account.again()
    order = account.manager.orders[order.client_id]
    assert order.spec.own_reducing and not order.spec.reduce_only
    account.fill(order, 2)
    assert account.reductions.amendment(order, 10, knows=True) is None
    assert account.reductions.amendment(order, 11, knows=True).code == ReduceOnlyViolated.code
    assert flags(account.reduce(A, SELL, 5)) == -ReduceOnlyViolated.code
    assert flags(account.reduce(A, SELL, 4)) == OWN_REDUCING
    account.manager.amend(order, account.now, price=590_000, size=6)
    account.write()
    account.again()
    assert account.manager.orders[order.client_id].spec.own_reducing
    assert account.reductions.amendment(order, 7, knows=False) is not None


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
    assert account.reductions.in_doubt(spec).flags == OWN_REDUCING
    assert account.reductions.in_doubt(account.spec(SELL, 5)).flags == 0


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
        account.now += AGAIN
        account.reductions.look()
        account.reductions.hold(account.now)
        account.write()
        assert account.answer(Outcome.DEFINITIVE) == [Purpose.CANCEL]
    assert order.is_open


def test_stops_wait_for_the_venue_s_judgement_unless_only_the_sub_account_holds():
    account = Account()
    terms = {"trigger_int": 590_000, "trigger_by": TriggerBy.LAST}
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
        account.now += AGAIN
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
            size = order.life.size + rng.randint(-3, 3)
            is_refused = account.reductions.amendment(order, size, knows=True) is not None
            if size > order.life.filled and not is_refused:
                account.manager.amend(order, account.now, price=0, size=size)
        elif what < 0.75:
            account.write()
            account.answer()
            account.again()
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
                    if o.robot == robot and o.spec.side is side
                    and (o.spec.own_reducing or o.spec.reduce_only)
                )  # fmt: skip
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


@settings(max_examples=60, deadline=None)
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
