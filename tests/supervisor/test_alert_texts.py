"""The text of an alert is of now: for who reads what goes on, and in what is told again."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from onetape.model.sections import Config, RouteConfig
from onetape.notify import alert as alert_module
from onetape.notify import sink as sinks_module
from onetape.notify.alert import Alert, Severity, Type
from onetape.notify.past_alerts import alert_rows, past_alerts
from onetape.notify.route import Route
from onetape.notify.sink import Sink
from onetape.supervisor.alert_watch import AlertWatch
from onetape.supervisor.alerts import explain
from onetape.supervisor.options import supervisor_journal
from onetape.tape.journal import JournalWriter
from waiting import wait_for


class Taken:
    """A sink that keeps what it takes, while it `works`."""

    is_rejected = False

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.works = True

    def send(self, alert: Alert) -> bool:
        if self.works:
            self.alerts.append(alert)
        return self.works


def test_readers_see_the_latest_figure_of_what_goes_on_and_a_sink_hears_of_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The next supervisor goes on with it."""
    monkeypatch.setattr(alert_module, "UPDATE_NS", 1)
    recorder = JournalWriter(tmp_path / "journal" / "recorder")
    journals = {"recorder": tmp_path / "journal" / "recorder"}

    def says(state: str, severity: str = "warning") -> None:
        record = {"kind": "delta", "subject": "main USDT", "state": state, "severity": severity or None}
        recorder.append("health", msgspec.msgpack.encode(record), time=time.time_ns())

    def watch() -> AlertWatch:
        routes = [(Route("", RouteConfig()), [lambda: taken])]
        return AlertWatch(tmp_path, lambda: journals, tell=write, said=print, routes=routes)  # type: ignore[arg-type]

    def write(record: dict) -> None:
        tape.append("alert", msgspec.msgpack.encode(record), time=time.time_ns())

    def about() -> list[tuple[str, str]]:
        return [(each.subject, each.as_json()["state"]) for each in taken.alerts if each.type == "delta"]

    def shown() -> list[tuple[str, str]]:
        rows = alert_rows(past_alerts(tmp_path, 9), Config(), is_all=False)
        ids.update(row["id"] for row in rows if row["type"] == "delta")
        return [(row["severity"], row["message"]) for row in rows if row["type"] == "delta"]

    taken, ids = Taken(), set[str]()
    tape = JournalWriter(supervisor_journal(tmp_path))
    first = watch()
    says("6000, limit 5000")
    wait_for(lambda: shown() == [("WARN", "delta main USDT: 6000, limit 5000")])
    wait_for(lambda: about() == [("recorder delta main USDT", "begin")])
    says("9000, limit 5000")
    wait_for(lambda: shown() == [("WARN", "delta main USDT: 9000, limit 5000")])
    first.close()
    second = watch()
    wait_for(lambda: len(about()) == 2)
    says("7000, limit 5000")
    wait_for(lambda: shown() == [("WARN", "delta main USDT: 7000, limit 5000")])
    says("100, limit 5000", "")
    wait_for(lambda: ("recorder delta main USDT", "end") in about())
    second.close()
    tape.close()
    recorder.close()
    assert [each.message for each in taken.alerts if each.type == "delta"] == [
        "delta main USDT: 6000, limit 5000",
        "delta main USDT: 9000, limit 5000",  # told again by the next supervisor
        "over: delta main USDT: 7000, limit 5000",
    ]
    assert len(ids) == 1


def test_what_waits_for_a_sink_leaves_with_the_latest_text(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sinks_module, "PAUSE_S", 0.01)
    taken = Taken()
    taken.works = False
    sink = Sink(lambda: taken, lambda _: None)  # type: ignore[arg-type,return-value]

    def put(subject: str, message: str, *, is_update: bool = False) -> None:
        sink.put(Alert(Type.DISK, Severity.CRITICAL, subject, message, 1, is_update=is_update))

    put("first", "x")
    wait_for(lambda: sink.failed)  # it is tried again and again, before the others
    put("a", "2 GB")
    put("a", "1 GB", is_update=True)
    put("b", "1 GB", is_update=True)  # it has left
    taken.works = True
    wait_for(lambda: not sink.waiting)
    sink.close()
    assert [(each.subject, each.message, each.more) for each in taken.alerts] == [("first", "x", 0), ("a", "1 GB", 0)]


def test_an_update_whose_beginning_found_no_room_on_the_disk_begins(tmp_path: Path):
    """The supervisor's journal keeps the last of each subject until there is room."""
    alert = Alert(Type.DISK, Severity.WARN, "/", "1 GB", 1)
    with JournalWriter(supervisor_journal(tmp_path)) as tape:
        for text in ("1 GB", "2 GB"):
            update = replace(alert, message=text, is_update=True)
            tape.append("alert", msgspec.msgpack.encode(update.as_json()), time=1)
    (row,) = alert_rows(past_alerts(tmp_path, 9), Config(), is_all=False)
    assert (row["message"], row["cleared"]) == ("2 GB", None)


def test_a_row_of_two_severities_has_the_text_that_was_said_last(tmp_path: Path):
    alert = Alert(Type.DISK, Severity.WARN, "/", "2 GB", 1)
    worse = replace(alert, severity=Severity.CRITICAL, message="1 GB", time=2)
    with JournalWriter(supervisor_journal(tmp_path)) as tape:
        for each in (alert, worse, replace(alert, message="3 GB", time=3, is_update=True)):
            tape.append("alert", msgspec.msgpack.encode(each.as_json()), time=each.time)
    (row,) = alert_rows(past_alerts(tmp_path, 9), Config(), is_all=False)
    assert (row["message"], row["severity"], row["since"]) == ("3 GB", "CRITICAL", 1)


def test_a_row_names_its_section_of_the_handbook_and_its_id_leads_there(tmp_path: Path):
    alert = Alert(Type.RISK, Severity.WARN, "gateway:main unknown orders main", "2 now", 1)
    with JournalWriter(supervisor_journal(tmp_path)) as tape:
        tape.append("alert", msgspec.msgpack.encode(alert.as_json()), time=1)
    (row,) = alert_rows(past_alerts(tmp_path, 9), Config(), is_all=False)
    assert row["help"] == "concepts/handbook.html#alert-unknown-orders"
    assert explain(tmp_path, row["id"]) == explain(tmp_path, "unknown orders")
    assert explain(tmp_path, "4105").title == "error ORDER_OUTCOME_UNKNOWN(4105)"
