"""Start-up is measured verb by verb, beside an interpreter of the same run: a small form runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from onetape.cli.verbs import VERBS

BENCH = Path(__file__).resolve().parents[2] / "bench"


def test_a_verb_is_measured_at_its_help_and_at_work():
    done = subprocess.run(
        [sys.executable, str(BENCH / "start.py"), "--rounds", "1", "--only", "journal"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    received = {each["name"]: each for each in json.loads(done.stdout)["figures"]}
    names = ["onetape journal --help", "onetape journal: least work"]
    assert list(received) == ["import onetape", *names]
    for name in names:
        assert received[name]["value"] > received[name]["against"]["value"] > 0
        assert (received[name]["unit"], received[name]["better"]) == ("ms", "less")


def test_every_verb_has_its_least_work_or_none_that_ends():
    source = (BENCH / "start.py").read_text()
    measured = set(re.findall(r'^    "(\w+)": f?"', source, re.MULTILINE))
    listed = {entry.name for entry in VERBS}
    # `sim` and `mcp` serve without end, others ask processes or a home, `bench` is these programs, `chaos` plays long.
    asks = {"deploy", "failover", "feeds", "trace", "activity", "leverage", "delta", "hedge", "rebalance"}
    assert listed - measured == {"sim", "mcp", "bench", "chaos", "token", "top", *asks}
    assert measured <= listed
