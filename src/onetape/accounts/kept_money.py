"""The money state of a gateway's journal, folded frame by frame at a start.

A frame is not kept, only its effects: balances, positions, their reserves, names of slots, and states of transfers.
`AccountMoney` continues from there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from onetape.accounts.booked_fills import BookedFills
from onetape.accounts.booking import FORCED, Booking, BookingRecord
from onetape.accounts.bookkeeper import Bookkeeper
from onetape.accounts.entries import MAIN, TRANSFER_REPORTED, Cause, Entry
from onetape.accounts.ledger import Ledger
from onetape.accounts.reserves import Reserves
from onetape.accounts.slots import Slots, SubAccounts
from onetape.accounts.statement import Statements
from onetape.accounts.transfers import State
from onetape.accounts.unexplained import DEADLINE, Unexplained
from onetape.model.instrument import Instrument
from onetape.model.money import money_units
from onetape.orders.reports import FillReport

__all__ = ["LEDGER", "OTHER_EXCHANGE", "KeptMoney", "MoneyOptions", "MoneyRecord"]

LEDGER: Final = "ledger"  # source of positions from before the ledger
OTHER_EXCHANGE: Final = "another exchange"  # note of the first entry after a change of exchange
REFERENCES_KEPT: Final = 10_000  # of balance changes that the venue may report again


class MoneyOptions(Protocol):
    """How an account's money is divided. subaccounts: slots by name; credit: by currency, decimal text."""

    @property
    def leverage(self) -> float: ...
    @property
    def subaccounts(self) -> dict[str, int]: ...
    @property
    def credit(self) -> dict[str, str]: ...
    @property
    def transfer_deadline_ns(self) -> int: ...


class MoneyRecord(msgspec.Struct, frozen=True):
    """The money state of a journal's frames up to a checkpoint."""

    ledger: dict[str, Any]
    statements: dict[str, Any]
    booking: BookingRecord
    opened: dict[str, int]
    names: dict[str, int]
    transfers: list[dict[str, Any]]
    arrivals: list[Entry]
    references: list[str]
    waiting: list[tuple[int, FillReport, int]]
    openings: dict[str, int] = {}  # frames, by slot, symbol and side


class KeptMoney:
    """Builds the ledger and its related state from a gateway's journal, frame by frame in order.

    references: recent prices, in units, by symbol.
    slack: returns the tolerance of a currency's balance per fill, in 1e-18, because the venue rounds.
    on_reference: called with the id of the transfer or command (`Entry.reference`) of each entry except fills.
    Raises BadConfig for invalid sub-accounts.
    """

    def __init__(
        self,
        options: MoneyOptions,
        instruments: Mapping[str, Instrument],
        references: Mapping[str, int],
        slack: Callable[[str], int],
        *,
        on_reference: Callable[[str], None] = lambda reference: None,
    ) -> None:
        self.options = options
        self.instruments = instruments
        self.references = references
        self.reserves = Reserves(instruments, leverage=options.leverage, references=references)
        self._slack = slack
        self._use(Ledger())
        self.fills = BookedFills(instruments)
        self.opened: dict[str, int] = {}  # when the books of a currency began, the venue's time
        self.names: dict[str, int] = {}  # slots by name, as last written
        self.transfers: dict[str, dict[str, Any]] = {}  # the last record of each, by its id
        self.arrivals: list[Entry] = []  # commands that booked arrivals of transfers
        self._on_reference = on_reference
        self._references: deque[str] = deque(maxlen=REFERENCES_KEPT)

    @property
    def booking(self) -> Booking:
        return self.fills.booking

    def _use(self, ledger: Ledger) -> None:
        options = self.options
        self.ledger = ledger
        credit = {name: money_units(text) for name, text in options.credit.items()}
        slots = Slots(options.subaccounts)
        self.accounts = SubAccounts(ledger, slots, credit, held=self.reserves.held)
        patience = max(DEADLINE, options.transfer_deadline_ns)
        unexplained = Unexplained(self._slack, deadline=patience)
        self.statements = Statements(self.accounts, unexplained, self._slack)
        self._read = Bookkeeper(ledger, self.statements, _never).read

    # --- frames -----------------------------------------------------------------------------------

    def entry(self, payload: bytes) -> None:
        read = self._read(payload)
        if isinstance(read, int):
            self.fills.entry(read)
            return
        self._on_reference(read.reference)
        self._references.append(read.reference)
        if read.cause is Cause.COMMAND and read.reference.startswith(TRANSFER_REPORTED):
            self.arrivals.append(read)
        self.fills.entry(read.of, is_forced=read.note == FORCED)
        if read.note == OTHER_EXCHANGE:  # positions at the previous exchange are gone
            self.anew()
            self.transfers.clear()
        self.note(read)

    def note(self, entry: Entry) -> None:
        """Notes the opening time of an entry's currencies, if it is their first."""
        if entry.cause is Cause.OPENING or entry.note == OTHER_EXCHANGE:
            for leg in entry.legs:
                self.opened[leg.currency] = entry.time

    def transfer(self, record: dict[str, Any]) -> None:
        self.transfers.pop(record["id"], None)  # keeps the order of their last records
        self.transfers[record["id"]] = record

    # --- results ----------------------------------------------------------------------------------

    def anew(self) -> None:
        """Starts empty, because another exchange has no positions yet."""
        self.fills.anew()
        self.reserves.flatten()

    def slots_away(self) -> set[int]:
        """Returns the slots to which a transfer may still return money."""
        records = self.transfers.values()
        return {r["slot"] for r in records if not State(r["state"]).is_final}

    def slots_used(self) -> int:
        """Returns one more than the highest slot that has money, or a name."""
        ledger = self.ledger
        held = (slot for name in ledger.currencies() for slot in ledger.slots_held(name))
        return max([MAIN, *self.options.subaccounts.values(), *held]) + 1

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> MoneyRecord:
        """Makes the record of a checkpoint from the frames so far. To be called before any other booking."""
        return MoneyRecord(
            ledger=self.ledger.to_record(),
            statements=self.statements.to_record(),
            booking=self.booking.to_record(),
            opened=self.opened,
            names=self.names,
            transfers=list(self.transfers.values()),
            arrivals=self.arrivals,
            references=list(self._references),
            waiting=self.fills.waiting,
            openings=self.fills.openings,
        )

    def restore(self, record: MoneyRecord) -> None:
        """Continues from a checkpoint: before the first frame."""
        self._use(Ledger.from_record(record.ledger))
        self.statements.restore(record.statements)
        self.fills.restore(record.booking, record.waiting, record.openings, has_begun=self.ledger.posted > 0)
        self.opened, self.names = record.opened, record.names
        self.transfers = {each["id"]: each for each in record.transfers}
        self.arrivals = record.arrivals
        for reference in record.references:
            self._on_reference(reference)
            self._references.append(reference)


def _never(entry: Entry) -> None:
    raise AssertionError(f"nothing is written while a tape is read: {entry}")
