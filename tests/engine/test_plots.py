"""`self.plot`: on the tape in its place, drawn by report and pages, refused where it makes no sense."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal

import pytest

import onetape
from onetape.engine.strategy import Strategy
from onetape.report.plots import read_plots
from onetape.tape.journal import JournalReader
from worlds.tapes import BTC, Market, play, records


class Draws(Strategy):
    def on_start(self):
        self.subscribe(BTC, quotes=True)

    def on_quote(self, quote):
        self.plot("mid", quote.mid)
        self.plot("every other", quote.bid if quote.bid % 2 else None)


class Parent(Strategy):
    def on_start(self):
        self.child(Draws, "inner")
        self.plot("own", 1)


def tape(tmp_path, count=4):
    market = Market(tmp_path / "a.tape")
    for second in range(count):
        market.quote(second, 100 + second, 100.1 + second)
    return market.done()


def test_each_value_is_on_the_tape_when_it_was_drawn(tmp_path):
    play(Draws, tape(tmp_path), journal=tmp_path / "j")
    drawn = [(each.data["name"], each.data["value"]) for each in records(tmp_path / "j", "plot")]
    assert drawn[:4] == [("mid", 100.05), ("every other", None), ("mid", 101.05), ("every other", 101.0)]
    with JournalReader(tmp_path / "j") as reader:
        found = read_plots(reader)
    times, values = found["every other"]
    assert len(times) == 4 and math.isnan(values[0]) and values[1] == 101.0


def test_a_series_of_a_strategy_inside_another_is_named_by_its_place(tmp_path):
    play(Parent, tape(tmp_path), journal=tmp_path / "j")
    with JournalReader(tmp_path / "j") as reader:
        assert list(read_plots(reader)) == ["own", "/parent/inner mid", "/parent/inner every other"]


@pytest.mark.parametrize(
    ("name", "value"), [("", 1), ("x" * 65, 1), (7, 1), ("a", math.inf), ("a", "no"), ("a", [1]), ("a", 10**400)]
)
def test_what_no_line_can_show_is_refused(tmp_path, name, value):
    class Wrong(Strategy):
        def on_start(self):
            with pytest.raises(ValueError, match="plot"):
                self.plot(name, value)

    assert not play(Wrong, tape(tmp_path), journal=tmp_path / "j").host.failures
    assert not records(tmp_path / "j", "plot")


@pytest.mark.parametrize("value", [1, 1.5, Decimal("1.5"), True, None, math.nan])
def test_numbers_of_all_kinds_are_drawn(tmp_path, value):
    class Draws(Strategy):
        def on_start(self):
            self.plot("a", value)

    play(Draws, tape(tmp_path), journal=tmp_path / "j")
    (drawn,) = (each.data["value"] for each in records(tmp_path / "j", "plot"))
    assert drawn == (None if value is None or math.isnan(value) else float(value))


def test_report_run_and_replay_have_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = onetape.backtest(Draws, data=tape(tmp_path, 40), cash=1000, out="r")
    assert run.plots.filter(name="mid").height == 40 and run.plots["value"].null_count() == 20
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', run.report().read_text(), re.S)
    plots = json.loads(data)["plots"]
    assert [each["name"] for each in plots] == ["mid", "every other"]
    assert plots[0]["line"][1][:2] == [100.05, 101.05] and plots[1]["line"][1][:2] == [None, 101.0]
