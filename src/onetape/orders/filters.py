"""What an instrument's venue accepts, asked before an order is sent: the reason it would refuse.

The slow and explaining twin of the core's `check_order`: the same rules in the same order, on exact
values, with the rule and the value in words. Expected outcomes are values: a Refusal, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from onetape.model.decimals import decimal_text, to_units
from onetape.model.enums import Kind, OrderType, Side, TriggerBy
from onetape.model.errors import OnetapeError, OrderBelowMinNotional, OrderInvalid, PriceBand
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS, money
from onetape.model.order import OrderSpec

_LIMIT: Final = OrderType.LIMIT  # named once: looked up at its class it costs as much as a call


Measure = tuple[str | None, str | None]  # figure and limit as text, None: there is none
NOT_MEASURED: Final[Measure] = (None, None)


class Refusal(NamedTuple):
    """An error's number and the rule that was broken, with the value that broke it."""

    code: int
    reason: str

    @classmethod
    def of(cls, error: type[OnetapeError], reason: str) -> Refusal:
        """With the number of an error class."""
        return cls(error.code, reason)


def away(order: OrderSpec, near: int) -> str | None:
    """How far a limit price is on the dear side of a price, in percent; None: it has none."""
    if not near or order.type is not _LIMIT:
        return None
    return f"{(order.price_int - near) * order.side.sign / abs(near) * 100:.6g} %"


def beyond_band(order: OrderSpec, instrument: Instrument, near: int, band: Decimal) -> str:
    """That a limit price is beyond a band, in words."""
    where = "above" if order.side is Side.BUY else "below"
    return (
        f"price {instrument.price_text(order.price_int)} is {away(order, near)} {where}"
        f" {instrument.price_text(near)}, at most {decimal_text(band * 100)} %"
    )


