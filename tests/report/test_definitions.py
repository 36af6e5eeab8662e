"""Each figure of profit, equity, fees, funding and drawdown on pages and reports names its definition in one table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import onetape
from onetape.cli.processes import DEFINED
from onetape.report.metrics import METRICS, STATISTICS, definitions
from onetape.report.page_data import DEFINED as OF_REPORTS

SOURCES = Path(onetape.__file__).parent
PAGES = sorted((SOURCES / "dashboard" / "page" / "pages").glob("*.js"))
KEYS = {each.key for each in METRICS}
FIGURE = re.compile(r"profit|equity|\bfees\b|\bfunding\b|drawdown|realis|realiz", re.IGNORECASE)
METRIC = re.compile(r'metric[:=] ?"([a-z_]+)"')


@pytest.mark.parametrize("page", PAGES, ids=lambda each: each.stem)
def test_each_figure_of_a_page_names_its_definition(page: Path):
    text = page.read_text()
    named = [key for key in METRIC.findall(text) if key]
    assert set(named) | set(re.findall(r'(?:data-metric=|defined\()"([a-z_]+)"', text)) <= KEYS
    for column in re.finditer(r'\{ head: ("[^"]*"|`[^`]*`), ([^\n]*)', text):
        if FIGURE.search(column[1]):
            assert column[2].startswith("metric: "), column[0][:120]
    # What is no column is a Term; a plain dt has no figure.
    assert not [each for each in re.findall(r"<dt>([^<$]*)</dt>", text) if FIGURE.search(each)]


def test_each_figure_of_a_report_names_its_definition():
    text = (SOURCES / "report" / "page" / "report.js").read_text()
    used = METRIC.findall(text) + re.findall(r'^    \["[^"]+", "([a-z_]+)",', text, re.MULTILINE)
    assert used and set(used) <= set(OF_REPORTS) <= KEYS
    for before, name, then in re.findall(r'\{((?:metric: "[a-z_]+", )?)name: ("[^"]*"|`[^`]*`), (\w*)', text):
        if FIGURE.search(name) and then != "line":  # a chart has a title of its own
            assert before, name


def test_a_definition_says_what_it_is_its_unit_and_what_it_includes():
    for each in METRICS:
        assert each.unit and each.name
        assert each.note in each.hover or each.note.rstrip(".") in each.hover
        if each.form in ("money", "gain") and FIGURE.search(each.name):
            assert each.includes is not None, each.key
    assert len(KEYS) == len(METRICS)
    explained = definitions(DEFINED)
    assert explained.keys() == DEFINED.keys()
    assert all(each["definition"] and each["unit"] for each in explained.values())
    assert explained["profit"]["key"] == "pnl" in {each.key for each in STATISTICS}


def test_names_of_different_kinds_of_profit_differ():
    names = [each.name for each in METRICS if not each.name.startswith("…")]
    assert len(set(names)) == len(names)
