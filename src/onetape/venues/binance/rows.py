"""Binance USD-M: reports from rows of REST answers, in units. All rows must be of known instruments. by_raw: the
venue's name -> instrument.

Source of balances: "Futures Account Balance V3" of the USD-M documentation, read 2026-11. `availableBalance` is never
below zero there, so it shows the margin in use only while it is above zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from onetape.model.enums import Liquidity, OrderState, OrderType, TimeInForce
from onetape.model.instrument import Instrument
from onetape.model.money import money
from onetape.model.time import MS
from onetape.orders.reports import (
    BalanceReport,
    FillReport,
    MarginReport,
    OrderStatusReport,
    PositionReport,
    WalletReport,
)
from onetape.venues.binance.words import ALGO_STATES, CONDITIONAL_TYPES, POSITION_SIDES, SIDES, STATES, TIFS
from onetape.venues.numbers import money_of, units_of

__all__ = ["algo_row", "balance_reports", "order_row", "position_row", "trade_row"]

Row = dict[str, Any]
ByRaw = Mapping[str, Instrument]


def order_row(row: Row, by_raw: ByRaw) -> OrderStatusReport:
    i = by_raw[row["symbol"]]
    return OrderStatusReport(
        symbol=i.symbol,
        client_id=row["clientOrderId"],
        venue_id=str(row["orderId"]),
        state=STATES.get(row["status"], OrderState.UNKNOWN),
        time=int(row["updateTime"]) * MS,
        side=SIDES[row["side"]],
        type=OrderType.MARKET if row["type"].endswith("MARKET") else OrderType.LIMIT,
        trigger=units_of(row["stopPrice"], i.price_decimals) if row["type"] in CONDITIONAL_TYPES else 0,
        tif=TIFS.get(row["timeInForce"], TimeInForce.GTC),
        price=units_of(row["price"], i.price_decimals),
        size=units_of(row["origQty"], i.size_decimals),
        filled=units_of(row["executedQty"], i.size_decimals),
        position_side=POSITION_SIDES[row["positionSide"]],
        reduce_only=bool(row["reduceOnly"]),
        takes_profit=row["type"].startswith("TAKE_PROFIT"),
    )


def algo_row(row: Row, by_raw: ByRaw) -> OrderStatusReport:
    i = by_raw[row["symbol"]]
    return OrderStatusReport(
        symbol=i.symbol,
        client_id=row["clientAlgoId"],
        venue_id=str(row.get("actualOrderId") or row["algoId"]),
        state=ALGO_STATES.get(row["algoStatus"], OrderState.UNKNOWN),
        time=int(row["updateTime"]) * MS,
        side=SIDES[row["side"]],
        type=OrderType.MARKET if row["orderType"].endswith("MARKET") else OrderType.LIMIT,
        price=units_of(row["price"] or "0", i.price_decimals),
        size=units_of(row["quantity"] or "0", i.size_decimals),
        trigger=units_of(row["triggerPrice"] or "0", i.price_decimals),
        position_side=POSITION_SIDES[row["positionSide"]],
        reduce_only=bool(row["reduceOnly"]),
        conditional=row["algoStatus"] in ("NEW", "CANCELED", "EXPIRED", "REJECTED"),
        takes_profit=row["orderType"].startswith("TAKE_PROFIT"),
    )


def trade_row(row: Row, by_raw: ByRaw) -> FillReport:
    i = by_raw[row["symbol"]]
    return FillReport(
        symbol=i.symbol,
        client_id="",
        venue_id=str(row["orderId"]),
        trade_id=int(row["id"]),
        side=SIDES[row["side"]],
        position_side=POSITION_SIDES[row["positionSide"]],
        price=units_of(row["price"], i.price_decimals),
        size=units_of(row["qty"], i.size_decimals),
        time=int(row["time"]) * MS,
        fee=money_of(row["commission"]),
        fee_currency=row["commissionAsset"],
        liquidity=Liquidity.MAKER if row["maker"] else Liquidity.TAKER,
    )


def position_row(row: Row, by_raw: ByRaw, queried_at: int) -> PositionReport:
    i = by_raw[row["symbol"]]
    return PositionReport(
        i.symbol,
        POSITION_SIDES[row["positionSide"]],
        units_of(row["positionAmt"], i.size_decimals),
        queried_at,
        entry=_price(row, "entryPrice"),
        mark=_price(row, "markPrice"),
        liquidation=_price(row, "liquidationPrice"),
    )


def _price(row: Row, name: str) -> Decimal | None:
    """Returns a price; None for 0, by which the venue means none. Raises ValueError for an invalid price."""
    text = row.get(name)
    if not text:
        return None
    units = money_of(text)
    return money(units) if units > 0 else None


def balance_reports(
    rows: Iterable[Mapping[str, Any]], queried_at: int, earliest: int, latest: int
) -> Iterator[BalanceReport]:
    """Reads a list of balances. queried_at: the time of the query; the venue may have made the list at any moment from
    earliest to latest.

    `updateTime` is the currency's last change, not the time of the list.
    """
    for row in rows:
        total = money_of(row["balance"])
        yield BalanceReport(row["asset"], total, queried_at, earliest, latest, _margin(row))


def wallet_reports(value: Any, wallet: str) -> Iterator[WalletReport]:
    """Reads the spot wallet's account, or the list of the funding wallet. Frozen and withdrawing amounts belong to the
    total, but are not available."""
    for row in value if isinstance(value, list) else value["balances"]:
        amounts = [money_of(row[name]) for name in ("free", "locked", "freeze", "withdrawing") if name in row]
        if any(amounts):
            yield WalletReport(wallet, row["asset"], sum(amounts), amounts[0])


def _margin(row: Mapping[str, Any]) -> MarginReport | None:
    if not row.keys() >= {"crossWalletBalance", "crossUnPnl", "availableBalance"}:
        return None
    profit, available = money_of(row["crossUnPnl"]), money_of(row["availableBalance"])
    taken = money_of(row["crossWalletBalance"]) + profit - available
    return MarginReport(profit, available, taken if available > 0 <= taken else None)
