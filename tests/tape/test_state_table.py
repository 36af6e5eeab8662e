"""Rebuilding: checkpoint and journal give the state that folding everything gives."""

from __future__ import annotations

import random
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pytest

from onetape.model.errors import TornTape
from onetape.tape.state import GroupSpec, Layout, StateReader, StateWriter
from onetape.tape.state_table import StateTable

LAYOUT = Layout([GroupSpec(1, "position", (("qty", "i"), ("fills", "u")))])
IDENTITY = UUID(int=1)


class Fill(NamedTuple):
    sequence: int
    symbol: str
    qty: int


class Tape:
    """A journal in memory, with the chain that its frames would have."""

    def __init__(self, fills: list[Fill], uuid: UUID = IDENTITY) -> None:
        self.fills = fills
        self.uuid = uuid
        self.at = 0
        self.crc = 0

    @property
    def last_sequence(self) -> int:
        return self.fills[-1].sequence if self.fills else 0

    def seek_sequence(self, sequence: int) -> None:
        self.at = sum(fill.sequence < sequence for fill in self.fills)

    def next(self) -> Fill | None:
        if self.at == len(self.fills):
            return None
        fill = self.fills[self.at]
        self.at += 1
        self.crc = hash((fill.sequence, fill.qty)) & 0xFFFFFFFF
        return fill


def step(table: StateTable, fill: Fill) -> None:
    before = table.get("position", fill.symbol)
    qty, fills = (before["qty"], before["fills"]) if before else (0, 0)
    assert isinstance(qty, int)
    assert isinstance(fills, int)
    if qty + fill.qty == 0:
        table.remove("position", fill.symbol)  # closed keys leave
    else:
        table.put("position", fill.symbol, {"qty": qty + fill.qty, "fills": fills + 1}, ts=fill.sequence)


def fills(count: int, seed: int = 1) -> list[Fill]:
    rng = random.Random(seed)
    return [Fill(i + 1, rng.choice("abc"), rng.choice((-1, 1))) for i in range(count)]


def state(table: StateTable) -> dict[str, object]:
    return {key: (g.values, g.ts_data, g.sequence) for key, g in table.groups("position").items()}


def folded(count: int) -> StateTable:
    return StateTable.rebuild(LAYOUT, Tape(fills(count)), step)[0]


@pytest.mark.parametrize("at", [1, 5, 49, 50])
def test_a_checkpoint_and_the_rest_equal_the_whole(tmp_path: Path, at: int) -> None:
    path = tmp_path / "gateway.checkpoint"
    folded(at).save(path, uuid=IDENTITY)
    table, how = StateTable.rebuild(LAYOUT, Tape(fills(50)), step, checkpoint=path)
    assert state(table) == state(folded(50))
    assert (how.checkpoint, how.frames, how.sequence) == (path, 50 - at, 50)
    assert table.crc == folded(50).crc


def test_each_unusable_checkpoint_is_ignored_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "c"
    whole = state(folded(50))

    def rebuilt(tape: Tape) -> str:
        table, how = StateTable.rebuild(LAYOUT, tape, step, checkpoint=path)
        assert state(table) == state(StateTable.rebuild(LAYOUT, Tape(tape.fills), step)[0])
        assert how.checkpoint is None
        assert how.frames == len(tape.fills)
        return how.ignored[0]

    assert "not there" in rebuilt(Tape(fills(50)))
    folded(30).save(path, uuid=IDENTITY)
    assert "ahead of the journal" in rebuilt(Tape(fills(20)))
    assert "another journal" in rebuilt(Tape(fills(50), UUID(int=2)))
    rewritten = fills(50)
    rewritten[29] = rewritten[29]._replace(qty=rewritten[29].qty * 2)
    assert "frame 30 is not the one" in rebuilt(Tape(rewritten))
    good = path.read_bytes()
    for i in range(len(good)):
        path.write_bytes(good[:i] + bytes([good[i] ^ 1]) + good[i + 1 :])
        table, how = StateTable.rebuild(LAYOUT, Tape(fills(50)), step, checkpoint=path)
        assert state(table) == whole
        assert how.checkpoint is None, i
    path.write_bytes(good[: len(good) // 2])
    assert "damaged" in rebuilt(Tape(fills(50)))
    path.write_bytes(b"")
    assert "damaged" in rebuilt(Tape(fills(50)))


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "c"
    folded(10).save(path, uuid=IDENTITY)
    folded(20).save(path, uuid=IDENTITY)
    path.write_bytes(path.read_bytes()[:-1])
    table, how = StateTable.rebuild(LAYOUT, Tape(fills(50)), step, checkpoint=path)
    assert how.checkpoint == tmp_path / "c.old"
    assert how.frames == 40
    assert state(table) == state(folded(50))


def test_another_layout_is_folded_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "c"
    folded(10).save(path, uuid=IDENTITY)
    other = Layout([GroupSpec(1, "position", (("qty", "i"), ("fills", "u"), ("more", "i")))])
    _, how = StateTable.rebuild(other, Tape(fills(20)), step, checkpoint=path)
    assert how.ignored[0] == "c: of another layout"
    assert how.frames == 20


def test_a_pruned_journal_needs_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "c"
    folded(30).save(path, uuid=IDENTITY)
    pruned = fills(50)[25:]
    table, _ = StateTable.rebuild(LAYOUT, Tape(pruned), step, checkpoint=path)
    assert state(table) == state(folded(50))
    path.write_bytes(b"gone")
    with pytest.raises(TornTape, match="frames 1 to 25 are gone"):
        StateTable.rebuild(LAYOUT, Tape(pruned), step, checkpoint=path)


def test_an_attached_table_is_written_through(tmp_path: Path) -> None:
    table = folded(30)
    table.attach(StateWriter(tmp_path, "gateway", LAYOUT))
    reader = StateReader(tmp_path, "gateway", LAYOUT)

    def seen() -> dict[str, object]:
        groups = reader.groups("position")
        return {key: (g.values, g.ts_data, g.sequence) for key, g in groups.items()}

    assert seen() == state(table)
    for fill in fills(60)[30:]:
        table.fold(fill, 0, step)
        assert seen() == state(table)


def test_a_refused_value_changes_nothing(tmp_path: Path) -> None:
    table = folded(5)
    before = state(table)
    with pytest.raises(Exception, match="no field"):
        table.put("position", "a", {"wrong": 1}, ts=0)
    assert state(table) == before
