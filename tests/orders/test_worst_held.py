"""How far a position may come if all that works in one direction is filled."""

from __future__ import annotations

import pytest

from onetape.model.enums import PositionSide, Side
from onetape.model.order import OrderSpec
from onetape.orders.backing import worst_held
from orders.binance_manager import PRICE, SYMBOL, Desk


@pytest.mark.parametrize(
    ("held", "reducing", "worst"),
    [
        (0, 0, 3),
        (10, 0, 13),
        (-10, 0, -7),
        (-10, 6, -1),  # which may be filled first, and then what opens
        (-10, 10, 3),
        (-4, 10, 3),  # it takes off no more than there is
    ],
)
def test_what_reduces_may_be_filled_before_what_opens(held, reducing, worst):
    desk = Desk()
    desk.manager.positions[SYMBOL, PositionSide.BOTH] = held
    desk.place("opens", size_int=3)
    if reducing:
        desk.place("reduces", size_int=reducing, reduce_only=True)
    spec = OrderSpec(symbol=SYMBOL, side=Side.BUY, size_int=1, price_int=PRICE)
    assert worst_held(desk.manager, spec) == worst
