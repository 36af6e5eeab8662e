"""A fill as a value: so much of an order was traded at a price."""

from __future__ import annotations

import msgspec

from onetape.model.enums import Liquidity, PositionSide, Side
from onetape.model.money import Amount, money


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """Prices and quantities are int64 at the instrument's decimals, the fee is money in 1e-18."""

    symbol: str
    order_id: int  # the robot's ordinal
    trade_id: str  # the venue's, unique within the order
    side: Side
    price_int: int
    size_int: int
    ts_event: int
    fee: int = 0  # negative: rebate
    fee_currency: str = ""
    liquidity: Liquidity = Liquidity.NONE
    position_side: PositionSide = PositionSide.BOTH

    @property
    def signed_size_int(self) -> int:
        """The quantity, negative for a sell."""
        return self.size_int * self.side.sign

    @property
    def fee_amount(self) -> Amount:
        """The fee as an amount; negative: rebate."""
        return Amount(money(self.fee), self.fee_currency)


__all__ = ["Fill"]
