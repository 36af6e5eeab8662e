"""OKX v5: the channels of the three WebSockets.

Source: OKX API v5 documentation, "WebSocket, Subscribe" and the channels, as of 2026-07, and its change log until
2026-10. A book begins with a snapshot, and each change names the message before; its checksum is 0. The channels of
balances and positions begin with what there is and repeat it each five seconds; those of orders have no snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from onetape.exchange.account import SimAccount, SimOrder
from onetape.exchange.conditional import Conditional
from onetape.exchange.dialect import Connection
from onetape.exchange.exchange import SimExchange
from onetape.exchange.okx.account import AccountData
from onetape.exchange.okx.public import KINDS, PublicData, bar_of
from onetape.exchange.okx.trading import Trading
from onetape.exchange.okx.wire import Refused, algo_state, fill_fields, ms, price_text, size_text
from onetape.exchange.reports import CashReport, ConditionalReport, OrderReport, QuoteReport, Report, TradeReport
from onetape.exchange.subscriptions import Subscriptions
from onetape.model.enums import OrderNews, OrderState, PositionSide, Side
from onetape.model.errors import OrderWouldCross, SelfTrade
from onetape.model.time import SECOND
from onetape.venues.okx.words import SWAP, TYPES, type_of

__all__ = ["PRIVATE", "Streams", "Subscriber"]

BOOK_NS: Final = SECOND // 10
MARKS_NS: Final = SECOND
FUNDING_NS: Final = 60 * SECOND
REPEAT_NS: Final = 5 * SECOND
DEPTH: Final = 400
BOOKS: Final = {"books": DEPTH, "books5": 5, "books-rpi": DEPTH}
TIMED: Final = ("tickers", "mark-price", "funding-rate", "open-interest", "price-limit")
PUBLIC: Final = frozenset({*BOOKS, *TIMED, "bbo-tbt", "trades", "instruments", "index-tickers", "status"})
ALGOS: Final = ("orders-algo", "algo-advance")  # the second one of trailing stops
PRIVATE: Final = ("orders", "account", "positions", *ALGOS)
# Channel -> the socket that has it.
_WAYS: Final = dict.fromkeys(PUBLIC, "public") | dict.fromkeys(PRIVATE, "private") | dict.fromkeys(ALGOS, "business")
_BY_ENGINE: Final = (OrderWouldCross.code, SelfTrade.code)
Topic = tuple[str, str]  # channel, and name of an instrument, or number of an account and type of instruments
ANY: Final = "ANY"
TYPED: Final = ("orders", "positions", *ALGOS)  # private channels of a type of instruments


@dataclass(slots=True)
class Subscriber:
    """The dialect's state of a connection. way: `public`, `private` or `business`; active: time of the last message of
    either side, ns UTC."""

    way: str
    active: int
    account: SimAccount | None = None
    args: dict[Topic, Mapping[str, str]] = field(default_factory=dict)  # as the client named its channels


@dataclass(slots=True)
class _Shown:
    """A book as its subscribers have it. sides: bids and asks, size by price as text; due: when the next change may be
    sent, ns UTC; number: of the last message."""

    sides: tuple[dict[str, str], dict[str, str]]
    due: int
    number: int


class Streams:
    """Keeps the subscriptions, and writes their messages."""

    def __init__(self, exchange: SimExchange, public: PublicData, data: AccountData, trading: Trading) -> None:
        self.exchange = exchange
        self.public = public
        self.data = data
        self.trading = trading
        self.connections: dict[int, Connection] = {}
        self._subscriptions: Subscriptions[Topic] = Subscriptions()
        self._books: dict[str, _Shown] = {}
        self._marks_due = self._repeat_due = self._now = 0

    # --- subscriptions ----------------------------------------------------------------------------

    def topic(self, connection: Connection, arg: Any) -> Topic:
        """Returns the topic of a channel. Raises Refused for an unknown one, or one of another socket."""
        subscriber: Subscriber = connection.state
        channel = str(arg.get("channel") or "") if isinstance(arg, dict) else ""
        way = "business" if channel.startswith("candle") else _WAYS.get(channel)
        if way is None:
            raise Refused(60018, f"Wrong URL or channel:{channel} doesn't exist. Please use the correct URL")
        if way != subscriber.way:
            raise Refused(64001 if way == "business" else 60018, f"Wrong URL or channel:{channel}")
        if channel in PRIVATE:
            if subscriber.account is None:
                raise Refused(60011)
            kind = str(arg.get("instType")) if channel in TYPED else ""
            if kind not in ("", ANY, *KINDS):
                raise Refused(60018, f"Wrong URL or channel:{channel},instType:{kind} doesn't exist.")
            return channel, f"{subscriber.account.number} {kind}".rstrip()
        if channel in ("instruments", "status"):
            return channel, ""
        if channel == "index-tickers":
            return channel, str(arg.get("instId"))
        if way == "business":
            bar_of(channel.removeprefix("candle"))
        at = self.public.at(arg.get("instId"))
        if channel == "funding-rate" and type_of(self.exchange.instruments[at]) != SWAP:
            raise Refused(60018, f"Wrong URL or channel:{channel},instId:{arg['instId']} doesn't exist.")
        return channel, str(arg["instId"])

    def subscribe(self, connection: Connection, arg: Mapping[str, str], now: int) -> None:
        topic = self.topic(connection, arg)
        self._subscriptions.add(connection, topic)
        connection.state.args[topic] = arg

    def begin(self, connection: Connection, arg: Mapping[str, str], now: int) -> None:
        """Sends what a channel begins with."""
        channel, name = topic = self.topic(connection, arg)
        if channel in ("books", "books-rpi"):
            connection.state.active = now
            connection.say(self._snapshot(arg, name, now))
        elif channel == "instruments":
            self._say(connection, topic, self.public.instruments({"instType": arg.get("instType", SWAP)}, now), now)
        elif channel in TIMED:
            self._say(connection, topic, [self._timed(channel, self.public.at(name), now)], now)
        elif channel == "index-tickers":
            self._say(connection, topic, self.public.index_tickers({"instId": name}, now), now)
        elif channel in ("account", "positions"):
            more = {"eventType": "snapshot", "curPage": 1, "lastPage": True}
            kind = topic[1].partition(" ")[2]
            self._say(connection, topic, self._repeated(channel, connection.state.account, kind, now), now, more)

    def unsubscribe(self, connection: Connection, arg: Mapping[str, str]) -> None:
        topic = self.topic(connection, arg)
        self._subscriptions.drop(connection, topic)
        connection.state.args.pop(topic, None)

    def count(self, topic: Topic) -> int:
        return len(self._subscriptions.to(topic))

    def disconnect(self, connection: Connection) -> None:
        self.connections.pop(connection.id, None)
        self._subscriptions.leave(connection)

    # --- sending ----------------------------------------------------------------------------------

    @staticmethod
    def _say(
        connection: Connection, topic: Topic, rows: list[Any], now: int, more: Mapping[str, Any] | None = None
    ) -> None:
        """Sends rows of a channel as the client named it."""
        connection.state.active = now
        arg = connection.state.args[topic]
        if topic[0] in PRIVATE:
            arg = {**arg, "uid": str(30_000_000_000_000_000 + int(topic[1].split()[0]))}
        connection.say({"arg": arg, **(more or {}), "data": rows})

    def _send(self, topic: Topic, make: Callable[[], list[Any]], now: int, **more: Any) -> None:
        """Sends rows to the subscribers of a channel; they are made only if there is one."""
        if to := self._subscriptions.to(topic):
            rows = make()
            for connection in to:
                self._say(connection, topic, rows, now, more)

    def _tell(
        self, channel: str, account: SimAccount, at: int, make: Callable[[], list[Any]], now: int, **more: Any
    ) -> None:
        """Sends rows of an account about an instrument, to the subscribers of its type and of any."""
        for kind in (type_of(self.exchange.instruments[at]), ANY):
            self._send((channel, f"{account.number} {kind}"), make, now, **more)

    # --- the market -------------------------------------------------------------------------------

    def _sides(self, at: int) -> tuple[dict[str, str], dict[str, str]]:
        bids, asks = (self.public.levels(at, side, DEPTH) for side in (Side.BUY, Side.SELL))
        return {each[0]: each[1] for each in bids}, {each[0]: each[1] for each in asks}

    def _snapshot(self, arg: Mapping[str, str], symbol: str, now: int) -> dict[str, Any]:
        """Returns the book as the channel's subscribers have it."""
        at = self.public.index_of[symbol]
        shown = self._books.get(symbol)
        if shown is None or self.count(("books", symbol)) <= 1:
            number = self.exchange.listings[at].depth_id
            shown = self._books[symbol] = _Shown(self._sides(at), now + BOOK_NS, number)
        sides = {"bids": _levels(shown.sides[0]), "asks": _levels(shown.sides[1])}
        ids = {"seqId": shown.number, "prevSeqId": -1, "checksum": 0}
        return {"arg": arg, "action": "snapshot", "data": [{**sides, "ts": ms(now), **ids}]}

    def _changes(self, symbol: str, now: int) -> None:
        """Sends what has changed in a book since its last message."""
        shown = self._books.get(symbol)
        if shown is None or now < shown.due:
            return
        at = self.public.index_of[symbol]
        number = self.exchange.listings[at].depth_id
        if number == shown.number:
            return
        sides = self._sides(at)
        changed = [
            {price: size for price, size in new.items() if old.get(price) != size}
            | {price: "0" for price in old if price not in new}
            for old, new in zip(shown.sides, sides, strict=True)
        ]
        ids = {"seqId": number, "prevSeqId": shown.number, "checksum": 0}
        self._books[symbol] = _Shown(sides, now + BOOK_NS, number)
        row = {"bids": _levels(changed[0]), "asks": _levels(changed[1]), "ts": ms(now), **ids}
        self._send(("books", symbol), lambda: [row], now, action="update")

    def _timed(self, channel: str, at: int, now: int) -> dict[str, Any]:
        match channel:
            case "tickers":
                return self.public.ticker(at, now)
            case "mark-price":
                return self.public.mark(at, now)
            case "open-interest":
                return self.public.open_interest(at, now)
            case "price-limit":
                return self.public.price_limit({"instId": self._symbol(at)}, now)[0]  # type: ignore[no-any-return]
            case _:
                return self.public.funding(at, now)

    def tick(self, now: int) -> None:
        if not self._subscriptions:
            return
        before, self._now = self._now, now
        if now >= self._marks_due:
            self._marks_due = now - now % MARKS_NS + MARKS_NS
            for topic in list(self._subscriptions):
                self._each_second(topic, before, now)
        if now >= self._repeat_due:
            self._repeat_due = now + REPEAT_NS
            for channel, kind in (("account", ""), *(("positions", each) for each in (ANY, *TYPES))):
                for account in self.exchange.accounts:
                    topic = (channel, f"{account.number} {kind}".rstrip())
                    rows = partial(self._repeated, channel, account, kind, now)
                    self._send(topic, rows, now, eventType="snapshot", curPage=1, lastPage=True)

    def _each_second(self, topic: Topic, before: int, now: int) -> None:
        channel, name = topic
        is_due = channel != "funding-rate" or before // FUNDING_NS != now // FUNDING_NS
        if channel in TIMED and is_due:
            self._send(topic, lambda: [self._timed(channel, self.public.at(name), now)], now)
        elif channel == "index-tickers":
            self._send(topic, lambda: self.public.index_tickers({"instId": name}, now), now)
        elif channel.startswith("candle"):
            self._candles(topic, before, now)
        elif channel == "books5":
            self._five(topic, now)

    def _five(self, topic: Topic, now: int) -> None:
        at = self.public.index_of[topic[1]]
        sides = {"asks": self.public.levels(at, Side.SELL, 5), "bids": self.public.levels(at, Side.BUY, 5)}
        names = {"instId": topic[1], "seqId": self.exchange.listings[at].depth_id}
        self._send(topic, lambda: [{**sides, **names, "ts": ms(now)}], now)

    def _candles(self, topic: Topic, before: int, now: int) -> None:
        """Sends the running bar, and once more one that has ended since `before`."""
        at, word = self.public.index_of[topic[1]], bar_of(topic[0].removeprefix("candle"))
        for bar in self.public.bars(at, word)[-2:]:
            if bar.close_time > now or before < bar.close_time <= now:
                rows = [self.public.candle(at, bar, now)]
                self._send(topic, rows.copy, now)

    # --- reports ----------------------------------------------------------------------------------

    def publish(self, reports: list[Report], now: int) -> None:
        for report in reports:
            match report:
                case QuoteReport():
                    self._quote(report)
                case TradeReport():
                    self._send(("trades", self._symbol(report.at)), partial(self._trade, report), report.time)
                case OrderReport():
                    self._order(report, now)
                case ConditionalReport():
                    self._algo(report, now)
                case CashReport():
                    self._cash(report, now)
                case _:
                    pass
        for order, request, code, is_canceled in self.trading.failed:
            more = {"amendResult": "1" if is_canceled else "-1", "reqId": request, "code": str(code), "msg": "refused"}
            self._tell("orders", order.account, order.index, partial(self._failed, order, more), now)
        self.trading.failed.clear()
        for channel, symbol in self._subscriptions:
            if channel == "books":
                self._changes(symbol, now)

    def _trade(self, report: TradeReport) -> list[Any]:
        return [{**self.public.trade(report), "count": "1"}]

    def _failed(self, order: SimOrder, more: Mapping[str, str]) -> list[Any]:
        return [{**self.data.row(order), **_NOTHING, **more}]

    def _symbol(self, at: int) -> str:
        return self.exchange.instruments[at].raw_symbol

    def _quote(self, report: QuoteReport) -> None:
        i, topic = self.exchange.instruments[report.at], ("bbo-tbt", self._symbol(report.at))

        def row() -> list[Any]:
            bids = [[price_text(i, report.bid), size_text(i, report.bid_size), "0", "1"]] if report.bid else []
            asks = [[price_text(i, report.ask), size_text(i, report.ask_size), "0", "1"]] if report.ask else []
            return [{"asks": asks, "bids": bids, "ts": ms(report.time), "seqId": report.update_id}]

        self._send(topic, row, report.time)

    # --- an account's channels --------------------------------------------------------------------

    def _order(self, report: OrderReport, now: int) -> None:
        order = report.order
        if report.state is OrderState.REJECTED and report.code not in _BY_ENGINE:
            return  # refused in the answer, and not reported
        more: dict[str, str] = dict(_NOTHING)
        if report.fill is not None:
            more |= fill_fields(self.exchange.instruments[order.index], order, report.fill)
        elif report.news is OrderNews.UPDATED:
            request = self.trading.amended.pop(order.id, None)
            is_own = request is not None
            more |= {"amendResult": "0", "amendSource": "1", "reqId": request or ""} if is_own else {"amendSource": "4"}
        self._tell("orders", order.account, order.index, lambda: [{**self.data.row(order, report), **more}], now)

    def _algo(self, report: ConditionalReport, now: int) -> None:
        order = report.order
        is_activated = algo_state(report.state) == "live" and order.updated != order.created
        if report.state in ("TRIGGERING", "FINISHED") or is_activated:
            return  # what the order that it sends does is reported with that
        rows = partial(self._algo_rows, order, report.state)
        channel = ALGOS[order.extra["ordType"] == "move_order_stop"]
        self._tell(channel, order.account, order.index, rows, now)

    def _algo_rows(self, order: Conditional, state: str) -> list[Any]:
        return [self.data.algo_row(order, state)]

    def _repeated(self, channel: str, account: SimAccount, kind: str, now: int) -> list[Any]:
        if channel == "account":
            return [self.data.balance(account, now)]
        every = self.data.keys(account, self.public.wanted({} if kind == ANY else {"instType": kind}))
        return [self.data.position(account, *key) for key in every if account.qty(*key)]

    def _cash(self, report: CashReport, now: int) -> None:
        account, number = report.account, str(report.account.number)
        names = ",".join(self.exchange.currencies[at] for at in report.currencies)
        more = {"eventType": "event_update", "curPage": 1, "lastPage": True}
        for key in report.positions:
            self._tell("positions", account, key[0], partial(self._position, account, key), now, **more)
        self._send(("account", number), lambda: [self.data.balance(account, now, names)], now, **more)

    def _position(self, account: SimAccount, key: tuple[int, PositionSide]) -> list[Any]:
        return [self.data.position(account, *key)]


_NOTHING: Final = {
    "execType": "",
    "fillFee": "0",
    "fillFeeCcy": "",
    "amendResult": "",
    "amendSource": "",
    "reqId": "",
    "code": "0",
    "msg": "",
}


def _levels(side: Mapping[str, str]) -> list[list[str]]:
    return [[price, size, "0", "0" if size == "0" else "1"] for price, size in side.items()]
