"""Kraken: withdrawals from the spot wallet to an external address or to the futures wallet, and deposits.

An address is stored at the venue under a name (`key`); the address is sent along, so that the venue can check that both
agree. There is no id of ours: a late request is refused for its nonce, and a withdrawal whose answer is lost is found
by asset, amount and time in `WithdrawStatus`. The requested amount includes the fee; `amount` of the status is the
amount sent, `fee` is separate.

A transfer to the futures wallet is an entry of subtype `spottofutures` in the ledger, as documented for the balances
channel; we assume that its `refid` is that of `WalletTransfer`.

Sources: docs.kraken.com, "Get ledgers info", "Withdraw Funds", "Get Status of Recent Withdrawals", "Get Status of
Recent Deposits", "Get Withdrawal Information", and "Advanced API FAQ" of support.kraken.com for the meaning of a
status, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from onetape.model.money import money_text
from onetape.model.time import SECOND
from onetape.orders.calls import Destination
from onetape.orders.reports import OUTSIDE, TransferReport, TransferState
from onetape.venues.numbers import money_of, units_of

__all__ = [
    "TO_FUTURES",
    "deposit_reports",
    "status_terms",
    "to_futures",
    "transfers_of",
    "withdraw_terms",
    "withdrawal_reports",
]

TO_FUTURES: Final = ("", "futures")  # source and target wallet; "": spot
LIMIT: Final = 500  # rows of a list; no further page is read
_FAILED: Final = frozenset({"Failure"})
_RETURNED: Final = frozenset({"canceled", "return"})  # `status-prop`

Row = Mapping[str, Any]


def withdraw_terms(to: Destination, asset: str, amount: int) -> dict[str, str]:
    """Returns the parameters of a withdrawal. amount: in 1e-18, including the fee."""
    text = money_text(amount)
    return {"asset": asset, "key": to.key, "address": to.address, "amount": text}


def status_terms(asset: str, since: int) -> dict[str, str]:
    """Returns the parameters for the list of withdrawals or of deposits. since: ns UTC."""
    return {"asset": asset, "start": str(max(since // SECOND - 1, 0)), "limit": str(LIMIT)}


def withdrawal_reports(rows: Sequence[Row], currency_of: Callable[[str], str]) -> list[TransferReport]:
    """Reads the list of withdrawals. Raises LookupError, TypeError, ValueError."""
    found = []
    for row in _all(rows):
        state, txid = _state(row), str(row.get("txid") or "")
        if state is TransferState.DONE and not txid:
            state = TransferState.UNDERWAY  # without a txid the other venue could not find it
        fee = money_of(row["fee"])
        found.append(
            TransferReport(
                row["refid"],
                "",
                OUTSIDE,
                currency_of(row["asset"]),
                money_of(row["amount"]) + fee,
                units_of(row["time"], 9),
                state,
                fee=fee,
                txid=txid,
            )
        )
    return found


def deposit_reports(rows: Sequence[Row], currency_of: Callable[[str], str]) -> list[TransferReport]:
    """Reads the list of deposits; a `Settled` one still waits for confirmations. Raises LookupError, TypeError,
    ValueError."""
    return [
        TransferReport(
            row["refid"],
            OUTSIDE,
            "",
            currency_of(row["asset"]),
            money_of(row["amount"]) - money_of(row["fee"]),
            units_of(row["time"], 9),
            TransferState.UNDERWAY if row.get("status-prop") == "onhold" else _state(row),
            txid=str(row.get("txid") or ""),
        )
        for row in _all(rows)
    ]


def _state(row: Row) -> TransferState:
    if row["status"] in _FAILED or row.get("status-prop") in _RETURNED:
        return TransferState.FAILED
    return TransferState.DONE if row["status"] == "Success" else TransferState.UNDERWAY


def _all(rows: Sequence[Row]) -> Sequence[Row]:
    """Returns the rows. Raises ValueError for a list of LIMIT rows, which may be incomplete: missing transfers would
    count as never made."""
    if len(rows) >= LIMIT:
        raise ValueError(f"{len(rows)} rows, perhaps more")
    return rows


def to_futures(asset: str, amount: int) -> dict[str, str]:
    """Returns the parameters of a `WalletTransfer`. amount: in 1e-18."""
    text = money_text(amount)
    return {"asset": asset, "from": "Spot Wallet", "to": "Futures Wallet", "amount": text}


def transfers_of(entries: Mapping[str, Mapping[str, Any]], currency_of: Callable[[str], str]) -> list[TransferReport]:
    """Returns the transfers from the spot wallet to the futures wallet in an answer's `ledger`. An entry exists once
    the transfer has been carried out. Raises LookupError, TypeError, ValueError."""
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
