"""Accepts the connections of an HTTP server. A connection takes a place when it is accepted, before TLS, so that silent
clients cannot use up the process's file descriptors.

If all places are taken, or an address has its share of them, the next connection replaces one that has shown no token,
else an idle one. If there is neither, a few reserved places remain for callers with the scope to act or to stop the
system: a call over one of these has to prove its scope.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Iterable
from functools import partial
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from onetape.model.errors import RateLimited
from onetape.net.tasks import watched

if TYPE_CHECKING:
    import ssl

__all__ = ["IDLE_S", "Connection", "Listener", "Place", "prove"]

FILES_KEPT: Final = 512  # for journals, other processes and venues: external connections cannot take these
PLACES_MAX: Final = 2048
PLACES_MIN: Final = 64
SHARE: Final = 4  # an address (IPv6: a /64) has at most 1/SHARE of the places
RESERVED: Final = 32  # additional places, for callers that may stop the system or act
ACCEPTS_MAX: Final = 64  # per turn of the loop
HANDSHAKE_S: Final = 5.0
HEAD_S: Final = 10.0  # from a connection to its first complete head
IDLE_S: Final = 75.0
RETRY_S: Final = 0.1  # if the system has no descriptor left
UNREAD_MS: Final = 30_000  # longest time that a client may leave an answer unread


class Place:
    """One accepted connection. is_trusted: a call over it was authenticated; is_reserved: its place is reserved for
    callers that may act."""

    __slots__ = ("_places", "accepted", "address", "connection", "is_reserved", "is_trusted", "task")

    def __init__(self, places: _Places, accepted: socket.socket, address: str) -> None:
        self._places, self.accepted, self.address = places, accepted, address
        self.connection: Connection | None = None
        self.task: asyncio.Task[None] | None = None
        self.is_trusted = self.is_reserved = False

    @property
    def is_idle(self) -> bool:
        return self.connection is None or not self.connection.is_at_work

    def prove(self, *, may_act: bool) -> None:
        """Notes that a call was authenticated. Raises RateLimited on a reserved place for a caller that may not act."""
        if self.is_reserved and not may_act:
            raise RateLimited("all connections are taken", todo="close some, or call again later")
        self.is_trusted = True
        self._places.used(self)

    def leave(self) -> None:
        self._places.leave(self)

    def end(self) -> None:
        """Ends the connection at once, even with unread data."""
        self.leave()
        if self.connection is None:
            self.accepted.close()
        elif self.connection.transport is not None:
            self.connection.transport.abort()
            return
        if self.task is not None:
            self.task.cancel()


class _Places:
    """All places of a server, and those of each address, the least recently used first."""

    def __init__(self, most: int) -> None:
        self._most, self._share = most, max(1, most // SHARE)
        self._all: dict[Place, None] = {}
        self._reserved: dict[Place, None] = {}
        self._by_address: dict[str, dict[Place, None]] = {}

    def __len__(self) -> int:
        return len(self._all) + len(self._reserved)

    def enter(self, place: Place) -> bool:
        """Adds a connection, in place of another if necessary; returns False if not even a reserved place is free."""
        own = self._by_address.get(place.address, {})
        is_full = len(self._all) >= self._most
        if len(own) >= self._share or is_full:
            largest = max(self._by_address.values(), key=len) if is_full else own
            if not (_end_one(largest) or (is_full and _end_one(self._all))):
                return self._reserve(place)
        self._all[place] = None
        self._by_address.setdefault(place.address, {})[place] = None
        return True

    def _reserve(self, place: Place) -> bool:
        if len(self._reserved) >= RESERVED and not _end_one(self._reserved):
            return False
        place.is_reserved = True
        self._reserved[place] = None
        return True

    def used(self, place: Place) -> None:
        for table in (self._all, self._reserved, self._by_address.get(place.address, {})):
            if place in table:
                del table[place]
                table[place] = None

    def leave(self, place: Place) -> None:
        self._all.pop(place, None)
        self._reserved.pop(place, None)
        if (own := self._by_address.get(place.address)) is not None:
            own.pop(place, None)
            if not own:
                del self._by_address[place.address]

    def make_room(self) -> None:
        _end_one(self._all)

    def end_handshakes(self) -> None:
        for each in (*self._all, *self._reserved):
            if each.connection is None or each.connection.transport is None:
                each.end()


def _end_one(places: Iterable[Place]) -> bool:
    """Ends the least recently used connection without a token, else the least recently used idle one; False if there is
    neither."""
    found = next((each for each in places if not each.is_trusted), None)
    if found is None:
        found = next((each for each in places if each.is_idle), None)
    if found is not None:
        found.end()
    return found is not None


class Connection(RequestHandler):
    """One connection of an HTTP server. Ends a client that sends no head or reads no answer."""

    __slots__ = ("place",)

    def __init__(self, place: Place, server: web.Server, **options: Any) -> None:
        super().__init__(server, **options)
        self.place = place
        place.connection = self

    @property
    def is_at_work(self) -> bool:
        return self._current_request is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        made = transport.get_extra_info("socket")
        made.setsockopt(socket.IPPROTO_TCP, getattr(socket, "TCP_USER_TIMEOUT", 18), UNREAD_MS)
        self._loop.call_later(HEAD_S, self._late)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.place.leave()

    def _late(self) -> None:
        if not self._request_count:
            self.force_close()


def prove(request: web.BaseRequest, *, may_act: bool) -> None:
    """Notes on a request's connection that its caller was authenticated; see `Place.prove`."""
    protocol = request.protocol
    if isinstance(protocol, Connection):
        protocol.place.prove(may_act=may_act)


