"""OKX v5: transfers between the trading account and the funding account of one user.

A transfer takes an id of ours (`clientId`, 32 letters and digits): other ids are sent as their hash. A late request is
refused for its time (thirty seconds), and that a duplicate id would be refused is not documented, so a transfer whose
answer is lost is found by its id in the bills of the funding account, which have what was carried out. Source: OKX API
v5 documentation, "Funding Account: Funds transfer, Asset bills details, Get balance", as of 2026-07.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from onetape.model.money import money_text
from onetape.model.time import MS
from onetape.orders.calls import TransferRoute
from onetape.orders.reports import TransferReport, TransferState, WalletReport
from onetape.venues.numbers import check_shown, money_of

__all__ = ["FUNDING", "history_terms", "transfer_reports", "transfer_terms", "wallet_reports"]

FUNDING: Final = "funding"
ACCOUNTS: Final = {"": "18", FUNDING: "6"}  # the venue's numbers of the wallets
SHOWN: Final = 10**10  # amounts have eight decimals; in 1e-18
# Types of the funding account's bills, by source and target of a transfer.
_BILLS: Final = {("", FUNDING): "130", (FUNDING, ""): "131"}
_WAYS: Final = {word: way for way, word in _BILLS.items()}
_NAME: Final = re.compile(r"[A-Za-z0-9]{1,32}\Z")


def _client_id(name: str) -> str:
    return name if _NAME.match(name) else hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


def transfer_terms(route: TransferRoute, currency: str, amount: int, name: str) -> dict[str, str] | None:
    """Returns the parameters of a transfer; None: there is no such route. amount: in 1e-18. Raises InvalidAmount for an
    amount that the venue would round."""
    if route.to or route[:2] not in _BILLS:
        return None
    check_shown(amount, SHOWN, currency)
    ends = {"from": ACCOUNTS[route.source], "to": ACCOUNTS[route.target]}
    return {"ccy": currency, "amt": money_text(amount), **ends, "type": "0", "clientId": _client_id(name)}


def history_terms(route: TransferRoute, name: str) -> dict[str, str] | None:
    """Returns the parameters of the bills of a transfer."""
    if route.to or route[:2] not in _BILLS:
        return None
    return {"type": _BILLS[route.source, route.target], "clientId": _client_id(name)}


def transfer_reports(rows: Sequence[Mapping[str, Any]], name: str) -> list[TransferReport]:
    """Reads bills of the funding account. name: our id of the transfer that they were requested for."""
    found = []
    for row in rows:
        if (way := _WAYS.get(row["type"])) is not None:
            own = str(row.get("clientId") or "")
            named = name if own == _client_id(name) else own
            amount, time = abs(money_of(row["balChg"])), int(row["ts"]) * MS
            found.append(TransferReport(row["billId"], *way, row["ccy"], amount, time, TransferState.DONE, named))
    return found


def wallet_reports(rows: Sequence[Mapping[str, Any]]) -> list[WalletReport]:
    return [WalletReport(FUNDING, row["ccy"], money_of(row["bal"]), money_of(row["availBal"])) for row in rows]
