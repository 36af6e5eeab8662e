"""A spot symbol in an account that has contracts, too: what reduces it, which side its orders have, and which query
shows that its stream is silent."""

from __future__ import annotations

import pytest

from onetape.model.enums import PositionSide
from onetape.model.errors import AccountMode, ReduceOnlyViolated
from onetape.model.time import SECOND
from onetape.orders.backing import reducible, worst_held
from onetape.orders.calls import Purpose
from onetape.orders.reports import AccountModeReport
from onetape.orders.stream_probe import StreamProbe
from orders.gate_desk import NOW, PERP, Desk

LOT = 10


@pytest.fixture
def desk() -> Desk:
    """The symbol is a contract's; the account's traits say that it is spot."""
    made = Desk()
    venue = made.manager.venue
    venue.traits = venue.traits._replace(spot=frozenset({PERP}))
    return made


def test_working_sales_count_against_what_can_be_sold_whether_they_wait_or_not(desk):
    desk.hold(10 * LOT)
    desk.work("sell", 4 * LOT, 61_000)
    stop = desk.work("sell", 5 * LOT, trigger=50_000)
    assert stop.conditional
    sale = desk.spec("sell", LOT, 61_000)
    assert reducible(desk.manager, sale) == LOT and desk.gate.reduces(sale)
    assert not desk.gate.reduces(desk.spec("sell", 2 * LOT, 61_000))
    assert not desk.gate.reduces(desk.spec("buy", LOT, 59_000))
    first = next(iter(desk.manager.open.values()))
    assert reducible(desk.manager, sale, without=first) == 5 * LOT
    assert worst_held(desk.manager, sale) == -10 * LOT + 9 * LOT


def test_an_order_on_spot_has_no_side_in_hedge_mode_and_reduces_nothing_by_its_flag(desk):
    desk.manager.hear([AccountModeReport(True, False, can_trade=True, can_withdraw=False)], NOW)
    assert desk.code("buy", LOT, 60_000) == 0
    assert desk.code("buy", LOT, 60_000, position_side=PositionSide.LONG) == AccountMode.code
    assert desk.code("sell", LOT, 60_000, reduce_only=True) == ReduceOnlyViolated.code


@pytest.mark.parametrize(("spot", "purpose"), [({PERP}, Purpose.BALANCES), (set(), Purpose.POSITIONS)])
def test_a_silent_stream_is_looked_for_by_what_every_fill_changes(desk, spot, purpose):
    venue = desk.manager.venue
    venue.traits = venue.traits._replace(spot=frozenset(spot))
    probe = StreamProbe(desk.manager, 2 * SECOND)
    probe.came(0)
    probe.reconciled(0)
    probe.tick(3 * SECOND, NOW)
    assert [call.purpose for call in desk.manager.calls] == [purpose]
