"""The hub among the processes of a configuration: collectors of a feed or a venue, and what is asked of it."""

from __future__ import annotations

import pytest

from waiting import wait_for
from worlds.command_lines import command_line
from worlds.stream_feeds import ZeroMqFeed
from worlds.supervised import CONFIG as ACCOUNT
from worlds.supervised import MAKER, Home

GOLD = "feed:XAU/USD"
CONFIG = """
[collectors.a]
kind = "zeromq"
address = "{address}"
topics = ["gold"]
[collectors.b]
kind = "zeromq"
address = "{address}"
topics = ["gold"]
[hub]
filter = false
"""


@pytest.fixture
def feed(tmp_path):
    made = ZeroMqFeed(tmp_path)
    yield made
    made.end()


def test_collectors_and_their_hub_run_and_feeds_shows_and_pins(tmp_path, feed):
    with Home(tmp_path, CONFIG.format(address=feed.address)) as home:
        up = home.run("up")
        assert {"collector:a", "collector:b", "hub"} <= {each["name"] for each in up["processes"]}
        count = 0

        def tick() -> None:
            nonlocal count
            count += 1
            quote = {"symbol": GOLD, "bid": 2400 + count % 10, "ask": 2420, "ts": 1_767_225_600_000 + count}
            feed.publish("gold", quote)

        def rows() -> list[dict]:
            tick()
            found = home.run("feeds")
            return found if len(found) == 2 and all(row["state"] == "healthy" for row in found) else []

        shown = wait_for(rows)
        assert [(row["source"], row["venue"], row["transport"]) for row in shown] == [
            ("a", "feed", "zeromq"),
            ("b", "feed", "zeromq"),
        ]
        pinned = home.run("feeds", "pin", GOLD, "b")
        assert [row["pinned"] for row in pinned] == [False, True]
        home.run("feeds", "pin", GOLD, "nobody", code=2)
        home.run("feeds", "pin", "feed:NONE/USD", "a", code=3)
        home.run("feeds", "unpin", code=2)
        before = home.process("hub")
        home.kill("hub")
        assert home.process("hub")["pid"] != before["pid"]
        assert [row["pinned"] for row in wait_for(rows)] == [False, True]
        assert [row["pinned"] for row in home.run("feeds", "pin", GOLD, "auto")] == [False, False]
        # Of three journals that have this market it is the hub's that is scanned.
        scanned = home.run("scan", "bid > 0", "--seconds", "0.1")
        assert scanned["symbols"] == 1
        home.run("down")
        home.run("feeds", code=6)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("", "nothing to merge"),
        ("klines = 0\n", "0 is not between 1 and 1000"),
        ('stale = "soon"\n', "onetape.toml:13"),
        ('stale = ""\n', "onetape.toml:13"),
    ],
)
def test_what_cannot_be_merged_is_refused_before_anything_starts(tmp_path, section, words):
    (tmp_path / "maker.py").write_text(MAKER)
    (tmp_path / "onetape.toml").write_text(f"{ACCOUNT}[hub]\n{section}")
    code, reported, _ = command_line(["up", "--json"], tmp_path)
    assert code == 2 and words in reported, reported


VENUE = f"""{ACCOUNT}
[collectors.a]
kind = "venue"
venue = "x"
symbols = ["binance:BTC/USDT:USDT"]
[hub]
stale = "2s"
"""


def test_after_down_and_up_the_market_of_the_hub_is_relied_on_again(tmp_path):
    """The last word of a hub that is stopped after its collectors is that all is stale."""
    with Home(tmp_path, VENUE) as home:
        home.run("up")
        home.buy("binance:BTC/USDT:USDT", "0.01")
        home.run("down")
        home.run("up")
        home.buy("binance:BTC/USDT:USDT", "0.01")
        before = home.process("hub")["pid"]
        home.kill("hub")
        assert home.process("hub")["pid"] != before
        home.buy("binance:BTC/USDT:USDT", "0.01")
        home.run("down")
