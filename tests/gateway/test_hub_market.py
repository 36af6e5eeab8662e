"""The hub's market as a gateway sees it: what makes it old, and what its age and bound are then."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from onetape._core import FLAG_SOURCE_SHIFT, FLAG_SYNTHETIC
from onetape.feeds.hub_market import SILENT_MAX, HubMarket
from onetape.model.instrument import from_symbol
from onetape.model.time import SECOND
from onetape.options.gateway import HubOfGateway
from onetape.tape.journal import JournalWriter

BTC, ETH = "binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT"
START = 1_795_000_000 * SECOND
BOUND = 2 * SECOND
_QUOTE = struct.Struct("<qqqqqqQQ")


class Hub:
    """A hub's journal, and the gateway that follows it, in one virtual time."""

    def __init__(self, folder: Path, symbols: tuple[str, ...] = (BTC,)) -> None:
        self.now, self.beat, self.said, self.references = START, 1, [], {}
        self.path = folder / "hub"
        self.begin(tick="0.1")
        options = HubOfGateway(journal=str(self.path), symbols=list(symbols), stale_ns=BOUND)
        facts = [from_symbol(BTC, tick="0.1", lot="0.001"), from_symbol(ETH, tick="0.1", lot="0.001")]
        self.market = HubMarket(
            options,
            facts,
            self.references.__setitem__,
            self.said.append,
            lambda: self.now,
            heartbeat=lambda _: self.beat,
        )
        self.look()

    def begin(self, **facts: str) -> None:
        self.writer = JournalWriter(self.path, process="hub", durable=False, created=self.now)
        for stream, symbol in enumerate((ETH, BTC), 1):
            self.writer.append_instrument(stream, self.now, from_symbol(symbol, lot="0.001", **facts).to_msgpack())
        self.say("hub", "sources", sources=[{"number": 1, "name": "rest", "transport": "rest"}], ended=[])

    def say(self, kind: str, state: str, **about: object) -> None:
        record = {"kind": kind, "subject": BTC, "state": state, **about}
        self.writer.append("health", msgspec.msgpack.encode(record), time=self.now)

    def quote(self, bid: int, *, stream: int = 2, age: int = 0, synthetic: bool = False) -> None:
        at = self.now - age
        flags = FLAG_SYNTHETIC if synthetic else 2 << FLAG_SOURCE_SHIFT
        row = _QUOTE.pack(at, at, bid, bid + 2, 10, 10, 0, 0)
        self.writer.append("quote", row, flags=flags, stream=stream, time=at)

    def look(self, after: int = 0, *, beats: bool = True) -> int:
        """For how long the market has been silent."""
        self.now += after
        self.beat += beats
        self.market.look(self.now)
        return self.market.silent_ns(BTC)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    made = Hub(tmp_path)
    yield made
    made.market.close()


