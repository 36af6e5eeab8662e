"""Figures of all processes of a home for Prometheus: http://127.0.0.1:PORT/metrics.

No process stores anything for this. Each is queried on a scrape, orders and fills are counted from the frames that
the alert watch reads anyway, and the rest is the supervisor's own.
"""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from onetape.ipc import local_socket
from onetape.ipc.names import process_socket
from onetape.model.enums import EventType, Liquidity, OrderNews, RequestKind
from onetape.model.errors import BY_CODE, PermissionDenied
from onetape.model.sections import OPERATOR
from onetape.security.tokens import make_token
from onetape.supervisor.heartbeat import journal_of
from onetape.tape.journal import Frame
from onetape.tape.payloads import fields
from onetape.web.auth import Source

if TYPE_CHECKING:
    from aiohttp import web

    from onetape.net.listener import Listener

__all__ = ["COUNTED", "FAMILIES", "Growth", "Metrics", "OrderCounts"]

HOST: Final = "127.0.0.1"
ASK_WITHIN_S: Final = 1.0  # a hanging process delays a scrape at most this long
KEPT_S: Final = 1.0  # an answer is reused this long for all scrapers
REQUESTS_AT_ONCE: Final = 4
GROWTH_SPAN_S: Final = 3600.0
GROWTH_MIN_S: Final = 600.0  # a shorter time gives no estimate per day
DAY_S: Final = 86_400.0
COUNTED: Final = ("order_request", "order_event", "fill")  # in gateways' journals
_LIQUIDITY: Final = fields("fill", "liquidity")
_KIND: Final = fields("order_request", "kind")
_NEWS: Final = fields("order_event", "code", "news")

# Name, without `onetape_`: (type, labels, description). Counters start with the supervisor.
FAMILIES: Final[Mapping[str, tuple[str, tuple[str, ...], str]]] = {
    "process_up": ("gauge", ("process", "kind"), "1 while it runs, else 0"),
    "process_restarts": ("counter", ("process",), "Restarts after an end"),
    "process_heartbeat_age_seconds": ("gauge", ("process",), "Time since its last heartbeat"),
    "process_progress_age_seconds": ("gauge", ("process",), "Time since it last read or wrote"),
    "process_lag_frames": ("gauge", ("process",), "Frames of its gateway that a robot has not read"),
    "process_cpu_ratio": ("gauge", ("process",), "Share of one core, over the last seconds"),
    "process_memory_bytes": ("gauge", ("process",), "Resident memory"),
    "process_open_files": ("gauge", ("process",), "Open files; none for processes that hold secrets"),
    "journal_bytes": ("gauge", ("process",), "Size of its journal on disk"),
    "disk_free_bytes": ("gauge", (), "Free space on the file system of the home"),
    "disk_days_left": ("gauge", (), "Days until the disk is full, at the rate of the last hour"),
    "order_requests": ("counter", ("process", "kind"), "Orders, cancels and amendments on the gateway's tape"),
    "order_events": ("counter", ("process", "news"), "Order events by kind"),
    "order_refusals": ("counter", ("process", "news", "code", "name"), "Refusals by their error number"),
    "fills": ("counter", ("process", "liquidity"), "Fills booked"),
    "orders_open": ("gauge", ("process",), "Working orders"),
    "orders_unknown": ("gauge", ("process",), "Orders of unknown outcome"),
    "order_span_seconds": ("histogram", ("process", "span"), "Steps from a market message to the venue's answer"),
    "robot_span_seconds": ("histogram", ("process", "robot", "span"), "The same steps, by robot"),
    "decision_age_seconds": ("histogram", ("process", "feed"), "Age of the market data when robots decided"),
    "budget_used_ratio": ("gauge", ("process", "budget", "rule"), "Used part of the venue's request limit in a window"),
    "budget_refused": ("counter", ("process", "budget"), "Requests that the budget delayed"),
    "clock_offset_seconds": ("gauge", ("process",), "The venue's clock minus ours"),
    "malformed_messages": ("counter", ("process", "what"), "Unreadable messages"),
    "halts": ("gauge", ("process", "scope"), "Active halts"),
    "gateway_ready": ("gauge", ("process",), "1 while orders may pass"),
    "feed_age_seconds": ("gauge", ("process", "source"), "Age of the oldest last message among its symbols"),
    "feed_latency_seconds": ("gauge", ("process", "source"), "Delay behind the fastest source"),
    "feed_errors": ("gauge", ("process", "source"), "Errors of its symbols, since its start"),
    "feed_symbols": ("gauge", ("process", "source", "state"), "Symbols by state of their feed"),
    "position_protected_ratio": ("gauge", ("account", "symbol", "side"), "Part covered by verified stops"),
    "alerts_active": ("gauge", ("type", "severity"), "Open alerts without acknowledgement"),
    "alerts_sent": ("counter", (), "Alerts accepted by all sinks"),
    "alerts_failed": ("counter", (), "Alerts not accepted after all tries"),
    "alerts_dropped": ("counter", (), "Alerts dropped by the limit per minute or a full queue"),
    "alerts_waiting": ("gauge", (), "Alerts not sent yet"),
    "scrape_seconds": ("gauge", (), "Time to ask all processes"),
}


