"""A leg is judged by its own account: how far the price may go, and what keeps it from going there."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from leg_views import perpetual, view

from onetape.hedge.margin import InFlight, Route, Transfer, distance, shortfall
from onetape.hedge.model import LegView
from onetape.hedge.safety import Limits, safety
from onetape.model.instrument import from_symbol
from onetape.model.time import SECOND

INVERSE = from_symbol("bitmex:BTC/USD:BTC", tick="0.5", lot="1", maintenance_rate="0.005")
MINUTE = 60 * SECOND
LIMITS = Limits(act=Fraction(15, 100), restore=Fraction(25, 100), last=Fraction(8, 100))


def near(value: Fraction | None, wanted: Fraction) -> bool:
    return value is not None and abs(value - wanted) < Fraction(1, 10**6)


def test_the_price_that_closes_a_leg_follows_from_its_margin():
    """Ten times: equity 5,000 on 50,000, 0.5 % to keep: p (1 - 0.005) = 45,000 for a long one."""
    long, short = view("aster-a", "1", equity="5000"), view("aster-a", "-1", equity="5000")
    assert near(distance(long), 1 - Fraction(45000, 1) / Fraction(995, 1000) / 50000)
    assert near(distance(short), Fraction(55000, 1) / Fraction(1005, 1000) / 50000 - 1)
    assert distance(view("aster-a", "1", equity="50000")) is None  # paid for whole
    assert distance(view("aster-a", "1", equity="200")) == 0  # less than what is to be kept
    assert distance(view("aster-a", "0")) is None


def test_an_inverse_leg_is_judged_in_its_coin():
    """One coin's worth of contracts on a tenth of a coin: 1 - m/p + 0.1 = 0.005 m/p."""
    leg = view("bitmex-a", "1", instrument=INVERSE, equity="0.1")
    assert near(distance(replace(leg, maintenance=Decimal("0.005"))), 1 - Fraction(1005, 1000) / Fraction(11, 10))
    short = replace(leg, position=Decimal(-1), maintenance=Decimal("0.005"))
    assert near(distance(short), Fraction(995, 1000) / Fraction(9, 10) - 1)


def test_what_the_account_s_other_positions_keep_is_not_there_for_the_leg():
    alone = view("aster-a", "1", equity="5000")
    beside = replace(alone, maintenance=alone.maintenance + 1000)
    assert near(distance(beside), 1 - Fraction(46000, 1) / Fraction(995, 1000) / 50000)


def test_brackets_raise_what_a_larger_leg_has_to_keep():
    rows = [
        {"notional_max": "55000", "maintenance_rate": "0.005"},
        {"notional_max": "1000000", "maintenance_rate": "0.1"},
    ]
    steep = perpetual("aster", brackets=rows)
    flat, bracketed = view("aster-a", "-1"), view("aster-a", "-1", instrument=steep)
    assert (distance(bracketed) or 0) < (distance(flat) or 0)


PAIR = [view("aster-long", "1", equity="20000"), view("binance-short", "-1", equity="6000")]
ROUTE = Route("aster-long", "binance-short", "USDT", MINUTE, fee=Decimal(1))


def test_margin_is_sent_to_the_leg_that_is_near_and_once():
    found = safety(PAIR, LIMITS, [ROUTE], now=0)
    assert not found.trades and found.nearest and found.nearest.account == "binance-short"
    (sent,) = found.transfers
    on_way = [InFlight(sent, due=2 * MINUTE)]
    waits = safety(PAIR, LIMITS, [ROUTE], on_way, now=MINUTE)
    assert not waits.transfers and not waits.trades and "on its way" in waits.reason
    arrived = replace(PAIR[1], equity=PAIR[1].equity + sent.amount - 1)
    assert near(distance(arrived), LIMITS.restore)
    late = safety(PAIR, LIMITS, [ROUTE], on_way, now=3 * MINUTE)
    assert late.transfers or late.trades, "one that is overdue is not counted on"


@pytest.mark.parametrize(
    "routes, equity",
    [((), "6000"), ((ROUTE,), "3000"), ((replace(ROUTE, currency="USDC"),), "6000")],
    ids=["no way", "no time", "another currency"],
)
def test_both_sides_are_reduced_where_no_transfer_helps(routes, equity):
    views = [PAIR[0], replace(PAIR[1], equity=Decimal(equity), available=Decimal(0))]
    found = safety(views, LIMITS, routes)
    trades = dict(found.trades)
    assert not found.transfers and trades["aster-long"] == -trades["binance-short"] < 0
    left = Fraction(-1) + trades["binance-short"]
    assert shortfall(views[1], LIMITS.restore, left) <= 0
    fees = trades["binance-short"] * 25  # a twentieth of a percent
    assert shortfall(views[1], LIMITS.restore, left - Fraction(1, 1000)) + fees > 0, "and no more"


