"""An order as the pre-trade rules see it."""

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

WIDENS: Final = SECOND  # each second of silence adds one width to the venue's band for a reduction


class View:
    """An order and its account, as the rules see them. Class attributes are the defaults, which callers override: an
    order that is placed again, for example, has no request, and is not counted."""

    at_venue: OrderSpec | None = None  # the terms sent to the venue, if they are not the whole order
    is_inside = False  # it trades with orders of ours and not at the venue
    behind_ns = 0  # by how much the market data of its decision was too old
    robot = 0
    is_by_hand = False  # placed by the operator or the guardian, for any owner's position
    rate = 0  # the robot's orders a second, 0: no limit of its own
    is_counted = True
    client_id = ""
    keys: FirstRequests[Any] | None = None  # the table of request keys
    slot = 0  # of its sub-account
    shares: Shares | None = None  # None: there are no sub-accounts
    netted: Refusal | None = None  # refusal of an order that conflicts with those of other sub-accounts

    def __init__(self, state: TradingState, spec: OrderSpec, now: int, old: Order | None = None) -> None:
        """old: the order that this one replaces."""
        self.state = state
        self.spec = spec
        self.now = now
        self.old = old
        # The quantity that can be filled.
        self.left = spec.size_int if old is None else spec.size_int - old.filled
        # Rules after the first one need the instrument to be listed.
        self.instrument: Instrument = state.instruments.get(spec.symbol)  # type: ignore[assignment]
        self.reference = state.manager.references.get(spec.symbol, 0)
        self.reduces = state.reduces(spec, old)

    @property
    def is_listed(self) -> bool:
        """Tells whether the gateway trades the order's instrument."""
        return self.spec.symbol in self.state.instruments

    @property
    def takes_off(self) -> bool:
        """Tells whether the order reduces a position without the reduce-only flag."""
        return self.state.takes_off(self.spec, self.left, self.old, owner=self.owner)

    @property
    def owner(self) -> int:
        """Returns the robot whose part of the account the order changes; 0: anybody's, for an order placed by hand."""
        return 0 if self.is_by_hand else self.robot

    @property
    def near(self) -> int:
        """Returns the price that limit prices are measured by; 0: unknown."""
        return self.spec.trigger_int or self.reference

    @property
    def widened(self) -> int:
        """Returns the multiple of the venue's price band."""
        silent = self.state.around.silent_ns(self.spec.symbol) if self.reduces else 0
        return 1 + silent // WIDENS if silent else 1
