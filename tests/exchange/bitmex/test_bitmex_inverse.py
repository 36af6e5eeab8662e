"""Inverse contracts on the simulated BitMEX, against closed forms: N contracts of a dollar, entered
at E and left at X, make N (1/E - 1/X) bitcoin."""

from __future__ import annotations

from fractions import Fraction

import pytest

from exchange.bitmex.bitmex_client import client_of, push
from exchange.venue_client import Virtual
from onetape.model.enums import Side

SATOSHI = Fraction(1, 10**8)
UNIT = Fraction(1, 10**18)
TAKER = Fraction("0.00075")
MAINTENANCE = Fraction("0.005")


@pytest.fixture
def venue():
    return Virtual("bitmex")


def trades(client) -> list[dict]:
    rows = client.ask("GET", "/execution/tradeHistory", symbol="XBTUSD", count=1000)[1]
    return [row for row in rows if row["execType"] == "Trade"]


def wallet(client) -> int:
    return client.ask("GET", "/user/wallet")[1]["amount"]


def value(rows: list[dict]) -> Fraction:
    """Bitcoin that trades were worth."""
    return sum((Fraction(row["lastQty"]) / Fraction(str(row["lastPx"])) for row in rows), Fraction())


@pytest.mark.parametrize(("first", "last", "sign"), [("Buy", "Sell", 1), ("Sell", "Buy", -1)])
def test_a_round_trip_pays_the_difference_of_reciprocals_less_fees(venue, first, last, sign):
    client, before = client_of(venue), wallet(client_of(venue))
    opened = client.order(first, 40_000)[1]
    assert opened["ordStatus"] == "Filled"
    entries = trades(client)
    venue.wait(120)
    client.order(last, 40_000, execInst="ReduceOnly")
    exits = trades(client)[len(entries) :]
    assert sum(row["lastQty"] for row in entries) == sum(row["lastQty"] for row in exits) == 40_000
    profit = sign * (value(entries) - value(exits))
    fees = TAKER * (value(entries) + value(exits))
    assert abs(wallet(client) - before - (profit - fees) / SATOSHI) <= 1
    position = client.ask("GET", "/position")[1][0]
    assert (position["currentQty"], position["isOpen"]) == (0, False)
    assert abs(position["realisedPnl"] - (profit - fees) / SATOSHI) <= 1


def test_average_prices_are_harmonic(venue):
    client = client_of(venue)
    order = client.order("Buy", 40_000)[1]
    rows = trades(client)
    assert len({row["lastPx"] for row in rows}) > 1
    harmonic = 40_000 / value(rows)
    assert order["avgPx"] == pytest.approx(float(harmonic), abs=1e-4)
    position = client.ask("GET", "/position")[1][0]
    assert position["avgEntryPrice"] == pytest.approx(float(harmonic), abs=1e-4)
    plain = sum(row["lastQty"] * row["lastPx"] for row in rows) / 40_000
    assert abs(plain - float(harmonic)) > 1e-4  # else the case tells nothing


def test_unrealized_profit_and_margin_follow_the_mark(venue):
    client = client_of(venue)
    client.order("Sell", 30_000)
    entry = value(trades(client))
    venue.wait(300)
    position = client.ask("GET", "/position")[1][0]
    mark = Fraction(str(position["markPrice"]))
    wanted = (30_000 / mark - entry) / SATOSHI
    assert abs(position["unrealisedPnl"] - wanted) <= 1
    margin = client.ask("GET", "/user/margin")[1]
    assert abs(margin["marginBalance"] - margin["walletBalance"] - wanted) <= 2
    assert abs(margin["maintMargin"] - MAINTENANCE * 30_000 / mark / SATOSHI) <= 1


@pytest.mark.parametrize(("side", "sign"), [("Buy", 1), ("Sell", -1)])
def test_a_position_goes_at_its_liquidation_price_and_not_before(venue, side, sign):
    client, exchange = client_of(venue), venue.dialect.exchange
    account = exchange.accounts[0]
    client.order(side, 40_000)
    held = value(trades(client))
    exchange.accounts.deposit(account, "BTC", "-9.98", venue.time)
    balance = int(account.money.balance(0)) * UNIT
    # W + s (N/E - N/P) = m N/P, solved for P.
    closed = (1 + sign * MAINTENANCE) * 40_000 / (held + sign * balance)
    shown = client.ask("GET", "/position")[1][0]["liquidationPrice"]
    assert shown == pytest.approx(float(closed), abs=0.001)
    tick = int(closed * 10)
    safe, deadly = (tick + 1, tick) if sign > 0 else (tick, tick + 1)
    exchange.set_mark(0, safe, safe, venue.time)
    assert account.qty(0) == sign * 40_000
    exchange.set_mark(0, deadly, deadly, venue.time)
    assert account.qty(0) == 0
    venue.settle()
    last = client.ask("GET", "/order", symbol="XBTUSD", reverse=True, count=1)[1][0]
    assert last["text"] == "Liquidation"


