"""The rules of an instrument's venue, checked before an order is sent.

The core finds the broken rules (`core/exchange/order_rules.hpp`); this module has their names, errors and texts with
the offending value. Expected outcomes are values: a Refusal, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final, NamedTuple

from onetape.model.decimals import decimal_text
from onetape.model.enums import OrderType, Side
from onetape.model.errors import OnetapeError, OrderBelowMinNotional, OrderInvalid, PriceBand
from onetape.model.instrument import Instrument
from onetape.model.money import money_text
from onetape.model.order import OrderSpec

_LIMIT: Final = OrderType.LIMIT  # bound once: a lookup at its class costs as much as a call


Measure = tuple[str | None, str | None]  # figure and limit as text, None: no limit
NOT_MEASURED: Final[Measure] = (None, None)


class _Bit:
    """The core's rules by number, in its order; 1 is a malformed order (`OrderSpec.broken_rule`)."""

    TRIGGER_WATCH: Final = 1 << 1
    TRIGGER_SIGN: Final = 1 << 2
    TRIGGER_TICK: Final = 1 << 3
    LOT: Final = 1 << 4
    SIZE_MIN: Final = 1 << 5
    SIZE_MAX: Final = 1 << 6
    TOO_LARGE: Final = 1 << 7
    PRICE_SIGN: Final = 1 << 8
    TICK: Final = 1 << 9
    BAND: Final = 1 << 10
    NOTIONAL_MIN: Final = 1 << 11


class Refusal(NamedTuple):
    """A broken rule: the error's number, and the text with the offending value."""

    code: int
    reason: str

    @classmethod
    def of(cls, error: type[OnetapeError], reason: str) -> Refusal:
        """Makes a refusal with the number of an error class."""
        return cls(error.code, reason)


def away(order: OrderSpec, near: int) -> str | None:
    """Returns how far a limit price is on the worse side of a price, in percent; None: the order has no limit."""
    if not near or order.type is not _LIMIT:
        return None
    return f"{(order.price_int - near) * order.side.sign / abs(near) * 100:.6g} %"


def beyond_band(order: OrderSpec, instrument: Instrument, near: int, band: Decimal) -> str:
    """Returns the text for a limit price beyond a band."""
    side_of_market = "above" if order.side is Side.BUY else "below"
    return (
        f"price {instrument.price_text(order.price_int)} is {away(order, near)} {side_of_market}"
        f" {instrument.price_text(near)}, at most {decimal_text(band * 100)} %"
    )


def keeps_rules(order: OrderSpec, instrument: Instrument, reference: int) -> bool:
    """Tells whether an order keeps all rules of its venue.

    reference: int64 price that bands are measured from and that market orders are valued at; 0: unknown, and those two
    rules are skipped. A triggered order is measured by its trigger.
    """
    return not order.broken_rule() and not _broken(order, instrument, reference, 1)


