"""What a collector refuses before anything starts, and one that runs alone under a supervisor."""

from __future__ import annotations

from pathlib import Path

import pytest

from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.options.collector import collector_options, collectors_of, venue_feed_options
from waiting import wait_for
from worlds.stream_feeds import ZeroMqFeed, frames
from worlds.supervised import Home

ROBOT = """
[venues.x]
kind = "kraken"
[accounts.main]
venue = "x"
[robots.mm]
strategy = "maker.py"
account = "main"
streams = ["{}"]
"""


def options(text: str):
    config = parse_config(f"[collectors.feed]\n{text}")
    return collector_options("feed", collectors_of(config)["feed"], home=Path("home"), folder=Path("folder"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('kind = "zeromq"', "zeromq does not speak nothing"),
        ('kind = "zeromq"\naddress = "ws://127.0.0.1:1"', "write tcp:// or ipc://"),
        ('kind = "zeromq"\naddress = "tcp://127.0.0.1"', "no host and port"),
        ('kind = "zeromq"\naddress = "tcp://127.0.0.1:99999"', "no host and port"),
        ('kind = "zeromq"\naddress = "tcp://10.0.0.1:1"', "10.0.0.1 is not this machine"),
        ('kind = "websocket"\naddress = "wss://feed.example"', "set remote = true"),
        ('kind = "nats"\naddress = "nats://127.0.0.1:4222"', "no subjects"),
        ('kind = "nats"\naddress = "nats://127.0.0.1:1"\ntopics = ["a"]\nsubscribe = "x"', "no subscription message"),
        ('kind = "zeromq"\naddress = "tcp://[::1]:1"\nmessage_bytes_max = 0', "below 1"),
        ('kind = "zeromq"\naddress = "tcp://[::1]:1"\nstale_after = "soon"', "soon"),
    ],
)
def test_what_cannot_be_followed_is_refused_in_one_line(text, words):
    with pytest.raises(BadConfig) as refused:
        options(text)
    assert words in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('depth = "top:5"', '"all", or a list of symbols'),
        ('depth = "all"\ntransport = "rest"', "books need streams"),
        ("depth_readers = 0", "0 is not between 1 and 4"),
        ("depth_readers = 5", "5 is not between 1 and 4"),
    ],
)
def test_books_that_cannot_be_followed_are_refused(text, words):
    with pytest.raises(BadConfig) as refused:
        parse_config(f'[venues.x]\nkind = "kraken"\n[collectors.feed]\nkind = "venue"\nvenue = "x"\n{text}\n')
    assert words in str(refused.value)


@pytest.mark.parametrize(("text", "klines"), [("", "1m"), ('klines = ["1m", "1h"]', "1m,1h"), ('klines = ""', "")])
def test_the_periods_of_a_venue_s_bars_are_checked(text, klines, tmp_path):
    def made(text: str):
        config = parse_config(f'[venues.x]\nkind = "kraken"\n[collectors.feed]\nkind = "venue"\nvenue = "x"\n{text}\n')
        return venue_feed_options("feed", config, home=tmp_path, rest="http://127.0.0.1:1", ws="ws://127.0.0.1:1")

    assert made(text).klines == klines
    with pytest.raises(BadConfig) as refused:
        made('klines = "1m,soon"')
    assert "soon" in str(refused.value) and "collectors.feed.klines" in str(refused.value)


def test_a_secret_in_an_address_is_refused_and_not_shown():
    with pytest.raises(BadConfig) as refused:
        options('kind = "nats"\naddress = "nats://me:hunter2@127.0.0.1:1"\ntopics = ["a"]')
    assert "a secret in the open" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_an_address_elsewhere_is_followed_where_that_is_said():
    made = options('kind = "websocket"\naddress = "wss://feed.example/x"\nremote = true')
    assert (made.address, made.stale_ns, made.published) == ("wss://feed.example/x", 0, False)


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_a_robot_hears_only_collectors_that_there_are(enabled):
    feed = f'[collectors.feed]\nkind = "zeromq"\naddress = "tcp://[::1]:1"\nenabled = {enabled}\n'
    if enabled == "true":
        parse_config(ROBOT.format("feed") + feed)
    for name in ("other", *(["feed"] if enabled == "false" else [])):
        with pytest.raises(BadConfig, match=f"no collector `{name}`"):
            parse_config(ROBOT.format(name) + feed)


def test_a_collector_runs_alone_and_its_symbols_outlive_a_restart(tmp_path: Path):
    feed = ZeroMqFeed(tmp_path)
    text = f'[collectors.feed]\nkind = "zeromq"\naddress = "{feed.address}"\ntopics = ["a"]\n'
    try:
        with Home(tmp_path, text) as home:
            home.run("up")
            assert home.process("collector:feed")["kind"] == "collector"
            answer = home.run("send", "collector:feed", "subscribe", "symbol=feed:XAU/USD")
            assert answer["status"] == "applied"
            wait_for(lambda: feed.followed("feed:XAU/USD"))
            home.run("restart", "collector:feed")
            wait_for(lambda: feed.followed("feed:XAU/USD"))
            feed.publish("feed:XAU/USD", {"symbol": "feed:XAU/USD", "bid": 1, "ask": 2})
            wait_for(lambda: frames(home.home, "quote"))
            now = home.process("collector:feed")
            assert now["state"] == "running" and now["heartbeat_age_ms"] is not None
            refused = home.run("send", "collector:feed", "subscribe", "symbol=a", "topic=b", code=2)
            assert "give symbol=NAME or topic=NAME" in refused["error"]["message"]
            home.run("down")
    finally:
        feed.end()


def test_a_wrong_collector_stops_up_before_anything_runs(tmp_path: Path):
    text = '[collectors.feed]\nkind = "zeromq"\naddress = "tcp://10.0.0.1:1"\n'
    home = Home(tmp_path, text)
    answer = home.run("up", code=2)
    assert "10.0.0.1 is not this machine" in answer["error"]["message"]
    assert not home.status()["running"]