def test_funding_is_paid_on_the_value_at_the_mark(venue):
    client, exchange = client_of(venue), venue.dialect.exchange
    client.order("Buy", 50_000)
    before = wallet(client)
    mark = Fraction(exchange.listings[0].mark, 10)
    exchange.clearing.fund(0, venue.time, 375_000_000)  # 0.000375
    venue.settle()
    paid = Fraction("0.000375") * 50_000 / mark / SATOSHI
    assert abs(before - wallet(client) - paid) <= 1
    rows = client.ask("GET", "/execution/tradeHistory", symbol="XBTUSD", reverse=True)[1]
    assert (rows[0]["execType"], rows[0]["lastQty"]) == ("Funding", 50_000)
    assert abs(rows[0]["execComm"] - paid) <= 1
    answer = client.ask("GET", "/funding", symbol="XBTUSD")[1]
    assert answer[-1]["fundingRate"] == 0.000375


def test_the_wallet_history_adds_up_to_the_wallet(venue):
    client = client_of(venue)
    client.order("Buy", 70_000)
    venue.wait(120)
    client.order("Sell", 70_000)
    rows = client.ask("GET", "/user/walletHistory")[1]
    assert sum(row["amount"] for row in rows) == rows[0]["walletBalance"] == wallet(client)
    assert rows[-1]["transactType"] == "Deposit"


def test_a_triggered_close_is_cut_to_the_position_and_ends(venue):
    client = client_of(venue)
    client.order("Buy", 1000)
    last = client.ask("GET", "/instrument", symbol="XBTUSD")[1][0]["lastPrice"]
    stop = round(last - 0.5, 1)
    _, order = client.ask("POST", "/order", symbol="XBTUSD", ordType="Stop", stopPx=stop, execInst="Close,LastPrice")
    assert (order["side"], order["orderQty"], order["workingIndicator"]) == ("Sell", None, False)
    push(client, -0.5)
    found = client.ask("GET", "/order", filter={"orderID": order["orderID"]})[1][0]
    assert (found["ordStatus"], found["triggered"]) == ("Filled", "StopOrderTriggered")
    assert (found["orderQty"], found["cumQty"], found["leavesQty"]) == (1000, 1000, 0)
    assert venue.dialect.exchange.accounts[0].qty(0) == 0


def test_bins_add_up_to_the_trades_in_contracts_and_in_bitcoin(venue):
    venue.wait(180)
    client = client_of(venue)
    rows = client.ask("GET", "/trade", symbol="XBTUSD", reverse=True, count=1000)[1]
    bins = client.ask("GET", "/trade/bucketed", symbol="XBTUSD", binSize="1m", reverse=True)[1]
    whole = [b for b in bins if b["timestamp"] > rows[-1]["timestamp"][:16] + ":59"]
    tested = 0
    for each in whole:
        minute = [r for r in rows if _minute_end(r["timestamp"]) == each["timestamp"]]
        if not minute or minute[-1] is rows[-1]:
            continue
        assert each["volume"] == sum(r["size"] for r in minute)
        home = sum(Fraction(r["size"]) / Fraction(str(r["price"])) for r in minute)
        assert each["homeNotional"] == pytest.approx(float(home), rel=1e-6)
        assert each["vwap"] == pytest.approx(float(each["volume"] / home), rel=1e-6)
        tested += 1
    assert tested
    assert venue.dialect.exchange.board.levels(0, Side.BUY, 1)


def _minute_end(stamp: str) -> str:
    from datetime import datetime, timedelta

    at = datetime.fromisoformat(stamp.replace("Z", "+00:00")).replace(second=0, microsecond=0)
    return (at + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_a_public_trade_is_worth_its_lots(venue):
    """As recorded on 2021-07-22: 900 at 32180.5 is 9 lots of 100, each of 310747 XBt."""
    from onetape.exchange.bitmex.wire import contract_value, gross_value, notionals

    i = venue.dialect.exchange.instruments[0]
    for price, size, value in ((32175, 1000, 3108000), (32180.5, 100, 310747), (32180.5, 900, 2796723)):
        units = int(price * 10**i.price_decimals)
        assert gross_value(i, units, size * 10**i.size_decimals) == value
        assert notionals(i, units, size * 10**i.size_decimals, value) == (value / 1e8, size)
    assert contract_value(i, int(32180.5 * 10**i.price_decimals), 900 * 10**i.size_decimals) == 2796725


def test_executions_add_up_to_the_position_and_the_wallet(venue):
    client = client_of(venue)
    before = wallet(client)
    client.order("Buy", 70_000)
    fills = client.ask("GET", "/execution/tradeHistory", symbol="XBTUSD", count=1000)[1]
    position = client.ask("GET", "/position")[1][0]
    assert sum(f["execCost"] for f in fills) == pytest.approx(position["posCost"], abs=len(fills))
    assert sum(f["homeNotional"] for f in fills) == pytest.approx(-position["posCost"] / 1e8, abs=1e-8 * len(fills))
    venue.wait(120)
    client.order("Sell", 70_000)
    fills = client.ask("GET", "/execution/tradeHistory", symbol="XBTUSD", count=1000)[1]
    cash = sum(f["execCost"] + f["execComm"] for f in fills)
    assert wallet(client) - before == pytest.approx(-cash, abs=2 * len(fills))
