"""A small client of Kraken spot, written from the documentation, not from the code under test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from decimal import Decimal
from urllib.parse import urlencode

from exchange.venue_client import Virtual, Wire


class KrakenClient:
    """Signs each request; `ask` gives (result, error texts)."""

    def __init__(self, transport: Wire | Virtual, key: str, secret: str) -> None:
        self.transport, self.key, self.secret = transport, key, secret
        self.nonce = transport.now()

    def public(self, name: str, **params):
        query = urlencode(params)
        status, body, _ = self.transport.request("GET", f"/0/public/{name}" + (f"?{query}" if query else ""), b"", {})
        assert status == 200
        return body.get("result"), body["error"]

    def ask(self, name: str, *, as_json: bool = False, nonce: int | None = None, **params):
        self.nonce += 1
        params = {"nonce": str(self.nonce if nonce is None else nonce), **params}
        body = json.dumps(params) if as_json else urlencode(params)
        path = f"/0/private/{name}"
        digest = hashlib.sha256((params["nonce"] + body).encode()).digest()
        secret = base64.b64decode(self.secret)
        sign = hmac.new(secret, path.encode() + digest, hashlib.sha512).digest()
        kind = "application/json" if as_json else "application/x-www-form-urlencoded"
        status, answer, _ = self.transport.request(
            "POST",
            path,
            body.encode(),
            {"API-Key": self.key, "API-Sign": base64.b64encode(sign).decode(), "Content-Type": kind},
        )
        assert status == 200
        return answer.get("result"), answer["error"]

    def best(self, pair: str = "XBTUSD") -> tuple[Decimal, Decimal]:
        (book,) = self.public("Depth", pair=pair, count=1)[0].values()
        return Decimal(book["bids"][0][0]), Decimal(book["asks"][0][0])

    def place(self, side: str = "buy", volume: str = "0.01", **more):
        """A limit order 3 % away from the touch, unless told otherwise."""
        terms = {"pair": "XBTUSD", "type": side, "ordertype": "limit", "volume": volume, **more}
        if terms["ordertype"] == "limit" and "price" not in terms:
            away = Decimal("0.97") if side == "buy" else Decimal("1.03")
            terms["price"] = f"{self.best()[0] * away:.1f}"
        return self.ask("AddOrder", **terms)

    def token(self) -> str:
        return self.ask("GetWebSocketsToken")[0]["token"]


class KrakenBook:
    """A book kept as the guide to the checksum says. Numbers stay the text they were sent as."""

    def __init__(self, depth: int, *, cuts_each_level: bool = False) -> None:
        self.depth, self.cuts_each_level = depth, cuts_each_level
        self.sides: dict[str, dict[Decimal, tuple[str, str]]] = {"bids": {}, "asks": {}}

    def apply(self, message: dict) -> None:
        (data,) = message["data"]
        for name, side in self.sides.items():
            if message["type"] == "snapshot":
                side.clear()
            for level in data[name]:
                if Decimal(level["qty"]) == 0:
                    side.pop(Decimal(level["price"]), None)
                else:
                    side[Decimal(level["price"])] = (level["price"], level["qty"])
                if self.cuts_each_level:
                    self.cut(name)
            self.cut(name)
        assert str(self.checksum()) == data["checksum"]

    def cut(self, name: str) -> None:
        for price in self.prices(name)[self.depth :]:
            del self.sides[name][price]

    def prices(self, name: str) -> list[Decimal]:
        return sorted(self.sides[name], reverse=name == "bids")

    def checksum(self) -> int:
        text = "".join(
            part.replace(".", "").lstrip("0")
            for name in ("asks", "bids")
            for price in self.prices(name)[:10]
            for part in self.sides[name][price]
        )
        return zlib.crc32(text.encode())


def exactly(message: bytes):
    """JSON with each number as it was written."""
    return json.loads(message, parse_float=str, parse_int=str)