class OrderCounts:
    """Counts a gateway's frames of the types COUNTED."""

    def __init__(self) -> None:
        self.requests = Counter[tuple[str, str]]()
        self.events = Counter[tuple[str, str]]()
        self.refusals = Counter[tuple[str, str, str, str]]()
        self.fills = Counter[tuple[str, str]]()
        self._news, self._kinds, self._sides = OrderNews.by_id(), RequestKind.by_id(), Liquidity.by_id()

    def take(self, process: str, frame: Frame) -> None:
        if frame.type == EventType.FILL.id:
            self.fills[process, self._sides[_LIQUIDITY.unpack_from(frame.payload)[0]]] += 1
        elif frame.type == EventType.ORDER_REQUEST.id:
            self.requests[process, self._kinds[_KIND.unpack_from(frame.payload)[0]]] += 1
        else:
            code, number = _NEWS.unpack_from(frame.payload)
            news = self._news[number]
            self.events[process, news] += 1
            if code:
                error = BY_CODE.get(code)
                self.refusals[process, news, str(code), error.name if error is not None else ""] += 1


class Growth:
    """Estimates for how long the disk has room, from its use at times of any monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, now: float, used: int) -> None:
        while len(self._seen) > 1 and self._seen[1][0] <= now - GROWTH_SPAN_S:
            self._seen.popleft()
        if not self._seen or now - self._seen[-1][0] >= GROWTH_SPAN_S / 60:
            self._seen.append((now, used))

    def days_left(self, now: float, used: int, free: int) -> float | None:
        """Returns None if not observed for long enough. Infinite if nothing grows."""
        if not self._seen or now - self._seen[0][0] < GROWTH_MIN_S:
            return None
        since, before = self._seen[0]
        grown = used - before
        return free / grown * (now - since) / DAY_S if grown > 0 else float("inf")


class Metrics:
    """Serves the figures until closed. status: of the supervisor; alerts: figures of the alert watch, `active` by
    (type, severity), and `sent failed dropped waiting`."""

    def __init__(
        self,
        home: Path,
        counts: OrderCounts,
        *,
        status: Callable[[], dict[str, Any]],
        alerts: Callable[[], Mapping[str, Any]],
    ) -> None:
        from prometheus_client import CollectorRegistry, core, exposition  # takes 70 ms, needed for [metrics] alone

        self._core: Any = core
        self._home, self._counts, self._status, self._alerts = home, counts, status, alerts
        self._growth = Growth()
        self._lock = threading.Lock()
        self._made: tuple[float, list[Any]] = (-KEPT_S, [])
        self._asking = ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix="metrics")
        self._registry, self._encoder_of = CollectorRegistry(), exposition.choose_encoder
        self._registry.register(self)
        self._source = Source([HOST])
        self._server: web.Server | None = None
        self._listener: Listener | None = None
        self.address = ""

    def open(self, port: int) -> None:
        """Listens; called in the running loop. Raises OSError if the port is in use."""
        from aiohttp import web  # not needed by readers of the configuration

        from onetape.net.listener import IDLE_S, Listener

        self._server = web.Server(self._answer, access_log=None, keepalive_timeout=IDLE_S)
        self._listener = Listener(self._server)
        self.address = f"http://{HOST}:{self._listener.open(HOST, port)}/metrics"

    async def close(self) -> None:
        if self._listener is not None and self._server is not None:
            self._listener.close()
            await self._server.shutdown(ASK_WITHIN_S)
        self._asking.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        from aiohttp import web

        try:
            self._source.check(request.headers)
        except PermissionDenied as error:
            return web.Response(status=403, text=f"{error}\n")
        if request.method not in ("GET", "HEAD"):
            return web.Response(status=405, headers={"Allow": "GET, HEAD"})
        encode, kind = self._encoder_of(request.headers.get("Accept", ""))
        body = await asyncio.get_running_loop().run_in_executor(None, encode, self._registry)
        return web.Response(body=body, headers={"Content-Type": kind})

    def describe(self) -> Iterable[Any]:
        """Returns nothing: otherwise Prometheus's registry would scrape once to learn the names."""
        return ()

    def collect(self) -> Iterable[Any]:
        with self._lock:
            now = time.monotonic()
            if now - self._made[0] >= KEPT_S:
                self._made = now, self._families(now)
            return self._made[1]

    def _families(self, began: float) -> list[Any]:
        made: dict[str, Any] = {}
        types = {
            "gauge": self._core.GaugeMetricFamily,
            "counter": self._core.CounterMetricFamily,
            "histogram": self._core.HistogramMetricFamily,
        }
        for name, labels, value in self._figures(began):
            kind, names, words = FAMILIES[name]
            if name not in made:
                made[name] = types[kind](f"onetape_{name}", words, labels=names)
            if kind == "histogram":
                buckets = [(str(int(us) / 1e6), count) for us, count in value["le_us"].items()]
                made[name].add_metric(labels, [*buckets, ("+Inf", value["count"])], value["sum_us"] / 1e6)
            else:
                made[name].add_metric(labels, value)
        return list(made.values())

    def _figures(self, began: float) -> Iterator[tuple[str, tuple[str, ...], Any]]:
        processes = self._status()["processes"]
        for each in processes:
            yield from _of_process(self._home, each)
        running = (each for each in processes if each["state"] == "running")
        kinds = {each["name"]: each["kind"] for each in running if each["kind"] in _OF_KIND}
        for name, answer in zip(kinds, self._asking.map(self._ask, kinds, kinds.values()), strict=True):
            if answer:
                yield from _OF_KIND[kinds[name]](name, answer)
        counters: dict[str, Counter[Any]] = {
            "order_requests": self._counts.requests,
            "order_events": self._counts.events,
            "order_refusals": self._counts.refusals,
            "fills": self._counts.fills,
        }
        for name, counter in counters.items():
            yield from ((name, labels, count) for labels, count in sorted(counter.copy().items()))
        alerts = self._alerts()
        yield from (("alerts_active", labels, count) for labels, count in sorted(alerts["active"].items()))
        yield from ((f"alerts_{name}", (), alerts[name]) for name in ("sent", "failed", "dropped", "waiting"))
        usage = shutil.disk_usage(self._home)
        self._growth.note(began, usage.used)
        yield "disk_free_bytes", (), usage.free
        if (days := self._growth.days_left(began, usage.used, usage.free)) is not None:
            yield "disk_days_left", (), days
        yield "scrape_seconds", (), time.monotonic() - began

    def _ask(self, process: str, kind: str) -> dict[str, Any]:
        """Returns the process's own report; {}: it does not answer."""
        request = {"do": "status"}
        if kind != "gateway":
            token = make_token(self._home, OPERATOR)
            command = {"id": "metrics", "target": process, "command": "status", "actor": OPERATOR, "token": token}
            request = {"do": "command", **command}
        try:
            path = process_socket(self._home, process)
            line = local_socket.request(path, msgspec.json.encode(request), timeout_s=ASK_WITHIN_S)
            answer: dict[str, Any] = msgspec.json.decode(line)
        except (OSError, msgspec.DecodeError):
            return {}
        return answer if kind == "gateway" else answer.get("result") or {}


