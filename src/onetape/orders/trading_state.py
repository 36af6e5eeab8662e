"""The state that the rules of an account use beside the order: its limits, and current facts.

Pure: the orders are the order manager's, the rest is set by the gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from onetape._core import OrderRates
from onetape.model.enums import Side, TriggerBy
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS
from onetape.model.order import OrderSpec
from onetape.orders.backing import only_reduces, reducible, worst_held
from onetape.orders.filters import Measure, Refusal
from onetape.orders.halts import Halt, Halts, Level
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order

__all__ = ["Limits", "ShareReductions", "Shares", "Surroundings", "TradingState"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one gateway; 0 or absent: no limit.

    position_max: largest position by symbol, in units of quantity; working and unknown orders count as filled.
    order_max: largest quantity of one order, by symbol, in units.
    price_band: greatest distance of a limit price on the worse side of the market; 0.05 is 5 %.
    orders_a_second: new orders of all robots together.
    order_value_max, open_value_max: largest value of one order, and of all working orders with it, by the instrument's
        settle currency, in units of 1e-18.
    symbols: those in which positions may be opened.
    open_orders_max: orders that work at the same time.
    messages_a_second: new orders, amendments and cancels together; beyond it new orders are refused.
    """

    position_max: Mapping[str, int] = field(default_factory=dict)
    order_max: Mapping[str, int] = field(default_factory=dict)
    price_band: Decimal = Decimal(0)
    orders_a_second: int = 0
    order_value_max: Mapping[str, int] = field(default_factory=dict)
    open_value_max: Mapping[str, int] = field(default_factory=dict)
    open_orders_max: int = 0
    symbols: frozenset[str] = frozenset()
    messages_a_second: int = 0

    @property
    def price_band_units(self) -> int:
        """Returns the price band in 1e-18 of a price."""
        return int(self.price_band.scaleb(MONEY_DECIMALS))


class ShareReductions(Protocol):
    def amendment(self, order: Order, size: int, *, knows: bool) -> Refusal | None:
        """Refuses an amendment that would reduce by more than its sub-account holds."""

    def measured(self, robot: int, spec: OrderSpec) -> Measure: ...


class Shares(Protocol):
    """What each sub-account of a shared account has."""

    @property
    def reductions(self) -> ShareReductions: ...

    def refusal(self, robot: int, spec: OrderSpec, left: int, old: Order | None = None) -> Refusal | None:
        """Refuses an order for which the robot's sub-account has too little."""

    def measured(self, robot: int, spec: OrderSpec) -> Measure: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """External facts that the rules query. Nothing has a default: a forgotten one would let orders through.

    strategy_of: the name of the sub-account that a robot trades with.
    takes_off_own, adds_to_own: whether a robot's order reduces, or increases, its sub-account's own part of the
        account's position; the first with the quantity that can be filled and the order that it replaces.
    silent_ns: for how long a symbol's market has been silent, ns, 0: not silent. silent_max_ns: the longest allowed.
    decision_max_ns: the greatest age of the market data of an order's decision, 0: any.
    in_front: the book's quantity at better prices, by symbol and side, 0: unknown.
    is_guarded: new orders may leave only while a guardian watches.
    shares: the holdings of sub-accounts; None: the account has none.
    """

    strategy_of: Callable[[int], str]
    takes_off_own: Callable[[int, OrderSpec, int, Order | None], bool]
    adds_to_own: Callable[[int, OrderSpec], bool]
    silent_ns: Callable[[str], int]
    silent_max_ns: Callable[[str], int]
    decision_max_ns: int
    in_front: Callable[[str, Side, int], int]
    is_guarded: bool
    shares: Shares | None


@dataclass(slots=True)
class TradingState:
    """The state that the rules of one account use: limits, rates, and halts with the kill switch."""

    manager: OrderManager
    instruments: Mapping[str, Instrument]
    limits: Limits
    halts: Halts
    around: Surroundings
    ready: bool = False  # reconciled, and the account's stream is connected
    reconciled_once: bool = False  # since the gateway's start
    disk_full: bool = False  # the journal's next segment has no room
    is_deaf: bool = False  # the account's stream is connected but reports nothing
    rates: OrderRates = field(default_factory=OrderRates)
    hedge: bool | None = None  # the required mode; None: the one in which the account is found

    def reduces(self, spec: OrderSpec, old: Order | None = None) -> bool:
        """Tells whether an order can only reduce a position: by its flag, or on spot, where there is none, by the
        bought amount and the working sales. old: the order that it replaces."""
        if self.manager.venue.traits.has_position(spec.symbol):
            return only_reduces(spec)
        return spec.side is Side.SELL and spec.size_int <= reducible(self.manager, spec, without=old)

    def takes_off(self, spec: OrderSpec, left: int, old: Order | None = None, *, owner: int = 0) -> bool:
        """Tells whether an order reduces a position and opens nothing, neither of the account nor of its owner's
        sub-account, if all working orders of its direction fill first; the venue does not enforce it. left: the
        quantity that can be filled. owner: the robot with whose part it trades; 0: judged by the account alone, like an
        order placed by hand. On spot a purchase reduces nothing."""
        if not self.ready or spec.trigger_by is not TriggerBy.NONE:
            return False
        return self._takes_off_account(spec, left, old) and (
            not owner or self.around.takes_off_own(owner, spec, left, old)
        )

    def _takes_off_account(self, spec: OrderSpec, left: int, old: Order | None) -> bool:
        if spec.side is Side.BUY and not self.manager.venue.traits.has_position(spec.symbol):
            return False
        return worst_held(self.manager, spec, without=old) + left <= 0

    def is_halted(self, halt: Halt, spec: OrderSpec, left: int, old: Order | None = None, *, owner: int = 0) -> bool:
        """Tells whether a halt refuses an order that may open. An order that reduces a position passes, and at the
        first level one that increases it."""
        if halt.level is not Level.ADD:
            return not self.takes_off(spec, left, old, owner=owner)
        if not self.ready or spec.trigger_by is not TriggerBy.NONE:
            return True
        held = self.manager.positions.get((spec.symbol, spec.position_side), 0)
        if held * spec.side.sign <= 0 and not self._takes_off_account(spec, left, old):
            return True
        return bool(owner) and not (
            self.around.adds_to_own(owner, spec) or self.around.takes_off_own(owner, spec, left, old)
        )

    def hedge_wanted(self, found: bool) -> bool:
        """Returns whether the account must be in hedge mode: as configured, else as when its mode was first queried.
        found: its current mode."""
        if self.hedge is None:
            self.hedge = found
        return self.hedge
