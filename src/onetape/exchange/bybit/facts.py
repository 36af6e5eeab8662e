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
    symbols=("bybit:BTC/USDT:USDT", "bybit:BTC/USDT", "bybit:ETH/USDT:USDT", "bybit:SOL/USDT:USDT"),
    balances={"USDT": "100000", "BTC": "1"},
    rules=Rules(first_order_id=1_000_000_001, isolates=True, fee_decimals=(8, 8)),
    dialect=_dialect,
    leverage={"bybit:BTC/USDT:USDT": 100, "bybit:ETH/USDT:USDT": 100, "bybit:SOL/USDT:USDT": 50},
)
