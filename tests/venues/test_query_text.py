"""Parameters of requests as text: as the standard library writes them, whatever is in them."""

from __future__ import annotations

from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st

from onetape.venues.query_text import query_text


@given(
    st.dictionaries(
        st.text(max_size=6) | st.sampled_from(["symbol", "a=b", "a&b"]),
        st.text(max_size=8) | st.sampled_from(["BTCUSDT", "0.10", "a=1", "x&y=2", "&", "%41", "+"]),
        max_size=5,
    )
)
def test_it_is_what_the_standard_library_writes(params):
    assert query_text(params) == urlencode(params)
