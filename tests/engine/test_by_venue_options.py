"""Options that may name a venue: what they say, what is refused, what a plan keeps."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onetape.engine.accounts import accounts_text, as_texts, at_par, from_texts, parse_accounts
from onetape.engine.latency import parse_latencies
from onetape.engine.plan import RunPlan, parse_fees, parse_volumes, read_plan, write_plan
from onetape.engine.venue_options import VenueOptions, parse_order_rates
from onetape.model.errors import BadConfig, InvalidAmount
from worlds.tapes import MS
from worlds.two_venues import TWO, said


@pytest.mark.parametrize(
    ("text", "accounts"),
    [
        ("100000 USDT", said(_="100000 USDT")),
        ("1 BTC,5 USDT", said(_="1 BTC 5 USDT")),
        ("binance=100000 USDT", said(binance="100000 USDT")),
        ("binance=100000 USDT,kraken=50000 USD", said(binance="100000 USDT", kraken="50000 USD")),
        (" binance = 1usdt , kraken=2 usd ", said(binance="1 USDT", kraken="2 USD")),
        ("kraken=1 USD,okx=2 USDT,kraken=3 BTC", said(kraken="1 USD 3 BTC", okx="2 USDT")),
        ("kraken=0 USD,okx=2 USDT", said(kraken="0 USD", okx="2 USDT")),
        ({"binance": "1 USDT, 2 BTC", "kraken": "3 USD"}, said(binance="1 USDT 2 BTC", kraken="3 USD")),
    ],
)
def test_cash_is_read(text, accounts) -> None:
    assert parse_accounts(text) == accounts
    assert list(parse_accounts(text)) == list(accounts)  # the first is the report's
    assert from_texts(as_texts(accounts)) == accounts


@pytest.mark.parametrize(
    ("text", "problem", "words"),
    [
        ("binance=1 USDT,2 BTC", BadConfig, "'2 BTC' names no venue"),
        ("2 BTC,binance=1 USDT", BadConfig, "'2 BTC' names no venue"),
        ("binance=1 USDT,binance=2 USDT", InvalidAmount, "USDT is given twice for binance"),
        ("=1 USDT", BadConfig, "no venue is called ''"),
        ("Binance=1 USDT", BadConfig, "no venue is called 'Binance'"),
        ("binance==1 USDT", InvalidAmount, "not an amount: '=1 USDT'"),
        ("binance=-1 USDT", InvalidAmount, "negative: '-1 USDT'"),
        ("binance=nan USDT", InvalidAmount, "not an amount"),
        ("binance=", InvalidAmount, "not an amount: ''"),
        ("binance=1 USDT,", BadConfig, "'' names no venue"),
        ({}, BadConfig, "no account"),
        ({"binance": "1 USDT", " binance": "2 USDT"}, BadConfig, "a venue is given twice"),
        ({"": "1 USDT"}, BadConfig, "no venue is called ''"),
        ({"3": "1 USDT"}, BadConfig, "no venue is called '3'"),
        ({"binance": 5}, BadConfig, "binance: write '100000 USDT', not 5"),
    ],
)
def test_cash_that_cannot_be_meant_is_refused(text, problem, words) -> None:
    with pytest.raises(problem) as caught:
        parse_accounts(text)
    assert words in str(caught.value)


def test_what_is_told_of_the_cash() -> None:
    assert accounts_text(said(_="100000 USDT 1 BTC")) == "100000 USDT, 1 BTC"
    assert accounts_text(said(binance="1 USDT", kraken="0.50 USD")) == ("binance 1 USDT, kraken 0.5 USD")
    assert at_par("USD", "USDT")
    assert at_par("EUR", "EUR")
    assert not at_par("USD", "EUR")


@pytest.mark.parametrize(
    ("text", "common", "named"),
    [
        ("10ms", "10ms", {}),
        ("kraken=20ms,80ms", None, {"kraken": "20ms,80ms"}),
        (["10ms", "kraken=20ms,80ms"], "10ms", {"kraken": "20ms,80ms"}),
        ("binance=1ms; kraken=20ms,80ms ;5ms", "5ms", {"binance": "1ms", "kraken": "20ms,80ms"}),
        ("feed=2ms;kraken=feed=3ms", "feed=2ms", {"kraken": "feed=3ms"}),
        ("kraken=1ms,burst=2us@5ms,feed=recorded", None, {"kraken": "1ms,burst=2us@5ms,feed=recorded"}),
        ({"": "10ms", "kraken": "20ms"}, "10ms", {"kraken": "20ms"}),
        ([], None, {}),
    ],
)
def test_latency_by_venue_is_read(text, common, named) -> None:
    plain = parse_latencies("5ms")[0] if common is None else parse_latencies(common)[0]
    venues = {name: parse_latencies(text)[0] for name, text in named.items()}
    assert parse_latencies(text) == (plain, venues)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1ms;2ms", "a second value for all venues"),
        (["kraken=1ms", "kraken=2ms"], "'2ms': a second value for kraken"),
        ({"kraken": 5}, "kraken: not a text: 5"),
        ("kraken=", "latency ''"),
        ("kraken=x", "latency 'x'"),
        ("Kraken=1ms", "latency 'Kraken=1ms'"),
        ({"Kraken": "1ms"}, "no venue is called 'Kraken'"),
        ("1ms;", "'': a second value for all venues"),
        (";kraken=1ms", "latency ''"),
    ],
)
def test_latency_by_venue_that_cannot_be_meant_is_refused(text, words) -> None:
    with pytest.raises(BadConfig) as caught:
        parse_latencies(text)
    assert words in str(caught.value)


def test_volumes_by_venue_are_read() -> None:
    assert parse_volumes("") == (Decimal(0), {})
    assert parse_volumes("5_000") == (Decimal(5000), {})
    assert parse_volumes("binance=7, 3,kraken=0") == (Decimal(3), {"binance": Decimal(7), "kraken": Decimal(0)})
    for text in ("1,2", "kraken=1,kraken=2", "kraken=-1", "kraken=nan", "x"):
        with pytest.raises(BadConfig, match="volume"):
            parse_volumes(text)


def test_fees_and_order_rates_by_venue_are_read() -> None:
    low, high = Decimal("0.0002"), Decimal("0.0005")
    assert parse_fees(()) == (None, {})
    assert parse_fees("0.0002,0.0005") == ((low, high), {})
    assert parse_fees(["kraken=0.0005", "0.0002"]) == ((low, low), {"kraken": (high, high)})
    assert parse_fees({"kraken": "0.0002,0.0005"}) == (None, {"kraken": (low, high)})
    assert parse_order_rates("300/10s;kraken=60/1s") == ((300, 10 * 10**9), {"kraken": (60, 10**9)})
    for options, words in (("kraken=x", "fee 'x'"), (["1,2", "0"], "a second value")):
        with pytest.raises(BadConfig, match=words):
            parse_fees(options)
    with pytest.raises(BadConfig, match="order rate '60'"):
        parse_order_rates("kraken=60")


def test_a_plan_keeps_it(tmp_path) -> None:
    fee, fees = parse_fees("0.1;kraken=-0.2,0.3")
    latency, latencies = parse_latencies("1ms;kraken=2ms,3ms,feed=1ms")
    rate, rates = parse_order_rates("3/1s;kraken=6/2s")
    plan = RunPlan(
        "a.py:A",
        accounts=TWO,
        fee_volumes={"kraken": Decimal(5)},
        fee=fee,
        fees=fees,
        latency=latency,
        latencies=latencies,
        venue=VenueOptions(order_rate=rate, order_rates=rates),
    )
    write_plan(plan, tmp_path / "run.toml", {})
    second, document = read_plan(tmp_path)
    assert second == plan
    assert document["money"]["cash"] == ["binance=10000 USDT", "kraken=1000 USD"]
    assert document["model"]["latencies"]["kraken"]["reply"] == 3 * MS
