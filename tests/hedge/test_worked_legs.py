"""Hedges that an execution algorithm works: what may be asked for, what the plan shows, what the venues get."""

from __future__ import annotations

import pytest

from hedge.venues_world import SECOND, START, Faults, House
from onetape.control.desk import work_of
from onetape.control.models import HedgeExecute
from onetape.hedge.working import Work
from onetape.model.errors import BadInput, ServiceTimeout

MS = SECOND // 1000


def hedge(**facts) -> HedgeExecute:
    return HedgeExecute(symbol="BTC-USD", hedge_amount=0.02, side="buy", **facts)


@pytest.mark.parametrize(
    "facts, location",
    [
        ({"maker_first": 500, "algo": "twap", "work_for": 900}, "makerFirst"),
        ({"maker_first": 500, "work_for": 900}, "makerFirst"),
        ({"maker_first": 500, "clip": 0.01}, "makerFirst"),
        ({"algo": "twap", "work_for": 900, "clip": 0.005}, "clip"),  # four orders in less than a second
        ({"work_for": 900}, "workFor"),
        ({"clip": 0.01}, "clip"),
        ({"algo": "twap"}, "workFor"),
        ({"algo": "twap", "work_for": 30_000}, "workFor"),
        ({"algo": "iceberg", "work_for": 900}, "clip"),
    ],
)
def test_what_no_algorithm_can_do_is_refused_by_its_field(facts, location):
    with pytest.raises(BadInput) as refused:
        work_of(hedge(**facts), START)
    assert refused.value.location == location


def test_maker_first_is_a_peg_for_that_time():
    assert work_of(hedge(), START) is None
    assert work_of(hedge(maker_first=500), START) == Work("peg", START + 500 * MS)
    assert work_of(hedge(maker_first=50_000), START) == Work("peg", START + 30 * SECOND)  # of its timeout
    turn = START + 20 * SECOND  # its time is from its turn, and what is left still has some
    assert work_of(hedge(algo="join", work_for=8000), START, turn).until == turn + 8 * SECOND
    assert work_of(hedge(algo="join", work_for=28_000), START, turn).until == START + 29 * SECOND
    with pytest.raises(ServiceTimeout):
        work_of(hedge(algo="join", work_for=8000), START, START + 29 * SECOND)
    assert work_of(hedge(algo="join", work_for=900, clip=0.5), START).algo == "join"


def test_a_dry_run_shows_the_algorithm_and_a_hedge_is_worked_over_gateways():
    house = House(5, accounts=2, faults=Faults.none(), crashes=False)
    worked = hedge(algo="twap", work_for=5000, clip=0.004)
    dry = hedge(algo="twap", work_for=5000, clip=0.004, dry_run=True)
    shown = house.operate("dry", lambda desk: desk.hedge(dry, "dry", "test"))
    assert (shown.plan.algo, shown.plan.work_for, shown.status) == ("twap", 5000, "planned")
    begun = house.now
    reply = house.operate("op", lambda desk: desk.hedge(worked, "op", "test"))
    assert reply.status == "completed" and 3.5 * SECOND < house.now - begun < 6 * SECOND
    assert [order.amount for order in reply.executed_orders] == [0.004] * 5
    assert sum(float(each.held) for each in house.venues.values()) == 0.02
