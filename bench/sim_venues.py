"""What a signed order costs a simulated exchange, others beside Binance: placed and canceled in turn, and told on the
account's stream; by processor time, without sockets. Requests are those of our own adapters. The check of a wallet's
signature is shown apart.

    python bench/sim_venues.py [--orders 2000] [KIND...]
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Iterator
from typing import Any

import onetape.exchange.pacifica.access as access
from onetape.exchange.dialect import Connection, Dialect, Reply, Request
from onetape.exchange.hyperliquid.access import Access
from onetape.exchange.venues import Crowd, open_venue
from onetape.model.enums import Side
from onetape.model.ids import client_id
from onetape.model.order import OrderSpec
from onetape.orders.calls import Call, OrderKey
from onetape.venues.contract import Addresses, joined
from onetape.venues.open import open_trading_venue

NOW = 1_795_000_000_000_000_000
PEER = "127.0.0.1"
ROUNDS = 5
BINANCE = "binance-usdm"
OTHERS = ("binance-spot", "bybit", "okx", "hyperliquid", "pacifica")
WS_PATHS = {"pacifica": "/ws", "hyperliquid": "/ws"}  # where the address has it
# What checks a wallet's signature: where, and its name.
SIGNED: dict[str, tuple[Any, str]] = {"pacifica": (access, "is_signed"), "hyperliquid": (Access, "_signer")}


def requests_of(kind: str, dialect: Dialect, count: int) -> tuple[Any, Iterator[Call]]:
    """The trading venue, and calls that place an order far below the market and cancel it."""
    account = dialect.exchange.accounts[0]
    venue = open_trading_venue(kind, account.key, account.secret, Addresses("", "", ""), account.password)
    protocol: Any = venue.protocol
    listed = [dialect.http(as_request(call), NOW) for call in venue.instrument_lists()]
    i = venue.instruments_of(joined([each.body for each in listed if isinstance(each, Reply)]), frozenset())[0]
    price = dialect.exchange.listings[0].last * 9 // 10 // i.core.tick * i.core.tick
    size = max(int(i.size_int("0.01") / i.multiplier) // i.lot_int * i.lot_int, i.lot_int)
    spec = OrderSpec(symbol=i.symbol, side=Side.BUY, size_int=size, price_int=price)
    names = [client_id("b", epoch=3, ordinal=at) for at in range(1, count + 1)]
    return venue, (
        each
        for name in names
        for each in (protocol.place(name, spec, NOW), protocol.cancel(OrderKey(i.symbol, name), NOW))
    )


def as_request(call: Call) -> Request:
    path, _, query = call.target.partition("?")
    return Request(call.method, path, query, call.body, {k.lower(): v for k, v in call.headers.items()}, PEER)


def followed(kind: str, dialect: Dialect, venue: Any) -> Connection:
    """The account's stream, of which some venues need a key."""
    reply = dialect.http(as_request(venue.stream_key(NOW)), NOW)
    assert isinstance(reply, Reply)
    key = venue.protocol.answer(venue.stream_key(NOW), reply.status, {}, reply.body, NOW).value
    stream = venue.account_streams(key)[0]
    connection = Connection(1, stream.url or WS_PATHS[kind], "", PEER, NOW)
    if not dialect.connect(connection, NOW):
        raise SystemExit(f"{kind} has no stream {connection.path}")
    for message in stream.hello:
        dialect.message(connection, message, NOW)
    for message in [each for each in connection.out if isinstance(each, bytes)]:
        stream.reports_of(message)
    for message in stream.due():
        dialect.message(connection, message, NOW)
    return connection


def measure(kind: str, count: int) -> float:
    """us a request."""
    dialect = open_venue(kind, seed=7, now=NOW, limits=False, market=Crowd(history=200 * 10**9))
    venue, calls = requests_of(kind, dialect, count)
    requests, spent = [as_request(call) for call in calls], 0
    connection = followed(kind, dialect, venue)
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


def unsigned(kind: str, count: int) -> float:
    """The same, with only the first of the wallet's signatures checked."""
    owner, name = SIGNED[kind]
    checks, first = getattr(owner, name), list[Any]()

    def checked(*of: Any) -> Any:
        if not first:
            first.append(checks(*of))
        return first[0]

    setattr(owner, name, checked)
    try:
        return measure(kind, count)
    finally:
        setattr(owner, name, checks)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--orders", type=int, default=2000)
    options.add_argument("kinds", nargs="*", default=OTHERS)
    inputs = options.parse_args()
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):
        for kind in (BINANCE, *inputs.kinds):
            found.setdefault((kind, "with its signature"), []).append(measure(kind, inputs.orders))
            if kind in SIGNED:
                found.setdefault((kind, "without the signature"), []).append(unsigned(kind, inputs.orders))
    least = {name: min(values) for name, values in found.items()}
    binance = least.pop((BINANCE, "with its signature"))
    figures = [
        {
            "name": f"a request at a simulated {kind}, {what}",
            "unit": "us",
            "better": "less",
            "value": value,
            "reach": binance * 1.25 if what.startswith("without") or kind not in SIGNED else None,
            "against": {"name": "Binance's, with its HMAC", "value": binance},
        }
        for (kind, what), value in least.items()
    ]
    print(json.dumps({"figures": figures}))


if __name__ == "__main__":
    main()
