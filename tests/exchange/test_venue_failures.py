"""A simulated exchange whose own work fails ends, so that it is started again: one whose time
stands still looks as if it ran."""

from __future__ import annotations

import asyncio
import time

import pytest

from onetape.exchange.server import VenueServer, serve
from onetape.exchange.venues import open_venue
from waiting import PATIENCE_S


async def raises() -> None:
    raise ValueError("planted")


@pytest.mark.parametrize("place", ["tick", "beside"])
def test_what_its_work_raises_ends_it(monkeypatch, place: str) -> None:
    dialect = open_venue("binance-usdm", seed=1, now=time.time_ns(), history=10**9)
    server = VenueServer(dialect)

    def planted(now: int) -> None:
        raise ValueError("planted")

    if place == "tick":
        monkeypatch.setattr(dialect, "tick", planted)
    beside = raises if place == "beside" else None
    serving = serve(server, "127.0.0.1", 0, lambda *_: None, beside=beside)
    with pytest.raises(ValueError, match="planted"):
        asyncio.run(asyncio.wait_for(serving, PATIENCE_S))
