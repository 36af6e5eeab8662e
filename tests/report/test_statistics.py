"""Each expected value is computed by hand beside its row."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.model.time import DAY, HOUR, MINUTE, SECOND
from onetape.report import activity, drawdowns, trips
from onetape.report import statistics as s
from onetape.report.report_data import ReportData
from onetape.report.summary import analyze, summarize


def ints(*values):
    return np.array(values, dtype=np.int64)


def floats(*values):
    return np.array(values, dtype=np.float64)


def test_return_is_last_over_first_minus_one():
    assert s.total_return(floats(100, 90, 125)) == pytest.approx(0.25)
    assert s.total_return(floats()) is None
    assert s.total_return(floats(0, 5)) is None


def test_what_came_and_went_is_no_return():
    # 10 % up, then 900 come; 10 % down, then all but 99 go; nothing, then 10 % up.
    equity = np.array([100.0, 110, 1010, 909, 99, 99, 108.9])
    moved = np.array([0.0, 0, 900, 900, 90, 90, 90])
    curve = s.time_weighted(equity, moved)
    assert curve == pytest.approx([100, 110, 110, 99, 99, 99, 108.9])
    data = ReportData("t", equity_ts=np.arange(7) * DAY, equity=equity, moved=moved)
    found = summarize(data, orders=0)
    assert found["return"] == pytest.approx(0.089)
    assert found["pnl"] == pytest.approx(-81.1)
    assert (found["best_day"], found["worst_day"]) == pytest.approx((0.1, -0.1))
    assert (found["max_drawdown"], found["max_drawdown_amount"]) == pytest.approx((0.1, 101))
    assert sum(day.pnl for day in analyze(data).days) == pytest.approx(-81.1)


def test_a_run_that_begins_without_money_is_measured_from_its_first():
    curve = s.time_weighted(np.array([0.0, 200, 220, 0, 0, 50, 55]), np.array([0.0, 200, 200, -20, -20, 30, 30]))
    assert curve == pytest.approx([200, 200, 220, 220, 220, 220, 242])
    lost = s.time_weighted(np.array([100.0, -5, 95, 190]), np.array([0.0, 0, 100, 100]))
    assert s.total_return(lost) == -1  # what is gone is gone, whatever comes later


def test_drawdown_names_depth_amount_and_dates():
    # Peaks 100, 120, 130. Falls: 120 -> 90 is 25 %, 130 -> 104 is 20 %.
    ts = ints(1, 2, 3, 4, 5, 6)
    fall = drawdowns.max_drawdown(ts, floats(100, 120, 90, 130, 104, 129))
    assert fall == drawdowns.Drawdown(0.25, 30.0, ts_peak=2, ts_trough=3, ts_recovered=4)
    assert drawdowns.drawdown_series(floats(100, 120, 90)).tolist() == [0.0, 0.0, -0.25]


def test_a_drawdown_that_lasts_has_no_recovery():
    fall = drawdowns.max_drawdown(ints(1, 2, 3), floats(100, 80, 90))
    assert fall is not None and fall.ts_recovered is None and fall.fraction == pytest.approx(0.2)


def test_no_fall_is_a_drawdown_of_zero_and_no_data_is_none():
    fall = drawdowns.max_drawdown(ints(1, 2), floats(100, 101))
    assert fall is not None and fall.fraction == 0
    assert drawdowns.max_drawdown(ints(), floats()) is None


def test_returns_are_per_whole_period_from_the_last_value_before_its_end():
    # Ends at 1 d, 2 d, 3 d: levels 100 (start), 110, 110, 99.
    ts = ints(0, DAY // 2, DAY + 1, 3 * DAY - 1, 3 * DAY + 5)
    equity = floats(100, 110, 120, 99, 500)
    # at 1 d: 110; at 2 d: 120; at 3 d: 99
    assert s.period_returns(ts, equity, DAY).tolist() == pytest.approx([0.1, 120 / 110 - 1, 99 / 120 - 1])
    assert s.period_returns(ints(5), floats(1), DAY).tolist() == []


@pytest.mark.parametrize("days", [2, 31, 399, 400, 401, 20_000])
def test_no_period_is_lost_to_rounding(days):
    """numpy counts the steps of a range in floats, and nanoseconds do not fit into those."""
    ts = np.arange(days + 1, dtype=np.int64) * DAY
    assert len(s.period_returns(ts, np.ones(days + 1), DAY)) == days


@pytest.mark.parametrize(
    ("span", "period"),
    [(31 * DAY, DAY), (30 * DAY, DAY), (30 * DAY - 1, HOUR), (30 * HOUR, HOUR), (HOUR, MINUTE), (60 * SECOND, SECOND)],
)
def test_the_period_is_the_longest_with_thirty_returns(span, period):
    assert s.choose_period(ints(0, span)) == period


def test_sharpe_sortino_and_volatility_of_four_daily_returns():
    # r = 2 %, -1 %, 3 %, 0 %: mean 1 %; squares of deviations 1, 4, 4, 1 -> sum 10e-4, / 3.
    returns = floats(0.02, -0.01, 0.03, 0.0)
    deviation = math.sqrt(10e-4 / 3)
    assert s.volatility(returns, DAY) == pytest.approx(deviation * math.sqrt(365))
    assert s.sharpe(returns, DAY) == pytest.approx(0.01 / deviation * math.sqrt(365))
    # Only -1 % is a loss: root of (1e-4 / 4) = 0.005; 0.01 / 0.005 = 2.
    assert s.sortino(returns, DAY) == pytest.approx(2 * math.sqrt(365))


def test_what_cannot_be_had_is_none_not_infinite():
    flat = floats(0.01, 0.01, 0.01)
    assert s.sharpe(flat, DAY) is None
    assert s.sortino(flat, DAY) is None
    assert s.sharpe(floats(0.01), DAY) is None
    assert s.volatility(floats(), DAY) is None
    assert trips.profit_factor(floats(1, 2)) is None
    assert trips.win_rate(floats()) is None
    assert activity.turnover(floats(1), floats()) is None
    assert activity.exposure(ints(1), floats(1), ts_first=5, ts_last=5) is None


def test_round_trips_end_flat_and_are_net_of_fees():
    found = trips.round_trips(
        ts=ints(1, 2, 3, 4),
        instrument=ints(0, 0, 0, 0),
        qty=floats(2, -1, -1, 5),
        realized=floats(0, 10, 20, 0),
        fee=floats(1, 1, 1, 1),
    )
    # Opened at 1, closed at 3: 30 realized, 3 fees. The last position stays open.
    assert (found.ts_open.tolist(), found.ts_close.tolist(), found.pnl.tolist()) == ([1], [3], [27.0])


def test_a_turn_closes_one_trip_and_opens_the_next_and_divides_its_fee():
    found = trips.round_trips(
        ts=ints(1, 2, 3), instrument=ints(0, 0, 0), qty=floats(1, -3, 2), realized=floats(0, 9, -4), fee=floats(1, 3, 1)
    )
    # First: 9 - 1 - 3/3 = 7. Second: -4 - 3*2/3 - 1 = -7.
    assert found.pnl.tolist() == pytest.approx([7, -7])
    assert found.ts_open.tolist() == [1, 2]


def test_instruments_do_not_mix():
    found = trips.round_trips(
        ts=ints(1, 2, 3, 4),
        instrument=ints(0, 1, 0, 1),
        qty=floats(1, -1, -1, 1),
        realized=floats(0, 0, 5, -3),
        fee=floats(0, 0, 0, 0),
    )
    assert found.pnl.tolist() == [5, -3]


def test_tenths_that_do_not_add_up_in_binary_still_end_flat():
    found = trips.round_trips(
        ts=ints(1, 2, 3, 4),
        instrument=ints(0, 0, 0, 0),
        qty=floats(0.1, 0.2, -0.3, 0.1),
        realized=floats(0, 0, 1, 0),
        fee=floats(0, 0, 0, 0),
    )
    assert found.pnl.tolist() == [1]


def test_win_rate_and_profit_factor():
    pnl = floats(10, -5, 0, 20)
    assert trips.win_rate(pnl) == 0.5
    assert trips.profit_factor(pnl) == 6.0


def test_exposure_is_by_time():
    # Held 10..30 and 40..50 of 0..100.
    assert activity.exposure(ints(10, 30, 40, 50), floats(1, 0, -2, 0), ts_first=0, ts_last=100) == 0.3
    # A position taken before the window counts inside it.
    assert activity.exposure(ints(-50), floats(1), ts_first=0, ts_last=100) == 1.0


def test_turnover_is_notional_over_mean_equity():
    assert activity.turnover(floats(100, -300), floats(150, 250)) == 2.0


curves = st.lists(st.floats(1, 1e6), min_size=1, max_size=40)


@settings(max_examples=examples(80), deadline=None)
@given(curves)
def test_the_drawdown_is_the_worst_of_all_pairs(values):
    fall = drawdowns.max_drawdown(np.arange(len(values), dtype=np.int64), np.array(values))
    worst = max(1 - low / high for i, high in enumerate(values) for low in values[i:])
    assert fall is not None and fall.fraction == pytest.approx(max(worst, 0), abs=1e-12)
    assert fall.ts_peak <= fall.ts_trough


@settings(max_examples=examples(80), deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3).filter(bool), st.integers(-9, 9), st.integers(0, 5)), max_size=30))
def test_trips_and_the_open_rest_add_up_to_everything(fills):
    count = len(fills)
    qty, realized, fee = (np.array([f[k] for f in fills], dtype=np.float64) for k in range(3))
    both = np.concatenate((qty, [-qty.sum()] if qty.sum() else []))  # close what is left
    extra = len(both) - count
    found = trips.round_trips(
        np.arange(len(both), dtype=np.int64),
        np.zeros(len(both), dtype=np.int64),
        both,
        np.append(realized, [0.0] * extra),
        np.append(fee, [0.0] * extra),
    )
    assert found.pnl.sum() == pytest.approx(realized.sum() - fee.sum(), abs=1e-9)
