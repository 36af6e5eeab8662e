"""The core's readers of numbers and times against Python's and the model's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape import _core
from onetape.data.zone_table import zone_table
from onetape.model.errors import BadInput
from onetape.model.time import parse_time, zone

FIRST = datetime(1900, 1, 1)  # noqa: DTZ001 - wall times are what is written
LAST = datetime(2199, 1, 1)  # noqa: DTZ001
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe"]


@settings(max_examples=examples(500), deadline=None)
@given(
    st.from_regex(r"\A[+-]?[0-9]{0,14}(\.[0-9]{0,14})?([eE][+-]?[0-9]{1,2})?\Z")
    | st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=6).map(str)
    | st.floats(allow_nan=True, allow_infinity=True).map(repr)
    | st.text(max_size=12)
)
def test_a_decimal_is_read_as_python_reads_it_or_not_at_all(text: str) -> None:
    got = _core.parse_decimal_text(text)
    if isinstance(got, str):
        stripped = text.strip(" \t")
        try:
            value = Decimal(stripped)
        except ArithmeticError:
            return
        # What Python reads and we do not: no numbers, other digits and groups, beyond int64.
        assert (
            not value.is_finite()
            or not stripped.isascii()
            or stripped != stripped.strip()
            or "_" in stripped
            or abs(value) >= 10**18
        ), (text, got)
        return
    mantissa, decimals, cut = got
    value = Decimal(text.strip(" \t"))
    read = Decimal(mantissa).scaleb(-decimals)
    if cut:
        assert abs(read - value) <= abs(value) * Decimal("1e-17")
    elif value:
        assert read == value
    else:
        assert mantissa == 0


@settings(max_examples=examples(400), deadline=None)
@given(
    st.datetimes(FIRST, LAST),
    st.sampled_from(ZONES),
    st.sampled_from(
        [
            "%Y-%m-%d %H:%M:%S.%f",
            "%Y-%m-%dT%H:%M:%S",
            "%Y/%m/%d %H:%M",
            "%Y%m%d %H%M%S%f",
            "%Y-%m-%d",
            "%Y%m%d",
            "%Y%m%d%H%M%S",
            "%Y.%m.%d %H:%M:%S",
            "%Y-%m-%dT%H:%M:%SZ",
            "%Y-%m-%d %H:%M:%S+05:30",
            "%Y-%m-%d %H:%M -0800",
        ]
    ),
)
def test_times_are_those_of_the_model(moment: datetime, name: str, form: str) -> None:
    text = moment.strftime(form)
    same_as_model(text, name)


@settings(max_examples=examples(400), deadline=None)
@given(st.integers(1 - 2**63, 2**63 - 1) | st.integers(0, 2 * 10**9), st.sampled_from(ZONES))
def test_numbers_are_the_models_times(number: int, name: str) -> None:
    same_as_model(str(number), name)


@pytest.mark.parametrize("name", ZONES[1:])
def test_hours_around_every_change_of_clocks(name: str) -> None:
    wall, _ = max(zone_table(name))
    for change, _ in [entry for entry in zone_table(name)[1:] if entry[0] > 0][:40]:
        base = datetime.fromtimestamp(change // 10**9, UTC).replace(tzinfo=None)
        for minutes in (-121, -91, -61, -31, -30, -1, 0, 1, 29, 59, 61, 121):
            same_as_model(str(base + timedelta(minutes=minutes)), name)
    assert wall


def same_as_model(text: str, name: str) -> None:
    got = _core.parse_time_text(text, zone_table(name))
    try:
        want = parse_time(text, tz=zone(name))
    except BadInput:
        assert isinstance(got, str), (text, name, got)
    else:
        if -(2**63) <= want < 2**63:
            assert got == want, (text, name)
