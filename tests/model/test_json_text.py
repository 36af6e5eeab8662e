"""JSON of others is read to a bounded depth, however it is written."""

from __future__ import annotations

import msgspec
import pytest

from onetape.model.json_text import DEPTH_MAX, read_json


def nested(depth: int, inner: bytes = b"1") -> bytes:
    return b'{"a":[' * (depth // 2) + inner + b"]}" * (depth // 2)


def test_what_is_as_deep_as_allowed_is_read():
    assert read_json(nested(DEPTH_MAX)) == msgspec.json.decode(nested(DEPTH_MAX))


@pytest.mark.parametrize(
    "body",
    [
        nested(DEPTH_MAX + 2),
        nested(20_000),
        b"{" * 20_000,
        b"[" * 20_000,
        b"[" + nested(DEPTH_MAX, b"[]") + b"]",
        b'["' + b"[" * 100 + b'",' + nested(DEPTH_MAX) + b"]",  # brackets of a text beside it
    ],
)
def test_what_is_deeper_is_refused_as_what_is_no_json_is(body: bytes):
    with pytest.raises(msgspec.DecodeError):
        read_json(body)


@pytest.mark.parametrize("body", [b"[[1,2],[3]]", b"[" + b"[1,[2]]," * 5000 + b"[]]"])
def test_what_is_wide_is_read(body: bytes):
    assert read_json(body) == msgspec.json.decode(body)


def test_brackets_inside_of_texts_are_no_levels():
    body = msgspec.json.encode({"text": '[{"' * 1000 + "\\" * 3, "more": [["]"]]})
    assert read_json(body) == msgspec.json.decode(body)
