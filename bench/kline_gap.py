"""A gap: a collector's tape lacks half an hour of bars of two hundred symbols. Seconds until it has them all, and the
weight of requests that it took, against a server on the loopback that answers as Binance does, after 50 ms.

    python bench/kline_gap.py [--symbols 200] [--minutes 30]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

from aiohttp import web

from onetape.collector.klines import Klines
from onetape.collector.venue_feed import KLINES_SHARE
from onetape.feeds.query_line import VenueLine
from onetape.feeds.request_budget import AddressBudget, budget_file
from onetape.feeds.universe import Listing
from onetape.feeds.venue_clock import VenueClock
from onetape.model.instrument import from_symbol
from onetape.model.time import MINUTE, SECOND
from onetape.options.collector import collector_journal
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue
from onetape.venues.past_market import PastBar

ANSWERED_S = 0.05
PERCENT = 95
MS = 10**6


async def klines(request: web.Request) -> web.Response:
    await asyncio.sleep(ANSWERED_S)
    at, end = int(request.query["startTime"]), int(request.query["endTime"])
    rows = [[t, "1.0", "1.0", "1.0", "1.0", "1.000", t + 59_999, "1.0", 1] for t in range(at, end, 60_000)]
    return web.json_response(rows[: int(request.query["limit"])])


async def gap(home: Path, symbols: int, minutes: int) -> dict[str, float]:
    server = web.AppRunner(app := web.Application())
    app.router.add_get("/fapi/v1/klines", klines)
    await server.setup()
    site = web.TCPSite(server, "127.0.0.1", 0)
    await site.start()
    rest = f"http://127.0.0.1:{server.addresses[0][1]}"
    path, now = collector_journal(home, "feed"), time.time_ns()
    opened = now - now % MINUTE
    venue = open_trading_venue("binance-usdm", "", "", Addresses(rest, rest, rest))
    clock = VenueClock()
    (home / "run").mkdir()
    budget = AddressBudget(budget_file(home, rest), venue.budget, now=clock.now, say=print, usual_percent=PERCENT)
    line = VenueLine(venue, rest, clock, budget=budget, keeps=False)
    with JournalWriter(path, process="collector:feed", durable=False) as writer:
        listings = [
            Listing(n, from_symbol(f"binance:S{n}/USDT:USDT", tick="0.1", lot="0.001")) for n in range(1, symbols + 1)
        ]
        for number, instrument in listings:
            writer.append_instrument(number, now, instrument.to_msgpack())
            for ago in range(45 + minutes, minutes, -1):
                payload, _ = PastBar(opened - ago * MINUTE, 10, 10, 10, 10, 1000, 10_000, 1).frame(MINUTE)
                writer.append("bar", payload, stream=number, time=now)
        rule = venue.budget[0]
        rate = KLINES_SHARE * PERCENT / 100 * rule.most / rule.window
        healer = Klines(line, path, writer, [MINUTE], rate=rate, streamed=MINUTE, now=clock.now, say=lambda _: None)
        healer._begin()
        healer._until = opened - minutes * MINUTE
        healer.follow(listings)
        async with line.open():
            began = time.monotonic()
            assert await healer._round()
            took = time.monotonic() - began
        with JournalReader(path) as reader:
            bars = sum(1 for _ in reader.frames(("bar",)))
    await server.cleanup()
    budget.close()
    status = healer.status()
    return {
        "symbols": symbols,
        "minutes": minutes,
        "healed_s": round(took, 2),
        "bars": bars - symbols * 45,
        "weight": status["weight"],
        "weight_a_minute": round(rate * 60 * SECOND),
        "most_a_minute": rule.most,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=200)
    parser.add_argument("--minutes", type=int, default=30)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="klines-bench-") as folder:
        print(json.dumps(asyncio.run(gap(Path(folder), wanted.symbols, wanted.minutes))))
