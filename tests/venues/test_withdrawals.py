"""Withdrawals and deposits at Binance and Kraken: what is asked, and what their lists tell."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import pytest

from onetape.model.errors import InvalidAmount, UsageError
from onetape.model.money import money_units
from onetape.orders.calls import Call, Destination, TransferRoute
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import OUTSIDE, TransferReport, TransferState
from onetape.venues.binance.trading import BinanceUsdmProtocol
from onetape.venues.kraken.assets import Pairs
from onetape.venues.kraken.trading import KrakenSpotProtocol

SECOND = 1_000_000_000
NOW = 1_795_000_000 * SECOND
THERE = Destination("BTC", "bc1qthere", "77", "to-there")
AMOUNT = money_units("0.25")
# As the documentation has them (read 2026-11).
SENT = {
    "id": "b6ae22b3aa844210a7041aee7589627c",
    "amount": "8.91000000",
    "transactionFee": "0.004",
    "coin": "USDT",
    "status": 6,
    "address": "0x94df8b352de7f46f64b01d3666bf6e936e44ce60",
    "txId": "0xb5ef8c13b968a406cc62a93a8bd80f9e9a906ef1b3fcf20a2e48573c17659268",
    "applyTime": "2019-10-12 11:12:02",
    "network": "ETH",
    "transferType": 0,
    "withdrawOrderId": "WITHDRAWtest123",
}
CAME = {
    "id": "769800519366885376",
    "amount": "0.001",
    "coin": "BNB",
    "network": "BNB",
    "status": 1,
    "address": "bnb136ns6lfw4zs5hg4n85vdthaad7hq5m4gtkgf23",
    "addressTag": "101764890",
    "txId": "98A3EA560C6B3336D348B6C83F0F95ECE4F1F5919E94BD006E5BF3BF264FACFC",
    "insertTime": 1661493146000,
    "transferType": 0,
    "confirmTimes": "1/1",
    "unlockConfirm": 0,
    "walletType": 0,
}
STATUS = {
    "method": "Bitcoin",
    "network": "Bitcoin",
    "aclass": "currency",
    "asset": "XXBT",
    "refid": "FTQcuak-V6Za8qrWnhzTx67yYHz8Tg",
    "txid": "THVRQM-33VKH-UCI7BS",
    "info": "bc1qthere",
    "amount": "0.72485000",
    "fee": "0.00015000",
    "time": 1617014586,
    "status": "Success",
    "key": "to-there",
}


@pytest.fixture
def binance() -> BinanceUsdmProtocol:
    return BinanceUsdmProtocol("key", "secret")


@pytest.fixture
def kraken() -> KrakenSpotProtocol:
    made = KrakenSpotProtocol("key", "c2VjcmV0")
    pair = {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "base": "XXBT",
        "quote": "ZUSD",
        "pair_decimals": 1,
        "lot_decimals": 8,
        "execution_venue": "international",
    }
    made.set_pairs(Pairs({"XXBTZUSD": pair}))
    return made


def query(call: Call | None) -> dict[str, str]:
    found = dict(parse_qsl(call.target.partition("?")[2]))
    return {k: v for k, v in found.items() if k not in ("timestamp", "recvWindow", "signature")}


def form(call: Call | None) -> dict[str, str]:
    found = dict(parse_qsl(call.body.decode()))
    del found["nonce"]
    return found


def read(protocol, call: Call, value: object) -> Answer:
    if isinstance(protocol, KrakenSpotProtocol):
        value = {"error": [], "result": value}
    return protocol.answer(call, 200, {}, json.dumps(value).encode(), NOW)


# --- Binance --------------------------------------------------------------------------------------


def test_binance_is_asked_with_our_id_and_all_of_the_address(binance):
    call = binance.transfer(TransferRoute("spot", "", THERE), "BTC", AMOUNT, NOW, name="t-1")
    assert (call.method, call.target.partition("?")[0]) == ("POST", "/sapi/v1/capital/withdraw/apply")
    assert query(call) == {
        "coin": "BTC",
        "withdrawOrderId": "t-1",
        "network": "BTC",
        "address": "bc1qthere",
        "addressTag": "77",
        "amount": "0.25",
        "walletType": "0",
    }
    reported = read(binance, call, {"id": SENT["id"]})
    assert (reported.outcome, reported.value) == (Outcome.DONE, SENT["id"])


def test_binance_sends_nothing_out_of_another_wallet(binance):
    assert binance.transfer(TransferRoute("", "", THERE), "BTC", AMOUNT, NOW, name="t") is None


@pytest.mark.parametrize(
    ("name", "amount", "error"), [("a.b", "1", UsageError), ("a" * 33, "1", UsageError), ("t", "1e-9", InvalidAmount)]
)
def test_what_binance_would_not_show_in_full_is_not_sent(binance, name, amount, error):
    with pytest.raises(error):
        binance.transfer(TransferRoute("spot", "", THERE), "BTC", money_units(amount), NOW, name=name)


def test_binances_history_is_asked_by_our_id_for_less_than_a_week(binance):
    call = binance.transfers(TransferRoute("spot", "", THERE), NOW, since=NOW, name="t-1", currency="BTC")
    terms = query(call)
    assert terms["withdrawOrderId"] == "t-1"
    assert int(terms["endTime"]) - int(terms["startTime"]) < 7 * 86_400_000
    (row,) = read(binance, call, [SENT]).reports
    time = 1_570_878_722 * SECOND
    assert row == TransferReport(
        SENT["id"],
        "spot",
        OUTSIDE,
        "USDT",
        money_units("8.914"),
        time,
        TransferState.DONE,
        "WITHDRAWtest123",
        money_units("0.004"),
        SENT["txId"],
    )


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"status": 0}, "underway"),
        ({"status": 2}, "underway"),
        ({"status": 4}, "underway"),
        ({"status": 1}, "failed"),
        ({"status": 3}, "failed"),
        ({"status": 5}, "failed"),
        ({"status": 6, "txId": ""}, "underway"),
        ({"status": 99}, "underway"),
    ],
)
def test_states_of_a_withdrawal_at_binance(binance, changes, state):
    call = binance.transfers(TransferRoute("spot", "", THERE), NOW, since=NOW, name="t")
    (row,) = read(binance, call, [{**SENT, **changes}]).reports
    assert row.state == state


@pytest.mark.parametrize(
    ("status", "state"), [(0, "underway"), (8, "underway"), (1, "done"), (6, "done"), (7, "failed"), (2, "failed")]
)
def test_deposits_at_binance(binance, status, state):
    call = binance.deposits("BNB", NOW, since=NOW - SECOND)
    assert query(call) == {"coin": "BNB", "startTime": str(NOW // 10**6 - 1000), "limit": "1000", "offset": "0"}
    reported = read(binance, call, [{**CAME, "status": status}])
    assert reported.reports == (
        TransferReport(
            CAME["id"],
            OUTSIDE,
            "spot",
            "BNB",
            money_units("0.001"),
            1661493146 * SECOND,
            TransferState(state),
            txid=CAME["txId"],
        ),
    )
    assert reported.cursor == ""
    assert read(binance, call, [CAME] * 1000).cursor == f"{NOW // 10**6 - 1000}:1000"


@pytest.mark.parametrize("rows", [[{}], {"code": 0}, [{**SENT, "amount": "much"}], "none"])
def test_an_answer_that_makes_no_sense_is_ambiguous(binance, rows):
    call = binance.transfers(TransferRoute("spot", "", THERE), NOW, since=NOW, name="t")
    assert read(binance, call, rows).outcome is Outcome.AMBIGUOUS
    request = binance.transfer(TransferRoute("spot", "", THERE), "BTC", AMOUNT, NOW, name="t")
    assert read(binance, request, {"no": "id"}).outcome is Outcome.AMBIGUOUS


# --- Kraken ---------------------------------------------------------------------------------------


def test_kraken_is_asked_by_the_stored_name_and_the_address_that_we_mean(kraken):
    call = kraken.transfer(TransferRoute("", "spot", THERE), "BTC", AMOUNT, NOW, name="t")
    assert call.target == "/0/private/Withdraw"
    assert form(call) == {"asset": "XXBT", "key": "to-there", "address": "bc1qthere", "amount": "0.25"}
    assert read(kraken, call, {"refid": STATUS["refid"]}).value == STATUS["refid"]
    assert kraken.transfer(TransferRoute("futures", "spot", THERE), "BTC", AMOUNT, NOW) is None


def test_krakens_list_of_withdrawals(kraken):
    call = kraken.transfers(TransferRoute("", "spot", THERE), NOW, since=NOW, currency="BTC")
    assert form(call) == {"asset": "XXBT", "start": str(NOW // SECOND - 1), "limit": "500"}
    (row,) = read(kraken, call, [STATUS]).reports
    assert row == TransferReport(
        STATUS["refid"],
        "",
        OUTSIDE,
        "BTC",
        money_units("0.725"),
        1617014586 * SECOND,
        TransferState.DONE,
        fee=money_units("0.00015"),
        txid=STATUS["txid"],
    )


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"status": "Initial"}, "underway"),
        ({"status": "Pending", "txid": None}, "underway"),
        ({"status": "Settled"}, "underway"),
        ({"status": "Success", "txid": None}, "underway"),
        ({"status": "Failure"}, "failed"),
        ({"status": "Pending", "status-prop": "canceled"}, "failed"),
        ({"status": "Pending", "status-prop": "onhold"}, "underway"),
    ],
)
def test_states_of_a_withdrawal_at_kraken(kraken, changes, state):
    call = kraken.transfers(TransferRoute("", "spot", THERE), NOW, since=NOW, currency="BTC")
    (row,) = read(kraken, call, [{**STATUS, **changes}]).reports
    assert row.state == state


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "done"),
        ({"status": "Settled"}, "underway"),
        ({"status": "Failure"}, "failed"),
        ({"status-prop": "onhold"}, "underway"),
        ({"status-prop": "return"}, "failed"),
    ],
)
def test_deposits_at_kraken(kraken, changes, state):
    call = kraken.deposits("BTC", NOW, since=NOW)
    assert call.target == "/0/private/DepositStatus"
    (row,) = read(kraken, call, [{**STATUS, **changes}]).reports
    assert row == TransferReport(
        STATUS["refid"],
        OUTSIDE,
        "",
        "BTC",
        money_units("0.7247"),
        1617014586 * SECOND,
        TransferState(state),
        txid=STATUS["txid"],
    )


def test_a_list_of_kraken_that_is_full_proves_nothing(kraken):
    call = kraken.transfers(TransferRoute("", "spot", THERE), NOW, since=NOW, currency="BTC")
    assert read(kraken, call, [STATUS] * 500).outcome is Outcome.AMBIGUOUS


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("EFunding:Unknown withdraw key", Outcome.DEFINITIVE),
        ("EFunding:Insufficient funds", Outcome.DEFINITIVE),
        ("EFunding:Invalid amount", Outcome.DEFINITIVE),
        ("EGeneral:Permission denied", Outcome.DEFINITIVE),
        ("EService:Timeout", Outcome.AMBIGUOUS),
        ("EFunding:Something new", Outcome.AMBIGUOUS),
    ],
)
def test_errors_of_kraken_say_whether_it_may_have_happened(kraken, error, outcome):
    call = kraken.transfer(TransferRoute("", "spot", THERE), "BTC", AMOUNT, NOW)
    body = json.dumps({"error": [error]}).encode()
    assert kraken.answer(call, 200, {}, body, NOW).outcome is outcome
