"""Writes the hub's journal: one market, with the source of each message.

quote, trade, mark, funding, bar   as in their source's frame, under the number of the listing plus one. The upper
                                   byte of the flags is the source's number plus one.
quote with flag 64                 synthetic: the median of the last ones, while no source is fresh
bar with flag 64                   synthetic: made of the trades, if no source has sent it
instrument                         before the first frame of a number, and again with changed facts
input                              how far the journal of a source was read. A restart continues there
health                             kind `hub`: the number of each source; `source`: one is healthy, degraded or
                                   failing; `market`: a symbol is stale or fresh; `listing`: listed, delisted,
                                   dropped; `quarantine`: a bad tick, with its rule and its place in its source's
                                   journal; `bars`: comparison of a one-minute bar with its trades
command, reply                     commands; pins are folded from these
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.ipc.command_tape import CommandTape, PastCommand, commands_in
from onetape.model.enums import EventType
from onetape.model.instrument import Instrument
from onetape.model.time import MINUTE
from onetape.projections.once import Once
from onetape.tape.health import append_health
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.tape.payloads import fields
from onetape.tape.recovered_instruments import preamble_of, recovered_instruments
from onetape.tape.segments import is_tape

__all__ = ["CURSORS_EVERY", "Cursor", "HubTape", "Recovered"]

REMEMBERED_NS: Final = 600 * 10**9  # part of its own journal that a restart reads again
CURSORS_EVERY: Final = MINUTE
_INPUT: Final = EventType.INPUT.id
_CURSOR: Final = fields("input", "source", "epoch", "first_sequence", "count")


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last frame of a source's journal that was merged."""

    epoch: int
    sequence: int


@dataclass(slots=True)
class Recovered:
    """The state read from the journal of an earlier incarnation. since: ns of the sources' clock, from where its market
    is known; 0: there is none. instruments: by number of listing. ended: numbers of ended listings."""

    since: int = 0
    first_sequence: int = 1  # of the frames written since then
    instruments: list[Instrument] = field(default_factory=list)
    ended: set[int] = field(default_factory=set)
    cursors: dict[bytes, Cursor] = field(default_factory=dict)  # by the journal's uuid


class HubTape(CommandTape):
    """Writes the hub's journal. Raises JournalLocked if a hub runs already."""

    def __init__(self, path: Path) -> None:
        self.path = path
        instruments = recovered_instruments(path, "hub")
        self.recovered = _recovered(path, list(instruments.values()))
        super().__init__(
            JournalWriter(
                path, process="hub", created=time.time_ns(), heartbeat=True, extra_preamble=preamble_of(instruments)
            )
        )
        self.once = Once()
        self.past_commands: list[PastCommand] = commands_in(path, self.once)

    def close(self) -> None:
        self.writer.close()

    def own_frames(self) -> JournalReader:
        """Reads its own frames from `recovered.first_sequence` on."""
        reader = JournalReader(self.path)
        reader.seek_sequence(self.recovered.first_sequence)
        return reader

    def instrument(self, number: int, instrument: Instrument, now: int) -> None:
        self.writer.append_instrument(number + 1, now, instrument.to_msgpack())

    def sources(self, sources: Sequence[Mapping[str, object]], ended: Sequence[int], now: int) -> None:
        """Writes the numbers of the sources, for readers that begin here, and the ended listings."""
        self.health("hub", "sources", now, about={"sources": list(sources), "ended": list(ended)})

    def health(
        self,
        kind: str,
        state: str,
        now: int,
        *,
        subject: str = "hub",
        about: Mapping[str, object] = {},
        warned: bool = False,
    ) -> None:
        record = {"kind": kind, "subject": subject, "state": state, **about}
        append_health(self.writer, record, "warning" if warned else "", now)


def _recovered(path: Path, instruments: list[Instrument]) -> Recovered:
    found = Recovered(instruments=instruments)
    if not is_tape(path):
        return found
    with JournalReader(path) as reader:
        last = reader.last_sequence
        if not last:
            return found
        reader.seek_sequence(last)
        frame = reader.next_frame()
        # All cursors are written every CURSORS_EVERY, also without new frames.
        reader.seek_time((frame.time if frame is not None else 0) - 2 * CURSORS_EVERY)
        times = [each.time for each in reader.frames(("input",))]
        found.since = max(max(times, default=0) - REMEMBERED_NS, 0)
        reader.seek_time(found.since)
        found.first_sequence = reader.next_sequence
        for each in reader.frames(("input", "health")):
            if each.type == _INPUT:
                uuid, epoch, first, count = _CURSOR.unpack(each.payload)
                found.cursors[uuid] = Cursor(epoch, first + count - 1)
            else:
                _hear(found, msgspec.msgpack.decode(each.payload))
    return found


def _hear(found: Recovered, record: Mapping[str, Any]) -> None:
    match record["kind"], record["state"]:
        case "hub", "sources":
            found.ended = set(record["ended"])
        case "listing", "delisted":
            found.ended.add(record["number"])
