"""Hedges that an execution algorithm works: what may be asked for, what the plan shows, what the venues get."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hedge.leg_views import perpetual, view
from onetape.control.desk import work_of
from onetape.control.desk_replies import number
from onetape.hedge.plan import Terms, leg_of, plan_change
from onetape.hedge.saga import Goal, Place, Saga
from onetape.hedge.working import Work, wish_of
from onetape.model.errors import BadInput, MarketDataUnavailable, ServiceTimeout
from onetape.simulation.operations_world import SECOND, START, Faults, House
from onetape.web.control_models import DeltaControl, HedgeExecute, UtilizationRebalance

MS = SECOND // 1000
SHARE = 0.01


def hedge(**facts) -> HedgeExecute:
    return HedgeExecute(symbol="BTC-USD", hedge_amount=0.02, side="buy", **facts)


@pytest.mark.parametrize(
    "facts, location",
    [
        ({"maker_first": 500, "algo": "twap", "work_for": 900}, "makerFirst"),
        ({"maker_first": 500, "work_for": 900}, "makerFirst"),
        ({"maker_first": 500, "clip": 0.01}, "makerFirst"),
        ({"algo": "twap", "work_for": 900, "clip": 0.005}, "clip"),  # four orders in less than a second
        ({"work_for": 900}, "workFor"),
        ({"clip": 0.01}, "clip"),
        ({"algo": "twap"}, "workFor"),
        ({"algo": "twap", "work_for": 30_000}, "workFor"),
        ({"algo": "iceberg", "work_for": 900}, "clip"),
        ({"algo": "vwap", "work_for": 900}, "profile"),
        ({"algo": "vwap", "work_for": 900, "profile": [0, 0]}, "profile"),
        ({"algo": "twap", "work_for": 900, "profile": [1]}, "profile"),
        ({"algo": "pov", "work_for": 900}, "participation"),
        ({"algo": "peg", "work_for": 900, "participation": 0.1}, "participation"),
    ],
)
def test_what_no_algorithm_can_do_is_refused_by_its_field(facts, location):
    with pytest.raises(BadInput) as refused:
        work_of(hedge(**facts), START)
    assert refused.value.location == location


def test_maker_first_is_a_peg_for_that_time():
    assert work_of(hedge(), START) is None
    assert work_of(hedge(maker_first=500), START) == Work("peg", START + 500 * MS)
    assert work_of(hedge(maker_first=50_000), START) == Work("peg", START + 30 * SECOND)  # of its timeout
    turn = START + 20 * SECOND  # its time is from its turn, and what is left still has some
    assert work_of(hedge(algo="join", work_for=8000), START, turn).until == turn + 8 * SECOND
    assert work_of(hedge(algo="join", work_for=28_000), START, turn).until == START + 29 * SECOND
    with pytest.raises(ServiceTimeout):
        work_of(hedge(algo="join", work_for=8000), START, START + 29 * SECOND)
    assert work_of(hedge(algo="join", work_for=900, clip=0.5), START).algo == "join"


def test_a_dry_run_shows_the_algorithm_and_a_hedge_is_worked_over_gateways():
    house = House(5, accounts=2, faults=Faults.none(), crashes=False)
    worked = hedge(algo="twap", work_for=5000, clip=0.004)
    dry = hedge(algo="twap", work_for=5000, clip=0.004, dry_run=True)
    shown = house.operate("dry", lambda desk: desk.hedge(dry, "dry", "test"))
    assert (shown.plan.algo, shown.plan.work_for, shown.status) == ("twap", 5000, "planned")
    begun = house.now
    reply = house.operate("op", lambda desk: desk.hedge(worked, "op", "test"))
    assert reply.status == "completed" and 3.5 * SECOND < house.now - begun < 6 * SECOND
    assert [order.amount for order in reply.executed_orders] == [0.004] * 5
    assert sum(float(each.held_base) for each in house.venues.values()) == 0.02


def test_a_delta_control_is_worked_by_the_volumes_that_it_names():
    house = House(5, accounts=2, faults=Faults.none(), crashes=False)
    facts = {"symbol": "BTC-USD", "accounts": list(house.venues), "target_delta": 0.02, "max_deviation": 0.1}
    facts |= {"tolerance_percent": 0.001, "algo": "vwap", "work_for": 4000, "profile": [3, 1]}
    dry = DeltaControl(dry_run=True, **facts)
    shown = house.operate("dry", lambda desk: desk.control(dry, "dry", "test"))
    assert (shown.plan.algo, shown.plan.work_for) == ("vwap", 4000)
    begun = house.now
    reply = house.operate("op", lambda desk: desk.control(DeltaControl(**facts), "op", "test"))
    orders = reply.hedge_results.executed_orders
    assert reply.success and sum(float(each.held_base) for each in house.venues.values()) == 0.02
    assert len(orders) > 4 and house.now - begun < 5 * SECOND
    early = sum(each.amount for each in orders if each.timestamp < begun // MS + 1900)
    assert early == pytest.approx(0.015, abs=0.002)


def test_pov_takes_its_share_of_what_the_market_trades_and_the_rest_at_the_end():
    house = House(5, accounts=2, faults=Faults.none(), crashes=False)
    house.advance(60 * SECOND)
    facts = {"symbol": "BTC-USD", "accounts": list(house.venues), "target_delta": 0.03, "max_deviation": 0.1}
    facts |= {"tolerance_percent": 0.001, "algo": "pov", "participation": SHARE, "work_for": 8000}
    begun = house.now
    reply = house.operate("op", lambda desk: desk.control(DeltaControl(**facts), "op", "test"))
    saga = house.saga("op")
    assert reply.success and sum(float(each.held_base) for each in house.venues.values()) == 0.03
    worked = [each for each in saga.attempts if each.index >= 0]
    assert 0 < sum(each.fills.base for each in worked) < Decimal("0.03") and saga.ended.status == "completed"
    for each in worked:  # at no moment more than its share; what was left was taken once the time was over
        venue, earlier = house.venues[each.leg.account], worked[: worked.index(each) + 1]
        sent = sum(other.leg.qty for other in earlier if other.leg.account == each.leg.account)
        trades = [one for one in venue.exchange.board.listings[0].trades if begun <= one.time <= each.at]
        assert each.at < begun + 8 * SECOND
        assert sent <= Decimal(str(SHARE)) * venue.instrument.size(sum(one.size for one in trades))


def test_legs_on_one_book_have_one_share_of_its_volume_together():
    views = [
        view(name, instrument=perpetual("binance"), depth="0.2", traded=Decimal(1), equity="100000")
        for name in ("binance-1", "binance-2")
    ]
    terms = Terms(now=START, slippage=Decimal("0.005"))
    plan = plan_change(views, Decimal("0.3"), terms)
    work = Work("pov", START + 8 * SECOND, participation=0.1)
    goal = Goal(
        operation="op",
        symbol="BTC-USD",
        base="BTC",
        plan=plan,
        bearers=plan.bearers,
        positions={each.account: each.position for each in views},
        least=Decimal("0.001"),
        slippage=terms.slippage,
        begun=START,
        deadline=START + 30 * SECOND,
        work=work,
    )
    saga = Saga(goal)
    saga.begin(START)
    placed = [each.attempt.leg.qty for each in saga.looked(views, START) if isinstance(each, Place)]
    assert placed == [Decimal("0.050")] * 2


@pytest.mark.parametrize("traded, qty", [("0.015", None), ("0.02", "0.002")])
def test_a_worked_order_is_so_large_that_it_can_be_undone_where_it_was_filled(traded, qty):
    """What reduces may be smaller than what opens, and what undoes it may open."""
    short = view("a", "-0.5", instrument=perpetual("a", notional_min="100"), traded=Decimal(traded))
    leg = leg_of(short, Decimal("0.3"), Terms(now=START, slippage=Decimal("0.005")))
    work = Work("pov", START + 8 * SECOND, participation=0.1)
    assert leg.reduces
    wish = wish_of(work, leg, short, START, START + SECOND, Decimal(0), None)
    assert wish.lots * leg.lot == Decimal(qty or 0)


def test_a_participation_bounds_what_a_schedule_takes_early():
    house = House(5, accounts=1, faults=Faults.none(), crashes=False)
    house.advance(60 * SECOND)
    facts = {"algo": "twap", "work_for": 5000, "clip": 0.004, "participation": 1e-9}
    begun = house.now
    reply = house.operate("op", lambda desk: desk.hedge(hedge(**facts), "op", "test"))
    assert reply.status == "completed"
    assert all(each.timestamp >= begun // MS + 5000 for each in reply.executed_orders)


def test_what_follows_a_volume_is_refused_where_nothing_says_what_the_market_trades():
    house = House(5, accounts=2, faults=Faults.none(), crashes=False)
    house.is_mute = True
    pov = {"algo": "pov", "participation": 0.2, "work_for": 4000}
    error = house.operate("op", lambda desk: desk.hedge(hedge(**pov), "op", "test"))
    assert isinstance(error, MarketDataUnavailable) and error.location in house.venues
    dry = house.operate("dry", lambda desk: desk.hedge(hedge(dry_run=True, **pov), "dry", "test"))
    assert [each["code"] for each in dry.plan.blocked] == [1005]
    assert not any(each.held_base for each in house.venues.values())


def test_one_leg_of_a_rebalance_is_worked_and_the_other_follows_each_fill():
    house = House(5, accounts=2, faults=Faults.none(), crashes=False)
    first, second = house.venues
    trades = {first: Decimal("0.02"), second: Decimal("-0.02")}
    house.operate("open", lambda desk: desk.trade("BTC-USD", [first, second], trades, "open", "test"))
    facts = {"symbol": "BTC-USD", "accounts": [first, second], "target_utilization": 0.9, "tolerance_percent": 0.0001}
    facts |= {"max_rebalance_amount": 0.01, "algo": "twap", "work_for": 3000, "clip": 0.002}
    reply = house.operate("op", lambda desk: desk.rebalance(UtilizationRebalance(**facts), "op", "test"))
    saga = house.saga("op")
    led = [each for each in saga.attempts if each.index >= 0]
    assert {each.index for each in led} == set(saga.goal.plan.leading) and len(led) == 5
    assert len(saga.attempts) == 10 and saga.ended.naked_ns < 500 * MS
    assert reply.success and saga.ended.status == "completed" and not saga.ended.change


@pytest.mark.parametrize(
    "value, words",
    [
        (0.0, "0.0"),
        (0.05, "0.05"),
        (-1e12, "-1000000000000.0"),
        (1e-9, "0.000000001"),
        (1e-320, "0"),
        (1.5e-18, "0.000000000000000002"),
    ],
)
def test_a_number_is_the_decimal_that_it_was_written_as(value, words):
    assert f"{number(value):f}" == words
