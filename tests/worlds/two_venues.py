"""Two venues on one tape: binance with linear BTC in USDT, kraken with linear BTC in USD."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from worlds.tapes import Market

KRAKEN = "kraken:BTC/USD:USD"
SPOT = "kraken:BTC/USD"
TWO = {"binance": {"USDT": Decimal(10_000)}, "kraken": {"USD": Decimal(1_000)}}


def said(**accounts: str) -> dict[str, dict[str, Decimal]]:
    """`said(binance="1 USDT 2 BTC")`; `_` is the account of all venues."""
    found = {}
    for name, text in accounts.items():
        words = text.split()
        pairs = zip(words[::2], words[1::2], strict=True)
        found["" if name == "_" else name] = {c: Decimal(v) for v, c in pairs}
    return found


def two(path: Any, prices: Any = ((0, 100, 100),), *, kraken: str = KRAKEN, **facts: Any) -> Market:
    """(second, price at binance, price at kraken), a tick between bid and ask."""
    market = Market(path, **facts)
    market.add(kraken, **facts)
    for at, binance_price, kraken_price in prices:
        market.quote(at, binance_price - 0.1, binance_price)
        market.quote(at, kraken_price - 0.1, kraken_price, symbol=kraken)
    return market


FLAT = [(second, 100, 100) for second in range(20)]
