"""The one way of an entry: explained, written, booked, remembered.

An entry is on the journal before it counts, and what a tape is read again with is the second half
of the same: a balance that is read anywhere has its entry on the tape.
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

    write: puts an entry on the journal.
    """

    def __init__(self, ledger: Ledger, statements: Statements, write: Callable[[Entry], None]) -> None:
        self._ledger = ledger
        self._statements = statements
        self._write = write

    def book(self, entry: Entry) -> Entry | None:
        """Returns the entry as it was booked; None: it had been. Raises BadInput where it is none."""
        if entry.reference and self._ledger.has(entry.cause, entry.reference, entry.time):
            return None
        entry = self._ledger.checked(self._statements.unexplained.explained(entry))
        self._write(entry)
        self._ledger.add(entry)
        self._statements.posted(entry)
        return entry

    def replay(self, entry: Entry) -> bool:
        """Takes an entry of the tape into the ledger."""
        if not self._ledger.post(entry):
            return False
        self._statements.posted(entry)
        return True

    def read(self, payload: bytes) -> Entry | int:
        """Books a frame of the tape likewise. Returns its entry; of a fill that no correction can have had, of which
        there is nothing more to know, only the sequence of the frame that it is of. Raises BadInput where it is no
        entry."""
        of = self._ledger.replay_fill(payload, self._statements.unexplained.corrected_last)
        if of is not None:
            return of
        entry = unpack(payload)
        self.replay(entry)
        return entry
