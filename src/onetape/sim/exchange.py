"""A simulated exchange: the matching engine, accounts with money, and everything that is said.

A pure core: time is handed in, must not go back, and nothing here reads a clock. The same object
stands behind the servers of all venues, under a virtual clock in simulation, and in tests. What a
venue calls things is the business of its dialect.

    exchange.advance(now)                  # the market moves to `now`
    order = exchange.place(account, 0, now, side=Side.BUY, ...)
    for report in exchange.take(): ...     # all that came of it, in order

Every call that changes something can be recorded and replayed (`recorder`), so that an exchange
that was killed comes back as it was: equal seed, equal calls, equal state.
"""

from __future__ import annotations

import heapq
import struct
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import wraps
from typing import Any, Final, TypeVar, cast

from onetape._core import FLAG_SNAPSHOT
from onetape.model.enums import (
    EventType,
    Kind,
    OrderNews,
    OrderState,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    TriggerBy,
)
from onetape.model.errors import (
    BY_CODE,
    AccountMode,
    InsufficientFunds,
    MarketDataUnavailable,
    OrderUnknown,
    ReduceOnlyViolated,
    SelfTrade,
    check,
)
from onetape.model.instrument import Instrument
from onetape.model.money import divide_half_even, money_units
from onetape.sim.account import Income, SimAccount, Trade
from onetape.sim.conditional import Conditional, ConditionalBook
from onetape.sim.flow import GeneratedMarket
from onetape.sim.reports import (
    BarReport,
    CashReport,
    DepthReport,
    MarkReport,
    ModeReport,
    OrderReport,
    QuoteReport,
    Report,
    SimFill,
    SimOrder,
    TradeReport,
)

__all__ = ["Listing", "SimExchange"]

MINUTE: Final = 60_000_000_000
DAY: Final = 1440 * MINUTE
TRADES_KEPT: Final = 1000
BARS_KEPT: Final = 3000
FUNDING_RATE: Final = 100_000_000  # 0.0001 in 1e-12: the base rate of a balanced market
NEVER: Final = 2**63 - 1

_QUOTE, _TRADE, _BOOK = EventType.QUOTE.id, EventType.TRADE.id, EventType.BOOK.id
_MARK, _BAR = EventType.MARK.id, EventType.BAR.id
_QUOTE_FIELDS = struct.Struct("<6qQ")
_TRADE_FIELDS = struct.Struct("<4qQQB")
_BOOK_FIELDS = struct.Struct("<2q3Q2I")
_MARK_FIELDS = struct.Struct("<4q")
_BAR_FIELDS = struct.Struct("<11q")
_LEVEL = struct.Struct("<qq")
_SIDES = (Side.NONE, Side.BUY, Side.SELL)
_NEWS = {
    "canceled": (OrderNews.CANCELED, OrderState.CANCELED),
    "expired": (OrderNews.EXPIRED, OrderState.EXPIRED),
    "rejected": (OrderNews.REJECTED, OrderState.REJECTED),
}

Method = TypeVar("Method", bound=Callable[..., Any])


def _recorded(method: Method) -> Method:
    """A call from outside: noted for a restart. Calls made inside one are part of it."""

    @wraps(method)
    def call(self: SimExchange, *args: Any, **kwargs: Any) -> Any:
        if self.recorder is None or self._inside:
            return method(self, *args, **kwargs)
        self.recorder(method.__name__, [_plain(a) for a in args], dict(kwargs))
        self._inside = True
        try:
            return method(self, *args, **kwargs)
        finally:
            self._inside = False

    return cast(Method, call)


def _plain(value: object) -> object:
    match value:
        case SimAccount():
            return {"account": value.number}
        case SimOrder():
            return {"order": value.id}
        case Conditional():
            return {"conditional": value.id}
        case _:
            return value


