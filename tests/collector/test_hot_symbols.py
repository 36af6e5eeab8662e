"""A poller asks more often about the symbols that meet a condition on the market that there is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from onetape.collector.venue_feed import SILENT_FOR, HotSymbols
from onetape.market.condition import parse_condition
from onetape.model.errors import BadConfig
from onetape.model.sections import CollectorConfig, Config, VenueConfig
from onetape.options.collector import venue_feed_options
from waiting import wait_for
from worlds.supervised import Home
from worlds.tapes import BTC, ETH, SECOND, START, Market

CONFIG = """
[venues.x]
kind = "binance-usdm"
[collectors.streams]
kind = "venue"
venue = "x"
symbols = ["{btc}", "{eth}"]
[collectors.requests]
kind = "venue"
venue = "x"
transport = "rest"
symbols = ["{btc}", "{eth}"]
hot = 'mid("{btc}") > 0 and bid > 0'
[hub]
"""


def now_s() -> float:
    return (time.time_ns() - START) / SECOND


def test_those_that_meet_the_condition_now_are_hot_while_somebody_writes_the_market(tmp_path: Path):
    hot = HotSymbols(tmp_path, parse_condition("mid > 101 or age > 100"))
    assert hot.look(time.time_ns()) is None  # nobody has a market yet
    (tmp_path / "journal").mkdir()
    market = Market(tmp_path / "journal" / "hub", symbol=BTC)
    market.add(ETH)
    market.quote(now_s(), 101, 103).quote(now_s(), 99, 101, symbol=ETH)
    assert hot.look(time.time_ns()) == {BTC}
    market.quote(now_s(), 99, 101).quote(now_s(), 109, 111, symbol=ETH)
    seen = time.time_ns()
    assert hot.look(seen) == {ETH}
    assert hot.look(seen + SILENT_FOR) == {ETH}
    assert hot.look(seen + SILENT_FOR + 1) is None  # nothing has been written since
    market.quote(now_s(), 109, 111)
    assert hot.look(seen + SILENT_FOR + 2) == {BTC, ETH}
    market.done()
    assert hot.look(time.time_ns()) is None
    hot.close()


def test_the_condition_of_a_collector_is_followed_on_the_market_of_the_hub(tmp_path: Path):
    with Home(tmp_path, CONFIG.format(btc=BTC, eth=ETH)) as home:
        home.run("up")
        wait_for(lambda: home.run("send", "collector:requests", "status")["result"]["polls"].get("hot") == 2)


@pytest.mark.parametrize(
    ("transport", "hot", "said"), [("rest", "mid >", "column 6"), ("ws", "mid > 1", "report every change at once")]
)
def test_what_cannot_make_a_symbol_hot_is_refused(tmp_path, transport, hot, said):
    collector = CollectorConfig(venue="x", transport=transport, hot=hot)
    config = Config(venues={"x": VenueConfig(kind="kraken")}, collectors={"c": collector})
    with pytest.raises(BadConfig, match=said) as refused:
        venue_feed_options("c", config, home=tmp_path, rest="http://x", ws="ws://x")
    assert refused.value.location == "collectors.c.hot"
