"""The book in BitMEX's form: levels with ids, changed by insert, update and delete.

Messages must be consistent with earlier ones. So after the first snapshot of the book the table is built from the depth
messages alone; the book itself is not read again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from onetape.exchange.bitmex.public import level_row, level_rows
from onetape.exchange.bitmex.wire import iso, price_number
from onetape.exchange.exchange import SimExchange
from onetape.exchange.reports import DepthReport
from onetape.model.enums import Side
from onetape.model.instrument import Instrument

__all__ = ["BookTable"]

Level = tuple[Side, int]  # side and price
Change = tuple[str, list[dict[str, Any]]]  # action and rows


class BookTable:
    """The book of one instrument as its subscribers have it."""

    def __init__(self, exchange: SimExchange, at: int, instrument: Instrument) -> None:
        self.at = at
        self.instrument = instrument
        self.time = exchange.market.start
        self.sides = {side: dict(exchange.board.levels(at, side, 1 << 20)) for side in (Side.BUY, Side.SELL)}

    def apply(self, report: DepthReport) -> Iterator[Change]:
        """Applies a message, and yields the changes. Removing a level that the table does not have is no change."""
        actions: dict[str, list[dict[str, Any]]] = {"delete": [], "update": [], "insert": []}
        self.time = report.time
        for side, levels in ((Side.SELL, report.asks), (Side.BUY, report.bids)):
            side_levels = self.sides[side]
            for price, size in levels:
                was = side_levels.get(price, 0)
                if size == was:
                    continue
                if size:
                    side_levels[price] = size
                else:
                    del side_levels[price]
                action = "delete" if not size else "update" if was else "insert"
                actions[action].append(self._row(side, price, size, report.time))
        return ((action, rows) for action, rows in actions.items() if rows)

    def _row(self, side: Side, price: int, size: int, time: int) -> dict[str, Any]:
        """Returns the row of a level. The price comes with every action, as in the venue's last years."""
        return level_row(self.instrument, self.at, side, price, size, time)

    def best(self, side: Side, count: int) -> list[tuple[int, int]]:
        """Returns the levels of a side, best first. count: how many, 0: all."""
        found = sorted(self.sides[side].items(), reverse=side is Side.BUY)
        return found[:count] if count else found

    def top(self, count: int) -> dict[Level, int]:
        """Returns the sizes of the best levels of both sides."""
        return {(side, price): size for side in (Side.SELL, Side.BUY) for price, size in self.best(side, count)}

    def difference(self, before: dict[Level, int], after: dict[Level, int], time: int) -> Iterator[Change]:
        """Yields the changes between two states of the best levels."""
        gone = [level for level in before if level not in after]
        changed = [lv for lv, size in after.items() if lv in before and before[lv] != size]
        come = [level for level in after if level not in before]
        for action, levels in (("delete", gone), ("update", changed), ("insert", come)):
            if levels:
                yield action, [self._row(side, price, after.get((side, price), 0), time) for side, price in levels]

    def rows(self, count: int) -> list[dict[str, Any]]:
        asks, bids = self.best(Side.SELL, count), self.best(Side.BUY, count)
        return level_rows(self.instrument, self.at, asks, bids, self.time)

    def ten(self, time: int) -> dict[str, Any]:
        def pairs(side: Side) -> list[list[Any]]:
            return [[price_number(self.instrument, p), size] for p, size in self.best(side, 10)]

        return {
            "symbol": self.instrument.raw_symbol,
            "bids": pairs(Side.BUY),
            "asks": pairs(Side.SELL),
            "timestamp": iso(time),
        }
