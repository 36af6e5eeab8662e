"""A collector of an external feed: its messages become frames of a journal of its own, which robots follow beside their
gateway's, and which is used like any other tape afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from onetape.collector.feed_tape import StreamTape
from onetape.collector.sources import Line, line_of
from onetape.ipc.door import Command, Do, Door, Handler
from onetape.ipc.names import process_socket
from onetape.ipc.server import Stream, listen
from onetape.market.stream_feed import StreamFeed, StreamRules
from onetape.model.errors import OnetapeError, UsageError
from onetape.net.tasks import ended
from onetape.options.collector import OF_STREAMS, CollectorOptions
from onetape.orders.managed import HealthOut as ProxyOut

__all__ = ["Collector"]

TICK_S: Final = 0.25
SHOWN_EVERY_S: Final = 1.0
TOPICS_MAX: Final = 10_000
SUBSCRIBE, UNSUBSCRIBE = "subscribe", "unsubscribe"


class Collector:
    """Collects one feed. `run` returns when `stopping` is set."""

    def __init__(self, options: CollectorOptions) -> None:
        self.options = options
        self.stopping = asyncio.Event()
        self._failed: OnetapeError | None = None
        self._feed = StreamFeed(
            StreamRules(
                f"collector:{options.name}",
                options.names,
                options.message_bytes_max,
                options.stale_ns,
                options.published,
                options.kind in OF_STREAMS,
            )
        )
        self._raw = {symbol: raw for raw, symbol in options.names.items()}
        self._tape = StreamTape(options, self._feed)
        self._topics = self._wanted()
        self._line: Line
        table = {
            SUBSCRIBE: Handler(self._subscribe, fields=("symbol", "topic"), reaches_out=True),
            UNSUBSCRIBE: Handler(self._unsubscribe, fields=("symbol", "topic"), reaches_out=True),
            "status": Handler(lambda _: self.snapshot, asks=True, anyone=True),
        }
        self.door = Door(
            (f"collector:{options.name}", "collector"),
            Path(options.home),
            table,
            self._tape,
            level="disk",
            now=time.time_ns,
            once=self._tape.once,
        )
        self._stream = Stream()

    async def run(self, ready: Callable[[], None]) -> None:
        """Runs until stopped. Raises the journal's errors."""
        path = process_socket(Path(self.options.home), self.door.names[0])
        try:
            self._line = line_of(self.options, self, self._topics, self._tape.past)
            serving = asyncio.ensure_future(
                await listen(path, self.door.handle, self.door.settle, self._stream, is_operator=self.door.is_operator)
            )
            working = [serving, *map(asyncio.ensure_future, (self._line.run(), self._tick()))]
            ready()
            stopped = asyncio.ensure_future(self.stopping.wait())
            await asyncio.wait([stopped, *working], return_when=asyncio.FIRST_COMPLETED)
            found = await ended([stopped, *working])
            path.unlink(missing_ok=True)
            for error in (self._failed, *found):
                if isinstance(error, Exception):
                    raise error
        finally:
            self._tape.close()

    # --- events of the line -----------------------------------------------------------------------

    def opened(self) -> None:
        self._write(self._feed.opened(time.time_ns()))

    def closed(self, why: str) -> None:
        self._write(self._feed.closed(time.time_ns(), why))

    def take(self, topic: str, body: bytes) -> None:
        self._write(self._feed.message(topic, body, time.time_ns()))

    def dropped(self, why: str) -> None:
        self._write(self._feed.dropped(time.time_ns(), why))

    def misshapen(self, parts: int) -> None:
        self._write(self._feed.misshapen(parts, time.time_ns()))

    def proxy(self, out: ProxyOut) -> None:
        self._write([out])

    def _write(self, outs: Any) -> None:
        """Writes frames; a failing journal ends the process, because the calling library would only log the error."""
        try:
            self._tape.write(outs)
        except OnetapeError as error:
            self._failed = self._failed or error
            self.stopping.set()

    async def _tick(self) -> None:
        shown_at = 0.0
        while True:
            self._write(self._feed.tick(time.time_ns()))
            if time.monotonic() - shown_at >= SHOWN_EVERY_S:
                shown_at = time.monotonic()
                self._stream.show(self.snapshot())
            await asyncio.sleep(TICK_S)

    # --- commands and queries ---------------------------------------------------------------------

    def _subscribe(self, command: Command) -> Do:
        topic = self._topic(command.fields)
        if topic not in self._topics and len(self._topics) >= TOPICS_MAX:
            raise UsageError(f"it follows {TOPICS_MAX} topics already")

        def do() -> dict[str, Any]:
            if topic not in self._topics:
                self._topics.append(topic)
                self._line.subscribe(topic)
            return {"topic": topic, "topics": len(self._topics)}

        return do

    def _unsubscribe(self, command: Command) -> Do:
        topic = self._topic(command.fields)
        if topic not in self._topics:
            there = ", ".join(self._topics[:20])
            raise UsageError(f"it does not follow {topic[:80]!r}", todo=f"it follows: {there}")

        def do() -> dict[str, Any]:
            self._topics.remove(topic)
            self._line.unsubscribe(topic)
            return {"topic": topic, "topics": len(self._topics)}

        return do

    def _topic(self, fields: dict[str, Any]) -> str:
        """Returns the feed's name of a topic."""
        chosen = [fields[name] for name in ("symbol", "topic") if name in fields]
        if len(chosen) != 1 or not isinstance(chosen[0], str):
            raise UsageError("give symbol=NAME or topic=NAME", location="subscribe")
        topic = self._raw.get(chosen[0], chosen[0]) if "symbol" in fields else chosen[0]
        has_blank = any(each.isspace() or not each.isprintable() for each in topic)
        if len(topic) > 200 or has_blank or (self.options.kind == "nats" and not topic):
            raise UsageError(
                f"a topic has at most 200 printable characters, no blanks: {topic[:80]!r}", location="subscribe"
            )
        return topic

    def _wanted(self) -> list[str]:
        """Returns the configured topics with the operator's changes since."""
        symbols = [self._raw.get(each, each) for each in self.options.symbols]
        wanted = dict.fromkeys([*self.options.topics, *symbols])
        if not wanted and self.options.kind == "zeromq":
            wanted[""] = None
        for past in self._tape.past_commands:
            if past.status != "applied":
                continue
            topic = past.result["topic"]
            if past.command == SUBSCRIBE:
                wanted[topic] = None
            elif past.command == UNSUBSCRIBE:
                wanted.pop(topic, None)
        return list(wanted)

    def snapshot(self) -> dict[str, Any]:
        """Returns the topics and the counts of messages. last_message: ns UTC, 0: none yet."""
        feed = self._feed
        return {
            "name": self.options.name,
            "kind": self.options.kind,
            "address": self.options.address,
            "connected": feed.is_connected,
            "topics": list(self._topics),
            "last_message": feed.last_message,
            "frames": self._tape.writer.published,
            "counts": {name: feed.counts[name] for name in _COUNTS},
            "bad": dict(feed.bad),
        }


_COUNTS: Final = ("quotes", "external", "bad", "repeated", "gaps", "missing")
