"""Equity lines beside the recorder's own rows: the same figures, read once."""

from __future__ import annotations

import asyncio
import random
import time
from decimal import Decimal
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from onetape.accounts.entries import TOTAL
from onetape.dashboard import equity_lines
from onetape.dashboard.book import Book
from onetape.dashboard.equity_lines import EquityLines, thinned
from onetape.dashboard.reader import _day
from onetape.model.time import DAY, HOUR, MINUTE, SECOND
from onetape.store.record_queries import equity
from onetape.store.records import Records, add, metadata

NOW = 20_000 * DAY
_FACTS = {each.name: "0" for each in metadata.tables["record_equity"].columns}


def row(account: str, slot: int, ts: int, worth: int, drawdown: float) -> dict:
    figures = {"utilization": 0.0, "leverage": 0.0, "drawdown": drawdown, "capital": "1000", "equity": str(worth)}
    who = {"account": account, "slot": slot, "currency": "USDT", "ts": ts, "subaccount": "a", "strategy": ""}
    return {**_FACTS, **figures, **who}


@pytest.fixture
def records(tmp_path):
    made = Records("sqlite:///store.db", home=tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("opened", "symbol", "made"),
    [
        (HOUR, "", -8),
        (HOUR, "x:A/B", -1),
        (-HOUR, "", -1),
    ],  # with a position, and before the day: from its first minute
)
def test_what_an_account_made_before_its_first_minute_is_of_the_day(records, opened, symbol, made):
    midnight = time.time_ns() // DAY * DAY
    opening = {"journal": "j", "account": "main", "position_side": "both", "qty_exact": "", "price_exact": ""}
    openings = [
        {**opening, "seq": seq, "symbol": each, "ts": midnight + opened} for seq, each in enumerate({"", symbol})
    ]
    with records.transaction() as connection:
        add(connection, "record_openings", openings)
        add(connection, "record_equity", [row("main", TOTAL, midnight + HOUR + MINUTE, 993, 0.0)])
        add(connection, "record_equity", [row("main", TOTAL, midnight + HOUR + 2 * MINUTE, 992, 0.0)])
    day = _day(records, ("main",))
    key = "main", "USDT"
    assert Decimal(992) - day.capital[key] - day.start[key] == made


def test_the_line_of_a_day_goes_forward_and_has_the_accounts_of_the_configuration_alone(records):
    midnight = time.time_ns() // DAY * DAY
    times = [midnight + n * MINUTE for n in range(1, 6)]
    with records.transaction() as connection:
        add(connection, "record_equity", [row("second", TOTAL, midnight - MINUTE, 500, 0.0)])
        add(connection, "record_equity", [row("main", TOTAL, ts, 1000, 0.0) for ts in times])
        add(connection, "record_equity", [row("old", TOTAL, times[0], 1000, 0.0)])
        for account, ts in (("old", times[1]), ("main", times[-1] + 5)):
            add(connection, "record_risk", [row(account, TOTAL, ts, 1000, 0.0)])
    shown = _day(records, ("main", "second")).minutes["USDT"]
    assert [at for at, _ in shown] == times
    assert {worth for _, worth in shown} == {Decimal(1500)}


def test_an_account_that_begins_later_or_is_paid_into_is_no_profit_of_the_days_line(records):
    midnight = time.time_ns() // DAY * DAY
    first, second, third = (midnight + n * MINUTE for n in (1, 2, 3))
    with records.transaction() as connection:
        add(connection, "record_equity", [row("main", TOTAL, first, 1000, 0.0), row("main", TOTAL, second, 999, 0.0)])
        add(connection, "record_equity", [row("main", TOTAL, third, 1998, 0.0) | {"capital": "2000"}])
        add(connection, "record_equity", [row("late", TOTAL, ts, 1000, 0.0) for ts in (second, third)])
    day = _day(records, ("main", "late"))
    assert [worth for _, worth in day.minutes["USDT"]] == [3000, 2999, 2998]


