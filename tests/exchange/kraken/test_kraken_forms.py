"""What the simulated Kraken spot says, in the forms that the documentation gives: names, sums and
fields, written out here. `test_kraken_certify.py` holds the same to recorded ones."""

from __future__ import annotations

import json
import zlib
from decimal import Decimal
from itertools import pairwise
from urllib.parse import parse_qsl

import msgspec
import pytest
from test_kraken_certify import lacks, only

from exchange.kraken_client import KrakenClient
from exchange.venue_client import Virtual
from onetape.exchange.kraken.book import checksum
from onetape.exchange.kraken.names import Names, altname, asset_id
from onetape.model import catalogue
from onetape.venues.kraken.polls import KrakenPolls


@pytest.fixture
def client() -> KrakenClient:
    venue = Virtual("kraken", limits=False)
    account = venue.dialect.exchange.accounts[0]
    return KrakenClient(venue, account.key, account.secret)


PAIRS = {
    "BTC/USD": ("XXBTZUSD", "XBTUSD", "XBT/USD", "XXBT", "ZUSD"),
    "ETH/BTC": ("XETHXXBT", "ETHXBT", "ETH/XBT", "XETH", "XXBT"),
    "DOGE/USD": ("XDGUSD", "XDGUSD", "XDG/USD", "XXDG", "ZUSD"),
    "USDT/USD": ("USDTZUSD", "USDTUSD", "USDT/USD", "USDT", "ZUSD"),
    "ADA/EUR": ("ADAEUR", "ADAEUR", "ADA/EUR", "ADA", "ZEUR"),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_old_names_of_what_is_old_and_plain_ones_of_what_is_newer(pair):
    pair_id, short, shown, base_id, quote_id = PAIRS[pair]
    base, quote = pair.split("/")
    names = Names([catalogue.find(f"kraken:{pair}")], [base, quote])
    assert (names.pair_ids[0], names.altnames[0], names.wsnames[0]) == (pair_id, short, shown)
    assert (asset_id(base), asset_id(quote)) == (base_id, quote_id)
    assert f"{altname(base)}/{altname(quote)}" == shown


@pytest.mark.parametrize(
    ("asks", "bids", "text"),
    [
        # A decimal point and what is 0 before the first figure are left out; asks come first.
        ([(5_005, 500)], [(5_000, 1_230)], "5005500" + "50001230"),
        ([(5_005, 500), (5_010, 7)], [], "5005500" + "50107"),
        # Ten of each side, however many there are.
        (
            [(100 + n, 1) for n in range(12)],
            [(99 - n, 2) for n in range(12)],
            "".join(f"{100 + n}1" for n in range(10)) + "".join(f"{99 - n}2" for n in range(10)),
        ),
    ],
)
def test_the_checksum_is_of_ten_levels_without_points_and_zeros(asks, bids, text):
    """Prices have 5 decimals, so that 5005 units are 0.05005."""
    pair = msgspec.structs.replace(catalogue.find("kraken:BTC/USD"), price_decimals=5, size_decimals=8)
    assert checksum(pair, bids, asks) == zlib.crc32(text.encode())


def test_who_goes_on_from_a_trade_of_a_moment_gets_the_others_of_it_too(client):
    """Times are shown rounded, up as well: whoever asked from the shown time on left out the rest of that moment."""
    client.transport.wait(20)
    (listing, *_) = client.transport.dialect.exchange.listings
    last = listing.trades[-1].trade_id
    rows = only(client.public("Trades", pair="XBTUSD", since=str(listing.trades[0].time - 1))[0])
    assert any(a.time == b.time for a, b in pairwise(listing.trades))
    for _, _, seconds, *_, number in rows:
        call = KrakenPolls().call("trades", listing.instrument, (number, int(Decimal(str(seconds)).scaleb(9))))
        terms = dict(parse_qsl(call.target.partition("?")[2]))
        found = [row[-1] for row in only(client.public("Trades", **terms)[0])]
        assert set(found) >= set(range(number, min(last, number + 100)))


TEXTS = ["", ""]
ANSWERS = {
    "Time": (lambda c: c.public("Time")[0], {"unixtime": 1, "rfc1123": ""}),
    "AssetPairs": (
        lambda c: only(c.public("AssetPairs", pair="XBTUSD")[0]),
        {
            "altname": "", "wsname": "", "aclass_base": "", "base": "", "aclass_quote": "",
            "quote": "", "lot": "", "cost_decimals": 1, "pair_decimals": 1, "lot_decimals": 1,
            "lot_multiplier": 1, "leverage_buy": [], "leverage_sell": [], "fees": [[0, 0.25]],
            "fees_maker": [[0, 0.16]], "fee_volume_currency": "", "margin_call": 80,
            "margin_stop": 40, "ordermin": "", "costmin": "", "tick_size": "", "status": "",
        },
    ),
    "Ticker": (
        lambda c: only(c.public("Ticker", pair="XBTUSD")[0]),
        {
            "a": ["", "", ""], "b": ["", "", ""], "c": TEXTS, "v": TEXTS, "p": TEXTS, "t": [1, 1],
            "l": TEXTS, "h": TEXTS, "o": "",
        },
    ),
    "Depth": (
        lambda c: only(c.public("Depth", pair="XBTUSD")[0]),
        {"asks": [["", "", 1]], "bids": [["", "", 1]]},
    ),
    "Trades": (
        lambda c: only(c.public("Trades", pair="XBTUSD")[0]), [["", "", 1.0, "", "", "", 1]],
    ),
    "AddOrder": (lambda c: c.place()[0], {"descr": {"order": ""}, "txid": [""]}),
    "OpenOrders": (
        lambda c: (c.place(), only(c.ask("OpenOrders")[0]["open"]))[1],
        {
            "refid": None, "userref": None, "status": "", "opentm": 1.0, "starttm": 0,
            "expiretm": 0, "vol": "", "vol_exec": "", "cost": "", "fee": "", "price": "",
            "stopprice": "", "limitprice": "", "misc": "", "oflags": "",
            "descr": {"pair": "", "type": "", "ordertype": "", "price": "", "price2": "",
                      "leverage": "", "order": "", "close": ""},
        },
    ),
    "CancelOrder": (
        lambda c: (c.place(userref="5"), c.ask("CancelOrder", txid="5")[0])[1], {"count": 1},
    ),
    "TradeBalance": (
        lambda c: c.ask("TradeBalance")[0],
        {"eb": "", "tb": "", "m": "", "n": "", "c": "", "v": "", "e": "", "mf": ""},
    ),
}  # fmt: skip


@pytest.mark.parametrize("method", ANSWERS)
def test_answers_have_the_documented_fields(client, method):
    ask, wanted = ANSWERS[method]
    assert lacks(wanted, ask(client)) == []


LEVEL = {"price": 1.0, "qty": 1.0}
CANDLE = ("open", "high", "low", "close", "trades", "volume", "vwap", "interval")
PRICES = ("bid", "bid_qty", "ask", "ask_qty", "last", "volume", "vwap", "low", "high", "change", "change_pct")
MESSAGES = {
    "book": ({}, {"symbol": "", "bids": [LEVEL], "asks": [LEVEL], "checksum": 1}),
    "ticker": ({}, {"symbol": "", **dict.fromkeys(PRICES, 1.0)}),
    "trade": ({}, {"symbol": "", "side": "", "price": 1.0, "qty": 1.0, "ord_type": "", "trade_id": 1, "timestamp": ""}),
    "ohlc": ({"interval": 1}, {"symbol": "", **dict.fromkeys(CANDLE, 1), "interval_begin": "", "timestamp": ""}),
}


@pytest.mark.parametrize("channel", MESSAGES)
def test_messages_have_the_documented_fields(client, channel):
    more, wanted = MESSAGES[channel]
    answer = query(client, "subscribe", {"channel": channel, "symbol": ["BTC/USD"], **more})
    assert lacks({"channel": "", "type": "", "data": [wanted]}, answer) == []
    assert answer["channel"] == channel


def test_a_pong_has_the_documented_fields(client):
    wanted = {"method": "", "req_id": 1, "time_in": "", "time_out": ""}
    assert lacks(wanted, query(client, "ping", None)) == []


def query(client, method: str, params) -> dict:
    """The last message that comes."""
    venue = client.transport
    connection = venue.connect("/v2")
    connection.out.clear()
    request = {"method": method, "params": params, "req_id": 42}
    venue.dialect.message(connection, json.dumps(request).encode(), venue.time)
    return json.loads(connection.out[-1])


TERMS = {
    "limit": {"price": "50000.0"},
    "market": {},
    "stop-loss": {"price": "57000.0"},
    "stop-loss-limit": {"price": "57000.0", "price2": "57100.0"},
    "take-profit": {"price": "50000.0"},
    "take-profit-limit": {"price": "50000.0", "price2": "50000.0"},
}


@pytest.mark.parametrize("kind", TERMS)
def test_orders_are_understood_as_clients_write_them(client, kind):
    """Flags side by side, and what an order leaves to the venue as it is by default."""
    usual = {"validate": "false", "timeinforce": "GTC"} if kind.endswith("limit") else {}
    flags = {"oflags": "fciq,post"} if kind == "limit" else {"oflags": "fciq"}
    terms = {"pair": "XBTUSD", "type": "buy", "ordertype": kind, "volume": "0.01"}
    reported, error = client.ask("AddOrder", **terms, **TERMS[kind], **usual, **flags)
    assert error == []
    assert len(reported["txid"]) == 1
    _, error = client.ask("AddOrder", **terms, **TERMS[kind], leverage="2")
    assert error == ["EGeneral:Invalid arguments:leverage"]


def test_the_fee_schedule_has_each_step(client):
    """As AssetPairs of XBT/USDT was recorded, and with the four decimals that TradeVolume writes."""
    pair = client.public("AssetPairs", pair="XBTUSD")[0]["XXBTZUSD"]
    assert pair["fees"][:3] == [[0, 0.4], [10000, 0.35], [50000, 0.24]]
    assert pair["fees_maker"][:3] == [[0, 0.25], [10000, 0.2], [50000, 0.14]]
    fees = client.ask("TradeVolume", pair="XBTUSD")[0]["fees"]["XXBTZUSD"]
    assert fees == {
        "fee": "0.4000",
        "minfee": "0.1000",
        "maxfee": "0.4000",
        "nextfee": "0.3500",
        "nextvolume": "10000.0000",
        "tiervolume": "0.0000",
    }
