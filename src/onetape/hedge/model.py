"""The inputs of a plan: one account's view of a symbol at one time."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from onetape.model.instrument import Instrument

__all__ = ["LegView", "Level", "Resting"]

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Level:
    """One price level of a book. price: in the quote currency; base: its resting size in base currency."""

    price: Decimal
    base: Decimal


@dataclass(frozen=True, slots=True)
class Resting:
    """An order of ours on another account of the venue that rests in the book. side: 1 buys, -1 sells."""

    account: str
    order: str
    side: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class LegView:
    """One account with its own instrument of a symbol. Amounts of base are in coins, also for contracts: multipliers
    and inverse contracts are converted when a view is made.

    position: signed base; entry, mark: prices, 0: none; bids, asks: best first. equity, available: in the settle
    currency, including the worth of positions, and the part of it free for new ones. gross: notional of all the
    account's positions; maintenance: their maintenance margin. funding_rate: of the next payment, positive: longs pay,
    None: unknown; funding_at: ns UTC. maker_fee, taker_fee: of notional, by the account's tier. market_at, account_at:
    ns UTC of the newest price and of the newest account data; 0: none. refusal: why it cannot be traded now; "": it
    can. unfit: why its position and money are not reliable, "": they are. is_shared: it has sub-accounts, each
    with its part of the position. unpriced: coins of a spot account that the equity leaves out. resting: orders that
    one of this account must not match. traded: volume of its market since an operation began, in the instrument's
    units; None: unknown. as_of: frame of its gateway's tape up to which its equity is computed from the books.
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
