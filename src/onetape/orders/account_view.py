"""What a venue says an account holds and how it is set, by the venue's own time.

Stream and REST tell the same things; the newer word stands, whichever way it came.
"""

from __future__ import annotations

from onetape.model.enums import PositionSide
from onetape.orders.managed import AccountOut, Out
from onetape.orders.told import BalanceTold, ModeTold, PositionTold

__all__ = ["AccountView"]


class AccountView:
    """Balances in 1e-18 of their currency and positions in units, each with the venue's time."""

    def __init__(self) -> None:
        self.balances: dict[str, tuple[int, int]] = {}
        self.positions: dict[tuple[str, PositionSide], tuple[int, int]] = {}
        self.mode: ModeTold | None = None

    def hear(self, told: BalanceTold | PositionTold | ModeTold, source: str) -> list[Out]:
        """What is new in it."""
        match told:
            case BalanceTold():
                known = self.balances.get(told.currency)
                if known is not None and told.time < known[1]:
                    return []
                self.balances[told.currency] = (told.total, told.time)
                if known is not None and known[0] == told.total:
                    return []
                return [AccountOut(told.currency, None, told.total, told.time, source)]
            case PositionTold():
                key = (told.symbol, told.side)
                held = self.positions.get(key)
                if held is not None and told.time < held[1]:
                    return []
                self.positions[key] = (told.qty, told.time)
                if held is not None and held[0] == told.qty:
                    return []
                return [AccountOut(told.symbol, told.side, told.qty, told.time, source)]
            case ModeTold():
                self.mode = told
        return []
