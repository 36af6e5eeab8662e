"""Instruments of each kind, and fills of them, for the tests of what is booked."""

from __future__ import annotations

from decimal import Decimal

from onetape.accounts.entries import Entry
from onetape.model.enums import Liquidity, PositionSide, Side
from onetape.model.instrument import Instrument, from_symbol
from onetape.orders.reports import FillReport

UNIT = 10**18
SPOT, LINEAR, INVERSE = "binance:BTC/USDT", "binance:BTC/USDT:USDT", "binance:BTC/USD:BTC"

INSTRUMENTS: dict[str, Instrument] = {
    SPOT: from_symbol(SPOT, tick=Decimal("0.01"), lot=Decimal("0.0001"), taker_fee="0.001"),
    LINEAR: from_symbol(LINEAR, tick=Decimal("0.1"), lot=Decimal("0.001"), maker_fee="-0.0001", taker_fee="0.0005"),
    INVERSE: from_symbol(INVERSE, tick=Decimal("0.1"), lot=1, multiplier=100),
}


def fill_of(
    symbol: str,
    text: str,
    *,
    trade: int = 1,
    time: int = 1,
    fee: int = 0,
    currency: str = "",
    side: PositionSide = PositionSide.BOTH,
    client_id: str = "",
) -> FillReport:
    """`+2@100` buys two at 100, `-1@110` sells one; numbers as people write them."""
    size, price = text[1:].split("@")
    i = INSTRUMENTS[symbol]
    return FillReport(
        symbol,
        client_id,
        "v",
        trade,
        Side.BUY if text[0] == "+" else Side.SELL,
        side,
        int(Decimal(price).scaleb(i.price_decimals)),
        int(Decimal(size).scaleb(i.size_decimals)),
        time,
        fee,
        currency,
        Liquidity.TAKER,
    )


def moved(entry: Entry) -> dict[tuple[int, str], int]:
    """What each holder's balance of a currency changes by."""
    sums: dict[tuple[int, str], int] = {}
    for leg in entry.legs:
        at = (int(leg.holder), leg.currency)
        sums[at] = sums.get(at, 0) + leg.amount
    return {at: amount for at, amount in sums.items() if amount}
