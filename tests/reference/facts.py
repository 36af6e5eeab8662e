"""What one instrument is, and exact arithmetic on it: money is whole numbers of 1e-18, rates are
1e-12, and every division is rounded half to even by fractions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from onetape.model.margin import MarginBracket, notional_limit

ONE = 10**18
RATE = 10**12


def half_even(value: Fraction) -> int:
    return round(value)  # Fraction rounds half to even


def maintenance(brackets: Sequence[MarginBracket], value: Fraction) -> Fraction:
    """The exact margin of a value >= 0 by the bracket that holds for it; beyond the last, the last."""
    row = next((row for row in brackets if value <= row.notional_max), brackets[-1])
    return max(value * Fraction(row.maintenance_rate) - Fraction(row.maintenance_amount or 0), Fraction(0))


@dataclass(frozen=True)
class Facts:
    """One version of an instrument. Prices and sizes are units of its decimals."""

    kind: str = "linear"
    price_decimals: int = 0
    size_decimals: int = 0
    multiplier: Fraction = Fraction(1)
    tick: int = 1
    lot: int = 1
    size_min: int = 0
    size_max: int = 0  # 0: none
    market_lot: int = 0  # 0: as for limit orders, and so the next two
    market_size_min: int = 0
    market_size_max: int = 0
    notional_min: int = 0
    maker_fee: int = 0
    taker_fee: int = 0
    band_up: int = 0  # 1e-6 of the reference price; 0: none
    band_down: int = 0
    maintenance_rate: int = 0
    brackets: tuple[MarginBracket, ...] = ()
    leverage: int = 0  # 0: the account's
    liquidation_fee: int = 0
    refuses_met_triggers: bool = False
    fee_tiers: tuple[tuple[int, int, int], ...] = ()  # (volume from which on, maker, taker)
    volume_group: int = 0
    expiry: int = 0
    venue: int = 0
    settle: int = 1  # currencies
    base: int = 2

    @property
    def is_spot(self) -> bool:
        return self.kind == "spot"

    def value(self, price: int, size: int) -> int:
        """Signed as size, in the settle currency (spot and linear: the quote; inverse: the
        base)."""
        amount = Fraction(size, 10**self.size_decimals) * self.multiplier
        level = Fraction(price, 10**self.price_decimals)
        if self.kind == "inverse":
            return half_even(amount / level * ONE) if price else 0
        return half_even(amount * level * ONE)

    def coins(self, size: int) -> int:
        """Units of size as money of the base; for an inverse contract, of the quote."""
        return half_even(Fraction(size, 10**self.size_decimals) * self.multiplier * ONE)

    def fee(self, liquidity: str, price: int, size: int) -> int:
        rate = self.maker_fee if liquidity == "maker" else self.taker_fee
        return half_even(Fraction(abs(self.value(price, size)) * rate, RATE))

    def gain(self, now: int, then: int) -> int:
        return then - now if self.kind == "inverse" else now - then

    def needs(self, value: int) -> int:
        """Maintenance of a value: the product is rounded, the amount is exact."""
        if not self.brackets:
            return half_even(Fraction(value * self.maintenance_rate, RATE))
        exact = maintenance(self.brackets, Fraction(value, ONE))
        return half_even(exact * ONE)

    def limit(self, leverage: int) -> int | None:
        """The greatest value that may be opened."""
        limit = notional_limit(self.brackets, leverage)
        return None if limit is None else int(limit * ONE)

    def lower_edge(self, value: int) -> int:
        """Where the bracket of a value begins; 0 in the lowest. The last has no end."""
        edges = [int(row.notional_max * ONE) for row in self.brackets]
        if len(edges) > 1 and value > edges[-1]:
            return edges[-2]
        return max((edge for edge in edges[:-1] if edge < value), default=0)