def test_a_leg_that_stands_alone_is_reduced_alone():
    (trade,) = safety([replace(PAIR[1], equity=Decimal(4000))], LIMITS).trades
    assert trade[0] == "binance-short" and trade[1] > 0


def moved(views: list[LegView], price: Decimal) -> list[LegView]:
    """The same accounts at another price, as a venue books it."""
    return [
        replace(
            each,
            mark=price,
            equity=each.equity + each.position * (price - each.mark),
            maintenance=abs(each.position) * price * each.instrument.maintenance_rate,
            available=max(
                each.equity + each.position * (price - each.mark) - abs(each.position) * price / each.leverage,
                Decimal(0),
            ),
        )
        for each in views
    ]


def filled(views: list[LegView], trades: dict[str, Fraction]) -> list[LegView]:
    made = []
    for each in views:
        trade = Decimal(float(trades.get(each.account, 0))).quantize(Decimal("1e-6"))
        fee = abs(trade) * each.mark * each.taker_fee
        made.append(replace(each, position=each.position + trade, equity=each.equity - fee))
    return made


@given(
    path=st.lists(st.integers(-12, 12), min_size=10, max_size=60),
    equities=st.tuples(st.integers(9000, 40_000), st.integers(9000, 40_000)),
    delay=st.integers(0, 20),
    has_route=st.booleans(),
)
def test_no_leg_of_a_pair_is_liquidated_whatever_the_path(path, equities, delay, has_route):
    """Steps of at most 1.2 % a time, with transfers that take up to twenty of them; each counted once."""
    names = ("aster-long", "binance-short")
    views = moved(
        [view(names[0], "1", equity=str(equities[0])), view(names[1], "-1", equity=str(equities[1]))], Decimal(50000)
    )
    routes = [Route(a, b, "USDT", delay) for a, b in (names, names[::-1])] if has_route else []
    moving: list[InFlight] = []
    money = sum(each.equity for each in views)
    for now, step in enumerate([*path, *path]):
        price = (views[0].mark * (1 + Decimal(step) / 1000)).quantize(Decimal("0.1"))
        views = moved(views, price)
        for each in [each for each in moving if now >= each.due]:
            moving.remove(each)
            views = [paid(leg, each.transfer, each.transfer.route.target, 1) for leg in views]
        assert all(distance(each) != 0 for each in views), "liquidated"
        found = safety(views, LIMITS, routes, moving, now)
        for sent in found.transfers:
            views = [paid(leg, sent, sent.route.source, -1) for leg in views]
            moving.append(InFlight(sent, now + delay, debited=True))
        before = money_of(views, moving)
        views = filled(views, dict(found.trades))
        money = money_of(views, moving)
        assert sum(each.position for each in views) == 0, "the net delta stays"
        assert before - money < Decimal(100), "what is reduced costs its fees only"


def paid(leg: LegView, sent: Transfer, account: str, sign: int) -> LegView:
    change = sent.amount * sign if leg.account == account else Decimal(0)
    return replace(leg, equity=leg.equity + change, available=leg.available + change)


def money_of(views: list[LegView], moving: list[InFlight]) -> Decimal:
    return sum((each.equity for each in views), Decimal(0)) + sum((e.transfer.amount for e in moving), Decimal(0))


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("has_route", [True, False])
def test_a_move_of_thirty_percent_in_minutes_closes_no_leg(direction, has_route):
    """0.5 % every five seconds for five minutes; without the measure the losing leg is closed."""
    names = ("aster-long", "binance-short")
    start = moved(
        [view(name, side, equity="12000") for name, side in zip(names, ("1", "-1"), strict=True)], Decimal(50000)
    )
    routes = [Route(a, b, "USDT", 60) for a, b in (names, names[::-1])] if has_route else []

    def run(is_kept: bool) -> tuple[list[LegView], bool, int, int]:
        views, moving, closed, transfers, reductions = list(start), [], False, 0, 0
        for now in range(0, 300, 5):
            price = Decimal(50000) * (1 + direction * Decimal("0.005") * (now // 5 + 1))
            views = moved(views, price)
            for each in [each for each in moving if now >= each.due]:
                moving.remove(each)
                views = [paid(leg, each.transfer, each.transfer.route.target, 1) for leg in views]
            closed = closed or any(distance(leg) == 0 for leg in views)
            if not is_kept:
                continue
            found = safety(views, LIMITS, routes, moving, now)
            for sent in found.transfers:
                views = [paid(leg, sent, sent.route.source, -1) for leg in views]
                moving.append(InFlight(sent, now + 60, debited=True))
            transfers += len(found.transfers)
            reductions += bool(found.trades)
            views = filled(views, dict(found.trades))
        return views, closed, transfers, reductions

    assert run(is_kept=False)[1]
    views, closed, transfers, reductions = run(is_kept=True)
    assert not closed and sum(each.position for each in views) == 0
    assert (transfers > 0) == has_route and (reductions > 0) >= (not has_route)
