"""What the rules of an account look at beside the order: its limits, and what holds at this moment.

Pure: the orders are the order manager's, the rest is set by the gateway as it hears of it.
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
    """Holds the limits of one gateway; 0 or absent: no limit.

    position_max: by symbol, in units of quantity, working and unknown orders counted as filled.
    order_max: of one order, likewise.
    price_band: how far a limit price may be on the dear side of the market, 0.05 is 5 %.
    orders_a_second: of all robots together.
    order_value_max, open_value_max: of one order, and of all that work together with it, by the currency
        that an instrument settles in, in units of 1e-18.
    symbols: that may be opened.
    open_orders_max: orders that work at the same time.
    messages_a_second: new orders, amendments and cancels that leave; no new order above it.
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
        """Refuses an amendment that would take off more than its sub-account holds."""

    def measured(self, robot: int, spec: OrderSpec) -> Measure: ...


class Shares(Protocol):
    """Answers what each sub-account of a shared account has."""

    @property
    def reductions(self) -> ShareReductions: ...

    def refusal(self, robot: int, spec: OrderSpec, left: int, old: Order | None = None) -> Refusal | None:
        """Refuses an order for which the robot's sub-account has not enough."""

    def measured(self, robot: int, spec: OrderSpec) -> Measure: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Answers what the rules ask of others. Nothing has a default: what was forgotten would let orders through.

    strategy_of: the sub-account that a robot trades with, by name.
    takes_off_own, adds_to_own: whether a robot's order takes off, or adds to, its sub-account's own part of what the
        account holds; the first with what can be filled of it and the order that it takes the place of.
    silent_ns: for how long a symbol's market has been silent, ns, 0: it speaks. silent_max_ns: for how long it may be.
    decision_max_ns: how old the market may be that an order was decided on, 0: as old as it likes.
    in_front: what the book has at better prices than one, by symbol and side, 0: none is known.
    is_guarded: nothing new may leave but while a guardian watches.
    shares: what sub-accounts have; None: the account has none to see to.
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
    """Holds what the rules of one account look at: limits, rates, and halts with the kill switch."""

    manager: OrderManager
    instruments: Mapping[str, Instrument]
    limits: Limits
    halts: Halts
    around: Surroundings
    ready: bool = False  # reconciled, and the account's stream is there
    disk_full: bool = False  # the journal's next segment has no room
    is_deaf: bool = False  # the account's stream does not tell what happens, though it is connected
    rates: OrderRates = field(default_factory=OrderRates)
    hedge: bool | None = None  # the mode that the account has to be in; None: that in which it is found

    def reduces(self, spec: OrderSpec, old: Order | None = None) -> bool:
        """Tells whether an order can only take off a position: by its flag, or on spot, where there is none, by what
        was bought and works to be sold. old: the order that it takes the place of."""
        if self.manager.venue.traits.positions:
            return only_reduces(spec)
        return spec.side is Side.SELL and spec.size_int <= reducible(self.manager, spec, without=old)

    def takes_off(self, spec: OrderSpec, left: int, old: Order | None = None, *, owner: int = 0) -> bool:
        """Tells whether an order takes off what is held and opens nothing, neither of the account nor of its owner's
        sub-account, if all that works that way is filled before; the venue does not hold it to that. left: what can be
        filled of it. owner: the robot whose part it trades with; 0: it is judged by the account alone, as what goes by
        hand is. On spot a purchase takes off nothing."""
        if not self.ready or spec.trigger_by is not TriggerBy.NONE:
            return False
        return self._takes_off_account(spec, left, old) and (
            not owner or self.around.takes_off_own(owner, spec, left, old)
        )

    def _takes_off_account(self, spec: OrderSpec, left: int, old: Order | None) -> bool:
        if spec.side is Side.BUY and not self.manager.venue.traits.positions:
            return False
        return worst_held(self.manager, spec, without=old) + left <= 0

    def is_halted(self, halt: Halt, spec: OrderSpec, left: int, old: Order | None = None, *, owner: int = 0) -> bool:
        """Tells whether a halt refuses an order that may open: one that takes off what is held passes, at the first
        level one that adds to it, too."""
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
        """Tells whether the account is to be in hedge mode: as configured, else as it was when its mode was first
        asked for. found: as it is."""
        if self.hedge is None:
            self.hedge = found
        return self.hedge
