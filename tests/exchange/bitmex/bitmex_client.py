"""A small client of BitMEX: signs as its documentation says, apart from the code under test."""

from __future__ import annotations

import hashlib
import hmac
import json
from urllib.parse import urlencode

from exchange.venue_client import Virtual, Wire


class BitmexClient:
    """ahead: seconds from now to api-expires."""

    def __init__(self, transport: Wire | Virtual, key: str, secret: str, ahead: int = 60) -> None:
        self.transport, self.key, self.secret, self.ahead = transport, key, secret, ahead

    def signed(self, verb: str, target: str, body: bytes = b"") -> dict[str, str]:
        expires = str(self.transport.now() // 10**9 + self.ahead)
        payload = f"{verb}{target}{expires}".encode() + body
        digest = hmac.new(self.secret.encode(), payload, hashlib.sha256).hexdigest()
        return {"api-key": self.key, "api-expires": expires, "api-signature": digest}

    def ask(self, verb: str, path: str, *, signed: bool = True, **params):
        target, body = f"/api/v1{path}", b""
        if verb == "GET" and params:
            target += "?" + urlencode({k: v if isinstance(v, str) else json.dumps(v) for k, v in params.items()})
        elif params:
            body = json.dumps(params).encode()
        headers = self.signed(verb, target, body) if signed else {}
        status, answer, self.headers = self.transport.request(verb, target, body, headers)
        return status, answer

    def order(self, side: str, qty: int, price: float | None = None, **more):
        terms = {"symbol": "XBTUSD", "side": side, "orderQty": qty, **more}
        if price is not None:
            terms["price"] = price
        return self.ask("POST", "/order", **terms)


def client_of(venue: Virtual, account: int = 0) -> BitmexClient:
    found = venue.dialect.exchange.accounts[account]
    return BitmexClient(venue, found.key, found.secret)


def push(client: BitmexClient, way: float) -> None:
    """The other account takes what is offered: the last price goes that way by dollars."""
    status, order = client_of(client.transport, 1).order("Buy" if way > 0 else "Sell", 20_000)
    assert (status, order["ordStatus"]) == (200, "Filled"), order
    client.transport.wait(1)
