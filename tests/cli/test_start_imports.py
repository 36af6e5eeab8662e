"""What a command or a process does not need, it does not import: each has a start-up to pay."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOADED = "import sys, {module}; print(*sorted(set({heavy!r}) & set(sys.modules)))"


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("onetape", ("click", "msgspec", "onetape._core")),
        ("onetape.cli.main", ("msgspec", "onetape._core", "onetape.tape")),
        ("onetape.tape", ("numpy", "zstandard", "asyncio")),
        ("onetape.supervisor.client", ("numpy", "zstandard", "asyncio", "aiohttp")),
        ("onetape.projections.account_views", ("numpy", "zstandard", "asyncio", "aiohttp")),
        ("onetape.supervisor.logs", ("numpy", "zstandard", "asyncio", "aiohttp")),
        ("onetape.supervisor.start_check", ("numpy", "aiohttp", "picows")),
        ("onetape.preflight.venue_doctor", ("numpy", "aiohttp", "asyncio", "picows")),
        ("onetape.control.client", ("numpy", "asyncio", "aiohttp", "onetape._core", "onetape.tape", "onetape.ipc")),
        ("onetape.robot.main", ("aiohttp", "picows", "polars")),
        ("onetape.gateway.main", ("numpy", "polars")),
        ("onetape.exchange.main", ("numpy", "polars")),
        ("onetape.research.backtest", ("asyncio", "aiohttp", "polars", "numba")),
    ],
)
def test_it_imports_nothing_heavy_that_it_can_do_without(module: str, heavy: tuple[str, ...]):
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(module=module, heavy=heavy)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
