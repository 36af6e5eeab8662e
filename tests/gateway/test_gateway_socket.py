"""A gateway's socket and who talks over it, when one of them is gone in the middle of a word."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from pathlib import Path

import pytest
import uvloop

from exchange.venue_client import served
from onetape.clients.gateway import GatewayClient
from onetape.ipc.local_socket import bound, connect
from onetape.ipc.server import listen
from onetape.model.errors import ProcessDown
from onetape.options.gateway import gateway_socket
from waiting import PATIENCE_S, wait_for
from worlds.gateway_process import GatewayProcess

STATUS = b'{"do":"status"}\n'


def test_a_client_that_hangs_up_amid_its_questions_is_no_error(tmp_path: Path):
    path, wrong, answered = tmp_path / "run" / "s.sock", [], []

    def answer(request: dict) -> dict:
        answered.append(request)
        return {"text": "x" * 100_000}  # more than a socket takes at once

    async def ask(lines: int, *, read: int) -> None:
        loop = asyncio.get_running_loop()
        with connect(path, timeout_s=PATIENCE_S) as client:
            client.setblocking(False)
            await loop.sock_sendall(client, STATUS * lines)
            if read:
                await loop.sock_recv(client, read)

    async def work() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: wrong.append(context))
        serving = asyncio.ensure_future(await listen(path, answer))
        for read in (0, 1, 50_000):
            for lines in (1, 2, 50):
                await ask(lines, read=read)
                for _ in range(10):
                    await asyncio.sleep(0)
        await asyncio.sleep(0.05)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    uvloop.run(work())
    assert answered
    assert wrong == []


def test_nobody_is_answered_once_the_listener_has_ended(tmp_path: Path):
    """What the answers are made of, a journal among it, is closed by then."""
    path, answered = tmp_path / "run" / "s.sock", []

    def answer(request: dict) -> dict:
        answered.append(request)
        return {}

    async def work() -> None:
        serving = asyncio.ensure_future(await listen(path, answer))
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(STATUS)
        assert await reader.readline() == b"{}\n"
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        with contextlib.suppress(ConnectionError):
            writer.write(STATUS)
            assert await reader.readline() == b""

    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await work()

    uvloop.run(bounded())
    assert len(answered) == 1


@pytest.mark.parametrize("said", [b"", b'{"ready":'])
def test_a_gateway_that_dies_while_it_is_asked_is_one_clear_error(tmp_path: Path, said: bytes):
    path = gateway_socket(tmp_path, "main")
    path.parent.mkdir()
    with bound(path) as server:
        server.listen()

        def die() -> None:
            server.accept()[0].close()  # who looks whether it is there
            other, _ = server.accept()
            other.recv(5)
            if said:
                other.sendall(said)
            other.close()

        dying = threading.Thread(target=die)
        dying.start()
        client = GatewayClient(tmp_path, "main")
        with pytest.raises(ProcessDown, match="the gateway ended"):
            client.ask("status")
        dying.join()
    with pytest.raises(ProcessDown, match="the gateway does not answer"):
        client.ask("status")


def test_a_gateway_that_is_stopped_amid_a_talk_prints_nothing(tmp_path: Path):
    with served("binance-usdm", limits=False) as (dialect, port):
        gateway = GatewayProcess("binance-usdm", tmp_path, port, dialect.exchange.accounts[0])
        gateway.start()
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                client = stack.enter_context(connect(gateway_socket(tmp_path, "main"), timeout_s=PATIENCE_S))
                client.sendall(STATUS * 100 + b'{"do":')
                client.recv(10)
            gateway.process.send_signal(signal.SIGTERM)
            for _ in range(1000):
                try:
                    client.send(STATUS, socket.MSG_DONTWAIT)
                except OSError:
                    break
            wait_for(lambda: gateway.process.poll() is not None)
        gateway.process.stdout.close()
    assert gateway.process.returncode == 0
    assert tmp_path.with_name(f"{tmp_path.name}.log").read_text() == ""
