"""A number on a tape stands for one instrument in one kind of units, whatever the venue lists."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from onetape.feeds.universe import CHANGED, DELISTED, DROPPED, LISTED, REDENOMINATED, Universe
from onetape.market.wanted import Wanted, symbols_wanted
from onetape.model.instrument import Instrument, from_symbol

NOW = 1_795_000_000_000_000_000


def listed(base: str, tick: str = "0.1", lot: str = "0.001") -> Instrument:
    return from_symbol(f"binance:{base}/USDT:USDT", raw_symbol=f"{base}USDT", tick=tick, lot=lot)


def changes(universe: Universe, *instruments: Instrument, turnovers: dict[str, float] | None = None):
    found = universe.update(instruments, turnovers or {}, NOW)
    return [(each.what, each.listing.instrument.base, each.listing.number) for each in found]


def test_what_is_listed_and_delisted_is_told_and_the_others_stay():
    universe = Universe(Wanted())
    assert changes(universe, listed("A"), listed("B")) == [(LISTED, "A", 1), (LISTED, "B", 2)]
    assert changes(universe, listed("B"), listed("A")) == []
    assert changes(universe, listed("C"), listed("A")) == [(DELISTED, "B", 2), (LISTED, "C", 3)]


def test_what_comes_back_under_the_same_name_is_another():
    universe = Universe(Wanted())
    changes(universe, listed("A"))
    changes(universe)
    assert changes(universe, listed("A")) == [(LISTED, "A", 2)]
    assert universe.listings["binance:A/USDT:USDT"].instrument.version == 2


def test_other_facts_are_a_version_and_other_units_a_number_of_their_own():
    universe = Universe(Wanted())
    changes(universe, listed("A", tick="0.1"))
    assert changes(universe, listed("A", tick="0.5")) == [(CHANGED, "A", 1)]
    assert changes(universe, listed("A", tick="0.01")) == [(REDENOMINATED, "A", 2)]
    renamed = structs.replace(listed("A", tick="0.01"), raw_symbol="1000AUSDT")
    assert changes(universe, renamed) == [(REDENOMINATED, "A", 3)]
    assert universe.listings["binance:A/USDT:USDT"].instrument.version == 4


def test_a_restart_goes_on_with_the_numbers_of_its_tape():
    before = Universe(Wanted())
    changes(before, listed("A"), listed("B"))
    recovered = {each.number: each.instrument for each in before.listings.values()}
    second = Universe(Wanted(), recovered)
    assert changes(second, listed("B"), listed("C"), listed("A", tick="0.5")) == [
        (LISTED, "B", 2),
        (LISTED, "C", 3),
        (LISTED, "A", 1),
    ]
    assert changes(Universe(Wanted(), recovered), listed("A", tick="0.01")) == [(LISTED, "A", 3)]


def choices(universe: Universe, **turnovers: float):
    return changes(
        universe, *map(listed, turnovers), turnovers={listed(base).symbol: each for base, each in turnovers.items()}
    )


def test_those_with_the_most_turnover_are_chosen_again_and_who_is_near_stays():
    universe = Universe(symbols_wanted("top:4"), needed=["binance:B/USDT:USDT", "binance:Z/USDT:USDT"])
    first = choices(universe, A=9, B=8, C=7, D=6, E=5, F=4, G=3)
    assert first == [(LISTED, base, n) for n, base in enumerate("ABCD", 1)] and universe.epoch == 1
    assert choices(universe, A=9, B=8, C=7, D=5, E=6, F=4, G=3) == [(LISTED, "E", 5)]  # D is the fifth
    assert choices(universe, A=9, B=8, C=7, D=6, E=5, F=4, G=3) == []  # and now E is
    assert universe.epoch == 2
    # Two are far behind: one of them is needed.
    assert choices(universe, A=9, B=1, C=7, D=1, E=5, F=8, G=6) == [
        (DROPPED, "D", 4),
        (LISTED, "F", 6),
        (LISTED, "G", 7),
    ]
    # What comes back trades as it did, under its number; what was delisted meanwhile is another.
    assert choices(universe, A=9, B=1, C=7, D=8, E=1, F=8, G=1) == [
        (DROPPED, "E", 5),
        (DROPPED, "G", 7),
        (LISTED, "D", 4),
    ]
    assert choices(universe, A=9, B=1, C=7, D=8, F=8, G=1) == []
    assert choices(universe, A=0, B=1, C=7, D=8, E=9, F=8, G=1) == [(DROPPED, "A", 1), (LISTED, "E", 8)]
    assert universe.epoch == 5


def test_without_a_word_on_turnover_nobody_comes_and_only_the_delisted_go():
    universe = Universe(symbols_wanted("top:2"))
    assert changes(universe, *map(listed, "ABC")) == []
    choices(universe, A=3, B=2, C=1)
    assert changes(universe, listed("A"), listed("C")) == [(DELISTED, "B", 2)]


def test_of_those_with_the_most_turnover_none_goes_that_is_near_the_last():
    universe = Universe(symbols_wanted("top:2"))
    three = [listed("A"), listed("B"), listed("C")]
    first = changes(universe, *three, turnovers={listed("A").symbol: 3, listed("B").symbol: 2, listed("C").symbol: 1})
    assert first == [(LISTED, "A", 1), (LISTED, "B", 2)]
    assert changes(
        universe, *three, turnovers={listed("A").symbol: 1, listed("B").symbol: 2, listed("C").symbol: 3}
    ) == [(LISTED, "C", 3)]
    assert changes(universe, *three) == []  # nobody said what was traded
    three[0] = listed("A", tick="0.5")  # it fell out of the two with the most, and is followed all the same
    assert changes(universe, *three, turnovers={listed("B").symbol: 2, listed("C").symbol: 3}) == [(CHANGED, "A", 1)]


def test_names_that_do_not_trade_yet_are_missing_until_they_do():
    universe = Universe(symbols_wanted("binance:A/USDT:USDT,binance:Z/USDT:USDT"))
    assert changes(universe, listed("A"), listed("B")) == [(LISTED, "A", 1)]
    assert universe.missing() == ["binance:Z/USDT:USDT"]
    assert changes(universe, listed("A"), listed("Z")) == [(LISTED, "Z", 2)]
    assert universe.missing() == []


@dataclass(frozen=True)
class Row:
    base: str
    tick: str


ROWS = st.lists(
    st.builds(Row, st.sampled_from("ABCDE"), st.sampled_from(["0.1", "0.5", "0.01", "0.001"])),
    unique_by=lambda row: row.base,
)


@given(st.lists(ROWS, max_size=12), st.integers(0, 11))
def test_no_number_ever_stands_for_two_things_whatever_is_listed_and_whenever_it_restarts(lists, restart):
    universe, meaning, tape = Universe(Wanted()), {}, {}
    for step, rows in enumerate(lists):
        if step == restart:
            universe = Universe(Wanted(), dict(tape))
        for change in universe.update([listed(row.base, row.tick) for row in rows], {}, NOW):
            number, i = change.listing
            units = (i.symbol, i.raw_symbol, i.price_decimals, i.size_decimals)
            assert meaning.setdefault(number, units) == units
            if change.what != DELISTED:
                tape[number] = i
        assert {s: each.instrument.tick for s, each in universe.listings.items()} == {
            listed(row.base).symbol: listed(row.base, row.tick).tick for row in rows
        }
