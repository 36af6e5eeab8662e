"""Client order ids say whose they are, and other people's never seem ours."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.model.errors import BadInput, OrderInvalid
from onetape.model.ids import EPOCH_MAX, ORDINAL_MAX, ClientId, client_id, parse_client_id, robot_tag, tag_of

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


def test_short_limits_are_kept() -> None:
    assert len(client_id("mmaker", epoch=36**3 - 1, ordinal=36**5 - 1, chars_max=18)) == 18
    with pytest.raises(OrderInvalid, match="longer than the venue's 18"):
        client_id("mmaker12", epoch=36**3, ordinal=36**5, chars_max=18)


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
