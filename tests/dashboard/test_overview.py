"""The first look, from what was read: sums by currency, the day without what was paid in, and the worst on top."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from onetape.dashboard.overview import AccountNow, DayOf, Look, first_look
from onetape.dashboard.reader import Reader
from onetape.figures.views import Views
from onetape.model.config import parse_config
from onetape.model.time import DAY

RUNNING = {"name": "robot:mm", "kind": "robot", "state": "running", "reason": "", "lag": 0}


def look(*accounts: AccountNow, processes=(RUNNING,), running=True, **facts) -> Look:
    return Look(10**15, {"running": running, "processes": list(processes)}, accounts=accounts, **facts)


def account(name: str, equity: str | None, currency: str = "USDT", **facts) -> AccountNow:
    worth = None if equity is None else Decimal(equity)
    return AccountNow(name, "v", "binance-usdm", currency=currency, equity=worth, **facts)


def test_equity_is_summed_by_currency_and_its_day_leaves_out_what_was_paid_in():
    day = DayOf(
        start={("a", "USDT"): Decimal(100), ("b", "USDT"): Decimal(-5)},
        capital={("a", "USDT"): Decimal(1000), ("b", "USDT"): Decimal(500)},  # 400 of it since the day began
        ledger=[{"key": "x", "currency": "USDT", "fees": {"USDT": "2.5", "BNB": "1"}, "funding": "-1"}],
    )
    found = first_look(look(account("a", "1130"), account("b", "494"), account("c", "2", "BTC"), day=day))["equity"]
    assert [(each["currency"], each["equity"], each["day"]) for each in found] == [
        ("USDT", "1624", "29"),  # 1130 - 1000 - 100 = 30; 494 - 500 + 5 = -1
        ("BTC", "2", None),
    ]
    assert (found[0]["fees"], found[0]["funding"]) == ("2.5", "-1")
    assert found[0]["day_share"] == pytest.approx(29 / 1595)


def test_fees_and_funding_without_records_are_unknown_and_not_zero():
    (found,) = first_look(look(account("a", "5"), day=DayOf(why="there is no [recorder]")))["equity"]
    assert (found["fees"], found["funding"], found["day"]) == (None, None, None)
    (found,) = first_look(look(account("a", "5")))["equity"]
    assert (found["fees"], found["funding"]) == ("0", "0")


def test_a_look_reads_anew_after_the_clock_was_set_back(tmp_path):
    reader = Reader.__new__(Reader)
    reader.views = Views(parse_config(""), tmp_path)
    reader.refresh()
    reader.views.now += DAY
    assert reader.refresh().now <= time.time_ns()
    reader.views.close()


def test_a_day_of_which_one_account_is_not_recorded_is_not_known():
    day = DayOf(start={("a", "USDT"): Decimal(1)})
    (found,) = first_look(look(account("a", "5"), account("b", "5"), day=day))["equity"]
    assert found["equity"] == "10" and found["day"] is None


def test_what_is_red_is_sorted_by_what_it_asks_for_and_names_its_page():
    alert = {"severity": "INFO", "subject": "disk", "message": "m", "since": 5 * 10**6}
    halt = {
        "scope": "symbol",
        "subject": "x:A/B",
        "rule": "4h 10 USDT",
        "loss": "11 USDT",
        "limit": "10 USDT",
        "since": 0,
    }
    stop = {"qty": "0.5", "protected": 0.4, "account": "a", "symbol": "x:A/B", "verified_age_ms": None}
    failed = {**RUNNING, "name": "gateway:a", "kind": "gateway", "state": "failed", "reason": "BAD_KEY"}
    found = first_look(
        look(
            account("a", None, why="its gateway does not run"),
            processes=[RUNNING, failed],
            alerts=[alert],
            halts=[halt],
            stops=[stop],
            killed={"a": "lunch"},
        )
    )["red"]
    assert [(each["severity"], each["kind"], each["page"]) for each in found] == [
        ("CRITICAL", "process", "system"),
        ("CRITICAL", "stop", "guardian"),
        ("CRITICAL", "kill", "guardian"),
        ("WARN", "halt", "guardian"),
        ("WARN", "account", "system"),
        ("INFO", "alert", "guardian"),
    ]


def test_nothing_is_red_where_all_is_well_and_a_supervisor_that_is_gone_is():
    assert first_look(look(account("a", "1")))["red"] == []
    assert [each["kind"] for each in first_look(look(account("a", "1"), running=False))["red"]] == ["supervisor"]


def test_a_robot_that_does_not_answer_has_no_figures():
    (found,) = first_look(look())["robots"]
    assert (found["name"], found["state"], found["status"], found["profit"]) == ("mm", "running", None, None)
