"""Binance USD-M: what a row of the list of balances says of a currency and of its margin.

Source: "Futures Account Balance V3" of the USD-M documentation, read 2026-11. `availableBalance` is
never below zero there, so that it tells what margin takes only while it is above.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from onetape.orders.reports import BalanceReport, MarginReport
from onetape.venues.numbers import money_of

__all__ = ["balance_reports"]


def balance_reports(
    rows: Iterable[Mapping[str, Any]], queried_at: int, earliest: int, latest: int
) -> Iterator[BalanceReport]:
    """asked: when; the list may have been read off at any moment from earliest to latest.

    `updateTime` is when the currency changed last, not how fresh the list is.
    """
    for row in rows:
        total = money_of(row["balance"])
        yield BalanceReport(row["asset"], total, queried_at, earliest, latest, _margin(row))


def _margin(row: Mapping[str, Any]) -> MarginReport | None:
    if not row.keys() >= {"crossWalletBalance", "crossUnPnl", "availableBalance"}:
        return None
    profit, available = money_of(row["crossUnPnl"]), money_of(row["availableBalance"])
    taken = money_of(row["crossWalletBalance"]) + profit - available
    return MarginReport(profit, available, taken if available > 0 <= taken else None)
