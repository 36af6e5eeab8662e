"""Every field that a strategy reads has its type, its unit and its condition, in the page and in the editor."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import pytest

from onetape import _core
from onetape.data.sample import write_sample
from onetape.model.funding import FundingRates
from onetape.model.instrument import Instrument
from onetape.report.run import Run
from onetape.research.backtest import BacktestOptions, run_backtest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from make_events import CORE, OWN, PAGE, Table, page, tables  # noqa: E402


@pytest.fixture(scope="module")
def run_of_the_page(tmp_path_factory):
    """A run with fills, as `onetape backtest` leaves it."""
    folder = tmp_path_factory.mktemp("run")
    write_sample(folder / "market.tape", events=60_000, seed=5)
    options = BacktestOptions(
        strategy="onetape.strategies.cross:Cross", data=[folder / "market.tape"], home=folder, out=folder / "run"
    )
    return Run(run_backtest(options).run)


TABLES = {table.name: table for table in tables()}


def test_the_page_is_that_of_the_sources():
    assert PAGE.read_text(encoding="utf-8") == page(), "python tools/make_events.py"


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_each_field_says_what_it_is_of_which_type_and_in_which_unit(table: Table):
    assert table.what and table.fields
    for each in table.fields:
        assert each.what and each.type not in ("?", "object", "Any"), each
        assert ("None" in each.type) == bool(each.none), f"{table.name}.{each.name}: when is it None?"
        is_number = each.type.startswith(("float", "array of"))
        assert each.unit or not is_number, f"{table.name}.{each.name}: no unit"


@pytest.mark.parametrize("name", [*CORE, *OWN])
def test_no_field_is_missing(name):
    there = {
        each
        for each, value in inspect.getmembers(getattr(_core, name))
        if not each.startswith("_") and not callable(value)
    }
    assert there == {each.name for each in TABLES[name].fields}


@pytest.mark.parametrize(
    ("name", "fields"), [("Instrument", Instrument.__struct_fields__), ("FundingRates", FundingRates._fields)]
)
def test_no_fact_of_the_model_is_missing(name, fields):
    assert set(fields) <= {each.name for each in TABLES[name].fields}


def test_no_statistic_of_a_run_is_missing_and_its_type_is_that_of_a_run(run_of_the_page):
    fields = {each.name: each for each in TABLES["Run.stats"].fields}
    stats = run_of_the_page.stats
    written = {key: value for key, value in stats.items() if key in fields}
    assert len(written) > 50
    assert {key: type(value).__name__ for key, value in written.items()} == {key: fields[key].type for key in written}
    assert set(run_of_the_page.facts["stats"]) <= set(fields)
    assert {each.name for each in TABLES["Run"].fields} >= {
        "path",
        "facts",
        "stats",
        "fills",
        "orders",
        "equity",
        "plots",
    }


def test_an_editor_finds_them_beside_the_module():
    folder = Path(_core.__file__).parent
    assert (folder / "_core.pyi").is_file()
    assert (ROOT / "src" / "onetape" / "py.typed").is_file(), "types of a package without it are not read"
