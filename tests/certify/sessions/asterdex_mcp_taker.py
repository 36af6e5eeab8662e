"""asterdex-mcp's tools against a simulated Aster, then a taker by them for two minutes.

An agent signs that the main wallet has approved, and its requests do not name the user. The tools are called as the
protocol's server calls them; it has no setting for another address, so its client's is changed. Its tools for chase
orders and for market-maker protection are not played: neither is simulated.
"""

from __future__ import annotations

import json
import os
import time
from decimal import Decimal

import requests
from eth_account import Account
from eth_account.messages import encode_typed_data
from session import Session

SYMBOL = "BTCUSDT"
AMOUNT = "0.010"
TRADED_S = 120
AGENT_KEY = "0x" + "5" * 64
CHAIN = 56

s = Session()


def approved():
    """The main wallet approves the agent, whose address is the answer."""
    agent = Account.from_key(AGENT_KEY).address
    terms = {
        "agentName": "certify",
        "agentAddress": agent,
        "ipWhitelist": "",
        "expired": int(time.time() * 1000) + 86_400_000,
        "canSpotTrade": False,
        "canPerpTrade": True,
        "canWithdraw": False,
        "asterChain": "Mainnet",
        "user": s.key,
        "nonce": time.time_ns() // 1000,
    }
    kinds = {bool: "bool", int: "uint256", str: "string"}
    fields = [{"name": n[0].upper() + n[1:], "type": kinds[type(v)]} for n, v in terms.items()]
    zero = "0x" + "0" * 40
    signable = encode_typed_data(
        {"name": "AsterSignTransaction", "version": "1", "chainId": CHAIN, "verifyingContract": zero},
        {"ApproveAgent": fields},
        {n[0].upper() + n[1:]: v for n, v in terms.items()},
    )
    signature = "0x" + Account.sign_message(signable, private_key=s.secret).signature.hex().removeprefix("0x")
    sent = {n: str(v).lower() if isinstance(v, bool) else v for n, v in terms.items()}
    form = {**sent, "signature": signature, "signatureChainId": CHAIN}
    answer = requests.post(f"{s.rest}/fapi/v3/approveAgent", data=form, timeout=10).json()
    if answer.get("code") != 200:
        raise RuntimeError(answer)
    return agent


def opened():
    agent = approved()
    os.environ |= {"ASTER_PRIVATE_KEY": AGENT_KEY, "ASTER_WALLET": s.key, "ASTER_SIGNER": agent}
    from asterdex_mcp import server
    from asterdex_mcp.client import AsterClient

    server.client = AsterClient()
    server.client.client.base_url = s.rest
    return server


def tool(server, name, **terms):
    """What a tool says, read. Raises what it raises."""
    return json.loads(getattr(server, name)(**terms))


def look(server):
    def call(name, holds=None, **terms):
        return s.call(name, lambda: tool(server, name, **terms), holds)

    call("get_exchange_info", len, symbol=SYMBOL)
    call("get_ticker", len, symbol=SYMBOL)
    book = call("get_orderbook", lambda b: len(b["bids"]) == 20, symbol=SYMBOL)
    call("get_klines", len, symbol=SYMBOL, interval="1m", limit=5)
    call("get_mark_klines", len, symbol=SYMBOL, interval="1m", limit=5)
    call("get_index_klines", len, pair=SYMBOL, interval="1m", limit=5)
    call("get_historical_trades", len, symbol=SYMBOL)
    call("get_funding_info", len, symbol=SYMBOL)
    call("get_index_references", len, symbol=SYMBOL)
    call("analyze_coin", len, symbol=SYMBOL)
    call("get_balance", lambda v: v["total_balance"] == s.balances["USDT"])
    call("get_account_info", lambda v: v["canTrade"])
    call("get_positions", lambda v: v == [])
    call("set_leverage", lambda v: v["leverage"] == 5, symbol=SYMBOL, leverage=5)
    call("set_stp_mode", None, stp_mode="EXPIRE_BOTH")
    call("get_stp_mode", lambda v: "EXPIRE_BOTH" in json.dumps(v))
    call("noop")
    return float(book["bids"][0][0] if isinstance(book["bids"][0], list) else book["bids"][0]["price"])


