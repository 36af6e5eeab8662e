"""Runs a command as its user does and says what it took. Not a figure itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple


class Whole(NamedTuple):
    """One process from its start to its end."""

    seconds: float  # wall clock
    processor: float  # seconds of user and system, all threads
    memory_mib: float  # the most that was resident, mapped tapes included
    answer: dict[str, Any]  # the last line of its standard output


def whole(command: list[str], **environment: str) -> Whole:
    """Ends this program where the command fails."""
    began = time.perf_counter()
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, env={**os.environ, **environment}, text=True
    )
    assert running.stdout is not None
    said = running.stdout.read()
    _, status, used = os.wait4(running.pid, 0)
    seconds = time.perf_counter() - began
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode:
        sys.exit(f"{Path(command[1]).name}: exit {running.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Whole(
        seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * unit / 2**20,
        json.loads(said.strip().splitlines()[-1]),
    )  # fmt: skip
