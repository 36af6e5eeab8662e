"""Groups of slots in the state table, as Python writes and reads them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.model.errors import BadInput, InvariantViolation
from onetape.model.money import money
from onetape.tape.state import GroupSpec, Layout, StateReader, StateWriter

BALANCE = GroupSpec(1, "balance", slots=64)
NAME = GroupSpec(2, "name", (("text", "T"), ("number", "i")))
LAYOUT = Layout([BALANCE, NAME])
MINUTE = 60 * 10**9


def pair(tmp_path: Path, capacity: int = 4) -> tuple[StateWriter, StateReader]:
    writer = StateWriter(tmp_path / "state", "gateway:main", LAYOUT, capacity=capacity)
    writer.publish()
    return writer, StateReader(tmp_path / "state", "gateway:main", LAYOUT)


amounts = st.integers(-(2**120), 2**120)


def summed(parts: list[int]) -> list[int]:
    return [sum(parts), *parts]


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.tuples(amounts, amounts), max_size=63))
def test_amounts_come_back_exactly_and_slot_zero_is_their_sum(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[int, int]]
) -> None:
    writer, reader = pair(tmp_path_factory.mktemp("slots"))
    totals, held = summed([t for t, _ in parts]), summed([h for _, h in parts])
    flags = [0] + [9] * len(parts)
    writer.put_slots("balance", "USD", totals, held, ts=5, sequence=7, flags=flags)
    group = reader.slots("balance", "USD")
    assert group is not None
    recorded = group.all()
    assert recorded is not None
    assert recorded[:5] == (totals, held, flags, 5, 7)
    assert group.texts(len(totals)) == [format(money(total), "f") for total in totals]
    for index, (total, kept) in enumerate(zip(totals, held, strict=True)):
        assert group.get(index) == total
        assert group.held(index) == kept
        assert group.available(index) == total - kept
        text = group.text(index)
        assert text == format(money(total), "f")
        assert Decimal(text) == money(total)
    assert group.get(len(parts) + 1) is None
    assert group.get(-1) is None


def test_what_is_not_there_is_none_and_not_zero(tmp_path: Path) -> None:
    writer, reader = pair(tmp_path)
    assert reader.slots("balance", "USD") is None
    writer.put_slots("balance", "USD", [1, 1], [0, 0], ts=1, sequence=1)
    group = reader.slots("balance", "USD")
    assert group is not None
    assert (group.get(1), group.get(2), group.outcome) == (1, None, "ok")
    writer.remove("balance", "USD")
    assert (group.get(1), group.outcome) == (None, "missing")
    writer.close(remove=True)
    assert list((tmp_path / "state").iterdir()) == []
    assert (group.get(1), group.all(), group.outcome) == (None, None, "unavailable")


@pytest.mark.parametrize(
    ("totals", "held", "flags", "error"),
    [
        ([0] * 65, [0] * 65, [], ValueError),
        ([], [], [], ValueError),
        ([1, 1], [1], [], ValueError),
        ([2, 2], [2, 2], [1], ValueError),
        ([1.5, 1.5], [0, 0], [], TypeError),
        ([0, 1 << 127], [0, 0], [], OverflowError),
        ([0, (1 << 127) - 1, 1], [0, 0, 0], [], BadInput),
        ([4, 1, 2], [0, 0, 0], [], InvariantViolation),
        ([3, 1, 2], [1, 0, 0], [], InvariantViolation),
    ],
)
def test_slots_that_cannot_be_are_refused(
    tmp_path: Path, totals: list[int], held: list[int], flags: list[int], error: type[Exception]
) -> None:
    writer, reader = pair(tmp_path)
    with pytest.raises(error):
        writer.put_slots("balance", "USD", totals, held, ts=1, sequence=1, flags=flags)
    assert reader.keys() == []


def test_a_handle_answers_only_while_its_writer_vouches(tmp_path: Path) -> None:
    writer, reader = pair(tmp_path)
    writer.put_slots("balance", "USD", [5, 5], [0, 0], ts=1, sequence=1)
    group = reader.slots("balance", "USD", max_age=MINUTE)
    assert group is not None
    assert (group.get(0), group.text(0), group.is_old) == (None, None, True)
    writer.vouch()
    assert (group.get(0), group.text(0), group.is_old) == (5, "0.000000000000000005", False)
    brief = reader.slots("balance", "USD", max_age=1)
    assert brief is not None
    assert brief.get(0) is None
    writer.unvouch()
    assert group.get(0) is None
    writer.vouch()
    writer.close()
    second = StateWriter(tmp_path / "state", "gateway:main", LAYOUT)
    second.heartbeat(1)
    second.publish()
    second.put_slots("balance", "USD", [6, 6], [0, 0], ts=2, sequence=2)
    assert group.get(0) is None, "the stamp of the writer before is not this one's"
    second.vouch()
    assert group.get(0) == 6


def test_all_of_so_many_slots_hide_none_that_is_in_use(tmp_path: Path) -> None:
    writer, reader = pair(tmp_path)
    writer.put_slots("balance", "USD", [5, 2, 3, 0], [1, 1, 0, 0], ts=1, sequence=1)
    group = reader.slots("balance", "USD")
    assert group is not None
    assert group.texts(2) == 2
    tiny = "0.000000000000000005", "0.000000000000000002", "0.000000000000000003"
    assert group.texts(3) == [*tiny]
    assert group.texts(6) == [*tiny, "0", "0", "0"]
    writer.put_slots("balance", "USD", [5, 5, 0, 0], [1, 0, 0, 1], ts=1, sequence=1)
    assert group.texts(3) == 3


def test_a_longer_text_is_a_field_of_32_bytes(tmp_path: Path) -> None:
    writer, reader = pair(tmp_path)
    writer.put("name", "x", {"text": "binance-usdm"}, ts=1, sequence=1)
    group = reader.get("name", "x")
    assert group is not None
    assert (group["text"], group["number"]) == ("binance-usdm", None)
    with pytest.raises(BadInput, match="at most 32 bytes"):
        writer.put("name", "x", {"text": "y" * 33}, ts=1, sequence=1)


@pytest.mark.parametrize(("fields", "slots"), [((("a", "i"),), 2), ((), 65), ((), -1)])
def test_a_group_has_fields_or_slots(fields: tuple[tuple[str, str], ...], slots: int) -> None:
    with pytest.raises(BadInput, match="64 slots"):
        GroupSpec(1, "wrong", fields, slots)


def test_slots_are_part_of_the_layout() -> None:
    assert Layout([GroupSpec(1, "a", slots=8)]).hash != Layout([GroupSpec(1, "a", slots=9)]).hash
    assert LAYOUT.cells == 512
