"""Binance: money between the wallet of USD-M futures ("" here, which is traded from) and the spot
wallet, and what its history says of that.

The universal transfer takes no id of ours and gives its own (`tranId`). So one whose answer is lost
is found again by type, amount and time; a request that is late is refused by its `recvWindow`, so
what the history does not show a minute later has not been carried out.

A master account also sends to its sub-accounts, which are named by their email, with an id of ours
(`clientTranId`); a transfer has the spot wallet at one of its ends.

A sub-account gives to its master by its own key, from spot wallet to spot wallet, without an id of
ours: the number in the answer (`txnId`) is taken for the history's `tranId`.

Sources: "User Universal Transfer" of the wallet and "Universal Transfer (For Master Account)",
"Transfer to Master (For Sub-account)" of the sub-account documentation with their histories, read
2026-11; all live at the wallet side's address, where /sapi paths go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from onetape.model.decimals import decimal_text
from onetape.model.money import money
from onetape.orders.calls import MASTER, Destination
from onetape.orders.reports import TransferReport, TransferState
from onetape.venues.binance.withdrawals import (
    WITHDRAW_PATH,
    WITHDRAWN_PATH,
    withdraw_terms,
    withdrawal_reports,
    withdrawn_terms,
)
from onetape.venues.binance.words import SHOWN
from onetape.venues.numbers import check_shown, money_of

__all__ = ["TRANSFER_PATH", "Way", "history_terms", "transfer_reports", "transfer_terms"]

TRANSFER_PATH: Final = "/sapi/v1/asset/transfer"
GIVE_PATH: Final = "/sapi/v1/sub-account/universalTransfer"
RETURN_PATH: Final = "/sapi/v1/sub-account/transfer/subToMaster"
RETURNED_PATH: Final = "/sapi/v1/sub-account/transfer/subUserHistory"
PAGE: Final = 100
TRANSFER_PAGE: Final = 500
RETURNED_MAX: Final = 500  # and no further pages
_OUT: Final = "2"  # of a transfer's type, as a sub-account sees it
_MS: Final = 1_000_000
_TYPES: Final = {("", "spot"): "UMFUTURE_MAIN", ("spot", ""): "MAIN_UMFUTURE"}
_WALLETS: Final = {word: wallets for wallets, word in _TYPES.items()}
_ACCOUNT_TYPES: Final = {"": "USDT_FUTURE", "spot": "SPOT"}
_ACCOUNT_WALLETS: Final = {word: wallet for wallet, word in _ACCOUNT_TYPES.items()}
_STATES: Final = {
    "CONFIRMED": TransferState.DONE,
    "SUCCESS": TransferState.DONE,
    "FAILURE": TransferState.FAILED,
    "PENDING": TransferState.UNDERWAY,
    "FAILED": TransferState.FAILED,
}


class Way(NamedTuple):
    """Between two wallets. to: the email of another account whose the second is, or MASTER; or an
    address outside of the venue."""

    source: str
    target: str
    to: str | Destination = ""


_Terms = tuple[str, dict[str, str]]  # path and terms


def transfer_terms(way: Way, currency: str, amount: int, name: str) -> _Terms | None:
    """None: there is no such way. amount: 1e-18. name: goes along to another account.
    Raises InvalidAmount for what the histories would not show in full."""
    if isinstance(way.to, Destination):
        if way.source != "spot":
            return None
        return WITHDRAW_PATH, withdraw_terms(way.to, currency, amount, name)
    query = _way_terms(way, way.to, name)
    if query is None:
        return None
    check_shown(amount, SHOWN, currency)
    path, terms = query
    return path, {**terms, "asset": currency, "amount": decimal_text(money(amount))}


def _way_terms(way: Way, to: str, name: str) -> _Terms | None:
    if to == MASTER:
        return (RETURN_PATH, {}) if _is_return(way) else None
    if to:
        types = _types(way)
        if types is None:
            return None
        return GIVE_PATH, {"toEmail": to, "fromAccountType": types[0], "toAccountType": types[1], "clientTranId": name}
    word = _TYPES.get(way[:2])
    return None if word is None else (TRANSFER_PATH, {"type": word})


def _is_return(way: Way) -> bool:
    return way[:2] == ("spot", "spot")


def _types(way: Way) -> tuple[str, str] | None:
    types = _ACCOUNT_TYPES.get(way.source), _ACCOUNT_TYPES.get(way.target)
    if types[0] is None or types[1] is None or "spot" not in way[:2]:
        return None
    return types[0], types[1]


def history_terms(way: Way, since: int, cursor: str, name: str) -> _Terms | None:
    """Newest first. cursor: start:page."""
    if isinstance(way.to, Destination):
        return WITHDRAWN_PATH, withdrawn_terms(since, name)
    start, _, page = cursor.partition(":")
    start, page = start or str(since // _MS), page or "1"
    if way.to == MASTER:
        terms = {"type": _OUT, "startTime": start, "limit": str(RETURNED_MAX)}
        return (RETURNED_PATH, terms) if _is_return(way) else None
    if way.to:
        if _types(way) is None:
            return None
        return GIVE_PATH, {
            "toEmail": way.to,
            "clientTranId": name,
            "startTime": start,
            "page": page,
            "limit": str(TRANSFER_PAGE),
        }
    word = _TYPES.get(way[:2])
    if word is None:
        return None
    terms = {"type": word, "startTime": start, "current": page, "size": str(PAGE)}
    return TRANSFER_PATH, terms


def transfer_reports(value: Any, sent: Mapping[str, str]) -> tuple[list[TransferReport], str]:
    """Of an answer's rows, and the cursor of what follows. Raises LookupError, TypeError,
    ValueError."""
    if "withdrawOrderId" in sent:
        return withdrawal_reports(value), ""
    if "current" not in sent and "page" not in sent:
        return _returned(value), ""
    if "toEmail" in sent:
        return _to_sub_accounts(value, sent)
    rows = value.get("rows") or ()  # without any there is no such field
    found = []
    for row in rows:
        source, target = _WALLETS[row["type"]]
        state = _STATES.get(row["status"], TransferState.UNDERWAY)
        found.append(
            TransferReport(
                str(row["tranId"]),
                source,
                target,
                row["asset"],
                money_of(row["amount"]),
                int(row["timestamp"]) * _MS,
                state,
            )
        )
    more = f"{sent['startTime']}:{int(sent['current']) + 1}" if len(rows) >= PAGE else ""
    return found, more


def _to_sub_accounts(value: Mapping[str, Any], sent: Mapping[str, str]) -> tuple[list[TransferReport], str]:
    rows = value.get("result") or ()
    found = [
        TransferReport(
            str(row["tranId"]),
            _ACCOUNT_WALLETS[row["fromAccountType"]],
            _ACCOUNT_WALLETS[row["toAccountType"]],
            row["asset"],
            money_of(row["amount"]),
            int(row["createTimeStamp"]) * _MS,
            _STATES.get(row["status"], TransferState.UNDERWAY),
            row["clientTranId"],
        )
        for row in rows
        if row["toEmail"] == sent["toEmail"] and row.get("clientTranId")
    ]
    more = f"{sent['startTime']}:{int(sent['page']) + 1}" if len(rows) >= TRANSFER_PAGE else ""
    return found, more


def _returned(rows: list[Mapping[str, Any]]) -> list[TransferReport]:
    """What went to the master. Its list has no pages: one that is full may not be all."""
    if len(rows) >= RETURNED_MAX:
        raise ValueError(f"{len(rows)} transfers to the master, perhaps more")
    return [
        TransferReport(
            str(row["tranId"]),
            _ACCOUNT_WALLETS[row["fromAccountType"]],
            _ACCOUNT_WALLETS[row["toAccountType"]],
            row["asset"],
            money_of(row["qty"]),
            int(row["time"]) * _MS,
            _STATES.get(row["status"], TransferState.UNDERWAY),
        )
        for row in rows
        if row["counterParty"] == "master"
        and int(row["type"]) == int(_OUT)
        and {row["fromAccountType"], row["toAccountType"]} <= set(_ACCOUNT_WALLETS)
    ]
