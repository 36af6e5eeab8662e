"""Orders over a kept-open WebSocket: what is sent, what answers mean, what a cut leaves unknown."""

from __future__ import annotations

import base64
import hmac
import json
import random
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from test_kraken_trading import PAIRS

from onetape.model import catalogue
from onetape.model.enums import OrderType, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import BadConfig
from onetape.model.order import OrderSpec
from onetape.orders.calls import OrderKey, Purpose
from onetape.orders.outcome import Outcome
from onetape.venues.binance.errors import ERRORS as BINANCE
from onetape.venues.binance.order_session import BinanceOrderSession
from onetape.venues.binance.signing import signer_of, socket_payload
from onetape.venues.binance.trading import BinanceUsdmProtocol
from onetape.venues.contract import Addresses
from onetape.venues.kraken.errors import ERRORS as KRAKEN
from onetape.venues.open import open_trading_venue
from onetape.venues.order_entry import LATE, PENDING_MAX, EntrySession

SECOND = 1_000_000_000
NOW = 1_795_000_000 * SECOND
KINDS = ("binance-usdm", "kraken")
SYMBOLS = {"binance-usdm": "binance:BTC/USDT:USDT", "kraken": "kraken:BTC/USD"}


def opened(kind: str):
    """(protocol, session that is ready)."""
    venue = open_trading_venue(kind, "key", "c2VjcmV0", Addresses("", "ws://a", "ws://b/v2"))
    protocol = venue.protocol
    if kind == "kraken":
        venue.instruments_of(json.dumps({"error": [], "result": PAIRS}).encode(), frozenset())
    else:
        protocol.set_instruments([catalogue.find(SYMBOLS[kind])])
    protocol.signs_late = True
    session = EntrySession(venue.entry_dialect("token"))
    for hello in session.opened(NOW):
        number = json.loads(hello)["req_id"]
        confirmed = {"method": "subscribe", "success": True, "req_id": number, "result": {}}
        session.take(json.dumps(confirmed).encode(), NOW)
    assert session.is_ready
    return protocol, session


def order(kind: str, **more) -> OrderSpec:
    terms = {"side": Side.BUY, "size_int": 1_000_000, "price_int": 600_000, **more}
    return OrderSpec(symbol=SYMBOLS[kind], **terms)


def key_of(kind: str, **more) -> OrderKey:
    return OrderKey(SYMBOLS[kind], "id-1", **more)


def calls_of(kind: str, protocol) -> list:
    return [
        protocol.place("id-1", order(kind), NOW),
        protocol.amend(key_of(kind), order(kind), NOW, price=610_000, size=500),
        protocol.cancel(key_of(kind), NOW),
    ]


def done(kind: str, message: bytes, purpose: Purpose) -> dict:
    """The venue's answer to a message that was carried out."""
    answer = json.loads(message)
    if kind == "kraken":
        result = {"order_id": "OABCDE-12345-FGHIJ", "cl_ord_id": "id-1"}
        return {
            "method": answer["method"],
            "req_id": answer["req_id"],
            "success": True,
            "result": result,
            "time_in": "",
            "time_out": "",
        }
    status = "CANCELED" if purpose is Purpose.CANCEL else "NEW"
    row = {
        "orderId": 7, "symbol": "BTCUSDT", "status": status, "clientOrderId": "id-1",
        "price": "60000.0", "origQty": "1.000", "executedQty": "0.000", "side": "BUY",
        "type": "LIMIT", "origType": "LIMIT", "timeInForce": "GTC", "positionSide": "BOTH",
        "reduceOnly": False, "updateTime": NOW // 1_000_000, "stopPrice": "0",
        "closePosition": False, "priceProtect": False,
    }  # fmt: skip
    orders = {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300}
    limits = [orders | {"count": 2}]
    return {"id": answer["id"], "status": 200, "result": row, "rateLimits": limits}


def refused(kind: str, message: bytes, code, status: int = 400, **data) -> bytes:
    answer = json.loads(message)
    if kind == "kraken":
        received = {"method": answer["method"], "req_id": answer["req_id"], "success": False}
        return json.dumps({**received, "error": code}).encode()
    error = {"code": code, "msg": "no"} | ({"data": data} if data else {})
    return json.dumps({"id": answer["id"], "status": status, "error": error}).encode()


@pytest.mark.parametrize("kind", KINDS)
def test_each_order_request_is_carried_and_answered_once(kind):
    protocol, session = opened(kind)
    sent = [(call, session.send(call, NOW)) for call in calls_of(kind, protocol)]
    assert all(message is not None for _, message in sent)
    assert session.pending == 3
    for call, message in reversed(sent):  # answers may overtake each other
        answer = json.dumps(done(kind, message, call.purpose)).encode()
        ((whose, read),) = session.take(answer, NOW)
        assert whose is call
        assert read.outcome is Outcome.DONE
        assert session.take(answer, NOW) == []
    assert session.pending == 0
    assert session.unknown == {"answer to nothing": 3}


