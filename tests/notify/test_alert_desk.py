"""Which alerts leave: one thing that goes on is told once, and a critical one always."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onetape.model.time import SECOND
from onetape.notify.alert import MINUTE_MAX, REPEAT_NS, UPDATE_NS, Alert, Desk, Severity, Type
from onetape.notify.rules import alert_of, disk_alert


def alert(seconds: float, severity=Severity.WARN, subject="gateway:main feed", message="lost"):
    return Alert(Type.FAILOVER, severity, subject, message, int(seconds * SECOND))


@pytest.mark.parametrize("severity", list(Severity))
def test_what_goes_on_is_told_once_and_again_when_it_lasts(severity):
    desk = Desk()
    repeated = REPEAT_NS[severity] / SECOND
    assert desk.take(alert(0, severity)) == alert(0, severity)
    for second in range(1, 6):
        assert desk.take(alert(second, severity, message=f"lost {second}")) is None
    reported = desk.take(alert(repeated, severity))
    assert reported is not None
    assert (reported.more, reported.body) == (5, "lost (repeated 5 times)")
    assert desk.take(alert(repeated + 1, severity)) is None


def test_another_subject_and_a_worse_severity_are_other_things():
    desk = Desk()
    assert desk.take(alert(0)) is not None
    assert desk.take(alert(0, subject="gateway:two feed")) is not None
    assert desk.take(alert(0, Severity.CRITICAL)) is not None


def test_its_end_is_told_if_it_was_and_it_may_begin_anew():
    desk = Desk()
    assert list(desk.over("gateway:main feed", 0)) == []
    desk.take(alert(0))
    (reported,) = desk.over("gateway:main feed", 5)
    assert (reported.severity, reported.message, reported.is_end) == (Severity.INFO, "over: lost", True)
    assert list(desk.over("gateway:main feed", 6)) == []
    assert desk.take(alert(6)) is not None


def test_the_text_of_what_goes_on_follows_its_figure_at_most_once_in_a_while():
    desk, seconds = Desk(), UPDATE_NS // SECOND
    desk.take(alert(0, message="1 %"))
    assert list(desk.updates(seconds * SECOND)) == []
    desk.take(alert(1, message="2 %"))
    assert list(desk.updates(1 * SECOND)) == []
    (updated,) = desk.updates(seconds * SECOND)
    assert (updated.message, updated.severity, updated.as_json()["state"]) == ("2 %", Severity.WARN, "update")
    desk.take(alert(seconds + 1, message="3 %"))
    desk.take(alert(seconds + 2, message="2 %"))
    assert list(desk.updates(3 * seconds * SECOND)) == []
    desk.take(alert(seconds + 3, message="4 %"))
    (ended,) = desk.over("gateway:main feed", 4 * seconds * SECOND)
    assert ended.message == "over: 4 %"


def test_the_text_follows_also_where_it_is_acknowledged_or_held_back_in_a_storm():
    desk, repeated = Desk(), REPEAT_NS[Severity.WARN] / SECOND
    desk.take(alert(0, message="1 %"))
    for n in range(MINUTE_MAX):
        desk.take(alert(repeated, subject=str(n)))
    assert desk.take(alert(repeated, message="2 %")) is None
    assert [each.message for each in desk.updates(int(repeated * SECOND))] == ["2 %"]
    desk.acknowledge(Type.FAILOVER, "gateway:main feed")
    desk.take(alert(2 * repeated, message="3 %"))
    assert [each.message for each in desk.updates(int(2 * repeated * SECOND))] == ["3 %"]


def test_what_ends_ends_its_parts_and_nothing_else():
    desk = Desk()
    for subject in ("gateway:main", "gateway:main feed x", "gateway:main2 feed x", "gateway:ma"):
        desk.take(alert(1, subject=subject))
    ended = [each.subject for each in desk.over("gateway:main", 2, "runs again")]
    assert ended == ["gateway:main", "gateway:main feed x"]


def test_a_new_life_does_not_end_what_it_has_said_itself():
    desk = Desk()
    desk.take(alert(1, subject="gateway:main feed x"))
    desk.take(alert(5, subject="gateway:main feed y"))
    ended = [each.subject for each in desk.over("gateway:main", 9, "runs again", before=3 * SECOND)]
    assert ended == ["gateway:main feed x"]


@pytest.mark.parametrize("is_acked", [False, True])
def test_what_a_new_life_says_again_goes_on(is_acked):
    desk = Desk()
    halt = "gateway:main halt symbol binance:BTC/USDT:USDT 4h 150 USDT"
    desk.take(alert(1, subject=halt))
    if is_acked:
        desk.acknowledge(Type.FAILOVER, halt)
    assert desk.take(alert(5, subject=halt)) is None
    assert list(desk.over("gateway:main", 6, "runs again", before=3 * SECOND)) == []
    assert [each.subject for each in desk.over(halt, 9)] == [halt]


def test_a_note_has_no_end():
    desk = Desk()
    note = replace(alert(0), is_note=True)
    assert desk.take(note) == note
    assert desk.take(note) is None
    assert list(desk.over(note.subject, 5)) == []
    assert desk.take(alert(1)) is not None  # what goes on is another thing


def test_the_next_desk_knows_what_goes_on():
    desk, after = Desk(), Desk()
    reported = desk.take(alert(0))
    assert reported is not None
    after.restore([reported.as_json()])
    assert after.take(alert(1)) is None
    assert len(list(after.over(reported.subject, 5))) == 1


def test_a_storm_holds_back_what_is_not_critical():
    desk = Desk()
    received = [desk.take(alert(0, subject=str(n))) for n in range(MINUTE_MAX + 7)]
    assert [each is not None for each in received] == [True] * MINUTE_MAX + [False] * 7
    assert desk.dropped == 7
    for n in range(50):
        assert desk.take(alert(1, Severity.CRITICAL, subject=str(n))) is not None
    assert desk.take(alert(60, subject="later")) is not None


def test_what_lasts_and_is_repeated_in_a_storm_is_told_later_and_ends():
    desk, repeated = Desk(), REPEAT_NS[Severity.WARN] / SECOND
    desk.take(alert(0))
    for n in range(MINUTE_MAX):
        desk.take(alert(repeated, subject=str(n)))
    assert desk.take(alert(repeated)) is None
    reported = desk.take(alert(repeated + 60))
    assert reported is not None and reported.more == 1
    for n in range(MINUTE_MAX):
        desk.take(alert(2 * repeated + 60, subject=f"another {n}"))
    assert desk.take(alert(2 * repeated + 60)) is None
    assert list(desk.over("gateway:main feed", 1, before=int((2 * repeated) * SECOND))) == []  # said since
    assert [each.subject for each in desk.over("gateway:main feed", 1)] == ["gateway:main feed"]


def test_memory_is_bounded():
    desk = Desk()
    for n in range(5000):
        desk.take(alert(n, Severity.CRITICAL, subject=str(n)))
    assert len(desk._going) == 1000
    fault = alert(5000, Severity.CRITICAL, subject="robot:mm lost")
    desk.take(fault)
    for n in range(5001, 9000):
        desk.take(replace(alert(n, Severity.CRITICAL, subject=str(n)), is_note=True))
    assert [each.subject for each in desk.over("robot:mm", 10**15)] == ["robot:mm lost"]


@pytest.mark.parametrize(
    ("process", "event", "record", "expected"),
    [
        ("gateway:main", "health", {"kind": "feed", "subject": "trades", "state": "synced"}, None),
        (
            "gateway:main",
            "health",
            {"kind": "feed", "subject": "trades", "state": "lost", "severity": "warning"},
            (Type.FAILOVER, Severity.WARN, "gateway:main feed trades", "feed trades: lost"),
        ),
        (
            "gateway:main",
            "alert",
            {"kind": "difference", "subject": "order", "state": "1", "severity": "critical"},
            (Type.LEDGER, Severity.CRITICAL, "gateway:main difference order", "difference order: 1"),
        ),
        (
            "gateway:main",
            "health",
            {"kind": "clock", "subject": "venue", "state": "off", "severity": "warning"},
            (Type.CLOCK, Severity.WARN, "gateway:main clock venue", "clock venue: off"),
        ),
        (
            "robot:mm",
            "alert",
            {
                "kind": "strategy_error",
                "severity": "critical",
                "callback": "on_quote",
                "error": "KeyError: 'x'",
                "where": "s.py:3",
                "traceback": "...",
            },
            (
                Type.RISK,
                Severity.CRITICAL,
                "robot:mm strategy_error on_quote",
                "strategy_error on_quote: KeyError: 'x', s.py:3",
            ),
        ),
        (
            "robot:mm",
            "alert",
            {"kind": "margin_call", "subject": "USDT", "state": "called"},
            (Type.RISK, Severity.CRITICAL, "robot:mm margin_call USDT", "margin_call USDT: called"),
        ),
    ],
)
def test_frames_that_are_alerts(process, event, record, expected):
    found = alert_of(process, event, record, 7)
    reported = None if found is None else (found.type, found.severity, found.subject, found.message)
    assert reported == expected


@pytest.mark.parametrize(
    ("free_mb", "total_gb", "severity"),
    [
        (3000, 100, None),
        (2000, 100, Severity.WARN),
        (400, 100, Severity.CRITICAL),
        (400, 10, Severity.WARN),
        (90, 10, Severity.CRITICAL),
        (600, 10, None),
    ],
)
def test_a_disk_is_full_by_share_and_by_size(free_mb, total_gb, severity):
    found = disk_alert("/home", free_mb << 20, total_gb << 30, 7)
    assert (found and found.severity) == severity


def test_what_a_person_knows_of_is_not_told_again_until_it_has_ended():
    desk = Desk()
    reported = desk.take(alert(0))
    desk.acknowledge("failover", reported.subject)
    assert desk.take(alert(REPEAT_NS[Severity.WARN] / SECOND)) is None
    assert desk.take(alert(1, Severity.CRITICAL)) is not None  # a worse one is another thing
    assert len(list(desk.over(reported.subject, 5))) == 1
    assert desk.take(alert(6)) is not None


def test_alerts_of_tapes_that_had_another_type_end_as_well():
    desk = Desk()
    desk.restore([{**alert(0).as_json(), "type": "gateway"}])
    assert [each.type for each in desk.over("gateway:main feed", 5)] == [Type.PROCESS]
