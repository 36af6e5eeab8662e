"""Transfers from Kraken's spot wallet: what is asked, and what of the ledger tells of them."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import pytest

from onetape.model.errors import InvalidAmount
from onetape.model.money import money_units
from onetape.orders.calls import MASTER, TransferRoute
from onetape.orders.outcome import Outcome
from onetape.orders.reports import TransferReport, TransferState
from onetape.venues.kraken.assets import Pairs
from onetape.venues.kraken.trading import KrakenSpotProtocol

SECOND = 1_000_000_000
NOW = 1_795_000_000 * SECOND
PAIR = {
    "altname": "XBTUSD",
    "wsname": "XBT/USD",
    "base": "XXBT",
    "quote": "ZUSD",
    "pair_decimals": 1,
    "lot_decimals": 8,
    "execution_venue": "international",
}
ROW = {
    "refid": "FTQcuak-V6Za8qrWnhzTx67yYHz8Tg",
    "time": 1_794_999_000.25,
    "type": "transfer",
    "subtype": "spottofutures",
    "aclass": "currency",
    "asset": "ZUSD",
    "amount": "-500.0000",
    "fee": "0.0000",
    "balance": "27.5000",
}


@pytest.fixture
def protocol() -> KrakenSpotProtocol:
    made = KrakenSpotProtocol("key", "c2VjcmV0")
    made.set_pairs(Pairs({"XXBTZUSD": PAIR}))
    return made


def answer(protocol, call, result):
    body = json.dumps({"error": [], "result": result}).encode()
    return protocol.answer(call, 200, {}, body, NOW)


def test_the_request_names_the_asset_and_both_wallets(protocol):
    call = protocol.transfer(TransferRoute("", "futures"), "BTC", money_units("0.25"), NOW, name="t-1")
    assert call.target == "/0/private/WalletTransfer"
    terms = dict(parse_qsl(call.body.decode()))
    assert int(terms.pop("nonce")) == NOW // 1000
    assert terms == {"asset": "XXBT", "from": "Spot Wallet", "to": "Futures Wallet", "amount": "0.25"}
    assert answer(protocol, call, {"refid": ROW["refid"]}).value == ROW["refid"]


@pytest.mark.parametrize("way", [("futures", ""), ("", "spot"), ("", "margin"), ("futures", "futures")])
def test_there_is_one_way_only(protocol, way):
    assert protocol.transfer(TransferRoute(*way), "USD", 1, NOW) is None
    assert protocol.transfers(TransferRoute(*way), NOW, since=0) is None


@pytest.mark.parametrize("to", ["second", MASTER])
def test_there_is_no_way_to_another_account(protocol, to):
    assert protocol.transfer(TransferRoute("", "futures", to), "USD", 1, NOW) is None
    assert protocol.transfers(TransferRoute("", "futures", to), NOW, since=0) is None


def test_the_ledger_tells_what_went_to_the_futures_wallet(protocol):
    call = protocol.transfers(TransferRoute("", "futures"), NOW, since=NOW)
    terms = dict(parse_qsl(call.body.decode()))
    assert (terms["type"], terms["start"], terms["ofs"]) == ("transfer", str(NOW // SECOND - 1), "0")
    rows = {
        "L1": ROW,
        "L2": {**ROW, "amount": "500.0000"},  # the other wallet's half
        "L3": {**ROW, "subtype": "spotfromfutures", "amount": "500.0000"},
        "L4": {**ROW, "subtype": "spottostaking"},
    }
    reply = answer(protocol, call, {"ledger": rows, "count": 70})
    time = 1_794_999_000 * SECOND + SECOND // 4
    assert reply.reports == (
        TransferReport(ROW["refid"], "", "futures", "USD", money_units(500), time, TransferState.DONE),
    )
    assert reply.cursor == f"{NOW // SECOND - 1}:4"
    more = protocol.transfers(TransferRoute("", "futures"), NOW, since=0, cursor=reply.cursor)
    assert dict(parse_qsl(more.body.decode()))["ofs"] == "4"


def test_an_amount_that_the_ledger_would_show_otherwise_is_not_sent(protocol):
    answer(protocol, protocol.balances(NOW), {"ZUSD": "171288.6158", "XXBT": "0.1234567890"})
    fine = money_units("0.00005")
    assert protocol.transfer(TransferRoute("", "futures"), "BTC", fine, NOW) is not None
    with pytest.raises(InvalidAmount, match="finer"):
        protocol.transfer(TransferRoute("", "futures"), "USD", fine, NOW)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("EFunding:Insufficient funds", Outcome.DEFINITIVE),
        ("EGeneral:Permission denied", Outcome.DEFINITIVE),
        ("EAPI:Invalid nonce", Outcome.SAFE),
        ("EAPI:Rate limit exceeded", Outcome.SAFE),
        ("EService:Timeout", Outcome.AMBIGUOUS),
        ("EFunding:Something new", Outcome.AMBIGUOUS),
    ],
)
def test_errors_say_whether_it_may_have_happened(protocol, error, outcome):
    call = protocol.transfer(TransferRoute("", "futures"), "USD", money_units(1), NOW)
    body = json.dumps({"error": [error]}).encode()
    assert protocol.answer(call, 200, {}, body, NOW).outcome is outcome
