"""A simulated exchange: the matching engine, accounts with money, and everything that is said.

A pure core: time is handed in, must not go back, and nothing here reads a clock. The same object
stands behind the servers of all venues, under a virtual clock in simulation, and in tests. What a
venue calls things is the business of its dialect.

    exchange.advance(now)                  # the market moves to `now`
    order = exchange.orders.place(account, 0, now, NewOrder(side=Side.BUY, ...))
    for report in exchange.take(): ...     # all that came of it, in order

Its parts own what they change, and each is made of those before it:

    timeline       now, timers, reports, and the recorder of calls
    board          instruments, prices, books
    accounts       keys, money, margin settings
    orders         order entry, fills
    conditionals   orders that wait for a price outside the book
    clearing       funding, liquidation, settlement
    transfers      withdrawals and deposits

Every call that changes something can be recorded and replayed (`recorder`), so that an exchange
that was killed comes back as it was: equal seed, equal calls, equal state.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from onetape.exchange.accounts import Accounts
from onetape.exchange.board import MARK, TRADE, Board, Market
from onetape.exchange.clearing import Clearing
from onetape.exchange.conditional import ConditionalBook
from onetape.exchange.joint import Collateral
from onetape.exchange.order_entry import OrderEntry
from onetape.exchange.reports import Report
from onetape.exchange.timeline import Timeline, recorded_calls
from onetape.exchange.transfers import Transfers
from onetape.model.enums import TriggerBy
from onetape.model.errors import InvariantViolation, OnetapeError
from onetape.model.money import MONEY_DECIMALS

__all__ = ["Rules", "SimExchange"]

TRIGGER_DELAY: Final = 5_000_000  # ns


@dataclass(frozen=True, slots=True)
class Rules:
    """Says how a kind of exchange goes about orders and money."""

    first_order_id: int = 1_000_000_001
    self_trade: str = "cancel_resting"
    isolates: bool = False  # isolated positions have margin of their own
    collateral: dict[str, Collateral] = field(default_factory=dict)  # what is joint margin
    # A position worth so much (of its currency, times its most leverage) is liquidated in so many parts; 0: never.
    liquidation_parts: tuple[int, int] = (0, 1)
    # That a fee is charged with, of what an order settles in and of its base coin.
    fee_decimals: tuple[int, int] = (MONEY_DECIMALS, MONEY_DECIMALS)
    outside_wallet: str = ""  # that deposits come to, if it is not the one that is traded from


class SimExchange:
    """A simulated exchange. keyring: seed and kind of venue. currencies: that accounts hold besides those of the
    instruments."""

    def __init__(
        self, market: Market, rules: Rules, *, keyring: tuple[int, str], currencies: tuple[str, ...] = ()
    ) -> None:
        self.market = market
        self.flow: Any = market.core
        self.timeline = Timeline(market.start)
        self.board = Board(self.timeline, market, currencies)
        self.accounts = Accounts(
            self.timeline, self.board, keyring=keyring, isolates=rules.isolates, collateral=dict(rules.collateral)
        )
        self.orders = OrderEntry(
            self.timeline,
            self.board,
            self.accounts,
            first_id=rules.first_order_id,
            self_trade=rules.self_trade,
            fee_decimals=rules.fee_decimals,
        )
        self.conditionals = ConditionalBook(
            self.timeline, self.board, self.orders, seed=keyring[0], delay=TRIGGER_DELAY
        )
        self.clearing = Clearing(
            self.timeline, self.board, self.accounts, self.orders, self.conditionals, parts=rules.liquidation_parts
        )
        self.transfers = Transfers(self.timeline, self.accounts, wallet=rules.outside_wallet)
        # What most readers ask for.
        self.instruments = self.board.instruments
        self.listings = self.board.listings
        self.currencies = self.board.currencies
        self._calls = recorded_calls(
            (self.board, self.accounts, self.orders, self.conditionals, self.clearing, self.transfers)
        )

    @property
    def now(self) -> int:
        return self.timeline.now

    def take(self) -> list[Report]:
        """Returns what was said since the last call."""
        return self.timeline.take()

    def open_interest(self, index: int, now: int) -> int:
        """Sizes that are held long. The generated crowd's, and a tape's, are not known: as much as
        if half of what was traded within a day had opened; what accounts hold is on top of it."""
        traded = self.listings[index].day(now).volume
        held = sum(max(a.qty(index, side), 0) for a in self.accounts for side in a.sides)
        return traded // 2 + held

    def advance(self, now: int) -> None:
        """Everything until `now`, inclusive: the market, triggers, funding, expiries."""
        timeline, flow = self.timeline, self.flow
        if now < timeline.now:
            raise InvariantViolation(f"time goes back: {now} after {timeline.now}")
        timeline.is_inside = True  # what time brings is no call from outside
        try:
            while True:
                due = min(flow.next_expiry, timeline.next_due)
                if (coming := flow.next_time) < due and coming <= now:
                    event = flow.next(min(due, now + 1), self.board.is_heard)
                    if event is not None:
                        timeline.now = event[3]
                        self._take_market(*event)
                    continue
                if due > now:
                    break
                timeline.now = max(due, timeline.now)
                if timeline.next_due <= due:
                    timeline.run_next()
                else:
                    self.orders.hear(flow.expire(timeline.now))
            timeline.now = now
        finally:
            timeline.is_inside = False

    def advance_unheard(self, now: int) -> None:
        """As `advance`, and nothing is said of books and quotes: three quarters of the market's
        words, which take most of the time to make."""
        with self._unheard():
            self.advance(now)

    def begin(self, now: int) -> None:
        """A generated market until `now`, in which nobody else takes part and of which nothing is said: as
        `advance_unheard`, eight times as fast."""
        timeline, board, flow = self.timeline, self.board, self.flow
        with self._unheard():
            while (due := timeline.next_due) <= now:
                board.take_history(flow.history(due))
                timeline.now = due
                timeline.run_next()
            board.take_history(flow.history(now + 1))
            timeline.now = now

    @contextmanager
    def _unheard(self) -> Generator[None]:
        """Says nothing of books and quotes meanwhile; then the last ones of each symbol are taken in."""
        self.board.is_heard = False
        try:
            yield
            for kind, flags, index, time, payload in self.flow.take_unheard():
                self.board.take(kind, flags, index, time, payload)
        finally:
            self.board.is_heard = True

    def _take_market(self, kind: int, flags: int, index: int, time: int, payload: bytes) -> None:
        if kind == MARK:
            self.set_mark(index, *self.board.mark_of(payload), time)
        else:
            self.board.take(kind, flags, index, time, payload)
        self.orders.hear(self.flow.news())
        if kind == TRADE:
            self.conditionals.on_price(index, TriggerBy.LAST, self.listings[index].last, time)

    def set_mark(self, index: int, mark: int, index_price: int, now: int) -> None:
        """A new mark: what waits for it fires, what it no longer carries is closed."""
        self.board.set_mark(index, mark, index_price, now)
        self.orders.hear(self.flow.set_prices(index, now, mark, index_price))
        self.clearing.on_mark(index, mark, now)
        self.conditionals.on_price(index, TriggerBy.MARK, mark, now)

    def replay(self, calls: Iterable[tuple[int, str, list[Any], dict[str, Any]]]) -> None:
        """Makes recorded calls again: (now, name, arguments, keywords) as the recorder had
        them."""
        for now, name, args, kwargs in calls:
            self.advance_unheard(max(now, self.now))
            # What was refused then is refused again: the caller was told, and went on.
            with suppress(ValueError, TypeError, msgspec.ValidationError, OnetapeError):
                self._calls[name](*[self._object(a) for a in args], **kwargs)
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
