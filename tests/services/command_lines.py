"""`onetape …` in a process of its own, for tests."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import onetape.services.commands
import onetape.services.params  # noqa: F401 - what the verbs load when they are called
from onetape.cli.main import run

CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("ONETAPE_")}
WITHIN_S = 180
# Verbs that ask and start: tests use them so often that what a new process imports would be most of
# their time.
LIGHT = {"down", "fills", "orders", "params", "positions", "restart", "send", "status", "up"}
for _verb in LIGHT:
    import_module(f"onetape.cli.{_verb}")


def command_line(line: list[str], folder: Path) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    if line[0] in LIGHT:
        return _forked(line, folder)
    done = subprocess.run(
        [sys.executable, "-m", "onetape", *line],
        cwd=folder, env=CLEAN, capture_output=True, text=True, timeout=WITHIN_S, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def begin(folder: Path, *words: object) -> subprocess.Popen:
    """`onetape … --json`, while the test goes on."""
    return subprocess.Popen(
        [sys.executable, "-m", "onetape", *map(str, words), "--json"],
        cwd=folder, env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process: subprocess.Popen) -> dict:
    """What one that was begun has said at its end, which is a good one."""
    out, err = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, err
    return json.loads(out)


def _forked(line: list[str], folder: Path) -> tuple[int, str, str]:
    """In a copy of this process, which has imported already what the verbs need."""
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as said:
        pid = os.fork()
        if not pid:
            _become(line, folder, told.fileno(), said.fileno())
        deadline = time.monotonic() + WITHIN_S
        while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)
        texts = []
        for file in (told, said):
            file.seek(0)
            texts.append(file.read().decode())
    return os.waitstatus_to_exitcode(ended[1]), texts[0], texts[1]


def _become(line: list[str], folder: Path, told: int, said: int) -> NoReturn:
    code = 70
    gc.freeze()  # a collection would write to each object of the tests, and copy its page for that
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(CLEAN)
        for number, descriptor in ((0, os.open(os.devnull, os.O_RDONLY)), (1, told), (2, said)):
            os.dup2(descriptor, number)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        code = run(line)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)
