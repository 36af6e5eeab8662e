"""Two simulated exchanges and the folder that carries money from one to the other."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from exchange.kraken_client import KrakenClient
from exchange.venue_client import BinanceClient, Virtual
from onetape.exchange.chain import Chain

FEE, DELAY = Decimal("0.0001"), 1.1
APPLY = "/sapi/v1/capital/withdraw/apply"
TO_SPOT = "/sapi/v1/asset/transfer"


class World:
    """Both at the same virtual time."""

    def __init__(self, folder) -> None:
        self.folder = folder / "chain"
        self.binance, self.kraken = Virtual("binance-usdm"), Virtual("kraken")
        self.both = (self.binance, self.kraken)
        self.chains = [Chain(self.folder, each.dialect.exchange) for each in self.both]
        self.accounts = [each.dialect.exchange.accounts[0] for each in self.both]
        for each, account in zip(self.both, self.accounts, strict=True):
            each.dialect.exchange.accounts.change_key(account.key, can_withdraw=True)
        b, k = self.accounts
        self.b = BinanceClient(self.binance, b.key, b.secret)
        self.k = KrakenClient(self.kraken, k.key, k.secret)
        self.query("POST", TO_SPOT, type="UMFUTURE_MAIN", asset="BTC", amount="0.5")

    def query(self, method: str, path: str, **params):
        status, body = self.b.ask(method, path, **params)
        assert status == 200, body
        return body

    def wait(self, seconds: float, carried: tuple[int, ...] = (0, 1)) -> None:
        for each in self.both:
            each.wait(seconds)
        now = max(each.time for each in self.both)
        for each in self.both:
            each.time = now
        for _ in range(2):  # what one has written the other reads
            for at in carried:
                self.chains[at]._next = 0
                self.chains[at].tick(self.both[at].time)

    def address(self, at: int, currency: str = "BTC") -> str:
        return self.both[at].dialect.exchange.transfers.address_of(self.accounts[at], currency)

    def withdraw(self, amount: str = "0.1", **more):
        terms = {"coin": "BTC", "network": "BTC", "address": self.address(1), "amount": amount}
        return self.b.ask("POST", APPLY, **{**terms, **more})

    def withdrawn(self) -> list[dict]:
        return self.query("GET", "/sapi/v1/capital/withdraw/history")

    def came(self) -> list[dict]:
        return self.k.ask("DepositStatus", asset="XXBT")[0]

    def coins(self) -> Decimal:
        return Decimal(self.k.ask("Balance")[0]["XXBT"])


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_money_goes_from_binance_to_kraken(world):
    before = world.coins()
    status, body = world.withdraw(withdrawOrderId="mine")
    assert status == 200, body
    (row,) = world.withdrawn()
    assert (row["id"], row["status"], row["txId"]) == (body["id"], 4, "")
    assert (row["amount"], row["transactionFee"]) == ("0.09990000", "0.00010000")
    assert row["withdrawOrderId"] == "mine"
    world.wait(DELAY)
    (row,) = world.withdrawn()
    assert row["status"] == 6
    (there,) = world.came()
    assert (there["txid"], there["status"]) == (row["txId"], "Settled")
    assert world.coins() == before
    world.wait(DELAY)
    (there,) = world.came()
    assert there["status"] == "Success"
    assert world.coins() == before + Decimal("0.1") - FEE
    (entry,) = [
        e
        for e in world.k.ask("Ledgers", type="deposit")[0]["ledger"].values()
        if Decimal(e["amount"]) == Decimal("0.0999")
    ]
    assert entry["asset"] == "XXBT"


def test_money_goes_from_kraken_to_binance(world):
    before = world.coins()
    terms = {"asset": "XXBT", "key": "there", "amount": "0.2", "address": world.address(0)}
    reported, errors = world.k.ask("Withdraw", **terms)
    assert errors == []
    assert world.coins() == before - Decimal("0.2")
    (row,) = world.k.ask("WithdrawStatus", asset="XXBT")[0]
    assert (row["refid"], row["status"], row["amount"]) == (reported["refid"], "Pending", "0.1999000000")
    (entry,) = world.k.ask("Ledgers", type="withdrawal")[0]["ledger"].values()
    assert (entry["refid"], entry["amount"], entry["fee"]) == (reported["refid"], "-0.1999000000", "0.0001000000")
    world.wait(DELAY)
    world.wait(DELAY)
    (came,) = world.query("GET", "/sapi/v1/capital/deposit/hisrec", coin="BTC")
    assert (came["amount"], came["status"]) == ("0.19990000", 1)
    back = world.query("POST", TO_SPOT, type="MAIN_UMFUTURE", asset="BTC", amount="0.6999")
    assert back["tranId"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"amount": "0.6"}, -4026),
        ({"amount": "0.0004"}, -1130),
        ({"amount": "much"}, -1102),
        ({"coin": "USD"}, -1102),
        ({"address": ""}, -1102),
        ({"walletType": "1"}, -1130),
    ],
)
def test_what_binance_refuses_moves_nothing(world, more, code):
    status, body = world.withdraw(**more)
    assert (status, body["code"]) == (400, code)
    assert world.withdrawn() == []


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"amount": "2"}, "EFunding:Insufficient funds"),
        ({"amount": "0.0004"}, "EFunding:Invalid amount"),
        ({"amount": "0.00000000001"}, "EFunding:Invalid amount"),
        ({"asset": "ZUSD"}, "EFunding:Unknown withdraw key"),
        ({"asset": "NONE"}, "EFunding:Unknown asset"),
        ({"key": ""}, "EFunding:Unknown withdraw key"),
        ({"key": "other", "address": ""}, "EFunding:Unknown withdraw key"),
        ({"address": "another"}, "EFunding:Invalid withdrawal address"),
    ],
)
def test_what_kraken_refuses_moves_nothing(world, more, error):
    terms = {"asset": "XXBT", "key": "there", "amount": "0.01", "address": world.address(0)}
    assert world.k.ask("Withdraw", **terms)[1] == []
    before = world.coins()
    assert world.k.ask("Withdraw", **{**terms, **more})[1] == [error]
    assert world.coins() == before


def test_a_key_needs_the_right(world):
    for each, account in zip(world.both, world.accounts, strict=True):
        each.dialect.exchange.accounts.change_key(account.key, can_withdraw=False)
    assert world.withdraw()[1]["code"] == -1002
    terms = {"asset": "XXBT", "key": "there", "amount": "0.01", "address": world.address(0)}
    assert world.k.ask("Withdraw", **terms)[1] == ["EGeneral:Permission denied"]


def test_one_that_fails_comes_back_with_its_fee(world):
    before = world.coins()
    terms = {"asset": "XXBT", "key": "there", "amount": "0.2", "address": world.address(0)}
    assert world.k.ask("Withdraw", **terms)[1] == []
    world.kraken.dialect.exchange.transfers.fail(1, world.kraken.time)
    (row,) = world.k.ask("WithdrawStatus", asset="XXBT")[0]
    assert (row["status"], world.coins()) == ("Failure", before)
    world.wait(DELAY)
    assert list(world.folder.iterdir()) == []


def test_what_goes_to_nobody_stays_on_the_chain(world):
    assert world.withdraw(address="nobodys")[0] == 200
    world.wait(DELAY)
    assert len(list(world.folder.iterdir())) == 1
    assert world.came() == []


def test_a_transaction_counts_once_however_often_it_is_read(world):
    assert world.withdraw()[0] == 200
    world.wait(DELAY)
    world.chains[1] = Chain(world.folder, world.kraken.dialect.exchange)
    world.wait(DELAY)
    assert len(world.came()) == 1


def test_an_exchange_that_was_away_takes_it_up_later(world):
    before = world.coins()
    assert world.withdraw()[0] == 200
    world.wait(DELAY, carried=(0,))
    assert world.came() == []
    world.wait(DELAY)
    world.wait(DELAY)
    assert world.coins() == before + Decimal("0.0999")


def test_a_file_that_is_no_transaction_is_named_and_passed_over(world, capsys):
    (world.folder / f"{'0' * 64}.json").write_text("{}")
    (world.folder / "note.txt").write_text("mine")
    assert world.withdraw()[0] == 200
    world.wait(DELAY)
    assert "no transaction" in capsys.readouterr().err
    assert len(world.came()) == 1
    (path,) = [p for p in world.folder.iterdir() if p.name[0] != "0" and p.suffix == ".json"]
    assert json.loads(path.read_text())["amount"] == "0.0999"
