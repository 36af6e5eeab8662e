"""Which run of its writer a journal is from: what an earlier run said of its own state ended with that run."""

from __future__ import annotations

from onetape.tape.journal import JournalReader

__all__ = ["Incarnation"]


class Incarnation:
    """Follows the runs of a journal's writer, which the journal counts as epochs. reader: of that journal; another
    journal in its place is another writer's."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._epoch = 0
        self.first = 0  # sequence of the first frame of the run, 0: the journal has no control page

    def is_new(self) -> bool:
        """Tells whether another run has begun since the last call. To be asked after frames were read and before
        they are used, so that none of a new run is taken for one of the old."""
        epoch = int(self._reader.control.get("epoch", 0))
        if epoch == self._epoch:
            return False
        self._epoch, self.first = epoch, self._first_of(epoch)
        return True

    def _first_of(self, epoch: int) -> int:
        """Each run begins a segment of its own."""
        with JournalReader(self._reader.path) as reader:
            first = reader.last_sequence + 1
            reader.seek_sequence(max(first - 1, 1))
            while reader.epoch >= epoch and (begins := reader.core.segment_first_sequence) < first:
                first = begins
                reader.seek_sequence(max(first - 1, 1))
            return first