@dataclass(slots=True)
class Listing:
    """What the public knows of one instrument."""

    instrument: Instrument
    bid: int = 0
    bid_size: int = 0
    ask: int = 0
    ask_size: int = 0
    last: int = 0
    mark: int = 0
    index: int = 0
    depth_id: int = 0  # of the last depth message
    funding_rate: int = FUNDING_RATE  # 1e-12
    funding_time: int = 0  # the next one
    is_open: bool = True
    trades: deque[TradeReport] = field(default_factory=lambda: deque(maxlen=TRADES_KEPT))
    bars: deque[BarReport] = field(default_factory=lambda: deque(maxlen=BARS_KEPT))
    bar: BarReport | None = None  # the minute that runs
    fundings: deque[tuple[int, int, int]] = field(default_factory=lambda: deque(maxlen=1000))

    def add_trade(self, trade: TradeReport) -> None:
        self.trades.append(trade)
        self.last = trade.price
        price, size = trade.price, trade.size
        turnover = price * size
        if self.instrument.kind is Kind.INVERSE:
            turnover = self.instrument.notional_units(price, size)
        bar, start = self.bar, trade.time - trade.time % MINUTE
        bought = trade.side is Side.BUY
        if bar is None or bar.open_time != start:
            self.bar = BarReport(
                trade.time, trade.at, start, start + MINUTE, price, price, price, price, size,
                turnover, 1, size * bought, turnover * bought,
            )  # fmt: skip
            return
        self.bar = bar._replace(
            time=trade.time,
            high=max(bar.high, price),
            low=min(bar.low, price),
            close=price,
            volume=bar.volume + size,
            turnover=bar.turnover + turnover,
            trades=bar.trades + 1,
            buy_volume=bar.buy_volume + size * bought,
            buy_turnover=bar.buy_turnover + turnover * bought,
        )

    def day(self, now: int) -> list[BarReport]:
        """The bars of the last 24 hours, the running one with them."""
        found = [bar for bar in self.bars if bar.open_time > now - DAY]
        return [*found, self.bar] if self.bar is not None else found


