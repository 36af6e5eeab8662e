"""What stands behind an order: a position that it takes off, or money that it spends.

Pure, on the order manager's state. Whatever works counts as if it were filled already, and so does
an order whose state nobody knows. Sizes are in units of the instrument, money is in 1e-18.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from onetape.model.enums import Kind, OrderType, PositionSide, Side, TriggerBy
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS, money_units
from onetape.model.order import OrderSpec
from onetape.orders.managed import Managed
from onetape.orders.manager import OrderManager

__all__ = ["Spending", "free_funds", "only_reduces", "reducible", "spending", "waits", "worst_held"]


class Spending(NamedTuple):
    """What an order of a spot instrument takes from a balance."""

    currency: str
    amount: int


def only_reduces(spec: OrderSpec) -> bool:
    """Its own words say that it can only take off a position: the flag, or in hedge mode the side
    that it closes. The venue holds it to them."""
    if spec.reduce_only:
        return True
    closes = PositionSide.LONG if spec.side is Side.SELL else PositionSide.SHORT
    return spec.position_side is closes


def waits(manager: OrderManager, order: Managed) -> bool:
    """Its trigger has not fired."""
    if order.spec.trigger_by is TriggerBy.NONE:
        return False
    apart = manager.venue.traits.conditionals
    return order.conditional if apart else not order.life.triggered


def reducible(manager: OrderManager, spec: OrderSpec, *, without: Managed | None = None) -> int:
    """How much of the position an order in this direction can take off, less what works to take it
    off. Orders that wait for a trigger do not count: a stop and a target for the same position are
    usual, and the venue cuts the second one when the first has closed it."""
    held = manager.positions.get((spec.symbol, spec.position_side), 0) * -spec.side.sign
    working = sum(
        o.worst_left
        for o in _beside(manager, spec, without)
        if (only_reduces(o.spec) or not manager.venue.traits.positions) and not waits(manager, o)
    )
    return max(held, 0) - working


def worst_held(manager: OrderManager, spec: OrderSpec, *, without: Managed | None = None) -> int:
    """The position in the order's direction if all that works that way is filled, the order
    itself not counted."""
    held = manager.positions.get((spec.symbol, spec.position_side), 0) * spec.side.sign
    working = sum(o.worst_left for o in _beside(manager, spec, without) if not only_reduces(o.spec))
    return held + working


def _beside(manager: OrderManager, spec: OrderSpec, without: Managed | None) -> Iterator[Managed]:
    """Open orders that move the same position the same way."""
    for order in manager.open.values():
        o = order.spec
        if (
            o.symbol == spec.symbol
            and o.side is spec.side
            and o.position_side is spec.position_side
        ) and order is not without:
            yield order


def spending(instrument: Instrument, spec: OrderSpec, size: int, price: int) -> Spending | None:
    """None where it cannot be said: a market order while no price is known, or no spot."""
    if instrument.kind is not Kind.SPOT:
        return None
    if spec.side is Side.SELL:
        return Spending(instrument.base, size * 10 ** (MONEY_DECIMALS - instrument.size_decimals))
    if not price:
        return None
    cost = abs(instrument.notional_units(price, size))
    rate = instrument.maker_fee if spec.post_only else instrument.taker_fee
    fee = cost * max(money_units(rate), 0) // 10**MONEY_DECIMALS
    return Spending(instrument.quote, cost + fee)


def free_funds(
    manager: OrderManager,
    instruments: Mapping[str, Instrument],
    currency: str,
    *,
    without: Managed | None = None,
) -> int:
    """A balance less what working orders may spend of it; those of other hands, too, and those
    that wait for a trigger: on spot they hold their money back."""
    free = manager.books.holding(currency)
    for order in manager.open.values():
        instrument = instruments.get(order.spec.symbol)
        if instrument is None or order is without:
            continue
        taken = spending(instrument, order.spec, order.worst_left, price_of(manager, order))
        if taken is not None and taken.currency == currency:
            free -= taken.amount
    return free


def price_of(manager: OrderManager, order: Managed) -> int:
    """The dearest price that an order of ours may have: an amendment under way counts."""
    if order.spec.type is OrderType.MARKET:
        return order.spec.trigger_int or manager.references.get(order.spec.symbol, 0)
    return max(order.price, order.amend_to[0] if order.life.update_open else 0)
