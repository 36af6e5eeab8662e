"""Margin as the venue reckons it: equity, what is needed, what is free, where it ends.

These are facts of the whole account, of what settles in one currency (cross) or of one position
(isolated). What a sub-account may use of them is our rule, and stands in `locks`.

    equity        balance + open profit at marks
    initial       by instrument: the greatest value that its orders could lead to / leverage
    maintenance   by position: value * rate - amount, of the bracket that the value lies in
    available     balance + open profit of cross positions - initial margin, what is set apart for
                  isolated positions among it
    liquidation   the mark at which balance and profit are what maintenance needs

Source: Binance, "Liquidation Price of USD-M Futures Contracts", "Leverage and Margin of USD-M
Futures" and "Account Information V3", read 2026-11; the exchange of the core does the same, and is
what these are checked against. Whole units of 1e-18, each quotient half to even.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from onetape.accounts.holding import Terms
from onetape.model.enums import PositionSide
from onetape.model.errors import check
from onetape.model.instrument import Instrument
from onetape.model.margin import core_rows
from onetape.model.money import RATE_DECIMALS, divide_half_even, rate_units

__all__ = ["Contract", "Held", "Wallet"]

_RATE_ONE = 10**RATE_DECIMALS


@dataclass(slots=True)
class Held:
    """One position of a contract, and its orders that may open. cost: as of a Holding; buys and
    sells: values; margin: what is set apart for it where it is isolated."""

    qty: int = 0
    cost: int = 0
    buys: int = 0
    sells: int = 0
    margin: int = 0


@dataclass(slots=True)
class Contract:
    """mark: price units, 0 where none is known, which values positions at their cost. order_fees:
    what the venue sets apart for them, where it does."""

    instrument: Instrument
    leverage: int = 1
    mark: int = 0
    is_isolated: bool = False
    order_fees: int = 0
    sides: dict[PositionSide, Held] = field(default_factory=dict)
    _terms: Terms = field(init=False)
    _rows: list[tuple[int, int, int, int]] = field(init=False)

    def __post_init__(self) -> None:
        check(self.leverage >= 1, f"leverage is at least 1: {self.leverage}")
        self._terms = Terms(self.instrument)
        self._rows = core_rows(self.instrument.brackets)

    def at(self, side: PositionSide = PositionSide.BOTH) -> Held:
        return self.sides.setdefault(side, Held())

    def value(self, side: PositionSide) -> int:
        """Signed as the position."""
        held = self.at(side)
        if not held.qty:
            return 0
        value = abs(self._terms.value(self.mark, held.qty) if self.mark else held.cost)
        return value if held.qty > 0 else -value

    def profit(self, side: PositionSide) -> int:
        held = self.at(side)
        if not held.qty or not self.mark:
            return 0
        return (self._terms.value(self.mark, held.qty) - held.cost) * self._terms.gain

    @property
    def unrealized(self) -> int:
        return sum(self.profit(side) for side in self.sides)

    @property
    def initial(self) -> int:
        worst = sum(self._worst(side) for side in self.sides)
        apart = 0
        if self.is_isolated:
            worst -= sum(abs(self.value(side)) for side in self.sides)
            apart = self.set_apart
        return apart + divide_half_even(worst, self.leverage) + self.order_fees

    @property
    def set_apart(self) -> int:
        return sum(held.margin for held in self.sides.values())

    @property
    def maintenance(self) -> int:
        return sum(self.maintenance_of(side) for side in self.sides)

    def maintenance_of(self, side: PositionSide) -> int:
        return self._needed(abs(self.value(side)))

    def is_short(self, side: PositionSide) -> bool:
        """Of its own margin, where it is isolated."""
        held = self.at(side)
        return bool(held.qty) and held.margin + self.profit(side) < self.maintenance_of(side)

    def rows(self) -> Sequence[tuple[int, int, int]]:
        """(value up to which it holds, rate in 1e-12, amount) of each bracket; the last one holds
        beyond its end, too."""
        if not self._rows:
            return ((0, rate_units(self.instrument.maintenance_rate), 0),)
        return [row[:3] for row in self._rows]

    def _needed(self, value: int) -> int:
        rows = self.rows()
        _, rate, amount = next((row for row in rows if value <= row[0]), rows[-1])
        return max(divide_half_even(value * rate, _RATE_ONE) - amount, 0)

    def _worst(self, side: PositionSide) -> int:
        held, value = self.at(side), self.value(side)
        if side is PositionSide.LONG:
            return abs(value) + held.buys
        if side is PositionSide.SHORT:
            return abs(value) + held.sells
        return max(abs(value + held.buys), abs(value - held.sells))


@dataclass(slots=True)
class Wallet:
    """What an account has of a currency, and the contracts that settle in it. spot_orders: what
    its spot orders hold back."""

    balance: int = 0
    contracts: Mapping[str, Contract] = field(default_factory=dict)
    spot_orders: int = 0

    @property
    def cross(self) -> Iterable[Contract]:
        return (each for each in self.contracts.values() if not each.is_isolated)

    @property
    def isolated(self) -> Iterable[Contract]:
        return (each for each in self.contracts.values() if each.is_isolated)

    @property
    def unrealized(self) -> int:
        return sum(each.unrealized for each in self.contracts.values())

    @property
    def equity(self) -> int:
        return self.balance + self.unrealized

    @property
    def initial(self) -> int:
        return sum(each.initial for each in self.contracts.values())

    @property
    def maintenance(self) -> int:
        return sum(each.maintenance for each in self.contracts.values())

    @property
    def available(self) -> int:
        """For new orders. Below zero where it is missing; the venue shows 0 then."""
        profit = sum(each.unrealized for each in self.cross)
        return self.balance + profit - self.initial - self.spot_orders

    @property
    def withdrawable(self) -> int:
        """Open profit cannot be taken away."""
        return max(min(self.available, self.balance), 0)

    @property
    def covered(self) -> int:
        """What stands behind the cross positions."""
        apart = sum(each.set_apart for each in self.isolated)
        return self.balance - apart + sum(each.unrealized for each in self.cross)

    @property
    def is_short(self) -> bool:
        """Of maintenance margin: the venue closes cross positions."""
        holds = any(held.qty for each in self.cross for held in each.sides.values())
        return holds and self.covered < sum(each.maintenance for each in self.cross)

    def backing(self, symbol: str) -> int:
        """What stands behind a cross contract without its own profit, while the prices of all
        others stay."""
        own = self.contracts[symbol]
        others = [each for each in self.cross if each is not own]
        return self.covered - own.unrealized - sum(each.maintenance for each in others)
