"""Responses read from bytes: whole, byte by byte, one after another; and what is refused."""

from __future__ import annotations

import random

import pytest

from onetape.model.errors import VenueProtocolError
from onetape.venues.http_response import BODY_MAX, HEAD_MAX, Response, ResponseReader

PLAIN = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n"
    b'X-MBX-ORDER-COUNT-10S:  7 \r\n\r\n{"code":10}'
)
CHUNKED = (
    b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'5;x=1\r\n{"cod\r\n6\r\ne":10}\r\n0\r\nTrailer: 1\r\n\r\n'
)
EMPTY = b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n"
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN
WANTED = {
    PLAIN: (200, b'{"code":10}'),
    CHUNKED: (400, b'{"code":10}'),
    EMPTY: (204, b""),
    CONTINUED: (200, b'{"code":10}'),
}


@pytest.mark.parametrize("data", WANTED)
def test_a_response_is_read_whole_and_byte_by_byte(data):
    reader = ResponseReader()
    (whole,) = reader.feed(data)
    assert reader.is_between
    assert (whole.status, whole.body) == WANTED[data]
    reader = ResponseReader()
    found: list[Response] = []
    for at in range(len(data)):
        assert not found
        found += reader.feed(data[at : at + 1])
    assert found == [whole]


def test_responses_follow_each_other_cut_anywhere():
    stream = PLAIN + CHUNKED + EMPTY + CONTINUED + PLAIN
    wanted = [WANTED[each] for each in (PLAIN, CHUNKED, EMPTY, CONTINUED, PLAIN)]
    rng = random.Random(1)
    for _ in range(200):
        reader, found, at = ResponseReader(), [], 0
        while at < len(stream):
            step = rng.randint(1, 60)
            found += reader.feed(stream[at : at + step])
            at += step
        assert [(each.status, each.body) for each in found] == wanted
        assert reader.is_between


def test_headers_are_lower_case_and_trimmed():
    (reported,) = ResponseReader().feed(PLAIN)
    assert reported.headers["x-mbx-order-count-10s"] == "7"
    assert reported.keeps
    (last,) = ResponseReader().feed(PLAIN.replace(b"Content-Type:", b"Connection: Close\r\nX:"))
    assert not last.keeps


def test_what_follows_a_response_is_seen():
    reader = ResponseReader()
    assert len(reader.feed(PLAIN + b"HTTP/1.1 2")) == 1
    assert not reader.is_between


def headed(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([status, *lines]) + b"\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"<html>",
        b"\r\n",
        headed(b"Content-Length: 1", status=b"HTTP/1.0 200 OK"),
        headed(b"Content-Length: 1", status=b"HTTP/1.1 20 OK"),
        headed(b"Content-Length: 1", status=b"HTTP/1.1 2xx OK"),
        headed(b"Content-Length: 1", status=b"HTTP/1.1"),
        headed(),
        headed(b"Content-Length: -1"),
        headed(b"Content-Length: +1"),
        headed(b"Content-Length: 1_0"),
        headed(b"Content-Length: 1, 1"),
        headed(b"Content-Length: 0x1"),
        headed(b"Content-Length: \xb2"),
        headed(b"Content-Length: 1", b"Content-Length: 2"),
        headed(b"Content-Length: 1", b"Transfer-Encoding: chunked"),
        headed(b"Transfer-Encoding: gzip, chunked"),
        headed(b"Transfer-Encoding: identity"),
        headed(b"Content-Length : 1"),
        headed(b"Content-Length: 1", b" folded"),
        headed(b"no colon", b"Content-Length: 1"),
        headed(b"X: \x00", b"Content-Length: 1"),
        headed(b"X: a\nContent-Length: 9", b"Content-Length: 1"),
        headed(b"Content-Length: %d" % (BODY_MAX + 1)),
        headed(b"X: " + b"a" * HEAD_MAX, b"Content-Length: 1"),
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * (HEAD_MAX + 100),
        headed(b"Transfer-Encoding: chunked") + b"\r\n",
        headed(b"Transfer-Encoding: chunked") + b"-1\r\n",
        headed(b"Transfer-Encoding: chunked") + b"1\r\nab\r\n",
        headed(b"Transfer-Encoding: chunked") + b"7fffffff\r\n",
        headed(b"Transfer-Encoding: chunked") + b"1;" + b"x" * 300,
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(data):
    with pytest.raises(VenueProtocolError):
        ResponseReader("venue").feed(data)


def test_any_mutation_is_a_response_or_an_error():
    rng = random.Random(5)
    for _ in range(3000):
        data = bytearray(rng.choice((PLAIN, CHUNKED, CONTINUED)))
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            found = ResponseReader().feed(bytes(data))
        except VenueProtocolError:
            continue
        assert all(100 <= each.status <= 999 and len(each.body) <= len(data) for each in found)
