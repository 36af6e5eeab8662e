"""How far trades went against and for their owners, held to a slow model, and what the market would have borne."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.model.time import DAY, HOUR
from onetape.report.capacity import capacity, volume_share
from onetape.report.excursions import excursion_rows, excursions
from onetape.report.report_data import Fills, Market
from onetape.report.trips import round_trips


def market(prices, kind="linear", **more) -> Market:
    return Market("a:B/C", kind=kind, price_ts=np.arange(len(prices)) * 10, price=np.array(prices, float), **more)


def fills_of(rows) -> Fills:
    """rows: time, signed quantity, price."""
    ts, qty, price = (np.array(each) for each in zip(*rows, strict=True))
    count = len(ts)
    return Fills(
        ts=ts.astype(np.int64),
        market=np.zeros(count, np.int64),
        side=np.sign(qty).astype(np.int64),
        qty=np.abs(qty).astype(float),
        price=price.astype(float),
        fee=np.zeros(count),
        realized=np.zeros(count),
        is_maker=np.zeros(count, bool),
        order=np.arange(count, dtype=np.int64),
    )


def test_a_trade_that_fell_by_five_and_rose_by_seven_says_so():
    found = excursions(fills_of([(5, 2, 100), (45, -2, 104)]), [market([100, 97.5, 99, 103.5, 103, 104])])
    assert (found.adverse.tolist(), found.favourable.tolist(), found.retraced.tolist()) == ([5.0], [8.0], [0.0])


def test_what_was_won_and_lost_again_is_retraced():
    found = excursions(fills_of([(5, -1, 100), (35, 1, 98)]), [market([100, 90, 95, 97, 50])])
    assert (found.adverse.tolist(), found.favourable.tolist(), found.retraced.tolist()) == ([0.0], [10.0], [8.0])


def test_a_fill_that_turns_ends_one_trade_and_begins_the_next():
    found = excursions(fills_of([(1, 1, 100), (15, -3, 110), (35, 2, 120)]), [market([100, 105, 115, 118])])
    assert found.favourable.tolist() == [10.0, 0.0] and found.adverse.tolist() == [0.0, 20.0]


def test_where_the_data_was_read_its_lows_count_and_what_closed_before_the_entry_does_not():
    each = market([100, 100, 100, 100])
    each.path_ts, each.path = np.array([5, 15, 15, 35]), np.array([80.0, 93.0, 104.0, 50.0])
    found = excursions(fills_of([(5, 1, 100), (25, -1, 101)]), [each])
    assert (found.adverse.tolist(), found.favourable.tolist()) == ([7.0], [4.0])


def slowly(rows, prices, kind):
    """Step by step: the value of each trade at its own fills and at the samples between them."""
    worth = (lambda q, p: -q / p) if kind == "inverse" else (lambda q, p: q * p)
    events = sorted([(t, 0, q, p) for t, q, p in rows] + [(10 * i, 1, 0, p) for i, p in enumerate(prices)])
    held, paid, trip, found = 0, 0.0, None, []
    for _, _, qty, price in events:
        before, now = held, worth(held, price) - paid
        held, paid = held + qty, paid + worth(qty, price)
        if trip is not None:
            trip.append(now)
        if qty and before and before * held <= 0:
            low, high = min(trip) - trip[0], max(trip) - trip[0]
            found.append((-low, high, max(trip) - trip[-1]))
            trip = None
        if qty and held and before * held <= 0:
            trip = [now]
    return found


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 190), st.sampled_from([-3, -2, -1, 1, 2, 3]), st.integers(50, 150)), min_size=1
    ),
    prices=st.lists(st.integers(50, 150), min_size=1, max_size=20),
    kind=st.sampled_from(["linear", "inverse"]),
)
@settings(max_examples=examples(100), deadline=None)
def test_excursions_are_those_of_a_slow_walk(rows, prices, kind):
    rows = [(10 * time + 5, qty, price) for time, qty, price in sorted(rows)]  # never at a sample's own moment
    found = excursions(fills_of(rows), [market(prices, kind)])
    wanted = slowly(rows, prices, kind)
    got = list(zip(found.adverse, found.favourable, found.retraced, strict=True))
    assert len(got) == len(wanted)
    assert np.array(got).ravel() == pytest.approx(np.array(wanted).ravel(), abs=1e-9)
    fills = fills_of(rows)
    trips = round_trips(fills.ts, fills.book, fills.signed, fills.realized, fills.fee)
    assert len(trips.pnl) == len(got)


def test_winners_and_losers_are_apart():
    found = excursions(
        fills_of([(5, 1, 100), (15, -1, 110), (25, 1, 100), (35, -1, 80)]), [market([100, 99, 100, 70, 80])]
    )
    won, lost = excursion_rows(found, np.array([10.0, -20.0]))
    assert (won["name"], won["trips"], won["adverse_most"]) == ("won", 1, 1.0)
    assert (lost["name"], lost["adverse_most"], lost["retraced_median"]) == ("lost", 30.0, 20.0)
    assert excursion_rows(found, np.array([1.0])) == []


def priced(days=40, traded=1000.0, kind="linear"):
    random = np.random.default_rng(3)
    price = 100 * np.exp(np.cumsum(random.standard_normal(days * 24) * 0.02 / np.sqrt(24)))
    return Market("a:B/C", kind=kind, price_ts=np.arange(days * 24) * HOUR, price=price, traded=traded)


def test_capacity_is_where_the_profit_less_its_impact_is_greatest():
    each = priced()
    fills = fills_of([(i * DAY, 1 if i % 2 else -1, 100) for i in range(40)])
    ts, equity = np.array([0, 40 * DAY]), np.array([10_000.0, 10_000.0])
    found = capacity(20.0, ts, equity, fills, [each])
    daily = each.price[::24]
    moves = np.std(daily[1:] / daily[:-1] - 1, ddof=1)
    cost = 40 * 100 * moves * np.sqrt(1 / (1000 / 40))
    sizes = np.linspace(0.01, 5, 50_000)
    best = sizes[np.argmax(20 * sizes - cost * sizes**1.5)]
    assert found == pytest.approx(10_000 * best, rel=0.1)
    assert capacity(40.0, ts, equity, fills, [each]) > 2.4 * found
    assert capacity(10.0, ts, equity, fills, [each]) == pytest.approx(found / 4), "half the profit, a quarter of it"
    assert capacity(20.0, ts, equity, fills, [priced(traded=2000.0)]) == pytest.approx(2 * found)
    assert capacity(1e9, ts, equity, fills, [each]) == pytest.approx(10_000 * 0.1 / 0.04), "a tenth of the volume"
    assert volume_share(fills, [each]) == pytest.approx(0.04)


def test_a_market_without_volume_and_a_result_without_profit_have_no_capacity():
    fills = fills_of([(0, 1, 100), (DAY, -1, 101)])
    ts, equity = np.array([0, 40 * DAY]), np.array([10_000.0, 10_000.0])
    assert capacity(1.0, ts, equity, fills, [priced(traded=0.0)]) is None
    assert volume_share(fills, [priced(traded=0.0)]) is None
    assert capacity(-1.0, ts, equity, fills, [priced()]) is None
    assert capacity(1.0, ts[:1], equity[:1], fills, [priced()]) is None
