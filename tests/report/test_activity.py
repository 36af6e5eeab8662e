"""What was held, traded, ordered and paid. Expected values by hand, beside their rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onetape.model.time import DAY, HOUR, MS, SECOND, parse_time
from onetape.report import activity, order_flow, trips
from onetape.report.benchmark import buy_and_hold
from onetape.report.report_data import NEVER, ORDER_STATES, Fills, Market, Orders, ReportData, Resting
from onetape.report.summary import analyze
from onetape.report.worse_fills import exact_lines, fee_cost, tick_cost


def ints(*values):
    return np.array(values, dtype=np.int64)


def floats(*values):
    return np.array(values, dtype=np.float64)


def fills_of(*rows, position_side=()):
    """Rows of (ts, market, signed qty, price, fee, is_maker)."""
    columns = list(zip(*rows, strict=True))
    qty = floats(*columns[2])
    return Fills(
        ts=ints(*columns[0]),
        market=ints(*columns[1]),
        side=np.sign(qty).astype(np.int64),
        price=floats(*columns[3]),
        qty=np.abs(qty),
        fee=floats(*columns[4]),
        realized=np.zeros(len(qty)),
        is_maker=np.array(columns[5], dtype=np.bool_),
        order=np.arange(len(qty), dtype=np.int64),
        position_side=ints(*position_side),
    )


# --- round trips ----------------------------------------------------------------------------------


def test_expectancy_averages_payoff_and_streaks():
    # Wins 10, 20, 30: mean 20. Losses -5, -15: mean -10. All: 40 / 6.
    pnl = floats(10, -5, -15, 0, 20, 30)
    assert trips.expectancy(pnl) == pytest.approx(40 / 6)
    assert trips.average_win(pnl) == 20
    assert trips.average_loss(pnl) == -10
    assert trips.payoff(pnl) == 2
    assert trips.kelly(floats(2, -1, 2, -1)) == 0.25 and trips.kelly(floats(1, -1)) == 0
    assert trips.kelly(floats(1, 2)) is None and trips.kelly(floats()) is None
    assert trips.longest_streaks(pnl) == (2, 2)
    assert trips.longest_streaks(floats()) == (0, 0)
    assert trips.payoff(floats(1, 2)) is None and trips.expectancy(floats()) is None


def test_a_trip_of_zero_ends_both_streaks():
    assert trips.longest_streaks(floats(1, 0, 1, -1, 0, -1)) == (1, 1)


def test_holding_time_is_the_mean_and_long_and_short_sides_do_not_mix():
    # Hedge mode: long opened at 0 and closed at 10, short opened at 2 and closed at 4.
    fills = fills_of(
        (0, 0, 1, 100, 0, 0),
        (2, 0, -1, 100, 0, 0),
        (4, 0, 1, 100, 0, 0),
        (10, 0, -1, 100, 0, 0),
        position_side=(1, 2, 2, 1),
    )
    found = trips.round_trips(fills.ts, fills.book, fills.signed, fills.realized, fills.fee)
    assert (found.ts_open.tolist(), found.ts_close.tolist()) == ([2, 0], [4, 10])
    assert trips.holding_time(found) == 6
    # In one-way mode the second sell closes the position, and two trips follow each other.
    one_way = replace(fills, position_side=ints())
    found = trips.round_trips(one_way.ts, one_way.book, fills.signed, fills.realized, fills.fee)
    assert (found.ts_open.tolist(), found.ts_close.tolist()) == ([0, 4], [2, 10])


def test_entries_add_to_a_position_and_exits_only_reduce_it():
    fills = fills_of(
        (1, 0, 2, 1, 0, 0),  # opens
        (2, 0, -0.5, 1, 0, 0),  # reduces
        (3, 0, 1, 1, 0, 0),  # adds
        (4, 0, -5, 1, 0, 0),  # turns around
        (5, 1, -1, 1, 0, 0),  # another instrument, opened short
        (6, 0, 2.5, 1, 0, 0),  # closes
    )
    assert activity.opens(fills).tolist() == [True, False, True, True, True, False]


# --- holdings -------------------------------------------------------------------------------------


def test_exposure_is_the_time_in_which_anything_was_held():
    # One held 10..30, the other 20..50 of 0..100: together 10..50.
    one = Market("a:A/B", position_ts=ints(10, 30), position=floats(1, 0))
    two = Market("a:C/D", position_ts=ints(20, 50), position=floats(-1, 0))
    assert activity.any_exposure([one, two], ts_first=0, ts_last=100) == pytest.approx(0.4)
    assert activity.any_exposure([], ts_first=0, ts_last=100) == 0
    assert activity.any_exposure([one], ts_first=5, ts_last=5) is None


def test_leverage_adds_long_and_short_and_values_inverse_contracts_in_coins():
    ts = ints(0, 10, 20)
    equity = floats(1000, 1000, 500)
    # 0.01 * 2 * 50,000 (multiplier 2) = 1000 from 10 on; the short of 5 at 100 is 500 from 20 on.
    one = Market(
        "a:A/B", price_ts=ints(0), price=floats(50_000), position_ts=ints(10), position=floats(0.01), multiplier=2.0
    )
    two = Market("a:C/D", price_ts=ints(0), price=floats(100), position_ts=ints(20), position=floats(-5))
    assert activity.leverage([one, two], ts, equity).tolist() == [0, 1, 3]
    # 100,000 contracts of 1 USD at 50,000 are 2 coins; on 1 coin of equity that is 2.
    coin = Market(
        "a:X/Y:X", price_ts=ints(0), price=floats(50_000), position_ts=ints(0), position=floats(100_000), kind="inverse"
    )
    assert activity.leverage([coin], ints(0, 1), floats(1, 0)).tolist() == pytest.approx([2, float("nan")], nan_ok=True)
    other = replace(two, settles_in_run=False)
    assert activity.leverage([other], ts, equity).tolist() == [0, 0, 0]


def test_the_mean_by_time_weighs_each_value_by_how_long_it_held():
    # 0 for 10, 1 for 30: 30 / 40. The last value holds for no time.
    assert activity.mean_by_time(ints(0, 10, 40), floats(0, 1, 99)) == 0.75
    assert activity.mean_by_time(ints(0, 10, 40), floats(np.nan, 1, 0)) == 1
    assert activity.mean_by_time(ints(0), floats(1)) is None


def test_days_follow_each_other_and_add_up():
    start = parse_time("2026-06-30T12:00:00Z")
    ts = ints(start, start + 6 * HOUR, start + DAY, start + 3 * DAY)
    equity = floats(100, 90, 99, 110)
    fills = fills_of((start + HOUR, 0, 1, 50, 2, 1), (start + 3 * DAY, 0, -1, 60, 3, 0))
    notional = activity.fill_notional(fills, [Market("a:A/B")])
    days = activity.by_day(ts, equity, fills, notional)
    # 30 June: 100 -> 90. 1 July: -> 99. 2 July: nothing. 3 July: -> 110.
    assert [each.pnl for each in days] == [-10, 9, 0, 11]
    assert [each.result for each in days] == pytest.approx([-0.1, 0.1, 0, 110 / 99 - 1])
    assert [each.drawdown for each in days] == pytest.approx([0.1, 0, 0, 0])
    assert [(each.fills, each.notional, each.fees) for each in days] == [(1, 50, 2), (0, 0, 0), (0, 0, 0), (1, 60, 3)]
    months = activity.by_month(ts, equity, fills, notional)
    # June: 100 -> 90. July: 90 -> 110.
    assert [each.pnl for each in months] == [-10, 20]
    assert [str(np.datetime64(each.start, "ns"))[:10] for each in months] == ["2026-06-01", "2026-07-01"]
    assert activity.by_day(ints(), floats(), Fills(), floats()) == []


def test_the_profit_of_an_instrument_counts_what_is_open_at_the_last_price():
    # Bought 2 at 100 and sold 1 at 110, twice the base each; the last price is 120:
    # 2 * 2 * 20 - 1 * 2 * 10 = 60; fees 3, funding -1: 56.
    one = Market("a:A/B", price_ts=ints(0, 9), price=floats(100, 120), multiplier=2.0, funding=-1.0)
    # 1,000 contracts bought at 50,000 and now at 100,000: 0.02 - 0.01 coins.
    coin = Market("a:X/Y:X", price_ts=ints(0, 9), price=floats(50_000, 100_000), kind="inverse")
    fills = fills_of((1, 0, 2, 100, 1, 0), (2, 0, -1, 110, 2, 0), (3, 1, 1000, 50_000, 0, 0))
    data = ReportData("x", markets=[one, coin], fills=fills)
    rows = analyze(data).symbols
    assert [each.pnl for each in rows] == pytest.approx([56, 0.01])
    assert [(each.fills, each.fees) for each in rows] == [(2, 3), (1, 0)]


# --- benchmark and stress -------------------------------------------------------------------------


def test_buy_and_hold_takes_equal_parts_of_what_was_traded():
    ts, equity = ints(0, 10, 20), floats(1000, 1, 1)
    one = Market("a:A/B", price_ts=ints(0, 10), price=floats(100, 150))  # +50 % at 10
    late = Market("a:C/D", price_ts=ints(10, 20), price=floats(10, 5))  # -50 % at 20, cash before
    idle = Market("a:E/F", price_ts=ints(0), price=floats(1))
    fills = fills_of((1, 0, 1, 100, 0, 0), (2, 1, 1, 10, 0, 0))
    found = buy_and_hold(ts, equity, [one, late, idle], fills)
    assert found is not None
    assert found.equity.tolist() == [1000, 1250, 1000]
    assert found.weights == {"a:A/B": 0.5, "a:C/D": 0.5}
    assert "50.0%" in found.words
    nothing_traded = buy_and_hold(ts, equity, [one], Fills())
    assert nothing_traded is not None and nothing_traded.equity.tolist() == [1000, 1500, 1500]
    assert buy_and_hold(ts, equity, [], fills) is None


def test_an_inverse_contract_is_held_in_its_coin():
    # 1 coin in contracts at 50,000: at 100,000 they gained 1 - 50,000/100,000 = half a coin.
    coin = Market("a:X/Y:X", price_ts=ints(0, 1), price=floats(50_000, 100_000), kind="inverse")
    found = buy_and_hold(ints(0, 1), floats(1, 1), [coin], Fills())
    assert found is not None and found.equity.tolist() == [1, 1.5]


def test_a_tick_worse_costs_its_notional_and_the_fee_on_it():
    market = Market("a:A/B", tick=0.5, multiplier=2.0)
    # Buy 3 at 100 pays 0.5 * 3 * 2 = 3 more, and its fee of 6 (1 %) grows by 0.5 %: 0.03.
    # Sell 1 at 200 gets 1 less, and its fee of 4 (1 %) shrinks by 0.25 %: -0.01. A maker pays none.
    fills = fills_of((1, 0, 3, 100, 6, 0), (2, 0, -1, 200, 4, 0), (3, 0, 9, 100, 1, 1))
    assert tick_cost(fills, [market]) == pytest.approx(3 + 0.03 + 1 - 0.01)


def test_a_tick_worse_on_an_inverse_contract_is_paid_in_coins():
    market = Market("a:X/Y:X", tick=100.0, kind="inverse")
    # 50,000 contracts bought at 50,100 instead of 50,000: 1 - 50,000/50,100 coins fewer.
    fills = fills_of((1, 0, 50_000, 50_000, 0, 0))
    assert tick_cost(fills, [market]) == pytest.approx(1 - 50_000 / 50_100)


def test_dearer_fees_raise_what_is_paid_and_shrink_what_is_given():
    market = Market("a:A/B")
    fills = fills_of((1, 0, 1, 100, 8, 0), (2, 0, 1, 100, -4, 1))
    assert fee_cost(fills, [market]) == pytest.approx(2 + 1)
    assert fee_cost(fills, [replace(market, settles_in_run=False)]) == 0
    tick, fees = exact_lines(10.0, fills, [market])
    assert (tick.how, tick.pnl, fees.how, fees.pnl) == ("exact", 10.0, "exact", 7.0)
    assert exact_lines(10.0, Fills(), [market]) == []


def test_a_fee_tier_up_charges_each_fill_the_rate_below_its_own():
    table = ((0.0002, 0.0005), (0.0001, 0.0004), (-0.0001, 0.0003))
    market = Market("a:A/B", fee_table=table)
    fills = fills_of(
        (1, 0, 10, 1000, 3.0, 0),  # taker in the best tier, 0.03 % of 10,000: to 0.04 %, 1 more
        (2, 0, -10, 1000, -1.0, 1),  # maker with a rebate of 0.01 %: to a fee of 0.01 %, 2 more
        (3, 0, 10, 1000, 4.0, 0),  # taker in the middle: to 0.05 %, 1 more
        (4, 0, -10, 1000, 5.0, 0),  # taker in the base tier: a quarter of 5
    )
    assert fee_cost(fills, [market]) == pytest.approx(1 + 2 + 1 + 1.25)
    assert [each.name for each in exact_lines(0.0, fills, [market])][1] == "one fee tier up"
    # An inverse contract's fee is a part of coins: 1,000 of 500 are 2 coins, 0.04 % of which.
    coin = Market("a:X/Y:X", fee_table=table, kind="inverse")
    fills = fills_of((1, 0, 1000, 500, 0.0008, 0))
    assert fee_cost(fills, [coin]) == pytest.approx(0.0002)


# --- orders ---------------------------------------------------------------------------------------


def orders_of(*rows):
    """Rows of (qty, filled, state, asked, answered, first fill)."""
    columns = list(zip(*rows, strict=True))
    return Orders(
        id=np.arange(1, len(rows) + 1, dtype=np.int64),
        qty=floats(*columns[0]),
        filled=floats(*columns[1]),
        state=ints(*(ORDER_STATES.index(name) for name in columns[2])),
        ts_request=ints(*columns[3]),
        ts_answer=ints(*columns[4]),
        ts_fill=ints(*columns[5]),
    )


def test_orders_are_counted_by_how_they_ended_and_ratios_leave_out_the_refused():
    orders = orders_of(
        (2, 2, "filled", 0, 10, 10),
        (4, 1, "partly filled", 5, 15, 95),
        (1, 0, "canceled", 6, 16, NEVER),
        (1, 0, "rejected", 7, 17, NEVER),
        (1, 0, "denied", 8, NEVER, NEVER),
        (1, 0, "working", 9, 19, NEVER),
    )
    assert order_flow.outcomes(orders) == {
        "filled": 1,
        "partly filled": 1,
        "canceled": 1,
        "expired": 0,
        "rejected": 1,
        "denied": 1,
        "working": 1,
    }
    assert order_flow.fill_ratio(orders) == 2 / 4
    assert order_flow.quantity_ratio(orders) == pytest.approx((1 + 0.25 + 0 + 0) / 4)
    assert order_flow.answer_times(orders).tolist() == [10, 10, 10, 10, 10]
    assert order_flow.fill_times(orders).tolist() == [10, 90]


def test_quantiles_are_times_that_occurred():
    # Nearest rank: of 10 values the median is the 5th, 90 % the 9th, 99 % the 10th.
    found = order_flow.spread(np.arange(10, 0, -1, dtype=np.int64) * MS)
    assert found == order_flow.Spread(10, MS, 5 * MS, 9 * MS, 10 * MS, 10 * MS, 5.5 * MS)
    assert order_flow.spread(ints()) is None
    one = order_flow.spread(ints(SECOND))
    assert one is not None and one.least == one.p99 == SECOND


def test_the_share_filled_by_trades_is_unknown_where_the_tape_does_not_say():
    rest = ints(1, 2, 3, 4)
    assert order_flow.trade_share(Resting(rest)) is None
    assert order_flow.trade_share(Resting(rest, np.array([1, 0, 0, 0], dtype=np.bool_))) == 0.25
