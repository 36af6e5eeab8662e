"""Kraken spot: money that goes from the spot wallet to that of futures.

It has no market here and holds what was sent to it; the way back is the futures side's. Source:
docs.kraken.com, "Request Wallet Transfer", read 2026-11. What is said where there is not so much is
not documented.
"""

from __future__ import annotations

from typing import Any

from onetape.model.decimals import decimal_text, decimals_of
from onetape.model.money import money_units
from onetape.sim.account import SimAccount
from onetape.sim.exchange import SimExchange
from onetape.sim.kraken.account import entry_of_income
from onetape.sim.kraken.public import PublicData
from onetape.sim.kraken.terms import Params, decimal_of, text_of
from onetape.sim.kraken.wire import MONEY_SHOWN, Refused, invalid

__all__ = ["Funding"]


class Funding:
    def __init__(self, exchange: SimExchange, public: PublicData) -> None:
        self.exchange = exchange
        self.public = public

    def wallet_transfer(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        at = self.public.names.by_asset.get(text_of(params, "asset"))
        if at is None:
            raise Refused("EFunding:Unknown asset")
        for name, wallet in (("from", "Spot Wallet"), ("to", "Futures Wallet")):
            if text_of(params, name) != wallet:
                raise invalid(name)
        amount = decimal_of(text_of(params, "amount"), "amount")
        if decimals_of(amount) > MONEY_SHOWN:
            raise Refused("EFunding:Invalid amount")
        if money_units(amount) > int(account.money.available(at)):
            raise Refused("EFunding:Insufficient funds")
        currency = self.exchange.currencies[at]
        self.exchange.transfer(account, currency, decimal_text(-amount), now)
        return {"refid": entry_of_income(account.income[-1], 0).reference}
