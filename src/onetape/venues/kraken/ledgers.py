"""Kraken spot: what moved balances otherwise than by trades that the gateway books, and what has
gone to the futures wallet.

The ledger says it by entry: deposits, withdrawals, transfers, rewards, conversions. A trade has two
entries; those of pairs that are not followed count here, too. Source: docs.kraken.com, "Get ledgers
info", read 2026-11: 50 a page, newest first, `start` in seconds. A transfer to the futures wallet
is an entry of subtype `spottofutures`, as the page of the balances channel lists it; that its
`refid` is the one which `WalletTransfer` gives is our reading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from onetape.model.decimals import decimal_text
from onetape.model.money import money
from onetape.orders.reports import MoveKind, MoveReport, TransferReport, TransferState
from onetape.venues.numbers import money_of, units_of

__all__ = ["TO_FUTURES", "UnfollowedTrades", "kind_of", "moves_of", "to_futures", "transfers_of"]

TO_FUTURES: Final = ("", "futures")  # the wallets, of which "" is spot

TRADES_KEPT: Final = 10_000
# Of margin: `rollover` is the interest of a loan, each four hours. What is not here (trades in
# other pairs, profits of margin, conversions, airdrops, settlements) is other.
_KINDS: Final = {
    "deposit": MoveKind.TRANSFER,
    "withdrawal": MoveKind.TRANSFER,
    "transfer": MoveKind.TRANSFER,
    "adjustment": MoveKind.TRANSFER,
    "rollover": MoveKind.INTEREST,
    "staking": MoveKind.INTEREST,
    "dividend": MoveKind.INTEREST,
    "reward": MoveKind.INTEREST,
    "earn": MoveKind.INTEREST,
}


def kind_of(word: str) -> MoveKind:
    """Of an entry's type, in lists as in the stream."""
    return _KINDS.get(word, MoveKind.OTHER)


class UnfollowedTrades:
    """The newest trades in pairs that are not followed, by the venue's id."""

    def __init__(self) -> None:
        self._ids: dict[str, None] = {}

    def add(self, trade: str) -> None:
        self._ids[trade] = None
        if len(self._ids) > TRADES_KEPT:
            del self._ids[next(iter(self._ids))]

    def __contains__(self, trade: object) -> bool:
        return trade in self._ids


def moves_of(
    entries: Mapping[str, Mapping[str, Any]], unfollowed: UnfollowedTrades, currency_of: Callable[[str], str]
) -> list[MoveReport]:
    """Of an answer's `ledger`, oldest first. Raises LookupError, TypeError, ValueError."""
    found = []
    for name, row in entries.items():
        if row["type"] == "trade" and row["refid"] not in unfollowed:
            continue
        change = money_of(row["amount"]) - money_of(row["fee"])
        time = units_of(row["time"], 9)
        kind = kind_of(row["type"])
        found.append(MoveReport(name, currency_of(row["asset"]), change, time, kind))
    found.reverse()
    return found


def to_futures(asset: str, amount: int) -> dict[str, str]:
    """The terms of a `WalletTransfer`. amount: 1e-18."""
    text = decimal_text(money(amount))
    return {"asset": asset, "from": "Spot Wallet", "to": "Futures Wallet", "amount": text}


def transfers_of(entries: Mapping[str, Mapping[str, Any]], currency_of: Callable[[str], str]) -> list[TransferReport]:
    """What has gone from the spot wallet to the futures wallet, of an answer's `ledger`. An entry
    is there when it has been made. Raises LookupError, TypeError, ValueError."""
    return [
        TransferReport(
            row["refid"],
            *TO_FUTURES,
            currency_of(row["asset"]),
            -money_of(row["amount"]),
            units_of(row["time"], 9),
            TransferState.DONE,
        )
        for row in entries.values()
        if row["subtype"] == "spottofutures" and money_of(row["amount"]) < 0
    ]
