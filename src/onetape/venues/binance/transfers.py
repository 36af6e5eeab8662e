"""Binance: transfers between the USD-M futures wallet and the spot wallet, one of which is the trading wallet, between
accounts, from the spot wallet to an external address; and deposits.

The universal transfer takes no id of ours and returns its own (`tranId`). So a transfer whose answer is lost is found
by type, amount and time. A late request is refused for its `recvWindow`, so a transfer that is not in the history a
minute later has not been carried out.

A master account can also send to its sub-accounts, named by their email, with an id of ours (`clientTranId`); one end
of such a transfer is the spot wallet.

A sub-account sends to its master with its own key, from spot wallet to spot wallet, without an id of ours. We assume
that `txnId` in the answer is the history's `tranId`.

A withdrawal takes an id of ours (`withdrawOrderId`), by which the history is queried. That a duplicate id would be
refused is not documented, so it is never relied on; a late request is refused by its `recvWindow`. The requested amount
includes the fee; we assume that the history's `amount` is the amount sent, without `transactionFee` (not documented).

Sources: "User Universal Transfer" of the wallet and "Universal Transfer (For Master Account)", "Transfer to Master (For
Sub-account)" of the sub-account documentation with their histories, "Withdraw", "Withdraw History" and "Deposit
History" of the wallet's, read 2026-11; all are at the wallet service's address, with /sapi paths. The history of
withdrawals costs a tenth of the request budget of a second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from onetape.model.errors import UsageError
from onetape.model.money import money_text
from onetape.model.time import MS, parse_time
from onetape.orders.calls import MASTER, Destination, TransferRoute
from onetape.orders.reports import OUTSIDE, TransferReport, TransferState
from onetape.venues.binance.words import SHOWN
from onetape.venues.numbers import check_shown, money_of

__all__ = ["DEPOSITS_PATH", "TRANSFER_PATH", "WITHDRAWN_PATH", "WITHDRAW_PATH", "BinanceTransfers", "deposit_terms"]

TRANSFER_PATH: Final = "/sapi/v1/asset/transfer"
GIVE_PATH: Final = "/sapi/v1/sub-account/universalTransfer"
RETURN_PATH: Final = "/sapi/v1/sub-account/transfer/subToMaster"
RETURNED_PATH: Final = "/sapi/v1/sub-account/transfer/subUserHistory"
PAGE: Final = 100
TRANSFER_PAGE: Final = 500
RETURNED_MAX: Final = 500  # there are no further pages
WITHDRAW_PATH: Final = "/sapi/v1/capital/withdraw/apply"
WITHDRAWN_PATH: Final = "/sapi/v1/capital/withdraw/history"
DEPOSITS_PATH: Final = "/sapi/v1/capital/deposit/hisrec"
WITHDRAWN_PAGE: Final = 1000
SPAN_MS: Final = 6 * 86_400_000  # a history queried by id covers less than seven days
KEPT_MS: Final = 89 * 86_400_000
_SPOT: Final = "0"  # walletType
_NAME: Final = re.compile(r"[A-Za-z0-9_\-]{1,32}\Z")
_OUT: Final = "2"  # of a transfer's type, for the sub-account
_STATES: Final = {
    "CONFIRMED": TransferState.DONE,
    "SUCCESS": TransferState.DONE,
    "FAILURE": TransferState.FAILED,
    "PENDING": TransferState.UNDERWAY,
    "FAILED": TransferState.FAILED,
}
_WITHDRAWN: Final = {
    1: TransferState.FAILED,  # canceled
    3: TransferState.FAILED,  # rejected
    5: TransferState.FAILED,
    6: TransferState.DONE,
}
# 6: credited, and not yet available for withdrawal.
_DEPOSITED: Final = {1: TransferState.DONE, 6: TransferState.DONE, 2: TransferState.FAILED, 7: TransferState.FAILED}

_Terms = tuple[str, dict[str, str]]  # path and parameters


class BinanceTransfers:
    """The requests and histories of transfers. spot, futures: the names of the two wallets, "" being the trading
    wallet."""

    def __init__(self, spot: str, futures: str) -> None:
        self._spot = spot
        self._wallet_types = {(futures, spot): "UMFUTURE_MAIN", (spot, futures): "MAIN_UMFUTURE"}
        self._wallets = {word: wallets for wallets, word in self._wallet_types.items()}
        self._account_types = {futures: "USDT_FUTURE", spot: "SPOT"}
        self._account_wallets = {word: wallet for wallet, word in self._account_types.items()}

    def transfer_terms(self, route: TransferRoute, currency: str, amount: int, name: str) -> _Terms | None:
        """Returns path and parameters of a transfer's request; None: there is no such route. amount: in 1e-18. name:
        our id, sent with transfers to another account. Raises InvalidAmount for an amount that the histories would
        round."""
        if isinstance(route.to, Destination):
            if route.source != self._spot:
                return None
            return WITHDRAW_PATH, withdraw_terms(route.to, currency, amount, name)
        query = self._route_terms(route, route.to, name)
        if query is None:
            return None
        check_shown(amount, SHOWN, currency)
        path, terms = query
        return path, {**terms, "asset": currency, "amount": money_text(amount)}

    def _route_terms(self, route: TransferRoute, to: str, name: str) -> _Terms | None:
        if to == MASTER:
            return (RETURN_PATH, {}) if self._is_return(route) else None
        if to:
            types = self._types(route)
            if types is None:
                return None
            return GIVE_PATH, {
                "toEmail": to,
                "fromAccountType": types[0],
                "toAccountType": types[1],
                "clientTranId": name,
            }
        word = self._wallet_types.get(route[:2])
        return None if word is None else (TRANSFER_PATH, {"type": word})

    def _is_return(self, route: TransferRoute) -> bool:
        return route[:2] == (self._spot, self._spot)

    def _types(self, route: TransferRoute) -> tuple[str, str] | None:
        types = self._account_types.get(route.source), self._account_types.get(route.target)
        if types[0] is None or types[1] is None or self._spot not in route[:2]:
            return None
        return types[0], types[1]

    def history_terms(self, route: TransferRoute, since: int, cursor: str, name: str) -> _Terms | None:
        """Returns path and parameters of the history's request, newest first. cursor: `START:PAGE`."""
        if isinstance(route.to, Destination):
            return WITHDRAWN_PATH, withdrawn_terms(since, name)
        start, _, page = cursor.partition(":")
        start, page = start or str(since // MS), page or "1"
        if route.to == MASTER:
            terms = {"type": _OUT, "startTime": start, "limit": str(RETURNED_MAX)}
            return (RETURNED_PATH, terms) if self._is_return(route) else None
        if route.to:
            if self._types(route) is None:
                return None
            return GIVE_PATH, {
                "toEmail": route.to,
                "clientTranId": name,
                "startTime": start,
                "page": page,
                "limit": str(TRANSFER_PAGE),
            }
        word = self._wallet_types.get(route[:2])
        if word is None:
            return None
        terms = {"type": word, "startTime": start, "current": page, "size": str(PAGE)}
        return TRANSFER_PATH, terms

    def transfer_reports(self, value: Any, sent: Mapping[str, str]) -> tuple[list[TransferReport], str]:
        """Returns the rows of an answer, and the next cursor. Raises LookupError, TypeError, ValueError."""
        if "withdrawOrderId" in sent:
            return self.withdrawal_reports(value), ""
        if "current" not in sent and "page" not in sent:
            return self._returned(value), ""
        if "toEmail" in sent:
            return self._to_sub_accounts(value, sent)
        rows = value.get("rows") or ()  # an empty answer has no such field
        found = [_report(row, self._wallets[row["type"]], row["amount"], row["timestamp"]) for row in rows]
        more = f"{sent['startTime']}:{int(sent['current']) + 1}" if len(rows) >= PAGE else ""
        return found, more

    def _accounts_wallets(self, row: Mapping[str, Any]) -> tuple[str, str]:
        return self._account_wallets[row["fromAccountType"]], self._account_wallets[row["toAccountType"]]

    def _to_sub_accounts(self, value: Mapping[str, Any], sent: Mapping[str, str]) -> tuple[list[TransferReport], str]:
        rows = value.get("result") or ()
        found = [
            _report(row, self._accounts_wallets(row), row["amount"], row["createTimeStamp"], row["clientTranId"])
            for row in rows
            if row["toEmail"] == sent["toEmail"] and row.get("clientTranId")
        ]
        more = f"{sent['startTime']}:{int(sent['page']) + 1}" if len(rows) >= TRANSFER_PAGE else ""
        return found, more

    def _returned(self, rows: list[Mapping[str, Any]]) -> list[TransferReport]:
        """Returns transfers to the master. Their list has no pages: a full one may be incomplete."""
        if len(rows) >= RETURNED_MAX:
            raise ValueError(f"{len(rows)} transfers to the master, perhaps more")
        return [
            _report(row, self._accounts_wallets(row), row["qty"], row["time"])
            for row in rows
            if row["counterParty"] == "master"
            and int(row["type"]) == int(_OUT)
            and {row["fromAccountType"], row["toAccountType"]} <= set(self._account_wallets)
        ]

    def withdrawal_reports(self, rows: list[Mapping[str, Any]]) -> list[TransferReport]:
        """Reads the history of withdrawals. Raises LookupError, TypeError, ValueError."""
        found = []
        for row in rows:
            state = _WITHDRAWN.get(int(row["status"]), TransferState.UNDERWAY)
            txid = str(row.get("txId") or "")
            if state is TransferState.DONE and not txid:
                state = TransferState.UNDERWAY  # without a txid the other venue could not find it
            fee = money_of(str(row["transactionFee"]))
            found.append(
                TransferReport(
                    str(row["id"]),
                    self._spot,
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

    def deposit_reports(
        self, rows: list[Mapping[str, Any]], sent: Mapping[str, str]
    ) -> tuple[list[TransferReport], str]:
        """Returns the deposits, and the next cursor. Raises LookupError, TypeError, ValueError."""
        found = [
            TransferReport(
                str(row["id"]),
                OUTSIDE,
                self._spot,
                row["coin"],
                money_of(str(row["amount"])),
                int(row["insertTime"]) * MS,
                _DEPOSITED.get(int(row["status"]), TransferState.UNDERWAY),
                txid=str(row.get("txId") or ""),
            )
            for row in rows
        ]
        full = len(rows) >= WITHDRAWN_PAGE
        more = f"{sent['startTime']}:{int(sent['offset']) + len(rows)}" if full else ""
        return found, more


def _report(
    row: Mapping[str, Any], wallets: tuple[str, str], amount: str, time: int | str, name: str = ""
) -> TransferReport:
    """Returns a row as a report. time: ms."""
    state = _STATES.get(row["status"], TransferState.UNDERWAY)
    return TransferReport(str(row["tranId"]), *wallets, row["asset"], money_of(amount), int(time) * MS, state, name)


def withdraw_terms(to: Destination, currency: str, amount: int, name: str) -> dict[str, str]:
    """Returns the parameters of a withdrawal. amount: in 1e-18. Raises InvalidAmount for an amount that the history
    would round, UsageError for an id that the venue may not accept."""
    check_shown(amount, SHOWN, currency)
    if not _NAME.match(name):
        raise UsageError(f"the id of a withdrawal at Binance is 1 to 32 letters, digits, - and _: {name!r}")
    terms = {
        "coin": currency,
        "withdrawOrderId": name,
        "network": to.network,
        "address": to.address,
        "addressTag": to.memo,
        "amount": money_text(amount),
        "walletType": _SPOT,
    }
    return {key: text for key, text in terms.items() if text}


def withdrawn_terms(since: int, name: str) -> dict[str, str]:
    start = since // MS
    return {
        "withdrawOrderId": name,
        "startTime": str(start),
        "endTime": str(start + SPAN_MS),
        "limit": str(WITHDRAWN_PAGE),
    }


def deposit_terms(currency: str, now: int, since: int, cursor: str) -> dict[str, str]:
    """Returns the parameters of the deposits' request. cursor: `START:OFFSET`."""
    start, _, offset = cursor.partition(":")
    start = start or str(max(since // MS, now // MS - KEPT_MS))
    return {"coin": currency, "startTime": start, "limit": str(WITHDRAWN_PAGE), "offset": offset or "0"}
