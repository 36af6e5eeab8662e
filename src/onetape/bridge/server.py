"""The bridge's own server: HTTP for requests, one WebSocket each for the market and the account.

Its settings, including keys, come only as one line of JSON on standard input; the server inherits its listening socket,
so that a restarted bridge has the same address. Callers need the token. The server ends when standard input is closed.
"""

from __future__ import annotations

import asyncio
import ctypes
import hmac
import importlib
import json
import os
import resource
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import WSMsgType, web

from onetape.bridge.call_outcome import outcome
from onetape.bridge.opening import BEFORE, open_exchange, secrets_of
from onetape.bridge.rows import error_row
from onetape.bridge.venue import Venue
from onetape.bridge.watching import watch_account, watch_market

__all__ = ["main"]

OPEN_WITHIN_S: Final = 60.0  # markets of large venues take a while
VERBS: Final = (
    "place",
    "cancel",
    "amend",
    "order",
    "open_orders",
    "fills",
    "positions",
    "balances",
    "modes",
    "markets",
    "account",
    "refused",
    "time",
)


class Server:
    """Serves one venue. said: the settings from standard input."""

    def __init__(self, venue: Venue, said: dict[str, Any]) -> None:
        self._venue = venue
        self._token: str = said["token"]
        self._poll_s: float = said["poll_s"]
        self._secrets = secrets_of(said)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_post("/{verb}", self._ask)
        app.router.add_get("/feed", self._feed)
        return app

    async def _ask(self, request: web.Request) -> web.Response:
        if not self._knows(request.headers.get("Authorization", "")):
            return web.json_response({"error": {"names": [], "text": "who asks?"}}, status=401)
        verb = request.match_info["verb"]
        if verb not in VERBS:
            return web.json_response({"error": {"names": [], "text": "no such verb"}}, status=404)
        said: dict[str, Any] = json.loads(await request.read() or b"{}")
        ask: Callable[[dict[str, Any]], Awaitable[Any]] = getattr(self._venue, verb)

        async def call() -> Any:
            BEFORE.set(said.get("before", 0))  # for this task alone
            return await ask(said)

        value, error = await outcome(call())
        if error is not None:
            return web.json_response({"error": error_row(error, self._secrets)})
        return web.json_response({"ok": value})

    def _knows(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token.encode())

    async def _feed(self, request: web.Request) -> web.StreamResponse:
        connection = web.WebSocketResponse(heartbeat=10.0)
        await connection.prepare(request)
        hello = await connection.receive()
        said = json.loads(hello.data) if hello.type is WSMsgType.TEXT else {}
        if not self._knows(str(said.get("token", ""))):
            await connection.close()
            return connection
        work = asyncio.create_task(self._send_feed(str(said.get("feed")), connection))
        heard = asyncio.create_task(_closed(connection))
        await asyncio.wait({work, heard}, return_when=asyncio.FIRST_COMPLETED)
        for each in (work, heard):
            each.cancel()
        await connection.close()
        return connection

    async def _send_feed(self, feed: str, connection: web.WebSocketResponse) -> None:
        async def send(message: dict[str, Any]) -> None:
            await connection.send_str(json.dumps(message))

        if feed == "account":
            work = watch_account(self._venue, send, poll_s=self._poll_s)
        else:
            work = watch_market(self._venue, send)
        _, error = await outcome(work)
        if error is not None and not connection.closed:
            await send({"lost": error_row(error, self._secrets)["text"] or type(error).__name__})


async def _closed(connection: web.WebSocketResponse) -> None:
    async for _ in connection:
        pass


async def _serve(ccxt_pro: Any, said: dict[str, Any]) -> dict[str, Any] | None:
    """Serves until standard input ends; returns the error if it could not begin."""
    try:
        exchange = open_exchange(ccxt_pro, said)
    except (LookupError, ValueError) as wrong:
        return error_row(wrong, secrets_of(said))
    venue = Venue(exchange, importlib.import_module("ccxt"), said)
    _, error = await outcome(asyncio.wait_for(venue.open(), OPEN_WITHIN_S))
    if error is not None:
        await exchange.close()
        return error_row(error, secrets_of(said))
    runner = web.AppRunner(Server(venue, said).app(), access_log=None)
    await runner.setup()
    await web.SockSite(runner, socket.socket(fileno=said["socket"])).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    await exchange.close()
    await runner.cleanup()
    return None


def main() -> int:
    """Runs the process: 0 after a requested end, 1 after one line of JSON with the error."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # it holds the keys
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: other processes cannot read its memory
    said = json.loads(sys.stdin.readline())
    try:
        ccxt_pro = importlib.import_module("ccxt.pro")
    except ImportError as error:
        trouble: dict[str, Any] | None = {"names": ["ImportError"], "text": str(error)}
    else:
        trouble = asyncio.run(_serve(ccxt_pro, said))
    if trouble is None:
        return 0
    sys.stdout.write(json.dumps({"error": trouble}) + "\n")
    sys.stdout.flush()
    return 1
