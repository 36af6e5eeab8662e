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
        ("onetape.services.supervisor_client", ("numpy", "zstandard", "asyncio", "aiohttp")),
        ("onetape.services.account_views", ("numpy", "zstandard", "asyncio", "aiohttp")),
        ("onetape.services.logs", ("numpy", "zstandard", "asyncio", "aiohttp")),
        ("onetape.services.start_check", ("numpy", "aiohttp", "picows")),
        ("onetape.services.venue_doctor", ("numpy", "aiohttp", "asyncio", "picows")),
        ("onetape.services.robot_main", ("aiohttp", "picows", "polars")),
        ("onetape.services.gateway_main", ("numpy", "polars")),
        ("onetape.services.venue_main", ("numpy", "polars")),
        ("onetape.services.backtest", ("asyncio", "aiohttp", "polars", "numba")),
    ],
)
def test_it_imports_nothing_heavy_that_it_can_do_without(module: str, heavy: tuple[str, ...]):
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(module=module, heavy=heavy)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == []
