"""The page about security has a row for every threat, and each test file that it names exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "concepts" / "security.md").read_text()


def test_each_threat_has_a_row_and_each_row_names_its_tests():
    rows = re.findall(r"^\| (S\d+) \|.*\|([^|]*)\|$", PAGE.partition("## What remains")[0], re.MULTILINE)
    assert [each for each, _ in rows] == [f"S{number}" for number in range(1, 27)]
    assert [each for each, shown in rows if "`tests/" not in shown] == []


def test_each_test_file_that_the_page_names_exists():
    named = set(re.findall(r"`(tests/[^`]*)`", PAGE))
    assert len(named) > 40
    assert [each for each in named if not (ROOT / each).is_file()] == []
