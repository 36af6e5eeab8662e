"""A control plane's server on a real socket, with handlers that say what they were called with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from onetape.control.call import Call, Handler
from onetape.control.operations import ControlTape, Operations
from onetape.control.server import ControlServer
from onetape.model.config import parse_config
from onetape.options.control import control_options
from onetape.web.control_routes import BASE, ROUTES

CONTROL = {"targetDelta": 0, "accounts": ["a"], "maxDeviation": 0.1, "symbol": "BTC-USD"}
BODIES: dict[str, dict[str, Any]] = {
    "delta_control": CONTROL,
    "set_delta_auto": {"symbol": "BTC-USD"},
    "hedge_execute": {"symbol": "BTC-USD", "hedgeAmount": 0.1},
    "utilization_rebalance": {"targetUtilization": 0.5, "accounts": ["a"], "symbol": "BTC-USD"},
    "place_order": {"account": "a", "symbol": "BTC-USD", "side": "buy", "quantity": 1},
    "account_sync": {"accounts": ["a"]},
    "market_failover": {"targetFeed": "b"},
}


def path_of(route) -> str:
    return f"{BASE}{route.path}".replace("{accountId}", "a").replace("{id}", "1")


@dataclass
class Plane:
    server: ControlServer
    operations: Operations
    session: aiohttp.ClientSession
    calls: list[Call] = field(default_factory=list)

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
        """Status, answer, headers. Names of headers have `_` for `-`; a path is below the base unless it begins with
        a slash."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path = path if path.startswith("/") else f"{BASE}/{path}"
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            named.setdefault("Content-Type", "application/json")
        async with self.session.request(method, self.server.address + path, data=data, headers=named) as got:
            text = await got.read()
            return got.status, json.loads(text) if text else None, got.headers


def plane(
    home: Path,
    work: Callable[[Plane], Awaitable[None]],
    *,
    per_second: int = 0,
    handlers: dict[str, Handler] | None = None,
    accounts: str = "",
) -> None:
    """Runs a test against a server. handlers: of routes that answer otherwise than with what they were called with;
    accounts: sections of the configuration."""

    async def run() -> None:
        async with opened(home, per_second=per_second, handlers=handlers, accounts=accounts) as made:
            await work(made)

    asyncio.run(run())


@asynccontextmanager
async def opened(
    home: Path, *, per_second: int = 0, handlers: dict[str, Handler] | None = None, accounts: str = ""
) -> AsyncIterator[Plane]:
    config = parse_config(f"[control]\nport = 0\ncalls_per_second = {per_second}\n{accounts}")
    tape = ControlTape(home)
    operations = Operations(tape)
    calls: list[Call] = []

    async def echo(call: Call) -> dict[str, Any]:
        calls.append(call)
        return {"operationId": call.operation, "actor": call.actor, "path": call.path}

    table = {route.name: echo for route in ROUTES} | (handlers or {})
    server = ControlServer(control_options(config, home=home, folder=home), operations, table)
    await server.start()
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            yield Plane(server, operations, session, calls)
    finally:
        await server.stop()
        tape.close()
