"""Binance USD-M: WebSocket streams, public, market and private, and the user events.

Source: "Websocket Market Streams" and "User Data Streams" of the USD-M documentation with its change log, as of
2026-11. Since 2026-04-23 the path of a connection names its category; a connection without one is answered, and carries
only public data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Final

import msgspec

from onetape.exchange.account import SimAccount
from onetape.exchange.bars import one_of
from onetape.exchange.binance.multi_assets import MultiAssets
from onetape.exchange.binance.public import INTERVALS, PublicData, agg_row, eight, kline_span, turnover_text
from onetape.exchange.binance.user_events import BINANCE, EventTraits, UserEvents
from onetape.exchange.binance.wire import ms, price_text, size_text
from onetape.exchange.dialect import Connection, encode, fields
from onetape.exchange.exchange import SimExchange
from onetape.exchange.listing import Listing
from onetape.exchange.reports import (
    BarReport,
    CallReport,
    CashReport,
    ConditionalReport,
    DepthReport,
    MarkReport,
    ModeReport,
    OrderReport,
    QuoteReport,
    Report,
    TradeReport,
)
from onetape.exchange.subscriptions import Subscriptions
from onetape.model.enums import Side
from onetape.model.json_text import read_json

__all__ = ["MarketStreams", "MarketTraits", "Streams", "Subscriber"]

STREAMS_MAX: Final = 1024
LISTEN_KEY_NS: Final = 60 * 60_000_000_000
LIFE_NS: Final = 24 * 3600 * 1_000_000_000
MESSAGES_A_SECOND: Final = 10
PUBLIC: Final = ("depth", "bookTicker", "rpiDepth", "trade")


@dataclass(slots=True)
class Subscriber:
    """The dialect's state of a connection."""

    category: str  # public, market, private, "" (unrouted)
    combined: bool
    listen_key: str = ""
    events: frozenset[str] = frozenset()  # of the user stream; empty: all
    second: int = 0
    messages: int = 0


@dataclass(slots=True)
class _ListenKey:
    account: SimAccount
    expires: int


@dataclass(slots=True)
class _Batch:
    """Depth changes of a symbol that wait for the end of their 100, 250 or 500 ms."""

    first: int = 0
    last: int = 0
    previous: int = 0
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)
    due: int = 0

    def add(self, report: DepthReport) -> None:
        if not self.first:
            self.first = report.first_id
        self.last = report.last_id
        self.bids.update(report.bids)
        self.asks.update(report.asks)


@dataclass(frozen=True, slots=True)
class MarketTraits:
    """Differences between the market messages of the venues of this family. spans: of depth, ns, with the end of the
    stream's name. absent: message -> fields of USD-M's that it lacks; added: message -> further fields. plain_partial:
    messages of partial depth are snapshots without an event's head. per_second: a client's messages on a connection."""

    spans: tuple[tuple[int, str], ...]
    absent: Mapping[str, frozenset[str]] = field(default_factory=dict)
    added: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    plain_partial: bool = False
    per_second: int = MESSAGES_A_SECOND


USDM: Final = MarketTraits(((100_000_000, "@100ms"), (250_000_000, ""), (500_000_000, "@500ms"), (1, "@0ms")))


