"""The core's positions and notionals against exact fractions."""

from __future__ import annotations

from fractions import Fraction as F

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape import _core
from onetape.model.decimals import scaled
from onetape.model.enums import Kind, Side
from reference.position import Position, money_units

KINDS = st.sampled_from([Kind.SPOT, Kind.LINEAR, Kind.INVERSE])
FILLS = st.lists(
    st.tuples(st.sampled_from([Side.BUY, Side.SELL]), st.integers(1, 10**9), st.integers(1, 10**7)),
    min_size=1,
    max_size=25,
)
DECIMALS = st.tuples(st.integers(0, 8), st.integers(0, 8))
MULTIPLIERS = st.sampled_from([(1, 0), (100, 0), (1, 3), (25, 1)])


@settings(max_examples=examples(200), deadline=None)
@given(KINDS, FILLS, DECIMALS, MULTIPLIERS, st.integers(1, 10**9))
def test_the_core_s_position_is_the_exact_one(
    kind: Kind, fills: list[tuple[Side, int, int]], decimals: tuple[int, int], multiplier: tuple[int, int], mark: int
) -> None:
    price_decimals, size_decimals = decimals
    spec = _core.InstrumentSpec(
        kind=kind.id,
        price_decimals=price_decimals,
        size_decimals=size_decimals,
        multiplier=multiplier[0],
        multiplier_decimals=multiplier[1],
    )
    core = _core.CorePosition()
    exact = Position(kind, F(multiplier[0], 10 ** multiplier[1]))
    for number, (side, price, size) in enumerate(fills, 1):
        profit = core.apply(spec, side, price, size)
        slow = exact.apply_fill(side, scaled(price, price_decimals), scaled(size, size_decimals))
        # One rounding of 1e-18 for each value and share that a fill touches.
        slack = 3 * number
        assert abs(profit - money_units(slow)) <= slack
        assert core.qty == exact.qty * 10**size_decimals
        assert abs(core.realized - money_units(exact.realized)) <= slack
    if not core.qty:
        assert core.cost == 0
    slack = 3 * len(fills) + 1
    unrealized = exact.unrealized(scaled(mark, price_decimals))
    assert abs(core.unrealized(spec, mark) - money_units(unrealized)) <= slack
    # What a value of at least a trillionth says about the entry; below it the core's units end.
    if core.qty and abs(exact.opened_value) > F(1, 10**12):
        assert abs(F(core.entry_price(spec)) / exact.entry_price - 1) < F(1, 10**5)


@settings(max_examples=examples(300), deadline=None)
@given(KINDS, st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12), DECIMALS, MULTIPLIERS)
def test_notionals_are_equal_to_the_last_unit(
    kind: Kind, price: int, size: int, decimals: tuple[int, int], multiplier: tuple[int, int]
) -> None:
    spec = _core.InstrumentSpec(
        kind=kind.id,
        price_decimals=decimals[0],
        size_decimals=decimals[1],
        multiplier=multiplier[0],
        multiplier_decimals=multiplier[1],
    )
    amount = F(size * multiplier[0], 10 ** (decimals[1] + multiplier[1]))
    level = F(price, 10 ** decimals[0])
    slow = money_units((amount / level if price else F(0)) if kind is Kind.INVERSE else amount * level)
    # int128 with room for the steps in between; an inverse value's numerator must fit, too.
    numerator = abs(size * multiplier[0]) * 10 ** (18 + decimals[0])
    fits = kind is not Kind.INVERSE or numerator < 2**120
    if abs(slow) < 2**120 and fits:
        assert spec.notional(price, size) == slow


def test_a_value_beyond_128_bits_is_refused_and_does_not_wrap() -> None:
    spec = _core.InstrumentSpec(kind="linear", price_decimals=0, size_decimals=0)
    assert spec.notional(10**10, 10**10) == 10**38
    with pytest.raises(OverflowError):
        spec.notional(10**11, 10**11)
    with pytest.raises(OverflowError):
        _core.InstrumentSpec(kind="inverse", price_decimals=8, size_decimals=0).notional(1, 10**15)


def test_a_position_beyond_64_bits_is_refused_and_stays() -> None:
    spec = _core.InstrumentSpec(kind="linear", price_decimals=0, size_decimals=0)
    held = _core.CorePosition()
    held.take(spec, 2**62, 1)
    with pytest.raises(OverflowError):
        held.take(spec, 2**62, 1)
    assert (held.qty, held.cost) == (2**62, 1)
