"""The desk over gateways' real cores at simulated exchanges: whatever fails or is killed, legs end together, what is
answered is what the venues hold, and the money is as they say."""

from __future__ import annotations

from collections import Counter

import pytest

from long_form import LONG
from onetape.model.errors import HedgeFailed, MarketDataUnavailable
from onetape.simulation.faults import Faults
from onetape.simulation.operations import SYMBOL, check_end, operate
from onetape.simulation.operations_world import House
from onetape.simulation.world import SECOND
from onetape.web.control_models import DeltaControl, HedgeExecute

OPERATIONS = 8


def play(
    seed: int, *, operations: int = OPERATIONS, wallets: bool = False, guarded: bool = False
) -> tuple[House, Counter[str]]:
    """Operations one after the other in a bad world."""
    house, ends = House(seed, wallets=wallets, guarded=guarded), Counter[str]()
    for number in range(operations):
        try:
            ends[operate(house, number, kill_at=house.random.choice((0, 0, 1, 2, 3, 5, 8)))] += 1
            house.advance(house.random.randrange(3 * SECOND))
        except (AssertionError, TimeoutError) as error:
            raise AssertionError(f"seed {seed}: {error or 'an operation does not end'}") from error
    check_end(house)
    return house, ends


@pytest.mark.parametrize("seed", range(300 if LONG else 2))
def test_operations_end_over_gateways_that_are_killed_at_venues_that_do_not_answer(seed):
    _, ends = play(seed)
    assert ends["completed"] or ends["partial"], ends


@pytest.mark.parametrize("seed", range(300 if LONG else 2))
def test_margin_moves_beside_legs_and_is_where_its_moves_say(seed):
    house, ends = play(seed, wallets=True)
    assert house.wallets.ends["done"] and (ends["completed"] or ends["partial"]), (house.wallets.ends, ends)


@pytest.mark.parametrize("seed", range(300 if LONG else 3))
def test_operations_end_beside_guardians_that_act_past_dead_gateways(seed):
    house, ends = play(seed, wallets=seed % 2 == 1, guarded=True)
    stops = sum(venue.seen["place_stops applied"] for venue in house.venues.values())
    assert stops and (ends["completed"] or ends["partial"]), (stops, ends)


@pytest.mark.parametrize("seed", range(20 if LONG else 1))
def test_the_desk_is_killed_at_each_record_of_an_operation(seed):
    whole = House(seed, crashes=False)
    operate(whole, 0)
    for record in range(1, whole.count + 1):
        house = House(seed, crashes=False)
        operate(house, 0, kill_at=record)
        assert house.kills == 1
        check_end(house)


def test_where_all_markets_are_silent_it_is_the_market_s_data_that_are_missing():
    house = House(5, accounts=2, faults=Faults.none(), crashes=False)
    house.refusal = "its market has been silent for 3.0 s"
    facts = {"accounts": ["a", "b"], "target_delta": 0.02, "max_deviation": 0.1}
    calls = {
        "control": lambda desk: desk.control(
            DeltaControl(symbol=SYMBOL, **facts, tolerance_percent=0.0), "control", "x"
        ),
        "hedge": lambda desk: desk.hedge(HedgeExecute(symbol=SYMBOL, hedge_amount=0.02), "hedge", "x"),
    }
    for name, call in calls.items():
        error = house.operate(name, call)
        assert isinstance(error, MarketDataUnavailable) and "silent for 3.0 s" in error.what, error
    house.refusal = ""
    error = house.operate("far", lambda desk: desk.hedge(HedgeExecute(symbol=SYMBOL, hedge_amount=1e6), "far", "x"))
    assert isinstance(error, HedgeFailed)


def test_an_account_that_is_named_twice_counts_once():
    house = House(5, accounts=2, faults=Faults.none(), crashes=False)
    facts = {"accounts": ["a", "b", "a"], "target_delta": 0.02, "max_deviation": 0.001, "tolerance_percent": 0.0}
    control = DeltaControl(symbol=SYMBOL, **facts)
    reply = house.operate("op", lambda desk: desk.control(control, "op", "test"))
    assert (reply.success, reply.final_delta, reply.accounts_processed) == (True, 0.02, ["a", "b"]), reply
