"""Binance spot: an account's balances, fees and settings. Source: "Account Endpoints" of the spot documentation and
"Capital" of the wallet's, as of 2026-07."""

from __future__ import annotations

from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.binance.public import eight
from onetape.exchange.binance.wire import Refused, amount, ms
from onetape.exchange.binance_spot.public import SpotPublic
from onetape.exchange.binance_spot.wire import ZERO
from onetape.exchange.exchange import SimExchange
from onetape.model.instrument import Instrument

__all__ = ["AccountData", "balance_of"]

Params = dict[str, str]
FEE_CURRENCY: Final = "BNB"


def balance_of(account: SimAccount, at: int) -> tuple[str, str]:
    """Returns what of a currency is free, and what working orders lock."""
    total, free = int(account.money.balance(at)), int(account.money.available(at))
    return amount(free, 8), amount(total - free, 8)


class AccountData:
    """Serves the account endpoints."""

    def __init__(self, exchange: SimExchange, public: SpotPublic) -> None:
        self.exchange, self.public = exchange, public

    def account(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        rows = []
        for at, asset in enumerate(self.exchange.currencies):
            free, locked = balance_of(account, at)
            if params.get("omitZeroBalances") != "true" or account.money.balance(at):
                rows.append({"asset": asset, "free": free, "locked": locked})
        first = self.exchange.instruments[0]
        rates = {name: eight(f"{rate:f}") for name, rate in _rates(first).items()}
        return {
            "makerCommission": int(first.maker_fee * 10_000),
            "takerCommission": int(first.taker_fee * 10_000),
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": rates,
            "canTrade": account.can_trade,
            "canWithdraw": account.can_withdraw,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": ms(now),
            "accountType": "SPOT",
            "balances": rows,
            "permissions": ["SPOT"],
            "uid": 1_000_000 + account.number,
        }

    def commission(self, account: SimAccount, params: Params) -> dict[str, Any]:
        i = self.exchange.instruments[self.public.at(params)]
        rates = {name: eight(f"{rate:f}") for name, rate in _rates(i).items()}
        none = dict.fromkeys(rates, ZERO)
        discount = {
            "enabledForAccount": bool(account.fee_currency),
            "enabledForSymbol": True,
            "discountAsset": FEE_CURRENCY,
            "discount": "0.75000000",
        }
        return {
            "symbol": i.raw_symbol,
            "standardCommission": rates,
            "specialCommission": none,
            "taxCommission": none,
            "discount": discount,
        }

    def set_burn(self, account: SimAccount, params: Params) -> dict[str, bool]:
        """Sets whether the account pays its fees in BNB; its interest is nothing here."""
        if not {"spotBNBBurn", "interestBNBBurn"} & params.keys():
            raise Refused(-1102, "spotBNBBurn")
        if (wanted := params.get("spotBNBBurn")) is not None:
            if wanted not in ("true", "false"):
                raise Refused(-1130, "spotBNBBurn")
            self.exchange.accounts.set_fee_currency(account, FEE_CURRENCY if wanted == "true" else "")
        return self.burn(account)

    def burn(self, account: SimAccount) -> dict[str, bool]:
        return {"spotBNBBurn": bool(account.fee_currency), "interestBNBBurn": False}

    def trade_fees(self, _account: SimAccount, params: Params) -> list[dict[str, str]]:
        chosen = [self.exchange.instruments[at] for at in self.public.instruments_of(params)]
        return [
            {"symbol": i.raw_symbol, "makerCommission": f"{i.maker_fee:f}", "takerCommission": f"{i.taker_fee:f}"}
            for i in chosen
        ]

    def coins(self, account: SimAccount) -> list[dict[str, Any]]:
        """Returns the coins of the wallet; they have no networks here."""
        rows = []
        for at, coin in enumerate(self.exchange.currencies):
            free, locked = balance_of(account, at)
            names = ("freeze", "withdrawing", "ipoing", "ipoable", "storage")
            rows.append(
                {
                    "coin": coin,
                    "name": coin,
                    "free": free,
                    "locked": locked,
                    **dict.fromkeys(names, "0"),
                    "isLegalMoney": False,
                    "trading": True,
                    "depositAllEnable": True,
                    "withdrawAllEnable": True,
                    "networkList": [],
                }
            )
        return rows


def _rates(i: Instrument) -> dict[str, Any]:
    return {"maker": i.maker_fee, "taker": i.taker_fee, "buyer": 0, "seller": 0}
