"""Which streams are one listing: whatever is listed, delisted and listed anew, and in whatever order
the sources hear of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from onetape.hub.listings import Listings
from onetape.model.instrument import Instrument, from_symbol

BTC, ETH = "binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT"


def instrument(symbol: str = BTC, tick: str = "0.1", **more) -> Instrument:
    return structs.replace(from_symbol(symbol, tick=tick, lot="0.001"), inferred=(), **more)


def number(placed) -> int | None:
    return None if placed.listing is None else placed.listing.number


def test_a_symbol_of_two_sources_is_one_listing_whatever_its_place():
    listings = Listings()
    assert number(listings.announced(0, 1, instrument())) == 0
    assert number(listings.announced(0, 2, instrument(ETH))) == 1
    assert number(listings.announced(1, 1, instrument(ETH))) == 1
    assert number(listings.announced(1, 2, instrument())) == 0


def test_a_source_that_lists_a_symbol_anew_begins_a_listing_and_the_others_follow():
    listings = Listings()
    for source in (0, 1):
        listings.announced(source, 1, instrument())
    placed = listings.announced(0, 2, instrument())
    assert (number(placed), placed.is_new, placed.ended) == (1, True, listings.all[0])
    # The other has not heard yet: what it sends is still of the one that ended.
    old = listings.of(1, 1)
    assert old is not None and old.number == 0 and old.is_ended
    placed = listings.announced(1, 2, instrument())
    assert (number(placed), placed.is_new) == (1, False)


def test_other_units_are_another_listing_and_who_counts_otherwise_is_not_heard():
    listings = Listings()
    for source in (0, 1):
        listings.announced(source, 1, instrument())
    placed = listings.announced(0, 2, instrument(tick="0.01"))
    assert (number(placed), placed.is_new) == (1, True)
    assert number(listings.announced(2, 1, instrument())) is None  # of an older list
    assert number(listings.announced(2, 2, instrument(tick="0.001", version=9))) == 2
    inferred = structs.replace(instrument(tick="0.0001", version=10), inferred=("tick",))
    assert number(listings.announced(3, 1, inferred)) is None


def test_facts_that_change_no_units_are_written_once():
    listings = Listings()
    for source in (0, 1):
        listings.announced(source, 1, instrument())
    changed = structs.replace(instrument(tick="0.5", version=2), price_decimals=1)
    assert listings.announced(0, 1, changed)[:3] == (listings.all[0], False, True)
    assert listings.announced(1, 1, changed)[:3] == (listings.all[0], False, False)
    # One that was slower to hear of it changes nothing back.
    assert listings.announced(2, 1, instrument())[:3] == (listings.all[0], False, False)
    assert listings.all[0].instrument.tick == changed.tick


def test_what_has_ended_ends_once_and_is_listed_anew_under_another_number():
    listings = Listings()
    for source in (0, 1):
        listings.announced(source, 1, instrument())
    assert listings.ended_by(0, 1) is listings.all[0]
    assert listings.ended_by(1, 1) is None and listings.ended_by(0, 9) is None
    assert number(listings.announced(0, 2, instrument())) == 1
    assert number(listings.announced(1, 2, instrument())) == 1


def test_a_restart_finds_the_listings_that_there_were():
    before = Listings()
    before.announced(0, 1, instrument())
    before.announced(0, 2, instrument(ETH))
    before.announced(0, 3, instrument(tick="0.01"))
    ended = [each.number for each in before.current.values() if each.is_ended]
    after = Listings([each.instrument for each in before.all], ended)
    streams = {1: instrument(), 2: instrument(ETH), 3: instrument(tick="0.01")}
    placed = after.followed(0, streams)
    assert {stream: number(each) for stream, each in placed} == {2: 1, 3: 2}
    assert not any(each.is_new or each.is_changed for _, each in placed)
    assert after.of(0, 1) is None  # its last word on the symbol is another stream


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.sampled_from(["list", "end", "redenominate"]))))
def test_a_stream_never_changes_its_symbol_nor_its_units(steps):
    listings, streams, ticks = Listings(), [0, 0, 0], ["0.1", "0.1"]
    for source, which, what in steps:
        symbol = (BTC, ETH)[which]
        if what == "end":
            for stream in range(1, streams[source] + 1):
                found = listings.of(source, stream)
                if found is not None and found.symbol == symbol:
                    listings.ended_by(source, stream)
            continue
        if what == "redenominate":
            ticks[which] = "0.01" if ticks[which] == "0.1" else "0.1"
        streams[source] += 1
        made = instrument(symbol, ticks[which])
        placed = listings.announced(source, streams[source], made)
        if placed.listing is not None:
            assert placed.listing.symbol == symbol
            assert placed.listing.instrument.price_decimals == made.price_decimals
        live = [each.symbol for each in listings.all if not each.is_ended]
        assert len(live) == len(set(live))
