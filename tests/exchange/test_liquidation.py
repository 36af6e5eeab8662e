"""Who is liquidated, when, at what price and in how many steps. Tables worked by hand; random
worlds are compared in test_reference_exchange.py."""

from __future__ import annotations

import random
from fractions import Fraction as F

import pytest
from exchange_world import ONE, USDT, Recorded, linear
from test_margin import SMALL, rows, terms

from onetape import _core
from onetape.model import catalogue
from onetape.model.enums import Kind, Side
from onetape.model.margin import core_rows
from reference.position import Position, liquidation_price

HALF = 5 * 10**9  # 0.5 % maintenance


def test_cross_is_closed_at_the_mark_with_all_its_orders() -> None:
    """100 and a long of 10 at 100: covered while 100 + 10 P - 1000 >= 0.005 * 10 P, that is
    down to P = 900 / 9.95 = 90.45."""
    world = Recorded(linear(maintenance_rate=HALF), cash=100, leverage=10)
    world.run("""
        mark 100
        quote 100 100 500 500
        buy#1 market x10                    -> accepted, fill 10@100 taker
        sell#2 limit 120 x5 reduce          -> accepted
        sell#3 market x10 reduce stop=80    -> accepted
        mark 91                             ->
        mark 90          -> #2 canceled 4201, #3 canceled 4201, #V1 fill 10@90 taker
    """)
    account = world.core.account
    assert account.position(0).qty == 0
    assert account.balance(USDT) == 0  # 100 - 100: nothing left, nothing owed
    assert world.core.counters()["liquidations"] == 1
    assert world.core.counters()["liquidations_without_mark"] == 0


def test_a_loss_beyond_the_account_is_the_insurance_s() -> None:
    world = Recorded(linear(maintenance_rate=HALF), cash=100, leverage=10)
    world.run("""
        mark 100
        quote 100 100 500 500
        buy#1 market x10     -> accepted, fill 10@100 taker
        mark 80              -> #V1 fill 10@80 taker, insurance 100     // lost 200
        mark 70              ->
    """)
    account = world.core.account
    assert account.balance(USDT) == 0
    assert account.insurance(0) == 100 * ONE
    assert account.position(0).realized == -200 * ONE
    assert world.core.counters()["insurance_payments"] == 1


def test_the_fee_is_taken_from_what_is_left_and_no_more() -> None:
    world = Recorded(linear(maintenance_rate=5 * 10**10), cash=200, leverage=10)
    world.core.set_terms(0, _core.InstrumentTerms(liquidation_fee=10**10))  # 1 %
    world.run("""
        mark 100
        quote 100 100 500 500
        buy#1 market x10     -> accepted, fill 10@100 taker
        mark 85              ->                              // 200 - 150 = 50 >= 42.5
        mark 84              -> #V1 fill 10@84 taker         // 40 < 42
    """)
    account = world.core.account
    # 1 % of 840 is 8.4 of the 40 that are left.
    assert account.liquidation_fees(0) == 84 * ONE // 10
    assert account.balance(USDT) == 40 * ONE - 84 * ONE // 10
    assert account.fees(0) == 0
    poor = Recorded(linear(maintenance_rate=5 * 10**10), cash=200, leverage=10)
    poor.core.set_terms(0, _core.InstrumentTerms(liquidation_fee=10**11))  # 10 %: 80.5 of 5
    poor.run("""
        mark 100
        quote 100 100 500 500
        buy#1 market x10     -> accepted, fill 10@100 taker
        mark 85
        mark 80              -> #V1 fill 10@80 taker
    """)
    assert poor.core.account.balance(USDT) == 0
    assert poor.core.account.liquidation_fees(0) == 0  # nothing was left


