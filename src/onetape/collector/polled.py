"""Feeds without a stream: polled addresses, RSS and Atom, messages posted to us, and tables of scheduled events. Each
passes on bodies of JSON, like any line."""

from __future__ import annotations

import asyncio
import calendar
import hashlib
import hmac
import io
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from math import ceil
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import aiohttp
import msgspec
from aiohttp import web

from onetape.data.events import Row, read_events
from onetape.model.errors import BadConfig, NotAvailable
from onetape.model.time import MS, SECOND
from onetape.net.call_limits import CallLimits
from onetape.net.connection import back_off
from onetape.net.egress import connector_of, egress_of
from onetape.net.http_limits import ENCODING, body_of
from onetape.net.listener import IDLE_S, Listener, prove
from onetape.options.collector import CollectorOptions
from onetape.orders.managed import HealthOut as ProxyOut

__all__ = ["PAST_MAX", "News", "Past", "Polled", "Schedule", "Signatures", "Takes", "Webhook"]

ANSWER_S: Final = 20.0
PAST_MAX: Final = 20_000  # frames of its own tape in which a feed looks for earlier messages
SUMMARY_CHARS: Final = 4_000
STAMP: Final = "X-Onetape-Time"  # header with the time of sending, ms since 1970
SIGNATURE: Final = "X-Onetape-Signature"
STAMP_FORM: Final = re.compile(r"[0-9]{13}")
WAKE_S: Final = 1.0  # a set clock is noticed within this time


class Takes(Protocol):
    """The receiver of a line's reports."""

    def opened(self) -> None: ...

    def closed(self, why: str) -> None: ...

    def take(self, topic: str, body: bytes) -> None: ...

    def dropped(self, why: str) -> None: ...

    def misshapen(self, parts: int) -> None: ...

    def proxy(self, out: ProxyOut) -> None: ...


@dataclass(frozen=True, slots=True)
class Past:
    """The past of a feed's tape: the last external events, and its beginning (ns UTC, 0: now)."""

    began: int
    events: list[dict[str, Any]]


class _NoTopics:
    """A line without topics: all its messages are passed on."""

    def subscribe(self, topic: str) -> None: ...

    def unsubscribe(self, topic: str) -> None: ...


class Polled(_NoTopics):
    """Polls an address periodically. An answer equal to the last one is no news; of a list each item is a message,
    except those that were in the last list."""

    def __init__(self, options: CollectorOptions, takes: Takes, past: Past) -> None:
        self._address, self._every = options.address, options.every_ns / SECOND
        self._topic, self._takes = _topic(options), takes
        self._egress = egress_of(options.proxy, takes.proxy)
        self._validators: dict[str, str] = {}  # of the last answer: the server replies 304 if it has nothing newer
        # Contents of the last answer; before the first one of this incarnation those on the tape.
        self._last = [_canonical(each["data"]) for each in past.events]
        self._is_first = True

    async def run(self) -> None:
        failures = 0
        async with aiohttp.ClientSession(
            connector=connector_of(self._egress),
            timeout=aiohttp.ClientTimeout(total=ANSWER_S),
            auto_decompress=False,
            headers={"Accept-Encoding": ENCODING, "User-Agent": "onetape"},
        ) as session:
            while True:
                began = time.monotonic()
                try:
                    await self._ask(session)
                    failures = 0
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    self._takes.closed(str(error)[:80] or type(error).__name__)
                    failures += 1
                    await back_off(failures)
                await asyncio.sleep(max(0.0, began + self._every - time.monotonic()))

    async def _ask(self, session: aiohttp.ClientSession) -> None:
        async with session.get(self._address, headers=self._validators, allow_redirects=False) as reply:
            if reply.status not in (200, 304):
                raise aiohttp.ClientConnectionError(f"HTTP {reply.status}")
            body = await body_of(reply) if reply.status == 200 else b""
            validators = {
                "If-None-Match": reply.headers.get("ETag"),
                "If-Modified-Since": reply.headers.get("Last-Modified"),
            }
        self._takes.opened()
        if reply.status == 200:
            self._validators = {name: value for name, value in validators.items() if value}
            await self.answered(body)

    async def answered(self, body: bytes) -> None:
        """Passes on the new messages of an answer."""
        try:
            items = [bytes(each) for each in msgspec.json.decode(body, type=list[msgspec.Raw])]
            before = set(self._last)
        except (msgspec.DecodeError, RecursionError):
            items = [body]  # one message; its receiver reports if it is malformed
            before = set(self._last[-1:] if self._is_first else self._last)
        found = [_said(each) for each in items]
        for item, said in zip(items, found, strict=True):
            if said not in before:
                self._takes.take(self._topic, item)
        self._last, self._is_first = found, False


