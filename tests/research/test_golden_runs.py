"""Whole runs whose results are kept. A change of any of them is wanted, or it is a bug.

make golden          keeps what the runs give now; the reason goes into the commit
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from golden_runs import DATA, RUNS, SHIPPED, STRATEGIES, Missing, play

import onetape
from onetape import _core

KEPT = Path(__file__).resolve().parent / "golden.toml"
TELLING = ("actions", "fills", "money", "state")  # what differs first explains the rest
HEAD = """# What the golden runs give (tests/research/golden_runs.py). Written by `make golden`.
# counts and amounts are for people; the hashes decide.
"""


def kept() -> dict[str, Any]:
    return tomllib.loads(KEPT.read_text()) if KEPT.exists() else {}


def write(table: dict[str, Any]) -> None:
    lines = [HEAD]
    for name in RUNS:
        if name not in table:
            continue
        lines.append(f"[{name}]")
        for key, value in table[name].items():
            if isinstance(value, dict):
                cells = ", ".join(f"{k} = {v}" if isinstance(v, int) else f'{k} = "{v}"' for k, v in value.items())
                lines.append(f"{key} = {{ {cells} }}")
            else:
                lines.append(f'{key} = "{value}"')
        lines.append("")
    KEPT.write_text("\n".join(lines))


def difference(name: str, was: dict[str, Any], now: dict[str, Any]) -> str | None:
    """What differed first, in words; None where nothing did."""
    first = next((key for key in TELLING if was.get(key) != now[key]), None)
    if first is None:
        return None
    words = [f"golden run {name!r}: the {first} differ first ({was.get(first)} -> {now[first]})"]
    for part in ("counts", "amounts"):
        before = was.get(part, {})
        words += [
            f"  {key}: {before.get(key)} -> {value}" for key, value in now[part].items() if before.get(key) != value
        ]
    words.append("  wanted? `make golden` keeps it; say in the commit why it changed")
    return "\n".join(words)


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Each data set is made once."""
    made: dict[str, Path] = {}

    def of(name: str) -> Path:
        if name not in made:
            path = tmp_path_factory.mktemp("golden") / f"{name}.tape"
            try:
                DATA[name](path)
            except Missing as missing:
                pytest.skip(str(missing))
            made[name] = path
        return made[name]

    return of


@pytest.mark.parametrize("name", RUNS)
def test_golden_run(name: str, tape: Any, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if RUNS[name].strategy == "Fast" and not RUNS[name].options.get("interpret"):
        pytest.importorskip("numba")
    now = play(name, tape, tmp_path / "home")
    table = kept()
    if request.config.getoption("--golden-update"):
        assert "PYTEST_XDIST_WORKER" not in os.environ, "--golden-update runs without -n"
        table[name] = now
        write({key: value for key, value in table.items() if key in RUNS})
        return
    if changed := difference(name, table.get(name, {}), now):
        pytest.fail(changed, pytrace=False)


def test_every_kept_run_is_still_run_and_does_something() -> None:
    table = kept()
    assert set(table) == set(RUNS)
    assert [name for name, row in table.items() if row["counts"]["fills"] < 5] == []
    counts = {name: row["counts"] for name, row in table.items()}
    assert counts["isolated-liquidated"]["liquidations"] > 0
    assert counts["cross-liquidated"]["liquidations"] > 0
    assert counts["bars-ambiguous"]["ambiguous_bars"] > 20
    assert counts["detail"]["ambiguous_bars"] < counts["bars-ambiguous"]["ambiguous_bars"]
    assert counts["order-rate"]["rejected"] > counts["plain"]["rejected"]
    amounts = {name: row["amounts"] for name, row in table.items()}
    assert float(amounts["funding"]["funding"]) != 0
    assert float(amounts["spot-borrow"]["interest"]) < 0
    assert table["compiled"] == table["compiled-as-python"]
    # An option that changes nothing tests nothing.
    fills = {name: row["fills"] for name, row in table.items()}
    assert len({fills[f"queue-{model}"] for model in ("conservative", "power", "log")}) == 3
    assert fills["real-usdm-fused"] != fills["real-usdm-unfused"]
    plain = ("plain", "fee-tiers", "order-rate", "trigger-delay", "closed-hours", "latency-curve")
    assert len({fills[name] for name in plain}) == len(plain)


def test_a_difference_says_what_came_first_and_how_to_keep_it() -> None:
    was = {"actions": "a", "fills": "b", "money": "c", "state": "d", "counts": {"fills": 3}, "amounts": {"pnl": "1"}}
    now = was | {"fills": "x", "money": "y", "counts": {"fills": 4}}
    text = difference("plain", was, now)
    assert text is not None
    assert text.splitlines()[0] == "golden run 'plain': the fills differ first (b -> x)"
    assert "  fills: 3 -> 4" in text
    assert "make golden" in text
    assert difference("plain", was, was) is None


CHILD = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from pathlib import Path
import onetape
from golden_runs import play
tapes, home, strategies, shipped = map(Path, sys.argv[2:6])
rows = {
    name: play(name, lambda each: tapes / f"{each}.tape", home, strategies=strategies,
               shipped=shipped)
    for name in sys.argv[6:]
}
print(json.dumps({"from": onetape.__file__, "rows": rows}))
"""


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_hashes_do_not_know_where_the_code_lies_nor_how_it_hashes(seed: str, tmp_path: Path) -> None:
    """The package, its core, the strategies and the tapes in another folder, as of another
    checkout, under another PYTHONHASHSEED."""
    import json

    names = ["plain", "hedge", "funding"]
    there = tmp_path / f"checkout {seed}"
    package = there / "onetape"
    shutil.copytree(Path(onetape.__file__).parent, package, ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copy(_core.__file__, package)
    shutil.copytree(SHIPPED, there / "strategies")
    for folder in (STRATEGIES.parent, STRATEGIES.parents[1] / "worlds"):
        shutil.copytree(folder, there / "tests" / folder.name)
    shutil.copy(STRATEGIES.parents[1] / "recorded.py", there / "tests")
    (there / "tapes").mkdir()
    for data in {each for name in names for each in RUNS[name].data}:
        DATA[data](there / "tapes" / f"{data}.tape")
    # Without `site` no path hook of the installed package stands before the copy.
    paths = [str(there), str(there / "tests" / "research"), sysconfig.get_path("purelib")]
    places = [there / "tapes", there / "home", there / "tests" / "research" / STRATEGIES.name]
    done = subprocess.run(
        [sys.executable, "-S", "-c", CHILD, json.dumps(paths), *map(str, places), str(there / "strategies"), *names],
        env={"PYTHONHASHSEED": seed, "PATH": os.environ.get("PATH", "")},
        cwd=there,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert Path(found["from"]).is_relative_to(there)
    table = kept()
    assert [difference(name, table[name], row) for name, row in found["rows"].items()] == [None] * 3
