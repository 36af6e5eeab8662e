"""Neutral symbols: which instrument of an account is meant by a name that no venue uses."""

from __future__ import annotations

import re

import pytest

from onetape.figures.symbols import NeutralSymbols
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig, InvalidAccount, UnknownSymbol
from onetape.model.instrument import from_symbol

LISTED = {
    "pacifica-main": ("pacifica:BTC/USDC:USDC", "pacifica:ETH/USDC:USDC"),
    "aster": ("aster:BTC/USDC:USDC", "aster:BTC/USDT:USDT", "aster:BTC/EUR:EUR"),
    "bitmex": ("bitmex:BTC/USD:BTC", "bitmex:BTC/USD:BTC-261225"),
    "both": ("okx:BTC/USD:BTC", "okx:BTC/USD:USD", "okx:BTC/USDT"),
    "kraken": ("kraken:BTC/USD",),
}
MADE = {
    account: {symbol: from_symbol(symbol, tick="0.1", lot="0.001") for symbol in symbols}
    for account, symbols in LISTED.items()
}
DEFAULTS = {
    "pacifica-main": "pacifica:BTC/USDC:USDC",
    "aster": "aster:BTC/USDT:USDT",  # before USDC
    "bitmex": "bitmex:BTC/USD:BTC",  # inverse, where nothing is linear
    "both": "okx:BTC/USD:USD",  # linear before inverse; spot is no perpetual
    "kraken": None,
}


def chosen(symbols: NeutralSymbols, name: str) -> dict[str, str | None]:
    return {account: each and each.symbol for account, each in symbols.of(name).items()}


@pytest.mark.parametrize(
    ("configured", "name", "found"),
    [
        ({}, "BTC-USD", DEFAULTS),
        ({}, "BTC-EUR", {account: "aster:BTC/EUR:EUR" if account == "aster" else None for account in LISTED}),
        ({}, "kraken:BTC/USD", {account: "kraken:BTC/USD" if account == "kraken" else None for account in LISTED}),
        (  # what is written wins, also over what it does not name
            {"BTC-USD": ["kraken:BTC/USD", "aster:BTC/USDC:USDC"]},
            "BTC-USD",
            dict.fromkeys(LISTED) | {"kraken": "kraken:BTC/USD", "aster": "aster:BTC/USDC:USDC"},
        ),
    ],
)
def test_a_neutral_name_means_each_account_s_own_instrument(configured, name, found):
    assert chosen(NeutralSymbols(configured, MADE), name) == found


def test_a_configured_name_that_nobody_trades_yet_spares_the_others_and_is_no_hint_of_itself():
    symbols = NeutralSymbols({"DOGE-USD": ["kraken:DOGE/USD"]}, MADE)
    assert "DOGE-USD" in symbols.names() and "DOGE-USD" not in symbols.traded() and symbols.traded()
    with pytest.raises(UnknownSymbol, match="there are BTC-USD"):
        symbols.of("DOGE-USD")


def test_what_an_account_does_not_have_is_refused_with_who_has_it():
    symbols = NeutralSymbols({}, MADE)
    assert list(symbols.on("BTC-USD", ["bitmex", "aster"])) == ["bitmex", "aster"]
    with pytest.raises(InvalidAccount, match="no account `astr`, did you mean aster"):
        symbols.on("BTC-USD", ["aster", "astr"])
    with pytest.raises(UnknownSymbol, match="kraken does not trade 'BTC-USD', pacifica-main, aster, bitmex, both do"):
        symbols.on("BTC-USD", ["kraken"])
    with pytest.raises(UnknownSymbol, match="no account trades 'BTC-GBP'"):
        symbols.of("BTC-GBP")
    assert symbols.names() == ["BTC-USD"]  # ETH is on one account alone
    assert [(each.symbol, each.configured, len(each.instruments)) for each in symbols.shown()] == [
        ("BTC-USD", False, 4)
    ]


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ('["okx:BTC/USDT:USDT"]', "okx:BTC/USDT:USDT is of venue okx, which is not configured at symbols.BTC-USD"),
        ('["aster:A/B", "aster:A/B"]', "aster:A/B stands twice in BTC-USD at symbols.BTC-USD"),
        ('["aster:A/B"]\n"X" = ["aster:A/B"]', "aster:A/B belongs to BTC-USD already at symbols.X"),
    ],
)
def test_names_of_a_control_plane_that_nobody_brings_are_refused(listed, said):
    text = f'[venues.a]\nkind = "aster"\n[control]\n[symbols]\n"BTC-USD" = {listed}\n'
    with pytest.raises(BadConfig, match=re.escape(said)):
        parse_config(text)
    parse_config(text.replace(listed, '["aster:BTC/USDT:USDT"]'))
