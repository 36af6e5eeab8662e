"""When the books of an account begin that held something before."""

from __future__ import annotations

from decimal import Decimal

import pytest

from onetape.exchange.hands import trade_by_hand
from onetape.model.enums import PositionSide
from onetape.model.time import SECOND
from onetape.simulation.faults import Faults
from onetape.simulation.world import World


@pytest.mark.parametrize("has_entry", [True, False])
def test_books_do_not_begin_while_a_position_from_before_has_no_price(has_entry) -> None:
    """The venue's entry serves; a venue without one leaves the gateway waiting for a quote, and nothing is asked for
    in vain but money."""
    world = World(2, Faults(), crashes=False)
    world.is_quiet = world.stopping = world.hands = True
    order = trade_by_hand(world.exchange, world.account, 0, Decimal(str(world.instruments[0].lot)) * 5, world.now)
    world.until(world.now + SECOND)
    symbol, held = world.symbols[0], world.account.qty(0)
    assert held and order.filled
    core, key = world.core, (symbol, PositionSide.BOTH)
    core.manager.references.clear()
    if not has_entry:
        core.manager.books.entries = Unsaid()
    world.connect()
    world.until(world.now + 5 * SECOND)
    assert core.manager.positions[key] == held
    if not has_entry:
        assert not core.gate.ready and core.status()["money"]["entries"] == 0
        core.manager.references[symbol] = world.exchange.listings[0].last
        world.until(world.now + 2 * SECOND)
    assert core.gate.ready
    assert sum(own.qty for (_, *each), own in core.money.booking.positions.items() if tuple(each) == key) == held


class Unsaid(dict):
    def __setitem__(self, key, value) -> None:
        """Prices of positions, of a venue that does not say them."""
