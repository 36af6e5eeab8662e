"""The money of an account some of whose positions have margin of their own.

Two accounts of the core stand behind it: one for what shares the wallet, one for isolated
positions. What moves between them is kept by position. Source of the rules: Binance's "Isolated
margin mode", read 2026-11: a fill that opens moves its initial margin to the position, one that
closes brings back its share and the profit; fees come from the wallet, funding from the position.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from onetape import _core
from onetape.model.errors import PositionLimit

__all__ = ["Funds"]

RATE_SCALE: Final = 10**12
STEP: Final = 10**10  # margin is moved in steps of 1e-8, as the venue writes it
_OTHER: Final = {"buy": -1, "sell": 1}  # the sign of a holding that an order takes off


class Funds:
    """Has the methods of a CoreAccount. settle: the number of each instrument's currency.
    notional: of an instrument's price and quantity, 1e-18. Amounts are 1e-18."""

    def __init__(
        self,
        cross: Any,
        apart: Any,
        settle: Sequence[int],
        notional: Callable[[int, int, int], int],
        leverage: Callable[[int], int],
    ) -> None:
        self.cross = cross
        self.apart = apart
        self.isolated: set[int] = set()
        self.wallets: dict[tuple[int, str], int] = {}
        self._settle = settle
        self._notional = notional
        self._leverage = leverage

    def _of(self, index: int) -> Any:
        return self.apart if index in self.isolated else self.cross

    @property
    def leverage(self) -> int:
        return int(self.cross.leverage)

    # --- sums of a currency -----------------------------------------------------------------------

    def balance(self, currency: int) -> int:
        return int(self.cross.balance(currency)) + int(self.apart.balance(currency))

    def equity(self, currency: int) -> int:
        return int(self.cross.equity(currency)) + int(self.apart.equity(currency))

    def available(self, currency: int) -> int:
        return int(self.cross.available(currency))

    def initial_margin(self, currency: int) -> int:
        return int(self.cross.initial_margin(currency)) + int(self.apart.initial_margin(currency))

    def maintenance_margin(self, currency: int) -> int:
        """Of what shares the wallet."""
        return int(self.cross.maintenance_margin(currency))

    def below_maintenance(self, currency: int) -> bool:
        return bool(self.cross.below_maintenance(currency))

    def deposit(self, currency: int, amount: int) -> None:
        self.cross.deposit(currency, amount)

    # --- of an instrument -------------------------------------------------------------------------

    def unrealized(self, index: int) -> Any:
        return self._of(index).unrealized(index)

    def fees(self, index: int) -> Any:
        return self._of(index).fees(index)

    def funding(self, index: int) -> Any:
        return self._of(index).funding(index)

    def position(self, index: int, side: str = "both") -> Any:
        return self._of(index).position(index, side)

    def liquidation_price(self, index: int, side: str, spare: int, alone: bool) -> Any:
        return self._of(index).liquidation_price(index, side, spare, alone)

    def set_mark(self, index: int, price: int) -> None:
        self.cross.set_mark(index, price)
        self.apart.set_mark(index, price)

    def set_terms(self, index: int, terms: _core.InstrumentTerms) -> None:
        self.cross.set_terms(index, terms)
        self.apart.set_terms(index, terms)

    def add_working(self, *order: Any) -> None:
        self.cross.add_working(*order)

    def remove_working(self, *order: Any) -> None:
        self.cross.remove_working(*order)

    def check_funds(
        self, index: int, side: str, price: int, size: int, reduce_only: bool = False, position_side: str = "both"
    ) -> int:
        terms = (reduce_only, position_side)
        if index not in self.isolated or reduce_only:
            return int(self.cross.check_funds(index, side, price, size, *terms))
        if self.apart.check_funds(index, side, price, size, *terms) == PositionLimit.code:
            return PositionLimit.code
        held = int(self.apart.position(index, position_side).qty)
        opens = size - (abs(held) if held * _OTHER[side] > 0 else 0)
        if opens <= 0:
            return 0
        return int(self.cross.check_funds(index, side, price, opens, *terms))

    def apply_fill(
        self, index: int, side: str, price: int, size: int, fee: int = 0, position_side: str = "both"
    ) -> int:
        """Gives what was realized."""
        if index not in self.isolated:
            return int(self.cross.apply_fill(index, side, price, size, fee, position_side))
        key = (index, position_side)
        before = int(self.apart.position(index, position_side).qty)
        realized = int(self.apart.apply_fill(index, side, price, size, 0, position_side))
        after = int(self.apart.position(index, position_side).qty)
        currency = self._settle[index]
        self.apart.deposit(currency, -realized)
        self.cross.deposit(currency, realized - fee)
        turned = before * after < 0
        if before and (turned or abs(after) < abs(before)):
            closed = abs(before) if turned else abs(before) - abs(after)
            share = self.wallets.get(key, 0) * closed // abs(before)
            self.move(index, position_side, -(share // STEP * STEP if after else share))
        opened = abs(after) if turned else max(abs(after) - abs(before), 0)
        if opened:
            margin = abs(self._notional(index, price, opened)) // self._leverage(index)
            self.move(index, position_side, -(-margin // STEP) * STEP)
        return realized

    def move(self, index: int, position_side: str, amount: int) -> None:
        """From the wallet to a position, or back where it is negative."""
        currency = self._settle[index]
        self.cross.deposit(currency, -amount)
        self.apart.deposit(currency, amount)
        key = (index, position_side)
        left = self.wallets.get(key, 0) + amount
        if left or int(self.apart.position(index, position_side).qty):
            self.wallets[key] = left
        else:
            self.wallets.pop(key, None)

    def apply_funding(self, index: int, rate: int, mark: int = 0) -> int:
        if index not in self.isolated:
            return int(self.cross.apply_funding(index, rate, mark))
        held = [
            (side, qty)
            for side in ("both", "long", "short")
            if (side == "both") != self._is_hedge(index) and (qty := int(self.apart.position(index, side).qty))
        ]
        paid = left = int(self.apart.apply_funding(index, rate, mark))
        for side, qty in held[1:]:
            part = -self._notional(index, mark, qty) * rate // RATE_SCALE
            self.wallets[index, side] = self.wallets.get((index, side), 0) + part
            left -= part
        if held:
            key = (index, held[0][0])
            self.wallets[key] = self.wallets.get(key, 0) + left
        return paid

    def _is_hedge(self, index: int) -> bool:
        return any(self.apart.position(index, side).qty for side in ("long", "short"))