@pytest.mark.parametrize("kind", KINDS)
def test_questions_are_never_carried(kind):
    protocol, session = opened(kind)
    requests = [protocol.query(key_of(kind), NOW), *protocol.open_orders(NOW), protocol.balances(NOW)]
    assert not any(session.send(call, NOW) for call in requests)
    assert not session.pending
    assert all(call.terms is None for call in requests)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cut_makes_every_pending_request_ambiguous(kind):
    protocol, session = opened(kind)
    calls = calls_of(kind, protocol)
    for call in calls:
        session.send(call, NOW)
    lost = session.closed()
    assert [each.call for each in lost] == calls
    assert {each.answer.outcome for each in lost} == {Outcome.AMBIGUOUS}
    assert session.closed() == []
    assert session.send(calls[0], NOW) is None


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_does_not_come_is_ambiguous_and_one_that_comes_late_is_counted(kind):
    protocol, session = opened(kind)
    call = protocol.place("id-1", order(kind), NOW)
    message = session.send(call, NOW)
    assert session.late(NOW + LATE - 1) == []
    ((whose, answer),) = session.late(NOW + LATE)
    assert whose is call
    assert answer.outcome is Outcome.AMBIGUOUS
    assert session.take(json.dumps(done(kind, message, call.purpose)).encode(), NOW) == []
    assert session.unknown == {"late answer": 1}


@pytest.mark.parametrize(
    ("kind", "code"), [("binance-usdm", code) for code in BINANCE] + [("kraken", text) for text in KRAKEN]
)
def test_an_error_means_what_it_means_over_rest(kind, code):
    protocol, session = opened(kind)
    for call in calls_of(kind, protocol):
        ((_, answer),) = session.take(refused(kind, session.send(call, NOW), code), NOW)
        if kind == "kraken":
            body = json.dumps({"error": [code]}).encode()
        else:
            body = json.dumps({"code": code, "msg": "no"}).encode()
        over_rest = protocol.answer(call, 200 if kind == "kraken" else 400, {}, body, NOW)
        assert answer == over_rest


def test_a_limit_says_how_long_to_wait():
    protocol, session = opened("binance-usdm")
    message = session.send(protocol.place("id-1", order("binance-usdm"), NOW), NOW)
    until = NOW // 1_000_000 + 2500
    ((_, answer),) = session.take(refused("binance-usdm", message, -1003, 429, retryAfter=until), NOW)
    assert (answer.outcome, answer.retry_after) == (Outcome.SAFE, 3 * SECOND)


def test_limits_told_in_answers_are_noted():
    protocol, session = opened("binance-usdm")
    call = protocol.place("id-1", order("binance-usdm"), NOW)
    session.take(json.dumps(done("binance-usdm", session.send(call, NOW), call.purpose)).encode(), NOW)
    assert session.dialect.limits == {"ORDERS 10S": (2, 300)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"id":null,"error":{}}',
        b'{"id":"x","status":200}',
        b'{"req_id":"a","success":true}',
        b'{"id":1}',
        b'{"req_id":1,"success":"yes"}',
    ],
)
def test_what_makes_no_sense_breaks_the_line_or_is_counted(kind, message):
    protocol, session = opened(kind)
    call = protocol.place("id-1", order(kind), NOW)
    session.send(call, NOW)
    assert session.take(message, NOW) == []
    assert bool(session.broken) != bool(session.unknown)
    assert [each.call for each in session.closed()] == [call]


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_answer_never_raises_and_never_answers_another_request(kind):
    rng = random.Random(7)
    for _ in range(400):
        protocol, session = opened(kind)
        calls = calls_of(kind, protocol)
        messages = [session.send(call, NOW) for call in calls]
        answer = bytearray(json.dumps(done(kind, messages[0], calls[0].purpose)).encode())
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(answer))
            match rng.randrange(3):
                case 0:
                    answer[at] = rng.randrange(256)
                case 1:
                    del answer[at]
                case _:
                    answer.insert(at, rng.randrange(32, 127))
        found = session.take(bytes(answer), NOW)
        assert len(found) <= 1
        left = [each.call for each in session.closed()]
        assert sorted(map(id, left + [each.call for each in found])) == sorted(map(id, calls))


def test_a_line_that_is_full_takes_nothing_more():
    protocol, session = opened("kraken")
    call = protocol.cancel(key_of("kraken"), NOW)
    for _ in range(PENDING_MAX):
        assert session.send(call, NOW) is not None
    assert session.send(call, NOW) is None
    assert session.pending == PENDING_MAX


