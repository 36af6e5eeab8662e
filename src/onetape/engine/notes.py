"""What a strategy says beside its orders: signals, targets, request keys, and how they are linked.

Market -> Signal -> Target -> Order -> Fill: a signal's frame says which frame of each input had
been taken by then; a target names its signal; an order request is followed by a map with the
numbers of both, and a fill names its order. Signals and targets are numbered from 1, of a live
robot from the first number of its life's orders.
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
    """What a strategy sees in the market. time: ns UTC, when it said so; after: the last frame of
    each input that it had taken; facts: its own words and numbers."""

    id: int
    symbol: str
    direction: Direction
    time: int
    after: tuple[int, ...]
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """The position that is wanted (`qty` signed), and for which signal."""

    id: int
    symbol: str
    qty: float
    time: int
    signal: int


class Notes:
    """Writes the signals, targets and requests of one life of a strategy. sources: how many inputs it has. enc: makes
    plain values of numpy's. gateway_decides: whether a request key is another process's to give."""

    def __init__(self, loop: _core.TradingLoop, sources: int, enc: Callable[[Any], Any]) -> None:
        self._loop, self._sources = loop, sources
        self._enc = enc
        self.base = 0  # of the numbers
        self.gateway_decides = False
        self.location = ""  # of the child that asks, while it does
        self._signals = self._targets = 0
        self._first: FirstRequests[_core.Order] = FirstRequests(_status)
        self._sha = _core.RunningSha256()
        self._is_silent = True

    def signal(self, symbol: str, direction: Direction, facts: dict[str, Any]) -> Signal:
        """On the tape at once, before the orders of this callback."""
        if direction not in DIRECTIONS:
            raise ValueError(f"direction is {', '.join(DIRECTIONS)}, not {direction!r}")
        self._signals += 1
        after = tuple(self._loop.source_position(each)[0] for each in range(self._sources))
        made = Signal(self.base + self._signals, symbol, direction, self._loop.now, after, facts)
        record = {"id": made.id, "symbol": symbol, "direction": direction, "after": after, "facts": facts}
        self._loop.append_cold(EventType.SIGNAL.id, self._encoded(record))
        return made

    def plot(self, name: str, value: Any) -> None:
        """On the tape at once."""
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
        """On the tape at once; and what its orders carry. facts: what else the tape says of it."""
        self._targets += 1
        made = Target(self.base + self._targets, symbol, float(qty), self._loop.now, signal)
        record = {"id": made.id, "symbol": symbol, "qty": str(qty), "signal": signal, **facts}
        self._loop.append_cold(EventType.TARGET.id, self._encoded(self._placed(record)))
        return made, self._encoded(self._placed({"target": made.id, "signal": signal}))

    @contextmanager
    def at(self, location: str) -> Iterator[None]:
        """What is said inside is said by the strategy at that place, "": by the run's own."""
        before, self.location = self.location, location
        try:
            yield
        finally:
            self.location = before

    def more(self, key: RequestKey | None, signal: int) -> bytes:
        """Returns what an order's request carries."""
        record: dict[str, Any] = key.as_record() if key is not None else {}
        if signal:
            record["signal"] = signal
        return self._encoded(self._placed(record))

    def attached(self, entry: int) -> bytes:
        """Returns what the request of a leg carries that is sent together with its entry."""
        return self._encoded(self._placed({"entry": entry}))

    def refusal(self, key: RequestKey) -> Refusal | None:
        """Another order has the key, as far as this process has to know."""
        if self.gateway_decides:
            return None
        return self._first.refusal(key, 0, self._loop.now)

    def claim(self, key: RequestKey, order: _core.Order) -> None:
        if not self.gateway_decides and order.state != OrderState.DENIED:
            self._first.claim(key, 0, order, 0, self._loop.now)

    def end_cycle(self, key: RequestKey) -> None:
        """In its place between the orders of this callback."""
        record = {"end": key.key, "within": key.within}
        self._loop.append_with_actions(EventType.CYCLE.id, self._encoded(record))
        if not self.gateway_decides:
            self._first.end(key, 0)

    @property
    def digest(self) -> bytes:
        """Of all that was said, b"" where nothing was: part of the state that a replay compares."""
        return b"" if self._is_silent else self._sha.digest()

    def _placed(self, record: dict[str, Any]) -> dict[str, Any]:
        return {**record, "location": self.location} if self.location else record

    def _encoded(self, record: dict[str, Any]) -> bytes:
        encoded = msgspec.msgpack.encode(record, enc_hook=self._enc)
        self._sha.update(encoded)
        self._is_silent = False
        return encoded


def number_of(signal: Signal | int | None) -> int:
    """Returns what a tape calls it; 0: there is none. Raises TypeError for what is neither."""
    if isinstance(signal, Signal):
        return signal.id
    number = 0 if signal is None else signal
    if isinstance(number, bool) or not hasattr(number, "__index__") or not 0 <= number < 1 << 63:
        raise TypeError(f"signal is a signal or its number, or None, not {signal!r}")
    return int(number)


def _status(order: _core.Order) -> OrderStatus:
    filled = f"{order.filled:g} of {order.qty:g} filled"
    return OrderStatus(str(order.state), f"order {order.client_id}: {order.state}, {filled}")
