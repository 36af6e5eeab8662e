"""Execution algorithms as they are: views in, wishes out."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.execution.algorithm import Parent, View, Wish
from onetape.execution.algorithms import ALGORITHMS, make_algorithm
from onetape.execution.schedule import even, front_loaded, make_schedule, profiled

NS = 10**9
BUY = Parent(side=1, lots=100, start=0, deadline=600 * NS)


def wish_of(name: str, parent: Parent, view: View, **options: object) -> Wish:
    return make_algorithm(name, parent, Random(1).random, options).wish(view)


def test_touch_takes_the_opposite_side_and_waits_beyond_its_limit():
    view = View(now=0, left=7, bid=99, ask=101)
    assert wish_of("touch", BUY, view) == Wish(7, 101)
    assert wish_of("touch", replace(BUY, side=-1), view) == Wish(7, 99)
    assert wish_of("touch", replace(BUY, limit=101), view) == Wish(7, 101)
    assert wish_of("touch", replace(BUY, limit=100), view).lots == 0
    assert wish_of("touch", BUY, View(now=0, left=7)) == Wish(7, None)
    assert wish_of("touch", replace(BUY, limit=100), View(now=0, left=7)) == Wish(7, 100)


def test_join_rests_at_its_own_side_and_takes_what_is_left_at_the_deadline():
    view = View(now=0, left=100, bid=99, ask=101)
    assert wish_of("join", BUY, view) == Wish(100, 99, post_only=True, wake=BUY.deadline)
    assert wish_of("join", replace(BUY, side=-1), view).price == 101
    assert wish_of("join", replace(BUY, limit=97), view).price == 97
    assert wish_of("join", replace(BUY, clip=30), view).lots == 30
    assert wish_of("join", BUY, replace(view, now=600 * NS)) == Wish(100, 101)


@pytest.mark.parametrize(
    ("options", "now", "worked", "price"),
    [
        ({}, 30, 98, 99),  # goes with the market at once
        ({"within": 1}, 30, 98, 98),
        ({"within": 1}, 30, 97, 99),
        ({"age": "1m"}, 30, 97, 97),  # not a minute old
        ({"age": "1m"}, 60, 97, 99),
        ({"age": "1m", "within": 2}, 60, 97, 97),
        ({"within": 5}, 30, 100, 99),  # worse than the limit: moved whatever the rule
        ({"within": 5}, 600, 98, 101),  # the deadline takes what is left
    ],
)
def test_what_rests_is_moved_by_distance_and_age(options, now, worked, price):
    view = View(now=now * NS, left=9, working=9, working_price=worked, bid=99, ask=101)
    parent = replace(BUY, limit=101 if now == 600 else 99)
    wish = wish_of("join", parent, view, **options)
    assert wish.price == price
    if options.get("age") and now < 60:
        assert wish.wake == 60 * NS  # and then asked again
    with pytest.raises(ValueError, match="knows no option"):
        wish_of("touch", BUY, view, **(options or {"within": 1}))


@pytest.mark.parametrize(
    ("side", "bid", "ask", "price"),
    [
        (1, 99, 105, 102),
        (-1, 99, 105, 102),
        (1, 99, 104, 101),
        (-1, 99, 104, 102),
        (1, 99, 100, 99),
        (-1, 99, 100, 100),
    ],
)
def test_peg_rests_in_the_middle_and_never_crosses(side, bid, ask, price):
    assert wish_of("peg", replace(BUY, side=side), View(now=0, left=5, bid=bid, ask=ask)).price == price


def test_iceberg_shows_its_clip_and_fills_it_up_only_when_it_is_gone():
    parent = replace(BUY, clip=10, limit=98)
    assert wish_of("iceberg", parent, View(now=0, left=100, bid=99, ask=101)).lots == 10
    showing = View(now=0, left=96, working=6, working_price=98, bid=99, ask=101)
    assert (wish_of("iceberg", parent, showing).lots, wish_of("iceberg", parent, showing).price) == (6, 98)
    with pytest.raises(ValueError, match="clip="):
        wish_of("iceberg", BUY, showing)


def test_pov_takes_its_share_of_what_trades():
    parent = replace(BUY, participation=0.1, deadline=None)
    view = View(now=0, left=100, bid=99, ask=101)
    assert wish_of("pov", parent, replace(view, traded=9)).lots == 0
    assert wish_of("pov", parent, replace(view, traded=45)).lots == 4
    assert wish_of("pov", parent, replace(view, traded=45, left=97)).lots == 1
    assert wish_of("pov", replace(parent, deadline=NS), replace(view, now=NS)).lots == 100  # the deadline


@pytest.mark.parametrize("name", ["twap", "vwap", "shortfall"])
@given(seed=st.integers(0, 10**6), lots=st.integers(1, 5000), minutes=st.integers(1, 240))
def test_a_schedule_is_kept_within_a_clip(name, seed, lots, minutes):
    """Filled at once, what is done is never beyond what is due, and never more than a clip behind."""
    parent = Parent(side=1, lots=lots, start=0, deadline=minutes * 60 * NS)
    algorithm = make_algorithm(name, parent, Random(seed).random, {})
    schedule = algorithm.schedule
    done, now, asks = 0, 0, 0
    while done < lots:
        wish = algorithm.wish(View(now=now, left=lots - done, bid=99, ask=101))
        done += wish.lots
        assert done == schedule.due(now)
        asks += 1
        assert wish.wake is not None and (wish.wake > now or done == lots)
        now = wish.wake
    assert now <= parent.deadline and asks <= len(schedule.times) + 1
    clip = max(b - a for a, b in zip((0, *schedule.lots), schedule.lots, strict=False))
    if name == "twap":
        for time, due in zip(schedule.times, schedule.lots, strict=True):
            assert due - clip - 1 <= lots * time / parent.deadline <= due + 1


def test_profiles_are_of_the_whole_and_rise():
    for profile in (even, front_loaded(3.0), profiled([1, 0, 5])):
        shares = [profile(step / 50) for step in range(51)]
        assert shares == sorted(shares) and shares[0] == pytest.approx(0) and shares[-1] == pytest.approx(1)
    assert profiled([1, 0, 3])(0.5) == pytest.approx(0.25)
    assert front_loaded(3.0)(0.3) > 0.5 > even(0.3)
    for wrong in ([], [0, 0], [1, -1], [float("nan")]):
        with pytest.raises(ValueError, match="profile"):
            profiled(wrong)


def test_equal_seeds_make_equal_schedules_and_others_do_not():
    made = [make_schedule(even, 100, 0, 600 * NS, 10, Random(seed).random, 0.5) for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


@given(
    name=st.sampled_from(ALGORITHMS),
    side=st.sampled_from([1, -1]),
    left=st.integers(1, 100),
    now=st.integers(0, 700 * NS),
    bid=st.none() | st.integers(1, 1000),
    spread=st.integers(1, 20),
    limit=st.none() | st.integers(1, 1000),
    traded=st.floats(0, 1e6),
)
def test_no_wish_is_beyond_what_is_left_or_worse_than_the_limit(name, side, left, now, bid, spread, limit, traded):
    parent = Parent(side, 100, 0, 600 * NS, limit, clip=7, participation=0.2)
    ask = None if bid is None else bid + spread
    wish = wish_of(name, parent, View(now=now, left=left, bid=bid, ask=ask, traded=traded))
    assert 0 <= wish.lots <= left
    if wish.lots and limit is not None:
        assert wish.price is not None and (wish.price - limit) * side <= 0
    if wish.lots and wish.post_only and bid is not None:
        assert wish.price < ask if side > 0 else wish.price > bid


@pytest.mark.parametrize(
    ("name", "parent", "options", "said"),
    [
        ("twap", replace(BUY, deadline=None), {}, "minutes="),
        ("pov", BUY, {}, "participation="),
        ("sniper", BUY, {}, "there are touch, join"),
        ("touch", BUY, {"urgency": 1}, "no option 'urgency'"),
        ("shortfall", BUY, {"urgency": 0}, "urgency"),
        ("twap", BUY, {"spread": 2}, "spread"),
    ],
)
def test_what_it_cannot_do_is_said(name, parent, options, said):
    with pytest.raises(ValueError, match=said):
        make_algorithm(name, parent, Random(1).random, options)


@pytest.mark.parametrize("name", ["twap", "vwap", "shortfall"])
@pytest.mark.parametrize(("away", "is_refused"), [(-1, True), (0, True), (1, False)])
def test_a_schedule_needs_a_deadline_that_is_ahead(name, away, is_refused):
    parent = replace(BUY, start=5 * NS, deadline=5 * NS + away)
    if is_refused:
        with pytest.raises(ValueError, match="in the future"):
            make_algorithm(name, parent, Random(1).random, {})
    else:
        assert wish_of(name, parent, View(now=5 * NS + away, left=100, bid=99, ask=101)).lots == 100
