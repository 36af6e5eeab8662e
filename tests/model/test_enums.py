"""Our words are the core's words, and their ids its ids."""

import pytest

from onetape import _core
from onetape.model.enums import (
    FINAL_STATES,
    EventType,
    IdKind,
    Liquidity,
    OrderNews,
    OrderState,
    OrderType,
    PositionSide,
    RequestKind,
    Side,
    TapeWord,
    TimeInForce,
    TriggerBy,
)

FIELDS = {
    (event, field): names for _, event, _, _, fields, _ in _core.event_specs() for field, _, _, _, names in fields
}


@pytest.mark.parametrize(
    ("event", "field", "words"),
    [
        ("trade", "side", Side),
        ("trade", "id_kind", IdKind),
        ("liquidation", "side", Side),
        ("order_request", "kind", RequestKind),
        ("order_request", "side", Side),
        ("order_request", "type", OrderType),
        ("order_request", "tif", TimeInForce),
        ("order_request", "trigger_by", TriggerBy),
        ("order_request", "position_side", PositionSide),
        ("order_event", "news", OrderNews),
        ("order_event", "state", OrderState),
        ("fill", "side", Side),
        ("fill", "liquidity", Liquidity),
        ("fill", "position_side", PositionSide),
    ],
)
def test_a_stored_word_has_the_core_s_number(event: str, field: str, words: type[TapeWord]) -> None:
    published = {n: word for n, word in enumerate(FIELDS[event, field].split(",")) if word}
    assert {word.id: word.value for word in words} == published
    assert [words.from_id(n).value for n in published] == list(published.values())


def test_event_types_are_the_core_s() -> None:
    assert {t.id: t.value for t in EventType} == {row[0]: row[1] for row in _core.event_specs()}


def test_a_number_without_a_word_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="OrderState has no id 0"):
        OrderState.from_id(0)


def test_sides_are_the_contracts_words() -> None:
    assert [side.sign for side in Side] == [0, 1, -1]
    assert [side.opposite for side in Side] == [Side.NONE, Side.SELL, Side.BUY]


def test_final_states_are_the_five_that_end_an_order() -> None:
    assert {str(s) for s in FINAL_STATES} == {"FILLED", "CANCELED", "REJECTED", "DENIED", "EXPIRED"}
    assert [s for s in OrderState if s.is_final] == [s for s in OrderState if s in FINAL_STATES]
