"""Hyperliquid: the subscriptions of the WebSocket.

Nothing is signed: anybody may follow an account. Books and contexts are sent at intervals, all other messages at once;
an account's lists begin with a snapshot. Source: hyperliquid.gitbook.io "Websocket, Subscriptions", schemas of
nktkas/hyperliquid, as of 2026-10; the intervals, and that the account's state follows each change, are unverified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from onetape.exchange.account import SimAccount, Trade
from onetape.exchange.dialect import Connection, encode
from onetape.exchange.exchange import SimExchange
from onetape.exchange.hyperliquid.access import Access, Params
from onetape.exchange.hyperliquid.account import AccountData
from onetape.exchange.hyperliquid.public import PublicData
from onetape.exchange.hyperliquid.wire import Refused, ms, order_row, price_text, size_text, status_of
from onetape.exchange.reports import CashReport, ModeReport, OrderReport, QuoteReport, Report, TradeReport
from onetape.exchange.subscriptions import Subscriptions
from onetape.model.enums import OrderState
from onetape.model.errors import OrderWouldCross
from onetape.model.time import MINUTE
from onetape.venues.columns import columns
from onetape.venues.hyperliquid.words import INTERVALS

__all__ = ["ACCOUNTS", "Streams", "Subscriber"]

BOOK_NS: Final = 500_000_000
CONTEXT_NS: Final = 1_000_000_000
SUBSCRIPTIONS_MAX: Final = 1000
USERS_MAX: Final = 10  # of an address
SNAPSHOT: Final = 500  # rows
ACCOUNTS: Final = frozenset(
    columns(
        "orderUpdates userEvents userFills userFundings userNonFundingLedgerUpdates clearinghouseState spotState "
        "openOrders notification activeAssetData"
    )
)
_MARKET: Final = frozenset({"bbo", "trades", "activeAssetCtx", "l2Book"})

Topic = tuple[str, str, str]  # type, coin or address, and what else names it


@dataclass(slots=True)
class Subscriber:
    """The dialect's state of a connection. sent: time of the venue's last message, ns UTC."""

    sent: int
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
        self._books_due = self._contexts_due = self._now = 0

    # --- subscriptions ----------------------------------------------------------------------------

    def topic(self, said: Any) -> Topic:
        """Returns a subscription's topic. Raises Refused for an unknown one."""
        kind = said.get("type") if isinstance(said, dict) else None
        if kind == "allMids":
            return kind, "", ""
        if kind in ACCOUNTS:
            key = self.access.account_at(said.get("user")).key
            return kind, key, self._coin(said) if kind == "activeAssetData" else ""
        if kind in _MARKET:
            return kind, self._coin(said), f"{said.get('nSigFigs') or ''},{said.get('mantissa') or ''}"
        if kind == "candle" and said.get("interval") in INTERVALS:
            return kind, self._coin(said), said["interval"]
        raise Refused

    def _coin(self, said: Params) -> str:
        return self.exchange.instruments[self.public.at(said.get("coin"))].raw_symbol

    def subscribe(self, connection: Connection, said: Any, now: int) -> None:
        subscriber: Subscriber = connection.state
        try:
            topic = self.topic(said)
            if topic[0] == "l2Book":
                self.public.book(said, now)
        except Refused:
            connection.say({"channel": "error", "data": f"Invalid subscription {said}"})
            return
        mine = self._subscriptions.of(connection)
        if topic in mine:
            connection.say({"channel": "error", "data": f"Already subscribed: {said}"})
            return
        users = {each[1] for each in mine if each[0] in ACCOUNTS} | ({topic[1]} if topic[0] in ACCOUNTS else set())
        if len(mine) >= SUBSCRIPTIONS_MAX or len(users) > USERS_MAX:
            connection.say({"channel": "error", "data": "Too many subscriptions"})
            return
        self._subscriptions.add(connection, topic)
        connection.say({"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": said}})
        if topic[0] in ACCOUNTS:
            subscriber.account = self.exchange.accounts.by_key[topic[1]]
        if (first := self._first(topic, now)) is not None:
            connection.say({"channel": self._channel(topic), "data": first})

    def _channel(self, topic: Topic) -> str:
        """Returns the channel of a topic's messages: contexts of spot have one of their own."""
        is_pair = topic[0] == "activeAssetCtx" and self.public.index_of[topic[1]] in self.public.pairs
        return "activeSpotAssetCtx" if is_pair else topic[0]

    def _first(self, topic: Topic, now: int) -> Any:
        """Returns what a subscription begins with; None: nothing."""
        kind, name, rest = topic
        if kind in ACCOUNTS:
            return self._account_first(kind, self.exchange.accounts.by_key[name], rest, now)
        if kind == "l2Book":
            return self._book(topic, now)
        if kind == "activeAssetCtx":
            return {"coin": name, "ctx": self.public.context(self.public.index_of[name], now)}
        return {"mids": self.public.mids()} if kind == "allMids" else None

    def _account_first(self, kind: str, account: SimAccount, rest: str, now: int) -> Any:
        head = {"isSnapshot": True, "user": account.key.lower()}
        match kind:
            case "userFills":
                return {
                    **head,
                    "fills": [self.data.fill_row(each) for each in list(account.trades)[: -SNAPSHOT - 1 : -1]],
                }
            case "userFundings":
                rows = [self.data.funding(account, each) for each in account.income if each.kind == "funding"]
                return {**head, "fundings": rows[-SNAPSHOT:][::-1]}
            case "userNonFundingLedgerUpdates":
                rows = [self.data.move(account, each) for each in account.income if self.data.is_move(each)]
                return {**head, "nonFundingLedgerUpdates": rows[-SNAPSHOT:][::-1]}
            case "clearinghouseState":
                return self._state(account, now)
            case "spotState":
                return self._spot_state(account)
            case "openOrders":
                return self._open_orders(account)
            case "activeAssetData":
                return self.data.asset_data(account, self.public.index_of[rest])
        return None

    def unsubscribe(self, connection: Connection, said: Any) -> None:
        try:
            topic = self.topic(said)
        except Refused:
            topic = ("", "", "")
        if self._subscriptions.drop(connection, topic):
            connection.say({"channel": "subscriptionResponse", "data": {"method": "unsubscribe", "subscription": said}})
        else:
            connection.say({"channel": "error", "data": f"Already unsubscribed: {said}"})

    def disconnect(self, connection: Connection) -> None:
        self.connections.pop(connection.id, None)
        self._subscriptions.leave(connection)

    # --- sending ----------------------------------------------------------------------------------

    def _send(self, topic: Topic, make: Callable[[], Any], channel: str = "") -> None:
        """Sends a message; it is made only if there is a subscriber."""
        if to := self._subscriptions.to(topic):
            message = encode({"channel": channel or topic[0], "data": make()})
            for connection in to:
                connection.state.sent = self._now
                connection.send(message)

    def tick(self, now: int) -> None:
        self._now = now
        if not self._subscriptions:
            return
        if now >= self._books_due:
            self._books_due = now - now % BOOK_NS + BOOK_NS
            for topic in self._subscriptions:
                if topic[0] == "l2Book":
                    self._send(topic, partial(self._book, topic, now))
        if now >= self._contexts_due:
            before, self._contexts_due = self._contexts_due - CONTEXT_NS, now - now % CONTEXT_NS + CONTEXT_NS
            self._send(("allMids", "", ""), lambda: {"mids": self.public.mids()})
            for topic in self._subscriptions:
                if topic[0] == "activeAssetCtx":
                    self._send(topic, partial(self._first, topic, now), self._channel(topic))
                elif topic[0] == "candle":
                    self._candle(topic, before, now)

    def _book(self, topic: Topic, now: int) -> dict[str, Any]:
        figures, _, mantissa = topic[2].partition(",")
        merged = {"nSigFigs": int(figures) if figures else None, "mantissa": int(mantissa) if mantissa else None}
        return self.public.book({"coin": topic[1], **merged}, now)

    def _candle(self, topic: Topic, before: int, now: int) -> None:
        """Sends the current candle, after the final update of one that has ended since `before`."""
        _, coin, interval = topic
        at, period = self.public.index_of[coin], INTERVALS[interval] * MINUTE
        for time in (before, now) if before // period == now // period - 1 else (now,):
            if row := self.public.last_candle(at, interval, time):
                self._send(topic, partial(dict, row))

    # --- reports ----------------------------------------------------------------------------------

    def publish(self, reports: list[Report], now: int) -> None:
        self._now = now
        for report in reports:
            match report:
                case QuoteReport():
                    self._send(("bbo", self._symbol(report.at), ","), partial(self._best, report))
                case TradeReport():
                    self._send(("trades", self._symbol(report.at), ","), partial(self._trades, report))
                case OrderReport():
                    self._order(report)
                case CashReport():
                    self._cash(report, now)
                case ModeReport():
                    self._changed(report.account, now)
                case _:
                    pass

    def _symbol(self, at: int) -> str:
        return self.exchange.instruments[at].raw_symbol

    def _trades(self, report: TradeReport) -> list[dict[str, Any]]:
        return [self.public.trade_row(report)]

    def _best(self, report: QuoteReport) -> dict[str, Any]:
        i = self.exchange.instruments[report.at]
        sides = ((report.bid, report.bid_size), (report.ask, report.ask_size))
        rows = [{"px": price_text(i, p), "sz": size_text(i, s), "n": 1} if p else None for p, s in sides]
        return {"coin": i.raw_symbol, "time": ms(report.time), "bbo": rows}

    def _order(self, report: OrderReport) -> None:
        order, user = report.order, report.order.account.key
        if report.state is OrderState.REJECTED and report.code != OrderWouldCross.code:
            return  # refused in the answer, and not reported
        row = order_row(self.exchange.instruments[order.index], order, report)
        head = {"order": row, "status": status_of(report.state, order, report.code)}
        self._send(("orderUpdates", user, ""), lambda: [{**head, "statusTimestamp": ms(report.time)}])
        self._send(("openOrders", user, ""), lambda: self._open_orders(order.account))
        if fill := report.fill:
            made = partial(self.data.fill_row, Trade(order, fill))
            self._send(("userFills", user, ""), lambda: {"user": user.lower(), "fills": [made()]})
            self._send(("userEvents", user, ""), lambda: {"fills": [made()]}, "user")

    def _open_orders(self, account: SimAccount) -> dict[str, Any]:
        return {"dex": "", "user": account.key.lower(), "orders": self.data.open_orders(account)}

    def _state(self, account: SimAccount, now: int) -> dict[str, Any]:
        return {"dex": "", "user": account.key.lower(), "clearinghouseState": self.data.state(account, now)}

    def _spot_state(self, account: SimAccount) -> dict[str, Any]:
        return {"user": account.key.lower(), "spotState": self.data.spot_state(account)}

    def _cash(self, report: CashReport, now: int) -> None:
        account, user = report.account, report.account.key
        if account.income:
            item = account.income[-1]
            if report.reason == "funding":
                row = partial(self.data.funding, account, item)
                self._send(("userFundings", user, ""), lambda: {"user": user.lower(), "fundings": [row()]})
                self._send(("userEvents", user, ""), lambda: {"funding": row()}, "user")
            elif self.data.is_move(item) and item.time == report.time:
                move = partial(self.data.move, account, item)
                name = "nonFundingLedgerUpdates"
                self._send(("userNonFundingLedgerUpdates", user, ""), lambda: {"user": user.lower(), name: [move()]})
        self._changed(account, now)

    def _changed(self, account: SimAccount, now: int) -> None:
        self._send(("clearinghouseState", account.key, ""), lambda: self._state(account, now))
        self._send(("spotState", account.key, ""), lambda: self._spot_state(account))
        for topic in self._subscriptions:
            if topic[0] == "activeAssetData" and topic[1] == account.key:
                self._send(topic, partial(self.data.asset_data, account, self.public.index_of[topic[2]]))
