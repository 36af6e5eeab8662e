"""Clients of a simulated exchange that do not speak HTTP, or never come to an end."""

from __future__ import annotations

import asyncio
import http.client
import socket
import time
from types import SimpleNamespace

import pytest

import onetape.exchange.http_port
import onetape.exchange.server
from exchange.venue_client import Virtual, served
from onetape.exchange.dialect import Pending, Reply
from onetape.exchange.http_port import PlainHttp

GARBAGE = (
    b"\x16\x03\x01 garbage\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /fapi/v1/time HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"FOO\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
)


DEEP = b"[" * 5000 + b"]" * 5000
PATHS = {  # of an order, of a socket
    "binance-usdm": ("/fapi/v1/order", "/public/ws"),
    "aster": ("/fapi/v3/order", "/ws"),
    "pacifica": ("/api/v1/orders/create", "/ws"),
    "kraken": ("/0/private/AddOrder", "/v2"),
    "bitmex": ("/api/v1/order", "/realtime"),
    "bybit": ("/v5/order/create", "/v5/private"),
    "hyperliquid": ("/exchange", "/ws"),
    "okx": ("/api/v5/trade/order", "/ws/v5/private"),
    "binance-spot": ("/api/v3/order", "/ws-api/v3"),
}


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("body", [DEEP, b'{"account":' + DEEP + b"}"], ids=["list", "field"])
def test_json_that_is_nested_too_deep_is_refused_and_ends_nothing(kind, body):
    path, stream = PATHS[kind]
    world = Virtual(kind, faults='[[fault]]\npurpose = "cancel"\naction = "drop_request"\n')
    status, _, _ = world.request("POST", path, body, {"Content-Type": "application/json"})
    assert 200 <= status < 500
    connection = world.connect(stream)
    world.dialect.message(connection, body, world.time)


def said(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(data)
        return client.recv(65536)


def test_what_is_no_http_is_refused_and_counted_in_one_line(capfd):
    with served("binance-usdm") as (_, port):
        for number in range(200):
            answer = said(port, GARBAGE[number % len(GARBAGE)])
            assert b" 400 " in answer.partition(b"\r\n")[0]
    written = capfd.readouterr().err
    lines = [line for line in written.splitlines() if "no HTTP" in line]
    assert len(written) < 1000, written
    assert sum(int(line.split()[0]) for line in lines) == 200
    assert lines[-1].endswith("(200 in all)")


def test_an_error_of_ours_is_still_written_in_full(capfd):
    def broken(dialect):
        def http(_request, _now):
            raise RuntimeError("a mistake of ours")

        dialect.http = http
        return dialect

    # Chunks are a matter of the whole HTTP server.
    chunked = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    with served("binance-usdm", wrap=broken) as (_, port):
        assert b" 500 " in said(port, chunked).partition(b"\r\n")[0]
    assert "a mistake of ours" in capfd.readouterr().err


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /fapi/v1/ping HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST /fapi/v1/order HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n",
        b"POST /fapi/v1/order HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3E8\r\n",
        b"GET /ws HTTP/1.1\r\nHost: x\r\nHost: y\r\nX-Slow: ",
    ],
    ids=["head", "body", "body in chunks", "odd head"],
)
def test_who_never_comes_to_the_end_of_a_request_is_cut_off(begin, monkeypatch):
    for module in (onetape.exchange.server, onetape.exchange.http_port):
        monkeypatch.setattr(module, "REQUEST_S", 1.0)
        monkeypatch.setattr(module, "IDLE_S", 2.0)
    with served("binance-usdm") as (_, port):
        client = socket.create_connection(("127.0.0.1", port), timeout=60)
        client.sendall(begin)
        client.settimeout(0.3)
        sent, deadline = 0, time.monotonic() + 60
        while time.monotonic() < deadline:  # a byte at a time, so that it is never silent
            try:
                client.sendall(b"x")
                sent += 1
                if client.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except (ConnectionResetError, BrokenPipeError):
                break
        else:
            pytest.fail("it is still there")
        client.close()
        assert sent > 1
        other = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        for _ in range(3):  # who comes to an end goes on, on one connection
            other.request("GET", "/fapi/v1/ping")
            assert other.getresponse().read() == b"{}"
        other.close()


def test_requests_behind_one_that_waits_are_answered_in_their_turn():
    asyncio.run(_answered_in_their_turn())


async def _answered_in_their_turn() -> None:
    waiting, requested, written = Pending(), [], []

    def answer(request):
        requested.append(request.path)
        return waiting if request.path == "/waits" else Reply(200, b"{}")

    nothing = {name: lambda *_: None for name in ("pause_reading", "resume_reading", "get_extra_info")}
    port = PlainHttp(answer, lambda: 0, asyncio.Protocol, set())
    port.connection_made(SimpleNamespace(write=written.append, **nothing))
    port.data_received(b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path for path in (b"/waits", b"/next")))
    assert (requested, written) == (["/waits"], [])
    waiting.finish(Reply(200, b"[]"))
    await asyncio.sleep(0.01)
    assert requested == ["/waits", "/next"] and len(written) == 2
    # Nothing is answered while the client does not read, and all of it after.
    port.pause_writing()
    port.data_received(b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(written) == 2
    port.resume_writing()
    assert requested[2:] == ["/later"] and len(written) == 3
