"""A network between two processes that can be made bad: a TCP proxy in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter

from waiting import PATIENCE_S

MODES = (
    "pass",
    "slow",  # each piece some hundred milliseconds late
    "stall",  # nothing goes either way, and nobody is told; it goes on later
    "deaf",  # what the client sends arrives, what the server says is lost for good
    "cut",  # every connection is reset, and none is accepted
)
SLOW_S = 0.3
CHUNK = 1 << 16


class Proxy:
    """Listens at `port` while the block runs."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.mode = "pass"
        self.pieces: Counter = Counter()  # what came, by the mode it came in
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self.set("cut")
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    def _run(self, work):
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
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        try:
            await asyncio.gather(self._carry(reader, back, is_answer=False), self._carry(there, writer, is_answer=True))
        finally:
            for each in (writer, back):
                self._writers.discard(each)
                each.transport.abort()

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
                target.write(piece)
                await target.drain()
            target.transport.abort()
