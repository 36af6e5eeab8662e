"""What a route takes to its sinks, and when: scenarios on a clock that the test moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.sections import NOTIFY_FIELDS, AlertType, Config, NotifyConfig
from onetape.notify.alert import KEYS_MAX, Alert, Severity, Type
from onetape.notify.route import Route
from onetape.notify.sink import Service
from onetape.security.secret_keys import secret_places
from onetape.supervisor.alert_watch import routes_of

BERLIN = ZoneInfo("Europe/Berlin")
LETTERS = {"i": Severity.INFO, "w": Severity.WARN, "c": Severity.CRITICAL}


def at(text: str) -> int:
    """ns UTC of `HH:MM` on a day in Berlin, or of `YYYY-MM-DD HH:MM`."""
    day, _, clock = text.rpartition(" ")
    return int(datetime.fromisoformat(f"{day or '2026-11-23'} {clock}").replace(tzinfo=BERLIN).timestamp()) * 10**9


def alert(words: str, time: int) -> Alert:
    """`w x`: begins, a warning of x; `w x.`: it ends; `w x!`: a note; `x?`: somebody acknowledges it."""
    letter, name = words.split()
    severity = Severity.INFO if name.endswith(".") else LETTERS[letter]
    made = Alert(Type.RISK, severity, name.rstrip(".!"), f"{name} says", time)
    return replace(made, is_end=name.endswith("."), is_note=name.endswith("!"))


def played(config: str, script: list[str], types: Type = Type.RISK) -> list[str]:
    """What leaves, `HH:MM letter name`: of lines `[day] HH:MM [what]`; time alone only passes."""
    route = Route(
        "night", parse_config(f"[notify.routes.night]\nurls = ['json://x/']\n{config}").notify.routes["night"]
    )
    left = []
    for line in script:
        moment, _, words = line.partition(" - ")
        now = at(moment)
        if words.endswith("?"):
            route.acknowledge(types, words.rstrip("?"))
        leaving = [*(route.take(alert(words, now), now) if words and not words.endswith("?") else ()), *route.tick(now)]
        left += [f"{moment[-5:]} {each.severity[0]} {each.subject}{'.' * each.is_end}" for each in leaving]
    return left


QUIET = 'quiet = "22:00-07:00 Europe/Berlin"'


@pytest.mark.parametrize(
    ("config", "script", "leaves"),
    [
        pytest.param(
            "",
            ["10:00 - i a", "10:01 - w b", "10:02 - c d", "10:03 - w b."],
            ["10:00 i a", "10:01 w b", "10:02 c d", "10:03 i b."],
            id="all of it",
        ),
        pytest.param(
            'severity = "warn"',
            ["10:00 - i a", "10:01 - w b", "10:02 - i a.", "10:03 - w b."],
            ["10:01 w b", "10:03 i b."],
            id="an end leaves if its beginning did",
        ),
        pytest.param('types = ["disk"]', ["10:00 - c a", "10:01 - c a."], [], id="other types do not"),
        pytest.param(
            QUIET,
            ["21:59 - w a", "22:00 - w b", "22:01 - c d", "22:02 - c d."],
            ["21:59 w a", "22:01 c d", "22:02 i d."],
            id="a critical one passes quiet hours, and so does its end",
        ),
        pytest.param(
            QUIET,
            ["22:00 - w a", "23:00 - w b", "23:30 - w b.", "2026-11-24 06:59", "2026-11-24 07:00"],
            ["07:00 w a"],
            id="what is quiet leaves in the morning unless it is over",
        ),
        pytest.param(
            QUIET,
            ["21:00 - w a", "22:30 - w a.", "2026-11-24 06:59", "2026-11-24 07:00", "2026-11-24 07:01"],
            ["21:00 w a", "07:00 i a."],
            id="an end at night is told in the morning to whom was told of its beginning",
        ),
        pytest.param(
            QUIET,
            ["21:00 - w a", "22:30 - w a.", "23:00 - w a", "23:10 - w a.", "2026-11-24 07:00"],
            ["21:00 w a", "07:00 i a."],
            id="once, also where it came and went meanwhile",
        ),
        pytest.param(
            QUIET,
            ["21:00 - w a", "22:30 - w a.", "23:00 - w a", "2026-11-24 07:00", "2026-11-24 07:30 - w a."],
            ["21:00 w a", "07:00 w a", "07:30 i a."],
            id="not where it goes on in the morning",
        ),
        pytest.param(
            QUIET,
            ["21:00 - w a", "22:30 - w a.", "23:00 - c a", "23:10 - c a.", "2026-11-24 07:00"],
            ["21:00 w a", "23:00 c a", "23:10 i a."],
            id="and not after a critical one of it",
        ),
        pytest.param(
            f'after = "10m"\n{QUIET}',
            ["21:00 - w a", "21:10", "21:55 - a?", "22:30 - w a.", "23:00 - w a", "23:05 - w a.", "2026-11-24 07:00"],
            ["21:10 w a", "07:00 i a."],
            id="of what was escalated, too",
        ),
        pytest.param(
            QUIET, ["23:00 - w a", "23:01 - a?", "2026-11-24 07:00"], [], id="what somebody knows of is not told later"
        ),
        pytest.param(QUIET, ["23:00 - w a!", "2026-11-24 07:00"], ["07:00 w a"], id="a note waits too"),
        pytest.param(
            QUIET,
            ["2026-03-28 23:00 - w a", "2026-03-29 06:59", "2026-03-29 07:00"],
            ["07:00 w a"],
            id="the night of a changed clock ends at seven too",
        ),
        pytest.param(
            'quiet = "12:00-13:00"',
            ["12:30 - w a", "13:00 - w b", "13:59", "14:00"],
            ["12:30 w a", "14:00 w b"],
            id="without a zone it is utc, an hour behind",
        ),
        pytest.param(
            'after = "10m"',
            ["10:00 - c a", "10:09", "10:10", "10:19", "10:20", "10:21 - a?", "10:40"],
            ["10:10 c a", "10:20 c a"],
            id="nobody acknowledges: again and again, until somebody does",
        ),
        pytest.param(
            'after = "10m"', ["10:00 - c a", "10:05 - a?", "10:10", "10:20"], [], id="somebody was there in time"
        ),
        pytest.param('after = "10m"', ["10:00 - c a", "10:05 - c a.", "10:10"], [], id="it was over in time"),
        pytest.param(
            'after = "10m"',
            ["10:00 - c a", "10:10", "10:12 - c a.", "10:30"],
            ["10:10 c a", "10:12 i a."],
            id="its end is told to whom it was escalated",
        ),
        pytest.param(
            'after = "10m"',
            ["10:00 - c a", "10:06 - c a", "10:10"],
            ["10:10 c a"],
            id="said once more it is not younger",
        ),
        pytest.param(
            'after = "10m"',
            ["10:00 - w a", "10:06 - c a", "10:07 - w a", "10:10"],
            ["10:10 c a"],
            id="the worst of it is told",
        ),
        pytest.param('after = "10m"', ["10:00 - c a!", "10:10"], [], id="a note is never escalated"),
        pytest.param(
            'after = "10m"\nseverity = "critical"', ["10:00 - w a", "10:10"], [], id="after is beside severity"
        ),
        pytest.param(
            f'after = "10m"\n{QUIET}',
            ["21:55 - w a", "21:56 - c b", "22:06", "2026-11-24 07:00"],
            ["22:06 c b", "07:00 w a", "07:00 c b"],
            id="an escalation keeps quiet hours",
        ),
        pytest.param(
            "per_minute = 2",
            ["10:00 - w a", "10:00 - w b", "10:00 - w d", "10:00 - c e", "10:01 - w f"],
            ["10:00 w a", "10:00 w b", "10:00 c e", "10:01 w f"],
            id="so many in a minute, critical ones always",
        ),
        pytest.param(
            "per_minute = 2",
            ["10:00 - w a", "10:01 - w b", "10:01 - w d", "10:01 - w e", "10:01 - w a.", "10:01 - w e.", "10:02 - w f"],
            ["10:00 w a", "10:01 w b", "10:01 w d", "10:01 i a.", "10:02 w f"],
            id="and the ends of what has left",
        ),
        pytest.param(
            "",
            ["10:00 - w a", "10:00 - w a.", "10:00 - w a", "10:00 - w a.", "10:00 - w a", "10:01", "10:01 - w a."],
            ["10:00 w a", "10:00 i a.", "10:01 w a", "10:01 i a."],
            id="what begins anew within a minute is told after it, if it goes on",
        ),
        pytest.param(
            "",
            ["10:00 - w a", "10:00 - w a.", "10:00 - w a", "10:00 - a?", "10:01"],
            ["10:00 w a", "10:00 i a."],
            id="and if nobody knows of it",
        ),
        pytest.param(
            "",
            ["10:00 - i a", "10:00 - w a", "10:00 - c a", "10:00 - c a.", "10:00 - c a", "10:00 - w b"],
            ["10:00 i a", "10:00 w a", "10:00 c a", "10:00 i a.", "10:00 c a", "10:00 w b"],
            id="what is worse, critical or another does not wait for it",
        ),
        pytest.param(
            QUIET,
            ["21:00 - w a", "21:00 - w a.", "21:00 - w a", "21:00 - c a", "21:01", "22:30 - c a."],
            ["21:00 w a", "21:00 i a.", "21:00 c a", "22:30 i a."],
            id="the end of a critical one that overtook a held one is critical",
        ),
        pytest.param(
            "",
            ["10:00 - w a", "10:00 - w a.", "09:00 - w a"],
            ["10:00 w a", "10:00 i a.", "09:00 w a"],
            id="a clock that was set back holds nothing for so long",
        ),
    ],
)
def test_what_leaves_when(config: str, script: list[str], leaves: list[str]):
    assert played(config, script) == leaves


def test_how_often_it_began_meanwhile_is_said_with_the_next():
    route, left = Route("", parse_config('[notify]\nurls = ["json://x/"]\n').notify), []
    for second in range(0, 121, 10):
        now = at("10:00") + second * 10**9
        for words in ("w a", "w a."):
            left += [(second, each.more) for each in route.take(alert(words, now), now) if not each.is_end]
    assert left == [(0, 0), (60, 5), (120, 5)]
    assert not list(route.take(alert("w a", now), now))
    (reported,) = route.tick(now + 60 * 10**9)
    assert reported.more == 0


def test_how_many_did_not_leave_is_said_with_the_next():
    config = parse_config('[notify]\nurls = ["json://x/"]\nper_minute = 1\n').notify
    route, now = Route("", config), at("10:00")
    texts = [each.message for n in range(4) for each in route.take(alert(f"w {n}", now), now)]
    texts += [each.message for each in route.take(alert("c e", now), now)]
    assert texts == ["0 says", "e says (3 others left out by the limit per minute)"]
    assert route.dropped == 3


def test_an_escalation_says_since_when():
    route = Route("", parse_config('[notify]\nurls = ["json://x/"]\nafter = "90m"\n').notify)
    assert not list(route.take(alert("c a", at("10:00")), at("10:00")))
    (repeat,) = route.tick(at("11:45"))
    assert repeat.message == "a says (open for 105 minutes, not acknowledged)"


def updated(words: str, time: int, message: str) -> Alert:
    return replace(alert(words, time), message=message, is_update=True)


def test_what_is_escalated_or_held_has_the_latest_text_and_says_since_when():
    route = Route("", parse_config('[notify]\nurls = ["json://x/"]\nafter = "90m"\n').notify)
    assert not list(route.take(alert("c a", at("10:00")), at("10:00")))
    list(route.take(updated("c a", at("10:30"), "2 %"), at("10:30")))
    assert [each.message for each in route.tick(at("11:45"))] == ["2 % (open for 105 minutes, not acknowledged)"]
    list(route.take(replace(alert("c a", at("12:00")), message="3 %"), at("12:00")))
    assert [each.message for each in route.tick(at("14:00"))] == ["3 % (open for 240 minutes, not acknowledged)"]
    night = Route("", parse_config(f'[notify]\nurls = ["json://x/"]\n{QUIET}\n').notify)
    assert not list(night.take(alert("w a", at("23:00")), at("23:00")))
    list(night.take(updated("w a", at("23:30"), "2 %"), at("23:30")))
    assert [each.message for each in night.tick(at("2026-11-24 07:00"))] == ["2 %"]


def test_memory_is_bounded():
    route = Route("", parse_config(f'[notify]\nurls = ["json://x/"]\n{QUIET}\nafter = "1m"\n').notify)
    for n in range(3 * KEYS_MAX):
        assert not list(route.take(alert(f"w {n}", at("23:00")), at("23:00")))
    assert not list(route.tick(at("23:10")))
    assert len(route._due) == len(route._held) == KEYS_MAX


@pytest.mark.parametrize(
    ("config", "title", "body"),
    [
        ("", "onetape warn: risk robot:mm", "lost (repeated 3 times)"),
        (
            "title = '{severity}/{type} {subject} {state}'\nbody = '{{{time}}} {message} x{more}'",
            "warn/risk robot:mm begin",
            "{2026-11-23 09:00:00+00:00} lost x3",
        ),
        (f"{QUIET}\nbody = '{{time}}: {{body}}'", None, "2026-11-23 10:00:00+01:00: lost (repeated 3 times)"),
    ],
)
def test_the_words_are_the_templates(config: str, title: str | None, body: str):
    route = Route("", parse_config(f'[notify]\nurls = ["json://x/"]\n{config}\n').notify)
    words = route.words(Alert(Type.RISK, Severity.WARN, "robot:mm", "lost", at("10:00"), more=3))
    assert words == (title or "onetape warn: risk robot:mm", body)
    every = " ".join(f"{{{field}}}" for field in NOTIFY_FIELDS)
    filled = Route("", parse_config(f'[notify]\nbody = "{every}"\n').notify)
    assert filled.words(alert("w a", at("10:00")))[1]


@pytest.mark.parametrize(
    ("text", "line", "match"),
    [
        ('[notify]\nquiet = "22-7"', 2, "not two times of a day"),
        ('[notify]\nquiet = "22:00-24:00"', 2, "not two times of a day"),
        ('[notify]\nquiet = "07:00-07:00"', 2, "not two times of a day"),
        ('[notify]\nquiet = "22:00-07:00 Mars/Base"', 2, "unknown time zone"),
        ('[notify]\nafter = "soon"', 2, "soon"),
        ("[notify]\nper_minute = -1", 2, "below 0"),
        ('[notify]\nbody = "{secret}"', 2, "no word 'secret'"),
        ('[notify]\nbody = "{message.__class__}"', 2, "no word"),
        ('[notify]\ntitle = "{"', 2, "notify.title"),
        ('[notify]\ntypes = ["weather"]', 2, "weather"),
        ('[notify.routes.phone]\nseverity = "critical"', 1, "no sink"),
        ('[notify.routes.phone]\nurls = ["tgram://123:abc/456"]', 2, "a secret in the open"),
    ],
)
def test_a_route_that_cannot_be_is_refused_with_its_line(text: str, line: int, match: str):
    with pytest.raises(BadConfig, match=match) as refused:
        parse_config(text)
    assert refused.value.location.startswith(f"onetape.toml:{line}") and "abc" not in str(refused.value)


def test_types_of_the_configuration_are_those_of_alerts():
    assert set(get_args(AlertType)) == set(Type)


def names(notify: NotifyConfig) -> list[str]:
    return [route.name for route, _ in routes_of(notify, {}, Path())]


def secrets(config: Config) -> list[str]:
    return [place for place in secret_places(config) if place]


def test_a_route_has_sinks_and_the_section_is_one_itself():
    config = parse_config('[notify.routes.phone]\nurls = ["env:PHONE"]\n')
    assert (names(config.notify), secrets(config)) == (["phone"], ["env:PHONE"])
    config = parse_config('[notify]\nurls = ["env:ALERTS"]\n[notify.routes.phone]\nurls = ["env:PHONE"]\n')
    assert (names(config.notify), secrets(config)) == (["", "phone"], ["env:ALERTS", "env:PHONE"])


@pytest.mark.parametrize(
    "url",
    [
        "json://127.0.0.1:9/",
        "tgram://123456789:abcdefg_hijklmnop/12315544/",
        "feishu://aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "lark://aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops",
        "mailto://user:pass@gmail.com",
    ],
)
def test_services_that_people_have_are_known(url: str):
    pytest.importorskip("apprise", reason="NOT_AVAILABLE: apprise is not installed")
    assert len(Service(url)) == 1
