"""Money: the same numbers as the core's int128, and amounts as people write them."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape._core import InstrumentSpec
from onetape.model.decimals import canonical, decimal_text, decimals_of, to_decimal, to_units, whole_number
from onetape.model.enums import Kind
from onetape.model.errors import InvalidAmount
from onetape.model.money import (
    INT128_MAX,
    divide_half_even,
    join_units,
    money,
    money_units,
    parse_amount,
    parse_cash,
    split_units,
)

D = Decimal
ONE = 10**18


@pytest.mark.parametrize(
    ("numerator", "denominator", "wanted"),
    [(1, 2, 0), (3, 2, 2), (5, 2, 2), (-1, 2, 0), (-3, 2, -2), (-5, 2, -2), (7, 3, 2), (-7, 3, -2)],
)
def test_half_to_even(numerator: int, denominator: int, wanted: int) -> None:
    assert divide_half_even(numerator, denominator) == wanted


@given(st.integers(-(10**40), 10**40), st.integers(1, 10**20))
def test_division_is_the_nearest_whole(numerator: int, denominator: int) -> None:
    assert divide_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(st.integers(-INT128_MAX, INT128_MAX))
def test_halves_join_again_and_fit_64_bits(units: int) -> None:
    low, high = split_units(units)
    assert -(2**63) <= low < 2**63
    assert -(2**63) <= high < 2**63
    assert join_units(low, high) == units


@given(st.integers(-INT128_MAX, INT128_MAX))
def test_units_and_decimals_are_the_same_amount(units: int) -> None:
    with localcontext(prec=6):  # whatever precision the thread has
        assert money_units(money(units)) == units


@pytest.mark.parametrize(
    ("kind", "price", "size", "decimals", "multiplier", "wanted"),
    [
        (Kind.LINEAR, 600001, 1500, (1, 3), "1", D("90000.15")),
        (Kind.LINEAR, 600001, -1500, (1, 3), "1", D("-90000.15")),
        (Kind.SPOT, 123, 10**8, (8, 8), "1", D("0.00000123")),
        (Kind.LINEAR, -5, 2, (0, 0), "10", D(-100)),
        (Kind.INVERSE, 125000, 100, (1, 0), "1", D("0.008")),
        (Kind.INVERSE, 30000, 1, (0, 0), "1", D("0.000033333333333333")),
        (Kind.INVERSE, 30000, -2, (0, 0), "1", D("-0.000066666666666667")),
        (Kind.INVERSE, 0, 2, (0, 0), "1", D(0)),
        (Kind.INVERSE, 60000, 3, (0, 0), "100", D("0.005")),
    ],
)
def test_notional(kind: Kind, price: int, size: int, decimals: tuple[int, int], multiplier: str, wanted: D) -> None:
    spec = InstrumentSpec(
        kind=kind.id, price_decimals=decimals[0], size_decimals=decimals[1], multiplier=int(multiplier)
    )
    assert money(spec.notional(price, size)) == wanted


@pytest.mark.parametrize(
    ("text", "value", "currency"),
    [
        ("100000 USDT", "100000", "USDT"),
        ("0.5BTC", "0.5", "BTC"),
        ("  1e3   usd ", "1000", "USD"),
        ("1.50 EUR", "1.5", "EUR"),
        ("0 USDT", "0", "USDT"),
        ("1000 1INCH", None, None),
    ],
)
def test_amounts(text: str, value: str | None, currency: str | None) -> None:
    if value is None or currency is None:
        with pytest.raises(InvalidAmount):
            parse_amount(text)
        return
    amount = parse_amount(text)
    assert (str(amount.value), amount.currency) == (value, currency)
    assert str(amount) == f"{value} {currency}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "USDT",
        "100",
        "-1 USDT",
        "1,000 USDT",
        "nan USDT",
        "inf USDT",
        "1e99 USD",
        "0.0000000000000000001 USD",
        "١ USDT",
        "1 2 USD",
    ],
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        parse_amount(text)


def test_cash_names_each_currency_once() -> None:
    assert parse_cash("100000 USDT, 1.5 BTC") == {"USDT": D(100000), "BTC": D("1.5")}
    with pytest.raises(InvalidAmount, match="twice"):
        parse_cash("1 BTC, 2 BTC")


@pytest.mark.parametrize(
    ("value", "text", "decimals"),
    [
        ("0.50", "0.5", 1),
        ("0.0025", "0.0025", 4),
        ("1E+2", "100", 0),
        ("100", "100", 0),
        ("-0", "0", 0),
        ("-0.00", "0", 0),
        ("-100.0", "-100", 0),
        ("1E-8", "0.00000001", 8),
        ("123456789012345678901234567890.5", "123456789012345678901234567890.5", 1),
    ],
)
def test_decimals_have_one_form(value: str, text: str, decimals: int) -> None:
    assert decimal_text(D(value)) == text
    assert decimals_of(D(value)) == decimals
    assert str(canonical(D(value))).upper().count("E") == (1 if value == "1E-8" else 0)


@pytest.mark.parametrize("value", ["NaN", "-Infinity"])
def test_what_is_no_number_has_no_text(value: str) -> None:
    with pytest.raises(ValueError, match="finite"):
        decimal_text(D(value))


def test_a_float_counts_as_its_shortest_text() -> None:
    assert to_decimal(0.1) == D("0.1")
    assert to_decimal(1e-7) == D("0.0000001")


def test_units_are_whole_or_an_error() -> None:
    assert to_units(D("0.25"), 2) == 25
    with pytest.raises(ValueError, match="more than 1 decimals"):
        to_units(D("0.25"), 1)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        *((each, int(each)) for each in (0, 5, "5", "007", 2**63 - 1, str(2**63 - 1))),
        *((each, None) for each in (-1, "-1", 2**63, "9" * 90, True, 5.0, "5.0", "", " 5", "\u0665", None, [5])),
    ],
)
def test_a_whole_number_may_come_as_its_digits(value, number):
    assert whole_number(value) == number
