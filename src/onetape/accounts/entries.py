"""The parts of a ledger: entries that move money between holders and name their cause.

A place is a holder in a wallet of the account: a sub-account, or a source or destination outside. An entry's legs add
up to zero in each currency, so money is neither created nor lost, only moved. Amounts are units of 1e-18 of their
currency (`model/money.py`).
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from onetape.model.config import SLOTS_MAX
from onetape.model.errors import BadInput
from onetape.model.money import money

__all__ = ["MAIN", "SLOTS_MAX", "TOTAL", "TRANSFER_REPORTED", "Cause", "Entry", "Leg", "Outside", "checked"]

TOTAL: Final = 0  # not a holder: the sum of all others
MAIN: Final = 1  # the pool from which sub-accounts get money
TRANSFER_REPORTED: Final = "transfer "  # prefix of the reference of a reported transfer


class Cause(StrEnum):
    """The reason of an entry."""

    OPENING = "opening"
    FILL = "fill"
    FEE = "fee"
    FUNDING = "funding"
    INTEREST = "interest"
    TRANSFER = "transfer"
    CORRECTION = "correction"
    COMMAND = "command"
    RESET = "reset"


class Outside(IntEnum):
    """Holders that are not sub-accounts. Numbers are on tapes: add, do not change."""

    MARKET = -1  # the counterpart of fills
    FEES = -2
    FUNDING = -3
    INTEREST = -4
    WORLD = -5  # other accounts, other venues, banks
    TRANSIT = -6  # ours, in transit
    UNEXPLAINED = -7  # differences to the venue's balance
    OPENING = -8
    # Ours, and counted with the pool: the difference between sub-accounts' profits and the account's, because the venue
    # nets their positions.
    NETTING = -9


class Leg(NamedTuple):
    """One holder's part of an entry.

    amount: signed, the change of the holder's balance.
    """

    holder: int  # a slot from MAIN on, or an Outside
    currency: str
    amount: int
    wallet: str = ""  # "": the trading wallet


class Entry(NamedTuple):
    """One movement of money, which is never changed: another entry corrects a mistake.

    time: ns UTC, the venue's for its own events.
    """

    time: int
    cause: Cause
    legs: tuple[Leg, ...]
    reference: str = ""  # trade id, transfer id or command id, which is booked once
    of: int = 0  # sequence of the frame that caused it, 0: none
    note: str = ""


def checked(entry: Entry) -> Entry:
    """Returns the entry. Raises BadInput if a currency does not add up to zero, or a holder is invalid."""
    sums: dict[str, int] = {}
    for leg in entry.legs:
        if leg.holder not in _HOLDERS:
            raise BadInput(f"{entry.cause} {entry.reference}: no holder {leg.holder}")
        sums[leg.currency] = sums.get(leg.currency, 0) + leg.amount
    for currency, rest in sums.items():
        if rest:
            raise BadInput(f"{entry.cause} {entry.reference}: {money(rest)} {currency} too much")
    return entry


_HOLDERS: Final = frozenset((*range(MAIN, SLOTS_MAX), *(int(each) for each in Outside)))
