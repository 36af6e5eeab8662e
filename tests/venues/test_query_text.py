"""Parameters of requests as text: as the standard library writes them, whatever is in them."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape import _core
from onetape.venues.query_text import query_text

PARAMS = st.dictionaries(
    st.text(max_size=6) | st.sampled_from(["symbol", "a=b", "a&b"]),
    st.text(max_size=8) | st.sampled_from(["BTCUSDT", "0.10", "a=1", "x&y=2", "&", "%41", "+"]),
    max_size=5,
)


@given(PARAMS)
def test_it_is_what_the_standard_library_writes(params):
    assert query_text(params) == urlencode(params)


@given(PARAMS, st.binary(max_size=100))
def test_the_core_joins_and_signs_what_the_standard_library_would(params, secret):
    tail = "recvWindow=5000&timestamp=1795000000000"
    text = f"{urlencode(params)}&{tail}" if params else tail
    signature = hmac.digest(secret, text.encode(), "sha256").hex()
    core = _core.HmacSha256(secret)
    assert core.signed_query(params, tail) == f"{text}&signature={signature}"
    assert core.hex(text.encode()) == signature


def test_a_parameter_that_is_no_text_is_refused():
    core = _core.HmacSha256(b"key")
    with pytest.raises(TypeError):
        core.signed_query({"price": 1}, "a=1")
    with pytest.raises(UnicodeEncodeError):
        core.signed_query({"price": "\ud800"}, "a=1")


def test_a_signature_is_known_in_letters_of_any_case_and_nothing_else_is():
    key = _core.HmacSha256(b"key")
    good = hmac.new(b"key", b"text", hashlib.sha256).hexdigest()
    assert key.is_code(b"text", good)
    assert key.is_code(b"text", good.upper())
    for bad in ("", good[:-1], good + "0", good[:-1] + "g", "\ud800" * 64, "é" * 32):
        assert not key.is_code(b"text", bad)
    assert not key.is_code(b"test", good)
