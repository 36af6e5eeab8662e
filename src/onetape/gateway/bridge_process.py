"""A gateway's bridge to ccxt: a process in another environment, restarted when it dies.

The gateway talks to it as to any venue, over HTTP and WebSocket on this machine; requests need the token of the current
start. Keys go to its standard input, which stays open: when it closes, the bridge ends. The gateway owns the listening
socket: a restarted bridge has the same address, and requests that waited meanwhile carry their time.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import msgspec

import onetape
from onetape.model.errors import NotAvailable, UnknownSymbol, VenueRejected, VenueUnavailable
from onetape.net.tasks import watched
from onetape.options.gateway import GatewayOptions
from onetape.venues.ccxt.errors import row_of_names
from onetape.venues.ccxt.facts import facts_of
from onetape.venues.error_tables import Outcome

__all__ = ["bridged"]

READY_WITHIN_S: Final = 90.0  # including the markets of a large venue
ENDS_WITHIN_S: Final = 5.0
RETRY_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)  # delays; the last one repeats
FOLDER: Final = Path(onetape.__file__).parent / "bridge"


@contextlib.asynccontextmanager
async def bridged(options: GatewayOptions) -> AsyncIterator[GatewayOptions]:
    """Returns the options with which the gateway reaches its venue: for `ccxt:` kinds the bridge's address and token
    replace the venue's address and the keys. Raises NotAvailable, VenueUnavailable and VenueRejected if the bridge
    cannot start."""
    if options.bridge is None:
        yield options
        return
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        token = secrets.token_hex(32)
        bridge = _Bridge(options, listening, token)
        await bridge.start()
        keeper = watched(bridge.keep())
        try:
            http, ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
            yield msgspec.structs.replace(
                options,
                rest=http,
                ws=ws,
                ws_private=ws,
                key=token,
                secret="",
                bridge=None,
                proxy=None,
                order_entry="rest",
            )
        finally:
            keeper.cancel()
            await bridge.stop()


class _Bridge:
    """Runs the bridge's process, and its replacements."""

    def __init__(self, options: GatewayOptions, listening: socket.socket, token: str) -> None:
        assert options.bridge is not None
        self._python = options.bridge.python
        self._listening = listening
        self._line = msgspec.json.encode(_said(options, listening.fileno(), token)) + b"\n"
        self._exchange = options.kind.removeprefix("ccxt:")
        self._process: Process | None = None

    async def start(self) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                self._python,
                "-I",
                "-B",
                str(FOLDER),
                stdin=PIPE,
                stdout=PIPE,
                pass_fds=(self._listening.fileno(),),
                start_new_session=True,
            )
        except OSError as error:
            raise NotAvailable(f"the bridge's Python does not start: {error.strerror}", location=self._python) from None
        self._process = process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(self._line)
        try:
            said = await asyncio.wait_for(process.stdout.readline(), READY_WITHIN_S)
        except TimeoutError:
            await self.stop()
            raise VenueUnavailable(
                f"the bridge was not ready within {READY_WITHIN_S:g} s", location=self._exchange
            ) from None
        if said.strip() != b"ready":
            await self.stop()
            raise _error_of(said, self._exchange, self._python)

    async def keep(self) -> None:
        """Keeps the bridge running until cancelled, restarting it with growing delays."""
        failures = 0
        while True:
            assert self._process is not None
            began = time.monotonic()
            await self._process.wait()
            failures = 0 if time.monotonic() - began > 60 else failures + 1
            sys.stderr.write(f"gateway: the bridge ended ({self._process.returncode})\n")
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
            try:
                await self.start()
            except (NotAvailable, VenueUnavailable, VenueRejected, UnknownSymbol) as error:
                sys.stderr.write(f"gateway: {error}\n")

    async def stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), ENDS_WITHIN_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _said(options: GatewayOptions, listening: int, token: str) -> dict[str, Any]:
    """Returns the configuration that the bridge reads at its start."""
    assert options.bridge is not None
    exchange = options.kind.removeprefix("ccxt:")
    facts = facts_of(exchange)
    return {
        "exchange": exchange,
        "key": options.key,
        "secret": options.secret,
        "password": options.bridge.password,
        "demo": options.bridge.demo,
        "rest": options.rest,
        "ws": options.ws,
        "proxy": options.proxy.url if options.proxy is not None else "",
        "symbols": [each.partition(":")[2] for each in options.symbols],
        "socket": listening,
        "token": token,
        "by_client_id": facts.by_client_id,
        "amends": facts.amends,
        "offsets": facts.offsets,
        "in_order": facts.in_order,
        "poll_s": facts.poll_s,
        "options": dict(facts.options),
    }


def _error_of(said: bytes, exchange: str, python: str) -> NotAvailable | VenueUnavailable | VenueRejected:
    """Returns the error of a bridge that did not become ready."""
    try:
        error = msgspec.json.decode(said)["error"]
        names, text = list(error["names"]), str(error["text"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return VenueUnavailable("the bridge ended before it was ready", location=exchange)
    if names[0] == "ImportError":
        return NotAvailable(f"the bridge's Python has no ccxt: {text}", location=python)
    if "LookupError" in names or "ValueError" in names:
        return NotAvailable(text, location=exchange)
    location = f"{exchange}, through ccxt"
    if row_of_names(names).outcome is Outcome.DEFINITIVE:
        return VenueRejected(f"{names[0]}: {text}", location=location)
    return VenueUnavailable(f"{names[0]}: {text}", location=location)
