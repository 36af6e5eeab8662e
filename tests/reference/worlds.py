"""Random worlds: from a seed, instruments, rules and a list of steps that both exchanges play.

A step is (name, time, ...) in plain values, so that a list of them can be cut down and printed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from onetape.model.margin import MarginBracket, completed
from reference.clock import HOUR, Closed, Rules, TakeOver
from reference.facts import ONE, Facts
from reference.impact import Law
from reference.loans import Levels
from reference.places import QueueModel

Step = tuple[Any, ...]
USDT, BTC, ETH = 1, 2, 3
LEVELS = (
    Levels(),
    Levels(1_300_000, 1_100_000),
    Levels(1_300_000, 1_100_000, 25 * 10**9),
    Levels(1_600_000, 1_350_000, 10**10),
    Levels(3_000_000, 1_500_000, 3 * 10**10),
    Levels(1_200_000, 1_040_000, 8 * 10**10),
)
NAMES = 3  # of them; at a venue with an account of its own each has another number
DATA = ("quotes", "trades", "quotes+trades", "depth", "depth+trades", "all", "bars", "orders", "orders+trades")


@dataclass
class World:
    facts: list[Facts]
    data: list[str]
    rules: Rules = field(default_factory=Rules)
    leverage: int = 10
    hedge: bool = False
    isolated: bool = False
    check_funds: bool = True
    queue: QueueModel = field(default_factory=QueueModel)
    bar_volume_share: int = 500_000
    deposits: dict[int, int] = field(default_factory=dict)
    volume: int = 0  # traded before
    period: int = 20  # of bars
    impact: Law | None = None
    limits_at_limit: bool = False
    apart: bool = False  # each venue has an account of its own
    steps: list[Step] = field(default_factory=list)

    @property
    def money(self) -> list[int]:
        """All numbers of money, the common account's first."""
        last = max((facts.venue for facts in self.facts), default=0)
        return list(range(1, NAMES * (last + 1) + 1))


def at_venue(currency: int, venue: int) -> int:
    """The number of a currency in a venue's own account."""
    return currency + NAMES * venue


def brackets(unit: int) -> tuple[MarginBracket, ...]:
    rows = ((unit, "0.01", 100), (4 * unit, "0.03", 50), (10**6 * unit, "0.1", 25))
    return completed(
        [
            MarginBracket(notional_max=Decimal(most), maintenance_rate=Decimal(rate), leverage_max=leverage)
            for most, rate, leverage in rows
        ]
    )


