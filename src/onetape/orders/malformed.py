"""Detection of malformed venue messages: unreadable ones, and numbers that no tape can store."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from onetape._core import is_plain_report
from onetape.model.errors import BadInput, FundsError, VenueError
from onetape.orders.reports import VenueReport

__all__ = ["MALFORMED", "check_reports"]

# The errors that reading a foreign message may raise. An error in our own messages ends the process.
MALFORMED: Final = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    struct.error,
    BadInput,
    FundsError,
    VenueError,
)
# The ranges of a tape: 64-bit numbers, 128-bit money.
NUMBER_MAX: Final = 2**63 - 1
MONEY_MAX: Final = 2**127 - 1
_MONEY: Final = frozenset({"fee", "total", "available", "amount", "bought", "spent"})


def check_reports(reports: Iterable[VenueReport]) -> None:
    """Raises ValueError or OverflowError for values that a tape cannot store, when they are read and not when they are
    written, after other state has changed."""
    for each in reports:
        if is_plain_report(each):
            continue
        for name, value in zip(each._fields, each, strict=True):
            if type(value) is int:
                most = MONEY_MAX if name in _MONEY else NUMBER_MAX
                if abs(value) > most or (name == "trade_id" and value < 0):
                    raise OverflowError(f"{name} is {value:.3e}")
            elif type(value) is Decimal and not value.is_finite():
                raise ValueError(f"{name} is {value}")
            elif type(value) is str:
                value.encode()  # half a surrogate pair cannot be encoded
                if name == "venue_id" and value.isdigit() and not 0 <= int(value) <= NUMBER_MAX:
                    raise OverflowError(f"{name} is {value[:40]}")
