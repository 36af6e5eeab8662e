"""Books of several sources into one: what is written is always one venue's book, never a mixture, and never
steps back. Held against a reader that knows nothing but what is written."""

from __future__ import annotations

import random

import pytest
from core_tested import Merge
from hypothesis import given
from hypothesis import strategies as st

from onetape._core import FLAG_GAP, FLAG_SNAPSHOT, FLAG_UNSYNCED, MERGE_NONE
from onetape.model.time import SECOND

T0 = 1_767_225_600 * SECOND
MS = 10**6
LOST = FLAG_GAP | FLAG_UNSYNCED


class Venue:
    """A book and all its changes. Prices are 100..109; the size at 99 is the number of the newest change."""

    def __init__(self, seed: int, count: int) -> None:
        chance = random.Random(seed)
        self.changes: list[tuple[list, list]] = []
        self.books: list[tuple[list, list]] = []
        bids, asks = {104: 5}, {105: 5}
        for number in range(count + 1):
            side, base = chance.choice([(bids, 100), (asks, 105)])
            price, size = base + chance.randrange(5), chance.choice([0, 0, 1, 2, 3])
            side[price], bids[99] = size, number + 1
            row, mark = [(price, size)], (99, number + 1)
            self.changes.append(([*row, mark], []) if side is bids else ([mark], row))
            if not size:
                del side[price]
            self.books.append((sorted(bids.items(), reverse=True), sorted(asks.items())))


class Reader:
    """Follows what is written, and checks it against the venue's book of that moment."""

    def __init__(self, core: Merge, venue: Venue) -> None:
        self.core, self.venue = core, venue
        self.book: tuple[dict, dict] | None = None
        self.number = -1  # of the newest change that it has had

    def bring(self, source: int, number: int, at: int = T0, flags: int = 0) -> str:
        """A change of the venue, or with FLAG_SNAPSHOT the book after it, as a source brings it."""
        if flags == LOST:
            event = previous = last = 0
            bids, asks = [], []
        else:
            event, last = T0 + number * MS, 1000 + number
            bids, asks = self.venue.books[number] if flags else self.venue.changes[number]
            previous = 0 if flags else last - 1
        _, what, leader = self.core.book(source, 0, event, at, previous, last, bids, asks, flags)
        if what == "change":
            assert leader == source and self.book is not None
            for side, rows in zip(self.book, (bids, asks), strict=True):
                side.update(rows)
                for price in [price for price, size in rows if not size]:
                    del side[price]
        elif what == "snapshot":
            found = self.core.levels(0)
            self.book = dict(found[0]), dict(found[1])
        elif what == "lost":
            self.book = None
        if what in ("change", "snapshot"):
            has = self.book[0][99] - 1
            assert has >= self.number, "it steps back"
            assert what == "snapshot" or has == self.number + 1, "a change is missing"
            self.number = has
            assert (sorted(self.book[0].items(), reverse=True), sorted(self.book[1].items())) == self.venue.books[has]
        return what


def merged(sources: int = 2, **options) -> Merge:
    core = Merge(**options)
    for rank in range(sources):
        core.add_source(rank)
    core.add_symbol()
    return core


def test_one_leads_and_another_takes_over_at_its_gap_with_a_book_that_is_not_behind():
    reader = Reader(merged(), Venue(1, 30))
    assert reader.bring(0, 3, flags=FLAG_SNAPSHOT) == "snapshot"
    assert reader.bring(1, 2, flags=FLAG_SNAPSHOT) == "nothing"
    assert [reader.bring(0, number) for number in range(4, 8)] == ["change"] * 4
    assert [reader.bring(1, number) for number in range(3, 8)] == ["nothing"] * 5
    assert reader.bring(0, 9) == "snapshot" and reader.number == 7  # the eighth is missing: the other has the seventh
    assert reader.bring(1, 8) == "change"
    assert reader.bring(0, 10, flags=FLAG_SNAPSHOT) == "snapshot" and reader.number == 10  # better ranked, and ahead


