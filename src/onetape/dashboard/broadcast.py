"""Sends each page its topics: a topic is read and encoded once for all its viewers, at most ten times a second. A
slow page gets only the newest states, but all events (orders, fills).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

import msgspec

from onetape.dashboard.orders import Orders, joined
from onetape.dashboard.topic import Topic
from onetape.model.errors import BadInput, OnetapeError

__all__ = ["Broadcast", "Page"]

TICK_S: Final = 0.1
BEAT_S: Final = 1.0
TOPICS_MAX: Final = 64  # per page
EVENTS_MAX: Final = 10_000  # events queued for a slow page; then it is disconnected and resumes from its cursor
Send = Callable[[str], Awaitable[None]]


class Page:
    """One open page. send: returns when there is room for more."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.shown: set[str] = set()
        self.cursors: dict[str, int] = {}  # by account, the last sequence of its events
        self._states: dict[str, str] = {}  # the newest of each queued topic
        self._events: deque[str] = deque()
        self._wake = asyncio.Event()
        self.is_lost = self.is_following = False

    def state(self, topic: str, text: str) -> None:
        self._states[topic] = text
        self._wake.set()

    def events(self, texts: Iterable[str]) -> None:
        self._events.extend(texts)
        self.is_lost = self.is_lost or len(self._events) > EVENTS_MAX
        self._wake.set()

    async def write(self) -> None:
        """Sends for ever; raises the exceptions of `send`, ConnectionError for a disconnected page."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._events or self._states:
                if self.is_lost:
                    raise ConnectionError("too slow for its events")
                if self._events:
                    await self._send(self._events.popleft())
                else:
                    await self._send(self._states.pop(next(iter(self._states))))


class _Kept:
    """The newest state of one topic. text: as last sent; at: ms UTC of reading."""

    __slots__ = ("at", "body", "due", "text", "work")

    def __init__(self) -> None:
        self.due, self.at, self.body, self.text = 0.0, 0, b"", ""
        self.work: asyncio.Task[None] | None = None


class Broadcast:
    def __init__(self, topics: Mapping[str, Topic], orders: Orders) -> None:
        self._topics, self._orders = topics, orders
        self._kept: dict[str, _Kept] = {}
        self._reading: asyncio.Task[None] | None = None  # reads events
        self.pages: set[Page] = set()
        self.counts = {"made": 0, "sent": 0}
        self._fault = ""  # the last one logged

    def show(self, page: Page, names: list[str], since: Mapping[str, int]) -> None:
        """Sets a page's topics. since: by account, the last sequence of its journal of which the page has the
        events. Raises BadInput."""
        if len(names) > TOPICS_MAX:
            raise BadInput(f"a page shows at most {TOPICS_MAX} topics")
        for name in names:
            if name.partition("|")[0] not in self._topics:
                raise BadInput(f"no topic {name[:80]!r}")
        if not page.is_following:
            page.is_following, page.cursors = True, dict(since)
        fresh = set(names) - page.shown
        page.shown = set(names)
        for name in fresh:
            if (kept := self._kept.get(name)) is not None and kept.text:
                page.state(name, kept.text)

    async def read(self, name: str) -> bytes:
        """Reads a topic once, as JSON. Raises BadInput for an unknown topic, and the topic's errors."""
        word, *words = name.split("|")
        if (topic := self._topics.get(word)) is None:
            raise BadInput(f"no topic {name[:80]!r}", location="topic")
        return msgspec.json.encode(await topic.make(words))

    async def run(self) -> None:
        """Reads the viewed topics until cancelled."""
        beat = 0.0
        try:
            while True:
                now = time.monotonic()
                shown = {name for page in self.pages for name in page.shown}
                for name in shown:
                    self._look(name, now)
                for name in self._kept.keys() - shown:
                    if (work := self._kept[name].work) is None or work.done():
                        del self._kept[name]
                if self.pages and (self._reading is None or self._reading.done()):
                    self._reading = asyncio.ensure_future(self._news())
                if now >= beat:
                    beat = now + BEAT_S
                    self._beat()
                await asyncio.sleep(TICK_S)
        finally:
            works = [each.work for each in self._kept.values() if each.work is not None]
            works += [self._reading] if self._reading is not None else []
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    async def _news(self) -> None:
        """Sends new orders and fills to all pages that have set a cursor."""
        await self._orders.take()
        newest, texts = self._orders.cursors(), dict[tuple[tuple[str, int], ...], str]()
        for page in self.pages:
            if not page.is_following or page.cursors == newest:
                continue
            place = tuple(page.cursors.items())  # the same for most pages
            if place not in texts:
                events = self._orders.since(page.cursors)
                texts[place] = joined(events) if events else ""
            if texts[place]:
                page.events([texts[place]])
            page.cursors = newest

    def _look(self, name: str, now: float) -> None:
        kept = self._kept.setdefault(name, _Kept())
        if now >= kept.due and (kept.work is None or kept.work.done()):
            word, *words = name.split("|")
            topic = self._topics[word]
            kept.due = now + topic.every_s - TICK_S / 2
            kept.work = asyncio.ensure_future(self._made(name, kept, topic, words))
            kept.work.add_done_callback(partial(self._failed, name, kept))

    async def _made(self, name: str, kept: _Kept, topic: Topic, words: list[str]) -> None:
        try:
            body, part = await topic.make(words), "data"
        except OnetapeError as error:
            body, part = error.message, "error"
        self._publish(name, kept, body, part)

    def _failed(self, name: str, kept: _Kept, work: asyncio.Task[None]) -> None:
        """Reports a topic's internal error on its panel, and once in the log."""
        if not work.cancelled() and (error := work.exception()) is not None:
            words = f"{type(error).__name__}: {error}"
            if words != self._fault:
                self._fault = words
                sys.stderr.write(f"topic {name[:200]!r} raised {words}\n")
            self._publish(name, kept, f"it cannot be read ({type(error).__name__})", "error")

    def _publish(self, name: str, kept: _Kept, body: Any, part: str) -> None:
        encoded = msgspec.json.encode(body)
        kept.at = time.time_ns() // 10**6
        self.counts["made"] += 1
        if encoded == kept.body:
            return
        kept.body = encoded
        kept.text = f'{{"topic":{_json(name)},"at":{kept.at},"{part}":{encoded.decode()}}}'
        for page in self.pages:
            if name in page.shown:
                self.counts["sent"] += 1
                page.state(name, kept.text)

    def _beat(self) -> None:
        """Sends the ages of unchanged topics."""
        for page in self.pages:
            at = {name: kept.at for name in page.shown if (kept := self._kept.get(name)) is not None and kept.at}
            page.state("", _json({"beat": time.time_ns() // 10**6, "at": at}))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancels a task and waits for its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
