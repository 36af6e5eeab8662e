"""A process of its own that answers commands: a door on a journal, as a gateway has it.

    python tests/ipc/ipc_process.py HOME PROCESS [LEVEL]

Commands: `add` (amount: kept in a sum that is rebuilt from the journal, once by id), `sum`, `stall`
(a question that takes long).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from onetape.ipc.door import Command, Door, Handler
from onetape.ipc.names import process_socket
from onetape.ipc.server import listen
from onetape.model.enums import EventType
from onetape.model.errors import InvalidAmount
from onetape.model.home import encoded
from onetape.projections.once import Once, digest_of
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalReader, JournalWriter

ACTORS = ("operator", "a", "b")


def journal_of(home: Path, process: str) -> Path:
    return home / "journal" / encoded(process)


def requests_in(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Commands and replies of a journal, in order."""
    if not path.exists():
        return []
    with JournalReader(path) as reader:
        return [
            ("command" if f.type == EventType.COMMAND.id else "reply", msgspec.msgpack.decode(f.payload))
            for f in reader.frames(("command", "reply"))
        ]


class Adder:
    """Its journal is its ledger: a command frame with a reply `applied` counts. die: called with
    where it is, to end the process there."""

    def __init__(self, home: Path, process: str, level: str, die: Callable[[str], None] = lambda at: None) -> None:
        path = journal_of(home, process)
        self.once, self.sum, self.die = Once(), 0, die
        added: dict[str, int] = {}
        for kind, record in requests_in(path):
            if kind == "command":
                digest = digest_of(record["actor"], record["command"], record["fields"])
                self.once.began(record["id"], digest, time.time_ns())
                added[record["id"]] = record["fields"].get("amount", 0)
            else:
                self.once.ended(record["id"], record)
                if record["status"] == "applied":
                    self.sum += added[record["id"]]
        self.writer = JournalWriter(path, process=process)
        for actor in ACTORS:
            make_token(home, actor)
        table = {
            "add": Handler(self.add, fields=("amount", "strategy"), anyone=True, moves_money=True),
            "sum": Handler(lambda _: lambda: self.sum, asks=True, anyone=True),
            "halt": Handler(lambda _: lambda: {"halted": True}, reaches_out=True),
            "place": Handler(lambda _: lambda: {"placed": True}, is_intent=True),
        }
        kind = process.partition(":")[0]
        names = (process, kind) if kind != process else (process,)
        self.door = Door(names, home, table, self, level=level, now=time.time_ns, once=self.once)

    def add(self, command: Command) -> Callable[[], int]:
        amount = command.fields.get("amount")
        if not isinstance(amount, int):
            raise InvalidAmount(f"not a whole number: {amount}")

        def do() -> int:
            self.die("journaled")
            self.sum += amount
            return self.sum

        return do

    def command(self, record: dict[str, Any], now: int) -> None:
        self.writer.append("command", msgspec.msgpack.encode(record), time=now)

    def command_reply(self, record: dict[str, Any], now: int) -> None:
        self.writer.append("reply", msgspec.msgpack.encode(record), time=now)
        self.die("replied")

    def ensure(self, level: str) -> None:
        self.writer.ensure(level)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "command":
            self.die("heard")
        return self.door.handle(request)


def main(home: Path, process: str, level: str, die_at: str) -> None:
    def die(at: str) -> None:
        if at == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    async def work() -> None:
        adder = Adder(home, process, level, die)
        serving = await listen(process_socket(home, process), adder.answer, adder.door.settle)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await serving

    uvloop.run(work())


class AdderProcess:
    """The same, started and killed by a test. die_at: heard, journaled or replied."""

    def __init__(self, home: Path, process: str, level: str = "process", die_at: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(home), process, level, die_at], stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        self.process.kill()
        self.ended()

    def ended(self) -> None:
        self.process.wait(180)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def __enter__(self) -> AdderProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4])
