"""Reserves of a sub-account's money for orders and positions, so that it cannot be spent twice or withdrawn.

This is our rule, not the venue's. On spot a buy reserves its cost with fee, a sale its coins. For contracts a
sub-account reserves margin as if it were alone at the venue: for each position side the larger of the positions after
all its buys or all its sales are filled, by the configured leverage, and the fees of the orders that can open.
Reductions reserve nothing. Positions count at their cost, so prices alone do not change reserves.

The sums are the core's (`core/orders/reserves.hpp`). Amounts are units of 1e-18, rounded up.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from onetape import _core
from onetape.model.errors import check
from onetape.model.instrument import Instrument

__all__ = ["Reserves"]

_NO_PRICES: Final[Mapping[str, int]] = MappingProxyType({})


class Reserves(_core.Reserves):
    """Computes the reserves of working orders and positions of one account.

    leverage: of a sub-account's contracts.
    references: prices for market orders.
    """

    def __init__(
        self, instruments: Mapping[str, Instrument], *, leverage: float, references: Mapping[str, int] = _NO_PRICES
    ) -> None:
        check(leverage > 0, f"leverage is positive: {leverage}")
        # A float by its decimal text: 1.1 is 11 / 10.
        super().__init__(instruments, references, *Fraction(str(leverage)).as_integer_ratio())
