"""An order as the rules look at it."""

from __future__ import annotations

from typing import Any, Final

from onetape.model.instrument import Instrument
from onetape.model.order import OrderSpec
from onetape.model.time import SECOND
from onetape.orders.filters import Refusal
from onetape.orders.first_request import FirstRequests
from onetape.orders.order import Order
from onetape.orders.trading_state import Shares, TradingState

__all__ = ["View"]

WIDENS: Final = SECOND  # of silence: the venue's band, as a reduction is measured, once more


class View:
    """Shows an order and its account to the rules. What stands at the class is usual; whoever asks sets what is
    otherwise: what is placed again has no request, for one, and is not counted."""

    at_venue: OrderSpec | None = None  # as the venue gets it, where that is not all of it
    is_inside = False  # it trades with orders of ours and not at the venue
    behind_ns = 0  # how much too old the market was that it was decided on
    robot = 0
    is_by_hand = False  # the operator's or the guardian's, whoever holds what it takes off
    rate = 0  # the robot's orders a second, 0: no limit of its own
    is_counted = True
    client_id = ""
    keys: FirstRequests[Any] | None = None  # first request wins, by this table
    slot = 0  # of its sub-account
    shares: Shares | None = None  # None: there are no sub-accounts
    netted: Refusal | None = None  # why it may not go out among its sub-account's others

    def __init__(self, state: TradingState, spec: OrderSpec, now: int, old: Order | None = None) -> None:
        """old: the order that it takes the place of."""
        self.state = state
        self.spec = spec
        self.now = now
        self.old = old
        # What can be filled.
        self.left = spec.size_int if old is None else spec.size_int - old.filled
        # The rules behind the first have it.
        self.instrument: Instrument = state.instruments.get(spec.symbol)  # type: ignore[assignment]
        self.reference = state.manager.references.get(spec.symbol, 0)
        self.reduces = state.reduces(spec, old)

    @property
    def is_listed(self) -> bool:
        """Tells whether the gateway trades the order's instrument."""
        return self.spec.symbol in self.state.instruments

    @property
    def takes_off(self) -> bool:
        """Tells whether the order takes off what is held without the reduce-only flag."""
        return self.state.takes_off(self.spec, self.left, self.old, owner=self.owner)

    @property
    def owner(self) -> int:
        """Returns the robot whose part of the account it trades with; 0: whoever's it is, as what goes by hand."""
        return 0 if self.is_by_hand else self.robot

    @property
    def near(self) -> int:
        """Returns the price that limit prices are measured by; 0: not known."""
        return self.spec.trigger_int or self.reference

    @property
    def widened(self) -> int:
        """Returns how many times the venue's band counts."""
        silent = self.state.around.silent_ns(self.spec.symbol) if self.reduces else 0
        return 1 + silent // WIDENS if silent else 1
