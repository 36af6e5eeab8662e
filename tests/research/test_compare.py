"""Runs side by side: figures, the number of tries, and the sentence."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import onetape
from onetape.model.errors import BadConfig
from onetape.model.time import DAY, MINUTE
from onetape.report.deflate import Moments, expected_maximum
from onetape.research.comparison import Comparison, Variant, compare_runs
from worlds.strategy_files import TAKER, write


def variant(name: str, sharpe: float | None, *, count: int = 1250, period: int = DAY, **moments):
    shape = {"skewness": -3.0, "kurtosis": 10.0, **moments}
    return Variant(name, {}, {}, period, Moments(count, sharpe, **shape))


def test_the_sentence_on_the_papers_example():
    ratio = 2.5 / math.sqrt(250)
    found = Comparison([variant("a", ratio)], 100, "x", math.sqrt(0.5 / 250), "y")
    judged = found.judged(found.variants[0])
    assert judged["deflated_sharpe"] == pytest.approx(0.9004, abs=5e-5)
    year = math.sqrt(365)  # markets here never close
    assert judged["annual_luck"] == pytest.approx(0.1132 * year, abs=1e-2)
    assert found.verdict.startswith(
        "out of 100 tries a best Sharpe of 2.2 is what luck alone gives, and a has 3 (a year); "
        "probability that its true Sharpe is above 0: 90 %; to be 95% sure takes "
    )
    # 1 + (1 + 3 SR + 9/4 SR^2) (1.6449 / (SR - 0.1132))^2
    need = 1 + (1 + 3 * ratio + 2.25 * ratio**2) * (1.644854 / (ratio - 0.113165)) ** 2
    assert judged["track_record_wanted"] == pytest.approx(need, rel=1e-3)
    assert found.verdict.endswith("2,052 returns of 1 d, there are 1,250")


def test_one_try_is_judged_without_deflation():
    found = Comparison([variant("a", 0.05)], 1, "x", 0.3, "y")
    judged = found.judged(found.variants[0])
    assert judged["deflated_sharpe"] == judged["above_zero"]
    assert found.verdict.startswith("one try, with a Sharpe of 0.96 (a year)")


def test_minutes_are_not_scaled_to_a_year_when_they_cover_no_day():
    found = Comparison([variant("a", 0.1, count=60, period=MINUTE)], 4, "x", 0.1, "y")
    assert found.judged(found.variants[0])["annual_sharpe"] is None
    assert "per 1 min" in found.verdict


def test_without_any_ratio_there_is_nothing_to_judge():
    found = Comparison([variant("a", None)], 4, "x", 0.0, "y")
    assert found.verdict == "no variant has a Sharpe ratio: nothing was earned or lost"
    assert set(found.judged(found.variants[0]).values()) == {None}


@pytest.fixture(scope="module")
def swept(tmp_path_factory, sample):
    folder = tmp_path_factory.mktemp("compare")
    code = write(folder, "taker", TAKER)
    return onetape.sweep(
        str(code),
        sample,
        params={"every": [20, 40, 80, 160], "size": [0.01, 0.05]},
        metric="pnl",
        home=folder,
        keep_runs=True,
        jobs=1,
    )


def test_a_sweep_brings_the_number_of_its_tries(swept):
    found = compare_runs([swept])
    assert found.tries == 8 and len(found.variants) == 8
    ratios = swept.frame["period_sharpe"].to_numpy()
    assert found.spread == pytest.approx(float(np.std(ratios, ddof=1)))
    assert found.luck == pytest.approx(expected_maximum(found.spread**2, 8))
    best = swept.frame.row(int(np.argmax(ratios)), named=True)
    assert found.variants[0].name == f"variant {best['variant']}"
    assert [v.returns.sharpe for v in found.variants] == sorted(ratios, reverse=True)


def test_its_kept_runs_side_by_side_give_the_same_figures(swept):
    runs = [swept.path / "runs" / str(n) for n in range(8)]
    by_run, by_sweep = compare_runs(runs), compare_runs([str(swept.path)])
    assert (by_run.tries, by_run.luck) == (by_sweep.tries, pytest.approx(by_sweep.luck))
    left = {v.name: by_run.judged(v) for v in by_run.variants}
    right = {v.name: by_sweep.judged(v) for v in by_sweep.variants}
    for number in range(8):
        assert left[str(number)] == pytest.approx(right[f"variant {number}"])


def test_the_frame_has_one_row_a_run(swept):
    frame = onetape.compare([swept.path / "runs" / "0", swept.path / "runs" / "1"], tries=8)
    assert isinstance(frame, pl.DataFrame) and len(frame) == 2
    assert set(frame["tries"]) == {8} and frame["verdict"][0].startswith("out of 8 tries")
    for name in ("name", "param.every", "pnl", "deflated_sharpe", "track_record_wanted"):
        assert name in frame.columns
    assert onetape.compare(swept).height == 8


def test_more_tries_make_less_of_the_same_run(swept):
    run = swept.path / "runs" / str(swept.frame["period_sharpe"].arg_max())
    one, many = (compare_runs([run], tries=n) for n in (1, 1000))
    assert one.spread_from == many.spread_from == "the error of one estimate"
    low, high = (each.judged(each.variants[0])["deflated_sharpe"] for each in (many, one))
    assert low < high


@pytest.mark.parametrize(("tries", "says"), [(1, "1 tries and 2 variants"), (0, "0 tries and 2 variants")])
def test_fewer_tries_than_runs_are_refused(swept, tries, says):
    with pytest.raises(BadConfig, match=says):
        compare_runs([swept.path / "runs" / "0", swept.path / "runs" / "1"], tries)


def test_what_cannot_be_compared_is_refused(swept, tmp_path):
    with pytest.raises(BadConfig, match="nothing to compare"):
        compare_runs([])
    with pytest.raises(BadConfig, match="compared alone"):
        compare_runs([swept, swept.path / "runs" / "0"])
    with pytest.raises(BadConfig, match="is not a run"):
        compare_runs([tmp_path])
    run = onetape.open(swept.path / "runs" / "0")
    euros = SimpleNamespace(stats={"currency": "EUR"})
    with pytest.raises(BadConfig, match="runs in EUR, USDT"):
        from onetape.research.comparison import _of_runs

        _of_runs([run, euros])


def test_runs_over_different_data_get_no_figure_of_luck(swept, tmp_path, capfd):
    from onetape.cli.main import run as cli
    from onetape.data.sample import write_sample

    write_sample(tmp_path / "other.tape", events=20_000, seed=9)
    code = write(tmp_path, "taker", TAKER)
    assert (
        cli(["backtest", str(code), "--data", str(tmp_path / "other.tape"), "--out", str(tmp_path / "b"), "--json"])
        == 0
    )
    capfd.readouterr()
    runs = [str(swept.path / "runs" / "0"), str(tmp_path / "b")]
    assert cli(["compare", *runs, "--json", "--report", str(tmp_path / "both.html")]) == 0
    value = json.loads(capfd.readouterr().out)
    assert not value["same_data"] and value["luck"] is None
    assert {each["deflated_sharpe"] for each in value["runs"]} == {None} and "luck" in value["verdict"]
    assert '"sameData":false' in (tmp_path / "both.html").read_text().replace(" ", "")
    assert cli(["compare", *runs]) == 0
    text = capfd.readouterr().out
    head = text.splitlines()[0]
    assert "from" in head and "to" in head and "deflated" not in head
    assert text.count("different data") == 1 and "out of 2 tries" not in text


def test_the_command_says_it_in_words_and_in_json(swept, capfd):
    from onetape.cli.main import run as cli

    assert cli(["compare", str(swept.path), "--json"]) == 0
    value = json.loads(capfd.readouterr().out)
    assert value["tries"] == 8 and len(value["runs"]) == 8 and value["verdict"].startswith("out of 8")
    assert cli(["compare", str(swept.path), "--tries", "50"]) == 0
    text = capfd.readouterr().out
    assert "deflated" in text and "out of 50 tries" in text and "every" in text


def test_the_page_is_written_from_runs_by_the_store(swept, tmp_path, monkeypatch, capfd):
    import sys
    from types import ModuleType

    from onetape.cli.main import run as cli

    line = ["compare", str(swept.path), "--report", str(tmp_path / "x.html"), "--json"]
    monkeypatch.setitem(sys.modules, "onetape.report.compare_page", None)
    assert cli(line) == 1  # a build without that page
    assert json.loads(capfd.readouterr().out)["error"]["name"] == "NOT_AVAILABLE"
    page, shown = ModuleType("page"), []

    def write_comparison(runs, path):
        shown.extend(run.path.name for run in runs)
        return path

    page.write_comparison = write_comparison
    monkeypatch.setitem(sys.modules, "onetape.report.compare_page", page)
    assert cli(line) == 0
    assert json.loads(capfd.readouterr().out)["report"] == str(tmp_path / "x.html")
    assert shown == [str(n) for n in range(8)]
