"""A process that is killed while it writes checkpoints."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

from test_checkpoints import jumps, simple

from onetape.replay.checkpoints import Checkpoints

KILLED = """
import os, signal, sys
from pathlib import Path
import pytest
sys.path.insert(0, sys.argv[1])
from worlds import checkpointed
from onetape.replay import checkpoints
from onetape.replay.replay import replay_run

checkpointed.often(pytest.MonkeyPatch(), 500)
left = int(sys.argv[3])

def watch(event, arguments):  # each opening and renaming of a file below the folder is a step
    global left
    if event in ("open", "os.rename") and "/checkpoints/" in str(arguments[0]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
replay_run(Path(sys.argv[2]))
"""


def test_a_replay_that_is_killed_while_it_writes_leaves_nothing_wrong(tmp_path, sample):
    """At every third of its steps: what is there then is whole, or does not count."""
    run = simple(tmp_path, sample)
    code = tmp_path / "killed.py"
    code.write_text(KILLED)
    step, codes = 1, []
    while not codes or codes[-1]:
        shutil.rmtree(run / "checkpoints", ignore_errors=True)
        done = subprocess.run(
            [sys.executable, str(code), str(Path(__file__).parents[1]), str(run), str(step)], check=False
        )
        codes.append(done.returncode)
        assert done.returncode in (0, -signal.SIGKILL)
        assert bool(Checkpoints(run).places) == (done.returncode == 0)
        step += 3
    assert len(codes) > 2
    assert jumps(run, 19_000) == ""
