"""Start and end the generated market as a process."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from onetape.model.errors import ProcessDown
from onetape.robot.child_process import child_process
from onetape.security.private import private_folder
from onetape.tape.journal import JournalReader

__all__ = ["GeneratedTape", "generated_market"]


@dataclass(frozen=True, slots=True)
class GeneratedTape:
    """The market's journal, and the time of the last event of its history."""

    path: Path
    ready_at: int


@contextmanager
def generated_market(
    home: Path, symbols: Sequence[str], *, seed: int, seconds: float, rate: float = 3.0, history_seconds: float = 300.0
) -> Iterator[GeneratedTape]:
    """Run the market on a journal under <home>/journal; the process ends with the block at the latest."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    folder = home / "journal"
    private_folder(folder)
    path = folder / f"market-{stamp}"
    number = 2
    while path.exists():
        path = folder / f"market-{stamp}-{number}"
        number += 1
    command = [
        sys.executable,
        "-m",
        "onetape.robot.generated_market",
        str(path),
        "--seed",
        str(seed),
        "--seconds",
        str(seconds),
        "--history",
        str(history_seconds),
        "--rate",
        str(rate),
        "--parent",
        str(os.getpid()),  # otherwise it would survive a kill of ours
    ]
    for symbol in symbols:
        command += ["--symbol", symbol]
    with child_process(command) as process:
        assert process.stdout is not None
        if process.stdout.readline().strip() != b"ready":
            raise ProcessDown(
                "the generated market did not start",
                location="onetape.robot.generated_market",
                todo="see the lines above",
            )
        with JournalReader(path) as reader:
            reader.seek_sequence(reader.core.last_sequence)
            last = reader.next_frame()
        if last is None:
            raise ProcessDown("the generated market wrote no event", location=str(path))
        yield GeneratedTape(path, last.time)
