"""Own orders among the venue's (market by order): rules by table, and against plain lists."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from exchange_world import Recorded

from onetape.engine.queue_model import AUTO, CONSERVATIVE, FIFO, settle_queue
from onetape.model.errors import BadConfig

RULES = {
    "fills of those before us move us up, a fill of one behind us fills us": """
        add 1 buy 100 x5                 ->
        add 9 sell 102 x5                ->
        buy#1 limit 100 x3               -> accepted
        add 2 buy 100 x4                 ->
        hit 1 buy 100 x5                 ->
        hit 2 buy 100 x1                 -> fill 1@100 maker
        hit 2 buy 100 x3                 -> fill 2@100 maker
    """,
    "a print says nothing that the fills do not": """
        add 1 buy 100 x5                 ->
        buy#1 limit 100 x3               -> accepted
        hit 1 buy 100 x2                 ->
        trade 100 x9 sell                ->
        trade 99 x9 sell                 ->
    """,
    "a feed without fills has the prints beyond our price": """
        add 1 buy 100 x5                 ->
        buy#1 limit 100 x3               -> accepted
        trade 100 x9 sell                ->
        trade 99 x2 sell                 -> fill 2@100 maker
    """,
    "an order worse than ours is filled: ours was hit first": """
        add 1 buy 100 x5                 ->
        add 2 buy 98 x5                  ->
        buy#1 limit 99 x3                -> accepted
        hit 2 buy 98 x2                  -> fill 2@99 maker
    """,
    "what was traded is shared among ours by price, then time": """
        add 1 buy 98 x9                  ->
        buy#1 limit 99 x2                -> accepted
        buy#2 limit 100 x2               -> accepted
        buy#3 limit 99 x2                -> accepted
        hit 1 buy 98 x5  -> #2 fill 2@100 maker, #1 fill 2@99 maker, #3 fill 1@99 maker
    """,
    "an own order between two of the venue's": """
        add 1 buy 100 x2                 ->
        buy#1 limit 100 x5               -> accepted
        add 2 buy 100 x2                 ->
        buy#2 limit 100 x5               -> accepted
        add 3 buy 100 x9                 ->
        hit 2 buy 100 x2                 -> #1 fill 2@100 maker
        hit 3 buy 100 x9                 -> #1 fill 3@100 maker, #2 fill 5@100 maker
    """,
    "a fill that only reports moves nobody up; the cancel after it does": """
        add 1 buy 100 x5                 ->
        buy#1 limit 100 x3               -> accepted
        add 2 buy 100 x4                 ->
        hit 1 buy 100 x5 reported more   ->
        gone 1                           ->
        hit 2 buy 100 x4 reported more   -> fill 3@100 maker
        gone 2                           ->
    """,
    "the other side comes to rest at our price: it would have met us": """
        add 1 buy 99 x5                  ->
        add 9 sell 102 x5                ->
        buy#1 limit 100 x3               -> accepted
        add 2 sell 100 x2                -> fill 2@100 maker
        add 3 sell 101 x2                ->
        modify 3 sell 99 x7              -> fill 1@100 maker
    """,
    "not while others stand before us at that price": """
        add 1 buy 100 x5                 ->
        buy#1 limit 100 x3               -> accepted
        add 2 sell 100 x2                ->
        add 3 sell 99 x2                 -> fill 2@100 maker
    """,
    "the book that makes us taker is the orders' sum": """
        add 1 sell 101 x2                ->
        add 2 sell 101 x2                ->
        add 3 sell 102 x9                ->
        buy#1 limit 102 x6 IOC           -> accepted, fill 4@101 taker, fill 2@102 taker
        hit 1 sell 101 x2                ->
        buy#2 limit 101 x6 IOC           -> accepted, fill 2@101 taker, canceled
    """,
    "what crossed on arrival is not met again": """
        add 1 sell 101 x2                ->
        buy#1 limit 101 x6               -> accepted, fill 2@101 taker
        add 2 buy 90 x1                  ->
        modify 1 sell 101 x1             ->
        add 3 sell 101 x3                -> fill 3@101 maker
    """,
    "messages about levels are not listened to where orders are known": """
        add 1 buy 100 x5                 ->
        add 9 sell 102 x5                ->
        book 105:5 | 106:5               ->
        change 100:0 |                   ->
        sell#1 limit 100 x9 IOC          -> accepted, fill 5@100 taker, canceled
    """,
}


@pytest.mark.parametrize("rule", RULES)
def test_rules(rule):
    Recorded(queue_by_order=True).run(RULES[rule])


# What happens -> what stands before us. 5 and 4 stand at our price when we come, 3 come after.
PLACES = [
    ([], 9),
    (["gone 1"], 4),
    (["gone 3"], 9),
    (["gone 1 buy 100 x2"], 7),
    (["gone 1 buy 100 x9"], 4),
    (["add 4 buy 100 x8"], 9),
    (["hit 1 buy 100 x2"], 7),
    (["modify 2 buy 100 x1"], 6),  # smaller: keeps its place
    (["modify 2 buy 100 x4"], 9),  # the same: keeps it, too
    (["modify 2 buy 100 x6"], 5),  # larger: behind us now
    (["modify 2 buy 101 x4"], 5),  # gone elsewhere
    (["modify 2 buy 101 x4", "modify 2 buy 100 x4"], 5),  # and back: behind us
    (["modify 2 buy 100 x0"], 5),
    (["add 2 buy 100 x1"], 6),  # there already: taken for a modify
    (["hit 2 buy 100 x50"], 5),  # more than it had
    (["gone 77", "hit 77 buy 100 x1", "modify 78 buy 100 x2"], 9),  # not known
    (["add 5 buy 100 x-3", "add 5 buy 100 x0", "modify 1 buy 100 x-2"], 9),
    (["amend#1 size=1"], 9),  # ours made smaller
    (["amend#1 size=9"], 12),  # ours made larger
    (["amend#1 price=101", "amend#1 price=100"], 12),
    # What a snapshot says anew keeps its place, and who was not there before came after us.
    (["clear snapshot more", "add 2 buy 100 x4 snapshot more", "add 6 buy 100 x7 snapshot"], 4),
    (["clear snapshot more", "add 1 buy 100 x6 snapshot more", "add 2 buy 100 x4 snapshot"], 4),
    (["clear buy snapshot more", "add 3 buy 100 x3 snapshot"], 0),
    (["clear sell"], 9),
    (["add 8 buy 90 x1 gap", "gone 1"], 0),
]


@pytest.mark.parametrize(("steps", "ahead"), PLACES)
@pytest.mark.parametrize("flip", [False, True])
def test_places(steps, ahead, flip):
    def turned(step: str) -> str:
        return step.replace("buy", "BID").replace("sell", "buy").replace("BID", "sell")

    world = Recorded(queue_by_order=True)
    before = ["add 1 buy 100 x5", "add 2 buy 100 x4", "buy#1 limit 100 x2", "add 3 buy 100 x3"]
    for step in [*before, *steps]:
        assert "fill" not in world.step(turned(step) if flip else step), step
    assert world.core.units_ahead(1) == ahead


def test_after_a_gap_nothing_is_known_until_the_next_clear():
    world = Recorded(queue_by_order=True)
    world.run("""
        add 1 buy 100 x3                 ->
        buy#1 limit 100 x3               -> accepted
        add 2 buy 100 x4                 ->
        hit 1 buy 100 x1                 ->
        add 3 buy 100 x4 gap             ->
        hit 3 buy 100 x4                 ->
        trade 100 x9 sell                ->
        trade 99 x1 sell                 -> fill 1@100 maker    // beyond our price it is sure
        clear snapshot more              ->
        add 1 buy 100 x1 snapshot more   ->
        add 2 buy 100 x4 snapshot        ->
    """)
    assert world.core.units_ahead(1) == 1
    world.run("hit 1 buy 100 x1 ->\nhit 2 buy 100 x1 -> fill 1@100 maker")


def test_before_the_orders_are_known_we_stand_behind_all_that_turns_out_to_be_there():
    world = Recorded(queue_by_order=True)
    world.run("""
        book 100:5 | 102:5
        buy#1 limit 100 x2               -> accepted
        clear snapshot more              ->
        add 1 buy 100 x3 snapshot more   ->
        add 2 buy 100 x4 snapshot        ->
        add 3 buy 100 x5                 ->
    """)
    assert world.core.units_ahead(1) == 7
    assert world.core.counters()["queue_unknown"] == 1
    world.run("""
        hit 1 buy 100 x3                 ->
        hit 2 buy 100 x4                 ->
        hit 3 buy 100 x1                 -> fill 1@100 maker
    """)


@pytest.mark.parametrize("model", range(6))
def test_other_models_see_the_sum_of_the_orders(model):
    """On orders a model of the queue answers as on the levels that they add up to."""
    source = random.Random(model)
    options = {"queue_model": model, "queue_exponent": 2.0}
    by_order, by_level = Recorded(**options), Recorded(**options)
    live: dict[int, int] = {}
    for world in (by_order, by_level):
        world.step("add 900 sell 102 x50" if world is by_order else "book | 102:50")
    filled = 0
    for step in range(600):
        if step == 20:
            assert by_order.step("buy#1 limit 100 x400") == by_level.step("buy#1 limit 100 x400")
        if live and source.random() < 0.3:
            order_id = source.choice(list(live))
            size = live.pop(order_id)
            lines = [f"gone {order_id}"]
            if source.random() < 0.5:
                got = [world.step(f"trade 100 x{size} sell") for world in (by_order, by_level)]
                assert got[0] == got[1]
                filled += "fill" in got[0]
        else:
            order_id, size = 1000 + step, source.randint(1, 9)
            live[order_id] = size
            lines = [f"add {order_id} buy 100 x{size}"]
        for line in lines:
            got = by_order.step(line), by_level.step(f"change 100:{sum(live.values())} |")
            assert got[0] == got[1]
    assert filled > 5


SETTLED = [
    (AUTO, {}, CONSERVATIVE),
    (AUTO, {"a": False}, CONSERVATIVE),
    (AUTO, {"a": True}, FIFO),
    (AUTO, {"a": True, "b": False}, AUTO),
    (FIFO, {"a": True}, FIFO),
    ("log", {"a": True}, "log"),
]


@pytest.mark.parametrize(("queued", "has", "model"), SETTLED)
def test_the_model_that_is_meant(queued, has, model):
    assert settle_queue(queued, has) == model


@pytest.mark.parametrize("has", [{}, {"a": False}, {"a": True, "b": False}])
def test_fifo_without_orders_is_refused(has):
    with pytest.raises(BadConfig, match="market by order"):
        settle_queue(FIFO, has)


# --- against lists --------------------------------------------------------------------------------


@dataclass
class Entry:
    id: int
    size: int
    own: bool = False


@dataclass
class Lists:
    """Every level a list of orders, ours among them. Bids only are traded; the core knows both."""

    levels: dict[int, list[Entry]] = field(default_factory=dict)
    prices: dict[int, int] = field(default_factory=dict)  # the venue's id -> price
    fills: list[tuple[int, int, int]] = field(default_factory=list)  # own id, size, price

    def _find(self, price: int, number: int, own: bool = False) -> Entry:
        return next(e for e in self.levels[price] if e.id == number and e.own == own)

    def add(self, number: int, price: int, size: int, own: bool = False) -> None:
        self.levels.setdefault(price, []).append(Entry(number, size, own))
        if not own:
            self.prices[number] = price

    def remove(self, price: int, number: int, own: bool = False) -> Entry:
        entry = self._find(price, number, own)
        self.levels[price] = [each for each in self.levels[price] if each is not entry]
        if not own:
            del self.prices[number]
        return entry

    def modify(self, number: int, price: int, size: int) -> None:
        old = self.prices[number]
        entry = self._find(old, number)
        if price == old and size <= entry.size:
            entry.size = size
        else:
            self.remove(old, number)
            self.add(number, price, size)

    def hit(self, number: int, size: int) -> None:
        """Of this order the data say `size` was traded: what of ours stands before it took it."""
        price = self.prices[number]
        target = self._find(price, number)
        size = min(size, target.size)
        budget = size
        for level in sorted((p for p in self.levels if p >= price), reverse=True):
            for entry in list(self.levels[level]):
                if level == price and entry is target:
                    break
                if entry.own and budget:
                    part = min(entry.size, budget)
                    budget -= part
                    entry.size -= part
                    self.fills.append((entry.id, part, level))
                    if not entry.size:
                        self.remove(level, entry.id, own=True)
        target.size -= size
        if not target.size:
            self.remove(price, number)

    def snapshot(self, source: random.Random) -> list[tuple[int, int, int]]:
        """Some orders are gone, some smaller, some new; told anew by price and place."""
        received = []
        for price in sorted(self.levels, reverse=True):
            for entry in list(self.levels[price]):
                if entry.own:
                    continue
                if source.random() < 0.3:
                    self.remove(price, entry.id)
                    continue
                entry.size = source.randint(1, entry.size)
                received.append((entry.id, price, entry.size))
        return received

    def ahead(self, number: int) -> int | None:
        for level in self.levels.values():
            for at, entry in enumerate(level):
                if entry.own and entry.id == number:
                    return sum(each.size for each in level[:at] if not each.own)
        return None


class Pair:
    """The same done to the core and to the lists."""

    def __init__(self, seed: int) -> None:
        self.source = random.Random(seed)
        self.core = Recorded(queue_by_order=True, check_funds=False).core
        self.lists = Lists()
        self.own: dict[int, int] = {}  # id -> price
        self.now, self.last_id = 0, 0
        self.filled: list[tuple[int, int, int]] = []
        self.tell_snapshot("clear", 0)  # before the first message nothing is known

    def tell(self, action: str, **fields: Any) -> None:
        self.now += 1
        self._take(self.core.mbo(self.now, action, side="buy", **fields))

    def _take(self, events: list[dict[str, Any]]) -> None:
        for event in events:
            if event["event"] == "fill":
                self.filled.append((event["order_id"], event["size"], event["price"]))

    def step(self) -> None:
        source, lists = self.source, self.lists
        live = list(lists.prices)
        match source.choices(
            ["add", "cancel", "modify", "hit", "own", "own_cancel", "snapshot"], [10, 6, 6, 5, 2, 1, 0.2]
        )[0]:
            case "add":
                self.last_id += 1
                price, size = source.randint(95, 99), source.randint(1, 9)
                self.tell("add", order_id=self.last_id, price=price, size=size)
                lists.add(self.last_id, price, size)
            case "cancel" if live:
                number = source.choice(live)
                self.tell("cancel", order_id=number)
                lists.remove(lists.prices[number], number)
            case "modify" if live:
                number = source.choice(live)
                price = source.choice([lists.prices[number], source.randint(95, 99)])
                size = source.randint(1, 9)
                self.tell("modify", order_id=number, price=price, size=size)
                lists.modify(number, price, size)
            case "hit" if live:
                # A venue hits the first of its best level; the rules must hold for any.
                number, size = source.choice(live), source.randint(1, 9)
                price = lists.prices[number]
                left = lists._find(price, number).size
                if source.random() < 0.5:
                    self.tell("fill", order_id=number, price=price, size=size)
                else:  # told in two messages
                    self.tell("fill", order_id=number, price=price, size=size, reported=True)
                    if size < left:
                        self.tell("modify", order_id=number, price=price, size=left - size)
                    else:
                        self.tell("cancel", order_id=number)
                lists.hit(number, size)
            case "own":
                number, price = len(self.own) + 1, source.randint(95, 99)
                size = source.randint(1, 12)
                self.now += 1
                order = {"order_id": number, "side": "buy", "type": "limit"}
                self._take(self.core.request(self.now, 0, price=price, size=size, **order))
                self.own[number] = price
                lists.add(number, price, size, own=True)
            case "own_cancel" if self.own:
                number = source.choice(list(self.own))
                if lists.ahead(number) is not None:
                    self.core.request(self.now, 0, kind="cancel", order_id=number)
                    lists.remove(self.own[number], number, own=True)
            case "snapshot":
                received = lists.snapshot(source)
                flag = 1
                self.tell_snapshot("clear", flag, last=not received)
                for at, (number, price, size) in enumerate(received):
                    last = at == len(received) - 1
                    self.tell_snapshot("add", flag, order_id=number, price=price, size=size, last=last)

    def tell_snapshot(self, action: str, flags: int, **fields: Any) -> None:
        side = "none" if action == "clear" else "buy"
        self._take(self.core.mbo(self.now, action, side=side, flags=flags, **fields))

    def check(self) -> None:
        assert self.filled == self.lists.fills
        for number in self.own:
            assert self.core.units_ahead(number) == self.lists.ahead(number), number


@pytest.mark.parametrize("seed", range(40))
def test_the_core_has_the_places_and_fills_of_plain_lists(seed):
    pair = Pair(seed)
    for _ in range(600):
        pair.step()
        pair.check()
    assert len(pair.filled) > 10
