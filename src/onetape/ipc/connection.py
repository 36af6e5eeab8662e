"""The sender's end of a process's socket: sends requests as they come, and matches answers to them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from onetape.ipc.local_socket import connect
from onetape.ipc.server import LINE_BYTES_MAX
from onetape.model.errors import UsageError
from onetape.model.time import SECOND

__all__ = ["Connection", "Gone"]

CONNECT_WITHIN_S: Final = 1.0  # to a local socket; longer means that its listener's queue is full

_Future = asyncio.Future[dict[str, Any]]


class Gone(ConnectionError):  # noqa: N818 - as the errors of model
    """The error that no process listens, or that it has ended."""


class Connection:
    """Connects at the first request, and again after a lost connection."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._line: _Line | None = None
        self._opening = asyncio.Lock()

    async def ask(self, request: dict[str, Any] | bytes, deadline: int, *, by_id: str = "") -> dict[str, Any]:
        """Sends a request, as JSON if it is bytes, and returns its answer. by_id: the id in the answer. Raises Gone,
        TimeoutError, and UsageError for a request that is too long or not JSON."""
        try:
            line = request if isinstance(request, bytes) else msgspec.json.encode(request)
        except (TypeError, ValueError) as error:
            raise UsageError(f"not a command: {error}") from None
        if len(line) > LINE_BYTES_MAX:
            raise UsageError(f"a command has at most {LINE_BYTES_MAX} bytes")
        left = (deadline - time.time_ns()) / SECOND
        if left <= 0:
            raise TimeoutError
        async with asyncio.timeout(left):
            return await (await self._opened()).ask(line, by_id)

    async def _opened(self) -> _Line:
        async with self._opening:
            if self._line is None or self._line.is_closed:
                loop = asyncio.get_running_loop()
                try:
                    made = connect(self._path, timeout_s=CONNECT_WITHIN_S)
                except OSError as error:
                    raise Gone(f"{self._path.name}: {error.strerror or error}") from None
                _, self._line = await loop.create_unix_connection(_Line, sock=made)
            return self._line

    @property
    def is_open(self) -> bool:
        return self._line is not None and not self._line.is_closed

    def close(self) -> None:
        if self._line is not None:
            self._line.close()


class _Line(asyncio.Protocol):
    def __init__(self) -> None:
        self.is_closed = False
        self._transport: asyncio.Transport | None = None
        self._part = bytearray()
        self._by_id: dict[str, list[_Future]] = {}
        self._in_turn: deque[_Future] = deque()  # of requests without an id

    async def ask(self, line: bytes, by_id: str) -> dict[str, Any]:
        if self.is_closed or self._transport is None:
            raise Gone("the connection is closed")
        answer: _Future = asyncio.get_running_loop().create_future()
        if by_id:
            self._by_id.setdefault(by_id, []).append(answer)
        else:
            self._in_turn.append(answer)
        self._transport.write(line + b"\n")
        return await answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._part += data
        *lines, rest = self._part.split(b"\n")
        self._part = rest
        for line in lines:
            try:
                reply = msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.MsgspecError:
                self.close()  # not a process of ours
                return
            self._take(reply)

    def _take(self, reply: dict[str, Any]) -> None:
        """Passes an answer to its request; one that nobody awaits any more still takes its place in the order."""
        waiting = self._by_id.get(str(reply.get("id", "")))
        if waiting:
            answer = waiting.pop(0)
            if not waiting:
                del self._by_id[str(reply["id"])]
        elif self._in_turn and not reply.get("id"):
            answer = self._in_turn.popleft()
        else:
            return
        if not answer.done():
            answer.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        lost = [each for several in self._by_id.values() for each in several]
        for answer in (*lost, *self._in_turn):
            if not answer.done():
                answer.set_exception(Gone("the connection was lost"))
        self._by_id.clear()
        self._in_turn.clear()

    def close(self) -> None:
        self.is_closed = True
        if self._transport is not None:
            self._transport.close()
