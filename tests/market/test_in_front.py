"""What of a book is traded with before a price is reached."""

from __future__ import annotations

import pytest

from onetape.market.in_front import in_front
from onetape.model.enums import Side

BUY, SELL = Side.BUY, Side.SELL
BIDS, ASKS = [(100, 5), (99, 7), (97, 1)], [(101, 5), (102, 7), (104, 1)]

ROWS = [
    # side, price, best, levels, what stands in front
    (BUY, 98, (100, 5), [], 5),
    (BUY, 98, (100, 5), BIDS, 12),
    (BUY, 99, (100, 5), BIDS, 5),
    (BUY, 100, (100, 5), BIDS, 0),  # nobody knows who is first there
    (BUY, 101, (100, 5), BIDS, 0),  # the book has not heard of it
    (BUY, 90, (99, 7), BIDS, 8),  # the quote is newer: what was above is gone
    (BUY, 90, (0, 0), BIDS, 0),  # no quote: the feed is lost
    (SELL, 103, (101, 5), ASKS, 12),
    (SELL, 101, (101, 5), ASKS, 0),
    (SELL, 110, (102, 7), ASKS, 8),
]


@pytest.mark.parametrize(("side", "price", "best", "levels", "front"), ROWS)
def test_what_stands_in_front(side, price, best, levels, front):
    assert in_front(side, price, best=best, levels=levels) == front
