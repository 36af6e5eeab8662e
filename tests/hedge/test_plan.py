"""Plans: of any accounts and changes, what they promise."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedge.hedge_world import LOT, START, ZERO, view_of
from long_form import examples
from onetape.hedge.model import Level, Resting
from onetape.hedge.plan import (
    Terms,
    base_of,
    capacity,
    hedge_plan,
    least_of,
    leg_of,
    legs_plan,
    limit_of,
    middle,
    plan_change,
    qty_of,
    reducing,
    tradable,
    worth,
)
from onetape.model.errors import HedgeFailed
from onetape.model.instrument import from_symbol

TERMS = Terms(now=START, slippage=Decimal("0.005"))
INVERSE = from_symbol("bitmex:BTC/USD:BTC", tick="0.5", lot="100", multiplier="1", perpetual=True)


def units(least: int, most: int):
    return st.integers(least, most).map(lambda n: Decimal(n) * LOT)


@st.composite
def accounts(draw):
    found = []
    for name in "abcd"[: draw(st.integers(1, 4))]:
        view = view_of(
            name,
            price=Decimal(draw(st.integers(59_900, 60_100))),
            depth=str(draw(st.integers(0, 20)) or "0.05"),
            position=draw(units(-3000, 3000)),
            available=Decimal(draw(st.integers(0, 60_000))),
            taker_fee=Decimal(draw(st.sampled_from(("0.0002", "0.0005")))),
            refusal=draw(st.sampled_from(("", "", "", "it is away"))),
        )
        found.append(view)
    return found


@settings(max_examples=examples(200), deadline=None)
@given(accounts(), units(-9000, 9000))
def test_legs_add_up_to_what_is_wanted_less_what_nobody_can_bear(views, change):
    plan = plan_change(views, change, TERMS)
    assert plan.change + plan.missing == change
    assert plan.before == sum(each.position for each in views)
    assert plan.legs == plan_change(list(reversed(views)), change, TERMS).legs
    by_account = {each.account: each for each in views}
    for leg in plan.legs:
        view = by_account[leg.account]
        assert leg.side * change > 0 and not view.refusal
        assert leg.qty % view.instrument.lot == 0 and leg.base >= tradable(view, reduces=leg.reduces)
        assert (leg.limit - middle(view)) * leg.side <= middle(view) * TERMS.slippage
    for view in views:
        mine = [each for each in plan.legs if each.account == view.account]
        if not mine:
            continue
        total, side = sum(each.base for each in mine), mine[0].side
        opened = max(total - reducing(view, side), ZERO)
        needed = worth(view.instrument, opened, middle(view)) / view.leverage
        assert needed <= view.available
        assert sum(each.base for each in mine if each.reduces) <= reducing(view, side)
        levels = view.asks if side > 0 else view.bids
        assert total <= sum(each.base for each in levels)


@settings(max_examples=examples(200), deadline=None)
@given(accounts(), units(-9000, 9000))
def test_what_is_missing_is_less_than_any_account_could_still_bear(views, change):
    plan = plan_change(views, change, TERMS)
    side = 1 if change > 0 else -1
    for view in views:
        if view.refusal or any(each.account == view.account for each in plan.legs):
            continue
        for reduces in (True, False):
            bears = min(capacity(view, side, TERMS, reduces=reduces)[0], abs(plan.missing))
            assert leg_of(view, side * bears, TERMS, reduces=reduces) is None if bears else True


@settings(max_examples=examples(200), deadline=None)
@given(accounts(), st.lists(units(-3000, 3000), min_size=4, max_size=4))
def test_legs_of_both_signs_become_smaller_together(views, sizes):
    trades = {each.account: size for each, size in zip(views, sizes, strict=False)}
    plan = legs_plan(views, trades, TERMS)
    wanted = {name: size for name, size in trades.items() if size}
    if plan.legs:
        assert {each.account for each in plan.legs} == set(wanted)
        shares = [leg.change / wanted[leg.account] for leg in plan.legs]
        assert all(0 < share <= 1 for share in shares)
        slack = len(wanted) * max(LOT / abs(size) for size in wanted.values())
        assert max(shares) - min(shares) <= slack
        if not sum(wanted.values()):
            assert plan.change == 0


@pytest.mark.parametrize(
    ("sizes", "lots", "depth", "changes"),
    [
        (("-0.5", "0.5"), ("0.001", "0.1"), "0.155", ("-0.1", "0.1")),
        (("-2", "1.5", "0.5"), ("0.1", "0.1", "0.1"), "0.62", ("-0.5", "0.4", "0.1")),
        (("-2", "1.2", "0.4"), ("0.1", "0.1", "0.1"), "1", ("-1.0", "0.6", "0.2")),  # and it changes the delta
    ],
)
def test_what_becomes_smaller_together_still_adds_up(sizes, lots, depth, changes):
    """Each leg down to its own lot would change a net delta that is to stay, and count that as wanted."""
    views = [
        replace(
            view_of(name, depth=depth if name == "a" else "50", position=-Decimal(size)),
            instrument=msgspec.structs.replace(view_of(name).instrument, lot=Decimal(lot)),
        )
        for name, size, lot in zip("abc", sizes, lots, strict=False)
    ]
    wanted = {each.account: Decimal(size) for each, size in zip(views, sizes, strict=True)}
    plan = legs_plan(views, wanted, TERMS)
    assert {each.account: each.change for each in plan.legs} == {
        name: Decimal(change) for name, change in zip("abc", changes, strict=False)
    }


@given(st.integers(1, 10**6), st.integers(10_000, 100_000), st.booleans())
def test_quantity_and_base_are_one_amount_within_a_lot(lots, price, inverse):
    instrument = INVERSE if inverse else view_of("a").instrument
    qty, price = lots * instrument.lot, Decimal(price)
    base = base_of(instrument, qty, price)
    back = qty_of(instrument, base, price)
    assert qty - instrument.lot <= back <= qty
    if inverse:  # so many dollars of it
        assert abs(base * price - qty) < Decimal("1e-9")


def test_the_cheapest_account_bears_it_and_the_next_one_what_it_cannot():
    cheap = view_of("cheap", depth="1", taker_fee=Decimal("0.0001"))
    dear = view_of("dear", depth="5", taker_fee=Decimal("0.0009"))
    plan = plan_change([dear, cheap], Decimal("0.5"), TERMS)
    assert [(each.account, each.base) for each in plan.legs] == [("cheap", Decimal("0.5"))]
    assert plan.considered == (("dear", "others cost less"),)
    plan = plan_change([dear, cheap], Decimal("1.5"), TERMS)
    assert [(each.account, each.base) for each in plan.legs] == [("cheap", Decimal(1)), ("dear", Decimal("0.5"))]


def test_what_takes_a_position_off_comes_first_whatever_it_costs():
    long = view_of("long", position=Decimal("0.3"), taker_fee=Decimal("0.0009"), available=ZERO)
    flat = view_of("flat", taker_fee=Decimal("0.0001"))
    plan = plan_change([flat, long], Decimal("-0.5"), TERMS)
    assert [(each.account, each.base, each.reduces) for each in plan.legs] == [
        ("long", Decimal("0.3"), True),
        ("flat", Decimal("0.2"), False),
    ]


def test_funding_fee_spread_and_depth_are_in_the_cost():
    view = replace(
        view_of("a", price=Decimal(60_000), depth="5", taker_fee=Decimal("0.0005")), funding_rate=Decimal("0.0001")
    )
    leg = leg_of(view, Decimal("1.5"), TERMS)
    spent = Decimal(1) * Decimal("60000.5") + Decimal("0.5") * Decimal("60001.5")
    assert abs(leg.cost.fee - spent * Decimal("0.0005")) < Decimal("1e-15")
    assert leg.cost.spread == Decimal("1.5") * Decimal("0.5")
    assert abs(leg.cost.impact - (spent - Decimal("1.5") * Decimal("60000.5"))) < Decimal("1e-15")
    assert leg.cost.funding == Decimal("1.5") * 60_000 * Decimal("0.0001")
    assert leg_of(view, Decimal("-1.5"), TERMS).cost.funding == -leg.cost.funding  # who sells is paid
    assert limit_of(view, 1, Decimal("0.005")) == Decimal("60300.0")


def test_one_that_is_paid_for_holding_is_preferred():
    paid = replace(view_of("a"), funding_rate=Decimal("-0.001"))
    pays = replace(view_of("b"), funding_rate=Decimal("0.001"))
    assert plan_change([pays, paid], Decimal("0.5"), TERMS).legs[0].account == "a"
    assert plan_change([pays, paid], Decimal("-0.5"), TERMS).legs[0].account == "b"


@pytest.mark.parametrize(
    "facts, words",
    [
        ({"refusal": "its gateway does not answer"}, "does not answer"),
        ({"market_at": START - 5 * 10**9}, "its price is 5.0 s old, at most 2 s"),
        ({"account_at": 0}, "its account is not known"),
        ({"bids": ()}, "a side of its market is empty"),
        ({"available": ZERO}, "its margin of 0 bounds it to 0"),
        ({"asks": (Level(Decimal(70_000), Decimal(9)),), "bids": (Level(Decimal(50_000), Decimal(9)),)}, "its depth"),
    ],
)
def test_why_an_account_was_not_chosen_is_said(facts, words):
    terms = Terms(now=START, slippage=Decimal("0.005"), market_age=2 * 10**9, account_age=30 * 10**9)
    plan = plan_change([replace(view_of("a"), **facts), view_of("b")], Decimal("0.1"), terms)
    assert [each.account for each in plan.legs] == ["b"]
    if words != "its depth":
        assert words in dict(plan.considered)["a"] or dict(plan.considered)["a"] == "others cost less"
    alone = plan_change([replace(view_of("a"), **facts)], Decimal("0.1"), terms)
    assert alone.legs == () and words in dict(alone.considered)["a"]


def test_what_is_left_below_an_order_is_no_matter_of_cost():
    cheap, dear = view_of("cheap", taker_fee=Decimal("0.0001")), view_of("dear", taker_fee=Decimal("0.0009"))
    plan = plan_change([cheap, dear], Decimal("0.1") + LOT / 2, TERMS)
    assert [(each.account, each.base) for each in plan.legs] == [("cheap", Decimal("0.1"))] and plan.missing == LOT / 2
    assert plan.considered == (("dear", f"its smallest order is {LOT}"),)


def test_what_is_less_than_any_order_is_said_to_be_so():
    plan = plan_change([view_of("a"), view_of("b", position=Decimal("-1"))], Decimal("0.0000001"), TERMS)
    assert plan.legs == () and dict(plan.considered) == dict.fromkeys("ab", f"its smallest order is {LOT}")


@pytest.mark.parametrize("side, best, front, depth", [(1, "60000.5", "60002.5", "2"), (-1, "59999.5", "59997.5", "2")])
def test_a_leg_stays_before_orders_of_our_own_on_another_account(side, best, front, depth):
    """At the touch it bears nothing, and says which order is there; farther off it takes what stands before."""
    touch, far, own = (
        Resting("a2", name, -side, Decimal(at)) for name, at in (("o1", best), ("o2", front), ("o3", best))
    )
    change = Decimal("0.4") * side
    other = replace(own, side=side)  # of its own side: nobody meets it
    at_touch = replace(view_of("a"), resting=(far, touch))
    assert [each.account for each in plan_change([at_touch, view_of("b")], change, TERMS).legs] == ["b"]
    alone = plan_change([at_touch], change, TERMS)
    assert not alone.legs and f"our own order o1 of a2 at {best}" in dict(alone.considered)["a"]
    behind = replace(view_of("a"), resting=(far, other))
    (leg,) = plan_change([behind], Decimal("4.5") * side, TERMS).legs
    assert leg.base == Decimal(depth) and (leg.limit - far.price) * side == -behind.instrument.tick
    with_own = legs_plan([at_touch, view_of("b")], {"a": change, "b": -change}, TERMS)
    assert not with_own.legs and "our own order o1" in dict(with_own.considered)["a"]


@pytest.mark.parametrize("side, ghost", [(1, "59999.5"), (1, "50000"), (-1, "60000.5"), (-1, "70000")])
def test_an_own_order_at_or_behind_the_other_touch_cannot_rest_and_blocks_nothing(side, ghost):
    view = replace(view_of("a"), resting=(Resting("a2", "o1", -side, Decimal(ghost)),))
    assert plan_change([view], Decimal("0.4") * side, TERMS) == plan_change(
        [view_of("a")], Decimal("0.4") * side, TERMS
    )


class TestStrategies:
    def plan(self, views, amount="0.4", **ways):
        return hedge_plan(views, Decimal(amount), TERMS, **ways)

    def test_delta_neutral_does_not_go_through_zero(self):
        views = [view_of("a", position=Decimal("0.25")), view_of("b")]
        plan = self.plan(views, strategy="delta-neutral")
        assert (plan.change, plan.expected) == (Decimal("-0.25"), ZERO)
        assert self.plan([view_of("a"), view_of("b")], strategy="delta-neutral").change == Decimal("0.4")
        assert self.plan(views, strategy="delta-neutral", side=1).change == Decimal("0.4")

    def test_cross_platform_hedges_where_the_exposure_is_not(self):
        views = [view_of("a", position=Decimal("0.5")), view_of("a2", venue="a"), view_of("b")]
        plan = self.plan(views, strategy="cross-platform")
        assert [each.account for each in plan.legs] == ["b"] and plan.bearers == ("b",)
        assert dict(plan.considered)["a2"] == "its venue holds the exposure"
        only = self.plan(views[:2], strategy="cross-platform")
        assert {each.venue for each in only.legs} == {"a"}  # there is no other

    def test_same_platform_is_one_account(self):
        views = [view_of("a", depth="0.1"), view_of("b", taker_fee=Decimal("0.001")), view_of("c")]
        plan = self.plan(views, strategy="same-platform")
        assert [each.account for each in plan.legs] == ["c"] and plan.bearers == ("c",)


def test_opposite_legs_never_meet_at_a_venue():
    views = [view_of("a", venue="x"), view_of("b", venue="x")]
    with pytest.raises(HedgeFailed, match="would trade with each other at x"):
        legs_plan(views, {"a": Decimal(1), "b": Decimal(-1)}, TERMS)


def test_legs_are_no_larger_than_their_venues_take_in_one_order():
    """A reduction that is larger was refused whole, near liquidation, too: it leaves in parts."""
    instrument = msgspec.structs.replace(view_of("a").instrument, size_max=Decimal(1))
    views = [replace(view_of("a", position=Decimal(5)), instrument=instrument), view_of("b", position=Decimal(-5))]
    plan = legs_plan(views, {"a": Decimal(-4), "b": Decimal(4)}, TERMS)
    assert [(each.account, each.change) for each in plan.legs] == [("a", -1), ("b", 1)]
    assert plan.considered == (("a", "the size of one order bounds it to 1"),) and plan.missing == 3


def test_a_sale_of_an_inverse_contract_is_no_larger_than_its_venue_takes():
    """Its limit is below the middle, where as much base would be more contracts."""
    view = inverse_view(position=Decimal(9))
    view = replace(view, instrument=msgspec.structs.replace(INVERSE, size_max=Decimal(1000)))
    bears, bound = capacity(view, 1, TERMS, reduces=False)
    assert bound == "the size of one order"
    assert [leg_of(view, side * bears, TERMS).qty for side in (1, -1)] == [1000, 1000]
    assert capacity(view, -1, TERMS, reduces=True)[0] == bears


def test_a_reduction_is_never_more_than_the_position():
    """Its base is that at the mark; at the middle of the market as much base is more contracts."""
    view = inverse_view(position=base_of(INVERSE, Decimal(30_000), Decimal(60_000)), middle=Decimal(60_600))
    leg = leg_of(view, -view.position, TERMS)
    assert leg.reduces and leg.qty == Decimal(30_000)


def test_the_least_is_of_accounts_that_have_a_market():
    without = replace(inverse_view(), bids=())
    assert least_of([without, view_of("a")]) == LOT and least_of([without]) == 0


def inverse_view(middle: Decimal = Decimal(60_000), **facts):
    level = Level(middle, Decimal(9))
    made = replace(view_of("a"), instrument=INVERSE, bids=(level,), asks=(level,))
    return replace(made, mark=Decimal(60_000), **facts)
