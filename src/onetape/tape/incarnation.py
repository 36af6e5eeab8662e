"""Track which incarnation of its writer a journal's frames are from: state reported by an earlier one is invalid."""

from __future__ import annotations

from onetape.tape.journal import JournalReader

__all__ = ["Incarnation"]


class Incarnation:
    """Tells when a journal's writer has been started again, by the journal's epoch. reader: of that journal. A journal
    that replaces it needs an Incarnation of its own."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._epoch = 0
        self.first = 0  # sequence of the incarnation's first frame, 0: the journal has no control page

    def is_new(self) -> bool:
        """Returns True when another incarnation has begun since the last call. Call it after reading frames and
        before using them, so that no frame of a new one counts as one of the old."""
        epoch = int(self._reader.control.get("epoch", 0))
        if epoch == self._epoch:
            return False
        self._epoch, self.first = epoch, self._first_of(epoch)
        return True

    def _first_of(self, epoch: int) -> int:
        """Returns the first frame: each incarnation begins a segment."""
        with JournalReader(self._reader.path) as reader:
            first = reader.last_sequence + 1
            reader.seek_sequence(max(first - 1, 1))
            while reader.epoch >= epoch and (begins := reader.core.segment_first_sequence) < first:
                first = begins
                reader.seek_sequence(max(first - 1, 1))
            return first
