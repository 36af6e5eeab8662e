"""Pre-trade rules on positions and working orders: own orders, reductions, limits."""

from __future__ import annotations

from typing import Final

from onetape.model.decimals import decimal_text
from onetape.model.enums import OrderType, Side, TriggerBy
from onetape.model.errors import (
    BannedSymbol,
    OrderInvalid,
    PositionLimit,
    PriceBand,
    ReduceOnlyViolated,
    SelfTrade,
    StaleData,
)
from onetape.model.money import money_text
from onetape.model.order import OrderSpec
from onetape.orders.backing import reducible, worst_held
from onetape.orders.filters import NOT_MEASURED, Measure, Refusal, away, beyond_band
from onetape.orders.order import waits
from onetape.orders.pre_trade.view import View

_NO_TRIGGER: Final = TriggerBy.NONE  # bound once: a lookup at its class costs as much as a call


def meets(view: View) -> Refusal | None:
    """Refuses a robot's order that would trade with another one of the same account. (An amended order is on the side
    that is not compared.)"""
    spec = view.spec
    if view.is_inside or spec.post_only or spec.trigger_by is not _NO_TRIGGER:
        return None
    other = view.state.manager.account.meets(spec)
    if other is None:
        return None
    text = f"it would trade with {other.client_id}"
    if spec.type is OrderType.MARKET:
        front = view.state.around.in_front(spec.symbol, other.spec.side, other.nearest)
        wanted = spec.size_int + _taking(view)
        if wanted <= front:
            return None
        sized = view.instrument.size_text
        text += f": {sized(wanted)} with orders on their way, {sized(front)} in the book before it"
    return Refusal.of(SelfTrade, text)


def own_orders(view: View) -> Measure:
    other = view.state.manager.account.meets(view.spec)
    return (None if other is None else f"trade with {other.client_id}"), None


def _taking(view: View) -> int:
    """Returns the quantity of own orders of the same side that may take from the book before this one: market orders,
    and orders not confirmed to be in the book."""
    spec, manager = view.spec, view.state.manager
    return sum(
        each.worst_left
        for each in manager.open.values()
        if each.spec.symbol == spec.symbol
        and each.spec.side is spec.side
        and (each.spec.type is OrderType.MARKET or each.pending or each.is_unknown)
        and not waits(each, manager.venue.traits)
    )


def may_be_beyond(view: View) -> bool:
    return bool(view.reduces or view.spec.reduce_only or view.netted or view.old)


def beyond_share(view: View) -> Refusal | None:
    if view.shares is None or view.old is None:
        return view.netted
    size = view.spec.size_int
    return view.shares.reductions.amendment(view.old, size, knows=view.state.ready)


def share(view: View) -> Measure:
    if view.shares is None:
        return NOT_MEASURED
    return view.shares.reductions.measured(view.robot, view.spec)


def beyond_held(view: View) -> Refusal | None:
    """Refuses a reduction larger than the position. While the account is not reconciled the position is unknown, and
    the venue decides; also for a trigger, which applies to the position at that time."""
    spec, state = view.spec, view.state
    if spec.reduce_only and not state.manager.venue.traits.has_position(spec.symbol):
        # Refused rather than ignored: it would be an ordinary order.
        return Refusal.of(ReduceOnlyViolated, "spot has no position to reduce")
    if not view.reduces or not state.ready or spec.trigger_by is not _NO_TRIGGER:
        return None
    most = reducible(state.manager, spec, without=view.old)
    if view.left <= most:
        return None
    sized = view.instrument.size_text
    shown = f"{sized(max(most, 0))} can be reduced beside working orders"
    return Refusal.of(ReduceOnlyViolated, f"{sized(view.left)}, {shown}")


def held(view: View) -> Measure:
    if not view.reduces:
        return NOT_MEASURED
    most = max(reducible(view.state.manager, view.spec, without=view.old), 0)
    return view.instrument.size_text(view.left), view.instrument.size_text(most)


def may_be_limited(view: View) -> bool:
    limits = view.state.limits
    return bool(
        limits.symbols
        or limits.position_max
        or limits.order_max
        or limits.price_band
        or limits.order_value_max
        or limits.open_value_max
        or limits.open_orders_max
    )


def not_allowed(view: View) -> Refusal | None:
    symbols, symbol = view.state.limits.symbols, view.spec.symbol
    if not symbols or symbol in symbols:
        return None
    return Refusal.of(BannedSymbol, f"{symbol} is none of {', '.join(sorted(symbols))}")


def allowed(view: View) -> Measure:
    symbols = view.state.limits.symbols
    return (view.spec.symbol, ", ".join(sorted(symbols))) if symbols else NOT_MEASURED


def above_order_max(view: View) -> Refusal | None:
    size, most = view.spec.size_int, view.state.limits.order_max.get(view.spec.symbol, 0)
    if not most or size <= most:
        return None
    sized = view.instrument.size_text
    text = f"quantity {sized(size)} is above the most of this account, {sized(most)}"
    return Refusal.of(OrderInvalid, text)


