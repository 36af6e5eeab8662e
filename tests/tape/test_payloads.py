"""Fixed payloads by the names of their fields: what is written under a name is what the tape's own schema reads."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.model.errors import InvariantViolation
from onetape.tape.payloads import LEVEL, fields, offset_of
from onetape.tape.schema import built_in

FIXED = [schema for schema in built_in().values() if schema.fixed]


def named(schema) -> list[str]:
    return [item.name for item in schema.fields if item.kind not in "xk"]


@pytest.mark.parametrize("schema", FIXED, ids=lambda schema: schema.name)
@given(data=st.data())
def test_some_fields_are_those_of_the_schema(schema, data):
    whole = data.draw(st.binary(min_size=schema.payload_bytes, max_size=schema.payload_bytes))
    decoded = schema.decode(whole + bytes(0)) if schema.tail is None else None
    requested = [name for name in named(schema) if data.draw(st.booleans())] or named(schema)[:1]
    layout = fields(schema.name, *requested)
    assert layout.size == schema.payload_bytes
    values = iter(layout.unpack(whole))
    for name in requested:
        item = next(each for each in schema.fields if each.name == name)
        value = next(values)
        if item.code == "qq":
            value = (value & (1 << 64) - 1) | next(values) << 64
        if decoded is not None and item.kind != "c":
            assert decoded[name] == (item.names[value] if item.names and value < len(item.names) else value)
        assert offset_of(schema.name, name) == item.offset


@pytest.mark.parametrize("schema", FIXED, ids=lambda schema: schema.name)
def test_what_is_not_named_is_written_as_nothing(schema):
    whole = fields(schema.name)
    values = [b"x" * (len(each)) if isinstance(each, bytes) else 1 for each in whole.unpack(bytes(whole.size))]
    last = named(schema)[-1]
    only = fields(schema.name, last)
    written = whole.unpack(only.pack(*values[-len(only.unpack(bytes(only.size))) :]))
    count = len(only.unpack(bytes(only.size)))
    assert not any(int.from_bytes(each) if isinstance(each, bytes) else each for each in written[:-count])
    assert list(written[-count:]) == values[-count:]


@pytest.mark.parametrize(
    "names", [("quote", "ask", "bid"), ("quote", "reserved"), ("quote", "last"), ("nothing", "bid"), ("alert",)]
)
def test_a_field_that_is_not_there_or_out_of_order_is_refused(names):
    with pytest.raises(InvariantViolation):
        fields(*names)


def test_a_payload_that_is_too_short_is_refused():
    layout = fields("order_event", "order_id", "robot")
    with pytest.raises(struct.error):
        layout.unpack_from(bytes(layout.size - 1))


def test_a_level_is_what_a_book_has_of_it():
    book = next(schema for schema in FIXED if schema.name == "book")
    payload = fields("book", "bid_count", "ask_count").pack(1, 1) + LEVEL.pack(5, 6) + LEVEL.pack(7, 8)
    decoded = book.decode(payload)
    assert (decoded["bids"], decoded["asks"]) == ([(5, 6)], [(7, 8)])
