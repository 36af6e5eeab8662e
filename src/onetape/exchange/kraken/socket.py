"""Kraken's WebSocket v2: connections, subscriptions, and requests.

Public and private clients use one address; private subscriptions need a token. Source: docs.kraken.com "WebSocket
v2", as of 2026-11.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from onetape.exchange.account import SimAccount
from onetape.exchange.dialect import Connection, encode
from onetape.exchange.exchange import SimExchange
from onetape.exchange.kraken.account import AccountData, LedgerEntry, entries_of_fill, entry_of_income
from onetape.exchange.kraken.book import DEPTHS, BookView
from onetape.exchange.kraken.channels import (
    candle_row,
    instrument_rows,
    last_candles,
    status_row,
    ticker_row,
    trade_row,
)
from onetape.exchange.kraken.executions import OPEN_CLOSE, Executions, balance_row, ledger_row
from onetape.exchange.kraken.orders import OrderMethods
from onetape.exchange.kraken.public import INTERVALS, PublicData
from onetape.exchange.kraken.tokens import Tokens
from onetape.exchange.kraken.trading import Trading
from onetape.exchange.kraken.wire import Refused, parse_json, rfc3339
from onetape.exchange.reports import CashReport, DepthReport, OrderReport, QuoteReport, Report, TradeReport
from onetape.exchange.subscriptions import Subscriptions
from onetape.model.time import SECOND

__all__ = ["Socket"]

PATHS: Final = ("/v2", "/v2/public", "/v2/private")
HEARTBEAT_NS: Final = SECOND
TRADES_SHOWN: Final = 50
BY_SYMBOL: Final = frozenset({"ticker", "book", "trade", "ohlc"})
PRIVATE: Final = frozenset({"executions", "balances"})

# (channel, symbol, depth, interval or trigger)
Topic = tuple[str, str, str]


@dataclass(slots=True)
class Client:
    """The dialect's state of a connection."""

    account: SimAccount | None = None  # the account of its private subscriptions
    transitions: bool = True  # executions: report all changes, else only openings and ends
    counter: bool = False  # executions: include the rate counter
    sequence: dict[str, int] = field(default_factory=dict)  # private channel -> last number
    heard: int = 0  # time of the last message to it