class MarketStreams:
    """Keeps the subscriptions to market data, and writes their messages."""

    def __init__(
        self, exchange: SimExchange, public: PublicData, *, most: int = STREAMS_MAX, market: MarketTraits = USDM
    ) -> None:
        self.exchange = exchange
        self.public = public
        self.market = market
        self._most = most  # streams per connection
        self.connections: dict[int, Connection] = {}
        self._subscriptions: Subscriptions[str] = Subscriptions()  # to streams, by name
        self._batches: dict[tuple[int, int], _Batch] = {}
        self._next_second = 0
        self._depth_names = [_depth_names(market, i.raw_symbol.lower()) for i in exchange.instruments]
        self.is_unrouted = False  # a connection without a category carries all streams, as until 2026-04

    # --- connections ------------------------------------------------------------------------------

    def connect(self, connection: Connection, now: int) -> bool:
        """Accepts paths of the forms /public/ws/a/b, /market/stream?streams=a/b, /private/ws/<listenKey>,
        /private/ws?listenKey=<key>&events=A/B; without streams if SUBSCRIBE follows; without a category as before
        2026-04-23."""
        parts = connection.path.strip("/").split("/")
        category = parts.pop(0) if parts and parts[0] in ("public", "market", "private") else ""
        kind = parts.pop(0) if parts else ""
        if kind not in ("ws", "stream"):
            return False
        subscriber = Subscriber(category, kind == "stream")
        connection.state = subscriber
        self.connections[connection.id] = connection
        query = fields(connection.query)
        named = [p for p in parts if p]
        named += [s for s in query.get("streams", "").split("/") if s]
        if key := query.get("listenKey"):
            named.append(key)
            subscriber.events = frozenset(e for e in query.get("events", "").split("/") if e)
        for name in named:
            self._subscribe(connection, name)
        return True

    def disconnect(self, connection: Connection) -> None:
        self.connections.pop(connection.id, None)
        subscriber = connection.state
        if not isinstance(subscriber, Subscriber):
            return
        self._subscriptions.leave(connection)

    def message(self, connection: Connection, data: bytes, now: int) -> None:
        subscriber = connection.state
        second = now // 1_000_000_000
        if subscriber.second != second:
            subscriber.second, subscriber.messages = second, 0
        subscriber.messages += 1
        if subscriber.messages > self.market.per_second:
            connection.close(1008, "Too many requests")
            return
        try:
            request = read_json(data)
            method, number = request["method"], request.get("id")
        except (msgspec.DecodeError, TypeError, KeyError):
            connection.close(1008, "Invalid request")
            return
        names = request.get("params") or []
        if not isinstance(names, list):
            connection.say({"code": 2, "msg": "Invalid request: params must be a list", "id": number})
            return
        match method:
            case "SUBSCRIBE":
                for name in names:
                    self._subscribe(connection, str(name))
                connection.say({"result": None, "id": number})
            case "UNSUBSCRIBE":
                for name in map(str, names):
                    self._subscriptions.drop(connection, name)
                connection.say({"result": None, "id": number})
            case "LIST_SUBSCRIPTIONS":
                connection.say({"result": sorted(self._subscriptions.of(connection)), "id": number})
            case "SET_PROPERTY":
                if len(names) == 2 and names[0] == "combined":
                    subscriber.combined = bool(names[1])
                connection.say({"result": None, "id": number})
            case "GET_PROPERTY":
                connection.say({"result": subscriber.combined, "id": number})
            case _:
                connection.say({"code": 2, "msg": f"Invalid request: unknown variant {method}", "id": number})

    def _subscribe(self, connection: Connection, name: str) -> None:
        subscriber = connection.state
        if len(self._subscriptions.of(connection)) >= self._most:
            return
        channel = name.partition("@")[2] if not name.startswith("!") else name[1:]
        is_public = channel.partition("@")[0].rstrip("0123456789") in PUBLIC
        carries_all = self.is_unrouted and not subscriber.category
        is_carried = carries_all or is_public == (subscriber.category in ("public", ""))
        self._subscriptions.add(connection, name, is_heard=is_carried)

    # --- reports ------------------------------------------------------------------------------------------------------

    def publish(self, reports: list[Report], now: int) -> None:
        for report in reports if self._subscriptions else ():
            self._publish(report)

    def _publish(self, report: Report) -> None:
        match report:
            case QuoteReport():
                self._quote(report)
            case DepthReport():
                self._depth(report)
            case TradeReport():
                self._trade(report)
            case BarReport():
                self._closed_bars(report)

    def tick(self, now: int) -> None:
        for (index, span), batch in self._batches.items():
            if batch.first and now >= batch.due:
                self._flush(index, span, batch, now)
        if now >= self._next_second:
            self._next_second = now - now % 1_000_000_000 + 1_000_000_000
            self._each_second(now)

    def _each_second(self, now: int) -> None:
        for connection in list(self.connections.values()):
            if now - connection.opened >= LIFE_NS:
                connection.close(1000, "24 hours")
        self._tickers(now)
        self._running_bars(now)

    def _stream(self, name: str, event: Any) -> None:
        plain = wrapped = b""
        event = [self._shown(each) for each in event] if isinstance(event, list) else self._shown(event)
        for connection in self._subscriptions.to(name):
            if connection.state.combined:
                wrapped = wrapped or encode({"stream": name, "data": event})
                connection.send(wrapped)
            else:
                plain = plain or encode(event)
                connection.send(plain)

    def _shown(self, event: dict[str, Any]) -> dict[str, Any]:
        word = event.get("e", "")
        if absent := self.market.absent.get(word):
            event = {name: value for name, value in event.items() if name not in absent}
        return {**event, **self.market.added.get(word, {})}

    def _quote(self, report: QuoteReport) -> None:
        i = self.exchange.instruments[report.at]
        name = f"{i.raw_symbol.lower()}@bookTicker"
        if not self._subscriptions.has_any(name, "!bookTicker"):
            return
        event = {
            "e": "bookTicker",
            "u": report.update_id,
            "s": i.raw_symbol,
            "ps": i.raw_symbol,
            "b": price_text(i, report.bid),
            "B": size_text(i, report.bid_size),
            "a": price_text(i, report.ask),
            "A": size_text(i, report.ask_size),
            "T": ms(report.time),
            "E": ms(report.time),
            "st": 1,
        }
        self._stream(name, event)
        self._stream("!bookTicker", event)

    def _trade(self, report: TradeReport) -> None:
        i = self.exchange.instruments[report.at]
        raw = i.raw_symbol
        low = raw.lower()
        if self._subscriptions.has_any(f"{low}@aggTrade"):
            event = {"e": "aggTrade", "E": ms(report.time), "s": raw, **agg_row(i, report), "st": 1}
            self._stream(f"{low}@aggTrade", event)
        if self._subscriptions.has_any(f"{low}@trade"):
            self._stream(
                f"{low}@trade",
                {
                    "e": "trade",
                    "E": ms(report.time),
                    "T": ms(report.time),
                    "s": raw,
                    "t": report.trade_id,
                    "p": price_text(i, report.price),
                    "q": size_text(i, report.size),
                    "X": "MARKET",
                    "m": report.side is Side.SELL,
                },
            )

    def _depth(self, report: DepthReport) -> None:
        for span, names in self._depth_names[report.at]:
            if not self._subscriptions.has_any(*names):
                self._batches.pop((report.at, span), None)
                continue
            batch = self._batches.get((report.at, span))
            if batch is None:
                # The first change continues from a snapshot taken now.
                batch = self._batches[report.at, span] = _Batch(previous=report.previous_id)
                batch.due = report.time
            if not batch.first:
                batch.due = max(batch.due, report.time - report.time % span + span)
            batch.add(report)

    def _flush(self, index: int, span: int, batch: _Batch, now: int) -> None:
        i = self.exchange.instruments[index]
        low, suffix = i.raw_symbol.lower(), dict(self.market.spans)[span]

        def rows(levels: dict[int, int] | list[tuple[int, int]]) -> list[list[str]]:
            pairs = levels.items() if isinstance(levels, dict) else levels
            return [[price_text(i, price), size_text(i, size)] for price, size in pairs]

        head = {
            "e": "depthUpdate",
            "E": ms(now),
            "T": ms(now),
            "s": i.raw_symbol,
            "ps": i.raw_symbol,
            "U": batch.first,
            "u": batch.last,
            "pu": batch.previous,
            "st": 1,
        }
        self._stream(f"{low}@depth{suffix}", {**head, "b": rows(batch.bids), "a": rows(batch.asks)})
        for count in (5, 10, 20):
            if self._subscriptions.has_any(name := f"{low}@depth{count}{suffix}"):
                bids = self.exchange.board.levels(index, Side.BUY, count)
                asks = self.exchange.board.levels(index, Side.SELL, count)
                if self.market.plain_partial:
                    levels = {"bids": rows(bids), "asks": rows(asks)}
                    self._stream(name, {"lastUpdateId": batch.last, **levels})
                else:
                    self._stream(name, {**head, "b": rows(bids), "a": rows(asks)})
        batch.previous, batch.first = batch.last, 0
        batch.bids, batch.asks = {}, {}

    def _tickers(self, now: int) -> None:
        for index, i in enumerate(self.exchange.instruments):
            low = i.raw_symbol.lower()
            names = (f"{low}@ticker", f"{low}@miniTicker", "!ticker@arr", "!miniTicker@arr")
            if not self._subscriptions.has_any(*names):
                continue
            day = self.public.day_ticker(index, now)
            mini = {
                "e": "24hrMiniTicker",
                "E": ms(now),
                "s": i.raw_symbol,
                "c": day["lastPrice"],
                "o": day["openPrice"],
                "h": day["highPrice"],
                "l": day["lowPrice"],
                "v": day["volume"],
                "q": day["quoteVolume"],
                "ps": i.raw_symbol,
                "st": 1,
            }
            full = {
                **mini,
                "e": "24hrTicker",
                "p": day["priceChange"],
                "P": day["priceChangePercent"],
                "w": day["weightedAvgPrice"],
                "Q": day["lastQty"],
                "O": day["openTime"],
                "C": day["closeTime"],
                "F": day["firstId"],
                "L": day["lastId"],
                "n": day["count"],
            }
            for name, event in zip(names, (full, mini, [full], [mini]), strict=True):
                self._stream(name, event)

    def _running_bars(self, now: int) -> None:
        for listing in self.exchange.listings:
            running = listing.running(now)
            if running is not None:
                for word, minutes in INTERVALS.items():
                    self._bar(listing, word, minutes, running, now, is_closed=False)

    def _closed_bars(self, last: BarReport) -> None:
        """Sends the final frame of each candle that ends with this minute."""
        listing = self.exchange.listings[last.at]
        for word, minutes in INTERVALS.items():
            if kline_span(last.open_time, minutes)[1] == last.close_time:
                self._bar(listing, word, minutes, last, last.close_time, is_closed=True)

    def _bar(self, listing: Listing, word: str, minutes: int, last: BarReport, now: int, *, is_closed: bool) -> None:
        """Sends the candle that ends with the minute `last`."""
        i = listing.instrument
        low = i.raw_symbol.lower()
        plain, continuous = f"{low}@kline_{word}", f"{low}_perpetual@continuousKline_{word}"
        if not self._subscriptions.has_any(plain, continuous):
            return
        span = kline_span(last.open_time, minutes)
        before = takewhile(lambda bar: bar.open_time >= span[0], reversed(listing.bars))
        bars = [bar for bar in before if bar.open_time < last.open_time]
        bar = one_of([*reversed(bars), last], *span)
        k = {
            "t": ms(bar.open_time),
            "T": ms(bar.close_time) - 1,
            "i": word,
            "f": bar.first_trade,
            "L": bar.last_trade,
            "o": price_text(i, bar.open),
            "c": price_text(i, bar.close),
            "h": price_text(i, bar.high),
            "l": price_text(i, bar.low),
            "v": size_text(i, bar.volume),
            "n": bar.trades,
            "x": is_closed,
            "q": turnover_text(i, bar.turnover),
            "V": size_text(i, bar.buy_volume),
            "Q": turnover_text(i, bar.buy_turnover),
            "B": "0",
        }
        raw, time = i.raw_symbol, ms(now)
        self._stream(plain, {"e": "kline", "E": time, "s": raw, "k": {"s": raw, **k}})
        self._stream(continuous, {"e": "continuous_kline", "E": time, "ps": raw, "ct": "PERPETUAL", "k": k})


