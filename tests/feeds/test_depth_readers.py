"""A book's snapshot that several readers ask for at once: the first answer that is one counts."""

from __future__ import annotations

import asyncio
import time

from exchange.venue_client import served
from onetape.feeds.depth_feed import DepthFeed
from onetape.feeds.drift_counts import DriftWatch
from onetape.feeds.malformed_counts import Rejects
from onetape.feeds.query_line import VenueLine
from onetape.feeds.venue_clock import VenueClock
from onetape.orders.calls import Call, Purpose
from onetape.tape.journal import JournalWriter
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

KIND = "binance-usdm"
SNAPSHOT = Call(Purpose.MARKET, "GET", "/fapi/v1/depth?symbol=BTCUSDT&limit=100", b"", {}, 5)
SLOW = '[[fault]]\npath = "*/depth"\naction = "delay"\nwait = "1s"\nprobability = 0.3\n'
REFUSED = '[[fault]]\npath = "*/depth"\naction = "error"\nstatus = 503\ncount = 2\n'


def snapshots(folder, faults: str, readers: int, count: int) -> list[tuple[int, float]]:
    """Status and seconds of each."""

    async def work(port: int) -> list[tuple[int, float]]:
        rest = f"http://127.0.0.1:{port}"
        venue = open_trading_venue(KIND, "", "", Addresses(rest, "", ""))
        line, found = VenueLine(venue, rest, VenueClock(), keeps=False), []
        with JournalWriter(folder / f"tape{readers}", durable=False) as writer:
            feed = DepthFeed(
                line,
                (),
                writer,
                spawn=asyncio.ensure_future,
                say=lambda _: None,
                written=lambda: None,
                watch=DriftWatch(KIND, lambda _: None),
                rejects=Rejects(KIND, lambda _: None),
                readers=readers,
            )
            async with line.open():
                for _ in range(count):
                    began = time.monotonic()
                    status, body = await feed._snapshot(SNAPSHOT)
                    found.append((status, time.monotonic() - began))
                    assert status != 200 or b"lastUpdateId" in body
        return found

    with served(KIND, faults=faults) as (_, port):
        return asyncio.run(work(port))


def test_of_three_readers_the_first_answer_counts(tmp_path):
    slow = {}
    for readers in (1, 3):
        found = snapshots(tmp_path, SLOW, readers, 30)
        took = sorted(seconds for _, seconds in found)
        print(f"{readers} readers: p50 {1e3 * took[15]:.0f} ms, p90 {1e3 * took[27]:.0f} ms, slow {sum(took) / 30:.3f}")
        slow[readers] = sum(seconds >= 1 for seconds in took)
        assert {status for status, _ in found} == {200}
    assert slow[3] <= slow[1] // 2


def test_an_answer_that_is_none_counts_only_where_no_other_comes(tmp_path):
    assert [status for status, _ in snapshots(tmp_path, REFUSED, 3, 2)] == [200, 200]
    assert [status for status, _ in snapshots(tmp_path, REFUSED, 1, 3)] == [503, 503, 200]