class News(Polled):
    """Reads RSS and Atom. Each entry is a message once, also over restarts, the oldest first."""

    def __init__(self, options: CollectorOptions, takes: Takes, past: Past) -> None:
        super().__init__(options, takes, past)
        try:
            self._parse = import_module("feedparser").parse
        except ImportError:
            raise NotAvailable(
                "a feed of kind rss needs feedparser", location="[collectors]", todo="pip install 'onetape[streams]'"
            ) from None
        self._seen = deque((_id_of(each) for each in past.events), maxlen=PAST_MAX)

    async def answered(self, body: bytes) -> None:
        # In a thread: a large or hostile feed takes seconds. Bytes would first be tried as a file name.
        found = await asyncio.get_running_loop().run_in_executor(None, self._parse, io.BytesIO(body))
        if found.bozo and not found.entries:
            self._takes.take(self._topic, b"no feed: " + body[:80])  # not JSON, so it is counted as a bad message
            return
        seen = set(self._seen)
        for entry in sorted(found.entries, key=lambda each: _published(each) or 0):
            name = entry.get("id") or entry.get("link") or _hash(entry.get("title", ""))
            if name in seen:
                continue
            seen.add(name)
            self._seen.append(name)
            published = _published(entry)
            message = {
                "type": "news",
                "id": name,
                "title": entry.get("title", ""),
                "link": entry.get("link", ""),
                "summary": entry.get("summary", "")[:SUMMARY_CHARS],
                **({"ts_event": published} if published else {}),
            }
            self._takes.take(self._topic, msgspec.json.encode(message))


class Webhook(_NoTopics):
    """Receives posts to `http://127.0.0.1:PORT/PATH`; `PATH/TOPIC` names a topic. On loopback only: put a proxy in
    front to be reachable from outside. With a secret each message must be signed, and is accepted once."""

    def __init__(self, options: CollectorOptions, takes: Takes) -> None:
        self._parts, self._takes = urlsplit(options.address), takes
        self._topic, self._bytes_max = _topic(options), options.message_bytes_max
        self._topics = {self._topic, *options.topics} if options.secret else None
        self._signatures = Signatures(options.secret, options.window_ns) if options.secret else None
        self._limits = CallLimits(options.rate)

    async def run(self) -> None:
        path = self._parts.path.rstrip("/")
        server = web.Application(client_max_size=self._bytes_max)
        server.router.add_post(path or "/", self._posted)
        server.router.add_post(path + "/{topic}", self._posted)
        runner = web.AppRunner(server, access_log=None, keepalive_timeout=IDLE_S)
        await runner.setup()
        try:
            assert runner.server is not None
            listener = Listener(runner.server)
            listener.open(self._parts.hostname or "", self._parts.port or 0)
            self._takes.opened()
            try:
                await asyncio.Event().wait()
            finally:
                listener.close()
        finally:
            await runner.cleanup()

    async def _posted(self, request: web.Request) -> web.Response:
        if request.headers.get("Origin") is not None:  # a web page in a local browser must not post
            raise web.HTTPForbidden(text="not from a page\n")
        topic = request.match_info.get("topic", self._topic)
        if self._topics is not None and topic not in self._topics:
            raise web.HTTPNotFound(text="no such topic: see [webhooks] topics\n")
        body = await request.read()
        if not body:
            raise web.HTTPBadRequest(text="no body\n")
        if self._signatures is not None:
            if why := self._signatures.refusal(request.headers, topic, body):
                raise web.HTTPUnauthorized(text=f"{why}\n")
            prove(request, may_act=True)
        if wait := self._limits.take(""):
            after = {"Retry-After": str(ceil(wait))}
            raise web.HTTPTooManyRequests(text="too many messages: see [webhooks] rate\n", headers=after)
        if self._signatures is not None:
            self._signatures.took(request.headers)
        self._takes.take(topic, body)
        return web.Response(status=204)


