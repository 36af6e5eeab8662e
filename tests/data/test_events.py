"""Tables of events as tapes: `import events`."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from onetape.data.events import read_events
from onetape.data.importing import import_files
from onetape.model.errors import BadInput, OnetapeError, UsageError
from onetape.model.time import MINUTE, parse_time
from worlds.tapes import records

AT = parse_time("2026-01-01T08:30:00Z")
CALENDAR = """time,type,topic,impact,actual,note
2026-01-01T09:30:00+01:00,cpi,us,high,0.3,"a, b"
2026-01-01 08:30:00,pmi,,low,051,
2025-12-31T00:00:00Z,gdp,us,high,-1e2,x
"""


def written(tmp_path: Path, text: str, name: str = "calendar.csv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_rows_come_in_order_of_their_receipt_with_their_own_values(tmp_path: Path):
    result = import_files("events", [written(tmp_path, CALENDAR)], out=tmp_path / "t", ahead="30m")
    assert (result.events, result.by_type, result.symbols) == (3, {"external": 3}, [])
    assert (result.first_ts, result.last_ts) == (parse_time("2025-12-31") - 30 * MINUTE, AT - 30 * MINUTE)
    rows = [(row.time, row.data) for row in records(tmp_path / "t", "external")]
    assert [data["type"] for _, data in rows] == ["gdp", "cpi", "pmi"]
    time, cpi = rows[1]
    assert time == cpi["ts_recv"] == AT - 30 * MINUTE and cpi["ts_event"] == AT
    assert (cpi["topic"], cpi["source"]) == ("us", "import")
    assert cpi["data"] == {"ts_event": AT, "type": "cpi", "impact": "high", "actual": 0.3, "note": "a, b"}
    assert rows[2][1]["data"]["actual"] == "051"  # no number is written so
    assert rows[0][1]["data"]["actual"] == -100.0


def test_what_says_when_it_was_received_comes_then(tmp_path: Path):
    text = "ts_event,ts_recv,value\n2026-01-01T00:00:00Z,2026-01-01T00:00:09Z,1\n2026-01-01T00:00:05Z,,2\n"
    (first, second) = read_events([written(tmp_path, text)], ahead_ns=MINUTE)
    assert first.time == parse_time("2026-01-01T00:00:05Z") - MINUTE  # not received yet: known ahead
    assert second.time == parse_time("2026-01-01T00:00:09Z")


def test_a_zone_is_of_times_that_name_none(tmp_path: Path):
    text = "time,v\n2026-07-01 08:30:00,1\n2026-07-01T08:30:00Z,2\n"
    utc, berlin = (each.time for each in reversed(read_events([written(tmp_path, text)], zone="Europe/Berlin")))
    assert utc - berlin == 120 * MINUTE


def test_parquet_and_csv_of_the_same_rows_are_the_same_events(tmp_path: Path):
    table = pa.table({"time": ["2026-01-01T08:30:00Z"], "type": ["cpi"], "actual": [0.3], "n": [None]})
    parquet.write_table(table, tmp_path / "calendar.parquet")
    rows = read_events([tmp_path / "calendar.parquet"])
    assert rows == read_events([written(tmp_path, "time,type,actual,n\n2026-01-01T08:30:00Z,cpi,0.3,\n")])


def test_the_same_files_give_the_same_tape_and_other_options_another(tmp_path: Path):
    source = written(tmp_path, CALENDAR)
    tapes = [tmp_path / name for name in "abc"]
    for tape, ahead in zip(tapes, ("5m", "5m", "6m"), strict=True):
        import_files("events", [source], out=tape, ahead=ahead)
    first, second, third = (b"".join(p.read_bytes() for p in sorted(tape.glob("*.tape*"))) for tape in tapes)
    assert first == second != third


@pytest.mark.parametrize(
    ("text", "options", "error", "words"),
    [
        ("a,b\n1,2\n", {}, BadInput, "the row has no time"),
        ("time,v\nsoon,2\n", {}, BadInput, "not a time: 'soon'"),
        ("time,v\n", {}, BadInput, "no rows"),
        ("time,v\n2026-01-01,2,3\n", {}, BadInput, "more cells than the header"),
        ('time,v\n2026-01-01,"2\n', {}, BadInput, "is no CSV"),
        ("time,symbol,bid,ask\n2026-01-01,a:B,1,2\n", {}, BadInput, "is a quote"),
        (CALENDAR, {"symbol": "a:B"}, UsageError, "have no symbol"),
        (CALENDAR, {"filters": True}, UsageError, "have no symbol"),
        (CALENDAR, {"period": "1m"}, UsageError, "means nothing for events"),
        (CALENDAR, {"tz": "Nowhere"}, UsageError, "unknown time zone"),
        (CALENDAR, {"ahead": "later"}, OnetapeError, "later"),
    ],
)
def test_what_is_no_table_of_events_is_refused_and_leaves_nothing(tmp_path: Path, text, options, error, words):
    with pytest.raises(error, match=words):
        import_files("events", [written(tmp_path, text)], out=tmp_path / "t", **options)
    assert not (tmp_path / "t").exists()


def test_ahead_is_of_events_alone(tmp_path: Path):
    with pytest.raises(UsageError, match="means nothing for csv"):
        import_files("csv", [written(tmp_path, CALENDAR)], out=tmp_path / "t", symbol="a:B", ahead="5m")


def test_numbers_that_no_frame_holds_and_counters_of_others_are_left_as_they_are(tmp_path: Path):
    text = "time,seq,id,v\n1767225600,7,12345678901234567890123456789,1e999\n1767225601,7,1,2\n1767225602,2,1,-0.5\n"
    result = import_files("events", [written(tmp_path, text)], out=tmp_path / "t")
    found = [row.data for row in records(tmp_path / "t", "external")]
    assert result.events == len(found) == 3 and "sequence" not in found[0]
    assert [(each["data"]["seq"], each["data"]["v"]) for each in found] == [(7, "1e999"), (7, 2), (2, -0.5)]
    assert found[0]["data"]["id"] == "12345678901234567890123456789"
