"""krakenex trades for two minutes on a simulated Kraken spot."""

from __future__ import annotations

import time
from decimal import Decimal

import krakenex
from session import Session

TRADED_S = 120
PAIR = "XBTUSD"
SIZES = ("0.001", "0.002", "0.0005")

s = Session()
k = krakenex.API(key=s.key, secret=s.secret)
k.uri = s.rest


def ask(name, **params):
    """Raises where the answer has an error."""
    is_public = name in ("Time", "Assets", "AssetPairs", "Ticker", "Depth", "Trades", "OHLC", "Spread", "SystemStatus")
    query = k.query_public if is_public else k.query_private
    answer = query(name, params, timeout=15)
    if answer["error"]:
        raise RuntimeError(", ".join(answer["error"]))
    return answer["result"]


def best():
    book = ask("Depth", pair=PAIR, count=1)["XXBTZUSD"]
    return Decimal(book["bids"][0][0]), Decimal(book["asks"][0][0])


def order(**more):
    return ask("AddOrder", pair=PAIR, **more)["txid"][0]


def begin():
    s.call("Time", lambda: ask("Time"), lambda v: v["unixtime"])
    s.call("SystemStatus", lambda: ask("SystemStatus"), lambda v: v["status"] == "online")
    s.call("AssetPairs", lambda: ask("AssetPairs", pair=PAIR), lambda v: "XXBTZUSD" in v)
    s.call("Ticker", lambda: ask("Ticker", pair=PAIR), len)
    s.call("OHLC", lambda: ask("OHLC", pair=PAIR, interval=1), lambda v: len(v["XXBTZUSD"]) > 5)
    s.call("Trades", lambda: ask("Trades", pair=PAIR), lambda v: len(v["XXBTZUSD"]) > 5)
    s.call("Balance", lambda: ask("Balance"), lambda v: float(v["ZUSD"]) == s.balances["USD"])
    s.call("DepositMethods", lambda: ask("DepositMethods", asset="XBT"), len)
    s.call("WithdrawMethods", lambda: ask("WithdrawMethods"), len)
    s.refused("unknown pair", lambda: ask("Ticker", pair="NO"), RuntimeError)
    s.refused(
        "trailing stop", lambda: order(type="buy", ordertype="trailing-stop", price="+5%", volume="0.001"), RuntimeError
    )


def trade():
    end, turns, working, refused = time.monotonic() + TRADED_S, 0, "", []
    while time.monotonic() < end:
        turns += 1
        side, size = ("sell" if turns % 3 == 0 else "buy"), SIZES[turns % 3]
        try:
            if working:
                ask("CancelOrder", txid=working)
                working = ""
            if turns % 2:
                order(type=side, ordertype="market", volume=size)
            elif turns % 4:
                working = order(type=side, ordertype="limit", price="#2%", volume=size)
            else:
                bid, ask_price = best()
                price = ask_price if side == "buy" else bid
                order(type=side, ordertype="limit", price=str(price), volume=size, timeinforce="IOC")
        except Exception as error:
            refused.append(str(error))
        time.sleep(4)
    s.holds("25 trading rounds", turns >= 25, turns)
    s.holds("nothing is refused", not refused, refused[:3])


def pages(name, kind, **params):
    """All rows, page by page."""
    rows = {}
    while True:
        page = ask(name, ofs=len(rows), **params)[kind]
        if not page:
            return rows
        rows |= page


def history():
    return pages("TradesHistory", "trades")


def compare():
    s.books(
        "balances as the ledger's",
        lambda: {
            name: Decimal(text).quantize(Decimal("1e-10"))
            for name, text in ask("Balance").items()
            if name in ("ZUSD", "XXBT")
        },
        lambda book: {
            mine: Decimal(book["balances"][name]).quantize(Decimal("1e-10"))
            for mine, name in (("ZUSD", "USD"), ("XXBT", "BTC"))
        },
    )
    s.books(
        "trades as the ledger's",
        lambda: sorted(
            (row["trade_id"], Decimal(row["price"]), Decimal(row["vol"]), row["type"]) for row in history().values()
        ),
        lambda book: sorted((t["id"], Decimal(t["price"]), Decimal(t["size"]), t["side"]) for t in book["trades"]),
    )
    s.books(
        "working orders as the ledger's",
        lambda: len(ask("OpenOrders")["open"]),
        lambda book: sum(o["open"] for o in book["orders"]),
    )
    entries = pages("Ledgers", "ledger", asset="ZUSD", type="trade").values()
    signs = {"sell": 1, "buy": -1}
    traded = sum(Decimal(t["cost"]) * signs[t["type"]] for t in history().values())
    booked = sum(Decimal(row["amount"]) for row in entries)
    s.holds("the ledger's entries are the trades", abs(traded - booked) < Decimal("0.001"), (traded, booked))


begin()
trade()
compare()
s.done()
