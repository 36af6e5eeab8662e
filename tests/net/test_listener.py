"""Connections of an HTTP server take places, and these are bounded: over real sockets."""

from __future__ import annotations

import asyncio
import resource
import socket
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest
import uvloop
from aiohttp import web

from onetape.net import listener
from onetape.net.listener import Listener, prove
from onetape.web.listening import server_tls, trusts
from waiting import wait_in_loop
from worlds.certificates import write_certificate

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere loopback has one address")
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])


class Server:
    """Answers with its path; /work waits until `done`; calls with a `Who` have shown who calls."""

    def __init__(self) -> None:
        self.done, self.at_work = asyncio.Event(), 0

    async def answer(self, request: web.BaseRequest) -> web.Response:
        who = request.headers.get("Who")
        if who:
            try:
                prove(request, may_act=who == "kill")
            except Exception as error:
                return web.Response(status=429, text=str(error))
        if request.path == "/work":
            self.at_work += 1
            await self.done.wait()
        return web.Response(text=request.path)


class World:
    def __init__(self, server: Server, made: Listener, port: int, tls=None) -> None:
        self.server, self.listener, self.port, self.tls = server, made, port, tls
        self.opened: list[asyncio.StreamWriter] = []

    async def connect(self, *, source: str = "127.0.0.1", tls=None):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0), ssl=tls)
        self.opened.append(writer)
        return reader, writer

    async def begin(self, path: str, who: str = "", source: str = "127.0.0.1"):
        reader, writer = await self.connect(source=source, tls=self.tls)
        shown = f"Who: {who}\r\n" if who else ""
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{shown}\r\n".encode())
        return reader

    async def call(self, path: str, who: str = "", source: str = "127.0.0.1") -> int:
        try:
            head = await (await self.begin(path, who, source)).readuntil(b"\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            return 0
        return int(head.split()[1])


@asynccontextmanager
async def serving(most: int, tls=None, trusted=None):
    server = Server()
    web_server = web.Server(server.answer, access_log=None)
    made = Listener(web_server, tls=tls, most=most)
    world = World(server, made, made.open("127.0.0.1", 0), trusted)
    try:
        yield world
    finally:
        server.done.set()
        made.close()
        await web_server.shutdown(1.0)
        for each in world.opened:
            each.close()


def run(loop, work) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(work(), 120))


@LOOPS
def test_idle_connections_keep_nobody_out_and_one_address_leaves_places_to_others(loop):
    async def work() -> None:
        async with serving(40) as world:
            for _ in range(100):
                await world.connect()
            assert await world.call("/a") == 200
            await wait_in_loop(lambda: len(world.listener.places) <= 40 // listener.SHARE)
            for number in range(2, 12):  # many addresses fill all places
                for _ in range(20):
                    await world.connect(source=f"127.0.0.{number}")
            assert await world.call("/a", source="127.0.0.99") == 200
            assert len(world.listener.places) <= 40

    run(loop, work)


@LOOPS
def test_who_has_shown_a_token_keeps_its_place_before_those_who_have_not(loop):
    async def work() -> None:
        async with serving(40) as world:
            reader = await world.begin("/kept", "read")
            await reader.readuntil(b"/kept")
            for _ in range(60):
                await world.connect()
            world.opened[0].write(b"GET /still HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")

    run(loop, work)


@LOOPS
def test_where_all_places_are_at_work_some_are_kept_for_who_may_act(loop):
    async def work() -> None:
        async with serving(8) as world:
            working = [await world.begin("/work", "read", f"127.0.0.{number + 1}") for number in range(8)]
            await wait_in_loop(lambda: world.server.at_work == 8)
            assert await world.call("/a", "read") == 429
            for _ in range(3 * listener.RESERVED):  # nor do silent ones take them
                await world.connect()
            assert await world.call("/stop", "kill") == 200
            for number in range(listener.RESERVED - 1):
                await world.begin("/work", "kill", f"127.0.0.{number + 1}")
            await wait_in_loop(lambda: world.server.at_work == 8 + listener.RESERVED - 1)
            await wait_in_loop(lambda: len(world.listener.places) == 8 + listener.RESERVED)
            world.server.done.set()
            for each in working:
                await each.readuntil(b"/work")
            assert await world.call("/a", "read") == 200

    run(loop, work)


@LOOPS
def test_a_handshake_that_does_not_begin_has_a_place_and_an_end(loop, tmp_path, monkeypatch):
    write_certificate(tmp_path / "cert.pem", tmp_path / "key.pem")
    tls = server_tls(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))

    async def work() -> None:
        async with serving(40, tls, trusts(tmp_path / "cert.pem")) as world:
            for _ in range(30):
                await world.connect()
            await wait_in_loop(lambda: len(world.listener.places) == 40 // listener.SHARE)
            assert await world.call("/a") == 200
            monkeypatch.setattr(listener, "HANDSHAKE_S", 0.1)
            reader, writer = await world.connect()
            assert await reader.read() == b""
            writer.write(b"GET / HTTP/1.1\r\n\r\n")  # which is no TLS
            for each in world.opened:
                each.close()
            await wait_in_loop(lambda: not len(world.listener.places))

    run(loop, work)


def test_where_the_process_has_no_file_left_an_idle_connection_yields():
    """In a process of its own: its limit of files is lowered."""
    code = """
import asyncio, resource
from aiohttp import web
from onetape.net import listener
from onetape.net.listener import Listener

async def answer(request):
    return web.Response(text="here")

async def work():
    made = Listener(web.Server(answer), most=10_000)
    port = made.open("127.0.0.1", 0)
    print(port, flush=True)
    await asyncio.Event().wait()

listener.HEAD_S = 3600.0
resource.setrlimit(resource.RLIMIT_NOFILE, (80, 80))
asyncio.run(work())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        crowd = []
        try:
            port = int(process.stdout.readline())
            crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
            with socket.create_connection(("127.0.0.1", port), timeout=60) as caller:
                caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert caller.recv(100).startswith(b"HTTP/1.1 200")
        finally:
            for each in crowd:
                each.close()
            process.kill()


def test_places_leave_files_to_journals_and_venues(monkeypatch):
    async def work() -> None:
        found = []
        for files in (1024, 4096, 1_000_000, 100, resource.RLIM_INFINITY):
            monkeypatch.setattr(listener.resource, "getrlimit", lambda _, soft=files: (soft, soft))
            found.append(Listener(web.Server(lambda request: None)).places._most)
        assert found == [512, 2048, 2048, 64, 2048]

    asyncio.run(work())
