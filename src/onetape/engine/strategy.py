"""Define the strategy class: callbacks that a user overrides, services that a user calls.

The same class runs in a backtest, in paper trading and live, and cannot distinguish them. It is a
thin layer over the compiled loop: its only state is parameters and memory.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from onetape import _core
from onetape.engine.arguments import UNCLEAR, check_arguments, clearer
from onetape.engine.bar_feeds import BARS_MAX, check_bar_count
from onetape.engine.callbacks import check_callbacks
from onetape.engine.handlers import ALL
from onetape.engine.marks import BOOK, BUY, CONFLATED, FUNDING, LIQUIDATIONS, MARK, MBO, QUOTES, SELL, TRADES
from onetape.engine.parameters import parameters_of
from onetape.model.errors import NotAvailable, StrategyError
from onetape.model.funding import FundingRates
from onetape.model.request_key import RequestKey, request_key
from onetape.model.time import parse_period, to_datetime

if TYPE_CHECKING:
    from onetape.engine.execution_desk import ExecutionDesk
    from onetape.engine.host import Host
    from onetape.engine.notes import Direction, Signal
    from onetape.engine.protection import Protections
    from onetape.engine.roll import Roll
    from onetape.engine.scans import ScanEvent
    from onetape.engine.trailing import TrailingStops
    from onetape.engine.withdrawals import Withdrawals
    from onetape.model.decimals import Number
    from onetape.model.instrument import Instrument

__all__ = ["Strategy"]

S = TypeVar("S")
# Newer services; older strategies may have parameters of these names.
_MAY_BE_HIDDEN = frozenset({"on", "off", "signal", "end_cycle", "child", "profit", "set_weights", "roll"})


class Strategy:
    """The base class of strategies. Annotated class attributes are parameters.

    No service raises for market or risk reasons: a refused order is returned DENIED with `code`
    and `reason`. A wrong type or an unknown symbol raises, because the program is wrong.
    """

    _loop: _core.TradingLoop
    _host: Host
    _desk: ExecutionDesk | None = None  # created on first use
    _protections: Protections | None = None
    _trailing: TrailingStops | None = None
    _withdrawals: Withdrawals | None = None
    _services: ClassVar[frozenset[str]] = frozenset()
    _compiled: ClassVar[bool] = False  # see engine/compiled.py
    _location = ""  # of a strategy inside another one

    random: random.Random  # seeded by the run
    resumed: bool = False  # True when on_start follows a restart

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_callbacks(cls, Strategy)
        clash = sorted(set(parameters_of(cls)) & Strategy._services - _MAY_BE_HIDDEN)
        if clash:
            raise StrategyError(
                f"parameter {clash[0]!r} has the name of a service", location=f"class {cls.__name__}", todo="rename it"
            )

    # --- callbacks -------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Called before the first event; subscribe here."""

    def on_quote(self, quote: _core.Quote) -> None:
        """Called for a new top of book."""

    def on_trade(self, trade: _core.Trade) -> None:
        """Called for a public trade."""

    def on_book(self, book: _core.LiveBook) -> None:
        """Called when the order book changed."""

    def on_bar(self, bar: _core.Bar) -> None:
        """Called when a bar closed. All bars that close at the same time are in `bars()` already."""

    def on_mark(self, mark: _core.Mark) -> None:
        """Called for a new mark price."""

    def on_funding(self, funding: _core.Funding) -> None:
        """Called for a funding rate."""

    def on_liquidation(self, liquidation: _core.Liquidation) -> None:
        """Called for a liquidation of another trader."""

    def on_mbo(self, event: _core.MarketByOrder) -> None:
        """Called for a change of one order in the venue's book."""

    def on_instrument(self, instrument: Instrument) -> None:
        """Called when an instrument's facts changed, or a new one appeared."""

    def on_timer(self, name: str) -> None:
        """Called when a timer is due."""

    def on_order(self, order: _core.Order) -> None:
        """Called when an own order changed."""

    def on_fill(self, fill: _core.Fill) -> None:
        """Called when an own order was filled, in part or whole."""

    def on_position(self, position: _core.Position) -> None:
        """Called when an own position changed."""

    def on_event(self, event: ScanEvent | Any) -> None:
        """Called for an external event from the tape, a mapping, or for a scan event: `event.kind` is "scan" then."""

    def on_health(self, health: _core.Health) -> None:
        """Called for a change of the system's health: a feed broke or recovered."""

    def on_params(self, changed: Mapping[str, Any]) -> None:
        """Called when parameters were changed by a command."""

    def on_stop(self) -> None:
        """Called after the last event; orders placed here are denied."""

    # --- time ------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """Returns the receipt time, ns UTC. No market event is delivered before its receipt."""
        return self._loop.now

    @property
    def time(self) -> datetime:
        """Returns `now` as a UTC datetime (microseconds)."""
        return to_datetime(self._loop.now)

    def set_timer(self, name: str, *, every: str | None = None, at: int | None = None) -> None:
        """Call on_timer(name) at each UTC multiple of `every`, or once at `at` (ns).

        A timer of the same name is replaced. Missed ticks are delivered as one.
        """
        if (every is None) == (at is None):
            raise TypeError("set_timer takes either every='5s' or at=<ns>")
        check_arguments(locals())
        self._loop.set_timer(name, parse_period(every) if every is not None else 0, at or 0)

    def cancel_timer(self, name: str) -> bool:
        """Cancel a timer; returns True when it existed."""
        return self._loop.cancel_timer(name)

    # --- market data -----------------------------------------------------------------------------

    def subscribe(
        self,
        symbol: str,
        quotes: bool = False,
        trades: bool = False,
        book: bool = False,
        bars: str | Sequence[str] | None = None,
        mark: bool = False,
        funding: bool = False,
        liquidations: bool = False,
        history: int = 0,
        mbo: bool = False,
        conflate: bool = False,
    ) -> None:
        """Subscribe to the events of `symbol`.

        bars: a period or several: "1m" is the tape's own bars where it has them, else from
        trades, else from quotes' mid, else from the tape's shorter bars that divide it;
        "1m@trade", "1m@mid", "1m@venue" choose the source, "1h@5m" the shorter bars.
        mbo: market by order, the venue's orders one by one. `book` does not need it: where the
        data have orders, the book is built from them.
        history: number of completed bars from before the start, present when on_start returns: from
        the data; live from the venue.
        conflate: while a live robot lags behind a hub, only the newest of several waiting quotes or
        marks is delivered; a replay delivers the same ones. Trades, books and bars are never dropped.
        """
        check_arguments(locals())
        wants = (
            quotes * QUOTES
            | trades * TRADES
            | book * BOOK
            | mark * MARK
            | funding * FUNDING
            | liquidations * LIQUIDATIONS
            | mbo * MBO
            | conflate * CONFLATED
        )
        if conflate:
            self._host.check_conflation(symbol)
        self._loop.subscribe(symbol, wants)
        wanted = {
            "quotes": quotes,
            "trades": trades,
            "book": book,
            "bars": bars,
            "mark": mark,
            "funding": funding,
            "liquidations": liquidations,
            "mbo": mbo,
        }
        self._host.subscriptions |= {(symbol, kind) for kind, on in wanted.items() if on}
        for text in (bars,) if isinstance(bars, str) else bars or ():
            self._host.bars.subscribe(symbol, text, history)

    def unsubscribe(self, symbol: str) -> None:
        """End all subscriptions of `symbol`; its orders and positions are still reported."""
        self._loop.unsubscribe(symbol)

    def scan(self, expression: str, symbols: str | Iterable[str] = "all") -> None:
        """Follow a condition over symbols and report each symbol that begins or ceases to meet it, such as
        `change("1m") > 1% and spread < 2*tick`: the same text as for `onetape scan`.

        on_event gets an event with `kind == "scan"`, `symbol`, `expression`, `matched` (True: it
        begins), `values` (inputs of the condition, None: not known yet) and `ts` (ns). Evaluated
        at each event of a symbol, after its own callback, and each second. symbols: "all", with
        later ones, or some by name. In on_start windows begin with earlier data. Raises BAD_INPUT with the column
        for an invalid condition.
        """
        self._host.scans.begin(expression, symbols)

    def quote(self, symbol: str) -> _core.Quote | None:
        """Returns the last quote; None before the first."""
        return self._loop.quote(symbol)

    def funding(self, symbol: str) -> FundingRates:
        """Returns `rate`, `predicted`, `interval` and `next_ts` of a perpetual's funding, as last reported; each is
        None when unknown. Needs no subscription."""
        return FundingRates(*self._loop.funding(symbol))

    def book(self, symbol: str) -> _core.LiveBook:
        """Returns the order book as a live view; `copy()` to keep it."""
        return self._loop.book(symbol)

    def bars(self, symbol: str, period: str, n: int) -> _core.Bars:
        """Returns the last n completed bars (fewer in the beginning) as numpy columns, oldest first."""
        if type(n) is not int or not 0 <= n <= BARS_MAX:  # called at each bar: no function call in the normal case
            check_bar_count("n", n)
        period_ns, source = self._host.bars.key(symbol, period)
        return self._loop.bars(symbol, period_ns, source, n)

    def instrument(self, symbol: str) -> Instrument:
        """Returns the instrument's current tick, lot, fees and other facts."""
        return self._host.instrument_of(symbol)

    # --- orders ----------------------------------------------------------------------------------

    def buy(
        self,
        symbol: str,
        qty: Number,
        price: Number | None = None,
        *,
        post_only: bool = False,
        reduce_only: bool = False,
        tif: str = "GTC",
        trigger: Number | None = None,
        trigger_by: str = "last",
        kind: str | None = None,
        position_side: str | None = None,
        expire: int | None = None,
        tag: str = "",
        once: str | RequestKey | None = None,
        signal: Signal | int | None = None,
        stop_loss: Number | str | None = None,
        take_profit: Number | str | Sequence[tuple[Number | str, float]] | None = None,
        trail: Number | str | None = None,
        account: str | None = None,
    ) -> _core.Order:
        """Buy `qty`; without a price at market. A refused order is returned DENIED.

        trigger: the order becomes active when last, mark or index reaches it. kind: "stop" (the
        price rises to a buy's, falls to a sell's), "take_profit" (the other way) or "trailing" (a stop
        that follows the best price by `trail`, from `trigger` or the current price: the order is replaced
        as it moves, `order.children` has the working one, and canceling the order ends all); without kind
        the last price at the time of the call decides once. A trigger already met on arrival is refused
        (4109) or fires at once, by the venue's rule. expire: ns UTC, makes it good till then.
        once: request key; of all orders requested under this key, by any robot of the account, the first
        leaves and the others are DENIED with its name (4605), until `end_cycle(key)`.
        signal: the signal behind the order; the tape links them.
        stop_loss, take_profit, trail: protective orders that follow the fills of this one, reduce-only,
        one cancels the other (`order.children`): a price, or "2%" from the average price of the
        entry; trail: "1%" or a distance, behind the best price since. take_profit also as a list of
        (level, share of the entry): [("2%", 0.5), ("4%", 0.5)]; on spot, beside a stop, it is no order until
        its price is reached, and sells at market then. Where one of them is invalid the
        entry is DENIED (ORDER_INVALID): a level below a hundredth of the price counts as a share that
        lacks its "%".
        account: one of the robot's, by default the one whose venue the symbol names; raises UnknownSymbol
        for an account that does not trade it. An order that could meet an own order on another account of its
        exchange is DENIED (SELF_TRADE).
        """
        is_plain = once is None and signal is None and account is None and kind != "trailing"
        if is_plain and stop_loss is None and take_profit is None and trail is None and not self._host.shares_exchange:
            try:
                return self._loop.place(
                    symbol, BUY, qty, price, post_only, reduce_only, tif, trigger, trigger_by, kind, position_side,
                    expire, tag,
                )  # fmt: skip
            except UNCLEAR as error:
                raise clearer(error, locals()) from None
        terms = (
            symbol, BUY, qty, price, post_only, reduce_only, tif, trigger, trigger_by, kind, position_side, expire, tag
        )  # fmt: skip
        return self._enter(terms, (stop_loss, take_profit, trail), account, once, signal)

    def sell(
        self,
        symbol: str,
        qty: Number,
        price: Number | None = None,
        *,
        post_only: bool = False,
        reduce_only: bool = False,
        tif: str = "GTC",
        trigger: Number | None = None,
        trigger_by: str = "last",
        kind: str | None = None,
        position_side: str | None = None,
        expire: int | None = None,
        tag: str = "",
        once: str | RequestKey | None = None,
        signal: Signal | int | None = None,
        stop_loss: Number | str | None = None,
        take_profit: Number | str | Sequence[tuple[Number | str, float]] | None = None,
        trail: Number | str | None = None,
        account: str | None = None,
    ) -> _core.Order:
        """Sell `qty`; otherwise as buy()."""
        is_plain = once is None and signal is None and account is None and kind != "trailing"
        if is_plain and stop_loss is None and take_profit is None and trail is None and not self._host.shares_exchange:
            try:
                return self._loop.place(
                    symbol, SELL, qty, price, post_only, reduce_only, tif, trigger, trigger_by, kind, position_side,
                    expire, tag,
                )  # fmt: skip
            except UNCLEAR as error:
                raise clearer(error, locals()) from None
        terms = (
            symbol, SELL, qty, price, post_only, reduce_only, tif, trigger, trigger_by, kind, position_side, expire, tag
        )  # fmt: skip
        return self._enter(terms, (stop_loss, take_profit, trail), account, once, signal)

    def submit(self, specs: Iterable[Mapping[str, Any]]) -> list[_core.Order]:
        """Place several orders in one batch. Each spec: side, symbol, qty and buy()'s other arguments."""
        orders = []
        for spec in specs:
            fields = dict(spec)
            side = fields.pop("side", None)
            if side not in ("buy", "sell"):
                raise ValueError(f"side must be 'buy' or 'sell', not {side!r}")
            orders.append((self.buy if side == "buy" else self.sell)(**fields))
        return orders

    def end_cycle(self, key: str | RequestKey) -> None:
        """Free a request key: the next order requested under it leaves. A key held by another robot's order stays,
        and the gateway's tape records why."""
        self._host.notes.end_cycle(request_key(key))

    def cancel(self, order: _core.Order) -> bool:
        """Request the cancellation of an order. Returns False when there is nothing left to cancel. A target that
        sent the order ends."""
        try:
            is_requested = self._loop.cancel(order)
        except UNCLEAR as error:
            raise clearer(error, locals()) from None
        if self._desk is not None:
            self._desk.canceled(order)
        if self._trailing is not None:
            is_requested = self._trailing.canceled(order) or is_requested
        return is_requested

    def cancel_all(self, symbol: str | None = None) -> int:
        """Request the cancellation of all working orders (of `symbol`); returns their number. Targets end, too."""
        if symbol is not None:
            check_arguments({"symbol": symbol})
        count = self._loop.cancel_all(symbol)
        self._drop(symbol)
        return count

    def amend(self, order: _core.Order, price: Number | None = None, qty: Number | None = None) -> bool:
        """Request another price or whole quantity. Returns False when the request is impossible, as for a value that
        is no number."""
        if price is None and qty is None:
            raise TypeError("amend needs a price or a qty")
        try:
            if price is not None and self._host.self_trade(order.symbol, BUY if order.side == "buy" else SELL, price):
                return False
            return self._loop.amend(order, price, qty)
        except UNCLEAR as error:
            raise clearer(error, {"order": order, "price": price, "qty": 0 if qty is None else qty}) from None

    def set_quotes(
        self,
        symbol: str,
        bids: Sequence[tuple[Number, Number]],
        asks: Sequence[tuple[Number, Number]],
        *,
        keep_within: int = 0,
        side: str | None = None,
    ) -> None:
        """Set the wanted ladder of (price, size), best first; only differences are sent.

        Sizes are rounded down to whole lots: less than one lot is no level, which is logged once and
        counted in the result's `below_lot`. A size of 0 is no level; raises ValueError for a negative
        size and for a value that is no number.
        keep_within: an order whose price is at most this many ticks from the wanted one stays
        where it is, with its place in the queue.
        side: "long" or "short" on an account in hedge mode: the position changed by the ladder's fills.
        """
        if self._host.shares_exchange:
            raise NotAvailable(
                "ladders beside another account of the exchange", location="set_quotes", todo="buy, sell and amend"
            )
        try:
            self._loop.set_quotes(symbol, bids, asks, keep_within, side)
        except UNCLEAR as error:
            raise clearer(error, locals()) from None

    def set_target(
        self,
        symbol: str,
        qty: Number,
        algo: str = "touch",
        *,
        signal: Signal | int | None = None,
        account: str | None = None,
        side: str | None = None,
        **options: Any,
    ) -> _core.Order | None:
        """Make `qty` this strategy's own position (absolute, signed). Pending orders count.

        algo: "touch" takes the opposite touch at once, "join" and "peg" rest at the best price of
        their side or at the mid price, "iceberg" shows `clip` at a time, "twap", "vwap" and
        "shortfall" take clips over `minutes`, "pov" its share (`participation`) of the traded volume.
        options: `minutes` or `deadline` (ns or "10m"), `limit` (the worst price), `slippage` ("0.2%"
        from the current price), `participation`, `clip`. At the deadline the rest is taken, no worse
        than the limit. A later target of the symbol replaces it.

        Returns the order sent, None if none was needed yet. signal: the signal behind it; the tape
        links signal, target, orders and fills. account: as buy(); "*": divided among all accounts of the robot at
        the symbol's exchange. side: "long" or "short" on an account in hedge mode: the position that becomes `qty`,
        where the sign of a short one may be left out.
        """
        try:
            if side is not None:
                return self._set_side(symbol, qty, side, algo, signal, account, options)
            if account == ALL:
                return self._execution_desk().divide(symbol, qty, algo, signal, options)
            if account is not None:
                symbol = self._host.on_account(symbol, account)
            desk = self._desk
            is_shared = self._host.shares_exchange  # orders working on another account are included
            if algo != "touch" or options or is_shared or (desk is not None and desk.works(symbol, "both")):
                return self._execution_desk().set_target(symbol, qty, algo, signal, options)
            if desk is not None:
                desk.forget(symbol)
            if signal is not None:
                return self._host.target_for(signal, symbol, qty)
            return self._loop.set_target(symbol, qty)
        except UNCLEAR as error:
            raise clearer(error, locals()) from None

    def _set_side(
        self,
        symbol: str,
        qty: Number,
        side: str,
        algo: str,
        signal: Signal | int | None,
        account: str | None,
        options: dict[str, Any],
    ) -> _core.Order | None:
        if account == ALL:
            raise NotAvailable("one target over accounts in hedge mode", location=symbol, todo="name one account")
        if account is not None:
            symbol = self._host.on_account(symbol, account)
        desk = self._desk
        if algo != "touch" or options or (desk is not None and desk.works(symbol, side)):
            return self._execution_desk().set_target(symbol, qty, algo, signal, options, side)
        if desk is not None:
            desk.forget(f"{symbol} {side}")
        if signal is not None:
            return self._host.target_for(signal, symbol, qty, side=side)
        return self._loop.set_target(symbol, qty, side=side)

    def set_weights(
        self,
        weights: Mapping[str, float],
        of: float | None = None,
        band: float = 0.0,
        algo: str = "touch",
        *,
        side: str | None = None,
        **options: Any,
    ) -> dict[str, float]:
        """Make each symbol's position this share of the equity (1.0 is all of it, negative is short), in
        whole lots. Reductions are sent first, increases once these are done. A symbol that is not named
        keeps its position.

        of: base amount instead of the equity, in the run's currency. band: a position whose weight differs
        from the wanted one by at most this stays, unless it is to be closed. algo, side, options: as set_target.
        Returns the target positions. Raises ValueError for a weight that is no number and for a symbol
        without a price yet.
        """
        return self._execution_desk().set_weights(weights, of, band, algo, options, side)

    def roll(self, contracts: Sequence[str], before: str = "8h", algo: str = "touch", **options: Any) -> Roll:
        """Move the position in a contract, or its pending target, to the next contract when the first expires within
        the set time: out of the one, then into the other, each by `algo` and its options as of set_target. Call it
        in on_start; the result's `front` is the contract to trade at any moment.

        contracts: of one market, by expiry; the last one may have none. Raises StrategyError for others.
        """
        from onetape.engine.roll import Roll

        def move(old: str, new: str) -> None:
            self._move(old, new, algo, options)

        return Roll(self._host, Strategy, self._location, contracts, before, move)

    def _move(self, old: str, new: str, algo: str, options: dict[str, Any]) -> None:
        self._execution_desk().move(old, new, algo, options)

    def _execution_desk(self) -> ExecutionDesk:
        if self._desk is None:
            from onetape.engine.execution_desk import ExecutionDesk

            self._desk = ExecutionDesk(self._host, Strategy, self._own_withdrawals(), self.set_target, self._location)
        return self._desk

    def _own_withdrawals(self) -> Withdrawals:
        if self._withdrawals is None:
            from onetape.engine.withdrawals import Withdrawals

            self._withdrawals = Withdrawals(self._host, Strategy, self._location)
        return self._withdrawals

    def _drop(self, symbol: str | None) -> None:
        for desk in (self._desk, self._trailing):
            if desk is not None:
                desk.drop(symbol)

    def _resume(self) -> None:
        """Resume parent orders and protections of an earlier incarnation."""
        kept = self._host.kept.get(self._location, {})
        if kept.get("protected"):
            self._protections_desk().resume()
        if kept.keys() - {"protected"}:
            self._execution_desk().resume()

    def _works(self, symbol: str, side: str | None = None) -> bool:
        """Returns True while an algorithm works for a target of a symbol."""
        return self._desk is not None and bool(self._desk.works(symbol, side))

    def _check_target(self, command: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the symbol of a target command; raises an OnetapeError when it cannot be carried out."""
        from onetape.engine.target_commands import check_target

        check_target(self._host, self._works, command, fields)
        return {"symbol": fields["symbol"]}

    def _obey_target(self, command: str, fields: Mapping[str, Any]) -> None:
        self._execution_desk().obey(command, fields)

    def _enter(
        self,
        terms: tuple[Any, ...],
        exits: tuple[Any, ...],
        account: str | None,
        once: str | RequestKey | None,
        signal: Signal | int | None,
    ) -> _core.Order:
        """Place an order of buy() or sell(). terms: as StopTerms; exits: stop loss, take profit, trail."""
        try:
            if account is not None:
                terms = (self._host.on_account(terms[0], account), *terms[1:])
            if terms[9] == "trailing":
                return self._begin_trailing(terms, exits, once, signal)
            is_protected = exits != (None, None, None)
            refusal = self._protections_desk().check(*terms[:4], *exits) if is_protected else None
            if refusal is None and once is None and signal is None and not self._host.shares_exchange:
                order = self._loop.place(*terms)
            else:
                order = self._host.place_with(once, signal, *terms, refusal=refusal)
            if is_protected:
                self._protections_desk().attach(order, *exits)
            return order
        except UNCLEAR as error:
            from onetape.engine.trailing import StopTerms

            raise clearer(error, {**StopTerms(*terms)._asdict(), "account": account}) from None

    def _begin_trailing(
        self, terms: tuple[Any, ...], exits: tuple[Any, ...], once: str | RequestKey | None, signal: Signal | int | None
    ) -> _core.Order:
        from onetape.engine.trailing import StopTerms, TrailingStops

        *attached, trail = exits
        if attached != [None, None]:
            raise ValueError("stop_loss and take_profit are attached to an entry, not to a trailing stop")
        if self._trailing is None:
            self._trailing = TrailingStops(self._host, Strategy, self._own_withdrawals(), self._location)
        return self._trailing.begin(StopTerms(*terms), trail, once, signal)

    def _protections_desk(self) -> Protections:
        if self._protections is None:
            from onetape.engine.protection import Protections

            self._protections = Protections(self._host, Strategy, self._own_withdrawals(), self._location)
        return self._protections

    def close(self, symbol: str) -> _core.Order | None:
        """Cancel working orders of `symbol` and flatten its position, on all accounts at its exchange."""
        if self._host.shares_exchange:
            accounts = self._host.on_all(symbol)
            for each in accounts:
                self._drop(each)
                self._loop.cancel_all(each)
            return next(filter(None, [self.set_target(each, 0) for each in accounts]), None)
        self._drop(symbol)
        self._loop.cancel_all(symbol)
        if None not in self._host.sides_of(symbol):
            return self._close_sides(symbol)
        is_spot = self._host.instrument_of(symbol).kind == "spot"
        return self._flatten(symbol, not is_spot)

    def _flatten(self, symbol: str, reduce_only: bool) -> _core.Order | None:
        return self._loop.set_target(symbol, 0, reduce_only)

    def _close_sides(self, symbol: str) -> _core.Order | None:
        order = None
        if qty := self.position(symbol, "long").qty:
            order = self.sell(symbol, qty, position_side="long")
        if qty := self.position(symbol, "short").qty:
            order = self.buy(symbol, -qty, position_side="short")
        return order

    # --- account ---------------------------------------------------------------------------------

    def position(self, symbol: str, side: str | None = None, *, account: str | None = None) -> _core.Position:
        """Returns the own position (never None; `qty` is signed) as a live view. account: as in buy()."""
        if account is not None:
            symbol = self._host.on_account(symbol, account)
        return self._loop.position(symbol, side)

    def positions(self) -> list[_core.Position]:
        """Returns all positions that are not flat."""
        return self._loop.positions()

    def orders(self, symbol: str | None = None) -> list[_core.Order]:
        """Returns working orders, oldest first."""
        return self._loop.working(symbol)

    def balance(self, currency: str, venue: str | None = None, *, account: str | None = None) -> Any:
        """Returns total, available and locked of one currency, as floats; zero when there is none. Live it is the
        robot's sub-account by the gateway's ledger.

        venue: of the account that this venue's orders use. Without it, where venues have accounts of their own, the
        sum over them: no single order can use all of it. account: one of `accounts`, instead of its venue.
        """
        return self._host.balance(currency, venue if account is None else self._host.venue_of(account) or None)

    def equity_of(self, account: str | None = None) -> float:
        """Returns an account's part of `equity`; without an account all of it."""
        return self.equity if account is None else self._host.equity_of(account)

    @property
    def accounts(self) -> dict[str, str]:
        """Returns the run's accounts by name, each with the venue of its symbols; "" is all venues. In a backtest an
        account without a name has its venue's."""
        return self._host.accounts

    def profit(self, symbol: str) -> float:
        """Returns the profit of one symbol from fills, fees, funding and its open position, in its settle currency."""
        return self._host.profit(symbol)

    @property
    def equity(self) -> float:
        """Returns balance plus unrealized profit in the run's currency, of all accounts together."""
        return self._loop.equity

    # --- events ----------------------------------------------------------------------------------

    def on(self, kind: str, handler: Callable[..., Any]) -> None:
        """Call `handler(event)` for each event of a kind (`quote`, `fill`, `signal`, ...: the
        callbacks' names without `on_`), after the callback, in the order of registration; for
        `"*"` `handler(kind, event)` for all kinds, last. From the next event on.

        Its exceptions follow `on_error`. Register in on_start: a restart keeps no handlers.
        """
        self._host.handlers_of(Strategy).on(kind, handler)

    def off(self, kind: str, handler: Callable[..., Any]) -> bool:
        """Remove a handler at once, also for the event being dispatched. Returns False when it was not registered."""
        return self._host.handlers_of(Strategy).off(kind, handler)

    def signal(self, symbol: str, direction: Direction, **facts: Any) -> Signal:
        """Record a view of the market ("buy", "sell", "flat"): a frame on the run's tape and an event for handlers.
        Pass it to `set_target(..., signal=)` or to an order."""
        return self._host.signal(symbol, direction, facts)

    def child(self, kind: type[S], name: str, **params: Any) -> S:
        """Start another strategy inside this one: it receives events of the symbols it subscribes to and of its
        timers, trades with this one's account, and its orders carry its location (`/parent/name`). Create it in
        on_start."""
        return self._host.make_child(self, Strategy, kind, name, params)

    # --- log, plots, memory ----------------------------------------------------------------------

    def log(self, text: str, level: str = "info", **fields: Any) -> None:
        """Write a line to the log and the tape."""
        self._host.log(text, level, fields)

    def plot(self, name: str, value: Number | None) -> None:
        """Write a value of your own series to the tape: report and pages draw each name as a line.

        value: a number; None or nan leaves a gap. Raises ValueError for other values, and for a name that is empty
        or longer than 64 letters."""
        self._host.notes.plot(name, value)

    @property
    def memory(self) -> dict[str, Any]:
        """Plain values (at most 64 kB) that survive a restart through the tape."""
        self._loop.touch_memory()
        return self._host.memory


# Services called at each event, without a Python frame where they pass arguments unchanged.
Strategy.bars = _core.quick_bars(Strategy.bars)  # type: ignore[method-assign]
Strategy.set_target = _core.quick_target(Strategy.set_target)  # type: ignore[method-assign]
Strategy._services = frozenset(name for name in vars(Strategy) if not name.startswith("_")) | {"random", "resumed"}
