"""The web server of the pages: files, login, one WebSocket per page, and actions. Host and Origin, session and CSRF
are checked for all of it in one place."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import mimetypes
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import WSMsgType, web

from onetape.dashboard.access import PROTOCOL, Links, Session, Sessions
from onetape.dashboard.actions import Doors, carry_out
from onetape.dashboard.broadcast import Broadcast, Page, ended
from onetape.dashboard.options import DashboardOptions
from onetape.dashboard.past import folder_of
from onetape.model.errors import BadInput, OnetapeError, PermissionDenied, ProcessDown, RateLimited
from onetape.model.sections import DashboardConfig
from onetape.model.typed import from_json
from onetape.net.call_limits import CallLimits
from onetape.net.listener import IDLE_S, Listener, prove
from onetape.web.auth import Entrance, Unauthenticated
from onetape.web.listening import server_tls
from onetape.web.refusals import error_reply, status_of
from onetape.web.tokens import TokenStore

__all__ = ["DashboardServer"]

BODY_BYTES_MAX: Final = 1 << 16
PAGES_MAX: Final = 256  # open at a time
PING_S: Final = 15.0  # a page that slept is found to be gone, and reconnects
LOGINS_PER_S: Final = 5
STOP_S: Final = 1.0
WATCH_S: Final = 5.0
NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_HEADERS: Final = {
    "Server": "onetape",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
}
_REPORT_HEADERS: Final = {
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; font-src data:; frame-ancestors 'self'",
}
_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Said(msgspec.Struct):
    """A page's message: its topics, and its cursors by account."""

    show: list[str]
    since: dict[str, int] = {}