class Signatures:
    """Checks the sender of a message, and that it comes once. window_ns: how far its time may be from ours. A message
    from before this object was made is refused, because an earlier process may have accepted it."""

    def __init__(self, secret: str, window_ns: int, clock: Callable[[], int] = time.time_ns) -> None:
        self._secret, self._window, self._clock = secret.encode(), window_ns, clock
        self._began = clock()
        self._taken: dict[str, int] = {}  # signatures, with the time until which a message may be repeated

    def refusal(self, headers: Mapping[str, str], topic: str, body: bytes) -> str:
        """Returns why a message is refused, "": it is accepted."""
        stamp, signature = headers.get(STAMP, ""), headers.get(SIGNATURE, "")
        if not STAMP_FORM.fullmatch(stamp):
            return f"{STAMP} is not the time in ms since 1970"
        signed = hmac.digest(self._secret, f"{stamp}.{topic}.".encode() + body, "sha256").hex()
        if not hmac.compare_digest(signed.encode(), signature.encode("utf-8", "replace")):
            return f"{SIGNATURE} is not HMAC-SHA256 of TIME.TOPIC.BODY, in hex"
        sent, now = int(stamp) * MS, self._clock()
        if abs(sent - now) > self._window or sent < self._began:
            return f"{STAMP} is {(sent - now) / SECOND:+.1f} s from this machine's time"
        return "it was accepted before" if signature in self._taken else ""

    def took(self, headers: Mapping[str, str]) -> None:
        """Remembers a message for as long as its time is in the window."""
        now = self._clock()
        while self._taken and next(iter(self._taken.values())) < now:
            del self._taken[next(iter(self._taken))]
        self._taken[headers[SIGNATURE]] = now + 2 * self._window  # its time may be a window ahead


class Schedule(_NoTopics):
    """Publishes the events of a table, each at its time. Events from before the collector's first start are left out;
    those missed while it was down are published at its start."""

    def __init__(self, options: CollectorOptions, takes: Takes, past: Past) -> None:
        rows = read_events([Path(options.address)], zone=options.zone, ahead_ns=options.ahead_ns)
        if not rows:
            raise BadConfig("no rows", location=options.address, todo="write a header, then one event per line")
        self._takes, self._topic = takes, _topic(options)
        # By time and content of published events: an edited table only publishes what is new.
        done = {(each["ts_event"], _without_time(each["data"])) for each in past.events}
        began = past.began or time.time_ns()
        self._rows = deque(each for each in rows if each.time >= began and _sign(each) not in done)

    async def run(self) -> None:
        self._takes.opened()
        while True:
            now = time.time_ns()
            while self._rows and self._rows[0].time <= now:
                row = self._rows.popleft()
                self._takes.take(row.topic or self._topic, row.body)
            until = (self._rows[0].time - now) / SECOND if self._rows else WAKE_S
            await asyncio.sleep(min(max(until, MS / SECOND), WAKE_S))


def _topic(options: CollectorOptions) -> str:
    return options.topics[0] if options.topics else options.name


def _canonical(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def _said(body: bytes) -> bytes:
    """Returns a canonical form of a body, equal for equal contents."""
    try:
        return _canonical(msgspec.json.decode(body))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return body


def _sign(row: Row) -> tuple[int, bytes]:
    value = msgspec.json.decode(row.body)
    return value["ts_event"], _without_time(value)


def _without_time(data: Mapping[str, Any]) -> bytes:
    return _canonical({name: value for name, value in data.items() if name != "ts_event"})


def _id_of(record: Mapping[str, Any]) -> str:
    data = record.get("data")
    return str(data.get("id", "")) if isinstance(data, dict) else ""


def _published(entry: Any) -> int | None:
    """Returns the time of an entry, ns UTC."""
    found = entry.get("published_parsed") or entry.get("updated_parsed")
    return calendar.timegm(found) * SECOND if found else None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
