"""Lots: cost and proceeds by first in, first out and by average cost.

Pure. For contracts the venue's position is followed, with the ledger's own arithmetic: gains by average cost equal
the ledger's realized profit, to the unit. Coins cannot be owed: a sale beyond the purchases (coins from before the
records, or from another market of the coin) has no cost and no price, like a deposit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from onetape.accounts.holding import Terms
from onetape.model.enums import Kind
from onetape.model.money import divide_half_even, money_text

__all__ = ["LOT_COLUMNS", "OPEN_COLUMNS", "Change", "Lots"]

_SHARED: Final = ("account", "symbol", "position_side", "side", "qty", "ts_open", "price_open")
LOT_COLUMNS: Final = ("method", *_SHARED, "ts_close", "price_close", "cost", "proceeds", "gain", "currency", "reason")
OPEN_COLUMNS: Final = (*_SHARED, "cost", "currency")


class Change(NamedTuple):
    """One change of a holding. size: signed, in the instrument's units, of coins in 1e-18. value: 1e-18 of the
    settle currency, >= 0. price: as text, "": it has none. reason: "trade", or the kind of income that moved a coin."""

    ts: int
    size: int
    value: int
    price: str
    reason: str = "trade"


class _Lot(NamedTuple):
    ts: int
    size: int  # > 0, like the cost
    cost: int
    price: str


class Lots:
    """The lots of one symbol of an account."""

    def __init__(self, terms: Terms, **names: str) -> None:
        """names: columns of each row: account, symbol, position_side."""
        self._terms, self._names = terms, names
        self._lots: deque[_Lot] = deque()
        self._size = self._cost = 0  # signed size, unsigned cost by average

    def take(self, change: Change) -> Iterator[dict[str, Any]]:
        """Yields rows of the lots that it closes, by both methods."""
        size, value = abs(change.size), change.value
        if self._size * change.size < 0:
            closes = min(size, abs(self._size))
            # The part that opens the other side gets its share of the value, as in the core's position.
            closed = value if closes == size else divide_half_even(value * closes, size)
            yield from self._close(change, closes, closed)
            size, value = size - closes, value - closed
        if not size:
            return
        if self._terms.is_spot and change.size < 0:
            yield self._row("fifo", change, _Lot(0, size, 0, ""), size, 0, value)
            yield self._row("average", change, _Lot(0, size, 0, ""), size, 0, value)
            return
        self._lots.append(_Lot(change.ts, size, value, change.price))
        self._size += size if change.size > 0 else -size
        self._cost += value

    def _close(self, change: Change, size: int, value: int) -> Iterator[dict[str, Any]]:
        average = self._cost if size == abs(self._size) else divide_half_even(self._cost * size, abs(self._size))
        yield self._row("average", change, _Lot(0, size, average, ""), size, average, value)
        left, value_left = size, value
        while left:
            lot = self._lots.popleft()
            part = min(lot.size, left)
            cost, proceeds = lot.cost * part // lot.size, value_left * part // left
            if part < lot.size:
                self._lots.appendleft(lot._replace(size=lot.size - part, cost=lot.cost - cost))
            yield self._row("fifo", change, lot, part, cost, proceeds)
            left, value_left = left - part, value_left - proceeds
        self._size += size if change.size > 0 else -size
        self._cost -= average

    def _row(self, method: str, change: Change, lot: _Lot, size: int, cost: int, value: int) -> dict[str, Any]:
        if change.reason == "transfer":  # it changes the owner at its cost
            value = cost
        is_long = change.size < 0
        gain = value - cost if is_long == (self._terms.instrument.kind is not Kind.INVERSE) else cost - value
        row = {"method": method, **self._shown(lot._replace(size=size, cost=cost), is_long=is_long)}
        return row | {
            "ts_close": change.ts,
            "price_close": change.price,
            "proceeds": money_text(value),
            "gain": money_text(gain),
            "reason": change.reason,
        }

    def _shown(self, lot: _Lot, *, is_long: bool) -> dict[str, Any]:
        terms = self._terms
        return {
            **self._names,
            "side": "long" if is_long else "short",
            "qty": money_text(lot.size) if terms.is_spot else terms.instrument.size_text(lot.size),
            "ts_open": lot.ts,
            "price_open": lot.price,
            "cost": money_text(lot.cost),
            "currency": terms.settle,
        }

    def open_rows(self) -> Iterator[dict[str, Any]]:
        """Yields the open lots, the oldest first."""
        return (self._shown(lot, is_long=self._size > 0) for lot in self._lots)
