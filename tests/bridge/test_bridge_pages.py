"""Pages of trades at venues that begin at either end: every trade is told, and there is an end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from onetape.bridge.pages import Page

LIMIT = 5
PAGES_MAX = 400


class Venue:
    """Trades as (ms, id). newest: which end of the time asked for a page begins at; grain: ms to
    which it rounds `until` up, as Kraken through ccxt does."""

    def __init__(self, times: list[int], *, newest: bool, grain: int = 1) -> None:
        self.trades = sorted((ms, number) for number, ms in enumerate(times))
        self.newest = newest
        self.grain = grain

    def page(self, since: int, params: dict[str, int]) -> list[tuple[int, int]]:
        until = params.get("until")
        if until is not None:
            until = -(-until // self.grain) * self.grain
        there = [t for t in self.trades if t[0] >= since and (until is None or t[0] <= until)]
        if self.newest:
            end = len(there) - params.get("ofs", 0)
            return there[max(end - LIMIT, 0) : max(end, 0)]
        return there[:LIMIT]


def collected(venue: Venue, offsets: str = "") -> list[tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    said: dict[str, int] = {"since": 0}
    for _ in range(PAGES_MAX):
        page = Page(said, offsets)
        rows = venue.page(page.since, page.params)
        found |= {number: (ms, number) for ms, number in rows}
        said = page.after([ms for ms, _ in rows], is_full=len(rows) >= LIMIT)
        if not said:
            return sorted(found.values())
    raise AssertionError("pages without an end")


def sparse() -> st.SearchStrategy[list[int]]:
    """Never more trades of one time than fit on half a page."""
    return st.lists(st.integers(1, 10**6), max_size=60, unique=True).map(
        lambda times: [ms for ms in times for _ in range(1 + ms % 2)]
    )


@given(sparse(), st.booleans())
def test_all_trades_are_told_whichever_end_a_venue_begins_at(times, newest):
    venue = Venue(times, newest=newest)
    assert collected(venue) == venue.trades


@given(st.lists(st.integers(1, 50), max_size=60))
def test_all_trades_are_told_by_offset_however_many_have_one_time(times):
    venue = Venue(times, newest=True)
    assert collected(venue, "ofs") == venue.trades


@given(st.lists(st.integers(1, 20), max_size=60), st.booleans(), st.sampled_from([1, 1000]))
def test_more_trades_of_one_time_than_fit_on_a_page_are_no_endless_loop(times, newest, grain):
    venue = Venue(times, newest=newest, grain=grain)
    assert set(collected(venue)) <= set(venue.trades)


def test_one_crowded_moment_hides_none_of_the_other_trades():
    crowded = [500] * 9
    venue = Venue([*range(1, 30), *crowded, *range(600, 630)], newest=True)
    missing = set(venue.trades) - set(collected(venue))
    assert {ms for ms, _ in missing} == {500}
    assert len(missing) == len(crowded) - LIMIT
