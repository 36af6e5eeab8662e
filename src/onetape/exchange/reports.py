"""What a simulated exchange says: values that its dialects turn into messages.

Prices and sizes are int64 at the instrument's decimals, money is 1e-18 of its currency, times are
ns UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from onetape.model.enums import (
    FINAL_STATES,
    OrderNews,
    OrderState,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    TriggerBy,
    TriggerKind,
)

if TYPE_CHECKING:
    from onetape.exchange.account import SimAccount

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
    "SimFill",
    "SimOrder",
    "TradeReport",
]


@dataclass(slots=True, eq=False)
class SimOrder:
    """An order at the exchange. `id` is the venue's own and counts over the whole exchange."""

    id: int
    client_id: str
    account: SimAccount
    index: int  # of the instrument
    side: Side
    type: OrderType
    tif: TimeInForce
    price: int
    size: int
    post_only: bool
    reduce_only: bool
    position_side: PositionSide
    created: int
    updated: int
    trigger: int = 0
    trigger_by: TriggerBy = TriggerBy.NONE
    trigger_kind: TriggerKind = TriggerKind.NONE
    expire: int = 0
    state: OrderState = OrderState.INITIALIZED
    filled: int = 0
    cost: int = 0  # sum of price * size over the fills
    value: int = 0  # of the fills, 1e-18 of the settle currency: what an inverse average needs
    fee: int = 0
    fee_base: int = 0  # the part of the fees that was charged in the base currency
    code: int = 0  # why it was refused or ended
    origin: str = "client"  # or liquidation, adl, settlement
    reserved: int = 0  # the price at which what is left counts as a working order, 0: it does not
    extra: dict[str, Any] = field(default_factory=dict)  # what only the dialect knows

    @property
    def left(self) -> int:
        return self.size - self.filled

    @property
    def is_open(self) -> bool:
        return self.state not in FINAL_STATES

    @property
    def is_closing(self) -> bool:
        """In hedge mode: takes off the side that it names."""
        return self.position_side is (PositionSide.LONG if self.side is Side.SELL else PositionSide.SHORT)


class SimFill(NamedTuple):
    """One trade of one order."""

    trade_id: int
    time: int
    price: int
    size: int
    fee: int
    is_maker: bool
    realized: int


class OrderReport(NamedTuple):
    """One change of an order, with what stood after it: later ones do not change this value."""

    time: int
    order: SimOrder
    news: OrderNews | None  # None: a fill
    state: OrderState
    filled: int
    cost: int
    fill: SimFill | None = None
    code: int = 0


class CashReport(NamedTuple):
    """Balances and positions of an account changed. reason: order, funding, deposit, liquidation,
    adl, settlement, adjust, margin."""

    time: int
    account: SimAccount
    reason: str
    currencies: tuple[int, ...]
    positions: tuple[tuple[int, PositionSide], ...] = ()
    amount: int = 0
    at: int = -1  # the instrument it is about


class CallReport(NamedTuple):
    """Little margin is left: for these positions, which share it or have one of their own."""

    time: int
    account: SimAccount
    positions: tuple[tuple[int, PositionSide], ...]


class ModeReport(NamedTuple):
    """A setting of an account changed: leverage, margin, hedge."""

    time: int
    account: SimAccount
    what: str
    at: int = -1  # the instrument


class ConditionalReport(NamedTuple):
    """One change of a conditional order, `state` as it was then."""

    time: int
    order: Any  # onetape.exchange.conditional.Conditional
    state: str


class QuoteReport(NamedTuple):
    """The best of the book; `at` is the number of the instrument, here and below."""

    time: int
    at: int
    bid: int
    bid_size: int
    ask: int
    ask_size: int
    update_id: int


class TradeReport(NamedTuple):
    """`side` of the taker."""

    time: int
    at: int
    price: int
    size: int
    side: Side
    trade_id: int


class DepthReport(NamedTuple):
    """Changed levels, size 0: gone. `previous_id` is the last of the message before."""

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
    """A minute, from `open_time` to `close_time` (exclusive); reported when it has ended. Turnover
    is the sum of price * size; of inverse contracts their value, in 1e-18 of the settle currency.
    Without trades all prices are the last one of before, and the ids -1."""

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
    buy_volume: int  # of takers that bought
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
