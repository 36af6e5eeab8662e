"""Isolated margin: what is allotted, what is free, and where a position ends. By hand, then
against the slow account."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction as F
from typing import Any

import msgspec
import pytest
from exchange_world import ONE, USDT, Recorded, linear
from test_margin import KINDS, SMALL, rows, terms

from onetape import _core
from onetape.model import catalogue
from onetape.model.enums import Kind, Side
from reference.account import SlowAccount
from reference.facts import Facts
from reference.position import Position, initial_margin, liquidation_price


def isolated(leverage: int = 10, **facts: Any) -> Any:
    account = _core.CoreAccount(leverage=leverage, isolated=True)
    account.set_instrument(0, linear(**facts), USDT, 2)
    account.deposit(USDT, 1000 * ONE)
    return account


def test_margin_goes_with_the_position() -> None:
    account = isolated()
    account.apply_fill(0, "buy", 100, 10)  # 1,000 at 10x
    assert account.allotted(0) == 100 * ONE
    assert account.available(USDT) == 900 * ONE
    account.set_mark(0, 150)  # profit is not free in isolated mode
    assert account.available(USDT) == 900 * ONE
    account.apply_fill(0, "buy", 200, 5)  # another 1,000
    assert account.allotted(0) == 200 * ONE
    # 5 of 15 closed at 200: a third of the margin and of the cost, 2000 / 3, goes.
    third = round(F(2000 * ONE, 3))
    assert account.apply_fill(0, "sell", 200, 5) == 1000 * ONE - third
    assert account.allotted(0) == 200 * ONE - round(F(200 * ONE, 3))
    # Through zero: all of it back, and 2 * 110 / 10 for the short.
    account.apply_fill(0, "sell", 110, 12)
    assert account.allotted(0) == 22 * ONE
    account.apply_fill(0, "buy", 110, 2)
    assert account.allotted(0) == 0
    assert account.available(USDT) == account.balance(USDT)


def test_each_side_of_a_hedge_has_its_own() -> None:
    account = _core.CoreAccount(leverage=10, isolated=True, hedge=True)
    account.set_instrument(0, linear(), USDT, 2)
    account.deposit(USDT, 1000 * ONE)
    account.apply_fill(0, "buy", 100, 10, 0, "long")
    account.apply_fill(0, "sell", 100, 20, 0, "short")
    assert account.allotted(0, "long") == 100 * ONE
    assert account.allotted(0, "short") == 200 * ONE
    # 0.1 %: the long pays 1, the short gets 2, each on its own margin.
    assert account.apply_funding(0, 10**9, 100) == ONE
    assert account.allotted(0, "long") == 99 * ONE
    assert account.allotted(0, "short") == 202 * ONE
    account.set_mark(0, 90)
    assert account.position_below_maintenance(0, "long")  # 99 - 100 < 0
    assert not account.position_below_maintenance(0, "short")


def test_a_position_s_loss_is_not_carried_by_the_rest() -> None:
    """1,000 in the account, and a long of 100 margin ends where that is gone."""
    account = isolated(maintenance_rate=5 * 10**9)
    account.apply_fill(0, "buy", 100, 10)
    # 100 + 10 P - 1000 = 0.005 * 10 P at P = 900 / 9.95 = 90.45
    for mark, ends in ((91, False), (90, True)):
        account.set_mark(0, mark)
        assert account.position_below_maintenance(0) == ends
    assert account.below_maintenance(USDT) is False  # cross would go on


def test_one_instrument_may_be_isolated_while_the_account_backs_another() -> None:
    account = _core.CoreAccount(leverage=10)
    for index in (0, 1):
        account.set_instrument(index, linear(maintenance_rate=10**10), USDT, 2)
    account.set_isolated(0, True)
    account.deposit(USDT, 1000 * ONE)
    account.apply_fill(0, "buy", 100, 10)
    account.apply_fill(1, "buy", 100, 20)
    assert (account.allotted(0), account.allotted(1)) == (100 * ONE, 0)
    assert account.available(USDT) == 700 * ONE
    account.set_mark(0, 150)  # its profit is its own
    account.set_mark(1, 110)
    assert account.free_of_isolated(USDT) == 900 * ONE
    assert account.covered(USDT) == 1100 * ONE
    assert account.available(USDT) == (1100 - 220) * ONE
    assert (account.maintenance_margin(USDT), account.cross_maintenance(USDT)) == (37 * ONE, 22 * ONE)
    account.set_mark(0, 1)
    assert account.position_below_maintenance(0)
    assert not account.below_maintenance(USDT)
    account.set_mark(1, 55)  # 900 - 900, and 11 to maintain
    assert account.below_maintenance(USDT)
    account.apply_fill(0, "sell", 100, 10)
    account.set_isolated(0, False)
    account.apply_fill(0, "buy", 100, 10)
    assert account.allotted(0) == 0


def test_margin_that_is_moved_by_hand_stays_with_the_position_until_it_closes() -> None:
    account = isolated()
    account.apply_fill(0, "buy", 100, 10)
    account.move_margin(0, "both", 60 * ONE)
    assert (account.allotted(0), account.available(USDT)) == (160 * ONE, 840 * ONE)
    account.move_margin(0, "both", -10 * ONE)
    account.apply_fill(0, "sell", 100, 4)
    assert account.allotted(0) == 90 * ONE
    account.apply_fill(0, "sell", 100, 6)
    assert (account.allotted(0), account.available(USDT)) == (0, 1000 * ONE)


def test_margin_may_move_in_whole_steps_only() -> None:
    """Up where a position opens, down where a part of it closes; with the rest of it all comes back."""
    step = ONE // 100
    account = _core.CoreAccount(leverage=3, isolated=True, margin_step=step)
    account.set_instrument(0, linear(), USDT, 2)
    account.deposit(USDT, 1000 * ONE)
    account.apply_fill(0, "buy", 100, 1)
    assert account.allotted(0) == 3334 * step
    account.apply_fill(0, "buy", 90, 2)
    assert account.allotted(0) == 9334 * step  # 60 are whole steps already
    account.apply_fill(0, "sell", 100, 1)  # 31.11 and a third
    assert account.allotted(0) == 6223 * step
    account.apply_fill(0, "sell", 100, 4)  # through zero: 200 / 3
    assert account.allotted(0) == 6667 * step
    account.apply_fill(0, "buy", 100, 2)
    assert account.allotted(0) == 0


def test_orders_are_checked_against_what_is_free() -> None:
    world = Recorded(cash=100, leverage=10, isolated=True)
    world.run("""
        quote 100 100 500 500
        buy#1 limit 100 x5            -> accepted, fill 5@100 taker    // 50 allotted
        mark 200
        buy#2 limit 100 x6            -> rejected 4201    // 60, and profit does not count
        buy#3 limit 90 x5             -> accepted         // 45
        buy#4 limit 90 x1             -> rejected 4201
        sell#5 limit 210 x10          -> accepted         // short 5 at worst: 1,050 against 1,000
        sell#6 limit 210 x2           -> rejected 4201
    """)
    # 50 + 45; the shorts' worst case is 10 * 210 - 5 * 200 - 5 * 200 = 100 -> 10, less than 45.
    assert world.core.account.initial_margin(USDT) == 95 * ONE
    world.step("cancel#3")
    assert world.core.account.initial_margin(USDT) == 60 * ONE


BTC = catalogue.find("binance:BTC/USDT:USDT")
assert BTC is not None
CASES = [
    # 1 BTC at 60,000, 10x: margin 6,000. In the bracket 50,000..600,000 maintenance is 0.5 % - 50:
    # P = (60000 - 6000 - 50) / (1 - 0.005) = 53,950 / 0.995
    (Kind.LINEAR, 1, Side.BUY, 60_000, 1, 10, F(53950, 1) / F(995, 1000)),
    # 0.5 BTC at 60,000, 10x: 30,000 and 3,000; below 50,000 it is 0.4 %: 27,000 / (0.5 * 0.996)
    (Kind.LINEAR, 1, Side.BUY, 60_000, F(1, 2), 10, F(27000) / (F(1, 2) * F(996, 1000))),
    # Short of 1: P = (60000 + 6000 + 50) / 1.005
    (Kind.LINEAR, 1, Side.SELL, 60_000, 1, 10, F(66050) / F(1005, 1000)),
    # A short that grows into the next bracket: 9.6 at 60,000 is 576,000, at 20x 28,800; it ends
    # above 600,000, where it is 0.65 % - 950: (576000 + 28800 + 950) / (9.6 * 1.0065) = 62,691
    (Kind.LINEAR, 1, Side.SELL, 60_000, F(96, 10), 20, F(605750) / (F(96, 10) * F(10065, 10000))),
]


@pytest.mark.parametrize(("kind", "multiplier", "side", "price", "qty", "leverage", "ends"), CASES)
def test_liquidation_prices_by_hand(
    kind: Kind, multiplier: int, side: Side, price: int, qty: F, leverage: int, ends: F
) -> None:
    position = Position(kind, F(multiplier))
    position.apply_fill(side, price, qty)
    margin = initial_margin(position, leverage)
    assert BTC is not None
    assert liquidation_price(position, margin, brackets=BTC.brackets) == ends


# Coin-margined brackets: to 5 BTC 0.4 %, then 0.5 % less 0.005.
COIN = rows((5, "0.004", 125), (10, "0.005", 100))


@pytest.mark.parametrize(
    ("side", "contracts", "leverage", "ends"),
    [
        # 1,000 contracts of 100 USD at 50,000: 2 BTC, margin 0.2.
        # long: P = 100,000 * 1.004 / 2.2; short: 100,000 * 0.996 / 1.8
        (Side.BUY, 1000, 10, F(100_400) / F(22, 10)),
        (Side.SELL, 1000, 10, F(99_600) / F(18, 10)),
        # 2,400: 4.8 BTC, margin 0.48; falling, its value passes 5 BTC, and the second row holds:
        # 240,000 * 1.005 / (4.8 + 0.48 + 0.005)
        (Side.BUY, 2400, 10, F(241_200) / F(5285, 1000)),
    ],
)
def test_inverse_liquidation_prices_by_hand(side: Side, contracts: int, leverage: int, ends: F) -> None:
    position = Position(Kind.INVERSE, F(100))
    position.apply_fill(side, 50_000, contracts)
    margin = initial_margin(position, leverage)
    assert liquidation_price(position, margin, brackets=COIN) == ends


def test_where_a_table_jumps_the_edge_may_be_the_price() -> None:
    jump = msgspec.structs.replace(SMALL[1], maintenance_amount=Decimal(0))
    steps = [SMALL[0], jump]
    # Short 1 at 990 with 25: at 1,000 it has 15 and needs 10; just above, 20.
    position = Position(Kind.LINEAR)
    position.apply_fill(Side.SELL, 990, 1)
    assert liquidation_price(position, 25, brackets=steps) == 1000


@pytest.mark.parametrize("seed", range(40))
def test_the_closed_form_is_where_the_account_says_so(seed: int) -> None:
    """One price unit before it the position stands, one after it does not."""
    r = random.Random(f"closed {seed}")
    kind = r.choice(["linear", "inverse"])
    multiplier = 100 if kind == "inverse" else 1
    unit = 10**4 if kind == "linear" else 1
    table = rows((unit, "0.01", 0), (5 * unit, "0.02", 0), (10**5 * unit, "0.05", 0))
    spec = _core.InstrumentSpec(kind=kind, multiplier=multiplier, **KINDS[kind])
    leverage = r.randint(2, 15)
    account = _core.CoreAccount(leverage=leverage, isolated=True)
    account.set_instrument(0, spec, USDT, 2)
    account.set_terms(0, terms(table))
    position = Position(Kind(kind), F(multiplier))
    for _ in range(r.randint(1, 4)):
        side, price, size = r.choice(list(Side)[1:]), r.randint(4 * 10**5, 6 * 10**5), 1
        size = r.randint(1, 2000)
        account.apply_fill(0, side, price, size)
        position.apply_fill(side, F(price, 10), F(size, 10 ** KINDS[kind]["size_decimals"]))
    ends = liquidation_price(position, F(account.allotted(0), ONE), brackets=table)
    if ends is None or not position.qty or ends > 10**8:
        return
    against = -1 if position.qty > 0 else 1
    for away, gone in ((-2, False), (2, True)):
        mark = round(ends * 10) + away * against
        if mark <= 0:
            continue
        account.set_mark(0, mark)
        assert account.position_below_maintenance(0) == gone, (float(ends), mark)


@pytest.mark.parametrize("seed", range(40))
def test_isolated_margins_are_those_of_the_slow_account(seed: int) -> None:
    r = random.Random(f"isolated {seed}")
    hedge = seed % 2 == 0
    core = _core.CoreAccount(hedge=hedge, leverage=r.randint(1, 20), isolated=True)
    facts = []
    for index in range(2):
        kind = r.choice(list(KINDS))
        facts.append(Facts(kind, **KINDS[kind], maintenance_rate=10**10, leverage=r.choice([0, 7])))
        spec = _core.InstrumentSpec(kind=kind, maintenance_rate=10**10, **KINDS[kind])
        core.set_instrument(index, spec, USDT, 2)
        core.set_terms(index, _core.InstrumentTerms(leverage=facts[-1].leverage))
    slow = SlowAccount(facts, leverage=core.leverage, hedge=hedge, isolated=True)
    for _ in range(200):
        index = r.randrange(2)
        side = r.choice(["long", "short"]) if hedge else "both"
        if r.random() < 0.6:
            way, price, size = r.choice(["buy", "sell"]), r.randint(1, 10**6), r.randint(1, 3000)
            assert core.apply_fill(index, way, price, size, 0, side) == slow.fill(
                index, way, price, size, position_side=side
            )
        elif r.random() < 0.5:
            slow.marks[index] = price = r.randint(1, 10**6)
            core.set_mark(index, price)
        else:
            rate = r.randint(-(10**10), 10**10)
            assert core.apply_funding(index, rate) == slow.pay_funding(index, rate, 0)
        assert core.allotted(index, side) == slow.at(index, side).margin
        assert core.available(USDT) == slow.available()
        assert core.balance(USDT) == slow.balances[USDT]
        assert core.position_below_maintenance(index, side) == slow.is_short_alone(index, side)
