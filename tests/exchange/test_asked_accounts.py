"""What an account reckons for one question it keeps for the next, until something of it changes:
so one that is asked after every change says what one says that was never asked before."""

from __future__ import annotations

import random
from typing import Any

import pytest
from exchange_world import BTC, ONE, USDT, linear, spot

from onetape import _core

COUNT, CHANGES = 300, 40
KINDS = (
    (linear(maintenance_rate=5 * 10**9, taker_fee=5 * 10**8), USDT, BTC),
    (_core.InstrumentSpec(kind="inverse", price_decimals=0, size_decimals=0), BTC, BTC),
    (spot(taker_fee=10**9), USDT, BTC),
    (linear(maintenance_rate=10**10), USDT, BTC),
)


def account(**mode: bool) -> _core.CoreAccount:
    made = _core.CoreAccount(leverage=5, **mode)
    for index, (spec, settle, base) in enumerate(KINDS):
        made.set_instrument(index, spec, settle, base)
    return made


def readings(one: _core.CoreAccount) -> list[Any]:
    found: list[Any] = []
    for currency in (USDT, BTC):
        found += [
            one.equity(currency),
            one.available(currency),
            one.initial_margin(currency),
            one.maintenance_margin(currency),
            one.below_maintenance(currency),
        ]
    for index in range(len(KINDS)):
        found += [one.unrealized(index), one.check_funds(index, "buy", 100, 50)]
    return found


def change(r: random.Random, hedge: bool, working: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The name of a change, and its cells."""
    index, price = r.randrange(len(KINDS)), r.randint(80, 120)
    held = r.choice(["long", "short"]) if hedge and index != 2 else "both"
    order = (index, r.choice(["buy", "sell"]), price, r.randint(1, 9))
    kind = r.choice(["mark", "mark", "fill", "fill", "order", "gone", "money", "funding", "terms"])
    if kind == "mark":
        return "set_mark", index, r.choice([0, price, price])
    if kind == "fill":
        return "apply_fill", *order, r.randint(0, 3) * ONE, held
    if kind == "order":
        working.append((*order, held))
        return "add_working", *order, held
    if kind == "gone" and working:
        return "remove_working", *working.pop(r.randrange(len(working)))
    if kind == "money":
        return "deposit", r.choice([USDT, BTC]), r.randint(-50, 500) * ONE
    if kind == "funding":
        return "apply_funding", index, r.randint(-(10**9), 10**9), r.choice([0, price])
    return "set_terms", index, _core.InstrumentTerms(leverage=r.choice([0, 2, 10]))


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("hedge", [False, True])
def test_being_asked_changes_no_answer(hedge: bool, isolated: bool) -> None:
    for seed in range(COUNT):
        r = random.Random(seed)
        request, quiet = (account(hedge=hedge, isolated=isolated), account(hedge=hedge, isolated=isolated))
        working: list[tuple[Any, ...]] = []
        for _ in range(r.randint(1, CHANGES)):
            name, *cells = change(r, hedge, working)
            for one in (request, quiet):
                getattr(one, name)(*cells)
            readings(request)
        assert readings(request) == readings(quiet), f"seed {seed}"
        for order in working:  # what is no longer open counts nothing
            for one in (request, quiet):
                one.remove_working(*order)
        assert readings(request) == readings(quiet), f"seed {seed}, without its orders"
