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
    """An account's room. closing: lots of a position that the parent's side would close; free: further lots that free
    money covers; fee: taker fee as a share."""

    closing: int
    free: int
    fee: Decimal


def divided_lots(lots: int, accounts: Sequence[Room]) -> tuple[list[int], int]:
    """Returns (lots of each account, lots for which no account has room). Closing lots need no money and come
    first, in proportion to the position; opening lots go to the accounts with the lowest fees, among equal fees in
    proportion to free money."""
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
