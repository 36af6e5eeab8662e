"""What a live robot trades follows from its parameters, whatever they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from onetape.engine.strategy import Strategy
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.robot.live import LiveOptions, symbols_of

BTC, ETH, SOL = (f"binance:{coin}/USDT:USDT" for coin in ("BTC", "ETH", "SOL"))


class Several(Strategy):
    symbol: str = BTC
    other: str = ETH
    more: tuple[str, ...] = (SOL, BTC)
    heard: str = "kraken:BTC/USD"  # brought by a collector
    mode: str = "binance:fast"
    size: float = 1.0


class Nameless(Strategy):
    size: float = 1.0


def symbols(strategy, kind="binance-usdm", symbol=None, **params) -> list[str]:
    text = f'[venues.v]\nkind = "{kind}"\n[accounts.main]\nvenue = "v"\n'
    options = LiveOptions(
        strategy=strategy, data=(), home=Path(), params=params, symbol=symbol, config=parse_config(text)
    )
    return symbols_of(options)


def test_each_parameter_that_names_an_instrument_of_the_venue_counts():
    assert symbols(Several) == [BTC, ETH, SOL]
    assert symbols(Several, other=SOL, symbol=ETH) == [ETH, SOL, BTC]
    assert symbols(Several, kind="ccxt:binanceusdm") == [BTC, ETH, SOL]


def test_on_another_venue_only_what_is_said_outright_counts_beside_its_own():
    assert symbols(Several, kind="kraken") == [BTC, "kraken:BTC/USD"]


class Many(Strategy):
    symbols: list[str] = []  # noqa: RUF012


def test_many_symbols_are_one_parameter_as_text_or_as_a_list():
    assert symbols(Many, symbols=f"{BTC}, {ETH}") == [BTC, ETH]
    assert symbols(Many, symbols=[SOL, ETH]) == [SOL, ETH]
    assert symbols(Several, more=f"{SOL},{ETH}") == [BTC, ETH, SOL]
    config = parse_config(f"""
        [venues.v]
        kind = "binance-usdm"
        [accounts.main]
        venue = "v"
        [robots.a]
        strategy = "many.py:Many"
        account = "main"
        params = {{ symbols = "{BTC},{ETH}" }}
        [robots.b]
        strategy = "many.py:Many"
        account = "main"
        params = {{ symbols = ["{ETH}"], symbol = "{SOL}" }}
    """)
    assert config.robots["a"].symbols == [BTC, ETH]
    assert config.robots["b"].symbols == [SOL, ETH]


def test_a_strategy_that_names_nothing_is_told_so():
    with pytest.raises(BadConfig, match="no parameter of the strategy names a symbol to trade"):
        symbols(Nameless)
