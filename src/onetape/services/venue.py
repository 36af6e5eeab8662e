"""A simulated exchange as a process: sockets and the clock around a dialect.

REST and WebSocket share one port, as one server of aiohttp. Everything that is decided is decided
in the dialect; this shell moves the exchange's time with the wall clock, hands in what arrives, and
carries out what is said.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop
from aiohttp import WSCloseCode, WSMsgType, web

from onetape.model.decimals import decimal_text
from onetape.model.errors import IoFailed, NotAvailable
from onetape.model.money import money
from onetape.sim.dialect import Close, Connection, Dialect, Reply, Request
from onetape.sim.venues import open_venue

__all__ = ["VenueServer", "run_venue"]

TICK_S: Final = 0.01
BODY_MAX: Final = 1 << 20
MESSAGE_MAX: Final = 1 << 20
CATCH_UP_NS: Final = 50_000_000  # the most that one step of the market may take from the loop
JSON: Final = "application/json"


class VenueServer:
    """Serves one dialect on one address. `clock` gives ns UTC."""

    def __init__(self, dialect: Dialect, *, clock: Callable[[], int] = time.time_ns) -> None:
        self.dialect = dialect
        self.clock = clock
        self.connections: dict[int, tuple[Connection, asyncio.Event]] = {}
        self._next_connection = 1
        self._runner: web.ServerRunner | None = None
        self._ticker: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Listens; gives the port. Raises OSError where it cannot."""
        server = web.Server(self._handle, access_log=None)
        self._runner = web.ServerRunner(server)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=1024)
        await site.start()
        self._ticker = asyncio.create_task(self._tick())
        sockets: Any = site._server
        return int(sockets.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        for connection, wake in list(self.connections.values()):
            connection.close(WSCloseCode.GOING_AWAY, "the exchange closes")
            wake.set()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- the market -------------------------------------------------------------------------------

    def _now(self) -> int:
        """The exchange's time, moved to now. A wall clock that goes back stands still here."""
        exchange = self.dialect.exchange
        now = max(self.clock(), exchange.now)
        exchange.advance(now)
        return now

    def _spread(self, now: int) -> None:
        reports = self.dialect.exchange.take()
        if reports:
            self.dialect.publish(reports, now)
        self.dialect.tick(now)
        for connection, wake in self.connections.values():
            if connection.out:
                wake.set()

    async def _tick(self) -> None:
        while True:
            self._spread(self._now())
            await asyncio.sleep(TICK_S)

    # --- clients ----------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        address = peer[0] if isinstance(peer, tuple) else ""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._serve_socket(request, address)
        body = await request.read() if request.body_exists else b""
        if len(body) > BODY_MAX:
            return web.Response(status=413)
        # As it was sent: signatures are over the escapes that the client chose.
        path, _, query = request.raw_path.partition("?")
        reply = self.answer(
            Request(
                request.method,
                path,
                query,
                body,
                {name.lower(): value for name, value in request.headers.items()},
                address,
            )
        )
        return web.Response(
            status=reply.status,
            body=reply.body,
            headers={"Content-Type": JSON, **reply.headers},
        )

    def answer(self, request: Request) -> Reply:
        now = self._now()
        reply = self.dialect.http(request, now)
        self._spread(now)
        return reply

    async def _serve_socket(self, request: web.BaseRequest, address: str) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        headers = {name.lower(): value for name, value in request.headers.items()}
        connection = Connection(self._next_connection, path, query, address, self._now(), headers)
        self._next_connection += 1
        if not self.dialect.connect(connection, connection.opened):
            return web.Response(status=404, text="no such stream\n")
        socket = web.WebSocketResponse(autoping=True, max_msg_size=MESSAGE_MAX, compress=False)
        await socket.prepare(request)
        wake = asyncio.Event()
        self.connections[connection.id] = (connection, wake)
        wake.set()
        sender = asyncio.create_task(_send(connection, wake, socket))
        try:
            async for message in socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                data = message.data
                now = self._now()
                self.dialect.message(
                    connection, data.encode() if isinstance(data, str) else data, now
                )
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


async def _send(connection: Connection, wake: asyncio.Event, socket: web.WebSocketResponse) -> None:
    while True:
        await wake.wait()
        wake.clear()
        out, connection.out = connection.out, []
        for message in out:
            if isinstance(message, Close):
                await socket.close(code=message.code, message=message.reason.encode())
                return
            try:
                await socket.send_str(message.decode())
            except (ConnectionError, RuntimeError):
                return


async def serve(server: VenueServer, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Until SIGINT or SIGTERM; `ready` is told the port."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    ready(await server.start(host, port))
    await stopping.wait()
    await server.stop()


def run_venue(
    kind: str,
    *,
    host: str,
    port: int,
    seed: int,
    say: Callable[[str], None],
    limits: bool = True,
    faults: Path | None = None,
    tape: Path | None = None,
) -> None:
    """`onetape sim`: serves until a signal asks to stop. `say` gets the line of JSON when ready."""
    for given, flag in ((faults, "--faults"), (tape, "--tape")):
        if given is not None:
            raise NotAvailable(f"{flag} of a simulated exchange", todo="docs/roadmap.md says when")
    dialect = open_venue(kind, seed=seed, now=time.time_ns(), limits=limits)
    server = VenueServer(dialect)

    def ready(listening: int) -> None:
        rest, stream = dialect.addresses(host, listening)
        exchange = dialect.exchange
        accounts = [
            {
                "name": account.name,
                "key": account.key,
                "secret": account.secret,
                "balances": {
                    name: decimal_text(money(int(account.money.balance(at))))
                    for at, name in enumerate(exchange.currencies)
                    if account.money.balance(at)
                },
            }
            for account in exchange.accounts
        ]
        line = {"venue": kind, "rest": rest, "ws": stream, "accounts": accounts, "control": None}
        say(msgspec.json.encode(line).decode())

    try:
        uvloop.run(serve(server, host, port, ready))
    except OSError as error:
        raise IoFailed(
            f"cannot listen: {error.strerror or error}",
            where=f"{host}:{port}",
            todo="give another --port, or 0 for a free one",
        ) from None
