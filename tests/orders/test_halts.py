"""Halts and bans: whom they stop, what passes them, and when they end."""

from __future__ import annotations

import pytest

from onetape.model.errors import BannedSymbol, HaltedAccount, Killed, LossHalt, NoGuardian, NotProtected, OnetapeError
from onetape.model.time import DAY, HOUR, SECOND
from onetape.orders.calls import Purpose
from onetape.orders.halts import Halts, Scope, halt_of
from orders.gate_desk import NOW, PERP, SPOT, Desk
from orders.surroundings import surround

LOSS = {"rule": "4h 150 USDT", "loss": "150.00 USDT", "limit": "150 USDT"}


def halt(time: int = NOW, **fields):
    return halt_of(fields, actor="guardian", account="main", time=time)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"symbol": PERP}, BannedSymbol),
        ({"symbol": SPOT}, None),
        ({"strategy": "a"}, LossHalt),
        ({"strategy": "main"}, None),
        ({}, HaltedAccount),
        ({"scope": "account"}, HaltedAccount),
        ({"scope": "system"}, LossHalt),
    ],
)
def test_a_halt_stops_what_it_is_about_and_says_rule_figure_and_limit(fields, error):
    desk = Desk()
    surround(desk.gate, strategy_of=lambda robot: "a")
    desk.gate.halts.begin(halt(**fields, **LOSS))
    refusal = desk.gate.refusal(desk.spec("buy", 10, 59_000), NOW, robot=1)
    assert (refusal.code if refusal else None) == (error.code if error else None)
    if refusal:
        assert "150.00 USDT lost by 4h 150 USDT, at most 150 USDT" in refusal.reason


def test_the_widest_halt_is_named():
    halts = Halts()
    for fields in ({"symbol": PERP}, {"scope": "system"}, {}):
        halts.begin(halt(**fields))
    assert halts.of(PERP, "main", NOW).scope is Scope.SYSTEM


@pytest.mark.parametrize(
    ("before", "order", "passes"),
    [
        (lambda d: d.hold(10), ("sell", 10), True),
        (lambda d: d.hold(10), ("sell", 11), False),  # it would turn
        (lambda d: (d.hold(10), d.work("sell", 5, 61_000)), ("sell", 5), True),
        (lambda d: (d.hold(10), d.work("sell", 5, 61_000)), ("sell", 6), False),
        (lambda d: (d.hold(10), d.work("sell", 5, 61_000, reduce_only=True)), ("sell", 6), False),
        (lambda d: d.hold(-10), ("sell", 1), False),
        (lambda d: (d.hold(10), setattr(d.gate, "ready", False)), ("sell", 5), None),  # nobody knows what is held
    ],
)
@pytest.mark.parametrize("stop", ["kill switch", "halt", "guardian", "protection"])
def test_what_only_takes_off_what_is_held_passes_and_what_may_open_does_not(before, order, passes, stop):
    desk = Desk()
    before(desk)
    if stop == "kill switch":
        desk.gate.halts.killed, error = "lunch", Killed
    elif stop == "halt":
        desk.gate.halts.begin(halt(symbol=PERP))
        error = BannedSymbol
    elif stop == "guardian":
        surround(desk.gate, is_guarded=True)
        error = NoGuardian
    else:
        desk.gate.halts.protect(PERP, NOW)
        error = NotProtected
    refusal = desk.gate.refusal(desk.spec(*order, 59_000), NOW)
    assert (refusal is None) == bool(passes)
    assert refusal is None or refusal.code == error.code


@pytest.mark.parametrize(
    ("held", "order", "terms", "passes"),
    [
        (0, ("buy", 10), {}, ""),  # at which levels a robot may send it
        (10, ("buy", 5), {}, "1"),
        (10, ("buy", 5), {"trigger": 61_000}, ""),  # nobody knows what is held then
        (-10, ("sell", 5), {}, "1"),
        (10, ("sell", 10), {}, "12"),
        (10, ("sell", 11), {}, ""),  # it would turn
        (10, ("sell", 5), {"reduce_only": True}, "12"),
    ],
)
def test_each_level_of_danger_refuses_what_the_one_below_does_and_more(held, order, terms, passes):
    found = ""
    for level in (1, 2, 3):
        desk = Desk()
        desk.hold(held)
        desk.gate.halts.begin(halt(level=3, since=NOW - 1, symbol=PERP))
        desk.gate.halts.begin(halt(level=level, symbol=PERP))  # it takes the place of the other
        spec = desk.spec(*order, *(() if terms.get("trigger") else (59_000,)), **terms)
        refusal = desk.gate.refusal(spec, NOW)
        found += str(level) if refusal is None else ""
        assert refusal is None or (refusal.code == BannedSymbol.code and f"danger {level}" in refusal.reason)
    assert found == passes


def test_the_operator_reduces_what_is_traded_by_hand_alone_and_opens_nothing():
    desk = Desk()
    desk.hold(10)
    desk.gate.halts.begin(halt(level=3))
    desk.is_by_hand = True
    assert desk.code("sell", 10, reduce_only=True) == desk.code("sell", 10) == 0
    assert desk.code("buy", 10) == HaltedAccount.code


