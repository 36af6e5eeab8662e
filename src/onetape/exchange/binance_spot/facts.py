"""The simulated Binance spot: its instruments, accounts, and dialect."""

from __future__ import annotations

from typing import Any, Final

from onetape.exchange.dialect import Dialect
from onetape.exchange.exchange import Rules, SimExchange
from onetape.exchange.venue_facts import VenueFacts

__all__ = ["FACTS"]


def _dialect(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.binance_spot.venue import BinanceSpot

    return BinanceSpot(exchange, **options)


FACTS: Final = VenueFacts(
    symbols=("binance:BTC/USDT", "binance:ETH/USDT", "binance:BNB/USDT"),
    balances={"USDT": "100000", "BTC": "1", "ETH": "20", "BNB": "50"},
    rules=Rules(first_order_id=28_457_000_001, fee_decimals=(8, 8)),
    dialect=_dialect,
    ed25519=True,
)
