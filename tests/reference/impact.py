"""Own impact, read off everything that has happened so far: nothing is kept but the events."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

SAMPLES, LEAST = 60, 10


class Law(NamedTuple):
    coefficient: float
    permanent: float
    half_life: int  # ns
    window: int  # ns


@dataclass
class Push:
    """What own trades have made of one instrument's market."""

    law: Law
    prices: list[tuple[int, int]] = field(default_factory=list)  # time, twice the price
    volumes: list[tuple[int, int]] = field(default_factory=list)
    bars: list[tuple[int, int, int, int]] = field(default_factory=list)  # period, open, close, volume
    taken: list[tuple[int, int]] = field(default_factory=list)  # time, size, below 0 where sold
    held: int = 0
    clock: int = 0  # the latest moment that anything was of: with a venue's clock events may be late

    # --- what the market was like ---

    def at(self, now: int) -> int:
        self.clock = max(self.clock, now)
        return self.clock

    def samples(self, now: int) -> list[tuple[float, int]]:
        """(price move, volume) of the last complete steps, oldest first."""
        if self.bars:
            # Since bars of the shortest period come.
            shortest = min(period for period, *_ in self.bars)
            since = next(i for i, bar in enumerate(self.bars) if bar[0] == shortest)
            since_then = [bar for bar in self.bars[since:] if bar[0] == shortest]
            before = [since_then[0][1], *(close for _, _, close, _ in since_then)]
            return [(float(b[2] - a), b[3]) for a, b in zip(before, since_then, strict=False)][-SAMPLES:]
        now = self.at(now)
        step = max(self.law.window // SAMPLES, 1)
        if not self.prices:
            return []
        first = self.prices[0][0] // step
        found = []
        for sample in range(max(first, now // step - SAMPLES), now // step):
            begin, end = sample * step, (sample + 1) * step
            before = [price for time, price in self.prices if time < begin] or [self.prices[0][1]]
            after = [price for time, price in self.prices if time < end]
            volume = sum(size for time, size in self.volumes if begin <= time < end)
            found.append(((after[-1] - before[-1]) / 2, volume))
        return found

    def scale(self, now: int) -> float:
        """Price units by which the square root of one unit moves; 0 while that is not known."""
        samples = self.samples(now)
        volume = sum(volume for _, volume in samples)
        if len(samples) < LEAST or not volume:
            return 0.0
        return self.law.coefficient * math.sqrt(sum(move * move for move, _ in samples) / volume)

    # --- what own trades did ---

    def note_taken(self, now: int, side: str, size: int) -> None:
        last = self.taken[-1][0] if self.taken else now
        self.taken.append((max(now, last), size if side == "buy" else -size))

    # --- what it comes to ---

    def parts(self, side: str, now: int) -> tuple[tuple[float, float], tuple[float, float]]:
        """(share of the law, units that weigh against the side): what was taken and decays, what is held."""
        sign = 1 if side == "buy" else -1
        decayed = sum(sign * size * 2.0 ** (-2 * max(now - t, 0) / self.law.half_life) for t, size in self.taken)
        return (1 - self.law.permanent, decayed), (self.law.permanent, float(sign * self.held))

    def integral(self, side: str, now: int, upto: int) -> float:
        """Of the displacement that works against a side, over the first `upto` units taken."""
        return sum(share * 2 / 3 * max(units + upto, 0.0) ** 1.5 for share, units in self.parts(side, now))

    def displacement(self, side: str, now: int, tick: int, after: int = 0) -> int:
        """In whole ticks, once `after` more units are taken."""
        root = sum(share * math.sqrt(max(units + after, 0.0)) for share, units in self.parts(side, now))
        return self.ticks(self.scale(now) * root, tick)

    def average(self, side: str, now: int, tick: int, before: int, size: int) -> int:
        """The same over `size` units, once `before` are taken."""
        area = self.integral(side, now, before + size) - self.integral(side, now, before)
        return self.ticks(self.scale(now) * area / size, tick)

    @staticmethod
    def ticks(distance: float, tick: int) -> int:
        return math.floor(distance / tick + 0.5) * tick


class Nothing(Push):
    """A market that own trades leave as it is."""

    def __init__(self) -> None:
        super().__init__(Law(0.0, 0.0, 1, 1))

    def samples(self, now: int) -> list[tuple[float, int]]:
        return []
