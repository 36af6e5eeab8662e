"""Two connections that carry the same for a while: what is written is what was said, each once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from onetape.feeds.overlap import Overlap


@given(st.data())
def test_however_two_connections_mingle_each_message_is_taken_once_and_none_is_missed(data):
    said = [f"event {n}".encode() for n in range(data.draw(st.integers(1, 40)))]
    # The second subscribes after the first, and the first ends after that.
    begins = data.draw(st.integers(0, len(said)))
    ends = data.draw(st.integers(begins, len(said)))
    queues = {"old": said[:ends], "new": said[begins:]}
    overlap, taken = Overlap(), []
    overlap.begin()
    follows = data.draw(st.booleans())
    if follows:
        overlap.follow("new")
    while any(queues.values()):
        name = data.draw(st.sampled_from([name for name, queue in queues.items() if queue]))
        message = queues[name].pop(0)
        if overlap.is_new(message, name):
            taken.append(message)
        if follows and not queues["old"]:
            taken += overlap.release("new")
    assert taken == said if follows else sorted(taken) == sorted(said)
    assert overlap.repeated == ends - begins


def test_what_one_connection_says_twice_was_said_twice():
    overlap = Overlap()
    overlap.begin()
    said = [overlap.is_new(b"bid 5", name) for name in ("old", "old", "new", "new", "new")]
    assert said == [True, True, False, False, True]


def test_of_several_that_are_replaced_at_once_the_last_one_ends_the_comparing():
    overlap = Overlap()
    overlap.begin()
    overlap.begin()
    overlap.is_new(b"a", 1)
    overlap.end()
    assert overlap.is_open and not overlap.is_new(b"a", 2)
    overlap.end()
    assert not overlap.is_open
    overlap.begin()
    assert overlap.is_new(b"a", 2)  # nothing is kept of what was before
