"""Each kind of alert and each number of an error has its entry in the handbook, and no entry is of another one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from onetape.model.errors import BY_CODE, BadInput
from onetape.notify.alert import SINKS, Alert, Severity, Type
from onetape.notify.handbook import help_of, read_handbook, section_of
from onetape.notify.rules import KINDS, MADE, alert_of, disk_alert, kind_of, sunset_alerts
from onetape.venues.sunsets import Sunset

SOURCE = Path(__file__).parents[2] / "src" / "onetape"
# Each function that makes an Alert, and its kinds. That all kinds of frames are in KINDS is test_alert_kinds.
MAKERS = {
    ("notify/alert.py", "of"): None,  # repeats those of others
    ("notify/alert.py", "updates"): None,
    ("notify/alert.py", "over"): None,
    ("notify/rules.py", "alert_of"): None,  # KINDS
    ("notify/rules.py", "disk_alert"): "disk space",
    ("notify/rules.py", "sunset_alerts"): "sunset",
    ("supervisor/alerts.py", "send_test"): "test",
    ("supervisor/alert_watch.py", "_own_sinks"): "sink",
    ("supervisor/alert_watch.py", "_processes"): "process",
    ("supervisor/alert_watch.py", "_machine"): "machine clock",
    ("supervisor/alert_watch.py", "_hosts"): "host",
    ("control/system.py", "alert"): "system stop",  # of the control plane's own class, and on no journal
    ("control/risk.py", "_alert"): None,  # shows the others
}
PROCESSES = {
    "process": "gateway:main",
    "host": "host:spare",
    "sink": f"{SINKS}:phone 1",
    "machine clock": "machine",
    "test": "alerts",
}


def makers() -> set[tuple[str, str]]:
    found = set()
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text()
        if "Alert" not in text:
            continue
        for function in (each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.FunctionDef)):
            calls = {ast.unparse(each.func) for each in ast.walk(function) if isinstance(each, ast.Call)}
            if "Alert" in calls or (path.name == "alert.py" and "cls" in calls and function.name == "of"):
                found.add((str(path.relative_to(SOURCE)), function.name))
    return found


def test_each_alert_and_each_error_has_its_entry_and_no_other_has_one():
    book = read_handbook()
    assert set(book.alerts) == {*KINDS, *MADE}
    assert set(book.errors) == set(BY_CODE)


def test_who_makes_alerts_beside_frames_is_known_with_its_kind():
    """A new one stands in the list above, with its kind in `MADE` and its entry in the handbook."""
    assert makers() == set(MAKERS)
    assert {kind for kind in MAKERS.values() if kind} == set(MADE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("about", ["", "main", "market", "main binance:BTC/USDT:USDT long"])
@pytest.mark.parametrize("process", ["gateway:main", "guardian", "robot:mm"])
def test_the_subject_of_a_frame_s_alert_has_its_kind(process, about, kind):
    record = {"kind": kind, "subject": about, "state": "x", "severity": "warning"}
    alert = alert_of(process, "health", record, 1)
    assert alert is not None
    if alert.type is not Type.DISK or process.startswith("gateway"):  # only gateways report on it
        assert kind_of(alert.type, alert.subject) == kind


def test_the_subjects_of_the_supervisor_s_alerts_have_their_kind():
    full = disk_alert("/a folder/disk of mine", 0, 1 << 40, 1)
    assert full is not None and kind_of(full.type, full.subject) == "disk space"
    rows = [Sunset("kraken", "old api", "2026-12-01", "new", "there", uses_old=True)]
    (sunset,) = sunset_alerts(["kraken"], 1_795_000_000 * 10**9, rows).values()
    assert kind_of(sunset.type, sunset.subject) == "sunset"
    for kind, subject in PROCESSES.items():
        type_ = {"machine clock": Type.CLOCK, "test": Type.TEST}.get(kind, Type.PROCESS)
        alert = Alert(type_, Severity.WARN, subject, "x", 1)
        assert kind_of(alert.type, alert.subject) == kind
    assert kind_of(Type.PROCESS, "gateway:main something of a later version") == ""


@pytest.mark.parametrize("entry", [*read_handbook().alerts.values(), *read_handbook().errors.values()])
def test_an_entry_answers_its_questions(entry):
    assert entry.means and entry.automatic and entry.look and entry.todo
    assert all(each.startswith("onetape ") for each in entry.look)


@pytest.mark.parametrize("kind", read_handbook().alerts)
def test_an_entry_names_the_severities_that_there_are(kind):
    entry = read_handbook().alerts[kind]
    assert set(entry.severity.split(", ")) <= set(Severity) and entry.source


def test_a_section_is_found_by_kind_number_and_name():
    assert section_of("protection").address == help_of("protection") == "concepts/handbook.html#alert-protection"
    assert section_of("alert-fill").title == "alert fill"
    assert section_of("4310") == section_of("no_guardian") and section_of("4310").entry.means
    with pytest.raises(BadInput, match="did you mean protection"):
        section_of("protecton")
