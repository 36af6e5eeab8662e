"""Binance: money that leaves the spot wallet for an address elsewhere, and what comes to it.

A withdrawal takes an id of ours (`withdrawOrderId`), by which the history is asked. That a second
one by the same id would be refused is not documented, so it is never relied on; a request that is
late is refused by its `recvWindow`. What is asked for has the fee in it; the history's `amount` is
what is sent on, without `transactionFee` (our reading: the documentation does not say).

Sources: "Withdraw", "Withdraw History" and "Deposit History" of the wallet documentation, read
2026-11. The history costs a tenth of what may be asked for in a second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from onetape.model.decimals import decimal_text
from onetape.model.errors import UsageError
from onetape.model.money import money
from onetape.model.time import parse_time
from onetape.orders.calls import Destination
from onetape.orders.reports import OUTSIDE, TransferReport, TransferState
from onetape.venues.binance.words import SHOWN
from onetape.venues.numbers import check_shown, money_of

__all__ = [
    "DEPOSITS_PATH",
    "WITHDRAWN_PATH",
    "WITHDRAW_PATH",
    "deposit_reports",
    "deposit_terms",
    "withdraw_terms",
    "withdrawal_reports",
    "withdrawn_terms",
]

WITHDRAW_PATH: Final = "/sapi/v1/capital/withdraw/apply"
WITHDRAWN_PATH: Final = "/sapi/v1/capital/withdraw/history"
DEPOSITS_PATH: Final = "/sapi/v1/capital/deposit/hisrec"
WALLETS: Final = ("spot", "")  # the second is the other account's, whichever it is
PAGE: Final = 1000
SPAN_MS: Final = 6 * 86_400_000  # asked by id a history has less than seven days
KEPT_MS: Final = 89 * 86_400_000
_MS: Final = 1_000_000
_SPOT: Final = "0"  # walletType
_NAME: Final = re.compile(r"[A-Za-z0-9_\-]{1,32}\Z")
_WITHDRAWN: Final = {
    1: TransferState.FAILED,  # cancelled
    3: TransferState.FAILED,  # rejected
    5: TransferState.FAILED,
    6: TransferState.DONE,
}
# 6: credited, and may not be withdrawn again yet.
_DEPOSITED: Final = {1: TransferState.DONE, 6: TransferState.DONE, 2: TransferState.FAILED, 7: TransferState.FAILED}


def withdraw_terms(to: Destination, currency: str, amount: int, name: str) -> dict[str, str]:
    """amount: 1e-18. Raises InvalidAmount for what the history would not show in full, UsageError
    for an id that the venue may not take."""
    check_shown(amount, SHOWN, currency)
    if not _NAME.match(name):
        raise UsageError(f"the id of a withdrawal at Binance is 1 to 32 letters, digits, - and _: {name!r}")
    terms = {
        "coin": currency,
        "withdrawOrderId": name,
        "network": to.network,
        "address": to.address,
        "addressTag": to.memo,
        "amount": decimal_text(money(amount)),
        "walletType": _SPOT,
    }
    return {key: text for key, text in terms.items() if text}


def withdrawn_terms(since: int, name: str) -> dict[str, str]:
    start = since // _MS
    return {"withdrawOrderId": name, "startTime": str(start), "endTime": str(start + SPAN_MS), "limit": str(PAGE)}


def withdrawal_reports(rows: list[Mapping[str, Any]]) -> list[TransferReport]:
    """Raises LookupError, TypeError, ValueError."""
    found = []
    for row in rows:
        state = _WITHDRAWN.get(int(row["status"]), TransferState.UNDERWAY)
        txid = str(row.get("txId") or "")
        if state is TransferState.DONE and not txid:
            state = TransferState.UNDERWAY  # nobody could find it elsewhere
        fee = money_of(str(row["transactionFee"]))
        found.append(
            TransferReport(
                str(row["id"]),
                "spot",
                OUTSIDE,
                row["coin"],
                money_of(str(row["amount"])) + fee,
                parse_time(str(row["applyTime"]).replace(" ", "T") + "Z"),
                state,
                str(row.get("withdrawOrderId") or ""),
                fee,
                txid,
            )
        )
    return found


def deposit_terms(currency: str, now: int, since: int, cursor: str) -> dict[str, str]:
    """cursor: start:offset."""
    start, _, offset = cursor.partition(":")
    start = start or str(max(since // _MS, now // _MS - KEPT_MS))
    return {"coin": currency, "startTime": start, "limit": str(PAGE), "offset": offset or "0"}


def deposit_reports(rows: list[Mapping[str, Any]], sent: Mapping[str, str]) -> tuple[list[TransferReport], str]:
    """And the cursor of what follows. Raises LookupError, TypeError, ValueError."""
    found = [
        TransferReport(
            str(row["id"]),
            OUTSIDE,
            "spot",
            row["coin"],
            money_of(str(row["amount"])),
            int(row["insertTime"]) * _MS,
            _DEPOSITED.get(int(row["status"]), TransferState.UNDERWAY),
            txid=str(row.get("txId") or ""),
        )
        for row in rows
    ]
    full = len(rows) >= PAGE
    more = f"{sent['startTime']}:{int(sent['offset']) + len(rows)}" if full else ""
    return found, more
