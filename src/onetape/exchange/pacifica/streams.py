"""Pacifica: the channels of the WebSocket.

Account channels are unsigned. An invalid subscription gets no answer and no error. Books and prices are sent complete
at intervals; all other messages at once. Source: docs.pacifica.fi "Subscriptions" (2026), and ccxt 4.5.90; the interval
of prices is unverified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from onetape.exchange.account import SimAccount, Trade
from onetape.exchange.dialect import Connection, encode
from onetape.exchange.exchange import SimExchange
from onetape.exchange.pacifica.access import Access
from onetape.exchange.pacifica.account import INFO, AccountData
from onetape.exchange.pacifica.public import PublicData
from onetape.exchange.pacifica.wire import ORDER, Refused, ms, price_text, shown, size_text
from onetape.exchange.reports import CashReport, ModeReport, OrderReport, QuoteReport, Report, TradeReport
from onetape.exchange.subscriptions import Subscriptions
from onetape.model.enums import OrderState
from onetape.model.errors import OrderWouldCross
from onetape.model.time import MINUTE
from onetape.venues.columns import columns
from onetape.venues.pacifica.words import INTERVALS, ORDER_COLUMNS, POSITION_COLUMNS, TRADE_COLUMNS

__all__ = ["Streams", "Subscriber", "Topic"]

BOOK_NS: Final = 250_000_000
PRICES_NS: Final = 1_000_000_000
TOPICS_MAX: Final = 20  # per channel and connection
ACCOUNTS: Final = frozenset(
    f"account_{each}"
    for each in ("orders", "order_updates", "trades", "positions", "info", "margin", "leverage", "transfers")
)

TRADE: Final = columns("h:history_id s:symbol a:amount p:price d:side tc:cause t:created_at")
Topic = tuple[str, str, str]  # source, symbol or address, and agg_level or interval


@dataclass(slots=True)
class Subscriber:
    """The dialect's state of a connection. heard: time of the client's last message, ns UTC."""

    heard: int
    account: SimAccount | None = None  # the account of the last subscription


class Streams:
    """Keeps the subscriptions, and writes their messages."""

    def __init__(self, exchange: SimExchange, public: PublicData, data: AccountData, access: Access) -> None:
        self.exchange = exchange
        self.public = public
        self.data = data
        self.access = access
        self.connections: dict[int, Connection] = {}
        self._subscriptions: Subscriptions[Topic] = Subscriptions()
        self._books_due = self._prices_due = 0

    # --- subscriptions ----------------------------------------------------------------------------

    def topic(self, params: Any) -> Topic:
        """Returns a subscription's topic. Raises Refused for an unknown one."""
        source = params.get("source") if isinstance(params, dict) else None
        if not isinstance(source, str):
            raise Refused
        if source == "prices":
            return source, "", ""
        if source in ACCOUNTS:
            return source, self.access.account_at(params.get("account")).key, ""
        symbol = self.exchange.instruments[self.public.at(params.get("symbol"))].raw_symbol
        if source in ("bbo", "trades"):
            return source, symbol, ""
        if source == "book":
            return source, symbol, str(self.public.level(params.get("agg_level")))
        if source in ("candle", "mark_price_candle") and str(params.get("interval")) in INTERVALS:
            return source, symbol, params["interval"]
        raise Refused

    def subscribe(self, connection: Connection, params: Any, now: int) -> None:
        subscriber: Subscriber = connection.state
        try:
            topic = self.topic(params)
        except Refused:
            return
        if sum(each[0] == topic[0] for each in self._subscriptions.of(connection)) >= TOPICS_MAX:
            return
        self._subscriptions.add(connection, topic)
        connection.say({"channel": "subscribe", "data": params})
        if topic[0] in ACCOUNTS:
            subscriber.account = self.exchange.accounts.by_key[topic[1]]
            if topic[0] == "account_positions":
                connection.say(self._positions(subscriber.account))
            elif topic[0] == "account_orders":
                self._orders(subscriber.account, connection)

    def unsubscribe(self, connection: Connection, params: Any) -> None:
        try:
            topic = self.topic(params)
        except Refused:
            return
        if self._subscriptions.drop(connection, topic):
            connection.say({"channel": "unsubscribe", "data": params})

    def disconnect(self, connection: Connection) -> None:
        self.connections.pop(connection.id, None)
        self._subscriptions.leave(connection)

    # --- sending ----------------------------------------------------------------------------------

    def _send(self, topic: Topic, make: Callable[[], Any], **more: Any) -> None:
        """Sends a message; it is made only if there is a subscriber."""
        if to := self._subscriptions.to(topic):
            message = encode({"channel": topic[0], "data": make(), **more})
            for connection in to:
                connection.send(message)

    def tick(self, now: int) -> None:
        if not self._subscriptions:
            return
        if now >= self._books_due:
            self._books_due = now - now % BOOK_NS + BOOK_NS
            for topic in self._subscriptions:
                if topic[0] == "book":
                    self._send(topic, partial(self._book, topic, now))
        if now >= self._prices_due:
            before, self._prices_due = self._prices_due - PRICES_NS, now - now % PRICES_NS + PRICES_NS
            self._send(("prices", "", ""), lambda: self.public.prices(now))
            for topic in self._subscriptions:
                if topic[0].endswith("candle"):
                    self._candle(topic, before, now)

    def _book(self, topic: Topic, now: int) -> dict[str, Any]:
        return {**self.public.book(self.public.index_of[topic[1]], int(topic[2]), now), "li": self.public.last_id}

    def _candle(self, topic: Topic, before: int, now: int) -> None:
        """Sends the current candle, after the final update of one that has ended since `before`."""
        _, symbol, interval = topic
        at, is_mark, period = self.public.index_of[symbol], topic[0].startswith("mark"), INTERVALS[interval] * MINUTE
        for time in (before, now) if before // period == now // period - 1 else (now,):
            if row := self.public.last_candle(at, interval, time, is_mark=is_mark):
                self._send(topic, partial(dict, row))

    # --- reports ------------------------------------------------------------------------------------------------------

    def publish(self, reports: list[Report], now: int) -> None:
        for report in reports:
            match report:
                case QuoteReport():
                    self._send(("bbo", self._symbol(report.at), ""), partial(self._best, report))
                case TradeReport():
                    self._send(("trades", self._symbol(report.at), ""), partial(self._trades, report))
                case OrderReport():
                    self.data.on_report(report)
                    self._order(report)
                case CashReport():
                    self._cash(report, now)
                case ModeReport():
                    self._mode(report, now)
                case _:
                    pass

    def _symbol(self, at: int) -> str:
        return self.exchange.instruments[at].raw_symbol

    def _best(self, report: QuoteReport) -> dict[str, Any]:
        i, last_id = self.exchange.instruments[report.at], self.public.last_id
        return {
            "s": i.raw_symbol,
            "i": last_id,
            "li": last_id,
            "t": ms(report.time),
            "b": price_text(i, report.bid),
            "B": size_text(i, report.bid_size),
            "a": price_text(i, report.ask),
            "A": size_text(i, report.ask_size),
        }

    def _trades(self, report: TradeReport) -> list[dict[str, Any]]:
        return [shown(self.public.trade_row(report), TRADE) | {"li": self.public.last_id}]

    def _order(self, report: OrderReport) -> None:
        order, address = report.order, report.order.account.key
        if report.state is OrderState.REJECTED and report.code != OrderWouldCross.code:
            return  # refused in the answer, and not reported
        li = {"li": self.public.last_id}
        if to := self._subscriptions.to(("account_orders", address, "")):
            self._orders(order.account, *to)
        self._send(
            ("account_order_updates", address, ""),
            lambda: [shown(self.data.order_row(order, report), ORDER_COLUMNS) | li],
        )
        if fill := report.fill:
            trade = Trade(order, fill)
            self._send(("account_trades", address, ""), lambda: [shown(self.data.trade_row(trade), TRADE_COLUMNS) | li])

    def _orders(self, account: SimAccount, *to: Connection) -> None:
        """Sends all working orders, when subscribed and after each change. The venue does so with TWAP orders; for
        these orders the later messages are unverified."""
        rows = [shown(self.data.order_row(each), ORDER) for each in account.open_orders.values()]
        message = encode({"channel": "account_orders", "data": rows, "li": self.public.last_id})
        for connection in to:
            connection.send(message)

    def _positions(self, account: SimAccount, symbol: str = "") -> dict[str, Any]:
        """Returns all positions of an account, or that of a symbol; nothing if it is closed."""
        rows = [shown(row, POSITION_COLUMNS) for row in self.data.positions(account) if symbol in ("", row["symbol"])]
        return {"channel": "account_positions", "data": rows, "li": self.public.last_id}

    def _cash(self, report: CashReport, now: int) -> None:
        account, address = report.account, report.account.key
        for at, _side in report.positions:
            made = self._positions(account, self._symbol(at))
            self._send(("account_positions", address, ""), partial(made.get, "data"), li=made["li"])
        self._send(("account_info", address, ""), lambda: shown(self.data.info(account, now), INFO))
        if report.reason in ("deposit", "withdraw", "withdrawal"):
            self.data.count_spot(account, now)
            self._send(("account_transfers", address, ""), lambda: self.data.transfer(report))

    def _mode(self, report: ModeReport, now: int) -> None:
        account = report.account
        symbol = {"u": account.key, "s": self._symbol(report.at)}
        if report.what == "leverage":
            row = {**symbol, "l": str(account.leverage_of(report.at)), "t": ms(now)}
            self._send(("account_leverage", account.key, ""), lambda: row)
        elif report.what == "margin":
            self.data.count_spot(account, now)
            row = {**symbol, "i": report.at in account.isolated, "t": ms(now)}
            self._send(("account_margin", account.key, ""), lambda: row)
