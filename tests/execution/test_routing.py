"""Lots over accounts: what closes first, then the cheapest that have room; nothing is lost or invented."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.execution.routing import Room, divided_lots

CHEAP, DEAR = Decimal("0.0002"), Decimal("0.0005")


@pytest.mark.parametrize(
    ("lots", "accounts", "parts", "rest"),
    [
        (10, [Room(0, 100, CHEAP), Room(0, 100, CHEAP)], [5, 5], 0),
        (10, [Room(0, 30, CHEAP), Room(0, 10, CHEAP)], [8, 2], 0),  # by the free money
        (10, [Room(0, 100, DEAR), Room(0, 6, CHEAP)], [4, 6], 0),  # the cheaper first
        (10, [Room(4, 100, CHEAP), Room(0, 0, CHEAP)], [10, 0], 0),
        (10, [Room(4, 0, DEAR), Room(0, 100, CHEAP)], [4, 6], 0),  # what closes needs no room
        (10, [Room(8, 9, CHEAP), Room(8, 9, CHEAP)], [5, 5], 0),
        (10, [Room(0, 3, CHEAP), Room(2, 0, CHEAP)], [3, 2], 5),
        (0, [Room(1, 1, CHEAP)], [0], 0),
    ],
)
def test_what_goes_where(lots, accounts, parts, rest):
    assert divided_lots(lots, accounts) == (parts, rest)


ROOMS = st.builds(Room, st.integers(0, 50), st.integers(0, 50), st.sampled_from([CHEAP, DEAR]))


@given(st.integers(0, 300), st.lists(ROOMS, min_size=1, max_size=6))
def test_parts_and_rest_add_up_and_no_account_gets_more_than_it_has_room_for(lots, accounts):
    parts, rest = divided_lots(lots, accounts)
    assert sum(parts) + rest == lots and rest >= 0
    assert all(0 <= part <= each.closing + each.free for part, each in zip(parts, accounts, strict=True))
    assert rest == max(lots - sum(each.closing + each.free for each in accounts), 0)
    dear = [part > each.closing for part, each in zip(parts, accounts, strict=True) if each.fee == DEAR]
    has_cheap = any(
        part < each.closing + each.free for part, each in zip(parts, accounts, strict=True) if each.fee == CHEAP
    )
    assert not (any(dear) and has_cheap)
