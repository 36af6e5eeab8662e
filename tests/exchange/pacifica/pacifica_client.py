"""A wallet of Pacifica that asks a simulated exchange, by REST and by WebSocket."""

from __future__ import annotations

import json

from exchange.venue_client import Virtual
from onetape.exchange.pacifica.facts import wallet_pair
from onetape.venues.pacifica.signing import AgentSigner

ROOT = "/api/v1"


class PacificaClient:
    """account: whom the wallet trades for; itself, where nobody else is named. headers: of every request."""

    def __init__(self, venue: Virtual, secret: str, account: str = "", headers: dict[str, str] | None = None) -> None:
        self.venue, self.headers = venue, headers or {}
        self.signer = AgentSigner(account or _address(secret), secret)
        self.account = self.signer.account

    def body(self, operation: str, payload: dict, *, at: int | None = None, window: int = 5000) -> dict:
        return self.signer.body(operation, payload, self.venue.now() // 1_000_000 if at is None else at, window)

    def post(self, path: str, body: dict):
        return self.venue.request("POST", f"{ROOT}/{path}", json.dumps(body).encode(), self.headers)[:2]

    def ask(self, path: str, operation: str, **payload):
        return self.post(path, self.body(operation, payload))

    def get(self, path: str, **query):
        text = "&".join(f"{name}={value}" for name, value in query.items())
        return self.venue.request("GET", f"{ROOT}/{path}" + (f"?{text}" if text else ""), b"", self.headers)[:2]

    def mine(self, path: str, **query):
        """What is read of the own account, without its envelope."""
        return data(self.get(path, account=self.account, **query))

    def limit(self, price: object, amount: str = "0.01", *, side: str = "bid", **more):
        terms = {"symbol": "BTC", "price": str(price), "amount": amount, "side": side, "tif": "GTC"}
        return self.ask("orders/create", "create_order", **{**terms, "reduce_only": False, **more})

    def market(self, side: str, amount: str = "0.01", **more):
        terms = {"symbol": "BTC", "amount": amount, "side": side, "slippage_percent": "0.5", "reduce_only": False}
        return self.ask("orders/create_market", "create_market_order", **{**terms, **more})


def _address(secret: str) -> str:
    from onetape.venues.pacifica.signing import base58, unbase58

    return base58(unbase58(secret, 64)[32:])


def wallet(name: str) -> str:
    """The private key of a wallet that the exchange has never seen."""
    return wallet_pair(0, name)[1]


def data(answer):
    status, body = answer
    assert status == 200, body
    assert (body["success"], body.get("error"), body.get("code")) == (True, None, None)
    return body.get("data")


def refusal(answer) -> tuple[int, int, str]:
    """(status, code, text)"""
    status, body = answer
    assert (body["success"], body["data"]) == (False, None)
    return status, body["code"], body["error"]
