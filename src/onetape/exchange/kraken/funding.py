"""Kraken spot: transfers from the spot wallet to that of futures, withdrawals to external addresses, deposits.

The futures wallet has no market here and only holds transfers; transfers back belong to the futures API. Owners store
addresses on the venue's site: here an address is stored under its name (`key`) when it is sent for the first time.
Sources: docs.kraken.com, "Request Wallet Transfer", "Withdraw Funds", "Get Status of Recent Withdrawals", "Get Status
of Recent Deposits", "Get Deposit Addresses", read 2026-11. The answers to an insufficient balance and to an amount
below the minimum are not documented.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.exchange import SimExchange
from onetape.exchange.kraken.account import entry_of_income, reference_of
from onetape.exchange.kraken.public import PublicData
from onetape.exchange.kraken.terms import Params, decimal_of, text_of
from onetape.exchange.kraken.wire import MONEY_SHOWN, Refused, invalid, money_text
from onetape.exchange.transfers import TERMS, Arrived, Destination, Withdrawal
from onetape.model.decimals import decimal_text, decimals_of
from onetape.model.money import money_units

__all__ = ["WITHDRAWS", "Funding"]

WITHDRAWS: Final = frozenset({"Withdraw", "WithdrawInfo"})  # methods that need the permission to withdraw
LISTED: Final = 500
_STATUS: Final = {"underway": "Pending", "sent": "Success", "failed": "Failure"}


class Funding:
    def __init__(self, exchange: SimExchange, public: PublicData) -> None:
        self.exchange = exchange
        self.public = public

    def wallet_transfer(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        at = self._asset(params)
        for name, wallet in (("from", "Spot Wallet"), ("to", "Futures Wallet")):
            if text_of(params, name) != wallet:
                raise invalid(name)
        amount = self._amount(params)
        if money_units(amount) > int(account.money.available(at)):
            raise Refused("EFunding:Insufficient funds")
        currency = self.exchange.currencies[at]
        self.exchange.accounts.transfer(account, currency, decimal_text(-amount), now)
        return {"refid": entry_of_income(account.income[-1], 0).reference}

    def deposit_methods(self, account: SimAccount, params: Params, now: int) -> list[Any]:
        currency = self.exchange.currencies[self._asset(params)]
        if currency not in TERMS:
            return []
        return [
            {
                "method": currency,
                "limit": False,
                "fee": money_text(0),
                "gen-address": True,
                "minimum": TERMS[currency].least,
            }
        ]

    def withdraw_methods(self, account: SimAccount, params: Params, now: int) -> list[Any]:
        network = text_of(params, "network")
        wanted = self._asset(params) if text_of(params, "asset") else None
        return [
            {
                "asset": self.public.names.asset_ids[at],
                "method": currency,
                "network": currency,
                "minimum": TERMS[currency].least,
            }
            for at, currency in enumerate(self.exchange.currencies)
            if currency in TERMS and wanted in (None, at) and network in ("", currency)
        ]

    def withdraw_info(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        at = self._asset(params)
        currency, key = self.exchange.currencies[at], text_of(params, "key")
        if (account.name, key) not in self.exchange.transfers.stored or currency not in TERMS:
            raise Refused("EFunding:Unknown withdraw key")
        free, fee = self.exchange.transfers.free(account, at), Decimal(TERMS[currency].fee)
        amount = self._amount(params)
        if money_units(amount) > free:
            raise Refused("EFunding:Insufficient funds")
        return {
            "method": currency,
            "limit": money_text(free),
            "amount": money_text(max(money_units(amount - fee), 0)),
            "fee": money_text(money_units(fee)),
        }

    def withdraw(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        at = self._asset(params)
        currency, key = self.exchange.currencies[at], text_of(params, "key")
        amount, address = self._amount(params), text_of(params, "address")
        stored = self.exchange.transfers.stored.get((account.name, key))
        if not key or currency not in TERMS or (stored is None and not address):
            raise Refused("EFunding:Unknown withdraw key")
        if stored is not None and address not in ("", stored):
            raise Refused("EFunding:Invalid withdrawal address")
        if amount < Decimal(TERMS[currency].least):
            raise Refused("EFunding:Invalid amount")
        if money_units(amount) > self.exchange.transfers.free(account, at):
            raise Refused("EFunding:Insufficient funds")
        if stored is None:
            self.exchange.transfers.store_address(account, key, address)
        to = Destination(address=stored or address, key=key, network=currency)
        number = self.exchange.transfers.withdraw(account, currency, decimal_text(amount), now, to)
        return {"refid": reference_of(self.exchange.transfers.withdrawals[number - 1].income, "W")}

    def withdraw_status(self, account: SimAccount, params: Params, now: int) -> list[Any]:
        """Returns withdrawals, newest first."""
        return [
            {
                "method": each.to.network,
                "network": each.to.network,
                "aclass": "currency",
                "asset": self.public.names.asset_ids[each.currency],
                "refid": reference_of(each.income, "W"),
                "txid": each.txid or None,
                "info": each.to.address,
                "amount": money_text(each.amount - each.fee),
                "fee": money_text(each.fee),
                "time": each.time // 10**9,
                "status": _STATUS[each.state],
                "key": each.to.key,
            }
            for each in reversed(self.exchange.transfers.withdrawals)
            if each.account.name == account.name and self._is_wanted(each, params)
        ][:LISTED]

    def deposit_status(self, account: SimAccount, params: Params, now: int) -> list[Any]:
        """Returns deposits, newest first."""
        return [
            {
                "method": each.network,
                "aclass": "currency",
                "asset": self.public.names.asset_ids[each.currency],
                "refid": reference_of(each.number, "R"),
                "txid": each.txid,
                "info": each.address,
                "amount": money_text(each.amount),
                "fee": money_text(0),
                "time": each.time // 10**9,
                "status": "Success" if each.is_credited else "Settled",
            }
            for each in reversed(self.exchange.transfers.arrived)
            if each.account.name == account.name and self._is_wanted(each, params)
        ][:LISTED]

    def deposit_addresses(self, account: SimAccount, params: Params, now: int) -> list[Any]:
        currency = self.exchange.currencies[self._asset(params)]
        address = self.exchange.transfers.address_of(account, currency)
        return [{"address": address, "expiretm": "0", "new": False}]

    def _is_wanted(self, each: Withdrawal | Arrived, params: Params) -> bool:
        if text_of(params, "asset") and each.currency != self._asset(params):
            return False
        start = text_of(params, "start") or "0"
        if not start.isdecimal():
            raise invalid("start")
        return each.time // 10**9 >= int(start)

    def _asset(self, params: Params) -> int:
        at = self.public.names.by_asset.get(text_of(params, "asset"))
        if at is None:
            raise Refused("EFunding:Unknown asset")
        return at

    @staticmethod
    def _amount(params: Params) -> Decimal:
        amount = decimal_of(text_of(params, "amount"), "amount")
        if decimals_of(amount) > MONEY_SHOWN:
            raise Refused("EFunding:Invalid amount")
        return amount
