"""Runs the command as its users do: as a process, in a folder of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import copied_process

# The server of history is a helper of tests/data.
sys.path.append(str(Path(__file__).resolve().parents[1] / "data"))


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """Standard output, which under --json is one JSON value and nothing else."""
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


Onetape = Callable[..., Done]


@pytest.fixture
def onetape(tmp_path: Path) -> Onetape:
    def run(*arguments: object, env: dict[str, str] | None = None, cwd: Path = tmp_path) -> Done:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("ONETAPE_")}
        done = copied_process.run(*arguments, cwd=cwd, env={**clean, **(env or {})})
        return Done(done.returncode, done.stdout, done.stderr)

    return run
