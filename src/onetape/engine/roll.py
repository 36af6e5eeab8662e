"""Roll positions through dated contracts of one market: from an expiring one into the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from onetape.engine.handlers import PRIVATE_TIMER
from onetape.model.errors import StrategyError
from onetape.model.time import parse_period

if TYPE_CHECKING:
    from onetape.engine.host import Host

__all__ = ["Roll"]


class Roll:
    """A series of contracts, by expiry. Created by Strategy.roll."""

    def __init__(
        self,
        host: Host,
        base: type,
        owner: str,
        contracts: Sequence[str],
        before: str,
        move: Callable[[str, str], None],
    ) -> None:
        """base: Strategy; owner: location of the strategy in the run; move: moves a position from one contract to
        the other. Raises StrategyError, UnknownSymbol."""
        self._loop, self._move = host.loop, move
        self._contracts = tuple(contracts)
        found = [host.instrument_of(each) for each in self._contracts]
        location = f"roll({', '.join(self._contracts)})"
        if len(found) < 2:
            raise StrategyError("a roll has two contracts or more", location=location)
        for old, new in pairwise(found):
            if old.expiry is None or (new.expiry is not None and new.expiry <= old.expiry):
                raise StrategyError(f"{old.symbol} does not expire before {new.symbol}", location=location)
            if (old.base, old.quote, old.settle, old.kind) != (new.base, new.quote, new.settle, new.kind):
                raise StrategyError(f"{old.symbol} and {new.symbol} are of other markets", location=location)
        ahead = parse_period(before)
        self._ends = [each.expiry - ahead if each.expiry is not None else None for each in found]
        self._timer = f"{PRIVATE_TIMER}roll{owner}{self._contracts[0]}"
        host.handlers_of(base).on("timer", self._on_timer)
        # the roll time may have passed while no robot ran; the roll that an earlier incarnation began continues first
        if self._front:
            self._loop.set_timer(self._timer, 0, self._loop.now)
        else:
            self._wait()

    @property
    def _front(self) -> int:
        last = len(self._ends) - 1
        return next((n for n, end in enumerate(self._ends) if end is not None and self._loop.now < end), last)

    @property
    def front(self) -> str:
        """The contract to trade now: the first one whose roll time is in the future."""
        return self._contracts[self._front]

    def _wait(self) -> None:
        end = self._ends[self._front]
        if end is not None and end > self._loop.now:
            self._loop.set_timer(self._timer, 0, end)

    def _on_timer(self, name: str) -> None:
        if name == self._timer:
            for each in self._contracts[: self._front]:
                self._move(each, self.front)
            self._wait()


def moved(position: int, old: Any, new: Any) -> int:
    """Returns the size in `new` that matches a position in `old`, in whole lots towards zero; both in size units."""
    share = abs(position) * old.multiplier.scaleb(-old.size_decimals) / new.multiplier
    lots: int = int(share / new.lot) * new.lot_int
    return lots if position > 0 else -lots
