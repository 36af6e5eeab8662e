"""An account as its gateway's journal has it, read once or followed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from onetape.accounts.entries import TOTAL
from onetape.accounts.ledger import Ledger
from onetape.model.errors import OnetapeError, TornTape
from onetape.orders.order_frames import fill_of
from onetape.projections.account import READ, AccountState
from onetape.projections.checkpoint import Checkpoint, read_checkpoint
from onetape.tape.journal import Frame, JournalReader
from onetape.tape.payloads import fields
from onetape.tape.segments import first_sequence, is_tape, list_segments

__all__ = ["FollowedAccount", "begun_view", "last_prices", "pruned_checkpoint", "read_account", "time_of"]

QUOTES_BACK: Final = 20_000  # frames in which the last quote of a symbol is looked for
_BID_AND_ASK: Final = fields("quote", "bid", "ask")


def read_account(path: Path, file: Path | None = None) -> AccountState:
    """Reads all of a gateway's journal that concerns its account. file: its checkpoint, from which a journal without
    its beginning is read on; of fills there are those that it still has."""
    with JournalReader(path) as reader:
        view = begun_view(reader, file)
        for frame in reader.frames(READ):
            view.apply(frame)
    return view


def begun_view(
    reader: JournalReader, file: Path | None = None, *, keeps_fills: bool = True, is_whole: bool = True
) -> AccountState:
    """Returns a view of an account as of the place where its gateway's journal is to be read on: its beginning, or that
    of the checkpoint `file` where that is pruned, or not wanted whole. Raises TornTape where none fits."""
    view, made = AccountState(keeps_fills=keeps_fills), None
    if not is_whole and file is not None:
        made = read_checkpoint(reader.path, file)
    made = made or pruned_checkpoint(reader.path, file)
    if made is not None:
        reader.seek_sequence(made.sequence + 1)  # whose instruments are all that there were
    view.list_instruments(reader.instruments)
    if made is not None:
        if keeps_fills:
            reader.seek_sequence(first_sequence(reader.path))
            for frame in reader.frames(("fill",), sequence_until=made.sequence + 1):
                view.booked.append((view.streams[frame.stream], fill_of(frame.payload)))
        view.restore(made)
        ledger = Ledger.from_record(made.money.ledger)
        at = time_of(reader, made)
        view.balances = {name: (ledger.slots(name)[TOTAL], at) for name in ledger.currencies()}
    return view


class FollowedAccount:
    """Follows an account on its gateway's journal, without fills, whatever becomes of that. view: as of the last
    `take`."""

    def __init__(self, path: Path, file: Path) -> None:
        """file: of its gateway's checkpoint."""
        self._path, self._file = path, file
        self._reader: JournalReader | None = None
        self.view = AccountState(keeps_fills=False)

    def take(self, fold: Callable[[Frame], None] | None = None, *, back: int = 0) -> bool:
        """Reads what is new, at first from the gateway's checkpoint on; tells whether anything was. fold: takes each
        frame in the view's place; also, at first, so many frames of before the checkpoint, of which a view without
        orders is made."""
        if self._reader is not None and self._reader.is_gone:
            self.close()
        try:
            if self._reader is None:
                if not is_tape(self._path):
                    return False
                self._reader = JournalReader(self._path)
                self.view = begun_view(self._reader, self._file, keeps_fills=False, is_whole=False)
                if fold is not None:
                    self._fold_back(self._reader, fold, back)
            is_new = False
            for frame in self._reader.frames(READ):
                is_new = True
                (fold or self.view.apply)(frame)
        except OnetapeError:  # it is being made, or damaged, which its gateway says
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
                robots={number: replace(each, held={}) for number, each in view.robots.items()},  # theirs change
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
    """Returns the checkpoint of a journal whose beginning has been pruned; None: it is whole. Raises TornTape where
    none fits."""
    segments = list_segments(path)
    if file is None or not segments or segments[0].first_seq == 1:
        return None
    made = read_checkpoint(path, file)
    if made is None:
        why = "its beginning has been pruned, and no checkpoint of it fits"
        raise TornTape(why, location=str(path), todo=f"start its gateway, or bring {file.name} back")
    return made


def time_of(reader: JournalReader, made: Checkpoint) -> int:
    """Returns the time of a checkpoint's frame, ns UTC; the reader goes on behind it."""
    reader.seek_sequence(made.sequence)
    frame = reader.next_frame()
    assert frame is not None  # it is looked for before a checkpoint is said to fit
    return frame.time


def last_prices(view: AccountState, path: Path) -> dict[str, int]:
    """Returns the mid of the last quote of each symbol, where there is one near the tape's end, in the instrument's
    units, as the gateway reckons with it."""
    found: dict[str, int] = {}
    with JournalReader(path) as reader:
        reader.seek_sequence(max(1, reader.last_sequence - QUOTES_BACK))
        for frame in reader.frames(("quote",)):
            bid, ask = _BID_AND_ASK.unpack_from(frame.payload)
            symbol = view.streams.get(frame.stream, "")
            if symbol in view.instruments:
                found[symbol] = (bid + ask) // 2
    return found
