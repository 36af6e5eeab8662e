"""A gateway's table in a process of its own, driven by lines; beside them it shows life.

put CURRENCY SEQUENCE A,B,..   slots 1 and on, in whole units of the currency; a tenth is held
ready                          what AccountTable's methods do
spin CURRENCY                  changes it without pause, until killed
close                          a clean stop
"""

from __future__ import annotations

import select
import subprocess
import sys
import time
from pathlib import Path

from onetape.accounts.table import AccountTable

UNIT = 10**18
SPIN_SLOTS = 7


class TableProcess:
    """The other end."""

    def __init__(self, home: Path, account: str = "main", venue: str = "kraken") -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(home), account, venue],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answer()

    def answer(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == "done\n", f"the table's process ended: {line!r}"

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        print(line, file=self.process.stdin, flush=True)
        self.answer()

    def kill(self) -> None:
        self.process.kill()
        self.reap()

    def reap(self) -> None:
        for end in (self.process.stdin, self.process.stdout):
            assert end is not None
            end.close()
        self.process.wait(180)


def put(table: AccountTable, currency: str, sequence: int, amounts: list[int]) -> None:
    totals = [amount * UNIT for amount in amounts]
    held = [total // 10 for total in totals]
    table.put(currency, [sum(totals), *totals], [sum(held), *held], ts=sequence * 1000, sequence=sequence)


def spin_amounts(sequence: int) -> list[int]:
    return [sequence * (slot + 1) + slot for slot in range(SPIN_SLOTS)]


def spin(table: AccountTable, currency: str) -> None:
    sequence = 0
    while True:
        sequence += 1
        put(table, currency, sequence, spin_amounts(sequence))
        if sequence % 500 == 1:
            table.alive(time.time_ns())
        if sequence == 1:
            table.ready()
            print("done", flush=True)


def main() -> None:
    home, account, venue = sys.argv[1:]
    table = AccountTable(Path(home), venue=venue, account=account, kind=venue, names={"a": 2})
    print("done", flush=True)
    while True:
        table.alive(time.time_ns())
        if not select.select([sys.stdin], [], [], 0.05)[0]:
            continue
        command, *words = sys.stdin.readline().split() or ["close"]
        if command == "put":
            put(table, words[0], int(words[1]), [int(each) for each in words[2].split(",")])
        elif command == "ready":
            table.ready()
        elif command == "spin":
            spin(table, words[0])
        else:
            table.close()
            print("done", flush=True)
            return
        print("done", flush=True)


if __name__ == "__main__":
    main()
