"""The book as BitMEX tells it: levels with ids, changed by insert, update and delete.

What was told must follow from what was told before, so the table is built from the depth messages
alone, from a first look at the book on; it is not read again.
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
    """The book of one instrument as its listeners know it."""

    def __init__(self, exchange: SimExchange, at: int, instrument: Instrument) -> None:
        self.at = at
        self.instrument = instrument
        self.time = exchange.market.start
        self.sides = {side: dict(exchange.board.levels(at, side, 1 << 20)) for side in (Side.BUY, Side.SELL)}

    def apply(self, report: DepthReport) -> Iterator[Change]:
        """Takes a message in, and says what changed. A level that the first look had already, or
        never had, is nothing to tell of."""
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
        """The price comes with every action, as it did in the last years."""
        return level_row(self.instrument, self.at, side, price, size, time)

    def best(self, side: Side, count: int) -> list[tuple[int, int]]:
        """(price, size), best first; 0: all."""
        found = sorted(self.sides[side].items(), reverse=side is Side.BUY)
        return found[:count] if count else found

    def top(self, count: int) -> dict[Level, int]:
        """Sizes of the best levels of both sides."""
        return {(side, price): size for side in (Side.SELL, Side.BUY) for price, size in self.best(side, count)}

    def difference(self, before: dict[Level, int], after: dict[Level, int], time: int) -> Iterator[Change]:
        """What leads from one view of the best levels to another."""
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
