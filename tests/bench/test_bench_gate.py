"""The gate of figures fails where a ratio is a quarter worse than its line, and where it has none."""

from __future__ import annotations

import sys
import time
import tomllib
from pathlib import Path

import pytest

# Only for this: other rooms of the tests have modules of the same names as benches, some of which add to the path.
BENCH = str(Path(__file__).resolve().parents[2] / "bench")
PATH = list(sys.path)
sys.path.insert(0, BENCH)
try:
    import gate
finally:
    sys.path[:] = PATH


def held(tmp_path, monkeypatch, ours: float, line: float | None) -> int:
    """Returns the exit code of a gate of one pair, whose floor takes 1. line: None: there is none."""
    monkeypatch.setattr(gate, "PAIRS", [gate.Pair("work", lambda: ours, lambda: 1.0, "one")])
    monkeypatch.setattr(gate, "LINES", tmp_path / "gate.toml")
    if line is not None:
        gate.LINES.write_text(f"work = {line}")
    monkeypatch.setattr(sys, "argv", ["gate"])
    try:
        gate.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize(
    ("ours", "line", "code"), [(2.0, 2.0, 0), (2.49, 2.0, 0), (2.51, 2.0, 1), (0.1, 2.0, 0), (2.0, None, 1)]
)
def test_a_ratio_a_quarter_worse_fails(tmp_path, monkeypatch, capsys, ours, line, code):
    assert held(tmp_path, monkeypatch, ours, line) == code
    assert ("FAILED" in capsys.readouterr().out) == bool(code)


def test_a_ratio_that_is_worse_once_was_disturbed(tmp_path, monkeypatch):
    taken = iter([9.0] * gate.ROUNDS + [2.0] * gate.ROUNDS)
    monkeypatch.setattr(gate, "LINES", tmp_path / "gate.toml")
    gate.LINES.write_text("work = 2.0")
    monkeypatch.setattr(gate, "PAIRS", [gate.Pair("work", lambda: next(taken), lambda: 1.0, "one")])
    monkeypatch.setattr(sys, "argv", ["gate"])
    gate.main()


def test_each_pair_has_a_line_and_measures_processor_time():
    lines = tomllib.loads((Path(BENCH) / "gate.toml").read_text())
    assert lines.keys() == {pair.name for pair in gate.PAIRS}
    assert all(line > 0 for line in lines.values())
    assert gate.timed(lambda: time.sleep(0.05), 1) < 0.05
