"""The journal of a simulated exchange's calls, from which a killed one is restored.

It contains the opening parameters, then every changing call, written before the call is carried out. When the journal
is opened again, the same market is made from the seed, and the calls are repeated. That includes a last call that was
written but not carried out: its client got no answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from onetape.exchange.dialect import Dialect
from onetape.exchange.played_tape import VenueTape
from onetape.exchange.venues import Crowd, open_venue
from onetape.model.enums import EventType
from onetape.model.errors import BadInput, UsageError
from onetape.tape.journal import JournalReader, JournalWriter

__all__ = ["VenueState"]

SCHEMA: Final = 1
_COMMAND: Final = EventType.COMMAND.id

Call = tuple[int, str, list[Any], dict[str, Any]]


class VenueState:
    """Keeps the journal of one exchange. start: ns UTC, of its first opening."""

    def __init__(self, writer: JournalWriter, dialect: Dialect, start: int) -> None:
        self.writer = writer
        self.exchange = dialect.exchange
        self.start = start
        self.exchange.timeline.recorder = self._record

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        kind: str,
        seed: int,
        now: int,
        limits: bool,
        tape: VenueTape | None = None,
        symbols: Sequence[str] = (),
    ) -> tuple[Self, Dialect]:
        """Returns the state and the exchange restored from its journal, or a new one. symbols: as in `VenueOptions`.
        Raises UsageError if the journal belongs to another kind, seed, tape or symbols, JournalLocked if it is in
        use."""
        writer = JournalWriter(directory, process=f"sim:{kind}", heartbeat=True)
        try:
            opened, calls = _read(directory)
            if opened is None:
                opened = {"schema": SCHEMA, "kind": kind, "seed": seed, "start": now}
                if tape is not None:
                    opened["tape"] = tape.facts()
                if symbols:
                    opened["symbols"] = [*symbols]
                writer.append(_COMMAND, msgspec.msgpack.encode(opened), time=now)
            if opened["schema"] != SCHEMA:
                raise BadInput(f"state of schema {opened['schema']}", location=str(directory))
            if (opened["kind"], opened["seed"]) != (kind, seed):
                raise UsageError(
                    f"the state is that of {opened['kind']} with seed {opened['seed']}",
                    location=str(directory),
                    todo="give these, or another directory",
                )
            market_of = opened.get("tape"), opened.get("symbols", [])
            if market_of != (None if tape is None else tape.facts(), [*symbols]):
                raise UsageError(
                    "the state is that of another market",
                    location=str(directory),
                    todo="give the --tape, --speed, --loop and --symbol that it was opened with",
                )
            start = int(opened["start"])
            market = Crowd(symbols=tuple(symbols)) if tape is None else tape.market(start)
            dialect = open_venue(kind, seed=seed, now=start, limits=limits, calls=calls, market=market)
        except BaseException:
            writer.close()
            raise
        return cls(writer, dialect, start), dialect

    def _record(self, name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        now = self.exchange.now
        self.writer.append(_COMMAND, msgspec.msgpack.encode([now, name, args, kwargs]), time=now)

    def close(self) -> None:
        self.exchange.timeline.recorder = None
        self.writer.close()


def _read(directory: Path) -> tuple[dict[str, Any] | None, Iterator[Call]]:
    reader = JournalReader(directory)
    frames = reader.frames((_COMMAND,))
    first = next(frames, None)
    if first is None:
        reader.close()
        return None, iter(())

    def calls() -> Iterator[Call]:
        with reader:
            for frame in frames:
                now, name, args, kwargs = msgspec.msgpack.decode(frame.payload)
                yield now, name, args, kwargs

    try:
        opened = msgspec.msgpack.decode(first.payload)
    except msgspec.DecodeError:
        opened = None
    if not isinstance(opened, dict) or not {"schema", "kind", "seed", "start"} <= opened.keys():
        reader.close()
        raise BadInput("no state of a simulated exchange", location=str(directory))
    return opened, calls()
