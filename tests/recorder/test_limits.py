"""Figures beyond a limit are alerts, which end when they are within again."""

from __future__ import annotations

import pytest

from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.notify.alert import UPDATE_NS
from onetape.options.recorder import Limits, recorder_options
from onetape.recorder.limit_alerts import Watch

LIMITS = Limits({"USDT": "5000"}, utilization=0.8, drawdown=0.1)
CONFIG = """
[venues.x]
kind = "binance-usdm"
[accounts.main]
venue = "x"
[accounts.main.alerts]
{alerts}
{more}
"""


def row(**figures):
    return {
        "account": "main",
        "currency": "USDT",
        "equity": "100",
        "delta": "0",
        "utilization": 0.0,
        "drawdown": 0.0,
        "ts": 0,
    } | figures


@pytest.mark.parametrize(
    ("kind", "figures"),
    [
        # Figures one after the other: whether an alert begins (+), ends (-), or nothing is said.
        (
            "delta",
            [("4999", ""), ("5000", "+"), ("6000", ""), ("-6000", ""), ("4800", ""), ("4749", "-"), ("-5000", "+")],
        ),
        ("utilization", [(0.79, ""), (0.8, "+"), (0.78, ""), (0.7, "-"), (0.9, "+")]),
        ("drawdown", [(0.0, ""), (0.1, "+"), (0.09, "-")]),
    ],
)
def test_an_alert_begins_at_its_limit_and_ends_below_it(kind, figures):
    watch = Watch({"main": LIMITS})
    for figure, said in figures:
        found = list(watch.changes([row(**{kind: figure}), row(account="other", **{kind: figure})]))
        assert [each["kind"] for each in found] == [kind] * len(said), figure
        assert [("severity" in each, each["subject"]) for each in found] == [(c == "+", "main USDT") for c in said]


def test_a_figure_that_goes_on_beyond_its_limit_is_said_as_it_is_now():
    watch, said = Watch({"main": LIMITS}), []
    for ts, delta in ((0, "6000"), (1, "7000"), (UPDATE_NS, "7000"), (UPDATE_NS + 1, "8000"), (3 * UPDATE_NS, "8000")):
        said += [(ts, each["state"], each["severity"]) for each in watch.changes([row(delta=delta, ts=ts)])]
    assert said == [
        (0, "6000, limit 5000", "warning"),
        (UPDATE_NS, "7000, limit 5000", "warning"),
        (3 * UPDATE_NS, "8000, limit 5000", "warning"),
    ]


@pytest.mark.parametrize(("equity", "is_said"), [("-1", True), ("0", False)])
def test_what_nothing_covers_is_beyond_any_utilization(equity, is_said):
    found = Watch({"main": LIMITS}).changes([row(utilization=None, equity=equity)])
    assert [each["kind"] for each in found] == ["utilization"] * is_said


def test_limits_are_read_from_the_configuration(tmp_path):
    text = CONFIG.format(alerts='delta = { USDT = 5000 }\nutilization = "80%"\ndrawdown = "10%"', more="[recorder]")
    options = recorder_options(parse_config(text), home=tmp_path, folder=tmp_path, environ={})
    assert options.limits == {"main": LIMITS}


@pytest.mark.parametrize(
    ("alerts", "more", "word"),
    [
        ("delta = { USDT = 0 }", "[recorder]", "alerts.delta.USDT"),
        ('utilization = "120%"', "[recorder]", "alerts.utilization"),
        ('drawdown = "much"', "[recorder]", "alerts.drawdown"),
        ('drawdown = "10%"', "", "recorder"),
        ('drawdown = "10%"', "[recorder]\nenabled = false", "recorder"),
    ],
)
def test_limits_that_mean_nothing_are_refused(alerts, more, word):
    with pytest.raises(BadConfig, match=word):
        parse_config(CONFIG.format(alerts=alerts, more=more))
