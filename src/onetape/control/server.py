"""The REST interface: HTTP in, one handler for each route, JSON out. Checks common to all routes happen here: Host and
Origin, token and scope, rate, the body's size, type and fields. Each call leaves a record on the tape."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from onetape.control.call import Call, Handler
from onetape.control.openapi import DOCUMENT, PAGE, PAGE_POLICY
from onetape.control.operations import Operations, Wanted, Work
from onetape.model.errors import BadInput, InvariantViolation, NotAvailable, OnetapeError, ProcessDown, RateLimited
from onetape.model.sections import ControlConfig
from onetape.model.typed import from_builtins, from_json
from onetape.net.call_limits import CallLimits
from onetape.net.listener import IDLE_S, Connection, Listener, prove
from onetape.options.control import ControlOptions
from onetape.web.auth import Entrance, check_scope
from onetape.web.control_routes import BASE, BY_NAME, ROUTES, Route
from onetape.web.listening import server_tls
from onetape.web.refusals import NotServed, answer_of, error_reply, status_of
from onetape.web.tokens import Grant, TokenStore

__all__ = ["BODY_BYTES_MAX", "ControlServer"]

BODY_BYTES_MAX: Final = 1 << 16
BODY_S: Final = 10.0
STOP_S: Final = 10.0  # longest wait for running calls when the process ends
TAPE_BYTES_PER_HOUR: Final = 64 << 20  # per caller, for calls that do not act: retention does not prune this tape
LINES_PER_S: Final = 20  # in the log, and on the tape of calls that are no operations; the next frame counts the others
MINUTE_S: Final = 60
EXACT: Final = 2**53  # below it a float is exactly the integer that was written
KINDS: Final = {
    "delta_control": "delta-ctrl",
    "hedge_execute": "hedge",
    "utilization_rebalance": "rebalance",
    "market_failover": "failover",
    "place_order": "order",
    "cancel_order": "cancel",
}  # prefixes of operation ids; for others the route's name
JSON_TYPE: Final = "application/json"
PAGES: Final = {"/docs": ("text/html; charset=utf-8", PAGE), "/openapi.json": (JSON_TYPE, DOCUMENT)}
_HEADERS: Final = {"Server": "onetape", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")
_FIELD: Final = re.compile(r" - at `\$\.?(.*)`$")
_NAMED_FIELD: Final = re.compile(r"field `(.*)`")
_IN_BRACES: Final = re.compile(r"{(\w+)}")
_STATIC: Final = {
    f"{BASE}{path}": [each for each in ROUTES if path in (each.path, *each.aliases)]
    for route in ROUTES
    for path in (route.path, *route.aliases)
    if "{" not in path
}
_WITH_NAMES: Final = [
    (re.compile(_IN_BRACES.sub(r"(?P<\1>[^/]{1,100})", f"{BASE}{path}")), route)
    for route in ROUTES
    for path in (route.path, *route.aliases)
    if "{" in path
]


class ControlServer:
    """Serves the routes over HTTP. handlers: by the route's name; a route without one is not available. operations: on
    the process's tape. check: raises while trading is forbidden."""

    def __init__(
        self,
        options: ControlOptions,
        operations: Operations,
        handlers: Mapping[str, Handler],
        *,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._check = check
        self._section: ControlConfig = options.config.control
        self._options, self._operations, self._handlers = options, operations, handlers
        self._entrance = Entrance(
            self._section, TokenStore(Path(options.home)), needs_token=options.config.trades_at_venues
        )
        self._limits = CallLimits(self._section.calls_per_second)
        self._bytes = CallLimits(TAPE_BYTES_PER_HOUR / 3600, at_once=TAPE_BYTES_PER_HOUR)
        self._life, self._count = secrets.token_hex(4), 0
        self._seconds: deque[list[float]] = deque(maxlen=MINUTE_S)  # per second: time, calls, ms
        self._lines = _Lines()  # in the log
        self._frames = _Lines()  # on the tape, of calls that are no operations
        self._web: web.Server | None = None
        self._listener: Listener | None = None
        self.address = ""

    # --- start and end ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Listens; for loopback on both of its addresses. Raises ProcessDown if the port is in use."""
        section = self._section
        self._web = web.Server(
            self.handle, request_factory=_request_made, access_log=None, keepalive_timeout=IDLE_S, auto_decompress=False
        )
        tls = server_tls(self._options.tls_cert, self._options.tls_key)
        self._listener = Listener(self._web, tls=tls, kind=_Connection)
        local = section.host in ("127.0.0.1", "localhost")
        try:
            port = self._listener.open("127.0.0.1" if local else section.host, section.port)
        except OSError as error:
            raise ProcessDown(
                f"cannot listen on {section.host}:{section.port}: {error.strerror}",
                location="[control] port",
                todo="end the process that has it, or write another port",
            ) from error
        if local:
            with suppress(OSError):  # a machine may have no ::1
                self._listener.open("::1", port)
        shown = f"[{section.host}]" if ":" in section.host else section.host
        self.address = f"{'https' if tls else 'http'}://{shown}:{port}"

    async def stop(self) -> None:
        """Accepts no more calls, and waits for running ones."""
        if self._listener is not None:
            self._listener.close()
        await self._operations.drained(STOP_S)
        if self._web is not None:
            await self._web.shutdown(1.0)

    def performance(self) -> tuple[float, float]:
        """Returns mean ms per call, and calls per second, of the last minute."""
        since = time.monotonic() - MINUTE_S
        recent = [each for each in self._seconds if each[0] > since]
        calls, spent = sum(each[1] for each in recent), sum(each[2] for each in recent)
        return (spent / calls if calls else 0.0), calls / MINUTE_S

    # --- one call ---------------------------------------------------------------------------------

    async def handle(self, request: web.BaseRequest) -> web.Response:
        began = time.monotonic()
        call = self._called(request)
        headers = {**_HEADERS, "X-Request-Id": call.id}
        try:
            content, body = await self._answer(request, call, headers)
        except OnetapeError as error:
            content, body = JSON_TYPE, self._refused(call, error, headers)
        ms = (time.monotonic() - began) * 1000
        self._record(call, began, ms)
        return web.Response(
            status=call.status, body=body, content_type=None, headers={**headers, "Content-Type": content}
        )

    def _called(self, request: web.BaseRequest) -> Call:
        said = request.headers.get("X-Request-Id", "")
        if not _ID.fullmatch(said):
            self._count += 1
            said = f"{self._life}-{self._count}"
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        via = request.headers.get("X-Actor", "")
        return Call(
            said, str(peer[0]) if peer else "", request.method, request.path, via=via if _ID.fullmatch(via) else ""
        )

    async def _answer(self, request: web.BaseRequest, call: Call, headers: dict[str, str]) -> tuple[str, bytes]:
        self._let_in(request, call)
        if call.grant.scopes:
            prove(request, may_act="kill" in call.grant.scopes)
        if (page := PAGES.get(call.target)) is not None:
            if call.method != "GET":
                raise NotServed(405, f"{call.target} is only for GET", headers={"Allow": "GET"})
            headers["Content-Security-Policy"] = PAGE_POLICY
            call.status = 200
            return page
        route = call.route = self._route(call)
        check_scope(call.grant, {route.scope, "read"} if route.dry else {route.scope}, f"{route.method} {route.path}")
        call.request = await _request_of(request, route)
        if route.dry and not call.request.dry_run:
            check_scope(call.grant, (route.scope,), f"{route.method} {route.path} without dryRun")
        handler = self._handlers.get(route.name)
        if handler is None:
            raise NotAvailable(f"{route.method} {route.path}")
        if route.method == "GET":
            reply = await handler(call)
            call.status = 200
            return JSON_TYPE, msgspec.json.encode(reply)
        return JSON_TYPE, await self._operate(call, route, handler, request.headers.get("Idempotency-Key"), headers)

    def _let_in(self, request: web.BaseRequest, call: Call) -> None:
        """Raises PermissionDenied, RateLimited. Refused calls count by address, so that guessing is slow; stopping the
        system is never rate limited."""
        caller = call.caller
        try:
            self._entrance.check_source(request.headers)
            if call.target in PAGES:  # a browser does not send a token
                return
            call.grant = self._entrance.who(request.headers)
            caller = call.caller
            if set(call.grant.scopes) & {each.scope for each in _STATIC.get(call.target, ()) if each.scope == "kill"}:
                caller = ""
        finally:
            if caller and (wait := self._limits.take(caller)):
                raise _Limited(wait)

    def _route(self, call: Call) -> Route:
        found = {each.method: each for each in _STATIC.get(call.target, ())}
        for pattern, route in _WITH_NAMES if not found else ():
            if (match := pattern.fullmatch(call.target)) is not None:
                found[route.method], call.path = route, match.groupdict()
        if not found:
            raise NotServed(404, f"nothing at {call.target[:100]!r}", f"/docs lists what there is below {BASE}")
        if call.method not in found:
            allow = ", ".join(sorted(found))
            raise NotServed(405, f"{call.method[:20]} {call.target[:100]}", f"it takes {allow}", {"Allow": allow})
        return found[call.method]

    async def _operate(
        self, call: Call, route: Route, handler: Handler, key: str | None, headers: dict[str, str]
    ) -> bytes:
        if key is not None and not _KEY.fullmatch(key):
            raise BadInput("it is 1 to 128 letters without spaces", location="Idempotency-Key")
        wanted = Wanted(
            kind=KINDS.get(route.name, route.name.replace("_", "-")),
            name=route.name,
            actor=call.actor,
            request=call.id,
            fields={**call.path, **msgspec.to_builtins(call.request)} if call.request is not None else dict(call.path),
            key=key or "",
            acts=route.scope != "read" and not getattr(call.request, "dry_run", False),
        )
        # A cancel adds no risk, so it passes while trading is forbidden.
        checks = (
            route.scope == "trade" and route.method == "POST" and wanted.acts and getattr(call.request, "enabled", True)
        )
        if not wanted.acts and (wait := self._bytes.wait(call.caller, 0)):
            raise _Limited(
                wait, f"more than {TAPE_BYTES_PER_HOUR >> 20} MiB an hour on the tape", "dry runs are kept there"
            )
        ended = await self._operations.run(wanted, self._work(call, handler, checks=checks))
        if not wanted.acts:
            self._bytes.spend(call.caller, ended.written)
        call.operation, call.status = ended.operation, ended.status
        if ended.repeated:
            headers["Idempotent-Replayed"] = "true"
        return bytes(ended.answer)

    def _work(self, call: Call, handler: Handler, *, checks: bool) -> Work:
        async def work(operation: str) -> tuple[int, bytes]:
            call.operation = operation
            try:
                if checks:
                    self._check()
                status, reply = answer_of(await handler(call))
                call.code = 0 if status == 200 else reply["code"]
                return status, msgspec.json.encode(reply)
            except OnetapeError as error:
                call.code = error.code
                return status_of(error), msgspec.json.encode(error_reply(error, operation))

        return work

    def resume(self, is_begun: Callable[[str], bool]) -> None:
        """Continues operations that a killed process had begun, so that their answers are on the tape whether their
        callers return or not; a stop issued meanwhile leaves none half done."""

        def work_of(wanted: Wanted) -> Work:
            route = BY_NAME[wanted.name]
            request = from_builtins(wanted.fields, route.request) if route.request is not None else None
            call = Call(
                wanted.request, "", route.method, route.path, route, Grant(wanted.actor, "", (), 0), request=request
            )
            return self._work(call, self._handlers[route.name], checks=False)

        self._operations.resume(is_begun, work_of)

    def _refused(self, call: Call, error: OnetapeError, headers: dict[str, str]) -> bytes:
        call.status = status_of(error)
        wait = error.wait if isinstance(error, _Limited) else None
        if isinstance(error, NotServed):
            headers.update(error.headers)
        if call.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if wait is not None:
            headers["Retry-After"] = str(max(1, round(wait + 0.5)))
        reply = error_reply(error, retry_after=None if wait is None else max(1, round(wait * 1000)))
        call.code = reply.code
        return msgspec.json.encode(reply)

    # --- records ----------------------------------------------------------------------------------

    def _record(self, call: Call, began: float, ms: float) -> None:
        if not self._seconds or began >= self._seconds[-1][0] + 1:
            self._seconds.append([began, 0, 0.0])
        self._seconds[-1][1] += 1
        self._seconds[-1][2] += ms
        record = {
            "request": call.id,
            "actor": call.actor,
            "address": call.address,
            "method": call.method,
            "path": call.target[:200],
            "operation": call.operation,
            "status": call.status,
            "code": call.code,
            "ms": round(ms, 3),
        }
        if not call.operation and self._bytes.wait(call.caller, 0):
            self._frames.left_out += 1
        elif call.operation or self._frames.take(int(began)):
            written = self._operations.log({**record, "left_out": self._frames.left_out})
            self._bytes.spend(call.caller, written)
            self._frames.left_out = 0
        if (call.operation or call.status >= 400) and self._lines.take(int(began)):
            self._say(call, ms)

    def _say(self, call: Call, ms: float) -> None:
        what = f"{call.method[:20]} {call.target[:100]!r} {call.status} {call.code or '-'} {call.operation or '-'}"
        sys.stderr.write(f"call {call.id} {call.actor!r} {call.address} {what} {ms:.1f} ms\n")


class _Lines:
    """Limits lines per second: left_out counts the others."""

    def __init__(self) -> None:
        self._second = self._count = self.left_out = 0

    def take(self, second: int) -> bool:
        self._count = self._count + 1 if second == self._second else 1
        self._second = second
        self.left_out += self._count > LINES_PER_S
        return self._count <= LINES_PER_S


class _Limited(RateLimited):
    """A caller exceeds its rate limit. wait: seconds."""

    def __init__(
        self, wait: float, what: str = "too many calls", why: str = "see calls_per_second in [control]"
    ) -> None:
        super().__init__(what, todo=f"wait {wait:.2f} s, then call again; {why}")
        self.wait = wait


# --- reading --------------------------------------------------------------------------------------


async def _request_of(request: web.BaseRequest, route: Route) -> Any:
    """Returns the request in the route's type: a POST's body, else the query. Raises BadInput."""
    query = request.rel_url.query
    if route.method == "POST":
        if query:
            raise BadInput(f"{route.path} takes no query", location=next(iter(query))[:80])
        return _read_body(await _body_of(request), route)
    names = {name: query[name] for name in query}
    if len(names) != len(query):
        raise BadInput("a name that comes twice", location=next(n for n in names if len(query.getall(n)) > 1)[:80])
    if route.request is None:
        if names:
            raise BadInput(f"{route.path} takes no query", location=next(iter(names))[:80])
        return None
    return _checked(names, route.request, strict=False)


async def _body_of(request: web.BaseRequest) -> bytes:
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise NotServed(415, "a compressed body", "send it without Content-Encoding")
    if (request.content_length or 0) > BODY_BYTES_MAX:
        raise _too_large()
    try:
        async with asyncio.timeout(BODY_S):
            body: bytes = await request.read()
    except TimeoutError:
        raise NotServed(
            408, f"the body was not complete within {BODY_S:.0f} s", headers={"Connection": "close"}
        ) from None
    except web.HTTPRequestEntityTooLarge:
        raise _too_large() from None
    if body and request.content_type != JSON_TYPE:
        raise NotServed(415, f"a body of type {request.content_type[:80]!r}", f"Content-Type: {JSON_TYPE}")
    return body


def _too_large() -> NotServed:
    return NotServed(413, f"a body of more than {BODY_BYTES_MAX} bytes", headers={"Connection": "close"})


def _read_body(body: bytes, route: Route) -> Any:
    if route.request is None:
        if body.strip() not in (b"", b"{}"):
            raise BadInput(f"{route.path} takes no body")
        return None
    try:
        try:
            found = from_json(body or b"{}", route.request)
        except msgspec.ValidationError:
            found = _checked(_whole(msgspec.json.decode(body or b"{}")), route.request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"not JSON: {error}", location="body", todo=f"Content-Type: {JSON_TYPE}, one object") from None
    json.loads(body or b"{}", object_pairs_hook=_check_once)  # msgspec would take the last of two values
    return found


def _check_once(pairs: list[tuple[str, Any]]) -> None:
    """Raises BadInput if a name occurs twice in an object."""
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise BadInput("a name that comes twice", location=name[:80])


def _whole(value: Any) -> Any:
    """Returns JSON with whole numbers as integers: 30000.0 is one by the schema and for its writers."""
    match value:
        case float() if value.is_integer() and abs(value) < EXACT:
            return int(value)
        case dict():
            return {name: _whole(each) for name, each in value.items()}
        case list():
            return [_whole(each) for each in value]
    return value


def _checked(values: dict[str, Any], kind: type[Any], *, strict: bool = True) -> Any:
    try:
        return from_builtins(values, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise _bad_field(error) from None


def _bad_field(error: msgspec.ValidationError) -> BadInput:
    """Names the field as the caller wrote it."""
    words = str(error)
    match = _FIELD.search(words)
    what = words[: match.start()] if match else words
    place = match[1] if match else ""
    if not place and (named := _NAMED_FIELD.search(what)):  # a missing or unknown one
        place = named[1]
    return BadInput(what[:1].lower() + what[1:], location=place or "body", todo="/docs has the fields and their bounds")


# --- connections ----------------------------------------------------------------------------------


def _request_made(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_BYTES_MAX)


class _Connection(Connection):
    __slots__ = ()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answers as JSON for errors outside the handlers: a head that is no HTTP, a fault of ours (its traceback is
        logged)."""
        if status >= 500:
            status = super().handle_error(request, status, exc, message).status
            error: OnetapeError = InvariantViolation("an error of the control plane")
        else:
            error = NotServed(status, f"not HTTP: {message or 'a head that is none'}"[:200])
        answer = web.Response(status=status, body=msgspec.json.encode(error_reply(error)), content_type=JSON_TYPE)
        answer.force_close()
        return answer