# --- Binance --------------------------------------------------------------------------------------


def test_binance_signs_each_request_over_its_sorted_parameters():
    protocol, session = opened("binance-usdm")
    call = protocol.place("id-1", order("binance-usdm"), NOW)
    message = json.loads(session.send(call, NOW))
    params = message["params"]
    signature = params.pop("signature")
    assert message["method"] == "order.place"
    assert params == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": "60000.0",
        "quantity": "1000.000",
        "newClientOrderId": "id-1",
        "apiKey": "key",
        "recvWindow": 5000,
        "timestamp": NOW // 1_000_000,
    }
    text = "&".join(f"{name}={params[name]}" for name in sorted(params))
    assert signature == hmac.digest(b"c2VjcmV0", text.encode(), "sha256").hex()


def test_binance_signature_of_the_documentation():
    """The example of the WebSocket API's page on signatures, with the key and secret printed there,
    as of 2026-11."""
    params = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01000000",
        "price": "52000.00",
        "newOrderRespType": "ACK",
        "recvWindow": 100,
        "timestamp": 1645423376532,
        "apiKey": "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
        "signature": "not part of it",
    }
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    assert signer_of(secret).sign(socket_payload(params)) == (
        "cc15477742bd704c29492d96c7ead9414dfd8e0ec4a00f947bb5bb454ddbd08a"
    )


def test_binance_sends_conditional_orders_to_the_algo_service():
    protocol, session = opened("binance-usdm")
    stop = order(
        "binance-usdm",
        type=OrderType.MARKET,
        price_int=0,
        trigger_int=590_000,
        trigger_by=TriggerBy.MARK,
        trigger_kind=TriggerKind.STOP,
    )
    placed = json.loads(session.send(protocol.place("id-1", stop, NOW), NOW))
    assert placed["method"] == "algoOrder.place"
    assert placed["params"]["clientAlgoId"] == "id-1"
    gone = protocol.cancel(key_of("binance-usdm", conditional=True), NOW)
    assert json.loads(session.send(gone, NOW))["method"] == "algoOrder.cancel"


def test_binance_writes_whole_numbers_as_numbers():
    protocol, session = opened("binance-usdm")
    spec = order("binance-usdm", tif=TimeInForce.GTD, expire=NOW + 3600 * SECOND)
    params = json.loads(session.send(protocol.place("id-1", spec, NOW), NOW))["params"]
    assert params["goodTillDate"] == (NOW + 3600 * SECOND) // 1_000_000
    assert params["price"] == "60000.0"


# --- Kraken ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terms", "wanted"),
    [
        ({}, {"order_type": "limit", "limit_price": 60000.0, "time_in_force": "gtc"}),
        ({"post_only": True}, {"post_only": True}),
        ({"tif": TimeInForce.IOC}, {"time_in_force": "ioc"}),
        ({"type": OrderType.MARKET, "price_int": 0}, {"order_type": "market"}),
        (
            {
                "type": OrderType.MARKET,
                "price_int": 0,
                "trigger_int": 610_000,
                "trigger_by": TriggerBy.LAST,
                "trigger_kind": TriggerKind.STOP,
            },
            {"order_type": "stop-loss", "triggers": {"reference": "last", "price": 61000.0}},
        ),
        (
            {"trigger_int": 610_000, "trigger_by": TriggerBy.INDEX, "trigger_kind": TriggerKind.STOP},
            {
                "order_type": "stop-loss-limit",
                "limit_price": 60000.0,
                "triggers": {"reference": "index", "price": 61000.0},
            },
        ),
        (
            {"tif": TimeInForce.GTD, "expire": NOW + 3600 * SECOND},
            {"time_in_force": "gtd", "expire_time": "2026-11-18T12:06:40.000Z"},
        ),
    ],
)
def test_kraken_orders_in_the_socket_s_names(terms, wanted):
    protocol, session = opened("kraken")
    message = json.loads(session.send(protocol.place("id-1", order("kraken", **terms), NOW), NOW))
    params = message["params"]
    assert message["method"] == "add_order"
    assert {name: params[name] for name in wanted} == wanted
    assert params["symbol"] == "BTC/USD"
    assert params["order_qty"] == 0.01
    assert params["fee_preference"] == "quote"
    assert params["deadline"].endswith("Z")
    assert params["token"] == "token"


def test_kraken_numbers_are_written_digit_by_digit():
    protocol, session = opened("kraken")
    call = protocol.place("id-1", order("kraken", size_int=123_456_789_012_345_678), NOW)
    assert b'"order_qty":1234567890.12345678,' in session.send(call, NOW)


