"""Profit, fees and liquidation by hand-worked vectors, and laws that hold for any fills."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction as F

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.model.enums import Kind, PositionSide, Side
from onetape.model.errors import ReduceOnlyViolated
from reference.position import Position, initial_margin, liquidation_price, money_units

BUY, SELL = Side.BUY, Side.SELL


def played(kind: Kind, fills: str, multiplier: str = "1") -> Position:
    """`+2@100` buys two at 100, `-1@110` sells one."""
    position = Position(kind, F(Decimal(multiplier)))
    for text in fills.split():
        qty, price = text[1:].split("@")
        position.apply_fill(BUY if text[0] == "+" else SELL, Decimal(price), Decimal(qty))
    return position


@pytest.mark.parametrize(
    ("kind", "multiplier", "fills", "qty", "entry", "realized"),
    [
        # linear and spot: quantity * (exit - entry)
        ("linear", "1", "+1@100 -1@110", "0", "0", "10"),
        ("linear", "1", "-1@100 +1@110", "0", "0", "-10"),
        ("linear", "1", "+1@100 +3@120", "4", "115", "0"),
        ("linear", "1", "+1@100 +3@120 -2@125", "2", "115", "20"),
        ("spot", "1", "+0.5@60000 -0.2@61000", "0.3", "60000", "200"),
        ("linear", "0.001", "+1000@50000 -1000@50100", "0", "0", "100"),
        ("linear", "1", "+1@-5 -1@-3", "0", "0", "2"),  # prices below zero are prices
        # a fill beyond zero closes all and opens the rest at its own price
        ("linear", "1", "+2@100 -5@110", "-3", "110", "20"),
        ("linear", "1", "-2@100 +5@90", "3", "90", "20"),
        ("linear", "1", "+2@100 -5@110 +3@100", "0", "0", "50"),
        # inverse: contracts * multiplier * (1/entry - 1/exit), in the base
        ("inverse", "1", "+100@10000 -100@12500", "0", "0", "0.002"),
        ("inverse", "1", "-100@10000 +100@12500", "0", "0", "-0.002"),
        ("inverse", "1", "-100@12500 +100@10000", "0", "0", "0.002"),
        ("inverse", "100", "+10@50000 -10@40000", "0", "0", "-0.005"),
        ("inverse", "1", "+100@10000 +100@20000", "200", "40000/3", "0"),
        ("inverse", "1", "+100@10000 -300@12500", "-200", "12500", "0.002"),
    ],
)
def test_profit(kind: str, multiplier: str, fills: str, qty: str, entry: str, realized: str) -> None:
    position = played(Kind(kind), fills, multiplier)
    assert (position.qty, position.entry_price, position.realized) == (F(qty), F(entry), F(realized))


@pytest.mark.parametrize(
    ("kind", "fills", "price", "unrealized"),
    [
        ("linear", "+2@100", "110", "20"),
        ("linear", "-2@100", "110", "-20"),
        ("inverse", "+100@10000", "12500", "0.002"),
        ("inverse", "-100@10000", "8000", "0.0025"),
        ("linear", "+2@100 -2@100", "110", "0"),
    ],
)
def test_open_profit(kind: str, fills: str, price: str, unrealized: str) -> None:
    assert played(Kind(kind), fills).unrealized(Decimal(price)) == F(unrealized)


def test_a_rebate_is_a_negative_fee_and_not_profit() -> None:
    position = Position(Kind.LINEAR)
    position.apply_fill(BUY, 100, 1, Decimal("0.05"))
    position.apply_fill(SELL, 110, 1, Decimal("-0.0275"))
    assert (position.realized, position.fees) == (F(10), F("0.0225"))


@pytest.mark.parametrize(
    ("kind", "fills", "rate", "mark", "paid"),
    [
        ("linear", "+2@100", "0.0001", "110", "-0.022"),
        ("linear", "-2@100", "0.0001", "110", "0.022"),
        ("linear", "-2@100", "-0.0001", "110", "-0.022"),
        ("inverse", "+100@10000", "0.0001", "12500", "-0.0000008"),
        ("inverse", "-100@10000", "0.0001", "12500", "0.0000008"),
    ],
)
def test_a_long_pays_a_positive_funding_rate(kind: str, fills: str, rate: str, mark: str, paid: str) -> None:
    assert played(Kind(kind), fills).apply_funding(Decimal(rate), Decimal(mark)) == F(paid)


@pytest.mark.parametrize(
    ("kind", "fills", "leverage", "rate", "price"),
    [
        ("linear", "+1@100", "10", "0", "90"),
        ("linear", "-1@100", "10", "0", "110"),
        ("linear", "+1@100", "10", "0.01", "9000/99"),
        ("linear", "-1@100", "10", "0.01", "11000/101"),
        ("linear", "+1@100", "1", "0.01", None),
        ("inverse", "+100@10000", "10", "0", "100000/11"),
        ("inverse", "-100@10000", "10", "0", "100000/9"),
        ("inverse", "+100@10000", "10", "0.01", "101000/11"),
        ("inverse", "-100@10000", "10", "0.01", "11000"),
        ("inverse", "-100@10000", "1", "0.01", None),
        ("spot", "+1@100", "1", "0.01", None),
        ("linear", "+1@100 -1@100", "10", "0.01", None),
    ],
)
def test_liquidation_price(kind: str, fills: str, leverage: str, rate: str, price: str | None) -> None:
    position = played(Kind(kind), fills)
    margin = initial_margin(position, Decimal(leverage))
    found = liquidation_price(position, margin, maintenance_rate=Decimal(rate))
    assert found == (None if price is None else F(price))


@given(
    kind=st.sampled_from([Kind.LINEAR, Kind.INVERSE]),
    side=st.sampled_from([BUY, SELL]),
    entry=st.integers(1, 10**6),
    qty=st.integers(1, 10**6),
    leverage=st.integers(2, 125),
    rate=st.fractions(0, F(1, 250)),
)
def test_at_the_liquidation_price_margin_and_profit_are_the_maintenance(
    kind: Kind, side: Side, entry: int, qty: int, leverage: int, rate: F
) -> None:
    position = Position(kind, F(1, 100))
    position.apply_fill(side, entry, qty)
    margin = initial_margin(position, leverage)
    price = liquidation_price(position, margin, maintenance_rate=rate)
    assert price is not None
    assert margin + position.unrealized(price) == rate * abs(position.value(price))


def test_hedge_mode_sides_never_change_their_sign() -> None:
    position = Position(Kind.LINEAR, side=PositionSide.LONG)
    position.apply_fill(BUY, 100, 2)
    with pytest.raises(ReduceOnlyViolated, match="long"):
        position.apply_fill(SELL, 110, 3)
    assert (position.qty, position.realized) == (2, 0)
    short = Position(Kind.LINEAR, side=PositionSide.SHORT)
    with pytest.raises(ReduceOnlyViolated, match="short"):
        short.apply_fill(BUY, 110, 1)


FILLS = st.lists(
    st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 10**6), st.integers(1, 10**6)), min_size=1, max_size=30
)


@given(kind=st.sampled_from([Kind.LINEAR, Kind.INVERSE]), fills=FILLS, mark=st.integers(1, 10**6))
def test_profit_is_the_cash_that_moved(kind: Kind, fills: list[tuple[Side, int, int]], mark: int) -> None:
    """However fills open, close and flip, profit is what was paid and got, plus what is left."""
    position = Position(kind, F(1, 10))
    cash = F(0)
    for side, price, qty in fills:
        position.apply_fill(side, price, qty)
        amount = F(qty, 10) * side.sign
        cash += amount / price if kind is Kind.INVERSE else -amount * price
    assert position.qty == sum(qty * side.sign for side, _, qty in fills)
    assert position.realized + position.unrealized(mark) == cash + position.value(mark)


@given(kind=st.sampled_from([Kind.LINEAR, Kind.INVERSE]), fills=FILLS)
def test_the_entry_lies_between_the_prices_paid(kind: Kind, fills: list[tuple[Side, int, int]]) -> None:
    position = Position(kind)
    for side, price, qty in fills:
        position.apply_fill(side, price, qty)
    prices = [price for _, price, _ in fills]
    if position.qty:
        assert min(prices) <= position.entry_price <= max(prices)
    else:
        assert position.opened_value == 0


@pytest.mark.parametrize(
    ("amount", "units"),
    [
        (F(1), 10**18),
        (F(1, 2 * 10**18), 0),
        (F(3, 2 * 10**18), 2),
        (F(-1, 2 * 10**18), 0),
        (F(-3, 2 * 10**18), -2),
        (F(-7, 10**19), -1),
    ],
)
def test_money_leaves_half_to_even(amount: F, units: int) -> None:
    assert money_units(amount) == units
