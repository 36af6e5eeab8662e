"""What works, by a walk over all open orders: slow, plain, and what sums have to be equal to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from onetape.model.enums import Kind, OrderType, PositionSide, Side, TriggerBy
from onetape.model.instrument import Instrument
from onetape.model.order import OrderSpec
from onetape.model.sections import GUARDIAN
from onetape.orders.account_orders import NEVER
from onetape.orders.backing import free_funds
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order

UNIT = 10**18


def is_waiting(manager: OrderManager, order: Order) -> bool:
    if order.spec.trigger_by is TriggerBy.NONE:
        return False
    return order.conditional if manager.venue.traits.conditionals else not order.triggered


def is_reducing(spec: OrderSpec) -> bool:
    closing = {(Side.SELL, PositionSide.LONG), (Side.BUY, PositionSide.SHORT)}
    return spec.reduce_only or (spec.side, spec.position_side) in closing


def beside(manager: OrderManager, spec: OrderSpec, without: Order | None = None) -> list[Order]:
    """Open orders that move the same position the same way."""
    key = (spec.symbol, spec.side, spec.position_side)
    return [
        o
        for o in manager.open.values()
        if (o.spec.symbol, o.spec.side, o.spec.position_side) == key and o is not without
    ]


def opening(manager: OrderManager, spec: OrderSpec, without: Order | None = None) -> int:
    return sum(o.worst_left for o in beside(manager, spec, without) if not is_reducing(o.spec))


def reducing(manager: OrderManager, spec: OrderSpec, without: Order | None = None) -> int:
    is_spot = not manager.venue.traits.has_position(spec.symbol)
    found = beside(manager, spec, without)
    return sum(o.worst_left for o in found if is_spot or (is_reducing(o.spec) and not is_waiting(manager, o)))


def met(manager: OrderManager, spec: OrderSpec) -> list[Order]:
    """All orders that it would trade with."""
    found = []
    for o in manager.open.values():
        same = o.spec.symbol == spec.symbol and o.spec.side is spec.side.opposite
        if not same or o.spec.type is OrderType.MARKET or is_waiting(manager, o):
            continue
        prices = [o.price]
        if o.update_open and o.amend_to[0]:
            prices.append(o.amend_to[0])
        if spec.type is OrderType.MARKET:
            found.append(o)
        elif spec.side is Side.BUY:
            found += [o] if spec.price_int >= min(prices) else []
        else:
            found += [o] if spec.price_int <= max(prices) else []
    return found


def taken(
    manager: OrderManager, instruments: Mapping[str, Instrument], currency: str, without: Order | None = None
) -> Fraction:
    """What working orders may spend, exactly."""
    total = Fraction(0)
    for o in manager.open.values():
        spec, i = o.spec, instruments.get(o.spec.symbol)
        if i is None or i.kind is not Kind.SPOT or o is without:
            continue
        size = Fraction(o.worst_left, 10**i.size_decimals)
        if spec.side is Side.SELL:
            total += size if i.base == currency else 0
        elif i.quote == currency:
            price = max(int(o.price), int(o.amend_to[0]) if o.update_open else 0)
            if spec.type is OrderType.MARKET:
                price = spec.trigger_int or manager.references.get(spec.symbol, 0)
            rate = max(Fraction(i.maker_fee if spec.post_only else i.taker_fee), Fraction(0))
            total += size * Fraction(price, 10**i.price_decimals) * (Fraction(1) + rate)
    return total


def check_sums(manager: OrderManager, specs: list[OrderSpec], without: Sequence[Order | None] = (None,)) -> None:
    """The sums say what the walk says, whatever is asked and whoever is left out."""
    working = manager.account
    for spec in specs:
        for order in without:
            received = working.opening(spec, order), working.reducing(spec, order)
            assert received == (opening(manager, spec, order), reducing(manager, spec, order)), spec
        found, first = met(manager, spec), working.meets(spec)
        assert first in found if found else first is None, spec
    lost = {o.client_id for o in manager.open.values() if o.is_unknown}
    assert {o.client_id for o in manager.unknown} == lost
    for symbol in {spec.symbol for spec in specs}:
        blocking = {o.client_id for o in working.unknown(symbol)}
        unknown = [o for o in manager.unknown if o.spec.symbol == symbol]
        stops = {o.client_id for o in unknown if o.spec.trigger_int and (o.spec.reduce_only or o.spec.tag == GUARDIAN)}
        assert blocking <= {o.client_id for o in unknown} and not blocking & stops
        assert blocking >= {o.client_id for o in unknown if not o.spec.trigger_int}
    assert manager.account.next_due == min((order.due_at for order in manager.open.values()), default=NEVER)


def check_funds(
    manager: OrderManager,
    instruments: Mapping[str, Instrument],
    currencies: Iterable[str],
    without: Sequence[Order | None] = (None,),
) -> None:
    books = manager.books
    for currency in currencies:
        untold = sum(amount for _, amount in books._untold.get(currency, ()))
        answer = books.balances.get(currency)
        assert books.holding(currency) == (answer.total if answer else 0) + untold
        for order in without:
            free = free_funds(manager, instruments, currency, without=order)
            exact = manager.books.holding(currency) - UNIT * taken(manager, instruments, currency, order)
            # A fee is cut off at 1e-18, once for each rate of a symbol.
            assert exact <= free < exact + 2 * len(instruments), (currency, free, exact)
