"""Who waits for news of the market or the account asks the kernel to be run as soon as they come."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from onetape.ipc.scheduling import SLICE_NS, slice_of
from worlds.supervised import CONFIG, Home

TAKES = "from onetape.ipc.scheduling import *; assert take_short_slices(); "
pytestmark = pytest.mark.skipif(not slice_of(0), reason="this kernel gives processes no slices of their own")


def in_a_process(code: str, **options) -> list[int]:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, **options)
    return [int(each) for each in done.stdout.split()]


def test_a_process_takes_short_slices_keeps_its_priority_and_leaves_its_children_theirs():
    child = "subprocess.run([sys.executable, '-c', 'from onetape.ipc.scheduling import *; print(slice_of(0))'])"
    code = f"{TAKES}import os, subprocess, sys; print(slice_of(0), os.nice(0), flush=True); {child}"
    own, nice, of_child = in_a_process(code, preexec_fn=lambda: os.nice(3))
    assert (own, nice) == (SLICE_NS, os.nice(0) + 3) and of_child == slice_of(0) > SLICE_NS


def test_another_policy_is_left_as_it_is():
    code = "import os; os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)); "
    code += "from onetape.ipc.scheduling import *; print(int(take_short_slices()), os.sched_getscheduler(0))"
    assert in_a_process(code) == [0, os.SCHED_BATCH]


def test_the_processes_on_an_orders_way_take_short_slices_and_the_others_do_not(tmp_path):
    config = CONFIG + '[hub]\n[guardian]\n[collectors.ws]\nkind = "venue"\nvenue = "x"\n[recorder]\n'
    with Home(tmp_path, config) as home:
        home.run("up")
        short = {each["kind"] for each in home.now()["processes"] if slice_of(each["pid"]) == SLICE_NS}
        assert short == {"gateway", "robot", "hub", "guardian", "collector"}
