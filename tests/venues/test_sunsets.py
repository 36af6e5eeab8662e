"""What venues retire: the shipped table, and what `doctor` and the alerts say of it, day by day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from onetape.model.sections import Config, VenueConfig
from onetape.model.time import DAY, parse_time
from onetape.model.venue_kinds import VENUE_KINDS
from onetape.notify.alert import Alert, Severity
from onetape.notify.rules import sunset_alerts
from onetape.preflight.venue_doctor import check_sunsets, examine
from onetape.supervisor.alert_watch import AlertWatch
from onetape.venues.sunsets import due, read_sunsets
from waiting import wait_for

STREAMS = next(each for each in read_sunsets() if each.date == "2026-04-23")
AT = parse_time(STREAMS.date)
LIVE = VenueConfig(kind="binance-usdm", mode="live", live_account="1")


def test_the_table_is_of_our_venues_and_our_adapters_need_nothing_of_it() -> None:
    assert len({(each.kind, each.feature) for each in read_sunsets()}) == len(read_sunsets())
    for each in read_sunsets():
        assert each.kind in VENUE_KINDS and each.replacement and each.source, each
        assert parse_time(each.date) % DAY == 0 and not each.uses_old, each


def literals(folder: str) -> Iterator[str]:
    for path in (Path(__file__).resolve().parents[2] / "src" / "onetape" / "venues" / folder).glob("*.py"):
        yield path.read_text(encoding="utf-8")


@pytest.mark.parametrize("word", ["activationPrice", "OPPONENT_", "allAlgoOrders", "MAX_NUM_ALGO", "historicalTrades"])
def test_a_retired_word_is_in_no_request(word: str) -> None:
    assert not any(word in text for text in literals("binance"))


@pytest.mark.parametrize(
    ("days", "uses_old", "doctor", "alert"),
    [
        (31, True, [], []),
        (30, False, ["warning"], [("", Severity.WARN)]),
        (30, True, ["warning"], [("", Severity.WARN)]),
        (8, True, ["warning"], [("", Severity.WARN)]),
        (7, False, ["warning"], [(" soon", Severity.WARN)]),
        (7, True, ["warning"], [(" soon", Severity.CRITICAL)]),
        (1, True, ["warning"], [(" soon", Severity.CRITICAL)]),
        (0, True, ["error"], [(" over", Severity.CRITICAL)]),
        (0, False, [], []),
        (-100, True, ["error"], [(" over", Severity.CRITICAL)]),
        (-100, False, [], []),
    ],
)
def test_it_is_said_from_thirty_and_louder_from_seven_days_before(
    days: int, uses_old: bool, doctor: list[str], alert: list[tuple[str, Severity]]
) -> None:
    rows, now = [structs.replace(STREAMS, uses_old=uses_old)], AT - days * DAY
    found = list(check_sunsets("b", LIVE, now, rows))
    assert [each.state for each in found] == doctor
    for each in found:
        assert STREAMS.date in each.text and STREAMS.replacement in each.text and STREAMS.source in each.text
        assert each.text.startswith("within 7 days! ") is (0 < days <= 7)
        assert bool(each.todo) is uses_old
    alerts = sunset_alerts({"binance-usdm"}, now, rows)
    assert [
        (key.removeprefix(f"sunset:binance-usdm {STREAMS.feature}"), each.severity) for key, each in alerts.items()
    ] == (alert)
    assert not list(check_sunsets("b", structs.replace(LIVE, mode="sim"), now, rows))
    assert not sunset_alerts({"kraken"}, now, rows)


def test_part_of_a_day_counts_as_one() -> None:
    assert [STREAMS.days(AT - each) for each in (DAY, DAY - 1, 1, 0, -1)] == [1, 1, 1, 0, 0]
    assert [each for each, _ in due({"binance-usdm"}, AT - DAY)] == [STREAMS]


def test_doctor_says_it_of_each_configured_venue(tmp_path: Path) -> None:
    """The venues themselves are not asked: mode `live` without an account is refused before."""
    venue = structs.replace(LIVE, live_account="")
    config = Config(venues={"b": venue, "k": VenueConfig(kind="kraken"), "s": VenueConfig(kind="binance-usdm")})
    found = [each for each in examine(config, tmp_path, tmp_path, now=AT - 20 * DAY) if "ends in" in each.text]
    assert [(each.subject, each.state) for each in found] == [
        ("venue b", "warning")
    ] * 2  # another ends three days before
    assert "ends in 20 days (2026-04-23)" in found[1].text


def test_an_alert_begins_once_at_each_stage_and_ends_with_it(tmp_path: Path) -> None:
    written: list[dict] = []
    now = [AT - 40 * DAY]

    def sunsets(_: int) -> dict[str, Alert]:
        return sunset_alerts({"binance-usdm"}, now[0], [STREAMS])

    watch = AlertWatch(tmp_path, dict, tell=written.append, said=print, sunsets=sunsets)
    states: list[tuple[bool, str]] = []
    for days, added in ((20, [(False, "begin")]), (7, [(False, "end"), (True, "begin")]), (0, [(True, "end")])):
        now[0], states = AT - days * DAY, states + added
        wait_for(lambda: [(e["subject"].endswith(" soon"), e["state"]) for e in written] == states, lambda: written)  # noqa: B023
    watch.close()