def test_what_accounts_of_an_earlier_run_have_paid_is_not_of_the_day(records):
    day = time.time_ns() // DAY
    facts = {each.name: "" for each in metadata.tables["record_days"].columns}
    paid = {**facts, "kind": "fee", "currency": "USDT", "asset": "USDT", "amount_exact": "-1", "day": day}
    with records.transaction() as connection:
        add(connection, "record_days", [{**paid, "account": name} for name in ("main", "old")])
    assert [each["fees"] for each in _day(records, ("main",)).ledger] == [{"USDT": "1"}]


def test_lines_have_the_accounts_of_the_configuration_alone(records):
    with records.transaction() as connection:
        add(connection, "record_equity", [row(name, TOTAL, NOW - HOUR, 1010, 0.0) for name in ("main", "old")])
    made = EquityLines(("main",))
    assert list(lines(made, records, "account")) == ["main"]
    assert lines(made, records, "all")["all"]["points"][-1][1] == 10


@pytest.mark.parametrize("age", [HOUR, 3 * DAY])
def test_a_line_has_its_first_point_and_goes_on_when_a_robot_is_added(records, age):
    begin = NOW - age
    worth = [1000, 990, *([1005, 985] * 1000)]
    rows = [row("main", 1, begin + n * SECOND, each, 0.0) for n, each in enumerate(worth)]
    rows[1:] = [{**each, "strategy": "x"} for each in rows[1:]]
    with records.transaction() as connection:
        add(connection, "record_equity", [*rows, row("main", 1, NOW, 980, 0.0) | {"strategy": "x"}])
    (line,) = lines(EquityLines(), records, "strategy").values()
    assert line["name"] == "main / a (x)"
    assert (line["points"][0][1], line["points"][-1][1]) == (0, -20)


def written(records: Records, seed: int, begin: int, end: int) -> None:
    """Minutes of two accounts and a sub-account, of which each lacks some."""
    dice = random.Random(seed)
    rows = [
        row(account, slot, ts, dice.randint(900, 1100), dice.random() / 10)
        for ts in range(begin, end, MINUTE)
        for account, slot in (("main", TOTAL), ("main", 2), ("second", TOTAL))
        if dice.random() < 0.8
    ]
    with records.transaction() as connection:
        add(connection, "record_equity", rows)


def lines(made: EquityLines, records: Records, by: str, since: int = 0) -> dict:
    while made.take(records):
        pass
    return {each["name"]: each for each in made.lines(records, by, since)}


@pytest.mark.parametrize("by", ["account", "strategy", "all"])
@pytest.mark.parametrize("since", [0, NOW - 2 * HOUR, NOW - 20 * HOUR])
def test_a_line_goes_through_the_lowest_and_highest_minutes_and_has_the_deepest_drawdown(
    records, by, since, monkeypatch
):
    monkeypatch.setattr(equity_lines, "AT_ONCE", 500)
    made = EquityLines()
    written(records, 1, NOW - 2 * DAY, NOW - DAY)
    lines(made, records, by)
    written(records, 2, NOW - DAY, NOW)
    found = lines(made, records, by, since)
    for name, line in found.items():
        account = name.partition(" / ")[0]
        rows = [each for each in equity(records, by=by, since=since) if by == "all" or each["account"] == account]
        values = [int(each["equity"].partition(".")[0]) - (2000 if by == "all" else 1000) for each in rows]
        if by == "all":  # until the second account has its first minute there is one
            values = [int(float(each["equity"]) - float(each["capital"])) for each in rows]
        points = [value for _, value in line["points"]]
        assert (min(points), max(points), points[-1]) == (min(values), max(values), values[-1])
        assert line["points"][-1][0] == rows[-1]["ts"] // 10**6
        assert line["drawdown"] == pytest.approx(max(each["drawdown"] for each in rows))
        times = [at for at, _ in line["points"]]
        assert times == sorted(times) and len(times) <= equity_lines.POINTS_MAX + 1
    assert list(found) == {"account": ["main", "second"], "strategy": ["main / a"], "all": ["all"]}[by]


