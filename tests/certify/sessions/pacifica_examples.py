"""Requests as Pacifica's public Python examples make them, against a simulated Pacifica: solders' wallets, base58,
requests and websockets. Written from their description: sorted keys, compact JSON, no `account` in what is signed,
`agent_wallet` null where none signs, the API config key as a header."""

from __future__ import annotations

import asyncio
import json
import time
import uuid

import base58
import requests
import websockets
from session import Session
from solders.keypair import Keypair

WINDOW_MS = 5_000
AMOUNT = "0.01"

s = Session()
main_wallet = Keypair.from_base58_string(s.secret)
http = requests.Session()


def in_order(value):
    """The same with the keys of every object sorted; lists stay as they are."""
    if isinstance(value, dict):
        return {key: in_order(value[key]) for key in sorted(value)}
    return [in_order(each) for each in value] if isinstance(value, list) else value


def signature(header, payload, wallet):
    message = json.dumps(in_order({**header, "data": payload}), separators=(",", ":"))
    return base58.b58encode(bytes(wallet.sign_message(message.encode()))).decode()


def request_of(kind, payload, wallet=main_wallet, agent=None):
    """The body of a signed request; with an agent its wallet signs for the main one."""
    header = {"timestamp": int(time.time() * 1000), "expiry_window": WINDOW_MS, "type": kind}
    signed = signature(header, payload, agent or wallet)
    about = {"account": str(wallet.pubkey()), "signature": signed}
    about |= {"timestamp": header["timestamp"], "expiry_window": WINDOW_MS}
    about["agent_wallet"] = str(agent.pubkey()) if agent else None
    return {**about, **payload}


def post(path, kind, payload, **who):
    answer = http.post(f"{s.rest}/api/v1/{path}", json=request_of(kind, payload, **who), timeout=10)
    return answer.status_code, answer.json()


def get(path, **query):
    answer = http.get(f"{s.rest}/api/v1/{path}", params=query, timeout=10)
    return answer.json()["data"]


def done(answer):
    return answer[0] == 200 and answer[1]["success"] is True


def limit(price, side="bid", **more):
    terms = {"symbol": "BTC", "price": str(price), "amount": AMOUNT, "side": side, "tif": "GTC", "reduce_only": False}
    return {**terms, "client_order_id": str(uuid.uuid4()), **more}


def market(side, **more):
    terms = {"symbol": "BTC", "amount": AMOUNT, "side": side, "slippage_percent": "0.5", "reduce_only": False}
    return {**terms, "client_order_id": str(uuid.uuid4()), **more}


def orders(low):
    made = s.call("create_order", lambda: post("orders/create", "create_order", limit(low)), done)
    number = made[1]["data"]["order_id"]
    s.call("open orders", lambda: get("orders", account=s.key), lambda v: [r["order_id"] for r in v] == [number])
    named = {"symbol": "BTC", "order_id": number}
    s.call("cancel_order", lambda: post("orders/cancel", "cancel_order", named), done)
    everything = {"all_symbols": True, "exclude_reduce_only": False}
    s.call("cancel_all_orders", lambda: post("orders/cancel_all", "cancel_all_orders", everything), done)
    batch = {
        "actions": [
            {"type": "Create", "data": request_of("create_order", limit(low))},
            {"type": "Create", "data": request_of("create_order", limit(low - 1))},
            {"type": "Cancel", "data": request_of("cancel_order", {"symbol": "BTC", "order_id": 1})},
        ]
    }
    answer = s.call("batch", lambda: http.post(f"{s.rest}/api/v1/orders/batch", json=batch, timeout=10).json()["data"])
    s.holds("batch with one order refused", [r["success"] for r in answer["results"]] == [True, True, False], answer)
    s.call(
        "cancel_all_orders of two",
        lambda: post("orders/cancel_all", "cancel_all_orders", everything)[1]["data"],
        lambda v: v == {"cancelled_count": 2},
    )


def positions(bid):
    def tpsl(low, high):
        exits = {"take_profit": {"stop_price": str(high)}, "stop_loss": {"stop_price": str(low)}}
        return {"symbol": "BTC", "side": "ask", **exits}

    s.call(
        "update_leverage", lambda: post("account/leverage", "update_leverage", {"symbol": "BTC", "leverage": 10}), done
    )
    s.call("create_market_order", lambda: post("orders/create_market", "create_market_order", market("bid")), done)
    s.call(
        "positions",
        lambda: get("positions", account=s.key),
        lambda v: [(r["side"], r["amount"]) for r in v] == [("bid", AMOUNT)],
    )
    exits = tpsl(round(bid * 0.9), round(bid * 1.1))
    s.call("set_position_tpsl", lambda: post("positions/tpsl", "set_position_tpsl", exits), done)
    s.call("the position's two stops", lambda: get("orders", account=s.key), lambda v: len(v) == 2)
    close = market("ask", reduce_only=True)
    s.call("reduce-only close", lambda: post("orders/create_market", "create_market_order", close), done)
    s.eventually("flat", lambda: get("positions", account=s.key), lambda v: v == [])


