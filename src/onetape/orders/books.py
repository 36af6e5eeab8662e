"""What an account holds: by the booked fills, and as the venue reports it.

Positions of contracts are compared. Money is in the ledger; a currency that spot trades is held as the newest reported
balance and the fills booked since then.
"""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Final

import msgspec

from onetape._core import Booked
from onetape.model.enums import PositionSide, Side
from onetape.orders.calls import OrderProtocol
from onetape.orders.managed import AccountOut
from onetape.orders.reports import BalanceReport, FillReport, PositionReport

__all__ = ["OPENING", "Books", "BooksRecord"]

OPENING: Final = "opening"  # source of the positions with which the books begin
TRADES_KEPT: Final = 100_000  # booked trade ids per symbol
UNTOLD_KEPT: Final = 1000  # fills per currency since its last reported balance; the venue reports one after each fill


class BooksRecord(msgspec.Struct, frozen=True):
    """The books in a checkpoint. trades: of each symbol, the time from which all ids are kept, and the ids with their
    times."""

    positions: list[tuple[str, PositionSide, int]]
    booked: int
    untold: dict[str, list[tuple[int, int]]]
    trades: dict[str, tuple[int, list[tuple[str, int]]]]


class Books:
    """Keeps the holdings of one account: balances and positions as the venue reports them, and the booked fills."""

    def __init__(self, venue: OrderProtocol) -> None:
        self._venue = venue
        self.positions: dict[tuple[str, PositionSide], int] = {}  # quantities by the booked fills
        self.venue_positions: dict[tuple[str, PositionSide], tuple[int, int]] = {}  # qty, time
        self.entries: dict[tuple[str, PositionSide], Decimal] = {}  # entry prices of the venue's positions, else marks
        self.balances: dict[str, BalanceReport] = {}  # the newest report of each currency
        self.margins: dict[str, BalanceReport] = {}  # the newest report that had margin
        self.booked = 0  # count of fills
        self._untold: dict[str, deque[tuple[int, int]]] = {}  # by currency: (time, change) since its last report
        self.unreported: dict[str, int] = {}  # their sums, 1e-18 of each currency
        self.trades: dict[str, Booked] = {}  # booked fills by symbol, in the order of the venue's time

    def has(self, fill: FillReport) -> bool:
        """Tells whether a fill was booked. Fills older than the kept ids count as booked, because lists of old trades
        may be requested at any time."""
        kept = self.trades.get(fill.symbol)
        if kept is None:
            return False
        if kept.has(_name(fill.trade_id, fill.side), fill.time):
            return True
        return any(kept.has(_name(former, fill.side), fill.time) for former in fill.former_ids)

    def book(self, fill: FillReport) -> None:
        kept = self.trades.get(fill.symbol)
        if kept is None:
            kept = self.trades[fill.symbol] = Booked(TRADES_KEPT)
        kept.add(_name(fill.trade_id, fill.side), fill.time)
        self.booked += 1
        if fill.is_internal:  # the account's holding does not change
            return
        at = (fill.symbol, fill.position_side)
        self.positions[at] = self.positions.get(at, 0) + fill.size * fill.side.sign
        if not self._venue.traits.has_position(fill.symbol):
            for currency, amount in self._venue.moves(fill):
                self._note_untold(currency, fill.time, amount)

    def _note_untold(self, currency: str, time: int, amount: int) -> None:
        untold = self._untold.setdefault(currency, deque())
        untold.append((time, amount))
        self.unreported[currency] = self.unreported.get(currency, 0) + amount
        if len(untold) > UNTOLD_KEPT:
            self.unreported[currency] -= untold.popleft()[1]

    def balance(self, report: BalanceReport, source: str) -> list[AccountOut]:
        newest = self.balances.get(report.currency)
        if newest is not None and report.time < newest.time:
            return []
        self.balances[report.currency] = report
        if report.margin is not None:
            self.margins[report.currency] = report
        untold = self._untold.get(report.currency)
        while untold and untold[0][0] <= report.time:
            self.unreported[report.currency] -= untold.popleft()[1]
        if newest is None or newest.total != report.total:
            return [AccountOut(report.currency, None, report.total, report.time, source)]
        return []

    def holding(self, currency: str) -> int:
        """Returns what the account has of a currency, 1e-18: the newest reported balance and the fills since."""
        return self._reported(currency) + self.unreported.get(currency, 0)

    def _reported(self, currency: str) -> int:
        newest = self.balances.get(currency)
        return newest.total if newest is not None else 0

    def position(self, report: PositionReport, source: str) -> list[AccountOut]:
        key = (report.symbol, report.side)
        newest = self.venue_positions.get(key)
        if newest is not None and report.time < newest[1]:
            return []
        self.venue_positions[key] = (report.qty, report.time)
        if report.qty and (price := report.entry or report.mark):
            self.entries[key] = price
        if newest is None or newest[0] != report.qty:
            return [AccountOut(report.symbol, report.side, report.qty, report.time, source)]
        return []

    def begin_anew(self) -> None:
        """Forgets holdings and fills of another exchange, whose trades may have the same ids."""
        for each in (self.positions, self.trades, self._untold, self.unreported):
            each.clear()

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> BooksRecord:
        """Makes the record for a checkpoint, without the venue's reports, which a restart queries again."""
        return BooksRecord(
            [(symbol, side, qty) for (symbol, side), qty in self.positions.items()],
            self.booked,
            {currency: list(moves) for currency, moves in self._untold.items()},
            {symbol: (kept.complete, kept.rows()) for symbol, kept in self.trades.items()},
        )

    def restore(self, record: BooksRecord) -> None:
        """Fills empty books from a checkpoint."""
        self.positions.update({(symbol, side): qty for symbol, side, qty in record.positions})
        self.booked = record.booked
        for currency, moves in record.untold.items():
            self._untold[currency] = deque(moves)
            self.unreported[currency] = sum(amount for _, amount in moves)
        for symbol, (complete, rows) in record.trades.items():
            kept = self.trades[symbol] = Booked(TRADES_KEPT)
            for name, time in rows:
                kept.add(name, time)
            kept.restore(complete)


def _name(trade_id: int, side: Side) -> str:
    """Names a fill uniquely among those of its symbol."""
    return f"-{trade_id}" if side is Side.SELL else str(trade_id)
