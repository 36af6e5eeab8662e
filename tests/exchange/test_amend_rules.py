"""What a change of an order does to its place in the queue, under each venue's rule."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest
from exchange_world import Recorded

from onetape import _core
from onetape.model.enums import AmendRule
from onetape.model.errors import BadConfig
from onetape.model.user_instruments import parse_instruments

RULES = [str(rule) for rule in AmendRule]


def ruled(rule: str, *, triggers: bool = True, **options: Any) -> Recorded:
    world = Recorded(**options)
    world.core.set_terms(0, _core.InstrumentTerms(amend=rule, amend_triggers=triggers))
    return world


# 10 stand before us, 4 of them trade away. Then the level grows to 9 and we change the order.
BEFORE = """
    book 100:10 99:1 | 102:5
    buy#1 limit 100 x5            -> accepted
    trade 100 x4 sell             ->
    change 100:9 |                ->
"""
# What each rule answers; then how many must trade at our price before a print of 30 fills us.
CHANGES = {
    ("decrease_keeps", "size=3"): ("updated", 6),
    ("decrease_keeps", "size=7"): ("updated", 9),
    ("decrease_keeps", "size=5"): ("updated", 6),  # nothing changes
    ("requeues", "size=3"): ("updated", 9),
    ("requeues", "size=7"): ("updated", 9),
    ("requeues", "size=5"): ("updated", 9),
    ("decrease_only", "size=3"): ("updated", 6),
    ("decrease_only", "size=7"): ("update_rejected 4401", 6),
    ("decrease_only", "price=99"): ("update_rejected 4401", 6),
    ("none", "size=3"): ("update_rejected 4401", 6),
    ("none", "price=99"): ("update_rejected 4401", 6),
}


@pytest.mark.parametrize(("rule", "change"), CHANGES)
def test_the_place_after_a_change(rule: str, change: str) -> None:
    answer, before = CHANGES[rule, change]
    world = ruled(rule)
    world.run(BEFORE)
    assert world.step(f"amend#1 {change}") == f"#1 {answer}"
    assert world.step(f"trade 100 x{before} sell") == ""
    assert world.step("trade 100 x1 sell") == "#1 fill 1@100 maker"


@pytest.mark.parametrize("rule", ["decrease_keeps", "requeues"])
def test_another_price_joins_the_end_of_its_level(rule: str) -> None:
    world = ruled(rule)
    world.run("""
        book 100:10 99:7 | 102:5
        buy#1 limit 100 x5            -> accepted
        amend#1 price=99              -> updated
        trade 99 x7 sell              ->
        trade 99 x1 sell              -> fill 1@99 maker
    """)


def test_a_refused_change_leaves_the_order_and_its_reserve() -> None:
    world = ruled("none", cash=1000, leverage=1)
    world.run("""
        quote 100 101 5 8
        buy#1 limit 100 x6            -> accepted
        amend#1 size=2                -> update_rejected 4401
        buy#2 limit 99 x5             -> rejected 4201
        buy#3 limit 99 x4             -> accepted
        cancel#1                      -> canceled
        amend#1 size=2                -> update_rejected 4104
    """)


@pytest.mark.parametrize(
    ("rule", "triggers", "change", "answer"),
    [
        ("decrease_keeps", True, "trigger=104 size=3", "updated"),
        ("decrease_keeps", False, "trigger=104", "update_rejected 4401"),
        ("requeues", True, "trigger=104", "updated"),
        ("requeues", False, "size=3", "update_rejected 4401"),
        ("decrease_only", True, "size=3", "updated"),
        ("decrease_only", True, "trigger=104", "update_rejected 4401"),
        ("none", True, "trigger=104", "update_rejected 4401"),
    ],
)
def test_orders_whose_trigger_waits(rule: str, triggers: bool, change: str, answer: str) -> None:
    world = ruled(rule, triggers=triggers)
    world.step("quote 100 101 50 50")
    world.step("buy#1 market x5 stop=105")
    assert world.step(f"amend#1 {change}") == f"#1 {answer}"


@dataclass
class SlowOrder:
    """One order at one price: what is displayed at its level, and who of it stands before us."""

    rule: str
    shown: int
    size: int
    front: int = -1
    filled: int = 0

    def __post_init__(self) -> None:
        self.front = self.shown

    @property
    def left(self) -> int:
        return self.size - self.filled

    def trade(self, size: int) -> int:
        passes = max(size - self.front, 0)
        self.front = max(self.front - size, 0)
        got = min(passes, self.left)
        self.filled += got
        return got

    def show(self, shown: int) -> None:
        self.shown = shown
        self.front = min(self.front, shown)

    def resize(self, size: int) -> str:
        if self.rule == "none" or (self.rule == "decrease_only" and size > self.size):
            return "update_rejected 4401"
        if self.filled and size <= self.filled:
            self.filled = self.size  # gone
            return "canceled"
        if size > self.size or self.rule == "requeues":
            self.front = self.shown
        self.size = size
        return "updated"


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(25))
def test_the_core_s_places_are_the_slow_model_s(rule: str, seed: int) -> None:
    r = random.Random(f"{rule} {seed}")
    world = ruled(rule)
    slow = SlowOrder(rule, r.randint(25, 60), 12)
    world.step(f"book 100:{slow.shown} 90:50 | 102:50")
    world.step("buy#1 limit 100 x12")
    changes = 0
    for _ in range(300):
        if not slow.left:
            break
        kind = r.random()
        if kind < 0.35:
            size = r.randint(1, 6)
            got = world.step(f"trade 100 x{size} sell")
            filled = int(got.split("@")[0].split()[-1]) if got else 0
            assert filled == slow.trade(size), (got, slow)
        elif kind < 0.7:
            shown = max(1, slow.shown + r.randint(-6, 6))
            world.step(f"change 100:{shown} |")
            slow.show(shown)
        else:
            size = r.randint(1, 20)
            assert world.step(f"amend#1 size={size}") == f"#1 {slow.resize(size)}"
            changes += 1
    assert changes > 0


LISTED = """
[[instrument]]
symbol = "binance:BTC/USDT:USDT"
amend = "decrease_only"
amend_triggers = true
"""


def test_a_file_says_the_rule() -> None:
    facts = parse_instruments(LISTED)["binance:BTC/USDT:USDT"]
    assert facts.amend is AmendRule.DECREASE_ONLY
    assert facts.amend_triggers
    assert facts.from_msgpack(facts.to_msgpack()) == facts


@pytest.mark.parametrize(
    ("before", "after"), [('"decrease_only"', '"keeps"'), ("= true", "= 2"), ("= true", '= "yes"')]
)
def test_a_wrong_rule_is_refused(before: str, after: str) -> None:
    with pytest.raises(BadConfig, match="amend"):
        parse_instruments(LISTED.replace(before, after))
