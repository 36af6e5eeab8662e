"""Levels of protective orders: a stop or take-profits, each a price or a share of the entry's average price."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, NamedTuple

from onetape.execution.amount import amount_of, finite_of
from onetape.model.instrument import Instrument

__all__ = ["LegPrice", "improbable", "is_share", "leg_price", "levels_of", "no_part", "part_of", "positive_of"]

SHARE_LEAST: Final = 100  # a price this many times smaller than the market's is taken as a share written as a number
SHARE_ROUNDING: Final = Decimal("1e-9")  # three times 1/3 is the whole


class LegPrice(NamedTuple):
    """Price of a leg. share, distance: from the entry's average price; both 0: a fixed price. begins, ends: its part
    of the entry, as shares of it; a leg without a part covers the whole."""

    price: Decimal
    share: Decimal = Decimal(0)
    distance: Decimal = Decimal(0)
    begins: Decimal = Decimal(0)
    ends: Decimal = Decimal(1)

    @property
    def follows(self) -> bool:
        return bool(self.share or self.distance)


def levels_of(take: Any) -> list[tuple[Any, Decimal]]:
    """Returns each take-profit's level and its cumulative share of the entry. take: one level, or several with the
    share that each closes. Raises ValueError."""
    if take is None:
        return []
    if not isinstance(take, (list, tuple)):
        return [(take, Decimal(1))]
    found, sum_ = [], Decimal(0)
    for each in take:
        if not isinstance(each, (list, tuple)) or len(each) != 2:
            raise ValueError(f"take_profit: a level, or a list of (level, share of the entry), not {each!r} in it")
        share = finite_of("take_profit: the share", each[1])
        sum_ += share
        if share <= 0 or sum_ > 1 + SHARE_ROUNDING:
            raise ValueError(f"take_profit: shares of the entry are above 0 and together at most 1, not {take!r}")
        found.append((each[0], sum_ if sum_ < 1 - SHARE_ROUNDING else Decimal(1)))
    if not found:
        raise ValueError("take_profit: an empty list: leave it out")
    return found


def improbable(name: str, value: Any, near: Decimal | None, instrument: Instrument) -> str:
    """Returns why a level is refused: it looks like a share written as a price, or is below a tick; "": it is not.
    near: a recent price."""
    if value is None or is_share(value):
        return ""
    level = positive_of(value, Decimal(1))
    if near is not None and level * SHARE_LEAST < near:
        share = f"{(level * 100).normalize():f}%"
        return f"{name}={value} is a price, less than a hundredth of {near:f}: did you mean {share!r}?"
    if 2 * level < instrument.tick:
        return f"{name}={value} is no price that the instrument can carry: its tick is {instrument.tick:f}"
    return ""


def part_of(instrument: Instrument, size: int, leg: LegPrice) -> int:
    """Returns a leg's part of a quantity of the entry, in whole lots, the last part with the remainder; size units."""

    def up_to(share: Decimal) -> int:
        return size if share == 1 else int(size * share) // instrument.lot_int * instrument.lot_int

    return up_to(leg.ends) - up_to(leg.begins)


def no_part(instrument: Instrument, qty: Any, takes: list[tuple[Any, Decimal]]) -> str:
    """Returns why a take-profit is refused: it would close less than one lot of the whole entry; "": none is."""
    begins = Decimal(0)
    for level, ends in takes:
        if not begins and ends == 1:
            break  # a single part: a quantity below a lot is denied as such
        size = int(finite_of("qty", qty).scaleb(instrument.size_decimals))
        if not part_of(instrument, size, LegPrice(Decimal(0), begins=begins, ends=ends)):
            return f"take_profit={level}: its share of {qty} is less than one lot ({instrument.lot:f})"
        begins = ends
    return ""


def leg_price(value: Any, average: Decimal, away: int) -> LegPrice:
    """Returns a fixed price, or one a share away from the entry's average price."""
    if not is_share(value):
        return LegPrice(positive_of(value, Decimal(1)))
    share = positive_of(value, Decimal(1))
    return LegPrice(average + away * share * average, away * share)


def is_share(value: Any) -> bool:
    return str(value).strip().endswith("%")


def positive_of(value: Any, of: Decimal) -> Decimal:
    if not (amount := amount_of(value, of)):
        raise ValueError(f"neither a price nor a share of one: {value!r}")
    return amount
