"""Times: every accepted spelling of a moment is that moment, and the rest is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.model.errors import BadInput, UsageError
from onetape.model.time import (
    DAY,
    HOUR,
    MINUTE,
    MS,
    SECOND,
    TIME_MAX,
    WEEK,
    format_duration,
    format_time,
    parse_duration,
    parse_period,
    parse_time,
    to_datetime,
    zone,
)

T = 1_626_992_740_175_661_000  # 2021-07-22T22:25:40.175661Z


@pytest.mark.parametrize(
    "value",
    [
        1_626_992_740_175_661_000,
        1_626_992_740_175_661,
        "1626992740175661000",
        "1626992740175661",
        "1626992740.175661",
        1626992740.175661,
        Decimal("1626992740.175661"),
        np.int64(1_626_992_740_175_661),
        np.float64(1626992740.175661),
        "1.626992740175661e9",
        "2021-07-22T22:25:40.175661Z",
        "2021-07-22T22:25:40.175661000Z",
        "2021-07-22 22:25:40.175661",
        "2021-07-22T22:25:40,175661Z",
        "2021/07/22 22:25:40.175661",
        "2021.07.22 22:25:40.175661",
        "20210722T222540.175661Z",
        "20210722 22:25:40.175661",
        "2021-07-23T00:25:40.175661+02:00",
        "2021-07-23T00:25:40.175661+0200",
        "2021-07-22T19:25:40.175661-03",
        "2021-07-22 22:25:40.175661 UTC",
        "2021-07-22 22:25:40.175661 +00:00",
        "  2021-07-22T22:25:40.175661Z  ",
        datetime(2021, 7, 22, 22, 25, 40, 175661, tzinfo=UTC),
        datetime(2021, 7, 23, 0, 25, 40, 175661, tzinfo=timezone(timedelta(hours=2))),
        datetime(2021, 7, 22, 22, 25, 40, 175661),  # noqa: DTZ001 - as files hold it
    ],
)
def test_one_moment_in_many_spellings(value: object) -> None:
    assert parse_time(value) == T


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        ("2021-11-27", "2021-11-27T00:00:00Z"),
        ("20180102", "2018-01-02T00:00:00Z"),
        (date(2018, 1, 2), "2018-01-02T00:00:00Z"),
        ("20200102 093000123", "2020-01-02T09:30:00.123Z"),
        ("20200102 093000", "2020-01-02T09:30:00Z"),
        ("20200102093000", "2020-01-02T09:30:00Z"),
        ("20200102093000123", "2020-01-02T09:30:00.123Z"),
        ("2020-01-02 09:30", "2020-01-02T09:30:00Z"),
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
        (99_999_999_9, "2001-09-09T01:46:39Z"),
        # the bounds between units
        (9_223_372_036, "2262-04-11T23:47:16Z"),
        (100_000_000_000, "1973-03-03T09:46:40Z"),
        (99_999_999_999_999, None),
        (9_223_372_036_854, "2262-04-11T23:47:16.854Z"),
        (100_000_000_000_000, "1973-03-03T09:46:40Z"),
        (100_000_000_000_000_000, "1973-03-03T09:46:40Z"),
        (TIME_MAX, "2262-04-11T23:47:16.854775807Z"),
        (TIME_MAX + 1, None),
        (10_000_000_000, None),
        ("2300-01-01", None),
        ("1600-01-01", None),
        ("", None),
        ("yesterday", None),
        ("01/02/2020", None),
        ("2021-13-01", None),
        ("2021-02-30", None),
        ("2021-02-03T24:00:00", None),
        ("2021-02-03T23:59:60", None),
        ("2021-02-03T10:00:00+25:00", None),
        ("2021-02-03T10:00:00.1234567890", None),
        ("1e99", None),
        ("1" * 60, None),
        (float("nan"), None),
        (float("inf"), None),
        (True, None),
        (None, None),
        ([1], None),
    ],
)
def test_moments(value: object, iso: str | None) -> None:
    if iso is None:
        with pytest.raises(BadInput):
            parse_time(value)
    else:
        assert format_time(parse_time(value)) == iso


@pytest.mark.parametrize(
    ("text", "tz", "iso"),
    [
        ("2018-01-02 09:30:00", "Asia/Shanghai", "2018-01-02T01:30:00Z"),
        ("2018-01-02", "Asia/Shanghai", "2018-01-01T16:00:00Z"),
        ("2021-07-01 12:00", "Europe/Berlin", "2021-07-01T10:00:00Z"),
        ("2021-01-01 12:00", "Europe/Berlin", "2021-01-01T11:00:00Z"),
        ("2021-01-01 12:00Z", "Europe/Berlin", "2021-01-01T12:00:00Z"),
        ("2021-10-31 02:30", "Europe/Berlin", "2021-10-31T00:30:00Z"),  # twice: the first
        ("2021-03-28 02:30", "Europe/Berlin", None),  # skipped
        ("1626992740", "Europe/Berlin", "2021-07-22T22:25:40Z"),  # numbers are UTC
    ],
)
def test_zones(text: str, tz: str, iso: str | None) -> None:
    if iso is None:
        with pytest.raises(BadInput, match="skipped"):
            parse_time(text, tz=zone(tz))
    else:
        assert format_time(parse_time(text, tz=zone(tz))) == iso


def test_an_unknown_zone_is_wrong_usage() -> None:
    for name in ("Mars/Olympus", "", "../etc/passwd"):
        with pytest.raises(UsageError):
            zone(name)
    assert zone("UTC") is UTC


@given(st.integers(-(2**63) + SECOND, TIME_MAX))
def test_formatted_times_read_back(ns: int) -> None:
    assert parse_time(format_time(ns)) == ns


@given(
    st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe"]),
)
def test_local_text_is_the_library_s_moment(local: datetime, name: str) -> None:
    tz = ZoneInfo(name)
    local = local.replace(fold=0)  # a text does not say which of two equal hours it means
    moment = local.replace(tzinfo=tz).astimezone(UTC)
    if moment.astimezone(tz).replace(tzinfo=None) != local:
        return  # a skipped hour
    assert to_datetime(parse_time(local.isoformat(), tz=tz)) == moment


@given(st.text(max_size=40) | st.from_regex(r"[-+0-9TZ:., /eE]{1,40}", fullmatch=True))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    for read, refusal in ((parse_time, BadInput), (parse_duration, UsageError), (parse_period, UsageError)):
        try:
            assert isinstance(read(text), int)
        except refusal as error:
            assert "\n" not in str(error)


def test_a_pandas_stamp_keeps_its_nanoseconds() -> None:
    pandas = pytest.importorskip("pandas")
    for stamp in ("2021-07-22T22:25:40.175661123Z", "2021-07-22T22:25:40.175661123"):
        assert parse_time(pandas.Timestamp(stamp)) == T + 123


@given(st.integers(10**11 // 1000 + 1, TIME_MAX // SECOND))
def test_all_four_units_are_one_moment_since_1973(seconds: int) -> None:
    moments = {parse_time(seconds * unit) for unit in (1, 10**3, 10**6, 10**9)}
    assert moments == {seconds * SECOND}


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1s", SECOND),
        ("15s", 15 * SECOND),
        ("1m", MINUTE),
        ("4h", 4 * HOUR),
        ("1d", DAY),
        ("1w", WEEK),
        ("7h", 7 * HOUR),
        ("250ms", 250 * MS),
        ("52w", 52 * WEEK),
    ],
)
def test_periods(text: str, ns: int) -> None:
    assert parse_period(text) == ns
    assert parse_duration(text) == ns
    assert format_duration(ns) == text


@pytest.mark.parametrize("text", ["", "1", "m", "0m", "-1m", "1M", "1H", "1min", "1.5m", "53w", "1y", "1us", "٣m"])
def test_what_is_no_period(text: str) -> None:
    with pytest.raises(UsageError):
        parse_period(text)


@pytest.mark.parametrize(("text", "ns"), [("10ms", 10 * MS), ("1.5s", 1500 * MS), ("250us", 250_000), ("0s", 0)])
def test_durations(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "10", "1.0000000001s", "0.5ns", "-1s", "9999999999d", "1 y"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError):
        parse_duration(text)
