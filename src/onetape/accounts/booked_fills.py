"""Sub-accounts' positions, folded from a gateway's journal: a fill counts when its entry is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from onetape.accounts.booking import Booking, BookingRecord
from onetape.accounts.entries import MAIN
from onetape.model.enums import Kind, PositionSide
from onetape.model.instrument import Instrument
from onetape.orders.openings import Openings
from onetape.orders.reports import FillReport

__all__ = ["BookedFills"]

Part = tuple[str, str, PositionSide]  # slot, symbol and side of a position


class BookedFills:
    """Books fills by the journal's entries; it gets both in the journal's order. Fills before the first entry are part
    of the ledger's opening balances; fills of unlisted instruments are ignored. on_forced: as `Booking`'s."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self.on_forced: Callable[[FillReport, Mapping[int, int]], None] = lambda *_: None
        self._has_begun = False
        # Fills whose entry has not been read, by frame, with the slot. At the end of the tape these are the fills that
        # its writer had not booked.
        self._waiting: dict[int, tuple[FillReport, int]] = {}
        self.anew()

    def anew(self) -> None:
        """Starts empty, because another exchange has no positions yet."""
        self.booking = Booking(self._instruments, lambda fill, sizes: self.on_forced(fill, sizes))
        self._waiting.clear()
        self._openings: Openings[Part] = Openings({}, {})

    def adopt(self, symbol: str, side: PositionSide, qty: int, price: int, sequence: int = 0) -> bool:
        """Books a position from before the journal, for the pool. Returns False if its value is unknown. sequence: of
        its frame."""
        instrument = self._instruments.get(symbol)
        if instrument is None or instrument.kind is Kind.SPOT or not qty or not price:
            return False
        self.booking.adopt(symbol, side, qty, price)
        self._note((MAIN,), symbol, side, sequence)
        return True

    def fill(self, fill: FillReport, slot: int, sequence: int) -> None:
        """Keeps a fill until its entry is read. sequence: of its frame."""
        if self._has_begun and fill.symbol in self._instruments:
            self._waiting[sequence] = fill, slot

    def entry(self, of: int, *, is_forced: bool = False) -> list[FillReport]:
        """Books the fills up to the one of an entry, and returns them. of: the frame of the entry's fill, 0: none. An
        earlier fill without an entry was a duplicate of a booked one."""
        self._has_begun = True
        booked = []
        while of in self._waiting:
            sequence, fill, slot = self._oldest()
            at, slots = (fill.symbol, fill.position_side), [slot]
            if sequence == of and is_forced:
                self.booking.forced(fill)
                slots = [key[0] for key, _ in self.booking.sharing(*at)]
            else:
                self.booking.fill(fill, slot)
            self._note(slots, *at, sequence)
            booked.append(fill)
        return booked

    def _note(self, slots: Iterable[int], symbol: str, side: PositionSide, sequence: int) -> None:
        for slot in slots:
            self._openings.note((str(slot), symbol, side), self.booking.own(slot, symbol, side), sequence)

    def opened(self, slot: int, symbol: str, side: PositionSide) -> int:
        """Returns the frame with which a sub-account opened its position, 0: flat."""
        return self._openings.frame((str(slot), symbol, side))

    def unbooked(self) -> Iterator[tuple[int, FillReport, int]]:
        """Yields (frame, fill, slot) of the fills that are not booked, in order, removing them."""
        while self._waiting:
            yield self._oldest()

    def _oldest(self) -> tuple[int, FillReport, int]:
        sequence = next(iter(self._waiting))
        return sequence, *self._waiting.pop(sequence)

    # --- checkpoints ------------------------------------------------------------------------------

    @property
    def waiting(self) -> list[tuple[int, FillReport, int]]:
        return [(at, fill, slot) for at, (fill, slot) in self._waiting.items()]

    @property
    def openings(self) -> dict[str, int]:
        """Returns the opening frames of all parts."""
        return self._openings.frames()

    def restore(
        self,
        booking: BookingRecord,
        waiting: Iterable[tuple[int, FillReport, int]],
        openings: Mapping[str, int],
        *,
        has_begun: bool,
    ) -> None:
        self.booking.restore(booking)
        held = {(str(slot), name, side): own.qty for (slot, name, side), own in self.booking.positions.items()}
        self._openings = Openings(openings, held)
        self._waiting = {at: (fill, slot) for at, fill, slot in waiting}
        self._has_begun = has_begun
