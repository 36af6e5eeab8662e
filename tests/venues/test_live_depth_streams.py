"""Depth of one instrument, message by message: when a snapshot is asked for, what ends a chain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest

from onetape._core import FLAG_GAP, FLAG_SNAPSHOT, FLAG_UNSYNCED
from onetape.model import catalogue
from onetape.model.time import SECOND
from onetape.orders.calls import Call
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.venues.binance.depth import BinanceDepth
from onetape.venues.depth import DepthStream
from onetape.venues.kraken.depth import LEVELS, KrakenDepth

BROKEN = FLAG_GAP | FLAG_UNSYNCED


class Depth:
    """A depth stream, and the flags of what each message adds to its tape."""

    def __init__(self, stream: DepthStream, path: Path) -> None:
        self.stream = stream
        self.book = stream.book
        self._writer = JournalWriter(path / "tape", durable=False)
        self._reader = JournalReader(path / "tape")

    @property
    def broken(self) -> str:
        return self.stream.broken

    def question(self, now: int) -> Call | None:
        return self.stream.question(now)

    def take(self, message: bytes, received: int) -> list[int]:
        self.stream.take(message, received, self._writer.core)
        return self._new()

    def answered(self, status: int, body: bytes, received: int) -> list[int]:
        self.stream.answered(status, body, received, self._writer.core)
        return self._new()

    def snapshot(self, received: int) -> list[int]:
        self.stream.snapshot(received, self._writer.core)
        return self._new()

    def _new(self) -> list[int]:
        found = list(self._reader.frames(("book",)))
        assert {frame.stream for frame in found} <= {3}
        return [frame.flags for frame in found]

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


@pytest.fixture
def binance(tmp_path: Path) -> Iterator[Depth]:
    depth = Depth(BinanceDepth(catalogue.find("binance:BTC/USDT:USDT"), 3, "ws://x"), tmp_path)
    yield depth
    depth.close()


@pytest.fixture
def kraken(tmp_path: Path) -> Iterator[Depth]:
    depth = Depth(KrakenDepth(catalogue.find("kraken:BTC/USD"), 3, "ws://x"), tmp_path)
    yield depth
    depth.close()


def change(first: int, last: int, previous: int, bids=(("100.1", "2"),)) -> bytes:
    received = {"e": "depthUpdate", "E": 1, "T": 1, "s": "BTCUSDT", "U": first, "u": last, "pu": previous}
    return json.dumps({**received, "b": bids, "a": []}).encode()


def snapshot(last: int) -> bytes:
    received = {"lastUpdateId": last, "E": 1, "T": 1}
    return json.dumps({**received, "bids": [["100.0", "1"]], "asks": [["100.5", "1"]]}).encode()


def test_a_snapshot_is_asked_for_once_there_are_changes_and_no_more_once_it_fits(binance):
    depth = binance
    assert depth.question(0) is None
    assert depth.take(change(11, 12, 10), 1) == [FLAG_UNSYNCED]
    call = depth.question(1)
    assert call is not None and call.target == "/fapi/v1/depth?symbol=BTCUSDT&limit=1000"
    assert depth.question(1) is None  # one at a time
    assert depth.answered(200, snapshot(11), 2) == [FLAG_SNAPSHOT]
    assert depth.book.best_bid == (1001, 2000)  # the change that straddles it counts
    assert depth.question(3 * SECOND) is None
    assert depth.take(change(13, 14, 12), 3) == [0]


@pytest.mark.parametrize(
    ("status", "body", "flags"),
    [(200, snapshot(9), [FLAG_SNAPSHOT | FLAG_UNSYNCED]), (503, b"", []), (0, b"", [])],
    ids=["too old", "503", "none"],
)
def test_a_snapshot_that_does_not_fit_is_asked_for_again_after_a_second(status, body, flags, binance):
    depth = binance
    depth.take(change(11, 12, 10), 0)
    assert depth.question(0) is not None
    assert depth.answered(status, body, 1) == flags
    assert not depth.book.synced
    assert depth.question(SECOND - 1) is None
    assert depth.question(SECOND) is not None
    assert depth.answered(200, snapshot(10), 1) == [FLAG_SNAPSHOT]


def test_a_missing_change_is_a_gap_and_the_book_is_asked_for_anew(binance):
    depth = binance
    depth.take(change(11, 12, 10), 0)
    depth.question(0)
    depth.answered(200, snapshot(12), 1)
    assert depth.take(change(15, 16, 14), 2) == [BROKEN]
    assert not depth.book.synced
    assert depth.question(2 * SECOND) is not None
    assert depth.answered(200, snapshot(13), 3) == [FLAG_SNAPSHOT | FLAG_UNSYNCED]  # 14 is not known
    assert depth.question(4 * SECOND) is not None
    assert depth.answered(200, snapshot(15), 3) == [FLAG_SNAPSHOT]
    assert depth.book.synced


@pytest.mark.parametrize(
    "message", [b"{", b'{"e":"depthUpdate"}', change(1, 2, 0, [("1e400", "1")]), change(1, 2, 0, [("1.23", "1")])]
)
def test_what_makes_no_sense_ends_the_connection(message, binance):
    assert binance.take(message, 0) == [BROKEN]
    assert binance.broken


def test_a_stream_that_nothing_brings_to_a_book_is_connected_anew(binance):
    binance.take(change(11, 12, 10), SECOND)
    binance.take(change(13, 14, 12), 31 * SECOND)
    assert not binance.broken
    binance.take(change(15, 16, 14), 32 * SECOND)
    assert binance.broken == "no snapshot fits"


def test_who_comes_later_begins_with_the_book_as_it_is(binance):
    assert binance.snapshot(1) == []  # nothing is known
    binance.take(change(11, 12, 10), 1)
    binance.answered(200, snapshot(11), 2)
    assert binance.snapshot(3) == [FLAG_SNAPSHOT]


def message(kind: str, bids: dict[float, float], asks: dict[float, float], checksum: int) -> bytes:
    def rows(levels):
        return ",".join(f'{{"price":{p:.1f},"qty":{q:.8f}}}' for p, q in levels.items())

    return (
        f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"BTC/USD","bids":[{rows(bids)}],'
        f'"asks":[{rows(asks)}],"checksum":{checksum}}}]}}'
    ).encode()


def summed(bids: dict[float, float], asks: dict[float, float]) -> int:
    """The venue's rule, from the text of the numbers."""
    best = [*sorted(asks.items())[:10], *sorted(bids.items(), reverse=True)[:10]]
    text = "".join(f"{p:.1f}".replace(".", "").lstrip("0") + f"{q:.8f}".replace(".", "").lstrip("0") for p, q in best)
    return crc32(text.encode())


