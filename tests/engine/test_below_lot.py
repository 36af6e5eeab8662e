"""A wish of less than one lot is nothing: it is said once and counted, never dropped in silence."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from onetape.engine.compiled import compiled
from onetape.engine.strategy import Strategy
from onetape.runs.run_summary import RunResult, why_no_orders
from worlds.tapes import BTC, Market, play, records


class Quotes(Strategy):
    size: float = 0.0004

    def on_start(self):
        self.subscribe(BTC, quotes=True)

    def on_quote(self, quote):
        self.set_quotes(BTC, [(quote.bid, self.size)], [(quote.ask, self.size)])


@compiled
class CompiledQuotes(Strategy):
    size: float = 0.0004

    def on_start(self):
        self.subscribe(BTC, quotes=True)

    def on_quote(self, quote):
        self.set_quotes(BTC, [(quote.bid, self.size)], [(quote.ask, self.size)])


class Targets(Strategy):
    size: float = 0.0004

    def on_start(self):
        self.subscribe(BTC, quotes=True)

    def on_quote(self, quote):
        self.set_target(BTC, self.size)


@compiled
class CompiledTargets(Strategy):
    size: float = 0.0004

    def on_start(self):
        self.subscribe(BTC, quotes=True)

    def on_quote(self, quote):
        self.set_target(BTC, self.size)


class WorkedTargets(Strategy):
    size: float = 0.0004

    def on_start(self):
        self.subscribe(BTC, quotes=True)

    def on_quote(self, quote):
        self.set_target(BTC, self.size, algo="twap", minutes=1)


def three_quotes(tmp_path: Path) -> Path:
    market = Market(tmp_path / "t")
    for second in range(3):
        market.quote(second, 99.9, 100.1)
    return market.done()


def said(journal: Path) -> list[str]:
    return [r.data["text"] for r in records(journal, "log") if r.data["level"] == "warning"]


@pytest.mark.parametrize(
    ("strategy", "service", "wishes"),
    [
        (Quotes, "set_quotes", 6),
        (CompiledQuotes, "set_quotes", 6),
        (Targets, "set_target", 3),
        (CompiledTargets, "set_target", 3),
        (WorkedTargets, "set_target", 3),
    ],
)
def test_wishes_below_one_lot_are_said_once_and_counted(tmp_path, strategy, service, wishes):
    session = play(strategy, three_quotes(tmp_path), journal=tmp_path / "run").session
    (line,) = said(tmp_path / "run")
    assert line == f"{service}: a quantity below one lot (0.001 for {BTC}) has no effect"
    result = RunResult.of(session, run=tmp_path / "run", seconds=1.0)
    assert result.as_json()["below_lot"] == {service: wishes}
    assert f"{wishes} " in why_no_orders(session)
    assert service in why_no_orders(session)


@pytest.mark.parametrize("nothing", [0, 0.0, "0", "0.000", Decimal(0)])
def test_no_size_at_all_is_a_wish_for_nothing(tmp_path, nothing):
    class Mine(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)

        def on_quote(self, quote):
            self.set_quotes(BTC, [(quote.bid, nothing)], [])
            self.set_target(BTC, nothing)
            self.set_target(BTC, nothing, algo="join", minutes=1)

    session = play(Mine, three_quotes(tmp_path), journal=tmp_path / "run").session
    assert said(tmp_path / "run") == []
    assert RunResult.of(session, run=tmp_path / "run", seconds=1.0).below_lot == {}
    assert "requested no order" in why_no_orders(session)


def test_a_whole_lot_is_no_such_wish(tmp_path):
    params = {"size": 0.001}
    session = play(Quotes, three_quotes(tmp_path), journal=tmp_path / "run", params=params).session
    assert said(tmp_path / "run") == []
    assert session.loop.counters()["orders"] == 2
