"""A live robot that hears a feed beside its gateway: the order of its inputs is on its tape, and a
replay takes them in the same one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from onetape.engine.incarnations import incarnations_of
from onetape.robot.options import run_journal
from waiting import wait_for
from worlds.stream_feeds import ZeroMqFeed, frames
from worlds.supervised import CONFIG, Home

HEARER = """
from onetape import Strategy


class Hearer(Strategy):
    symbol: str = "binance:BTC/USDT:USDT"

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.heard, self.quotes = 0, 0

    def on_quote(self, quote):
        self.quotes += 1
        if quote.symbol == "feed:XAU/USD":
            self.log("gold", mid=quote.mid, quotes=self.quotes)

    def on_instrument(self, instrument):
        if instrument.symbol == "feed:XAU/USD":
            self.subscribe(instrument.symbol, quotes=True)

    def on_event(self, event):
        self.heard += 1
        self.log("heard", data=event["data"], quotes=self.quotes, published=event["ts_event"])
        if event["type"] == "order":
            size = event["data"]["size"]
            symbol = event["data"].get("symbol", self.symbol)
            order = (self.buy if size > 0 else self.sell)(symbol, abs(size))
            self.log("asked", state=order.state, code=order.code, symbol=symbol)

    def on_health(self, health):
        self.log("health", kind=health.kind, subject=health.subject, state=health.state)
"""
STREAMS = """
streams = ["feed"]
[collectors.feed]
kind = "zeromq"
address = "{address}"
topics = ["orders", "gold"]
"""


class Hears:
    """A home whose robot hears a ZeroMQ feed."""

    def __init__(self, folder: Path, streams: str = STREAMS, hearer: str = HEARER) -> None:
        self.feed = ZeroMqFeed(folder)
        config = CONFIG + streams.format(address=self.feed.address)
        self.home = Home(folder, config, hearer)

    def __enter__(self) -> Hears:
        self.home.__enter__()
        self.home.run("up")
        self.home.run("send", "gateway:main", "allocate", "strategy=a", "currency=USDT", "amount=20000", "index=2")
        wait_for(lambda: self.feed.followed("gold"))
        return self

    def __exit__(self, *error: object) -> None:
        self.feed.end()
        self.home.__exit__(*error)

    @property
    def run(self) -> Path:
        journal = run_journal(self.home.home, "robot:mm")
        assert journal is not None
        return journal.parent

    def logged(self, text: str) -> list[dict]:
        from onetape.tape.journal import JournalReader

        with JournalReader(self.run / "journal") as reader:
            found = [each.data for each in reader if each.type == "log"]
        return [each["fields"] for each in found if each["text"] == text]

    def order(self, size: float, **more: object) -> None:
        value = {"type": "order", "size": size, "ts": 1700000000, **more}
        self.feed.publish("orders", value)

    def verified(self) -> dict:
        return self.home.run("replay", str(self.run), "--verify")


def test_a_robot_follows_a_symbol_that_its_file_names_before_the_feed_has_spoken(tmp_path: Path):
    streams = STREAMS.replace('"gold"]', '"gold"]\nsymbols = ["feed:XAU/USD"]')
    hearer = HEARER.replace(
        "        self.heard,", '        self.subscribe("feed:XAU/USD", quotes=True)\n        self.heard,'
    )
    with Hears(tmp_path, streams, hearer) as hears:
        assert hears.home.process("robot:mm")["state"] == "running"
        hears.feed.publish("gold", {"symbol": "feed:XAU/USD", "bid": 2411, "ask": 2412.25})
        (gold, *_) = wait_for(lambda: hears.logged("gold"))
        assert gold["mid"] == 2411.625
        hears.home.run("down")
        assert hears.verified()["divergences"] == 0


def test_events_of_a_feed_reach_a_live_robot_and_its_run_is_repeated(tmp_path: Path):
    with Hears(tmp_path) as hears:
        for number in range(12):
            hears.order(0.01 if number % 3 else -0.01)
            wait_for(lambda n=number: len(hears.logged("heard")) == n + 1)
        hears.feed.publish("gold", {"symbol": "feed:XAU/USD", "bid": 2411, "ask": 2412})
        hears.feed.publish("gold", {"symbol": "feed:XAU/USD", "bid": 2412, "ask": 2413})
        wait_for(lambda: hears.logged("gold"))
        hears.order(0.01, symbol="feed:XAU/USD")  # of nobody's gateway
        wait_for(lambda: len(hears.logged("heard")) == 13)
        hears.feed.end()
        wait_for(lambda: "lost" in [h["state"] for h in hears.logged("health")])
        hears.feed.begin()
        wait_for(lambda: hears.feed.followed("gold"))
        hears.order(-0.01)
        wait_for(lambda: "gap" in [h["state"] for h in hears.logged("health")])
        wait_for(lambda: len(hears.logged("heard")) == 14)
        running = hears.verified()  # while it goes on
        assert running["divergences"] == 0 and running["actions"] >= 14
        hears.home.run("down")
        assert len(hears.home.fills()) >= 12
        heard = hears.logged("heard")
        assert heard[0]["data"]["type"] == "order" and heard[0]["published"] == 1700000000 * 10**9
        refused = next(o for o in hears.logged("asked") if o["symbol"] == "feed:XAU/USD")
        assert (refused["state"], refused["code"]) == ("DENIED", 4503)
        (life,) = incarnations_of(hears.run / "journal")
        taken = [sequence for _, source, sequence in life.live.order if source == 1]
        assert taken == list(range(life.live.positions[1] + 1, taken[-1] + 1))
        assert len(frames(hears.home.home, "external")) == 14
        assert hears.verified()["divergences"] == 0


def test_a_robot_that_was_killed_hears_on_and_all_its_lives_are_repeated(tmp_path: Path):
    with Hears(tmp_path) as hears:
        for number in range(4):
            hears.order(0.01 if number % 2 else -0.01)
        wait_for(lambda: len(hears.logged("heard")) == 4)
        hears.home.kill("robot:mm")
        hears.order(0.01)
        wait_for(lambda: len(hears.logged("heard")) == 5)
        collector = hears.home.process("collector:feed")
        os.kill(collector["pid"], signal.SIGKILL)
        hears.home.wait_for(lambda: hears.home.process("collector:feed")["pid"] not in (None, collector["pid"]))
        wait_for(lambda: hears.feed.followed("gold"))
        hears.order(-0.01)
        wait_for(lambda: len(hears.logged("heard")) == 6)
        hears.home.run("down")
        assert len(incarnations_of(hears.run / "journal")) == 2
        assert hears.verified()["divergences"] == 0