class SimExchange:
    """start: ns UTC, where the market begins. `listings` and accounts are in the order given."""

    def __init__(
        self,
        market: GeneratedMarket,
        *,
        self_trade: str = "cancel_resting",
        trigger_delay: int = 5_000_000,
        first_order_id: int = 1_000_000_001,
        currencies: tuple[str, ...] = (),  # that accounts hold besides those of the instruments
    ) -> None:
        self.market = market
        self.flow: Any = market.core
        self.instruments = tuple(each.instrument for each in market.markets)
        self.listings = tuple(Listing(instrument) for instrument in self.instruments)
        self.currencies = tuple(
            dict.fromkeys(
                (*(c for i in self.instruments for c in (i.settle, i.quote, i.base)), *currencies)
            )
        )
        self.accounts: list[SimAccount] = []
        self.by_key: dict[str, SimAccount] = {}
        self.self_trade = self_trade
        self.now = market.start
        self.conditionals = ConditionalBook(self, delay=trigger_delay)
        self.recorder: Callable[[str, list[Any], dict[str, Any]], None] | None = None
        self._inside = False
        self._said: list[Report] = []
        self._timers: list[tuple[int, int, Callable[[int], None]]] = []
        self._timer_count = 0
        self._next_id = first_order_id
        self._next_income = 1
        self._dead_men: dict[tuple[int, int | None], int] = {}  # how often each was armed
        self._insurance: dict[int, int] = {}  # what the venue put in, by currency
        for index, listing in enumerate(self.listings):
            if listing.instrument.perpetual:
                self._schedule_funding(index, self.now)

    # --- accounts ---------------------------------------------------------------------------------

    @_recorded
    def open_account(
        self, name: str, key: str, secret: str, balances: dict[str, str], *, leverage: int = 20
    ) -> SimAccount:
        account = SimAccount(
            name=name,
            number=len(self.accounts) + 1,
            key=key,
            secret=secret,
            instruments=self.instruments,
            currencies=self.currencies,
            leverage_default=leverage,
        )
        self.accounts.append(account)
        self.by_key[key] = account
        for currency, amount in balances.items():
            self.deposit(account, currency, amount, self.now, reason="deposit")
        for index, listing in enumerate(self.listings):
            if listing.mark:
                account.money.set_mark(index, listing.mark)
        self.take()
        return account

    @_recorded
    def deposit(
        self, account: SimAccount, currency: str, amount: str, now: int, *, reason: str = "deposit"
    ) -> None:
        """Money that comes (or goes, negative) from outside."""
        at = self.currencies.index(currency)
        units = money_units(Decimal(amount))
        account.money.deposit(at, units)
        self._note_income(account, now, reason, at, units, -1)
        self.say(CashReport(now, account, reason, (at,), (), units))

    @_recorded
    def set_leverage(self, account: SimAccount, index: int, leverage: int, now: int) -> None:
        account.set_leverage(index, leverage)
        self.say(ModeReport(now, account, "leverage", index))

    @_recorded
    def set_isolated(self, account: SimAccount, index: int, isolated: bool, now: int) -> None:
        (account.isolated.add if isolated else account.isolated.discard)(index)
        self.say(ModeReport(now, account, "margin", index))

    @_recorded
    def set_hedge(self, account: SimAccount, hedge: bool, now: int) -> None:
        """The caller has seen to it that there are no positions and no orders."""
        account.set_hedge(hedge)
        for index, listing in enumerate(self.listings):
            if listing.mark:
                account.money.set_mark(index, listing.mark)
        self.say(ModeReport(now, account, "hedge"))

    # --- time -------------------------------------------------------------------------------------

    def at(self, when: int, what: Callable[[int], None]) -> None:
        """`what(now)` when the exchange's time comes to `when`."""
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, what))

    def advance(self, now: int) -> None:
        """Everything until `now`, inclusive: the market, triggers, funding, expiries."""
        check(now >= self.now, f"time goes back: {now} after {self.now}")
        flow = self.flow
        while True:
            due = min(self._timers[0][0] if self._timers else NEVER, flow.next_expiry)
            if flow.next_time < due and flow.next_time <= now:
                event = flow.next(min(due, now + 1))
                if event is not None:
                    self.now = event[3]
                    self._take_market(*event)
                continue
            if due > now:
                break
            self.now = max(due, self.now)
            if self._timers and self._timers[0][0] <= due:
                _, _, what = heapq.heappop(self._timers)
                what(self.now)
            else:
                self._hear(flow.expire(self.now))
        self.now = now

    def take(self) -> list[Report]:
        """What was said since the last call."""
        said, self._said = self._said, []
        return said

    def say(self, report: Report) -> None:
        self._said.append(report)

    def _take_market(self, kind: int, flags: int, index: int, time: int, payload: bytes) -> None:
        listing = self.listings[index]
        if kind == _BOOK:
            _, _, first, last, _, bids, asks = _BOOK_FIELDS.unpack_from(payload)
            levels = list(_LEVEL.iter_unpack(payload[_BOOK_FIELDS.size :]))
            before, listing.depth_id = listing.depth_id, last
            if not flags & FLAG_SNAPSHOT:
                self.say(
                    DepthReport(
                        time, index, first, last, before, levels[:bids], levels[bids : bids + asks]
                    )
                )
        elif kind == _QUOTE:
            _, _, bid, ask, bid_size, ask_size, update = _QUOTE_FIELDS.unpack_from(payload)
            listing.bid, listing.bid_size = bid, bid_size
            listing.ask, listing.ask_size = ask, ask_size
            self.say(QuoteReport(time, index, bid, bid_size, ask, ask_size, update))
        elif kind == _TRADE:
            _, _, price, size, trade_id, _, side = _TRADE_FIELDS.unpack_from(payload)
            trade = TradeReport(time, index, price, size, _SIDES[side], trade_id)
            listing.add_trade(trade)
            self.say(trade)
        elif kind == _MARK:
            _, _, mark, index_price = _MARK_FIELDS.unpack_from(payload)
            self._set_mark(index, mark, index_price, time)
        elif kind == _BAR and listing.bar is not None and listing.bar.close_time <= time:
            listing.bars.append(listing.bar)
            self.say(listing.bar)
            listing.bar = None
        self._hear(self.flow.news())
        if kind == _TRADE:
            self.conditionals.on_price(index, TriggerBy.LAST, listing.last, time)

    def _set_mark(self, index: int, mark: int, index_price: int, now: int) -> None:
        listing = self.listings[index]
        listing.mark, listing.index = mark, index_price
        self.say(MarkReport(now, index, mark, index_price))
        self._hear(self.flow.set_prices(index, now, mark, index_price))
        for account in self.accounts:
            account.money.set_mark(index, mark)
            if listing.instrument.kind is not Kind.SPOT and account.has_position(index):
                self._check_margin(account, index, now)
        self.conditionals.on_price(index, TriggerBy.MARK, mark, now)

    def price(self, index: int, by: TriggerBy) -> int:
        """What a trigger goes by, 0: not known yet."""
        listing = self.listings[index]
        return {TriggerBy.MARK: listing.mark, TriggerBy.INDEX: listing.index}.get(by, listing.last)

    def levels(self, index: int, side: Side, count: int) -> list[tuple[int, int]]:
        """(price, size) of the book, best first."""
        book = self.flow.bids if side is Side.BUY else self.flow.asks
        found: list[tuple[int, int]] = book(index, count)
        return found

    # --- orders -----------------------------------------------------------------------------------

    @_recorded
    def place(self, account: SimAccount, index: int, now: int, **wanted: Any) -> SimOrder:
        """A new order; the arguments are those of `place_now`. Refused ones are REJECTED."""
        return self.place_now(account, index, now, **wanted)

    def place_now(
        self,
        account: SimAccount,
        index: int,
        now: int,
        *,
        side: Side | str,
        type: OrderType | str,
        size: int,
        tif: TimeInForce | str = TimeInForce.GTC,
        price: int = 0,
        post_only: bool = False,
        reduce_only: bool = False,
        position_side: PositionSide | str = PositionSide.BOTH,
        trigger: int = 0,
        trigger_by: TriggerBy | str = TriggerBy.NONE,
        expire: int = 0,
        client_id: str = "",
        origin: str = "client",
        extra: dict[str, Any] | None = None,
    ) -> SimOrder:
        order = SimOrder(
            id=self._next_id,
            client_id=client_id,
            account=account,
            index=index,
            side=Side(side),
            type=OrderType(type),
            tif=TimeInForce(tif),
            price=price,
            size=size,
            post_only=post_only,
            reduce_only=reduce_only,
            position_side=PositionSide(position_side),
            created=now,
            updated=now,
            trigger=trigger,
            trigger_by=TriggerBy(trigger_by),
            expire=expire,
            origin=origin,
            extra=extra or {},
        )
        self._next_id += 1
        account.remember(order)
        code = self._admit(order)
        if code:
            self._refuse(order, now, code)
            return order
        if not trigger and self._meets_own(order, now):
            self._refuse(order, now, SelfTrade.code)
            return order
        self._reserve(order)
        is_hedge_close = account.hedge and order.is_closing
        self._hear(
            self.flow.request(
                index,
                account.number,
                now,
                order_id=order.id,
                side=order.side.value,
                type=order.type.value,
                tif=order.tif.value,
                price=price,
                size=order.size,
                trigger=trigger,
                trigger_by=order.trigger_by.value,
                expire=expire,
                post_only=post_only,
                reduce_only=reduce_only and not is_hedge_close,
                position_side=order.position_side.value,
            )
        )
        return order

    @_recorded
    def cancel(self, account: SimAccount, order: SimOrder, now: int) -> int:
        """0, or the number of the error."""
        return self._cancel(order, now)

    @_recorded
    def dead_man(self, account: SimAccount, after: int, now: int, index: int | None = None) -> None:
        """Cancels what works, of an instrument or all of it, when nobody has called again within
        `after` ns; 0 disarms. It acts once."""
        armed = self._dead_men.get((account.number, index), 0) + 1
        self._dead_men[account.number, index] = armed

        def fire(due: int) -> None:
            if self._dead_men.get((account.number, index)) != armed:
                return
            for order in [o for o in account.open_orders.values() if index in (None, o.index)]:
                self._cancel(order, due)

        if after:
            self.at(now + after, fire)

    @_recorded
    def cancel_all(self, account: SimAccount, now: int, index: int | None = None) -> list[SimOrder]:
        """In the order they were placed; what was cancelled."""
        chosen = [o for o in account.open_orders.values() if index is None or o.index == index]
        for order in chosen:
            self._cancel(order, now)
        return chosen

    @_recorded
    def amend(
        self,
        account: SimAccount,
        order: SimOrder,
        now: int,
        *,
        price: int = 0,
        size: int = 0,
        trigger: int = 0,
        client_id: str = "",
    ) -> int:
        """0 leaves a value as it is. Gives 0, or the number of the error. client_id: the order's
        new one, at venues where an amendment may rename it; free, as the caller has checked."""
        if not order.is_open:
            return OrderUnknown.code
        if order.reserved:
            self._release(order)
            code = account.money.check_funds(
                order.index,
                order.side.value,
                price or order.price,
                max((size or order.size) - order.filled, 0),
                False,
                order.position_side.value,
            )
            self._reserve(order)
            if code:
                return int(code)
        was = order.client_id, order.trigger
        if client_id:
            account.rename(order, client_id)
        if trigger and order.trigger:
            order.trigger = trigger  # before the request: it may fire at once
        code = self._hear(
            self.flow.request(
                order.index,
                account.number,
                now,
                order_id=order.id,
                kind="amend",
                price=price,
                size=size,
                trigger=trigger,
                side=order.side.value,
            )
        )
        if code:
            account.rename(order, was[0])
            order.trigger = was[1]
        return code

    @_recorded
    def place_conditional(self, account: SimAccount, now: int, **terms: Any) -> Conditional:
        """The caller has checked the terms (fields of Conditional)."""
        terms["side"] = Side(terms["side"])
        terms["position_side"] = PositionSide(terms["position_side"])
        terms["by"] = TriggerBy(terms["by"])
        terms["tif"] = TimeInForce(terms["tif"])
        order = Conditional(id=self._next_id, account=account, created=now, updated=now, **terms)
        self._next_id += 1
        self.conditionals.add(order)
        return order

    @_recorded
    def cancel_conditional(self, order: Conditional, now: int) -> None:
        self.conditionals.cancel(order, now)

    def reason(self, code: int) -> str:
        """The name of an error number, for people."""
        return BY_CODE[code].name

    def _admit(self, order: SimOrder) -> int:
        account, listing = order.account, self.listings[order.index]
        if not listing.is_open:
            return MarketDataUnavailable.code
        if account.hedge != (order.position_side is not PositionSide.BOTH):
            return AccountMode.code
        if account.hedge and order.is_closing:
            held = abs(account.qty(order.index, order.position_side))
            working = sum(
                o.left
                for o in account.open_orders.values()
                if o is not order
                and o.index == order.index
                and o.is_closing
                and o.position_side is order.position_side
                and not o.trigger
            )
            return ReduceOnlyViolated.code if order.size > held - working else 0
        if order.trigger or order.reduce_only:
            return 0
        worst = order.price
        if order.type is OrderType.MARKET:
            worst = listing.ask if order.side is Side.BUY else listing.bid
        if not worst:
            return MarketDataUnavailable.code if order.type is OrderType.MARKET else 0
        return int(
            account.money.check_funds(
                order.index,
                order.side.value,
                worst,
                order.size,
                False,
                order.position_side.value,
            )
        )

    def _meets_own(self, order: SimOrder, now: int) -> bool:
        """Own resting orders that it would trade with; by the venue's rule they go, or it does."""
        account = order.account
        meets = [
            other
            for other in account.open_orders.values()
            if other is not order
            and other.index == order.index
            and other.side is not order.side
            and other.type is OrderType.LIMIT
            and not other.trigger
            and (
                order.type is OrderType.MARKET
                or (
                    order.price >= other.price
                    if order.side is Side.BUY
                    else order.price <= other.price
                )
            )
        ]
        if not meets or order.post_only:
            return False
        if self.self_trade != "cancel_incoming":
            for other in meets:
                self._cancel(other, now, code=SelfTrade.code)
        return self.self_trade != "cancel_resting"

    def _cancel(self, order: SimOrder, now: int, *, code: int = 0) -> int:
        if not order.is_open:
            return OrderUnknown.code
        order.code = code
        return self._hear(
            self.flow.request(
                order.index,
                order.account.number,
                now,
                order_id=order.id,
                kind="cancel",
                side=order.side.value,
            )
        )

    def _reserve(self, order: SimOrder) -> None:
        closes = order.account.hedge and order.is_closing
        if order.type is OrderType.LIMIT and not order.trigger and not order.reduce_only:
            if closes and order.left <= 0:
                return
            order.reserved = order.price
            order.account.money.add_working(
                order.index, order.side.value, order.price, order.left, order.position_side.value
            )

    def _release(self, order: SimOrder) -> None:
        if order.reserved:
            order.account.money.remove_working(
                order.index, order.side.value, order.reserved, order.left, order.position_side.value
            )
            order.reserved = 0

    def _refuse(self, order: SimOrder, now: int, code: int) -> None:
        order.state, order.code, order.updated = OrderState.REJECTED, code, now
        self.say(OrderReport(now, order, OrderNews.REJECTED, order.state, 0, 0, None, code))
        self._ended(order, now)

    def _ended(self, order: SimOrder, now: int) -> None:
        order.account.forget_open(order)
        if "parent" in order.extra:
            self.conditionals.on_child(order, now)

    # --- what the matching engines say ------------------------------------------------------------

    def _hear(self, news: list[Any]) -> int:
        """Takes in what was said to participants; gives the code of a refused request, 0: none."""
        refused = 0
        changed: list[SimOrder] = []
        for said in news:
            account = self.accounts[said["owner"] - 1]
            order = account.by_id[said["order_id"]]
            if said["event"] == "fill":
                self._fill(order, said)
                changed.append(order)
                continue
            refused = self._order_news(order, said) or refused
        for order in changed:
            self._after_fill(order)
        return refused

    def _order_news(self, order: SimOrder, said: dict[str, Any]) -> int:
        now, word = said["ts_event"], said["news"]
        if word == "accepted":
            if said["size"] != order.size:  # reduce-only: cut to the position
                order.size = said["size"]
            order.state, order.updated = OrderState.ACCEPTED, now
            self._report(order, now, OrderNews.ACCEPTED)
        elif word in _NEWS:
            news, state = _NEWS[word]
            self._release(order)
            order.state, order.updated = state, now
            order.code = said["code"] or order.code
            self._report(order, now, news, code=order.code)
            self._ended(order, now)
            return int(said["code"]) if word == "rejected" else 0
        elif word == "triggered":
            order.trigger, order.updated = 0, now
            order.extra["triggered"] = now
            order.state = OrderState.TRIGGERED
            self._cut_to_position(order)
            self._reserve(order)
            self._report(order, now, OrderNews.TRIGGERED)
        elif word == "updated":
            self._release(order)
            order.price, order.size, order.updated = said["price"], said["size"], now
            self._reserve(order)
            self._report(order, now, OrderNews.UPDATED)
        else:  # cancel_rejected, update_rejected
            return int(said["code"])
        return 0

    @staticmethod
    def _cut_to_position(order: SimOrder) -> None:
        """A reduce-only order that was triggered is cut to what is held, as the engine does then
        without a word. One with nothing to reduce is cancelled, and keeps its size."""
        if not order.reduce_only:
            return
        held = order.account.qty(order.index)
        reducible = held if order.side is Side.SELL else -held
        if 0 < reducible < order.left:
            order.size = order.filled + reducible

    def _report(
        self,
        order: SimOrder,
        now: int,
        news: OrderNews | None,
        *,
        fill: SimFill | None = None,
        code: int = 0,
    ) -> None:
        self.say(OrderReport(now, order, news, order.state, order.filled, order.cost, fill, code))

    def _fill(self, order: SimOrder, said: dict[str, Any]) -> None:
        account, index, now = order.account, order.index, said["ts_event"]
        price, size, fee = said["price"], said["size"], said["fee"]
        reserved = order.reserved
        self._release(order)
        order.filled += size
        order.cost += price * size
        order.value += abs(self.instruments[index].notional_units(price, size))
        order.fee += fee
        order.updated = now
        done = order.filled >= order.size
        order.state = OrderState.FILLED if done else OrderState.PARTIALLY_FILLED
        if reserved and not done:
            self._reserve(order)
        realized = int(
            account.money.apply_fill(
                index, order.side.value, price, size, fee, order.position_side.value
            )
        )
        fill = SimFill(
            said["trade_id"], now, price, size, fee, said["liquidity"] == "maker", realized
        )
        account.trades.append(Trade(order, fill))
        instrument = self.instruments[index]
        settle = self.currencies.index(instrument.settle)
        account.touched[index, order.position_side] = now
        currencies: tuple[int, ...] = (settle,)
        if instrument.kind is Kind.SPOT:
            currencies = (settle, self.currencies.index(instrument.base))
        else:
            if realized:
                self._note_income(account, now, "realized", settle, realized, index, fill.trade_id)
            if fee:
                self._note_income(account, now, "fee", settle, -fee, index, fill.trade_id)
        self._report(order, now, None, fill=fill)
        self.say(
            CashReport(
                now,
                account,
                "order" if order.origin == "client" else order.origin,
                currencies,
                () if instrument.kind is Kind.SPOT else ((index, order.position_side),),
                at=index,
            )
        )
        if done:
            self._ended(order, now)

    def _after_fill(self, order: SimOrder) -> None:
        """Orders that may only reduce go with the position that they reduce."""
        account, index, now = order.account, order.index, order.updated
        if self.instruments[index].kind is Kind.SPOT:
            return
        side = order.position_side if account.hedge else PositionSide.BOTH
        held = account.qty(index, side)
        if account.hedge:
            working = 0
            for other in list(account.open_orders.values()):
                if other.index != index or other.position_side is not side or not other.is_closing:
                    continue
                if other.trigger:
                    continue
                working += other.left
                if working > abs(held):
                    working -= other.left
                    self._cancel(other, now, code=ReduceOnlyViolated.code)
        elif held == 0:
            for other in list(account.open_orders.values()):
                if other.index == index and other.reduce_only and not other.trigger:
                    self._cancel(other, now, code=ReduceOnlyViolated.code)
        if held == 0:
            self.conditionals.on_flat(account, index, side, now)

    # --- what the venue does by itself ------------------------------------------------------------

    def _schedule_funding(self, index: int, now: int) -> None:
        listing = self.listings[index]
        interval = listing.instrument.funding_interval or 8 * 60 * MINUTE
        listing.funding_time = now - now % interval + interval
        self.at(listing.funding_time, lambda due: self._fund(index, due))

    def _fund(self, index: int, now: int) -> None:
        self._schedule_funding(index, now)
        self._settle_funding(index, now)

    @_recorded
    def fund(self, index: int, now: int, rate: int | None = None) -> None:
        """Funding at once, at a rate in 1e-12 if one is given."""
        if rate is not None:
            self.listings[index].funding_rate = rate
        self._settle_funding(index, now)

    def _settle_funding(self, index: int, now: int) -> None:
        listing = self.listings[index]
        mark, rate = listing.mark or listing.last, listing.funding_rate
        if not mark:
            return
        listing.fundings.append((now, rate, mark))
        settle = self.currencies.index(listing.instrument.settle)
        for account in self.accounts:
            if not account.has_position(index):
                continue
            paid = int(account.money.apply_funding(index, rate, mark))
            self._note_income(account, now, "funding", settle, paid, index)
            sides = tuple((index, s) for s in account.sides if account.qty(index, s))
            self.say(CashReport(now, account, "funding", (settle,), sides, paid, index))

    def _check_margin(self, account: SimAccount, index: int, now: int) -> None:
        settle = self.currencies.index(self.instruments[index].settle)
        if not account.money.below_maintenance(settle):
            return
        for order in list(account.open_orders.values()):
            if self.instruments[order.index].settle == self.instruments[index].settle:
                self._cancel(order, now, code=InsufficientFunds.code)
        for at, side in self._held(account, settle):
            if not account.money.below_maintenance(settle):
                break
            self._close_by_force(account, at, side, now, "liquidation")
        if not any(True for _ in self._held(account, settle)):
            balance = int(account.money.balance(settle))
            if balance < 0:
                account.money.deposit(settle, -balance)
                self._insurance[settle] = self._insurance.get(settle, 0) - balance
                self._note_income(account, now, "insurance", settle, -balance, index)
                self.say(CashReport(now, account, "insurance", (settle,), (), -balance, index))

    def _held(self, account: SimAccount, settle: int) -> Iterator[tuple[int, PositionSide]]:
        """What settles in a currency, the largest notional first."""
        found = [
            (abs(i.notional_units(self.listings[at].mark or 1, account.qty(at, side))), at, side)
            for at, i in enumerate(self.instruments)
            if self.currencies.index(i.settle) == settle and i.kind is not Kind.SPOT
            for side in account.sides
            if account.qty(at, side)
        ]
        for _, at, side in sorted(found, key=lambda each: (-each[0], each[1])):
            yield at, side

    @_recorded
    def force_close(
        self, account: SimAccount, index: int, side: PositionSide | str, now: int, origin: str
    ) -> None:
        """Liquidation, adl or settlement, when somebody wants to see one."""
        self._close_by_force(account, index, PositionSide(side), now, origin)

    def _close_by_force(
        self, account: SimAccount, index: int, side: PositionSide, now: int, origin: str
    ) -> None:
        held = account.qty(index, side)
        if not held:
            return
        order = self.place_now(
            account,
            index,
            now,
            side=Side.SELL if held > 0 else Side.BUY,
            type=OrderType.MARKET,
            tif=TimeInForce.IOC,
            size=abs(held),
            position_side=side,
            reduce_only=not account.hedge,
            client_id=f"{_FORCED[origin]}{self._next_id}",
            origin=origin,
        )
        rate = self.instruments[index].liquidation_fee
        if origin == "liquidation" and rate and order.filled:
            instrument = self.instruments[index]
            settle = self.currencies.index(instrument.settle)
            fee = divide_half_even(order.value * int(rate * 10**12), 10**12)
            fee = max(min(fee, int(account.money.balance(settle))), 0)
            account.money.deposit(settle, -fee)
            self._note_income(account, now, "liquidation_fee", settle, -fee, index)
            self.say(CashReport(now, account, "liquidation_fee", (settle,), (), -fee, index))

    def _note_income(
        self,
        account: SimAccount,
        now: int,
        kind: str,
        currency: int,
        amount: int,
        index: int,
        trade_id: int = 0,
    ) -> None:
        account.income.append(
            Income(self._next_income, now, kind, currency, amount, index, trade_id)
        )
        self._next_income += 1

    # --- a restart --------------------------------------------------------------------------------

    def replay(self, calls: Sequence[tuple[int, str, list[Any], dict[str, Any]]]) -> None:
        """Makes recorded calls again: (now, method, arguments, keywords) as the recorder had
        them."""
        for now, name, args, kwargs in calls:
            self.advance(max(now, self.now))
            getattr(self, name)(*[self._object(a) for a in args], **kwargs)
        self.take()

    def _object(self, value: object) -> object:
        match value:
            case {"account": int(number)}:
                return self.accounts[number - 1]
            case {"order": int(number)}:
                return next(a.by_id[number] for a in self.accounts if number in a.by_id)
            case {"conditional": int(number)}:
                return self.conditionals.by_id[number]
            case _:
                return value


_FORCED: Final = {
    "liquidation": "autoclose-",
    "adl": "adl_autoclose-",
    "settlement": "settlement_autoclose-",
}
