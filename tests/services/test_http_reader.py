"""Plain HTTP requests: read whole, byte by byte and one after the other; the rest is refused."""

from __future__ import annotations

import socket

import pytest

from onetape.services.http_reader import BODY_MAX, HEAD_MAX, NotPlain, read_request
from sim.venue_client import served

POST = (
    b"POST /fapi/v1/order?symbol=BTCUSDT&x=%2F HTTP/1.1\r\nHost: a\r\nX-MBX-APIKEY:  key \r\n"
    b"Content-Length: 5\r\n\r\nhello"
)
GET = b"GET /fapi/v1/time HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"


def test_a_request_is_read_as_it_was_sent():
    request, end = read_request(POST)
    assert (request.method, request.path) == ("POST", "/fapi/v1/order")
    assert request.query == "symbol=BTCUSDT&x=%2F"  # signatures are over these bytes
    assert request.headers == {"host": "a", "x-mbx-apikey": "key", "content-length": "5"}
    assert request.body == b"hello"
    assert end == len(POST)


def test_nothing_is_taken_before_all_of_it_is_there():
    assert [read_request(POST[:end]) for end in range(len(POST))] == [None] * len(POST)


def test_what_follows_is_left_for_the_next_request():
    both = bytearray(POST + GET + GET[:10])
    first, end = read_request(both)
    second, after = read_request(both, end)
    assert (first.path, second.path) == ("/fapi/v1/order", "/fapi/v1/time")
    assert second.body == b""
    assert after == len(POST + GET)
    assert read_request(both, after) is None


def head(*lines: bytes, first: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join([first, *lines]) + b"\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        head(b"Upgrade: websocket"),
        head(b"Transfer-Encoding: chunked"),
        head(b"Expect: 100-continue"),
        head(b"Connection: close"),
        head(b"Content-Length: 3", b"Content-Length: 4"),
        head(b"Content-Length: +3"),
        head(b"Content-Length: \xb2"),
        head(b"Content-Length: " + str(BODY_MAX + 1).encode()),
        head(b"A: 1", b" folded"),
        head(b"A : 1"),
        head(b": 1"),
        head(b"nothing"),
        head(b"A: 1\n B: 2"),
        head(b"A: 1\rB: 2"),
        head(b"A: \x00"),
        head(first=b"GET / HTTP/1.0"),
        head(first=b"PATCH / HTTP/1.1"),
        head(first=b"GET  / HTTP/1.1"),
        head(first=b"GET /a b HTTP/1.1"),
        head(first=b"GET http://a/ HTTP/1.1"),
        head(first=b"get / HTTP/1.1"),
        head(b"A: " + b"x" * HEAD_MAX),
        b"\x16\x03\x01" + bytes(HEAD_MAX),  # TLS, or anything else that never ends
    ],
)
def test_what_is_not_plain_is_not_for_this_reader(data):
    with pytest.raises(NotPlain):
        read_request(data)


def answers(port: int, *sent: bytes, count: int) -> list[bytes]:
    """The status lines of the answers to what is sent, piece by piece, on one connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        for piece in sent:
            wire.sendall(piece)
        told = b""
        while told.count(b"HTTP/1.1 ") < count:
            piece = wire.recv(65536)
            assert piece, told
            told += piece
    return [part[:3] for part in told.split(b"HTTP/1.1 ")[1:]]


CHUNKED = (
    b"POST /fapi/v1/order HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3\r\na=1\r\n0\r\n\r\n"
)


@pytest.mark.parametrize(
    "sent",
    [
        (GET * 3,),
        (*(GET[at : at + 7] for at in range(0, len(GET), 7)), GET + GET),
        (GET + CHUNKED + GET,),  # the second and all after it go to the whole server
        (GET, CHUNKED[:30], CHUNKED[30:] + GET),
    ],
)
def test_a_connection_answers_each_request_once_and_in_order(sent):
    is_chunked = b"chunked" in b"".join(sent)
    with served("binance-usdm") as (_, port):
        assert answers(port, *sent, count=3) == [b"200", b"401" if is_chunked else b"200", b"200"]


def test_an_answer_that_is_waited_for_keeps_the_ones_behind_it():
    late = '[[fault]]\npath = "*/time"\naction = "delay"\nwait = "50ms"\ncount = 1\n'
    unknown = GET.replace(b"/time", b"/nothing")
    with served("binance-usdm", faults=late) as (_, port):
        assert answers(port, GET + unknown, count=2) == [b"200", b"404"]


def test_a_request_that_is_too_long_is_refused():
    long = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (BODY_MAX + 1)
    with served("binance-usdm") as (_, port):
        assert answers(port, long + bytes(BODY_MAX + 1), count=1) == [b"413"]
