"""Writes the journal of a venue's collector: its market under the numbers of the instruments, and health.

quote, trade, mark, funding   as in the venue's messages, with its time and that of receipt
bar                           as a stream sends it; with flag 1 as the venue returns it on request: with flag 8 after
                              later ones, with 128 replacing another
instrument                    before the first frame of a number, and again with changed facts
health                        kind `feed` and `market` as a gateway's; `listing`: listed, delisted, dropped, changed,
                              redenominated, with the number, and `chosen`: all that are followed by turnover from
                              here on; `bars`: filled, corrected, and lost ones; `refill`: what a lost stream missed
command, reply                commands
"""

from __future__ import annotations

import time
from pathlib import Path

from onetape.feeds.universe import Change, Universe
from onetape.ipc.command_tape import CommandTape
from onetape.orders.managed import HealthOut
from onetape.tape.health import append_health
from onetape.tape.journal import JournalWriter
from onetape.tape.recovered_instruments import preamble_of, recovered_instruments

__all__ = ["VenueTape"]


class VenueTape(CommandTape):
    """Continues an existing tape. Raises JournalLocked if another process writes it."""

    def __init__(self, path: Path, process: str) -> None:
        self.path = path
        self.recovered = recovered_instruments(path, process)
        super().__init__(
            JournalWriter(
                path,
                process=process,
                created=time.time_ns(),
                heartbeat=True,
                extra_preamble=preamble_of(self.recovered),
            )
        )

    def close(self) -> None:
        self.writer.close()

    def say(self, out: HealthOut) -> None:
        self._health({"kind": out.kind, "subject": out.subject, "state": out.state}, out.severity)

    def changed(self, change: Change, now: int) -> None:
        """Writes a change of a listing. now: ns UTC."""
        number, instrument = change.listing
        if self.recovered.get(number) != instrument:
            self.writer.append_instrument(number, now, instrument.to_msgpack())
            self.recovered[number] = instrument
        self._health({"kind": "listing", "subject": instrument.symbol, "state": change.what, "number": number})

    def chosen(self, universe: Universe) -> None:
        """Writes the symbols that `top:N` stands for from here on."""
        followed = {"epoch": universe.epoch, "symbols": sorted(universe.listings)}
        self._health({"kind": "listing", "subject": f"top:{universe.wanted.top}", "state": "chosen", **followed})

    def _health(self, record: dict[str, object], severity: str = "") -> None:
        append_health(self.writer, record, severity, time.time_ns())
