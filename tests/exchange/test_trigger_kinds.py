"""Stop and take-profit are said, not guessed: side x kind x where the price lies when the order
arrives x what the venue does with a trigger that is met, in both of the core's exchanges."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from exchange_world import Recorded, said

from onetape import _core

TRIGGER = 100
RULES = {"fires": False, "refused": True}
# Where the price lies, seen from the trigger, in the direction in which it comes to it: a stop to
# sell and a take-profit to buy are met from above.
PLACES = {"before": -3, "at": 0, "beyond": 3}
CASES = [
    pytest.param(*each, id="-".join(each)) for each in product(["buy", "sell"], ["stop", "take_profit"], PLACES, RULES)
]


def way(side: str, kind: str) -> int:
    """+1: it fires when the price rises to the trigger."""
    return 1 if (side == "buy") == (kind == "stop") else -1


def answer(place: str, rule: str) -> str:
    if place == "before":
        return "#1 accepted"
    return "#1 rejected 4109" if rule == "refused" else "#1 accepted, #1 triggered 4109"


def recorded(rule: str) -> Recorded:
    world = Recorded()
    world.core.set_terms(0, _core.InstrumentTerms(refuses_met_triggers=RULES[rule]))
    return world


def market(world: Recorded, price: int) -> None:
    world.step(f"quote {price - 1} {price + 1} 50 50")
    world.step(f"trade {price} x1")


def words(side: str, kind: str) -> str:
    return f"{side}#1 market x5 {'stop' if kind == 'stop' else 'take'}={TRIGGER}"


@pytest.mark.parametrize(("side", "kind", "place", "rule"), CASES)
def test_beside_a_recorded_market(side: str, kind: str, place: str, rule: str) -> None:
    world = recorded(rule)
    market(world, TRIGGER + PLACES[place] * way(side, kind))
    wanted = answer(place, rule)
    if wanted.endswith("triggered 4109"):
        near = TRIGGER + PLACES[place] * way(side, kind)
        wanted += f", #1 fill 5@{near + (1 if side == 'buy' else -1)} taker"
    assert world.step(words(side, kind)) == wanted
    if place != "before":
        return
    away = TRIGGER - 9 * way(side, kind)
    assert world.step(f"trade {away} x1") == ""  # the other way nothing fires
    assert world.step(f"trade {TRIGGER} x1").startswith("#1 triggered, #1 fill 5@")


@pytest.mark.parametrize(("side", "kind", "place", "rule"), CASES)
def test_in_bars(side: str, kind: str, place: str, rule: str) -> None:
    world = recorded(rule)
    near = TRIGGER + PLACES[place] * way(side, kind)
    world.step(f"bar 0-60 {near} {near} {near} {near} 1000")
    assert world.step(words(side, kind)) == answer(place, rule)
    low, high = sorted((near, TRIGGER - 9 * way(side, kind)))
    reported = world.step(f"bar 60-120 {near} {high} {low} {near} 1000")
    # What has fired takes the next price that is known; what waits has not been reached.
    fired = (place, rule) in (("at", "fires"), ("beyond", "fires"))
    assert reported == (f"#1 fill 5@{near} taker" if fired else "")


@pytest.mark.parametrize(("side", "kind", "place", "rule"), CASES)
def test_in_the_matching_engine(side: str, kind: str, place: str, rule: str) -> None:
    engine = _core.MatchingEngine(
        _core.InstrumentSpec(kind="linear", price_decimals=0, size_decimals=0), refuses_met_triggers=RULES[rule]
    )
    numbers = iter(range(1, 100))

    def trade(price: int) -> list[dict[str, Any]]:
        terms = {"price": price, "size": 1}
        engine.request(1, 1, order_id=next(numbers), side="sell", **terms)
        return engine.request(2, 1, order_id=next(numbers), side="buy", **terms)

    trade(TRIGGER + PLACES[place] * way(side, kind))
    terms = {"trigger": TRIGGER, "trigger_kind": kind}
    got = engine.request(3, 2, order_id=1, side=side, type="market", size=1, **terms)
    wanted = answer(place, rule)  # nothing is there to take: what fired is canceled
    assert said(got) == wanted + (", #1 canceled 1005" if "triggered" in wanted else "")
    if place != "before":
        return
    reported = trade(TRIGGER - 9 * way(side, kind))
    assert not [e for e in reported if e["event"] == "order" and e["owner"] == 3]
    reported = [e for e in trade(TRIGGER) if e["event"] == "order" and e["owner"] == 3]
    assert said(reported) == "#1 triggered, #1 canceled 1005"


@pytest.mark.parametrize("rule", RULES)
def test_a_stop_that_comes_late_never_waits_for_the_price_to_come_back(rule: str) -> None:
    world = recorded(rule)
    market(world, 100)
    world.step("buy#2 market x5")
    market(world, 97)  # while it was on its way
    reported = world.step("sell#1 market x5 stop=99 reduce")
    assert (
        reported == {"fires": "#1 accepted, #1 triggered 4109, #1 fill 5@96 taker", "refused": "#1 rejected 4109"}[rule]
    )
    assert world.step("trade 50 x1") == ""
    assert world.step("trade 99 x1") == ""


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("to", [90, 96, 100, 103])
def test_a_moved_trigger_keeps_its_kind(rule: str, to: int) -> None:
    world = recorded(rule)
    market(world, 100)
    world.step("buy#2 market x5")
    assert world.step("sell#1 market x5 stop=95 reduce") == "#1 accepted"
    reported = world.step(f"amend#1 trigger={to}")
    if to < 100:
        assert reported == "#1 updated"
        assert world.step(f"trade {to + 1} x1") == ""
        assert world.step(f"trade {to} x1").startswith("#1 triggered, #1 fill")
    elif rule == "refused":
        assert reported == "#1 update_rejected 4109"
        assert world.step("trade 95 x1").startswith("#1 triggered, #1 fill")  # as it was
    else:
        assert reported == "#1 updated, #1 triggered 4109, #1 fill 5@99 taker"


def test_a_trigger_without_its_kind_is_not_taken() -> None:
    world = recorded("fires")
    market(world, 100)
    terms: dict[str, Any] = {"side": "sell", "type": "market", "size": 1}
    for number, more in enumerate(
        ({"trigger": 95}, {"trigger_kind": "stop"}, {"trigger": 95, "trigger_kind": "trailing"}), 1
    ):
        reply = world.core.request(9, 0, order_id=number, **terms, **more)
        assert said(reply) == f"#{number} rejected 4101"
