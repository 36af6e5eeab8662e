"""A venue that counts too many questions when a process begins: it is called that, and waited for."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from exchange.venue_client import served
from onetape.feeds.instrument_list import learn_venue
from onetape.feeds.query_line import VenueLine
from onetape.feeds.request_budget import AddressBudget
from onetape.feeds.venue_clock import VenueClock
from onetape.model.errors import VenueRateLimit, VenueUnavailable
from onetape.robot.options import WAITS
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

KINDS = ["binance-usdm", "aster", "kraken", "bitmex", "pacifica", "bybit", "hyperliquid", "okx", "binance-spot"]
# What a gate before the venue says, which does not know its form.
PAGE = b"<html>Too many requests</html>"
JSON = b'{"error":{"message":"Rate limit exceeded"},"code":-1003,"msg":"Way too many requests"}'


@asynccontextmanager
async def line_to(kind: str, port: int, folder) -> AsyncIterator[VenueLine]:
    rest, clock = f"http://127.0.0.1:{port}", VenueClock()
    venue = open_trading_venue(kind, "", "", Addresses(rest, f"ws://127.0.0.1:{port}", "", "", ""), "")
    budget = AddressBudget(folder / "budget", venue.budget, now=clock.now, say=lambda out: None)
    line = VenueLine(venue, rest, clock, budget=budget, keeps=False)
    async with line.open():
        yield line
    budget.close()


@asynccontextmanager
async def answering(head: str, body: bytes) -> AsyncIterator[int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def learned(kind: str, head: str, body: bytes, folder) -> None:
    async with answering(head, body) as port, line_to(kind, port, folder) as line:
        await learn_venue(line, ())


@pytest.mark.parametrize("body", [PAGE, JSON], ids=["page", "json"])
@pytest.mark.parametrize("status", ["429 Too Many", "418 Teapot"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_status_that_says_too_many_is_called_so(kind, status, body, tmp_path):
    with pytest.raises(VenueRateLimit, match="it may be asked again in"):
        asyncio.run(learned(kind, status, body, tmp_path))


@pytest.mark.parametrize("kind", KINDS)
def test_another_failure_keeps_its_status(kind, tmp_path):
    with pytest.raises(VenueUnavailable, match="HTTP 403"):
        asyncio.run(learned(kind, "403 Forbidden", PAGE, tmp_path))


def test_kraken_says_it_in_an_answer_that_is_well(tmp_path):
    body = json.dumps({"error": ["EGeneral:Too many requests"]}).encode()
    with pytest.raises(VenueRateLimit, match="EGeneral:Too many requests: it may be asked again"):
        asyncio.run(learned("kraken", "200 OK", body, tmp_path))


def test_who_may_wait_comes_up_when_the_budget_is_there_again(tmp_path):
    async def work(port: int) -> tuple[list[str], float]:
        words: list[str] = []
        async with line_to("pacifica", port, tmp_path) as line:
            assert line.budget is not None
            line.budget.shut_out(2_000_000_000)
            began = time.monotonic()
            found = await learn_venue(line, ["pacifica:BTC/USDC:USDC"], stopping=asyncio.Event(), tell=words.append)
            assert [each.symbol for each in found] == ["pacifica:BTC/USDC:USDC"]
            return words, time.monotonic() - began

    with served("pacifica", seed=3) as (_, port):
        words, took = asyncio.run(work(port))
    assert took >= 1.9
    assert words[0].startswith(WAITS)  # else a supervisor would take it for the line that it is ready with
    assert "VENUE_RATE_LIMIT(4403)" in words[0]
    assert "the venue has banned this address" in words[0]


def test_who_is_to_stop_waits_no_longer(tmp_path):
    async def work(port: int) -> None:
        stopping = asyncio.Event()
        async with line_to("pacifica", port, tmp_path) as line:
            assert line.budget is not None
            line.budget.shut_out(60_000_000_000)
            with pytest.raises(VenueRateLimit, match="asked again in 60 s"):
                await learn_venue(line, (), stopping=stopping, tell=lambda _: stopping.set())

    with served("pacifica", seed=3) as (_, port):
        asyncio.run(work(port))
