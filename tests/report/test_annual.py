"""A year of 365 days, of 252 or of sessions, and the riskless rate. Expected values by hand."""

from __future__ import annotations

import itertools
import json
import math

import empyrical
import numpy as np
import pandas
import pytest

import onetape
from onetape.engine.trading_hours import Sessions, parse_hours
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig
from onetape.model.time import DAY, HOUR, MINUTE
from onetape.report.annual import YEARS, Annual, parse_riskless
from onetape.report.report_data import ReportData
from onetape.report.statistics import YEAR_NS, period_ends, period_returns
from onetape.report.summary import analyze, summarize
from onetape.research.comparison import compare_runs
from onetape.robot.main import live_options
from onetape.robot.options import robot_options
from onetape.runs.attribution import attribution_of

MONDAY = 4 * DAY  # 1970-01-05
WEEKS = 30


def curve(days: int = 7 * WEEKS) -> tuple[np.ndarray, np.ndarray]:
    """Returns (ts, equity) from a Monday on, a sample at each midnight; it also moves at weekends."""
    steps = np.random.default_rng(5).normal(0.001, 0.01, days)
    return MONDAY + np.arange(days + 1, dtype=np.int64) * DAY, 1000 * np.cumprod(np.append(1, 1 + steps))


def stats(annual: Annual, days: int = 7 * WEEKS) -> dict[str, object]:
    ts, equity = curve(days)
    return summarize(ReportData("", equity_ts=ts, equity=equity, annual=annual), orders=0)


def test_by_default_each_day_counts_and_nothing_is_riskless():
    ts, equity = curve()
    found = stats(Annual())
    assert np.array_equal(analyze(ReportData("", equity_ts=ts, equity=equity)).returns, period_returns(ts, equity, DAY))
    assert (found["year"], found["periods_per_year"], found["riskless"]) == ("365", 365.0, 0.0)
    assert found["cagr"] == (equity[-1] / equity[0]) ** (YEAR_NS / float(ts[-1] - ts[0])) - 1


def test_a_year_of_252_days_has_the_figures_of_empyrical():
    """Changes of a weekend belong to Monday, as between two closes of a stock exchange."""
    ts, equity = curve()
    closes = np.array([at for at in range(len(ts)) if at == 0 or (at - 1) % 7 < 5])
    returns = np.diff(equity[closes]) / equity[closes][:-1]
    riskless = 1.03 ** (1 / 252) - 1
    found = stats(Annual("252", riskless=0.03))
    assert len(returns) == 5 * WEEKS
    assert found["sharpe"] == pytest.approx(empyrical.sharpe_ratio(returns, risk_free=riskless))
    assert found["sortino"] == pytest.approx(empyrical.sortino_ratio(returns, required_return=riskless))
    assert found["volatility"] == pytest.approx(empyrical.annual_volatility(returns))
    # The change of the last weekend has no Monday: it is in the growth, and in no return.
    assert found["cagr"] == pytest.approx((equity[-1] / equity[0]) ** (252 / len(returns)) - 1)
    assert found["calmar"] == pytest.approx(found["cagr"] / found["max_drawdown"])
    assert (found["year"], found["periods_per_year"], found["riskless"]) == ("252", 252.0, 0.03)


def test_a_year_of_sessions_has_as_many_as_there_are_in_the_data():
    """Monday to Friday: five sevenths of the days of a year."""
    hours = parse_hours("Mon-Fri 9:30-16:00")
    found = stats(Annual("sessions", hours=hours))
    assert found["periods_per_year"] == pytest.approx(365 * 5 / 7)
    as_252 = stats(Annual("252"))
    assert found["sharpe"] == pytest.approx(as_252["sharpe"] * math.sqrt(365 * 5 / 7 / 252))
    assert found["cagr"] == pytest.approx(stats(Annual())["cagr"])  # the calendar's time


