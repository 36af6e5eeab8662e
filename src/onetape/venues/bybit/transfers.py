"""Bybit v5: transfers between the unified account and the funding account of one user.

A transfer has an id of ours, a UUID that counts once (131214): other ids are sent as their hash. So a transfer whose
answer is lost is found by its id. Sources: Bybit API documentation v5, "Create Internal Transfer", "Get Internal
Transfer Records", "Get All Coins Balance", as of 2026-07; ccxt 4.5.90 for errors, and the prefix of ids in the list.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from onetape.model.money import money_text
from onetape.model.time import MS
from onetape.orders.calls import TransferRoute
from onetape.orders.reports import TransferReport, TransferState, WalletReport
from onetape.venues.numbers import check_shown, money_of

__all__ = ["ACCOUNTS", "FUNDING", "transfer_id", "transfer_reports", "transfer_terms", "wallet_reports"]

FUNDING: Final = "funding"
ACCOUNTS: Final = {"": "UNIFIED", FUNDING: "FUND"}
SHOWN: Final = 10**10  # amounts have eight decimals; in 1e-18
_WALLETS: Final = {word: wallet for wallet, word in ACCOUNTS.items()}
_STATES: Final = {"SUCCESS": TransferState.DONE, "FAILED": TransferState.FAILED}
_PREFIX: Final = "selfTransfer_"


def transfer_id(name: str) -> str:
    try:
        return str(UUID(name))
    except ValueError:
        return str(UUID(bytes=hashlib.blake2b(name.encode(), digest_size=16).digest(), version=4))


def transfer_terms(route: TransferRoute, currency: str, amount: int, name: str) -> dict[str, str] | None:
    """Returns the parameters of a transfer; None: there is no such route. amount: in 1e-18. Raises InvalidAmount for an
    amount that the venue would round."""
    if route.to or {route.source, route.target} != {*ACCOUNTS}:
        return None
    check_shown(amount, SHOWN, currency)
    ends = {"fromAccountType": ACCOUNTS[route.source], "toAccountType": ACCOUNTS[route.target]}
    return {"transferId": transfer_id(name), "coin": currency, "amount": money_text(amount), **ends}


def transfer_reports(rows: Sequence[Mapping[str, Any]], name: str) -> list[TransferReport]:
    """Reads a list of transfers. name: our id of the one that it was requested for."""
    found = []
    for row in rows:
        ends = [_WALLETS.get(row[f"{end}AccountType"]) for end in ("from", "to")]
        if ends[0] is not None and ends[1] is not None:
            number = row["transferId"].removeprefix(_PREFIX)
            named, state = name if number == transfer_id(name) else number, _STATES.get(row["status"])
            amount, time = money_of(row["amount"]), int(row["timestamp"]) * MS
            state = state or TransferState.UNDERWAY
            found.append(TransferReport(number, ends[0], ends[1], row["coin"], amount, time, state, named))
    return found


def wallet_reports(rows: Sequence[Mapping[str, Any]]) -> list[WalletReport]:
    return [
        WalletReport(FUNDING, row["coin"], money_of(row["walletBalance"]), money_of(row["transferBalance"] or "0"))
        for row in rows
    ]
