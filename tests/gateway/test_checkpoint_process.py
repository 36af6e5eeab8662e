"""When a gateway's checkpoint is made, tried again and told of."""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from onetape.gateway import checkpoint_process
from onetape.gateway.checkpoint_process import SECONDS_LEAST, SECONDS_MOST, CheckpointProcess
from worlds.gateway_money import options_of

FULL = "import os, sys; sys.exit(f'No space left on device: .checkpoint.{os.getpid()}')"
MADE = ""


class Desk:
    """A gateway's checkpoints, made by whatever program is planted. records: written so far."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, home: Path, *, refused: str = "") -> None:
        self.program, self.said, self.now, self.tries = MADE, [], 1000.0, []
        self.process = CheckpointProcess(
            options_of(home, checkpoint_records=10),
            [],
            SimpleNamespace(published=1),
            at=0,
            slack=lambda _: 0,
            say=lambda out: self.said.append((out.state, out.severity)),
            refused=refused,
        )
        start = asyncio.create_subprocess_exec

        def planted(*_, **options):
            return start(sys.executable, "-c", self.program, **options)

        monkeypatch.setattr(checkpoint_process.asyncio, "create_subprocess_exec", planted)

    def run(self, seconds: float, *, has_room: bool = True) -> None:
        """A look each second, as a gateway that always has written enough."""
        for _ in range(int(seconds)):
            self.now += 1
            records = int(self.now) * 10
            if self.process.is_due(records, self.now, has_room=has_room):
                self.tries.append(self.now)
                asyncio.run(self.process.make(records, self.now))


@pytest.fixture
def desk(monkeypatch, tmp_path) -> Desk:
    return Desk(monkeypatch, tmp_path)


def test_what_fails_again_is_told_once_and_when_it_works_again(desk):
    desk.program = FULL
    desk.run(400)
    assert len(desk.tries) > 2
    [(words, severity)] = desk.said
    assert words.startswith("not made: No space left on device")
    assert severity == "warning"
    desk.program = MADE
    desk.run(SECONDS_MOST)
    assert desk.said[1:] == [("made", "info")]


def test_one_that_fails_is_tried_again_ever_later_and_one_that_is_made_as_usual(desk):
    desk.program = FULL
    desk.run(8 * SECONDS_MOST)
    pauses = [after - before for before, after in itertools.pairwise(desk.tries)]
    assert pauses[:3] == [SECONDS_LEAST, 2 * SECONDS_LEAST, 4 * SECONDS_LEAST]
    assert pauses[-1] == SECONDS_MOST
    desk.program = MADE
    desk.run(SECONDS_MOST + 3 * SECONDS_LEAST)
    assert desk.tries[-1] - desk.tries[-2] == SECONDS_LEAST


def test_none_is_tried_while_the_disk_has_no_room_and_one_at_once_when_it_has(desk):
    desk.program = FULL
    desk.run(4 * SECONDS_LEAST)
    tries = len(desk.tries)
    desk.run(SECONDS_MOST, has_room=False)
    assert len(desk.tries) == tries
    desk.program = MADE
    desk.run(1)
    assert len(desk.tries) == tries + 1
    assert desk.said[-1] == ("made", "info")


def test_one_that_was_not_used_is_told_until_another_is_made(monkeypatch, tmp_path):
    desk = Desk(monkeypatch, tmp_path, refused="is damaged")
    desk.run(1)
    assert desk.said == [("not used: is damaged", "warning"), ("made", "info")]
