"""Utilisation of margin is brought to its target, and nothing else is moved by it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leg_views import perpetual, view

from onetape.hedge.margin import InFlight, Route, in_transit
from onetape.hedge.model import LegView
from onetape.hedge.plan import tradable
from onetape.hedge.utilization import Rebalance, Target, rebalance
from onetape.model.instrument import from_symbol

WISH = Target(Fraction(3, 4), Fraction(1, 10))
SHORTS = [view("aster-a", "-0.8", "0.40"), view("binance-b", "-1.5", "0.75"), view("pacifica-c", "-1.9", "0.95")]


def net(views: list[LegView], found: Rebalance) -> Fraction:
    return sum((Fraction(each.position) + found.trades.get(each.account, 0) for each in views), Fraction(0))


def words(found: Rebalance) -> list[str]:
    return [each.action for each in found.actions]


def test_three_accounts_increase_maintain_and_decrease():
    found = rebalance(SHORTS, replace(WISH, amount_max=Fraction(3, 10)))
    assert words(found) == ["increase", "maintain", "decrease"] and found.needed
    assert [each.amount for each in found.actions] == [Fraction(3, 10), 0, Fraction(-3, 10)]
    assert net(SHORTS, found) == net(SHORTS, rebalance([], WISH)) and found.average == Fraction(7, 10)


def test_what_is_at_the_edge_of_the_tolerance_is_within():
    views = [view("aster-a", "1", "0.65"), view("binance-b", "-1", "0.85")]
    found = rebalance(views, WISH)
    assert words(found) == ["maintain", "maintain"] and not found.needed and not found.trades


def test_accounts_within_the_tolerance_take_the_other_side_and_stay_within():
    """A long one that grows and a short one that shrinks both buy: a third account sells, no further than its band."""
    views = [view("aster-a", "0.8", "0.40"), view("binance-b", "-1.5", "0.75"), view("pacifica-c", "-1.9", "0.95")]
    found = rebalance(views, WISH)
    assert found.trades["binance-b"] == Fraction(-2, 10)  # a tenth of 10,000 at ten times
    assert net(views, found) == sum(Fraction(each.position) for each in views)
    assert "stay" in found.reason or len(found.trades) == 3


def test_without_a_counterpart_nothing_is_traded_and_it_is_said():
    found = rebalance([view("aster-a", "1", "0.3")], WISH)
    assert not found.trades and found.needed and "no account takes the other side" in found.reason


def test_a_repair_of_the_delta_comes_first_and_is_said():
    views = [view("aster-a", "1.0", "0.75"), view("binance-b", "-0.7", "0.75")]
    kept = rebalance(views, WISH)
    assert not kept.trades
    found = rebalance(views, replace(WISH, delta=Fraction(0), band=Fraction(5, 100)))
    assert found.repair == Fraction(-3, 10) and net(views, found) == 0 and "repaired first" in found.reason
    near = rebalance(views, replace(WISH, delta=Fraction(0), band=Fraction(3, 10)))
    assert not near.repair and not near.trades


def test_margin_moves_where_a_venue_allows_it_and_counts_once():
    route = Route("aster-a", "pacifica-c", "USDT", delay=60, fee=Decimal(1))
    wish = replace(WISH, routes=(route,))
    views = [SHORTS[0], SHORTS[2]]
    found = rebalance(views, wish)
    (sent,) = found.transfers
    assert sent.amount == Decimal("2667.66666666")  # 9,500 of 0.75 are 12,666.67, and the fee
    moving = [InFlight(sent, due=100)]
    # Whichever side shows it: what is asked for is done, and not asked for twice.
    first, second = sent.amount, sent.amount - route.fee
    for debited, credited in ((False, False), (True, False), (True, True)):
        change = {"aster-a": -first if debited else Decimal(0), "pacifica-c": second if credited else Decimal(0)}
        seen = [
            replace(each, equity=each.equity + change[each.account], available=each.available + change[each.account])
            for each in views
        ]
        on_way = [replace(moving[0], debited=debited, credited=second if credited else Decimal(0))]
        assert {each.account: each.equity for each in in_transit(seen, on_way, 50)} == {
            "aster-a": 10000 - first,
            "pacifica-c": 10000 + second,
        }
        assert not rebalance(seen, wish, on_way, now=50).transfers
    assert in_transit(views, moving, 101)[1].equity == 10000, "what is overdue is not counted on"


def test_margin_of_another_currency_does_not_move():
    coin = from_symbol("bitmex:BTC/USD:BTC", tick="0.5", lot="1")
    views = [view("aster-a", "-0.8", "0.40"), view("bitmex-c", "-1.9", "0.95", instrument=coin)]
    assert not rebalance(views, replace(WISH, routes=(Route("aster-a", "bitmex-c", "USDT", 1),))).transfers


leg = st.tuples(
    st.integers(-3000, 3000),
    st.integers(0, 100),
    st.integers(100, 100_000),
    st.sampled_from(["0.001", "0.01", "0.0005"]),
)


def made(rows: list[tuple[int, int, int, str]]) -> list[LegView]:
    return [
        view(
            f"venue{number}-a",
            str(Decimal(size) / 100),
            str(Decimal(used) / 100),
            equity=str(equity),
            instrument=perpetual(f"venue{number}", lot=lot, notional_min=str(number * 700)),
        )
        for number, (size, used, equity, lot) in enumerate(rows)
    ]


@given(
    rows=st.lists(leg, min_size=1, max_size=5),
    target=st.integers(1, 99),
    tolerance=st.integers(0, 30),
    most=st.none() | st.integers(1, 500),
    delta=st.none() | st.integers(-20, 20),
)
@pytest.mark.filterwarnings("error")
def test_the_net_delta_is_kept_or_comes_nearer_to_its_target(rows, target, tolerance, most, delta):
    views = made(rows)
    cap = None if most is None else Fraction(most, 100)
    aim = None if delta is None else Fraction(delta, 10)
    wish = Target(Fraction(target, 100), Fraction(tolerance, 100), cap, (), aim, Fraction(1, 10))
    found = rebalance(views, wish)
    before = sum((Fraction(each.position) for each in views), Fraction(0))
    after = net(views, found)
    if found.repair:
        assert aim is not None and abs(after - aim) <= abs(before - aim)
        assert (after - aim) * (before - aim) >= 0, "it is not passed"
    else:
        assert after == before
    for leg, action in zip(views, found.actions, strict=True):
        assert cap is None or abs(action.trade) <= cap
        assert action.trade % Fraction(leg.instrument.lot) == 0
        reduces = (leg.position > 0) != (action.trade > 0) and leg.position != 0
        assert not action.trade or abs(action.trade) >= tradable(leg, reduces=reduces)
        gap = wish.utilization - leg.utilization
        assert action.action == ("maintain" if abs(gap) <= wish.tolerance else "increase" if gap > 0 else "decrease")
        if not found.repair and action.action == "decrease":
            assert action.amount <= 0
        if not found.repair and action.action == "increase":
            assert action.amount >= 0
