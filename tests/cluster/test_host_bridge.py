"""Commands to processes of another host, over a real server: who may send them, what crosses, and what comes back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from onetape.clients.gateway import GatewayClient
from onetape.ipc.names import process_socket
from onetape.ipc.server import Stream, listen
from onetape.ipc.snapshots import snapshots
from onetape.ipc.system import IPCCommandSystem
from onetape.model.errors import ProcessDown
from onetape.security.tokens import grant_of, make_token
from waiting import PATIENCE_S, wait_for
from worlds.nats_accounts import Accounts
from worlds.nats_hosts import free_port, host, server

nats = pytest.importorskip("nats", reason="NOT_AVAILABLE: nats-py is not installed")
GATEWAY = "gateway:main"
PEER: dict[str, Any] = {"shared": {GATEWAY: ["a"]}, "peers": ["a"]}  # what b knows of a


@contextmanager
def answering(home: Path) -> Iterator[list[dict[str, Any]]]:
    """A process that listens as the gateway, in a thread; what it has received."""
    received: list[dict[str, Any]] = []

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        received.append(request)
        if request["do"] == "command":
            return {"id": request["id"], "status": "applied", "result": request["fields"], "error": None}
        return {"journal": str(home / "journal" / "gateway-main"), "robot": 1}

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def open_it() -> asyncio.Task[None]:
        return asyncio.ensure_future(await listen(process_socket(home, GATEWAY), answer))

    serving = asyncio.run_coroutine_threadsafe(open_it(), loop).result(PATIENCE_S)
    try:
        yield received
    finally:
        loop.call_soon_threadsafe(serving.cancel)
        loop.call_soon_threadsafe(loop.call_later, 0.1, loop.stop)


def command(home: Path, name: str, actor: str = "operator", **fields: Any) -> Any:
    async def send() -> Any:
        system = IPCCommandSystem(actor, home=home)
        system.start()
        return await system.send_command(GATEWAY, name, fields, timeout=3.0)

    return asyncio.run(send())


def test_a_command_crosses_with_its_fields_and_without_a_token(tmp_path):
    port, a, b = free_port(), tmp_path / "a", tmp_path / "b"
    tokens = make_token(a, "operator"), make_token(b, "operator"), make_token(b, "mm")
    heard: list[bytes] = []

    async def spy(stop: threading.Event, ready: threading.Event) -> None:
        client = await nats.connect(f"nats://127.0.0.1:{port}")

        async def hear(message: Any) -> None:
            heard.append(message.data)

        await client.subscribe(">", cb=hear)
        await client.flush()
        ready.set()
        while not stop.is_set():
            await asyncio.sleep(0.02)
        await client.close()

    stop, ready = threading.Event(), threading.Event()
    with server(tmp_path, port), answering(a) as received, host("a", tmp_path, port, peers=["b"]):
        listening = threading.Thread(target=lambda: asyncio.run(spy(stop, ready)))
        listening.start()
        ready.wait(PATIENCE_S)
        with host("b", tmp_path, port, **PEER):
            wait_for(process_socket(b, GATEWAY).exists)
            answer = command(b, "place", qty="0.10", price=1.5)
            assert answer.status == "applied"
            assert received[-1]["fields"] == {"qty": "0.10", "price": Decimal("1.5")}
            assert received[-1]["token"] == tokens[0] and received[-1]["actor"] == "operator"
            client = GatewayClient(b, "main", "mm")
            grant = grant_of(b, "main", "mm", "main")
            reply = client.ask("attach", name="mm", journal=str(b / "runs" / "r" / "journal"), grant=grant)
            assert reply["journal"] == str(b / "journal" / "gateway-main")  # as this home shows it
            assert received[-1]["journal"] == str(a / "hosts" / "b" / "runs" / "r" / "journal")
            assert received[-1]["grant"] == grant_of(a, "main", "mm", "main") != grant
        stop.set()
        listening.join(PATIENCE_S)
    assert any(b'"place"' in each for each in heard)
    assert not [each for each in heard for secret in (*tokens, grant) if secret.encode() in each]


def test_the_states_of_a_process_are_followed_from_another_host(tmp_path):
    port, b, stream = free_port(), tmp_path / "b", Stream()

    async def follow() -> list[dict[str, Any]]:
        found = []
        with pytest.raises(ProcessDown):
            async for shown in snapshots(GATEWAY, home=b):
                found.append(shown)
                loop.call_soon_threadsafe(stream.show, {"count": len(found)})
                if len(found) == 3:
                    loop.call_soon_threadsafe(serving.cancel)  # the process ends
        return found

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def open_it() -> asyncio.Task[None]:
        stream.show({"count": 0})
        return asyncio.ensure_future(await listen(process_socket(tmp_path / "a", GATEWAY), lambda _: {}, stream=stream))

    with server(tmp_path, port), host("a", tmp_path, port, peers=["b"]):
        serving = asyncio.run_coroutine_threadsafe(open_it(), loop).result(PATIENCE_S)
        with host("b", tmp_path, port, **PEER):
            wait_for(process_socket(b, GATEWAY).exists)
            found = asyncio.run(asyncio.wait_for(follow(), PATIENCE_S))
    assert [each["count"] for each in found][:3] == [0, 1, 2]
    loop.call_soon_threadsafe(loop.stop)


def test_what_may_not_be_sent_does_not_leave_its_host(tmp_path):
    port, b = free_port(), tmp_path / "b"
    make_token(b, "mm"), make_token(b, "guardian")
    with (
        server(tmp_path, port),
        answering(tmp_path / "a") as received,
        host("a", tmp_path, port, peers=["b"]),
        host("b", tmp_path, port, **PEER),
    ):
        wait_for(process_socket(b, GATEWAY).exists)
        (b / "run" / "tokens" / "other").write_bytes((b / "run" / "tokens" / "mm").read_bytes())
        (b / "run" / "tokens" / "other").chmod(0o600)
        for request, words in (
            ({"do": "command", "actor": "mm", "token": "0" * 64}, "not the token"),
            ({"do": "command", "actor": "guardian", "token": make_token(b, "guardian")}, "own guardian"),
            (
                {"do": "attach", "name": "mm", "actor": "mm", "token": make_token(b, "mm"), "grant": "x"},
                "may not trade",
            ),
        ):
            client = GatewayClient(b, "main")
            client._shown = {}
            with pytest.raises(Exception, match=words):
                client.ask(request.pop("do"), **request)
        assert received == []
        assert command(b, "ping", "guardian").status == "refused"  # at once, with its reason
        assert command(b, "ping").status == "applied"


def test_a_host_that_is_none_of_the_files_and_one_without_the_permission_command_nothing(tmp_path):
    port, accounts = free_port(), Accounts()
    with (
        server(tmp_path, port, accounts.config),
        answering(tmp_path / "a") as received,
        host("a", tmp_path, port, peers=["c"], credentials=accounts.host("a")),
        host("b", tmp_path, port, **PEER, credentials=accounts.host("b")),
        host("c", tmp_path, port, **PEER, credentials=accounts.host("c", commands=False)),
    ):
        for name in ("b", "c"):
            make_token(tmp_path / name, "operator")
            wait_for(process_socket(tmp_path / name, GATEWAY).exists)
            assert command(tmp_path / name, "kill").status == "timeout"
        assert received == []


def test_a_process_that_is_gone_is_gone_here_too(tmp_path):
    port, b = free_port(), tmp_path / "b"
    make_token(b, "operator")
    with server(tmp_path, port), host("b", tmp_path, port, **PEER):
        with answering(tmp_path / "a"), host("a", tmp_path, port, peers=["b"]):
            wait_for(process_socket(b, GATEWAY).exists)
            assert command(b, "ping").status == "applied"
        wait_for(lambda: not process_socket(b, GATEWAY).exists())
        with pytest.raises(ProcessDown):
            GatewayClient(b, "main")
