"""What clients that others wrote found missing on the simulated Kraken spot."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from exchange.kraken_client import KrakenClient
from exchange.venue_client import Virtual


@pytest.fixture
def venue():
    return Virtual("kraken")


@pytest.fixture
def client(venue):
    account = venue.dialect.exchange.accounts[0]
    return KrakenClient(venue, account.key, account.secret)


def test_ledger_entries_are_asked_for_by_id(client):
    _, errors = client.place(ordertype="market")
    assert errors == []
    listed, _ = client.ask("Ledgers")
    first, second = list(listed["ledger"])[:2]
    found, errors = client.ask("QueryLedgers", id=f"{first},{second}")
    assert errors == []
    assert found == {each: listed["ledger"][each] for each in (first, second)}
    assert client.ask("QueryLedgers", id="LAAAAA-AAAAA-AAAAAA")[1] == ["EGeneral:Invalid arguments:id"]
    assert client.ask("QueryLedgers")[1] == ["EGeneral:Invalid arguments:id"]


def test_spreads_are_a_history_and_go_on_from_the_last(venue, client):
    venue.wait(120)
    reported, errors = client.public("Spread", pair="XBTUSD")
    assert errors == []
    rows = reported["XXBTZUSD"]
    assert 10 < len(rows) <= 200
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    assert all(Decimal(bid) < Decimal(ask) for _, bid, ask in rows)
    assert all(one[1:] != other[1:] for one, other in pairwise(rows))
    assert reported["last"] == rows[-1][0]
    assert rows[-1][1:] == [f"{price:.1f}" for price in client.best()]
    venue.wait(1)
    more, _ = client.public("Spread", pair="XBTUSD", since=reported["last"])
    assert more["XXBTZUSD"][0][0] >= reported["last"]
    assert len(more["XXBTZUSD"]) < len(rows)


@pytest.mark.parametrize(
    ("terms", "price", "price2"),
    [
        ({"price": "-1000"}, -1000, None),
        ({"price": "-10%"}, "-10%", None),
        ({"price": "#1000"}, -1000, None),
        ({"type": "sell", "price": "#2%"}, "2%", None),
        ({"ordertype": "stop-loss", "price": "#500"}, 500, None),
        ({"type": "sell", "ordertype": "stop-loss", "price": "#500"}, -500, None),
        ({"ordertype": "take-profit", "price": "#500"}, -500, None),
        ({"ordertype": "stop-loss-limit", "price": "+500", "price2": "+20"}, 500, 20),
        ({"ordertype": "stop-loss-limit", "price": "+500", "price2": "-1%"}, 500, "-1%"),
    ],
    ids=lambda each: str(each),
)
def test_a_price_may_be_relative_to_the_last_or_to_its_trigger(client, terms, price, price2):
    def from_base(base: Decimal, offset) -> Decimal:
        if isinstance(offset, str):
            offset = base * Decimal(offset.removesuffix("%")) / 100
        return (base + offset).quantize(Decimal("0.1"))

    (ticker,) = client.public("Ticker", pair="XBTUSD")[0].values()
    placed, errors = client.place(**terms)
    assert errors == []
    (txid,) = placed["txid"]
    words = client.ask("QueryOrders", txid=txid)[0][txid]["descr"]
    wanted = from_base(Decimal(ticker["c"][0]), price)
    assert Decimal(words["price"]) == wanted
    if price2 is not None:
        assert Decimal(words["price2"]) == from_base(wanted, price2)


def test_what_an_amendment_or_an_edit_cannot_change_is_refused(client):
    (txid,) = client.place()[0]["txid"]
    assert client.ask("AmendOrder", txid=txid, order_qty="0.02", display_qty="0.001")[1] == [
        "EGeneral:Invalid arguments:display_qty"
    ]
    assert client.ask("EditOrder", pair="XBTUSD", txid=txid, volume="0.02", displayvol="0.01")[1] == [
        "EGeneral:Invalid arguments:displayvol"
    ]
    assert list(client.ask("OpenOrders")[0]["open"]) == [txid]


@pytest.mark.parametrize("name", ["ListSubaccounts", "Level3", "WithdrawAddresses", "OrderAmends", "Earn/Strategies"])
def test_what_is_not_there_is_an_unknown_method(client, name):
    assert client.ask(name) == (None, ["EGeneral:Unknown method"])
    assert client.public(name) == (None, ["EGeneral:Unknown method"])


def test_money_comes_and_goes_by_methods_that_are_listed(venue, client):
    venue.dialect.exchange.accounts[0].can_withdraw = True
    (one,), errors = client.ask("DepositMethods", asset="XBT")
    assert errors == []
    assert (one["method"], one["limit"], one["gen-address"]) == ("BTC", False, True)
    assert client.ask("DepositMethods", asset="ZUSD") == ([], [])
    assert client.ask("DepositMethods", asset="NO")[1] == ["EFunding:Unknown asset"]
    rows, _ = client.ask("WithdrawMethods")
    assert {row["asset"] for row in rows} >= {"XXBT", "XETH"}
    (row,), _ = client.ask("WithdrawMethods", asset="XXBT")
    assert (row["method"], row["network"], row["minimum"]) == ("BTC", "BTC", "0.0005")
    terms = {"asset": "XBT", "key": "cold", "amount": "0.01"}
    assert client.ask("WithdrawInfo", **terms)[1] == ["EFunding:Unknown withdraw key"]
    assert client.ask("Withdraw", **terms, address="sim1")[1] == []
    info, errors = client.ask("WithdrawInfo", **terms)
    assert errors == []
    assert (Decimal(info["amount"]), Decimal(info["fee"])) == (Decimal("0.0099"), Decimal("0.0001"))
    assert client.ask("WithdrawInfo", **{**terms, "amount": "900"})[1] == ["EFunding:Insufficient funds"]
