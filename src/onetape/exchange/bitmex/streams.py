"""BitMEX: the realtime socket, tables as partial, insert, update and delete.

A subscription begins with a partial: the present table, and the `keys` that identify its rows. Source: BitMEX API
documentation, "WebSocket API", and the capture of 2021.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.bitmex.account import AccountData
from onetape.exchange.bitmex.book import BookTable
from onetape.exchange.bitmex.public import PublicData, tick_direction
from onetape.exchange.bitmex.wire import is_canceled_at_once, order_row
from onetape.exchange.dialect import Connection, encode
from onetape.exchange.exchange import SimExchange
from onetape.exchange.reports import (
    BarReport,
    CashReport,
    DepthReport,
    MarkReport,
    ModeReport,
    OrderReport,
    QuoteReport,
    Report,
    TradeReport,
)
from onetape.exchange.subscriptions import Subscriptions
from onetape.model.enums import OrderNews, OrderState

__all__ = ["LOCKED", "PRIVATE", "TABLES", "Streams", "Subscriber"]

PUBLIC: Final = {  # public table -> the keys of its rows
    "orderBookL2": ["symbol", "id", "side"],
    "orderBookL2_25": ["symbol", "id", "side"],
    "orderBook10": ["symbol"],
    "quote": [],
    "quoteBin1m": [],
    "trade": [],
    "tradeBin1m": [],
    "instrument": ["symbol"],
    "funding": ["timestamp", "symbol"],
    "settlement": ["timestamp", "symbol"],
    "liquidation": ["orderID"],  # liquidation orders that work: here they fill at once, so the table has no rows
    "insurance": ["currency", "timestamp"],  # there is no insurance fund here, so the table has no rows
}
PRIVATE: Final = {
    "order": ["orderID"],
    "execution": ["execID"],
    "position": ["account", "symbol"],
    "margin": ["account", "currency"],
    "wallet": ["account", "currency"],
}
TABLES: Final = {**PUBLIC, **PRIVATE}
LOCKED: Final = "User requested an account-locked subscription but no authorization was provided."
_CHANGES: Final = (
    "orderID", "clOrdID", "account", "symbol", "orderQty", "price", "stopPx", "ordStatus",
    "triggered", "workingIndicator", "leavesQty", "cumQty", "avgPx", "text", "transactTime",
    "timestamp",
)  # fmt: skip
_INSTRUMENT_CHANGES: Final = (
    "symbol", "lastPrice", "lastTickDirection", "bidPrice", "midPrice", "askPrice", "fairPrice",
    "markPrice", "indicativeSettlePrice", "openInterest", "openValue", "volume24h",
    "fundingTimestamp", "fundingRate", "timestamp",
)  # fmt: skip


@dataclass(slots=True)
class Subscriber:
    """The dialect's state of a connection."""

    account: SimAccount | None = None
    second: int = 0
    messages: int = 0


