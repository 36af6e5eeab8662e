"""The book's rules one by one, and its levels against a dict."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from long_form import examples
from onetape._core import FLAG_GAP, FLAG_LATE, FLAG_SNAPSHOT, FLAG_UNSYNCED, Book

Rows = list[tuple[int, int]]


def rows(levels: Rows) -> NDArray[np.int64]:
    return np.array(levels, dtype=np.int64).reshape(-1, 2)


def put(
    book: Book, bids: Rows, asks: Rows, f: int = 0, u: int = 0, pu: int = 0, flags: int = 0
) -> tuple[str, bool, bool]:
    result: tuple[str, bool, bool] = book.apply(
        rows(bids), rows(asks), first_id=f, last_id=u, previous_id=pu, flags=flags
    )
    return result


def seeded(last_id: int = 100) -> Book:
    book = Book()
    put(book, [(99, 5), (98, 7)], [(101, 4), (102, 6)], u=last_id, flags=FLAG_SNAPSHOT)
    return book


# The change after a snapshot at id 100: (first, last, previous) -> outcome.
BRIDGES = [
    ((90, 99, 80), "stale"),
    ((95, 100, 90), "applied"),  # futures: U <= L <= u
    ((100, 110, 99), "applied"),
    ((101, 110, 100), "applied"),  # names the snapshot itself
    ((101, 110, 99), "gap"),
    ((0, 110, 99), "gap"),  # without a first id only the name of its predecessor counts
    ((0, 110, 100), "applied"),
    ((90, 100, 0), "stale"),  # spot: u <= L
    ((95, 105, 0), "applied"),  # spot: U <= L + 1 <= u
    ((101, 105, 0), "applied"),
    ((102, 105, 0), "gap"),
    ((0, 101, 0), "applied"),  # order is known, completeness is not
    ((0, 100, 0), "stale"),
    ((0, 0, 0), "applied"),  # no ids, no check
]


@pytest.mark.parametrize(("ids", "outcome"), BRIDGES)
def test_the_first_change_must_bridge_the_snapshot(ids: tuple[int, int, int], outcome: str) -> None:
    book = seeded()
    assert put(book, [(99, 9)], [], *ids)[0] == outcome
    assert book.synced == (outcome != "gap")
    assert book.bid_size_at(99) == {"applied": 9, "stale": 5, "gap": 0}[outcome]


# The change after one that ended at id 110.
CHAIN = [
    ((111, 120, 110), "applied"),
    ((105, 120, 110), "applied"),
    ((105, 120, 104), "gap"),  # straddling is for snapshots
    ((112, 120, 111), "gap"),
    ((101, 110, 100), "stale"),  # the same message again
    ((1, 3, 110), "applied"),  # the venue counts anew and says so
    ((111, 115, 0), "applied"),
    ((105, 115, 0), "gap"),
    ((112, 115, 0), "gap"),
    ((101, 110, 0), "stale"),
]


@pytest.mark.parametrize(("ids", "outcome"), CHAIN)
def test_each_later_change_continues_the_one_before(ids: tuple[int, int, int], outcome: str) -> None:
    book = seeded()
    put(book, [], [], 101, 110, 100)
    assert put(book, [], [], *ids)[0] == outcome
    assert book.synced == (outcome != "gap")


def test_changes_before_the_snapshot_are_replayed_on_it() -> None:
    book = Book()
    for u in (90, 100, 110, 120):
        assert put(book, [(90, u)], [], u - 9, u, u - 10)[0] == "waiting"
    outcome, _, _ = put(book, [(90, 1), (80, 2)], [(95, 1)], u=105, flags=FLAG_SNAPSHOT)
    assert outcome == "snapshot"
    assert book.last_id == 120
    assert book.bids(9) == [(90, 120), (80, 2)]
    assert book.counts == {"applied": 2, "snapshots": 1, "stale": 2, "waiting": 4, "gaps": 0, "refused": 0}


def test_a_snapshot_before_a_hole_in_the_kept_changes_does_not_heal_it() -> None:
    book = Book()
    put(book, [(90, 1)], [], 101, 110, 100)
    put(book, [(90, 3)], [], 121, 130, 120)
    put(book, [(90, 4)], [], 131, 140, 130)
    assert put(book, [(90, 9)], [], u=105, flags=FLAG_SNAPSHOT)[0] == "gap"
    assert not book.synced
    assert put(book, [(90, 9)], [], u=125, flags=FLAG_SNAPSHOT)[0] == "snapshot"
    assert book.synced
    assert book.best_bid == (90, 4)


@pytest.mark.parametrize("flag", [FLAG_GAP, FLAG_UNSYNCED])
def test_a_flag_of_the_frame_ends_the_chain(flag: int) -> None:
    book = seeded()
    assert put(book, [(99, 1)], [], 101, 102, 100, flags=flag)[0] == "gap"
    assert not book.synced
    assert book.bid_count == 0


def test_a_change_that_came_late_to_a_newer_snapshot_takes_nothing_away() -> None:
    """As an importer flags it: older than the snapshot, so it stands on nothing."""
    book = seeded(last_id=100)
    assert put(book, [(99, 1)], [], 90, 100, flags=FLAG_UNSYNCED)[0] == "stale"
    assert put(book, [(99, 1)], [], 90, 99, 89, flags=FLAG_UNSYNCED)[0] == "stale"
    assert book.best_bid == (99, 5)
    assert put(book, [(99, 7)], [], 101, 103)[0] == "applied"
    assert book.best_bid == (99, 7)


@pytest.mark.parametrize(
    ("flags", "outcome", "synced"),
    [
        (FLAG_SNAPSHOT | FLAG_UNSYNCED, "stale", True),  # older than what is known
        (FLAG_SNAPSHOT | FLAG_UNSYNCED | FLAG_GAP, "gap", False),  # its checksum is wrong
    ],
)
def test_a_snapshot_that_is_flagged_is_none_to_stand_on(flags: int, outcome: str, synced: bool) -> None:
    book = seeded()
    assert put(book, [(50, 1)], [(51, 1)], u=90, flags=flags)[0] == outcome
    assert book.synced is synced
    assert book.best_bid == ((99, 5) if synced else None)
    fresh = Book()
    assert put(fresh, [(50, 1)], [(51, 1)], u=90, flags=flags)[0] != "snapshot"
    assert not fresh.synced


def test_a_late_frame_is_dropped() -> None:
    book = seeded()
    assert put(book, [(99, 1)], [], flags=FLAG_LATE)[0] == "stale"
    assert book.best_bid == (99, 5)


def test_a_frozen_book_is_found() -> None:
    book = seeded(last_id=1_000_000)
    outcomes = [put(book, [], [], u, u)[0] for u in range(1, 4098)]
    assert outcomes[-1] == "gap"
    assert set(outcomes[:-1]) == {"stale"}


@pytest.mark.parametrize("flags", [0, FLAG_SNAPSHOT])
def test_a_negative_size_is_refused_whole(flags: int) -> None:
    book = seeded()
    assert put(book, [(99, 1)], [(103, -1)], flags=flags)[0] == "refused"
    assert not book.synced
    assert book.counts["refused"] == 1


def test_a_crossed_result_is_reported() -> None:
    book = seeded()
    assert put(book, [(101, 1)], []) == ("applied", True, True)
    assert book.crossed
    assert put(book, [], [(101, 0)]) == ("applied", False, True)


def test_top_changed_tells_price_or_size_at_the_touch() -> None:
    book = seeded()
    assert put(book, [(98, 8)], [(102, 1)]) == ("applied", False, False)
    assert put(book, [(99, 6)], []) == ("applied", False, True)
    assert put(book, [], [(101, 0)]) == ("applied", False, True)


def test_a_payload_that_lies_about_its_length_is_refused() -> None:
    payload = bytes(40) + (2).to_bytes(4, "little") + (0).to_bytes(4, "little") + bytes(16)
    with pytest.raises(ValueError, match="length"):
        Book().apply_payload(payload)
    assert Book().apply_payload(payload + bytes(16), FLAG_SNAPSHOT)[0] == "snapshot"


def test_a_copy_stays_as_it_was() -> None:
    book = seeded()
    kept = book.copy()
    put(book, [(99, 0)], [])
    assert kept.best_bid == (99, 5)
    assert book.best_bid == (98, 7)


edges = st.sampled_from([-(2**63), 2**63 - 1, -1, 0])
prices = st.integers(-40, 40) | edges
level = st.tuples(prices, st.integers(0, 3))
side = st.lists(level, max_size=30)


@settings(max_examples=examples(300), deadline=None)
@given(start=st.tuples(side, side), changes=st.lists(st.tuples(side, side), max_size=12))
def test_levels_equal_a_plain_dict(start: tuple[Rows, Rows], changes: list[tuple[Rows, Rows]]) -> None:
    book = Book()
    model: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for i, (bids, asks) in enumerate([start, *changes]):
        for recorded, new in zip(model, (bids, asks), strict=True):
            for price, size in new:
                recorded[price] = size
                if size == 0:
                    del recorded[price]
        before = (book.best_bid, book.best_ask)
        _, crossed, top_changed = put(book, bids, asks, flags=0 if i else FLAG_SNAPSHOT)
        want_bids = sorted(model[0].items(), reverse=True)
        want_asks = sorted(model[1].items())
        assert book.bids(999) == want_bids
        assert book.asks(999) == want_asks
        assert crossed == bool(want_bids and want_asks and want_bids[0][0] >= want_asks[0][0])
        if i:
            assert top_changed == ((book.best_bid, book.best_ask) != before)
        for price in range(-41, 42):
            assert book.bid_size_at(price) == model[0].get(price, 0)
            assert book.ask_size_at(price) == model[1].get(price, 0)
