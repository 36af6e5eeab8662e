"""The hub as a process: journals of collectors that are real, one market that comes of them."""

from __future__ import annotations

import random
import signal
import time

import pytest

from waiting import wait_for
from worlds.hub_process import BTC, MS, HubProcess, SourceJournal, hub, hub_options, merged, sources_of, wait_merged


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


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_any_moment_it_loses_no_trade_and_doubles_none(tmp_path, pair, seed):
    """Two sources, one of them behind; the hub is killed and begun again while both go on."""
    chance, count = random.Random(seed), 3000
    options = hub_options(tmp_path, "ws", "rest")
    ws, rest = pair
    began = time.time_ns()

    def bring(source: SourceJournal, n: int) -> None:
        at = began + n * MS // 10
        # Every tenth trade is one that the venue gives no number to, twice in the same moment.
        for _ in range(2 if n % 10 == 0 else 1):
            source.trade(BTC, 1000 + n, 5, at=at, id_=0 if n % 10 == 0 else n, recv=max(at, began))
        source.quote(BTC, 1000 + n, 1001 + n, at=at, update_id=n)

    running, done, behind = HubProcess(options), 0, 0
    while done < count:
        for n in range(done + 1, (done := min(count, done + chance.randint(1, 400))) + 1):
            bring(ws, n)
        while behind < done - 100:
            bring(rest, behind := behind + 1)
        wait_for(lambda: merged(tmp_path, "trade"))
        running.end(signal.SIGKILL)
        running = HubProcess(options)
    while behind < count:
        bring(rest, behind := behind + 1)
    expected = sorted(n for n in range(1, count + 1) for _ in range(2 if n % 10 == 0 else 1))
    wait_for(lambda: len(merged(tmp_path, "trade")) >= len(expected))
    last = rest.writer.published
    wait_for(lambda: any(rest_at(each, rest) >= last for each in merged(tmp_path, "input")))
    running.end()
    assert sorted(each.data["price"] - 1000 for each in merged(tmp_path, "trade")) == expected
    ids = [each.data["update_id"] for each in merged(tmp_path, "quote")]
    assert ids == sorted(set(ids)) and ids[-1] == count


def rest_at(cursor, source: SourceJournal) -> int:
    """How far a cursor is in a source's journal, 0: it is of another one."""
    if cursor.data["source"] != source.writer.uuid.bytes:
        return 0
    return cursor.data["first_sequence"] + cursor.data["count"] - 1
