"""The core's positions, notionals and snapping against the exact models."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction as F

from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape import _core
from onetape.accounts.position import Position, money_units
from onetape.model.decimals import scaled
from onetape.model.enums import Kind, Side
from onetape.model.money import notional_units
from onetape.model.rounding import SNAP_TOLERANCE, Rounding, to_steps

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
    core = _core.ModelPosition(
        kind=kind.id,
        price_decimals=price_decimals,
        size_decimals=size_decimals,
        multiplier=multiplier[0],
        multiplier_decimals=multiplier[1],
    )
    exact = Position(kind, F(multiplier[0], 10 ** multiplier[1]))
    for number, (side, price, size) in enumerate(fills, 1):
        profit = core.apply(side.id, price, size)
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
    assert abs(core.unrealized(mark) - money_units(unrealized)) <= slack
    # What a value of at least a trillionth says about the entry; below it the core's units end.
    if core.qty and abs(exact.opened_value) > F(1, 10**12):
        assert abs(F(core.entry_price) / exact.entry_price - 1) < F(1, 10**5)


@settings(max_examples=examples(300), deadline=None)
@given(KINDS, st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12), DECIMALS, MULTIPLIERS)
def test_notionals_are_equal_to_the_last_unit(
    kind: Kind, price: int, size: int, decimals: tuple[int, int], multiplier: tuple[int, int]
) -> None:
    core = _core.ModelPosition(
        kind=kind.id,
        price_decimals=decimals[0],
        size_decimals=decimals[1],
        multiplier=multiplier[0],
        multiplier_decimals=multiplier[1],
    )
    slow = notional_units(
        kind,
        price=price,
        size=size,
        price_decimals=decimals[0],
        size_decimals=decimals[1],
        multiplier=scaled(*multiplier),
    )
    # int128 with room for the steps in between; an inverse value's numerator must fit, too.
    numerator = abs(size * multiplier[0]) * 10 ** (18 + decimals[0])
    fits = kind is not Kind.INVERSE or numerator < 2**120
    if abs(slow) < 2**120 and fits:
        assert core.notional(price, size) == slow


ROUNDINGS = [Rounding.NEAREST, Rounding.DOWN, Rounding.UP, Rounding.TOWARD_ZERO]
TICKS = [(1, 2), (5, 1), (5, 0), (25, 4), (10, 0), (100, 0), (5, 2), (1, 8), (1, 0)]


def exactly(value: float, tick: tuple[int, int], rounding: Rounding) -> int:
    step = Decimal(tick[0]).scaleb(-tick[1])
    return to_steps(value, step, rounding) * tick[0]


@settings(max_examples=examples(500), deadline=None)
@given(st.floats(-1e7, 1e7), st.sampled_from(TICKS), st.sampled_from(range(4)))
def test_any_float_snaps_as_the_exact_rule_says(value: float, tick: tuple[int, int], rounding: int) -> None:
    step, decimals = tick
    ratio = F(value) * 10**decimals / step
    distance = abs(ratio - round(ratio))
    edge = abs(ratio) * SNAP_TOLERANCE
    # Floats cannot decide within their own error of the tolerance's edge, or of a tie.
    fuzz = abs(ratio) * F(1, 10**14) + F(1, 10**300)
    if abs(distance - edge) <= fuzz or abs(distance - F(1, 2)) <= fuzz:
        return
    units = _core.model_snap(value, decimals, step, rounding)
    assert units == exactly(value, tick, ROUNDINGS[rounding])


@settings(max_examples=examples(300), deadline=None)
@given(st.integers(-(10**9), 10**9), st.sampled_from(TICKS), st.sampled_from(range(4)), st.integers(-3, 3))
def test_a_step_within_float_noise_is_that_step(steps: int, tick: tuple[int, int], rounding: int, noise: int) -> None:
    step, decimals = tick
    value = float(F(steps * step, 10**decimals)) * (1 + noise * 2.0**-52)
    assert _core.model_snap(value, decimals, step, rounding) == steps * step
    assert exactly(value, tick, ROUNDINGS[rounding]) == steps * step


def test_what_is_no_number_does_not_snap() -> None:
    for value in (float("nan"), float("inf"), float("-inf"), 1e30):
        assert _core.model_snap(value, 2, 1, 1) is None
