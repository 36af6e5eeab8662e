"""Binance USD-M: multi-assets mode, in which all currencies are the margin of all positions.

Source: "Change Multi-Assets Mode", "Multi-Assets Mode Asset Index", the second example of "Account Information" and
"Error Codes" of the USD-M documentation, read 2026-11. Totals are in USD there. We assume that they are valued with the
haircuts, so that the free amount is the difference of the shown totals.
"""

from __future__ import annotations

from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.binance.wire import Refused, amount, ms
from onetape.exchange.exchange import SimExchange
from onetape.exchange.joint import ONE

__all__ = ["MultiAssets"]

_SUFFIX: Final = "USD"  # suffix of the names of asset indexes, such as BTCUSD


class MultiAssets:
    """Serves the multi-assets mode of one exchange and its prices."""

    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange

    def set_mode(self, account: SimAccount, params: dict[str, str], now: int) -> dict[str, Any]:
        mode = params.get("multiAssetsMargin", "").lower()
        if mode not in ("true", "false"):
            raise (Refused(-1102, "multiassetsmargin") if not mode else Refused(-1130, "multiAssetsMargin"))
        wanted = mode == "true"
        if wanted == (account.joint is not None):
            raise Refused(-4171)
        exchange = self.exchange
        if account.open_orders or exchange.conditionals.open_of(account):
            raise Refused(-4170)
        if wanted and account.isolated:
            raise Refused(-4167)
        if any(int(account.money.balance(at)) < 0 for at in self._counted()):
            raise Refused(-4172)
        if not wanted and self._is_short_alone(account):
            raise Refused(-4169)
        exchange.accounts.set_joint(account, wanted, now)
        return {"code": 200, "msg": "success"}

    def _counted(self) -> list[int]:
        names = self.exchange.currencies
        return [at for at, name in enumerate(names) if name in self.exchange.accounts.collateral]

    @staticmethod
    def _is_short_alone(account: SimAccount) -> bool:
        """Tells whether some currency, without the others, would not cover its own positions."""
        own = account.money.own
        return any(int(own.available(at)) < 0 for at in range(len(account.currencies)))

    def worth(self, at: int, units: int) -> int:
        """Returns the value in USD, 1e-18."""
        return self.exchange.accounts.rates(at).worth(units)

    def needed(self, at: int, units: int) -> int:
        return self.exchange.accounts.rates(at).needed(units)

    def withdrawable(self, account: SimAccount, at: int) -> int:
        """Returns the amount that may be withdrawn without reducing required margin, 1e-18 of the currency."""
        bid = self.exchange.accounts.rates(at).bid
        wallet = max(int(account.money.balance(at)), 0)
        free = max(int(account.money.available(at)), 0) * self.exchange.accounts.rates(at).ask
        return min(wallet, free // bid) if bid else wallet

    # --- prices -----------------------------------------------------------------------------------

    def asset_index(self, params: dict[str, str], now: int) -> Any:
        symbol = params.get("symbol")
        rows = [self._row(at, now) for at in self._counted()]
        if not symbol:
            return rows
        found = [row for row in rows if row["symbol"] == symbol]
        if not found:
            raise Refused(-1121)
        return found[0]

    def _row(self, at: int, now: int) -> dict[str, Any]:
        name, rates = self.exchange.currencies[at], self.exchange.accounts.rates(at)
        terms = self.exchange.accounts.collateral[name]
        buffer, exchanged = f"{terms.haircut:.8f}", f"{terms.exchange_haircut:.8f}"
        return {
            "symbol": name + _SUFFIX,
            "time": ms(now),
            "index": amount(rates.price),
            "bidBuffer": buffer,
            "askBuffer": buffer,
            "bidRate": amount(rates.bid),
            "askRate": amount(rates.ask),
            "autoExchangeBidBuffer": exchanged,
            "autoExchangeAskBuffer": exchanged,
            "autoExchangeBidRate": amount(rates.exchange_bid),
            "autoExchangeAskRate": amount(rates.exchange_ask),
        }

    def events(self, now: int) -> list[dict[str, Any]]:
        """Returns the events for the streams."""
        return [
            {
                "e": "assetIndexUpdate",
                "E": ms(now),
                "s": row["symbol"],
                "i": row["index"],
                "b": row["bidBuffer"],
                "a": row["askBuffer"],
                "B": row["bidRate"],
                "A": row["askRate"],
                "q": row["autoExchangeBidBuffer"],
                "g": row["autoExchangeAskBuffer"],
                "Q": row["autoExchangeBidRate"],
                "G": row["autoExchangeAskRate"],
            }
            for row in (self._row(at, now) for at in self._counted())
        ]

    def spare_of(self, account: SimAccount, at: int) -> int:
        """Returns how much a currency's positions may still lose before liquidation, in 1e-18 of the currency."""
        money, ask = account.money, self.exchange.accounts.rates(at).ask
        spare = sum(
            self.worth(each, int(money.equity(each))) - self.needed(each, int(money.maintenance_margin(each)))
            for each in self._counted()
        )
        return spare * ONE // ask if ask else 0
