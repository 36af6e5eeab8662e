"""Each call by which a journal, a compressed segment, an account's table, a token, a checkpoint and a file of facts
reach the disk, by its name: the process is killed before and after it, and while it recovers from that; or it fails.

After a kill all that was appended is there. After an error the process says so, and what it appended before is there.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from call_worker import FILES
from test_crash import check_contents

from long_form import LONG
from onetape.security.tokens import read_token
from onetape.tape.verify import verify

FOLDER = Path(__file__).parent
BEFORE, AFTER, FAIL, FAIL_ALWAYS, SHORT = range(1, 6)
FAULTS = [(FAIL, errno.ENOSPC), (FAIL, errno.EIO), (FAIL, errno.EINTR), (FAIL_ALWAYS, errno.EIO), (SHORT, 0)]


class Worker:
    def __init__(self, place: Path) -> None:
        self.place, self.count = place, 0
        shim = place / "system_calls.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, FOLDER / "system_calls.c", "-ldl"], check=True)
        self.process = subprocess.Popen(
            [sys.executable, FOLDER / "call_worker.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "LD_PRELOAD": str(shim), "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def run(
        self, work: str, folder: Path, site: str = "", number: int = 0, action: int = 0, error: int = 0, log: str = ""
    ):
        case = {"work": work, "folder": str(folder), "acks": f"{folder}.acks", "site": site, "number": number}
        case |= {"action": action, "error": error, "log": log}
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(case) + "\n")
        self.process.stdin.flush()
        done = json.loads(self.process.stdout.readline())
        assert done["code"] in (0, 3) and done["signal"] in (0, signal.SIGKILL), (site, number, action, error, done)
        return done

    def sites(self, work: str, folder: Path) -> Counter[str]:
        """Returns the calls of this work, by their names."""
        log = f"{folder}.log"
        assert self.run(work, folder, log=log)["code"] == 0
        return Counter(Path(log).read_text().splitlines())

    def folder(self) -> Path:
        self.count += 1
        made = self.place / f"case-{self.count}"
        made.mkdir()
        return made


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    if shutil.which("cc") is None:
        pytest.skip("NOT_AVAILABLE: no C compiler on this machine")
    made = Worker(tmp_path_factory.mktemp("calls"))
    yield made
    made.process.communicate()


def check(folder: Path) -> None:
    """What was acknowledged is there, whole; a file has one of its contents, or is not there yet."""
    acks = Path(f"{folder}.acks").read_bytes()
    appended, synced = struct.unpack("<QQ", acks.ljust(16, b"\0")) if acks else (0, 0)
    if any((folder / "tape").glob("*.tape")):
        report = verify(folder / "tape")
        assert report.ok and report.last_seq >= max(appended, synced), (report, appended)
        assert check_contents(folder / "tape") >= appended
    else:
        assert not appended
    for name in FILES:
        if (folder / name).exists():
            data = (folder / name).read_bytes()
            assert len(data) == 3000 and len({*data}) == 1, name
    if (folder / "run" / "tokens" / "operator").exists():
        assert len(read_token(folder, "operator")) == 64


def times(count: int) -> list[int]:
    """Which of a call's repetitions are met: the first two, one in the middle, the last."""
    return sorted({1, min(2, count), count // 2 + 1, count} & {*range(1, count + 1)})


def check_recovery(worker: Worker, folder: Path) -> None:
    check(folder)
    done = worker.run("recover", folder)
    assert done["code"] == 0, done
    check(folder)
    shutil.rmtree(folder)


def test_a_kill_before_and_after_each_call_loses_nothing(worker: Worker):
    sites = worker.sites("write", worker.folder())
    met = 0
    for site, count in sites.items():
        for number in times(count):
            for action in (BEFORE, AFTER):
                folder = worker.folder()
                done = worker.run("write", folder, site, number, action)
                met += done["signal"] == signal.SIGKILL
                check_recovery(worker, folder)
    assert met >= 100, sites  # a thread may come to fewer calls than the time before


def test_a_kill_before_each_call_of_a_recovery_loses_nothing(worker: Worker):
    sites = worker.sites("write", worker.folder())
    killed = [(site, times(count)) for site, count in sites.items() if "tape" in site]
    met = 0
    for site, numbers in killed if LONG else killed[:: max(len(killed) // 4, 1)]:
        torn = worker.folder()
        worker.run("write", torn, site, numbers[-1], BEFORE)

        def copy(torn: Path = torn) -> Path:
            made = worker.folder()
            shutil.copytree(torn, made, dirs_exist_ok=True)
            shutil.copy(f"{torn}.acks", f"{made}.acks")
            return made

        for each, count in worker.sites("recover", copy()).items():
            for number in times(count):
                folder = copy()
                met += worker.run("recover", folder, each, number, BEFORE)["signal"] == signal.SIGKILL
                check_recovery(worker, folder)
    assert met >= 30


@pytest.mark.parametrize(("action", "error"), FAULTS)
def test_a_call_that_fails_is_said_and_loses_nothing(worker: Worker, action: int, error: int):
    sites = worker.sites("write", worker.folder())
    said = Counter[str]()
    for site, count in sites.items():
        for number in {1, count}:
            folder = worker.folder()
            done = worker.run("write", folder, site, number, action, error)
            said[done["error"].partition(":")[0]] += 1
            if action == SHORT or error == errno.EINTR:
                assert not (done["code"] and "write" in site), (site, done)
            check_recovery(worker, folder)
    if action != SHORT:
        assert sum(said.values()) - said[""] > 10, said