def order_size(view: View) -> Measure:
    most = view.state.limits.order_max.get(view.spec.symbol, 0)
    return _of_most(view, view.spec.size_int, most)


def above_order_value(view: View) -> Refusal | None:
    most = view.state.limits.order_value_max.get(view.instrument.settle, 0)
    return _above_value(view, most, _value(view, view.spec, view.spec.size_int))


def order_value(view: View) -> Measure:
    most = view.state.limits.order_value_max.get(view.instrument.settle, 0)
    return _value_measure(view, most, _value(view, view.spec, view.spec.size_int))


def above_open_value(view: View) -> Refusal | None:
    most = view.state.limits.open_value_max.get(view.instrument.settle, 0)
    return _above_value(view, most, _open_value(view)) if most else None


def open_value(view: View) -> Measure:
    most = view.state.limits.open_value_max.get(view.instrument.settle, 0)
    return _value_measure(view, most, _open_value(view)) if most else NOT_MEASURED


def _open_value(view: View) -> int | None:
    """Returns the value of the order and of all working orders in its currency; None: a price is missing."""
    state, settle = view.state, view.instrument.settle
    total = _value(view, view.spec, view.left)
    for order in state.manager.open.values():
        if total is None:
            return None
        instrument = state.instruments.get(order.spec.symbol)
        if order is view.old or not order.robot or instrument is None or instrument.settle != settle:
            continue
        market = order.spec.trigger_int or state.manager.references.get(order.spec.symbol, 0)
        price = _dearest(order.spec.side, order.nearest, market)
        if not price:
            return None
        total += abs(instrument.notional_units(price, order.worst_left))
    return total


def _value(view: View, spec: OrderSpec, size: int) -> int | None:
    price = _dearest(spec.side, spec.price_int, view.near)
    return abs(view.instrument.notional_units(price, size)) if price else None


def _dearest(side: Side, limit: int, market: int) -> int:
    """Returns the price that an order is valued by, 0: unknown. A sale with a limit below the market is valued at the
    market. limit: 0: none."""
    return max(limit, market) if side is Side.SELL else limit or market


def _above_value(view: View, most: int, value: int | None) -> Refusal | None:
    if not most:
        return None
    if value is None:
        return Refusal.of(StaleData, "no price is known yet, so its value is unknown")
    if value <= most:
        return None
    return Refusal.of(PositionLimit, f"worth {_money(view, value)}, at most {_money(view, most)}")


def _value_measure(view: View, most: int, value: int | None) -> Measure:
    return (_money(view, value) if value is not None else None), (_money(view, most) if most else None)


def _money(view: View, units: int) -> str:
    return f"{money_text(units)} {view.instrument.settle}"


def above_open_orders(view: View) -> Refusal | None:
    most = view.state.limits.open_orders_max
    if not most or view.old is not None or (works := _open_orders(view)) < most:
        return None
    return Refusal.of(PositionLimit, f"{works} orders work, at most {most}")


def open_orders(view: View) -> Measure:
    most = view.state.limits.open_orders_max
    return (str(_open_orders(view)), str(most)) if most else NOT_MEASURED


def _open_orders(view: View) -> int:
    return sum(bool(order.robot) for order in view.state.manager.open.values())


def above_position_max(view: View) -> Refusal | None:
    most = view.state.limits.position_max.get(view.spec.symbol, 0)
    if not most or (worst := _worst(view)) <= most:
        return None
    sized = view.instrument.size_text
    return Refusal.of(PositionLimit, f"{sized(worst)} with all working orders, at most {sized(most)}")


def position(view: View) -> Measure:
    """Returns as text the position if all working orders fill, a short one below 0, and the limit."""
    worst = _worst(view) * view.spec.side.sign
    return _of_most(view, worst, view.state.limits.position_max.get(view.spec.symbol, 0))


def _worst(view: View) -> int:
    held = worst_held(view.state.manager, view.spec, without=view.old)
    return held if view.reduces else held + view.left


def _of_most(view: View, size: int, most: int) -> Measure:
    sized = view.instrument.size_text
    return sized(size), sized(most) if most else None


def outside_band(view: View) -> Refusal | None:
    """Refuses a limit price outside of our own band, on the side that would pay too much."""
    spec, band = view.spec, view.state.limits.price_band
    if not band or spec.type is not OrderType.LIMIT:
        return None
    near = view.near
    if not near:
        return Refusal.of(StaleData, "no price is known yet to compare its limit price with")
    if (spec.price_int - near) * spec.side.sign <= abs(near) * band:
        return None
    return Refusal.of(PriceBand, beyond_band(spec, view.instrument, near, band))


def price_band(view: View) -> Measure:
    band = view.state.limits.price_band
    return away(view.spec, view.near), f"{decimal_text(band * 100)} %" if band else None
