"""What the guardian's core is told and what it wants done, as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from onetape.model.enums import OrderState, PositionSide, Side
from onetape.risk.stop_ladder import Rung

__all__ = [
    "CancelOrder",
    "CancelStops",
    "CloseSubAccount",
    "Effect",
    "Flatten",
    "PlaceStops",
    "ReadBars",
    "ReadVenue",
    "Record",
    "StopRow",
    "TakeShare",
    "Unprotected",
]

FIRED: Final = frozenset({OrderState.TRIGGERED, OrderState.PARTIALLY_FILLED})
WITHDRAWN: Final = frozenset({OrderState.CANCELED, OrderState.EXPIRED})  # as a stop ends that takes nothing off


class StopRow(NamedTuple):
    """A stop or take-profit as its gateway's journal has it. left: units that it may still take off;
    has_fired: the venue no longer waits for its trigger."""

    client_id: str
    venue_id: str
    symbol: str
    position_side: PositionSide
    closes: Side
    trigger: int
    left: int
    state: OrderState
    is_target: bool = False

    @property
    def has_fired(self) -> bool:
        return self.state in FIRED


class PlaceStops(NamedTuple):
    """Places stops, or take-profits, at the account's gateway in one command. A rung without a trigger is closed at the
    market."""

    id: str
    account: str
    symbol: str
    position_side: PositionSide
    closes: Side
    rungs: tuple[Rung, ...]
    is_target: bool = False


class CancelStops(NamedTuple):
    id: str
    account: str
    orders: tuple[str, ...]  # client ids


class CancelOrder(NamedTuple):
    """Cancels an order of a robot, by its client id."""

    id: str
    account: str
    order: str
    reason: str


class TakeShare(NamedTuple):
    """Makes a robot's order smaller by `qty`, which takes at `price` or better; units. Sent anew until it is done:
    its gateway does it once."""

    id: str
    account: str
    order: str
    symbol: str
    qty: int
    price: int
    reason: str
    robot: int
    order_id: int


class Flatten(NamedTuple):
    """Closes what the account holds of a symbol, whoever holds it."""

    id: str
    account: str
    symbol: str
    reason: str


class CloseSubAccount(NamedTuple):
    """Takes so much off what a sub-account holds, at the market. size: units."""

    id: str
    account: str
    symbol: str
    name: str
    size: int


class ReadVenue(NamedTuple):
    """Asks the venue itself: for the stops of a symbol, or where it is "" for all positions."""

    account: str
    symbol: str = ""


class ReadBars(NamedTuple):
    """Asks the venue for the low and the high of a symbol in the last `window` ns."""

    account: str
    symbol: str
    window: int


class Unprotected(NamedTuple):
    """Tells the gateway that positions in a symbol have lost their protection, so that nothing is added to
    them. since: ns of the core's clock; 0: they have it."""

    id: str
    account: str
    symbol: str
    since: int


class Record(NamedTuple):
    """A record for the guardian's journal. severity "": nothing is wrong."""

    kind: str
    subject: str
    state: str
    about: Mapping[str, Any]
    severity: str = ""


Effect = PlaceStops | CancelStops | Flatten | CloseSubAccount | Unprotected | ReadVenue | ReadBars | Record
