"""The snap rule by table, and against the plainest statement of it."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.model.enums import Side
from onetape.model.rounding import Rounding, price_to_int, size_to_int, to_steps

D = Decimal
SNAP_TOLERANCE = Fraction(1, 10**9)  # of the number
TICKS = ["0.01", "0.5", "5", "0.0025", "10", "100", "0.05", "0.00000001"]


@pytest.mark.parametrize(
    ("value", "tick", "down", "up", "nearest"),
    [
        ("1.234", "0.01", "1.23", "1.24", "1.23"),
        ("1.235", "0.01", "1.23", "1.24", "1.24"),  # a tie goes to the even step: 124
        ("1.245", "0.01", "1.24", "1.25", "1.24"),
        ("1.23", "0.01", "1.23", "1.23", "1.23"),
        ("100.3", "0.5", "100", "100.5", "100.5"),
        ("100.25", "0.5", "100", "100.5", "100"),
        ("102", "5", "100", "105", "100"),
        ("103", "5", "100", "105", "105"),
        ("1.0036", "0.0025", "1.0025", "1.005", "1.0025"),
        ("1.00375", "0.0025", "1.0025", "1.005", "1.005"),
        ("64", "10", "60", "70", "60"),
        ("149", "100", "100", "200", "100"),
        ("150", "100", "100", "200", "200"),
        ("250", "100", "200", "300", "200"),
        ("0.07", "0.05", "0.05", "0.1", "0.05"),
        ("0.000000015", "0.00000001", "0.00000001", "0.00000002", "0.00000002"),
        # below zero the directions are still those of the number line
        ("-1.234", "0.01", "-1.24", "-1.23", "-1.23"),
        ("-0.001", "0.01", "-0.01", "0", "0"),
        ("-102", "5", "-105", "-100", "-100"),
        ("-37.63", "0.5", "-38", "-37.5", "-37.5"),
        ("-1.235", "0.01", "-1.24", "-1.23", "-1.24"),  # a tie goes to the even step: -124
        ("-1.245", "0.01", "-1.25", "-1.24", "-1.24"),
        ("-100.25", "0.5", "-100.5", "-100", "-100"),
        ("-100.75", "0.5", "-101", "-100.5", "-101"),
        ("-102.5", "5", "-105", "-100", "-100"),
        ("-107.5", "5", "-110", "-105", "-110"),
        ("-1.0036", "0.0025", "-1.005", "-1.0025", "-1.0025"),
        ("-1.00375", "0.0025", "-1.005", "-1.0025", "-1.005"),
        ("-1.00125", "0.0025", "-1.0025", "-1", "-1"),
        ("-0.0001", "0.0025", "-0.0025", "0", "0"),
        ("0", "0.5", "0", "0", "0"),
    ],
)
def test_directions(value: str, tick: str, down: str, up: str, nearest: str) -> None:
    for rounding, wanted in ((Rounding.DOWN, down), (Rounding.UP, up), (Rounding.NEAREST, nearest)):
        assert to_steps(value, D(tick), rounding) * D(tick) == D(wanted)
        assert to_steps(D(value), D(tick), rounding) * D(tick) == D(wanted)


@pytest.mark.parametrize("tick", ["0.01", "0.5", "5", "0.0025"])
def test_every_quarter_of_a_tick_on_both_sides_of_zero(tick: str) -> None:
    """Down, up and nearest are mirror images across zero; on a step all three are the step."""
    for quarters in range(-40, 41):
        value = D(tick) * quarters / 4
        below, rest = divmod(quarters, 4)
        above = below + (rest > 0)
        near = below if rest < 2 else above if rest > 2 else below + below % 2
        got = [to_steps(value, D(tick), way) for way in (Rounding.DOWN, Rounding.UP)]
        assert got == [below, above]
        assert to_steps(value, D(tick), Rounding.NEAREST) == near
        assert to_steps(-value, D(tick), Rounding.DOWN) == -above
        assert to_steps(-value, D(tick), Rounding.UP) == -below
        assert to_steps(-value, D(tick), Rounding.NEAREST) == -near
        decimals = -D(tick).as_tuple().exponent
        units = int(D(tick).scaleb(decimals))
        for side, steps in ((Side.BUY, below), (Side.SELL, above)):
            price = price_to_int(value, tick=D(tick), decimals=decimals, side=side)
            assert price == steps * units


@pytest.mark.parametrize(
    ("value", "step", "steps"),
    [
        (0.3 - 0.1, "0.1", 2),  # 0.19999999999999998
        (0.1 + 0.2, "0.1", 3),
        (1.1 * 3, "0.1", 33),
        (0.29, "0.01", 29),  # 0.29 / 0.01 is 28.999999999999996 in floats
        (4.35 * 100, "1", 435),
        (1e-8 * 3, "0.00000001", 3),
        (60000.1, "0.1", 600001),
        (-0.3 + 0.1, "0.1", -2),
        (np.float64(0.7) - np.float64(0.4), "0.1", 3),
    ],
)
def test_a_float_that_means_a_step_is_that_step(value: float, step: str, steps: int) -> None:
    for rounding in Rounding:
        assert to_steps(value, D(step), rounding) == steps


@pytest.mark.parametrize(
    ("value", "is_step"),
    [
        ("0.2000000002", True),  # 1e-9 relative, the bound itself
        ("0.19999999981", True),
        ("0.20000000021", False),
        ("0.19999999979", False),
    ],
)
def test_the_tolerance_is_1e_9_of_the_number(value: str, is_step: bool) -> None:
    ends = {to_steps(D(value), D("0.1"), way) for way in (Rounding.DOWN, Rounding.UP)}
    assert (ends == {2}) is is_step


@pytest.mark.parametrize(
    ("price", "tick", "decimals", "side", "units"),
    [
        (100.07, "0.05", 2, Side.BUY, 10005),
        (100.07, "0.05", 2, Side.SELL, 10010),
        ("60000.19", "0.10", 1, Side.BUY, 600001),
        ("60000.11", "0.10", 1, Side.SELL, 600002),
        (D("-0.007"), "0.01", 2, Side.BUY, -1),
        (D("-0.007"), "0.01", 2, Side.SELL, 0),
        (7, "5", 0, Side.BUY, 5),
        (7, "5", 3, Side.SELL, 10000),
    ],
)
def test_a_price_rounds_to_the_passive_side(price: object, tick: str, decimals: int, side: Side, units: int) -> None:
    assert price_to_int(price, tick=D(tick), decimals=decimals, side=side) == units  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "lot", "units"), [(0.0019, "0.001", 1), ("0.3", "0.1", 300), (0.1 + 0.2, "0.1", 300), (0.0009, "0.001", 0)]
)
def test_a_quantity_rounds_down_to_the_lot(size: object, lot: str, units: int) -> None:
    assert size_to_int(size, lot=D(lot), decimals=3) == units  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (float("nan"), ValueError, "quantity must be finite: nan"),
        (float("inf"), ValueError, "quantity must be finite: inf"),
        (D("NaN"), ValueError, "quantity must be finite: NaN"),
        (D("-Infinity"), ValueError, "quantity must be finite"),
        (True, TypeError, "not a bool: True"),
        (None, TypeError, "NoneType"),
        ([1], TypeError, "list"),
        (1j, TypeError, "complex"),
        ("abc", ValueError, "not a number: 'abc'"),
        ("", ValueError, "not a number: ''"),
        ("1_000", ValueError, "1_000"),
        ("١", ValueError, "not a number"),
        ("1e999999999", ValueError, "not a number"),
        ("1e99", ValueError, "out of range"),
        ("0." + "1" * 90, ValueError, "out of range"),
        (-0.5, ValueError, "must not be negative: -0.5"),
        ("1e30", ValueError, "does not fit 64 bits"),
    ],
)
def test_what_is_no_quantity_is_refused_by_name(value: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message.replace("(", r"\(")):
        size_to_int(value, lot=D("0.001"), decimals=3)  # type: ignore[arg-type]


def test_numpy_scalars_are_numbers() -> None:
    for value in (np.float64(1.5), np.float32(1.5), np.int64(1), np.uint8(1)):
        assert size_to_int(value, lot=D("0.5"), decimals=1) in (10, 15)
    with pytest.raises(TypeError):
        size_to_int(np.bool_(True), lot=D("0.5"), decimals=1)  # type: ignore[arg-type]


@given(tick=st.sampled_from(TICKS), steps=st.integers(-(10**6), 10**6), noise=st.floats(-4e-10, 4e-10))
def test_every_step_survives_the_way_through_floats(tick: str, steps: int, noise: float) -> None:
    value = float(steps * Fraction(tick)) * (1 + noise)
    for rounding in Rounding:
        assert to_steps(value, D(tick), rounding) == steps


@given(tick=st.sampled_from(TICKS), value=st.decimals(-(10**6), 10**6, places=10))
def test_the_rule_as_a_person_would_state_it(tick: str, value: D) -> None:
    ratio = value / D(tick)
    nearest = ratio.to_integral_value()
    if abs(Fraction(value) - int(nearest) * Fraction(tick)) <= SNAP_TOLERANCE * abs(Fraction(value)):
        wanted_down = wanted_up = int(nearest)
    else:
        wanted_down = int(ratio.to_integral_value(ROUND_FLOOR))
        wanted_up = int(ratio.to_integral_value(ROUND_CEILING))
    assert to_steps(value, D(tick), Rounding.DOWN) == wanted_down
    assert to_steps(value, D(tick), Rounding.UP) == wanted_up


@given(tick=st.sampled_from(TICKS), value=st.floats(-1e6, 1e6))
def test_neighbours_enclose_the_number(tick: str, value: float) -> None:
    step, exact = Fraction(tick), Fraction(value)
    slack = SNAP_TOLERANCE * abs(exact)
    down = to_steps(value, D(tick), Rounding.DOWN) * step
    up = to_steps(value, D(tick), Rounding.UP) * step
    assert down - slack <= exact <= up + slack
    assert up - down in (0, step)
