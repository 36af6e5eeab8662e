"""A simulated exchange as a process: sockets and the clock around a dialect.

REST and WebSocket share one port: plain requests are parsed here, all others by aiohttp. The dialect decides
everything; this shell moves the exchange's time with the wall clock, passes input in, and sends the output.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
import uvloop
from aiohttp import WSCloseCode, WSMsgType, web

from onetape.exchange.chain import Chain
from onetape.exchange.control import Control
from onetape.exchange.dialect import ABORT, Close, Connection, Dialect, Pending, Reply, Request
from onetape.exchange.exchange_file import left_for_runs
from onetape.exchange.faults import Rule, parse_faults
from onetape.exchange.faulty import Faulty
from onetape.exchange.http_port import IDLE_S, REQUEST_S, NoHttp, PlainHttp
from onetape.exchange.kept_state import VenueState
from onetape.exchange.options import VenueOptions
from onetape.exchange.played_tape import VenueTape, say_end
from onetape.exchange.tape_market import RecordedMarket
from onetape.exchange.transfers import TERMS
from onetape.exchange.venues import Crowd, open_venue
from onetape.ipc.stop_signals import stop_signals
from onetape.model.errors import BadInput, IoFailed, UsageError
from onetape.model.money import money_text
from onetape.model.time import SECOND
from onetape.net.http_reader import BODY_MAX
from onetape.venues.hosts import is_loopback

__all__ = ["VenueServer", "opened", "ready_line", "run_venue"]

TICK_S: Final = 0.01
STOP_S: Final = 1.0  # how long answers in progress may take when the exchange closes
MESSAGE_MAX: Final = 1 << 20
CATCH_UP_NS: Final = 60_000_000_000  # market time between two reads of the reports
JSON: Final = "application/json"
LOOPBACK: Final = "127.0.0.1"


class VenueServer:
    """Serves one dialect on one address. `clock` returns ns UTC. chain: carries money to and from other exchanges."""

    def __init__(
        self, dialect: Dialect, *, clock: Callable[[], int] = time.time_ns, chain: Chain | None = None
    ) -> None:
        self.dialect = dialect
        self.chain = chain
        self.clock = clock
        self.connections: dict[int, tuple[Connection, asyncio.Event]] = {}
        self._next_connection = 1
        self._pending: set[Pending] = set()
        self._plain: set[PlainHttp] = set()
        self._listening: asyncio.Server | None = None
        self._web: web.Server | None = None
        self._no_http = NoHttp()
        self.ticking: asyncio.Task[None] | None = None  # runs from `start` on

    async def start(self, host: str, port: int) -> int:
        """Listens; returns the port. Raises OSError."""
        others = self._web = self.web_server(self._handle)

        def connection() -> PlainHttp:
            return PlainHttp(self.answer, lambda: self.clock() // SECOND, others, self._plain)

        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(connection, host, port, backlog=1024)
        self.ticking = asyncio.create_task(self._tick())
        return int(self._listening.sockets[0].getsockname()[1])

    def web_server(self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> web.Server:
        """Makes the server for requests that `PlainHttp` does not parse. Idle time counts from the last complete
        head."""
        logger = self._no_http.logger()
        return web.Server(handler, access_log=None, logger=logger, keepalive_timeout=IDLE_S)

    async def stop(self) -> None:
        if self._listening is not None:
            self._listening.close()
        for plain in list(self._plain):
            plain.close()
        if self.ticking is not None:
            self.ticking.cancel()
        for pending in list(self._pending):
            pending.finish(None)
        for connection, wake in list(self.connections.values()):
            connection.close(WSCloseCode.GOING_AWAY, "the exchange closes")
            wake.set()
        if self._web is not None:
            await self._web.shutdown(STOP_S)
        self._tell_no_http(at_once=True)

    # --- the market -------------------------------------------------------------------------------

    def _now(self) -> int:
        """Moves the exchange's time to now and returns it. It stands still if the wall clock goes back."""
        exchange = self.dialect.exchange
        now = max(self.clock(), exchange.now)
        exchange.advance(now)
        return now

    def _spread(self, now: int) -> None:
        reports = self.dialect.exchange.take()
        if reports:
            self.dialect.publish(reports, now)
        self.dialect.tick(now)

    async def _tick(self) -> None:
        second = 0
        while True:
            now = self._now()
            if self.chain is not None:
                self.chain.tick(now)
            self._spread(now)
            if (now := self.clock() // SECOND) != second:
                second = now
                for plain in list(self._plain):
                    plain.close_idle(now)
                self._tell_no_http()
            await asyncio.sleep(TICK_S)

    def _tell_no_http(self, *, at_once: bool = False) -> None:
        if line := self._no_http.line(self.clock() // SECOND, at_once=at_once):
            print(line, file=sys.stderr, flush=True)

    # --- clients ----------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        address = peer[0] if isinstance(peer, tuple) else ""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._serve_socket(request, address)
        body = await self._body(request)
        if body is None:
            return web.Response(status=408)
        if len(body) > BODY_MAX:
            return web.Response(status=413)
        # As sent: signatures cover the escapes that the client chose.
        path, _, query = request.raw_path.partition("?")
        reply: Reply | Pending | None = self.answer(
            Request(
                request.method,
                path,
                query,
                body,
                {name.lower(): value for name, value in request.headers.items()},
                address,
            )
        )
        if isinstance(reply, Pending):
            reply = await self._reply_of(reply)
        if reply is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)  # no client gets it
        return web.Response(status=reply.status, body=reply.body, headers={"Content-Type": JSON, **reply.headers})

    @staticmethod
    async def _body(request: web.BaseRequest) -> bytes | None:
        """Returns the body; None: it was not complete in time, and the connection is cut."""
        if not request.body_exists:
            return b""
        try:
            async with asyncio.timeout(REQUEST_S):
                return await request.read()
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
            return None

    async def _reply_of(self, pending: Pending) -> Reply | None:
        """Returns the reply; None: the connection is to be cut."""
        done = asyncio.Event()
        pending.then = done.set
        self._pending.add(pending)
        try:
            if not pending.is_done:
                await done.wait()
        finally:
            self._pending.discard(pending)
        return pending.reply

    def answer(self, request: Request) -> Reply | Pending:
        now = self._now()
        reply = self.dialect.http(request, now)
        if reports := self.dialect.exchange.take():
            self.dialect.publish(reports, now)
        return reply

    def ask(self, control: Control, method: str, path: str, query: str, body: bytes) -> Reply:
        """Sends one request to the control endpoint."""
        now = self._now()
        reply = control.answer(method, path, query, body, now)
        self._spread(now)
        return reply

    async def _serve_socket(self, request: web.BaseRequest, address: str) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        connection = Connection(self._next_connection, path, query, address, self._now(), headers)
        self._next_connection += 1
        if not self.dialect.connect(connection, connection.opened):
            return web.Response(status=404, text="no such stream\n")
        # Pings are answered here: a half-open connection must not answer.
        socket = web.WebSocketResponse(autoping=False, max_msg_size=MESSAGE_MAX, compress=False)
        try:
            await socket.prepare(request)
        except ConnectionError:  # the client has gone meanwhile
            self.dialect.disconnect(connection)
            return socket
        wake = asyncio.Event()
        self.connections[connection.id] = (connection, wake)
        connection.heard = wake.set
        wake.set()
        sender = asyncio.create_task(_send(connection, wake, socket, request))
        try:
            async for message in socket:
                if message.type is WSMsgType.PING:
                    if not connection.silent:
                        await socket.pong(message.data)
                    continue
                if message.type is WSMsgType.PONG:
                    continue
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                data = message.data
                now = self._now()
                self.dialect.message(connection, data.encode() if isinstance(data, str) else data, now)
                self._spread(now)
                if connection.closed:
                    break
        finally:
            self.connections.pop(connection.id, None)
            self.dialect.disconnect(connection)
            if not connection.closed:
                sender.cancel()
            await asyncio.wait([sender], timeout=1.0)
            await socket.close()
        return socket


async def _send(
    connection: Connection, wake: asyncio.Event, socket: web.WebSocketResponse, request: web.BaseRequest
) -> None:
    while True:
        await wake.wait()
        wake.clear()
        out, connection.out = connection.out, []
        end = next((m for m in out if isinstance(m, Close)), None)  # if there is one, it is the last message
        if request.transport is None or request.transport.is_closing():
            return
        if said := _frames(m for m in out if isinstance(m, bytes)):
            # All waiting messages in one write; subscribers share the payloads.
            request.transport.write(said)
            try:
                await request.writer.drain()
            except ConnectionError:
                return
        if end is not None:
            if end.code != ABORT:
                await socket.close(code=end.code, message=end.reason.encode())
            elif request.transport is not None:
                request.transport.abort()
            return


def _frames(messages: Iterable[bytes]) -> bytes:
    """Encodes text messages as WebSocket frames of a server (RFC 6455): one frame each, without a mask."""
    parts = []
    for message in messages:
        size = len(message)
        if size < 126:
            parts.append(struct.pack("!BB", 0x81, size))
        elif size < 65536:
            parts.append(struct.pack("!BBH", 0x81, 126, size))
        else:
            parts.append(struct.pack("!BBQ", 0x81, 127, size))
        parts.append(message)
    return b"".join(parts)


def _is_of_a_page(headers: Mapping[str, str]) -> bool:
    """Tells whether a page in a browser sent the request. Browsers send the page's origin. If the page used a name of
    its own that resolves to this machine (DNS rebinding), only that name in the Host header shows it."""
    if "Origin" in headers or "Sec-Fetch-Site" in headers:
        return True
    try:
        name = urlsplit(f"//{headers.get('Host', '')}").hostname
    except ValueError:
        return True
    return not is_loopback(name or "")


class ControlServer:
    """The control endpoint of an exchange, on a separate port of the loopback address."""

    def __init__(self, control: Control, server: VenueServer) -> None:
        self.control = control
        self.server = server
        self._runner: web.ServerRunner | None = None

    async def start(self, port: int) -> int:
        """Listens; returns the port. Raises OSError."""
        self._runner = web.ServerRunner(self.server.web_server(self._handle))
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, port)
        await site.start()
        sockets: Any = site._server
        return int(sockets.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        if _is_of_a_page(request.headers):
            return web.Response(status=403, text="not for browsers\n")
        body = await request.read() if request.body_exists else b""
        path, _, query = request.raw_path.partition("?")
        reply = self.server.ask(self.control, request.method, path, query, body)
        return web.Response(status=reply.status, body=reply.body, headers={"Content-Type": JSON})


async def serve(
    server: VenueServer,
    host: str,
    port: int,
    ready: Callable[[int, int | None], None],
    *,
    control: Control | None = None,
    control_port: int = 0,
    beside: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM. ready: called with the port and the port of the control endpoint. beside: runs in
    parallel. Raises the errors of the market's clock and of `beside`, because an exchange whose time stands still must
    not look as if it ran."""
    stopping = asyncio.Event()
    raised: list[BaseException] = []

    def over(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            raised.append(error)
            stopping.set()

    loop = asyncio.get_running_loop()
    for number in stop_signals():
        loop.add_signal_handler(number, stopping.set)
    listening = await server.start(host, port)
    assert server.ticking is not None
    server.ticking.add_done_callback(over)
    steering = None if control is None else ControlServer(control, server)
    ready(listening, None if steering is None else await steering.start(control_port))
    task = None if beside is None else asyncio.create_task(beside())
    if task is not None:
        task.add_done_callback(over)
    await stopping.wait()
    if task is not None:
        task.cancel()
    if steering is not None:
        await steering.stop()
    await server.stop()
    if raised:
        raise raised[0]


def run_venue(options: VenueOptions, say: Callable[[str], None]) -> None:
    """Serves until a signal. say: called with a line of JSON when the exchange is ready. Raises UsageError, BadInput or
    BadConfig for invalid options, IoFailed if it cannot listen."""
    dialect, kept = opened(options)
    with ExitStack() as left:
        if kept is not None:
            left.callback(kept.close)
        exchange = dialect.exchange
        server = VenueServer(dialect, chain=Chain(Path(options.chain), exchange) if options.chain else None)
        identity = uuid4() if kept is None else kept.writer.uuid

        def ready(port: int, control_port: int | None) -> None:
            line = ready_line(dialect, options.kind, options.host, port, control_port)
            if options.home:
                _leave(left, options, port, line, identity.hex)
            say(line)

        market = exchange.market
        beside = partial(say_end, market, say) if isinstance(market, RecordedMarket) else None
        control = None if options.control is None else Control(dialect)
        serving = serve(
            server, options.host, options.port, ready, control=control, control_port=options.control or 0, beside=beside
        )
        try:
            uvloop.run(serving)
        except OSError as error:
            raise IoFailed(
                f"cannot listen: {error.strerror or error}",
                location=f"{options.host}:{options.port}",
                todo="give another --port, or 0 for a free one",
            ) from None


def _leave(left: ExitStack, options: VenueOptions, port: int, line: str, exchange: str) -> None:
    """Writes the file for runs in this home; if that fails, the exchange serves all the same."""
    home = Path(options.home)
    try:
        left.enter_context(left_for_runs(home, options.host, port, line, exchange=exchange))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        print(
            f"onetape: `run --live --exchange` finds no keys of it: {why}, {home / 'run'}", file=sys.stderr, flush=True
        )


def let_withdraw(dialect: Dialect) -> None:
    """Gives the accounts' first keys the right to withdraw."""
    exchange = dialect.exchange
    for account in exchange.accounts:
        if not exchange.accounts.keys[account.key].can_withdraw:
            exchange.accounts.change_key(account.key, can_withdraw=True)


def begin_hedged(dialect: Dialect, names: Collection[str], now: int) -> None:
    """Puts accounts into hedge mode, unless they have a position or an order."""
    exchange = dialect.exchange
    for account in exchange.accounts:
        if account.name not in names or account.hedge:
            continue
        if not (account.has_positions or account.open_orders or exchange.conditionals.open_of(account)):
            exchange.accounts.set_hedge(account, True, now)


def push_unrouted(dialect: Faulty) -> None:
    """Sends all streams to clients without a category. Raises UsageError for a venue without categories."""
    streams: Any = getattr(dialect.inner, "streams", None)
    if getattr(streams, "is_unrouted", True):
        raise UsageError(f"{dialect.kind} has no categories of streams", location="--unrouted")
    streams.is_unrouted = True


def opened(options: VenueOptions) -> tuple[Faulty, VenueState | None]:
    """Returns an exchange at the current time, restored from its state if it has one, and the state, which the caller
    must close. Raises UsageError, BadInput or BadConfig for invalid options."""
    kind, seed, limits = options.kind, options.seed, options.limits
    tape = VenueTape(Path(options.tape), kind, speed=options.speed, loop=options.loop) if options.tape else None
    rules = read_faults(Path(options.faults)) if options.faults else []
    now = time.time_ns()
    kept, symbols = None, options.symbols
    if tape is not None and symbols:
        raise UsageError("a tape has its own symbols", location="--symbol", todo="leave out --symbol or --tape")
    if options.state:
        kept, inner = VenueState.open(
            Path(options.state), kind=kind, seed=seed, now=now, limits=limits, tape=tape, symbols=symbols
        )
    else:
        market = Crowd(symbols=tuple(symbols)) if tape is None else tape.market(now)
        inner = open_venue(kind, seed=seed, now=now, limits=limits, market=market)
    dialect = Faulty(inner, kind, seed=seed)
    now = max(now, inner.exchange.now)
    catch_up(dialect, now)
    dialect.add(rules, now, since=now if kept is None else kept.start)
    if options.withdraw:
        let_withdraw(dialect)
    begin_hedged(dialect, options.hedged, now)
    if options.unrouted:
        push_unrouted(dialect)
    if options.speed_bumps:
        dialect.speed_bump = getattr(inner, "speed_bump", None)
    return dialect, kept


def ready_line(dialect: Dialect, kind: str, host: str, listening: int, steering: int | None = None) -> str:
    """Returns the line that an exchange prints when ready, as JSON: its ports, its accounts."""
    rest, stream = dialect.addresses(host, listening)
    exchange = dialect.exchange
    accounts = [
        {
            "name": account.name,
            "key": account.key,
            **exchange.accounts.secrets(account.secret),
            "balances": {
                name: money_text(int(account.money.balance(at)))
                for at, name in enumerate(exchange.currencies)
                if account.money.balance(at)
            },
            # Deposit addresses.
            "addresses": {
                name: exchange.transfers.address_of(account, name) for name in exchange.currencies if name in TERMS
            },
            # Further keys: label -> key; one of Ed25519 if the venue supports it.
            "keys": {
                key.label: {"kind": key.kind, "key": key.key, **exchange.accounts.secrets(key.secret)}
                for key in exchange.accounts.keys.values()
                if key.account is account and key.key != account.key
            },
        }
        for account in exchange.accounts
    ]
    line = {
        "venue": kind,
        "rest": rest,
        "ws": stream,
        "accounts": accounts,
        "control": None if steering is None else f"http://{LOOPBACK}:{steering}",
    }
    return msgspec.json.encode(line).decode()


def catch_up(dialect: Dialect, now: int) -> None:
    """Advances the market, in steps, through the time for which the exchange was down; the reports have no receiver and
    are dropped."""
    exchange = dialect.exchange
    while exchange.now < now:
        exchange.advance(min(exchange.now + CATCH_UP_NS, now))
        dialect.publish(exchange.take(), exchange.now)


def read_faults(path: Path) -> list[Rule]:
    """Returns the rules of a file. Raises BadInput or BadConfig."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise BadInput(f"cannot read the faults: {why}", location=str(path)) from None
    return parse_faults(text, name=str(path))
