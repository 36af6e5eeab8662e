"""The inputs and effects of the guardian's core, as values."""

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
WITHDRAWN: Final = frozenset({OrderState.CANCELED, OrderState.EXPIRED})  # end states of a stop without a fill


class StopRow(NamedTuple):
    """A stop or take-profit on its gateway's journal. left: its open quantity, units; has_fired: the venue no longer
    waits for its trigger."""

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
    """Places stops, or take-profits, at the account's gateway in one command. A rung without a trigger closes at the
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
    """Reduces a robot's order by `qty`, which takes at `price` or better; units. Repeated until it is done: its gateway
    does it once."""

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
    """Closes the account's position in a symbol, whoever owns it."""

    id: str
    account: str
    symbol: str
    reason: str


class CloseSubAccount(NamedTuple):
    """Closes a quantity of a sub-account's position at the market. size: units."""

    id: str
    account: str
    symbol: str
    name: str
    size: int


class ReadVenue(NamedTuple):
    """Queries the venue for the stops of a symbol, or if it is "" for all positions."""

    account: str
    symbol: str = ""


class ReadBars(NamedTuple):
    """Queries the venue for the low and the high of a symbol in the last `window` ns."""

    account: str
    symbol: str
    window: int


class Unprotected(NamedTuple):
    """Reports to the gateway that positions in a symbol have lost their protection, so that they are not increased.
    since: ns of the core's clock; 0: they are protected."""

    id: str
    account: str
    symbol: str
    since: int


class Record(NamedTuple):
    """A record for the guardian's journal. severity "": no problem."""

    kind: str
    subject: str
    state: str
    about: Mapping[str, Any]
    severity: str = ""


Effect = PlaceStops | CancelStops | Flatten | CloseSubAccount | Unprotected | ReadVenue | ReadBars | Record
