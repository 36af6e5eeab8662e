"""Spot loans that are called in: levels worked out by hand, and a slow model beside the core."""

from __future__ import annotations

import random
from fractions import Fraction as F
from typing import Any

import pytest
from exchange_world import BTC, ONE, USDT, Recorded, linear, said, spot
from reference_loans import SlowLoans

from onetape import _core

CALL, LIQUIDATION = 1_300_000, 1_100_000
ETH = 3


def loans(
    cash: int,
    leverage: int = 3,
    holdings: int = 0,
    *,
    fee: int = 0,
    spec: Any = None,
    call: int = CALL,
    liquidation: int = LIQUIDATION,
    **rates: int,
) -> Recorded:
    world = Recorded(spec or spot(), cash=cash, holdings=holdings, leverage=leverage)
    borrow = [(USDT, rates.get("USDT", 0)), (BTC, rates.get("BTC", 0)), (ETH, 0)]
    world.core.set_rules(_core.VenueRules(borrow=borrow, loans=(call, liquidation, fee), currencies=["", "USDT"]))
    world.core.begin(0)
    return world


# 1,000 own, 30 bought at 100: 2,000 are owed. The level is 30 P / 2,000: 1.3 at 86.7, 1.1 at 73.3.
LONG = """
    quote 100 100 500 500
    buy#1 limit 100 x30           -> accepted, fill 30@100 taker
"""


def test_the_venue_warns_once_and_says_when_it_is_well_again() -> None:
    world = loans(1000)
    world.run(LONG)
    world.run("""
        quote 87 87 50 50             ->
        quote 86 86 50 50             -> loan called
        quote 80 80 50 50             ->
        quote 87 87 50 50             -> loan covered
        quote 86 86 50 50             -> loan called
        sell#2 limit 86 x30           -> #2 accepted, #2 fill 30@86 taker
        quote 87 87 50 50             -> loan covered
        quote 50 50 50 50             ->
    """)
    assert world.core.counters()["loan_calls"] == 2


@pytest.mark.parametrize(
    ("fee", "money", "coins"),
    [
        (0, F(44), 2),  # 28 x 73 = 2,044 is the least that pays 2,000
        (2 * 10**10, F(44) - F(2, 100) * 2044, 2),  # 2 %: 28 still pay it, with 3.12 left
        (3 * 10**10, F(117) - F(3, 100) * 2117, 1),  # 3 %: it takes 29
    ],
)
def test_a_long_is_sold_as_far_as_it_takes(fee: int, money: F, coins: int) -> None:
    world = loans(1000, fee=fee)
    world.run(LONG)
    world.run("sell#2 limit 120 x1 -> accepted")
    sold = 30 - coins
    assert world.step("quote 74 74 50 50") == "loan called"
    got = world.step("quote 73 73 50 50")
    assert got == f"#2 canceled 4201, #V1 fill {sold}@73 taker, loan covered"
    account = world.core.account
    assert account.balance(USDT) == money * ONE
    assert account.balance(BTC) == coins * ONE
    assert account.liquidation_fees(0) == F(fee, 10**12) * sold * 73 * ONE
    assert account.insurance(0) == 0
    assert world.core.counters()["loan_liquidations"] == 1


def test_a_short_is_bought_back() -> None:
    """1,000 own, 10 coins sold short at 100: 2,000 / (10 P) is 1.3 at 153.8 and 1.1 at 181.8."""
    world = loans(1000, 1)
    world.run("""
        quote 100 100 50 50
        sell#1 limit 100 x10          -> accepted, fill 10@100 taker
        quote 153 153 50 50           ->
        quote 154 154 50 50           -> loan called
        quote 181 181 50 50           ->
        quote 182 182 50 50           -> #V1 fill 10@182 taker, loan covered
    """)
    assert world.core.account.balance(USDT) == (2000 - 1820) * ONE
    assert world.core.account.balance(BTC) == 0