def test_hours_count_that_overlap_a_session():
    sessions = Sessions("XNYS", ((MONDAY + 9 * HOUR + 30 * MINUTE, MONDAY + 16 * HOUR),))
    ends = period_ends(np.array([MONDAY, MONDAY + 2 * DAY]), HOUR)
    counted = Annual("sessions", hours=sessions).counts(ends, HOUR)
    assert [(int(end) - MONDAY) // HOUR for end in ends[counted]] == [10, 11, 12, 13, 14, 15, 16]


def test_the_period_gives_thirty_returns_that_count():
    ts, _ = curve(days=40)  # 29 of Monday to Friday, and the last one of a part
    assert Annual().period(ts) == DAY
    assert Annual("252").period(ts[:36]) == HOUR


def test_data_without_a_session_have_no_figures():
    found = stats(Annual("sessions", hours=Sessions("XNYS", ())))
    assert [found[name] for name in ("sharpe", "sortino", "volatility", "cagr")] == [None] * 4


def test_a_riskless_rate_compounds_and_leaves_volatility_alone():
    with_rate, without = stats(Annual(riskless=0.05)), stats(Annual())
    daily = 1.05 ** (1 / 365) - 1
    volatility = without["volatility"]
    assert with_rate["volatility"] == pytest.approx(volatility)
    assert with_rate["sharpe"] == pytest.approx(without["sharpe"] - daily * 365 / volatility)
    assert with_rate["cagr"] == without["cagr"]


@pytest.mark.parametrize("text", ["3", "-1", "nan", "inf", "three"])
def test_a_rate_is_a_share_of_one(text):
    with pytest.raises(BadConfig, match=r"--riskless.*0\.03"):
        parse_riskless(text)


def test_words_name_the_year_and_the_rate():
    assert [str(Annual(year)) for year in YEARS] == [
        "365 days; riskless rate 0 %",
        "252 days, Monday to Friday; riskless rate 0 %",
        "the sessions of --trade; riskless rate 0 %",
    ]
    assert str(Annual(riskless=0.035)).endswith("riskless rate 3.5 %")


HOLD = """
from onetape import Strategy


class Hold(Strategy):
    symbol: str = "x:A/USD"
    size: float = 10

    def on_start(self):
        self.subscribe(self.symbol, bars="1d")

    def on_bar(self, bar):
        self.set_target(self.symbol, self.size if bar.close > bar.open else 0)
"""


@pytest.fixture
def hold(tmp_path):
    """A strategy and 200 days of bars: its options."""
    steps = np.cumprod(1.001 + 0.03 * np.sin(np.arange(200) * 1.3)) * 100
    rows = [
        f"{1_704_067_200 + 86400 * at},{a:.4f},{max(a, b):.4f},{min(a, b):.4f},{b:.4f},1000"
        for at, (a, b) in enumerate(itertools.pairwise(steps))
    ]
    (tmp_path / "days.csv").write_text("\n".join(["time,open,high,low,close,volume", *rows]) + "\n")
    (tmp_path / "hold.py").write_text(HOLD)
    return {"strategy": str(tmp_path / "hold.py"), "data": tmp_path / "days.csv", "home": tmp_path / "home"}


def test_a_run_a_sweep_and_their_comparison_use_the_same_year(hold, tmp_path):
    chosen = {"year": 252, "riskless": 0.03}
    run = onetape.backtest(**hold, **chosen)
    plain = onetape.backtest(**hold)
    said = json.loads((run.path / "report.json").read_text())
    assert (said["statistics"]["year"], said["statistics"]["riskless"]) == ("252", 0.03)
    assert said["facts"]["year"] == "252 days, Monday to Friday; riskless rate 3 %"
    assert run.stats["sharpe"] != plain.stats["sharpe"]
    assert run.stats["action_hash"] == plain.stats["action_hash"]
    assert compare_runs([run]).as_json()["runs"][0]["annual_sharpe"] == pytest.approx(run.stats["sharpe"])
    assert compare_runs([plain]).as_json()["runs"][0]["annual_sharpe"] == pytest.approx(plain.stats["sharpe"])
    swept = onetape.sweep(**hold, params={"size": [10]}, **chosen)
    assert swept.best()["stats"]["sharpe"] == pytest.approx(run.stats["sharpe"])
    assert "--year 252 --riskless 0.03" in swept.best()["command"]
    walked = onetape.sweep(**hold, params={"size": [5, 10]}, walk_forward="60d,60d", out=tmp_path / "walk", **chosen)
    assert walked.stats["year"] == "252"


def test_a_year_of_sessions_needs_trading_hours(hold):
    with pytest.raises(BadConfig, match=r"--year.*--trade"):
        onetape.backtest(**hold, year="sessions")
    run = onetape.backtest(**hold, year="sessions", trade="Mon-Fri 0:00-24:00")
    assert run.stats["periods_per_year"] == pytest.approx(365 * 5 / 7, rel=0.01)


def test_a_strategys_days_in_the_attribution_have_the_year_of_the_run(hold):
    sharpe = {}
    for year in (365, 252):
        attribution = attribution_of(onetape.backtest(**hold, year=year).path)
        (row,) = (each for each in attribution.grouped("strategy") if each["strategy"] != "account")
        days, curves = attribution.curves()
        level = curves[row["strategy"], row["currency"]]
        keep = [at for at, day in enumerate(days) if year == 365 or at == 0 or (day + 3) % 7 < 5]
        gains = np.diff(level[keep])
        sharpe[year] = row["sharpe"]
        assert row["sharpe"] == pytest.approx(gains.mean() / gains.std(ddof=1) * math.sqrt(year))
    assert sharpe[365] != sharpe[252]


ROBOT = """
[venues.sim]
kind = "binance-usdm"
mode = "sim"
[accounts.main]
venue = "sim"
[robots.cross]
strategy = "cross.py:Cross"
account = "main"
year = 252
riskless = {rate}
"""


def test_a_configured_robot_has_a_year_and_a_rate(tmp_path):
    config = parse_config(ROBOT.format(rate=0.03))
    live = live_options(robot_options(config, "cross", home=tmp_path, folder=tmp_path))
    assert (live.year, live.riskless) == ("252", "0.03")
    with pytest.raises(BadConfig, match="riskless"):
        parse_config(ROBOT.format(rate=3))


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("year", [365, 252])
def test_exported_returns_are_a_series_by_date_with_the_figures_of_the_run(hold, tmp_path, form, year):
    """pyfolio and QuantStats take a series of daily returns by date; pyfolio computes with empyrical."""
    run = onetape.backtest(**hold, year=year)
    file = run.save(tmp_path / "tables", format=form) / f"returns.{form}"
    if form == "csv":
        assert file.read_text().splitlines()[0] == "date,return"
        returns = pandas.read_csv(file, index_col="date", parse_dates=True)["return"]
    else:
        returns = pandas.read_parquet(file).set_index("date")["return"]
    assert isinstance(returns.index, pandas.DatetimeIndex) and returns.index.is_unique
    assert returns.index.tz is None and (returns.index == returns.index.normalize()).all()
    assert set(returns.index.day_of_week) == set(range(7 if year == 365 else 5))
    assert empyrical.sharpe_ratio(returns, annualization=year) == pytest.approx(run.stats["sharpe"])
    assert empyrical.annual_volatility(returns, annualization=year) == pytest.approx(run.stats["volatility"])


def test_a_run_of_less_than_a_day_has_no_returns(hold, tmp_path):
    run = onetape.backtest(**hold, start="2024-02-01", end="2024-02-01T12:00:00")
    assert (run.save(tmp_path / "tables", format="csv") / "returns.csv").read_text() == "date,return\n"
