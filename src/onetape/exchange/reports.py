"""The reports of a simulated exchange: values that its dialects convert to messages.

Prices and sizes are int64 at the instrument's decimals, money is 1e-18 of its currency, times are ns UTC.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from onetape.exchange.account import SimAccount, SimFill, SimOrder
from onetape.model.enums import OrderNews, OrderState, PositionSide, Side

__all__ = [
    "BarReport",
    "CallReport",
    "CashReport",
    "ConditionalReport",
    "DepthReport",
    "MarkReport",
    "ModeReport",
    "OrderReport",
    "QuoteReport",
    "Report",
    "TradeReport",
]


class OrderReport(NamedTuple):
    """One change of an order, with a copy of the order's state after the change."""

    time: int
    order: SimOrder
    news: OrderNews | None  # None: a fill
    state: OrderState
    filled: int
    cost: int
    fill: SimFill | None = None
    code: int = 0
    fee: int = 0  # fees paid so far, in the settle currency and in the base, 1e-18
    fee_base: int = 0


class CashReport(NamedTuple):
    """A change of balances and positions of an account. reason: order, funding, deposit, liquidation, adl,
    settlement, adjust, margin."""

    time: int
    account: SimAccount
    reason: str
    currencies: tuple[int, ...]
    positions: tuple[tuple[int, PositionSide], ...] = ()
    amount: int = 0
    at: int = -1  # the instrument concerned


class CallReport(NamedTuple):
    """A margin call: little margin is left for these positions, which share one margin, or for an isolated one."""

    time: int
    account: SimAccount
    positions: tuple[tuple[int, PositionSide], ...]


class ModeReport(NamedTuple):
    """A change of an account's setting: leverage, margin, hedge."""

    time: int
    account: SimAccount
    what: str
    at: int = -1  # the instrument


class ConditionalReport(NamedTuple):
    """One change of a conditional order, with the states of the order and its child after the change."""

    time: int
    order: Any  # onetape.exchange.conditional.Conditional
    state: str
    activated: bool
    child: SimOrder | None
    filled: int
    cost: int


class QuoteReport(NamedTuple):
    """The best bid and ask. at: the instrument's index, here and below."""

    time: int
    at: int
    bid: int
    bid_size: int
    ask: int
    ask_size: int
    update_id: int


class TradeReport(NamedTuple):
    """A trade. side: of the taker."""

    time: int
    at: int
    price: int
    size: int
    side: Side
    trade_id: int


class DepthReport(NamedTuple):
    """A change of the book: its changed levels, size 0 for a removed level. previous_id: the last id of the previous
    message."""

    time: int
    at: int
    first_id: int
    last_id: int
    previous_id: int
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]


class MarkReport(NamedTuple):
    time: int
    at: int
    mark: int
    index_price: int


class BarReport(NamedTuple):
    """A minute bar, from `open_time` to `close_time` (exclusive); reported at its end. Turnover is the sum of price *
    size; for inverse contracts the value in 1e-18 of the settle currency. In a bar without trades all prices are the
    last price before it, and the ids are -1."""

    time: int
    at: int
    open_time: int
    close_time: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    trades: int
    buy_volume: int  # volume of takers that bought
    buy_turnover: int
    first_trade: int = -1
    last_trade: int = -1


Report = (
    OrderReport
    | CashReport
    | ModeReport
    | CallReport
    | ConditionalReport
    | QuoteReport
    | TradeReport
    | DepthReport
    | MarkReport
    | BarReport
)