def test_a_second_look_reads_only_what_has_come_since(records, monkeypatch):
    made = EquityLines()
    written(records, 1, NOW - DAY, NOW)
    lines(made, records, "all")
    read, rows = [], records.rows
    monkeypatch.setattr(records, "rows", lambda wanted: read.append(found := rows(wanted)) or found)
    lines(made, records, "all")
    assert sum(map(len, read)) < 50  # the last minutes, and counts


def test_an_account_whose_minutes_came_late_is_in_the_sum_of_the_past(records):
    made = EquityLines()
    with records.transaction() as connection:
        add(connection, "record_equity", [row("main", TOTAL, NOW - HOUR + n * MINUTE, 1010, 0.0) for n in range(60)])
    assert {value for _, value in lines(made, records, "all")["all"]["points"]} == {10}
    with records.transaction() as connection:
        add(connection, "record_equity", [row("late", TOTAL, NOW - HOUR + n * MINUTE, 1005, 0.0) for n in range(60)])
    assert {value for _, value in lines(made, records, "all")["all"]["points"]} == {15}


def test_an_hour_of_which_minutes_are_kept_has_its_extremes_before_these(records):
    with records.transaction() as connection:
        rows = [row("main", TOTAL, ts, 1000, 0.0) for ts in range(NOW - 2 * DAY, NOW, MINUTE)]
        rows[DAY // MINUTE - 30]["equity"] = "1500"  # half an hour before that, in an hour of which 10 minutes are kept
        add(connection, "record_equity", rows)
    points = lines(EquityLines(), records, "account")["main"]["points"]
    assert max(value for _, value in points) == 500 and points == sorted(points)


def test_rows_that_came_late_are_in_the_last_day_once_a_longer_line_was_looked_at(records):
    class OfRecords:
        has_records, config = True, SimpleNamespace(accounts=("main", "second", "late"))

        async def read_records(self, read):
            return read(records)

    now = time.time_ns() // MINUTE * MINUTE
    written(records, 1, now - 2 * DAY, now)
    book = Book(OfRecords())
    assert {each["name"] for each in asyncio.run(book._lines(["account", "7d"]))} == {"main", "second"}
    with records.transaction() as connection:
        add(connection, "record_equity", [row("late", TOTAL, now - 5 * HOUR, 1005, 0.0)])
    assert {each["name"] for each in asyncio.run(book._lines(["account", "1d"]))} == {"main", "second", "late"}


def test_a_row_of_a_clock_that_was_set_back_settles_nothing(records):
    now = time.time_ns()
    with records.transaction() as connection:
        rows = [row("main", TOTAL, ts, 1000, 0.0) for ts in (now - HOUR, now - MINUTE, now + DAY)]
        add(connection, "record_equity", rows)
    made = EquityLines()
    lines(made, records, "account")
    assert made._until == now - HOUR


def test_of_long_lines_only_the_last_days_are_counted_at_each_look(records):
    made = EquityLines()
    written(records, 1, NOW - 4 * DAY, NOW)
    lines(made, records, "account")
    times = [each["ts"] for each in records.rows(sa.select(metadata.tables["record_equity"].c.ts))]
    assert [*made._recent] == sorted(each for each in times if made._until - 2 * DAY < each <= made._until)
    assert not made.take(records)  # and it does not begin anew


def test_what_is_now_ends_a_line_and_the_last_day_is_read_alone(records):
    written(records, 1, NOW - 3 * DAY, NOW)
    with records.transaction() as connection:
        connection.execute(sa.insert(metadata.tables["record_risk"]), row("main", TOTAL, NOW + MINUTE, 1777, 0.5))
    line = {each["name"]: each for each in EquityLines().lines(records, "account", NOW - HOUR)}["main"]
    assert line["points"][-1] == ((NOW + MINUTE) // 10**6, 777.0) and line["drawdown"] == 0.5
    assert line["points"][0][0] >= (NOW - HOUR) // 10**6


def test_a_thinned_line_keeps_its_ends_and_its_extremes():
    points = [(n, float(n % 97)) for n in range(10_000)]
    found = thinned(points, 100)
    assert len(found) <= 101 and found[-1] == points[-1]
    assert {0.0, 96.0} <= {value for _, value in found}
