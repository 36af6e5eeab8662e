"""Histograms of durations, and what belongs to which span."""

from __future__ import annotations

import random

import pytest

from onetape.gateway.latency_spans import Histogram, Spans
from onetape.model.ids import client_id, robot_tag
from onetape.orders.calls import Call, OrderKey, Purpose
from onetape.orders.outcome import Answer, Outcome

US = 1000
NAMES = ("received_to_decided", "decided_to_out", "out_to_acknowledged")


def test_a_percentile_is_never_too_short_and_a_sixteenth_too_long_at_most():
    rng = random.Random(6)
    samples = sorted(int(rng.lognormvariate(10, 3)) for _ in range(4000))
    reported = Histogram()
    for each in samples:
        reported.note(each)
    for percent in (1, 25, 50, 90, 99, 99.9, 100):
        exact = samples[max(0, -int(-len(samples) * percent // 100) - 1)]
        assert exact <= reported.percentile(percent) <= exact + exact // 16
    assert reported.largest == samples[-1]
    assert reported.count == 4000


@pytest.mark.parametrize("ns", [0, 1, 15, 16, 31, 32, 33, 63, 64, 1023, 1 << 40])
def test_one_value_is_told_as_it_is(ns):
    reported = Histogram()
    reported.note(ns)
    assert reported.percentile(50) == reported.percentile(99) == ns


def test_nothing_measured_is_summary_as_nothing():
    summary = Histogram().summary()
    assert set(summary.pop("le_us").values()) == {0}
    assert summary == {"count": 0, "p50_us": 0, "p99_us": 0, "p999_us": 0, "max_us": 0, "sum_us": 0}


def test_how_many_took_at_most_so_long_is_a_bound_for_each_and_a_sixteenth_short_at_most():
    rng, histogram = random.Random(7), Histogram()
    samples = [int(rng.lognormvariate(12, 3)) for _ in range(4000)]
    for each in samples:
        histogram.note(each)
    summary = histogram.summary()
    assert summary["sum_us"] == pytest.approx(sum(samples) / US)
    for us, count in summary["le_us"].items():
        surely, at_most = (sum(each <= bound for each in samples) for bound in (int(us) * US * 15 // 16, int(us) * US))
        assert surely <= count <= at_most
    assert list(map(int, summary["le_us"])) == sorted(map(int, summary["le_us"]))


def call(purpose: Purpose = Purpose.PLACE, name: str = "a") -> Call:
    return Call(purpose, "POST", "/", b"", {}, 1, subject=OrderKey("X", name))


def counts(spans: Spans) -> list[float]:
    return [spans.summary()[name]["count"] for name in NAMES]


DONE = Answer(Outcome.DONE)


def test_an_order_of_a_robot_has_three_spans():
    spans = Spans()
    spans.decided_at = 30 * US
    spans.out(call(), 75 * US)
    spans.decided_at = 0
    spans.decided(10 * US, 30 * US, "mm")
    spans.answered(call(), DONE, 275 * US)
    assert [spans.summary()[name]["max_us"] for name in NAMES] == [20, 45, 200]


def test_an_order_that_finds_no_connection_is_on_its_way_while_it_waits():
    spans = Spans()
    spans.decided_at = 30 * US
    spans.waits(call())
    spans.waits(call(name="refused"))
    spans.decided_at = 0
    spans.out(call(), 730 * US)
    spans.answered(call(), DONE, 930 * US)
    spans.answered(call(name="refused"), DONE, 40 * US)  # by our own budget
    assert [spans.summary()[name]["max_us"] for name in NAMES] == [0, 700, 200]
    assert counts(spans) == [0, 1, 1]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s.out(call(), 5), [0, 0, 0]),  # nobody decided: the kill switch
        (lambda s: s.out(call(Purpose.FILLS), 5), [0, 0, 0]),
        (lambda s: [s.waits(call()), s.out(call(), 5)], [0, 0, 0]),
        (lambda s: s.answered(call(), DONE, 5), [0, 0, 0]),  # it never went out
        (lambda s: s.decided(10, 5, "mm"), [0, 0, 0]),  # the clock was set back
    ],
)
def test_what_is_no_span_is_not_counted(change, expected):
    spans = Spans()
    change(spans)
    assert counts(spans) == expected


def test_an_answer_that_never_came_is_not_counted_and_not_waited_for():
    spans = Spans()
    spans.out(call(), 5)
    spans.answered(call(), Answer(Outcome.AMBIGUOUS), 50)
    spans.answered(call(), DONE, 60)
    assert counts(spans) == [0, 0, 0]


def test_a_cancel_is_not_taken_for_its_placing():
    spans = Spans()
    spans.out(call(), 5)
    spans.out(call(Purpose.CANCEL), 7)
    spans.answered(call(Purpose.CANCEL), DONE, 8)
    spans.answered(call(), DONE, 25)
    assert counts(spans) == [0, 0, 2]
    assert spans.summary()[NAMES[2]]["max_us"] == 20 / 1000


def test_each_robot_has_spans_of_its_own_by_its_client_ids():
    spans = Spans()
    slow, fast = "Slow-Robot 1", "mm"
    for robot, us, orders in ((slow, 900, 2), (fast, 40, 3)):
        spans.follow(robot)
        for ordinal in range(1, orders + 1):
            one = call(name=client_id(robot_tag(robot), epoch=1, ordinal=ordinal))
            spans.decided_at = 30 * US
            spans.out(one, (30 + us) * US)
            spans.decided_at = 0
            spans.decided(10 * US, 30 * US, robot)
            spans.answered(one, DONE, (30 + 3 * us) * US)
    spans.out(call(name=client_id("guardian", epoch=1, ordinal=1)), 5)  # no robot that is followed
    rows = spans.by_robot()
    assert {name: [row[n]["count"] for n in NAMES] for name, row in rows.items()} == {slow: [2] * 3, fast: [3] * 3}
    assert [rows[slow][n]["max_us"] for n in NAMES] == [20, 900, 1800]
    assert [rows[fast][n]["max_us"] for n in NAMES] == [20, 40, 80]
    assert counts(spans) == [5, 5, 5]