def test_where_no_chain_is_whole_it_is_said_and_nothing_older_begins_it_anew():
    reader = Reader(merged(), Venue(2, 30))
    reader.bring(0, 5, flags=FLAG_SNAPSHOT)
    assert reader.bring(0, 6, flags=LOST) == "lost"
    assert reader.bring(1, 4, flags=FLAG_SNAPSHOT) == "nothing"
    assert reader.bring(1, 5) == "snapshot"


def test_a_leader_that_is_frozen_is_left_behind_after_the_bound_and_not_before():
    reader = Reader(merged(stale_ns=2 * SECOND), Venue(3, 30))
    for source in (0, 1):
        reader.bring(source, 5, flags=FLAG_SNAPSHOT)
    assert reader.bring(1, 6, T0 + 2 * SECOND) == "nothing"
    assert reader.bring(1, 7, T0 + 2 * SECOND + 1) == "snapshot" and reader.number == 7
    assert reader.bring(0, 6, T0 + 3 * SECOND) == "nothing"  # it comes back, behind
    assert reader.bring(0, 7, T0 + 3 * SECOND) == "snapshot"  # it has caught up, and is the better one


def test_a_failing_leader_yields_at_once():
    reader = Reader(merged(), Venue(4, 30))
    for source in (0, 1):
        reader.bring(source, 5, flags=FLAG_SNAPSHOT)
    reader.core.set_rank(0, 2000)
    assert reader.bring(1, 6) == "snapshot" and reader.number == 6


def test_a_pin_decides_as_soon_as_the_pinned_one_has_caught_up():
    reader = Reader(merged(), Venue(4, 30))
    reader.bring(0, 5, flags=FLAG_SNAPSHOT)
    reader.bring(1, 4, flags=FLAG_SNAPSHOT)
    reader.core.pin(0, 1)
    assert reader.bring(0, 6) == "change"
    assert [reader.bring(1, 5), reader.bring(1, 6)] == ["nothing", "snapshot"]
    assert [reader.bring(0, 7), reader.bring(1, 7)] == ["nothing", "change"]
    reader.core.pin(0, MERGE_NONE)
    assert reader.bring(0, 8) == "snapshot"


@pytest.mark.parametrize(("side", "row"), [("crossed", (107, 1)), ("negative", (104, -1))])
def test_a_book_that_crosses_or_has_a_negative_size_is_not_the_market_s(side, row):
    reader = Reader(merged(sources=1, filters=True), Venue(5, 10))
    reader.bring(0, 0, flags=FLAG_SNAPSHOT)
    reader.core.book(0, 0, T0 + MS, T0, 1000, 1001, [], [(105, 1)], 0)
    outcome, what, _ = reader.core.book(0, 0, T0 + 2 * MS, T0, 1001, 1002, [row], [], 0)
    assert (outcome, what) == ("bad", "lost") and reader.core.levels(0) == ([], []), side
    assert reader.bring(0, 3, flags=FLAG_SNAPSHOT) == "snapshot"


@pytest.mark.parametrize("sources", [1, 2, 3])
@given(data=st.data())
def test_whatever_sources_lose_what_is_written_is_the_venue_s_own_book(sources, data):
    """Each brings the venue's changes in order, with losses that it says or does not, and snapshots now and then; they
    are ahead of and behind each other. What is written is the venue's book of one moment, and the moments never go
    back (Reader.bring)."""
    reader, places = Reader(merged(sources), Venue(data.draw(st.integers(0, 50)), 60)), [0] * sources
    now, written = T0, 0
    for _ in range(data.draw(st.integers(1, 80))):
        source = data.draw(st.integers(0, sources - 1))
        now += data.draw(st.sampled_from([0, MS, SECOND]))
        kind = data.draw(st.sampled_from(["change"] * 6 + ["snapshot", "skip", "lost"]))
        places[source] = number = min(places[source] + (2 if kind == "skip" else kind != "lost"), 60)
        flags = {"snapshot": FLAG_SNAPSHOT, "lost": LOST}.get(kind, 0)
        written += reader.bring(source, number, now, flags) == "snapshot"
    if not written:  # a whole chain is taken, whatever came before
        assert reader.bring(0, 60, now + 10 * SECOND, FLAG_SNAPSHOT) == "snapshot"
