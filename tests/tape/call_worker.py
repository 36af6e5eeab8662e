"""Does the work of `test_system_calls` in a child for each case, with system_calls.c between it and its files.

Reads a case a line: {"work", "folder", "acks", "site", "number", "action", "error", "log"}. Answers {"signal", "code",
"error"} of the child.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys
from pathlib import Path

from made_tapes import UUID
from test_crash import payload

from onetape.accounts.table import AccountReader, AccountTable
from onetape.model.errors import OnetapeError
from onetape.security.private import replace_private
from onetape.security.tokens import make_token
from onetape.tape.durable import durable_file
from onetape.tape.journal import JournalWriter
from onetape.tape.prune import compress

FRAMES, MORE, SYNC_EVERY = 900, 60, 150
SIZES = {"segment_bytes_first": 64 << 10, "segment_bytes_max": 64 << 10}
FILES = ("checkpoint", "facts")


def append(folder: Path, count: int, acks: int) -> None:
    with JournalWriter(folder / "tape", uuid=UUID, **SIZES) as writer:
        for sequence in range(writer.published + 1, writer.published + 1 + count):
            writer.core.append(23, payload(sequence), 0, 0, sequence)
            os.pwrite(acks, struct.pack("<Q", sequence), 0)
            if sequence % SYNC_EVERY == 0:
                writer.sync()
                os.pwrite(acks, struct.pack("<Q", sequence), 8)


def write(folder: Path, acks: int) -> None:
    append(folder, FRAMES, acks)
    compress(folder / "tape")
    publish(folder)
    make_token(folder, "operator")
    for number in range(3):
        replace_private(folder / FILES[1], bytes([number]) * 3000)
        with durable_file(folder / FILES[0]) as file:
            file.write(bytes([number]) * 3000)


def publish(folder: Path) -> None:
    """An account's table, which grows beyond its first room."""
    table = AccountTable(folder, venue="v", account="main", kind="kraken", capacity=2)
    for number in range(12):
        table.put(f"C{number}", [number, number], [0, 0], ts=1, sequence=number)
    table.ready()
    assert len(AccountReader(folder, "gateway:main").currencies) == 12
    table.close()


def recover(folder: Path, acks: int) -> None:
    append(folder, MORE, acks)
    publish(folder)


def main() -> None:
    shim = ctypes.CDLL(None)
    for line in sys.stdin:
        case = json.loads(line)
        says, said = os.pipe()
        child = os.fork()
        if child == 0:
            folder = Path(case["folder"])
            acks = os.open(case["acks"], os.O_RDWR | os.O_CREAT, 0o600)
            log = os.open(case["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if case["log"] else -1
            words = str(folder).encode(), case["site"].encode(), case["number"], case["action"], case["error"], log
            shim.arm(*words)
            try:
                {"write": write, "recover": recover}[case["work"]](folder, acks)
            except (OnetapeError, OSError) as error:
                os.write(said, f"{type(error).__name__}: {error}".encode())
                os._exit(3)
            except BaseException as error:
                os.write(said, f"unexpected {error!r}".encode())
                os._exit(4)
            os._exit(0)
        os.close(said)
        with os.fdopen(says) as file:
            error = file.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({"signal": max(-status, 0), "code": max(status, 0), "error": error}), flush=True)


if __name__ == "__main__":
    main()