def test_what_all_of_it_does_not_pay_the_insurance_does() -> None:
    world = loans(1000, fee=10**10)
    world.run(LONG)
    # 1,800 against 2,000: nothing is left for a fee.
    assert world.step("quote 60 60 50 50") == ("loan called, #V1 fill 30@60 taker, insurance 200, loan covered")
    account = world.core.account
    assert (account.balance(USDT), account.balance(BTC)) == (0, 0)
    assert account.insurance(0) == 200 * ONE
    assert account.liquidation_fees(0) == 0


def test_whole_lots_are_sold() -> None:
    world = loans(1000, spec=spot(lot=10))
    world.run(LONG)
    assert "fill 30@73" in world.step("quote 73 73 50 50")


def test_a_short_with_interest_is_bought_back_to_the_last_fraction() -> None:
    """0.1 % an hour of 10 coins: 10.01 are owed, and 11 bought."""
    world = loans(1000, 1, BTC=10**9)
    world.run("""
        quote 100 100 50 50
        sell#1 limit 100 x10          -> accepted, fill 10@100 taker
    """)
    assert world.step(f"clock {3600 * 10**9}") == "interest -0.01"
    assert "fill 11@182" in world.step("quote 182 182 50 50")
    assert world.core.account.balance(BTC) == ONE - ONE // 100


def test_a_bar_is_walked_to_its_low() -> None:
    """30 P <= 2,200 first holds at 73."""
    world = loans(1000)
    world.run("""
        bar 0-10 100 100 100 100
        buy#1 market x30              -> accepted
        bar 10-20 100 100 100 100     -> #1 fill 30@100 taker
        bar 20-30 100 100 85 100      -> loan called, loan covered
        bar 30-40 90 95 60 95         -> loan called, #V1 fill 28@73 taker, loan covered
    """)


def test_what_a_bar_s_way_said_is_taken_back_at_the_mark() -> None:
    """10 coins are owed: the way goes to 160, above the call at 153.8, and the mark stays at 100.
    Each time."""
    world = loans(1000, 1)
    world.run("""
        mark 100
        bar 0-10 100 100 100 100
        sell#1 market x10             -> accepted
        bar 10-20 100 100 100 100     -> #1 fill 10@100 taker
        bar 20-30 100 160 100 150     -> loan called, loan covered
        bar 30-40 150 161 150 150     -> loan called, loan covered
        bar 40-50 150 161 150 150     -> loan called, loan covered
    """)


def test_a_contract_s_bar_moves_the_level_of_loans_at_once() -> None:
    """2,000 of money against 10 coins at 100, less what a long of 10 contracts at 100 has lost: the
    call of 1.3 is at 30."""
    world = loans(1000, 5)
    core = world.core
    core.add_instrument(1, linear(), USDT, 9)
    for number in range(2):
        core.bar(10 * number, 10 * number + 10, 100, 100, 100, 100, 1000, 1)
        if number == 0:
            core.request(10, 1, order_id=5, side="buy", type="market", size=10)
    world.now = 30
    world.run("""
        quote 100 100 500 500
        sell#1 limit 100 x10          -> accepted, fill 10@100 taker
    """)
    assert core.account.position(1, "both").qty == 10
    assert said(core.bar(40, 50, 100, 100, 40, 40, 1000, 1)) == ""
    assert said(core.bar(50, 60, 40, 40, 25, 25, 1000, 1)) == "loan called"
    world.step("buy#2 market x5")
    assert said(core.bar(60, 70, 25, 25, 25, 25, 1000, 1)) == "loan covered"


def test_insurance_pays_no_loan() -> None:
    """A long of one contract stands beside 2,000 of borrowed money and 30 coins. It is closed, for
    nothing backs it, and the loan stays a loan: its own levels see to it."""
    world = loans(1000, 5)
    core = world.core
    core.add_instrument(1, linear(), USDT, 9)
    for number in range(2):
        core.bar(10 * number, 10 * number + 10, 100, 100, 100, 100, 1000, 1)
        if number == 0:
            core.request(10, 1, order_id=5, side="buy", type="market", size=1)
    world.now = 30
    world.run(LONG)
    assert core.account.balance(USDT) == -2000 * ONE
    assert "#V1 fill 1@100 taker" in said(core.bar(40, 50, 100, 100, 100, 100, 1000, 1))
    assert core.account.insurance(1) == 0
    assert core.account.balance(USDT) == -2000 * ONE


