"""A simulated exchange: the matching engine, accounts with money, and all its reports.

A pure core: time is passed in, must not decrease, and nothing here reads a clock. The same object is behind the servers
of all venues, under a virtual clock in simulation, and in tests. The dialect translates the venue's names.

    exchange.advance(now)                  # the market moves to `now`
    order = exchange.orders.place(account, 0, now, NewOrder(side=Side.BUY, ...))
    for report in exchange.take(): ...     # all results, in order

Each part owns the state that it changes, and uses only the parts before it:

    timeline       now, timers, reports, and the recorder of calls
    board          instruments, prices, books
    accounts       keys, money, margin settings
    orders         order entry, fills
    conditionals   orders that wait for a price outside the book
    clearing       funding, liquidation, settlement
    transfers      withdrawals and deposits

Every call that changes something can be recorded and replayed (`recorder`), which restores an exchange that was killed:
the same seed and calls give the same state.
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
    """The rules of a kind of exchange for orders and money."""

    first_order_id: int = 1_000_000_001
    self_trade: str = "cancel_resting"
    isolates: bool = False  # isolated positions have margin of their own
    collateral: dict[str, Collateral] = field(default_factory=dict)  # rates of joint margin
    # (value, parts): a position worth at least value * maximum leverage, in its settle currency, is liquidated in that
    # many parts; value 0: never.
    liquidation_parts: tuple[int, int] = (0, 1)
    # Decimals of a fee in the settle currency and in the base coin.
    fee_decimals: tuple[int, int] = (MONEY_DECIMALS, MONEY_DECIMALS)
    outside_wallet: str = ""  # for deposits, if it is not the trading wallet
    has_passwords: bool = False  # a key has a password beside its secret
    spot_money: str = ""  # stands for the quote money of spot, if accounts begin with a wallet of its own for it


class SimExchange:
    """A simulated exchange. keyring: seed and kind of venue. currencies: of accounts, besides those of the
    instruments."""

    def __init__(
        self, market: Market, rules: Rules, *, keyring: tuple[int, str], currencies: tuple[str, ...] = ()
    ) -> None:
        self.market = market
        self.flow: Any = market.core
        self.timeline = Timeline(market.start)
        self.board = Board(self.timeline, market, currencies)
        self.accounts = Accounts(
            self.timeline,
            self.board,
            keyring=keyring,
            isolates=rules.isolates,
            collateral=dict(rules.collateral),
            has_passwords=rules.has_passwords,
            spot_money=rules.spot_money,
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
        # A shortcut for most readers.
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
        """Returns the reports since the last call."""
        return self.timeline.take()

    def open_interest(self, index: int, now: int) -> int:
        """Returns the open interest: half of the day's volume, because the positions of the generated crowd or of a
        tape are unknown, plus the accounts' long positions."""
        traded = self.listings[index].day(now).volume
        held = sum(max(a.qty(index, side), 0) for a in self.accounts for side in a.sides)
        return traded // 2 + held

    def advance(self, now: int) -> None:
        """Processes everything until `now`, inclusive: the market, triggers, funding, expiries."""
        timeline, flow = self.timeline, self.flow
        if now < timeline.now:
            raise InvariantViolation(f"time goes back: {now} after {timeline.now}")
        timeline.is_inside = True  # what happens by time is not recorded as calls
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
        """Advances like `advance`, but without reports of books and quotes, which are three quarters of the market's
        reports and take most of the time."""
        with self._unheard():
            self.advance(now)

    def begin(self, now: int) -> None:
        """Runs a generated market until `now`, without other participants and without reports: like
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
        """Suppresses reports of books and quotes while the block runs; then applies the last of each symbol."""
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
        """Sets a new mark: fires triggers, liquidates positions."""
        self.board.set_mark(index, mark, index_price, now)
        self.orders.hear(self.flow.set_prices(index, now, mark, index_price))
        self.clearing.on_mark(index, mark, now)
        self.conditionals.on_price(index, TriggerBy.MARK, mark, now)

    def replay(self, calls: Iterable[tuple[int, str, list[Any], dict[str, Any]]]) -> None:
        """Repeats recorded calls: (now, name, arguments, keywords), as from the recorder."""
        for now, name, args, kwargs in calls:
            self.advance_unheard(max(now, self.now))
            # A call that was refused then is refused again.
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
