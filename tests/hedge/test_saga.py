"""What a saga does at each turn, event by event."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest

from hedge.hedge_world import LOT, SECOND, START, ZERO, view_of
from onetape.hedge.model import LegView, Level
from onetape.hedge.plan import Plan, Terms, leg_of
from onetape.hedge.saga import (
    EMERGENCY,
    PATIENCE,
    REFUSED_MAX,
    Attempt,
    Cancel,
    Fills,
    Goal,
    Look,
    Place,
    Report,
    Saga,
    Wake,
    Write,
)
from onetape.hedge.working import Work
from onetape.model.enums import Kind
from onetape.model.errors import PriceBand
from onetape.model.instrument import from_symbol

TERMS = Terms(now=START, slippage=Decimal("0.005"))
ONE = Decimal(1)


def goal(*changes: tuple[str, str], parallel: bool = True, **facts) -> Goal:
    views = [view_of(name) for name in "abc"]
    legs = [leg_of(next(v for v in views if v.account == name), Decimal(size), TERMS) for name, size in changes]
    usual = {
        "operation": "op",
        "symbol": "BTC-USD",
        "base": "BTC",
        "plan": Plan(tuple(legs), parallel),
        "bearers": ("a", "b", "c"),
        "positions": dict.fromkeys("abc", ZERO),
        "least": LOT,
        "slippage": TERMS.slippage,
        "begun": START,
        "deadline": START + 30 * SECOND,
    }
    return Goal(**{**usual, **facts})


def filled(size: str, order: str = "o") -> Fills:
    return Fills(order, Decimal(size), Decimal(60_000), ZERO, START)


def kinds(effects) -> list[str]:
    return [type(each).__name__ for each in effects if not isinstance(each, Wake)]


def places(effects) -> list[tuple[str, Decimal]]:
    return [(each.attempt.leg.account, each.attempt.leg.change) for each in effects if isinstance(each, Place)]


def held(**positions: str):
    return [view_of(name, position=Decimal(positions.get(name, "0"))) for name in "abc"]


def test_a_record_of_each_order_comes_before_any_order():
    effects = Saga(goal(("a", "1"), ("b", "-1"))).begin(START)
    assert kinds(effects) == ["Write", "Write", "Write", "Place", "Place"]
    assert [each.record["kind"] for each in effects if isinstance(each, Write)] == [
        "saga_begun",
        "saga_attempt",
        "saga_attempt",
    ]


def test_nothing_is_traded_that_an_open_order_may_have_done():
    saga = Saga(goal(("a", "1"), ("b", "-1")))
    saga.begin(START)
    assert kinds(saga.closed(1, filled("1"), START + 1)) == ["Write"]
    assert saga.naked == ONE
    assert kinds(saga.passed(START + 20 * SECOND)) == []
    assert kinds(saga.looked(held(), START + 20 * SECOND)) == []


def test_what_is_missing_whatever_becomes_of_an_open_order_is_traded_at_once():
    saga = Saga(goal(("a", "1"), ("b", "-0.4"), ("c", "-0.6")))
    saga.begin(START)
    saga.closed(1, filled("1"), START + 1)
    assert kinds(saga.closed(2, Fills(), START + 2, why="refused")) == ["Write"]
    assert kinds(saga.passed(START + SECOND)) == ["Look"]
    effects = saga.looked(held(a="1"), START + SECOND)
    assert places(effects) == [("c", Decimal("-0.4"))]  # beside its own, of the same side
    assert kinds(saga.closed(4, filled("0.4"), START + SECOND + 1)) == ["Write"]
    effects = saga.closed(3, Fills(), START + 9 * SECOND, why="refused")
    assert saga.naked == Decimal("0.6")


def test_an_open_sale_of_an_inverse_contract_may_be_more_base_than_planned():
    leg = msgspec.structs.replace(leg_of(view_of("a"), -ONE, TERMS), kind=Kind.INVERSE)
    assert Attempt(1, 0, leg, START, START).change_max == -leg.mid / leg.limit < -ONE
    bought = msgspec.structs.replace(leg_of(view_of("a"), ONE, TERMS), kind=Kind.INVERSE)
    assert Attempt(1, 0, bought, START, START).change_max == ONE


def test_no_order_is_sent_to_a_venue_where_it_may_meet_one_of_our_own():
    saga = Saga(goal(("a", "1"), ("b", "-1")))
    saga.begin(START)
    saga.progress(1, filled("0.2"), START + 1)
    saga.closed(2, Fills(), START + 1, why="refused")
    assert kinds(saga.passed(START + SECOND))[0] == "Look"
    away = [view_of("a", position=Decimal("0.2")), view_of("b", refusal="away"), view_of("c", refusal="away")]
    effects = saga.looked(away, START + SECOND)
    assert not places(effects) and any(isinstance(each, Wake) for each in effects)


def test_accounts_that_have_failed_often_come_in_turns():
    saga = Saga(goal(("a", "1"), ("b", "-1"), bearers=("a", "b")))
    saga.begin(START)
    now = START + 1
    saga.closed(1, filled("1"), now)
    saga.closed(2, Fills(), now, why="refused")
    order = ""
    for number in range(11):
        now += SECOND // 2
        views = [view_of("a", position=ONE), view_of("b", refusal="away" if number < 5 else "")]
        ((account, _),) = places(saga.passed(now) and saga.looked(views, now))
        order += account
        saga.closed(len(saga.attempts), Fills(), now, why="refused")
    assert order == "aaaaabbabab"  # not b as often as a


def test_a_leg_that_fails_is_borne_by_another_account_and_else_undone():
    saga = Saga(goal(("a", "1"), ("b", "-1")))
    saga.begin(START)
    saga.closed(1, filled("1"), START + 1)
    effects = saga.closed(2, Fills(), START + 2, why="refused", code=7)
    assert kinds(effects) == ["Write"]  # it waits a moment: what has refused would again
    assert kinds(saga.passed(START + SECOND)) == ["Look"]
    away = [view_of("a", position=ONE), view_of("b"), view_of("c", refusal="it is away")]
    assert places(saga.looked(away, START + SECOND)) == [("a", -ONE)]
    saga.closed(3, filled("1"), START + SECOND + 1)
    effects = saga.looked(held(), START + 2 * SECOND)
    assert kinds(effects) == ["Write", "Report", "End"]
    outcome = effects[1].outcome
    assert (outcome.status, outcome.naked, outcome.change) == ("failed", ZERO, ZERO)
    assert (outcome.why, outcome.code) == ("b: refused", 7)


def test_an_account_that_has_not_failed_completes_it():
    saga = Saga(goal(("a", "1"), ("b", "-1")))
    saga.begin(START)
    saga.closed(1, filled("1"), START + 1)
    saga.closed(2, filled("0.4"), START + 2, why="the rest was canceled")
    assert places(saga.looked(held(a="1", b="-0.4"), START + 3)) == [("b", Decimal("-0.6"))]
    saga.closed(3, filled("0.6"), START + 4)
    effects = saga.looked(held(a="1", b="-1"), START + 5)
    assert effects[1].outcome.status == "completed" and effects[1].outcome.naked_ns > 0


@pytest.mark.parametrize("there, status, change", [("0.4", "partial", "0.4"), ("0", "failed", "0")])
def test_what_is_short_of_a_single_change_stays_when_the_time_is_over(there, status, change):
    """It is on the way to what was wanted: undoing it would be a trade that nobody wants."""
    saga = Saga(goal(("a", "1"), deadline=START + SECOND))
    saga.begin(START)
    saga.closed(1, filled(there), START + SECOND, why="the rest was canceled")
    effects = saga.looked(held(a=there), START + SECOND) or saga.passed(START + 3 * SECOND)
    if kinds(effects) == ["Look"]:
        effects = saga.looked(held(a=there), START + 3 * SECOND)
    (report,) = [each for each in effects if isinstance(each, Report)]
    assert (report.outcome.status, report.outcome.change) == (status, Decimal(change))


def test_what_is_naked_for_long_is_traded_at_the_emergency_bound():
    saga = Saga(goal(("a", "1"), ("b", "-1")))
    saga.begin(START)
    saga.closed(1, filled("1"), START + 1)
    saga.closed(2, filled("0.5"), START + 2, why="the rest was canceled")
    (usual,) = [each.attempt.leg for each in saga.looked(held(a="1", b="-0.5"), START + 3) if isinstance(each, Place)]
    saga.closed(3, Fills(), START + PATIENCE + SECOND, why="the rest was canceled")
    saga.passed(START + PATIENCE + 2 * SECOND)
    effects = saga.looked(held(a="1", b="-0.5"), START + PATIENCE + 2 * SECOND)
    (urgent,) = [each.attempt.leg for each in effects if isinstance(each, Place)]
    assert (usual.mid - usual.limit) / usual.mid <= Decimal("0.005")
    assert (urgent.mid - urgent.limit) / urgent.mid > Decimal("0.04")


def test_who_asked_is_answered_in_time_and_the_saga_goes_on():
    saga = Saga(goal(("a", "1"), ("b", "-1"), deadline=START + SECOND))
    saga.begin(START)
    saga.closed(1, filled("1"), START + 1)
    (report,) = [e for e in saga.passed(START + SECOND + EMERGENCY) if isinstance(e, Report)]
    assert (report.outcome.status, report.outcome.is_over, report.outcome.naked) == ("failed", False, ONE)
    late = START + 100 * SECOND
    saga.closed(2, filled("1"), late)
    effects = saga.looked(held(a="1", b="-1"), late)
    assert kinds(effects) == ["Write", "End"]  # it was answered already
    assert saga.ended.status == "completed" and saga.ended.naked_ns >= late - START - 1


def test_legs_one_by_one_are_no_more_than_evens_them_out():
    saga = Saga(goal(("a", "1"), ("b", "-1"), parallel=False))
    assert places(saga.begin(START)) == [("a", ONE)]
    assert places(saga.closed(1, filled("0.3"), START + 1)) == [("b", Decimal("-0.300"))]


def test_a_plan_whose_prices_are_old_is_not_begun_after_a_restart():
    records = [each.record for each in Saga(goal(("a", "1"), ("b", "-1"))).begin(START) if isinstance(each, Write)]
    saga = Saga.of(records[:1])
    effects = saga.resume(START + 10 * SECOND)
    assert kinds(effects) == ["Look"] and not saga.attempts


def test_a_restart_sends_what_is_open_once_more_under_its_number():
    records = [each.record for each in Saga(goal(("a", "1"), ("b", "-1"))).begin(START) if isinstance(each, Write)]
    saga = Saga.of(records)
    effects = saga.resume(START + SECOND)
    assert places(effects) == [("a", ONE), ("b", -ONE)]
    assert [each.attempt.number for each in effects if isinstance(each, Place)] == [1, 2]
    assert [each.attempt.until for each in effects if isinstance(each, Place)] == [START + 3 * SECOND] * 2


def test_a_restart_does_not_trade_early_what_later_legs_of_a_plan_are_for():
    records = [each.record for each in Saga(goal(("a", "1"), ("b", "1"), parallel=False)).begin(START)[:2]]
    effects = Saga.of(records).resume(START + SECOND)
    assert kinds(effects) == ["Place"]


def test_a_fill_that_comes_after_an_order_has_ended_is_made_good():
    saga = Saga(goal(("a", "1"), ("b", "-1")))
    saga.begin(START)
    saga.closed(1, filled("1"), START + 1)
    saga.closed(2, filled("1"), START + 2)
    assert kinds(saga.closed(2, filled("1"), START + 3)) == []
    effects = saga.closed(1, filled("1.2"), START + 3)
    assert isinstance(effects[0], Write) and any(isinstance(each, Look) for each in effects)
    assert places(saga.looked(held(a="1.2", b="-1"), START + 4)) == [("b", Decimal("-0.2"))] or saga.naked == Decimal(
        "0.2"
    )


def test_positions_that_fills_do_not_explain_are_said():
    saga = Saga(goal(("a", "1")))
    saga.begin(START)
    saga.closed(1, filled("1"), START + 1)
    assert kinds(saga.looked(held(a="0.7"), START + 2)) == []  # the venue may not have it yet
    saga.passed(START + 4 * SECOND)
    effects = saga.looked(held(a="0.7"), START + 4 * SECOND)
    assert effects[1].outcome.differs == {"a": (ONE, Decimal("0.7"))}


def inverse_view(position: str) -> LegView:
    instrument = from_symbol("a:BTC/USD:BTC", tick="0.5", lot="1", perpetual=True)
    return replace(view_of("a", position=Decimal(position)), instrument=instrument)


@pytest.mark.parametrize(
    ("view", "is_explained"),
    [
        (view_of("a", position=ONE), True),
        (view_of("a", position=ONE + Decimal("1e-10")), True),  # rounding
        (view_of("a", position=Decimal("1.001")), False),
        (view_of("a", position=Decimal("0.99")), False),
        (view_of("a", position=Decimal("1.01")), False),
        (inverse_view("0.99"), True),  # its base moves with the price
        (inverse_view("1.01"), True),
        (inverse_view("0.9"), False),
        (inverse_view("1.1"), False),
    ],
)
def test_a_position_is_explained_by_fills_up_to_rounding_and_of_an_inverse_contract_up_to_a_drift(view, is_explained):
    saga = Saga(goal(("a", "1")))
    saga.begin(START)
    saga.closed(1, filled("1"), START + 1)
    saga.looked([view], START + 2)
    saga.passed(START + 4 * SECOND)
    saga.looked([view], START + 4 * SECOND)
    assert saga.ended.differs == ({} if is_explained else {"a": (ONE, view.position)})


def test_a_passive_order_does_not_rest_beyond_the_time_of_its_operation():
    saga = Saga(goal(("a", "1"), work=Work("peg", START + 5 * SECOND), deadline=START + 2 * SECOND))
    saga.begin(START)
    saga.looked(held(), START)
    assert saga.attempts[0].rests_until == START + 2 * SECOND


def test_a_peg_does_not_climb_on_orders_of_its_own():
    """Neither on that of the leg itself nor on that of another leg at its venue, also where a view is late."""
    both = [view_of(name, venue="x") for name in "ab"]
    terms = Plan(tuple(leg_of(each, ONE, TERMS) for each in both))
    saga = Saga(goal(plan=terms, bearers=("a", "b"), positions=dict.fromkeys("ab", ZERO), work=PEG))
    saga.begin(START)
    wide = [replace(each, bids=tuple(replace(n, price=n.price - 10) for n in each.bids)) for each in both]
    assert len(places(saga.looked(wide, START))) == 2
    mine = saga.attempts[0].leg.passive
    assert mine == saga.attempts[1].leg.passive == Decimal("59995.0")
    now = START + SECOND
    for size, is_moved in (("2", False), ("2.5", True)):  # ours; others have joined
        saga.passed(now)
        seen = [replace(each, bids=(Level(mine, Decimal(size)), *each.bids)) for each in wide]
        assert ("Cancel" in kinds(saga.looked(seen, now))) == is_moved
        now += SECOND


PEG = Work("peg", START + 9 * SECOND)


def test_an_iceberg_rests_at_its_own_touch_and_nowhere_beyond_its_bound():
    saga = Saga(goal(("a", "1"), work=Work("iceberg", START + 5 * SECOND, Decimal("0.25"))))
    saga.begin(START)
    assert places(saga.looked(held(), START)) == [("a", Decimal("0.25"))]
    assert saga.attempts[0].leg.passive == Decimal("59999.5") and saga.attempts[0].rests_until
    saga.passed(START + SECOND)
    away = [view_of(name, price=Decimal(60_500)) for name in "abc"]
    assert "Cancel" in kinds(saga.looked(away, START + SECOND))
    saga.closed(1, Fills(), START + SECOND + 1, why="canceled")
    assert not places(saga.looked(away, START + SECOND + 1))


def test_a_leg_is_bought_in_clips_at_the_touch_and_the_rest_within_the_bound_at_the_end():
    saga = Saga(goal(("a", "1"), work=Work("twap", START + 10 * SECOND, Decimal("0.25"))))
    effects, now, orders = saga.begin(START), START, []
    while not saga.is_over:
        if sent := [each.attempt for each in effects if isinstance(each, Place)]:
            (attempt,) = sent
            orders.append((now - START, attempt.leg.base, attempt.leg.limit, attempt.rests_until))
            fills = Fills() if len(orders) == 2 else filled(str(attempt.leg.base))  # one finds nothing at the touch
            effects = saga.closed(attempt.number, fills, now, why="" if fills.base else "missed")
        elif "Look" in kinds(effects):
            effects = saga.looked(held(a=str(saga.change)), now)
        else:
            now = next(each.at for each in effects if isinstance(each, Wake))
            effects = saga.passed(now)
    touch, quarter = Decimal("60000.5"), Decimal("0.25")
    assert [order[1:] for order in orders] == [(quarter, touch, 0)] * 5
    assert [order[0] // SECOND for order in orders[:2]] == [0, 2] and orders[-1][0] < 10 * SECOND
    assert saga.ended.status == "completed"


def test_a_venue_that_refuses_what_an_algorithm_sends_is_tried_ever_less_often():
    saga = Saga(goal(("a", "1"), work=Work("twap", START + 20 * SECOND, ONE)))
    effects, now, sent = saga.begin(START), START, []
    while now < START + 20 * SECOND:
        if placed := [each.attempt for each in effects if isinstance(each, Place)]:
            sent.append(now)
            effects = saga.closed(placed[0].number, Fills(), now + 1, why="refused", code=4306)
        elif "Look" in kinds(effects):
            effects = saga.looked(held(), now)
        else:
            now = next(each.at for each in effects if isinstance(each, Wake))
            effects = saga.passed(now)
    pauses = [after - before for before, after in pairwise(sent)]
    assert pauses[:5] == [each * SECOND // 2 for each in (1, 2, 4, 8, 16)] and len(sent) < 10


def test_a_leg_that_rests_goes_with_the_market_at_most_once_a_second_and_takes_what_is_left():
    saga = Saga(goal(("a", "1"), work=Work("join", START + 5 * SECOND)))
    saga.begin(START)
    (first,) = places(saga.looked(held(), START))
    assert first == ("a", ONE) and saga.attempts[0].leg.passive == Decimal("59999.5")
    higher = [view_of(name, price=Decimal(60_010)) for name in "abc"]
    now = START + SECOND // 2
    saga.passed(now)
    assert "Cancel" not in kinds(saga.looked(higher, now))
    saga.passed(START + SECOND)
    assert "Cancel" in kinds(saga.looked(higher, START + SECOND))
    assert kinds(saga.closed(1, filled("0.4"), START + SECOND + 1, why="canceled")) == ["Write", "Look"]
    effects = saga.looked(higher, START + SECOND + 1)
    assert places(effects) == [("a", Decimal("0.600"))] and saga.attempts[1].leg.passive == Decimal("60009.5")
    assert "Cancel" in kinds(saga.passed(START + 5 * SECOND))
    saga.closed(2, Fills(), START + 5 * SECOND + 1, why="canceled")
    (last,) = places(saga.looked(higher, START + 5 * SECOND + 1))
    assert last[1] == Decimal("0.600") and not saga.attempts[2].rests_until


LATE = START + 40 * SECOND


def naked_pair() -> Saga:
    """One leg was filled and the other one refused, and the time is over."""
    saga = Saga(goal(("a", "1"), ("b", "-1"), positions={"a": Decimal(5), "b": Decimal(-5), "c": ZERO}))
    saga.begin(START)
    saga.closed(1, filled("1"), START + 1)
    saga.closed(2, Fills(), START + 2, why="refused")
    saga.looked([], START + 3)
    assert kinds(saga.passed(LATE)) == ["Look"]
    return saga


@pytest.mark.parametrize(
    "there, is_traded",
    [
        ({"a": "6", "b": "-5"}, True),  # as its fills have it
        ({"a": "6.1", "b": "-5"}, True),  # a robot has bought, too
        ({"a": "5.8", "b": "-5"}, True),  # a robot has sold a little
        ({"a": "5.55", "b": "-5"}, True),  # less than half of what was naked
        ({"a": "5.45", "b": "-5"}, False),  # more than half of it: a trade of all would leave more
        ({"a": "5", "b": "-5"}, False),  # a person has sold what was naked
        ({}, False),  # the kill switch has taken all off
        ({"b": "-5"}, False),
    ],
)
def test_what_other_hands_have_evened_out_is_not_traded_once_more(there, is_traded):
    saga = naked_pair()
    effects = saga.looked(held(**there), LATE)
    assert bool(places(effects)) == is_traded
    if is_traded:
        return
    saga.passed(LATE + 4 * SECOND)
    effects = saga.looked(held(**there), LATE + 4 * SECOND)
    assert "End" in kinds(effects)
    assert (saga.ended.status, saga.ended.naked) == ("failed", ONE) and saga.ended.differs


def test_it_goes_by_its_fills_while_an_account_does_not_say_what_it_holds():
    views = held(b="-5")
    views[1] = replace(views[1], unfit="its gateway is not ready")
    assert places(naked_pair().looked(views, LATE))


def test_each_account_that_refuses_for_long_is_tried_less_often_by_itself():
    saga, now, tries = naked_pair(), LATE, {}
    effects, views = saga.looked(held(a="6", b="-5"), now), held(a="6", b="-5")
    views[2] = replace(views[2], refusal="its gateway does not answer")
    while now < LATE + 600 * SECOND:
        if sent := [each.attempt for each in effects if isinstance(each, Place)]:
            now += SECOND // 100
            for attempt in sent:
                tries.setdefault(attempt.leg.account, []).append(now)
                effects = saga.closed(attempt.number, Fills(), now, why="refused")
        elif "Look" in kinds(effects):
            effects = saga.looked(views, now)
        else:
            now = next(each.at for each in effects if isinstance(each, Wake))
            effects = saga.passed(now)
    pauses = [after - before for before, after in pairwise(tries["b"])]
    assert max(pauses[: REFUSED_MAX - 1]) <= SECOND and 60 * SECOND <= pauses[-1] <= 61 * SECOND
    views[2] = replace(views[2], refusal="")
    while not (sent := places(effects)):
        now = next((each.at for each in effects if isinstance(each, Wake)), now)
        effects = saga.looked(views, now) if "Look" in kinds(effects) else saga.passed(now)
    assert sent == [("c", -ONE)] and now < LATE + 601 * SECOND


def test_what_is_naked_finds_each_venue_s_band_by_itself_whoever_else_refuses():
    saga, views, limits = naked_pair(), held(a="6", b="-5"), {"a": [], "b": [], "c": []}
    effects, now = saga.looked(views, LATE + PATIENCE), LATE + PATIENCE
    for _ in range(12):
        (attempt,) = (each.attempt for each in effects if isinstance(each, Place))
        leg = attempt.leg
        limits[leg.account].append(round((leg.mid - leg.limit) / leg.mid, 4))
        is_beyond = leg.account != "c" and len(limits[leg.account]) < 3
        saga.closed(attempt.number, Fills(), now, why="refused", code=PriceBand.code if is_beyond else 0)
        now += SECOND
        effects = saga.looked(views, now) if "Look" in kinds(saga.passed(now)) else []
    halved = [Decimal(each) for each in ("0.05", "0.025", "0.0125", "0.05")]
    assert limits == {"a": halved, "b": halved, "c": [halved[0]] * 4}


def test_a_person_may_end_it_with_what_is_naked():
    saga = Saga(goal(("a", "1"), ("b", "-1")))
    effects = saga.begin(START)
    saga.closed(1, filled("1"), START + 1)
    stopped = saga.stop(START + 2)
    assert kinds(stopped) == ["Write"]  # what is open is waited for
    assert kinds(saga.closed(2, Fills(), START + 3, why="refused")) == ["Write", "Look"]
    ended = saga.looked(held(a="1"), START + 4)
    assert kinds(ended) == ["Write", "Report", "End"] and not saga.stop(START + 5)
    assert (saga.ended.status, saga.ended.naked) == ("failed", ONE)
    records = [each.record for each in [*effects, *stopped] if isinstance(each, Write)]
    resumed = Saga.of(records)
    resumed.closed(1, filled("1"), START + 1)
    assert kinds(resumed.closed(2, Fills(), START + 3, why="refused")) == ["Write", "Look"]
    assert kinds(resumed.looked(held(a="1"), START + 4)) == ["Write", "Report", "End"]


@pytest.mark.parametrize("event", ["resume", "stop"])
def test_what_rests_of_an_operation_that_a_person_has_ended_is_canceled_in_the_next_life_too(event):
    """A kill forgets that it was to be canceled, and it would rest until the time of its operation is over."""
    saga = Saga(goal(("a", "1"), work=PEG))
    made = [*saga.begin(START), *saga.looked(held(), START), *saga.stop(START + 1)]
    assert [each.attempt.number for each in made if isinstance(each, Cancel)] == [1]
    resumed = Saga.of([each.record for each in made if isinstance(each, Write)])
    effects = getattr(resumed, event)(START + SECOND)
    assert kinds(effects) == (["Place", "Cancel"] if event == "resume" else ["Cancel"])
    assert not kinds(resumed.stop(START + 2 * SECOND))  # who carries it out cancels as often as it takes


def test_what_an_account_does_not_say_is_waited_for_and_never_completed():
    saga = Saga(goal(("a", "1")))
    saga.begin(START)
    saga.closed(1, filled("1"), START + 1)
    assert kinds(saga.looked([], START + 2)) == []
    assert kinds(saga.looked([], START + 5 * SECOND)) == []
    end = START + 31 * SECOND
    saga.passed(end)
    views = [replace(each, unfit="its gateway is not ready") for each in held(a="7")]
    effects = saga.looked([views[0], *held()[1:]], end)
    assert "End" in kinds(effects)
    assert (saga.ended.status, saga.ended.unknown, saga.ended.positions["a"]) == ("partial", ("a",), ONE)


def test_what_an_attempt_costs_is_its_fee_and_what_it_was_worse_than_the_middle():
    saga = Saga(goal(("a", "1"), ("b", "-1")))
    saga.begin(START)
    saga.closed(1, Fills("o", ONE, Decimal(60_010), Decimal(3), START), START + 1)
    saga.closed(2, Fills("o", ONE, Decimal(59_995), Decimal(2), START), START + 1)
    assert saga.cost == 3 + 10 + 2 + 5
