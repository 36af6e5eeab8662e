"""Client order ids say whose they are, and other people's never seem ours."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.model.errors import BadInput
from onetape.model.ids import (
    EPOCH_BITS,
    EPOCH_DRAWN,
    EPOCH_MAX,
    ORDINAL_MAX,
    ClientId,
    client_id,
    client_id_of_order,
    epoch_of,
    is_by_hand,
    is_past_gateway,
    next_by_hand,
    parse_client_id,
    robot_tag,
    tag_of,
)
from onetape.model.time import MS, SECOND
from onetape.venues.client_ids import UUID_CHARS, client_id_of, short_id, uuid_of

TAGS = st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)


@given(TAGS, st.integers(1, EPOCH_MAX), st.integers(1, ORDINAL_MAX))
def test_an_id_reads_back(tag: str, epoch: int, ordinal: int) -> None:
    text = client_id(tag, epoch=epoch, ordinal=ordinal)
    assert parse_client_id(text) == ClientId(tag, epoch, ordinal)
    assert str(ClientId(tag, epoch, ordinal)) == text
    assert re.fullmatch(r"[A-Za-z0-9]{1,32}", text)  # the strictest venue


@given(st.lists(st.tuples(TAGS, st.integers(1, 99), st.integers(1, 10**6)), unique=True))
def test_ids_never_repeat(orders: list[tuple[str, int, int]]) -> None:
    ids = {client_id(tag, epoch=epoch, ordinal=ordinal) for tag, epoch, ordinal in orders}
    assert len(ids) == len(orders)


@pytest.mark.parametrize("text", ["", "web_1234", "TmmX1X1", "TmmX1X1!", "x-Tmm", "TmmX01X1a", "TmmX0X1a", "TMMX1X1a"])
def test_other_people_s_ids_are_not_ours(text: str) -> None:
    assert parse_client_id(text) is None


def test_one_changed_character_shows_mostly() -> None:
    text = client_id("mm", epoch=2, ordinal=1000)
    changed = [text[:n] + c + text[n + 1 :] for n in range(len(text)) for c in "0a1zTX"]
    wrong = [t for t in changed if t != text and parse_client_id(t) is not None]
    assert len(wrong) <= len(changed) // 10


# As the ids of earlier builds, which stand on tapes and at venues.
@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (ClientId("mm1", 2, 71), "Tmm1X2X1zv"),
        (ClientId("a", EPOCH_MAX, ORDINAL_MAX, 35), "TaXhra0hrXzzzzzzzzzzXz4"),
        (ClientId("01234567", 216_000_000, 1), "T01234567X3klmo0X13"),
    ],
)
def test_ids_stay_what_they_were(parts: ClientId, text: str) -> None:
    assert str(parts) == text and parse_client_id(text) == parts


@pytest.mark.parametrize(
    "text", ["TmmX1X01", "TmmX1X1X0", "TmmX1X1X1X1", "TmmX1", "T", "TX1X1", "\ud800", "TmmX1X1\u0660", "TmmX1XA"]
)
def test_what_only_looks_like_an_id_is_none(text: str) -> None:
    for check in "0123456789abcdefghijklmnopqrstuvwxyz":
        assert parse_client_id(text + check) is None


@pytest.mark.parametrize(
    ("tag", "epoch", "ordinal"), [("", 1, 1), ("MM", 1, 1), ("a-b", 1, 1), ("a" * 9, 1, 1), ("a", 0, 1), ("a", 1, 0)]
)
def test_what_cannot_be_in_an_id(tag: str, epoch: int, ordinal: int) -> None:
    with pytest.raises(BadInput):
        client_id(tag, epoch=epoch, ordinal=ordinal)


def test_the_tag_is_cut_out_of_an_id():
    assert tag_of(client_id(robot_tag("mm1"), epoch=2, ordinal=71)) == "mm1"
    assert tag_of("by-hand") == "by-hand"  # of no robot


def test_tags_of_robots_differ() -> None:
    assert robot_tag("mm") == "mm"
    tags = {robot_tag(f"market-maker-{n}") for n in range(200)}
    assert len(tags) == 200
    assert all(re.fullmatch(r"[a-z0-9]{8}", tag) for tag in tags)
    assert re.fullmatch(r"[a-z0-9]{5,8}", robot_tag("做市"))


NOW = 1_795_000_000 * SECOND


@given(st.integers(-(2**62), 2 * NOW), st.integers(0, 10 * SECOND))
def test_epochs_are_of_the_time_and_never_before_those_that_were_counted(now: int, later: int) -> None:
    assert EPOCH_DRAWN <= epoch_of(now) <= epoch_of(now + later) <= epoch_of(now) + later // SECOND + 1
    assert epoch_of(2_650_000_000 * SECOND) <= EPOCH_MAX  # of the year 2053


@given(st.integers(NOW, 2_600_000_000 * SECOND), st.integers(1, 1000), st.booleans())
def test_orders_by_hand_have_ids_of_the_time_that_no_robot_s_life_has(now: int, count: int, is_past: bool) -> None:
    used = [0]
    for _ in range(count):
        used.append(next_by_hand(used[-1], now, is_past_gateway=is_past))
    later = next_by_hand(0, now + MS, is_past_gateway=is_past)  # of another home, which knows of none of them
    assert len({*used, later}) == count + 2 and later > used[-1]
    for each in (*used[1:], later):
        assert is_by_hand(each) and is_past_gateway(each) is is_past
        assert EPOCH_DRAWN <= each >> EPOCH_BITS <= EPOCH_MAX
    assert not is_by_hand(epoch_of(now) << EPOCH_BITS | 1)
    assert next_by_hand(later, now - 9 * SECOND, is_past_gateway=is_past) == later + 1  # a clock that goes back


@pytest.mark.parametrize("is_past", [False, True])
def test_orders_by_hand_stay_what_they_are_where_a_second_has_no_more_ids(is_past: bool) -> None:
    last = next_by_hand(0, NOW // SECOND * SECOND + SECOND - 1, is_past_gateway=is_past)
    for _ in range(3):
        last, before = next_by_hand(last, NOW, is_past_gateway=is_past), last
        assert is_by_hand(last) and is_past_gateway(last) is is_past and last > before
    assert last >> 32 == epoch_of(NOW) + 1


@pytest.mark.parametrize("tag", ["m", "operator"])
@pytest.mark.parametrize("order_id", [1 << 32 | 77, epoch_of(NOW) << 32 | 36**5 - 1, next_by_hand(0, NOW + 999 * MS)])
def test_ids_of_each_kind_fit_where_a_uuid_or_few_letters_are_taken(tag: str, order_id: int) -> None:
    ours = client_id_of_order(tag, order_id)
    assert len(ours) <= UUID_CHARS
    for written in (uuid_of(ours), short_id(ours)):
        assert client_id_of(written) == ours
    assert len(short_id(ours)) <= 18 or short_id(ours) == uuid_of(ours)
    assert short_id("OABCDE-FGHIJK-LMNOPQ") == "OABCDE-FGHIJK-LMNOPQ"  # the venue's own
