"""Disks that are full or fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FULL = """
import sys, os
from pathlib import Path
from onetape.model.errors import DiskFull
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.verify import verify
base = Path(sys.argv[1])
(base / "ballast").write_bytes(bytes(1 << 20))
writer = JournalWriter(base / "j", segment_bytes_first=1 << 20, segment_bytes_max=1 << 20)
count = 0
try:
    while True:
        writer.append("log", b"x" * 500); count += 1
except DiskFull as error:
    print("full", count > 1000, "No space" in str(error))
try:
    writer.append("log", b"x" * 500)
except DiskFull:
    print("still full")
for _ in range(50):
    writer.append_urgent(16, b"kill"); count += 1
print("urgent", writer.published == count)
(base / "ballast").unlink()
import time
for _ in range(2000):
    time.sleep(0.05)
    try:
        writer.append("log", b"x" * 500); count += 1
        break
    except DiskFull:
        pass
print("again", writer.published == count)
writer.close()
report = verify(base / "j")
print("verify", report.ok, report.frames == count)
"""


def test_a_full_disk_is_an_error_and_urgent_frames_still_go_through(tmp_path: Path) -> None:
    run = f'mount -t tmpfs -o size=6m tmpfs {tmp_path} && exec {sys.executable} -c "$0" {tmp_path}'
    done = subprocess.run(["unshare", "-rm", "sh", "-c", run, FULL], capture_output=True, text=True)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"no tmpfs of one's own here: {done.stderr.strip()[:80]}")
    assert done.stdout.split("\n")[:-1] == [
        "full True True",
        "still full",
        "urgent True",
        "again True",
        "verify True True",
    ], done.stderr


SHIM = """
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int calls;
int fdatasync(int fd) {
    (void)fd;
    if (++calls == atoi(getenv("FAIL_AT"))) { errno = EIO; return -1; }
    return 0;
}
"""

FAILS = """
import sys
from onetape.model.errors import OnetapeError
from onetape.tape.journal import JournalWriter
writer = JournalWriter(sys.argv[1])
writer.append("log", b"a")
writer.sync()
writer.append("log", b"b")
try:
    writer.sync()
except OnetapeError as error:
    print("told", "Input/output" in str(error), writer.durable)
for attempt in (lambda: writer.append("log", b"c"), writer.sync, writer.close):
    try:
        attempt()
        print("went on")
    except OnetapeError:
        print("stopped", writer.durable)
"""


def test_a_failed_sync_stops_the_journal_for_ever(tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler and LD_PRELOAD to make a sync fail")
    (tmp_path / "shim.c").write_text(SHIM)
    shim = tmp_path / "shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", shim, tmp_path / "shim.c"], check=True)
    done = subprocess.run(
        [sys.executable, "-c", FAILS, tmp_path / "j"],
        env={"LD_PRELOAD": str(shim), "FAIL_AT": "2", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split("\n")[:-1] == ["told True 1", "stopped 1", "stopped 1", "stopped 1"], done.stderr
