"""The simulated Bybit: its instruments, accounts, and dialect."""

from __future__ import annotations

from typing import Any, Final

from onetape.exchange.dialect import Dialect
from onetape.exchange.exchange import Rules, SimExchange
from onetape.exchange.venue_facts import VenueFacts

__all__ = ["FACTS"]


def _dialect(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.bybit.venue import Bybit

    return Bybit(exchange, **options)


FACTS: Final = VenueFacts(
    symbols=(
        "bybit:BTC/USDT:USDT",
        "bybit:BTC/USDT",
        "bybit:BTC/USD:BTC",
        "bybit:ETH/USDT:USDT",
        "bybit:SOL/USDT:USDT",
    ),
    balances={"USDT": "100000", "BTC": "1"},
    rules=Rules(first_order_id=1_000_000_001, isolates=True, fee_decimals=(8, 8)),
    dialect=_dialect,
    leverage={
        "bybit:SOL/USDT:USDT": 50,
        **{f"bybit:{name}": 100 for name in ("BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USD:BTC")},
    },
)