def _not_measured(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> Measure:
    return NOT_MEASURED


def _shape_rule(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> str:
    return order.broken_rule()


def _trigger_rule(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> str:
    if order.trigger_by is TriggerBy.NONE:
        return ""
    if order.trigger_by not in instrument.trigger_by:
        return f"the venue has no trigger by {order.trigger_by}"
    return _price_rule(order.trigger_int, instrument, what="trigger")


def _price_rule(price: int, instrument: Instrument, *, what: str) -> str:
    if price < 0 and instrument.kind is not Kind.LINEAR:
        return f"{what} of {instrument.kind} must be positive: {instrument.price(price)}"
    if price % _step(instrument.tick, instrument.price_decimals):
        text = instrument.price_text(price)
        return f"{what} {text} is not on the tick {decimal_text(instrument.tick)}"
    return ""


def _tick_rule(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> str:
    if order.type is not _LIMIT:
        return ""
    return _price_rule(order.price_int, instrument, what="price")


def _tick(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> Measure:
    if order.type is not _LIMIT:
        return NOT_MEASURED
    return instrument.price_text(order.price_int), decimal_text(instrument.tick)


def _sizes(order: OrderSpec, instrument: Instrument) -> tuple[Decimal, Decimal, Decimal]:
    """Lot, least and greatest quantity of an order of that type."""
    lot, least, most = instrument.lot, instrument.size_min, instrument.size_max
    if order.type is OrderType.MARKET:
        lot = instrument.market_lot or lot
        least = instrument.market_size_min or least
        most = instrument.market_size_max or most
    return lot, least, most


def _size_rule(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> str:
    lot, least, most = _sizes(order, instrument)
    steps = _in_units(lot, least, most, instrument.size_decimals)
    if steps is not None:
        lot_int, least_int, most_int = steps
        size_int = order.size_int
        if not size_int % lot_int and size_int >= least_int and (not most or size_int <= most_int):
            return ""
    size = instrument.size(order.size_int)
    shown = instrument.size_text(order.size_int)
    if size % lot:
        return f"quantity {shown} is not a multiple of the lot {decimal_text(lot)}"
    if size < least:
        return f"quantity {shown} is below the least, {decimal_text(least)}"
    if most and size > most:
        return f"quantity {shown} is above the most, {decimal_text(most)}"
    return ""


def _quantity(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> Measure:
    lot, least, most = _sizes(order, instrument)
    upper = f" to {decimal_text(most)}" if most else ""
    limit = f"{decimal_text(least)}{upper} in steps of {decimal_text(lot)}"
    return instrument.size_text(order.size_int), limit


class Rules:
    """The same rules of one instrument in whole numbers, worked out once: whether an order keeps
    them all. Which one it breaks is for `VENUE_RULES` to say."""

    __slots__ = (
        "_bands",
        "_factor",
        "_market_sizes",
        "_may_be_negative",
        "_notional_min",
        "_sizes",
        "_tick",
        "_trigger_by",
        "instrument",
    )

    def __init__(self, instrument: Instrument) -> None:
        i = self.instrument = instrument
        self._tick = to_units(i.tick, i.price_decimals)
        self._may_be_negative = i.kind is Kind.LINEAR
        # None where a limit is finer than the decimals.
        self._sizes = _in_units(i.lot, i.size_min, i.size_max, i.size_decimals)
        self._market_sizes = _in_units(
            i.market_lot or i.lot, i.market_size_min or i.size_min, i.market_size_max or i.size_max, i.size_decimals
        )
        self._bands = {Side.BUY: i.band_up.as_integer_ratio(), Side.SELL: i.band_down.as_integer_ratio()}
        self._notional_min = to_units(i.notional_min, MONEY_DECIMALS)
        self._factor = _factor(i)
        self._trigger_by = i.trigger_by

    def are_kept(self, order: OrderSpec, reference: int) -> bool:
        """False also where they can't be told in whole numbers.

        reference: int64 price that bands are measured from and that market orders are valued at; 0:
        not known, and those two rules are not applied. A triggered order is measured by its
        trigger."""
        if order.broken_rule():
            return False
        price, size, trigger = order.price_int, order.size_int, order.trigger_int
        if trigger and order.trigger_by not in self._trigger_by:
            return False
        is_limit = order.type is _LIMIT
        sizes = self._sizes if is_limit else self._market_sizes
        if sizes is None:
            return False
        lot, least, most = sizes
        if size % lot or size < least or (most and size > most):
            return False
        if price % self._tick or trigger % self._tick:
            return False
        if (price < 0 or trigger < 0) and not self._may_be_negative:
            return False
        near = trigger or reference
        if is_limit:
            over, under = self._bands[order.side]
            away = (price - near) * order.side.sign
            if over and near and away * under > abs(near) * over:
                return False
            near = price
        if not self._notional_min or not near or order.reduce_only:
            return True
        if self._factor:
            return abs(near * size) * self._factor >= self._notional_min
        return abs(self.instrument.notional_units(near, size)) >= self._notional_min


def _factor(instrument: Instrument) -> int:
    """Money units of one unit of price times one of quantity; 0 where that is no whole number."""
    if instrument.kind is Kind.INVERSE:
        return 0
    over, under = instrument.multiplier.as_integer_ratio()
    over *= 10**MONEY_DECIMALS
    under *= 10 ** (instrument.price_decimals + instrument.size_decimals)
    return 0 if over % under else over // under


@lru_cache(maxsize=1024)
def _step(step: Decimal, decimals: int) -> int:
    """A step in units: the same few, for every order."""
    return to_units(step, decimals)


@lru_cache(maxsize=1024)
def _in_units(lot: Decimal, least: Decimal, most: Decimal, decimals: int) -> tuple[int, int, int] | None:
    """Limits of quantity in units, None where one of them is finer."""
    try:
        return to_units(lot, decimals), to_units(least, decimals), to_units(most, decimals)
    except ValueError:
        return None


def _band_rule(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> str:
    # Bands stop the aggressive side only.
    band = _band_of(order, instrument, widened)
    if not band or not near or order.type is not _LIMIT:
        return ""
    if Decimal((order.price_int - near) * order.side.sign) <= abs(near) * band:
        return ""
    return beyond_band(order, instrument, near, band)


def _band_of(order: OrderSpec, instrument: Instrument, widened: int) -> Decimal:
    return (instrument.band_up if order.side is Side.BUY else instrument.band_down) * widened


def _band(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> Measure:
    band = _band_of(order, instrument, widened)
    return away(order, near), f"{decimal_text(band * 100)} %" if band else None


def _notional_rule(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> str:
    price = order.price_int if order.type is OrderType.LIMIT else near
    # What is left of a position must be closable.
    if not instrument.notional_min or not price or order.reduce_only:
        return ""
    units = abs(instrument.notional_units(price, order.size_int))
    if units >= _step(instrument.notional_min, MONEY_DECIMALS):
        return ""
    value = money(units)
    return f"value {decimal_text(value)} is below the least, {decimal_text(instrument.notional_min)}"


def _value(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> Measure:
    least = decimal_text(instrument.notional_min) if instrument.notional_min else None
    price = order.price_int or near
    if not price:
        return None, least
    return decimal_text(money(abs(instrument.notional_units(price, order.size_int)))), least


class VenueRule(NamedTuple):
    """words: how it is broken, "" where it is not; measure: what it looks at. Both of an order, its
    instrument, the price that it is measured by and how many times the band counts."""

    name: str
    error: type[OnetapeError]
    words: Callable[[OrderSpec, Instrument, int, int], str]
    measure: Callable[[OrderSpec, Instrument, int, int], Measure]


# In the order in which they are asked.
VENUE_RULES: Final = (
    VenueRule("order", OrderInvalid, _shape_rule, _not_measured),
    VenueRule("trigger", OrderInvalid, _trigger_rule, _not_measured),
    VenueRule("quantity", OrderInvalid, _size_rule, _quantity),
    VenueRule("tick", OrderInvalid, _tick_rule, _tick),
    VenueRule("venue price band", PriceBand, _band_rule, _band),
    VenueRule("least value", OrderBelowMinNotional, _notional_rule, _value),
)

__all__ = ["NOT_MEASURED", "VENUE_RULES", "Measure", "Refusal", "Rules", "VenueRule", "away", "beyond_band"]
