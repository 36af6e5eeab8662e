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


def test_the_controls_that_rules_ask_for_are_there():
    names = " ".join(name for name, *_ in ROWS)
    wanted = ("kill", "price collars", "order value", "order volume", "messages", "repeated-execution", "alerts within")
    assert [each for each in (*wanted, "reconciled", "all open orders") if each not in names] == []
    assert "stress test" in PAGE.partition("## What is not there")[2]
    assert "no claim that using onetape complies" in PAGE


@pytest.mark.parametrize(("name", "rule", "file", "setting", "test"), ROWS)
def test_each_control_has_its_file_its_setting_and_its_test(name, rule, file, setting, test):
    assert (ROOT / file).is_file()
    section, _, key = setting.partition(".")
    fields = SINGLE[section].__struct_fields__ if key else AccountConfig.__struct_fields__
    assert (key or section) in fields
    path, _, function = test.partition("::")
    source = (ROOT / path).read_text()
    assert f"def {function or 'test_'}" in source
