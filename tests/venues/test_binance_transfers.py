"""Transfers between the wallets of Binance, over sockets: what is known not to have happened, what
is not known, and what the history then says."""

from __future__ import annotations

import contextlib
import http.client
import time

import msgspec
import pytest

from exchange.venue_process import VenueProcess
from onetape.model.errors import InvalidAmount
from onetape.model.money import money_units
from onetape.orders.calls import MASTER, Call, TransferRoute
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import MoveKind, TransferReport, TransferState
from onetape.venues.binance.trading import BinanceUsdmProtocol
from waiting import PATIENCE_S

PATH = "/sapi/v1/asset/transfer"
AMOUNT = money_units("12.5")


class World:
    def __init__(self, folder) -> None:
        self.venue = VenueProcess(folder / "state", "binance-usdm")
        account = self.venue.ready["accounts"][0]
        self.protocol = BinanceUsdmProtocol(account["key"], account["secret"])
        self.began = time.time_ns() - 1_000_000

    def ask(self, call: Call | None) -> Answer:
        """As a gateway does: without an answer, it is ambiguous."""
        assert call is not None
        connection = http.client.HTTPConnection("127.0.0.1", self.venue.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request(call.method, call.target, call.body, dict(call.headers))
            try:
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException):
                return Answer(Outcome.AMBIGUOUS)
        headers = {name.lower(): value for name, value in response.getheaders()}
        return self.protocol.answer(call, response.status, headers, body, time.time_ns())

    def transfer(self, source: str, target: str, amount: int = AMOUNT) -> Answer:
        return self.ask(self.protocol.transfer(TransferRoute(source, target), "USDT", amount, time.time_ns()))

    def history(self, source: str, target: str) -> list[TransferReport]:
        now = time.time_ns()
        call = self.protocol.transfers(TransferRoute(source, target), now, since=self.began)
        return [reported for reported in self.ask(call).reports if isinstance(reported, TransferReport)]

    def balance(self) -> int:
        reported = self.ask(self.protocol.balances(time.time_ns())).reports
        return next(each.total for each in reported if each.currency == "USDT")

    def fault(self, **rule: object) -> None:
        content = msgspec.json.encode({"fault": [{"path": PATH, "method": "POST", "count": 1, **rule}]})
        headers = {"Content-Type": "application/json"}
        status, reported, _ = self.venue.control.request("POST", "/faults", content, headers)
        assert status == 200, reported


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory.mktemp("transfers"))
    yield made
    made.venue.stop()


def test_money_goes_to_the_spot_wallet_and_back_and_the_history_has_both(world):
    before = world.balance()
    out = world.transfer("", "spot")
    assert out.outcome is Outcome.DONE
    assert world.balance() == before - AMOUNT
    back = world.transfer("spot", "")
    assert world.balance() == before
    (reported,) = [t for t in world.history("", "spot") if t.venue_id == out.value]
    assert reported[1:5] == ("", "spot", "USDT", AMOUNT)
    assert reported.state is TransferState.DONE
    assert abs(reported.time - time.time_ns()) < 60 * 10**9
    assert [t.venue_id for t in world.history("spot", "")][:1] == [back.value]
    moves = world.ask(world.protocol.account_moves(time.time_ns(), since=world.began)).reports
    assert [(m.kind, m.amount) for m in moves][-2:] == [(MoveKind.TRANSFER, -AMOUNT), (MoveKind.TRANSFER, AMOUNT)]


@pytest.mark.parametrize(("source", "target"), [("", "spot"), ("spot", "")])
def test_what_is_not_there_is_refused_for_good(world, source, target):
    before = world.balance()
    answer = world.transfer(source, target, 10**30)
    assert (answer.outcome, answer.venue_code) == (Outcome.DEFINITIVE, "-5013")
    assert world.balance() == before


@pytest.mark.parametrize(("action", "is_done"), [("drop_answer", True), ("drop_request", False)])
def test_an_answer_that_is_lost_says_nothing_and_the_history_says_it(world, action, is_done):
    before = world.balance()
    seen = {t.venue_id for t in world.history("", "spot")}
    world.fault(action=action)
    assert world.transfer("", "spot").outcome is Outcome.AMBIGUOUS
    found = [t for t in world.history("", "spot") if t.venue_id not in seen]
    assert [t.amount for t in found] == [AMOUNT] * is_done
    assert world.balance() == before - AMOUNT * is_done


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [
        ("-1021", 400, Outcome.SAFE),
        ("-1003", 429, Outcome.SAFE),
        ("-1007", 408, Outcome.AMBIGUOUS),
        ("-1002", 401, Outcome.DEFINITIVE),
    ],
)
def test_errors_say_whether_it_may_have_happened(world, error, status, outcome):
    world.fault(action="error", error=error, status=status, done=False)
    assert world.transfer("", "spot").outcome is outcome


def test_other_wallets_are_not_moved_between(world):
    assert world.protocol.transfer(TransferRoute("", "funding"), "USDT", 1, 0) is None
    assert world.protocol.transfers(TransferRoute("spot", "margin"), 0, since=0) is None


def test_an_address_without_wallets_has_carried_nothing_out(world):
    call = world.protocol.transfer(TransferRoute("", "spot"), "USDT", AMOUNT, 0)
    for body, outcome in ((b"<html>", Outcome.DEFINITIVE), (b'{"code": -1}', Outcome.AMBIGUOUS)):
        assert world.protocol.answer(call, 404, {}, body, 0).outcome is outcome


