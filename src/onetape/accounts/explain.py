"""Explains the change of balances in a window, to the unit, with the frames behind each number.

    opening + trades + fees + funding + ... + revaluation = closing

for each currency and holder, where opening and closing are the balance and the open profit of contracts at the marks at
that time. Trades are the realized profits of fills (on spot: the moved amounts), and revaluation is the change of open
profit. The window is one of the tape: an entry belongs to it by its frame, so a late event counts where it was booked,
and a tape is explained the same way each time. Netting between sub-accounts is no part: the total has the venue's
position, each sub-account its own, and they add up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from onetape.accounts.booking import Booking
from onetape.accounts.entries import TOTAL, Cause, Entry, Leg, Outside
from onetape.model.enums import PositionSide
from onetape.model.errors import check
from onetape.model.instrument import Instrument
from onetape.model.money import money
from onetape.orders.reports import FillReport

__all__ = ["Adopted", "Anew", "Event", "Explained", "Filled", "Part", "explain", "groups_of"]

_NETTING: Final = int(Outside.NETTING)


class Part(StrEnum):
    """The parts that explain an account's change, in the order of display."""

    BEGUN = "begun"  # the venue's first report of a currency
    TRADES = "trades"
    FEES = "fees"
    FUNDING = "funding"
    INTEREST = "interest"
    TRANSFERS = "transfers"
    COMMANDS = "commands"
    CORRECTIONS = "corrections"
    RESETS = "resets"


_BY_CAUSE: Final = {
    Cause.OPENING: Part.BEGUN,
    Cause.FILL: Part.TRADES,
    Cause.FEE: Part.FEES,
    Cause.FUNDING: Part.FUNDING,
    Cause.INTEREST: Part.INTEREST,
    Cause.TRANSFER: Part.TRANSFERS,
    Cause.COMMAND: Part.COMMANDS,
    Cause.CORRECTION: Part.CORRECTIONS,
    Cause.RESET: Part.RESETS,
}
# The part by outside holder, except that a trade's fee is not the trade, and an amount that reverses a correction is a
# correction.
_BY_OUTSIDE: Final = {int(Outside.FEES): Part.FEES, int(Outside.UNEXPLAINED): Part.CORRECTIONS}
_AT_VENUE: Final = frozenset((Cause.FILL, Cause.FEE, Cause.FUNDING, Cause.INTEREST))


class Filled(NamedTuple):
    """A fill and its slot. is_forced: it was shared among the holders."""

    fill: FillReport
    slot: int
    is_forced: bool = False


class Adopted(NamedTuple):
    """A position that the account held before the tape began."""

    symbol: str
    side: PositionSide
    qty: int
    price: int


class Anew(NamedTuple):
    """A change to another exchange, where there are no positions yet."""


Event = Entry | Filled | Adopted | Anew
_Place = tuple[str, int]  # currency and slot


@dataclass(slots=True)
class Explained:
    """The explanation of the change of one currency and slot (0: the total), units of 1e-18.

    profit: of open contracts.
    """

    currency: str
    slot: int
    opening: int = 0
    opening_profit: int = 0
    parts: dict[Part, int] = field(default_factory=dict)
    frames: dict[Part, list[int]] = field(default_factory=dict)  # sequences of entries
    revaluation: dict[str, int] = field(default_factory=dict)  # by symbol
    closing: int = 0
    closing_profit: int = 0

    @property
    def rest(self) -> int:
        """Returns the unexplained rest: always 0."""
        explained = sum(self.parts.values()) + sum(self.revaluation.values())
        before = self.opening + self.opening_profit
        return self.closing + self.closing_profit - before - explained

    @property
    def is_nothing(self) -> bool:
        return not (self.opening or self.closing or self.parts or self.revaluation)


def explain(
    events: Iterable[tuple[int, Event]],
    *,
    since: int,
    until: int,
    instruments: Mapping[str, Instrument],
    opening_marks: Mapping[str, int],
    closing_marks: Mapping[str, int],
    wallet: str = "",
) -> list[Explained]:
    """Splits an account's change in a window into parts.

    events: by sequence, all from the tape's beginning.
    The window is the frames from `since` on and before `until`. A contract without a mark is valued at its cost. Raises
    InvariantViolation if the parts do not add up.
    """
    found = _Window(since, instruments, opening_marks, wallet)
    for sequence, event in events:
        if sequence >= until:
            break
        found.take(sequence, event)
    return found.end(closing_marks)


