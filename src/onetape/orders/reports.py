"""What a venue reports about an account, in the words of no venue.

Prices and sizes are int64 at the instrument's decimals, money is 1e-18 of its currency, times are
ns UTC by the venue's clock.
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

INTERNAL_TRADES: Final = 2**63  # trade ids from here on are no venue's,
HASHED_TRADES: Final = 2**62  # and from here on hashes of a venue's: they do not say which trade came first

OUTSIDE: Final = "(outside)"  # in place of a wallet: an address that is not the account's


class OrderStatusReport(NamedTuple):
    """Reports the state of an order at the venue. news: what has just happened to it, None where the report answers a
    query or is a row of a list. `venue_id` is the order's that works, of a conditional one its own until it fires."""

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
    takes_profit: bool = False  # its trigger is a take-profit's, not a stop's

    @property
    def waits(self) -> bool:
        """Tells whether it waits for its trigger, apart or among the orders of the book."""
        return self.trigger > 0 and (self.conditional or self.state is OrderState.ACCEPTED)


class FillReport(NamedTuple):
    """Reports one side of a trade. It is the same fill where symbol, trade id and side are: an account that trades with
    itself, which not every venue prevents, has two of one trade."""

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
        """Returns what the trade may be called on a tape of version 0.1.0, which kept one bit more of a hash."""
        if not HASHED_TRADES <= self.trade_id < INTERNAL_TRADES:
            return ()
        kept = self.trade_id - HASHED_TRADES
        return 2 * kept, 2 * kept + 1

    @property
    def is_internal(self) -> bool:
        """Tells whether the trade is between two orders of this account, and known to no venue. `venue_id` is the
        client id of the other order."""
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
    """Reports the margin of a currency beside its balance. profit: of its cross positions; initial: None where it does
    not follow from the report."""

    profit: int
    available: int
    initial: int | None = None


class BalanceReport(NamedTuple):
    """Reports what an account owns of a currency, without what open positions have gained.

    An event of the stream says its time. A list does not (Binance's updateTime is the currency's
    last change, Kraken says nothing; read 2026-11), and may have been read off at any moment
    between request and answer: `time` is when it was asked for; what happened until `as_of_from` is
    in it, what happened after `as_of_to` is not. Of what lies between, nobody knows.
    """

    currency: str
    total: int
    time: int
    earliest: int = 0  # 0: `time` is exact
    latest: int = 0
    margin: MarginReport | None = None  # where the venue has margin and reports it with the balance

    @property
    def as_of_from(self) -> int:
        return self.earliest or self.time

    @property
    def as_of_to(self) -> int:
        return self.latest or self.time


class MoveKind(StrEnum):
    """Names why money came or went."""

    TRANSFER = "transfer"  # from or to another wallet, account or bank
    FUNDING = "funding"
    INTEREST = "interest"  # of loans, paid; of staking and savings, received
    FEE = "fee"  # that no fill tells of, and what is given back of fees
    OTHER = "other"  # conversions, rewards, what the venue has invented since


class MoveReport(NamedTuple):
    """Reports money that came or went otherwise than by a fill. It is the same move where the reference is, whichever
    way it was reported. symbol: what funding was paid for, where the venue says so."""

    reference: str
    currency: str
    amount: int
    time: int
    kind: MoveKind = MoveKind.TRANSFER
    symbol: str = ""


class TransferState(StrEnum):
    """Names the state of a transfer between wallets at the venue."""

    DONE = "done"
    FAILED = "failed"
    UNDERWAY = "underway"


class TransferReport(NamedTuple):
    """Reports a row of the venue's history of transfers, of withdrawals (target OUTSIDE) or of deposits (source
    OUTSIDE). wallets: "" is the one that is traded from. amount: what a withdrawal takes with its fee, what a deposit
    brings without. name: our id of it, where the venue takes one. txid: what other venues know it by."""

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
    """Reports a position of the account at the venue. qty: signed, in units of the instrument. entry, mark and
    liquidation are prices, None where the venue does not say them with it."""

    symbol: str
    side: PositionSide
    qty: int
    time: int
    entry: Decimal | None = None
    mark: Decimal | None = None
    liquidation: Decimal | None = None


class AccountModeReport(NamedTuple):
    """Reports the modes and rights of the account at the venue."""

    hedge: bool
    multi_assets: bool
    can_trade: bool
    can_withdraw: bool
    account: str = ""  # what the venue calls it, where it says so here


class StreamReport(NamedTuple):
    """Reports an event of the stream itself: that it expired, or one that is not understood, by its name."""

    what: str
    detail: str = ""


class WalletReport(NamedTuple):
    """The amounts of one currency in a wallet beside the one that is traded from, 1e-18."""

    wallet: str
    currency: str
    total: int
    available: int


class ConversionTerms(NamedTuple):
    """What an order of a conversion has to keep to; 0: not said with it."""

    ask: Decimal = Decimal(0)
    tick: Decimal = Decimal(0)
    lot: Decimal = Decimal(0)


class ConversionReport(NamedTuple):
    """An order of a conversion, or one of its trades. Amounts in 1e-18; fee: in what was bought, of trades alone."""

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
