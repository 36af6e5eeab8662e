"""An account in an earlier state, or without its newest orders, as shown by a venue that lags behind.

Reading requests are answered from such a view; changing ones never see one.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from onetape.exchange.account import SimAccount, SimOrder, Trade
from onetape.exchange.conditional import ConditionalBook
from onetape.exchange.exchange import SimExchange

__all__ = ["View", "frozen", "seen_as", "without_new"]


SUMS: Final = (
    "balance",
    "equity",
    "available",
    "initial_margin",
    "maintenance_margin",
    "cross_maintenance",
    "covered",
    "free_of_isolated",
)


class FrozenMoney:
    """An account's money at an earlier time. Margins are those of that time; a liquidation price uses the present
    position with the spare margin of that time."""

    def __init__(self, account: SimAccount) -> None:
        money = account.money
        currencies = range(len(account.currencies))
        instruments = range(len(account.instruments))
        self._sums = {name: [getattr(money, name)(at) for at in currencies] for name in SUMS}
        self._of = {
            name: [getattr(money, name)(at) for at in instruments] for name in ("unrealized", "fees", "funding")
        }
        self._positions = {
            (at, side.value): money.position(at, side.value) for at in instruments for side in account.sides
        }
        self._nothing = money.position
        self.leverage = money.leverage
        self.liquidation_price = money.liquidation_price
        self._allotted = {key: money.allotted(*key) for key in self._positions}

    def position(self, index: int, side: str = "both") -> Any:
        found = self._positions.get((index, side))
        return self._nothing(index, side) if found is None else found

    def allotted(self, index: int, side: str) -> int:
        return int(self._allotted.get((index, side), 0))

    def __getattr__(self, name: str) -> Any:
        for table in (self._sums, self._of):
            if name in table:
                return table[name].__getitem__
        raise AttributeError(name)


class View:
    """An account in the form that a dialect shows, with its conditional orders."""

    def __init__(self, exchange: SimExchange, account: SimAccount) -> None:
        self.account = account
        self.seen = copy.copy(account)
        self.conditionals = exchange.conditionals

    def take_conditionals(self, book: ConditionalBook, born_before: int, *, keep: bool) -> None:
        """Sets the conditional orders. keep: store copies, which do not change any more."""
        orders = [o for o in book.by_id.values() if o.account is self.account and o.created < born_before]
        mine = [replace(o, account=self.seen) if keep else copy.copy(o) for o in orders]
        for order in mine:
            order.account = self.seen
        self.conditionals = book.only(mine)


def frozen(exchange: SimExchange, account: SimAccount) -> View:
    """Returns the present state of an account."""
    view = View(exchange, account)
    seen = view.seen
    copies: dict[int, SimOrder] = {}

    def kept(order: SimOrder) -> SimOrder:
        if order.id not in copies:
            copies[order.id] = replace(order, account=seen, extra=dict(order.extra))
        return copies[order.id]

    seen.open_orders = {key: kept(order) for key, order in account.open_orders.items()}
    seen.by_id = {key: kept(order) for key, order in account.by_id.items()}
    seen.by_client_id = {key: kept(order) for key, order in account.by_client_id.items()}
    seen.unfilled = deque(map(kept, account.unfilled))
    seen.filled = deque(map(kept, account.filled))
    seen.trades = deque(Trade(kept(trade.order), trade.fill) for trade in account.trades)
    seen.income = deque(account.income)
    seen.margin_moves = deque(account.margin_moves)
    seen.touched, seen.leverage = dict(account.touched), dict(account.leverage)
    seen.isolated = set(account.isolated)
    seen.money = FrozenMoney(account)
    view.take_conditionals(exchange.conditionals, 2**62, keep=True)
    return view


def without_new(exchange: SimExchange, account: SimAccount, born_before: int, *, fills: bool) -> View:
    """Returns an account without the orders placed at `born_before` (ns UTC) or later, and without their fills if
    `fills` is set."""
    view = View(exchange, account)
    seen = view.seen

    def old(order: SimOrder) -> bool:
        return order.created < born_before

    seen.open_orders = {k: o for k, o in account.open_orders.items() if old(o)}
    seen.by_id = {k: o for k, o in account.by_id.items() if old(o)}
    seen.by_client_id = {k: o for k, o in account.by_client_id.items() if old(o)}
    seen.unfilled = deque(filter(old, account.unfilled))
    seen.filled = deque(filter(old, account.filled))
    if fills:
        seen.trades = deque(t for t in account.trades if t.fill.time < born_before)
    view.take_conditionals(exchange.conditionals, born_before, keep=False)
    return view


@contextmanager
def seen_as(exchange: SimExchange, view: View) -> Iterator[None]:
    """Answers requests about the account from the view while the block runs."""
    account, real = view.account, exchange.conditionals
    keys = [key for key, owner in exchange.accounts.by_key.items() if owner is account]
    exchange.accounts.by_key.update(dict.fromkeys(keys, view.seen))
    exchange.conditionals = view.conditionals
    try:
        yield
    finally:
        exchange.accounts.by_key.update(dict.fromkeys(keys, account))
        exchange.conditionals = real