@dataclass(slots=True)
class _Window:
    """Accumulates the money events of a tape from its beginning, and by part from `since` on."""

    since: int
    instruments: Mapping[str, Instrument]
    opening_marks: Mapping[str, int]
    wallet: str
    booking: Booking = field(init=False)
    balances: dict[_Place, int] = field(default_factory=dict)
    rows: dict[_Place, Explained] = field(default_factory=dict)
    profits: dict[_Place, dict[str, int]] | None = None  # open profit at the start; None: not started

    def __post_init__(self) -> None:
        self.booking = Booking(self.instruments)

    def row(self, place: _Place) -> Explained:
        return self.rows.setdefault(place, Explained(*place))

    def begin(self) -> dict[_Place, dict[str, int]]:
        for place, balance in self.balances.items():
            self.row(place).opening = balance
        self.profits = _profits(self.booking, self.opening_marks)
        for place, by_symbol in self.profits.items():
            self.row(place).opening_profit = sum(by_symbol.values())
        return self.profits

    def take(self, sequence: int, event: Event) -> None:
        if sequence >= self.since and self.profits is None:
            self.begin()
        match event:
            case Anew():
                self.booking = Booking(self.instruments)
            case Adopted(symbol, side, qty, price):
                self.booking.adopt(symbol, side, qty, price)
            case Filled(fill, _, True):
                self.booking.forced(fill)
            case Filled(fill, slot):
                self.booking.fill(fill, slot)
            case _:
                for part, currency, slot, amount in _moves(event, self.wallet):
                    self.move((currency, slot), part, amount, sequence)

    def move(self, place: _Place, part: Part, amount: int, sequence: int) -> None:
        self.balances[place] = self.balances.get(place, 0) + amount
        if sequence < self.since:
            return
        of = self.row(place)
        of.parts[part] = of.parts.get(part, 0) + amount
        frames = of.frames.setdefault(part, [])
        if not frames or frames[-1] != sequence:
            frames.append(sequence)

    def end(self, closing_marks: Mapping[str, int]) -> list[Explained]:
        profits = self.begin() if self.profits is None else self.profits
        ends = _profits(self.booking, closing_marks)
        for place, balance in self.balances.items():
            self.row(place).closing = balance
        for place in {**profits, **ends}:
            before, after = profits.get(place, {}), ends.get(place, {})
            of = self.row(place)
            of.closing_profit = sum(after.values())
            changes = {name: after.get(name, 0) - before.get(name, 0) for name in {**before, **after}}
            of.revaluation = {name: change for name, change in changes.items() if change}
        found = [each for _, each in sorted(self.rows.items()) if not each.is_nothing]
        for each in found:
            check(not each.rest, f"{money(each.rest)} {each.currency} of slot {each.slot} unexplained")
        return found


def _profits(booking: Booking, marks: Mapping[str, int]) -> dict[_Place, dict[str, int]]:
    """Returns open profit by currency and slot, then by symbol."""
    found: dict[_Place, dict[str, int]] = {}
    holdings = [(slot, symbol, held) for (slot, symbol, _), held in booking.positions.items()]
    total = [(TOTAL, symbol, held) for (symbol, _), held in booking.account.items()]
    for slot, symbol, held in (*holdings, *total):
        mark = marks.get(symbol, 0)
        if held.terms.is_spot or not held.qty or not mark:
            continue
        of = found.setdefault((held.terms.settle, slot), {})
        of[symbol] = of.get(symbol, 0) + held.unrealized_at(mark)
    return found


def _moves(entry: Entry, wallet: str) -> Iterator[tuple[Part, str, int, int]]:
    """Returns the changes of each slot and the total, by part."""
    for currency, legs in groups_of(entry):
        part = _part(entry.cause, legs)
        total = 0
        for leg in legs:
            if leg.wallet != wallet or not leg.amount:
                continue
            if leg.holder > 0:
                yield part, currency, leg.holder, leg.amount
            if leg.holder > 0 or leg.holder == _NETTING:
                total += leg.amount
        if total:
            yield part, currency, TOTAL, total


def groups_of(entry: Entry) -> Iterator[tuple[str, list[Leg]]]:
    """Splits legs of one currency into groups that add up to zero."""
    open_: dict[str, list[Leg]] = {}
    sums: dict[str, int] = {}
    for leg in entry.legs:
        legs = open_.setdefault(leg.currency, [])
        legs.append(leg)
        sums[leg.currency] = sums.get(leg.currency, 0) + leg.amount
        if not sums[leg.currency]:
            yield leg.currency, open_.pop(leg.currency)


def _part(cause: Cause, legs: list[Leg]) -> Part:
    if cause in _AT_VENUE:
        for leg in legs:
            if leg.holder in _BY_OUTSIDE:
                return _BY_OUTSIDE[leg.holder]
    return _BY_CAUSE[cause]
