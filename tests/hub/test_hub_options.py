"""Each key of [hub] reaches the hub, and what it is for happens."""

from __future__ import annotations

import threading
import time

import pytest

from onetape.feeds.hub_table import MarketReader
from onetape.hub.hub import Hub
from onetape.model.sections import HubConfig
from onetape.options.hub import has_hub, hub_options
from onetape.store.config import parse_config
from waiting import PATIENCE_S, wait_for
from worlds.hub_process import BTC, MS, SourceJournal, hub
from worlds.hub_process import hub_options as options_of

COLLECTOR = """
[collectors.a]
kind = "zeromq"
address = "tcp://127.0.0.1:1"
topics = ["gold"]
[hub]
"""
# Key of [hub] -> what is written, the field of the hub's options, its value.
KEYS = {
    "stale": ('"1500ms"', "stale_ns", 1_500_000_000),
    "klines": ("7", "klines", 7),
    "filter": ("false", "filters", False),
    "spin": ('"50us"', "spin_s", 50e-6),
}


@pytest.mark.parametrize("key", KEYS)
def test_a_key_changes_its_own_option_and_no_other(tmp_path, key):
    written, field, value = KEYS[key]
    usual = hub_options(parse_config(COLLECTOR), home=tmp_path)
    made = hub_options(parse_config(f"{COLLECTOR}{key} = {written}\n"), home=tmp_path)
    fields = made.__struct_fields__
    changed = {name: getattr(made, name) for name in fields if getattr(made, name) != getattr(usual, name)}
    assert changed == {field: pytest.approx(value)}


def test_every_key_of_the_section_is_held_to_an_effect():
    assert {*KEYS, "enabled"} == set(HubConfig.__struct_fields__)


@pytest.mark.parametrize("text", ["", "enabled = true", "enabled = false"])
def test_a_hub_that_is_switched_off_is_none(text):
    assert has_hub(parse_config(COLLECTOR + text)) == ("false" not in text)


@pytest.fixture
def source(tmp_path):
    made = SourceJournal(tmp_path, "ws")
    made.listed(BTC)
    yield made
    made.close()


def test_a_hub_that_spins_looks_for_news_before_it_sleeps(tmp_path, source):
    """What comes meanwhile is taken in the same turn; without it a hub goes to sleep at once."""
    for spin_s in (0.0, PATIENCE_S):
        running = Hub(options_of(tmp_path, "ws", spin_s=spin_s))
        try:
            running._follow_missing()
            while running._merge.take(100):
                pass
            writes = threading.Timer(0.01, source.quote, (BTC, 1000, 1001), {"at": time.time_ns()})
            writes.start()
            assert running._spun() == (spin_s > 0)
            writes.join()
        finally:
            running._sources.close()
            running._table.close()
            running._tape.close()


@pytest.mark.parametrize("klines", [1, 3])
def test_the_table_has_as_many_bars_as_are_configured(tmp_path, source, klines):
    minute, opens = 60 * 10**9, time.time_ns() // (60 * 10**9) * 60 * 10**9 - 10 * 60 * 10**9

    def opened() -> list[int]:
        return [each["ts_open"] for each in reader.bars(BTC, minute)]

    with hub(options_of(tmp_path, "ws", klines=klines)):
        for n in range(5):
            source.quote(BTC, 1000, 1001, at=time.time_ns())
            source.bar(BTC, opens + n * minute, 1000 + n)
        reader = MarketReader(tmp_path)
        wait_for(lambda: sorted(opened()) == [opens + n * minute for n in range(5 - klines, 5)])


@pytest.mark.parametrize(("stale_ns", "state"), [(100 * MS, "degraded"), (3600 * 1000 * MS, "healthy")])
def test_a_source_later_than_the_configured_time_is_degraded(tmp_path, source, stale_ns, state):
    other = SourceJournal(tmp_path, "rest")
    other.listed(BTC)
    count = 0
    try:
        with hub(options_of(tmp_path, "ws", "rest", stale_ns=stale_ns)) as running:

            def is_judged() -> bool:
                nonlocal count
                count, at = count + 1, time.time_ns() - 400 * MS
                source.quote(BTC, 1000 + count, 1001 + count, at=at, recv=at + MS, update_id=count)
                other.quote(BTC, 1000 + count, 1001 + count, at=at, recv=at + 400 * MS, update_id=count)
                rows = running.feeds()
                return len(rows) == 2 and rows["ws", BTC]["state"] == "healthy" and rows["rest", BTC]["state"] == state

            wait_for(is_judged)
    finally:
        other.close()
