"""What somebody wants of the desk, drawn at random, and what each operation promises."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from onetape.control.desk import Desk
from onetape.hedge.saga import EMERGENCY
from onetape.model.errors import OnetapeError
from onetape.simulation.invariants import check
from onetape.simulation.operations_world import House
from onetape.simulation.world import SECOND
from onetape.web.control_models import DeltaControl, HedgeExecute, HedgeReply, UtilizationRebalance

__all__ = ["SYMBOL", "Operations", "check_end", "operate"]

SYMBOL = "BTC-USD"


def call_of(chance: random.Random, house: House, operation: str) -> Callable[[Desk], Awaitable[object]]:
    """Draws what somebody wants of the desk."""
    names = list(house.venues)
    worked: dict[str, Any] = {
        "algo": chance.choice(("peg", "join", "twap", "pov")),
        "work_for": chance.randint(500, 9000),
    }
    worked |= {"participation": chance.choice((0.01, 0.3))} if worked["algo"] == "pov" else {}
    maybe = chance.choice(({}, {}, worked))
    more = ("margin", "margin", "rebalance") if house.wallets is not None else ()
    match chance.choice(("hedge", "control", "pair", "pair", "rebalance", *more)):
        case "hedge":
            facts: dict[str, Any] = {
                "side": chance.choice(("buy", "sell")),
                **chance.choice(({}, {"maker_first": 500}, worked)),
            }
            hedge = HedgeExecute(symbol=SYMBOL, hedge_amount=chance.randint(1, 30) / 1000, **facts)
            return lambda desk: desk.hedge(hedge, operation, "test")
        case "control":
            target: dict[str, Any] = {
                "target_delta": chance.randint(-20, 20) / 1000,
                "max_deviation": 0.5,
                "tolerance_percent": 0.001,
            }
            control = DeltaControl(symbol=SYMBOL, accounts=names, **target, **maybe)
            return lambda desk: desk.control(control, operation, "test")
        case "pair":
            amount = Decimal(chance.randint(1, 30) * chance.choice((1, -1))) / 1000
            trades = dict(zip(names, (amount, -amount), strict=False))
            return lambda desk: desk.trade(SYMBOL, names, trades, operation, "test")
        case "margin":
            source, target_ = chance.choice((("a", "c"), ("c", "a")))
            moves = [{"from": source, "to": target_, "amount": str(chance.randint(1, 2000))}]
            more_trades = {"b": Decimal(chance.randint(1, 20)) / 1000} if chance.random() < 0.5 else {}
            return lambda desk: desk.trade(SYMBOL, names, more_trades, operation, "test", transfers=moves)
        case _:
            wanted: dict[str, Any] = {"target_utilization": chance.randint(1, 6) / 1000, "tolerance_percent": 0.0005}
            wanted |= {"transfers": chance.random() < 0.7} if house.wallets is not None else {}
            moved = UtilizationRebalance(symbol=SYMBOL, accounts=names, max_rebalance_amount=0.03, **wanted, **maybe)
            return lambda desk: desk.rebalance(moved, operation, "test")


def operate(house: House, number: int, *, kill_at: int = 0) -> str:
    """One operation, held to its promises; returns how it ended."""
    chance = random.Random(house.seed * 1000 + number)
    operation = f"op-{number}"
    house.refresh()
    before = {name: each.held_base for name, each in house.venues.items()}
    house.kill_at = house.count + kill_at if kill_at else 0
    reply = house.operate(operation, call_of(chance, house, operation))
    saga, held = house.saga(operation), {name: each.held_base for name, each in house.venues.items()}
    if saga is None:
        check(held == before, f"{operation} was not begun: {reply}")
        if isinstance(reply, HedgeReply) and reply.success:
            check("have arrived" in (reply.reason or ""), f"{operation} has moved nothing, and says it is done")
        return type(reply).__name__
    check(saga.ended is not None, f"{operation} has not ended")
    assert saga.ended is not None
    change = sum(held.values()) - sum(before.values())
    check(saga.ended.change == change, f"{operation} says {saga.ended.change}, the venues {change}")
    ended = {name: at for name, at in saga.ended.positions.items() if name in held}
    check(ended == held, f"{operation} ended at {ended}, the venues have {held}")
    check(abs(saga.ended.naked) < saga.goal.least, f"{operation} left {saga.ended.naked} naked")
    for begin, end in house.naked_spans(saga.goal):
        check(saga.goal.plan.opposes, f"{operation} has traded beyond what was wanted")
        naked = end - begin - house.owed(saga, begin, end)
        check(naked <= EMERGENCY, f"{operation} was naked for {end - begin} ns")
    check(not isinstance(reply, OnetapeError), str(reply))
    return str(saga.ended.status)


def check_end(house: House) -> None:
    """Orders, positions and money are as the venues have them."""
    house.be_quiet()
    if (wallets := house.wallets) is not None:
        check(wallets.moved == wallets.expected(), f"seed {house.seed}: margin is not where its moves say")
    for name, venue in house.venues.items():
        check(venue.differences() == [], f"seed {house.seed}, {name}: {venue.differences()}")


class Operations(House):
    """One operation after the other over accounts whose robots are still."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, wallets=seed % 3 == 1, guarded=seed % 2 == 1)
        self.ends: Counter[str] = Counter()

    @property
    def seen(self) -> Counter[str]:
        events = {"desk killed": self.kills, **{f"operation {end}": n for end, n in self.ends.items()}}
        return sum((venue.seen for venue in self.venues.values()), Counter(events))

    def play(self, seconds: float) -> Operations:
        until, number = self.now + int(seconds * SECOND), 0
        while self.now < until:
            self.ends[operate(self, number, kill_at=self.random.choice((0, 0, 1, 2, 3, 5, 8)))] += 1
            self.advance(self.random.randrange(3 * SECOND))
            number += 1
        check_end(self)
        return self
