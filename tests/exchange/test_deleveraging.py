"""Positions that the venue takes over: who is first, and what one account sees of it."""

from __future__ import annotations

import random
from fractions import Fraction as F
from typing import Any

import core_tested
import pytest
from exchange_world import ONE, USDT, Recorded, linear

from onetape import _core

WHOLE = 10**6


def dated(*facts: tuple[int, int, bool, int, int], spec: Any = None, **options: Any) -> Recorded:
    world = Recorded(spec, **options)
    world.core.set_rules(_core.VenueRules(deleveragings=list(facts)))
    world.core.begin(0)
    return world


def test_a_fact_takes_the_position_at_its_price_and_without_a_fee() -> None:
    world = dated((50, 0, True, 95, WHOLE), spec=linear(taker_fee=10**9), cash=1000)
    world.run("""
        quote 100 100 50 50
        buy#1 market x10              -> accepted, fill 10@100 taker
        sell#2 limit 120 x10 reduce   -> accepted
        sell#3 limit 130 x4           -> accepted
        clock 49                      ->
        clock 50                      -> #V1 fill 10@95 taker, #2 canceled 4106
        clock 60                      ->
    """)
    account = world.core.account
    # 1,000 less the fee of 1 on the purchase, less 10 x 5; the other order stays.
    assert account.balance(USDT) == (1000 - 1 - 50) * ONE
    assert account.liquidation_fees(0) == 0
    assert world.core.counters()["deleveragings"] == 1
    assert world.step("cancel#3") == "#3 canceled"