def test_without_levels_nothing_is_called_in() -> None:
    world = loans(1000, call=0, liquidation=0)
    world.run(LONG)
    assert world.step("quote 10 10 50 50") == ""
    assert world.core.account.balance(USDT) == -2000 * ONE


def test_coins_without_a_price_are_not_judged() -> None:
    world = loans(1000)
    world.core.add_instrument(1, spot(), USDT, ETH)
    world.core.account.deposit(ETH, 5 * ONE)
    world.run(LONG)
    assert world.step("quote 60 60 50 50") == ""  # what 5 ETH are worth nobody knows
    assert said(world.core.quote(50, 1, 1, 5, 5, 1)).startswith("loan called, #V1 fill 30@60")


@pytest.mark.parametrize("group", range(10))
def test_random_loans_are_called_in_as_the_slow_model_does(group: int) -> None:
    """Two coins of one currency: each warning, each forced trade, each balance; and value at the
    marks is lost to fees and won from the insurance only."""
    assert sum(play(seed) for seed in range(10 * group, 10 * group + 10)) > 3


def play(seed: int) -> int:
    """How many forced trades there were."""
    r = random.Random(f"called {seed}")
    fee = r.choice([0, 10**10, 25 * 10**9])
    call, liquidation = r.choice([(CALL, LIQUIDATION), (1_500_000, 1_250_000)])
    specs = [spot(lot=r.choice([1, 1, 3])) for _ in range(2)]
    world = loans(2000, r.randint(4, 9), r.randint(0, 4), fee=fee, spec=specs[0], call=call, liquidation=liquidation)
    core = world.core
    core.add_instrument(1, specs[1], USDT, ETH)
    lots = [spec.lot for spec in specs]
    slow = SlowLoans(
        F(call, 10**6),
        F(liquidation, 10**6),
        F(fee, 10**12),
        F(2000),
        [F(core.account.balance(BTC), ONE), F(0)],
        lots,
        [100, 100],
    )
    for index in range(2):
        core.quote(1, 100, 100, 10**6, 10**6, index)
    forced = 0

    def follow(events: list[dict[str, Any]], number: int | None) -> None:
        nonlocal forced
        received = []
        for event in events:
            if event["event"] == "loan":
                received.append("loan called" if event["called"] else "loan covered")
            elif event["event"] == "cash":
                received.append(event["kind"])
            elif event["event"] == "fill" and event["order_id"] == number:
                sign = 1 if event["side"] == "buy" else -1
                slow.coins[event["owner"]] += sign * event["size"]
                slow.money -= sign * event["size"] * event["price"]
            elif event["event"] == "fill":
                forced += 1
                assert _core.forced_tag(event["order_id"]) == "loan"
                received.append(f"{event['owner']} {event['side']} {event['size']}@{event['price']}")
        slow.said.clear()
        if number is None:
            slow.check()
            assert received == slow.said
        else:
            assert received == []
        account = core.account
        assert F(account.balance(USDT), ONE) == slow.money
        assert [F(account.balance(c), ONE) for c in (BTC, ETH)] == slow.coins
        assert F(account.insurance(0) + account.insurance(1), ONE) == slow.insurance

    for number in range(1, 250):
        now = number + 1
        index = r.randrange(2)
        if r.random() < 0.4:
            price, lot = slow.prices[index], lots[index]
            before = slow.assets - slow.debts
            follow(
                core.request(
                    now,
                    index,
                    order_id=number,
                    side=r.choice(["buy", "sell"]),
                    type="limit",
                    tif="IOC",
                    price=price,
                    size=r.randint(1, 90) // lot * lot or lot,
                ),
                number,
            )
            assert slow.assets - slow.debts == before
            continue
        slow.prices[index] = max(20, slow.prices[index] + r.randint(-16, 16))
        before = slow.assets - slow.debts - slow.insurance + slow.fees
        price = slow.prices[index]
        follow(core.quote(now, price, price, 10**6, 10**6, index), None)
        assert slow.assets - slow.debts - slow.insurance + slow.fees == before
    return forced
