"""A file that another process cuts short while it is mapped ends in an error, never in a signal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from onetape.tape.journal import JournalWriter

FRAMES = 40_000  # some megabytes: far more pages than any read-ahead of one fault

READ = """
import sys
from onetape.model.errors import TornTape
from onetape.tape.journal import JournalReader

reader = JournalReader(sys.argv[1])
for _ in range(100):
    reader.next_frame()
print("standing", flush=True)
sys.stdin.readline()
seen = 100
try:
    while reader.next_frame() is not None:
        seen += 1
except TornTape as error:
    print("TORN", seen, error)
else:
    print("END", seen)
"""


def made(path: Path, *, sealed: bool) -> Path:
    writer = JournalWriter(path, process="test", durable=False, segment_bytes_first=16 << 20)
    for at in range(FRAMES):
        writer.append("log", b"x" * 100, time=at)
    if sealed:
        writer.close()
    else:  # as a process that dies leaves it
        os._exit(0)
    return path


def tape(tmp_path: Path, *, sealed: bool) -> Path:
    path = tmp_path / "tape"
    if sealed:
        return made(path, sealed=True)
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n" + (
        "from pathlib import Path\nfrom test_cut_while_read import made\nmade(Path(sys.argv[1]), sealed=False)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    return path


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("left", [0, 1 << 20, (1 << 20) + 1234])
def test_a_tape_that_is_cut_while_it_is_read_is_torn(tmp_path, sealed, left):
    path = tape(tmp_path, sealed=sealed)
    reader = subprocess.Popen(
        [sys.executable, "-c", READ, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert reader.stdout.readline() == "standing\n"
        os.truncate(path / "0000000001.tape", left)
        out, err = reader.communicate("go\n", timeout=300)
    finally:
        reader.kill()
    assert reader.returncode == 0, f"{reader.returncode}: {err}"
    # Where the file ends within a page the rest of the page reads as zeros: of an open tape that is
    # where its writer had come to.
    may_end = left % 4096 != 0 and not sealed
    assert out.startswith(("TORN", "END") if may_end else "TORN"), out
    seen = int(out.split()[1])
    assert seen <= max(left // 100, 256), "frames that are not in the file any more"


def test_a_store_into_a_journal_that_was_cut_is_no_silent_loss(tmp_path):
    """A writer whose file is taken away dies: what it wrote on would be nowhere."""
    code = f"""
import os, sys
from onetape.tape.journal import JournalReader, JournalWriter
writer = JournalWriter({str(tmp_path / "tape")!r}, durable=False)
writer.append("log", b"first")
JournalReader({str(tmp_path / "tape")!r}).next_frame()  # the guard is there
os.truncate({str(tmp_path / "tape" / "0000000001.tape")!r}, 0)
while True:
    writer.append("log", b"x" * 1000)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=300)
    assert done.returncode < 0
