"""The desk over gateways' real cores at simulated exchanges: whatever fails or is killed, legs end together, what is
answered is what the venues hold, and the money is as they say."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal

import pytest

from hedge.venues_world import SECOND, Faults, House
from long_form import LONG
from onetape.hedge.saga import EMERGENCY
from onetape.model.errors import HedgeFailed, MarketDataUnavailable, OnetapeError
from onetape.web.control_models import DeltaControl, HedgeExecute, HedgeReply, UtilizationRebalance

OPERATIONS = 8
SYMBOL = "BTC-USD"


def call_of(chance: random.Random, house: House, operation: str):
    """Draws what somebody wants of the desk."""
    names = list(house.venues)
    worked = {"algo": chance.choice(("peg", "join", "twap", "pov")), "work_for": chance.randint(500, 9000)}
    worked |= {"participation": chance.choice((0.01, 0.3))} if worked["algo"] == "pov" else {}
    maybe = chance.choice(({}, {}, worked))
    more = ("margin", "margin", "rebalance") if house.wallets is not None else ()
    match chance.choice(("hedge", "control", "pair", "pair", "rebalance", *more)):
        case "hedge":
            facts = {"side": chance.choice(("buy", "sell")), **chance.choice(({}, {"maker_first": 500}, worked))}
            hedge = HedgeExecute(symbol=SYMBOL, hedge_amount=chance.randint(1, 30) / 1000, **facts)
            return lambda desk: desk.hedge(hedge, operation, "test")
        case "control":
            target = {"target_delta": chance.randint(-20, 20) / 1000, "max_deviation": 0.5, "tolerance_percent": 0.001}
            control = DeltaControl(symbol=SYMBOL, accounts=names, **target, **maybe)
            return lambda desk: desk.control(control, operation, "test")
        case "pair":
            amount = Decimal(chance.randint(1, 30) * chance.choice((1, -1))) / 1000
            trades = dict(zip(names, (amount, -amount), strict=False))
            return lambda desk: desk.trade(SYMBOL, names, trades, operation, "test")
        case "margin":
            source, target = chance.choice((("a", "c"), ("c", "a")))
            moves = [{"from": source, "to": target, "amount": str(chance.randint(1, 2000))}]
            trades = {"b": Decimal(chance.randint(1, 20)) / 1000} if chance.random() < 0.5 else {}
            return lambda desk: desk.trade(SYMBOL, names, trades, operation, "test", transfers=moves)
        case _:
            wanted = {"target_utilization": chance.randint(1, 6) / 1000, "tolerance_percent": 0.0005}
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
        assert held == before, f"{operation} was not begun: {reply}"
        if isinstance(reply, HedgeReply) and reply.success:
            assert "have arrived" in (reply.reason or ""), f"{operation} has moved nothing, and says it is done"
        return type(reply).__name__
    assert saga.ended is not None, f"{operation} has not ended"
    assert saga.ended.change == sum(held.values()) - sum(before.values()), f"{operation} is not what was done"
    assert {name: at for name, at in saga.ended.positions.items() if name in held} == held
    assert abs(saga.ended.naked) < saga.goal.least
    for begin, end in house.naked_spans(saga.goal):
        assert saga.goal.plan.opposes, f"{operation} has traded beyond what was wanted"
        assert end - begin - house.owed(saga, begin, end) <= EMERGENCY, f"{operation} was naked for {end - begin} ns"
    assert not isinstance(reply, OnetapeError), reply
    return saga.ended.status


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


def check_end(house: House) -> None:
    """Orders, positions and money are as the venues have them."""
    house.be_quiet()
    if (wallets := house.wallets) is not None:
        assert wallets.moved == wallets.expected(), f"seed {house.seed}: margin is not where its moves say"
    for name, venue in house.venues.items():
        assert venue.differences() == [], f"seed {house.seed}, {name}: {venue.differences()}"


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
