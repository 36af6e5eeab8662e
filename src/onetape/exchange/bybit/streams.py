"""Bybit v5: the topics of the WebSockets, public and private.

Source: Bybit API documentation v5, "WebSocket Stream", as of 2026-07. A book begins with a snapshot, and depth 1 is
always one, repeated after three seconds; tickers send what has changed. No private topic begins with a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from onetape.exchange.account import SimAccount, Trade
from onetape.exchange.bybit.account import AccountData
from onetape.exchange.bybit.public import SPOT, PublicData
from onetape.exchange.bybit.trading import Trading
from onetape.exchange.bybit.wire import Refused, ms, order_row, price_text, size_text
from onetape.exchange.dialect import Connection, encode
from onetape.exchange.exchange import SimExchange
from onetape.exchange.reports import CashReport, OrderReport, QuoteReport, Report, TradeReport
from onetape.exchange.subscriptions import Subscriptions
from onetape.model.enums import OrderState, PositionSide, Side
from onetape.model.errors import OrderWouldCross, SelfTrade
from onetape.model.time import MINUTE, SECOND
from onetape.venues.bybit.words import CATEGORIES, INTERVALS, SIDE_WORDS

__all__ = ["PRIVATE", "Streams", "Subscriber"]

PACES: Final = {"1": SECOND // 100, "50": SECOND // 50, "200": SECOND // 10, "1000": SECOND // 5}  # by depth
PRIVATE: Final = ("order", "execution", "position", "wallet")
TICKERS_NS: Final = SECOND // 10
REPEAT_NS: Final = 3 * SECOND
_BY_ENGINE: Final = (OrderWouldCross.code, SelfTrade.code)
SPOT_ARGS_MAX: Final = 10
Topic = tuple[str, int, str]  # name; instrument or account number; depth, interval or an account's category


@dataclass(slots=True)
class Subscriber:
    """The dialect's state of a connection. way: `linear`, `private` or `trade`; heard: time of the client's last
    message, ns UTC."""

    way: str
    heard: int
    account: SimAccount | None = None
    tickers: dict[int, dict[str, str]] = field(default_factory=dict)  # by instrument, as sent last
    requests: dict[str, None] = field(default_factory=dict)  # ids, to refuse a second one


@dataclass(slots=True)
class _Shown:
    """A book as the subscribers of a topic have it. sides: bids and asks, size by price as text; due: when the next
    change may be sent, ns UTC; update: number of the last message."""

    sides: tuple[dict[str, str], dict[str, str]]
    due: int
    update: int = 1


class Streams:
    """Keeps the subscriptions, and writes their messages."""

    def __init__(self, exchange: SimExchange, public: PublicData, data: AccountData, trading: Trading) -> None:
        self.exchange = exchange
        self.public = public
        self.data = data
        self.trading = trading
        self.connections: dict[int, Connection] = {}
        self._subscriptions: Subscriptions[Topic] = Subscriptions()
        self._tops: dict[int, tuple[int, bytes]] = {}  # instrument -> time and message of its best prices, as sent last
        self._books: dict[tuple[int, str], _Shown] = {}  # by instrument and depth
        self._tickers_due = 0
        self._count = 0

    # --- subscriptions ----------------------------------------------------------------------------

    def topic(self, connection: Connection, text: str) -> Topic:
        """Returns a subscription's topic. Raises Refused for an unknown one."""
        subscriber: Subscriber = connection.state
        if subscriber.way == "private":
            name, _, category = text.partition(".")
            listed = ("",) if name == "wallet" else ("", *CATEGORIES.values())
            if name not in PRIVATE or category not in listed or subscriber.account is None:
                raise Refused(10001, f"Request not authorized: {text}")
            return name, subscriber.account.number, category
        name, *rest = text.split(".")
        at = self.public.at(subscriber.way, rest[-1] if rest else "")
        detail = rest[0] if len(rest) == 2 else ""
        is_listed = (
            (name == "orderbook" and detail in PACES)
            or (name == "kline" and detail in INTERVALS)
            or (name in ("publicTrade", "tickers", "allLiquidation") and not detail)
        )
        if not is_listed:
            raise Refused(10001, f"error:handler not found,topic:{text}")
        return name, at, detail

    def subscribe(self, connection: Connection, texts: list[str], now: int) -> None:
        """Adds subscriptions; a wrong topic refuses all. Raises Refused."""
        if connection.state.way == SPOT and len(texts) > SPOT_ARGS_MAX:
            raise Refused(10001, f"args size >{SPOT_ARGS_MAX}")
        topics = [self.topic(connection, text) for text in texts]
        for topic in topics:
            self._subscriptions.add(connection, topic)

    def begin(self, connection: Connection, texts: list[str], now: int) -> None:
        """Sends the snapshots of topics, once they are confirmed."""
        for name, at, detail in (self.topic(connection, text) for text in texts):
            if name == "orderbook":
                connection.send(self._snapshot(at, detail, now))
            elif name == "tickers":
                self._ticker(connection, at, now)

    def unsubscribe(self, connection: Connection, texts: list[str]) -> None:
        for topic in (self.topic(connection, text) for text in texts):
            self._subscriptions.drop(connection, topic)

    def disconnect(self, connection: Connection) -> None:
        self.connections.pop(connection.id, None)
        self._subscriptions.leave(connection)

    # --- sending ----------------------------------------------------------------------------------

    def _send(self, topic: Topic, make: Callable[[], bytes]) -> None:
        """Sends a message; it is made only if there is a subscriber."""
        if to := self._subscriptions.to(topic):
            message = make()
            for connection in to:
                connection.send(message)

    def _snapshot(self, at: int, detail: str, now: int) -> bytes:
        """Returns the book as the topic's subscribers have it."""
        shown = self._books.get((at, detail))
        if shown is None or len(self._subscriptions.to(("orderbook", at, detail))) < 2:  # nobody follows it
            shown = self._books[at, detail] = _Shown(self._levels(at, detail), now + PACES[detail])
        return self._message(at, detail, "snapshot", shown.update, shown.sides, now)

    def _levels(self, at: int, detail: str) -> tuple[dict[str, str], dict[str, str]]:
        bids, asks = (self.public.levels(at, side, int(detail)) for side in (Side.BUY, Side.SELL))
        return dict(bids), dict(asks)

    def _message(
        self, at: int, detail: str, kind: str, update: int, sides: tuple[dict[str, str], dict[str, str]], now: int
    ) -> bytes:
        bids, asks = ([[price, size] for price, size in side.items()] for side in sides)
        seq, symbol = self.exchange.listings[at].depth_id, self._symbol(at)
        data = {"s": symbol, "b": bids, "a": asks, "u": update, "seq": seq}
        topic = f"orderbook.{detail}.{symbol}"
        return encode({"topic": topic, "type": kind, "ts": ms(now), "data": data, "cts": ms(now)})

    def _changes(self, at: int, detail: str, now: int) -> None:
        """Sends what has changed within a topic's depth, at its pace."""
        shown = self._books.get((at, detail))
        if shown is None or now < shown.due:
            return
        shown.due, sides = now + PACES[detail], self._levels(at, detail)
        gone = tuple(dict.fromkeys(old.keys() - new.keys(), "0") for old, new in zip(shown.sides, sides, strict=True))
        fresh = tuple(dict(new.items() - old.items()) for old, new in zip(shown.sides, sides, strict=True))
        if any(gone) or any(fresh):
            shown.sides, shown.update = sides, shown.update + 1
            changed = gone[0] | fresh[0], gone[1] | fresh[1]
            message = self._message(at, detail, "delta", shown.update, changed, now)
            self._send(("orderbook", at, detail), lambda: message)

    def _ticker(self, connection: Connection, at: int, now: int) -> None:
        """Sends a ticker's fields that have changed since they were sent on this connection; that of spot whole."""
        before, symbol = connection.state.tickers.get(at), self._symbol(at)
        row = self.public.ticker(at, now, is_topic=True)
        changed = row if before is None else {name: text for name, text in row.items() if before.get(name) != text}
        if not changed:
            return
        connection.state.tickers[at] = row
        self._count += 1
        is_whole = before is None or connection.state.way == SPOT
        changed = row if is_whole else changed
        message = {"topic": f"tickers.{symbol}", "type": "snapshot" if is_whole else "delta"}
        connection.say({**message, "data": {"symbol": symbol, **changed}, "cs": self._count, "ts": ms(now)})

    def tick(self, now: int) -> None:
        if not self._subscriptions or now < self._tickers_due:
            return
        before, self._tickers_due = self._tickers_due - TICKERS_NS, now - now % TICKERS_NS + TICKERS_NS
        for topic in list(self._subscriptions):
            name, at, detail = topic
            if name == "tickers":
                for connection in self._subscriptions.to(topic):
                    self._ticker(connection, at, now)
            elif name == "kline":
                self._klines(topic, before, now)
            elif name == "orderbook" and detail == "1":
                time, message = self._tops.get(at, (now, b""))
                if now - time >= REPEAT_NS:
                    self._tops[at] = now, message
                    self._send(topic, partial(bytes, message))

    def _klines(self, topic: Topic, before: int, now: int) -> None:
        """Sends the last message of a bar that has ended since `before`, and each second that of the running one."""
        _, at, interval = topic
        period = INTERVALS[interval] * MINUTE
        has_ended = before // period != now // period
        if not has_ended and before // SECOND == now // SECOND:
            return
        for bar in self.public.bars(at, interval)[-2:]:
            is_over = bar.close_time <= now
            if is_over and not (has_ended and bar.close_time > before - period):
                continue
            row = self.public.kline(self.exchange.instruments[at], bar, interval, now, is_over=is_over)
            message = {
                "topic": f"kline.{interval}.{self._symbol(at)}",
                "type": "snapshot",
                "ts": ms(now),
                "data": [row],
            }
            self._send(topic, partial(encode, message))

    # --- reports ------------------------------------------------------------------------------------------------------

    def publish(self, reports: list[Report], now: int) -> None:
        for report in reports:
            match report:
                case QuoteReport():
                    self._quote(report)
                case TradeReport():
                    self._send(("publicTrade", report.at, ""), partial(self._trade, report))
                case OrderReport():
                    self._order(report, now)
                case CashReport():
                    self._cash(report, now)
                case _:
                    pass
        for name, at, detail in self._subscriptions:
            if name == "orderbook" and detail != "1":
                self._changes(at, detail, now)

    def _symbol(self, at: int) -> str:
        return self.exchange.instruments[at].raw_symbol

    def _quote(self, report: QuoteReport) -> None:
        symbol = self._symbol(report.at)
        if ("orderbook", report.at, "1") not in self._subscriptions:
            return
        i = self.exchange.instruments[report.at]
        bids = [[price_text(i, report.bid), size_text(i, report.bid_size)]] if report.bid else []
        asks = [[price_text(i, report.ask), size_text(i, report.ask_size)]] if report.ask else []
        data = {"s": symbol, "b": bids, "a": asks, "u": report.update_id, "seq": report.update_id}
        about = {"topic": f"orderbook.1.{symbol}", "type": "snapshot", "ts": ms(report.time)}
        message = encode({**about, "data": data, "cts": ms(report.time)})
        self._tops[report.at] = report.time, message
        self._send(("orderbook", report.at, "1"), lambda: message)

    def _trade(self, report: TradeReport) -> bytes:
        i = self.exchange.instruments[report.at]
        row = {
            "T": ms(report.time),
            "s": i.raw_symbol,
            "S": SIDE_WORDS[report.side],
            "v": size_text(i, report.size),
            "p": price_text(i, report.price),
            "L": "PlusTick",
            "i": self.public.trade_id(report),
            "BT": False,
            "RPI": False,
            "seq": report.trade_id,
        }
        topic = f"publicTrade.{i.raw_symbol}"
        return encode({"topic": topic, "type": "snapshot", "ts": ms(report.time), "data": [row]})

    # --- an account's topics ----------------------------------------------------------------------

    def _private(
        self, account: SimAccount, name: str, rows: Callable[[], list[Any]], now: int, at: int | None = None
    ) -> None:
        """Sends rows to a topic; of an instrument also to that of its category."""

        def make(topic: str) -> bytes:
            self._count += 1
            about = {"id": f"{account.number}-{self._count}", "topic": topic, "creationTime": ms(now)}
            return encode({**about, "data": rows()})

        self._send((name, account.number, ""), partial(make, name))
        if at is not None:
            category = CATEGORIES[self.exchange.instruments[at].kind]
            self._send((name, account.number, category), partial(make, f"{name}.{category}"))

    def _order(self, report: OrderReport, now: int) -> None:
        order = report.order
        if report.state is OrderState.REJECTED and report.code not in _BY_ENGINE:
            return  # refused in the answer, and not reported
        if report.fill is not None:
            trade = Trade(order, report.fill)
            self._private(order.account, "execution", lambda: [self.data.execution(trade)], now, order.index)
            self.trading.protect(order, now)
        i = self.exchange.instruments[order.index]
        self._private(order.account, "order", lambda: [order_row(i, order, report)], now, order.index)

    def _cash(self, report: CashReport, now: int) -> None:
        account = report.account
        for at, side in report.positions:
            self._private(account, "position", partial(self._positions, account, at, side), now, at)
        self._private(account, "wallet", lambda: [self.data.wallet(account, report.currencies)], now)

    def _positions(self, account: SimAccount, at: int, side: PositionSide) -> list[Any]:
        return [self.data.position(account, at, side, entry="entryPrice")]