Figures = Iterator[tuple[str, tuple[str, ...], Any]]


def _of_process(home: Path, row: Mapping[str, Any]) -> Figures:
    name, kind = row["name"], row["kind"]
    yield "process_up", (name, kind), int(row["state"] == "running")
    yield "process_restarts", (name,), row["restarts"]
    for figure, key, scale in (
        ("process_heartbeat_age_seconds", "heartbeat_age_ms", 1e3),
        ("process_progress_age_seconds", "progress_age_ms", 1e3),
        ("process_lag_frames", "lag", 1),
        ("process_cpu_ratio", "cpu_percent", 100),
        ("process_memory_bytes", "memory_bytes", 1),
        ("process_open_files", "open_files", 1),
    ):
        if row[key] is not None:
            yield figure, (name,), row[key] / scale
    if (path := journal_of(home, name, kind)) is not None:
        yield "journal_bytes", (name,), _bytes_in(path)


def _bytes_in(journal: Path) -> int:
    size = 0
    with suppress(OSError):
        for path in journal.iterdir():
            with suppress(FileNotFoundError):  # it was just compressed
                size += path.stat().st_blocks * 512
    return size


def _of_gateway(process: str, status: Mapping[str, Any]) -> Figures:
    yield "gateway_ready", (process,), int(status["ready"])
    yield "orders_open", (process,), status["open"]
    yield "orders_unknown", (process,), status["unknown"]
    yield "clock_offset_seconds", (process,), status["clock_offset_ns"] / 1e9
    for span, each in status["spans"].items():
        yield "order_span_seconds", (process, span), each
    for robot, spans in status["spans_by_robot"].items():
        for span, each in spans.items():
            yield "robot_span_seconds", (process, robot, span), each
    for feed, each in status["market"]["decision_age"].items():
        yield "decision_age_seconds", (process, feed), each
    for scope, count in sorted(Counter(each["scope"] for each in status["halts"]).items()):
        yield "halts", (process, scope), count
    yield from _of_budgets(process, status)


