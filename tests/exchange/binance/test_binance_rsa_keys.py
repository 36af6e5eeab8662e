"""RSA keys of the simulated Binance USD-M: made by their owner, taken by REST and the WebSocket API
over a real socket."""

from __future__ import annotations

import asyncio
import base64
import time
from urllib.parse import quote, urlencode

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exchange.venue_client import Virtual, Wire, served
from onetape.exchange.keys import ED25519, RSA
from onetape.model.errors import BadConfig
from waiting import PATIENCE_S

OWN = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ORDER = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.010",
    "price": "50000.0",
}


def pem(private: rsa.RSAPrivateKey) -> str:
    public = private.public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def sign(text: str) -> str:
    return base64.b64encode(OWN.sign(text.encode(), PKCS1v15(), SHA256())).decode()


def stamp() -> int:
    return time.time_ns() // 1_000_000


def test_an_rsa_key_signs_rest_and_calls_and_logs_on_nowhere():
    with served("binance-usdm") as (dialect, port):
        exchange = dialect.exchange
        made = exchange.accounts.make_key(exchange.accounts[0], "own", RSA, pem(OWN))
        assert made.secret == ""
        wire = Wire(port)

        def ask(method: str, path: str, *, spoilt: bool = False, **params):
            query = urlencode({**params, "timestamp": stamp()})
            signature = quote(sign(query + ("x" if spoilt else "")), safe="")
            target = f"{path}?{query}&signature={signature}"
            return wire.request(method, target, b"", {"X-MBX-APIKEY": made.key})[:2]

        status, order = ask("POST", "/fapi/v1/order", **ORDER)
        assert (status, order.get("status")) == (200, "NEW"), order
        assert ask("POST", "/fapi/v1/order", spoilt=True, **ORDER)[1]["code"] == -1022
        placed, logon = asyncio.run(_calls(port, made.key))
        assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
        assert (logon["status"], logon["error"]["code"]) == (400, -4056)
        (shown, _), (_, orders) = (ask("GET", "/fapi/v1/openOrders"), ask("GET", "/fapi/v1/openOrders"))
        assert (shown, len(orders)) == (200, 2)


async def _calls(port: int, key: str) -> list[dict]:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"http://127.0.0.1:{port}/ws-fapi/v1") as socket:

        async def ask(number: int, method: str, **params) -> dict:
            params = {**params, "apiKey": key, "timestamp": stamp()}
            text = "&".join(f"{name}={params[name]}" for name in sorted(params))
            request = {"id": number, "method": method, "params": {**params, "signature": sign(text)}}
            await socket.send_json(request)
            return await socket.receive_json(timeout=PATIENCE_S)

        return [await ask(1, "order.place", **ORDER), await ask(2, "session.logon")]


def small() -> str:
    return pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))


@pytest.mark.parametrize(
    ("kind", "public"),
    [
        (RSA, lambda: ""),
        (RSA, small),
        (RSA, lambda: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"),
        (ED25519, lambda: pem(OWN)),
    ],
    ids=["none is made for its owner", "too short", "no key", "of another kind"],
)
def test_what_is_no_such_key_is_refused(kind, public):
    exchange = Virtual("binance-usdm").dialect.exchange
    with pytest.raises(BadConfig):
        exchange.accounts.make_key(exchange.accounts[0], "own", kind, public())
    assert not [key for key in exchange.accounts.keys.values() if key.label == "own"]
