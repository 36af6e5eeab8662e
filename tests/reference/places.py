"""Who stands before a resting order: the queue models, in the words of their table.

Floats are the model's own; the order of operations is written down, so that two machines agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

UNKNOWN: Final = None


@dataclass(frozen=True)
class QueueModel:
    name: str = "conservative"
    exponent: float = 1.0

    def share_behind(self, front: float, back: float) -> float:
        """Of a cancellation, 0..1: what was behind us."""
        n = self.exponent
        if self.name == "conservative" or front == 0:
            return 1.0
        if self.name == "power":  # b^n / (b^n + f^n), where neither overflows
            share = 1 / (1 + math.pow(front / back, n)) if back else 0.0
        elif self.name == "power2":
            share = math.pow(back / (back + front), n)
        elif self.name == "power3":
            share = 1 - math.pow(front / (front + back), n)
        elif self.name == "log":
            share = math.log1p(back) / (math.log1p(back) + math.log1p(front))
        else:
            share = math.log1p(back) / math.log1p(back + front)
        return min(max(share, 0.0), 1.0)


@dataclass
class Place:
    """exact: units before us, with their fraction; None where the level was never seen."""

    model: QueueModel
    exact: float | None
    lot: int = 1  # units
    coins: float = 1.0  # of a unit
    ahead: int | None = field(init=False)  # in whole lots: a begun one stands before us
    shown: int = field(init=False)
    traded: int = 0  # at our price since the level was last seen

    def __post_init__(self) -> None:
        self.ahead = None if self.exact is None else int(self.exact)
        self.shown = int(self.exact or 0)

    def trade(self, size: int, left: int) -> int:
        """A print of `size`, of which `left` is not used up. Returns what is left for us."""
        assert self.exact is not None and self.ahead is not None
        before = min(self.ahead, left)
        self.ahead -= before
        self.exact = max(self.exact - before, 0.0) if self.ahead else 0.0
        self.traded += size
        return left - before

    def show(self, shown: int) -> None:
        """The level shows so much now."""
        gone = self.shown - shown - self.traded
        if self.exact is None or self.ahead is None:
            self.exact, self.ahead = float(shown), shown
        elif gone > 0 and self.model.name != "conservative":
            back = max(self.shown - self.exact, 0.0)
            share = self.model.share_behind(self.exact * self.coins, back * self.coins)
            # More canceled behind us than stood there was before us after all.
            self.exact -= (1 - share) * gone + max(share * gone - back, 0.0)
            self.exact = max(self.exact, 0.0)
            self.ahead = math.ceil(self.exact / self.lot - 1e-9) * self.lot
        self.exact, self.ahead = min(self.exact, float(shown)), min(self.ahead, shown)
        self.shown, self.traded = shown, 0
