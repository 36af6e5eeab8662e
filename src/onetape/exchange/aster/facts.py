"""The simulated Aster: its instruments, accounts, and dialect."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from onetape.exchange.dialect import Dialect
from onetape.exchange.exchange import Rules, SimExchange
from onetape.exchange.joint import Collateral
from onetape.exchange.keys import wallet_pair
from onetape.exchange.venue_facts import VenueFacts

__all__ = ["FACTS"]


def _dialect(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.aster.venue import Aster

    return Aster(exchange, balances=FACTS.balances, **options)


FACTS: Final = VenueFacts(
    symbols=("aster:BTC/USDT:USDT", "aster:ETH/USDT:USDT", "aster:SOL/USDT:USDT"),
    balances={"USDT": "100000"},
    rules=Rules(
        first_order_id=8_389_765_000_001,
        isolates=True,
        outside_wallet="spot",
        collateral={"USDT": Collateral(Decimal("0.0001"), Decimal("0.0001"), Decimal(10000))},
    ),
    dialect=_dialect,
    keys=wallet_pair,
)
