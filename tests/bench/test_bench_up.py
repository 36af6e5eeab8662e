"""The figures of starting and of the way between two processes are measured, not made up: a small
form of each runs, and what it says has the parts that the table needs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench"


def figures(program: str, *arguments: str) -> dict[str, dict]:
    done = subprocess.run(
        [sys.executable, str(BENCH / program), *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])["figures"]
    for figure in answer:
        assert figure["value"] > 0, figure
        assert figure["better"] == "less"
    return {figure["name"]: figure for figure in answer}


def test_up_is_measured_with_its_floor_and_kills():
    reported = figures("up.py", "--small", "--rounds", "1")
    path, all_of_it, *kills = reported.values()
    assert path["value"] <= all_of_it["value"]
    assert path["against"]["value"] > 0
    assert [each["name"].split()[1] for each in kills] == ["exchange", "gateway", "robot"]


def test_an_orders_way_is_measured_beside_floors_and_rivals():
    reported = figures("order_hop.py", "--count", "50", "--every-us", "500")
    kinds = 6 + (shutil.which("redis-server") is not None)
    assert len(reported) == 2 * kinds
    for name, figure in reported.items():
        if name.endswith("p99"):
            assert figure["value"] >= reported[name.replace("p99", "p50")]["value"]
        if "journal" in name:
            assert figure["against"]["value"] > 0
