"""Computes prices and ladders of orders typed by hand. Pure.

A price is a number, or `bid ask mid low:SPAN high:SPAN`, also times a factor: `low:90m*0.995`. A computed price is
rounded to the tick away from the market; a typed number is not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final, NamedTuple

from onetape.model.config import LOOK_BACK_MAX, parse_share
from onetape.model.decimals import decimal_text
from onetape.model.errors import OnetapeError, StaleData, UsageError
from onetape.model.time import MINUTE, parse_duration
from onetape.risk.look_back import period_of

__all__ = ["STEPS_MAX", "Extreme", "Market", "interval_of", "needs_market", "orders_of"]

STEPS_MAX: Final = 50
_COMPUTED: Final = re.compile(r"(bid|ask|mid|(low|high):([\d.]+[smhdw]))(?:\*(\d+(?:\.\d+)?))?\Z")
_TICKS: Final = re.compile(r"(\d+) ?ticks?\Z")


class Market(NamedTuple):
    """The market for pricing an order by hand. bid, ask: 0 if unknown."""

    bid: Decimal
    ask: Decimal
    tick: Decimal
    lot: Decimal


# Returns the lowest or highest price of a time. Arguments: "low" or "high", ns until now.
Extreme = Callable[[str, int], Decimal]


def interval_of(span: int) -> int:
    """Returns the period of bars, ns, that gives the low or high of the last `span` ns. Raises UsageError."""
    if not MINUTE <= span < LOOK_BACK_MAX:
        raise UsageError("low: and high: take a time from 1m to 500d")
    return period_of(span)


def needs_market(fields: Mapping[str, Any]) -> bool:
    """Tells whether the typed prices have to be computed here, from the market or for a ladder."""
    return bool(fields.get("steps")) or any(_COMPUTED.match(str(fields.get(name))) for name in ("price", "trigger"))


def orders_of(fields: Mapping[str, Any], market: Market, extreme: Extreme) -> list[dict[str, str]]:
    """Returns `qty`, `price` and `trigger` of each order. fields: side, qty, price, trigger, kind, steps, every, as
    typed. The quantities sum up to qty; all but the last are equal. Raises UsageError, StaleData."""
    steps, every = int(fields.get("steps") or 1), str(fields.get("every") or "0ticks")
    kind = fields.get("kind")
    # The steps of a stop go to worse prices, those of other orders to better ones.
    is_above = (fields["side"] == "sell") is (kind != "stop")
    names = [name for name in ("price", "trigger") if fields.get(name) is not None]
    if not 1 <= steps <= STEPS_MAX:
        raise UsageError(f"a ladder has 1 to {STEPS_MAX} steps")
    if steps > 1 and not names:
        raise UsageError("a ladder needs a price or a trigger", todo="--price bid")
    bases = {name: _base(str(fields[name]), market, extreme) for name in names}
    if steps == 1:
        return [
            {
                "qty": str(fields["qty"]),
                **{name: _shown(name, fields, base, market, is_above) for name, base in bases.items()},
            }
        ]
    offsets = {name: _offset(every, base, market) for name, base in bases.items()}
    sign = 1 if is_above else -1
    return [
        {
            "qty": decimal_text(qty),
            **{name: _rounded(base + sign * at * offsets[name], market, is_above) for name, base in bases.items()},
        }
        for at, qty in enumerate(_slices(_number(str(fields["qty"])), steps, market.lot))
    ]


def _slices(qty: Decimal, steps: int, lot: Decimal) -> list[Decimal]:
    each = qty / steps // lot * lot
    if each <= 0:
        raise UsageError(f"{decimal_text(qty)} in {steps} steps is less than one lot, {decimal_text(lot)}, in each")
    return [*([each] * (steps - 1)), qty - each * (steps - 1)]


def _base(text: str, market: Market, extreme: Extreme) -> Decimal:
    found = _COMPUTED.match(text)
    if found is None:
        return _number(text)
    word, which, span, factor = found.groups()
    if which:
        price = extreme(which, parse_duration(span))
    elif not (market.bid and market.ask):
        raise StaleData(f"the market has no {word} now")
    else:
        price = {"bid": market.bid, "ask": market.ask, "mid": (market.bid + market.ask) / 2}[word]
    return price * Decimal(factor or 1)


def _offset(every: str, base: Decimal, market: Market) -> Decimal:
    if (found := _TICKS.match(every)) is not None:
        return int(found[1]) * market.tick
    try:
        return base * parse_share(every)
    except OnetapeError:
        raise UsageError(f"a step is such as 0.5% or 5ticks, not {every[:40]!r}") from None


def _shown(name: str, fields: Mapping[str, Any], price: Decimal, market: Market, is_above: bool) -> str:
    text = str(fields[name])
    return _rounded(price, market, is_above) if _COMPUTED.match(text) else text


def _rounded(price: Decimal, market: Market, is_above: bool) -> str:
    ticks = (price / market.tick).to_integral_value(ROUND_CEILING if is_above else ROUND_FLOOR)
    if ticks <= 0:
        raise UsageError("the ladder goes below a price of zero", todo="fewer steps, or nearer ones")
    return decimal_text(ticks * market.tick)


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except ArithmeticError:
        number = Decimal("NaN")
    if not number.is_finite() or number <= 0:
        raise UsageError(f"not a price or a quantity: {text[:40]!r}", todo="a number, or bid ask mid low:90m high:90m")
    return number