class Maker:
    """Everything that is chosen by chance, from one seed."""

    def __init__(self, seed: int, steps: int) -> None:
        r = self.r = random.Random(f"world {seed}")
        self.now, self.number = 0, 0
        self.pace = r.choice([20, 20, 20, 1000, 1000, HOUR // 6, HOUR // 6, 12 * HOUR])
        count = r.choice([1, 1, 2, 3])
        # Some worlds are about loans: coins on credit in a market that jumps.
        self.lends = r.random() < 0.12
        facts = [self.instrument() for _ in range(count)]
        facts = self.venues(facts)
        spot = any(f.is_spot for f in facts)
        self.world = World(
            facts,
            [r.choice(DATA) for _ in facts],
            rules=self.rules(steps, sorted({f.venue for f in facts}), count),
            leverage=r.choice([3, 5, 8] if self.lends else [1, 3, 10, 25, 50]),
            hedge=not spot and r.random() < 0.25,
            isolated=r.random() < 0.35,
            check_funds=r.random() < 0.9,
            queue=r.choice(
                [QueueModel()] * 3
                + [QueueModel(name, r.choice([1.0, 2.0, 3.0])) for name in ("power", "power2", "power3", "log", "log2")]
            ),
            bar_volume_share=r.choice([500_000, 50_000]),
            apart=self.apart,
        )
        for venue in sorted({f.venue for f in facts}) if self.apart else [0]:
            cash = [1000, 10**4] if self.lends else [100, 1000, 10**4, 10**6]
            cash_of = {USDT: r.choice(cash) * ONE}
            if spot:
                cash_of |= {BTC: r.choice([0, 5, 100]) * ONE, ETH: 20 * ONE}
            self.world.deposits |= {at_venue(c, venue): amount for c, amount in cash_of.items()}
        if r.random() < 0.3:
            self.world.volume = 1500 * ONE
        self.price = [1000] * count
        self.orders: list[dict[int, list[Any]] | None] = [None] * count  # theirs
        self.numbers = 0  # of their orders
        self.depth: list[tuple[dict[int, int], ...] | None] = [None] * count
        self.bar_open = [1000] * count
        self.period = self.world.period = max(self.pace // 2, 20)
        for index in range(count):
            if r.random() < 0.5:
                self.world.steps.append(("mark", 0, index, 1000, 0))
        self.world.impact = self.impact(seed)
        self.protects = random.Random(f"protects {seed}")  # worlds without it are as they were
        self.world.limits_at_limit = self.protects.random() < 0.3
        for _ in range(steps):
            self.step()
        self.world.steps.append(("finish", self.now))

    # --- what there is ---

    def instrument(self) -> Facts:
        r = self.r
        kinds = ["spot", "spot", "linear"] if self.lends else ["linear", "linear", "inverse", "spot"]
        kind = r.choice(kinds)
        unit = 1000 if kind == "linear" else 3
        fees = r.choice([(0, 0), (-100_000_000, 500_000_000), (200_000_123, 499_999_877)])
        tiers = (
            (2000 * ONE, 120 * 10**6, 450 * 10**6),
            (8000 * ONE, 60 * 10**6, 380 * 10**6),
            (30000 * ONE, -10 * 10**6, 300 * 10**6),
        )
        return Facts(
            kind,
            multiplier=Fraction(100) if kind == "inverse" else Fraction(1),
            price_decimals=r.choice([0, 0, 1]),
            size_decimals=r.choice([0, 0, 1]) if kind != "inverse" else 0,
            tick=r.choice([1, 1, 1, 2]),
            lot=r.choice([1, 1, 1, 2]),
            size_max=r.choice([0, 0, 40]),
            market_size_max=r.choice([0, 0, 20]),
            notional_min=r.choice([0, 0, ONE // 2 if kind == "inverse" else 3000 * ONE]),
            maker_fee=fees[0],
            taker_fee=fees[1],
            band_up=r.choice([0, 0, 20_000]),
            band_down=r.choice([0, 0, 20_000]),
            maintenance_rate=10**10,
            brackets=brackets(unit) if kind != "spot" and r.random() < 0.5 else (),
            leverage=r.choice([0, 0, 5]),
            liquidation_fee=r.choice([0, 10**10]),
            refuses_met_triggers=r.random() < 0.5,
            fee_tiers=tiers if r.random() < 0.3 else (),
            volume_group=r.choice([0, 1]),
            expiry=r.choice([0, 0, 0, r.randint(20, 80) * self.pace]) if kind != "spot" else 0,
            settle=USDT,
            base=r.choice([BTC, BTC, ETH]) if kind == "spot" else BTC,
        )

    def venues(self, facts: list[Facts]) -> list[Facts]:
        """Where each is traded: all at one venue, or at several, whose accounts may be apart."""
        r = self.r
        several = len(facts) > 1 and r.random() < 0.6
        self.apart = several and r.random() < 0.7
        found = []
        for each in facts:
            venue = r.randint(1, 3) if several else 0
            settle, base = (at_venue(c, venue) if self.apart else c for c in (each.settle, each.base))
            found.append(replace(each, venue=venue, settle=settle, base=base))
        return found

    def impact(self, seed: int) -> Law | None:
        """By a chance of its own: worlds without it are as they were."""
        r = random.Random(f"impact {seed}")
        if r.random() < 0.6:
            return None
        return Law(
            r.choice([0.7, 3.0, 8.0]),
            r.choice([0.0, 0.0, 0.4, 1.0]),
            r.choice([1, 2, 20]) * self.pace,
            60 * r.choice([self.pace // 2, 3 * self.pace]),
        )

    def rules(self, steps: int, venues: list[int], count: int) -> Rules:
        r, end = self.r, steps * self.pace
        closed = []
        for _ in range(r.choice([0, 0, 0, 1, 2])):
            begin = r.randrange(1, end)
            until = begin + r.randint(1, 20) * self.pace
            closed.append(Closed(begin, until, r.random() < 0.5, r.choice([0, *venues])))
        rate = r.random() < 0.2
        own_rates = {
            venue: (r.randint(1, 6), r.randint(1, 30) * self.pace) for venue in venues if venue and r.random() < 0.2
        }
        may_borrow = self.lends or r.random() < 0.3
        borrow = {USDT: 10**7, BTC: 2 * 10**7, ETH: 10**7} if may_borrow else {}
        accounts = venues if self.apart else [0]
        stated = [
            TakeOver(
                r.randrange(end // 2),
                r.randrange(count),
                r.random() < 0.5,
                r.choice([0, 1000 + r.randint(-60, 60)]),
                r.choice([10**6, 500_000, 333_333]),
            )
            for _ in range(r.choice([0, 0, 0, 3, 6]))
        ]
        return Rules(
            order_limit=r.randint(2, 9) if rate else 0,
            order_window=r.randint(1, 30) * self.pace if rate else 0,
            order_rates=own_rates,
            trigger_delay=r.choice([0, 0, 1, 3 * self.pace]),
            take_overs=tuple(sorted(stated)),
            closed=tuple(closed),
            borrow={at_venue(c, v): rate for c, rate in borrow.items() for v in accounts},
            loans=r.choice(LEVELS[1:] if self.lends else LEVELS) if borrow else Levels(),
        )

    # --- what happens ---

    def step(self) -> None:
        r = self.r
        self.now += r.choice([0, 1, r.randint(0, 2 * self.pace)])
        index = r.randrange(len(self.price))
        what = r.random()
        if what < 0.5:
            self.market(index)
        elif what < 0.53:
            rate = r.randint(-(10**10), 10**10)
            self.add("funding", index, rate, r.choice([0, 0, self.price[index]]))
        elif what < 0.54:
            facts = self.world.facts[index]
            changed: dict[str, Any] = r.choice(
                [
                    {"tick": 5},
                    {"lot": 3},
                    {"taker_fee": 7 * 10**8},
                    {"maintenance_rate": 3 * 10**10},
                    {"fee_tiers": ((1000 * ONE, 0, 10**8),)},
                    {"brackets": ()},
                    {"band_up": 10_000},
                ]
            )
            self.add("version", index, replace(facts, **changed))
        elif what < 0.55:
            cash = [c for c in self.world.deposits if c % NAMES == USDT]
            self.add("deposit", r.choice(cash), r.choice([500, -50]) * ONE)
        elif what < 0.85 or not self.number:
            self.place(index)
        elif what < 0.93:
            self.add("cancel", index, r.randint(max(1, self.number - 8), self.number))
        else:
            fields = {
                "price": self.price[index] + r.randint(-6, 6) if r.random() < 0.5 else 0,
                "size": r.randint(1, 12) if r.random() < 0.6 else 0,
                "trigger": self.price[index] + r.randint(-8, 8) if r.random() < 0.5 else 0,
            }
            number = r.randint(max(1, self.number - 8), self.number)
            self.add("amend", index, number, {k: v for k, v in fields.items() if v})

    def add(self, name: str, *cells: Any) -> None:
        self.world.steps.append((name, self.now, *cells))

    def place(self, index: int) -> None:
        r, price = self.r, self.price[index]
        self.number += 1
        near = price + r.choice([r.randint(-3, 3), r.randint(-12, 12)])
        trigger, size = price + r.randint(-10, 10), r.choice([r.randint(1, 8), r.randint(1, 50)])
        if r.random() < 0.9:  # as a venue wants them
            facts = self.world.facts[index]
            near, trigger = (p // facts.tick * facts.tick for p in (near, trigger))
            size = -(-size // facts.lot) * facts.lot
        o: dict[str, Any] = {
            "order_id": self.number if r.random() < 0.98 else max(1, self.number - 1),
            "side": r.choice(["buy", "sell"]),
            "size": size,
            "type": "limit",
        }
        if r.random() < 0.35:
            o["type"] = "market"
        else:
            o["price"] = near
            o["tif"] = r.choice(["GTC"] * 6 + ["IOC", "FOK", "GTD"])
            if o["tif"] == "GTD":
                until = self.now + r.choice([0, 2, 5, 5, 9]) * self.pace
                o["expire"] = max(until // self.pace * self.pace, 1)
            o["post_only"] = o["tif"] in ("GTC", "GTD") and r.random() < 0.25
        if r.random() < 0.3:
            o["trigger"] = trigger
            o["trigger_by"] = r.choice(["last", "last", "mark", "index"])
            waits = (trigger > price) == (o["side"] == "buy")  # as a stop
            o["trigger_kind"] = "stop" if waits == (r.random() < 0.8) else "take_profit"
        o["reduce_only"] = r.random() < 0.2
        if self.world.hedge and r.random() < 0.97:
            o["position_side"] = r.choice(["long", "short"])
        self.add("place", index, {k: v for k, v in o.items() if v})
        if self.world.data[index] == "bars" and not o["reduce_only"] and self.protects.random() < 0.4:
            self.protect(index, o)

    def protect(self, index: int, entry: dict[str, Any]) -> None:
        """A stop and a take-profit that are sent together with an entry."""
        r, tick = self.protects, self.world.facts[index].tick
        away = 1 if entry["side"] == "buy" else -1
        for kind, sign in (("stop", -away), ("take_profit", away)):
            if r.random() < 0.2:
                continue
            self.number += 1
            share, distance = r.choice([(0, 0), (sign * r.randint(1, 20) * 10**6, 0), (0, sign * r.randint(1, 12))])
            near = entry.get("price", self.price[index]) + sign * r.randint(0, 10)
            leg = {
                "order_id": self.number,
                "side": "sell" if away > 0 else "buy",
                "size": entry["size"],
                "type": "market",
                "trigger": near // tick * tick,
                "trigger_by": "last",
                "trigger_kind": kind,
                "reduce_only": not self.world.facts[index].is_spot,
                "position_side": entry.get("position_side", ""),
            }
            self.add("attach", index, self.number, entry["order_id"], share, distance)
            self.add("place", index, {k: v for k, v in leg.items() if v})

    def market(self, index: int) -> None:
        r, data = self.r, self.world.data[index]
        if r.random() < 0.12:
            self.add("mark", index, self.price[index] + r.randint(-4, 4), r.choice([0, self.price[index]]))
            return
        jump = r.choice([3, 30, 60] if self.lends else [1, 1, 3, 3, 30])
        price = self.price[index] = max(200, self.price[index] + r.randint(-jump, jump))
        if data == "bars":
            self.bar(index, price)
            return
        kinds = {"all": ["quotes", "trades", "depth"]}.get(data) or data.split("+")
        kind = r.choice(kinds)
        if kind == "trades":
            self.add(
                "trade",
                index,
                price + r.randint(-1, 1),
                r.randint(1, 15),
                r.choice(["buy", "sell", "buy", "sell", "none"]),
            )
        elif kind == "orders":
            self.mbo(index, price)
        elif kind == "quotes":
            spread = r.choice([0, 1, 1, 2, 4])
            sizes = [r.choice([0, r.randint(1, 9), r.randint(1, 60)]) for _ in range(2)]
            quote = [price, price + spread, *sizes]
            if r.random() < 0.03:
                side = r.randint(0, 1)
                quote[side] = quote[side + 2] = 0  # one that tells one side alone
            self.add("quote", index, *quote)
        else:
            self.book(index, price)

    def mbo(self, index: int, price: int) -> None:
        """A message or two about the venue's own orders: number -> side, price, size."""
        r, recorded = self.r, self.orders[index]
        if recorded is None or r.random() < 0.03:
            self.snapshot(index, price)
            return
        count = r.choice([1, 1, 1, 2, 3])
        for left in range(count, 0, -1):
            what, last = r.random(), left == 1
            side = r.choice(["buy", "sell"])
            mine = [n for n, order in recorded.items() if order[0] == side]
            if what < 0.4 or len(mine) < 3:
                self.numbers += 1
                away = r.choice([0, 1, 1, 2, 3]) * (-1 if side == "buy" else 1)
                recorded[self.numbers] = [side, price + away, r.randint(1, 30)]
                self.add("mbo", index, "add", self.numbers, *recorded[self.numbers], last, False, False)
                continue
            number = r.choice(mine[:4] + mine)
            order = recorded[number]
            if what < 0.55:
                order[1] += r.choice([0, 0, 1, -1])
                order[2] = r.randint(1, 30)
                self.add("mbo", index, "modify", number, *order, last, False, False)
                continue
            action = "cancel" if what < 0.7 else "fill"
            size = min(r.randint(1, 30), order[2])
            reported = action == "fill" and r.random() < 0.2
            self.add("mbo", index, action, number, side, order[1], size, last, reported, False)
            if not reported:
                order[2] -= size
                if not order[2]:
                    del recorded[number]

    def snapshot(self, index: int, price: int) -> None:
        """All orders anew: some are still there, some shrank, some are gone, some came."""
        r, before = self.r, self.orders[index] or {}
        seen = self.orders[index] = {}
        for number, (side, level, size) in before.items():
            if r.random() < 0.8:
                seen[number] = [side, level, max(size - r.choice([0, 0, 3]), 1)]
        for side, way in (("buy", -1), ("sell", 1)):
            for _ in range(r.randint(3, 5)):
                self.numbers += 1
                seen[self.numbers] = [side, price + way * r.randint(1, 4), r.randint(1, 30)]
        self.add("mbo", index, "clear", 0, "none", 0, 0, False, False, True)
        for left, (number, order) in zip(range(len(seen) - 1, -1, -1), seen.items(), strict=True):
            self.add("mbo", index, "add", number, *order, left == 0, False, True)
            if left and r.random() < 0.1:
                self.place(index)  # while nobody knows what is there

    def book(self, index: int, price: int) -> None:
        r, seen = self.r, self.depth[index]
        if seen is None or r.random() < 0.1:
            seen = self.depth[index] = tuple(
                {price + way * (1 + i): r.randint(1, 30) for i in range(r.randint(0, 5))} for way in (-1, 1)
            )
            self.add("book", index, *[list(side.items()) for side in seen], True)
            return
        changes: list[dict[int, int]] = [{}, {}]
        for _ in range(r.randint(1, 4)):
            side = r.randint(0, 1)
            level = price + (1 if side else -1) * r.randint(0, 5)
            size = r.choice([0, r.randint(1, 30)])
            seen[side].pop(level, None)
            if size:
                seen[side][level] = size
            changes[side][level] = size
        self.add("book", index, *[list(c.items()) for c in changes], False)

    def bar(self, index: int, price: int) -> None:
        """The next bar that ends after now; sometimes a longer one of the same end repeats it."""
        r, period = self.r, self.period
        first = self.bar_open[index]
        self.now = self.now // period * period + period
        jump = r.choice([0, 2, 8, 8, 40])
        open_ = first + r.choice([0, 0, 0, r.randint(-5, 5)])
        high = max(open_, price) + r.randint(0, jump)
        low = max(min(open_, price) - r.randint(0, jump), 1)
        volume = r.choice([0, 5, 40, 1000])
        self.add("bar", index, self.now - period, open_, high, low, price, volume)
        if r.random() < 0.05:
            self.add("bar", index, self.now - 4 * period, open_, high, low, price, volume)
        self.bar_open[index] = price


def make(seed: int, steps: int) -> World:
    return Maker(seed, steps).world
