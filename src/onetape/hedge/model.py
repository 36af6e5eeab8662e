"""What a plan is made from: one account's side of a symbol, as of one moment."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from onetape.model.instrument import Instrument

__all__ = ["LegView", "Level", "Resting"]

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Level:
    """One price of a book. price: in the quote currency; base: what rests at it, in units of the base currency."""

    price: Decimal
    base: Decimal


@dataclass(frozen=True, slots=True)
class Resting:
    """An order of our own that rests in the book on another account of the venue. side: 1 buys, -1 sells."""

    account: str
    order: str
    side: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class LegView:
    """Describes one account and its own instrument of a symbol. Amounts of base are of the coin, whatever a
    contract is worth: multipliers and inverse contracts are converted where a view is made.

    position: signed base; entry, mark: prices, 0 where none; bids, asks: best first.
    equity, available: in the settle currency, what positions are worth included, and what new ones may take of it.
    gross: notional of all the account's positions; maintenance: what they need lest they be closed.
    funding_rate: of the next payment, signed as longs pay it, None: unknown; funding_at: ns UTC.
    maker_fee, taker_fee: of notional, by the account's tier.
    market_at, account_at: ns UTC of the newest price and of the newest account data; 0: none.
    refusal: why nothing can be traded on it now; "": nothing speaks against it. unfit: why what it says of position and
    money is not to be relied on, "": it is. is_shared: by sub-accounts, each with its part of the position. unpriced:
    coins of a spot account that the equity is without. resting: orders that one of this account must not meet. traded:
    what its market has traded since an operation began, of the instrument's own units; None: unknown. as_of: frame of
    its gateway's tape by which the equity is the books'.
    """

    account: str
    venue: str
    instrument: Instrument
    position: Decimal = _ZERO
    entry: Decimal = _ZERO
    mark: Decimal = _ZERO
    bids: tuple[Level, ...] = ()
    asks: tuple[Level, ...] = ()
    equity: Decimal = _ZERO
    available: Decimal = _ZERO
    gross: Decimal = _ZERO
    unrealized: Decimal = _ZERO
    maintenance: Decimal = _ZERO
    leverage: Decimal = Decimal(1)
    funding_rate: Decimal | None = None
    funding_at: int = 0
    maker_fee: Decimal = _ZERO
    taker_fee: Decimal = _ZERO
    market_at: int = 0
    account_at: int = 0
    refusal: str = ""
    unfit: str = ""
    is_shared: bool = False
    unpriced: tuple[str, ...] = ()
    resting: tuple[Resting, ...] = ()
    traded: Decimal | None = None
    as_of: int = 0

    @property
    def utilization(self) -> Fraction:
        """Returns (total - available) / total, of equity; 1 where there is none."""
        if self.equity <= 0:
            return Fraction(1)
        return Fraction(self.equity - self.available) / Fraction(self.equity)
