"""An HTTP proxy that makes tunnels, for tests."""

from __future__ import annotations

import asyncio
import base64
import re
from collections import Counter
from urllib.parse import urlsplit

from onetape.simulation.tcp_proxy import Proxy, Streams


class HttpProxy(Proxy):
    """Makes tunnels by CONNECT, for who shows user and password where it has any, and hands requests on that name a
    whole address."""

    def __init__(self, credentials: str = "") -> None:
        super().__init__()
        self.credentials = credentials
        self.targets: Counter = Counter()  # that were connected

    async def _reach(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Streams:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            raise ConnectionError from None
        method, target, *_ = head.split(" ")
        is_tunnel = method == "CONNECT"
        target = target if is_tunnel else urlsplit(target).netloc
        wanted = base64.b64encode(self.credentials.encode()).decode()
        status = "200 OK"
        if self.credentials and f"Proxy-Authorization: Basic {wanted}" not in head:
            status = "407 Who are you"
        try:
            made = await asyncio.open_connection(*target.rsplit(":", 1)) if status == "200 OK" else None
        except OSError:
            made, status = None, "502 Nobody there"
        if is_tunnel or made is None:
            writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
            await writer.drain()
        else:
            made[1].write(self._onward(head.encode()))
        if made is None:
            writer.close()
            raise ConnectionError
        self.targets[target] += 1
        return made

    def _onward(self, piece: bytes) -> bytes:
        return re.sub(rb"^([A-Z]+) http://[^/]+", rb"\1 ", piece)
