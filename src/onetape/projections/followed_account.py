"""The account of a gateway's journal, read once or followed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from onetape.accounts.entries import TOTAL
from onetape.accounts.ledger import Ledger
from onetape.model.enums import EventType
from onetape.model.errors import OnetapeError, TornTape
from onetape.orders.order_frames import FillFrame, fill_of
from onetape.projections.account import READ, READ_PARTS, AccountState
from onetape.projections.checkpoint import Checkpoint, read_checkpoint
from onetape.tape.journal import Frame, JournalReader
from onetape.tape.payloads import fields
from onetape.tape.segments import first_sequence, is_tape, list_segments

__all__ = ["FollowedAccount", "begun_view", "last_prices", "pruned_checkpoint", "read_account", "time_of"]

QUOTES_BACK: Final = 20_000  # frames searched for the last quote of a symbol
_BID_AND_ASK: Final = fields("quote", "bid", "ask")


def read_account(path: Path, file: Path | None = None, *, keeps_parts: bool = False) -> AccountState:
    """Reads all of a gateway's journal about its account. file: its checkpoint, from which a journal without its
    beginning is read; such a journal has only its remaining fills. keeps_parts: also keep the ledger's positions."""
    with JournalReader(path) as reader:
        view = begun_view(reader, file, keeps_parts=keeps_parts)
        for frame in reader.frames(READ_PARTS if keeps_parts else READ):
            view.apply(frame)
    return view


def begun_view(
    reader: JournalReader,
    file: Path | None = None,
    *,
    fills_max: int | None = None,
    is_whole: bool = True,
    keeps_parts: bool = False,
) -> AccountState:
    """Returns a view of an account at the frame from which its gateway's journal is to be read: its beginning, or that
    of the checkpoint `file` if the beginning is pruned, or not needed. fills_max: how many of the newest fills it
    keeps, None: all. Raises TornTape if no checkpoint fits."""
    booked: deque[tuple[str, FillFrame]] = deque(maxlen=fills_max)
    view, made = AccountState(keeps_fills=fills_max != 0, keeps_parts=keeps_parts, booked=booked), None
    if not is_whole and file is not None:
        made = read_checkpoint(reader.path, file)
    made = made or pruned_checkpoint(reader.path, file)
    if made is not None:
        reader.seek_sequence(made.sequence + 1)  # up to here all instruments are listed
    view.list_instruments(reader.instruments)
    if made is not None:
        if view.keeps_fills:
            reader.seek_sequence(first_sequence(reader.path))
            for frame in reader.frames(("fill",), sequence_until=made.sequence + 1):
                view.booked.append((view.streams[frame.stream], fill_of(frame.payload)))
        view.restore(made)
        ledger = Ledger.from_record(made.money.ledger)
        at = time_of(reader, made)
        view.balances = {name: (ledger.slots(name)[TOTAL], at) for name in ledger.currencies()}
    return view


class FollowedAccount:
    """Follows an account on its gateway's journal, also if the journal is replaced. view: as of the last `take`."""

    def __init__(self, path: Path, file: Path, *, fills_max: int = 0) -> None:
        """file: of its gateway's checkpoint; fills_max: how many of the newest fills the view has."""
        self._path, self._file, self._fills_max = path, file, fills_max
        self._reader: JournalReader | None = None
        self.view = AccountState(keeps_fills=False)

    def take(self, fold: Callable[[Frame], None] | None = None, *, back: int = 0) -> bool:
        """Reads new frames, at first from the gateway's checkpoint on; returns whether there were any. fold: handles
        each frame instead of the view. back: at first, fold also gets this many frames from before the checkpoint, of
        which a view without orders is made."""
        if self._reader is not None and self._reader.is_gone:
            self.close()
        try:
            if self._reader is None:
                if not is_tape(self._path):
                    return False
                self._reader = JournalReader(self._path)
                self.view = begun_view(self._reader, self._file, fills_max=self._fills_max, is_whole=False)
                if fold is not None:
                    self._fold_back(self._reader, fold, back)
            is_new = False
            for frame in self._reader.frames(READ):
                is_new = True
                (fold or self.view.apply)(frame)
        except OnetapeError:  # it is being created, or damaged, which its gateway reports
            self.close()
            return True
        return is_new

    def _fold_back(self, reader: JournalReader, fold: Callable[[Frame], None], back: int) -> None:
        view, place = self.view, reader.next_sequence
        if (start := max(first_sequence(self._path), reader.last_sequence - back)) < place:
            self.view = AccountState(
                instruments=dict(view.instruments),
                streams=dict(view.streams),
                currencies=dict(view.currencies),
                robots={number: replace(each, held={}) for number, each in view.robots.items()},  # `held` changes
                keeps_fills=False,
            )
            reader.seek_sequence(start)
            for frame in reader.frames(READ, sequence_until=place):
                fold(frame)
            self.view = view

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def pruned_checkpoint(path: Path, file: Path | None) -> Checkpoint | None:
    """Returns the checkpoint of a journal whose beginning has been pruned; None: it is complete. Raises TornTape if
    none fits."""
    segments = list_segments(path)
    if file is None or not segments or segments[0].first_seq == 1:
        return None
    made = read_checkpoint(path, file)
    if made is None:
        why = "the journal's beginning has been pruned, and no checkpoint of it fits"
        raise TornTape(why, location=str(path), todo=f"start its gateway, or restore {file.name}")
    return made


def time_of(reader: JournalReader, made: Checkpoint) -> int:
    """Returns the time of a checkpoint's frame, ns UTC, and positions the reader after it."""
    reader.seek_sequence(made.sequence)
    frame = reader.next_frame()
    assert frame is not None  # a checkpoint only fits if its frame exists
    return frame.time


def last_prices(view: AccountState, tapes: Iterable[Path]) -> dict[str, int]:
    """Returns the mid of the last quote of each symbol near the tapes' ends, in the instrument's units, as the gateway
    uses it. tapes: the gateway's and the hub's, which may have the market."""
    found: dict[str, tuple[int, int]] = {}
    for path in filter(is_tape, tapes):
        newest: dict[int, tuple[int, bytes]] = {}
        with JournalReader(path) as reader:
            reader.seek_sequence(max(1, reader.last_sequence - QUOTES_BACK))
            instruments = dict(reader.instruments)
            for frame in reader.frames(("instrument", "quote")):
                if frame.type == EventType.QUOTE.id:
                    newest[frame.stream] = frame.time, frame.payload
                else:
                    instruments[frame.stream] = reader.schemas.of(frame.type).decode(frame.payload)
        for stream, (time, payload) in newest.items():
            record = instruments[stream]
            own = view.instruments.get(record["symbol"])
            if own is not None and own.price_decimals == record["price_decimals"]:
                bid, ask = _BID_AND_ASK.unpack_from(payload)
                found[own.symbol] = max(found.get(own.symbol, (0, 0)), (time, (bid + ask) // 2))
    return {symbol: price for symbol, (_, price) in found.items()}
