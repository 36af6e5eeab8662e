"""The income and halts on a gateway's tape, as events, each once: entries of its ledger, marks, and the commands that
begin and lift halts.

A tape is read from the end of the last read, so no event is lost or doubled. A restarted process reads from before the
longest window, and computes the same sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.accounts.entries import MAIN, Cause, Entry, Outside
from onetape.accounts.entry_frames import unpack
from onetape.accounts.explain import groups_of
from onetape.model.enums import EventType, Kind
from onetape.model.instrument import Instrument
from onetape.model.sections import GUARDIAN
from onetape.orders.halts import halt_of
from onetape.risk.halt_decisions import Event, HaltLifted, HaltReported, IncomeCame, Priced
from onetape.risk.income_windows import HEARD_WITHIN, Income
from onetape.risk.income_windows import Kind as IncomeKind
from onetape.tape.journal import Frame, JournalReader

__all__ = ["IncomeTape", "incomes_of"]

_WANTED: Final = ("instrument", "entry", "mark", "command")
_KINDS: Final = {
    int(Outside.MARKET): IncomeKind.REALIZED,
    int(Outside.FEES): IncomeKind.FEE,
    int(Outside.FUNDING): IncomeKind.FUNDING,
    int(Outside.INTEREST): IncomeKind.FUNDING,
}


class IncomeTape:
    """Follows one gateway's journal.

    currency: of the limits. slots: the names of the account's sub-accounts, by slot.
    since: older events are not needed, ns UTC.
    """

    def __init__(self, path: Path, account: str, currency: str, slots: Mapping[int, str], *, since: int) -> None:
        self._account, self._currency = account, currency
        self._slots = {**slots, MAIN: "main"}
        self._instruments: dict[int, Instrument] = {}  # by stream
        self._spot: set[str] = set()
        self._reader = JournalReader(path)
        with JournalReader(path) as reader:
            for frame in reader.frames(("instrument",)):
                if frame.time >= since - HEARD_WITHIN:
                    break
                self._learn(frame.stream, frame.payload)
        if since > HEARD_WITHIN:
            self._reader.seek_time(since - HEARD_WITHIN)

    @property
    def is_gone(self) -> bool:
        """Tells whether the journal was deleted or replaced."""
        return self._reader.is_gone

    def close(self) -> None:
        self._reader.close()

    def events(self) -> Iterator[tuple[int, Event]]:
        """Returns the events since the last call, with the time of their frames, ns UTC. Raises the errors of a damaged
        journal."""
        for frame in self._reader.frames(_WANTED):
            for event in self._of(frame):
                yield frame.time, event

    def _of(self, frame: Frame) -> Iterator[Event]:
        match frame.type:
            case EventType.ENTRY.id:
                entry = unpack(frame.payload)
                for income in incomes_of(entry, self._account, self._slots, self._spot):
                    yield IncomeCame(income)
            case EventType.MARK.id:
                instrument = self._instruments.get(frame.stream)
                if instrument is not None and instrument.quote == self._currency:
                    mark = self._reader.schemas.of(frame.type).decode(frame.payload)["mark"]
                    yield Priced(instrument.base, Fraction(mark, 10**instrument.price_decimals))
            case EventType.INSTRUMENT.id:
                self._learn(frame.stream, frame.payload)
            case _:
                record = msgspec.msgpack.decode(frame.payload)
                if record.get("refused") is None:
                    yield from self._command(record, frame.time)

    def _learn(self, stream: int, payload: bytes) -> None:
        instrument = self._instruments[stream] = Instrument.from_msgpack(payload)
        if instrument.kind is Kind.SPOT:
            self._spot.add(instrument.symbol)

    def _command(self, record: dict[str, Any], time: int) -> Iterator[Event]:
        actor, fields = record.get("actor", ""), record.get("fields") or {}
        match record.get("command"):
            case "halt" if actor == GUARDIAN:
                halt = halt_of(fields, actor=actor, account=self._account, time=time)
                yield HaltReported(self._account, halt.id, halt.since, halt.until)
            case "lift_halt":
                yield HaltLifted(self._account, fields["id"], time, by_hand=actor != GUARDIAN)


def incomes_of(entry: Entry, account: str, slots: Mapping[int, str], spot: set[str]) -> Iterator[Income]:
    """Returns the trading income in an entry: the account's, and each sub-account's, which differ if the venue has
    netted their positions. On spot only fees count: a purchase is no loss.

    slots: names of sub-accounts. spot: symbols without realized profit.
    """
    symbol = _symbol(entry)
    for asset, group in groups_of(entry):
        outside = [leg for leg in group if leg.holder in _KINDS]
        is_netting = any(leg.holder == Outside.NETTING for leg in group)
        if not outside and not (is_netting and entry.cause is Cause.FILL):
            continue  # no income: a transfer, a correction
        kind = _KINDS[outside[0].holder] if outside else IncomeKind.REALIZED
        if kind is IncomeKind.REALIZED and symbol in spot:
            continue
        amount = -sum(leg.amount for leg in outside)
        parts: dict[int, int] = {}
        for leg in group:
            if leg.holder >= MAIN:
                parts[leg.holder] = parts.get(leg.holder, 0) + leg.amount
        if amount:
            yield Income(entry.time, account, symbol, "", kind, asset, amount, of_strategy=False)
        for slot, part in parts.items():
            if part:
                name = slots.get(slot, str(slot))
                yield Income(entry.time, account, symbol, name, kind, asset, part, of_account=False)


def _symbol(entry: Entry) -> str:
    match entry.cause:
        case Cause.FILL:
            return entry.reference.rsplit(" ", 2)[0]
        case Cause.FUNDING:
            return entry.note
    return ""
