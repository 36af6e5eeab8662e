"""Record a strategy's signals, targets and request keys, and link them to orders.

Market -> Signal -> Target -> Order -> Fill: a signal's frame records which frame of each input had
been taken by then; a target names its signal; an order request is followed by a map with the
numbers of both, and a fill names its order. Signals and targets are numbered from 1, in a live run from the first
order number of the incarnation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import msgspec

from onetape import _core
from onetape.model.enums import EventType, OrderState
from onetape.model.request_key import RequestKey
from onetape.orders.filters import Refusal
from onetape.orders.first_request import FirstRequests, OrderStatus

__all__ = ["Direction", "Notes", "Signal", "Target", "number_of"]

Direction = Literal["buy", "sell", "flat"]
DIRECTIONS: Final = get_args(Direction)
PLOT_NAME_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Signal:
    """A strategy's view of the market. time: ns UTC, when it was made; after: the last frame of each input taken by
    then; facts: the strategy's own data."""

    id: int
    symbol: str
    direction: Direction
    time: int
    after: tuple[int, ...]
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """The wanted position (`qty` signed), and the signal behind it."""

    id: int
    symbol: str
    qty: float
    time: int
    signal: int


class Notes:
    """Writes the signals, targets and requests of one incarnation. sources: number of inputs. enc: converts numpy
    values to plain ones. gateway_decides: whether another process grants request keys."""

    def __init__(self, loop: _core.TradingLoop, sources: int, enc: Callable[[Any], Any]) -> None:
        self._loop, self._sources = loop, sources
        self._enc = enc
        self.base = 0  # numbers begin after it
        self.gateway_decides = False
        self.location = ""  # of the calling child, during its call
        self._signals = self._targets = 0
        self._first: FirstRequests[_core.Order] = FirstRequests(_status)
        self._sha = _core.RunningSha256()
        self._is_silent = True

    def signal(self, symbol: str, direction: Direction, facts: dict[str, Any]) -> Signal:
        """Write a signal to the tape at once, before the orders of this callback."""
        if direction not in DIRECTIONS:
            raise ValueError(f"direction is {', '.join(DIRECTIONS)}, not {direction!r}")
        self._signals += 1
        after = tuple(self._loop.source_position(each)[0] for each in range(self._sources))
        made = Signal(self.base + self._signals, symbol, direction, self._loop.now, after, facts)
        record = {"id": made.id, "symbol": symbol, "direction": direction, "after": after, "facts": facts}
        self._loop.append_cold(EventType.SIGNAL.id, self._encoded(record))
        return made

    def plot(self, name: str, value: Any) -> None:
        """Write a plotted value to the tape at once."""
        if not isinstance(name, str) or not 0 < len(name) <= PLOT_NAME_MAX:
            raise ValueError(f"plot: the name of a series has 1 to {PLOT_NAME_MAX} letters, not {name!r}")
        try:
            number = math.nan if value is None else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.inf
        if math.isinf(number):
            raise ValueError(f"plot: {name} is {value!r}: a value is a finite number, or None for a gap")
        shown = None if math.isnan(number) else number
        self._loop.append_cold(EventType.PLOT.id, self._encoded(self._placed({"name": name, "value": shown})))

    def target(self, symbol: str, qty: Any, signal: int, **facts: Any) -> tuple[Target, bytes]:
        """Write a target to the tape at once; returns it and the data that its orders carry. facts: further fields
        for the tape."""
        self._targets += 1
        made = Target(self.base + self._targets, symbol, float(qty), self._loop.now, signal)
        record = {"id": made.id, "symbol": symbol, "qty": str(qty), "signal": signal, **facts}
        self._loop.append_cold(EventType.TARGET.id, self._encoded(self._placed(record)))
        return made, self._encoded(self._placed({"target": made.id, "signal": signal}))

    @contextmanager
    def at(self, location: str) -> Iterator[None]:
        """Attribute everything written inside to the strategy at that location, "": the run's own."""
        before, self.location = self.location, location
        try:
            yield
        finally:
            self.location = before

    def more(self, key: RequestKey | None, signal: int) -> bytes:
        """Returns the data that an order's request carries."""
        record: dict[str, Any] = key.as_record() if key is not None else {}
        if signal:
            record["signal"] = signal
        return self._encoded(self._placed(record))

    def attached(self, entry: int) -> bytes:
        """Returns the data carried by the request of a leg that is sent together with its entry."""
        return self._encoded(self._placed({"entry": entry}))

    def refusal(self, key: RequestKey) -> Refusal | None:
        """Returns a Refusal when another order holds the key. None: the key is free, or the gateway decides."""
        if self.gateway_decides:
            return None
        return self._first.refusal(key, 0, self._loop.now)

    def claim(self, key: RequestKey, order: _core.Order) -> None:
        if not self.gateway_decides and order.state != OrderState.DENIED:
            self._first.claim(key, 0, order, 0, self._loop.now)

    def end_cycle(self, key: RequestKey) -> None:
        """Free a request key, in sequence with the orders of this callback."""
        record = {"end": key.key, "within": key.within}
        self._loop.append_with_actions(EventType.CYCLE.id, self._encoded(record))
        if not self.gateway_decides:
            self._first.end(key, 0)

    @property
    def digest(self) -> bytes:
        """Returns a digest of everything written, b"" when nothing was: part of the state that a replay compares."""
        return b"" if self._is_silent else self._sha.digest()

    def _placed(self, record: dict[str, Any]) -> dict[str, Any]:
        return {**record, "location": self.location} if self.location else record

    def _encoded(self, record: dict[str, Any]) -> bytes:
        encoded = msgspec.msgpack.encode(record, enc_hook=self._enc)
        self._sha.update(encoded)
        self._is_silent = False
        return encoded


def number_of(signal: Signal | int | None) -> int:
    """Returns the number of a signal or target on a tape; 0: None. Raises TypeError for other types."""
    if isinstance(signal, Signal):
        return signal.id
    number = 0 if signal is None else signal
    if isinstance(number, bool) or not hasattr(number, "__index__") or not 0 <= number < 1 << 63:
        raise TypeError(f"signal is a signal or its number, or None, not {signal!r}")
    return int(number)


def _status(order: _core.Order) -> OrderStatus:
    filled = f"{order.filled:g} of {order.qty:g} filled"
    return OrderStatus(str(order.state), f"order {order.client_id}: {order.state}, {filled}")