class Socket:
    """Serves the WebSocket side of one exchange."""

    def __init__(self, exchange: SimExchange, public: PublicData, trading: Trading, tokens: Tokens) -> None:
        self.exchange = exchange
        self.public = public
        self.trading = trading
        self.tokens = tokens
        self.symbols = public.names.symbols
        self.executions = Executions(exchange, self.symbols)
        self.orders = OrderMethods(exchange, public, trading)
        self.data = AccountData(exchange, public)
        self.clients: dict[int, tuple[Connection, Client]] = {}
        self._subscriptions: Subscriptions[Topic] = Subscriptions()
        self.views: dict[tuple[int, int], BookView] = {}
        self._balances: dict[tuple[int, int], int] = {}  # (account, currency) -> balance as last sent
        for account in exchange.accounts:
            for at in range(len(exchange.currencies)):
                self._balances[account.number, at] = int(account.money.balance(at))

    # --- connections ------------------------------------------------------------------------------

    def connect(self, connection: Connection, now: int) -> bool:
        if connection.path.rstrip("/") not in PATHS:
            return False
        client = Client(heard=now)
        connection.state = client
        self.clients[connection.id] = (connection, client)
        connection.say({"channel": "status", "type": "update", "data": [status_row(connection.id)]})
        return True

    def disconnect(self, connection: Connection) -> None:
        if self.clients.pop(connection.id, None) is not None:
            for topic in list(self._subscriptions.of(connection)):
                self._drop(connection, topic)
            self.tokens.release(connection.id)

    def tick(self, now: int) -> None:
        """Sends a heartbeat to subscribed clients to which nothing was sent for a second."""
        for connection, client in self.clients.values():
            if self._subscriptions.of(connection) and now - client.heard >= HEARTBEAT_NS:
                connection.say({"channel": "heartbeat"})
                client.heard = now

    # --- requests ---------------------------------------------------------------------------------

    def message(self, connection: Connection, data: bytes, now: int) -> None:
        client: Client = connection.state
        head: dict[str, Any] = {}
        try:
            request = parse_json(data.decode("utf-8", "replace"))
            if not isinstance(request, dict):
                raise Refused("EGeneral:Invalid arguments")
            method, number, params = request.get("method"), request.get("req_id"), request.get("params")
            if isinstance(number, str) and number.isascii() and number.isdigit():
                head["req_id"] = int(number)
            if not isinstance(method, str) or not isinstance(params, dict | None):
                raise Refused("EGeneral:Invalid arguments")
            head["method"] = method
            answers = self._answers(connection, client, method, params or {}, now)
        except Refused as refused:
            answers = [{"error": refused.text, "success": False}]
        times = {"time_in": rfc3339(now), "time_out": rfc3339(now)}
        if head.get("method") == "ping":
            connection.say({**head, "method": "pong", **times})
            return
        after: list[dict[str, Any]] = []
        for answer in answers:
            after += answer.pop("then", [])
            connection.say({**head, **answer, **times})
        for each in after:
            connection.say(each)
        client.heard = now

    def _answers(
        self, connection: Connection, client: Client, method: str, params: dict[str, Any], now: int
    ) -> list[dict[str, Any]]:
        if method == "ping":
            return []
        if method in ("subscribe", "unsubscribe"):
            return self._subscription(connection, client, method, params, now)
        order_method = self.orders.methods.get(method)
        if order_method is None:
            raise Refused("EGeneral:Unknown method")
        key = self.tokens.key(params.get("token"), now)
        if not key.can_trade:
            raise Refused("EGeneral:Permission denied")
        return order_method(key.account, params, now)

    # --- subscriptions ----------------------------------------------------------------------------

    def _subscription(
        self, connection: Connection, client: Client, method: str, params: dict[str, Any], now: int
    ) -> list[dict[str, Any]]:
        channel = params.get("channel")
        if not isinstance(channel, str):
            raise Refused("EGeneral:Invalid arguments:channel")
        if channel in PRIVATE:
            return self._private_subscription(connection, client, method, channel, params, now)
        if channel in ("instrument", "status", "heartbeat"):
            topics = [(channel, "", "")]
        elif channel in BY_SYMBOL:
            topics = [(channel, name, self._kind(channel, params)) for name in self._symbols_of(params)]
        else:
            raise Refused("EGeneral:Invalid arguments:channel")
        answers: list[dict[str, Any]] = []
        wants_snapshot = params.get("snapshot", True) is not False
        for topic in topics:
            is_there, text = topic in self._subscriptions.of(connection), ""
            if topic[1] and topic[1] not in self.public.names.by_symbol:
                text = f"Currency pair not supported {topic[1]}"
            elif is_there == (method == "subscribe"):
                text = "Already subscribed" if is_there else "Subscription Not Found"
            if text:
                answers.append({"error": text, "success": False, "symbol": topic[1]})
                continue
            result = self._confirmed(topic)
            if method == "subscribe":
                result["snapshot"] = wants_snapshot
                self._subscriptions.add(connection, topic)
                then = self._snapshot(topic, now, is_wanted=wants_snapshot)
                answers.append({"result": result, "success": True, "then": then})
            else:
                self._drop(connection, topic)
                answers.append({"result": result, "success": True})
        return answers

    def _symbols_of(self, params: dict[str, Any]) -> list[str]:
        """Returns the named symbols, each once."""
        value = params.get("symbol")
        if value in ("*", ["*"]):
            return list(self.symbols)
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not names:
            raise Refused("EGeneral:Invalid arguments:symbol")
        if not all(isinstance(name, str) for name in names):
            raise Refused("EGeneral:Invalid arguments:symbol")
        return list(dict.fromkeys(names))

    @staticmethod
    def _kind(channel: str, params: dict[str, Any]) -> str:
        """Returns a subscription's parameter besides its symbol: depth, interval, trigger."""
        if channel == "book":
            depth = str(params.get("depth", 10))
            if depth not in {str(each) for each in DEPTHS}:
                raise Refused("EGeneral:Invalid arguments:depth")
            return depth
        if channel == "ohlc":
            interval = str(params.get("interval", 1))
            if interval not in {str(each) for each in INTERVALS}:
                raise Refused("EGeneral:Invalid arguments:interval")
            return interval
        if channel == "ticker":
            trigger = str(params.get("event_trigger", "trades"))
            if trigger not in ("trades", "bbo"):
                raise Refused("EGeneral:Invalid arguments:event_trigger")
            return trigger
        return ""

    @staticmethod
    def _confirmed(topic: Topic) -> dict[str, Any]:
        channel, symbol, kind = topic
        result: dict[str, Any] = {"channel": channel}
        if symbol:
            result["symbol"] = symbol
        if channel == "book":
            result["depth"] = int(kind)
        elif channel == "ohlc":
            result["interval"] = int(kind)
        elif channel == "ticker":
            result["event_trigger"] = kind
        return result

    def _drop(self, connection: Connection, topic: Topic) -> None:
        self._subscriptions.drop(connection, topic)
        if topic[0] == "book" and topic not in self._subscriptions:
            self.views.pop((self.public.names.by_symbol[topic[1]], int(topic[2])), None)

    def _snapshot(self, topic: Topic, now: int, *, is_wanted: bool) -> list[dict[str, Any]]:
        channel, symbol, kind = topic
        at = self.public.names.by_symbol.get(symbol, 0)
        listing = self.exchange.listings[at]
        if channel == "book":
            # The snapshot of a book is always sent, because clients need it.
            view = self.views.get((at, int(kind)))
            if view is None:
                view = self.views[at, int(kind)] = BookView(self.exchange, at, symbol, int(kind))
                view.update(now)
            else:
                self._send_book(view, now, but_for=topic)
            return [view.snapshot(now)]
        if not is_wanted:
            return []
        data: Any
        if channel == "ticker":
            data = [ticker_row(listing, symbol, now)]
        elif channel == "trade":
            last = list(listing.trades)[-TRADES_SHOWN:]
            data = [trade_row(listing.instrument, symbol, trade) for trade in last]
        elif channel == "ohlc":
            data = [
                candle_row(listing.instrument, symbol, each, int(kind), now)
                for each in last_candles(listing, int(kind))
            ]
        elif channel == "instrument":
            data = instrument_rows(self.exchange, self.symbols)
        else:
            return []
        return [{"channel": channel, "type": "snapshot", "data": data}]

    # --- private ----------------------------------------------------------------------------------

    def _private_subscription(
        self, connection: Connection, client: Client, method: str, channel: str, params: dict[str, Any], now: int
    ) -> list[dict[str, Any]]:
        account = self.tokens.key(params.get("token"), now).account
        topic = (channel, "", str(account.number))
        result: dict[str, Any] = {"channel": channel}
        if method == "unsubscribe":
            if topic not in self._subscriptions.of(connection):
                raise Refused("Subscription Not Found")
            self._drop(connection, topic)
            if not any(each[0] in PRIVATE for each in self._subscriptions.of(connection)):
                self.tokens.release(connection.id)
            return [{"result": result, "success": True}]
        if topic in self._subscriptions.of(connection):
            raise Refused("Already subscribed")
        if client.account not in (None, account):
            raise Refused("EGeneral:Permission denied")
        client.account = account
        self._subscriptions.add(connection, topic)
        self.tokens.keep(params["token"], connection.id)
        wants = params.get("snapshot", True) is not False
        if channel == "balances":
            result["snapshot"] = wants
            rows = [
                balance_row(name, int(account.money.balance(at))) for at, name in enumerate(self.exchange.currencies)
            ]
        else:
            client.transitions = params.get("order_status", True) is not False
            client.counter = params.get("ratecounter", False) is True
            orders = params.get("snap_orders", True) is not False
            trades = params.get("snap_trades", False) is True
            result |= {"snap_orders": orders, "snap_trades": trades, "snapshot": wants}
            result["order_status"] = client.transitions
            if client.counter:
                result["maxratecount"] = 125
            rows = self.executions.open_orders(account) if orders else []
            rows += self.executions.last_trades(account) if trades else []
        message = self._numbered(client, channel, "snapshot", rows)
        return [{"result": result, "success": True, "then": [message] if wants else []}]

    @staticmethod
    def _numbered(client: Client, channel: str, kind: str, rows: list[Any]) -> dict[str, Any]:
        number = client.sequence[channel] = client.sequence.get(channel, 0) + 1
        return {"channel": channel, "type": kind, "data": rows, "sequence": number}

    # --- reports ----------------------------------------------------------------------------------

    def publish(self, reports: list[Report], now: int) -> None:
        traded: dict[int, list[TradeReport]] = {}
        moved: dict[int, None] = {}
        quoted: dict[int, None] = {}
        for report in reports:
            if isinstance(report, TradeReport):
                traded.setdefault(report.at, []).append(report)
                moved[report.at] = None
            elif isinstance(report, DepthReport):
                moved[report.at] = None
            elif isinstance(report, QuoteReport):
                moved[report.at] = quoted[report.at] = None
            elif isinstance(report, OrderReport):
                moved[report.order.index] = None
                self._publish_order(report, now)
            elif isinstance(report, CashReport) and report.reason != "order":
                self._publish_cash(report, now)
        for at, trades in traded.items():
            self._publish_trades(at, trades, now)
        for at in quoted:
            self._publish_ticker(at, "bbo", now)
        for (at, _depth), view in self.views.items():
            if at in moved:
                self._send_book(view, now)

    def _send(self, topic: Topic, value: Any, now: int) -> None:
        if to := self._subscriptions.to(topic):
            message = encode(value)
            for connection in to:
                connection.send(message)
                connection.state.heard = now

    def _send_book(self, view: BookView, now: int, *, but_for: Topic | None = None) -> None:
        topic = ("book", view.symbol, str(view.depth))
        update = view.update(now)
        if update is not None:
            self._send(topic, update, now)

    def _publish_trades(self, at: int, trades: list[TradeReport], now: int) -> None:
        symbol, listing = self.symbols[at], self.exchange.listings[at]
        i = listing.instrument
        topic = ("trade", symbol, "")
        if topic in self._subscriptions:
            rows = [trade_row(i, symbol, trade) for trade in trades]
            self._send(topic, {"channel": "trade", "type": "update", "data": rows}, now)
        self._publish_ticker(at, "trades", now)
        self._publish_ticker(at, "bbo", now)
        for minutes in INTERVALS:
            topic = ("ohlc", symbol, str(minutes))
            if topic in self._subscriptions:
                rows = [candle_row(i, symbol, each, minutes, now) for each in last_candles(listing, minutes)[-1:]]
                self._send(topic, {"channel": "ohlc", "type": "update", "data": rows}, now)

    def _publish_ticker(self, at: int, trigger: str, now: int) -> None:
        topic = ("ticker", self.symbols[at], trigger)
        if topic in self._subscriptions:
            row = ticker_row(self.exchange.listings[at], self.symbols[at], now)
            self._send(topic, {"channel": "ticker", "type": "update", "data": [row]}, now)

    def _private(self, account: SimAccount, channel: str) -> list[tuple[Connection, Client]]:
        return [(each, each.state) for each in self._subscriptions.to((channel, "", str(account.number)))]

    def _publish_order(self, report: OrderReport, now: int) -> None:
        order = report.order
        clients = self._private(order.account, "executions")
        if clients:
            for event in self.executions.events(report):
                for connection, client in clients:
                    if not client.transitions and event["exec_type"] not in OPEN_CLOSE:
                        continue
                    if client.counter:
                        used = self.trading.limits.used_pair(order.account.number, order.index, now)
                        event = {**event, "ratecount": round(used, 2)}
                    connection.say(self._numbered(client, "executions", "update", [event]))
                    client.heard = now
        if report.fill is not None:
            entries = entries_of_fill(self.exchange, order, report.fill)
            left = (self._moved(order.account, e.currency, e.amount - e.fee, e.time) for e in entries)
            changes = [entry._replace(balance=balance) for entry, balance in zip(entries, left, strict=True)]
            self._tell_balances(order.account, changes, now)

    def _publish_cash(self, report: CashReport, now: int) -> None:
        """Sends deposits and withdrawals."""
        account, currency = report.account, report.currencies[0]
        balance = self._moved(account, currency, report.amount, report.time)
        entry = (report.time, currency, report.amount)
        income = next(i for i in reversed(account.income) if (i.time, i.currency, i.amount) == entry)
        self._tell_balances(account, [entry_of_income(income, balance)], now)

    def _moved(self, account: SimAccount, currency: int, change: int, time: int) -> int:
        """Returns the balance to send after a change."""
        key = (account.number, currency)
        if key not in self._balances:  # an account opened later begins with nothing
            self._balances[key] = 0
        self._balances[key] += change
        return self._balances[key] + account.silent_by(currency, time)

    def _tell_balances(self, account: SimAccount, entries: list[LedgerEntry], now: int) -> None:
        for connection, client in self._private(account, "balances"):
            rows = [ledger_row(self.exchange.currencies[e.currency], e) for e in entries]
            connection.say(self._numbered(client, "balances", "update", rows))
            client.heard = now
