"""The book over real captures, against facts computed elsewhere with decimals."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from depth_capture import Change, depth, levels

from onetape._core import FLAG_SNAPSHOT, Book

CAPTURES = [
    # capture, decimals of price and size, seed
    ("binance-usdm/btcusdt-2024-08-08.raw.gz", "BTCUSDT", (2, 3), None),
    ("binance-coinm/btcusd_perp-2024-08-08.raw.gz", "BTCUSD_PERP", (1, 0), None),
    ("binance-spot/btcusdt-2024-08-08.raw.gz", "BTCUSDT", (8, 8), None),
    ("binance-spot/btcusdt-2024-08-09.raw.gz", "BTCUSDT", (8, 8), "binance-spot/btcusdt-2024-08-09.seed-book.json.gz"),
]


def play(book: Book, change: Change) -> tuple[str, bool, bool]:
    result: tuple[str, bool, bool] = book.apply(
        change.bids,
        change.asks,
        first_id=change.first_id,
        last_id=change.last_id,
        previous_id=change.previous_id,
        flags=FLAG_SNAPSHOT if change.is_snapshot else 0,
    )
    return result


def seed_change(path: Path, symbol: str, decimals: tuple[int, int]) -> Change:
    with gzip.open(path, "rt") as file:
        body = json.load(file)["books"][symbol]
    return Change(True, levels(body["bids"], decimals), levels(body["asks"], decimals), 0, body["lastUpdateId"], 0)


def check_final(book: Book, final: dict[str, Any], decimals: tuple[int, int]) -> None:
    price, size = (Decimal(10) ** d for d in decimals)

    def exact(side: list[tuple[int, int]]) -> list[tuple[Decimal, Decimal]]:
        return [(p / price, s / size) for p, s in side]

    def exact_levels(rows: list[list[str]]) -> list[tuple[Decimal, Decimal]]:
        return [(Decimal(p), Decimal(s)) for p, s in rows]

    assert (book.bid_count, book.ask_count) == (final["bid_levels"], final["ask_levels"])
    assert exact(book.bids(3)) == exact_levels(final["top_bids"])
    assert exact(book.asks(3)) == exact_levels(final["top_asks"])
    assert sum(s for _, s in book.bids(10**6)) / size == Decimal(final["bid_qty_total"])
    assert sum(s for _, s in book.asks(10**6)) / size == Decimal(final["ask_qty_total"])
    assert book.crossed == final["crossed"]


@pytest.mark.parametrize(("name", "symbol", "decimals", "seed"), CAPTURES)
def test_a_capture_ends_in_the_known_book(
    shared: Path, facts: dict[str, Any], name: str, symbol: str, decimals: tuple[int, int], seed: str | None
) -> None:
    expected = facts[name]["symbols"][symbol]
    book = Book()
    if seed:
        assert play(book, seed_change(shared / seed, symbol, decimals))[0] == "snapshot"
    price, size = (Decimal(10) ** d for d in decimals)
    compared = equal = 0
    tickers: dict[int, tuple[int, ...]] = {}
    tops: dict[int, tuple[int, ...]] = {}
    for item in depth(shared / name, decimals):
        if isinstance(item, tuple):
            bid, bid_size, ask, ask_size = map(Decimal, item[1:])
            exact = (bid * price, bid_size * size, ask * price, ask_size * size)
            tickers[item[0]] = tuple(int(x) for x in exact)
            continue
        outcome, crossed, _ = play(book, item)
        assert outcome in ("applied", "snapshot", "stale", "waiting")
        assert not crossed
        if outcome == "applied":
            tops[book.last_id] = (*book.best_bid, *book.best_ask)
    for update_id in tickers.keys() & tops.keys():
        compared += 1
        equal += tickers[update_id] == tops[update_id]
    counts = book.counts
    assert counts["gaps"] == 0
    assert counts["applied"] == expected["depth"]["applied"]
    assert counts["stale"] == expected["depth"]["dropped_before_snapshot"]
    assert book.last_id == expected["depth"]["last_u"]
    check_final(book, expected["depth"]["final_book"], decimals)
    assert compared == equal
    assert compared > 0


@pytest.mark.parametrize(("name", "symbol", "decimals", "seed"), CAPTURES[:3])
def test_a_missing_message_is_a_gap_and_never_a_wrong_book(
    shared: Path, name: str, symbol: str, decimals: tuple[int, int], seed: str | None
) -> None:
    book = Book()
    rng = np.random.default_rng(7)
    drop = int(rng.integers(100, 300))
    applied = 0
    lost = False
    for item in depth(shared / name, decimals, limit=20_000):
        if isinstance(item, tuple):
            continue
        if book.synced and not item.is_snapshot:
            applied += 1
            if applied == drop:
                lost = True
                continue
        outcome, _, _ = play(book, item)
        if lost:
            assert outcome in ("gap", "waiting")
            assert not book.synced
            assert (book.bid_count, book.ask_count) == (0, 0)
            assert book.best_bid is None
    assert lost
    assert book.counts["gaps"] == 1
