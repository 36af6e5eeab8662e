"""What a gateway's journal says of money, folded frame by frame as it is read at a start.

Nothing is kept of a frame once it has been taken in but what comes of it: balances, positions, what
these hold, names of slots, and how transfers stand. `AccountMoney` goes on from there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from onetape.accounts.booking import FORCED, Booking, BookingRecord
from onetape.accounts.bookkeeper import Bookkeeper
from onetape.accounts.entries import MAIN, TRANSFER_REPORTED, Cause, Entry
from onetape.accounts.ledger import Ledger
from onetape.accounts.locks import Locks
from onetape.accounts.slots import Slots, SubAccounts
from onetape.accounts.statement import Statements
from onetape.accounts.transfers import State
from onetape.accounts.unexplained import DEADLINE, Unexplained
from onetape.gateway.options import GatewayOptions
from onetape.model.enums import Kind, PositionSide
from onetape.model.instrument import Instrument
from onetape.model.money import money_units
from onetape.orders.reports import FillReport

__all__ = ["LEDGER", "OTHER_EXCHANGE", "KeptMoney", "MoneyRecord"]

LEDGER: Final = "ledger"  # source of the positions that it begins with
OTHER_EXCHANGE: Final = "another exchange"  # note of the entry with which it begins
REFERENCES_KEPT: Final = 10_000  # of moves that the venue may tell of once more


class MoneyRecord(msgspec.Struct, frozen=True):
    """Keeps in a checkpoint what a journal's frames up to one of them say of money."""

    ledger: dict[str, Any]
    statements: dict[str, Any]
    booking: BookingRecord
    opened: dict[str, int]
    names: dict[str, int]
    transfers: list[dict[str, Any]]
    arrivals: list[Entry]
    references: list[str]
    waiting: list[tuple[int, FillReport, int]]


