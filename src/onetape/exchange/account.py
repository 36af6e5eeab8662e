"""A customer of a simulated exchange: keys, money, orders and history.

The core's `CoreAccount` does the arithmetic, the same as in backtests. Histories are bounded by age and by number;
older rows are dropped, as real venues drop them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import takewhile
from typing import Any, Final, NamedTuple, TypeVar

from msgspec import structs

from onetape import _core
from onetape.exchange.joint import JointFunds, Rates
from onetape.model.enums import (
    FINAL_STATES,
    Kind,
    OrderState,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    TriggerBy,
    TriggerKind,
)
from onetape.model.instrument import Instrument
from onetape.model.margin import MarginBracket
from onetape.model.time import DAY

__all__ = [
    "TRADES_MAX",
    "AccountTransfer",
    "Income",
    "MarginMove",
    "SimAccount",
    "SimFill",
    "SimOrder",
    "Trade",
    "since",
]

# Bounds of ended orders that can still be queried, by number and age. The times are Binance's ("Query Order"); the
# numbers bound the memory for a maker that requotes ten times a second.
UNFILLED_MAX, UNFILLED_NS = 10_000, 3 * DAY  # orders that were canceled, expired or refused without a fill
FILLED_MAX, FILLED_NS = 20_000, 90 * DAY
TRADES_MAX: Final = 50_000
INCOME_MAX: Final = 100_000
MARGIN_STEP: Final = 10**10  # isolated margin moves in steps of 1e-8, as Binance writes it
POSITION_SIDES: Final = (PositionSide.BOTH, PositionSide.LONG, PositionSide.SHORT)


Row = TypeVar("Row")


def since(rows: Sequence[Row], start: int, time: Callable[[Row], int]) -> list[Row]:
    """Returns the rows from `start` on, oldest first. rows: sorted by time. Reads only the returned rows, because
    histories are long and clients mostly request the end."""
    found = list(takewhile(lambda row: time(row) >= start, reversed(rows)))
    found.reverse()
    return found


@dataclass(slots=True, eq=False)
class SimOrder:
    """An order at the exchange. id: the venue's id, unique in the exchange."""

    id: int
    client_id: str
    account: SimAccount
    index: int  # of its instrument
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
    value: int = 0  # value of the fills, 1e-18 of the settle currency: gives the average price of an inverse contract
    fee: int = 0
    fee_base: int = 0  # the part of the fees that was charged in the base currency
    code: int = 0  # error number: why it was refused or ended
    origin: str = "client"  # or liquidation, adl, settlement
    reserved: int = 0  # price at which the unfilled part reserves money, 0: it reserves none
    extra: dict[str, Any] = field(default_factory=dict)  # facts that only the dialect uses

    @property
    def reference(self) -> dict[str, int]:
        return {"order": self.id}

    @property
    def left(self) -> int:
        return self.size - self.filled

    @property
    def is_open(self) -> bool:
        return self.state not in FINAL_STATES

    @property
    def is_closing(self) -> bool:
        """Tells whether, in hedge mode, the order reduces the position side that it names."""
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
    held: int = 0  # the position before the fill
    fee_currency: str = ""  # if the account pays its fees in another one than usual


class Trade(NamedTuple):
    """A fill in the account's history."""

    order: SimOrder
    fill: SimFill


class Income(NamedTuple):
    """A change of a balance in the account's history. kind: realized, fee, funding, deposit, withdrawal,
    liquidation_fee, insurance, adjust, auto_exchange, transfer. fee: of a withdrawal, included in the amount. name: of
    a transfer, the customer's id."""

    id: int
    time: int
    kind: str
    currency: int
    amount: int
    at: int  # the instrument, -1: none
    trade_id: int = 0
    fee: int = 0
    name: str = ""


class AccountTransfer(NamedTuple):
    """Money that one account gave to another. wallets: "" is the trading wallet."""

    id: int
    time: int
    name: str  # the sender's id of the transfer
    source: str  # accounts by name
    target: str
    wallets: tuple[str, str]
    currency: int
    amount: int


class MarginMove(NamedTuple):
    """Margin that an owner added to an isolated position, or removed (negative)."""

    time: int
    at: int
    side: PositionSide
    amount: int


