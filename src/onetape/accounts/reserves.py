"""What orders and positions hold of a sub-account's money: it cannot be spent twice, or taken away.

That is our rule and no fact of the venue. On spot a buy holds its cost with fee, a sale its coins.
Of contracts a sub-account holds margin as if it were alone at the venue: of each position side the
greater of what it would reach if all its buys were filled, or all its sales, by the configured
leverage, and the fees of the orders that can open. Reductions hold nothing. The position counts at
what it was opened for, so that prices alone do not change what is held.

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
    """Reckons what working orders and positions of one account hold.

    leverage: what a sub-account's contracts are reckoned at.
    references: prices that market orders are reckoned at.
    """

    def __init__(
        self, instruments: Mapping[str, Instrument], *, leverage: float, references: Mapping[str, int] = _NO_PRICES
    ) -> None:
        check(leverage > 0, f"leverage is positive: {leverage}")
        # A float as people write it: 1.1 is 11 / 10.
        super().__init__(instruments, references, *Fraction(str(leverage)).as_integer_ratio())
