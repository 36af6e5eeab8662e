"""Counters that processes share: nothing is lost between them, and a killed one holds nobody up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from onetape.model.errors import BadInput
from onetape.store.shared_counters import HOLDERS, SharedCounters, SharedLeases
from waiting import PATIENCE_S

MANY = 3000
SPEND = f"""
import sys
from pathlib import Path
from onetape.store.shared_counters import HOLDERS, SharedCounters, SharedLeases
counts = SharedCounters(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for _ in range({MANY}):
    counts.spend(0, 7, 1, 10**9)
"""
RENEW = f"""
import sys
from pathlib import Path
from onetape.store.shared_counters import SharedLeases
leases = SharedLeases(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in range({MANY}):
    with leases.changing() as held:
        held[:] = [(holder, until + 1) for holder, until in held]
"""
HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
print("ready", flush=True)
sys.stdin.readline()
"""


def started(code: str, path) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    return process


def test_no_count_of_two_processes_is_lost(tmp_path):
    path = tmp_path / "counts"
    both = [started(SPEND, path) for _ in range(2)]
    for process in both:
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in both:
        process.communicate(timeout=PATIENCE_S)
    counts = SharedCounters(path)
    assert counts.spend(0, 7, 0, 10**9) == 2 * MANY
    assert counts.spend(1, 7, 0, 10**9) == 0
    counts.close()


def test_no_change_of_leases_by_two_processes_is_lost(tmp_path):
    path = tmp_path / "leases"
    leases = SharedLeases(path)
    with leases.changing() as held:
        held += [(2**62 + 1, 5), (7, 6)]
    both = [started(RENEW, path) for _ in range(2)]
    for process in both:
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in both:
        process.communicate(timeout=PATIENCE_S)
    with leases.changing() as held:
        assert held == [(2**62 + 1, 5 + 2 * MANY), (7, 6 + 2 * MANY)]
        held.clear()
    with leases.changing() as held:
        assert held == []
    leases.close()


def test_more_holders_than_there_is_room_for_are_refused_and_those_before_stay(tmp_path):
    leases = SharedLeases(tmp_path / "leases")
    full = [(holder, 5) for holder in range(1, HOLDERS + 1)]
    with leases.changing() as held:
        held += full
    with pytest.raises(BadInput, match="more than"), leases.changing() as held:
        held.append((999, 5))
    with leases.changing() as held:
        assert held == full
    leases.close()
    with pytest.raises(BadInput):
        SharedCounters(tmp_path / "leases")


def test_a_process_killed_with_the_lock_holds_nobody_up(tmp_path):
    path = tmp_path / "counts"
    counts = SharedCounters(path)
    holder = started(HOLD, path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdin.close()
    holder.stdout.close()
    counts.ban(5)
    assert counts.banned_until() == 5
    counts.close()


def test_it_is_its_owner_s_alone(tmp_path):
    SharedCounters(tmp_path / "run" / "counts").close()
    assert (tmp_path / "run" / "counts").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("content", [b"x", bytes(144), bytes(1000)])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "counts"
    path.write_bytes(content)
    with pytest.raises(BadInput):
        SharedCounters(path)
    assert path.read_bytes() == content
    os.remove(path)


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "other")
    with pytest.raises(OSError):
        SharedCounters(tmp_path / "link")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("banned", [0, 10**18])
@pytest.mark.parametrize("counted", [0, 999])
def test_counts_of_an_earlier_start_of_the_machine_are_forgotten(tmp_path, counted, banned):
    """Times are of the steady clock, which begins anew with each start."""
    counts = SharedCounters(tmp_path / "counts")
    counts.ban(banned)
    counts.spend(0, counted, 5, 9)
    counts.spend(1, 50, 5, 9)
    counts.close()
    counts = SharedCounters(tmp_path / "counts")
    counts.begin(100)
    is_earlier = counted > 100 or banned > 0
    assert counts.banned_until() == 0
    assert [counts.spend(slot, window, 0, 9) for slot, window in ((0, counted), (1, 50))] == [
        0 if is_earlier else 5
    ] * 2
    counts.close()


def test_a_file_that_counted_by_another_clock_is_gone_on_with(tmp_path):
    """Bans were UTC once, and windows numbers."""
    words = [int.from_bytes(b"otcount1", "little"), 1_795_000_000 * 10**9, 29_916_667, 37, *[0] * 14]
    (tmp_path / "counts").write_bytes(b"".join(word.to_bytes(8, "little") for word in words))
    counts = SharedCounters(tmp_path / "counts")
    counts.begin(5 * 10**9)
    assert counts.banned_until() == 0 and counts.spend(0, 4 * 10**9, 0, 9) == 0
    counts.close()
