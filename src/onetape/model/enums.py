"""The closed sets of words, as the contract writes them, with the ids the tape stores.

A member is its word (`Side.BUY == "buy"`), and `.id` is the number in the fixed layouts of the
core. A test compares both with the schemas the core itself publishes.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Never, Self


class TapeWord(StrEnum):
    """A word with the number it has on tape."""

    # Equal to its text, so with the hash of its text; Enum's own is a call of Python each time.
    __hash__ = str.__hash__

    # Each member's own, set below: a property costs five times as much.
    id: int  # the number in a fixed layout

    @classmethod
    def from_id(cls, number: int) -> Self:
        """Returns the word of a stored number. Raises ValueError naming a number that has none."""
        return cls.by_id()[number]

    @classmethod
    def by_id(cls) -> Mapping[int, Self]:
        """Lists all words by their numbers, for who reads many; a number that has none is a ValueError
        here, too."""
        found: Mapping[int, Self] = _MEMBERS[cls]
        return found


class _ById(dict[int, TapeWord]):
    """Finds the words of one class by their numbers."""

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
    ENTRY = "entry"  # of the ledger
    SIGNAL = "signal"  # what a strategy sees in the market
    TARGET = "target"  # the position that it wants for it
    CYCLE = "cycle"  # a request key is free again
    HISTORY = "history"  # a bar from before, as the venue tells it to who asks
    OPEN_INTEREST = "open_interest"  # of all who hold a contract
    FUNDING_RATE = "funding_rate"  # of the next payment, as the venue tells it
    PLOT = "plot"  # a value of a series that a strategy draws


class Side(TapeWord):
    """The side of an order or fill; of a trade it is the taker's."""

    NONE = "none"
    BUY = "buy"
    SELL = "sell"

    sign: int  # +1 for a buy, -1 for a sell, 0 where the venue does not say
    opposite: Side  # the other side; of none it is none


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
    """Which way the price comes to a trigger: against the order's owner to a stop, in his favour
    to a take-profit. NONE stands on orders without one, and on tapes older than kinds."""

    NONE = "none"
    STOP = "stop"
    TAKE_PROFIT = "take_profit"
    TRAILING = "trailing"

    @property
    def word(self) -> str | None:
        """Writes it as tables show it, None where there is none."""
        return None if self is TriggerKind.NONE else self.value


class PositionSide(TapeWord):
    """The side of a position: `both` in one-way mode, `long` or `short` in hedge mode."""

    BOTH = "both"
    LONG = "long"
    SHORT = "short"


class Liquidity(TapeWord):
    """Whether a fill gave liquidity or took it."""

    NONE = "none"
    MAKER = "maker"
    TAKER = "taker"


class IdKind(TapeWord):
    """What a venue's trade id is made of."""

    NONE = "none"
    INTEGER = "integer"
    TEXT = "text"
    UUID = "uuid"


class RequestKind(TapeWord):
    """What an order request asks for."""

    PLACE = "place"
    CANCEL = "cancel"
    AMEND = "amend"


class OrderState(TapeWord):
    """Where an order stands. The transitions are in onetape.orders.machine."""

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

    is_final: bool  # no request can change it any more; a late fill may still be booked


class OrderNews(TapeWord):
    """What the venue said about an order; fills are frames of their own."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    CANCELED = "canceled"
    EXPIRED = "expired"
    TRIGGERED = "triggered"
    UPDATED = "updated"
    CANCEL_REJECTED = "cancel_rejected"
    UPDATE_REJECTED = "update_rejected"
    DENIED = "denied"  # by our own gateway: it never left
    LOST = "lost"  # sent, and nobody knows what came of it
    FOUND = "found"  # asked for, and it works
    ABSENT = "absent"  # proven not to be there


class Kind(TapeWord):
    """How an instrument's quantity becomes value: coins, coins settled in quote, or contracts of
    quote settled in base."""

    SPOT = "spot"
    LINEAR = "linear"
    INVERSE = "inverse"


class AmendRule(StrEnum):
    """What a venue makes of a change to an order that rests (core/exchange/amend_rule.hpp)."""

    DECREASE_KEEPS = "decrease_keeps"  # a smaller size keeps the place, all else loses it
    REQUEUES = "requeues"  # every change loses it
    DECREASE_ONLY = "decrease_only"  # a smaller size keeps it, all else is refused
    NONE = "none"  # nothing can be changed


class MetTrigger(StrEnum):
    """What a venue does with an order whose trigger is met when it arrives."""

    FIRES = "fires"
    REFUSED = "refused"


class Origin(StrEnum):
    """Where the facts of an instrument come from."""

    CATALOGUE = "catalogue"
    INFERRED = "inferred"
    USER = "given"
    RECORDED = "recorded"


FINAL_STATES = frozenset(
    {OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED, OrderState.DENIED, OrderState.EXPIRED}
)

# Sets whose word 0 means "not said" count from 0; the others from 1, so that zeroed memory is
# never a valid word.
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
