"""Symbols: what each part of a name means, and which names are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.model.enums import Kind
from onetape.model.errors import BadInput, NotAvailable
from onetape.model.symbol import file_stem, is_option, parse_symbol
from onetape.model.time import format_time


@pytest.mark.parametrize(
    ("text", "kind", "parts", "expiry"),
    [
        ("kraken:BTC/USD", "spot", "BTC USD USD", None),
        ("binance:BTC/USDT:USDT", "linear", "BTC USDT USDT", None),
        ("bitmex:BTC/USD:BTC", "inverse", "BTC USD BTC", None),
        ("bitmex:XRP/BTC:BTC-210924", "linear", "XRP BTC BTC", "2021-09-24T08:00:00Z"),
        ("okx:BTC/USD:BTC-241227", "inverse", "BTC USD BTC", "2024-12-27T08:00:00Z"),
        ("binance:1000SHIB/USDT:USDT", "linear", "1000SHIB USDT USDT", None),
        ("binance:币安人生/USDT:USDT", "linear", "币安人生 USDT USDT", None),
        ("my-venue_2:BTC/USD", "spot", "BTC USD USD", None),
        ("csv:MYDATA", "linear", "MYDATA XXX XXX", None),
        ("bitmex:UNIUSDT", "linear", "UNIUSDT XXX XXX", None),
        ("cffex:IF.2018-front", "linear", "IF.2018-front XXX XXX", None),
    ],
)
def test_parts(text: str, kind: str, parts: str, expiry: str | None) -> None:
    symbol = parse_symbol(text)
    assert symbol.kind == Kind(kind)
    assert f"{symbol.base} {symbol.quote} {symbol.settle}" == parts
    assert (symbol.expiry and format_time(symbol.expiry)) == expiry
    assert symbol.is_perpetual == (kind != "spot" and expiry is None)
    assert f"{symbol.venue}:{symbol.name}" == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "BTCUSDT",
        ":BTC/USD",
        "kraken:",
        "Kraken:BTC/USD",
        "kraken:BTC USD",
        "kraken:BTC/",
        "kraken:/USD",
        "kraken:BTC/USD/EUR",
        "kraken:BTC/USD:",
        "kraken:BTC:USD",
        "okx:BTC/USD:BTC-24127",
        "okx:BTC/USD:BTC-241327",
        "csv:a\nb",
        "csv:a\\b",
        "csv:" + "x" * 65,
    ],
)
def test_what_is_no_symbol(text: str) -> None:
    with pytest.raises(BadInput):
        parse_symbol(text)


@pytest.mark.parametrize(
    ("text", "why"), [("deribit:BTC/USD:BTC-241227-60000-C", "options"), ("bitmex:ETH/USD:BTC", "quanto")]
)
def test_what_is_not_modelled_says_so(text: str, why: str) -> None:
    with pytest.raises(NotAvailable, match=why):
        parse_symbol(text)


OPTIONS = [
    "deribit:BTC/USD:BTC-241227-60000-C",
    "okx:BTC-USD-241227-60000-C",
    "binance:BTC-241227-60000-P",
    "bybit:BTC-27DEC24-60000-C-USDT",
    "deribit:BTC-7MAR25-60000-C",
    "deribit:XRP_USDC-27DEC24-1d25-P",
    "opra:AAPL240119C00150000",
]


@pytest.mark.parametrize("text", OPTIONS)
def test_options_are_refused_by_name_however_a_venue_writes_them(text: str) -> None:
    assert is_option(text) and is_option(text.partition(":")[2])
    with pytest.raises(NotAvailable, match=f"{text} is an option, and options are not modelled"):
        parse_symbol(text)


@pytest.mark.parametrize("text", ["okx:BTC/USD:BTC-241227", "okx:BTC-USD-241227", "x:A-241227-60000", "csv:MYDATA-C"])
def test_other_names_are_no_options(text: str) -> None:
    assert not is_option(text)
    parse_symbol(text)


@given(st.text(max_size=30) | st.from_regex(r"[a-z]{1,3}:[A-Z0-9/:-]{1,20}", fullmatch=True))
def test_any_text_is_a_symbol_or_refused(text: str) -> None:
    try:
        symbol = parse_symbol(text)
    except (BadInput, NotAvailable) as error:
        assert "\n" not in str(error)
    else:
        assert symbol.text == text == f"{symbol.venue}:{symbol.name}"
        assert symbol.settle in (symbol.base, symbol.quote)


def test_file_stems_have_no_separators() -> None:
    assert file_stem("binance:BTC/USDT:USDT") == "binance@BTC_USDT@USDT"
    assert file_stem("okx:BTC/USD:BTC-241227") == "okx@BTC_USD@BTC-241227"
    assert file_stem("binance:BTCUSD_PERP") == "binance@BTCUSD%5FPERP"


@given(st.text(max_size=20), st.text(max_size=20))
def test_different_symbols_have_different_stems(one: str, other: str) -> None:
    stems = {file_stem("v:" + one), file_stem("v:" + other)}
    assert len(stems) == len({one, other})
    assert not set("/:\\\0 ") & set(file_stem("v:" + one))
