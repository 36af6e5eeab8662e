"""Receives feeds that publish a stream: ZeroMQ SUB, a WebSocket, NATS.

Each line connects, reports it, passes on messages as bytes, and reconnects forever. Nothing that it receives is
executed or unpickled: receivers read bodies as JSON.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, Protocol

import aiohttp
import msgspec

from onetape.collector.polled import News, Past, Polled, Schedule, Takes, Webhook
from onetape.model.errors import NotAvailable
from onetape.net.connection import back_off
from onetape.net.egress import connector_of, egress_of
from onetape.net.http_limits import no_redirects
from onetape.options.collector import CollectorOptions

__all__ = ["Line", "line_of"]

STEADY_S: Final = 10.0  # a connection that lasted this long did not fail
CONNECT_S: Final = 5.0
SILENCE_S: Final = 5.0  # silence after which a peer gets a ping
ROOM: Final = 4  # a message longer than this multiple of the limit drops the connection
BURST: Final = 256  # messages per turn of the loop
WAITING_MAX: Final = 100_000  # messages queued in the library


class Line(Protocol):
    """Receives one feed. `run` lasts forever; topics may be added and removed meanwhile."""

    async def run(self) -> None: ...

    def subscribe(self, topic: str) -> None: ...

    def unsubscribe(self, topic: str) -> None: ...


def line_of(options: CollectorOptions, takes: Takes, topics: Iterable[str], past: Callable[[], Past]) -> Line:
    """Returns the line of a collector's transport. past: of the feed's tape. Raises NotAvailable if the library is not
    installed."""
    match options.kind:
        case "http":
            return Polled(options, takes, past())
        case "rss":
            return News(options, takes, past())
        case "webhook":
            return Webhook(options, takes)
        case "schedule":
            return Schedule(options, takes, past())
        case "zeromq":
            return _ZeroMq(options, takes, topics)
        case "nats":
            return _Nats(options, takes, topics)
        case _:
            return _WebSocket(options, takes, topics)


def _lacking(package: str, kind: str) -> NotAvailable:
    return NotAvailable(
        f"a feed of kind {kind} needs {package}", location="[collectors]", todo="pip install 'onetape[streams]'"
    )


class _ZeroMq:
    """Receives a feed by a SUB socket. The library reconnects by itself; its monitor reports it. Topics are prefixes,
    as in ZeroMQ: "" matches everything."""

    def __init__(self, options: CollectorOptions, takes: Takes, topics: Iterable[str]) -> None:
        try:
            import zmq
            from zmq.utils.monitor import parse_monitor_message
        except ImportError:
            raise _lacking("pyzmq", "zeromq") from None
        self._zmq, self._parse, self._takes = zmq, parse_monitor_message, takes
        self._context = zmq.Context()
        self._socket = socket = self._context.socket(zmq.SUB)
        heartbeat = int(SILENCE_S * 1000)
        for option, value in (
            (zmq.RCVHWM, WAITING_MAX),
            (zmq.MAXMSGSIZE, ROOM * options.message_bytes_max),
            (zmq.RECONNECT_IVL, 200),
            (zmq.RECONNECT_IVL_MAX, 5000),
            (zmq.LINGER, 0),
            (zmq.HEARTBEAT_IVL, heartbeat),
            (zmq.HEARTBEAT_TIMEOUT, heartbeat),
            (zmq.IPV6, 1),
        ):
            socket.setsockopt(option, value)
        self._monitor = socket.get_monitor_socket(
            zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED | zmq.EVENT_CONNECT_RETRIED
        )
        self._topics: set[str] = set()
        for topic in topics:
            self.subscribe(topic)
        self._address = options.address
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._socket.connect(self._address)
        # Both are edge-triggered: after an event read until there is nothing more.
        loop.add_reader(self._socket.FD, self._read)
        loop.add_reader(self._monitor.FD, self._watch)
        try:
            while True:  # a call of ours may have consumed an edge
                self._watch()
                self._read()
                await asyncio.sleep(0.1)
        finally:
            loop.remove_reader(self._socket.FD)
            loop.remove_reader(self._monitor.FD)
            self._socket.disable_monitor()
            self._context.destroy(linger=0)

    def subscribe(self, topic: str) -> None:
        if topic not in self._topics:
            self._topics.add(topic)
            self._socket.subscribe(topic.encode())

    def unsubscribe(self, topic: str) -> None:
        if topic in self._topics:
            self._topics.discard(topic)
            self._socket.unsubscribe(topic.encode())

    def _watch(self) -> None:
        zmq = self._zmq
        while True:
            try:
                event_ = self._parse(self._monitor.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return
            if event_["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._takes.opened()
            elif event_["event"] == zmq.EVENT_DISCONNECTED:
                self._takes.closed("disconnected")
            else:
                self._takes.closed("no answer from its address")

    def _read(self) -> None:
        zmq, takes = self._zmq, self._takes
        for _ in range(BURST):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            match parts:
                case [body]:
                    takes.take("", body)
                case [topic, body]:
                    takes.take(topic.decode("utf-8", "replace"), body)
                case _:
                    takes.misshapen(len(parts))
        assert self._loop is not None
        self._loop.call_soon(self._read)


class _Reconnecting(ABC):
    """A line that makes its own connections."""

    def __init__(self, options: CollectorOptions, takes: Takes, topics: Iterable[str]) -> None:
        self._options, self._takes = options, takes
        self._topics = dict.fromkeys(topics)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            try:
                why = await self._session()
            except (OSError, TimeoutError, aiohttp.ClientError) as error:
                why = str(error) or type(error).__name__
            self._takes.closed(why)
            failures = 0 if time.monotonic() - began > STEADY_S else failures + 1
            await back_off(failures)

    def subscribe(self, topic: str) -> None:
        if topic not in self._topics:
            self._topics[topic] = None
            self._soon(self._follow(topic))

    def unsubscribe(self, topic: str) -> None:
        if topic in self._topics:
            del self._topics[topic]
            self._soon(self._leave(topic))

    def _soon(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @abstractmethod
    async def _session(self) -> str:
        """Runs until the connection ends, and returns why. Raises OSError and its kin."""

    @abstractmethod
    async def _follow(self, topic: str) -> None:
        """Follows a topic on the current connection; without one, the next has it."""

    @abstractmethod
    async def _leave(self, topic: str) -> None: ...


class _WebSocket(_Reconnecting):
    """Receives a WebSocket. Sends `subscribe` for each topic, if one is configured. There is no common message for
    unsubscribing."""

    def __init__(self, options: CollectorOptions, takes: Takes, topics: Iterable[str]) -> None:
        super().__init__(options, takes, topics)
        self._egress = egress_of(options.proxy, takes.proxy)
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def _session(self) -> str:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S)
        async with (
            aiohttp.ClientSession(
                connector=connector_of(self._egress), timeout=timeout, trace_configs=[no_redirects()]
            ) as session,
            session.ws_connect(
                self._options.address, heartbeat=2 * SILENCE_S, max_msg_size=ROOM * self._options.message_bytes_max
            ) as socket,
        ):
            self._socket = socket
            self._takes.opened()
            try:
                for topic in list(self._topics):
                    await self._follow(topic)
                async for message in socket:
                    data = message.data
                    self._takes.take("", data if isinstance(data, bytes) else str(data).encode())
            finally:
                self._socket = None
            return f"closed with {socket.close_code}"

    async def _follow(self, topic: str) -> None:
        if self._socket is not None and self._options.subscribe:
            quoted = msgspec.json.encode(topic).decode()[1:-1]
            with suppress(OSError, aiohttp.ClientError):  # the reading side gets the error, too
                await self._socket.send_str(self._options.subscribe.replace("{topic}", quoted))

    async def _leave(self, topic: str) -> None:
        """Sends nothing: the topic stays until the next connection."""


class _Nats(_Reconnecting):
    """Receives a feed by NATS. Subjects may have wildcards. Messages that come too fast are dropped, and reported."""

    def __init__(self, options: CollectorOptions, takes: Takes, topics: Iterable[str]) -> None:
        super().__init__(options, takes, topics)
        try:
            import nats
            import nats.errors
        except ImportError:
            raise _lacking("nats-py", "nats") from None
        self._nats = nats
        self._client: Any = None
        self._following: dict[str, Any] = {}

    async def _session(self) -> str:
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def closed() -> None:
            if not ended.done():
                ended.set_result("disconnected")

        async def failed(error: Exception) -> None:
            if isinstance(error, self._nats.errors.SlowConsumerError):
                self._takes.dropped("slow consumer")

        try:
            self._client = await self._nats.connect(
                self._options.address,
                allow_reconnect=False,
                connect_timeout=CONNECT_S,
                ping_interval=SILENCE_S,
                max_outstanding_pings=1,
                closed_cb=closed,
                disconnected_cb=closed,
                error_cb=failed,
                name=f"collector:{self._options.name}",
            )
        except self._nats.errors.Error as error:
            return str(error) or type(error).__name__
        self._takes.opened()
        try:
            for topic in list(self._topics):
                await self._follow(topic)
            return await ended
        finally:
            client, self._client = self._client, None
            self._following.clear()
            # A close that waits for its server would delay the end of the process.
            with suppress(self._nats.errors.Error, OSError, TimeoutError):
                await asyncio.wait_for(client.close(), CONNECT_S)

    async def _follow(self, topic: str) -> None:
        if self._client is None or topic in self._following:
            return

        async def take(message: Any) -> None:
            self._takes.take(message.subject, message.data)

        with suppress(self._nats.errors.Error):  # it closed: the next connection has it
            self._following[topic] = await self._client.subscribe(topic, cb=take, pending_msgs_limit=WAITING_MAX)

    async def _leave(self, topic: str) -> None:
        found = self._following.pop(topic, None)
        if found is not None:
            with suppress(self._nats.errors.Error):
                await found.unsubscribe()
