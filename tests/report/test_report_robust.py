"""Whatever a run was, its report comes out: finite JSON, no exception, no lost fill."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_report import embedded

from long_form import examples
from onetape.report.metrics import METRICS, STATISTICS
from onetape.report.report import render_report
from onetape.report.report_data import ORDER_STATES, Fills, Market, Orders, ReportData, Resting
from onetape.report.report_json import finite, report_value, write_json
from onetape.report.summary import analyze, summarize

AMOUNTS = st.floats(-1e15, 1e15) | st.sampled_from([0.0, 1e-18, -1e-18, 1e300, -1e300])
TIMES = st.integers(0, 4 * 10**18)
SPAN = 400 * 86_400 * 10**9  # over a year


@st.composite
def runs(draw):
    def column(elements, count, kind=np.float64):
        return np.array(draw(st.lists(elements, min_size=count, max_size=count)), dtype=kind).reshape(count)

    samples, many, request = (draw(st.integers(0, 12)) for _ in range(3))
    markets = []
    for number in range(draw(st.integers(1, 3))):
        steps = draw(st.integers(0, 4))
        markets.append(
            Market(
                f"a:M{number}/B",
                price_ts=np.sort(column(TIMES, steps, np.int64)),
                price=np.abs(column(AMOUNTS, steps)),
                position_ts=np.sort(column(TIMES, steps, np.int64)),
                position=column(AMOUNTS, steps),
                kind=draw(st.sampled_from(["spot", "linear", "inverse"])),
                tick=draw(st.sampled_from([0.0, 0.1, 1e-8])),
                settles_in_run=draw(st.booleans()),
            )
        )
    fills = Fills(
        ts=np.sort(column(TIMES, many, np.int64)),
        market=column(st.integers(0, len(markets) - 1), many, np.int64),
        side=column(st.sampled_from([1, -1]), many, np.int64),
        price=np.abs(column(st.floats(0, 1e9), many)),
        qty=np.abs(column(st.floats(1e-8, 1e12), many)),
        fee=column(AMOUNTS, many),
        realized=column(AMOUNTS, many),
        is_maker=column(st.booleans(), many, np.bool_),
        order=np.arange(many, dtype=np.int64),
    )
    orders = Orders(
        id=np.arange(request, dtype=np.int64),
        market=np.zeros(request, dtype=np.int64),
        side=np.ones(request, dtype=np.int64),
        price=column(AMOUNTS, request),
        trigger=column(AMOUNTS, request),
        qty=np.abs(column(AMOUNTS, request)),
        filled=np.abs(column(AMOUNTS, request)),
        state=column(st.integers(0, len(ORDER_STATES) - 1), request, np.int64),
        ts_request=np.sort(column(TIMES, request, np.int64)),
        ts_answer=column(TIMES, request, np.int64),
        ts_fill=column(TIMES, request, np.int64),
        ts_done=column(TIMES, request, np.int64),
    )
    return ReportData(
        title="x",
        equity_ts=np.sort(column(st.integers(10**18, 10**18 + SPAN), samples, np.int64)),
        equity=column(AMOUNTS, samples),
        markets=markets,
        fills=fills,
        orders=orders,
        resting=Resting(np.abs(column(TIMES, many, np.int64))),
    )


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # sums of 1e300 overflow, and show as dashes
@settings(max_examples=examples(150), deadline=None)
@given(runs())
def test_any_run_has_a_report(data):
    analysis = analyze(data)
    data.stats = summarize(data, orders=len(data.orders.id), analysis=analysis)
    json.dumps(finite(report_value(data, analysis)), allow_nan=False)
    shown = embedded(render_report(data, analysis))
    assert shown["fills"]["total"] == len(data.fills.ts)
    days = sum(each.fills for each in analysis.days)
    inside = (
        (data.fills.ts >= analysis.days[0].start).sum() if analysis.days else 0
    )  # fills before the first sample belong to no day
    assert days == inside


def test_every_statistic_has_a_name_and_says_what_it_assumes():
    keys = [each.key for each in METRICS]
    assert len(set(keys)) == len(keys)
    assert all(each.name and each.note for each in METRICS)
    data = ReportData(title="x")
    assert set(summarize(data, orders=1)) == {each.key for each in STATISTICS}


def test_text_that_is_not_unicode_is_still_written(tmp_path):
    path = write_json({"name": "\udc80 caf\u00e9"}, tmp_path / "a.json")
    assert json.loads(path.read_text()) == {"name": "\udc80 caf\u00e9"}


def test_the_documents_list_every_statistic_as_the_page_has_it():
    page = Path(__file__).resolve().parents[2] / "docs" / "concepts" / "reports.md"
    table = ["| key | name | |", "|---|---|---|"]
    table += [f"| `{each.key}` | {each.name.strip('… ')} | {each.note} |" for each in STATISTICS]
    text = page.read_text()
    assert "<!-- statistics -->\n" + "\n".join(table) + "\n<!-- /statistics -->" in text


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ([1, "a", None, True], [1, "a", None, True]),
        ([1.5, 2, math.nan, -math.inf, None], [1.5, 2, None, None, None]),
        ((1.0, math.inf), [1.0, None]),
        ([np.float64("nan"), 1.0, [math.inf]], [None, 1.0, [None]]),
        (np.array([1.0, 2.5]), [1.0, 2.5]),
        (np.array([[1.0, np.nan]]), [[1.0, None]]),
        (np.array([1, 2], dtype=np.uint64), [1, 2]),
        (np.array([True]), [True]),
        (np.array(["x"]), ["x"]),
        ([], []),
        ({"a": (math.nan,)}, {"a": [None]}),
    ],
)
def test_every_value_becomes_plain_json(value, plain):
    assert finite(value) == plain
    assert json.loads(json.dumps(finite(value), allow_nan=False)) == plain
