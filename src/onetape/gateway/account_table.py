"""How an account stands: positions of each slot and margin of each currency, for the table.

A fill's positions are written with its balances, after the wire and before robots hear of it. The rest has the
gateway's tick: margin, and twice a second what prices change. Prices are the middle of the last quotes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from onetape.accounts.booking import Booking
from onetape.accounts.entries import TOTAL
from onetape.accounts.holding import Holding
from onetape.accounts.ledger import Ledger
from onetape.accounts.table import AccountTable, Margin, PositionShown
from onetape.model.enums import Kind, PositionSide
from onetape.model.instrument import Instrument
from onetape.model.money import MONEY_DECIMALS
from onetape.model.time import SECOND
from onetape.orders.reports import BalanceReport

__all__ = ["AccountTableWriter"]

REVALUED_EVERY: Final = SECOND // 2
REVALUED_AT_ONCE: Final = 4  # a tick does not keep orders waiting; the rest have the next ticks
_DATED: Final = -2  # from there on a row says of when it is

Key = tuple[int, str, PositionSide]


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
        self._shown: dict[Key, PositionShown] = {}
        self._margin: dict[str, Margin] = {}
        self._sizes: dict[Key, tuple[int, int]] = {}  # and costs, as they are shown
        self._revalued = 0
        self._due: dict[Key, None] = {}  # whose price may have changed
        self._is_margin_due = True

    def fills(self, moved: Collection[tuple[str, PositionSide]], booking: Booking, sequence: int, now: int) -> None:
        """Writes the positions that fills have changed; the margin is due with the next tick, as which it is called."""
        for place in moved:
            for key, held in _shown(booking, *place):
                size = held.qty, held.cost
                if self._sizes.get(key) != size:
                    self._sizes[key] = size
                    self._show(key, held, now, sequence, entry=None)
                    self._is_margin_due = True

    def tick(self, booking: Booking, sequence: int, now: int) -> None:
        """Writes what has changed since.

        sequence: of the newest frame that is in the books.
        now: ns UTC.
        """
        holdings = {key: held for place in booking.account for key, held in _shown(booking, *place)}
        sizes = {key: (held.qty, held.cost) for key, held in holdings.items()}
        if not 0 <= now - self._revalued < REVALUED_EVERY:
            self._revalued = now
            self._due = dict.fromkeys(key for key, held in holdings.items() if held.qty)
            self._is_margin_due = True
        if sizes == self._sizes and not self._due and not self._is_margin_due:
            return
        for key in self._shown.keys() - holdings.keys():  # the exchange has begun anew
            gone = self._shown.pop(key)._replace(qty=0, entry=0, unrealized=0, realized=0, ts=now)
            self._table.put_position(gone, sequence=sequence)
        changed = [key for key, size in sizes.items() if self._sizes.get(key) != size]
        self._sizes = sizes
        for key in changed:
            self._show(key, holdings[key], now, sequence, entry=None)
            self._due.pop(key, None)
        for _ in range(min(len(self._due), REVALUED_AT_ONCE)):
            key, _ = self._due.popitem()
            if key in holdings:
                entry = self._shown[key].entry if key in self._shown else None
                self._show(key, holdings[key], now, sequence, entry=entry)
        if changed or (self._is_margin_due and not self._due):
            self.money(booking, sequence, now)

    def money(self, booking: Booking, sequence: int, now: int) -> None:
        """Writes what the margin of currencies has become."""
        self._is_margin_due = False
        for currency in self._settled():
            margin = self._margin_of(currency, booking, now)
            before = self._margin.get(currency)
            if before is None or before[:_DATED] != margin[:_DATED]:
                self._table.put_margin(margin, sequence=sequence)
                self._margin[currency] = margin

    def _show(self, key: Key, held: Holding, now: int, sequence: int, *, entry: int | None) -> None:
        """Writes a position. entry: as it was, where only the price may be another."""
        shown = self._position(key, held, now, entry)
        before = self._shown.get(key)
        if before is None or before[:_DATED] != shown[:_DATED]:
            self._table.put_position(shown, sequence=sequence)
            self._shown[key] = shown

    def _position(self, key: Key, held: Holding, now: int, entry: int | None) -> PositionShown:
        slot, symbol, side = key
        terms, qty, price = held.terms, held.qty, self._references.get(symbol, 0)
        instrument = self._instruments[symbol]
        if entry is None:
            entry = terms.average(qty, held.cost) * 10 ** (MONEY_DECIMALS - terms.average_decimals)
        return PositionShown(
            slot,
            symbol,
            side,
            qty=qty * terms.base_factor,
            entry=entry,
            price=price * 10 ** (MONEY_DECIMALS - instrument.price_decimals) if price else None,
            unrealized=held.unrealized(terms.core, price) if price or not qty else None,
            realized=held.realized,
            size_decimals=instrument.size_decimals,
            ts=now,
        )

    def _settled(self) -> dict[str, None]:
        """Returns the currencies that contracts settle in, and those that the venue says have margin."""
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


def _shown(booking: Booking, symbol: str, side: PositionSide) -> Iterator[tuple[Key, Holding]]:
    """Yields the positions of slots; as slot 0 what the venue has, and of spot, which has none there, their sum."""
    account = booking.account.get((symbol, side))
    if account is None:
        return
    total = Holding(account.terms) if account.terms.is_spot else account
    for key, own in booking.sharing(symbol, side):
        yield key, own
        if total is not account:
            total.qty += own.qty
            total.cost += own.cost
            total.realized += own.realized
    yield (TOTAL, symbol, side), total
