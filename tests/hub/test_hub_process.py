"""The hub as a process: journals of collectors that are real, one market that comes of them."""

from __future__ import annotations

import time

import pytest

from waiting import wait_for
from worlds.hub_process import BTC, MS, SourceJournal, hub, hub_options, sources_of, wait_merged


@pytest.fixture
def pair(tmp_path):
    """Two sources of one market."""
    both = [SourceJournal(tmp_path, name) for name in ("ws", "rest")]
    for each in both:
        each.listed(BTC)
    yield both
    for each in both:
        each.close()


def test_two_sources_become_one_market(tmp_path, pair):
    with hub(hub_options(tmp_path, "ws", "rest")) as running:
        now = time.time_ns()
        for n in range(10):
            for each in pair:
                each.quote(BTC, 1000 + n, 1001 + n, at=now + n * MS, update_id=n + 1)
                each.trade(BTC, 1000 + n, 5, at=now + n * MS, id_=n + 1)
        quotes, trades = wait_merged(tmp_path, "quote", 10), wait_merged(tmp_path, "trade", 10)
        rows = wait_for(lambda: len(found := running.feeds()) == 2 and found)
    assert [each.data["bid"] for each in quotes] == list(range(1000, 1010))
    assert [each.data["id_low"] for each in trades] == list(range(1, 11))
    assert set(sources_of(quotes + trades)) <= {0, 1}
    row = rows["ws", BTC]
    assert {"source", "venue", "symbol", "transport", "state", "latency_ms", "age_ms", "errors", "share", "pinned"} <= {
        *row
    }
    assert (row["venue"], row["transport"], row["pinned"]) == ("binance", "ws", False)
    assert sum(each["share"] for each in rows.values()) == pytest.approx(1)