@dataclass(slots=True, eq=False)
class SimAccount:
    """An account at the exchange. `number` is its participant in the matching engines, from 1."""

    name: str
    number: int
    key: str
    secret: str = field(repr=False)
    instruments: tuple[Instrument, ...]
    currencies: tuple[str, ...]
    leverage_default: int = 20
    hedge: bool = False
    isolates: bool = True  # isolated positions have margin of their own
    can_trade: bool = True
    level: str = ""  # the account's level, at venues where it decides what can be traded
    self_trade: str = ""  # the account's self-trade rule; "": the exchange's rule
    fee_currency: str = ""  # pays the fees, at a discount, as long as there is enough of it; "": the usual currency
    can_withdraw: bool = False
    password: str = field(default="", repr=False)  # of its key, where keys have one
    parent: str = ""  # of a sub-account: the key of its main account
    # The currency that stands for the quote money of spot, where it is in a wallet of its own; "": in the same one.
    spot_money: str = ""
    money: Any = field(init=False)  # a CoreAccount; its amounts are int, 1e-18
    leverage: dict[int, int] = field(default_factory=dict)  # by instrument
    isolated: set[int] = field(default_factory=set)
    joint: Callable[[int], Rates] | None = None  # rates of a currency as joint margin; None: no joint margin
    open_orders: dict[int, SimOrder] = field(default_factory=dict)
    open_count: dict[int, int] = field(default_factory=dict)  # by instrument
    by_client_id: dict[str, SimOrder] = field(default_factory=dict)  # client id -> newest order with it
    unfilled: deque[SimOrder] = field(default_factory=deque)  # ended orders without a fill, in the order of ending
    filled: deque[SimOrder] = field(default_factory=deque)  # ended orders with fills, in the order of ending
    by_id: dict[int, SimOrder] = field(default_factory=dict)  # open orders, and ended ones still kept
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=TRADES_MAX))
    # The other wallet (at Binance spot, at Kraken futures): currency -> amount, 1e-18.
    beside: dict[int, int] = field(default_factory=dict)
    income: deque[Income] = field(default_factory=lambda: deque(maxlen=INCOME_MAX))
    # Unreported balance changes: (time, currency, amount). Balances include them.
    silent: list[tuple[int, int, int]] = field(default_factory=list)
    margin_moves: deque[MarginMove] = field(default_factory=lambda: deque(maxlen=INCOME_MAX))
    # What margin calls were sent for: currencies, and isolated positions.
    called: set[int | tuple[int, PositionSide]] = field(default_factory=set)
    touched: dict[tuple[int, PositionSide], int] = field(default_factory=dict)  # position -> time of its last change
    # Fees paid for the open part of a position, 1e-18.
    entry_fees: dict[tuple[int, PositionSide], int] = field(default_factory=dict)
    specs: tuple[_core.InstrumentSpec, ...] = ()

    def __post_init__(self) -> None:
        self.specs = tuple(_core.InstrumentSpec(**i.spec()) for i in self.instruments)
        self.money = self._new_money()

    @property
    def reference(self) -> dict[str, int]:
        return {"account": self.number}

    def _new_money(self) -> _core.CoreAccount:
        made = _core.CoreAccount(hedge=self.hedge, leverage=self.leverage_default, margin_step=MARGIN_STEP)
        number = {name: at for at, name in enumerate(self.currencies)}
        for index, instrument in enumerate(self.instruments):
            made.set_instrument(index, self.specs[index], number[self.settle_of(index)], number[instrument.base])
            made.set_terms(index, self._terms(index))
            made.set_isolated(index, self.isolates and index in self.isolated)
        return made

    def settle_of(self, index: int) -> str:
        """Returns the currency in which this account pays for an instrument."""
        i = self.instruments[index]
        return self.spot_money if self.spot_money and i.kind is Kind.SPOT else i.settle

    def join_wallets(self) -> None:
        """Makes the quote money of spot and that of contracts one. Only without orders on spot."""
        apart, self.spot_money = self.currencies.index(self.spot_money), ""
        for index, i in enumerate(self.instruments):
            if i.kind is Kind.SPOT:
                settle = self.currencies.index(i.settle)
                self.money.set_instrument(index, self.specs[index], settle, self.currencies.index(i.base))
                moved = self.money.balance(apart)
                self.money.deposit(apart, -moved)
                self.money.deposit(settle, moved)

    def _terms(self, index: int) -> _core.InstrumentTerms:
        terms = self.instruments[index].terms()
        terms["leverage"] = self.leverage_of(index)
        return _core.InstrumentTerms(**terms)

    def leverage_of(self, index: int) -> int:
        if self.instruments[index].kind is Kind.SPOT:
            return 1
        brackets = self.instruments[index].brackets
        usual = self.instruments[index].leverage or self.leverage_default
        most = brackets[0].leverage_max if brackets else usual
        return self.leverage.get(index, min(usual, most or usual))

    def silent_by(self, currency: int, time: int) -> int:
        """Returns the unreported changes of a balance up to `time`."""
        return sum(units for at, of, units in self.silent if of == currency and at <= time)

    def set_leverage(self, index: int, leverage: int) -> None:
        self.leverage[index] = leverage
        self.money.set_terms(index, self._terms(index))

    def set_brackets(self, index: int, brackets: tuple[MarginBracket, ...]) -> None:
        """Sets brackets and lowers leverage that the new table does not allow."""
        instruments = list(self.instruments)
        instruments[index] = structs.replace(instruments[index], brackets=brackets)
        self.instruments = tuple(instruments)
        most = brackets[0].leverage_max if brackets else 0
        if most and index in self.leverage:
            self.leverage[index] = min(self.leverage[index], most)
        self.money.set_terms(index, self._terms(index))

    def set_hedge(self, hedge: bool) -> None:
        """Sets hedge mode. Only without positions and orders, because only the balances are kept."""
        if self.joint is not None:
            rates = self.joint
            self.set_joint(None)
            self.set_hedge(hedge)
            self.set_joint(rates)
            return
        before = self.money
        self.hedge = hedge
        self.money = self._new_money()
        for at in range(len(self.currencies)):
            self.money.deposit(at, before.balance(at))

    def set_isolated(self, index: int, isolated: bool) -> None:
        """Sets whether positions of an instrument have isolated margin. Only without a position or orders."""
        (self.isolated.add if isolated else self.isolated.discard)(index)
        if self.isolates:
            self.money.set_isolated(index, isolated)

    def set_joint(self, rates: Callable[[int], Rates] | None) -> None:
        """Sets joint margin: `rates` returns the rates of a currency; None: each currency is only the margin of its own
        positions. Only without isolated positions and without orders."""
        if (rates is None) == (self.joint is None):
            return
        self.joint = rates
        if rates is None:
            self.money = self.money.own
            return
        number = {name: at for at, name in enumerate(self.currencies)}
        settle = [number[i.settle] for i in self.instruments]
        self.money = JointFunds(self.money, settle, len(self.currencies), rates)

    def wallet(self, index: int, side: PositionSide) -> int:
        """Returns the margin of an isolated position, 1e-18."""
        return int(self.money.allotted(index, side.value))

    def note_fee(self, index: int, side: PositionSide, before: int, fee: int) -> None:
        """Assigns the fee of a fill to the position: the opened part adds its share, the closed part removes its share
        of the earlier fees. before: the position before the fill; fee: 1e-18."""
        after, key = self.qty(index, side), (index, side)
        turned = before * after < 0
        kept = 0 if turned else min(abs(before), abs(after))
        paid = self.entry_fees.get(key, 0) * kept // abs(before) if before else 0
        paid += fee * (abs(after) - kept) // max(abs(after - before), 1)
        if after:
            self.entry_fees[key] = paid
        else:
            self.entry_fees.pop(key, None)

    def cross_balance(self, currency: int) -> int:
        """Returns the balance without isolated margin, 1e-18."""
        return int(self.money.free_of_isolated(currency))

    def cross_equity(self, currency: int) -> int:
        """Returns the balance without isolated margin, plus the profit of cross positions, 1e-18."""
        return int(self.money.covered(currency))

    @property
    def sides(self) -> tuple[PositionSide, ...]:
        return POSITION_SIDES[1:] if self.hedge else POSITION_SIDES[:1]

    def qty(self, index: int, side: PositionSide = PositionSide.BOTH) -> int:
        return int(self.money.position(index, side.value).qty)

    def has_position(self, index: int) -> bool:
        is_spot = self.instruments[index].kind is Kind.SPOT  # the core counts its fills, too
        return not is_spot and any(self.qty(index, side) for side in self.sides)

    @property
    def has_positions(self) -> bool:
        return any(map(self.has_position, range(len(self.instruments))))

    def remember(self, order: SimOrder) -> None:
        """Stores a new order, open or refused on arrival."""
        self.by_id[order.id] = order
        if order.client_id:
            self.by_client_id[order.client_id] = order
        if order.is_open:
            self.open_orders[order.id] = order
            self.open_count[order.index] = self.open_count.get(order.index, 0) + 1

    @property
    def closed(self) -> Iterator[SimOrder]:
        """Yields closed orders in the order of ending."""
        return merge(self.unfilled, self.filled, key=lambda order: order.updated)

    def forget_open(self, order: SimOrder) -> None:
        """Moves an ended order to the history, which drops it when it is too old or the history is full."""
        if not self._close(order):
            return
        rows, most, kept_ns = self.unfilled, UNFILLED_MAX, UNFILLED_NS
        if order.filled:
            rows, most, kept_ns = self.filled, FILLED_MAX, FILLED_NS
        rows.append(order)
        while len(rows) > most or rows[0].updated < order.updated - kept_ns:
            gone = rows.popleft()
            self.by_id.pop(gone.id, None)
            if self.by_client_id.get(gone.client_id) is gone:
                del self.by_client_id[gone.client_id]

    def _close(self, order: SimOrder) -> bool:
        """Removes an order from the open ones; tells whether it was open."""
        if self.open_orders.pop(order.id, None) is None:
            return False
        self.open_count[order.index] -= 1
        return True

    def rename(self, order: SimOrder, client_id: str) -> None:
        """Gives a working order another client id."""
        if client_id == order.client_id:
            return
        if self.by_client_id.get(order.client_id) is order:
            del self.by_client_id[order.client_id]
        order.client_id = client_id
        if client_id:
            self.by_client_id[client_id] = order

    def drop(self, order: SimOrder) -> None:
        """Removes an order without a trace: for orders refused on arrival by a venue that keeps no record."""
        self._close(order)
        self.by_id.pop(order.id, None)
        if self.unfilled and self.unfilled[-1] is order:
            self.unfilled.pop()
        if self.by_client_id.get(order.client_id) is order:
            del self.by_client_id[order.client_id]