def test_a_hub_that_stood_still_before_it_was_looked_at_brings_nothing(hub: Hub):
    hub.quote(1000)
    assert hub.look(SECOND // 10, beats=False) > 0
    assert hub.look(SECOND // 10) == 0


def test_the_newest_quote_of_a_symbol_is_its_reference_and_says_from_whom_it_is(hub: Hub):
    assert hub.look() and not hub.market.hears
    hub.quote(1000)
    hub.quote(2000, stream=1)  # of a symbol that the gateway follows itself
    hub.quote(1010)
    assert hub.look() == 0 and hub.market.hears
    assert (hub.market.top(BTC).bid, hub.market.top(BTC).ask) == (1010, 1012)
    assert hub.references == {BTC: 1011}
    assert hub.market.source(BTC) == "rest"
    hub.now += SECOND
    assert hub.market.age_ns(BTC) == SECOND


def test_a_synthetic_quote_moves_the_reference_and_is_stale(hub: Hub):
    hub.quote(1000)
    assert hub.look() == 0
    hub.now += 3 * SECOND
    hub.quote(1020, synthetic=True)
    assert hub.look() == 3 * SECOND  # since a venue made one
    assert hub.references == {BTC: 1021} and hub.market.stale == {BTC: "synthetic"}
    hub.quote(1030)
    assert hub.look() == 0


def test_what_the_hub_calls_stale_is_so_by_its_bound_until_it_is_fresh(hub: Hub):
    hub.quote(1000)
    hub.say("market", "stale", bound_ns=3 * SECOND // 2)
    assert hub.look(SECOND) == SECOND
    assert hub.market.bound_ns(BTC) == 3 * SECOND // 2
    hub.say("market", "fresh")
    assert hub.look() == 0


def test_the_alert_of_stale_symbols_names_those_of_now(tmp_path: Path):
    hub = Hub(tmp_path, (BTC, ETH))
    hub.quote(1000)
    hub.look()
    stale = [each.state for each in hub.said if each.kind == "market" and each.severity]
    assert [(BTC in each, ETH in each) for each in stale] == [(True, True), (False, True)]
    hub.market.close()


def test_a_hub_without_a_sign_of_life_has_no_market(hub: Hub):
    hub.quote(1000)
    assert hub.look() == 0
    assert hub.look(SILENT_MAX, beats=False) == 0
    assert hub.look(1, beats=False) > 0
    assert hub.market.bound_ns(BTC) == SILENT_MAX
    assert hub.look() == 0
    hub.beat = -1
    assert hub.look() > 0  # its process is gone


@pytest.mark.parametrize(("age", "is_stale"), [(BOUND, False), (BOUND + 1, True)])
def test_what_is_read_late_makes_nothing_fresh(hub: Hub, age: int, is_stale: bool):
    hub.quote(1000, age=age)
    assert (hub.look() > 0) is is_stale
    hub.quote(1000)
    assert hub.look() == 0


def test_a_listing_in_other_units_is_not_heard(hub: Hub):
    hub.quote(1000)
    assert hub.look() == 0
    other = from_symbol(BTC, tick="0.0001", lot="0.001")
    hub.writer.append_instrument(7, hub.now, other.to_msgpack())
    hub.quote(5_000_000, stream=7)
    hub.look()
    assert hub.references == {BTC: 1001}


def test_another_journal_in_the_place_of_the_first_is_followed(hub: Hub):
    hub.quote(1000)
    assert hub.look() == 0
    hub.writer.close()
    shutil.rmtree(hub.path)
    assert hub.look(SILENT_MAX + 1) > 0
    hub.begin(tick="0.1")
    hub.quote(1050)
    assert hub.look() > 0  # its first sign of life
    assert hub.look() == 0 and hub.references == {BTC: 1051}


def test_robots_and_alerts_hear_where_it_begins_and_ends(hub: Hub):
    hub.look()
    hub.quote(1000)
    hub.look()
    hub.say("market", "stale", bound_ns=SECOND)
    hub.look()
    hub.say("market", "fresh")
    hub.look()
    feed = [(each.kind, each.subject, each.state) for each in hub.said if each.kind == "feed"]
    assert feed == [("feed", BTC, state) for state in ("stale", "live", "stale", "live")]
    alerts = [each.severity for each in hub.said if each.kind == "market"]
    assert alerts == ["warning", "info", "warning", "info"]


def test_what_a_hub_said_of_its_sources_ends_with_its_process(hub: Hub):
    hub.quote(1000)
    hub.say("market", "stale", bound_ns=SECOND)
    assert hub.look() > 0
    hub.writer.close()
    hub.begin(tick="0.1")  # it does not say `fresh` of what it has not called stale
    hub.quote(1010)
    assert hub.look() == 0 and hub.market.stale == {}


def test_a_gateway_that_begins_beside_a_new_hub_does_not_believe_the_one_before(tmp_path: Path):
    made = Hub(tmp_path)
    made.quote(1000)
    made.say("market", "stale", bound_ns=SECOND)
    made.writer.close()
    made.market.close()
    other = Hub(tmp_path)
    other.quote(1010)
    other.look()
    assert other.look() == 0
    other.market.close()


def test_a_quote_of_the_hub_before_makes_nothing_fresh_and_is_the_reference(hub: Hub):
    hub.quote(1000)
    assert hub.look() == 0
    hub.writer.close()
    hub.begin(tick="0.1")
    assert hub.look() > 0 and hub.market.stale == {BTC: "has not spoken"}
    assert hub.references == {BTC: 1001}
    hub.quote(1010)
    assert hub.look() == 0