@pytest.mark.parametrize(
    ("source", "target", "terms"),
    [
        ("spot", "", "fromAccountType=SPOT&toAccountType=USDT_FUTURE"),
        ("", "spot", "fromAccountType=USDT_FUTURE&toAccountType=SPOT"),
        ("spot", "spot", "fromAccountType=SPOT&toAccountType=SPOT"),
        ("", "", None),
        ("spot", "margin", None),
    ],
)
def test_another_account_is_named_by_its_email_and_the_transfer_by_our_id(world, source, target, terms):
    call = world.protocol.transfer(TransferRoute(source, target, "a@b.c"), "USDT", AMOUNT, 0, name="t-1")
    if terms is None:
        assert call is None
        assert world.protocol.transfers(TransferRoute(source, target, "a@b.c"), 0, since=0, name="t") is None
        return
    assert call.target.startswith("/sapi/v1/sub-account/universalTransfer?toEmail=a%40b.c&")
    assert f"{terms}&clientTranId=t-1&asset=USDT&amount=12.5&" in call.target


def test_a_history_between_accounts_has_our_id(world):
    call = world.protocol.transfers(TransferRoute("spot", "", "a@b.c"), 0, since=0, name="t-1")
    row = {
        "tranId": 92275823339,
        "fromEmail": "m@b.c",
        "toEmail": "a@b.c",
        "asset": "USDT",
        "amount": "12.5",
        "createTimeStamp": 1640317374000,
        "fromAccountType": "SPOT",
        "toAccountType": "USDT_FUTURE",
        "status": "SUCCESS",
        "clientTranId": "t-1",
    }
    rows = [row, {**row, "toEmail": "other@b.c"}, {**row, "clientTranId": None}]
    body = msgspec.json.encode({"result": rows, "totalCount": 3})
    answer = world.protocol.answer(call, 200, {}, body, 0)
    time_ns = 1640317374000 * 10**6
    assert answer.reports == (
        TransferReport("92275823339", "spot", "", "USDT", AMOUNT, time_ns, TransferState.DONE, "t-1"),
    )


def test_to_the_master_goes_by_the_sub_accounts_own_key_and_says_no_more_than_what():
    protocol = BinanceUsdmProtocol("key", "secret")
    call = protocol.transfer(TransferRoute("spot", "spot", MASTER), "USDT", AMOUNT, 0, name="t-1")
    path = "/sapi/v1/sub-account/transfer/subToMaster"
    assert call.target.startswith(f"{path}?asset=USDT&amount=12.5&")
    assert protocol.answer(call, 200, {}, b'{"txnId": "2966662589"}', 0).value == "2966662589"
    for wallets in (("", "spot"), ("spot", ""), ("", "")):
        assert protocol.transfer(TransferRoute(*wallets, MASTER), "USDT", AMOUNT, 0) is None
        assert protocol.transfers(TransferRoute(*wallets, MASTER), 0, since=0) is None


def test_a_sub_accounts_history_has_what_went_to_the_master():
    protocol = BinanceUsdmProtocol("key", "secret")
    call = protocol.transfers(TransferRoute("spot", "spot", MASTER), 0, since=0, name="t-1")
    assert call.target.startswith("/sapi/v1/sub-account/transfer/subUserHistory?type=2&")
    row = {
        "counterParty": "master",
        "email": "m@b.c",
        "type": 2,
        "asset": "USDT",
        "qty": "12.5",
        "fromAccountType": "SPOT",
        "toAccountType": "SPOT",
        "status": "SUCCESS",
        "tranId": 11798835829,
        "time": 1544433325000,
    }
    others = ({"type": 1}, {"counterParty": "subAccount"}, {"toAccountType": "COIN_FUTURE"})
    body = msgspec.json.encode([row, *({**row, **other} for other in others)])
    time_ns = 1544433325000 * 10**6
    assert protocol.answer(call, 200, {}, body, 0).reports == (
        TransferReport("11798835829", "spot", "spot", "USDT", AMOUNT, time_ns, TransferState.DONE),
    )
    # A list that is full may not be all of it: nothing is known then.
    full = msgspec.json.encode([row] * 500)
    assert protocol.answer(call, 200, {}, full, 0).outcome is Outcome.AMBIGUOUS


def test_an_amount_that_the_history_would_show_otherwise_is_not_sent(world):
    """It would not be known again, and be moved twice."""
    with pytest.raises(InvalidAmount, match="leave out"):
        world.transfer("", "spot", money_units("1.000000001"))


def test_a_master_is_nobodys_sub_account(world):
    call = world.protocol.transfer(TransferRoute("spot", "spot", MASTER), "USDT", AMOUNT, time.time_ns())
    answer = world.ask(call)
    assert (answer.outcome, answer.venue_code) == (Outcome.DEFINITIVE, "-1002")
    reply = world.ask(world.protocol.transfers(TransferRoute("spot", "spot", MASTER), time.time_ns(), since=0))
    assert reply.outcome is Outcome.DEFINITIVE


def test_a_sub_account_is_nobodys_master(world):
    account = world.venue.ready["accounts"][1]
    protocol = BinanceUsdmProtocol(account["key"], account["secret"])
    call = protocol.transfer(TransferRoute("", "spot", "main"), "USDT", AMOUNT, time.time_ns(), name="no")
    answer = world.ask(call)
    assert (answer.outcome, answer.venue_code) == (Outcome.DEFINITIVE, "-1002")
