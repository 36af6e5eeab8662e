"""Values an account and each of its sub-accounts at the quotes of the tape. Pure.

A row belongs to a currency: its balance, the open profit of contracts that settle in it, and the coins that its spot
markets trade, at the mid of their last quotes. A coin is counted in one row: that of its own if contracts settle in
it, else that to which its first spot market leads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from onetape.accounts.booking import Booking
from onetape.accounts.entries import MAIN, TOTAL, Outside
from onetape.model.enums import Kind
from onetape.model.instrument import Instrument
from onetape.model.money import divide_half_even, money_text

__all__ = ["CAPITAL", "Figures", "Worth", "WorthRecord"]

CAPITAL: Final = ("opening", "transfer", "allocation")  # kinds of income that are no result
Key = tuple[int, str]  # slot (TOTAL: the account), asset or currency


class WorthRecord(msgspec.Struct):
    """Everything that a `Worth` needs to continue. Amounts in 1e-18."""

    held: list[tuple[int, str, int]]
    capital: list[tuple[int, str, int]]
    unpriced: list[tuple[int, str, int]]
    best: list[tuple[int, str, int]]
    quotes: dict[str, tuple[int, int]]
    lines: list[tuple[int, str]] | None = None  # None: of an earlier release


class Figures(msgspec.Struct):
    """The figures of one slot in one currency, 1e-18. net, gross: notional of positions, signed and not; coins are in
    `net`."""

    balance: int = 0
    coins: int = 0
    unrealized: int = 0
    net: int = 0
    gross: int = 0

    @property
    def equity(self) -> int:
        return self.balance + self.coins + self.unrealized


class Worth:
    """Values an account and its sub-accounts: balances by slot, capital, and the best result of a full minute.
    leverage: for the margin of positions."""

    def __init__(self, instruments: Mapping[str, Instrument], *, leverage: float) -> None:
        self._instruments, self._leverage = instruments, leverage
        self._held: dict[Key, int] = {}
        self._capital: dict[Key, int] = {}
        self._unpriced: dict[Key, int] = {}  # coins that came or went without a quote: in no figure yet
        self._best: dict[Key, int] = {}  # of equity less capital
        self.lines: set[Key] = set()  # begun ones: slots and currencies with a row of a full minute
        self.quotes: dict[str, tuple[int, int]] = {}
        self._settles: dict[str, bool] = {}  # settle currency -> whether of a contract
        self._markets: dict[str, str] = {}  # coin -> its first spot market

    def add_instrument(self, instrument: Instrument) -> None:
        is_spot = instrument.kind is Kind.SPOT
        self._settles[instrument.settle] = self._settles.get(instrument.settle, False) or not is_spot
        if is_spot and instrument.base not in (*self._markets, *self._way(instrument.settle)):
            self._markets[instrument.base] = instrument.symbol

    def _way(self, asset: str) -> Iterator[str]:
        """Yields an asset, then the currencies that its spot markets lead to. Ends: `add_instrument` makes no cycle."""
        yield asset
        while asset in self._markets:
            asset = self._instruments[self._markets[asset]].settle
            yield asset

    def mark(self, symbol: str) -> int:
        """Returns the mid of the last quote, 0: there was none."""
        bid, ask = self.quotes.get(symbol, (0, 0))
        return (bid + ask) // 2 if bid and ask else 0

    def move(self, slot: int, asset: str, amount: int, *, kind: str) -> None:
        # Profit that netting brought the account early is in the sub-accounts' open profit.
        for key in ((slot, asset), (TOTAL, asset)) if slot != Outside.NETTING else ((TOTAL, asset),):
            self._held[key] = self._held.get(key, 0) + amount
            if kind in CAPITAL:
                self._unpriced[key] = self._unpriced.get(key, 0) + amount
        if kind in CAPITAL:
            self._price()

    def anew(self) -> None:
        """Starts anew for another exchange with other money: the difference is no result."""
        self._best.clear()

    def _price(self) -> None:
        """Values pending movements at present quotes and adds them to the capital."""
        for (slot, asset), amount in list(self._unpriced.items()):
            if (found := self._in_home(asset, amount)) is not None:
                currency, value = found
                self._capital[slot, currency] = self._capital.get((slot, currency), 0) + value
                del self._unpriced[slot, asset]

    def _in_home(self, asset: str, amount: int) -> tuple[str, int] | None:
        """Returns the currency whose row includes an asset, and its worth there. None: there is no quote yet."""
        while not self._settles.get(asset) and asset in self._markets:
            instrument = self._instruments[self._markets[asset]]
            if not (mark := self.mark(instrument.symbol)):
                return None
            asset, amount = instrument.settle, divide_half_even(amount * mark, 10**instrument.price_decimals)
        return asset, amount

    def equity(self, booking: Booking, currency: str) -> int:
        """Returns the account's equity in one currency, 1e-18."""
        return self.figures(booking, is_total=True).get((TOTAL, currency), Figures()).equity

    def figures(self, booking: Booking, *, is_total: bool = False) -> dict[Key, Figures]:
        """Returns figures by slot and currency. is_total: of the account alone."""
        found: dict[Key, Figures] = {}
        for key, amount in self._held.items():
            slot, asset = key
            if is_total and slot != TOTAL:
                continue
            home = self._in_home(asset, amount - self._unpriced.get(key, 0))
            if home is not None and home[0] in self._settles:
                row = found.setdefault((slot, home[0]), Figures())
                if home[0] == asset:
                    row.balance += home[1]
                else:
                    row.coins += home[1]
                    row.net += home[1]
        held = [(TOTAL, symbol, each) for (symbol, _), each in booking.account.items()]
        if not is_total:
            held += [(slot, symbol, each) for (slot, symbol, _), each in booking.positions.items()]
        for slot, symbol, position in held:
            if not position.qty or position.terms.is_spot:
                continue
            row = found.setdefault((slot, position.terms.settle), Figures())
            mark = self.mark(symbol)
            if mark and position.cost:
                row.unrealized += position.unrealized_at(mark)
            # A long inverse contract is long in its settle currency.
            value = position.terms.value(mark, position.qty) if mark else position.cost
            row.net, row.gross = row.net + value, row.gross + abs(value)
        return found

    def rows(self, figures: Mapping[Key, Figures], *, is_begin: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yields (slot, row) of each. is_begin: all of it is capital."""
        for (slot, currency), each in sorted(figures.items()):
            equity = each.equity
            capital = equity if is_begin else self._capital.get((slot, currency), 0)
            peak = capital + max(self._best.get((slot, currency), equity - capital), equity - capital)
            leverage = each.gross / equity if equity > 0 else None
            yield (
                slot,
                {
                    "currency": currency,
                    "equity": money_text(equity),
                    "balance": money_text(each.balance),
                    "coins": money_text(each.coins),
                    "capital": money_text(capital),
                    "unrealized": money_text(each.unrealized),
                    "delta": money_text(each.net),
                    "utilization": None if leverage is None else leverage / self._leverage,
                    "leverage": leverage,
                    "drawdown": (peak - equity) / peak if peak > 0 else 0.0,
                },
            )

    def begin(self, booking: Booking, *, is_flat: bool) -> dict[Key, Figures]:
        """Returns the first figures, at the full minute before, of lines without a row: no result yet. Results until
        the first full minute are in their second row. An account's line begins with its capital, that of a later
        sub-account with zero: until then its money was the pool's. is_flat: the books began without a position, else
        lines of the account and of its pool begin with the open profit."""
        self._price()
        begun = self.figures(booking).keys() - self.lines
        self.lines |= begun
        found = sorted(begun if is_flat else (key for key in begun if key[0] not in (TOTAL, MAIN)))
        self._best |= dict.fromkeys(found, 0)
        return {key: Figures(self._capital.get(key, 0) if (TOTAL, key[1]) in found else 0) for key in found}

    def sample(self, booking: Booking) -> dict[Key, Figures]:
        """Returns the figures of a full minute, and updates the best ones."""
        self._price()
        found = self.figures(booking)
        for key, each in found.items():
            result = each.equity - self._capital.get(key, 0)
            self._best[key] = max(self._best.get(key, result), result)
        return found

    # --- state ------------------------------------------------------------------------------------

    def to_record(self) -> WorthRecord:
        parts = (self._held, self._capital, self._unpriced, self._best)
        held, capital, unpriced, best = ([(*key, n) for key, n in part.items()] for part in parts)
        return WorthRecord(held, capital, unpriced, best, self.quotes, sorted(self.lines))

    def restore(self, kept: WorthRecord) -> None:
        self._held, self._capital, self._unpriced, self._best = (
            {(slot, name): amount for slot, name, amount in part}
            for part in (kept.held, kept.capital, kept.unpriced, kept.best)
        )
        self.quotes = kept.quotes
        self.lines = set(self._best if kept.lines is None else kept.lines)
