"""Rules of the venue in the file of --instruments."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onetape.model.errors import BadConfig
from onetape.model.time import parse_time
from onetape.model.user_instruments import parse_instruments
from onetape.model.user_rules import NEVER_CALLED, Adl, LoanLevels, UserRules, default_loans, parse_rules

D = Decimal

FILE = """
[[instrument]]
symbol = "binance:BTC/USDT:USDT"
tick = "0.10"

[loans]
call = "1.5"
liquidation = 1.25
fee = "0.02"

[[adl]]
symbol = "binance:ETH/USDT:USDT"
time = 2024-08-05T07:00:00Z
side = "short"

[[adl]]
symbol = "binance:BTC/USDT:USDT"
time = "2024-08-05T06:30:00Z"
side = "long"
price = "49000.5"
share = 0.25
"""


def test_rules_stand_beside_instruments_and_come_by_time() -> None:
    rules = parse_rules(FILE)
    assert rules.loans == LoanLevels(D("1.5"), D("1.25"), D("0.02"))
    first, second = rules.adl
    at = parse_time("2024-08-05T06:30:00Z")
    assert first == Adl("binance:BTC/USDT:USDT", at, True, D("49000.5"), D("0.25"))
    assert (second.is_long, second.price, second.share) == (False, None, 1)
    assert list(parse_instruments(FILE)) == ["binance:BTC/USDT:USDT"]
    assert parse_rules("") == UserRules()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('call = "1.5"', 'call = "1.2"', "liquidation not above call"),
        ("liquidation = 1.25", "liquidation = 0.9", "levels lie in 1"),
        ("liquidation = 1.25\n", "", "liquidation is missing"),
        ('call = "1.5"', 'call = "x"', "call"),
        ('call = "1.5"', "call = nan", "call"),
        ('call = "1.5"', 'call = "1.50000001"', "finer"),
        ('fee = "0.02"', "fee = 1", "no share"),
        ('fee = "0.02"', "fee = -0.1", "fee"),
        ('fee = "0.02"', "fees = 0", "unknown key 'fees'"),
        ('side = "long"', 'side = "buy"', "side 'buy'"),
        ('side = "long"', "", "side is missing"),
        ('time = "2024-08-05T06:30:00Z"', 'time = "soon"', "not a time: 'soon', facts.toml adl 2"),
        ('price = "49000.5"', "price = 0", "positive"),
        ('price = "49000.5"', "price = inf", "price"),
        ("share = 0.25", "share = 0", "share 0"),
        ("share = 0.25", "share = 1.5", "at most 1"),
        ("share = 0.25", "share = 0.00000001", "finer"),
        ("share = 0.25", "shares = 1", "unknown key 'shares'"),
        ("[[adl]]", "[adl]", "overwrite"),
        ("[loans]", "[[loans]]", "not a table"),
    ],
)
def test_what_is_wrong_is_named(before: str, after: str, words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        parse_rules(FILE.replace(before, after, 1), location="facts.toml")


def test_zero_turns_the_calls_off() -> None:
    assert parse_rules("[loans]\ncall = 0\n").loans == NEVER_CALLED


def test_an_unknown_table_says_what_there_is() -> None:
    with pytest.raises(BadConfig, match="unknown key 'loan'"):
        parse_instruments("[loan]\ncall = 1\n")


def test_the_default_is_that_of_the_venue_or_the_catalogue_s_first() -> None:
    expected = LoanLevels(D("1.3"), D("1.1"), D(0))
    assert default_loans(["binance"]) == expected
    assert default_loans(["csv"]) == expected
    assert default_loans([]) == expected
