"""What backs an order: a position that it reduces, or money that it spends.

Pure functions of the order manager's state. Working orders and orders of unknown state count as filled. Sizes are in
units of the instrument, money is in 1e-18.
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
    """The currency and the amount that a spot order takes from a balance."""

    currency: str
    amount: int


def reducible(manager: OrderManager, spec: OrderSpec, *, without: Order | None = None) -> int:
    """Returns how much of the position an order in this direction can reduce, less the working orders that reduce it.

    Orders that wait for a trigger do not count: a stop and a target for the same position are usual, and the venue cuts
    the second one when the first has closed it. On spot they count, because there no venue cuts a sale.
    """
    held = manager.positions.get((spec.symbol, spec.position_side), 0) * -spec.side.sign
    return max(held, 0) - manager.account.reducing(spec, without)


def worst_held(manager: OrderManager, spec: OrderSpec, *, without: Order | None = None) -> int:
    """Returns the position in the order's direction if all working orders of that direction are filled, without the
    order itself. Reductions of the other direction count as filled before orders that open."""
    held = manager.positions.get((spec.symbol, spec.position_side), 0) * spec.side.sign
    working = manager.account
    if held < 0 and manager.venue.traits.has_position(spec.symbol):
        held += min(-held, working.reducing(spec, without))
    return held + working.opening(spec, without)


def spending(instrument: Instrument, spec: OrderSpec, size: int, price: int) -> Spending | None:
    """Returns the amount that a spot order takes from a balance.

    None: the instrument is not spot, or it is a market order and no price is cached.
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
    """Returns a balance less what working orders may spend of it, including foreign orders and those that wait for a
    trigger, because on spot they lock their money. Each order counts at its highest possible price; fees are rounded
    once per fee rate."""
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
    """Returns a cost with its fee. cost: price times size, in units of both. rate: in 1e-18; a rebate counts as 0."""
    units = abs(instrument.turnover_units(cost))
    return units + units * max(rate, 0) // 10**MONEY_DECIMALS
