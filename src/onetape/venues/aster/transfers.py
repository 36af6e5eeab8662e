"""Aster: transfers between the futures wallet ("" here, the trading wallet) and the spot wallet.

A transfer takes an id of ours (`clientTranId`), which the venue accepts once in seven days. The history does not show
it, so it only prevents duplicates. A transfer whose answer is lost is found by type, amount and time; a late request is
refused for its nonce.

Source: "Perp-spot transfer" and "transactionHistory" of asterdex/api-docs V3(Recommended), spot, of 2026-06. We assume
that a transfer's `tranId` is that of the history, and that the history does not show money in transit.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from onetape.model.money import money_text
from onetape.model.time import MS
from onetape.orders.calls import TransferRoute
from onetape.orders.reports import TransferReport, TransferState
from onetape.venues.binance.words import SHOWN
from onetape.venues.numbers import check_shown, money_of

__all__ = ["history_terms", "transfer_reports", "transfer_terms"]

TRANSFER_PATH: Final = "/api/v3/asset/wallet/transfer"
HISTORY_PATH: Final = "/api/v3/transactionHistory"
PAGE: Final = 1000  # there are no further pages
_KINDS: Final = {("", "spot"): "FUTURE_SPOT", ("spot", ""): "SPOT_FUTURE"}
_TYPES: Final = {("", "spot"): "TRANSFER_FUTURE_TO_SPOT", ("spot", ""): "TRANSFER_SPOT_TO_FUTURE"}
_WALLETS: Final = {word: wallets for wallets, word in _TYPES.items()}

_Terms = tuple[str, dict[str, str]]  # path and parameters


def transfer_terms(route: TransferRoute, currency: str, amount: int, name: str) -> _Terms | None:
    """Returns path and parameters of a transfer's request; None: there is no such route. amount: in 1e-18. Raises
    InvalidAmount for an amount that the history would round."""
    kind = None if route.to else _KINDS.get(route[:2])
    if kind is None:
        return None
    check_shown(amount, SHOWN, currency)
    number = sha256(f"{name} {kind} {currency} {amount}".encode()).hexdigest()[:32]
    return TRANSFER_PATH, {"asset": currency, "amount": money_text(amount), "clientTranId": number, "kindType": kind}


def history_terms(route: TransferRoute, since: int, cursor: str, name: str) -> _Terms | None:
    kind = None if route.to else _TYPES.get(route[:2])
    return None if kind is None else (HISTORY_PATH, {"type": kind, "startTime": str(since // MS), "limit": str(PAGE)})


def transfer_reports(rows: list[Mapping[str, Any]], sent: Mapping[str, str]) -> tuple[list[TransferReport], str]:
    """Reads the history. Raises LookupError, TypeError, ValueError."""
    if len(rows) >= PAGE:
        raise ValueError(f"{len(rows)} transfers, perhaps more")
    done = TransferState.DONE
    return [
        TransferReport(
            str(row["tranId"]),
            *_WALLETS[row["type"]],
            row["asset"],
            abs(money_of(row["balanceDelta"])),
            int(row["time"]) * MS,
            done,
        )
        for row in rows
        if row["type"] in _WALLETS
    ], ""