def test_brackets_are_gone_down_step_by_step() -> None:
    """SMALL: to 1,000 at 1 %, to 5,000 at 2 % less 10, to 20,000 at 5 % less 160. A long of 100 at
    100 with 700: worth 9,600 at 96, needs 320 and has 300. Down to 5,000 is 52 lots (48 * 96 =
    4,608), which needs 82.16: enough."""
    world = Recorded(cash=700, leverage=2, check_funds=False)
    world.core.set_terms(0, terms(SMALL))
    world.run("""
        mark 100
        quote 100 100 500 500
        buy#1 market x100    -> accepted, fill 100@100 taker
        mark 97              ->                              // 400 >= 5 % of 9,700 - 160 = 325
        mark 96              -> #V1 fill 48@96 taker
    """)
    account = world.core.account
    assert account.position(0).qty == 52  # 52 * 96 = 4,992 is the most within 5,000
    assert account.maintenance_margin(USDT) == F("89.84") * ONE
    # 300 at 96 on 52: 300 - 52 * (96 - P) < 0.02 * 52 P - 10 at P = 91.9; 91 * 52 = 4,732
    world.run("""
        mark 92              ->
        mark 91              -> #V2 fill 42@91 taker   // down to 10 * 91 = 910; 40 covers 9.1
        mark 88              ->                        // 10, and 1 % of 880 is 8.8
        mark 87              -> #V3 fill 10@87 taker
    """)
    assert account.balance(USDT) == 0


def test_data_without_marks_goes_by_the_last_price_and_says_so() -> None:
    world = Recorded(linear(maintenance_rate=HALF), cash=100, leverage=10)
    world.run("""
        quote 100 100 500 500
        buy#1 market x10     -> accepted, fill 10@100 taker
        quote 90 91 500 500  -> #V1 fill 10@90 taker      // the mid 90.5, rounded down
    """)
    assert world.core.counters()["liquidations_without_mark"] == 1


def test_a_short_is_liquidated_upward() -> None:
    # 100 + 1000 - 10 P < 0.05 P at P = 1100 / 10.05 = 109.45
    Recorded(linear(maintenance_rate=HALF), cash=100, leverage=10).run("""
        mark 100
        quote 100 100 500 500
        sell#1 market x10    -> accepted, fill 10@100 taker
        mark 109             ->
        mark 110             -> #V1 fill 10@110 taker
    """)


def test_isolated_loses_its_own_margin_and_no_more() -> None:
    world = Recorded(linear(maintenance_rate=HALF), cash=1000, leverage=10, isolated=True)
    world.run("""
        mark 100
        quote 100 100 500 500
        buy#1 market x10     -> accepted, fill 10@100 taker
        buy#2 limit 80 x1    -> accepted
        mark 91              ->
        mark 85              -> #2 canceled 4201, #V1 fill 10@85 taker, insurance 50
    """)
    # 100 allotted, 150 lost: the account loses the 100, the insurance pays the rest.
    account = world.core.account
    assert account.balance(USDT) == 900 * ONE
    assert account.allotted(0) == 0
    assert account.available(USDT) == 900 * ONE


def test_one_side_of_an_isolated_hedge_goes_alone() -> None:
    world = Recorded(linear(maintenance_rate=HALF), cash=1000, leverage=10, isolated=True, hedge=True)
    world.run("""
        mark 100
        quote 100 100 500 500
        buy#1 market x10 long         -> accepted, fill 10@100 taker
        sell#2 market x20 short       -> accepted, fill 20@100 taker
        sell#3 limit 120 x5 long      -> accepted
        buy#4 limit 80 x5 short       -> accepted
        mark 90                       -> #3 canceled 4201, #V1 fill 10@90 taker
    """)
    assert world.core.account.position(0, "short").qty == -20
    assert world.core.working()


def test_in_bars_it_ends_on_the_way_to_the_extreme() -> None:
    """Long 10 at 100 with 100: ends at 90, not at the low of 70."""
    world = Recorded(linear(maintenance_rate=HALF), cash=100, leverage=10)
    world.run("""
        bar 0-60 100 101 99 100 1000
        buy#1 market x10                 -> accepted
        bar 60-120 100 101 95 96 1000    -> fill 10@100 taker
        bar 120-180 96 99 70 98 1000     -> #V1 fill 10@90 taker
    """)
    # A stop that stands before it is met first.
    guarded = Recorded(linear(maintenance_rate=HALF), cash=100, leverage=10)
    guarded.run("""
        bar 0-60 100 101 99 100 1000
        buy#1 market x10                     -> accepted
        bar 60-120 100 101 95 96 1000        -> fill 10@100 taker
        sell#2 market x10 reduce stop=93     -> accepted
        bar 120-180 96 99 70 98 1000         -> triggered, fill 10@93 taker
    """)
    # A gap: the bar opens beyond it.
    gap = Recorded(linear(maintenance_rate=HALF), cash=100, leverage=10)
    gap.run("""
        bar 0-60 100 101 99 100 1000
        buy#1 market x10                 -> accepted
        bar 60-120 100 101 95 96 1000    -> fill 10@100 taker
        bar 120-180 85 88 70 80 1000     -> #V1 fill 10@85 taker, insurance 50
    """)