def keys(low):
    agent = Keypair.from_seed(bytes(range(32)))
    early = post("orders/create", "create_order", limit(low), agent=agent)
    s.holds("agent before it is bound", early[0] == 400 and "not authorized" in early[1]["error"], early)
    bound = {"agent_wallet": str(agent.pubkey())}
    header = {"timestamp": int(time.time() * 1000), "expiry_window": WINDOW_MS, "type": "bind_agent_wallet"}
    body = {"account": s.key, "signature": signature(header, bound, main_wallet)}
    body |= {"timestamp": header["timestamp"], "expiry_window": WINDOW_MS, **bound}
    s.call(
        "bind_agent_wallet",
        lambda: http.post(f"{s.rest}/api/v1/agent/bind", json=body, timeout=10).status_code,
        lambda v: v == 200,
    )
    s.call("agent trades", lambda: post("orders/create", "create_order", limit(low), agent=agent), done)
    everything = {"all_symbols": True, "exclude_reduce_only": False}
    s.call("agent cancels", lambda: post("orders/cancel_all", "cancel_all_orders", everything, agent=agent), done)
    made = s.call("create_api_key", lambda: post("account/api_keys/create", "create_api_key", {}), done)
    key = made[1]["data"]["api_key"]
    s.call(
        "list_api_keys",
        lambda: post("account/api_keys", "list_api_keys", {})[1]["data"]["active_api_keys"],
        lambda v: v == [key],
    )
    shown = {"PF-API-KEY": key}
    answered = lambda: http.get(f"{s.rest}/api/v1/info", headers=shown, timeout=10).status_code  # noqa: E731
    s.call("a request with the API key", answered, lambda v: v == 200)
    s.call("revoke_api_key", lambda: post("account/api_keys/revoke", "revoke_api_key", {"api_key": key}), done)
    s.call("a request with a revoked API key", answered, lambda v: v == 403)


def subaccount():
    sub = Keypair.from_seed(bytes(range(1, 33)))
    header = {"timestamp": int(time.time() * 1000), "expiry_window": WINDOW_MS}
    first = signature({**header, "type": "subaccount_initiate"}, {"account": s.key}, sub)
    second = signature({**header, "type": "subaccount_confirm"}, {"signature": first}, main_wallet)
    body = {"main_account": s.key, "subaccount": str(sub.pubkey()), "main_signature": second, "sub_signature": first}
    create = lambda: http.post(f"{s.rest}/api/v1/account/subaccount/create", json=body | header, timeout=10)  # noqa: E731
    s.call("create subaccount", lambda: create().status_code, lambda v: v == 200)
    sent = {"to_account": str(sub.pubkey()), "amount": "100.5"}
    s.call("transfer_funds", lambda: post("account/subaccount/transfer", "transfer_funds", sent), done)
    s.call("list_subaccounts", lambda: post("account/subaccount/list", "list_subaccounts", {}), done)
    s.call(
        "the sub-account's balance",
        lambda: get("account", account=str(sub.pubkey()))["balance"],
        lambda v: v == "100.5",
    )


async def sockets(low):
    async with websockets.connect(s.ws, ping_interval=30) as socket:
        seen = []

        async def heard(wanted):
            while True:
                seen.append(json.loads(await socket.recv()))
                if wanted(seen[-1]):
                    return seen[-1]

        async def answered(kind, payload):
            number = str(uuid.uuid4())
            await socket.send(json.dumps({"id": number, "params": {kind: request_of(kind, payload)}}))
            return await heard(lambda v: v.get("id") == number)

        for source, about in (("prices", {}), ("account_order_updates", {"account": s.key})):
            message = {"method": "subscribe", "params": {"source": source, **about}}
            await socket.send(json.dumps(message))
            await s.acall(
                f"subscribe {source}",
                heard(
                    lambda v, name=source: (
                        v.get("data", {}) and v["channel"] == "subscribe" and v["data"]["source"] == name
                    )
                ),
            )
        await s.acall("prices", heard(lambda v: v.get("channel") == "prices"), lambda v: v["data"][0]["mark"])
        made = await s.acall("create_order by socket", answered("create_order", limit(low)), lambda v: v["code"] == 200)
        number = made["data"]["i"]
        was_heard = any(v.get("channel") == "account_order_updates" and v["data"][0]["i"] == number for v in seen)
        s.holds(
            "the order's update on the stream",
            was_heard or await heard(lambda v: v.get("channel") == "account_order_updates"),
            seen[-3:],
        )
        gone = {"symbol": "BTC", "order_id": number}
        await s.acall("cancel_order by socket", answered("cancel_order", gone), lambda v: v["code"] == 200)
        await s.acall(
            "cancel_order of a canceled order",
            answered("cancel_order", gone),
            lambda v: (v["code"], v["type"]) == (420, "cancel_order"),
        )
        for side in ("bid", "ask"):
            await s.acall(
                f"create_market_order {side}", answered("create_market_order", market(side)), lambda v: v["code"] == 200
            )


def main():
    markets = s.call("info", lambda: get("info"), lambda v: "BTC" in [r["symbol"] for r in v])
    s.call("prices by request", lambda: get("info/prices"), lambda v: len(v) == len(markets))
    book = s.call("book", lambda: get("book", symbol="BTC", agg_level=1), lambda v: v["l"][0][0]["p"])
    bid = float(book["l"][0][0]["p"])
    low = round(bid * 0.97)
    s.holds("the wallet's address is the account", str(main_wallet.pubkey()) == s.key)
    orders(low)
    positions(bid)
    keys(low)
    subaccount()
    asyncio.run(sockets(low))
    wrong = post("orders/create", "create_order", limit(low), wallet=Keypair.from_seed(bytes(32)), agent=main_wallet)
    s.holds("a wallet that is no agent", wrong[0] == 400, wrong)
    s.books(
        "wallet as the ledger's",
        lambda: round(float(get("account", account=s.key)["balance"]), 5),
        lambda book: round(float(book["balances"]["USDC"]), 5),
    )


try:
    main()
finally:
    s.done()
