"""What a dry run shows: each rule by name, how an order breaks it, its figure and its limit."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec import structs

from onetape.model.enums import OrderType, TriggerBy
from onetape.model.errors import (
    AccountMode,
    DiskFull,
    InsufficientFunds,
    Killed,
    OrderBelowMinNotional,
    OrderInvalid,
    OrderOutcomeUnknown,
    OrderRate,
    PositionLimit,
    PriceBand,
    ReduceOnlyViolated,
    SelfTrade,
    StaleData,
    VenueUnavailable,
)
from onetape.model.time import SECOND
from onetape.orders.checks import MEASURES, checks
from onetape.orders.told import ModeTold
from orders.gate_desk import NOW, PERP, SPOT, Desk


def set_on_gate(**values):
    def change(desk):
        for name, value in values.items():
            setattr(desk.gate, name, value)

    return change


def leave(desk):
    """An order, so that the second has one."""
    assert desk.code("buy", 10, 59_000) == 0


def coarse(desk):
    """Steps of half a dollar."""
    old = desk.gate.instruments[PERP]
    desk.gate.instruments[PERP] = structs.replace(old, tick=Decimal("0.5"))


def read_only(desk):
    desk.manager.hear([ModeTold(False, False, can_trade=False, can_withdraw=False)], NOW)


BUY = ("buy", 10, 60_000)
TRIGGER = {"trigger": 61_000, "by": TriggerBy.MARK}

# rule: symbol, limits, before, order, its terms, error, figure, limit
ROWS = {
    "order": (PERP, {}, None, BUY, {"post_only": True, "type": OrderType.MARKET}, OrderInvalid, None, None),
    "trigger": (SPOT, {}, lambda d: d.own("BTC", "1"), ("sell", 10**8), TRIGGER, OrderInvalid, None, None),
    "quantity": (PERP, {}, None, ("buy", 0, 60_000), {}, OrderInvalid, "0.000", "0.001 to 1000 in steps of 0.001"),
    "tick": (PERP, {}, coarse, ("buy", 10, "60000.1"), {}, OrderInvalid, "60000.1", "0.5"),
    "venue price band": (PERP, {}, None, ("buy", 10, 66_000), {}, PriceBand, "10 %", "5 %"),
    "least value": (PERP, {}, None, ("buy", 1, 59_000), {}, OrderBelowMinNotional, "59", "100"),
    "reduction": (
        PERP,
        {},
        lambda d: d.hold(10),
        ("sell", 11),
        {"reduce_only": True},
        ReduceOnlyViolated,
        "0.011",
        "0.010",
    ),
    "kill switch": (PERP, {}, set_on_gate(killed="lunch"), BUY, {}, Killed, "on: lunch", "off"),
    "journal": (PERP, {}, set_on_gate(disk_full=True), BUY, {}, DiskFull, "full", "has room"),
    "account stream": (PERP, {}, set_on_gate(is_deaf=True), BUY, {}, StaleData, "silent", "tells"),
    "reconciled": (PERP, {}, set_on_gate(ready=False), BUY, {}, VenueUnavailable, "no", "yes"),
    "market data": (
        PERP,
        {},
        set_on_gate(silent_ns=lambda _: 3 * SECOND),
        BUY,
        {},
        StaleData,
        "silent for 3.0 s",
        "0 s",
    ),
    "account mode": (PERP, {}, read_only, BUY, {}, AccountMode, "one-way, no trading", None),
    "unknown orders": (PERP, {}, lambda d: d.lose("buy", 10, 59_000), BUY, {}, OrderOutcomeUnknown, "1", "0"),
    "order size": (PERP, {"order_max": {PERP: 9}}, None, BUY, {}, OrderInvalid, "0.010", "0.009"),
    "position": (PERP, {"position_max": {PERP: 15}}, lambda d: d.hold(10), BUY, {}, PositionLimit, "0.020", "0.015"),
    "price band": (PERP, {"price_band": Decimal("0.01")}, None, ("buy", 10, 61_200), {}, PriceBand, "2 %", "1 %"),
    "own orders": (PERP, {}, lambda d: d.work("sell", 10, 60_000), BUY, {}, SelfTrade, "meets o1", None),
    "order rate": (PERP, {"orders_a_second": 1}, leave, BUY, {}, OrderRate, "1", "1"),
    "money": (SPOT, {}, lambda d: d.own("USD", "600"), ("buy", 10**6, 60_000), {}, InsufficientFunds, None, "600 USD"),
}


@pytest.mark.parametrize("rule", ROWS)
def test_a_rule_that_is_broken_is_named_with_figure_and_limit(rule):
    symbol, limits, before, words, terms, error, figure, limit = ROWS[rule]
    desk = Desk(symbol, **limits)
    spec = desk.spec(*words, **terms)
    if before:
        before(desk)
    found = checks(desk.gate, spec, NOW)
    assert [each.rule for each in found] == list(MEASURES)
    (row,) = [each for each in found if each.rule == rule]
    assert row.refusal is not None and row.refusal.code == error.code
    assert figure in (None, row.figure)
    assert limit in (None, row.limit)
    shown = row.as_json()
    assert (shown["passed"], shown["code"], shown["limit"]) == (False, error.code, row.limit)
    # What was asked about counts for nothing: the same order is judged the same.
    refusal = desk.gate.refusal(spec, NOW)
    assert refusal == next(each.refusal for each in found if each.refusal is not None)


def test_each_rule_has_a_row_that_breaks_it():
    assert set(ROWS) == set(MEASURES)


def test_what_passes_shows_its_figures_too():
    desk = Desk(position_max={PERP: 15}, order_max={PERP: 12})
    found = {each.rule: each for each in checks(desk.gate, desk.spec("buy", 10, 60_000), NOW)}
    assert all(each.refusal is None for each in found.values())
    assert (found["position"].figure, found["position"].limit) == ("0.010", "0.015")
    assert (found["order size"].figure, found["order size"].limit) == ("0.010", "0.012")
    assert found["kill switch"].as_json() == {"rule": "kill switch", "passed": True, "figure": "off", "limit": "off"}


def test_a_reduction_passes_what_stops_new_risk_and_the_figures_stand():
    desk = Desk(position_max={PERP: 15})
    desk.hold(10)
    desk.gate.killed = "lunch"
    spec = desk.spec("sell", 10, reduce_only=True)
    found = {each.rule: each for each in checks(desk.gate, spec, NOW)}
    assert found["kill switch"].refusal is None
    assert found["kill switch"].figure == "on: lunch"
