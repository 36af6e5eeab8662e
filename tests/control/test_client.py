"""The typed client against a server that breaks, hangs up, refuses and answers nonsense."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from onetape.control.client import AsyncControlClient, ControlClient, Refusal
from onetape.model.errors import (
    BlockedByRiskAlert,
    InvalidAccount,
    InvariantViolation,
    OnetapeError,
    ProcessDown,
    RateLimited,
    ServiceTimeout,
    UsageError,
)
from onetape.model.sections import ControlConfig
from onetape.web import control_models as m
from onetape.web.control_routes import BASE, ROUTES
from worlds.certificates import write_certificate
from worlds.control_server import control_server

FEEDS = {"feeds": [], "activeFeed": None, "lastFailover": None}
STOPPED = {"success": True, "operationId": "stop-1", "timestamp": 1, "status": "stopped"}
BREAK = "break"


class Seen(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: Any


def refusal(code: int, name: str, **more: Any) -> dict[str, Any]:
    return {"success": False, "code": code, "name": name, "error": "no", "solution": "do that", **more}


class Server:
    """Answers each request with the next of its script: BREAK hangs up when it was read, a tuple is status and JSON,
    a number is seconds before the next."""

    def __init__(self, *script: Any) -> None:
        self.script, self.seen = list(script), list[Seen]()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes who waits for the next one
        self.thread.join()
        self.listener.close()

    def serve(self) -> None:
        while self.script:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as file:
                method, path, _ = file.readline().decode().split()
                lines = iter(lambda file=file: file.readline().decode().strip(), "")
                headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
                body = file.read(int(headers.get("content-length", 0)))
                self.seen.append(Seen(method, path, headers, json.loads(body) if body else None))
                while isinstance(answer := self.script.pop(0), float):
                    time.sleep(answer)
                if answer != BREAK:
                    status, value = answer
                    data = value if isinstance(value, bytes) else json.dumps(value).encode()
                    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n"
                    file.write(head.encode() + data)


Call = Callable[..., Any]


def sync_call(
    url: str, name: str, *places: str, key: str = "", options: dict[str, Any] | None = None, **fields: Any
) -> Any:
    with ControlClient(url, **(options or {})) as client:
        return getattr(client.keyed(key) if key else client, name)(*places, **fields)


def async_call(
    url: str, name: str, *places: str, key: str = "", options: dict[str, Any] | None = None, **fields: Any
) -> Any:
    async def called() -> Any:
        async with AsyncControlClient(url, **(options or {})) as client:
            return await getattr(client.keyed(key) if key else client, name)(*places, **fields)

    return asyncio.run(called())


@pytest.fixture(params=[sync_call, async_call], ids=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Iterator[Call]:
    yield request.param


def test_each_route_is_a_method_of_its_request_and_its_reply() -> None:
    for client in (ControlClient, AsyncControlClient):
        for route in ROUTES:
            method = getattr(client, route.name)
            assert (method.request, method.reply) == (route.request, route.reply), route.name


def test_names_paths_and_fields_go_out_as_the_interface_has_them(call: Call) -> None:
    with Server((200, FEEDS), (200, []), (200, STOPPED), (200, [])) as server:
        assert call(server.url + "/", "market_feeds") == m.FeedsReply(feeds=[], active_feed=None, last_failover=None)
        assert call(server.url, "risk_history", "a/../b c?", limit=5) == []
        assert (
            call(server.url, "system_stop", key="k-1", reason="ü", options={"token": "t", "actor": "mcp"}).status
            == "stopped"
        )
        assert call(server.url, "risk_alerts", all=True, account_id="pacifica-main") == []
    feeds, history, stop, alerts = server.seen
    assert (feeds.method, feeds.path, feeds.body) == ("GET", f"{BASE}/market/feeds", None)
    assert history.path == f"{BASE}/risk/history/a%2F..%2Fb%20c%3F?limit=5"
    assert (stop.method, stop.path, stop.body) == ("POST", f"{BASE}/system/stop", {"reason": "ü"})
    sent = {name: stop.headers[name] for name in ("authorization", "idempotency-key", "x-actor", "content-type")}
    assert sent == {
        "authorization": "Bearer t",
        "idempotency-key": "k-1",
        "x-actor": "mcp",
        "content-type": "application/json",
    }
    assert "authorization" not in feeds.headers and "idempotency-key" not in feeds.headers
    assert alerts.path == f"{BASE}/risk/alerts?accountId=pacifica-main&all=true"


def test_a_broken_call_is_sent_anew_with_the_same_key_and_another_call_has_another(call: Call) -> None:
    with Server(BREAK, BREAK, (200, STOPPED), (200, STOPPED)) as server:
        assert call(server.url, "system_stop").operation_id == "stop-1"
        call(server.url, "system_stop")
    first, second, third, other = (each.headers["idempotency-key"] for each in server.seen)
    assert first == second == third != other


def test_it_is_not_tried_for_ever(call: Call) -> None:
    with (
        Server(BREAK, BREAK) as server,
        pytest.raises(ProcessDown, match="does not answer"),
    ):  # aiohttp's own second try
        call(server.url, "market_feeds", options={"retry_s": 0.0})


def test_what_was_sent_and_not_answered_names_the_key_that_gets_its_outcome(call: Call) -> None:
    with Server(BREAK) as server, pytest.raises(ServiceTimeout, match="outcome is not known") as caught:
        call(server.url, "system_stop", options={"retry_s": 0.0})
    assert f"--id {server.seen[0].headers['idempotency-key']}:" in caught.value.todo


def test_a_call_waits_for_as_long_as_its_request_may_take(call: Call) -> None:
    fields = {"symbol": "BTC-USD", "hedge_amount": 0.25, "timeout": 30_000}
    with Server(0.3, (423, refusal(1004, "BLOCKED_BY_RISK_ALERT"))) as server, pytest.raises(BlockedByRiskAlert):
        call(server.url, "hedge_execute", options={"timeout_s": 0.1, "retry_s": 0.0}, **fields)


def test_where_nobody_listens_it_says_so_at_once(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(ProcessDown) as caught:
        call(url, "market_feeds")
    assert caught.value.location == url and caught.value.todo == "onetape up"


def test_a_call_that_came_too_early_waits_as_long_as_it_is_said(call: Call) -> None:
    early = (429, refusal(3002, "RATE_LIMITED", retryAfter=50))
    with Server(early, (200, FEEDS), (429, refusal(3002, "RATE_LIMITED", retryAfter=3_600_000))) as server:
        assert call(server.url, "market_feeds").feeds == []
        with pytest.raises(RateLimited):  # nobody waits for an hour
            call(server.url, "market_feeds")


def test_a_refusal_is_the_error_of_its_number_with_what_to_do_and_the_whole_answer(call: Call) -> None:
    gate = refusal(1004, "BLOCKED_BY_RISK_ALERT", operationId="delta-ctrl-1", executedOrders=[])
    with Server((423, gate), (404, refusal(1001, "INVALID_ACCOUNT")), (418, refusal(9999, "NEW"))) as server:
        with pytest.raises(BlockedByRiskAlert) as caught:
            call(server.url, "delta_control", target_delta=0.0, accounts=["a"], max_deviation=0.1, symbol="BTC-USD")
        with pytest.raises(InvalidAccount):
            call(server.url, "risk_metrics", "nobody")
        with pytest.raises(OnetapeError, match=r"no, do that"):
            call(server.url, "market_feeds")
    assert (caught.value.what, caught.value.location, caught.value.todo) == ("no", "delta-ctrl-1", "do that")
    cause = caught.value.__cause__
    assert isinstance(cause, Refusal) and (cause.status, cause.answer) == (423, gate)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"code": 1001}', b"\xff"])
def test_what_is_no_control_plane_is_called_so(call: Call, body: bytes) -> None:
    with Server((502, body)) as server, pytest.raises(ProcessDown, match="is no control plane"):
        call(server.url, "market_feeds")
    with Server((200, body)) as server, pytest.raises(InvariantViolation, match="cannot read"):
        call(server.url, "market_feeds")


@pytest.mark.parametrize("url", ["localhost:3000", "ftp://x", "http://", "http://u:p@x", "http://x/?a=1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="an address is"):
        ControlClient(url)


def test_a_secret_is_never_shown() -> None:
    assert "hidden" not in repr(ControlClient(token="hidden"))
    with pytest.raises(UsageError) as caught:
        ControlClient(token="hidden\r\nX: y")
    assert "hidden" not in str(caught.value)
    with pytest.raises(UsageError):
        ControlClient().keyed("a\nb")


def test_over_tls_it_trusts_what_it_was_told_to_and_nothing_else(call: Call, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_certificate(certificate, key)
    section = ControlConfig(port=0, calls_per_second=0, tls_cert=str(certificate), tls_key=str(key))

    async def caller(_: Any) -> m.Caller:
        return m.Caller(actor="x", scopes=["read"])

    with control_server(tmp_path / "home", {"caller": caller}, section) as plane:
        assert plane.url.startswith("https://")
        trusted = ssl.create_default_context(cafile=certificate)
        assert call(plane.url, "caller", options={"tls": trusted}).actor == "x"
        with pytest.raises(ProcessDown, match="certificate verify failed"):
            call(plane.url, "caller")
        with pytest.raises(OSError):  # nothing is said in the clear
            urlopen(plane.url.replace("https", "http") + BASE, timeout=20)


def test_over_tls_the_other_side_may_have_a_name_that_is_not_its_address(call: Call, tmp_path: Path) -> None:
    """As where it listens on all addresses; its certificate is of another one, and is trusted itself."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_certificate(certificate, key, "trade.example", ec.generate_private_key(ec.SECP256R1()))
    files = {"tls_cert": str(certificate), "tls_key": str(key)}
    section = ControlConfig(port=0, calls_per_second=0, hosts=["trade.example"], **files)

    async def caller(_: Any) -> m.Caller:
        return m.Caller(actor="x", scopes=["read"])

    trusted = ssl.create_default_context(cafile=certificate)
    with control_server(tmp_path / "home", {"caller": caller}, section) as plane:
        with pytest.raises(ProcessDown, match="certificate verify failed"):
            call(plane.url, "caller", options={"tls": trusted, "tls_name": "trade.example"})
        trusted.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        assert call(plane.url, "caller", options={"tls": trusted, "tls_name": "trade.example"}).actor == "x"
        with pytest.raises(ProcessDown, match="certificate verify failed"):
            call(plane.url, "caller", options={"tls": trusted})


def test_a_name_that_is_missing_is_asked_for(call: Call) -> None:
    with pytest.raises(UsageError, match=r"risk_metrics takes \{accountId\}"):
        call("http://127.0.0.1:1", "risk_metrics")
