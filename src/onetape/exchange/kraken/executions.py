"""Kraken's private channels: executions and balances.

A trade event never ends an order: a separate `filled` event does. Each message has one event; they come in
chronological order. Source: docs.kraken.com "Executions" and "Balances" of WebSocket v2, as of 2026-11.
"""

from __future__ import annotations

from typing import Any, Final

from onetape.exchange.account import SimAccount, SimFill, SimOrder, Trade
from onetape.exchange.exchange import SimExchange
from onetape.exchange.kraken.account import LedgerEntry
from onetape.exchange.kraken.wire import (
    COST_DECIMALS,
    average,
    cost_text,
    money_text,
    number,
    order_id,
    price_text,
    rfc3339,
    size_text,
    trade_id,
    why,
)
from onetape.exchange.reports import OrderReport
from onetape.model.enums import OrderNews, OrderState
from onetape.model.errors import SelfTrade
from onetape.model.instrument import Instrument
from onetape.model.money import divide_half_even

__all__ = ["Executions", "balance_row", "ledger_row"]

TRADES_SHOWN: Final = 50
_STATUS: Final = {
    OrderState.INITIALIZED: "pending_new",
    OrderState.ACCEPTED: "new",
    OrderState.TRIGGERED: "new",
    OrderState.PARTIALLY_FILLED: "partially_filled",
    OrderState.FILLED: "filled",
    OrderState.CANCELED: "canceled",
    OrderState.REJECTED: "canceled",
    OrderState.EXPIRED: "expired",
}
OPEN_CLOSE: Final = frozenset({"new", "filled", "canceled", "expired", "trade"})


