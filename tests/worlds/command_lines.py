"""`onetape …` in a process of its own, without variables of ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import copied_process
from copied_process import ONETAPE, WITHIN_S, Copied
from waiting import wait_for

CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("ONETAPE_")}


def command_line(line: list[str], folder: Path) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    done = copied_process.run(*line, cwd=folder, env=CLEAN)
    return done.returncode, done.stdout, done.stderr


def answered(folder: Path, *words: object, code: int = 0, **environ: str) -> Any:
    """What `onetape … --json` says, which ends with this code. environ: variables beside its own."""
    done = copied_process.run(*words, "--json", cwd=folder, env=CLEAN | environ)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def begin(folder: Path, *words: object) -> subprocess.Popen:
    """`onetape … --json`, while the test goes on."""
    return Copied(
        ONETAPE, *words, "--json", cwd=folder, env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run_until(is_done: Callable[[], object], folder: Path, *words: object) -> dict:
    """What `onetape run … --json` says that is stopped by Ctrl-C once that is so."""
    return stopped_once(is_done, folder, "run", *words)


def stopped_once(is_done: Callable[[], object], folder: Path, *words: object) -> dict:
    """The same of any command."""
    process = begin(folder, *words)
    try:
        wait_for(lambda: is_done() or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        return ended(process)
    finally:
        process.kill()


def ended(process: subprocess.Popen) -> dict:
    """What one that was begun has said at its end, which is a good one."""
    out, err = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, err
    return json.loads(out)
