"""Sessions of an exchange's calendar: breaks, holidays and early closes, and a run that keeps them."""

from __future__ import annotations

import sys

import pytest

from onetape.model.errors import BadConfig, NotAvailable
from onetape.model.time import DAY, SECOND, format_time, parse_time
from onetape.replay.replay import replay_run
from onetape.research.backtest import BacktestOptions, run_backtest
from onetape.runs.calendars import is_calendar, sessions_of
from worlds.strategy_files import TAKER, write
from worlds.tapes import START, Market, records

HOUR = 3600 * SECOND


@pytest.mark.parametrize(("text", "named"), [("XNYS", True), ("24/7", True), ("CMES", True), ("10:00-11:00", False)])
def test_a_code_is_no_hours(text, named):
    assert is_calendar(text) is named


def test_breaks_holidays_and_early_closes_of_hong_kong():
    sessions = sessions_of("XHKG", parse_time("2025-12-23T00:00:00Z"), parse_time("2026-01-02T00:00:00Z"))
    found = [
        f"{format_time(a)[5:16]}-{format_time(b)[11:16]}"
        for a, b in sessions.spans
        if parse_time("2025-12-23T00:00:00Z") <= a < parse_time("2025-12-30T00:00:00Z")
    ]
    assert found == [
        "12-23T01:30-04:00",
        "12-23T05:00-08:00",
        "12-24T01:30-04:00",  # half a day
        "12-29T01:30-04:00",  # Christmas, the day after it and the weekend are none
        "12-29T05:00-08:00",
    ]


def test_a_run_trades_in_the_sessions_and_its_replay_needs_no_calendar(tmp_path, monkeypatch):
    market = Market(tmp_path / "t")
    for hour in range(72):  # from Thursday, New Year's Day, to Saturday
        market.quote(hour * 3600 + 1800, 99.9, 100.1)
    strategy = write(tmp_path, "taker", TAKER)
    out = tmp_path / "run"
    options = BacktestOptions(strategy=strategy, home=tmp_path, data=[market.done()], trade="XNYS", out=out)
    done = run_backtest(options)
    assert any("only in the sessions of XNYS" in each.text for each in done.assumptions)
    states = [
        (r.data["state"], (r.time - START) / HOUR)
        for r in records(out / "journal", "health")
        if r.data["kind"] == "trading"
    ]
    assert states == [("stopped", 0.5), ("started", 24 + 14.5), ("stopped", 24 + 21.0)]
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    assert replay_run(out)["divergences"] == 0


def test_what_is_no_calendar_is_refused_before_data_are_read(tmp_path, monkeypatch):
    strategy = write(tmp_path, "taker", TAKER)

    def run(**options):
        run_backtest(BacktestOptions(strategy=strategy, home=tmp_path, data=[tmp_path / "none"], **options))

    with pytest.raises(BadConfig, match="no calendar 'XXXX'"):
        run(trade="XXXX")
    with pytest.raises(BadConfig, match="its own time zone"):
        run(trade="XNYS", tz="UTC")
    monkeypatch.setitem(sys.modules, "exchange_calendars", None)
    with pytest.raises(NotAvailable, match=r"onetape\[calendars\]|exchange_calendars"):
        run(trade="XNYS")


def test_a_calendar_that_is_known_until_the_end_of_the_year_serves_data_of_now():
    sessions = sessions_of("XBOM", parse_time("2026-12-01T00:00:00Z"), parse_time("2026-12-29T12:00:00Z"))
    assert format_time(sessions.spans[-1][0]).startswith("2026-12-31")


def test_a_time_that_the_calendar_does_not_reach_is_refused():
    with pytest.raises(BadConfig, match="does not cover"):
        sessions_of("XHKG", parse_time("1950-01-01T00:00:00Z"), parse_time("1950-01-01T00:00:00Z") + DAY)
