"""A gateway killed between any two steps of a command that moves money: command, entry, reply."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from worlds.books_process import Books
from worlds.copied import in_a_copy


def killed(home: Path, frames: int, command: str, fields: dict[str, Any]) -> None:
    """A process of its own does a command, and dies after so many frames."""

    def life() -> None:
        try:
            books = Books(home)
            books.kill_after(frames)
            books.send(command, **fields)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)  # at the latest when it is done

    assert in_a_copy(life) == signal.SIGKILL


@pytest.mark.parametrize("frames", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("command", "fields", "after"),
    [
        ("allocate", {"index": 2, "amount": "100"}, [1000, 900, 100]),
        ("strategy_balance", {"cmd": "allocate", "index": 2, "amount": 100}, [1000, 900, 100]),
        ("adjust", {"delta": "-250", "transfer_id": "t1"}, [750, 750, 0]),
        ("set", {"index": 2, "amount": "7"}, [1000, 993, 7]),
        ("set", {"index": 0, "amount": "900"}, [900, 900, 0]),
        ("reset", {"amount": "500"}, [500, 500, 0]),
    ],
)
def test_what_is_sent_again_after_a_kill_is_booked_once(
    tmp_path: Path, command: str, fields: dict[str, Any], after: list[int], frames: int
):
    fields = {"currency": "usdt", **fields}
    first = Books(tmp_path)
    assert first.slots() == [1000, 1000, 0]
    first.close()
    killed(tmp_path, frames, command, fields)
    before = after if frames >= 2 else [1000, 1000, 0]  # the entry is the second frame
    for found in (before, after):  # whatever a life has remembered, the next one does too
        books = Books(tmp_path)
        assert books.slots() == found
        answer = books.send(command, **fields)
        assert answer["status"] in ("applied", "duplicate") and answer["error"] is None, answer
        assert books.slots() == after
        assert books.send(command, **fields)["status"] == "duplicate"
        other = {**fields, "amount": "1", "delta": "1"}
        assert books.send(command, **other)["error"]["name"] == "DUPLICATE_COMMAND"
        assert books.slots() == after
        books.close()
