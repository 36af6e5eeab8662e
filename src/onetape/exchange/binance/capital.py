"""Binance: withdrawals from the spot wallet, deposits to it, and their histories.

Sources: "Withdraw", "Withdraw History", "Deposit History" and "Deposit Address" of the wallet documentation, read
2026-11. The answers to an amount below the minimum, an invalid address and a used id are not documented: here the first
two are refused as invalid data, and a used id makes a second withdrawal, so that clients do not rely on a refusal.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.binance.terms import money_in, span
from onetape.exchange.binance.wire import Refused, amount, ms, number, row_limit
from onetape.exchange.exchange import SimExchange
from onetape.exchange.transfers import TERMS, Destination
from onetape.model.money import money_units
from onetape.model.time import MS, WEEK

__all__ = ["WITHDRAW_PATH", "CapitalData"]

WITHDRAW_PATH: Final = "/sapi/v1/capital/withdraw/apply"
PAGE: Final = 1000
_STATUS: Final = {"underway": 4, "sent": 6, "failed": 5}

Params = dict[str, str]


class CapitalData:
    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange

    def withdraw(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        coin = self._coin(params)
        if not params.get("address"):
            raise Refused(-1102, "address")
        units = money_in(params)
        if params.get("walletType", "0") != "0":
            raise Refused(-1130, "walletType")
        if units < money_units(Decimal(TERMS[coin].least)):
            raise Refused(-1130, "amount")
        if units > self.exchange.transfers.free(account, self.exchange.currencies.index(coin)):
            raise Refused(-4026)
        to = Destination(
            network=params.get("network", coin),
            address=params["address"],
            memo=params.get("addressTag", ""),
            name=params.get("withdrawOrderId", ""),
        )
        number = self.exchange.transfers.withdraw(account, coin, params["amount"], now, to)
        return {"id": _id(number)}

    def withdrawals(self, account: SimAccount, params: Params) -> list[dict[str, Any]]:
        """Returns withdrawals, newest first."""
        start, end = span(params)
        name = params.get("withdrawOrderId")
        if name and end - start > WEEK + MS and "startTime" in params:
            raise Refused(-1127)
        rows = [
            {
                "id": _id(each.number),
                "amount": amount(each.amount - each.fee),
                "transactionFee": amount(each.fee),
                "coin": self.exchange.currencies[each.currency],
                "status": _STATUS[each.state],
                "address": each.to.address,
                "txId": each.txid,
                "applyTime": f"{datetime.fromtimestamp(each.time // 10**9, UTC):%Y-%m-%d %H:%M:%S}",
                "network": each.to.network,
                "transferType": 0,
                "walletType": 0,
                **({"withdrawOrderId": each.to.name} if each.to.name else {}),
            }
            for each in reversed(self.exchange.transfers.withdrawals)
            if each.account.name == account.name
            and start <= each.time <= end
            and name in (None, each.to.name)
            and params.get("coin") in (None, self.exchange.currencies[each.currency])
        ]
        return _page(rows, params)

    def deposits(self, account: SimAccount, params: Params) -> list[dict[str, Any]]:
        """Returns deposits, newest first."""
        start, end = span(params)
        rows = [
            {
                "id": str(769_800_000_000_000_000 + each.number),
                "amount": amount(each.amount),
                "coin": self.exchange.currencies[each.currency],
                "network": each.network,
                "status": 1 if each.is_credited else 0,
                "address": each.address,
                "addressTag": "",
                "txId": each.txid,
                "insertTime": ms(each.time),
                "transferType": 0,
                "confirmTimes": "1/1" if each.is_credited else "0/1",
                "unlockConfirm": 0,
                "walletType": 0,
            }
            for each in reversed(self.exchange.transfers.arrived)
            if each.account.name == account.name
            and start <= each.time <= end
            and params.get("coin") in (None, self.exchange.currencies[each.currency])
            and params.get("txId") in (None, each.txid)
        ]
        return _page(rows, params)

    def address(self, account: SimAccount, params: Params) -> dict[str, Any]:
        coin = self._coin(params)
        return {"address": self.exchange.transfers.address_of(account, coin), "coin": coin, "tag": "", "url": ""}

    def _coin(self, params: Params) -> str:
        coin = params.get("coin", "")
        if coin not in self.exchange.currencies or coin not in TERMS:
            raise Refused(-1102, "coin")
        return coin


def _id(number: int) -> str:
    return f"{number:032x}"


def _page(rows: list[dict[str, Any]], params: Params) -> list[dict[str, Any]]:
    offset = number(params, "offset", 0)
    return rows[offset : offset + row_limit(params, PAGE, PAGE)]
