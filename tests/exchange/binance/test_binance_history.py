"""What the simulated Binance USD-M remembers: klines of prices, amendments, income, pages; and
hedge mode."""

from __future__ import annotations

from decimal import Decimal

import pytest

from exchange.venue_client import BinanceClient, Virtual, ok
from onetape.exchange.venues import Crowd

BTC = {"symbol": "BTCUSDT"}
ORDER = "/fapi/v1/order"


def market(client, side: str, size: str, **more):
    return ok(client.ask("POST", ORDER, **BTC, side=side, type="MARKET", quantity=size, **more))


@pytest.mark.parametrize(
    ("path", "name", "now"),
    [
        ("markPriceKlines", "symbol", "markPrice"),
        ("indexPriceKlines", "pair", "indexPrice"),
        ("premiumIndexKlines", "symbol", ""),
    ],
)
def test_prices_that_nobody_traded_at_have_klines(venue, client, path, name, now):
    venue.wait(70)
    ask = lambda **terms: ok(  # noqa: E731
        client.ask("GET", f"/fapi/v1/{path}", signed=False, **{name: "BTCUSDT"}, **terms)
    )
    rows = ask(interval="1m", limit=5)
    assert len(rows) == 5
    for row in rows:
        opened, high, low, closed = (Decimal(row[at]) for at in (1, 2, 3, 4))
        assert low <= min(opened, closed) <= max(opened, closed) <= high
        assert row[6] - row[0] == 59_999
        assert (row[5], row[7]) == ("0", "0")
    assert rows[-2][8] == 60  # a price a second
    wide = ask(interval="5m", limit=1)[0]
    assert wide[0] % 300_000 == 0
    if now:
        shown = ok(client.ask("GET", "/fapi/v1/premiumIndex", signed=False, **BTC))
        assert Decimal(rows[-1][4]) == Decimal(shown[now])
    else:
        assert all(abs(Decimal(row[4])) < Decimal("0.01") for row in rows)
    first = ask(interval="1m", startTime=rows[1][0], limit=2)
    assert [row[0] for row in first] == [rows[1][0], rows[2][0]]
    answer = client.ask("GET", f"/fapi/v1/{path}", signed=False, interval="1m")
    assert answer[1]["code"] == -1102
    bad = client.ask("GET", f"/fapi/v1/{path}", signed=False, **{name: "BTCUSDT"}, interval="7m")
    assert bad[1]["code"] == -1120


def test_an_hour_lies_before_the_start_and_its_bars_are_what_its_trades_say():
    venue = Virtual("binance-usdm", limits=False, market=Crowd())
    account = venue.dialect.exchange.accounts[0]
    client = BinanceClient(venue, account.key, account.secret)
    ask = lambda path, **terms: ok(client.ask("GET", f"/fapi/v1/{path}", signed=False, **BTC, **terms))  # noqa: E731
    bars = ask("klines", interval="1m", limit=60)
    assert len(bars) == 60
    assert [row[0] for row in bars] == [bars[0][0] + 60_000 * n for n in range(60)]
    trades: list[dict] = []
    page = ask("aggTrades", startTime=bars[1][0], limit=1000)
    while page:
        trades += page
        page = ask("aggTrades", fromId=trades[-1]["a"] + 1, limit=1000)
    assert [each["a"] for each in trades] == list(range(trades[0]["a"], trades[0]["a"] + len(trades)))
    for opened, *prices, volume, closes, _, count, _, _, _ in bars[1:-1]:
        inside = [each for each in trades if opened <= each["T"] <= closes]
        found = [Decimal(each["p"]) for each in inside]
        assert [Decimal(each) for each in prices] == [found[0], max(found), min(found), found[-1]]
        assert (Decimal(volume), count) == (sum(Decimal(each["q"]) for each in inside), len(inside))
    top = ask("ticker/bookTicker")
    levels = ask("depth", limit=5)
    assert (top["bidPrice"], top["askPrice"]) == (levels["bids"][0][0], levels["asks"][0][0])


def test_amendments_are_listed_newest_first_and_by_page(client):
    terms = {**BTC, "side": "BUY", "quantity": "0.010"}
    order = ok(client.ask("POST", ORDER, **terms, type="LIMIT", timeInForce="GTC", price="58000.0"))
    for price in ("57900.0", "57800.0", "57700.0"):
        ok(client.ask("PUT", ORDER, **terms, orderId=order["orderId"], price=price))
    ask = lambda **more: ok(  # noqa: E731
        client.ask("GET", "/fapi/v1/orderAmendment", **BTC, orderId=order["orderId"], **more)
    )
    rows = ask()
    assert [r["amendment"]["count"] for r in rows] == [3, 2, 1]
    assert rows[0]["amendment"]["price"] == {"before": "57800.00", "after": "57700.00"}
    assert [r["amendment"]["count"] for r in ask(limit=1)] == [3]
    assert ask(startTime=rows[0]["time"] + 1) == []


def test_trades_and_orders_are_paged_without_loss_or_repetition(client):
    orders = [market(client, "BUY", "0.010") for _ in range(7)]
    every = ok(client.ask("GET", "/fapi/v1/userTrades", **BTC, limit=1000))
    seen, start = [], 0
    for _ in range(20):
        page = ok(client.ask("GET", "/fapi/v1/userTrades", **BTC, fromId=start, limit=3))
        if not page:
            break
        seen += page
        start = page[-1]["id"] + 1
    assert seen == every
    assert {t["orderId"] for t in seen} == {o["orderId"] for o in orders}
    second = ok(client.ask("GET", "/fapi/v1/allOrders", **BTC, orderId=orders[2]["orderId"], limit=2))
    assert [o["orderId"] for o in second] == [o["orderId"] for o in orders[2:4]]