class Streams(MarketStreams):
    """Adds what futures have: categories, marks, and the user stream under a listen key."""

    def __init__(
        self, exchange: SimExchange, public: PublicData, *, most: int = STREAMS_MAX, traits: EventTraits = BINANCE
    ) -> None:
        super().__init__(exchange, public, most=most)
        self.listen_keys: dict[str, _ListenKey] = {}
        self.by_account: dict[int, str] = {}
        self.private: dict[str, dict[int, Connection]] = {}  # by listen key
        self._made = 0
        self.multi_assets = MultiAssets(exchange)
        self.user = UserEvents(exchange, self._tell, traits)

    # --- listen keys ------------------------------------------------------------------------------

    def open_key(self, account: SimAccount, now: int) -> str:
        """Returns the account's only listen key, with its expiry extended, or a new one."""
        key = self.by_account.get(account.number)
        if key is None or key not in self.listen_keys:
            self._made += 1
            key = f"{account.key[:32]}{self._made:032x}"
            self.by_account[account.number] = key
            self.listen_keys[key] = _ListenKey(account, 0)
        self.listen_keys[key].expires = now + LISTEN_KEY_NS
        return key

    def keep_key(self, account: SimAccount, now: int) -> bool:
        listen_key = self.listen_keys.get(self.by_account.get(account.number, ""))
        if listen_key is None:
            return False
        listen_key.expires = now + LISTEN_KEY_NS
        return True

    def close_key(self, account: SimAccount) -> None:
        self._drop_key(self.by_account.pop(account.number, ""))

    def expire_key(self, key: str, now: int) -> None:
        """Reports the key's expiry on its streams, which stay open but send nothing more."""
        for connection in self.private.get(key, {}).values():
            named = {"listenKey": key} if self.user.traits.names_key else {}
            self._send(connection, key, {"e": "listenKeyExpired", "E": ms(now), **named})
        self._drop_key(key)

    def _drop_key(self, key: str) -> None:
        listen_key = self.listen_keys.pop(key, None)
        if listen_key is not None:
            self.by_account.pop(listen_key.account.number, None)
        self.private.pop(key, None)

    # --- connections ------------------------------------------------------------------------------

    def disconnect(self, connection: Connection) -> None:
        super().disconnect(connection)
        subscriber = connection.state
        if isinstance(subscriber, Subscriber) and subscriber.listen_key:
            self.private.get(subscriber.listen_key, {}).pop(connection.id, None)

    def _subscribe(self, connection: Connection, name: str) -> None:
        if name in self.listen_keys:
            # Connections without the right category get nothing, and no error.
            if connection.state.category in ("private", ""):
                connection.state.listen_key = name
                self.private.setdefault(name, {})[connection.id] = connection
            return
        super()._subscribe(connection, name)

    # --- reports ----------------------------------------------------------------------------------

    def publish(self, reports: list[Report], now: int) -> None:
        if not self._subscriptions and not self.by_account:
            return
        for report in reports:
            match report:
                case OrderReport():
                    if self._is_heard(report.order.account):
                        self.user.order(report, now)
                case MarkReport():
                    self._mark(report)
                case CashReport() if self._is_heard(report.account):
                    self.user.cash(report, now)
                case ConditionalReport() if self._is_heard(report.order.account):
                    self.user.algo(report, now)
                case CallReport() if self._is_heard(report.account):
                    self.user.call(report, now)
                case ModeReport() if self._is_heard(report.account):
                    self.user.mode(report, now)
                case _:
                    self._publish(report)

    def _each_second(self, now: int) -> None:
        for key, listen_key in list(self.listen_keys.items()):
            if now >= listen_key.expires:
                self.expire_key(key, now)
        super()._each_second(now)
        self._asset_indexes(now)

    def _mark(self, report: MarkReport) -> None:
        i, listing = self.exchange.instruments[report.at], self.exchange.listings[report.at]
        low = i.raw_symbol.lower()
        names = (f"{low}@markPrice@1s", f"{low}@markPrice", "!markPrice@arr@1s", "!markPrice@arr")
        if not self._subscriptions.has_any(*names):
            return
        event = {
            "e": "markPriceUpdate",
            "E": ms(report.time),
            "s": i.raw_symbol,
            "p": eight(price_text(i, report.mark)),
            "ap": eight(price_text(i, report.mark)),
            "P": eight(price_text(i, report.index_price)),
            "i": eight(price_text(i, report.index_price)),
            "r": f"{listing.funding_rate / 1e12:.8f}",
            "T": ms(listing.funding_time),
            "st": 1,
        }
        self._stream(names[0], event)
        self._stream(names[2], [event])
        if report.time // 1_000_000_000 % 3 == 0:
            self._stream(names[1], event)
            self._stream(names[3], [event])

    def _asset_indexes(self, now: int) -> None:
        names = [f"{name.lower()}usd@assetIndex" for name in self.exchange.accounts.collateral]
        if not self._subscriptions.has_any("!assetIndex@arr", *names):
            return
        events = self.multi_assets.events(now)
        self._stream("!assetIndex@arr", events)
        for event in events:
            self._stream(f"{event['s'].lower()}@assetIndex", event)

    # --- the user stream --------------------------------------------------------------------------

    def _is_heard(self, account: SimAccount) -> bool:
        return account.number in self.by_account

    def _tell(self, account: SimAccount, event: dict[str, Any]) -> None:
        key = self.by_account.get(account.number, "")
        for connection in list(self.private.get(key, {}).values()):
            wanted = connection.state.events
            if not wanted or event["e"] in wanted:
                self._send(connection, key, event)

    @staticmethod
    def _send(connection: Connection, key: str, event: dict[str, Any]) -> None:
        connection.say({"stream": key, "data": event} if connection.state.combined else event)


def _depth_names(market: MarketTraits, low: str) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Returns (span, names of the streams with this span) of each span."""
    return tuple(
        (span, tuple(f"{low}@depth{count}{suffix}" for count in ("", "5", "10", "20"))) for span, suffix in market.spans
    )
