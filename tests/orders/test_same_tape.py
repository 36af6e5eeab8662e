"""An account comes to the same whether the core takes in usual orders or the list of rules judges each: frame by
frame."""

from __future__ import annotations

import os
from typing import Any

import pytest

from onetape.simulation.faults import Faults
from onetape.simulation.halt_world import HaltWorld
from onetape.simulation.seeds import KINDS
from onetape.simulation.world import World
from onetape.tape.journal import JournalReader

LONG = bool(os.environ.get("ONETAPE_LONG"))


def tape_of(world: World) -> list[tuple[Any, ...]]:
    with JournalReader(world.life.writer._writer.path) as reader:
        return [(f.type, f.flags, f.time, f.stream, f.payload) for f in reader.frames()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("world", (World, HaltWorld))
@pytest.mark.parametrize("seed", range(40 if LONG else 2))
def test_an_account_comes_to_the_same_with_it_and_without_it(world: type[World], kind: str, seed: int) -> None:
    seconds = 300 if LONG else 40
    fast, slow = (world(seed, Faults(), kind, crashes=False, is_slow=is_slow).run(seconds) for is_slow in (False, True))
    assert tape_of(fast) == tape_of(slow)
    assert fast.differences() == slow.differences() == []
    assert slow.tape.plain == 0
    assert fast.tape.plain > 0 or world is HaltWorld
