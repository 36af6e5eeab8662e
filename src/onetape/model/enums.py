"""Define the closed sets of words of the API, with the ids that the tape stores.

A member is its word (`Side.BUY == "buy"`), and `.id` is the number in the fixed layouts of the
core. A test compares both with the schemas the core itself publishes.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Never, Self


class TapeWord(StrEnum):
    """A word with the number it has on tape."""

    # Equal to its text, so it has the text's hash; Enum's own hash is a slow Python call.
    __hash__ = str.__hash__

    # An attribute set for each member below: a property would be five times slower.
    id: int  # the number in a fixed layout

    @classmethod
    def from_id(cls, number: int) -> Self:
        """Returns the word of a stored number. Raises ValueError naming a number that has none."""
        return cls.by_id()[number]

    @classmethod
    def by_id(cls) -> Mapping[int, Self]:
        """Returns all words by number, for bulk reading; an unused number raises ValueError here, too."""
        found: Mapping[int, Self] = _MEMBERS[cls]
        return found


class _ById(dict[int, TapeWord]):
    """Maps the numbers of one class to its words; an unused number raises ValueError."""

    def __init__(self, cls: type[TapeWord], start: int) -> None:
        super().__init__(enumerate(cls, start))
        self.name = cls.__name__

    def __missing__(self, number: int) -> Never:
        raise ValueError(f"{self.name} has no id {number}")


class EventType(TapeWord):
    """The type of a frame."""

    INSTRUMENT = "instrument"
    QUOTE = "quote"
    TRADE = "trade"
    BOOK = "book"
    BAR = "bar"
    MARK = "mark"
    FUNDING = "funding"
    LIQUIDATION = "liquidation"
    ORDER_REQUEST = "order_request"
    ORDER_EVENT = "order_event"
    FILL = "fill"
    BALANCE = "balance"
    POSITION = "position"
    TRANSFER = "transfer"
    TIMER = "timer"
    COMMAND = "command"
    REPLY = "reply"
    ALERT = "alert"
    HEALTH = "health"
    EXTERNAL = "external"
    PARAMS = "params"
    INPUT = "input"
    LOG = "log"
    MEMORY = "memory"
    MBO = "mbo"  # market by order
    ENTRY = "entry"  # entry of the ledger
    SIGNAL = "signal"  # a strategy's view of the market
    TARGET = "target"  # the position that the strategy wants
    CYCLE = "cycle"  # a request key is free again
    HISTORY = "history"  # an earlier bar, as the venue reports it on request
    OPEN_INTEREST = "open_interest"  # open interest of a contract, of all holders
    FUNDING_RATE = "funding_rate"  # rate of the next payment, as the venue reports it
    PLOT = "plot"  # a value of a strategy's plotted series


class Side(TapeWord):
    """The side of an order or fill; of a trade it is the taker's."""

    NONE = "none"
    BUY = "buy"
    SELL = "sell"

    sign: int  # +1 for a buy, -1 for a sell, 0 for NONE
    opposite: Side  # BUY <-> SELL, NONE -> NONE


class OrderType(TapeWord):
    """The type of an order: how it is priced. A trigger makes a stop of either."""

    LIMIT = "limit"
    MARKET = "market"


class TimeInForce(TapeWord):
    """How long an order stays: until canceled, at once or never, whole or never, until a time."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"


class TriggerBy(TapeWord):
    """The price a trigger watches."""

    NONE = "none"
    LAST = "last"
    MARK = "mark"
    INDEX = "index"


TRIGGER_PRICES: Final = (TriggerBy.LAST, TriggerBy.MARK, TriggerBy.INDEX)


class TriggerKind(TapeWord):
    """The direction in which the price reaches a trigger: against the order's owner for a stop, in the owner's favor
    for a take-profit. NONE is for orders without a trigger, and for tapes older than kinds."""

    NONE = "none"
    STOP = "stop"
    TAKE_PROFIT = "take_profit"
    TRAILING = "trailing"

    @property
    def word(self) -> str | None:
        """Returns the word shown in tables; None where there is none."""
        return None if self is TriggerKind.NONE else self.value


class PositionSide(TapeWord):
    """The side of a position: `both` in one-way mode, `long` or `short` in hedge mode."""

    BOTH = "both"
    LONG = "long"
    SHORT = "short"


class Liquidity(TapeWord):
    """Whether a fill provided or took liquidity."""

    NONE = "none"
    MAKER = "maker"
    TAKER = "taker"


class IdKind(TapeWord):
    """The form of a venue's trade id."""

    NONE = "none"
    INTEGER = "integer"
    TEXT = "text"
    UUID = "uuid"


