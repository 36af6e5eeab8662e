"""A venue's reports about an account, in venue-independent terms.

Prices and sizes are int64 at the instrument's decimals, money is 1e-18 of its currency, times are ns UTC by the venue's
clock.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from onetape.model.enums import Liquidity, OrderNews, OrderState, OrderType, PositionSide, Side, TimeInForce

__all__ = [
    "HASHED_TRADES",
    "INTERNAL_TRADES",
    "OUTSIDE",
    "AccountModeReport",
    "BalanceReport",
    "ConversionReport",
    "ConversionTerms",
    "FillReport",
    "MarginReport",
    "MoveKind",
    "MoveReport",
    "OrderStatusReport",
    "PositionReport",
    "StreamReport",
    "TransferReport",
    "TransferState",
    "VenueReport",
    "WalletReport",
]

INTERNAL_TRADES: Final = 2**63  # trade ids of internal trades begin here,
HASHED_TRADES: Final = 2**62  # and hashes of a venue's ids begin here: they have no order in time

OUTSIDE: Final = "(outside)"  # in place of a wallet: an address outside of the account


class OrderStatusReport(NamedTuple):
    """The state of an order at the venue. news: what just happened to it, None if the report answers a query or is a
    row of a list. `venue_id` is that of the working order, of a conditional one its own until it fires."""

    symbol: str
    client_id: str
    venue_id: str
    state: OrderState
    time: int
    news: OrderNews | None = None
    side: Side = Side.NONE
    type: OrderType = OrderType.LIMIT
    tif: TimeInForce = TimeInForce.GTC
    price: int = 0
    size: int = 0
    filled: int = 0
    trigger: int = 0
    position_side: PositionSide = PositionSide.BOTH
    reduce_only: bool = False
    conditional: bool = False  # it waits outside the book
    code: int = 0
    reason: str = ""
    takes_profit: bool = False  # its trigger is a take-profit, not a stop

    @property
    def waits(self) -> bool:
        """Tells whether the order waits for its trigger, in a separate service or in the book."""
        return self.trigger > 0 and (self.conditional or self.state is OrderState.ACCEPTED)


class FillReport(NamedTuple):
    """One side of a trade. Fills are equal if symbol, trade id and side are: an account that trades with itself, which
    not every venue prevents, has two fills of one trade."""

    symbol: str
    client_id: str
    venue_id: str
    trade_id: int
    side: Side
    position_side: PositionSide
    price: int
    size: int
    time: int
    fee: int
    fee_currency: str
    liquidity: Liquidity

    @property
    def key(self) -> tuple[str, int, Side]:
        """Returns the key by which a fill is booked once."""
        return self.symbol, self.trade_id, self.side

    @property
    def former_ids(self) -> tuple[int, ...]:
        """Returns ids that the trade may have on a tape of version 0.1.0, which kept one more bit of a hash."""
        if not HASHED_TRADES <= self.trade_id < INTERNAL_TRADES:
            return ()
        kept = self.trade_id - HASHED_TRADES
        return 2 * kept, 2 * kept + 1

    @property
    def is_internal(self) -> bool:
        """Tells whether the trade is between two orders of this account, without the venue. `venue_id` is the client id
        of the other order."""
        return self.trade_id >= INTERNAL_TRADES

    @property
    def other_side(self) -> FillReport:
        """Returns the other half of an internal trade."""
        is_maker = self.liquidity is Liquidity.MAKER
        return self._replace(
            client_id=self.venue_id,
            venue_id=self.client_id,
            side=self.side.opposite,
            fee=-self.fee,
            liquidity=Liquidity.TAKER if is_maker else Liquidity.MAKER,
        )


class MarginReport(NamedTuple):
    """The margin of a currency beside its balance. profit: unrealized, of its cross positions; initial: None if it does
    not follow from the report."""

    profit: int
    available: int
    initial: int | None = None


class BalanceReport(NamedTuple):
    """The amount of a currency that an account owns, without unrealized profit.

    An event of the stream carries its time. A list does not (Binance's updateTime is the currency's last change, Kraken
    sends none; read 2026-11), and may have been read at any moment between request and answer: `time` is that of the
    request; it includes what happened until `as_of_from`, and not what happened after `as_of_to`. Between the two it is
    unknown.
    """

    currency: str
    total: int
    time: int
    earliest: int = 0  # 0: `time` is exact
    latest: int = 0
    margin: MarginReport | None = None  # if the venue has margin and reports it with the balance

    @property
    def as_of_from(self) -> int:
        return self.earliest or self.time

    @property
    def as_of_to(self) -> int:
        return self.latest or self.time


class MoveKind(StrEnum):
    """The reason of a balance change."""

    TRANSFER = "transfer"  # from or to another wallet, account or bank
    FUNDING = "funding"
    INTEREST = "interest"  # paid for loans; received for staking and savings
    FEE = "fee"  # charged without a fill, and refunds of fees
    OTHER = "other"  # conversions, rewards, kinds added by the venue since


class MoveReport(NamedTuple):
    """A balance change other than a fill. Reports with the same reference are the same change, however reported.
    symbol: of a funding payment, if the venue reports it."""

    reference: str
    currency: str
    amount: int
    time: int
    kind: MoveKind = MoveKind.TRANSFER
    symbol: str = ""


class TransferState(StrEnum):
    """The state of a transfer between wallets at the venue."""

    DONE = "done"
    FAILED = "failed"
    UNDERWAY = "underway"


class TransferReport(NamedTuple):
    """A row of the venue's history of transfers, of withdrawals (target OUTSIDE) or of deposits (source OUTSIDE).
    wallets: "" is the trading wallet. amount: of a withdrawal with its fee, of a deposit after fees. name: our id of
    it, if the venue takes one. txid: its id for other venues."""

    venue_id: str
    source: str
    target: str
    currency: str
    amount: int
    time: int
    state: TransferState
    name: str = ""
    fee: int = 0
    txid: str = ""


class PositionReport(NamedTuple):
    """A position of the account at the venue. qty: signed, in units of the instrument. entry, mark and liquidation are
    prices, None if not reported with it."""

    symbol: str
    side: PositionSide
    qty: int
    time: int
    entry: Decimal | None = None
    mark: Decimal | None = None
    liquidation: Decimal | None = None


class AccountModeReport(NamedTuple):
    """The modes and rights of the account at the venue."""

    hedge: bool
    multi_assets: bool
    can_trade: bool
    can_withdraw: bool
    account: str = ""  # the venue's id of the account, where reported


class StreamReport(NamedTuple):
    """An event of the stream itself: its expiry, or an event that is not understood, by its name."""

    what: str
    detail: str = ""


class WalletReport(NamedTuple):
    """The amounts of one currency in a side wallet, 1e-18."""

    wallet: str
    currency: str
    total: int
    available: int


class ConversionTerms(NamedTuple):
    """The limits on an order of a conversion; 0: not reported with it."""

    ask: Decimal = Decimal(0)
    tick: Decimal = Decimal(0)
    lot: Decimal = Decimal(0)


class ConversionReport(NamedTuple):
    """An order of a conversion, or one of its trades. Amounts in 1e-18; fee: in the bought asset, in trades only."""

    venue_id: str
    bought: int
    spent: int
    fee: int = 0
    is_over: bool = True


VenueReport = (
    OrderStatusReport
    | FillReport
    | BalanceReport
    | MoveReport
    | TransferReport
    | PositionReport
    | AccountModeReport
    | StreamReport
    | WalletReport
    | ConversionTerms
    | ConversionReport
)
