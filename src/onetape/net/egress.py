"""Connections through an HTTP proxy: each connection to a venue is a tunnel of its own, made by CONNECT.

So REST, streams and order sessions all go through the proxy, TLS runs from end to end to the venue, and the proxy
counts as failing while its last connection to some host has failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

from onetape.model.errors import ProxyFailed
from onetape.model.proxy import Proxy
from onetape.orders.managed import HealthOut

__all__ = ["Egress", "EgressError", "connector_of", "egress_of", "socket_of"]

WITHIN_S: Final = 5.0
REPLY_MAX: Final = 8192


class EgressError(ConnectionError):
    """The proxy made no connection: nothing was sent."""


class Egress:
    """Connects through a proxy. say: called when the proxy begins to fail and when it recovers."""

    def __init__(self, proxy: Proxy, say: Callable[[HealthOut], None] = lambda out: None) -> None:
        self._proxy, self._say = proxy, say
        self._failing: dict[str, str] = {}  # target -> why

    @property
    def failure(self) -> str:
        """Returns why the proxy fails, "" if it works."""
        return f"proxy {self._proxy.name}: {[*self._failing.values()][-1]}" if self._failing else ""

    def check(self) -> None:
        """Raises ProxyFailed if the last connection to some host has failed because of the proxy."""
        if self.failure:
            raise ProxyFailed(self.failure, location=f"proxies.{self._proxy.name}", todo="see whether it runs")

    async def open(self, host: str, port: int) -> socket.socket:
        """Returns a socket whose other end is the target. Raises EgressError."""
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            async with asyncio.timeout(WITHIN_S):
                made = await self._connect(target)
        except (OSError, TimeoutError) as error:
            why = str(error) if isinstance(error, EgressError) else _why(error)
            self._note(target, why)
            raise EgressError(self.failure) from None
        self._note(target, "")
        return made

    async def _connect(self, target: str) -> socket.socket:
        loop, proxy = asyncio.get_running_loop(), self._proxy
        made = await self._reach()
        try:
            lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
            lines += [f"{name}: {value}" for name, value in proxy.headers.items()]
            await loop.sock_sendall(made, "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
            reply = b""
            while b"\r\n\r\n" not in reply:
                piece = await loop.sock_recv(made, REPLY_MAX)
                if not piece:
                    raise EgressError("it hung up")
                reply += piece
                if len(reply) > REPLY_MAX:
                    break
            version, _, rest = reply.partition(b" ")
            if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
                raise EgressError("it does not speak HTTP")
            # The target sends nothing before a request: bytes after the head would be from somebody else.
            if rest[:1] != b"2" or not reply.endswith(b"\r\n\r\n"):
                raise EgressError(f"HTTP {rest[:3].decode()} for {target}")
        except BaseException:
            made.close()
            raise
        return made

    async def _reach(self) -> socket.socket:
        """Connects to the first of the proxy's addresses that accepts; raises the last error."""
        loop, found = asyncio.get_running_loop(), None
        for family, _, _, _, address in await loop.getaddrinfo(
            self._proxy.host, self._proxy.port, type=socket.SOCK_STREAM
        ):
            made = socket.socket(family, socket.SOCK_STREAM)
            try:
                made.setblocking(False)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.sock_connect(made, address)
            except OSError as error:
                made.close()
                found = error
            except BaseException:
                made.close()
                raise
            else:
                return made
        raise found or EgressError("no such host")

    def _note(self, target: str, why: str) -> None:
        before = self.failure
        self._failing.pop(target, None)
        if why:
            self._failing[target] = why
        name, severity = self._proxy.name, "warning" if self._failing else "info"
        if bool(before) != bool(self._failing):
            self._say(HealthOut("proxy", name, why or "works again", severity))


def _why(error: OSError) -> str:
    match error:
        case TimeoutError():
            return f"no answer within {WITHIN_S:g} s"
        case ConnectionRefusedError():
            return "nobody listens there"
        case socket.gaierror():
            return "no such host"
        case _:
            return f"not reachable: {type(error).__name__}"


class _Tunnels(aiohttp.BaseConnector):
    """Makes aiohttp's connections through an egress."""

    def __init__(self, egress: Egress, **options: Any) -> None:
        super().__init__(**options)
        self._egress = egress
        self._secure = ssl.create_default_context()

    async def _create_connection(self, req: Any, traces: Any, timeout: aiohttp.ClientTimeout) -> ResponseHandler:
        made = await self._egress.open(req.url.host, req.url.port)
        secure: dict[str, Any] = {"ssl": self._secure, "server_hostname": req.url.host} if req.is_ssl() else {}
        with contextlib.ExitStack() as undo:
            undo.callback(made.close)
            async with asyncio.timeout(WITHIN_S):
                _, protocol = await self._loop.create_connection(self._factory, sock=made, **secure)
            undo.pop_all()
        return protocol


def connector_of(egress: Egress | None, **options: Any) -> aiohttp.BaseConnector:
    """Returns the connector for aiohttp's connections: a direct one without an egress."""
    return aiohttp.TCPConnector(**options) if egress is None else _Tunnels(egress, **options)


def socket_of(egress: Egress | None) -> Callable[[Any], Awaitable[socket.socket]] | None:
    """Returns the socket factory for picows; None: it connects directly."""
    return None if egress is None else lambda url: egress.open(url.host, url.port)


def egress_of(proxy: Proxy | None, say: Callable[[HealthOut], None] = lambda out: None) -> Egress | None:
    return None if proxy is None else Egress(proxy, say)
