"""Parent orders at work: what an execution algorithm wishes becomes orders, and never more than is left.

One desk a strategy, made with its first algorithm. A parent order is a target of the strategy with the algorithm
that works it; its children are ordinary orders that name the target on the tape. At most one child works for a
parent, and a change of it is an amendment or waits for the end of what was before: so the target is never
passed, whatever is delayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, Final

from onetape.engine.handlers import PRIVATE_TIMER
from onetape.engine.marks import BUY, CHANGING, QUOTES, SELL, TRADES
from onetape.engine.notes import Signal, number_of
from onetape.execution.algorithm import Algorithm, Parent, View, Wish
from onetape.execution.algorithms import make_algorithm
from onetape.execution.amount import amount_of
from onetape.model.enums import OrderState
from onetape.model.errors import NotAvailable, ProcessDown, StrategyError
from onetape.model.time import parse_period

if TYPE_CHECKING:
    from onetape import _core
    from onetape.engine.host import Host

__all__ = ["ExecutionDesk", "Work"]

SECOND: Final = 10**9
REFUSALS_MAX: Final = 10  # of children one after the other, before the parent ends
RETRY_NS: Final = SECOND // 4  # doubled with each refusal
FOLLOW_NS: Final = SECOND  # how often a child is looked at that waits for its price


@dataclass(slots=True)
class Work:
    """A parent order at work. target: its number on the tape; wanted: the position in size units, signed; more: what
    its children carry on the tape."""

    target: int
    symbol: str
    name: str
    wanted: int
    parent: Parent
    algorithm: Algorithm
    more: bytes
    awaited: list[_core.Order] = field(default_factory=list)
    order: _core.Order | None = None
    traded: int = 0
    amended: tuple[int, int | None, Decimal] | None = None  # order, price and quantity of the last amendment
    since: int = 0  # when the price of its order was sent
    refusals: int = 0
    retry_at: int = 0


class ExecutionDesk:
    """Of one strategy, or of one strategy inside it."""

    def __init__(self, host: Host, base: type, set_target: Callable[..., _core.Order | None]) -> None:
        """set_target: the strategy's own."""
        self._host, self._loop, self._set_target = host, host.loop, set_target
        self._seed = host.seed
        self._works: dict[str, Work] = {}
        self._later: dict[str, tuple[Decimal, str, dict[str, Any]]] = {}  # what is to grow
        self._reducing: set[str] = set()  # what it waits for
        self._denied: dict[str, tuple[Decimal, str, dict[str, Any]]] = {}  # of that: its gateway is away
        handlers = self._host.handlers_of(base)
        handlers.on("timer", self._on_timer)
        handlers.on("order", self._on_order)
        handlers.on("quote", self._on_quote)
        handlers.on("trade", self._on_trade)
        handlers.on("health", self._on_health)

    def works(self, symbol: str) -> bool:
        """A parent order of the symbol is at work."""
        return symbol in self._works

    def set_target(
        self, symbol: str, qty: Any, name: str, signal: Signal | int | None, options: dict[str, Any]
    ) -> _core.Order | None:
        """Starts a parent order, in place of one that works for the symbol. The child that was sent, if any.
        Raises NotAvailable, StrategyError, and TypeError for what is no number."""
        if self._host.is_hedged:
            raise NotAvailable(
                "execution algorithms with hedge positions", location="set_target", todo='use algo="touch"'
            )
        instrument = self._host.instrument_of(symbol)
        target, more = self._host.notes.target(symbol, qty, number_of(signal), algo=name, options=options)
        wanted = int(Decimal(str(qty)).scaleb(instrument.size_decimals))
        awaited = self._withdrawn(symbol)
        lot = int(instrument.lot.scaleb(instrument.size_decimals))
        missing = wanted - self._loop.position(symbol, None).qty_int
        side = 1 if missing > 0 else -1
        lots = abs(missing) // lot
        if lots == 0:
            return None
        try:
            parent = self._parent(symbol, side, lots, options)
            draw = Random(f"{self._seed}:{target.id}").random
            algorithm = make_algorithm(name, parent, draw, options)
        except (ValueError, TypeError) as problem:
            raise StrategyError(str(problem), location=f"set_target({symbol}, algo={name!r})") from None
        work = Work(target.id, symbol, name, wanted, parent, algorithm, more, awaited)
        self._works[symbol] = work
        self._loop.subscribe(symbol, QUOTES * algorithm.follows_quotes | TRADES * algorithm.follows_trades)
        self._advance(work)
        return work.order

    def set_weights(
        self, weights: Mapping[str, float], of: float | None, band: float, algo: str, options: dict[str, Any]
    ) -> dict[str, float]:
        """See Strategy.set_weights."""
        whole = Decimal(repr(float(self._loop.equity if of is None else of)))
        targets: list[tuple[str, Decimal, str, dict[str, Any]]] = []
        wanted: dict[str, float] = {}
        for symbol, weight in weights.items():
            instrument = self._host.instrument_of(symbol)
            share, price = Decimal(repr(float(weight))), self._price(symbol)
            if not share.is_finite():
                raise ValueError(f"the weight of {symbol} is no number: {weight!r}")
            if price is None or price <= 0:
                raise ValueError(f"no price of {symbol} is known yet")
            value = instrument.multiplier * (1 if instrument.kind == "inverse" else price)
            now = Decimal(self._loop.position(symbol, None).qty_int).scaleb(-instrument.size_decimals)
            if share and whole > 0 and abs(now * value / whole - share) <= Decimal(repr(band)):
                wanted[symbol] = float(now)
                continue
            lots = int(share * whole / value / instrument.lot)  # towards zero: never more than the share
            qty = lots * instrument.lot
            wanted[symbol] = float(qty)
            targets.append((symbol, qty, algo, options))
        self.reach(targets)
        return wanted

    def reach(self, targets: Iterable[tuple[str, Decimal, str, dict[str, Any]]]) -> None:
        """Sets targets (symbol, quantity, algorithm, its options): what gets smaller at once, what grows when
        nothing is under way that gets smaller. A later target of a symbol takes the place of one that waits."""
        smaller = []
        for symbol, qty, algo, options in targets:
            now = self._host.instrument_of(symbol).size(self._loop.position(symbol, None).qty_int)
            self.forget(symbol)
            if abs(qty) < abs(now) and qty * now >= 0:
                smaller.append((symbol, qty, algo, options))
                self._reducing.add(symbol)
            else:
                self._later[symbol] = qty, algo, options
        for symbol, qty, algo, options in smaller:
            order = self._set_target(symbol, qty, algo, **options)
            if order is not None and order.code == ProcessDown.code and not self.works(symbol):
                self._denied[symbol] = qty, algo, options  # said again when its gateway is back
        self._release()

    def forget(self, symbol: str) -> None:
        """Another target takes the place of one that waits."""
        self._later.pop(symbol, None)
        self._denied.pop(symbol, None)

    def is_reaching(self, symbol: str) -> bool:
        """A target of the symbol is under way, or waits."""
        return symbol in self._later or self._is_reducing(symbol)

    def _is_reducing(self, symbol: str) -> bool:
        return symbol in self._denied or self.works(symbol) or self._has_target_orders(symbol)

    def _release(self) -> None:
        """What is to grow, once nothing of what gets smaller is under way."""
        if any(map(self._is_reducing, self._reducing)):
            return
        self._reducing.clear()
        later, self._later = self._later, {}
        for symbol, (qty, algo, options) in later.items():
            self._set_target(symbol, qty, algo, **options)

    def _has_target_orders(self, symbol: str) -> bool:
        return any(order.tag == "target" for order in self._loop.working(symbol))

    def cancel(self, symbol: str) -> bool:
        """Ends the parent order of a symbol and cancels its child. False: there is none."""
        if (work := self._works.get(symbol)) is None:
            return False
        self._end(work, "canceled")
        return True

    # --- what a parent is -------------------------------------------------------------------------

    def _parent(self, symbol: str, side: int, lots: int, options: dict[str, Any]) -> Parent:
        """Takes the options that all algorithms have out of `options`."""
        instrument, now = self._host.instrument_of(symbol), self._loop.now
        minutes, deadline = options.pop("minutes", None), options.pop("deadline", None)
        limit, slippage = options.pop("limit", None), options.pop("slippage", None)
        clip, participation = options.pop("clip", None), options.pop("participation", None)
        if minutes is not None and deadline is not None:
            raise ValueError("minutes= and deadline= say the same")
        if minutes is not None:
            if not 0 < float(minutes) < 1e6:
                raise ValueError(f"minutes is above 0, not {minutes!r}")
            end: int | None = now + round(float(minutes) * 60 * SECOND)
        else:
            end = now + parse_period(deadline) if isinstance(deadline, str) else deadline
        if end is not None and end <= now:
            raise ValueError("the deadline is not ahead")
        if participation is not None and not 0 < float(participation) <= 1:
            raise ValueError(f"participation lies above 0 and up to 1, not {participation!r}")
        worst = self._limit(symbol, side, limit, slippage)
        lot = instrument.lot
        least = max(1, int(-(-instrument.size_min // lot)), self._least_by_value(symbol))
        clip_lots = None if clip is None else int(Decimal(str(clip)) // lot)
        if clip_lots is not None and clip_lots < 1:
            raise ValueError(f"clip {clip!r} is less than one lot ({lot})")
        share = None if participation is None else float(participation)
        return Parent(side, lots, now, end, worst, clip_lots, share, min(least, lots))

    def _limit(self, symbol: str, side: int, limit: Any, slippage: Any) -> int | None:
        """Returns the worst price in ticks: as said, or so far from the price at the start."""
        tick = self._host.instrument_of(symbol).tick
        worst: list[int] = []
        if limit is not None:
            worst.append(_ticks(Decimal(str(limit)), tick, side))
        if slippage is not None:
            start = self._price(symbol)
            if start is None:
                raise ValueError("slippage= needs a price of the symbol, and there is none yet")
            distance = amount_of(slippage, start)
            worst.append(_ticks(start + side * distance, tick, side))
        if not worst:
            return None
        return min(worst) if side > 0 else max(worst)

    def _least_by_value(self, symbol: str) -> int:
        """Lots of the least order that the venue takes, by its value."""
        instrument, price = self._host.instrument_of(symbol), self._price(symbol)
        if not instrument.notional_min or price is None or price <= 0:
            return 1
        per_lot = instrument.lot * instrument.multiplier * (1 if instrument.kind == "inverse" else price)
        return int(-(-instrument.notional_min // per_lot)) + 1

    def _price(self, symbol: str) -> Decimal | None:
        """At which positions are valued now."""
        doubled = self._loop.value_doubled(symbol)
        decimals = self._host.instrument_of(symbol).price_decimals
        return Decimal(doubled).scaleb(-decimals) / 2 if doubled else None

    def _withdrawn(self, symbol: str) -> list[_core.Order]:
        """Returns what worked for an earlier target of the symbol, asked to be canceled: the next one waits for it."""
        if (before := self._works.pop(symbol, None)) is not None:
            self._loop.cancel_timer(_timer(before))
        ours = [
            order
            for order in self._loop.working(symbol)
            if order.tag == "target"
            or (before is not None and before.order is not None and order.id == before.order.id)
        ]
        for order in ours:
            self._loop.cancel(order)
        return [order for order in (*ours, *(before.awaited if before else ())) if not order.is_closed]

    # --- what happens -----------------------------------------------------------------------------

    def _on_timer(self, name: str) -> None:
        for work in tuple(self._works.values()):
            if name == _timer(work):
                self._advance(work)

    def _on_order(self, order: _core.Order) -> None:
        work = self._works.get(order.symbol)
        if work is None:
            self._release()
            return
        if work.order is not None and order.id == work.order.id and order.is_closed:
            work.order = None
            if order.state in (OrderState.REJECTED, OrderState.DENIED):
                self._refused(work, order)
            elif order.filled_int:
                work.refusals = 0
        self._advance(work)

    def _on_health(self, health: _core.Health) -> None:
        if (health.kind, health.state) == ("gateway", "live") and self._denied:
            self.reach([(symbol, *target) for symbol, target in self._denied.items()])

    def _on_quote(self, quote: _core.Quote) -> None:
        work = self._works.get(quote.symbol)
        if work is not None and (work.algorithm.follows_quotes or work.order is not None):
            self._advance(work)

    def _on_trade(self, trade: _core.Trade) -> None:
        work = self._works.get(trade.symbol)
        if work is not None:
            work.traded += trade.size_int
            if work.algorithm.follows_trades:
                self._advance(work)

    def _refused(self, work: Work, order: _core.Order) -> None:
        work.refusals += 1
        work.retry_at = self._loop.now + RETRY_NS * 2 ** (work.refusals - 1)
        if work.refusals >= REFUSALS_MAX:
            self._end(work, f"refused {work.refusals} times, last {order.code} {order.reason}")

    def _advance(self, work: Work) -> None:
        """Brings what works to what the algorithm wishes."""
        if self._works.get(work.symbol) is not work:
            return
        work.awaited = [order for order in work.awaited if not order.is_closed]
        if work.awaited:
            return
        instrument, now = self._host.instrument_of(work.symbol), self._loop.now
        lot = int(instrument.lot.scaleb(instrument.size_decimals))
        side = work.parent.side
        left = max(side * (work.wanted - self._loop.position(work.symbol, None).qty_int), 0) // lot
        order = work.order
        if left == 0:
            if order is None:
                self._end(work, "done")
            else:
                self._loop.cancel(order)
            return
        wish = work.algorithm.wish(self._view(work, left, lot))
        if 0 < wish.lots < work.parent.least:
            wish = Wish(min(work.parent.least, left), wish.price, wish.post_only, wish.wake)
        if order is not None:
            self._change(work, order, wish, lot)
        elif wish.lots and now >= work.retry_at:
            self._place(work, wish)
        elif not wish.lots and work.parent.deadline is not None and now >= work.parent.deadline:
            self._end(work, "its limit left it unfinished at the deadline")
            return
        self._wake(work, wish)

    def _view(self, work: Work, left: int, lot: int) -> View:
        instrument = self._host.instrument_of(work.symbol)
        tick = int(instrument.tick.scaleb(instrument.price_decimals))
        quote, order = self._loop.quote(work.symbol), work.order
        return View(
            now=self._loop.now,
            left=left,
            working=0 if order is None else (order.qty_int - order.filled_int) // lot,
            working_price=None if order is None or order.price is None else order.price_int // tick,
            bid=quote.bid_int // tick if quote is not None and quote.bid_int > 0 else None,
            ask=quote.ask_int // tick if quote is not None and quote.ask_int > 0 else None,
            traded=work.traded / lot,
            since=work.since,
        )

    def _place(self, work: Work, wish: Wish) -> None:
        side = BUY if work.parent.side > 0 else SELL
        qty, price = self._exact(work, wish)
        work.since = self._loop.now
        work.order = self._loop.place_with(
            work.more,
            0,
            "",
            work.symbol,
            side,
            qty,
            price,
            wish.post_only,
            False,
            "GTC",
            None,
            "last",
            None,
            None,
            None,
            work.name,
        )
        if work.order.is_closed:  # denied at once
            order, work.order = work.order, None
            self._refused(work, order)

    def _change(self, work: Work, order: _core.Order, wish: Wish, lot: int) -> None:
        if order.state in CHANGING or order.state == OrderState.SUBMITTED:
            return  # its news comes here
        remaining = (order.qty_int - order.filled_int) // lot
        if wish.lots == 0:
            self._loop.cancel(order)
            return
        if order.price is None:
            return  # at market: it fills, or ends
        qty, price = self._exact(work, wish)
        is_same = wish.price is not None and price is not None and order.price_int == self._units(work, price)
        if is_same and remaining == wish.lots:
            return
        whole = qty + Decimal(order.filled_int).scaleb(-self._host.instrument_of(work.symbol).size_decimals)
        change = (order.id, wish.price, whole)
        is_refused = work.amended == change  # it was asked for, and the order is as it was
        work.amended, work.since = change, self._loop.now
        can_change = wish.price is not None and wish.post_only == order.post_only and not is_refused
        if not (can_change and self._loop.amend(order, None if is_same else price, whole)):
            self._loop.cancel(order)

    def _wake(self, work: Work, wish: Wish) -> None:
        if self._works.get(work.symbol) is not work:
            return
        now = self._loop.now
        times = [wish.wake] if wish.wake is not None else []
        if work.retry_at > now:
            times.append(work.retry_at)
        is_late = work.parent.deadline is not None and now >= work.parent.deadline
        if is_late or (work.order is not None and not work.order.is_closed):
            times.append(now + FOLLOW_NS)
        times = [each for each in times if each > now]
        if times:
            self._loop.set_timer(_timer(work), 0, min(times))

    def _end(self, work: Work, why: str) -> None:
        self._loop.cancel_timer(_timer(work))
        del self._works[work.symbol]
        if work.order is not None and not work.order.is_closed:
            self._loop.cancel(work.order)
        instrument = self._host.instrument_of(work.symbol)
        missing = work.wanted - self._loop.position(work.symbol, None).qty_int
        fields = {
            "target": work.target,
            "symbol": work.symbol,
            "algo": work.name,
            "missing": str(instrument.size(missing)),
            "why": why,
        }
        self._release()
        self._host.log(f"target {work.target} of {work.symbol}: {why}", "info" if why == "done" else "warning", fields)

    def _exact(self, work: Work, wish: Wish) -> tuple[Decimal, Decimal | None]:
        instrument = self._host.instrument_of(work.symbol)
        return wish.lots * instrument.lot, None if wish.price is None else wish.price * instrument.tick

    def _units(self, work: Work, price: Decimal) -> int:
        return int(price.scaleb(self._host.instrument_of(work.symbol).price_decimals))


def _timer(work: Work) -> str:
    return f"{PRIVATE_TIMER}{work.target}"


def _ticks(price: Decimal, tick: Decimal, side: int) -> int:
    """Towards the better price for the side."""
    whole, rest = divmod(price, tick)
    return int(whole) + (1 if rest and side < 0 else 0)