@pytest.mark.parametrize("seed", range(30))
def test_the_event_is_where_the_closed_form_says(seed: int) -> None:
    """Isolated, one position, a mark that walks one unit at a time."""
    r = random.Random(f"walk {seed}")
    kind, side = r.choice(["linear", "inverse"]), r.choice(["buy", "sell"])
    multiplier = 100 if kind == "inverse" else 1
    spec = _core.InstrumentSpec(kind=kind, multiplier=multiplier, price_decimals=0, size_decimals=0)
    unit = 10**6 if kind == "linear" else 1
    table = rows((unit, "0.004", 0), (3 * unit, "0.01", 0), (10**6 * unit, "0.02", 0))
    world = Recorded(cash=10**9, leverage=r.randint(5, 40), isolated=True)
    world.core.add_instrument(0, spec, USDT, 2)
    world.core.set_terms(0, terms(table))
    size = r.randint(50, 300) if kind == "linear" else r.randint(500, 4000)
    entry = r.randint(9_000, 11_000)
    world.step(f"mark {entry}")
    world.step(f"quote {entry} {entry} {size} {size}")
    world.step(f"{side}#1 market x{size}")
    position = Position(Kind(kind), F(multiplier))
    position.apply_fill(Side(side), entry, size)
    backing = F(world.core.account.allotted(0), ONE)
    ends = liquidation_price(position, backing, brackets=table)
    assert ends is not None
    down = -1 if side == "buy" else 1
    mark = entry
    while not (said := world.step(f"mark {mark}")):
        mark += down
        assert abs(mark - entry) < 5000
    assert "#V1 fill" in said
    # The first whole price at or beyond it, allowing its last digit's rounding.
    assert 0 <= (mark - ends) * down <= 1


def test_in_bars_what_a_step_leaves_is_watched_to_the_extreme() -> None:
    """SMALL, long 100 at 100 with 700: 48 go at 96, 42 at 91, the last 10 at 87, in one bar as in
    the marks of the test above."""
    world = Recorded(cash=700, leverage=2, check_funds=False)
    world.core.set_terms(0, terms(SMALL))
    world.run("""
        bar 0-60 100 100 100 100 1000
        buy#1 market x100                 -> accepted
        bar 60-120 100 100 99 99 1000     -> fill 100@100 taker
    """)
    fills = ", ".join(["#V1 fill 48@96 taker", "#V2 fill 42@91 taker", "#V3 fill 10@87 taker"])
    assert world.step("bar 120-180 99 99 70 80 1000") == fills
    assert world.core.account.insurance(0) == 0


def test_a_mark_ends_what_the_bar_would_have_kept() -> None:
    """Isolated, long 10 at 100 with 100: the bars stay there, the mark lies below."""
    Recorded(linear(maintenance_rate=HALF), cash=1000, leverage=10, isolated=True).run("""
        bar 0-60 100 100 100 100 1000
        mark 80
        buy#1 market x10                  -> accepted
        bar 60-120 100 100 100 100 9000 -> #1 fill 10@100 taker, #V1 fill 10@80 taker, insurance 100
    """)


def test_what_a_position_elsewhere_is_worth_now_counts_for_an_order() -> None:
    """200, 10x: a long of 10 at 100 stands at 109 when the next order asks what is free."""
    world = Recorded(linear(), cash=200, leverage=10)
    world.core.add_instrument(1, linear(), USDT, 2)
    world.run("""
        quote 100 100 50 50
        buy#1 market x10                  -> accepted, fill 10@100 taker
        quote 101 101 50 50               ->
        quote 109 109 50 50               ->
    """)
    world.core.quote(10, 100, 100, 50, 50, 1)
    # 200 + 90 - 109 = 181 are free: 18 at 100 need 180.
    order = {"order_id": 2, "side": "buy", "type": "market", "size": 18}
    assert [e.get("news") for e in world.core.request(11, 1, **order)] == ["accepted", None]