class RequestKind(TapeWord):
    """The action that an order request asks for."""

    PLACE = "place"
    CANCEL = "cancel"
    AMEND = "amend"


class OrderState(TapeWord):
    """The state of an order. The transitions are in onetape.orders.machine."""

    INITIALIZED = "INITIALIZED"
    SUBMITTED = "SUBMITTED"
    ACCEPTED = "ACCEPTED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    PENDING_CANCEL = "PENDING_CANCEL"
    CANCELED = "CANCELED"
    PENDING_UPDATE = "PENDING_UPDATE"
    REJECTED = "REJECTED"
    DENIED = "DENIED"
    EXPIRED = "EXPIRED"
    TRIGGERED = "TRIGGERED"
    UNKNOWN = "UNKNOWN"

    is_final: bool  # no request can change the order any more; a late fill may still be booked


class OrderNews(TapeWord):
    """A venue's report about an order; fills are frames of their own."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    CANCELED = "canceled"
    EXPIRED = "expired"
    TRIGGERED = "triggered"
    UPDATED = "updated"
    CANCEL_REJECTED = "cancel_rejected"
    UPDATE_REJECTED = "update_rejected"
    DENIED = "denied"  # by our own gateway: the order never left
    LOST = "lost"  # sent, with an unknown outcome
    FOUND = "found"  # queried, and it works
    ABSENT = "absent"  # proven not to be at the venue


class Kind(TapeWord):
    """How an instrument's quantity becomes value: spot coins, contracts settled in quote, or contracts of quote
    settled in base."""

    SPOT = "spot"
    LINEAR = "linear"
    INVERSE = "inverse"


class AmendRule(StrEnum):
    """A venue's treatment of an amended resting order (core/exchange/amend_rule.hpp)."""

    DECREASE_KEEPS = "decrease_keeps"  # a smaller size keeps the queue position, any other change loses it
    REQUEUES = "requeues"  # every change loses it
    DECREASE_ONLY = "decrease_only"  # a smaller size keeps it, any other change is refused
    NONE = "none"  # no amendments


class MetTrigger(StrEnum):
    """A venue's treatment of an order whose trigger is met on arrival."""

    FIRES = "fires"
    REFUSED = "refused"


class Origin(StrEnum):
    """The source of an instrument's facts."""

    CATALOGUE = "catalogue"
    INFERRED = "inferred"
    USER = "given"
    RECORDED = "recorded"


FINAL_STATES = frozenset(
    {OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.DENIED, OrderState.EXPIRED}
)

# Sets with a word "unknown" count from 0; the others from 1, so that zeroed memory is never a valid word.
_FROM_ZERO = (Side, TriggerBy, TriggerKind, PositionSide, Liquidity, IdKind, Kind)
_FROM_ONE = (EventType, OrderType, TimeInForce, RequestKind, OrderState, OrderNews)
_MEMBERS: dict[type[TapeWord], Any] = {
    cls: _ById(cls, start) for start, group in ((0, _FROM_ZERO), (1, _FROM_ONE)) for cls in group
}

for _words in _MEMBERS.values():
    for _number, _word in _words.items():
        _word.id = _number
for _side, _sign, _opposite in ((Side.NONE, 0, Side.NONE), (Side.BUY, 1, Side.SELL), (Side.SELL, -1, Side.BUY)):
    _side.sign, _side.opposite = _sign, _opposite
for _state in OrderState:
    _state.is_final = _state in FINAL_STATES

__all__ = [
    "FINAL_STATES",
    "TRIGGER_PRICES",
    "EventType",
    "IdKind",
    "Kind",
    "Liquidity",
    "MetTrigger",
    "OrderNews",
    "OrderState",
    "OrderType",
    "Origin",
    "PositionSide",
    "RequestKind",
    "Side",
    "TapeWord",
    "TimeInForce",
    "TriggerBy",
    "TriggerKind",
]