def test_kraken_is_ready_when_the_channel_that_keeps_its_token_is_confirmed():
    venue = open_trading_venue("kraken", "key", "c2VjcmV0", Addresses("", "ws://a", "ws://b/v2"))
    session = EntrySession(venue.entry_dialect("token"))
    (hello,) = session.opened(NOW)
    assert json.loads(hello)["params"]["token"] == "token"
    assert not session.is_ready
    said = {"method": "subscribe", "success": False, "error": "ESession:Invalid session"}
    session.take(json.dumps({**said, "req_id": json.loads(hello)["req_id"]}).encode(), NOW)
    assert not session.is_ready
    assert "Invalid session" in session.broken


def test_kraken_channels_are_no_answers():
    _, session = opened("kraken")
    for channel in ("heartbeat", "status", "balances", "ticker"):
        session.take(json.dumps({"channel": channel, "data": []}).encode(), NOW)
    assert not session.broken
    assert session.unknown == {"ticker": 1}


# --- late signatures ------------------------------------------------------------------------------


def test_a_request_signed_late_is_the_one_that_was_signed_at_once():
    early = BinanceUsdmProtocol("key", "secret")
    late = BinanceUsdmProtocol("key", "secret")
    late.signs_late = True
    for protocol in (early, late):
        protocol.set_instruments([catalogue.find(SYMBOLS["binance-usdm"])])
    for a, b in zip(calls_of("binance-usdm", early), calls_of("binance-usdm", late), strict=True):
        assert b.terms is not None
        assert "signature" not in b.target
        assert late.signed(b, NOW) == a
        assert late.signed(a, NOW) is a
    assert BinanceOrderSession(late).message(calls_of("binance-usdm", late)[0], 1, NOW) is not None


# --- Ed25519 --------------------------------------------------------------------------------------

# RFC 8032, section 7.1, tests 1 and 2: seed, public key, message, signature.
RFC8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
        "b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
        "1d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]


def pem_of(seed: bytes) -> str:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(("seed", "message", "signature"), RFC8032)
def test_ed25519_signs_as_its_standard_says(seed, message, signature):
    pem = pem_of(bytes.fromhex(seed))
    for secret in (pem, pem.replace("\n", "\\n")):
        signer = signer_of(secret)
        assert signer.opens_session
        assert base64.b64decode(signer.sign(bytes.fromhex(message))).hex() == signature


def test_an_ed25519_session_is_opened_once_and_then_signs_nothing():
    secret = pem_of(bytes(range(32)))
    venue = open_trading_venue("binance-usdm", "key", secret, Addresses("", "ws://a", "ws://a"))
    protocol = venue.protocol
    protocol.set_instruments([catalogue.find(SYMBOLS["binance-usdm"])])
    protocol.signs_late = True
    session = EntrySession(venue.entry_dialect(""))
    (hello,) = session.opened(NOW)
    answer = json.loads(hello)
    params = answer["params"]
    signature = base64.b64decode(params.pop("signature"))
    assert answer["method"] == "session.logon"
    assert params == {"apiKey": "key", "recvWindow": 5000, "timestamp": NOW // 1_000_000}
    public = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
    public.verify(signature, socket_payload(params))
    call = protocol.cancel(key_of("binance-usdm"), NOW)
    assert session.send(call, NOW) is None
    session.take(json.dumps({"id": answer["id"], "status": 200, "result": {}}).encode(), NOW)
    params = json.loads(session.send(call, NOW))["params"]
    assert params == {
        "symbol": "BTCUSDT",
        "origClientOrderId": "id-1",
        "recvWindow": 5000,
        "timestamp": NOW // 1_000_000,
    }


def test_an_ed25519_signature_is_percent_encoded_in_a_query():
    protocol = BinanceUsdmProtocol("key", pem_of(bytes(range(32))))
    for n in range(20):
        call = protocol.balances(NOW + n * SECOND)
        query, _, signature = call.target.partition("?")[2].partition("&signature=")
        assert not set(signature) & set("+/=")
        public = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
        public.verify(base64.b64decode(unquote(signature)), query.encode())


def rsa_pem() -> str:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "secret",
    [
        "-----BEGIN PRIVATE KEY-----",
        pem_of(bytes(32))[:80] + "\n-----END PRIVATE KEY-----",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        rsa_pem(),
    ],
)
def test_a_pem_that_is_no_ed25519_key_is_one_line_without_the_key(secret):
    with pytest.raises(BadConfig) as caught:
        BinanceUsdmProtocol("key", secret)
    assert caught.value.__cause__ is None
    shown = str(caught.value)
    assert "\n" not in shown
    assert all(line not in shown for line in secret.splitlines()[1:] if len(line) > 8)
