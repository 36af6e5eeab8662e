"""Feeds that publish for real, each over its own protocol, and a collector's process that follows.

A feed can be killed and begun again at the same address.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from copied_process import Copied, begun
from onetape.options.collector import CollectorOptions, collector_journal
from onetape.tape.journal import JournalReader, Record
from waiting import PATIENCE_S
from worlds.databases import wait_for_server
from worlds.ports import free_port


class ZeroMqFeed:
    """A PUB socket. Publishing before anybody listens is lost, as it is everywhere."""

    kind = "zeromq"

    def __init__(self, folder: Path) -> None:
        self.zmq = pytest.importorskip("zmq", reason="NOT_AVAILABLE: pyzmq is not installed")
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.begin()

    def begin(self) -> None:
        self.context = self.zmq.Context()
        self.socket = self.context.socket(self.zmq.XPUB)
        self.socket.setsockopt(self.zmq.LINGER, 0)
        self.socket.setsockopt(self.zmq.XPUB_VERBOSE, 1)  # also of who comes while another goes
        self.socket.bind(self.address)

    def end(self) -> None:
        self.context.destroy(linger=0)

    def raw(self, *parts: bytes) -> None:
        self.socket.send_multipart(parts)

    def publish(self, topic: str, value: Any) -> None:
        self.raw(topic.encode(), value if isinstance(value, bytes) else json.dumps(value).encode())

    def followed(self, topic: str) -> bool:
        """Somebody has subscribed to it since the last look."""
        with suppress(self.zmq.Again):
            while (said := self.socket.recv(self.zmq.NOBLOCK)) is not None:
                if said == b"\x01" + topic.encode():
                    return True
        return False


class _InThread:
    """A server of asyncio beside the test."""

    def __init__(self) -> None:
        self.topics: list[str] = []
        self.begin()

    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.ready, self.over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()
        assert self.ready.wait(PATIENCE_S)

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(PATIENCE_S)

    def _work(self) -> None:
        self.loop.run_until_complete(self._main())
        self.loop.close()

    async def _main(self) -> None:
        self.stop = asyncio.Event()
        async with self.serving():
            self.ready.set()
            await self.stop.wait()

    def do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)


class WebSocketFeed(_InThread):
    """Sends everything to everybody; hears `{"op": "subscribe", "topic": ...}`."""

    kind = "websocket"

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.address = f"ws://127.0.0.1:{self.port}/feed"
        self.sockets: set[Any] = set()
        super().__init__()

    def serving(self) -> Any:
        from contextlib import asynccontextmanager

        from aiohttp import web

        async def handle(request: Any) -> Any:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            self.sockets.add(socket)
            async for message in socket:
                self.topics.append(json.loads(message.data)["topic"])
            self.sockets.discard(socket)
            return socket

        @asynccontextmanager
        async def serve() -> Any:
            app = web.Application()
            app.router.add_get("/feed", handle)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            try:
                yield
            finally:
                for socket in list(self.sockets):
                    await socket.close()
                self.sockets.clear()
                await runner.cleanup()

        return serve()

    def publish(self, topic: str, value: Any) -> None:
        async def send() -> None:
            if isinstance(value, dict):
                text = json.dumps({**({"topic": topic} if topic else {}), **value})
            else:
                text = value if isinstance(value, bytes) else json.dumps(value)
            for socket in list(self.sockets):
                if isinstance(text, bytes):
                    await socket.send_bytes(text)
                else:
                    await socket.send_str(text)

        self.do(send())

    def followed(self, topic: str) -> bool:
        if topic in self.topics:
            self.topics.remove(topic)
            return True
        return False


class NatsFeed(_InThread):
    """A nats-server of its own, and a client that publishes."""

    kind = "nats"

    def __init__(self, folder: Path) -> None:
        self.nats = pytest.importorskip("nats", reason="NOT_AVAILABLE: nats-py is not installed")
        self.server = shutil.which("nats-server")
        if self.server is None:
            pytest.skip("NOT_AVAILABLE: no nats-server on this machine")
        self.port, self.monitor = free_port(), free_port()
        self.address = f"nats://127.0.0.1:{self.port}"
        super().__init__()

    def serving(self) -> Any:
        from contextlib import asynccontextmanager

        @asynccontextmanager
        async def serve() -> Any:
            process = subprocess.Popen(
                [self.server, "-a", "127.0.0.1", "-p", str(self.port), "-m", str(self.monitor)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            wait_for_server(self.port, process)
            self.client = await self.nats.connect(self.address, allow_reconnect=False)
            try:
                yield
            finally:
                process.kill()
                process.wait()
                await self.client.close()

        return serve()

    def publish(self, topic: str, value: Any) -> None:
        async def send() -> None:
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            await self.client.publish(topic, body)
            await self.client.flush()

        self.do(send())

    def followed(self, topic: str) -> bool:
        from urllib.request import urlopen

        with urlopen(f"http://127.0.0.1:{self.monitor}/subsz?subs=1") as answer:
            reported = json.load(answer)
        return topic in [each["subject"] for each in reported.get("subscriptions_list", [])]


FEEDS = {"zeromq": ZeroMqFeed, "websocket": WebSocketFeed, "nats": NatsFeed}


@contextmanager
def feed_of(kind: str, folder: Path) -> Iterator[Any]:
    feed = FEEDS[kind](folder)
    try:
        yield feed
    finally:
        feed.end()


def options_for(feed: Any, home: Path, **more: Any) -> CollectorOptions:
    options: dict[str, Any] = {
        "name": "feed",
        "home": str(home),
        "kind": feed.kind,
        "address": feed.address,
        "topics": ["prices"],
        "symbols": [],
        "names": {},
        "message_bytes_max": 1 << 16,
        "subscribe": '{"op": "subscribe", "topic": "{topic}"}' if feed.kind == "websocket" else "",
        "stale_ns": 0,
        "published": False,
        "instruments": "",
    }
    return CollectorOptions(**{**options, **more})


@contextmanager
def collector(options: CollectorOptions) -> Iterator[Copied]:
    """Its process, from when its journal is open."""
    process = begun("onetape.collector.main", options)
    try:
        yield process
    finally:
        process.stop()


def frames(home: Path, *types: str, name: str = "feed") -> list[Record]:
    with JournalReader(collector_journal(home, name)) as reader:
        return [record for record in reader if record.type in types]


def states(home: Path, name: str = "feed") -> list[str]:
    return [each.data["state"] for each in frames(home, "health", name=name)]
