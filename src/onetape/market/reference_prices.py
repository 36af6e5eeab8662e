"""Keep a recent price of each symbol, from its quotes, to check and value orders. Pure: times are arguments.

One wrong quote does not move it. A quote within 1 % of the price counts at once; one that is farther off counts when
`ConfirmedPrice` has confirmed it, which for quotes alone takes 0.3 s, and until then the previous price stays. The
first quote of a symbol, and the first after 10 s without any, counts at once: nothing contradicts it.
"""

from __future__ import annotations

from typing import Final

from onetape.market.confirmed_price import NEAR, SETTLES, SLOTS, ConfirmedPrice, PriceKind

__all__ = ["ReferencePrices"]

_QUOTE: Final = PriceKind.QUOTE
_SLOT: Final = SETTLES // SLOTS  # prices within this time count as one for `ConfirmedPrice`


class _Symbol:
    """State of a symbol. at: when `confirmed` was last set by a quote, ns. newest: price and time of a later quote that
    is not yet in `prices`; 0: none."""

    __slots__ = ("at", "confirmed", "newest", "newest_at", "prices")

    def __init__(self) -> None:
        self.prices = ConfirmedPrice()
        self.confirmed = self.at = self.newest = self.newest_at = 0


class ReferencePrices:
    """Writes the reference prices to `prices`, in units, by symbol."""

    def __init__(self, prices: dict[str, int]) -> None:
        self._prices = prices
        self._symbols: dict[str, _Symbol] = {}
        self._doubted: dict[str, _Symbol] = {}  # symbols whose newest quote is not confirmed yet

    def quoted(self, symbol: str, middle: int, now: int) -> None:
        """Process a quote. middle: the mid of bid and ask, above 0; now: ns of one clock."""
        own = self._symbols.get(symbol)
        if own is None:
            own = self._symbols[symbol] = _Symbol()
        if abs(middle - own.confirmed) * NEAR <= own.confirmed and 0 <= now - own.at < _SLOT:
            self._prices[symbol] = own.newest = middle
            own.newest_at = now
            return
        if own.newest:
            own.prices.take(_QUOTE, own.newest, own.newest_at)
            own.newest = 0
        own.prices.take(_QUOTE, middle, now)
        own.at, own.confirmed = now, own.prices.of(_QUOTE, now) or middle
        self._prices[symbol] = own.confirmed
        if own.confirmed != middle:
            self._doubted[symbol] = own

    def look(self, now: int) -> None:
        """Process the time: an undisputed quote counts after a while."""
        for symbol, own in list(self._doubted.items()):
            found = own.prices.of(_QUOTE, now)
            if found:
                self._prices[symbol] = own.confirmed = found
            if not own.prices.is_unconfirmed(_QUOTE, now):
                del self._doubted[symbol]
