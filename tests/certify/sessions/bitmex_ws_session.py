"""bitmex-ws, which streams only, against a simulated BitMEX; orders come from plain signed REST."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request

from bitmex_websocket import BitMEXWebsocket
from session import Session

SYMBOL = "XBTUSD"

s = Session()


def ask(method, path, body=None):
    data = json.dumps(body) if body else ""
    expires = str(int(time.time()) + 60)
    text = f"{method}{path}{expires}{data}"
    headers = {
        "api-key": s.key,
        "api-expires": expires,
        "Content-Type": "application/json",
        "api-signature": hmac.new(s.secret.encode(), text.encode(), hashlib.sha256).hexdigest(),
    }
    request = urllib.request.Request(s.rest + path, data.encode() or None, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def own(rows, number):
    return [r for r in rows if r["orderID"] == number]


def main():
    w = s.call(
        "connect with a key", lambda: BitMEXWebsocket(endpoint=s.ws, symbol=SYMBOL, api_key=s.key, api_secret=s.secret)
    )
    s.call("get_instrument", w.get_instrument, lambda v: v["symbol"] == SYMBOL)
    ticker = s.call("get_ticker", w.get_ticker, lambda v: v["buy"] < v["sell"])
    s.call("funds", w.funds, lambda v: v["walletBalance"] > 0)
    s.call("positions", w.positions, lambda v: isinstance(v, list))
    s.call("market_depth", w.market_depth, lambda v: len(v) > 20)
    s.call("recent_trades", w.recent_trades, len)
    count = len(w.recent_trades())
    last = w.recent_trades()[-1]
    s.eventually("recent_trades goes on", w.recent_trades, lambda v: len(v) != count or v[-1] != last, wait=60)
    low = round(ticker["buy"] * 0.97)
    o = s.call("order by REST", lambda: ask("POST", "/api/v1/order", {
        "symbol": SYMBOL, "side": "Buy", "orderQty": 100, "price": low, "ordType": "Limit",
        "clOrdID": "certify-1"}), lambda v: v["ordStatus"] == "New")  # fmt: skip
    s.eventually("open_orders new", lambda: w.open_orders("certify"), lambda v: len(own(v, o["orderID"])) == 1)
    s.call("amend by REST", lambda: ask("PUT", "/api/v1/order", {"orderID": o["orderID"], "orderQty": 200}))
    s.eventually(
        "open_orders amended", lambda: w.open_orders("certify"), lambda v: own(v, o["orderID"])[0]["orderQty"] == 200
    )
    s.call("cancel by REST", lambda: ask("DELETE", "/api/v1/order", {"orderID": o["orderID"]}))
    s.eventually("open_orders canceled", lambda: w.open_orders("certify"), lambda v: not own(v, o["orderID"]))
    s.call(
        "market order by REST",
        lambda: ask("POST", "/api/v1/order", {"symbol": SYMBOL, "side": "Buy", "orderQty": 100, "ordType": "Market"}),
    )
    s.eventually(
        "positions filled", w.positions, lambda v: [p["currentQty"] for p in v if p["symbol"] == SYMBOL] == [100]
    )
    s.eventually("executions", lambda: w.data.get("execution", []), lambda v: any(r["execType"] == "Trade" for r in v))
    before = s.balances["BTC"] * 1e8
    s.eventually("funds after the fee", w.funds, lambda v: v["walletBalance"] != before or v["realisedPnl"] != 0)
    s.call(
        "close by REST",
        lambda: ask("POST", "/api/v1/order", {"symbol": SYMBOL, "execInst": "Close", "ordType": "Market"}),
    )
    s.eventually("positions flat", w.positions, lambda v: [p["currentQty"] for p in v if p["symbol"] == SYMBOL] == [0])
    s.call("exit", w.exit)
    p = s.call(
        "connect without a key",
        lambda: BitMEXWebsocket(
            endpoint=s.ws, symbol=SYMBOL, subscriptions=["instrument", "trade", "quote", "orderBookL2"]
        ),
    )
    s.call("market_depth without a key", p.market_depth, lambda v: len(v) > 20)
    s.call("exit without a key", p.exit)
    s.refused("wrong signature by REST", lambda: wrongly(ask), urllib.error.HTTPError, lambda e: e.code == 401)


def wrongly(make):
    kept, s.secret = s.secret, "wrong"
    try:
        return make("GET", "/api/v1/position")
    finally:
        s.secret = kept


try:
    main()
finally:
    s.done()