@pytest.mark.parametrize("cash", [30_000, 10_200])
@pytest.mark.parametrize("way", ["buy", "sell"])
def test_an_isolated_position_costs_its_margin_however_many_steps_its_end_takes(cash: int, way: str) -> None:
    """5 BTC at 40,000.1 and 20x: 200,000.5, of which 10,000.025 are margin and 80.0002 the fee. A gap of 12,000.1 costs
    60,000.5: the insurance pays 50,000.475 of it, step by step down the brackets of the catalogue."""
    found = catalogue.find("binance:BTC/USDT:USDT")
    assert found is not None
    spec = linear(price_decimals=1, size_decimals=3, taker_fee=400_000_000)
    world = Recorded(spec, cash=cash, leverage=20, isolated=True)
    rate = int(found.liquidation_fee * 10**12)
    world.core.set_terms(0, _core.InstrumentTerms(brackets=core_rows(found.brackets), liquidation_fee=rate))
    gap = {"buy": 280_000, "sell": 520_002}[way]
    world.step("mark 400001")
    world.step("quote 400001 400001 9000 9000")
    assert world.step(f"{way}#1 market x5000") == "#1 accepted, #1 fill 5000@400001 taker"
    assert world.step(f"mark {gap}").count("#V") > 1
    account = world.core.account
    assert account.position(0).qty == 0
    assert account.insurance(0) == F("50000.475") * ONE
    assert account.balance(USDT) == (cash - F("80.0002") - F("10000.025")) * ONE


def test_an_isolated_position_of_an_inverse_contract_costs_its_margin() -> None:
    """100,000 contracts of 1 USD at 20,000 are 5 BTC: 0.25 at 20x. At 10,000 they are 10 BTC, a loss of 5."""
    spec = _core.InstrumentSpec(kind="inverse", price_decimals=0, size_decimals=0)
    world = Recorded(spec, cash=1, leverage=20, isolated=True)
    world.core.set_terms(0, terms(rows((1, "0.01", 20), (4, "0.02", 20), (20, "0.05", 20))))
    world.step("mark 20000")
    world.step("quote 20000 20000 900000 900000")
    world.step("buy#1 market x100000")
    assert world.step("mark 10000").count("#V") == 3
    account = world.core.account
    assert account.insurance(0) == F("4.75") * ONE
    assert account.balance(USDT) == F("0.75") * ONE


def test_a_step_that_leaves_margin_gives_its_share_back() -> None:
    """Above water the money of each step is the owner's; only the fee is taken from it."""
    world = Recorded(cash=1000, leverage=20, isolated=True)
    world.core.set_terms(0, terms(rows((1000, "0.01", 20), (10_000, "0.04", 20))))
    world.step("mark 100")
    world.step("quote 100 100 500 500")
    world.step("buy#1 market x20")
    # At 97: 100 - 60 = 40 < 0.04 * 1,940 - 30 = 47.6. Down to 1,000 at 97 is 10 of 20: half of the margin comes back.
    assert world.step("mark 97") == "#V1 fill 10@97 taker"
    account = world.core.account
    assert (account.allotted(0), account.insurance(0)) == (50 * ONE, 0)
    assert account.balance(USDT) == (1000 - 30) * ONE


@pytest.mark.parametrize("isolated", [True, False])
def test_a_settlement_beyond_the_money_behind_a_position_is_the_insurance_s(isolated: bool) -> None:
    """While the venue is closed nobody is liquidated, and then the contract ends: 10 at 100, 10x, settled at 50."""
    world = Recorded(cash=150, leverage=10, isolated=isolated)
    world.core.set_terms(0, _core.InstrumentTerms(expiry=50))
    world.core.set_rules(_core.VenueRules(closed=[(10, 50, 0, False)]))
    world.core.begin(0)
    world.step("mark 100")
    world.step("quote 100 100 500 500")
    world.step("buy#1 market x10")
    world.step("clock 10")
    assert world.step("at 20 mark 50") == ""
    lost = 100 if isolated else 150
    assert world.step("clock 50") == f"#V1 fill 10@50 taker, insurance {500 - lost}"
    assert world.core.account.balance(USDT) == (150 - lost) * ONE


@pytest.mark.parametrize("isolated", [True, False])
def test_a_take_over_costs_no_more_than_the_money_behind_the_position(isolated: bool) -> None:
    world = Recorded(cash=150, leverage=10, isolated=isolated)
    world.run("""
        mark 100
        quote 100 100 500 500
        buy#1 market x10     -> accepted, fill 10@100 taker
    """)
    lost = 100 if isolated else 150
    assert world.core.deleverage(9, 10, 50)[-1]["amount"] == (500 - lost) * ONE
    assert world.core.account.balance(USDT) == (150 - lost) * ONE