class Executions:
    """Makes the rows of the executions channel."""

    def __init__(self, exchange: SimExchange, symbols: list[str]) -> None:
        self.exchange = exchange
        self.symbols = symbols

    def open_orders(self, account: SimAccount) -> list[dict[str, Any]]:
        return [
            {
                **self._whole(o),
                "exec_type": "new",
                "order_status": _STATUS[o.state],
                "timestamp": rfc3339(o.created),
                **self._sums(o, o.filled, o.cost, o.fee, o.fee_base),
            }
            for o in account.open_orders.values()
        ]

    def last_trades(self, account: SimAccount) -> list[dict[str, Any]]:
        found = list(account.trades)[-TRADES_SHOWN:]
        return [self._trade(t, "filled" if not t.order.is_open else None) for t in found]

    def events(self, report: OrderReport) -> list[dict[str, Any]]:
        """Returns the events of a change of an order, oldest first; none for an order refused without a trace."""
        order, now = report.order, report.time
        if report.fill is not None:
            return self._fill_events(report, report.fill)
        sums = self._sums(order, report.filled, report.cost, report.fee, report.fee_base)
        row = {**self._short(order), **sums, "timestamp": rfc3339(now)}
        if report.news is OrderNews.ACCEPTED:
            return [
                {**self._whole(order), **row, "exec_type": kind, "order_status": kind}
                for kind in ("pending_new", "new")
            ]
        if report.news is OrderNews.UPDATED:
            changed = {**self._whole(order), **row, "exec_type": "amended"}
            return [{**changed, "order_status": _STATUS[report.state], "reason": "User requested"}]
        if report.news is OrderNews.TRIGGERED:
            event = {**row, "exec_type": "status", "order_status": "new"}
            return [{**event, "triggers": self._triggers(order, "triggered")}]
        if report.news in (OrderNews.CANCELED, OrderNews.EXPIRED):
            kind = "expired" if report.news is OrderNews.EXPIRED else "canceled"
            return [{**row, "exec_type": kind, "order_status": kind, "reason": why(order)}]
        if report.news is OrderNews.REJECTED and report.code == SelfTrade.code:
            # The order was accepted, then ended by self-trade prevention.
            first = {**self._whole(order), **row}
            return [
                {**first, "exec_type": "pending_new", "order_status": "pending_new"},
                {**row, "exec_type": "canceled", "order_status": "canceled", "reason": why(order)},
            ]
        return []

    def _fill_events(self, report: OrderReport, fill: SimFill) -> list[dict[str, Any]]:
        order = report.order
        sums = self._sums(order, report.filled, report.cost, report.fee, report.fee_base)
        rows = [{**sums, **self._trade(Trade(order, fill), None)}]
        if report.state is OrderState.FILLED:
            rows.append(
                {
                    **self._short(order),
                    **sums,
                    "exec_type": "filled",
                    "order_status": "filled",
                    "timestamp": rfc3339(report.time),
                }
            )
        return rows

    # --- rows -------------------------------------------------------------------------------------

    def _short(self, order: SimOrder) -> dict[str, Any]:
        row: dict[str, Any] = {
            "order_id": order_id(order),
            "symbol": self.symbols[order.index],
            "order_userref": order.extra.get("userref", 0),
        }
        if order.client_id:
            row["cl_ord_id"] = order.client_id
        return row

    def _whole(self, order: SimOrder) -> dict[str, Any]:
        i, extra = self.exchange.instruments[order.index], order.extra
        row = {
            **self._short(order),
            "side": order.side.value,
            "order_type": extra.get("ordertype", order.type.value),
            "order_qty": number(size_text(i, order.size)),
            "time_in_force": order.tif.value,
            "post_only": order.post_only,
            "reduce_only": False,
            "margin": False,
            "fee_ccy_pref": "fcib" if extra.get("fee_in_base") else "fciq",
        }
        if order.price:
            row["limit_price"] = number(price_text(i, order.price))
            row["limit_price_type"] = "static"
        if order.expire:
            row["expire_time"] = rfc3339(order.expire)
        if extra.get("stop"):
            state = "untriggered" if order.trigger else "triggered"
            row["stop_price"] = number(price_text(i, extra["stop"]))
            row["triggers"] = self._triggers(order, state)
        return row

    def _triggers(self, order: SimOrder, state: str) -> dict[str, Any]:
        i, stop = self.exchange.instruments[order.index], order.extra.get("stop", 0)
        listing = self.exchange.listings[order.index]
        return {
            "reference": order.extra.get("reference", "last"),
            "price": number(price_text(i, stop)),
            "price_type": "static",
            "actual_price": number(price_text(i, stop)),
            "peak_price": number(price_text(i, 0)),
            "last_price": number(price_text(i, listing.last)),
            "status": state,
            "timestamp": rfc3339(order.updated),
        }

    def _sums(self, order: SimOrder, filled: int, cost: int, fee: int, fee_base: int) -> dict[str, Any]:
        """Returns the totals of an order at the time of the report."""
        i = self.exchange.instruments[order.index]
        if fee_base and filled:
            fee += divide_half_even(fee_base * cost, filled * 10**i.price_decimals)
        return {
            "cum_qty": number(size_text(i, filled)),
            "cum_cost": number(cost_text(i, cost)),
            "avg_price": number(average(i, cost, filled)),
            **_in_usd(i, fee),
        }

    def _trade(self, trade: Trade, status: str | None) -> dict[str, Any]:
        order, fill = trade
        i = self.exchange.instruments[order.index]
        in_base = bool(order.extra.get("fee_in_base"))
        asset, decimals = (i.base, 8) if in_base else (i.settle, COST_DECIMALS)
        worth = divide_half_even(fill.fee * fill.price, 10**i.price_decimals) if in_base else fill.fee
        return {
            **self._short(order),
            "exec_id": trade_id(order, fill),
            "exec_type": "trade",
            "trade_id": fill.trade_id,
            "side": order.side.value,
            "order_type": order.extra.get("ordertype", order.type.value),
            "order_qty": number(size_text(i, order.size)),
            "order_status": status or "partially_filled",
            "last_qty": number(size_text(i, fill.size)),
            "last_price": number(price_text(i, fill.price)),
            "liquidity_ind": "m" if fill.is_maker else "t",
            "cost": number(cost_text(i, fill.price * fill.size)),
            "fees": [{"asset": asset, "qty": number(money_text(fill.fee, decimals))}],
            **_in_usd(i, worth),
            "timestamp": rfc3339(fill.time),
        }


def _in_usd(i: Instrument, fee: int) -> dict[str, Any]:
    """Returns a fee in dollars if that is its currency; the rate for other currencies is not documented."""
    return {"fee_usd_equiv": number(money_text(fee, COST_DECIMALS))} if i.quote == "USD" else {}


def balance_row(currency: str, balance: int) -> dict[str, Any]:
    """Returns a balance of the snapshot."""
    shown = number(money_text(balance))
    return {
        "asset": currency,
        "asset_class": "currency",
        "balance": shown,
        "wallets": [{"type": "spot", "id": "main", "balance": shown}],
    }


def ledger_row(currency: str, entry: LedgerEntry) -> dict[str, Any]:
    """Returns a change of a balance."""
    return {
        "asset": currency,
        "asset_class": "currency",
        "amount": number(money_text(entry.amount)),
        "balance": number(money_text(entry.balance)),
        "fee": number(money_text(entry.fee)),
        "ledger_id": entry.id,
        "ref_id": entry.reference,
        "timestamp": rfc3339(entry.time),
        "type": entry.kind,
        "subtype": entry.subtype,
        "category": "trade" if entry.kind == "trade" else entry.kind,
        "wallet_type": "spot",
        "wallet_id": "main",
    }
