"""Signatures and errors of BitMEX: its published examples, and what a refusal says."""

from __future__ import annotations

import pytest

from exchange.bitmex.bitmex_client import BitmexClient, client_of
from exchange.venue_client import Virtual, Wire, served
from onetape.model.errors import ClockSkew, InsufficientFunds, VenueRejected, VenueUnavailable
from onetape.venues.bitmex.errors import ERRORS, row_of_answer
from onetape.venues.bitmex.signing import signature
from onetape.venues.error_tables import Outcome

SECRET = "chNOOS4KvNXR_Xq4k4c9qsfoKWvnDecLATCRlcBwyKDYnWgO"
ORDER = b'{"symbol":"XBTM15","price":219.0,"clOrdID":"mm_bitmex_1a/oemUeQ4CAJZgP3fjHsA","orderQty":98}'


@pytest.mark.parametrize(
    ("verb", "target", "expires", "body", "wanted"),
    [
        (
            "GET",
            "/api/v1/instrument",
            1518064236,
            b"",
            "c7682d435d0cfe87c16098df34ef2eb5a549d4c5a3c2b1f0f77b8af73423bf00",
        ),
        (
            "GET",
            "/api/v1/instrument?filter=%7B%22symbol%22%3A+%22XBTM15%22%7D",
            1518064237,
            b"",
            "e2f422547eecb5b3cb29ade2127e21b858b235b386bfa45e1c1756eb3383919f",
        ),
        (
            "POST",
            "/api/v1/order",
            1518064238,
            ORDER,
            "1749cd2ccae4aa49048ae09f0b95110cee706e0944e6a14ad0b3a8cb45bd336b",
        ),
    ],
)
def test_the_published_examples_come_out(verb, target, expires, body, wanted):
    assert signature(SECRET, verb, target, expires, body) == wanted


@pytest.mark.parametrize(
    ("status", "message", "outcome", "error"),
    [
        (503, "The system is currently overloaded. Please try again later.", Outcome.SAFE, VenueUnavailable),
        (503, "something else", Outcome.SAFE, VenueUnavailable),
        (400, "Account has insufficient Available Balance, 123 XBt required", Outcome.DEFINITIVE, InsufficientFunds),
        (401, "This request has expired - `expires` is in the past. Current time: 1", Outcome.SAFE, ClockSkew),
        (502, "Bad Gateway", Outcome.AMBIGUOUS, VenueRejected),
        (400, "never heard of", Outcome.DEFINITIVE, VenueRejected),
    ],
)
def test_a_refusal_says_what_became_of_the_request(status, message, outcome, error):
    row = row_of_answer(status, message)
    assert (row.outcome, row.error) == (outcome, error)


def test_every_error_text_finds_its_own_row():
    for text, row in ERRORS.items():
        assert row_of_answer(400, str(text).format("x", "y")) is row


@pytest.fixture(scope="module")
def server():
    with served("bitmex") as (dialect, port):
        yield dialect, port


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({}, 200, ""),
        ({"key": "nosuchkey"}, 401, "Invalid API Key."),
        ({"secret": "wrong"}, 401, "Signature not valid."),
        ({"ahead": -1}, 401, "This request has expired"),
        ({"ahead": 0}, 401, "This request has expired"),
        ({"ahead": 3600}, 200, ""),
    ],
)
def test_keys_signatures_and_expiry_are_checked_over_a_socket(server, change, status, message):
    dialect, port = server
    account = dialect.exchange.accounts[0]
    client = BitmexClient(Wire(port), **{"key": account.key, "secret": account.secret, **change})
    got, answer = client.ask("GET", "/user/margin", currency="all")
    assert got == status
    if message:
        assert answer["error"]["message"].startswith(message)
        assert answer["error"]["name"] == "HTTPError"


def test_what_is_escaped_in_an_address_is_signed_as_it_was_sent(server):
    dialect, port = server
    account = dialect.exchange.accounts[0]
    client = BitmexClient(Wire(port), account.key, account.secret)
    target = "/api/v1/order?filter=%7B%22open%22%3A+true%7D&symbol=XBTUSD"
    status, rows, _ = client.transport.request("GET", target, b"", client.signed("GET", target))
    assert (status, rows) == (200, [])


def test_private_paths_want_a_key_and_unknown_ones_are_not_found():
    client = client_of(Virtual("bitmex"))
    assert client.ask("GET", "/position", signed=False)[0] == 401
    assert client.ask("GET", "/nothing", signed=False)[0] == 404
    assert client.ask("GET", "/instrument/active", signed=False)[0] == 200


def test_a_key_that_may_not_trade_is_forbidden_to():
    venue = Virtual("bitmex")
    venue.dialect.exchange.accounts[0].can_trade = False
    status, answer = client_of(venue).order("Buy", 100)
    assert (status, answer["error"]["message"]) == (403, "Access Denied")
    assert client_of(venue).ask("GET", "/position")[0] == 200


def test_who_asks_too_much_is_told_to_wait_and_may_then_go_on():
    venue = Virtual("bitmex")
    client = client_of(venue)
    seen = [client.ask("GET", "/user")[0] for _ in range(125)]
    assert seen.index(429) == 120
    assert int(client.headers["retry-after"]) >= 1
    assert client.headers["x-ratelimit-remaining"] == "0"
    venue.wait(1)
    assert client.ask("GET", "/user")[0] == 200
    venue.wait(60)
    orders = [client.order("Buy", 100, 1000.0)[0] for _ in range(12)]
    assert orders.count(429) >= 1
    assert orders[:10] == [200] * 10
    free = client_of(Virtual("bitmex", limits=False))
    assert {free.ask("GET", "/user")[0] for _ in range(130)} == {200}
