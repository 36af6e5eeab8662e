"""What stands before own orders: by a table, against a queue with everyone in it, and from a journal that goes on."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_chart_bars import SYMBOL

from onetape.dashboard import queue as module
from onetape.dashboard.queue import Queue, QueueFollowed, Resting, Rests
from onetape.model.catalogue import find
from onetape.model.time import SECOND
from onetape.tape.journal import JournalWriter

BEGAN = 20_000 * 86400 * SECOND
PRICE, BUY, SELL = 100, 1, 2
TRADE = struct.Struct("<4qQQBB14x")


def depth(stamp: int, *bids: tuple[int, int]) -> bytes:
    levels = [*(level for level in bids if level[1]), (110, 5)]
    head = struct.pack("<qqQQQII", stamp, stamp, 0, 0, 0, len(levels) - 1, 1)
    return head + b"".join(struct.pack("<2q", *level) for level in levels)


def resting(at: int, *, size: int = 2, own: int = 0, price: int = PRICE) -> Resting:
    return Resting("o", True, Rests(at, at, price, size), own)


def folded(text: str, own: int = 0) -> list[int | None]:
    """What stands before the order after each event, a second each. `late`: a trade of the second before."""
    queue, found, orders = Queue(), [], []
    for at, event in enumerate(text.split(", "), 1):
        kind, _, size = event.partition(" ")
        if kind in ("rest", "move"):
            orders = [resting(at, own=own, price=PRICE if kind == "rest" else int(size))]
        elif kind == "book":
            queue.on_book(depth(at, (PRICE, int(size)), (90, 5)), 1)
        elif kind == "above":
            queue.on_book(depth(at, (105, 5)), 1)
        else:
            queue.on_trade(at - (kind == "late"), PRICE, int(size), BUY if kind == "buyer" else SELL)
        queue.rest(orders)
        queue.join(at)
        found.append(queue.ahead().get("o"))
    return found


@pytest.mark.parametrize(
    ("events", "own", "ahead"),
    [
        ("book 10, rest, trade 3, trade 9, trade 1", 0, [None, 10, 7, 0, 0]),
        ("book 10, rest, book 15, book 12, book 8, book 20", 0, [None, 10, 10, 10, 8, 8]),  # behind goes first
        ("book 10, rest, trade 4, book 6, book 5", 0, [None, 10, 6, 6, 5]),  # one going, told twice
        ("book 10, rest, book 6, late 4, trade 1", 0, [None, 10, 6, 6, 5]),
        ("book 10, rest, buyer 4", 0, [None, 10, 10]),
        ("book 10, rest, late 4", 0, [None, 10, 10]),  # of when it came to rest
        ("book 0, rest, book 2, book 9", 2, [None, 0, 0, 0]),  # a level of its own
        ("book 10, rest, book 12, book 5", 2, [None, 10, 10, 3]),  # what is shown has ours
        ("book 10, rest, book 5", 0, [None, 10, 5]),  # and of a tape it does not
        ("above, rest, book 7, above, book 5", 0, [None, None, 7, None, 5]),  # deeper than what is displayed
        ("rest, trade 3, book 7", 0, [None, None, 7]),
        ("book 10, rest, trade 4, move 90, move 100", 0, [None, 10, 6, 5, 10]),  # who moves goes behind
    ],
)
def test_a_place_in_a_queue_by_what_a_tape_has(events, own, ahead):
    assert folded(events, own) == ahead


STEPS = st.lists(st.tuples(st.sampled_from(["add", "trade", "leave"]), st.integers(1, 9)), max_size=40)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 30), STEPS, st.data())
def test_no_fewer_stand_before_it_than_the_estimate_has_room_for(before, steps, data):
    """The true queue is drawn beside it: never negative, never more than before or than is shown, never fewer than
    truly stand there."""
    queue, front, back, was = Queue(), before, 0, before
    queue.on_book(depth(1, (PRICE, before), (90, 5)), 1)
    queue.rest([resting(2)])
    queue.join(2)
    for at, (kind, size) in enumerate(steps, 3):
        if kind == "add":
            back += size
        elif kind == "trade":
            queue.on_trade(at, PRICE, size, SELL)
            front, back = max(front - size, 0), back - min(max(size - front, 0), back)
        else:
            of_front = data.draw(st.integers(0, min(size, front)))
            front, back = front - of_front, max(back - (size - of_front), 0)
        if kind != "trade" or data.draw(st.booleans()):
            queue.on_book(depth(at, (PRICE, front + back), (90, 5)), 1)
            assert queue.ahead()["o"] <= front + back
        found = queue.ahead()["o"]
        assert 0 <= front <= found <= was
        was = found


def test_less_of_an_order_keeps_its_place_and_more_or_another_price_does_not():
    stands = Rests(1, 1, PRICE, 5)
    assert stands.moved(Rests(2, 2, PRICE, 4)) == Rests(1, 1, PRICE, 4)
    assert stands.moved(Rests(2, 2, PRICE, 4)).moved(Rests(3, 3, PRICE, 5)) == Rests(3, 3, PRICE, 5)
    assert stands.moved(Rests(2, 2, 99, 5)) == Rests(2, 2, 99, 5)


def test_who_looks_late_finds_the_place_on_the_journal_and_follows_it(tmp_path, monkeypatch):
    """By steps: nothing is shown before all is read. Another instrument's depth and trades are none of it."""
    instrument = find(SYMBOL)
    with JournalWriter(tmp_path / "main", process="gateway:main", durable=False) as writer:

        def write(second: int, size: int, traded: int, stream: int = 1) -> None:
            at = BEGAN + second * SECOND
            trade = TRADE.pack(at, at, PRICE, traded, second, 0, SELL, 0)
            writer.append("trade", trade, stream=stream, time=at)
            writer.append("book", depth(at, (PRICE, size), (90, 5)), flags=1, stream=stream, time=at)

        for stream, symbol in ((1, SYMBOL), (2, "binance:ETH/USDT:USDT")):
            writer.append_instrument(stream, BEGAN, find(symbol).to_msgpack())
        for second in range(300):
            write(second, 500, 1)
            write(second, 5, 9, stream=2)
        followed, order = QueueFollowed(tmp_path / "main", instrument), resting(BEGAN + 200 * SECOND + 1)
        monkeypatch.setattr(module, "STEP", 300)
        looks = [followed.look([order], BEGAN + 300 * SECOND) for _ in range(4)]
        assert looks[0] == {} and looks[-1] == {"o": instrument.size_text(500 - 99)}
        write(300, 300, 50)
        assert followed.look([order], BEGAN + 301 * SECOND) == {"o": instrument.size_text(300)}
        assert followed.look([], BEGAN + 301 * SECOND) == {}
        followed.close()
        monkeypatch.setattr(module, "FRAMES_MAX", 100)  # older than what is read: behind all that was there
        assert followed.look([order], BEGAN + 301 * SECOND) == {"o": instrument.size_text(300)}
        followed.close()
