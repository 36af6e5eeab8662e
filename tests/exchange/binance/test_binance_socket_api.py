"""The WebSocket API of the simulated Binance USD-M, and keys of Ed25519 on both ways in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from urllib.parse import quote, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from exchange.venue_client import BinanceClient, Virtual, heard
from onetape.exchange.keys import ED25519
from onetape.model.errors import BadConfig

BTC = {"symbol": "BTCUSDT"}
LIMIT = {**BTC, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.010", "price": "58000.0"}


def ed25519(venue: Virtual, account: int = 0):
    owner = venue.dialect.exchange.accounts[account]
    return next(k for k in venue.dialect.exchange.accounts.keys.values() if k.account is owner and k.kind == ED25519)


class Api:
    """Calls of one connection, signed by hand."""

    def __init__(self, venue: Virtual, path: str = "/ws-fapi/v1") -> None:
        self.venue = venue
        self.connection = venue.connect(path)
        account = venue.dialect.exchange.accounts[0]
        self.key, self.secret = account.key, account.secret
        self.count = 0

    def send(self, method: str, params: dict | None = None, number=None):
        self.count += 1
        number = self.count if number is None else number
        request = {"id": number, "method": method, **({} if params is None else {"params": params})}
        self.venue.time += 1_000_000
        self.venue.dialect.exchange.advance(self.venue.time)
        self.venue.dialect.message(self.connection, json.dumps(request).encode(), self.venue.time)
        self.venue.settle()
        answer = heard(self.connection)[-1]
        assert answer["id"] == number
        return answer

    def stamped(self, params: dict) -> dict:
        return {"timestamp": self.venue.time // 1_000_000, **params}

    def signed(self, method: str, **params):
        params = self.stamped({"apiKey": self.key, **params})
        text = "&".join(f"{k}={said(params[k])}" for k in sorted(params))
        digest = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        return self.send(method, {**params, "signature": digest})

    def logon(self, key: str, pem: str, **more):
        params = self.stamped({"apiKey": key, **more})
        text = "&".join(f"{k}={params[k]}" for k in sorted(params))
        return self.send("session.logon", {**params, "signature": sign(pem, text)})


def said(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def sign(pem: str, text: str) -> str:
    private = load_pem_private_key(pem.encode(), None)
    return base64.b64encode(private.sign(text.encode())).decode()


def test_an_order_lives_and_ends_by_signed_calls(venue):
    api = Api(venue)
    placed = api.signed("order.place", **LIMIT, newClientOrderId="mine-1")
    assert placed["status"] == 200, placed
    order = placed["result"]
    assert (order["status"], order["clientOrderId"]) == ("NEW", "mine-1")
    moved = api.signed("order.modify", **BTC, orderId=order["orderId"], side="BUY", quantity="0.010", price="57000.0")
    assert moved["result"]["price"] == "57000.00"
    assert "cumQty" in moved["result"] and "pair" not in moved["result"]
    shown = api.signed("order.status", **BTC, origClientOrderId="mine-1")["result"]
    assert (shown["price"], shown["status"]) == ("57000.00", "NEW")
    gone = api.signed("order.cancel", **BTC, orderId=order["orderId"])
    assert gone["result"]["status"] == "CANCELED"
    assert api.signed("order.cancel", **BTC, orderId=order["orderId"])["error"]["code"] == -2011
    stop = api.signed(
        "algoOrder.place",
        algoType="CONDITIONAL",
        **BTC,
        side="SELL",
        type="STOP_MARKET",
        quantity="0.010",
        triggerPrice="50000",
    )
    assert stop["result"]["algoStatus"] == "NEW"
    ended = api.signed("algoOrder.cancel", algoId=stop["result"]["algoId"])
    assert ended["result"]["code"] == "200"


def test_orders_are_counted_with_those_of_rest_and_weight_is_not(venue):
    api = Api(venue)
    rest = BinanceClient(venue, api.key, api.secret)
    rest.ask("POST", "/fapi/v1/order", **LIMIT)
    limits = api.signed("order.place", **LIMIT)["rateLimits"]
    assert [(r["rateLimitType"], r["interval"], r["limit"], r["count"]) for r in limits] == [
        ("ORDERS", "SECOND", 300, 2),
        ("ORDERS", "MINUTE", 1200, 2),
        ("REQUEST_WEIGHT", "MINUTE", 2400, 5),  # the handshake
    ]
    status = api.signed("order.status", **BTC, orderId=1)
    assert [r["count"] for r in status["rateLimits"]] == [6]
    # It is signed with the others, as clients do.
    silent = api.signed("v2/account.balance", returnRateLimits=False)
    assert (silent["status"], "rateLimits" in silent) == (200, False), silent
    quiet = Api(venue, "/ws-fapi/v1?returnRateLimits=false")
    assert "rateLimits" not in quiet.send("time")
    assert "rateLimits" in quiet.send("time", {"returnRateLimits": True})


def test_who_asks_too_much_is_told_when_to_come_back(venue):
    api = Api(venue)
    for _ in range(250):
        answer = api.send("depth", {**BTC, "limit": 1000})
        if answer["status"] != 200:
            break
    assert (answer["status"], answer["error"]["code"]) == (429, -1003)
    data = answer["error"]["data"]
    assert data["serverTime"] < data["retryAfter"] <= data["serverTime"] + 60_000
    # A pool of its own: REST goes on.
    rest = BinanceClient(venue, api.key, api.secret)
    assert rest.ask("GET", "/fapi/v1/openOrders", **BTC)[0] == 200


@pytest.mark.parametrize(
    ("method", "change", "status", "code"),
    [
        ("no.such", {}, 400, -1020),
        ("order.place", {"signature": ""}, 400, -1102),
        ("order.place", {"signature": "00"}, 400, -1022),
        ("order.place", {"apiKey": "nobody"}, 401, -2015),
        ("order.place", {"apiKey": ""}, 401, -2014),
        ("order.status", {}, 401, -2014),
        ("userDataStream.ping", {}, 401, -2014),
        ("session.logon", {}, 401, -2014),
    ],
)
def test_bad_calls_get_the_venues_code_in_the_envelope(venue, method, change, status, code):
    api = Api(venue)
    params = {**LIMIT, **({"apiKey": api.key} if change else {}), **change}
    answer = api.send(method, api.stamped(params))
    assert (answer["status"], answer["error"]["code"]) == (status, code)
    assert "result" not in answer


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b'{"id":1}',
        b'{"id":[1],"method":"time"}',
        b'{"id":1,"method":7}',
        b'{"id":1,"method":"time","params":[]}',
        b"\xff",
        b'{"id":"' + b"x" * 40 + b'","method":"time"}',
    ],
)
def test_what_is_no_request_is_said_to_be_none(venue, data):
    connection = venue.connect("/ws-fapi/v1")
    venue.dialect.message(connection, data, venue.time)
    assert heard(connection)[-1]["error"]["code"] == -1135
    venue.dialect.message(connection, b'{"id":null,"method":"time"}', venue.time)
    assert heard(connection)[-1]["result"]["serverTime"] == venue.time // 1_000_000


def test_after_a_logon_requests_need_no_signature_until_the_logout(venue):
    api = Api(venue)
    key = ed25519(venue)
    before = api.send("session.status")["result"]
    assert (before["apiKey"], before["authorizedSince"]) == (None, None)
    reported = api.logon(key.key, key.secret, recvWindow=5000)
    assert reported["result"]["apiKey"] == key.key, reported
    assert reported["result"]["authorizedSince"] >= reported["result"]["connectedSince"]
    placed = api.send("order.place", api.stamped(LIMIT))
    assert placed["result"]["status"] == "NEW", placed
    assert api.send("order.place", LIMIT)["error"]["code"] == -1102  # a timestamp all the same
    late = {**LIMIT, "timestamp": venue.time // 1_000_000 - 6000}
    assert api.send("order.place", late)["error"]["code"] == -1021
    other = venue.dialect.exchange.accounts[1]
    stolen = api.stamped({**LIMIT, "apiKey": other.key})
    assert api.send("order.place", stolen)["error"]["code"] == -1102  # another's key is signed for
    balance = api.send("v2/account.balance", api.stamped({}))["result"]
    assert {row["asset"] for row in balance} >= {"USDT"}
    assert api.send("v2/account.status", api.stamped({}))["result"]["positions"]
    assert api.send("v2/account.position", api.stamped(BTC))["result"]
    assert api.send("session.logout")["result"]["apiKey"] is None
    assert api.send("order.place", api.stamped(LIMIT))["status"] == 401


def test_only_ed25519_logs_on(venue):
    api = Api(venue)
    answer = api.signed("session.logon")
    assert (answer["status"], answer["error"]["code"]) == (400, -4056)
    key = ed25519(venue)
    wrong = ed25519(venue, 1).secret
    assert api.logon(key.key, wrong)["error"]["code"] == -1022
    assert api.send("order.place", api.stamped(LIMIT))["status"] == 401


def test_a_listen_key_is_made_kept_and_closed_by_call(venue):
    api = Api(venue)
    key = api.send("userDataStream.start", {"apiKey": api.key})["result"]["listenKey"]
    assert api.send("userDataStream.ping", {"apiKey": api.key})["result"] == {"listenKey": key}
    private = venue.connect(f"/private/ws/{key}")
    api.signed("order.place", **LIMIT)
    assert "ORDER_TRADE_UPDATE" in [m["e"] for m in heard(private)]
    api.send("userDataStream.stop", {"apiKey": api.key})
    assert api.send("userDataStream.ping", {"apiKey": api.key})["error"]["code"] == -1125


def test_the_connection_ends_after_a_day(venue):
    api = Api(venue)
    api.connection.opened -= 24 * 3600 * 10**9
    venue.wait(0.001)
    assert api.connection.closed


def test_ed25519_signs_requests_of_rest(venue):
    key = ed25519(venue)

    def ask(pem: str, **params):
        query = urlencode({**params, "timestamp": venue.time // 1_000_000})
        target = f"/fapi/v1/order?{query}&signature={quote(sign(pem, query), safe='')}"
        return venue.request("POST", target, b"", {"X-MBX-APIKEY": key.key})[:2]

    status, order = ask(key.secret, **LIMIT)
    assert (status, order.get("status")) == (200, "NEW"), order
    assert ask(ed25519(venue, 1).secret, **LIMIT)[1]["code"] == -1022


def test_an_owner_may_bring_a_public_key(venue):
    exchange = venue.dialect.exchange
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    made = exchange.accounts.make_key(exchange.accounts[0], "own", ED25519, public.decode())
    assert made.secret == ""
    text = f"timestamp={venue.time // 1_000_000}"
    digest = quote(base64.b64encode(private.sign(text.encode())).decode(), safe="")
    status, answer, _ = venue.request(
        "GET", f"/fapi/v1/openOrders?{text}&signature={digest}", b"", {"X-MBX-APIKEY": made.key}
    )
    assert (status, answer) == (200, [])
    with pytest.raises(BadConfig):
        exchange.accounts.make_key(exchange.accounts[0], "own", ED25519, public.decode())
    with pytest.raises(BadConfig):
        exchange.accounts.make_key(exchange.accounts[0], "other", ED25519, "ssh-ed25519 AAAA")
