"""Binance: money between the wallet of USD-M futures ("" here, which is traded from) and the spot
wallet, and what its history says of that.

The universal transfer takes no id of ours and gives its own (`tranId`). So one whose answer is lost
is found again by type, amount and time; a request that is late is refused by its `recvWindow`, so
what the history does not show a minute later has not been carried out. Source: "User Universal
Transfer" and its history of the wallet documentation, read 2026-11; both live at the wallet side's
address, where /sapi paths go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onetape.model.decimals import decimal_text
from onetape.model.money import money
from onetape.orders.told import TransferState, TransferTold
from onetape.venues.numbers import money_of

__all__ = ["TRANSFER_PATH", "history_terms", "history_told", "transfer_terms"]

TRANSFER_PATH: Final = "/sapi/v1/asset/transfer"
PAGE: Final = 100
_MS: Final = 1_000_000
_TYPES: Final = {("", "spot"): "UMFUTURE_MAIN", ("spot", ""): "MAIN_UMFUTURE"}
_WALLETS: Final = {word: wallets for wallets, word in _TYPES.items()}
_STATES: Final = {
    "CONFIRMED": TransferState.DONE,
    "PENDING": TransferState.UNDERWAY,
    "FAILED": TransferState.FAILED,
}


def transfer_terms(source: str, target: str, currency: str, amount: int) -> dict[str, str] | None:
    """None: not between these wallets. amount: 1e-18."""
    word = _TYPES.get((source, target))
    if word is None:
        return None
    return {"type": word, "asset": currency, "amount": decimal_text(money(amount))}


def history_terms(source: str, target: str, since: int, cursor: str) -> dict[str, str] | None:
    """Newest first. cursor: start:page."""
    word = _TYPES.get((source, target))
    if word is None:
        return None
    start, _, page = cursor.partition(":")
    start = start or str(since // _MS)
    return {"type": word, "startTime": start, "current": page or "1", "size": str(PAGE)}


def history_told(
    value: Mapping[str, Any], sent: Mapping[str, str]
) -> tuple[list[TransferTold], str]:
    """Of an answer's rows, and the cursor of what follows. Raises LookupError, TypeError,
    ValueError."""
    rows = value.get("rows") or ()  # without any there is no such field
    found = []
    for row in rows:
        source, target = _WALLETS[row["type"]]
        state = _STATES.get(row["status"], TransferState.UNDERWAY)
        found.append(
            TransferTold(
                str(row["tranId"]), source, target, row["asset"], money_of(row["amount"]),
                int(row["timestamp"]) * _MS, state,
            )
        )  # fmt: skip
    more = f"{sent['startTime']}:{int(sent['current']) + 1}" if len(rows) >= PAGE else ""
    return found, more
