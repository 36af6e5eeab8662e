"""What a signed order costs a simulated exchange, Pacifica beside Binance: placed and canceled in turn, and told on the
account's stream; by processor time, without sockets. The check of a wallet's signature is shown apart.

    python bench/sim_venues.py [--orders 2000]
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import onetape.exchange.pacifica.access as access
from onetape.exchange.dialect import Connection, Dialect, Reply, Request
from onetape.exchange.venues import Crowd, open_venue
from onetape.venues.pacifica.signing import AgentSigner

NOW = 1_795_000_000_000_000_000
MS = NOW // 1_000_000
PEER = "127.0.0.1"
CHANNELS = ("account_order_updates", "account_trades", "account_positions", "account_info")
ROUNDS = 5


def binance(dialect: Dialect, count: int) -> tuple[str, list[Any], Iterator[Request]]:
    """(path of the stream, what is said on it, requests)"""
    account = next(iter(dialect.exchange.accounts))
    headers = {"x-mbx-apikey": account.key}
    reply = dialect.http(Request("POST", "/fapi/v1/listenKey", "", b"", headers, PEER), NOW)
    assert isinstance(reply, Reply)

    def request(method: str, params: str) -> Request:
        query = f"{params}&recvWindow=60000&timestamp={MS}"
        signature = hmac.new(account.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        return Request(method, "/fapi/v1/order", f"{query}&signature={signature}", b"", headers, PEER)

    terms = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.010&price=30000.0&newClientOrderId=x"
    requests = (
        request(*each)
        for at in range(count)
        for each in (("POST", f"{terms}{at}"), ("DELETE", f"symbol=BTCUSDT&origClientOrderId=x{at}"))
    )
    return f"/private/ws/{json.loads(reply.body)['listenKey']}", [], requests


def pacifica(dialect: Dialect, count: int) -> tuple[str, list[Any], Iterator[Request]]:
    account = next(iter(dialect.exchange.accounts))
    signer = AgentSigner(account.key, account.secret)

    def request(path: str, operation: str, at: int, **terms: Any) -> Request:
        name = f"00000000-0000-4000-8000-{at:012d}"
        body = signer.body(operation, {"symbol": "BTC", "client_order_id": name, **terms}, MS, 60_000)
        return Request("POST", f"/api/v1/orders/{path}", "", json.dumps(body).encode(), {}, PEER)

    terms = {"side": "bid", "amount": "0.01", "price": "30000", "tif": "GTC", "reduce_only": False}
    requests = (
        each
        for at in range(count)
        for each in (request("create", "create_order", at, **terms), request("cancel", "cancel_order", at))
    )
    said = [{"method": "subscribe", "params": {"source": each, "account": account.key}} for each in CHANNELS]
    return "/ws", said, requests


def measure(kind: str, count: int) -> float:
    """us a request."""
    dialect = open_venue(kind, seed=7, now=NOW, limits=False, market=Crowd(history=200 * 10**9))
    path, said, found = (binance if kind == "binance-usdm" else pacifica)(dialect, count)
    requests, spent = list(found), 0
    connection = Connection(1, path, "", PEER, NOW)
    if not dialect.connect(connection, NOW):
        raise SystemExit(f"{kind} has no stream {path}")
    for message in said:
        dialect.message(connection, json.dumps(message).encode(), NOW)
    gc.collect()
    for request in requests:
        connection.out.clear()
        began = time.process_time_ns()
        reply = dialect.http(request, NOW)
        dialect.publish(dialect.exchange.take(), NOW)
        dialect.tick(NOW)
        spent += time.process_time_ns() - began
        if not isinstance(reply, Reply) or reply.status != 200 or not connection.out:
            raise SystemExit(f"{kind} refused, or told nothing: {reply}")
    return spent / len(requests) / 1000


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--orders", type=int, default=2000)
    count = options.parse_args().orders
    checked: Any = access.is_signed
    found: dict[str, list[float]] = {"binance": [], "signed": [], "unsigned": []}
    for _ in range(ROUNDS):
        found["binance"].append(measure("binance-usdm", count))
        found["signed"].append(measure("pacifica", count))
        access.is_signed = lambda *_: True
        found["unsigned"].append(measure("pacifica", count))
        access.is_signed = checked
    least = {name: min(values) for name, values in found.items()}
    beside = {"name": "Binance's, with its HMAC", "value": least["binance"]}
    rows = [("without the signature", least["unsigned"], least["binance"] * 1.2)]
    rows += [("the signature", least["signed"] - least["unsigned"], None)]
    print(
        json.dumps(
            {
                "figures": [
                    {
                        "name": f"a request at a simulated Pacifica, {what}",
                        "unit": "us",
                        "better": "less",
                        "value": value,
                        "reach": reach,
                        "against": beside,
                    }
                    for what, value, reach in rows
                ]
            }
        )
    )


if __name__ == "__main__":
    main()
