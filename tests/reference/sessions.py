"""Random sessions: a world, what a robot asks of its services in it, and how far away it is.

The robot acts on frames: a step that is no market event belongs to the frame before it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from reference.latency import DAY, Delay
from reference.worlds import Maker, Step, World

VENUES = ("binance", "kraken", "okx")  # the numbers 1, 2, 3
ORDERS = ("place", "cancel", "amend", "submit", "target", "quotes", "close", "cancel_all")
MARKET = ("quote", "trade", "book")
MARKS = ("mark", "funding", "version")


@dataclass
class Session(World):
    """Times in the world's units. ways, fees, volumes: by venue's number, 0 for all others."""

    ways: dict[int, Delay] = field(default_factory=dict)
    fees: dict[int, tuple[int, int]] = field(default_factory=dict)
    volumes: dict[int, int] = field(default_factory=dict)
    stamped: bool = False  # events carry a time of the venue's
    fuse: bool = False
    detail: tuple[int, ...] = ()  # instruments whose finer data the exchange alone sees
    seed: int = 0


class Chance:
    """What a session has beside its world."""

    def __init__(self, seed: int, steps: int) -> None:
        self.r = random.Random(f"session {seed}")
        self.maker = Maker(seed, steps)
        world = self.maker.world
        kept = {name: getattr(world, name) for name in World.__dataclass_fields__}
        self.session = Session(**kept, seed=seed)
        self.session.leverage = min(world.leverage, 25)
        self.last = max((step[1] for step in world.steps), default=0)

    def made(self) -> Session:
        r, session = self.r, self.session
        session.steps = self.steps(session.steps)
        clocks = ["receipt", "receipt", "constant", "recorded"]
        session.stamped = r.random() < 0.4
        numbers = [0] + [n for n in (1, 2, 3) if r.random() < 0.35]
        session.ways = {n: self.way(r.choice(clocks)) for n in numbers}
        session.stamped |= any(way.clock == "recorded" for way in session.ways.values())
        for n in (0, 1, 2, 3):
            if r.random() < 0.08:
                session.fees[n] = (r.randint(-10, 20) * 10**7, r.randint(0, 60) * 10**7)
            if r.random() < 0.2:
                session.volumes[n] = r.choice([1500, 9000, 40_000]) * 10**18
        session.fuse = "all" in session.data and r.random() < 0.6
        if not session.fuse and r.random() < 0.3:
            self.resolve()
        return session

    # --- how far away ---

    def length(self) -> int:
        r, pace = self.r, self.maker.pace
        return r.choice([0, 0, r.randint(1, 12), r.randint(0, pace), r.randint(0, 15 * pace)])

    def way(self, clock: str) -> Delay:
        r, pace = self.r, self.maker.pace
        way = Delay(self.length(), self.length(), clock=clock)
        if clock == "constant":
            way = replace(way, feed=r.choice([1, pace // 2, pace, 3 * pace]))
        if r.random() < 0.3:
            daily = r.random() < 0.5
            end = DAY if daily else max(self.last, 2)
            times = sorted(r.sample(range(end), r.choice([1, 2, 4]) if end > 4 else 1))
            curve = tuple((t, self.length(), self.length()) for t in times)
            way = replace(way, curve=curve, daily=daily)
        if r.random() < 0.3:
            window = r.choice([pace, 10 * pace, 100 * pace])
            way = replace(way, burst=r.choice([1, pace // 4 + 1]), window=window)
        return way

    # --- what is asked ---

    def steps(self, steps: list[Step]) -> list[Step]:
        """Some of the orders become batches, targets, ladders and the like."""
        r, found, waiting = self.r, [], []
        for step in steps:
            name, now, *cells = step
            if name != "place" or r.random() < 0.6:
                if name not in ("deposit", "finish", "mbo", "attach"):  # orders: the exchange's duel alone
                    found.append(step)
                continue
            index, order = cells
            price = order.get("price") or order.get("trigger") or 1000
            what = r.random()
            if what < 0.35:
                waiting.append((index, order))
                if len(waiting) > r.randint(0, 3):
                    found.append(("submit", now, index, waiting))
                    waiting = []
            elif what < 0.7:
                size = order["size"] * (1 if order["side"] == "buy" else -1)
                found.append(("target", now, index, r.choice([0, size, size])))
            elif what < 0.9:
                bids, asks = (
                    [
                        (price + way * (gap + r.choice([1, 1, 2, 5])), r.randint(1, 9))
                        for gap in range(0, 2 * r.randint(0, 3), 2)
                    ]
                    for way in (-1, 1)
                )
                found.append(("quotes", now, index, bids, asks, r.choice([0, 0, 2])))
            else:
                # Rarely all: that ends the targets which are followed up.
                found.append((r.choice(["close", "close", "close", "cancel_all"]), now, index))
        return found

    # --- detail data ---

    def resolve(self) -> None:
        """Bars for the robot; what was its market becomes the exchange's alone."""
        session, r = self.session, self.r
        chosen = [
            i
            for i, data in enumerate(session.data)
            if data != "bars" and any(s[0] in MARKET and s[2] == i for s in session.steps)
        ]
        count = self.last // session.period
        if not chosen or not 2 <= count <= 80:
            return
        r.shuffle(chosen)
        session.detail = tuple(chosen)
        bars: list[Step] = []
        for index in chosen:
            price = 1000
            for number in range(1, count + 1):
                close = number * session.period
                seen = [s for s in session.steps if s[1] <= close and s[0] in MARKET[:2]]
                seen = [s for s in seen if s[2] == index]
                opened, price = price, (seen[-1][3] if seen else price) + r.randint(-3, 3)
                high, low = (max(opened, price) + r.randint(0, 4), min(opened, price) - r.randint(0, 4))
                if r.random() < 0.85:
                    volume = r.choice([0, 40, 1000])
                    bars.append(("bar", close, index, close - session.period, opened, high, low, price, volume))
        # A hole: nothing of the detail data for a while.
        begin = r.randrange(self.last)
        gap = range(begin, begin + r.choice([0, 4, 8]) * session.period)
        steps = [s for s in session.steps if not (s[0] in MARKET and s[2] in chosen and s[1] in gap)]
        # What happened inside a bar comes before it, also at one moment.
        rank = dict.fromkeys(MARKET, 0)
        session.steps = sorted(
            [*steps, *bars], key=lambda s: (s[1], rank.get(s[0], 1) if len(s) > 2 and s[2] in chosen else 1)
        )


def make_session(seed: int, steps: int) -> Session:
    return Chance(seed, steps).made()
