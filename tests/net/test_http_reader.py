"""Plain HTTP requests: read whole, byte by byte and one after the other; the rest is refused."""

from __future__ import annotations

import random
import socket
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.venue_client import served
from onetape._core import plain_fields, plain_units, read_http, units_text
from onetape.net.http_reader import BODY_MAX, HEAD_MAX, NotPlain, read_request
from waiting import PATIENCE_S
from worlds.slow_http_reader import read_slowly

POST = (
    b"POST /fapi/v1/order?symbol=BTCUSDT&x=%2F HTTP/1.1\r\nHost: a\r\nX-MBX-APIKEY:  key \r\n"
    b"Content-Length: 5\r\n\r\nhello"
)
GET = b"GET /fapi/v1/time HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"


def test_a_request_is_read_as_it_was_sent():
    method, path, query, headers, body, end = read_request(POST)
    assert (method, path) == ("POST", "/fapi/v1/order")
    assert query == "symbol=BTCUSDT&x=%2F"  # signatures are over these bytes
    assert headers == {"host": "a", "x-mbx-apikey": "key", "content-length": "5"}
    assert body == b"hello"
    assert end == len(POST)


def test_nothing_is_taken_before_all_of_it_is_there():
    assert [read_request(POST[:end]) for end in range(len(POST))] == [None] * len(POST)


def test_what_follows_is_left_for_the_next_request():
    both = bytearray(POST + GET + GET[:10])
    *first, end = read_request(both)
    *second, after = read_request(both, end)
    assert (first[1], second[1]) == ("/fapi/v1/order", "/fapi/v1/time")
    assert second[4] == b""
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


def test_whatever_comes_is_read_as_the_slow_reader_reads_it():
    draw = random.Random(5)
    whole = [POST, GET, head(b"A:", b"B: \tx y\t", b"Connection: Keep-Alive", first=b"DELETE /a?b HTTP/1.1") + GET]
    pieces = [
        b"\r\n", b"\r", b"\n", b":", b" ", b"\t", b"?", b"/", b"\x00", b"\xff", b"0", b"9",
        b"\r\n\r\n", b"Content-Length: 3\r\n", b"TE: x\r\n", b"connection: close\r\n",
        b"Host: b\r\n",
    ]  # fmt: skip
    kinds = set()
    for _ in range(20_000):
        data = bytearray(draw.choice(whole))
        for _ in range(draw.randrange(4)):
            at, what = draw.randrange(len(data)), draw.random()
            if what < 0.4:
                data[at:at] = draw.choice(pieces)
            elif what < 0.7:
                del data[at : at + draw.randrange(1, 4)]
            else:
                data[at] = draw.randrange(256)
        start = 0 if draw.random() < 0.8 else draw.randrange(20)
        wanted = read_slowly(bytes(data), start)
        assert read_http(data, start) == wanted, (bytes(data), start)
        kinds.add(type(wanted))
    assert len(kinds) == 3


@given(st.text("ab=&;%+é", max_size=30))
def test_parameters_without_escapes_are_read_as_the_library_reads_them(text):
    if "%" in text or "+" in text:
        assert plain_fields(text) is None
    else:
        assert plain_fields(text) == dict(parse_qsl(text, keep_blank_values=True))


@given(st.integers(0, 2**80), st.integers(0, 12), st.integers(0, 12))
def test_what_is_written_is_read_as_the_same_units(units, decimals, least):
    text = units_text(units, decimals, least)
    assert Decimal(text) == Decimal(units).scaleb(-decimals)  # also above 64 bits
    assert len(text.partition(".")[2]) >= least
    assert units_text(-units, decimals, least) == (f"-{text}" if units else text)
    more = max(least - decimals, 0)
    if units * 10**more < 2**58:  # of more there may be nothing
        assert plain_units(text, decimals + more) == units * 10**more


def answers(port: int, *sent: bytes, count: int) -> list[bytes]:
    """The status lines of the answers to what is sent, piece by piece, on one connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as wire:
        for piece in sent:
            wire.sendall(piece)
        reported = b""
        while reported.count(b"HTTP/1.1 ") < count:
            piece = wire.recv(65536)
            assert piece, reported
            reported += piece
    return [part[:3] for part in reported.split(b"HTTP/1.1 ")[1:]]


CHUNKED = b"POST /fapi/v1/order HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n0\r\n\r\n"


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