def _broken(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> int:
    """Returns the rules that an order breaks, as bits. A malformed order breaks no other rule."""
    return instrument.core.broken_rules(
        order.side.id,
        order.type.id,
        order.price_int,
        order.size_int,
        order.trigger_int,
        order.trigger_by.id,
        order.reduce_only,
        near,
        widened,
    )


def _sizes(order: OrderSpec, instrument: Instrument) -> tuple[Decimal, Decimal, Decimal]:
    """Returns lot, minimum and maximum quantity for the order's type."""
    lot, least, most = instrument.lot, instrument.size_min, instrument.size_max
    if order.type is OrderType.MARKET:
        lot = instrument.market_lot or lot
        least = instrument.market_size_min or least
        most = instrument.market_size_max or most
    return lot, least, most


def _band(order: OrderSpec, instrument: Instrument, widened: int) -> Decimal:
    return (instrument.band_up if order.side is Side.BUY else instrument.band_down) * widened


def _value(order: OrderSpec, instrument: Instrument, near: int) -> str:
    return money_text(abs(instrument.notional_units(order.price_int or near, order.size_int)))


def _words(rule: int, order: OrderSpec, instrument: Instrument, near: int, widened: int) -> str:
    """Returns the text for one of the core's rules that an order breaks."""
    sized, priced = instrument.size_text(order.size_int), instrument.price_text
    lot, least, most = map(decimal_text, _sizes(order, instrument))
    tick = decimal_text(instrument.tick)
    match rule:
        case _Bit.TRIGGER_WATCH:
            return f"the venue has no trigger by {order.trigger_by}"
        case _Bit.TRIGGER_SIGN:
            return f"trigger of {instrument.kind} must be positive: {instrument.price(order.trigger_int)}"
        case _Bit.TRIGGER_TICK:
            return f"trigger {priced(order.trigger_int)} is not on the tick {tick}"
        case _Bit.LOT:
            return f"quantity {sized} is not a multiple of the lot {lot}"
        case _Bit.SIZE_MIN:
            return f"quantity {sized} is below the least, {least}"
        case _Bit.SIZE_MAX:
            return f"quantity {sized} is above the most, {most}"
        case _Bit.TOO_LARGE:
            return f"quantity {sized} is worth more than 10^18 of its currency"
        case _Bit.PRICE_SIGN:
            return f"price of {instrument.kind} must be positive: {instrument.price(order.price_int)}"
        case _Bit.TICK:
            return f"price {priced(order.price_int)} is not on the tick {tick}"
        case _Bit.BAND:
            return beyond_band(order, instrument, near, _band(order, instrument, widened))
        case _:
            value = _value(order, instrument, near)
            return f"value {value} is below the least, {decimal_text(instrument.notional_min)}"


def _quantity_measure(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> Measure:
    lot, least, most = _sizes(order, instrument)
    upper = f" to {decimal_text(most)}" if most else ""
    limit = f"{decimal_text(least)}{upper} in steps of {decimal_text(lot)}"
    return instrument.size_text(order.size_int), limit


def _tick_measure(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> Measure:
    if order.type is not _LIMIT:
        return NOT_MEASURED
    return instrument.price_text(order.price_int), decimal_text(instrument.tick)


def _band_measure(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> Measure:
    band = _band(order, instrument, widened)
    return away(order, near), f"{decimal_text(band * 100)} %" if band else None


def _value_measure(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> Measure:
    least = decimal_text(instrument.notional_min) if instrument.notional_min else None
    return (_value(order, instrument, near) if order.price_int or near else None), least


def _not_measured(order: OrderSpec, instrument: Instrument, near: int, widened: int) -> Measure:
    return NOT_MEASURED


class VenueRule(NamedTuple):
    """One venue rule of the pre-trade list: the core's rule, the error that it refuses with, and the inputs. bits: 0:
    the order's own form."""

    name: str
    error: type[OnetapeError]
    bits: int
    measure: Callable[[OrderSpec, Instrument, int, int], Measure]

    def words(self, order: OrderSpec, instrument: Instrument, near: int, widened: int) -> str:
        """Returns the text if the order breaks the rule, else "".

        near: the price that the order is measured by.
        widened: multiple of the price band.
        """
        if not self.bits:
            return order.broken_rule()
        broken = _broken(order, instrument, near, widened) & self.bits
        return _words(broken & -broken, order, instrument, near, widened) if broken else ""


# In the order of the checks.
VENUE_RULES: Final = (
    VenueRule("order", OrderInvalid, 0, _not_measured),
    VenueRule("trigger", OrderInvalid, _Bit.TRIGGER_WATCH | _Bit.TRIGGER_SIGN | _Bit.TRIGGER_TICK, _not_measured),
    VenueRule("quantity", OrderInvalid, _Bit.LOT | _Bit.SIZE_MIN | _Bit.SIZE_MAX | _Bit.TOO_LARGE, _quantity_measure),
    VenueRule("tick", OrderInvalid, _Bit.PRICE_SIGN | _Bit.TICK, _tick_measure),
    VenueRule("venue price band", PriceBand, _Bit.BAND, _band_measure),
    VenueRule("least value", OrderBelowMinNotional, _Bit.NOTIONAL_MIN, _value_measure),
)

__all__ = ["NOT_MEASURED", "VENUE_RULES", "Measure", "Refusal", "VenueRule", "away", "beyond_band", "keeps_rules"]
