"""Binance spot, as far as needed to buy a coin in which fees are paid: limit orders that are filled at once or expire.

Source: spot REST documentation, read 2026-11. Prices are those of the USD-M market of the symbol, the fee is a tenth of
a percent of the bought amount, and the displayed size is always sufficient. Other kinds of orders are refused with
-1116.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal, InvalidOperation
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.accounts import SpotTrade
from onetape.exchange.binance.public import PublicData, filters_of
from onetape.exchange.binance.wire import Refused, ms, price_text
from onetape.exchange.exchange import SimExchange
from onetape.model.decimals import decimal_text
from onetape.model.instrument import Instrument
from onetape.model.money import money

__all__ = ["SPOT", "SpotData"]

SPOT: Final = "/api/v3/"
FEE: Final = Decimal("0.001")

Params = dict[str, str]


class SpotData:
    """Serves the symbols whose coin accounts can hold."""

    def __init__(self, exchange: SimExchange, public: PublicData) -> None:
        self.exchange, self.public = exchange, public

    def info(self, params: Params, now: int) -> dict[str, Any]:
        if "symbol" not in params:
            return self.public.empty_info(params, now)
        _, i = self._instrument(params)
        kept = self.public.empty_info({}, now)
        row = {"symbol": i.raw_symbol, "status": "TRADING", "baseAsset": i.base, "quoteAsset": i.quote}
        filters = [{**each, "filterType": _NAMES.get(each["filterType"], each["filterType"])} for each in filters_of(i)]
        return {**kept, "symbols": [{**row, "filters": filters}]}

    def book(self, params: Params, _now: int) -> dict[str, Any]:
        at, i = self._instrument(params)
        listing = self.exchange.listings[at]
        prices = {"bidPrice": price_text(i, listing.bid), "askPrice": price_text(i, listing.ask)}
        return {"symbol": i.raw_symbol, **prices}

    def place(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        at, i = self._instrument(params)
        if (params.get("type"), params.get("timeInForce"), params.get("side")) != ("LIMIT", "IOC", "BUY"):
            raise Refused(-1116)
        name = params.get("newClientOrderId", "")
        if not name or (account.number, name) in self.exchange.accounts.spot_trades:
            raise Refused(-2010)
        try:
            qty, limit = Decimal(params["quantity"]), Decimal(params["price"])
        except (KeyError, InvalidOperation, ValueError):
            raise Refused(-1102, "quantity") from None
        ask = i.price(self.exchange.listings[at].ask)
        base, quote = (self.exchange.currencies.index(each) for each in (i.base, i.quote))
        if qty <= 0 or qty * limit > money(account.beside.get(quote, 0)):
            raise Refused(-2010)
        taken = qty if ask and ask <= limit else Decimal(0)
        amounts = (decimal_text(each.quantize(_SHOWN, ROUND_UP)) for each in (taken, taken * ask, taken * FEE))
        words = dict(zip(("bought", "spent", "fee"), amounts, strict=True))
        trade = SpotTrade(symbol=i.raw_symbol, base=base, quote=quote, time=now, **words)
        return self._row(name, self.exchange.accounts.buy_spot(account, name, trade), trade)

    def query(self, account: SimAccount, params: Params) -> dict[str, Any]:
        name = params.get("origClientOrderId", "")
        found = self.exchange.accounts.spot_trades.get((account.number, name))
        if found is None:
            raise Refused(-2013)
        return self._row(name, *found)

    def trades(self, account: SimAccount, params: Params) -> list[dict[str, Any]]:
        numbered = self.exchange.accounts.spot_trades.items()
        found = [(n, t) for (of, _), (n, t) in numbered if of == account.number and str(n) == params.get("orderId")]
        return [
            {
                "symbol": trade.symbol,
                "id": number,
                "orderId": number,
                "qty": trade.bought,
                "quoteQty": trade.spent,
                "commission": trade.fee,
                "commissionAsset": self.exchange.currencies[trade.base],
                "time": ms(trade.time),
                "isBuyer": True,
                "isMaker": False,
            }
            for number, trade in found
            if trade.bought != "0"
        ]

    def _row(self, name: str, number: int, trade: SpotTrade) -> dict[str, Any]:
        return {
            "symbol": trade.symbol,
            "orderId": number,
            "clientOrderId": name,
            "status": "FILLED" if trade.bought != "0" else "EXPIRED",
            "executedQty": trade.bought,
            "cummulativeQuoteQty": trade.spent,
            "side": "BUY",
            "type": "LIMIT",
            "timeInForce": "IOC",
        }

    def _instrument(self, params: Mapping[str, str]) -> tuple[int, Instrument]:
        for at, i in enumerate(self.exchange.instruments):
            if i.raw_symbol == params.get("symbol") and i.base in self.exchange.currencies:
                return at, i
        raise Refused(-1121)


_SHOWN: Final = Decimal("1e-8")
_NAMES: Final = {"MIN_NOTIONAL": "NOTIONAL"}
