"""The balances of an account in all of its wallets, at one moment if possible.

The trading wallet is the ledger's, with money in transit; the others are queried from the venue on request, once for
all requesters.
"""

from __future__ import annotations

from typing import Any, Final

from onetape.accounts.entries import SLOTS_MAX
from onetape.accounts.transfer_command import TRADING
from onetape.gateway.transfer_desk import TransferDesk
from onetape.model.errors import NotAvailable
from onetape.model.money import money_text
from onetape.model.time import SECOND
from onetape.orders.calls import Call, HiddenWallets, OrderProtocol, Wallets
from onetape.orders.outcome import Outcome
from onetape.orders.reports import WalletReport

__all__ = ["WalletDesk"]

FRESH: Final = 5 * SECOND  # age of the venue's answer, if no transfer has moved since the query
TRANSIT: Final = "transit"
HIDDEN: Final = "this account's key may not read this wallet: see it at the venue; no sum includes it"
_KEYS: Final = ("wallet", "currency", "total", "available", "error")


class WalletDesk:
    """Shows the wallets of an account. transfers: of the account, with its ledger and the connection to the venue's
    wallet service."""

    def __init__(self, transfers: TransferDesk, protocol: OrderProtocol) -> None:
        self._transfers = transfers
        self._venue = protocol if isinstance(protocol, Wallets) and transfers.wire is not None else None
        hidden = protocol.hidden_wallets if isinstance(protocol, HiddenWallets) else ()
        self._hidden = [_without(wallet, f"{NotAvailable.name}({NotAvailable.code}): {HIDDEN}") for wallet in hidden]
        self._rows: list[dict[str, Any]] = []
        self._queried_at = self._answered_at = 0  # when the venue was queried, and had answered, ns UTC
        self._is_looking = False

    def seen(self) -> dict[str, Any]:
        """Returns the last known balances; `is_fresh`: they are current. Else a query of the venue is under way, and a
        repeated call returns its answer."""
        desk = self._transfers
        now = desk.now()
        is_fresh = self._venue is None or (
            not self._is_looking and self._queried_at > desk.moved_at and self._answered_at > now - FRESH
        )
        if self._venue is not None and not is_fresh and not self._is_looking:
            self._is_looking = True
            desk.spawn(self._look(self._venue.wallets(now), now))
        return {"is_fresh": is_fresh and desk.money.is_ready, "wallets": [*self._own(), *self._rows, *self._hidden]}

    def _own(self) -> list[dict[str, Any]]:
        ledger, reserves = self._transfers.money.ledger, self._transfers.money.reserves
        rows = []
        for currency in ledger.currencies():
            total, transit = ledger.total(currency), ledger.transit(currency)
            held = reserves.held_in(currency, SLOTS_MAX)[0]
            rows.append(_row(WalletReport(TRADING, currency, total, total - held)))
            if transit:
                rows.append(_row(WalletReport(TRANSIT, currency, transit, 0)))
        return rows

    async def _look(self, calls: dict[str, Call], now: int) -> None:
        rows: list[dict[str, Any]] = []
        try:
            for wallet, call in calls.items():
                answer = await self._transfers.query(call)
                if answer.outcome is Outcome.DONE:
                    rows += [_row(each) for each in answer.reports if isinstance(each, WalletReport)]
                else:
                    why = f"{answer.venue_code} {answer.text}".strip()[:200] or "no answer"
                    rows.append(_without(wallet, why))
            self._rows, self._queried_at, self._answered_at = rows, now, self._transfers.now()
        finally:
            self._is_looking = False


def _without(wallet: str, why: str) -> dict[str, Any]:
    """Returns the row of a wallet whose amounts are not reported."""
    return dict.fromkeys(_KEYS) | {"wallet": wallet, "error": why}


def _row(report: WalletReport) -> dict[str, Any]:
    return dict(zip(_KEYS, (*report[:2], *map(money_text, report[2:]), None), strict=True))