@pytest.mark.parametrize(
    ("share", "lot", "taken"),
    [
        (WHOLE // 2, 1, 5),
        (WHOLE // 3, 1, 3),  # down to whole lots
        (WHOLE // 2, 4, 4),
        (WHOLE // 3, 4, 0),
        (1, 1, 0),
    ],
)
def test_a_share_is_taken_in_whole_lots(share: int, lot: int, taken: int) -> None:
    world = dated((50, 0, False, 90, share), spec=linear(lot=lot))
    size = 11 if lot == 1 else 12
    world.step("quote 100 100 50 50")
    world.step(f"sell#1 market x{size}")
    world.step("buy#2 limit 80 x4 reduce")
    got = world.step("clock 50")
    assert got == (f"#V1 fill {taken}@90 taker" if taken else "")
    assert world.core.account.position(0).qty == -(size - taken)
    missed = world.core.counters()["deleveragings_missed"]
    assert missed == (0 if taken else 1)
    assert world.step("cancel#2") == "#2 canceled"  # there is still something to reduce


def test_the_other_side_and_a_flat_account_are_left_alone() -> None:
    world = dated((50, 0, True, 95, WHOLE), (60, 0, False, 95, WHOLE))
    world.run("""
        quote 100 100 50 50
        clock 50                      ->
        buy#1 market x10              -> accepted, fill 10@100 taker
        clock 60                      ->
    """)
    assert world.core.counters()["deleveragings_missed"] == 2


def test_a_side_of_a_hedge_goes_alone_with_its_own_orders() -> None:
    world = dated((50, 0, False, 0, WHOLE), hedge=True)
    world.run("""
        mark 101
        quote 100 100 50 50
        buy#1 market x10 long         -> accepted, fill 10@100 taker
        sell#2 market x6 short        -> accepted, fill 6@100 taker
        sell#3 limit 120 x10 long     -> accepted
        buy#4 limit 80 x6 short       -> accepted
        clock 50                      -> #V1 fill 6@101 taker, #4 canceled 4106
        cancel#3                      -> canceled
    """)
    account = world.core.account
    assert (account.position(0, "long").qty, account.position(0, "short").qty) == (10, 0)


@pytest.mark.parametrize("isolated", [False, True])
def test_margin_comes_back_with_what_was_taken(isolated: bool) -> None:
    world = dated((50, 0, True, 110, WHOLE // 2), isolated=isolated, cash=1000, leverage=10)
    world.run("""
        mark 100
        quote 100 100 50 50
        buy#1 market x10              -> accepted, fill 10@100 taker
        clock 50                      -> #V1 fill 5@110 taker
    """)
    account = world.core.account
    assert account.balance(USDT) == 1050 * ONE
    assert account.available(USDT) == (1050 - 50) * ONE
    assert account.initial_margin(USDT) == 50 * ONE


def test_facts_from_before_the_run_are_not_made_up_for() -> None:
    world = Recorded()
    world.core.set_rules(_core.VenueRules(deleveragings=[(5, 0, True, 95, WHOLE)]))
    world.core.begin(10)
    assert world.core.next_event > 10**18


def test_it_can_be_called_without_a_fact() -> None:
    """As a venue does that has ranked its accounts."""
    world = Recorded()
    world.step("quote 100 100 50 50")
    world.step("buy#1 market x10")
    assert world.core.deleverage(5, 4, 97)[0]["size"] == 4
    assert world.core.deleverage(6, 40, 97)[0]["size"] == 6  # no more than there is
    assert world.core.deleverage(7, 1, 97) == []
    assert world.core.deleverage(7, 1, 0) == []


# --- whose position goes first ---


def candidate(who: int, entry: int, mark: int, profit: int, backing: int) -> tuple[int, ...]:
    return who, entry * ONE, mark * ONE, profit * ONE, backing * ONE


# participant, value at entry, at the mark, profit, backing -> the rank's number
RANKED = [
    (candidate(1, 100, 120, 20, 12), F(20, 100) * F(120, 12)),  # 20 % at 10x: 2
    (candidate(2, 100, 150, 50, 100), F(50, 100) * F(150, 100)),  # 50 % at 1.5x: 0.75
    (candidate(3, 100, 110, 10, 2), F(10, 100) * F(110, 2)),  # 10 % at 55x: 5.5
    (candidate(4, 100, 80, -20, 8), F(-20, 100) / F(80, 8)),  # a loss at 10x: -0.02
    (candidate(5, 100, 80, -20, 80), F(-20, 100) / F(80, 80)),  # the same at 1x: -0.2
    (candidate(6, 100, 100, 0, 10), F(0)),
]


def test_profit_times_leverage_goes_first_and_losses_last() -> None:
    rows = [row for row, _ in RANKED]
    order = [RANKED[place][0][0] for place in core_tested.adl_rank(rows)]
    assert order == [3, 1, 2, 6, 4, 5]


def test_equal_ranks_go_by_number_and_flat_ones_are_left_out() -> None:
    rows = [
        candidate(9, 100, 120, 20, 12),
        candidate(2, 200, 240, 40, 24),
        candidate(5, 0, 0, 0, 10),
        candidate(7, 100, 120, 20, 0),  # nothing behind it: leverage without end
    ]
    assert core_tested.adl_rank(rows) == [3, 1, 0]
    assert core_tested.adl_rank([]) == []


@pytest.mark.parametrize("seed", range(20))
def test_random_ranks_are_those_of_fractions(seed: int) -> None:
    r = random.Random(f"rank {seed}")
    rows, exact = [], []
    for who in range(40):
        entry, mark = r.randint(1, 10**6), r.randint(1, 10**6)
        profit, backing = r.choice([1, -1]) * abs(mark - entry), r.randint(1, 10**6)
        rows.append(candidate(who, entry, mark, profit, backing))
        share, leverage = F(profit, entry), F(mark, backing)
        exact.append((share * leverage if profit > 0 else share / leverage, -who))
    places = core_tested.adl_rank(rows)
    assert places == sorted(range(40), key=lambda place: exact[place], reverse=True)


@pytest.mark.parametrize(
    ("order_id", "tag"),
    [
        (1, ""),
        (2**62 - 1, ""),
        (2**62 + 1, "liquidation"),
        (2**62 + 2**59 + 1, "loan"),
        (2**62 + 2**60 + 1, "adl"),
        (2**62 + 2**61 + 1, "settlement"),
        (2**64 - 1, "settlement"),
    ],
)
def test_an_order_s_number_says_why_the_venue_made_it(order_id: int, tag: str) -> None:
    assert _core.forced_tag(order_id) == tag
