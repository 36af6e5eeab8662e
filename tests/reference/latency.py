"""How long the way to a venue and back takes, and how far the market at its end is known.

Floats between two points of a curve are the model's own, in the order that is written down.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

DAY = 86_400 * 10**9
Request = tuple[int, dict[str, Any]]  # instrument, what is asked


@dataclass(frozen=True)
class Delay:
    """All in ns. clock: receipt (an order meets what was received), constant (events are `feed` old
    when they are received) or recorded (as old as their stamps say, set right by `feed`)."""

    request: int = 0
    reply: int = 0
    curve: tuple[tuple[int, int, int], ...] = ()  # time, request, reply
    daily: bool = False
    burst: int = 0  # for each event received in the last ...
    window: int = 0
    clock: str = "receipt"
    feed: int = 0

    def at(self, time: int, way: int) -> int:
        """way 1: there, 2: back."""
        if not self.curve:
            return (0, self.request, self.reply)[way]
        points = list(self.curve)
        if self.daily:
            time %= DAY
            first, last = points[0], points[-1]
            points = [(last[0] - DAY, *last[1:]), *points, (first[0] + DAY, *first[1:])]
        before = [p for p in points if p[0] <= time]
        after = [p for p in points if p[0] > time]
        if not before or not after:
            return (before[-1] if before else after[0])[way]
        a, b = before[-1], after[0]
        return a[way] + int(float(b[way] - a[way]) * ((time - a[0]) / (b[0] - a[0])))

    def happened(self, received: int, stamp: int) -> int:
        if self.clock == "recorded":
            return min(stamp + self.feed, received)
        return received - (self.feed if self.clock == "constant" else 0)


class Way:
    """One venue's, or that of all venues: what is under way on it keeps its order."""

    def __init__(self, delay: Delay) -> None:
        self.delay = delay
        self.arrivals: deque[tuple[int, Request]] = deque()
        self.floor = 0  # answers keep their order, too
        self.received: list[int] = []  # times of market events
        # Up to when the market there is known; None: it has no clock of its own. And how old the
        # last event was.
        self.latest: int | None = None if delay.clock == "receipt" else -(2**62)
        self.age = delay.feed if delay.clock == "constant" else 0

    def burst(self, now: int) -> int:
        recent = sum(time >= now - self.delay.window for time in self.received)
        return self.delay.burst * recent

    def send(self, now: int, request: Request) -> None:
        floor = self.arrivals[-1][0] if self.arrivals else 0
        time = now + self.delay.at(now, 1) + self.burst(now)
        self.arrivals.append((max(floor, time), request))

    def next_arrival(self) -> int | None:
        """It waits until an event that happened later was received."""
        if not self.arrivals or (self.latest is not None and self.arrivals[0][0] >= self.latest):
            return None
        return self.arrivals[0][0]

    def hear(self, happened: int, now: int, since: int) -> int:
        time = happened + self.delay.at(happened, 2) + self.burst(now)
        self.floor = max(self.floor, time, since)
        return self.floor

    def know(self, happened: int) -> None:
        if self.latest is not None:
            self.latest = max(self.latest, happened)
