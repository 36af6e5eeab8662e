"""What a venue says and cannot mean: messages that cannot be read, numbers that no tape holds."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from onetape._core import is_plain_report
from onetape.model.errors import BadInput, FundsError, VenueError
from onetape.orders.reports import VenueReport

__all__ = ["MALFORMED", "check_reports"]

# What reading a message of others may raise. Where ours is at fault the process ends.
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
# What a tape has room for: numbers of 64 bits, money of 128.
NUMBER_MAX: Final = 2**63 - 1
MONEY_MAX: Final = 2**127 - 1
_MONEY: Final = frozenset({"fee", "total", "available", "amount", "bought", "spent"})


def check_reports(reports: Iterable[VenueReport]) -> None:
    """Raises ValueError, OverflowError for what no tape could hold: it is refused where it is read
    and not where it is written, when much else has been done with it."""
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
                value.encode()  # half a surrogate pair is no text
                if name == "venue_id" and value.isdigit() and not 0 <= int(value) <= NUMBER_MAX:
                    raise OverflowError(f"{name} is {value[:40]}")
