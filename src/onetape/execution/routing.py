"""Divide a parent's lots over accounts at one exchange: closing lots first, then the cheapest accounts with room.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from onetape.accounts.sharing import split

__all__ = ["Room", "divided_lots"]


@dataclass(frozen=True, slots=True)
class Room:
    """An account's room. closing: lots that the parent's side would close there; free: further lots that its free
    money covers; fee: the taker's share."""

    closing: int
    free: int
    fee: Decimal


def divided_lots(lots: int, accounts: Sequence[Room]) -> tuple[list[int], int]:
    """Returns the lots of each account, and those for which none has room. Closing lots need no money and come
    first, in proportion to the position; opening lots go where fees are lowest, among equal ones by free money."""
    found = [0] * len(accounts)
    stages = [{number: each.closing for number, each in enumerate(accounts)}]
    stages += [
        {number: each.free for number, each in enumerate(accounts) if each.fee == fee}
        for fee in sorted({each.fee for each in accounts})
    ]
    for stage in stages:
        able = {number: room for number, room in stage.items() if room > 0}
        taken = min(lots, sum(able.values()))
        for number, each in split(taken, able).items() if taken else ():
            found[number] += each
        lots -= taken
    return found, lots
