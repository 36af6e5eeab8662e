"""Binance USD-M: rows of REST answers as what they tell, in units. Each is of an instrument that is
known; by_raw: those, by the venue's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onetape.model.enums import Liquidity, OrderState, OrderType, PositionSide, Side, TimeInForce
from onetape.model.instrument import Instrument
from onetape.orders.reports import FillReport, OrderStatusReport, PositionReport
from onetape.venues.binance.words import ALGO_STATES, STATES, TIFS
from onetape.venues.numbers import money_of, units_of

__all__ = ["algo_row", "order_row", "position_row", "trade_row"]

Row = dict[str, Any]
ByRaw = Mapping[str, Instrument]
_MS: Final = 1_000_000


def order_row(row: Row, by_raw: ByRaw) -> OrderStatusReport:
    i = by_raw[row["symbol"]]
    return OrderStatusReport(
        symbol=i.symbol,
        client_id=row["clientOrderId"],
        venue_id=str(row["orderId"]),
        state=STATES.get(row["status"], OrderState.UNKNOWN),
        time=int(row["updateTime"]) * _MS,
        side=Side(row["side"].lower()),
        type=OrderType.MARKET if row["type"] == "MARKET" else OrderType.LIMIT,
        tif=TIFS.get(row["timeInForce"], TimeInForce.GTC),
        price=units_of(row["price"], i.price_decimals),
        size=units_of(row["origQty"], i.size_decimals),
        filled=units_of(row["executedQty"], i.size_decimals),
        position_side=PositionSide(row["positionSide"].lower()),
        reduce_only=bool(row["reduceOnly"]),
    )


def algo_row(row: Row, by_raw: ByRaw) -> OrderStatusReport:
    i = by_raw[row["symbol"]]
    return OrderStatusReport(
        symbol=i.symbol,
        client_id=row["clientAlgoId"],
        venue_id=str(row.get("actualOrderId") or row["algoId"]),
        state=ALGO_STATES.get(row["algoStatus"], OrderState.UNKNOWN),
        time=int(row["updateTime"]) * _MS,
        side=Side(row["side"].lower()),
        type=OrderType.MARKET if row["orderType"].endswith("MARKET") else OrderType.LIMIT,
        price=units_of(row["price"] or "0", i.price_decimals),
        size=units_of(row["quantity"] or "0", i.size_decimals),
        trigger=units_of(row["triggerPrice"] or "0", i.price_decimals),
        position_side=PositionSide(row["positionSide"].lower()),
        reduce_only=bool(row["reduceOnly"]),
        conditional=row["algoStatus"] in ("NEW", "CANCELED", "EXPIRED", "REJECTED"),
    )


def trade_row(row: Row, by_raw: ByRaw) -> FillReport:
    i = by_raw[row["symbol"]]
    return FillReport(
        symbol=i.symbol,
        client_id="",
        venue_id=str(row["orderId"]),
        trade_id=int(row["id"]),
        side=Side(row["side"].lower()),
        position_side=PositionSide(row["positionSide"].lower()),
        price=units_of(row["price"], i.price_decimals),
        size=units_of(row["qty"], i.size_decimals),
        time=int(row["time"]) * _MS,
        fee=money_of(row["commission"]),
        fee_currency=row["commissionAsset"],
        liquidity=Liquidity.MAKER if row["maker"] else Liquidity.TAKER,
    )


def position_row(row: Row, by_raw: ByRaw, now: int) -> PositionReport:
    i = by_raw[row["symbol"]]
    return PositionReport(
        i.symbol, PositionSide(row["positionSide"].lower()), units_of(row["positionAmt"], i.size_decimals), now
    )
