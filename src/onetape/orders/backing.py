"""What stands behind an order: a position that it takes off, or money that it spends.

Pure, on the order manager's state. Whatever works counts as if it were filled already, and so does
an order whose state nobody knows. Sizes are in units of the instrument, money is in 1e-18.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from onetape.model.enums import Kind, Side
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS
from onetape.model.order import OrderSpec
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order, only_reduces

__all__ = ["Spending", "free_funds", "only_reduces", "reducible", "spending", "worst_held"]


class Spending(NamedTuple):
    """Holds the amount that an order of a spot instrument takes from a balance, and of which currency."""

    currency: str
    amount: int


def reducible(manager: OrderManager, spec: OrderSpec, *, without: Order | None = None) -> int:
    """Returns how much of the position an order in this direction can take off, less what works to
    take it off.

    Orders that wait for a trigger do not count: a stop and a target for the same position are
    usual, and the venue cuts the second one when the first has closed it.
    """
    held = manager.positions.get((spec.symbol, spec.position_side), 0) * -spec.side.sign
    return max(held, 0) - manager.account.reducing(spec, without)


def worst_held(manager: OrderManager, spec: OrderSpec, *, without: Order | None = None) -> int:
    """Returns the position in the order's direction if all that works that way is filled, without the order itself.
    What takes the other direction off may be filled before what opens."""
    held = manager.positions.get((spec.symbol, spec.position_side), 0) * spec.side.sign
    working = manager.account
    if held < 0 and manager.venue.traits.positions:
        held += min(-held, working.reducing(spec, without))
    return held + working.opening(spec, without)


def spending(instrument: Instrument, spec: OrderSpec, size: int, price: int) -> Spending | None:
    """Returns what an order of a spot instrument takes from a balance.

    None: it cannot be said, of a market order while no price is known, or because it is no spot.
    """
    if instrument.kind is not Kind.SPOT:
        return None
    if spec.side is Side.SELL:
        return Spending(instrument.base, _base_units(instrument, size))
    if not price:
        return None
    maker, taker = instrument.fee_units
    return Spending(instrument.quote, _cost_with_fee(instrument, price * size, maker if spec.post_only else taker))


def free_funds(
    manager: OrderManager, instruments: Mapping[str, Instrument], currency: str, *, without: Order | None = None
) -> int:
    """Returns a balance less what working orders may spend of it, foreign orders and those that wait for a trigger
    included: on spot they hold their money back. Of each the dearest price that it may have counts, and of all that is
    charged one rate the fee is cut off once."""
    free = manager.books.holding(currency)
    for symbol, side, size, maker, taker, unpriced in manager.account.spent(without):
        instrument = instruments.get(symbol)
        if instrument is None or instrument.kind is not Kind.SPOT:
            continue
        if side is Side.SELL:
            if instrument.base == currency:
                free -= _base_units(instrument, size)
        elif instrument.quote == currency:
            taker += unpriced * manager.references.get(symbol, 0)
            maker_fee, taker_fee = instrument.fee_units
            free -= _cost_with_fee(instrument, maker, maker_fee)
            free -= _cost_with_fee(instrument, taker, taker_fee)
    return free


def _base_units(instrument: Instrument, size: int) -> int:
    factor: int = 10 ** (MONEY_DECIMALS - instrument.size_decimals)
    return size * factor


def _cost_with_fee(instrument: Instrument, cost: int, rate: int) -> int:
    """cost: price times size, in units of both. rate: 1e-18 of the whole; a rebate sets nothing free."""
    units = abs(instrument.turnover_units(cost))
    return units + units * max(rate, 0) // 10**MONEY_DECIMALS
