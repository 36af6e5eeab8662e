"""Writes positions of each slot and margin of each currency to the account's table.

Positions changed by a fill are written with its balances, after calls are sent and before robots read the fill. The
gateway's tick writes the rest: margin, and twice a second the values that depend on prices. Prices are mids of the last
quotes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from onetape.accounts.booking import Booking
from onetape.accounts.entries import TOTAL
from onetape.accounts.holding import Holding
from onetape.accounts.ledger import Ledger
from onetape.accounts.table import AccountTable, Margin, PositionKey
from onetape.model.enums import Kind, PositionSide
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS
from onetape.model.time import SECOND
from onetape.orders.reports import BalanceReport

__all__ = ["AccountTableWriter"]

REVALUED_EVERY: Final = SECOND // 2
REVALUED_AT_ONCE: Final = 4  # per tick, so that it does not delay orders; the rest follow in the next ticks
_DATED: Final = -2  # from this field on a row has times, which are not compared


class AccountTableWriter:
    """Writes positions and margin to the account's table.

    references: price units by symbol.
    margins: the venue's newest reports.
    """

    def __init__(
        self,
        table: AccountTable,
        ledger: Ledger,
        instruments: Mapping[str, Instrument],
        references: Mapping[str, int],
        margins: Mapping[str, BalanceReport],
    ) -> None:
        self._table = table
        self._ledger = ledger
        self._instruments = instruments
        self._references = references
        self._margins = margins
        self._margin: dict[str, Margin] = {}
        self._sizes: dict[PositionKey, tuple[int, int, int]] = {}  # size, cost and entry as last written
        self._revalued = 0
        self._due: dict[PositionKey, None] = {}  # positions whose value may have changed with prices
        self._is_margin_due = True

    def fills(self, moved: Collection[tuple[str, PositionSide]], booking: Booking, sequence: int, now: int) -> None:
        """Writes the positions that fills have changed; the margin follows with the next tick."""
        for place in moved:
            for key, held in _shown(booking, *place):
                if self._has_changed(key, held):
                    self._show(key, held, now, sequence)
                    self._is_margin_due = True

    def tick(self, booking: Booking, sequence: int, now: int) -> None:
        """Writes all changes since the last tick.

        sequence: of the newest frame that is in the books.
        now: ns UTC.
        """
        holdings = {key: held for place in booking.account for key, held in _shown(booking, *place)}
        if not 0 <= now - self._revalued < REVALUED_EVERY:
            self._revalued = now
            self._due = dict.fromkeys(key for key, held in holdings.items() if held.qty)
            self._is_margin_due = True
        gone = self._sizes.keys() - holdings.keys()  # the exchange began anew
        for key in gone:
            del self._sizes[key]
            self._table.clear_position(key, ts=now, sequence=sequence)
        changed = [key for key, held in holdings.items() if self._has_changed(key, held)]
        if not changed and not gone and not self._due and not self._is_margin_due:
            return
        for key in changed:
            self._show(key, holdings[key], now, sequence)
            self._due.pop(key, None)
        for _ in range(min(len(self._due), REVALUED_AT_ONCE)):
            key, _ = self._due.popitem()
            if key in holdings:
                self._show(key, holdings[key], now, sequence)
        if changed or (self._is_margin_due and not self._due):
            self.money(booking, sequence, now)

    def money(self, booking: Booking, sequence: int, now: int) -> None:
        """Writes the changed margin of currencies."""
        self._is_margin_due = False
        for currency in self._settled():
            margin = self._margin_of(currency, booking, now)
            before = self._margin.get(currency)
            if before is None or before[:_DATED] != margin[:_DATED]:
                self._table.put_margin(margin, sequence=sequence)
                self._margin[currency] = margin

    def _has_changed(self, key: PositionKey, held: Holding) -> bool:
        """Returns whether a position's size or cost differs from the last written one, and stores both."""
        before = self._sizes.get(key)
        if before is not None and before[:2] == (held.qty, held.cost):
            return False
        terms = held.terms
        entry = terms.average(held.qty, held.cost) * 10 ** (MONEY_DECIMALS - terms.average_decimals)
        self._sizes[key] = held.qty, held.cost, entry
        return True

    def _show(self, key: PositionKey, held: Holding, now: int, sequence: int) -> None:
        entry, price = self._sizes[key][2], self._references.get(key[1], 0)
        self._table.put_position(key, held, entry=entry, price=price, ts=now, sequence=sequence)

    def _settled(self) -> dict[str, None]:
        """Returns the settle currencies of contracts, and those with margin by the venue's reports."""
        contracts = (i for i in self._instruments.values() if i.kind is not Kind.SPOT)
        return dict.fromkeys([*(i.settle for i in contracts), *self._margins])

    def _margin_of(self, currency: str, booking: Booking, now: int) -> Margin:
        unrealized: int | None = 0
        maintenance: int | None = 0
        for (symbol, _), held in booking.account.items():
            instrument = self._instruments[symbol]
            if held.terms.is_spot or instrument.settle != currency or not held.qty:
                continue
            price = self._references.get(symbol, 0)
            is_exact = bool(price) and unrealized is not None
            unrealized = (unrealized or 0) + held.unrealized_at(price) if is_exact else None
            value = abs(held.terms.value(price, held.qty) if price else held.cost)
            is_exact = bool(instrument.maintenance_rate) and maintenance is not None
            maintenance = (maintenance or 0) + instrument.maintenance_units(value) if is_exact else None
        report = self._margins.get(currency)
        said = report.margin if report is not None else None
        return Margin(
            currency,
            equity=None if unrealized is None else self._ledger.total(currency) + unrealized,
            unrealized=unrealized,
            maintenance=maintenance,
            initial=said.initial if said else None,
            available=said.available if said else None,
            reported_at=report.time if report else None,
            ts=now,
        )


def _shown(booking: Booking, symbol: str, side: PositionSide) -> list[tuple[PositionKey, Holding]]:
    """Returns the positions of slots, and as slot 0 the account's position: the venue's own, or on spot, where there is
    none, the sum of the slots."""
    account = booking.account.get((symbol, side))
    if account is None:
        return []
    parts = booking.sharing(symbol, side)
    total = Holding(account.terms) if account.terms.is_spot else account
    for _, own in parts if total is not account else ():
        total.qty += own.qty
        total.cost += own.cost
        total.realized += own.realized
    return [*parts, ((TOTAL, symbol, side), total)]
