"""Feeds from outside as journals: each protocol with a real server, killed and begun again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from onetape.ipc.door import OPERATOR
from onetape.ipc.system import IPCCommandSystem
from onetape.security.tokens import make_token
from onetape.tape.verify import verify
from waiting import PATIENCE_S, wait_for
from worlds.stream_feeds import FEEDS, collector, feed_of, frames, options_for, states

SYMBOL = "feed:XAU/USD"
QUOTE = {"symbol": SYMBOL, "bid": 2411.25, "ask": "2411.5", "bid_size": 3, "ts": 1700000000123}


@pytest.fixture(params=FEEDS)
def feed(request, tmp_path: Path):
    with feed_of(request.param, tmp_path) as made:
        yield made


def send(home: Path, command: str, **fields: str) -> dict:
    async def ask() -> dict:
        system = IPCCommandSystem(OPERATOR, home=home)
        system.start()
        try:
            return dict(await system.send_command("collector:feed", command, fields, timeout=PATIENCE_S))
        finally:
            system.stop()

    make_token(home, OPERATOR)
    return asyncio.run(ask())


def test_quotes_and_events_of_a_feed_stand_on_its_journal(feed, tmp_path: Path):
    with collector(options_for(feed, tmp_path)):
        wait_for(lambda: feed.followed("prices"))
        feed.publish("prices", QUOTE)
        feed.publish("prices", {"type": "mood", "score": -0.25, "ts": "2026-11-21T00:00:00Z"})
        external = wait_for(lambda: frames(tmp_path, "external"))[0]
    (quote,) = frames(tmp_path, "quote")
    assert (quote.data["bid"], quote.data["ask"]) == (2411_25000000, 2411_50000000)
    assert (quote.data["bid_size"], quote.data["ask_size"]) == (3_00000000, 0)
    assert quote.data["ts_event"] == 1700000000123 * 10**6
    assert quote.time == quote.data["ts_recv"] > quote.data["ts_event"]
    reported = external.data
    assert (reported["type"], reported["topic"], reported["source"]) == ("mood", "prices", "collector:feed")
    assert reported["ts_event"] == 1795219200 * 10**9 and reported["data"]["score"] == -0.25
    assert verify(tmp_path / "journal" / "collector-feed").ok
    assert states(tmp_path) == ["connected"]


def test_a_feed_that_is_killed_is_followed_again_and_the_gap_is_told(feed, tmp_path: Path):
    with collector(options_for(feed, tmp_path)):
        wait_for(lambda: feed.followed("prices"))
        feed.publish("prices", {**QUOTE, "seq": 7})
        wait_for(lambda: frames(tmp_path, "quote"))
        feed.end()
        wait_for(lambda: "lost" in states(tmp_path))
        time.sleep(1.2)  # nobody is there for a while
        feed.begin()
        wait_for(lambda: feed.followed("prices"))
        feed.publish("prices", {**QUOTE, "seq": 12})
        wait_for(lambda: len(frames(tmp_path, "quote")) == 2)
    assert states(tmp_path) == ["connected", "lost", "connected", "gap", "gap"]
    silent, missing = [each.data for each in frames(tmp_path, "health")][-2:]
    assert silent["silent_ms"] >= 1200
    assert silent["silent_ms"] == (silent["until"] - silent["since"]) // 10**6
    assert (missing["expected"], missing["got"], missing["missing"]) == (8, 12, 4)
    assert silent["subject"] == missing["subject"] == "collector:feed"


def test_a_symbol_that_is_added_comes_at_once_and_also_after_a_kill(feed, tmp_path: Path):
    options = options_for(feed, tmp_path, names={"gold": SYMBOL})
    with collector(options) as process:
        wait_for(lambda: feed.followed("prices"))
        assert send(tmp_path, "subscribe", symbol=SYMBOL)["result"]["topic"] == "gold"
        wait_for(lambda: feed.followed("gold"))
        feed.publish("gold", {**QUOTE, "symbol": "gold"})
        wait_for(lambda: frames(tmp_path, "quote"))
        answer = send(tmp_path, "status")["result"]
        assert answer["connected"] and answer["topics"] == ["prices", "gold"]
        assert answer["counts"]["quotes"] == 1 and answer["counts"]["bad"] == 0
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with collector(options):
        wait_for(lambda: feed.followed("gold"))
        # Until the server has noticed the death, what follows the topic may be what was killed.
        wait_for(lambda: is_published_twice(feed, tmp_path))
        assert send(tmp_path, "unsubscribe", symbol=SYMBOL)["status"] == "applied"
        refused = send(tmp_path, "unsubscribe", symbol=SYMBOL)
        assert refused["status"] == "refused" and "does not follow" in refused["error"]["message"]
    with collector(options):
        assert send(tmp_path, "status")["result"]["topics"] == ["prices"]
    assert {each.stream for each in frames(tmp_path, "quote")} == {1}


def is_published_twice(feed, home: Path) -> bool:
    feed.publish("gold", {**QUOTE, "symbol": "gold"})
    return len(frames(home, "quote")) >= 2


def test_bad_messages_are_counted_and_named_and_end_nothing(feed, tmp_path: Path):
    bad = {
        "not JSON": b"\x80\x04\x95pickled\xff",
        "nested too deeply": b"[" * 20_000,
        "bid above ask": {**QUOTE, "bid": 3000},
        "bid is not a number": {**QUOTE, "bid": "1e999999999"},
        "a price is not above 0": {**QUOTE, "bid": 0},
        "a symbol that `names` does not have": {**QUOTE, "symbol": "XAU"},
        "an invalid time": {**QUOTE, "ts": "tomorrow"},
        "an invalid sequence number": {**QUOTE, "seq": 1.5},
        "more decimals than its instrument has": {**QUOTE, "bid": "2411.123456789"},
        "a number beyond 64 bits": {"type": "wide", "value": 10**30},
        "more than 65536 bytes": {"type": "long", "value": "x" * 70_000},
    }
    with collector(options_for(feed, tmp_path)):
        wait_for(lambda: feed.followed("prices"))
        feed.publish("prices", QUOTE)
        for message in bad.values():
            feed.publish("prices", message)
        if feed.kind == "zeromq":
            feed.raw(b"prices", b"{}", b"{}")
            bad["neither [JSON] nor [topic, JSON]"] = b""
        feed.publish("prices", QUOTE)
        wait_for(lambda: len(frames(tmp_path, "quote")) == 2)
        answer = send(tmp_path, "status")["result"]
    assert answer["bad"] == dict.fromkeys(bad, 1) and answer["counts"]["bad"] == len(bad)
    named = [each.data for each in frames(tmp_path, "health") if each.data["state"] != "connected"]
    assert {each["reason"] for each in named} == set(bad)
    assert all(each["state"] == "bad message" and each["count"] == 1 for each in named)
    assert not frames(tmp_path, "external")
