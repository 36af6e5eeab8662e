"""Amounts are taken exactly, the plain ones on a short way, or not at all."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.accounts.amounts import amount_units
from onetape.model.decimals import EXACT, canonical, scaled
from onetape.model.errors import InvalidAmount
from onetape.model.money import INT128_MAX, MONEY_DECIMALS

UNIT = 10**MONEY_DECIMALS


@given(st.integers(-INT128_MAX, INT128_MAX))
def test_each_way_to_write_an_amount_gives_its_units(units):
    exact = scaled(units, MONEY_DECIMALS)
    for text in (exact, str(exact), format(exact, "f"), f" {exact}", f"{exact:e}"):
        assert amount_units(text) == units
    whole = abs(units) // UNIT
    assert amount_units(whole) == amount_units(str(whole)) == whole * UNIT


@pytest.mark.parametrize(
    "value",
    [
        True,
        None,
        "",
        "--1",
        "1_0",
        "٣",
        "1.0000000000000000001",
        10**21,
        "nan",
        "9" * 21,
        Decimal("Infinity"),
        Decimal("1e30"),
        [1],
        "1\n2",
    ],
)
def test_what_is_no_amount_is_refused(value):
    with pytest.raises(InvalidAmount):
        amount_units(value)


@given(st.integers(-(10**60), 10**60), st.integers(0, 40))
def test_units_as_a_decimal_have_no_zeros_at_their_end_and_no_exponent(units, places):
    found, slow = scaled(units, places), canonical(EXACT.scaleb(Decimal(units), -places))
    assert found.as_tuple() == slow.as_tuple()


def test_a_number_too_long_to_be_written_is_refused():
    with pytest.raises(InvalidAmount):
        amount_units(10**5000)
