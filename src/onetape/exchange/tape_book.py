"""One instrument of a recorded market: a matching engine in which the tape's orders belong to a participant of their
own.

The tape's book becomes orders of that participant, one or more for each level; a trade on the tape becomes an order
that takes. So clients' orders queue behind the orders that were there before, are filled by trades that reach them, and
take displayed liquidity. Liquidity that a client took is displayed again when the tape reports that level again.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from msgspec import structs

from onetape import _core
from onetape.model.enums import Side
from onetape.model.instrument import Instrument

__all__ = ["TapeBook"]

TAPE: Final = 0  # the participant to whom the tape's resting and taking orders belong
UNSIZED_LOTS: Final = 1000  # lots: size of a quote without sizes
LEVELS_MAX: Final = 1000  # per side; deeper levels of the tape are left out

Levels = Iterable[tuple[int, int]]
News = list[dict[str, Any]]


class TapeBook:
    """The matching engine of one instrument of a recorded market. Prices and sizes in units of the instrument. Methods
    return the reports for clients."""

    def __init__(self, instrument: Instrument, index: int) -> None:
        self.instrument = instrument
        self.index = index
        self.spec = _core.InstrumentSpec(**instrument.spec())
        # The instrument's rules for orders do not apply to the tape's levels; clients' orders are checked in `request`.
        free = structs.replace(
            instrument,
            tick=Decimal(1).scaleb(-instrument.price_decimals),
            lot=Decimal(1).scaleb(-instrument.size_decimals),
            **dict.fromkeys(
                (
                    "size_min",
                    "size_max",
                    "market_lot",
                    "market_size_min",
                    "market_size_max",
                    "notional_min",
                    "band_up",
                    "band_down",
                ),
                Decimal(0),
            ),
        )
        self.engine = _core.MatchingEngine(_core.InstrumentSpec(**free.spec()), market_events=True)
        self.lot = instrument.lot_int
        self.tick = int(instrument.tick.scaleb(instrument.price_decimals))
        self.has_depth = False
        self.has_quotes = False
        self.said: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}  # sizes of levels on the tape
        self.dirty: dict[Side, set[int]] = {Side.BUY: set(), Side.SELL: set()}  # levels traded since then
        # The tape's orders: (side, price) -> [id, size, left], oldest first; and id -> location.
        self._orders: dict[tuple[Side, int], list[list[int]]] = {}
        self._level_of: dict[int, tuple[Side, int]] = {}
        self._next = 1
        # Changes to publish, collected by `_do`.
        self.changed: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}
        self.touch: tuple[int, int, int, int] | None = None
        self.trades: list[tuple[int, int, Side, int]] = []  # price, size, side, the engine's id
        self.last = 0

    # --- events of the tape -----------------------------------------------------------------------

    def on_depth(self, bids: Levels, asks: Levels, now: int, *, snapshot: bool) -> News:
        self.has_depth = True
        wanted = {Side.BUY: dict(bids), Side.SELL: dict(asks)}
        if snapshot:
            for side, levels in wanted.items():
                gone = dict.fromkeys((p for p in self.said[side] if p not in levels), 0)
                wanted[side] = {**gone, **levels}
        for side, levels in wanted.items():
            for price in self.dirty[side]:
                levels.setdefault(price, self.said[side].get(price, 0))
            self.dirty[side].clear()
        return self._set(wanted, now)

    def on_quote(self, bid: int, bid_size: int, ask: int, ask_size: int, now: int) -> News:
        """Applies the best bid and ask, which are the whole book if the tape has no depth."""
        self.has_quotes = True
        if self.has_depth:
            return []
        unsized = UNSIZED_LOTS * self.lot
        wanted: dict[Side, dict[int, int]] = {}
        for side, price, size in ((Side.BUY, bid, bid_size), (Side.SELL, ask, ask_size)):
            wanted[side] = dict.fromkeys(self.said[side], 0)
            if price > 0:
                wanted[side][price] = size or unsized
        return self._set(wanted, now)

    def on_trade(self, price: int, size: int, side: Side, now: int) -> News:
        """Takes all orders up to the price of a trade. If the tape has neither quotes nor depth, the book becomes one
        level on each side of that price."""
        news: News = []
        if self.has_depth or self.has_quotes:
            taker = self._taker(price, side)
            if taker is not Side.NONE:
                met = _other(taker)
                self.dirty[met].update(p for p in self.said[met] if (p <= price if met is Side.SELL else p >= price))
                news = self._take(taker, price, size, now)
        else:
            bid = price if side is Side.SELL else price - self.tick
            ask = bid + self.tick if side is not Side.NONE else price + self.tick
            taker = side if side is not Side.NONE else self._taker(price, side)
            if taker is not Side.NONE:
                news = self._take(taker, price, size, now)
            wanted = {
                each: {**dict.fromkeys(self.said[each], 0), level: size}
                for each, level in ((Side.BUY, bid), (Side.SELL, ask))
                if level > 0
            }
            news = news + self._set(wanted, now)
        self.last = price
        return news

    def clear(self, now: int) -> News:
        """Removes all orders of the tape, which begins again."""
        self.has_depth = self.has_quotes = False
        return self._set({side: dict.fromkeys(said, 0) for side, said in self.said.items()}, now)

    def _taker(self, price: int, side: Side) -> Side:
        """Returns the taker's side; if the tape does not have it, the side for which the price is worse."""
        if side is not Side.NONE:
            return side
        bids, asks = self.engine.bids(1), self.engine.asks(1)
        if asks and price >= asks[0][0]:
            return Side.BUY
        if bids and price <= bids[0][0]:
            return Side.SELL
        return Side.NONE

    def _take(self, taker: Side, price: int, size: int, now: int) -> News:
        self._next += 1
        trades = len(self.trades)
        news = self._do(
            self.engine.request(
                TAPE, now, order_id=self._next, side=taker.value, type="limit", tif="IOC", price=price, size=size
            )
        )
        del self.trades[trades:]  # the tape's trade is published instead
        return news

    def _set(self, wanted: dict[Side, dict[int, int]], now: int) -> News:
        """Sets the sizes of levels, 0: removed. Decreases come first, so that a moving book does not trade with
        itself."""
        news: News = []
        grows = []
        for side, levels in wanted.items():
            said = self.said[side]
            for price, size in levels.items():
                if size <= 0:
                    said.pop(price, None)
                elif price in said or len(said) < LEVELS_MAX:
                    said[price] = size
                else:
                    continue
                more = max(size, 0) - sum(left for _, _, left in self._orders.get((side, price), ()))
                if more < 0:
                    news += self._shrink(side, price, -more, now)
                elif more > 0:
                    grows.append((side, price, more))
        for side, price, more in grows:
            self._next += 1
            self._orders.setdefault((side, price), []).append([self._next, more, more])
            self._level_of[self._next] = (side, price)
            news += self._do(
                self.engine.request(
                    TAPE, now, order_id=self._next, side=side.value, type="limit", tif="GTC", price=price, size=more
                )
            )
        return news

    def _shrink(self, side: Side, price: int, less: int, now: int) -> News:
        """Reduces a level by `less`. The newest of the tape's orders go first, so that no client's order advances in
        the queue."""
        news: News = []
        while less and (orders := self._orders.get((side, price))):
            number, size, left = orders[-1]
            if left <= less:
                news += self._do(self.engine.request(TAPE, now, order_id=number, kind="cancel", side=side.value))
                less -= left
                self._gone(number)
            else:
                orders[-1][1:] = [size - less, left - less]
                news += self._do(
                    self.engine.request(
                        TAPE, now, order_id=number, kind="amend", side=side.value, price=price, size=size - less
                    )
                )
                less = 0
        return news

    # --- requests of clients ----------------------------------------------------------------------

    def request(self, participant: int, now: int, **request: Any) -> News:
        """Carries out a client's request. A request that breaks the instrument's rules is refused as the engine
        would."""
        if request.get("kind", "place") == "place" and (code := self._broken(request)):
            refused = {
                "event": "order",
                "owner": participant,
                "order_id": request["order_id"],
                "venue_id": 0,
                "news": "rejected",
                "state": "REJECTED",
                "code": code,
                "price": request.get("price", 0),
                "size": request["size"],
                "filled": 0,
                "ts_event": now,
                "symbol": self.index,
            }
            return [refused]
        return self._do(self.engine.request(participant, now, **request))

    def _broken(self, request: dict[str, Any]) -> int:
        return int(_core.check_order(self.spec, self.last or self.mid, **request))

    @property
    def mid(self) -> int:
        """Returns the mid, 0: none."""
        bids, asks = self.engine.bids(1), self.engine.asks(1)
        return (bids[0][0] + asks[0][0]) // 2 if bids and asks else 0

    def set_mark(self, now: int, mark: int, index: int) -> News:
        return self._do(self.engine.set_mark(now, mark, index))

    def expire(self, now: int) -> News:
        return self._do(self.engine.expire(now))

    # --- bookkeeping ------------------------------------------------------------------------------

    def _do(self, said: list[dict[str, Any]]) -> News:
        news: News = []
        for each in said:
            match each["event"]:
                case "levels":
                    self.changed[Side.BUY].update(each["bids"])
                    self.changed[Side.SELL].update(each["asks"])
                case "touch":
                    self.touch = (each["bid"], each["bid_size"], each["ask"], each["ask_size"])
                case "trade":
                    side = Side(each["side"])
                    self.trades.append((each["price"], each["size"], side, each["id"]))
                    self.last = each["price"]
                case "fill" if each["owner"] == TAPE:
                    self._traded(each["order_id"], each["size"])
                case _ if each["owner"] != TAPE:
                    each["symbol"] = self.index
                    news.append(each)
        return news

    def _traded(self, number: int, size: int) -> None:
        level = self._level_of.get(number)
        if level is None:
            return
        for order in self._orders[level]:
            if order[0] == number:
                order[2] -= size
        self._orders[level] = [order for order in self._orders[level] if order[2] > 0]
        if not any(order[0] == number for order in self._orders[level]):
            self._gone(number)

    def _gone(self, number: int) -> None:
        level = self._level_of.pop(number)
        kept = [order for order in self._orders[level] if order[0] != number]
        if kept:
            self._orders[level] = kept
        else:
            del self._orders[level]


def _other(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY
