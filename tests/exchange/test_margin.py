"""Margin brackets: by hand, and the core's account against the slow one."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from exchange_world import ONE, USDT, Recorded, linear

from onetape import _core
from onetape.model import catalogue
from onetape.model.errors import BadConfig, BadInput
from onetape.model.margin import MarginBracket, completed, core_rows, notional_limit
from onetape.model.user_instruments import parse_instruments
from reference.account import SlowAccount
from reference.facts import Facts, maintenance


def rows(*cells: tuple[int | str, str, int]) -> tuple[MarginBracket, ...]:
    return completed(
        [
            MarginBracket(notional_max=Decimal(most), maintenance_rate=Decimal(rate), leverage_max=leverage)
            for most, rate, leverage in cells
        ]
    )


# 1,000 at 1 %, to 5,000 at 2 % less 10, to 20,000 at 5 % less 160.
SMALL = rows((1000, "0.01", 20), (5000, "0.02", 10), (20000, "0.05", 2))


def terms(brackets: tuple[MarginBracket, ...], **facts: Any) -> _core.InstrumentTerms:
    return _core.InstrumentTerms(brackets=core_rows(brackets), **facts)


def test_amounts_make_the_sum_continuous() -> None:
    # 1000 * (0.02 - 0.01) = 10; 10 + 5000 * (0.05 - 0.02) = 160.
    assert [row.maintenance_amount for row in SMALL] == [0, 10, 160]


@pytest.mark.parametrize(
    ("value", "owed"),
    [
        (0, 0),
        (1000, 10),  # the edge belongs to the lower bracket, and both say 10
        (1001, "10.02"),  # 20.02 - 10
        (5000, 90),
        (20000, 840),  # 1000 - 160
        (30000, 1340),  # beyond the last: its rule goes on, 1500 - 160
    ],
)
def test_maintenance_by_hand(value: int, owed: int | str) -> None:
    assert maintenance(SMALL, Fraction(value)) == Fraction(owed)
    account = _core.CoreAccount(leverage=1)
    account.set_instrument(0, linear(), USDT, 2)
    account.set_terms(0, terms(SMALL))
    if value:
        account.apply_fill(0, "sell", value, 1)
        account.set_mark(0, value)
    assert account.maintenance_margin(USDT) == Fraction(owed) * ONE


def test_a_venue_without_amounts_takes_the_highest_rate_for_all() -> None:
    steps = completed(
        [
            MarginBracket(notional_max=Decimal(1000), maintenance_rate=Decimal("0.01")),
            MarginBracket(notional_max=Decimal(5000), maintenance_rate=Decimal("0.02"), maintenance_amount=Decimal(0)),
        ]
    )
    assert maintenance(steps, Fraction(2000)) == 40


@pytest.mark.parametrize(("leverage", "limit"), [(1, 20000), (2, 20000), (3, 5000), (20, 1000)])
def test_what_may_be_opened_falls_with_leverage(leverage: int, limit: int) -> None:
    assert notional_limit(SMALL, leverage) == limit
    world = Recorded(leverage=leverage)
    world.core.set_terms(0, terms(SMALL))
    price = limit // 10
    world.step(f"quote {price} {price} 500 500")
    assert world.step(f"buy#1 limit {price} x11") == "#1 rejected 4301"
    assert world.step(f"buy#2 limit {price} x10") == f"#2 accepted, #2 fill 10@{price} taker"
    assert world.step(f"buy#3 limit {price} x1") == "#3 rejected 4301"
    # Closing is always let through, and so is turning to as much on the other side.
    assert world.step(f"sell#4 limit {price} x20") == f"#4 accepted, #4 fill 20@{price} taker"


def test_leverage_above_every_bracket_opens_nothing() -> None:
    assert notional_limit(SMALL, 21) == 0
    world = Recorded(leverage=21)
    world.core.set_terms(0, terms(SMALL))
    world.step("quote 1 1 50 50")
    assert world.step("buy#1 market x1") == "#1 rejected 4301"


def test_an_instrument_s_own_leverage_counts() -> None:
    world = Recorded(cash=100, leverage=10)
    world.core.set_terms(0, _core.InstrumentTerms(leverage=2))
    world.step("quote 100 100 500 500")
    assert world.step("buy#1 limit 100 x3") == "#1 rejected 4201"  # 300 / 2
    assert world.step("buy#2 limit 100 x2") == "#2 accepted, #2 fill 2@100 taker"
    assert world.core.account.initial_margin(USDT) == 100 * ONE


def test_the_catalogue_s_brackets_of_btc() -> None:
    # GET /fapi/v1/leverageBracket as of 2024-10-24: a long of 10 BTC at 60,000 is 600,000:
    # 0.5 % less 50 is 2,950.
    found = catalogue.find("binance:BTC/USDT:USDT")
    assert found is not None
    assert found.maintenance_rate == Decimal("0.004")
    assert maintenance(found.brackets, Fraction(600_000)) == 2950
    # The venue's own `cum` of the later rows.
    cum = [row.maintenance_amount for row in found.brackets]
    assert cum[1:5] == [50, 950, 11450, 131450]
    assert cum[-1] == 421481450
    # exchangeInfo of 2021-07-22 says 1.2 % of what is closed by force; later versions keep it.
    assert found.liquidation_fee == Decimal("0.012")
    assert "liquidation_fee" in found.defaulted
    # An older version has them too, marked.
    old = catalogue.versions(found.symbol)[0]
    assert "brackets" in old.defaulted
    assert "brackets" not in found.defaulted


TABLE = """
[[instrument]]
symbol = "binance:BTC/USDT:USDT"
leverage = 7
brackets = [
  { notional_max = "1000", maintenance_rate = 0.01, leverage_max = 20 },
  { notional_max = 5000, maintenance_rate = "0.02", leverage_max = 10 },
]
"""


def test_brackets_are_given_in_a_file() -> None:
    facts = parse_instruments(TABLE)["binance:BTC/USDT:USDT"]
    assert facts.brackets == SMALL[:2]
    assert (facts.leverage, facts.maintenance_rate) == (7, Decimal("0.01"))
    assert facts.from_msgpack(facts.to_msgpack()) == facts
    rate = parse_instruments('[[instrument]]\nsymbol = "binance:BTC/USDT:USDT"\nmaintenance_rate = "0.03"')[
        "binance:BTC/USDT:USDT"
    ]
    assert rate.brackets == ()
    assert rate.maintenance_rate == Decimal("0.03")


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('"1000"', '"6000"', "notional_max 5000 is not above 6000"),
        ("0.01,", "0.03,", "maintenance_rate 0.02 is not within 0.03..1"),
        ("= 20 }", "= 5 }", "leverage_max 10 rises"),
        ("= 20 }", "= 20, floor = 3 }", "floor"),
        ('"1000"', "true", "not a list of tables of numbers"),
        ('"1000"', '"1e400"', "out of range"),
        ("leverage = 7", "leverage = -1", "leverage must lie in"),
        ('"1000"', '"nan"', "must be finite|finite"),
    ],
)
def test_bad_brackets_name_the_row(before: str, after: str, words: str) -> None:
    with pytest.raises((BadConfig, BadInput), match=words):
        parse_instruments(TABLE.replace(before, after))


KINDS = {"linear": {"price_decimals": 1, "size_decimals": 3}, "inverse": {"price_decimals": 1, "size_decimals": 0}}


@pytest.mark.parametrize("seed", range(60))
def test_margins_are_those_of_the_slow_account(seed: int) -> None:
    r = random.Random(f"margin {seed}")
    hedge = seed % 3 == 0
    facts = []
    core = _core.CoreAccount(hedge=hedge, leverage=r.randint(1, 20))
    for index in range(r.randint(1, 3)):
        kind = r.choice(list(KINDS))
        unit = 10**4 if kind == "linear" else 1
        brackets = rows((unit, "0.01", 20), (5 * unit, "0.0123456789", 10), (10**6 * unit, "0.05", 1))
        each = Facts(
            kind,
            **KINDS[kind],
            multiplier=Fraction(100 if kind == "inverse" else 1),
            maintenance_rate=5 * 10**9,
            brackets=brackets if r.random() < 0.7 else (),
            leverage=r.choice([0, 0, 3]),
        )
        facts.append(each)
        spec = _core.InstrumentSpec(
            kind=kind, **KINDS[kind], multiplier=int(each.multiplier), maintenance_rate=each.maintenance_rate
        )
        core.set_instrument(index, spec, USDT, 2)
        core.set_terms(index, terms(each.brackets, leverage=each.leverage))
    slow = SlowAccount(facts, leverage=core.leverage, hedge=hedge, balance=1000 * ONE)
    core.deposit(USDT, 1000 * ONE)
    for _ in range(200):
        index = r.randrange(len(facts))
        side = r.choice(["long", "short"]) if hedge else "both"
        if r.random() < 0.5:
            way, price, size = r.choice(["buy", "sell"]), r.randint(1, 10**6), r.randint(1, 3000)
            fee = r.randint(-(10**15), 10**17)
            assert core.apply_fill(index, way, price, size, fee, side) == slow.fill(
                index, way, price, size, fee=fee, position_side=side
            )
        elif r.random() < 0.5:
            price = r.randint(1, 10**6)
            core.set_mark(index, price)
            slow.marks[index] = price
        else:
            rate = r.randint(-(10**10), 10**10)
            assert core.apply_funding(index, rate) == slow.pay_funding(index, rate, 0)
        assert core.balance(USDT) == slow.balances[USDT]
        assert core.maintenance_margin(USDT) == slow.maintenance()
        assert core.initial_margin(USDT) == slow.initial()
        assert core.available(USDT) == slow.available()
        assert core.below_maintenance(USDT) == slow.is_short(USDT)
