"""The tape that a simulated exchange plays: its symbols, start and speed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec import structs

from onetape.exchange.tape_market import SPEED_SCALE, TAPE_TYPES, RecordedMarket, TapeSymbol
from onetape.exchange.venues import facts_of, lists
from onetape.model import catalogue
from onetape.model.errors import BadInput, UnknownSymbol
from onetape.model.instrument import Instrument
from onetape.model.symbol import parse_symbol
from onetape.tape.journal import Frame, JournalReader
from onetape.tape.schema import INSTRUMENT_TYPE
from onetape.tape.segments import is_tape

__all__ = ["VenueTape", "say_end"]

LOOK_S = 0.1


class VenueTape:
    """Plays a recorded tape as a venue's market. speed: multiple of real time. Raises BadInput if there is no tape,
    UnknownSymbol if it has no symbol that the venue lists."""

    def __init__(self, path: Path, kind: str, *, speed: float, loop: bool) -> None:
        if not is_tape(path):
            raise BadInput(f"no such tape: {path}", location="--tape", todo="onetape import makes one")
        self.path = path
        self.speed = round(speed * SPEED_SCALE)
        self.loop = loop
        found: dict[str, Instrument] = {}
        streams: dict[str, set[int]] = {}
        with JournalReader(path) as reader:
            self.uuid = str(reader.uuid)
            for frame in reader.frames((INSTRUMENT_TYPE,)):
                instrument = Instrument.from_msgpack(frame.payload)
                # The exchange uses the first version of an instrument, as its matching engine does.
                found.setdefault(instrument.symbol, instrument)
                streams.setdefault(instrument.symbol, set()).add(frame.stream)
        self.symbols = [
            TapeSymbol(_named(kind, instrument), frozenset(streams[symbol]))
            for symbol, instrument in found.items()
            if lists(kind, instrument)
        ]
        if not self.symbols:
            raise UnknownSymbol(
                f"the tape has no symbol that {kind} lists",
                location=str(path),
                todo=f"it has: {', '.join(found) or 'no instruments'}",
            )

    def facts(self) -> dict[str, Any]:
        """Returns the facts about the tape that a saved state must match."""
        return {"uuid": self.uuid, "speed": self.speed, "loop": self.loop}

    def frames(self) -> Iterator[Frame]:
        with JournalReader(self.path) as reader:
            yield from reader.frames(TAPE_TYPES)

    def market(self, start: int) -> RecordedMarket:
        """Returns a market that begins at `start` (ns UTC)."""
        return RecordedMarket(self.symbols, self.frames, start=start, speed=self.speed, loop=self.loop)


def _named(kind: str, instrument: Instrument) -> Instrument:
    """Returns the instrument with the venue's raw symbol. Imported tapes may lack it; then it comes from the catalogue,
    else from the venue's naming rule."""
    if instrument.raw_symbol:
        return instrument
    listed = catalogue.find(instrument.symbol)
    if listed is not None and listed.raw_symbol:
        return structs.replace(instrument, raw_symbol=listed.raw_symbol)
    symbol = parse_symbol(instrument.symbol)
    return structs.replace(instrument, raw_symbol=facts_of(kind).raw_symbol(symbol.base, symbol.quote))


async def say_end(market: RecordedMarket, say: Callable[[str], None]) -> None:
    """Prints a line at the end of the tape: from there on the books stand still."""
    while not market.core.ended:
        await asyncio.sleep(LOOK_S)
    say('{"tape":"ended"}')
