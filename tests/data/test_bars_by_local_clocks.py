"""Bars whose days are those of a zone: one of 23 hours is a day, one of 25 leaves no hole."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from onetape.data.importing import import_files, import_frame
from onetape.model.time import DAY, HOUR, SECOND

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
HEADER = "date,open,high,low,close,volume\n"


def moments(first: str, count: int, step: timedelta, zone: ZoneInfo) -> list[datetime]:
    """By the clocks of the zone: as a venue there stamps them."""
    begin = datetime.fromisoformat(first)
    return [(begin + n * step).replace(tzinfo=zone) for n in range(count + 1)]


def months(count: int, zone: ZoneInfo) -> list[datetime]:
    return [datetime(2023 + n // 12, n % 12 + 1, 1, tzinfo=zone) for n in range(count + 1)]


def ns(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND


def rows(stamps: Sequence[object]) -> str:
    return HEADER + "".join(f"{stamp},100,110,90,105,5\n" for stamp in stamps)


def spans(tape: Any) -> list[tuple[int, int]]:
    return [(bar.data["ts_open"], bar.data["ts_close"]) for bar in tape.of("bar")]


WALL = "%Y-%m-%d %H:%M"
FILES = {
    "the day of 23 hours": (moments("2024-03-29", 6, timedelta(days=1), BERLIN), "Europe/Berlin"),
    "the day of 25 hours": (moments("2024-10-25", 6, timedelta(days=1), BERLIN), "Europe/Berlin"),
    "a last day of 23 hours": (moments("2024-03-29", 3, timedelta(days=1), BERLIN), "Europe/Berlin"),
    "two days, one of 23 hours": (moments("2024-03-31", 2, timedelta(days=1), BERLIN), "Europe/Berlin"),
    "weeks": (moments("2024-03-18", 35, timedelta(weeks=1), BERLIN), "Europe/Berlin"),
    "months": (months(24, BERLIN), "Europe/Berlin"),
    "months of UTC": (months(24, ZoneInfo("UTC")), "UTC"),
    "four hours": (moments("2024-03-30", 18, timedelta(hours=4), BERLIN), "Europe/Berlin"),
    "days of New York that end at 17:00": (
        moments("2024-03-08 17:00", 5, timedelta(days=1), NEW_YORK),
        "America/New_York",
    ),
    "a year of days": (moments("2024-01-01", 366, timedelta(days=1), NEW_YORK), "America/New_York"),
    "a day whose midnight was skipped": (
        moments("2024-09-06", 4, timedelta(days=1), ZoneInfo("America/Santiago")),
        "America/Santiago",
    ),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("bar_time", ["open", "close"])
def test_each_bar_ends_where_the_next_one_begins(
    name: str, direction: int, bar_time: str, import_text: Any, tmp_path: Path, read: Any
) -> None:
    stamps, zone = FILES[name]
    stamped = stamps[:-1] if bar_time == "open" else stamps[1:]
    text = rows([each.strftime(WALL) for each in stamped[::direction]])
    result = import_text(text, tz=zone, bar_time=bar_time)
    ends = [ns(each) for each in stamps]
    assert spans(read(tmp_path / "tape")) == list(pairwise(ends))
    assert (result.rejected, result.gaps) == (0, 0)
    assert len({bar.data["period_ns"] for bar in read(tmp_path / "tape").of("bar")}) == 1


@pytest.mark.parametrize("first", ["2024-03-29", "2024-10-25"])
@pytest.mark.parametrize("written", ["offset", "number", "frame"])
def test_days_of_a_zone_are_days_however_their_times_are_written(
    written: str, first: str, import_text: Any, tmp_path: Path, read: Any
) -> None:
    stamps = moments(first, 6, timedelta(days=1), BERLIN)
    ends = [ns(each) for each in stamps]
    if written == "offset":
        import_text(rows([each.isoformat() for each in stamps[:-1]]))
    elif written == "number":
        import_text(rows([each // SECOND for each in ends[:-1]]), tz="Europe/Berlin")
    else:
        import polars as pl

        values = {"time": [each.astimezone(UTC) for each in stamps[:-1]], "volume": [5.0] * 6}
        values |= dict.fromkeys(("open", "high", "low", "close"), [100.0] * 6)
        import_frame(pl.DataFrame(values), symbol="x:A", out=tmp_path / "tape", tz="Europe/Berlin")
    got = spans(read(tmp_path / "tape"))
    if written == "offset":  # nothing says the zone of a day after the last row
        assert got[-1][0] == ends[-2]
        got, ends = got[:-1], ends[:-1]
    assert got == list(pairwise(ends))


@pytest.mark.parametrize("first", ["2024-03-30", "2024-10-26"])
@pytest.mark.parametrize("hours", [1, 4, 24])
def test_bars_by_utc_stay_equally_long_when_a_zone_shows_their_times(
    hours: int, first: str, import_text: Any, tmp_path: Path, read: Any
) -> None:
    begin = datetime.fromisoformat(first).replace(tzinfo=UTC)
    stamps = [begin + n * timedelta(hours=hours) for n in range(48 // hours + 4)]
    result = import_text(rows([each.astimezone(BERLIN).strftime(WALL) for each in stamps]), tz="Europe/Berlin")
    assert spans(read(tmp_path / "tape")) == [(ns(each), ns(each) + hours * HOUR) for each in stamps]
    assert (result.rejected, result.gaps) == (0, 0)


def test_closes_that_the_file_says_are_of_one_period(import_text: Any, tmp_path: Path, read: Any) -> None:
    stamps = moments("2024-03-29", 6, timedelta(days=1), BERLIN)
    lines = [f"{ns(opened) // 10**6},1,2,1,2,5,{ns(closed) // 10**6 - 1}\n" for opened, closed in pairwise(stamps)]
    header = "open_time,open,high,low,close,volume,close_time\n"
    import_text(header + "".join(lines), tz="Europe/Berlin")
    assert {bar.data["period_ns"] for bar in read(tmp_path / "tape").of("bar")} == {DAY}


def test_files_by_a_zones_clocks_are_one_tape(tmp_path: Path, read: Any) -> None:
    stamps = moments("2024-03-25", 14, timedelta(days=1), BERLIN)
    names = []
    for part, some in enumerate((stamps[:7], stamps[7:-1])):
        names.append(tmp_path / f"{part}.csv")
        names[-1].write_text(rows([each.strftime("%Y-%m-%d") for each in some]))
    result = import_files("csv", names, symbol="x:A", out=tmp_path / "tape", tz="Europe/Berlin")
    assert (result.events, result.rejected, result.gaps) == (14, 0, 0)


@pytest.mark.parametrize("direction", [1, -1])
def test_a_first_row_that_is_a_part_of_a_bar_is_none(
    direction: int, import_text: Any, tmp_path: Path, read: Any, rejects: Any
) -> None:
    """A download from Wednesday on: its week is cut, the next row is the Monday's."""
    stamps = ["2024-01-03", "2024-01-08", "2024-01-15", "2024-01-22"][::direction]
    result = import_text(rows(stamps))
    monday = ns(datetime(2024, 1, 8, tzinfo=UTC))
    assert spans(read(tmp_path / "tape")) == [(monday + n * 7 * DAY, monday + (n + 1) * 7 * DAY) for n in range(3)]
    assert result.rejected == 1
    (listed,) = rejects()
    assert listed["reason"].startswith("is a part of a bar")
    assert listed["text"].startswith("2024-01-03,")


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
def test_a_bar_that_is_rejected_for_another_is_listed_with_its_text(
    order: tuple[int, ...], import_text: Any, rejects: Any
) -> None:
    lines = [f"17000000{n:02d},100,110,90,105,{n}\n" for n in (0, 30, 60, 60)]
    result = import_text(HEADER + "".join(lines[n] for n in order), period="30s")
    assert result.rejected == 1
    (listed,) = rejects()
    assert listed["reason"] == "a bar with this time was already read"
    assert listed["text"] == lines[2 if order[0] == 3 else 3].strip()


def test_bars_of_a_frame_that_are_rejected_are_listed_with_their_values(tmp_path: Path, rejects: Any) -> None:
    import polars as pl

    values = {"time": [1_700_000_000, 1_700_000_060, 1_700_000_060]}
    values |= dict.fromkeys(("open", "high", "low", "close"), [1.5] * 3)
    import_frame(pl.DataFrame(values), symbol="x:A", out=tmp_path / "tape", period="1m")
    assert "1.5" in rejects()[0]["text"]
