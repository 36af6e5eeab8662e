"""Depth on a gateway's tape: real processes, books as the exchange has them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from exchange.venue_process import VenueProcess
from onetape._core import FLAG_GAP, FLAG_SNAPSHOT, FLAG_UNSYNCED, Book
from onetape.model.home import gateway_journal
from onetape.tape.journal import JournalReader
from onetape.venues.numbers import units_of
from waiting import wait_for
from worlds.gateway_process import TRADED, GatewayProcess, Robot

WHOLE = ("pacifica", "hyperliquid")  # they send whole books alone, of few levels


@pytest.fixture(params=TRADED)
def world(request, tmp_path):
    """(kind, exchange, gateway, number of a robot that is attached)."""
    kind = request.param
    venue = VenueProcess(tmp_path / "state", kind)
    account = SimpleNamespace(**venue.ready["accounts"][0])
    gateway = GatewayProcess(kind, tmp_path / "home", venue.port, account)
    gateway.start()
    robot = Robot(tmp_path / "robot", gateway, 1)
    yield kind, venue, gateway, robot.number
    gateway.kill()
    robot.writer.close()
    venue.stop()


def frames(gateway: GatewayProcess) -> list:
    with JournalReader(gateway_journal(gateway.home, "main")) as reader:
        return [(f.sequence, f.flags, bytes(f.payload)) for f in reader.frames(("book",))]


def book_of(rows: list) -> Book:
    book = Book()
    for _, flags, payload in rows:
        book.apply_payload(payload, flags)
    return book


def test_the_tape_has_the_exchanges_book(world):
    kind, venue, gateway, robot = world
    symbol = TRADED[kind][0]
    assert frames(gateway) == []  # nobody wanted it
    assert gateway.ask("follow", robot=robot, books=[symbol, "x:NO/NE"])["lacking"] == ["x:NO/NE"]
    wait_for(lambda: book_of(frames(gateway)).synced)
    if kind == "binance-usdm":
        assert_equal_at_one_update(venue, gateway)
    wait_for(lambda: len(frames(gateway)) > 20)
    rows = frames(gateway)
    first = next(n for n, (_, flags, _) in enumerate(rows) if flags & FLAG_SNAPSHOT)
    later = {flags for _, flags, _ in rows[first + 1 :]}
    if kind == "binance-spot":  # a change that ends where the snapshot does may come after it, and is left out
        later.discard(FLAG_UNSYNCED)
    assert later == ({FLAG_SNAPSHOT} if kind in WHOLE else {0})
    book = book_of(rows)
    assert book.best_bid[0] < book.best_ask[0]
    assert book.bid_count > (5 if kind in WHOLE else 20)


def assert_equal_at_one_update(venue: VenueProcess, gateway: GatewayProcess) -> None:
    """The book on the tape, when it has come to the update that the exchange's answer is of."""
    for _ in range(50):
        path = "/fapi/v1/depth?symbol=BTCUSDT&limit=100"
        answer = venue.wire.request("GET", path, b"", {})[1]
        wait_for(lambda at=answer["lastUpdateId"]: book_of(frames(gateway)).last_id >= at)
        book = Book()
        for _, flags, payload in frames(gateway):
            book.apply_payload(payload, flags)
            if book.synced and book.last_id == answer["lastUpdateId"]:
                assert book.bids(100) == levels(answer["bids"])
                assert book.asks(100) == levels(answer["asks"])
                return
    pytest.fail("no change ended where an answer was")


def levels(rows: list) -> list[tuple[int, int]]:
    return [(units_of(price, 1), units_of(size, 3)) for price, size in rows]


def test_who_comes_later_begins_with_a_snapshot_of_the_same_book(world):
    kind, _, gateway, robot = world
    symbol = TRADED[kind][0]
    gateway.ask("follow", robot=robot, books=[symbol])
    wait_for(lambda: book_of(frames(gateway)).synced)
    before = len(frames(gateway))
    gateway.ask("follow", robot=robot, books=[symbol])
    wait_for(lambda: len(frames(gateway)) > before + 5)
    rows = frames(gateway)
    second = max(n for n, (_, flags, _) in enumerate(rows) if flags & FLAG_SNAPSHOT)
    assert second >= before
    early, late = book_of(rows), book_of(rows[second:])
    assert late.synced
    assert late.bids(1000) == early.bids(1000)
    assert late.asks(1000) == early.asks(1000)
    assert [flags for _, flags, _ in rows[before:] if flags & FLAG_GAP] == []


def test_a_book_that_was_cut_off_says_so_and_comes_back(world, tmp_path):
    kind, venue, gateway, robot = world
    gateway.ask("follow", robot=robot, books=[TRADED[kind][0]])
    wait_for(lambda: book_of(frames(gateway)).synced)
    venue.stop()
    wait_for(lambda: not book_of(frames(gateway)).synced)
    assert frames(gateway)[-1][1] == FLAG_GAP | FLAG_UNSYNCED
    second = VenueProcess(tmp_path / "state", kind, port=venue.port)
    try:
        wait_for(lambda: book_of(frames(gateway)).synced)
    finally:
        second.stop()
