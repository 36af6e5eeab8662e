"""The simulated Binance USD-M: its instruments, accounts, and dialect."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from onetape.exchange.dialect import Dialect
from onetape.exchange.exchange import Rules, SimExchange
from onetape.exchange.joint import Collateral
from onetape.exchange.venue_facts import VenueFacts

__all__ = ["FACTS"]


def _dialect(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.binance.venue import BinanceUsdm

    return BinanceUsdm(exchange, **options)


FACTS: Final = VenueFacts(
    symbols=("binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT", "binance:SOL/USDT:USDT"),
    balances={"USDT": "100000", "BTC": "1"},
    rules=Rules(
        first_order_id=8_389_765_000_001,
        isolates=True,
        outside_wallet="spot",
        # The haircut of USDT and the surcharge of auto-exchange are from the samples of "Asset Index", the limits of
        # debts from "Exchange Information", the haircut of BTC from the venue's page about the mode. Read 2026-11.
        collateral={
            "USDT": Collateral(Decimal("0.0001"), Decimal("0.0001"), Decimal(10000)),
            "BTC": Collateral(Decimal("0.05"), Decimal("0.025"), Decimal("0.1")),
        },
    ),
    dialect=_dialect,
    ed25519=True,
)
