"""What an order must pass before it leaves: rules of the instrument, of the account, of the moment.

Pure: the state is the order manager's. Each refusal has an error's number and words, and becomes
DENIED. What reduces a position and every cancel passes whatever the state of things, except that
it must be an order that the venue could take at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from onetape.model.enums import OrderType, PositionSide, Side, TriggerBy
from onetape.model.errors import (
    AccountMode,
    Killed,
    OrderOutcomeUnknown,
    OrderRate,
    PositionLimit,
    SelfTrade,
    UnknownSymbol,
    VenueUnavailable,
)
from onetape.model.instrument import Instrument
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.orders.filters import Refusal, refusal_of
from onetape.orders.managed import Managed
from onetape.orders.manager import OrderManager

__all__ = ["Gate", "Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one gateway. position_max: by symbol, in units of quantity, working and unknown orders
    counted as filled; orders_a_second: of all robots together, 0: no limit."""

    position_max: Mapping[str, int] = field(default_factory=dict)
    orders_a_second: int = 0
    hedge: bool = False  # the mode that the account is expected to be in


@dataclass(slots=True)
class Gate:
    """Asked for every new order."""

    manager: OrderManager
    instruments: Mapping[str, Instrument]
    limits: Limits = field(default_factory=Limits)
    ready: bool = False  # reconciled, and the account's stream is there
    killed: str = ""  # why nothing new may leave
    _second: int = 0
    _sent: int = 0

    def refusal(self, spec: OrderSpec, now: int) -> Refusal | None:
        """The first rule that the order breaks, None where none. Counts it against the rate."""
        instrument = self.instruments.get(spec.symbol)
        if instrument is None:
            return Refusal.of(UnknownSymbol, f"{spec.symbol} is not traded by this gateway")
        reference = self.manager.references.get(spec.symbol, 0)
        broken = refusal_of(spec, instrument, reference=reference)
        if broken is not None:
            return broken
        if not self.reduces(spec):
            broken = self._of_new_risk(spec, instrument)
            if broken is not None:
                return broken
        return self._own_orders(spec) or self._rate(now)

    def reduces(self, spec: OrderSpec) -> bool:
        """It can only take off a position."""
        if spec.reduce_only:
            return True
        closes = PositionSide.LONG if spec.side is Side.SELL else PositionSide.SHORT
        return spec.position_side is closes

    def _of_new_risk(self, spec: OrderSpec, instrument: Instrument) -> Refusal | None:
        if self.killed:
            return Refusal.of(Killed, f"the kill switch is on: {self.killed}")
        if not self.ready:
            return Refusal.of(VenueUnavailable, "what the account holds is being reconciled")
        mode = self.manager.mode
        if mode is not None and mode.hedge != self.limits.hedge:
            found, wanted = (("hedge", "one-way"), ("one-way", "hedge"))[not mode.hedge]
            return Refusal.of(AccountMode, f"the account is in {found} mode, not in {wanted} mode")
        if mode is not None and not mode.can_trade:
            return Refusal.of(AccountMode, "the venue says that this account cannot trade")
        unknown = [o for o in self.manager.unknown if o.spec.symbol == spec.symbol]
        if unknown:
            return Refusal.of(
                OrderOutcomeUnknown, f"nobody knows yet what became of {unknown[0].client_id}"
            )
        most = self.limits.position_max.get(spec.symbol, 0)
        if most:
            worst = self._worst(spec)
            if worst > most:
                text = f"{instrument.size_text(worst)} with what works, at most "
                return Refusal.of(PositionLimit, text + instrument.size_text(most))
        return None

    def _worst(self, spec: OrderSpec) -> int:
        """The position in the order's direction if all that works that way is filled."""
        sign = spec.side.sign
        held = self.manager.positions.get((spec.symbol, spec.position_side), 0) * sign
        working = sum(
            o.worst_left
            for o in self.manager.open.values()
            if o.spec.symbol == spec.symbol and o.spec.side is spec.side and not o.spec.reduce_only
        )
        return held + working + spec.size_int

    def _own_orders(self, spec: OrderSpec) -> Refusal | None:
        """A robot's order must not trade with another one of the same account."""
        if spec.post_only or spec.trigger_by is not TriggerBy.NONE:
            return None
        for other in self.manager.open.values():
            o = other.spec
            if o.symbol != spec.symbol or o.side is spec.side or o.type is OrderType.MARKET:
                continue
            if o.trigger_by is not TriggerBy.NONE and self._waits(other):
                continue
            crosses = spec.type is OrderType.MARKET or (
                spec.price_int >= other.price
                if spec.side is Side.BUY
                else spec.price_int <= other.price
            )
            if crosses:
                return Refusal.of(SelfTrade, f"it would meet {other.client_id}")
        return None

    def _waits(self, order: Managed) -> bool:
        """Its trigger has not fired."""
        apart = self.manager.venue.traits.conditionals
        return order.conditional if apart else not order.life.triggered

    def _rate(self, now: int) -> Refusal | None:
        if not self.limits.orders_a_second:
            return None
        second = now // SECOND
        if second != self._second:
            self._second, self._sent = second, 0
        if self._sent >= self.limits.orders_a_second:
            return Refusal.of(OrderRate, f"more than {self.limits.orders_a_second} orders a second")
        self._sent += 1
        return None
