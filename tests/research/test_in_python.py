"""What a notebook gives `onetape.backtest`, and what it gets: numbers where they can mean one
thing, one clear line else; a run that shows itself."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import onetape
from onetape import Strategy
from onetape.data.sample import write_sample
from onetape.model.errors import BadConfig, InvalidAmount, NotAvailable

BTC = "binance:BTC/USDT:USDT"


class Cross(Strategy):
    fast: int = 3
    symbol: str = BTC

    def on_start(self):
        self.subscribe(self.symbol, quotes=True)
        self.seen = 0

    def on_quote(self, quote):
        self.seen += 1
        if self.seen == 2:
            self.buy(self.symbol, 1_000_000)
        if self.seen % 50 == 0:
            self.set_target(self.symbol, 0.01 if self.seen % 100 else 0)


@pytest.fixture(scope="module")
def tape(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "market.tape"
    write_sample(path, events=3000)
    return path


@pytest.fixture(scope="module")
def two_currencies(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("data") / "two.tape"
    write_sample(path, events=500, symbols=[BTC, "kraken:BTC/USD"])
    return path


@pytest.fixture
def run_of(tape, tmp_path):
    def run(**options):
        options.setdefault("strategy", Cross)
        options.setdefault("data", tape)
        return onetape.backtest(home=tmp_path / "home", report=False, **options)

    return run


@pytest.mark.parametrize("cash", [100000, 100000.0, "100000", "100_000", "100000 USDT"])
def test_cash_as_a_number_is_in_the_currency_that_the_data_settle_in(run_of, cash):
    assert run_of(cash=cash).facts["money"]["cash"] == ["100000 USDT"]


def test_cash_as_a_number_where_there_are_several_currencies_says_which(run_of, two_currencies):
    with pytest.raises(BadConfig, match="is missing: the data settle in USD and USDT"):
        run_of(cash=100000, data=two_currencies)
    run = run_of(cash=5000, data=two_currencies, symbol=BTC)
    assert run.facts["money"]["cash"] == ["5000 USDT"]


@pytest.mark.parametrize("cash", ["100,000 USDT", "binance=1,000,000 USDT", {"binance": "1,000 BTC"}])
def test_a_comma_inside_a_number_is_said(run_of, cash):
    with pytest.raises(InvalidAmount, match="a comma inside a number") as raised:
        run_of(cash=cash)
    assert "write 1" in str(raised.value)


@pytest.mark.parametrize("fee", [0.001, "0.001", (0.001, 0.001)])
def test_one_fee_serves_maker_and_taker(run_of, fee):
    run = run_of(fee=fee)
    (instrument,) = run.facts["instrument"]
    assert run.facts["result"]["fills"] > 0
    assert run.facts["money"]["fee"] == ["0.001", "0.001"], instrument


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"latency": 10}, "10 is no latency, latency, write for example '10ms'"),
        ({"queue": 2}, "2 is no queue"),
        ({"leverage": "five"}, "not a whole number: 'five', leverage, give one such as 1"),
        ({"leverage": 2.5}, "not a whole number: 2.5"),
        ({"cash": True}, "True is no cash"),
        ({"fee": object}, "is no fee"),
        ({"symbol": 7}, "7 is no symbol"),
        ({"start": 1.5}, "not a time: 1.5"),
        ({"strategy": Cross}, None),
        ({"strategy": 5}, "5 is no strategy"),
        ({"strategy": dict}, "is no strategy"),
        ({"data": 5}, "data must be a polars or pandas frame, a tape or a file"),
        ({"data": None}, "no data"),
        ({"fees": 0.001}, "did you mean fee\\?"),
        ({"quick": 3}, "it has fast, symbol|did you mean queue"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(run_of, options, words):
    if words is None:
        run_of(**options)
        return
    with pytest.raises(BadConfig, match=words) as raised:
        run_of(**options)
    assert "\n" not in str(raised.value)


def test_parameters_may_be_a_mapping_as_in_a_sweep(run_of):
    assert run_of(params={"fast": 5}).facts["result"]["action_hash"] == run_of(fast=5).facts["result"]["action_hash"]
    assert run_of(params={"fast": 5}).facts["params"]["fast"] == 5
    with pytest.raises(BadConfig, match="'fast' is given twice"):
        run_of(params={"fast": 5}, fast=5)
    with pytest.raises(Exception, match="unknown parameter 'slow'"):
        run_of(params={"slow": 5})


def test_an_instance_instead_of_the_class_is_said(run_of):
    made = object.__new__(Cross)
    with pytest.raises(BadConfig, match="instance of a strategy, not its class") as raised:
        run_of(strategy=made)
    assert "give Cross itself, and its parameters as keywords" in str(raised.value)


def test_times_may_be_datetimes_and_a_strategy_a_path(run_of, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from onetape import Strategy\n\n\nclass Mine(Strategy):\n    def on_start(self):\n"
        f"        self.subscribe({BTC!r}, quotes=True)\n"
    )
    run = run_of(strategy=file, start=datetime.fromisoformat("2026-01-01T00:00:05"), leverage=2.0)
    aware = run_of(strategy=file, start=datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC), leverage="2")
    text = run_of(strategy=str(file), start="2026-01-01T00:00:05Z", leverage=2)
    assert run.stats["events"] == aware.stats["events"] == text.stats["events"] > 0


def test_a_denied_order_says_why_in_the_table_of_orders(run_of):
    (row,) = run_of(cash=100000).orders.filter(qty=1_000_000).to_dicts()
    assert row["state"] == "DENIED"
    assert row["reason"]


def test_a_run_shows_its_figures_and_its_equity(run_of):
    run = run_of(cash=100000)
    page = run._repr_html_()
    for part in ("Cross", "profit, net", run.stats["final_equity"], "<svg", "<polyline"):
        assert part in page
    points = run.plot().svg.split('points="')[1].split('"')[0].split()
    assert 2 <= len(points) <= run.equity.height + 1
    times, values = run._equity_line()
    assert values == run.equity["equity"].to_list()
    assert len(times) == len(values)


def test_what_a_run_is_called_is_no_html(run_of, tmp_path):
    run = run_of(cash=100000, out=tmp_path / "<b>&")
    assert "<b>&" not in run._repr_html_().replace("<b>&lt;b&gt;&amp;", "")


def test_pandas_frames(run_of):
    frames = run_of(cash=100000).to_pandas()
    assert sorted(frames) == ["equity", "fills", "orders"]
    assert frames["orders"]["state"].to_list()[0] == "DENIED"


def test_without_pandas_it_says_what_has_it(run_of, monkeypatch):
    run = run_of(cash=100000)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(NotAvailable, match=r"pandas frames need pandas.*onetape\[research\]"):
        run.to_pandas()
