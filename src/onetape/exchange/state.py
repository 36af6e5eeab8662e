"""What a simulated exchange knows: the state that its parts share."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from onetape.exchange.account import AccountTransfer, Income, SimAccount
from onetape.exchange.conditional import ConditionalBook
from onetape.exchange.keys import ApiKey
from onetape.exchange.listing import Listing
from onetape.exchange.reports import OrderReport, Report, SimFill, SimOrder
from onetape.model.enums import OrderNews, Side, TriggerBy
from onetape.model.errors import BY_CODE
from onetape.model.instrument import Instrument

__all__ = ["ExchangeState", "Market"]


class Listed(Protocol):
    @property
    def instrument(self) -> Instrument: ...


class Market(Protocol):
    """What an exchange is opened with: a generated market, or a recorded one. `core` has the
    methods of `_core.OrderFlow`."""

    start: int
    core: Any

    @property
    def markets(self) -> Sequence[Listed]: ...


class ExchangeState:
    """Part of SimExchange."""

    conditionals: ConditionalBook

    def __init__(
        self,
        market: Market,
        *,
        self_trade: str = "cancel_resting",
        first_order_id: int = 1_000_000_001,
        currencies: tuple[str, ...] = (),  # that accounts hold besides those of the instruments
    ) -> None:
        self.market = market
        self.flow: Any = market.core
        self.instruments = tuple(each.instrument for each in market.markets)
        self.listings = tuple(Listing(i, at) for at, i in enumerate(self.instruments))
        self.currencies = tuple(
            dict.fromkeys((*(c for i in self.instruments for c in (i.settle, i.quote, i.base)), *currencies))
        )
        self.accounts: list[SimAccount] = []
        self.account_transfers: list[AccountTransfer] = []  # oldest first
        self.by_key: dict[str, SimAccount] = {}
        self.keys: dict[str, ApiKey] = {}  # the same names: what each may do
        self.keyring = (0, "")  # seed and kind of venue, from which secrets follow
        self.maintenance = (0, "")  # until when, and the purpose that is let through
        self.self_trade = self_trade
        self.now = market.start
        self.recorder: Callable[[str, list[Any], dict[str, Any]], None] | None = None
        self._inside = False
        self._said: list[Report] = []
        self._is_heard = True  # what is said of the market
        self._timers: list[tuple[int, int, Callable[[int], None]]] = []
        self._timer_count = 0
        self._next_id = first_order_id
        self._next_income = 1
        self._dead_men: dict[tuple[int, int | None], int] = {}  # how often each was armed
        self._insurance: dict[int, int] = {}  # what the venue put in, by currency

    @property
    def next_id(self) -> int:
        """Of the next order."""
        return self._next_id

    def at(self, when: int, what: Callable[[int], None]) -> None:
        """`what(now)` when the exchange's time comes to `when`."""
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, what))

    def take(self) -> list[Report]:
        """What was said since the last call."""
        said, self._said = self._said, []
        return said

    def say(self, report: Report) -> None:
        self._said.append(report)

    def price(self, index: int, by: TriggerBy) -> int:
        """What a trigger goes by, 0: not known yet."""
        listing = self.listings[index]
        return {TriggerBy.MARK: listing.mark, TriggerBy.INDEX: listing.index}.get(by, listing.last)

    def open_interest(self, index: int, now: int) -> int:
        """Sizes that are held long. The generated crowd's, and a tape's, are not known: as much as
        if half of what was traded within a day had opened; what accounts hold is on top of it."""
        traded = sum(bar.volume for bar in self.listings[index].day(now))
        held = sum(max(a.qty(index, side), 0) for a in self.accounts for side in a.sides)
        return traded // 2 + held

    def levels(self, index: int, side: Side, count: int) -> list[tuple[int, int]]:
        """(price, size) of the book, best first."""
        book = self.flow.bids if side is Side.BUY else self.flow.asks
        found: list[tuple[int, int]] = book(index, count)
        return found

    def reason(self, code: int) -> str:
        """The name of an error number, for people."""
        return BY_CODE[code].name

    def _report(
        self, order: SimOrder, now: int, news: OrderNews | None, *, fill: SimFill | None = None, code: int = 0
    ) -> None:
        self.say(OrderReport(now, order, news, order.state, order.filled, order.cost, fill, code))

    def _note_income(
        self,
        account: SimAccount,
        now: int,
        kind: str,
        currency: int,
        amount: int,
        index: int,
        trade_id: int = 0,
        *,
        fee: int = 0,
    ) -> None:
        account.income.append(Income(self._next_income, now, kind, currency, amount, index, trade_id, fee))
        self._next_income += 1
