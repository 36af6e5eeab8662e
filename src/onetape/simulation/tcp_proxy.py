"""A network between two processes that can be made bad: a TCP proxy in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Final

__all__ = ["CHUNK", "MODES", "Proxy", "Streams"]

MODES: Final = (
    "pass",
    "slow",  # each piece some hundred milliseconds late
    "stall",  # nothing goes either way, and nobody is told; it goes on later
    "deaf",  # what the client sends arrives, what the server says is lost for good
    "cut",  # every connection is reset, and none is accepted
)
SLOW_S: Final = 0.3
CHUNK: Final = 1 << 16
PATIENCE_S: Final = 180.0  # of a busy machine
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """Listens at `port` while the block runs."""

    def __init__(self, target: int = 0, *, tls: ssl.SSLContext | None = None) -> None:
        """tls: it is a server of TLS, and speaks plainly to its target."""
        self.target, self._tls = target, tls
        self.mode = "pass"
        self.connections = 0  # that reached their target
        self.pieces: Counter[str] = Counter()  # what came, by the mode it came in
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._server.close)  # beside its loop it would race with a connection's end
        self.set("cut")
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _stop(self) -> None:
        tasks = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def set(self, mode: str) -> None:
        assert mode in MODES
        before, self.mode = self.mode, mode
        # What was half lost cannot go on.
        if mode == "cut" or before == "deaf":
            self._run(self._reset())

    async def _reset(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "cut":
            writer.transport.abort()
            return
        try:
            there, back = await self._reach(reader, writer)
        except OSError:
            writer.transport.abort()
            return
        self.connections += 1
        self._writers |= {writer, back}
        try:
            await asyncio.gather(self._carry(reader, back, is_answer=False), self._carry(there, writer, is_answer=True))
        finally:
            for each in (writer, back):
                self._writers.discard(each)
                each.transport.abort()

    async def _reach(self, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self.target)

    def _onward(self, piece: bytes) -> bytes:
        return piece

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := await source.read(CHUNK):
                self.pieces[self.mode] += 1
                if self.mode == "slow":
                    await asyncio.sleep(SLOW_S)
                while self.mode == "stall":
                    await asyncio.sleep(0.02)
                if self.mode == "deaf" and is_answer:
                    continue
                target.write(piece if is_answer else self._onward(piece))
                await target.drain()
            target.transport.abort()
