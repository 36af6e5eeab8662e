"""A gateway opens nothing within a second after its guardian has died or stands still, and a busy machine ends no
lease."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from onetape.gateway.guardian_pulse import SILENT_AFTER, GuardianPulse
from onetape.model.home import guardian_journal
from onetape.model.time import SECOND
from onetape.tape.journal import JournalReader
from waiting import wait_for

HOLDS = """
import sys, time
from pathlib import Path
from onetape.tape.journal import JournalWriter
writer = JournalWriter(Path(sys.argv[1]), process="guardian", created=time.time_ns(), heartbeat=True)
print("ready", flush=True)
while True:
    pass  # the interpreter is busy: its heartbeat goes on
"""


@pytest.fixture
def guardian(tmp_path):
    command = [sys.executable, "-c", HOLDS, str(guardian_journal(tmp_path))]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        with JournalReader(guardian_journal(tmp_path)) as reader:  # its thread may begin later
            wait_for(lambda: reader.control["heartbeat"])
        yield process
        process.kill()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_guardian_that_has_died_is_seen_at_once_and_one_that_stands_still_within_a_second(guardian, tmp_path, how):
    pulse = GuardianPulse(tmp_path)
    wait_for(lambda: not pulse.lost())
    os.kill(guardian.pid, how)
    if how is signal.SIGKILL:
        guardian.wait()
        assert "ended" in pulse.lost()
    else:  # this machine may stand still, too: what the pulse itself allows is what is promised
        assert "no heartbeat" in wait_for(pulse.lost) and SILENT_AFTER < SECOND
        os.kill(guardian.pid, signal.SIGCONT)
        wait_for(lambda: not pulse.lost())
    pulse.close()


def test_where_no_guardian_has_a_journal_nobody_can_tell(tmp_path):
    assert not GuardianPulse(tmp_path).lost()
