"""Binance spot: the differences of its market streams, and the events of an account.

An account's events come on a connection of the WebSocket API that has subscribed to them, wrapped with the
subscription's number and without a snapshot. Source: "Web Socket Streams" and "User Data Streams" of the spot
documentation, as of 2026-07. That a trigger is told by a second NEW with a working time is unverified.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from onetape.exchange.account import SimAccount, SimOrder
from onetape.exchange.binance.streams import MarketTraits
from onetape.exchange.binance.wire import amount, ms, owed
from onetape.exchange.binance_spot.account import balance_of
from onetape.exchange.binance_spot.wire import (
    STP_USUAL,
    ZERO,
    fee_asset,
    kind_of,
    list_state,
    price8,
    quote_text,
    refused,
    side_of,
    size8,
    spot_status,
)
from onetape.exchange.dialect import Connection
from onetape.exchange.exchange import SimExchange
from onetape.exchange.keys import ApiKey
from onetape.exchange.reports import CashReport, OrderReport, Report
from onetape.model.enums import OrderNews
from onetape.model.errors import SelfTrade

__all__ = ["MARKET", "UserStreams"]

_FUTURES: Final = frozenset({"ps", "st"})
MARKET: Final = MarketTraits(
    spans=((100_000_000, "@100ms"), (1_000_000_000, "")),
    absent={
        "bookTicker": _FUTURES | {"e", "E", "T"},
        "depthUpdate": _FUTURES | {"T", "pu"},
        "trade": frozenset({"X"}),
        "aggTrade": frozenset({"nq", "st"}),
        "24hrMiniTicker": _FUTURES,
        "24hrTicker": _FUTURES,
    },
    added={"trade": {"M": True}, "aggTrade": {"M": True}},
    plain_partial=True,
    per_second=5,
)
SUBSCRIPTIONS_MAX: Final = 1000
_MONEY: Final = frozenset({"deposit", "withdraw", "withdrawal", "adjust", "transfer"})


@dataclass(slots=True)
class _Subscriber:
    connection: Connection
    accounts: dict[int, SimAccount] = field(default_factory=dict)  # by the subscription's number


class UserStreams:
    """Keeps the subscriptions of accounts, and writes their events."""

    def __init__(self, exchange: SimExchange) -> None:
        self.exchange = exchange
        self.subscribers: dict[int, _Subscriber] = {}  # by the connection's id
        self._made: dict[int, int] = {}  # connection -> subscriptions so far
        self._executions = 0
        self._lists: dict[int, str] = {}  # number -> its state as last reported

    # --- subscriptions ----------------------------------------------------------------------------

    def subscribe(self, connection: Connection, key: ApiKey) -> dict[str, int]:
        there = self.subscribers.setdefault(connection.id, _Subscriber(connection))
        account = key.account
        if account in there.accounts.values():
            raise refused("User Data Stream subscription already active", -2035)
        number = self._made.get(connection.id, 0)
        if number >= SUBSCRIPTIONS_MAX:
            raise refused("Maximum subscription ID reached for this connection.", -2042)
        self._made[connection.id] = number + 1
        there.accounts[number] = account
        return {"subscriptionId": number}

    def unsubscribe(self, connection: Connection, params: dict[str, str], _now: int) -> dict[str, Any]:
        there, number = self.subscribers.get(connection.id), params.get("subscriptionId")
        chosen = [n for n in (there.accounts if there else ()) if number in (None, str(n))]
        if there is None or not chosen:
            raise refused("User Data Stream subscription not active.", -2036)
        for each in chosen:
            del there.accounts[each]
        return {}

    def listed(self, connection: Connection, _params: dict[str, str], _now: int) -> list[dict[str, int]]:
        there = self.subscribers.get(connection.id)
        return [{"subscriptionId": number} for number in (there.accounts if there else ())]

    def end(self, account: str, now: int, *, silent: bool = False) -> None:
        """Ends the subscriptions of an account ("": of all). silent: without an event."""
        for each in self.subscribers.values():
            for number, of in list(each.accounts.items()):
                if account in ("", of.name):
                    del each.accounts[number]
                    if not silent:
                        said = {"e": "eventStreamTerminated", "E": ms(now)}
                        each.connection.say({"subscriptionId": number, "event": said})

    def disconnect(self, connection: Connection) -> None:
        self.subscribers.pop(connection.id, None)
        self._made.pop(connection.id, None)

    def account_of(self, connection: Connection) -> str:
        there = self.subscribers.get(connection.id)
        return next((a.name for a in there.accounts.values()), "") if there else ""

    # --- events -----------------------------------------------------------------------------------

    def publish(self, reports: list[Report], now: int) -> None:
        changed: dict[int, tuple[SimAccount, dict[int, None]]] = {}
        lists: dict[int, SimAccount] = {}
        if not self.subscribers:
            return
        currencies = self.exchange.currencies
        for report in reports:
            match report:
                case OrderReport(order=order):
                    if "list" in order.extra:
                        lists[order.extra["list"]] = order.account
                    if self._order(report, now):
                        i = self.exchange.instruments[order.index]
                        _, touched = changed.setdefault(order.account.number, (order.account, {}))
                        names = (i.base, i.quote, *([fee] if report.fill and (fee := report.fill.fee_currency) else ()))
                        touched |= dict.fromkeys(map(currencies.index, names))
                case CashReport(account=account) if report.reason in _MONEY:
                    _, touched = changed.setdefault(account.number, (account, {}))
                    touched |= dict.fromkeys(report.currencies)
        for number, account in lists.items():
            self._list(account, number, now)
        for account, touched in changed.values():
            rows = [(currencies[at], *balance_of(account, at)) for at in touched]
            balances = [{"a": name, "f": free, "l": locked} for name, free, locked in rows]
            self._tell(account, {"e": "outboundAccountPosition", "E": ms(now), "u": ms(now), "B": balances})
        for report in reports:
            if isinstance(report, CashReport) and report.reason in _MONEY:
                asset = currencies[report.currencies[0]]
                event = {"e": "balanceUpdate", "E": ms(now), "a": asset, "d": amount(report.amount, 8)}
                self._tell(report.account, {**event, "T": ms(report.time)})

    def _list(self, account: SimAccount, number: int, now: int) -> None:
        """Reports that a list of orders has begun or is done."""
        orders = [order for order in account.by_id.values() if order.extra.get("list") == number]
        if not orders:
            return
        row = list_state(self.exchange.instruments, orders, now)
        if self._lists.get(number) == row["listStatusType"]:
            return
        self._lists[number] = row["listStatusType"]
        head = {"e": "listStatus", "E": ms(now), "s": row["symbol"], "g": number, "c": row["contingencyType"]}
        state = {"l": row["listStatusType"], "L": row["listOrderStatus"], "r": "NONE", "C": row["listClientOrderId"]}
        rows = [{"s": each["symbol"], "i": each["orderId"], "c": each["clientOrderId"]} for each in row["orders"]]
        self._tell(account, {**head, **state, "T": ms(now), "O": rows})

    def _tell(self, account: SimAccount, event: dict[str, Any]) -> None:
        for each in self.subscribers.values():
            for number, of in each.accounts.items():
                if of is account:
                    each.connection.say({"subscriptionId": number, "event": event})

    def _order(self, report: OrderReport, now: int) -> bool:
        """Reports a change of an order; returns False for one that was refused without a trace."""
        order = report.order
        prevented = report.code == SelfTrade.code and report.news in (OrderNews.CANCELED, OrderNews.REJECTED)
        if report.news is OrderNews.REJECTED:
            if not prevented:
                return False
            self._tell(order.account, self._event(report, now, "NEW", "NEW"))
        status = spot_status(order, report.state)
        if report.news is OrderNews.ACCEPTED:
            status = "PENDING_NEW" if "after" in order.extra and order.is_open else "NEW"
        kind = "TRADE_PREVENTION" if prevented else _execution(report, status)
        self._tell(order.account, self._event(report, now, kind, status))
        return True

    def _event(self, report: OrderReport, now: int, kind: str, status: str) -> dict[str, Any]:
        order, fill, i = report.order, report.fill, self.exchange.instruments[report.order.index]
        self._executions += 1
        waits = _waits(order, report)
        name, original = order.client_id, ""
        if kind == "CANCELED":
            name, original = order.extra.get("by_user", f"sim{self._executions}"), name
        if kind == "REPLACED":
            original = order.extra["amends"][-1]["by"]
        event = {
            "e": "executionReport",
            "E": ms(now),
            "s": i.raw_symbol,
            "c": name,
            "S": side_of(order),
            "o": kind_of(order),
            "f": order.tif.value,
            "q": size8(i, order.size),
            "p": price8(i, order.price),
            "P": price8(i, order.extra.get("stop", 0)),
            "F": ZERO,
            "g": order.extra.get("list", -1),
            "C": original,
            "x": kind,
            "X": status,
            "r": "NONE",
            "i": order.id,
            "l": size8(i, fill.size) if fill else ZERO,
            "z": size8(i, report.filled),
            "L": price8(i, fill.price) if fill else ZERO,
            "n": owed(fill.fee) if fill else "0",
            "N": fee_asset(i, order, fill) if fill else None,
            "T": ms(report.time),
            "t": fill.trade_id if fill else -1,
            "I": order.id * 100 + self._executions,
            "w": not waits and status in ("NEW", "PARTIALLY_FILLED"),
            "m": bool(fill and fill.is_maker),
            "M": bool(fill),
            "O": ms(order.created),
            "Z": quote_text(i, report.cost),
            "Y": quote_text(i, fill.price * fill.size) if fill else ZERO,
            "Q": order.extra.get("quote_qty", ZERO),
            "V": order.extra.get("stp", STP_USUAL),
        }
        if not waits:
            event["W"] = ms(order.extra.get("triggered", order.created))
        if kind == "EXPIRED":
            event["eR"] = "INSUFFICIENT_LIQUIDITY"
        if kind == "TRADE_PREVENTION":
            event |= {"pl": size8(i, order.left), "pY": ZERO, "A": ZERO, "B": ZERO, "u": 1, "v": 1, "U": order.id}
        return event


def _waits(order: SimOrder, report: OrderReport) -> bool:
    """Tells whether the order waited for its trigger when this was reported: the order is as it is now."""
    if not order.extra.get("stop"):
        return False
    if report.news is OrderNews.ACCEPTED:
        return True
    return bool(order.trigger) and report.fill is None and report.news is not OrderNews.TRIGGERED


def _execution(report: OrderReport, status: str) -> str:
    match report.news:
        case None:
            return "TRADE"
        case OrderNews.ACCEPTED | OrderNews.TRIGGERED:
            return "NEW"
        case OrderNews.UPDATED:
            return "REPLACED"
        case _:
            return "EXPIRED" if status == "EXPIRED" else "CANCELED"
