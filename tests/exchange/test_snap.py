"""The compiled snap against the exact rule of onetape.model.rounding."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape import _core
from onetape.model.rounding import Rounding, to_steps

# step in units, decimals: 0.01, 0.5, 5, 0.0025, 10, 100, 0.05, 1e-8, 1
STEPS = [(1, 2), (5, 1), (5, 0), (25, 4), (10, 0), (100, 0), (5, 2), (1, 8), (1, 0)]

TABLE = [
    (0.3 - 0.1, 1, 1, "down", 2),
    (0.1 + 0.2, 1, 1, "up", 3),
    (61234.5, 1, 5, "down", 612345),
    (61234.7, 1, 5, "down", 612345),
    (61234.7, 1, 5, "up", 612350),
    (1.0049, 4, 25, "down", 10025),
    (1.0049, 4, 25, "up", 10050),
    (1.0025, 4, 25, "up", 10025),
    (12347.0, 0, 10, "down", 12340),
    (12347.0, 0, 10, "up", 12350),
    (12345.0, 0, 10, "nearest", 12340),  # a tie goes to the even step
    (12355.0, 0, 10, "nearest", 12360),
    (12399.0, 0, 100, "down", 12300),
    (-0.007, 2, 1, "down", -1),
    (-0.007, 2, 1, "up", 0),
    (-0.007, 2, 1, "toward_zero", 0),
    (-37.63, 2, 1, "down", -3763),
    (0.0, 2, 1, "up", 0),
    (1e-9, 8, 1, "down", 0),
]


@pytest.mark.parametrize(("value", "decimals", "step", "rounding", "units"), TABLE)
def test_table(value: float, decimals: int, step: int, rounding: str, units: int) -> None:
    assert _core.snap(value, decimals, step, rounding) == units


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, 5e18])
def test_what_is_no_number_of_units_is_none(value: float) -> None:
    assert _core.snap(value, 0, 1, "down") is None


@settings(max_examples=examples(500), deadline=None)
@given(
    value=st.floats(min_value=-1e7, max_value=1e7),
    which=st.sampled_from(STEPS),
    rounding=st.sampled_from(["down", "up", "nearest", "toward_zero"]),
)
def test_equals_the_exact_rule(value: float, which: tuple[int, int], rounding: str) -> None:
    step, decimals = which
    size = Fraction(step, 10**decimals)
    # At the very edge of the tolerance a float's last bit decides: nobody can tell the two apart.
    nearest = round(Fraction(value) / size) * size
    if value:
        distance = abs(Fraction(value) - nearest) / abs(Fraction(value))
        assume(not Fraction(99, 10**11) < distance < Fraction(101, 10**11))
    if rounding == "nearest":  # likewise in the very middle between two steps
        beyond = Fraction(value) / size % 1 - Fraction(1, 2)
        assume(abs(beyond) * 10**12 > abs(Fraction(value) / size))
    exact = to_steps(value, size, Rounding(rounding.replace("_", " ")))
    assert _core.snap(value, decimals, step, rounding) == exact * step


@settings(max_examples=examples(300), deadline=None)
@given(steps=st.integers(-(10**9), 10**9), which=st.sampled_from(STEPS))
def test_a_step_written_as_float_is_that_step(steps: int, which: tuple[int, int]) -> None:
    step, decimals = which
    value = float(Decimal(steps * step).scaleb(-decimals))
    for rounding in ("down", "up", "nearest"):
        assert _core.snap(value, decimals, step, rounding) == steps * step
