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
    for test in tests.split(", "):
        path, _, function = test.strip("`").partition("::")
        assert f"def {function}(" in (ROOT / path).read_text(), test


def test_no_row_of_the_page_is_passed_over():
    rows = [line for line in PAGE.splitlines() if "`tests/" in line]
    assert len(rows) == len(ROWS) + len(PROMISES) and len(PROMISES) > 20
