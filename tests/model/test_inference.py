"""Instruments of data that comes without one, and those a user gives."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from onetape.model import catalogue
from onetape.model.enums import Kind, Origin
from onetape.model.errors import BadConfig
from onetape.model.inference import assumptions, fit, infer
from onetape.model.user_instruments import parse_instruments

D = Decimal


def test_a_free_name() -> None:
    found = infer("csv:MYDATA", price_decimals=2, size_decimals=0)
    assert (found.tick, found.lot, found.kind) == (D("0.01"), D(1), Kind.LINEAR)
    assert (found.quote, found.settle, found.base) == ("XXX", "XXX", "MYDATA")
    assert (found.origin, found.inferred) == (Origin.INFERRED, ("tick", "lot"))
    assert {"maker_fee", "taker_fee", "kind", "quote"} <= set(found.defaulted)
    assert found.maker_fee == 0
    assert assumptions(found)[0] == "csv:MYDATA: tick 0.01, inferred from the data"
    assert "csv:MYDATA: quote currency not known, shown as XXX" in assumptions(found)


def test_a_known_venue_gives_its_fees() -> None:
    found = infer("binance:NEW/USDT:USDT", price_decimals=4, size_decimals=1)
    assert (found.base, found.quote, found.kind) == ("NEW", "USDT", Kind.LINEAR)
    assert (found.maker_fee, found.taker_fee) == (D("0.0002"), D("0.0005"))


def test_finer_prices_mean_another_tick_and_finer_sizes_only_more_room() -> None:
    recorded = catalogue.find("binance:BTC/USDT:USDT")
    assert recorded is not None
    assert fit(recorded, price_decimals=0, size_decimals=3) == recorded
    finer = fit(recorded, price_decimals=2, size_decimals=4)
    assert (finer.tick, finer.price_decimals) == (D("0.01"), 2)
    assert (finer.lot, finer.size_decimals) == (D("0.001"), 4)
    assert finer.inferred == ("tick", "size_decimals")
    assert (finer.taker_fee, finer.origin) == (recorded.taker_fee, Origin.CATALOGUE)


def test_given_facts_stand_over_the_catalogue_s() -> None:
    found = parse_instruments(
        """
        [[instrument]]
        symbol = "binance:BTC/USDT:USDT"
        tick = "0.01"
        taker_fee = 0.0004

        [[instrument]]
        symbol = "cffex:IF"
        tick = "0.2"
        lot = 1
        multiplier = 300
        quote = "CNY"
        settle = "CNY"
        """
    )
    btc, index = found["binance:BTC/USDT:USDT"], found["cffex:IF"]
    assert (btc.tick, btc.price_decimals, btc.lot) == (D("0.01"), 2, D("0.001"))
    assert (btc.taker_fee, btc.maker_fee) == (D("0.0004"), D("0.0002"))
    assert (btc.origin, btc.defaulted) == (Origin.USER, ("maker_fee", "liquidation_fee"))
    assert (index.tick, index.multiplier, index.quote) == (D("0.2"), D(300), "CNY")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[instrument]]\ntick = '1'", "symbol is missing, f.toml instrument 1"),
        ("[[instrument]]\nsymbol = 'csv:A'\nlot = '1'", "tick"),
        ("[[instrument]]\nsymbol = 'csv:A'\ntick = '1'\nlot = '1'\ncolour = 'b'", "'colour'"),
        ("[[instrument]]\nsymbol = 'csv:A'\ntick = 'x'\nlot = '1'", "tick is not a number"),
        ("[[instrument]]\nsymbol = 'csv:A'\ntick = true\nlot = '1'", "tick is not a number"),
        ("[[instrument]]\nsymbol = 'A'\ntick = '1'\nlot = '1'", "not a symbol"),
        ("[[instrument]]\nsymbol = 'csv:A'\ntick = '0'\nlot = '1'", "tick must be positive"),
        ("[instrument]\nsymbol = 'csv:A'", "list of tables"),
        ("[[instruments]]\nsymbol = 'csv:A'", "unknown key 'instruments'"),
        ("tick = ", "f.toml"),
        (2 * "[[instrument]]\nsymbol = 'csv:A'\ntick = '1'\nlot = '1'\n", "given twice"),
    ],
)
def test_mistakes_in_a_file_are_named(text: str, message: str) -> None:
    with pytest.raises(BadConfig, match=message):
        parse_instruments(text, location="f.toml")


def test_no_assumption_is_written_as_a_program_writes_it():
    """Tables (margin brackets, fee tiers) as `name value`, long ones by their ends."""
    for symbol in ("binance:BTC/USDT:USDT", "binance:BTC/USDT", "kraken:BTC/USD"):
        recorded = catalogue.find(symbol)
        assert recorded is not None
        every = msgspec.structs.replace(recorded, inferred=(), defaulted=recorded.__struct_fields__)
        for line in assumptions(every):
            assert "(" not in line and "Decimal" not in line and "'" not in line, line
