"""The page of controls names files, settings and tests that are there, and promises no compliance."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onetape.model.config import SINGLE
from onetape.model.sections import AccountConfig

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/concepts/controls.md").read_text()
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `([^`|]+)` \| `([^`|]+)` \| `([^`|]+)` \|$", PAGE, re.M)

PROMISES = re.findall(r"^\| ([^|]+) \| `([^`|]+)` \| (none|`[^`|]+`) \| ([^|]+) \|$", PAGE, re.M)


def test_the_controls_that_rules_ask_for_are_there():
    names = " ".join(name for name, *_ in ROWS)
    wanted = ("kill", "price collars", "order value", "order volume", "messages", "repeated-execution", "alerts within")
    assert [each for each in (*wanted, "reconciled", "all open orders") if each not in names] == []
    assert "stress test" in PAGE.partition("## What is not there")[2]
    assert "no claim that using onetape complies" in PAGE


@pytest.mark.parametrize(("name", "rule", "file", "setting", "test"), ROWS)
def test_each_control_has_its_file_its_setting_and_its_test(name, rule, file, setting, test):
    assert (ROOT / file).is_file() and is_setting(setting)
    path, _, function = test.partition("::")
    source = (ROOT / path).read_text()
    assert f"def {function or 'test_'}" in source


def is_setting(setting: str) -> bool:
    section, _, key = setting.partition(".")
    fields = SINGLE[section].__struct_fields__ if key else AccountConfig.__struct_fields__
    return (key or section) in fields


@pytest.mark.parametrize(("promise", "file", "setting", "tests"), PROMISES)
def test_each_promise_has_its_file_its_setting_and_its_tests(promise, file, setting, tests):
    assert (ROOT / file).is_file() and (setting == "none" or is_setting(setting.strip("`")))
    assert missing_of(tests) == []


def test_no_row_of_the_page_is_passed_over():
    rows = [line for line in PAGE.splitlines() if "`tests/" in line]
    assert len(rows) == len(ROWS) + len(PROMISES) and len(PROMISES) > 20


RESEARCH = re.findall(
    r"^\| ([^|]+) \| ([^|]+) \| (`tests/[^|]+) \|$", (ROOT / "docs/concepts/research.md").read_text(), re.M
)


@pytest.mark.parametrize(("item", "promise", "tests"), RESEARCH)
def test_each_promise_of_research_has_its_tests(item, promise, tests):
    assert missing_of(tests) == []


def test_each_capability_of_research_has_its_row():
    items = " ".join(item for item, *_ in RESEARCH)
    ranges = {"004.12": "004.11 to 004.13"}
    # 004.20 is one way to pool connections: ours has none; 004.22 and 004.23 are of portfolios.
    wanted = [*(f"R{n}" for n in range(1, 14)), *(f"004.{n}" for n in range(1, 22) if n != 20), "001.12", "001.16"]
    assert [each for each in wanted if not re.search(rf"\b{re.escape(ranges.get(each, each))}\b", items)] == []


def missing_of(tests: str) -> list[str]:
    found = [each.strip("`").partition("::") for each in tests.split(", ")]
    return [function for path, _, function in found if f"def {function}(" not in (ROOT / path).read_text()]