def _of_budgets(process: str, status: Mapping[str, Any]) -> Figures:
    for name, key in (("requests", "budget"), ("orders", "order_budget")):
        budget = status.get(key)
        if budget is None:
            continue
        for rule, (used, most) in enumerate(zip(budget["used"], budget["most"], strict=True)):
            yield "budget_used_ratio", (process, name, str(rule)), used / most
        yield "budget_refused", (process, name), budget["refused"]
    for what, count in status.get("malformed", {}).items():
        yield "malformed_messages", (process, what), count


def _of_hub(process: str, status: Mapping[str, Any]) -> Figures:
    sources: dict[str, list[Mapping[str, Any]]] = {}
    for row in status.get("feeds", ()):
        sources.setdefault(row["source"], []).append(row)
    for source, rows in sorted(sources.items()):
        for figure, key in (("feed_age_seconds", "age_ms"), ("feed_latency_seconds", "latency_ms")):
            if values := [row[key] for row in rows if row[key] is not None]:
                yield figure, (process, source), max(values) / 1e3
        yield "feed_errors", (process, source), sum(row["errors"] for row in rows)
        for state, count in sorted(Counter(row["state"] for row in rows).items()):
            yield "feed_symbols", (process, source, state), count


def _of_guardian(process: str, status: Mapping[str, Any]) -> Figures:
    for row in status.get("stops", ()):
        yield "position_protected_ratio", (row["account"], row["symbol"], row["side"]), row["protected"]


_OF_KIND: Final[Mapping[str, Callable[[str, Mapping[str, Any]], Figures]]] = {
    "gateway": _of_gateway,
    "collector": _of_budgets,
    "hub": _of_hub,
    "guardian": _of_guardian,
}