def test_income_has_every_kind_and_adds_up_to_the_balance(venue, client):
    exchange = venue.dialect.exchange
    account = exchange.accounts[0]
    market(client, "BUY", "0.050")
    exchange.clearing.fund(0, venue.time, 10**8)
    market(client, "SELL", "0.020")
    exchange.clearing.force_close(account, 0, "both", venue.time, "liquidation")
    venue.settle()
    rows = [r for r in ok(client.ask("GET", "/fapi/v1/income", limit=1000)) if r["asset"] == "USDT"]
    assert {r["incomeType"] for r in rows} == {
        "TRANSFER",
        "COMMISSION",
        "FUNDING_FEE",
        "REALIZED_PNL",
        "INSURANCE_CLEAR",
    }
    balance = next(r for r in ok(client.ask("GET", "/fapi/v3/balance")) if r["asset"] == "USDT")
    assert sum(Decimal(r["income"]) for r in rows) == Decimal(balance["balance"])
    assert len({r["tranId"] for r in rows}) == len(rows)
    pages = []
    for page in range(1, 20):
        found = ok(client.ask("GET", "/fapi/v1/income", startTime=1, page=page, limit=2))
        pages += [r for r in found if r["asset"] == "USDT"]
        if not found:
            break
    assert [r["tranId"] for r in pages] == [r["tranId"] for r in rows]


def test_hedge_mode_holds_both_sides_and_refuses_what_does_not_fit(client):
    assert (
        client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010", positionSide="LONG")[1]["code"]
        == -4061
    )
    ok(client.ask("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true"))
    assert client.ask("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true")[1]["code"] == (-4059)
    for more, code in (
        ({}, -4061),
        ({"positionSide": "BOTH"}, -4061),
        ({"positionSide": "UP"}, -4060),
        ({"positionSide": "LONG", "reduceOnly": "true"}, -1106),
    ):
        answer = client.ask("POST", ORDER, **BTC, side="BUY", type="MARKET", quantity="0.010", **more)
        assert answer[1]["code"] == code, more
    market(client, "BUY", "0.030", positionSide="LONG")
    market(client, "SELL", "0.020", positionSide="SHORT")
    risk = {r["positionSide"]: r for r in ok(client.ask("GET", "/fapi/v3/positionRisk", **BTC))}
    assert {side: row["positionAmt"] for side, row in risk.items()} == {"LONG": "0.030", "SHORT": "-0.020"}
    assert all(Decimal(row["entryPrice"]) > 0 for row in risk.values())
    # More than is held is not closed, and does not open the other side.
    over = client.ask("POST", ORDER, **BTC, side="SELL", type="MARKET", quantity="0.031", positionSide="LONG")
    assert over[1]["code"] == -2022
    assert client.ask("POST", "/fapi/v1/positionSide/dual", dualSidePosition="false")[1]["code"] == (-4068)
    market(client, "SELL", "0.030", positionSide="LONG")
    market(client, "BUY", "0.020", positionSide="SHORT")
    assert ok(client.ask("GET", "/fapi/v3/positionRisk", **BTC)) == []
    ok(client.ask("POST", "/fapi/v1/positionSide/dual", dualSidePosition="false"))


def test_isolated_sides_of_hedge_mode_have_a_margin_each(client):
    ok(client.ask("POST", "/fapi/v1/positionSide/dual", dualSidePosition="true"))
    ok(client.ask("POST", "/fapi/v1/marginType", **BTC, marginType="ISOLATED"))
    market(client, "BUY", "0.030", positionSide="LONG")
    market(client, "SELL", "0.020", positionSide="SHORT")
    move = {**BTC, "amount": "50", "type": 1}
    assert client.ask("POST", "/fapi/v1/positionMargin", **move)[1]["code"] == -4061
    before = {r["positionSide"]: r for r in ok(client.ask("GET", "/fapi/v3/positionRisk", **BTC))}
    ok(client.ask("POST", "/fapi/v1/positionMargin", **move, positionSide="SHORT"))
    after = {r["positionSide"]: r for r in ok(client.ask("GET", "/fapi/v3/positionRisk", **BTC))}
    gained = {s: Decimal(after[s]["isolatedWallet"]) - Decimal(before[s]["isolatedWallet"]) for s in after}
    assert gained == {"LONG": 0, "SHORT": 50}


@pytest.mark.parametrize(
    "path", ["allOrders", "userTrades", "income", "forceOrders", "allAlgoOrders", "positionMargin/history", "trades"]
)
@pytest.mark.parametrize(
    ("name", "said"), [("limit", "abc"), ("limit", "0"), ("limit", "-5"), ("startTime", "-1"), ("fromId", "1_0")]
)
def test_a_number_that_is_none_is_refused_by_its_name(client, path, name, said):
    reads = {"startTime": path in ("allOrders", "userTrades", "income"), "fromId": path in ("userTrades", "trades")}
    if reads.get(name, True):
        status, body = client.ask("GET", f"/fapi/v1/{path}", **BTC, **{name: said})
        assert (status, body["code"]) == (400, -1130)
        assert body["msg"] == f"Data sent for parameter '{name}' is not valid."
