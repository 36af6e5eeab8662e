"""The single path of an entry: explain, write to the journal, book, remember.

An entry is on the journal before it counts, and reading a tape runs the second half of the same path, so each balance
that is read anywhere has its entry on the tape.
"""

from __future__ import annotations

from collections.abc import Callable

from onetape.accounts.entries import Entry
from onetape.accounts.entry_frames import unpack
from onetape.accounts.ledger import Ledger
from onetape.accounts.statement import Statements

__all__ = ["Bookkeeper"]


class Bookkeeper:
    """Books entries: first on the journal, then in the ledger.

    write: writes an entry to the journal.
    """

    def __init__(self, ledger: Ledger, statements: Statements, write: Callable[[Entry], None]) -> None:
        self._ledger = ledger
        self._statements = statements
        self._write = write

    def book(self, entry: Entry) -> Entry | None:
        """Books an entry and returns it as booked; None: it was booked before. Raises BadInput for an invalid one."""
        if entry.reference and self._ledger.has(entry.cause, entry.reference, entry.time):
            return None
        entry = self._ledger.checked(self._statements.unexplained.explained(entry))
        self._write(entry)
        self._ledger.add(entry)
        self._statements.posted(entry)
        return entry

    def replay(self, entry: Entry) -> bool:
        """Books an entry of the tape in the ledger. False: it was booked before."""
        if not self._ledger.post(entry):
            return False
        self._statements.posted(entry)
        return True

    def read(self, payload: bytes) -> Entry | int:
        """Books an entry frame of the tape. Returns its entry; for a fill after all compared balances, which needs no
        further handling, only the sequence of the fill's frame. Raises BadInput for an invalid entry."""
        of = self._ledger.replay_fill(payload, self._statements.unexplained.compared_last)
        if of is not None:
            return of
        entry = unpack(payload)
        self.replay(entry)
        return entry
