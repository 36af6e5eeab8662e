"""One movement of money has one reference, however often and in whatever order it is told."""

from __future__ import annotations

from itertools import permutations

import pytest

from onetape.orders.reports import MoveKind
from onetape.venues.binance.moves import SeenMoves

AMOUNT, AT = -9_933_879_600_000_000_000, 1_795_001_466_140


@pytest.mark.parametrize("order", sorted(set(permutations("SSHH"))), ids="".join)
def test_a_fee_told_twice_by_the_stream_and_by_the_history_is_one(order):
    """The history names its symbol, the stream does not."""
    moves = SeenMoves()
    said = {
        "S": lambda: moves.reference_of(MoveKind.FEE, "USDT", AMOUNT, "", AT),
        "H": lambda: moves.listed("685", MoveKind.FEE, "USDT", AMOUNT, "ETHUSDT", AT),
    }
    assert len({said[each]() for each in order}) == 1
