"""Assumptions on the page: equal ones as one, what weighs most first, the rest folded and whole."""

from __future__ import annotations

import pytest

from onetape.report.grouped import SHOWN, enumerated, grouped, in_order
from onetape.report.page_data import _assumed
from onetape.report.report_data import Assumption, ReportData

BTC, ETH, SOL = (f"binance:{coin}/USDT:USDT" for coin in ("BTC", "ETH", "SOL"))


def test_what_is_said_of_several_instruments_is_said_once():
    lines = [
        Assumption(f"{BTC}: no spread is paid", 1, "one tick: -1.50 USDT", "spread", -1.5),
        Assumption("own orders do not move the market", 1, key="impact"),
        Assumption(f"{ETH}: no spread is paid", 1, "one tick: -2.00 USDT", "spread", -2.0),
    ]
    first, second = grouped(lines)
    assert first.text == f"{BTC} and {ETH}: no spread is paid"
    assert (first.size, first.amount) == ("one tick: -3.50 USDT", -3.5)
    assert second is lines[1]


def test_where_only_figures_differ_the_one_that_weighs_most_speaks():
    lines = [
        Assumption(f"{BTC}: tick 0.1, lot 0.001", 0, "fees: -1.00 USDT", "fees", -1.0),
        Assumption(f"{ETH}: tick 0.01, lot 0.01", 0, "fees: -9.00 USDT", "fees", -9.0),
        Assumption(f"{SOL}: tick 0.01, lot 1; inferred: lot", 0, "fees: -2.00 USDT", "fees", -2.0),
    ]
    one, other = grouped(lines)
    assert one.text == f"{ETH}: tick 0.01, lot 0.01; with other figures: {BTC}"
    assert one.size == "fees: -10.00 USDT"
    assert other is lines[2]


def test_what_leans_another_way_stays_apart():
    lines = [Assumption(f"{BTC}: as it is", 1), Assumption(f"{ETH}: as it is", -1)]
    assert grouped(lines) == lines


def test_words_before_a_colon_are_not_always_an_instrument():
    lines = [Assumption("a note: one"), Assumption("another note: one")]
    assert grouped(lines) == lines


def test_the_order_is_by_weight_then_by_what_flatters():
    lines = [
        Assumption("fact", None),
        Assumption("hurts", -1),
        Assumption("unknown", 0),
        Assumption("small", 0, amount=-1.0),
        Assumption("flatters", 1),
        Assumption("large", -1, amount=50.0),
    ]
    order = [each.text for each in in_order(lines)]
    assert order == ["large", "small", "flatters", "unknown", "hurts", "fact"]


@pytest.mark.parametrize("count", [1, SHOWN, SHOWN + 1, SHOWN + 2, 50])
def test_a_page_folds_what_weighs_least_and_loses_no_line(count):
    lines = [Assumption(f"{chr(65 + at % 26)}{'x' * at}", 1) for at in range(count)]
    lines += [Assumption(f"binance:C{at}/USDT: fee {at}", 0, "", "fees") for at in range(count)]
    shown = _assumed(ReportData("t", assumptions=lines))
    open_ = [each for each in shown if not each["folded"]]
    assert len(open_) <= SHOWN + 1
    texts = {each["text"] for each in shown}
    for each in lines:
        assert any(text == each.text or text.startswith(each.text) for text in texts)


@pytest.mark.parametrize(
    ("count", "text"), [(1, "a"), (2, "a and b"), (3, "a, b and c"), (4, "a, b, c and d"), (5, "a, b, c and 2 more")]
)
def test_names_in_a_sentence(count, text):
    assert enumerated(list("abcdefgh")[:count]) == text


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("max_drawdown", 0.0007, "0.07%"),
        ("max_drawdown", 0.1234567, "12.35%"),
        ("return", -0.00012, "-0.012%"),
        ("win_rate", 0.0, "0.00%"),
        ("sharpe", 1.23456789, "1.23457"),
        ("fills", 1234, "1,234"),
        ("max_drawdown", None, "-"),
        ("max_drawdown", "0.0125", "1.25%"),
        ("sharpe", 99996.25, "99,996.2"),
        ("sharpe", -1234567.8, "-1,234,568"),
        ("final_equity", "99996.25", "99996.25"),
    ],
)
def test_fractions_are_written_in_percent(key, value, text):
    from onetape.report.metrics import metric_text

    assert metric_text(key, value) == text
