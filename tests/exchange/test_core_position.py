"""Positions against exact fractions: linear, spot and inverse, reductions and flips."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape import _core

ONE = 10**18


def half_even(value: Fraction) -> int:
    return round(value)  # Fraction rounds half to even


def notional(kind: str, spec: dict[str, int], price: int, size: int) -> Fraction:
    """Exact value in the settle currency. size may be negative."""
    amount = Fraction(size, 10 ** spec["size_decimals"])
    amount *= Fraction(spec["multiplier"], 10 ** spec["multiplier_decimals"])
    level = Fraction(price, 10 ** spec["price_decimals"])
    return amount / level if kind == "inverse" else amount * level


class SlowPosition:
    """Cost and realized profit in 1e-18, notionals rounded once, the rest exact fractions."""

    def __init__(self, kind: str, spec: dict[str, int]) -> None:
        self.kind, self.spec = kind, spec
        self.qty = self.cost = self.realized = 0

    def value(self, price: int, size: int) -> int:
        return half_even(notional(self.kind, self.spec, price, size) * ONE)

    def gain(self, now: int, then: int) -> int:
        return then - now if self.kind == "inverse" else now - then

    def apply(self, side: str, price: int, size: int) -> int:
        change = size if side == "buy" else -size
        if self.qty * change >= 0:
            self.cost += self.value(price, change)
            self.qty += change
            return 0
        closed, value = min(size, abs(self.qty)), self.value(price, change)
        released = half_even(Fraction(self.cost * closed, abs(self.qty)))
        closing = half_even(Fraction(value * closed, size))
        profit = self.gain(-closing, released)
        self.cost += value - closing - released
        self.qty += change
        self.realized += profit
        return profit


SPECS = [
    ("linear", {"price_decimals": 1, "size_decimals": 3, "multiplier": 1, "multiplier_decimals": 0}),
    ("linear", {"price_decimals": 8, "size_decimals": 0, "multiplier": 5, "multiplier_decimals": 2}),
    ("spot", {"price_decimals": 8, "size_decimals": 8, "multiplier": 1, "multiplier_decimals": 0}),
    ("inverse", {"price_decimals": 1, "size_decimals": 0, "multiplier": 100, "multiplier_decimals": 0}),
    ("inverse", {"price_decimals": 2, "size_decimals": 2, "multiplier": 1, "multiplier_decimals": 0}),
]
FILLS = st.lists(
    st.tuples(st.sampled_from(["buy", "sell"]), st.integers(1, 10**7), st.integers(1, 10**9)), min_size=1, max_size=30
)


@pytest.mark.parametrize(("kind", "numbers"), SPECS)
@settings(max_examples=examples(100), deadline=None)
@given(fills=FILLS, mark=st.integers(1, 10**7))
def test_equals_the_slow_position(
    kind: str, numbers: dict[str, int], fills: list[tuple[str, int, int]], mark: int
) -> None:
    spec = _core.InstrumentSpec(kind=kind, **numbers)
    fast, slow = _core.CorePosition(), SlowPosition(kind, numbers)
    for side, price, size in fills:
        assert fast.apply(spec, side, price, size) == slow.apply(side, price, size)
        assert fast.state == (fast.qty, fast.cost, fast.realized) == (slow.qty, slow.cost, slow.realized)
    expected = slow.gain(slow.value(mark, slow.qty), slow.cost) if slow.qty else 0
    assert fast.unrealized(spec, mark) == expected
    second = _core.CorePosition()
    second.state = fast.state
    assert second.state == fast.state


@pytest.mark.parametrize(("kind", "numbers"), SPECS)
@settings(max_examples=examples(60), deadline=None)
@given(fills=FILLS, last=st.integers(1, 10**7))
def test_a_flat_position_leaves_nothing_behind(
    kind: str, numbers: dict[str, int], fills: list[tuple[str, int, int]], last: int
) -> None:
    """Realized profit is the plain sum of what was paid and received: no residue."""
    spec = _core.InstrumentSpec(kind=kind, **numbers)
    position = _core.CorePosition()
    flow = 0
    sign = -1 if kind == "inverse" else 1
    ways = list(fills)
    net = sum(size if side == "buy" else -size for side, _, size in ways)
    if net:
        ways.append(("sell" if net > 0 else "buy", last, abs(net)))
    for side, price, size in ways:
        signed = size if side == "buy" else -size
        position.apply(spec, side, price, size)
        flow -= sign * spec.notional(price, signed)
    assert position.qty == 0
    assert position.cost == 0
    assert position.realized == flow


VECTORS: list[tuple[str, dict[str, int], list[tuple[str, int, int]], str]] = [
    # XBTUSD, 1 USD a contract: 10,000 contracts from 10,000.0 to 12,500.0 is 0.2 XBT.
    ("inverse", {"price_decimals": 1}, [("buy", 100000, 10000), ("sell", 125000, 10000)], "0.2"),
    ("inverse", {"price_decimals": 1}, [("sell", 100000, 10000), ("buy", 125000, 10000)], "-0.2"),
    ("inverse", {"price_decimals": 1}, [("sell", 125000, 10000), ("buy", 100000, 10000)], "0.2"),
    # Linear: 2 BTC from 60,000 to 61,000, half closed, then flipped.
    (
        "linear",
        {"price_decimals": 0, "size_decimals": 0},
        [("buy", 60000, 2), ("sell", 61000, 1), ("sell", 59000, 3), ("buy", 58000, 2)],
        "2000",  # 1000 - 1000 + 2 * 1000
    ),
    # A negative price, as oil once had: long from 5 to -37.
    ("linear", {"price_decimals": 0, "size_decimals": 0}, [("buy", 5, 1), ("sell", -37, 1)], "-42"),
]


@pytest.mark.parametrize(("kind", "numbers", "fills", "realized"), VECTORS)
def test_known_profits(kind: str, numbers: dict[str, int], fills: list[tuple[str, int, int]], realized: str) -> None:
    spec = _core.InstrumentSpec(**({"kind": kind, "size_decimals": 0} | numbers))
    position = _core.CorePosition()
    for side, price, size in fills:
        position.apply(spec, side, price, size)
    assert position.realized == int(Fraction(realized) * ONE)
    assert position.qty == 0


def test_a_state_is_three_whole_numbers_that_fit() -> None:
    position = _core.CorePosition()
    position.state = (-1, 2**100, -(2**100))
    wrong: list[Any] = [(1, 2), (2**63, 0, 0), (0, 2**127, 0), (0, 1.5, 0)]
    for state in wrong:
        with pytest.raises((TypeError, ValueError, OverflowError, RuntimeError)):
            position.state = state
    assert position.state == (-1, 2**100, -(2**100))


def test_entry_price() -> None:
    linear = _core.InstrumentSpec(kind="linear", price_decimals=1, size_decimals=3)
    position = _core.CorePosition()
    position.apply(linear, "buy", 600000, 1000)
    position.apply(linear, "buy", 610000, 3000)
    assert position.entry_price(linear) == pytest.approx(60750.0)
    inverse = _core.InstrumentSpec(kind="inverse", price_decimals=1, size_decimals=0)
    position = _core.CorePosition()
    position.apply(inverse, "sell", 100000, 100)
    position.apply(inverse, "sell", 200000, 100)
    assert position.entry_price(inverse) == pytest.approx(200 / (100 / 10000 + 100 / 20000))


@settings(max_examples=examples(300), deadline=None)
@given(
    price=st.integers(1, 10**9),
    size=st.integers(1, 10**9),
    rate=st.integers(-(10**9), 10**10),
    which=st.sampled_from(range(len(SPECS))),
)
def test_fees_round_half_even_at_the_last_place(price: int, size: int, rate: int, which: int) -> None:
    kind, numbers = SPECS[which]
    spec = _core.InstrumentSpec(kind=kind, **numbers, maker_fee=rate)
    value = abs(spec.notional(price, size))
    assert spec.fee("maker", price, size) == half_even(Fraction(value * rate, 10**12))


def _apply(account: Any, fills: list[tuple[str, int, int]], spec: Any) -> None:
    for side, price, size in fills:
        account.apply_fill(0, side, price, size, spec.fee("taker", price, size))


@pytest.mark.parametrize(("kind", "numbers"), SPECS)
@settings(max_examples=examples(60), deadline=None)
@given(fills=FILLS, mark=st.integers(1, 10**7))
def test_account_identity(kind: str, numbers: dict[str, int], fills: list[tuple[str, int, int]], mark: int) -> None:
    """Equity = deposits + realized + unrealized - fees, whatever was traded."""
    spec = _core.InstrumentSpec(kind=kind, **numbers, taker_fee=750_000_000)
    account = _core.CoreAccount(leverage=5)
    account.set_instrument(0, spec, 1, 2)
    account.deposit(1, 10**6 * ONE)
    _apply(account, fills, spec)
    account.set_mark(0, mark)
    position = account.position(0)
    expected = 10**6 * ONE + position.realized + position.unrealized(spec, mark) - account.fees(0)
    if kind == "spot":
        # Holdings are valued as a whole, profit fill by fill: each rounds by half a unit.
        assert abs(account.equity(1) - expected) <= 1 + len(fills)
    else:
        assert account.equity(1) == expected


def test_margin_by_hand() -> None:
    spec = _core.InstrumentSpec(kind="linear", price_decimals=0, size_decimals=0, maintenance_rate=4 * 10**9)
    account = _core.CoreAccount(leverage=20)
    account.set_instrument(0, spec, 1, 2)
    account.deposit(1, 1000 * ONE)
    account.apply_fill(0, "buy", 100, 50)
    account.set_mark(0, 110)
    assert account.unrealized(0) == 500 * ONE
    assert account.equity(1) == 1500 * ONE
    assert account.initial_margin(1) == 275 * ONE  # 5,500 / 20
    assert account.maintenance_margin(1) == 22 * ONE  # 0.4 %
    assert account.available(1) == 1225 * ONE
    assert not account.below_maintenance(1)
    account.set_mark(0, 80)
    assert account.equity(1) == 0
    assert account.below_maintenance(1)
    assert account.available(1) == -200 * ONE
    # Closing is always let through.
    assert account.check_funds(0, "sell", 80, 50) == 0
    assert account.check_funds(0, "buy", 80, 1) == 4201


def test_working_orders_leave_no_trace_when_they_are_gone() -> None:
    spec = _core.InstrumentSpec(kind="inverse", price_decimals=1, size_decimals=0, taker_fee=500_000_000)
    account = _core.CoreAccount(leverage=3)
    account.set_instrument(0, spec, 1, 2)
    account.deposit(1, ONE)
    before = account.available(1)
    for price, size in ((333333, 7), (600001, 11), (123457, 13)):
        account.add_working(0, "buy", price, size)
    assert account.available(1) < before
    for price, size in ((600001, 11), (333333, 7), (123457, 13)):
        account.remove_working(0, "buy", price, size)
    assert account.available(1) == before


def test_funding_signs() -> None:
    for side, paid in (("buy", -1), ("sell", 1)):
        for kind, mark, unit in (("linear", 20000, 2 * ONE), ("inverse", 20000, ONE // 20)):
            spec = _core.InstrumentSpec(kind=kind, price_decimals=0, size_decimals=0)
            account = _core.CoreAccount()
            account.set_instrument(0, spec, 1, 2)
            size = 1 if kind == "linear" else 10**7
            account.apply_fill(0, side, 20000, size)
            assert account.apply_funding(0, 10**8, mark) == paid * unit  # 0.01 %


def test_hedge_mode_keeps_both_sides() -> None:
    spec = _core.InstrumentSpec(kind="linear", price_decimals=0, size_decimals=0)
    account = _core.CoreAccount(hedge=True, leverage=10)
    account.set_instrument(0, spec, 1, 2)
    account.deposit(1, 1000 * ONE)
    account.apply_fill(0, "buy", 100, 10, 0, "long")
    account.apply_fill(0, "sell", 100, 4, 0, "short")
    account.set_mark(0, 110)
    assert account.position(0, "long").qty == 10
    assert account.position(0, "short").qty == -4
    assert account.unrealized(0) == 60 * ONE
    assert account.initial_margin(1) == 154 * ONE  # both count
    account.apply_fill(0, "buy", 110, 4, 0, "short")
    assert account.position(0, "short").realized == -40 * ONE
