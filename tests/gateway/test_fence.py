"""Who trades on an account: one at a time, whoever starts, and until the end of the process."""

from __future__ import annotations

import os
import signal

from onetape.ipc.fence import Fence
from waiting import wait_for


def test_one_at_a_time_and_the_other_sees_who_it_is(tmp_path):
    gateway, guardian = (Fence(tmp_path, "main", holder=each) for each in ("gateway", "guardian"))
    assert gateway.take() and gateway.take() and not guardian.take()
    assert not guardian.is_of_guardian()
    gateway.release()
    assert guardian.take() and not gateway.take()
    assert gateway.is_of_guardian()
    assert Fence(tmp_path, "other", holder="guardian").take()  # of each account its own


def test_it_goes_with_its_process_and_not_while_that_stands_still(tmp_path):
    read, write = os.pipe()
    child = os.fork()
    if not child:
        Fence(tmp_path, "main", holder="gateway").take()
        os.write(write, b".")
        signal.pause()
    os.read(read, 1)
    guardian = Fence(tmp_path, "main", holder="guardian")
    os.kill(child, signal.SIGSTOP)
    assert not guardian.take()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    wait_for(guardian.take)