def test_a_book_is_held_to_its_checksum(kraken):
    depth, bids, asks = kraken, {100.1: 0.5, 99.9: 2.0}, {100.3: 0.00000012}
    assert depth.take(message("snapshot", bids, asks, summed(bids, asks)), 1) == [FLAG_SNAPSHOT]
    bids[100.1] = 0.25
    assert depth.take(message("update", {100.1: 0.25}, {}, summed(bids, asks)), 2) == [0]
    assert depth.broken == ""
    assert depth.take(message("update", {100.0: 1.0}, {}, summed(bids, asks)), 3) == [BROKEN]
    assert "checksum" in depth.broken


def test_levels_beyond_the_depth_are_cut_off(kraken):
    bids = {100.0 - n / 10: 1.0 for n in range(LEVELS)}
    asks = {101.0: 1.0}
    kraken.take(message("snapshot", bids, asks, summed(bids, asks)), 1)
    kraken.take(message("update", {100.1: 1.0}, {}, summed({**bids, 100.1: 1.0}, asks)), 2)
    book = kraken.book
    assert (book.bid_count, book.bids(LEVELS)[-1][0], kraken.broken) == (LEVELS, 902, "")


def test_a_refused_subscription_ends_the_connection(kraken):
    assert kraken.take(b'{"method":"subscribe","success":false,"error":"Currency pair not supported"}', 1) == []
    assert "not supported" in kraken.broken
