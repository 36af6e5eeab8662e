"""The lock file: for whom it is, and that it holds all that the tests need."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "ci.lock"
ALL_OF_DEV = (
    "research",
    "compiled",
    "bridge",
    "sql",
    "notify",
    "metrics",
    "streams",
    "optimize",
    "indicators",
    "calendars",
    "wallets",
    "mcp",
)


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("lock", ROOT / "tools" / "lock.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "lock", made)
    spec.loader.exec_module(made)
    return made


def fits(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["lock.py", "--fits"])
    return tool.main()


def test_every_line_names_one_version_and_the_hash_of_its_file() -> None:
    lines = [x for x in LOCK.read_text().splitlines() if not x.startswith("#")]
    assert len(lines) > 100
    form = re.compile(r"[a-z0-9-]+==\S+ --hash=sha256:[0-9a-f]{64}")
    assert [x for x in lines if not form.fullmatch(x)] == []


def test_it_has_whatever_setup_asks_for_in_a_version_that_suits(tool: ModuleType) -> None:
    """`--no-deps` asks nobody, so this does."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    wanted = {*project["build-system"]["requires"], *project["project"]["dependencies"]}
    wanted |= {each for extra in ("dev", *ALL_OF_DEV) for each in extras[extra]}
    assert f"onetape[{','.join(ALL_OF_DEV)}]" in wanted
    pins = tool.locked()
    requests = [one for one in map(Requirement, wanted) if one.name != "onetape"]
    unfit = {str(x) for x in requests if not x.specifier.contains(pins.get(x.name.lower(), "0.dev0"))}
    assert unfit == set()
    assert {"setuptools", "cmake", "ninja"} <= set(pins)


def test_it_is_for_the_python_and_the_machine_that_its_first_line_says(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert re.fullmatch(r"Python 3\.\d+, \w+ \w+", tool.made_for())
    lock = tmp_path / "ci.lock"
    monkeypatch.setattr(tool, "LOCK", lock)
    first = "# What the tests ran with: {}. Written by `make lock`, installed by\nx==1\n"
    lock.write_text(first.format(tool.platform_tag()))
    assert fits(tool, monkeypatch) == 0
    lock.write_text(first.format("Python 3.1, plan9 mips"))
    assert fits(tool, monkeypatch) == 1
    assert "ci.lock is for Python 3.1, plan9 mips, this is Python 3." in capsys.readouterr().out
