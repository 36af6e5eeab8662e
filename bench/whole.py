"""Runs a command as its user does and says what it took. Not a figure itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple


class Whole(NamedTuple):
    """One process from its start to its end."""

    seconds: float  # wall clock
    processor: float  # seconds of user and system, all threads
    memory_mib: float  # the most that was resident, mapped tapes included
    answer: dict[str, Any]  # the last line of its standard output


# A process begins with the memory of the one that starts it, and Linux counts that as its own most:
# so a small one starts the command and measures it.
_STARTER = """
import json, os, subprocess, sys, time
began = time.perf_counter()
started = subprocess.Popen(json.loads(sys.argv[1]))
_, status, used = os.wait4(started.pid, 0)
seconds = time.perf_counter() - began
code = os.waitstatus_to_exitcode(status)
print(json.dumps([seconds, used.ru_utime + used.ru_stime, used.ru_maxrss, code]))
"""


def whole(command: list[str], **environment: str) -> Whole:
    """Ends this program where the command fails."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", _STARTER, json.dumps(command)],
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
        text=True,
        check=True,
    )
    *said, measured = done.stdout.strip().splitlines()
    seconds, processor, memory, code = json.loads(measured)
    if code:
        sys.exit(f"{Path(command[1]).name}: exit {code}")
    unit = 1 if sys.platform == "darwin" else 1024
    return Whole(seconds, processor, memory * unit / 2**20, json.loads(said[-1]))
