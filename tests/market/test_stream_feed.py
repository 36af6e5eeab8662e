"""A feed's messages as events: a core without a clock."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from onetape.market.stream_feed import BadOut, ExternalOut, HealthOut, QuoteOut, StreamFeed, StreamRules

S = 10**9


def feed(**rules: object) -> StreamFeed:
    return StreamFeed(StreamRules("collector:x", {"XAU": "feed:XAU/USD"}, **rules))


def said(of: StreamFeed, value: object, now: int = S, topic: str = "t") -> list:
    return of.message(topic, json.dumps(value).encode(), now)


def numbered(of: StreamFeed, *numbers: int, topic: str = "t") -> list[str]:
    """What each number makes: new, gap N, or nothing."""
    found = []
    for number in numbers:
        outs = said(of, {"seq": number}, topic=topic)
        gaps = [out for out in outs if isinstance(out, HealthOut)]
        words = [f"gap {gap.about.get('missing', '?')}" for gap in gaps]
        words += ["new" for out in outs if isinstance(out, ExternalOut)]
        found.append(" ".join(words))
    return found


def test_a_quote_is_exact_and_has_both_times():
    (out,) = said(feed(), {"symbol": "XAU", "bid": 0.1, "ask": "0.30000000000000004", "ts": 5})
    assert out == QuoteOut(
        S, "feed:XAU/USD", 5 * S, Decimal("0.1"), Decimal("0.30000000000000004"), Decimal(0), Decimal(0)
    )


@pytest.mark.parametrize(
    ("numbers", "made"),
    [
        ((1, 2, 3), ["new", "new", "new"]),
        ((5, 6), ["new", "new"]),  # nobody knows what was before
        ((1, 4), ["new", "gap 2 new"]),
        ((1, 2, 2, 1, 3), ["new", "new", "", "gap ? new", "gap 1 new"]),  # 1: it began again
        ((7, 9, 8, 10), ["new", "gap 1 new", "", "new"]),
        ((9, 0, 1), ["new", "gap ? new", "new"]),
    ],
)
def test_numbers_that_jump_are_gaps_and_those_seen_are_left_out(numbers, made):
    assert numbered(feed(), *numbers) == made


def test_each_topic_counts_for_itself():
    of = feed()
    assert numbered(of, 1, 2) + numbered(of, 1, 2, topic="u") == ["new"] * 4
    assert (of.counts["missing"], of.counts["repeated"]) == (0, 0)


def test_a_loss_is_told_once_and_its_end_with_the_next_message():
    of = feed()
    assert [out.state for out in of.opened(0)] == ["connected"]
    said(of, {}, now=S)
    reported = of.closed(2 * S, "x") + of.closed(3 * S, "y") + of.closed(4 * S, "z")
    assert [(out.time, out.state, out.about) for out in reported] == [(2 * S, "lost", {"why": "x"})]
    assert [out.state for out in of.opened(5 * S) + of.opened(5 * S)] == ["connected"]
    gap, event = said(of, {}, now=8 * S)
    assert gap == HealthOut(8 * S, "gap", {"since": 2 * S, "until": 8 * S, "silent_ms": 6000})
    assert isinstance(event, ExternalOut)
    assert len(said(of, {}, now=9 * S)) == 1


def test_a_silence_is_told_once_where_that_is_wanted():
    of = feed(stale_ns=2 * S)
    of.opened(0)
    assert of.tick(100 * S) == []  # it has said nothing yet
    said(of, {}, now=101 * S)
    assert of.tick(103 * S) == []
    assert [out.state for out in of.tick(104 * S) + of.tick(105 * S)] == ["stale"]
    assert said(of, {}, now=107 * S)[0].about["silent_ms"] == 6000
    assert feed().tick(10**18) == []


def test_an_events_time_is_its_receipt_or_what_it_says():
    assert said(feed(), {"ts": 5}, now=9 * S)[0].time == 9 * S
    (out,) = said(feed(published=True), {"ts": 5}, now=9 * S)
    assert (out.time, out.record["ts_event"], out.record["ts_recv"]) == (5 * S, 5 * S, 9 * S)
    assert said(feed(published=True), {"x": 1})[0].reason.startswith("it has no time")


def test_bad_messages_of_one_reason_are_told_once_a_second():
    of = feed()
    received = [out for at in range(25) for out in of.message("t", b"?", S + at * S // 10)]
    received += of.tick(10 * S)
    assert [(out.time, out.count) for out in received] == [(S, 1), (2 * S, 10), (3 * S, 10), (10 * S, 4)]
    assert all(isinstance(out, BadOut) and out.reason == "not JSON" for out in received)
    assert of.counts["bad"] == of.bad["not JSON"] == 25


def test_the_type_is_the_messages_own_else_its_topic():
    of = feed()
    assert said(of, {"type": "mood"})[0].record["type"] == "mood"
    assert said(of, {"type": 7})[0].record["type"] == "t"
    assert said(of, [1, 2])[0].record["data"] == [1, 2]
    assert said(of, {"channel": "c"}, topic="")[0].record["topic"] == "c"