class KeptMoney:
    """Makes the ledger and what belongs to it from a gateway's journal, frame by frame in its order.

    references: recent prices, in units, by symbol.
    slack: what the venue may round by, of a currency.
    on_reference: takes the reference of each entry that is no fill's.
    Raises BadConfig for sub-accounts that cannot be.
    """

    def __init__(
        self,
        options: GatewayOptions,
        instruments: Mapping[str, Instrument],
        references: Mapping[str, int],
        slack: Callable[[str], int],
        *,
        on_reference: Callable[[str], None] = lambda reference: None,
    ) -> None:
        self.options = options
        self.instruments = instruments
        self.references = references
        self.locks = Locks(instruments, leverage=options.leverage, references=references)
        self._slack = slack
        self._use(Ledger())
        self.booking = Booking(instruments)
        self.opened: dict[str, int] = {}  # when the books of a currency began, the venue's time
        self.names: dict[str, int] = {}  # of slots, as they were last
        self.transfers: dict[str, dict[str, Any]] = {}  # the last record of each, by its id
        self.arrivals: list[Entry] = []  # commands that booked what a transfer brought
        self._on_reference = on_reference
        self._references: deque[str] = deque(maxlen=REFERENCES_KEPT)
        # Fills whose entry has not been read, by frame, with the slot. At the end of the tape these
        # are what its writer had no time to book.
        self._waiting: dict[int, tuple[FillReport, int]] = {}

    def _use(self, ledger: Ledger) -> None:
        options = self.options
        self.ledger = ledger
        credit = {name: money_units(text) for name, text in options.credit.items()}
        slots = Slots(options.subaccounts)
        self.accounts = SubAccounts(ledger, slots, credit, held=self.locks.held)
        patience = max(DEADLINE, options.transfer_deadline_ns)
        unexplained = Unexplained(self._slack, deadline=patience)
        self.statements = Statements(self.accounts, unexplained, self._slack)
        self._read = Bookkeeper(ledger, self.statements, _never).read

    # --- frames -----------------------------------------------------------------------------------

    def entry(self, payload: bytes) -> None:
        read = self._read(payload)
        if isinstance(read, int):
            self._booked(read, is_forced=False)
            return
        self._on_reference(read.reference)
        self._references.append(read.reference)
        if read.cause is Cause.COMMAND and read.reference.startswith(TRANSFER_REPORTED):
            self.arrivals.append(read)
        if read.of:
            self._booked(read.of, is_forced=read.note == FORCED)
        if read.note == OTHER_EXCHANGE:  # what was held at the one before is gone
            self.anew()
            self.transfers.clear()
            self._waiting.clear()
        self.note(read)

    def note(self, entry: Entry) -> None:
        """Takes note of when the books of an entry's currencies began, if they begin with it."""
        if entry.cause is Cause.OPENING or entry.note == OTHER_EXCHANGE:
            for leg in entry.legs:
                self.opened[leg.currency] = entry.time

    def fill(self, fill: FillReport, slot: int, sequence: int) -> None:
        """Takes in a fill, which counts when its entry comes. Before the first one it is in the balances that the
        ledger begins with; of what is not traded any more nothing is held."""
        if self.ledger.posted and fill.symbol in self.instruments:
            self._waiting[sequence] = fill, slot

    def transfer(self, record: dict[str, Any]) -> None:
        self.transfers.pop(record["id"], None)  # in the order of their last words
        self.transfers[record["id"]] = record

    def position(self, symbol: str, side: PositionSide, qty: int, price: int) -> None:
        """Takes in a position that was there before the journal began: the pool's."""
        self.adopt(symbol, side, qty, price)

    # --- what comes of them -----------------------------------------------------------------------

    def adopt(self, symbol: str, side: PositionSide, qty: int, price: int) -> bool:
        """Books a position from before the journal.

        False: it cannot be said what it is worth.
        """
        instrument = self.instruments.get(symbol)
        if instrument is None or instrument.kind is Kind.SPOT or not qty or not price:
            return False
        self.booking.adopt(symbol, side, qty, price)
        return True

    def anew(self) -> None:
        """Begins anew at another exchange, where nothing is held yet."""
        self.booking = Booking(self.instruments)
        self.locks.flatten()

    def unbooked(self) -> Iterator[tuple[int, FillReport, int]]:
        """Yields (frame, fill, slot) of what is still to be booked, in order; each once."""
        while self._waiting:
            yield self._oldest()

    def slots_away(self) -> set[int]:
        """Returns the slots that a transfer may yet give money back to."""
        records = self.transfers.values()
        return {r["slot"] for r in records if not State(r["state"]).is_final}

    def slots_used(self) -> int:
        """Returns one more than the highest slot that has money, or a name."""
        ledger = self.ledger
        held = (slot for name in ledger.currencies() for slot in ledger.slots_held(name))
        return max([MAIN, *self.options.subaccounts.values(), *held]) + 1

    def _booked(self, of: int, *, is_forced: bool) -> None:
        """Takes in that the entry of a fill has come. One before it that still waits was booked already when it was
        told, and has none."""
        while of in self._waiting:
            sequence, fill, slot = self._oldest()
            if sequence == of and is_forced:
                self.booking.forced(fill)
            else:
                self.booking.fill(fill, slot)

    def _oldest(self) -> tuple[int, FillReport, int]:
        sequence = next(iter(self._waiting))
        return sequence, *self._waiting.pop(sequence)

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> MoneyRecord:
        """Makes the record of a checkpoint from the frames so far. To be called before anything
        else is booked."""
        return MoneyRecord(
            ledger=self.ledger.to_record(),
            statements=self.statements.to_record(),
            booking=self.booking.to_record(),
            opened=self.opened,
            names=self.names,
            transfers=list(self.transfers.values()),
            arrivals=self.arrivals,
            references=list(self._references),
            waiting=[(at, fill, slot) for at, (fill, slot) in self._waiting.items()],
        )

    def restore(self, record: MoneyRecord) -> None:
        """Goes on from a checkpoint: before the first frame."""
        self._use(Ledger.from_record(record.ledger))
        self.statements.restore(record.statements)
        self.booking.restore(record.booking)
        self.opened, self.names = record.opened, record.names
        self.transfers = {each["id"]: each for each in record.transfers}
        self.arrivals = record.arrivals
        for reference in record.references:
            self._on_reference(reference)
            self._references.append(reference)
        self._waiting = {at: (fill, slot) for at, fill, slot in record.waiting}


def _never(entry: Entry) -> None:
    raise AssertionError(f"nothing is written while a tape is read: {entry}")
