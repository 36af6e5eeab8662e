from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from onetape.cli.main import run

PATH = Path(__file__).resolve().parents[2] / "bench" / "run.py"


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("bench_run", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_run"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["bench_run"]


def measured(bench, tmp_path, *outputs: object) -> dict:
    figures: dict = {}
    for output in outputs:
        program = tmp_path / "made.py"
        program.write_text(f"print({json.dumps(json.dumps(output))})")
        assert bench.run(program, figures)
    return figures


def test_a_figure_keeps_every_run_and_shows_the_median(bench, tmp_path):
    runs = [{"name": "append", "value": v, "unit": "ns", "better": "less", "reach": 16} for v in (9, 30, 12)]
    figures = measured(bench, tmp_path, *runs)
    assert figures["append"].median == 12
    assert figures["append"].is_reached is True
    table = bench.render(figures, 3, [])
    assert "| append | **12** ns (9 to 30) | 16 ✓ |" in table


@pytest.mark.parametrize(
    ("better", "value", "rival", "ratio"), [("more", 30, 10, 3), ("less", 10, 30, 3), ("less", 30, 10, 1 / 3)]
)
def test_the_ratio_is_above_one_when_better(bench, tmp_path, better, value, rival, ratio):
    against = {"name": "r", "value": rival}
    figure = {"name": "x", "value": value, "better": better, "against": against}
    figures = measured(bench, tmp_path, {"figures": [figure]})
    assert figures["x"].ratio == pytest.approx(ratio)


def test_any_nesting_of_numbers_is_shown_by_its_path(bench, tmp_path):
    figures = measured(bench, tmp_path, {"real": {"per_second": 5, "ns_per_level": 2.5}, "none": None, "ok": True})
    assert {name: f.better for name, f in figures.items()} == {
        "made real per second": "more",
        "made real ns per level": "less",
    }


def test_a_program_that_fails_is_named_and_the_rest_goes_on(bench, tmp_path, capfd):
    program = tmp_path / "broken.py"
    program.write_text("raise SystemExit(3)")
    assert bench.run(program, {}) is False
    assert "broken.py: exit 3" in capfd.readouterr().err
    assert "Not measured: broken." in bench.render({}, 1, ["broken"])


def test_a_program_that_is_over_its_time_leaves_nothing_that_it_began(bench, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(bench, "TIMEOUT_S", 0)
    program = tmp_path / "endless.py"
    program.write_text("while True: pass")
    assert bench.run(program, {}) is False
    assert "endless.py: over 0 s" in capfd.readouterr().err
    # As `up` begins a supervisor: in a session of its own, and the one that began it may have ended.
    program.write_text(
        "import subprocess, sys, time\n"
        "if sys.argv[1:]: print(flush=True), time.sleep(10**6)\n"
        "subprocess.Popen([sys.executable, __file__, 'detached'], start_new_session=True)\n"
    )
    begun = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, env={**os.environ, bench.MARK: "a"})
    with begun:
        begun.stdout.readline()
        bench.end_marked("a")
        assert begun.stdout.read() == b""  # nobody has its other end any more
    assert not [path for path in Path("/proc").glob("[0-9]*/environ") if bench.has_mark(path, "a")]


def test_the_table_goes_between_its_marks_and_nowhere_else(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n")
    bench.write(page, "new")
    assert page.read_text() == "before\n<!-- figures -->\nnew\n<!-- /figures -->\nafter\n"


def test_documents_have_the_marks(bench):
    for page in bench.PAGES:
        text = page.read_text()
        assert text.count(bench.BEGIN) == text.count(bench.END) == 1


def test_a_rivals_result_stands_beside_the_figure_that_names_it(bench, tmp_path, monkeypatch):
    results = tmp_path / "results.json"
    results.write_text(json.dumps({"results": {"nautilus no-op": {"value": 250_000}}}))
    monkeypatch.setattr(bench, "PEERS", results)
    figures = measured(bench, tmp_path, {"name": "no-op", "value": 5_000_000, "peer": "nautilus no-op"})
    bench.beside_peers(figures)
    assert figures["no-op"].ratio == 20
    assert "nautilus no-op: 250 k" in bench.render(figures, 1, [])


def test_rivals_of_the_same_work_have_a_column_with_their_share_or_why_not(bench, tmp_path, monkeypatch):
    results = tmp_path / "results.json"
    found = {
        "a bars": {"value": 250_000, "share": "10 days of 365"},
        "b bars": {"value": 3_000_000, "share": ""},
        "c bars": {"not_available": "c does not install: over 600 s"},
        "d": {"not_available": "exit 1"},
    }
    results.write_text(json.dumps({"results": found}))
    monkeypatch.setattr(bench, "PEERS", results)
    names = [*found, "never run"]
    figure = {"name": "bars", "value": 5_000_000, "beside": names, "peer": "d"}
    figures = measured(bench, tmp_path, {"figures": [figure], "tables": ["more"]})
    bench.beside_peers(figures)
    lines = bench.render(figures, 1, []).splitlines()
    assert lines[2].endswith("| beside |")
    assert (
        "a bars: 250 k (10 days of 365)<br>b bars: 3 M<br>c bars: NOT_AVAILABLE (c does not install: over 600 s)"
    ) in lines[-1]
    assert "never run" not in lines[-1]
    assert len({line.count("|") for line in lines[2:]}) == 1


def test_tables_of_a_programs_last_run_are_kept(bench, tmp_path):
    tables: dict = {}
    for text in ("old", "new"):
        program = tmp_path / "made.py"
        answer = {"figures": [{"name": "x", "value": 1}], "tables": [text]}
        program.write_text(f"print({json.dumps(json.dumps(answer))})")
        assert bench.run(program, {}, tables)
    assert tables == {"made": ["new"]}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0123, "0.0123"), (12, "12"), (1234, "1,234"), (45_600, "45.6 k"), (3_210_000, "3.21 M"), (float("nan"), "-")],
)
def test_numbers_are_short(bench, value, text):
    assert bench.show(value) == text


def test_a_figure_that_there_is_not_is_wrong_usage(capfd):
    assert run(["bench", "journla", "--json"]) == 2
    out, err = capfd.readouterr()
    assert json.loads(out)["error"]["name"] == "BAD_CONFIG" and "journla" in out
    assert "journal" in err  # what there is
