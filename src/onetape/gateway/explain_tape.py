"""Explains a gateway's journal between two times: its entries, fills and marks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.accounts.booking import FORCED
from onetape.accounts.entries import MAIN
from onetape.accounts.entry_frames import unpack
from onetape.accounts.explain import Adopted, Anew, Event, Explained, Filled, explain
from onetape.accounts.kept_money import LEDGER, OTHER_EXCHANGE
from onetape.model.enums import EventType, Liquidity, PositionSide, Side
from onetape.model.instrument import Instrument
from onetape.model.money import join_units
from onetape.orders.reports import FillReport
from onetape.tape.journal import JournalReader

__all__ = ["explain_journal"]

_WANTED: Final = ("instrument", "entry", "fill", "params", "position", "mark")


def explain_journal(path: Path, *, since: int, until: int) -> list[Explained]:
    """Explains the changes of an account's money in a window of its gateway's journal.

    since, until: ns UTC by the gateway's clock; the window has the frames from the first one not older than `since` to
    the last one before the first not older than `until`.
    """
    return _Tape(path).explain(since, until)


class _Tape:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._instruments: dict[str, Instrument] = {}
        self._symbols: dict[int, str] = {}
        self._slots: dict[int, int] = {}  # by robot
        self._forced: set[int] = set()  # sequences of fills
        self._marks: dict[str, int] = {}
        self._opening: dict[str, int] = {}
        self._first: int | None = None  # sequence of the window's first frame
        self._end: int | None = None

    def explain(self, since: int, until: int) -> list[Explained]:
        with JournalReader(self._path) as reader:
            for frame in reader.frames(["entry"]):
                entry = unpack(frame.payload)
                if entry.note == FORCED:
                    self._forced.add(entry.of)
        events = list(self._events(since, until))
        most = events[-1][0] + 1 if events else 0
        return explain(
            events,
            since=most if self._first is None else self._first,
            until=most if self._end is None else self._end,
            instruments=self._instruments,
            opening_marks=self._marks if self._first is None else self._opening,
            closing_marks=self._marks,
        )

    def _events(self, since: int, until: int) -> Iterator[tuple[int, Event]]:
        with JournalReader(self._path) as reader:
            for stream, record in reader.instruments.items():
                self._symbols[stream] = record["symbol"]
            schemas = reader.schemas
            # A fill counts with its entry; an earlier one is part of the ledger's opening.
            waiting: dict[int, Filled] = {}
            has_entries = False
            for frame in reader.frames(_WANTED):
                if frame.time >= since and self._first is None:
                    self._first, self._opening = frame.sequence, dict(self._marks)
                if frame.time >= until:
                    self._end = frame.sequence
                    return
                match frame.type:
                    case EventType.ENTRY.id:
                        entry = unpack(frame.payload)
                        filled = waiting.pop(entry.of, None) if entry.of else None
                        if filled is not None:
                            yield frame.sequence, filled
                        if entry.note == OTHER_EXCHANGE:
                            yield frame.sequence, Anew()
                        yield frame.sequence, entry
                        has_entries = True
                    case EventType.INSTRUMENT.id:
                        instrument = Instrument.from_msgpack(frame.payload)
                        self._symbols[frame.stream] = instrument.symbol
                        self._instruments[instrument.symbol] = instrument
                    case EventType.PARAMS.id:
                        robot = msgspec.msgpack.decode(frame.payload)
                        if "robot" in robot:
                            self._slots[robot["robot"]] = robot.get("slot", MAIN)
                    case EventType.POSITION.id:
                        held = _adopted(msgspec.msgpack.decode(frame.payload))
                        if held is not None:
                            yield frame.sequence, held
                    case EventType.FILL.id:
                        fill = schemas.of(frame.type).decode(frame.payload)
                        filled = self._filled(fill, frame.sequence, frame.stream)
                        if has_entries:
                            waiting[frame.sequence] = filled
                    case _:
                        mark = schemas.of(frame.type).decode(frame.payload)["mark"]
                        self._marks[self._symbols[frame.stream]] = mark

    def _filled(self, record: dict[str, Any], sequence: int, stream: int) -> Filled:
        fill = FillReport(
            symbol=self._symbols[stream],
            client_id="",
            venue_id=str(record["venue_id"]),
            trade_id=record["trade_id"],
            side=Side(record["side"]),
            position_side=PositionSide(record["position_side"]),
            price=record["price"],
            size=record["size"],
            time=record["ts_event"],
            fee=_fee(record),
            fee_currency="",
            liquidity=Liquidity(record["liquidity"]),
        )
        slot = self._slots.get(record["robot"], MAIN)
        return Filled(fill, slot, sequence in self._forced)


def _fee(record: dict[str, Any]) -> int:
    if "fee_low" in record:
        return join_units(record["fee_low"], record["fee_high"])
    return int(record["fee"])


def _adopted(record: dict[str, Any]) -> Adopted | None:
    """Explains a position of the ledger's opening."""
    price = record.get("price", 0)
    if record["source"] != LEDGER or not price or not record["qty"]:
        return None
    return Adopted(record["symbol"], PositionSide(record["side"]), record["qty"], price)
