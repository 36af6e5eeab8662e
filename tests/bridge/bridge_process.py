"""A bridge for tests: the process as a gateway starts it, and questions to it as they are sent.

In CI the environment of the tests stands in for the bridge's own, because it has the same ccxt;
`make bridge` makes that one, and names its Python in ONETAPE_BRIDGE.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

import pytest

from onetape.gateway.bridge_process import bridged
from onetape.options.bridge import CCXT_VERSION, BridgeOptions
from onetape.options.gateway import GatewayOptions

OWN = os.environ.get("ONETAPE_BRIDGE", "")
PYTHON = OWN or sys.executable
SIM_OF = {"ccxt:binanceusdm": "binance-usdm", "ccxt:kraken": "kraken"}
needs_ccxt = pytest.mark.skipif(
    not OWN and importlib.util.find_spec("ccxt") is None,
    reason="ccxt is not here: `make bridge` makes an environment for it",
)
INSTALLED = metadata.version("ccxt") if importlib.util.find_spec("ccxt") else "none"
# What is known of one version says nothing of the next: another one is no failure of ours.
as_read = pytest.mark.skipif(INSTALLED != CCXT_VERSION, reason=f"ccxt {INSTALLED} is here, and {CCXT_VERSION} was read")


@contextmanager
def bridge_to(kind: str, port: int, account, symbol: str) -> Iterator[GatewayOptions]:
    """A bridge to a simulated exchange until the block ends: its address and its token (`key`)."""
    options = GatewayOptions(
        kind=kind,
        account="main",
        rest=f"http://127.0.0.1:{port}",
        ws=f"ws://127.0.0.1:{port}",
        key=account.key,
        secret=account.secret,
        home="",
        symbols=[symbol],
        bridge=BridgeOptions(python=PYTHON),
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    context = bridged(options)
    try:
        yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result(120)
        asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
