"""Binance: transfers between the spot wallet and that of USD-M futures, and their history.

Source: "User Universal Transfer" of the wallet documentation, read 2026-11. The spot wallet has no
market here: it holds what was taken out of the futures wallet.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from onetape.model.money import money_units
from onetape.sim.account import SimAccount
from onetape.sim.binance.wire import Refused, amount, ms
from onetape.sim.exchange import SimExchange

__all__ = ["WalletData"]

_SIGNS: Final = {"MAIN_UMFUTURE": 1, "UMFUTURE_MAIN": -1}  # of what the futures wallet changes by
SIZE: Final = (10, 100)  # of a page: usual, most

Params = dict[str, str]


class WalletData:
    """withdrawable: of a currency of an account, 1e-18."""

    def __init__(
        self, exchange: SimExchange, withdrawable: Callable[[SimAccount, int], int]
    ) -> None:
        self.exchange = exchange
        self._withdrawable = withdrawable

    def transfer(self, account: SimAccount, params: Params, now: int) -> dict[str, Any]:
        sign = _sign(params)
        names, asset = self.exchange.currencies, params.get("asset", "")
        if asset not in names:
            raise Refused(-1102, "asset")
        text = params.get("amount", "")
        try:
            units = money_units(Decimal(text))
        except (InvalidOperation, ValueError):
            raise Refused(-1102, "amount") from None
        if units <= 0:
            raise Refused(-1102, "amount")
        at = names.index(asset)
        if units > (account.spot.get(at, 0) if sign > 0 else self._withdrawable(account, at)):
            raise Refused(-5013)
        made = self.exchange.transfer(account, asset, str(sign * Decimal(text)), now)
        return {"tranId": made}

    def history(self, account: SimAccount, params: Params) -> dict[str, Any]:
        """Newest first."""
        sign = _sign(params)
        start = int(params.get("startTime") or 0)
        end = int(params.get("endTime") or 2**62)
        size = min(int(params.get("size") or SIZE[0]), SIZE[1])
        page = max(int(params.get("current") or 1), 1)
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
            if row.kind == "transfer" and row.amount * sign > 0 and start <= ms(row.time) <= end
        ]
        shown = rows[(page - 1) * size : page * size]
        return {"total": len(rows), **({"rows": shown} if shown else {})}


def _sign(params: Params) -> int:
    sign = _SIGNS.get(params.get("type", ""))
    if sign is None:
        raise Refused(-1102, "type")
    return sign