def orders(server, bid):
    low = f"{bid * 0.99:.1f}"
    limit = {"symbol": SYMBOL, "side": "BUY", "quantity": AMOUNT}
    o = s.call(
        "place_order limit",
        lambda: tool(server, "place_order", **limit, type="LIMIT", price=low),
        lambda v: v["status"] == "NEW",
    )
    s.call(
        "get_open_orders",
        lambda: tool(server, "get_open_orders", symbol=SYMBOL),
        lambda v: [r["order_id"] for r in v] == [o["order_id"]],
    )
    changed = {"symbol": SYMBOL, "order_id": o["order_id"], "quantity": AMOUNT, "price": f"{bid * 0.985:.1f}"}
    s.call("modify_order", lambda: tool(server, "modify_order", **changed))
    s.call("cancel_order", lambda: tool(server, "cancel_order", symbol=SYMBOL, order_id=o["order_id"]))
    s.call("place_order market", lambda: tool(server, "place_order", **limit, type="MARKET"))
    s.call(
        "get_positions with a position",
        lambda: tool(server, "get_positions"),
        lambda v: v[0]["amount"] == float(AMOUNT),
    )
    stop = {"symbol": SYMBOL, "side": "SELL", "type": "STOP_MARKET", "close_position": True}
    s.call(
        "place_order stop",
        lambda: tool(server, "place_order", **stop, stop_price=f"{bid * 0.97:.1f}"),
        lambda v: v["close_position"] and v["working_type"] == "MARK_PRICE",
    )
    s.call("cancel_all_orders", lambda: tool(server, "cancel_all_orders", symbol=SYMBOL), lambda v: v["cancelled"] == 1)
    s.call("place_order close", lambda: tool(server, "place_order", **{**limit, "side": "SELL"}, type="MARKET"))
    s.call("get_user_trades", lambda: server.get_user_trades(symbol=SYMBOL), lambda text: SYMBOL in text)
    s.refused(
        "place_order too small",
        lambda: tool(server, "place_order", **{**limit, "quantity": "0.00001"}, type="MARKET"),
        Exception,
    )


def taker(server):
    end, rounds = time.monotonic() + TRADED_S, 0
    while time.monotonic() < end:
        side = ("BUY", "SELL", "BUY")[rounds % 3]
        tool(server, "place_order", symbol=SYMBOL, side=side, type="MARKET", quantity=AMOUNT)
        time.sleep(0.5)
        rounds += 1
    return rounds


def compare(server):
    raw = server.client.client

    def trades():
        found = raw.trades_history(SYMBOL, limit=1000)
        return sorted((t["id"], Decimal(t["price"]), Decimal(t["qty"]), t["side"]) for t in found)

    s.books(
        "trades as the ledger's",
        trades,
        lambda a: sorted((t["id"], Decimal(t["price"]), Decimal(t["size"]), t["side"].upper()) for t in a["trades"]),
    )
    s.books(
        "position as the ledger's",
        lambda: sum(Decimal(str(p["amount"])) for p in tool(server, "get_positions")),
        lambda a: sum(Decimal(p["size"]) for p in a["positions"]),
    )
    s.books(
        "wallet as the ledger's",
        lambda: round(tool(server, "get_balance")["balances"]["USDT"]["balance"], 6),
        lambda a: round(float(a["balances"]["USDT"]), 6),
    )
    s.books(
        "working orders as the ledger's",
        lambda: len(tool(server, "get_open_orders", symbol=SYMBOL)),
        lambda a: sum(o["open"] for o in a["orders"]),
    )


def main():
    server = opened()
    bid = look(server)
    orders(server, bid)
    s.call("a taker for two minutes", lambda: taker(server), lambda rounds: rounds > 100)
    compare(server)


try:
    main()
finally:
    s.done()
