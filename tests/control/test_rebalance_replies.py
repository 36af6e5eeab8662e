"""What a rebalance is said to have come to: figures of before and of now apart, and nothing that is not known."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from hedge.leg_views import view
from onetape.control.desk_replies import Asking, Came, rebalance_reply
from onetape.hedge.plan import Plan
from onetape.hedge.saga import Goal, Outcome, Saga
from onetape.hedge.utilization import Target, rebalance
from onetape.web.control_models import RebalanceReply, UtilizationRebalance

ACCOUNTS = ("aster-a", "binance-b")
REQUEST = UtilizationRebalance(target_utilization=0.5, accounts=list(ACCOUNTS), symbol="BTC-USD")
BEFORE = {"aster-a": 0.9, "binance-b": 0.1}


def reply(now: dict[str, str], status: str = "completed", **came: object) -> RebalanceReply:
    """now: what is free of 100 on each account, after the operation."""
    views = [
        replace(view(name, "0.1", "0.2"), equity=Decimal(100), available=Decimal(free)) for name, free in now.items()
    ]
    goal = Goal(
        operation="o",
        symbol="BTC-USD",
        base="BTC",
        plan=Plan(before=Decimal(0)),
        bearers=ACCOUNTS,
        positions=dict.fromkeys(ACCOUNTS, Decimal("0.1")),
        least=Decimal("0.001"),
        slippage=Decimal("0.005"),
        begun=0,
        deadline=1,
        utilizations=BEFORE,
    )
    outcome = Outcome(
        status=status,
        change=Decimal(0),
        naked=Decimal(0),
        naked_ns=0,
        is_over=True,
        positions=goal.positions,
        differs={},
        why="refused",
        code=1003,
        at=1,
    )  # type: ignore[arg-type]
    found = rebalance(views, Target(Fraction(1, 2), Fraction(1, 10)))
    call = Asking("o", "me", 0, "BTC-USD", ACCOUNTS)
    return rebalance_reply(call, REQUEST, 1, found, Came(saga=Saga(goal), outcome=outcome, **came))  # type: ignore[arg-type]


def test_actions_have_what_it_began_with_and_metrics_what_is_so_now():
    said = reply({"aster-a": "50", "binance-b": "45"})
    assert {each.account_id: each.current_utilization for each in said.rebalance_actions} == BEFORE
    assert [each.current_utilization for each in said.utilization_metrics] == [0.5, 0.55]
    assert said.average_utilization == 0.525 and said.success and said.reason is None
    assert (said.accounts_processed, said.target_utilization) == (list(ACCOUNTS), 0.5)


def test_who_stays_outside_the_tolerance_is_named():
    said = reply({"aster-a": "50", "binance-b": "80"})
    assert said.reason == "outside the tolerance stay: binance-b is at 0.2"
    assert [each.within_tolerance for each in said.utilization_metrics] == [True, False]


def test_what_was_undone_was_not_done_in_part():
    said = reply({"aster-a": "10", "binance-b": "90"}, "failed")
    assert said.error is not None and said.error.startswith("nothing of it stands: refused")


def test_a_use_of_margin_that_is_not_known_is_no_success_and_no_figure_of_now():
    said = reply({"aster-a": "0", "binance-b": "50"}, unknown={"aster-a": "its gateway does not run"})
    assert not said.success and said.error == "the utilisation of aster-a is not known: its gateway does not run"
    (first, _) = said.utilization_metrics
    assert (first.current_utilization, first.within_tolerance) == (0.9, False)