class Streams:
    """Keeps the subscriptions, and writes their messages."""

    def __init__(self, exchange: SimExchange, public: PublicData, data: AccountData) -> None:
        self.exchange = exchange
        self.public = public
        self.data = data
        self.books = [BookTable(exchange, at, instrument) for at, instrument in enumerate(exchange.instruments)]
        self._subscriptions: Subscriptions[str] = Subscriptions()  # `table` or `table:SYMBOL`
        self._directions = ["ZeroPlusTick"] * len(self.books)
        self._prices = [listing.last for listing in exchange.listings]
        self._funded = [len(listing.fundings) for listing in exchange.listings]
        self._open = [listing.is_open for listing in exchange.listings]
        self._positions: set[tuple[int, int]] = set()  # (account, instrument) sent so far

    # --- subscriptions ----------------------------------------------------------------------------

    def subscribe(self, connection: Connection, topic: str, now: int) -> str:
        """Subscribes to a topic, and returns "", or why it was refused. The caller sends its answer first, then the
        partial."""
        subscriber: Subscriber = connection.state
        table, _, name = topic.partition(":")
        if table not in TABLES:
            return f"Unknown table: {table}"
        if table in PRIVATE and subscriber.account is None:
            return LOCKED
        if name and name not in self.public.index_of:
            return f"Unknown or expired symbol: {name}"
        is_new = self._subscriptions.add(connection, topic)
        return "" if is_new else f"You are already subscribed to this topic: {topic}"

    def unsubscribe(self, connection: Connection, topic: str) -> bool:
        return self._subscriptions.drop(connection, topic)

    def disconnect(self, connection: Connection) -> None:
        self._subscriptions.leave(connection)

    def partial(self, connection: Connection, topic: str, now: int) -> None:
        """Sends a partial for each instrument of the topic, or one for a table without instruments."""
        table, _, name = topic.partition(":")
        account = connection.state.account
        wanted = self.public.instruments_of({"symbol": name})
        if table in PRIVATE:
            about: dict[str, Any] = {"account": account.number}
            if name:
                about["symbol"] = name
            rows = self._private_rows(table, account, set(wanted), now)
            self._send([connection], table, "partial", rows, about)
            return
        for at in wanted:
            symbol = {"symbol": self.exchange.instruments[at].raw_symbol}
            self._send([connection], table, "partial", self._rows(table, at, now), symbol)

    def _rows(self, table: str, at: int, now: int) -> list[dict[str, Any]]:
        listing = self.exchange.listings[at]
        match table:
            case "orderBookL2":
                return self.books[at].rows(0)
            case "orderBookL2_25":
                return self.books[at].rows(25)
            case "orderBook10":
                return [self.books[at].ten(now)]
            case "quote":
                return [self.public.last_quote(at, now)]
            case "trade":
                last = list(listing.trades)[-1:]
                return [self.public.trade_row(t, self._directions[at]) for t in last]
            case "quoteBin1m":
                return [self.public.quote_bin_row(at, bar) for bar in list(listing.bars)[-1:]]
            case "settlement" | "liquidation" | "insurance":
                return []
            case "tradeBin1m":
                return [self.public.bin_row(at, bar) for bar in list(listing.bars)[-1:]]
            case "instrument":
                return [self.public.instrument_row(at, now)]
            case _:
                return [self.public.funding_row(at, time, rate) for time, rate, _mark in list(listing.fundings)[-1:]]

    def _private_rows(self, table: str, account: SimAccount, wanted: set[int], now: int) -> list[dict[str, Any]]:
        match table:
            case "order":
                return [
                    order_row(self.exchange.instruments[o.index], o)
                    for o in account.open_orders.values()
                    if o.index in wanted
                ]
            case "position":
                listed = [index for index in self.data.listed(account) if index in wanted]
                self._positions |= {(account.number, index) for index in listed}
                return [self.data.position_row(account, index, now) for index in listed]
            case "margin":
                at_all = self.data.currencies({"currency": "all"})
                return [self.data.margin_row(account, at, now) for at in at_all]
            case "wallet":
                at_all = self.data.currencies({"currency": "all"})
                return [self.data.wallet_row(account, at, now) for at in at_all]
            case _:
                return []

    # --- sending ----------------------------------------------------------------------------------

    @staticmethod
    def _send(
        to: Iterable[Connection],
        table: str,
        action: str,
        rows: list[dict[str, Any]],
        about: dict[str, Any] | None = None,
    ) -> None:
        message: dict[str, Any] = {"table": table, "action": action}
        if about is not None:
            message |= {"keys": TABLES[table], "filter": about}
        data = encode({**message, "data": rows})
        for connection in to:
            connection.send(data)

    def _public_listeners(self, table: str, at: int) -> Collection[Connection]:
        return self._subscriptions.to(table, f"{table}:{self.exchange.instruments[at].raw_symbol}")

    def _insert(self, table: str, at: int, make: Callable[..., dict[str, Any]], *args: Any) -> None:
        """Sends an insert; the row is made only if there is a subscriber."""
        if to := self._public_listeners(table, at):
            self._send(to, table, "insert", [make(*args)])

    def _private_listeners(self, account: SimAccount, table: str, at: int) -> list[Connection]:
        """Returns the account's subscribers of a table. at: the instrument's index; negative: any."""
        if at >= 0:
            to = self._public_listeners(table, at)
        else:
            to = self._subscriptions.to(table, *(each for each in self._subscriptions if each.startswith(f"{table}:")))
        return [each for each in to if each.state.account is account]

    # --- reports ------------------------------------------------------------------------------------

    def publish(self, reports: list[Report], now: int) -> None:
        for report in reports:
            match report:
                case DepthReport():
                    self._depth(report)
                case QuoteReport():
                    self._insert("quote", report.at, self.public.quote_row, report)
                case TradeReport():
                    self._trade(report)
                case BarReport():
                    self._insert("tradeBin1m", report.at, self.public.bin_row, report.at, report)
                    self._insert("quoteBin1m", report.at, self.public.quote_bin_row, report.at, report)
                case MarkReport():
                    self._mark(report, now)
                case OrderReport():
                    self._order(report)
                case CashReport():
                    self._cash(report, now)
                case ModeReport():
                    if report.at >= 0:
                        self._position(report.account, report.at, now)
                case _:
                    pass
        self._tell_funding()
        self._tell_settlement(now)

    def _tell_settlement(self, now: int) -> None:
        for at, listing in enumerate(self.exchange.listings):
            if self._open[at] and not listing.is_open:
                self._insert("settlement", at, self.public.settlement_row, at, now)
            self._open[at] = listing.is_open

    def _tell_funding(self) -> None:
        for at, listing in enumerate(self.exchange.listings):
            fundings = list(listing.fundings)
            fresh = fundings[self._funded[at] :] if self._funded[at] < len(fundings) else []
            self._funded[at] = len(fundings)
            for time, rate, _mark in fresh:
                self._insert("funding", at, self.public.funding_row, at, time, rate)

    def _depth(self, report: DepthReport) -> None:
        book = self.books[report.at]
        full = self._public_listeners("orderBookL2", report.at)
        top = self._public_listeners("orderBookL2_25", report.at)
        ten = self._public_listeners("orderBook10", report.at)
        before = book.top(25) if top else {}
        was_ten = book.top(10) if ten else {}
        for action, rows in book.apply(report):
            if full:
                self._send(full, "orderBookL2", action, rows)
        if top:
            for action, rows in book.difference(before, book.top(25), report.time):
                self._send(top, "orderBookL2_25", action, rows)
        if ten and book.top(10) != was_ten:
            self._send(ten, "orderBook10", "update", [book.ten(report.time)])

    def _trade(self, report: TradeReport) -> None:
        at = report.at
        direction = tick_direction(self._prices[at], report.price, self._directions[at])
        self._prices[at], self._directions[at] = report.price, direction
        self._insert("trade", at, self.public.trade_row, report, direction)

    def _mark(self, report: MarkReport, now: int) -> None:
        at = report.at
        if to := self._public_listeners("instrument", at):
            row = self.public.instrument_row(at, report.time)
            self._send(to, "instrument", "update", [{k: row[k] for k in _INSTRUMENT_CHANGES}])
        for account in self.exchange.accounts:
            if account.has_position(at):
                self._position(account, at, now)

    def _order(self, report: OrderReport) -> None:
        order = report.order
        refused = report.state is OrderState.REJECTED
        if refused and not is_canceled_at_once(report.code):
            return  # refused in the answer, and not reported
        execution = self.data.on_order(report)
        account, at = order.account, order.index
        if to := self._private_listeners(account, "execution", at):
            self._send(to, "execution", "insert", [execution])
        if to := self._private_listeners(account, "order", at):
            row = order_row(self.exchange.instruments[at], order, report)
            if report.news is OrderNews.ACCEPTED or refused:
                self._send(to, "order", "insert", [row])
            else:
                self._send(to, "order", "update", [{k: row[k] for k in _CHANGES}])

    def _cash(self, report: CashReport, now: int) -> None:
        account = report.account
        if report.reason == "funding":
            row = self.data.on_funding(report)
            if to := self._private_listeners(account, "execution", report.at):
                self._send(to, "execution", "insert", [row])
        for index, _side in report.positions:
            self._position(account, index, now)
        wanted = self.data.currencies({"currency": "all"})
        for at in report.currencies:
            if at not in wanted:
                continue
            if to := self._private_listeners(account, "margin", -1):
                self._send(to, "margin", "update", [self.data.margin_row(account, at, now)])
            if to := self._private_listeners(account, "wallet", -1):
                self._send(to, "wallet", "update", [self.data.wallet_row(account, at, now)])

    def _position(self, account: SimAccount, index: int, now: int) -> None:
        to = self._private_listeners(account, "position", index)
        is_new = (account.number, index) not in self._positions
        self._positions.add((account.number, index))
        if to:
            row = self.data.position_row(account, index, now)
            self._send(to, "position", "insert" if is_new else "update", [row])