def test_what_adds_is_cancelled_once_nothing_is_held_any_more():
    desk = Desk()
    desk.hold(10)
    adding = desk.work("buy", 5, 58_000)
    desk.gate.halts.begin(halt(level=1, symbol=PERP))
    desk.gate.hold_to_stops(NOW)
    assert not adding.cancel_open
    desk.hold(0)
    desk.gate.hold_to_stops(NOW)
    assert adding.cancel_open


def killed(desk: Desk) -> None:
    desk.gate.halts.killed = "lunch"


def halted(desk: Desk) -> None:
    desk.gate.halts.begin(halt(symbol=PERP))


STOPS = pytest.mark.parametrize(("stop", "error"), [(killed, Killed), (halted, BannedSymbol)])


@STOPS
def test_a_waiting_trigger_is_no_true_reduction(stop, error):
    desk = Desk()
    desk.hold(10)
    stop(desk)
    assert desk.code("sell", 10, trigger=58_000) == error.code
    assert desk.code("sell", 10, trigger=58_000, reduce_only=True) == 0


def test_a_halt_ends_at_its_nanosecond_whoever_looks():
    desk = Desk()
    desk.gate.halts.begin(halt(symbol=PERP, until=NOW + HOUR))
    spec = desk.spec("buy", 10, 59_000)
    assert desk.gate.refusal(spec, NOW + HOUR - 1).code == BannedSymbol.code
    assert desk.gate.refusal(spec, NOW + HOUR) is None
    assert desk.gate.halts.expire(NOW + HOUR - 1) == []
    assert [each.until for each in desk.gate.halts.expire(NOW + HOUR)] == [NOW + HOUR]
    assert not desk.gate.halts


def test_a_lease_ends_at_its_nanosecond():
    desk = Desk()
    surround(desk.gate, is_guarded=True)
    desk.gate.halts.lease_until = NOW + SECOND
    spec = desk.spec("buy", 10, 59_000)
    assert desk.gate.refusal(spec, NOW + SECOND - 1) is None
    assert desk.gate.refusal(spec, NOW + SECOND).code == NoGuardian.code
    surround(desk.gate, is_guarded=False)
    assert desk.gate.refusal(spec, NOW + SECOND) is None


@STOPS
def test_what_works_and_may_open_is_cancelled_by_a_stop_and_what_takes_off_stays_while_it_does(stop, error):
    desk = Desk()
    desk.hold(10)
    opening = desk.work("buy", 5, 58_000)
    closing = desk.work("sell", 5, 61_000)
    desk.gate.hold_to_stops(NOW)
    assert desk.manager.calls == []
    stop(desk)
    desk.gate.hold_to_stops(NOW)
    assert [(c.purpose, c.subject.client_id) for c in desk.manager.calls] == [(Purpose.CANCEL, opening.client_id)]
    assert not closing.cancel_open
    desk.hold(0)  # now it would open
    desk.gate.hold_to_stops(NOW)
    assert closing.cancel_open


@STOPS
def test_an_amendment_under_way_counts_as_what_it_may_make_of_an_order(stop, error):
    desk = Desk()
    desk.hold(10)
    growing = desk.work("sell", 5, 61_000)
    desk.manager.amend(growing, NOW, price=0, size=15)
    stop(desk)
    desk.gate.hold_to_stops(NOW)
    assert growing.cancel_wanted or growing.cancel_open


@pytest.mark.parametrize(
    "fields",
    [
        {"symbol": PERP, "strategy": "a"},
        {"scope": "planet"},
        {"scope": "symbol"},
        {"scope": "account", "subject": "other"},
        {"until": 5},
        {"until": "soon"},
        {"until": -1},
        {"until": True},
        {"since": "4h"},
        {"loss": "much"},
        {"reason": "two\nlines"},
        {"rule": "x" * 201},
        {"color": "red"},
        {"level": 0},
        {"level": "high"},
    ],
)
def test_what_is_no_halt_is_refused(fields):
    with pytest.raises(OnetapeError):
        halt(**fields)


def test_the_same_command_makes_the_same_halt_again():
    assert halt(symbol=PERP, until="4h").until == NOW + 4 * HOUR
    assert halt(symbol=PERP, since=NOW - DAY, until=NOW) == halt(symbol=PERP, since=NOW - DAY, until=NOW)
    assert halt(symbol=PERP).id == halt(NOW + 1, symbol=PERP).id  # one ban of a symbol by hand


def test_what_a_checkpoint_keeps_is_all_of_it():
    halts = Halts()
    halts.begin(halt(symbol=PERP, **LOSS, until="4h"))
    halts.protect(PERP, NOW)
    halts.protect(SPOT, NOW)
    halts.protect(SPOT, 0)
    halts.epoch = 7
    other = Halts()
    other.restore(halts.to_record())
    assert (list(other), other.unprotected, other.epoch) == (list(halts), {PERP: NOW}, 7)
    assert other.lease_until == 0  # who watches says so again