class Listener:
    """Accepts connections for an aiohttp server. kind: the kind of its connections; most: number of places, None: as
    many as the process's limit of open files allows."""

    def __init__(
        self,
        server: web.Server,
        *,
        tls: ssl.SSLContext | None = None,
        kind: type[Connection] = Connection,
        most: int | None = None,
    ) -> None:
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        room = max(PLACES_MIN, min(PLACES_MAX, files - FILES_KEPT)) if files >= 0 else PLACES_MAX
        self._server, self._tls, self._kind = server, tls, kind
        self.places = _Places(room if most is None else most)
        self._loop = asyncio.get_running_loop()
        self._listening: list[socket.socket] = []

    def open(self, host: str, port: int) -> int:
        """Listens on all addresses of a host, and returns the port. port: 0: any free one. Raises OSError."""
        opened: list[socket.socket] = []
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, address in dict.fromkeys((each[0], each[4][0]) for each in found):
                made = socket.create_server((str(address), port), family=family, backlog=1024)
                made.setblocking(False)
                opened.append(made)
                port = made.getsockname()[1]
        except OSError:
            for each in opened:
                each.close()
            raise
        self._listening += opened
        for each in opened:
            self._loop.add_reader(each, self._accept, each)
        return port

    def close(self) -> None:
        """Accepts no more; existing connections stay, except those still in their handshake."""
        listening, self._listening = self._listening, []
        for each in listening:
            self._loop.remove_reader(each)
            each.close()
        self.places.end_handshakes()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_MAX):
            try:
                accepted, peer = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError:  # no descriptor is left: of the process, or of the system
                self.places.make_room()
                self._loop.remove_reader(listening)
                self._loop.call_later(RETRY_S, self._resume, listening)
                return
            accepted.setblocking(False)
            place = Place(self.places, accepted, _address(peer))
            if self.places.enter(place):
                place.task = watched(self._begin(place))
            else:
                accepted.close()

    def _resume(self, listening: socket.socket) -> None:
        if listening in self._listening:
            self._loop.add_reader(listening, self._accept, listening)

    async def _begin(self, place: Place) -> None:
        within = HANDSHAKE_S if self._tls is not None else None
        try:
            await self._loop.connect_accepted_socket(
                partial(self._connection, place),
                place.accepted,
                ssl=self._tls,
                ssl_handshake_timeout=within,
                ssl_shutdown_timeout=within,
            )
        except OSError:  # the client spoke no TLS, was too slow, or has gone
            place.leave()

    def _connection(self, place: Place) -> Connection:
        return self._kind(place, self._server, loop=self._loop, **self._server._kwargs)


def _address(peer: Any) -> str:
    """Returns the address under which a connection counts: an IPv4 address, or the /64 of an IPv6 address."""
    host = str(peer[0])
    return IPv6Address(host.partition("%")[0]).packed[:8].hex() if ":" in host else host
