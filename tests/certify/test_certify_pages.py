"""The pages about certification say what the tables say, and the script by hand is careful."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from certify.conformance import CASES
from certify.run import CLIENTS, page

ROOT = Path(__file__).resolve().parents[2]


def test_every_client_and_version_stands_on_the_page():
    text = (ROOT / "docs" / "reference" / "certification.md").read_text()
    for row in CLIENTS.values():
        assert f"| {row['client']} | {row['version']} | {row['venue']} |" in text


def test_every_case_stands_on_the_page_of_conformance():
    text = (ROOT / "docs" / "reference" / "conformance.md").read_text()
    for case in CASES:
        assert f"| {case.id} | {case.name} | held " in text


def test_a_call_that_failed_stands_on_the_page_with_what_was_seen():
    calls = [{"call": "ping", "passed": True, "seen": ""}, {"call": "book", "passed": False, "seen": "a|b"}]
    text = page({"bitmex-ws": calls})
    assert "| bitmex-ws | 1.5.0 | bitmex | 1 of 2 |" in text
    assert "| book | **no**: a\\|b |" in text
    assert "Not run: " in text


@pytest.mark.parametrize(
    ("arguments", "keys", "says"),
    [
        ([], True, "one of --rest URL and --simulated"),
        (["--rest", "https://fapi.binance.com"], True, "--live is needed"),
        (["--rest", "https://demo-fapi.binance.com"], False, "are not set"),
        (["--simulated", "C-99"], True, "no case C-99"),
    ],
)
def test_nothing_is_sent_where_the_wish_is_not_clear(arguments, keys, says):
    held = {k: v for k, v in os.environ.items() if not k.startswith("ONETAPE_CONFORM")}
    if keys:
        held |= {"ONETAPE_CONFORM_KEY": "k", "ONETAPE_CONFORM_SECRET": "s"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "conform.py"), *arguments],
        capture_output=True,
        text=True,
        env=held,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert says in done.stderr
