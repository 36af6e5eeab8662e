"""Binance: transfers between the spot wallet and that of USD-M futures, and between a master account and its
sub-accounts, with their histories.

Sources: "User Universal Transfer" of the wallet documentation, "Universal Transfer (For Master Account)", "Transfer to
Master" and "Sub-account Transfer History (For Sub-account)" of the sub-account documentation, read 2026-11. The spot
wallet has no market here: it holds money taken out of the futures wallet. The first account is the master of the
others; the email of an account is its name. The answers to a used id, and to a master or sub-account that calls the
other's endpoint, are not documented: here they are an unknown error and a missing right.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.binance.terms import money_in, span
from onetape.exchange.binance.wire import Refused, amount, ms, number, row_limit
from onetape.exchange.exchange import SimExchange

__all__ = ["WalletData"]

SIZE: Final = (10, 100)  # of a page: default, maximum
TRANSFERS_MAX: Final = 500

Params = dict[str, str]


class WalletData:
    """Serves the wallet endpoints. withdrawable: returns the amount of a currency that an account may take out of its
    trading wallet, 1e-18. is_spot: that is the spot wallet, not that of futures."""

    def __init__(
        self, exchange: SimExchange, withdrawable: Callable[[SimAccount, int], int], *, is_spot: bool = False
    ) -> None:
        self.exchange = exchange
        self._withdrawable = withdrawable
        self._spot, futures = ("", "usdm") if is_spot else ("spot", "")
        into_futures = -1 if is_spot else 1
        self._signs = {"MAIN_UMFUTURE": into_futures, "UMFUTURE_MAIN": -into_futures}  # 1: into the trading wallet
        self._types = {futures: "USDT_FUTURE", self._spot: "SPOT"}
        self._wallets = {word: wallet for wallet, word in self._types.items()}

    def _free(self, account: SimAccount, wallet: str, at: int) -> int:
        return account.beside.get(at, 0) if wallet else self._withdrawable(account, at)

    def _sign(self, params: Params) -> int:
        sign = self._signs.get(params.get("type", ""))
        if sign is None:
            raise Refused(-1102, "type")
        return sign

    def account(self, account: SimAccount) -> dict[str, Any]:
        """Returns the spot wallet: the user's number, and balances. Nothing is locked there."""
        held = [(self.exchange.currencies[at], units) for at, units in sorted(account.beside.items()) if units]
        rows = [{"asset": asset, "free": amount(units), "locked": amount(0)} for asset, units in held]
        return {"uid": 1_000_000 + account.number, "balances": rows}

    def transfer(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        sign = self._sign(params)
        at, units, text = self._terms(params)
        asset = self.exchange.currencies[at]
        if units > self._free(account, "beside" if sign > 0 else "", at):
            raise Refused(-5013)
        made = self.exchange.accounts.transfer(
            account, asset, str(sign * Decimal(text)), now, params.get("clientTranId", "")
        )
        return {"tranId": made}

    def give(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        """Transfers from the master to a sub-account. At least one of the two wallets must be spot."""
        exchange = self.exchange
        if account is not exchange.accounts[0]:
            raise Refused(-1002, status=401)
        name, target = params.get("clientTranId", ""), params.get("toEmail", "")
        if target not in [each.name for each in exchange.accounts if each is not account]:
            raise Refused(-1102, "toEmail")
        words = (params.get("fromAccountType", ""), params.get("toAccountType", ""))
        if not set(words) <= set(self._wallets) or "SPOT" not in words:
            raise Refused(-1102, "toAccountType")
        if name and any(row.name == name for row in exchange.accounts.account_transfers):
            raise Refused(-1000)
        at, units, text = self._terms(params)
        wallets = (self._wallets[words[0]], self._wallets[words[1]])
        if units > self._free(account, wallets[0], at):
            raise Refused(-5013)
        asset = exchange.currencies[at]
        made = exchange.accounts.give(account, target, wallets, asset, text, name, now)
        return {"tranId": made, "clientTranId": name}

    def transfer_rows(self, account: SimAccount, params: Params) -> dict[str, Any]:
        """Returns transfers, newest first."""
        size = row_limit(params, TRANSFERS_MAX, TRANSFERS_MAX)
        page = max(number(params, "page", 1), 1)
        start = number(params, "startTime", 0)
        rows = [
            {
                "tranId": row.id,
                "fromEmail": row.source,
                "toEmail": row.target,
                "asset": self.exchange.currencies[row.currency],
                "amount": amount(row.amount),
                "createTimeStamp": ms(row.time),
                "fromAccountType": self._types[row.wallets[0]],
                "toAccountType": self._types[row.wallets[1]],
                "status": "SUCCESS",
                "clientTranId": row.name,
            }
            for row in reversed(self.exchange.accounts.account_transfers)
            if row.source == account.name
            and ms(row.time) >= start
            and params.get("toEmail", row.target) == row.target
            and params.get("clientTranId", row.name) == row.name
        ]
        return {"result": rows[(page - 1) * size : page * size], "totalCount": len(rows)}

    def give_back(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        """Transfers from a sub-account's spot wallet to that of the master."""
        master = self.exchange.accounts[0]
        if account is master:
            raise Refused(-1002, status=401)
        at, units, text = self._terms(params)
        if units > self._free(account, self._spot, at):
            raise Refused(-5013)
        asset = self.exchange.currencies[at]
        made = self.exchange.accounts.give(account, master.name, (self._spot, self._spot), asset, text, "", now)
        return {"txnId": str(made)}

    def of_sub_account(self, account: SimAccount, params: Params) -> list[dict[str, Any]]:
        """Returns a sub-account's transfers, received (type 1) and sent (type 2), newest first."""
        if account is self.exchange.accounts[0]:
            raise Refused(-1002, status=401)
        size = row_limit(params, TRANSFERS_MAX, TRANSFERS_MAX)
        start, end = span(params)
        rows = []
        for row in reversed(self.exchange.accounts.account_transfers):
            kind = {row.target: 1, row.source: 2}.get(account.name, 0)
            asset = self.exchange.currencies[row.currency]
            if (
                kind
                and start <= row.time <= end
                and params.get("type") in (None, str(kind))
                and params.get("asset") in (None, asset)
            ):
                other = row.source if kind == 1 else row.target
                rows.append(
                    {
                        "counterParty": "master",
                        "email": other,
                        "type": kind,
                        "asset": asset,
                        "qty": amount(row.amount),
                        "fromAccountType": self._types[row.wallets[0]],
                        "toAccountType": self._types[row.wallets[1]],
                        "status": "SUCCESS",
                        "tranId": row.id,
                        "time": ms(row.time),
                    }
                )
        return rows[:size]

    def _terms(self, params: Params) -> tuple[int, int, str]:
        """Returns (currency, amount in 1e-18, its text). Raises Refused."""
        names, asset = self.exchange.currencies, params.get("asset", "")
        if asset not in names:
            raise Refused(-1102, "asset")
        units = money_in(params)
        if units <= 0:
            raise Refused(-1102, "amount")
        return names.index(asset), units, params["amount"]

    def history(self, account: SimAccount, params: Params) -> dict[str, Any]:
        """Returns the history, newest first."""
        sign = self._sign(params)
        size = min(number(params, "size", SIZE[0]), SIZE[1])
        page = max(number(params, "current", 1), 1)
        start, end = span(params)
        rows = [
            {
                "asset": self.exchange.currencies[row.currency],
                "amount": amount(abs(row.amount)),
                "type": params["type"],
                "status": "CONFIRMED",
                "tranId": row.id,
                "timestamp": ms(row.time),
            }
            for row in reversed(account.income)
            if row.kind == "transfer" and row.amount * sign > 0 and start <= row.time <= end
        ]
        shown = rows[(page - 1) * size : page * size]
        return {"total": len(rows), **({"rows": shown} if shown else {})}