class DashboardServer:
    """Serves the pages. broadcast: the messages for pages; welcome: a page's first message."""

    def __init__(
        self, options: DashboardOptions, doors: Doors, broadcast: Broadcast, welcome: Callable[[Session], Any]
    ) -> None:
        self._options = options
        self._section: DashboardConfig = options.config.dashboard
        self._doors, self._broadcast, self._welcome = doors, broadcast, welcome
        self._home = home = Path(options.home)
        self._entrance = Entrance(self._section, TokenStore(home), "dashboard")
        self._sessions = Sessions(home, is_secure=bool(options.tls_cert))
        self._logins = CallLimits(LOGINS_PER_S)
        self._files = dict(_packed(files("onetape.dashboard").joinpath("page")))
        self._links: Links | None = None
        self._sockets: defaultdict[str, set[web.WebSocketResponse]] = defaultdict(set)  # by session
        self._watching: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None
        self._listener: Listener | None = None
        self.address, self.port = "", 0

    # --- start and end ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Listens at the first free port of its list. Raises ProcessDown if none is free."""
        app = web.Application(middlewares=[self._checked], client_max_size=BODY_BYTES_MAX)
        app.router.add_get("/login", self._login, allow_head=False)  # a preview must not use up a link
        app.router.add_get("/ws", self._socket)
        app.router.add_get("/read", self._read)
        app.router.add_get("/report/{kind}/{name}", self._report)
        app.router.add_post("/act", self._act)
        app.router.add_get("/session", self._own_session)
        app.router.add_post("/lock", self._lock)
        app.router.add_post("/logout", self._logout)
        app.router.add_get("/{path:.*}", self._file)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=IDLE_S, shutdown_timeout=STOP_S)
        await self._runner.setup()
        host, tls = self._section.host, server_tls(self._options.tls_cert, self._options.tls_key)
        assert self._runner.server is not None
        self._listener = Listener(self._runner.server, tls=tls)
        ports, error = self._options.ports, None
        for port in ports:
            try:
                self.port = self._listener.open(host, port)
                break
            except OSError as failed:
                error = failed
        else:
            raise ProcessDown(
                f"cannot listen on {host}:{ports[0]}: {error.strerror if error else 'no port'}",
                location="[dashboard] port",
                todo="end the process that has it, write another port, or leave port out: then a free one is used",
            ) from error
        shown = f"[{host}]" if ":" in host else host
        self.address = f"{'https' if tls else 'http'}://{shown}:{self.port}"
        self._links = Links(Path(self._options.home), self.address)
        self._watching = asyncio.ensure_future(self._watch())

    async def stop(self) -> None:
        if self._watching is not None:
            await ended(self._watching)
        if self._listener is not None:
            self._listener.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- every request ----------------------------------------------------------------------------

    @web.middleware
    async def _checked(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._entrance.check_source(request.headers)
            response = await handler(request)
        except Unauthenticated as error:
            if request.path != "/" and not request.path.endswith(".html"):
                response = _refused(error, 401)
            else:
                response = self._page("login.html", status=401)
        except OnetapeError as error:
            response = _refused(error, status_of(error))
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=error.reason)
        if not response.prepared:
            response.headers.update({**_HEADERS, **response.headers})
        return response

    def _session(self, request: web.Request, *, by_cookie: bool = False) -> Session:
        """Returns the caller's session. by_cookie: for data that a cookie alone may see. Raises Unauthenticated."""
        session = self._sessions.of(request.headers, self.port)
        if not by_cookie:
            self._sessions.check_key(session, request.headers)
        prove(request, may_act=not session.read_only)
        return msgspec.structs.replace(session, read_only=session.read_only or self._section.read_only)

    # --- files and logins -------------------------------------------------------------------------

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"] or "index.html"
        if path == "index.html":
            self._session(request, by_cookie=True)
        found = self._files.get(path)
        if found is None:
            return web.Response(status=404, text="no such file")
        if request.headers.get("If-None-Match") == found[2]:
            return web.Response(status=304, headers={"ETag": found[2]})
        return self._page(path, packed="gzip" in request.headers.get("Accept-Encoding", ""))

    def _page(self, path: str, *, status: int = 200, packed: bool = False) -> web.Response:
        plain, small, tag = self._files[path]
        kind = _TYPES.get(Path(path).suffix) or mimetypes.guess_type(path)[0] or "text/plain"
        headers = {"ETag": tag, "Content-Type": f"{kind}; charset=utf-8", "Vary": "Accept-Encoding"}
        if packed:
            headers["Content-Encoding"] = "gzip"
        return web.Response(status=status, body=small if packed else plain, headers=headers)

    async def _login(self, request: web.Request) -> web.StreamResponse:
        if "Sec-Purpose" in request.headers:
            raise PermissionDenied(
                "a prefetch by the browser logs nobody in", location="Sec-Purpose", todo="open the link"
            )
        if wait := self._logins.take(request.remote or ""):
            raise RateLimited("too many logins", todo=f"wait {wait:.1f} s")
        assert self._links is not None
        if not self._links.take(request.query.get("token", "")):
            try:
                self._session(request, by_cookie=True)
            except Unauthenticated:
                return self._page("login.html", status=401)
            return web.Response(status=303, headers={"Location": "/"})  # its own link, opened once more
        session, value, key = self._sessions.begin(read_only=self._section.read_only)
        sys.stderr.write(f"session {session.id} began, from {request.remote}\n")
        cookie = self._sessions.cookie(value, self.port)
        return web.Response(status=303, headers={"Location": f"/#key={key}", "Set-Cookie": cookie})

    async def _own_session(self, request: web.Request) -> web.StreamResponse:
        self._session(request)
        return web.Response(status=204)

    async def _lock(self, request: web.Request) -> web.StreamResponse:
        """Makes a session read-only until the next login."""
        self._sessions.lock(session := self._session(request))
        await self._hang_up({session.id})  # its pages reconnect, and show it
        return web.Response(status=204)

    async def _logout(self, request: web.Request) -> web.StreamResponse:
        """Ends a session, with `?all` each of them."""
        session = self._session(request)
        self._sessions.end(None if "all" in request.query else session)
        sys.stderr.write(f"session {session.id} logged {'all' if 'all' in request.query else 'itself'} out\n")
        await self._hang_up_on_ended()
        return web.Response(status=204, headers={"Set-Cookie": self._sessions.cookie("", self.port)})

    async def _hang_up_on_ended(self) -> None:
        await self._hang_up(set(self._sockets) - {each.id for each in self._sessions.all()})

    async def _hang_up(self, sessions: set[str]) -> None:
        for session in sessions:
            for each in list(self._sockets.get(session, ())):
                await each.close()

    async def _watch(self) -> None:
        """Disconnects pages whose session has expired, or was removed from the file."""
        while True:
            await asyncio.sleep(WATCH_S)
            with suppress(OnetapeError):
                await self._hang_up_on_ended()

    async def _read(self, request: web.Request) -> web.StreamResponse:
        """Answers with a topic's present state, once: for large or past data."""
        self._session(request)
        body = await self._broadcast.read(request.query.get("topic", ""))
        if "gzip" not in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=body, content_type="application/json")
        small = await asyncio.get_running_loop().run_in_executor(None, partial(gzip.compress, body, 4))
        return web.Response(body=small, content_type="application/json", headers={"Content-Encoding": "gzip"})

    async def _report(self, request: web.Request) -> web.StreamResponse:
        """Answers with the report of a run or a sweep: a separate page, without access to this one."""
        session = self._session(request, by_cookie=True)
        shown = request.query.get("ticket", "").encode("utf-8", "replace")
        if not hmac.compare_digest(shown, session.ticket.encode()):
            raise Unauthenticated("not a report of this page", location="ticket", todo="open it from the page")
        file = folder_of(self._home, request.match_info["kind"], request.match_info["name"]) / "report.html"
        if not file.is_file():
            raise BadInput(
                "no report.html", location=file.parent.name, todo="onetape backtest and onetape sweep write one"
            )
        return web.FileResponse(file, headers=_REPORT_HEADERS)

    # --- actions ----------------------------------------------------------------------------------

    async def _act(self, request: web.Request) -> web.StreamResponse:
        session = self._session(request)
        if session.read_only:
            raise PermissionDenied("this page is read-only", todo="[dashboard] read_only = false, or log in again")
        if request.content_type != "application/json":
            raise BadInput(f"a body of type {request.content_type[:80]!r}", todo="Content-Type: application/json")
        try:
            wanted = msgspec.json.decode(await request.read(), type=dict[str, Any])
        except NOT_JSON as error:
            raise BadInput(f"not JSON: {error}", location="body") from None
        answer = await carry_out(self._doors, wanted, session.id)
        what = f"{wanted['do']} {wanted.get('name') or ''}".strip()
        sys.stderr.write(f"session {session.id} {request.remote} {what!r} {answer.status}\n")
        return web.json_response({"status": answer.status, "result": answer.result, "error": answer.error})

    # --- pages ------------------------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        session = self._session(request)
        if "Origin" not in request.headers:
            raise PermissionDenied("a page must send its origin", location="Origin")
        if len(self._broadcast.pages) >= PAGES_MAX:
            raise RateLimited(f"there are {PAGES_MAX} pages", todo="close one")
        socket = web.WebSocketResponse(
            heartbeat=PING_S, max_msg_size=BODY_BYTES_MAX, compress=False, protocols=(PROTOCOL,)
        )
        welcome = {"hello": {**self._welcome(session), "ticket": session.ticket}}
        try:
            await socket.prepare(request)
            await socket.send_str(msgspec.json.encode(welcome).decode())
        except ConnectionResetError:  # the browser has left meanwhile
            return socket
        page = Page(socket.send_str)
        self._broadcast.pages.add(page)
        self._sockets[session.id].add(socket)
        writing = asyncio.ensure_future(self._write(page, socket))
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    break
                self._hear(page, message.data)
        finally:
            self._broadcast.pages.discard(page)
            self._sockets[session.id].discard(socket)
            if not self._sockets[session.id]:
                del self._sockets[session.id]
            await ended(writing)
        return socket

    async def _write(self, page: Page, socket: web.WebSocketResponse) -> None:
        with suppress(ConnectionError):
            await page.write()
        await socket.close()

    def _hear(self, page: Page, text: str) -> None:
        try:
            said = from_json(text, _Said)
            self._broadcast.show(page, said.show, said.since)
        except (*NOT_JSON, BadInput) as error:
            page.events([msgspec.json.encode({"refused": str(error)[:200]}).decode()])


def _refused(error: OnetapeError, status: int) -> web.Response:
    body = msgspec.json.encode(error_reply(error))
    return web.Response(status=status, body=body, content_type="application/json")


def _packed(folder: Traversable, before: str = "") -> Any:
    """Returns each file by its path: plain, compressed, and its tag."""
    for each in folder.iterdir():
        if each.is_dir():
            yield from _packed(each, f"{before}{each.name}/")
        else:
            plain = each.read_bytes()
            small = gzip.compress(plain, 9, mtime=0)
            yield f"{before}{each.name}", (plain, small, f'"{hashlib.sha256(plain).hexdigest()[:16]}"')
