"""The simulated Hyperliquid: its instruments, accounts, and dialect."""

from __future__ import annotations

from typing import Any, Final

from onetape.exchange.dialect import Dialect
from onetape.exchange.exchange import Rules, SimExchange
from onetape.exchange.hyperliquid.wire import SPOT_USDC
from onetape.exchange.keys import wallet_pair
from onetape.exchange.venue_facts import VenueFacts

__all__ = ["FACTS"]


def _dialect(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.hyperliquid.venue import Hyperliquid

    return Hyperliquid(exchange, **options)


FACTS: Final = VenueFacts(
    symbols=(
        *(f"hyperliquid:{base}/USDC:USDC" for base in ("BTC", "ETH", "SOL")),
        "hyperliquid:PURR/USDC",
        "hyperliquid:HYPE/USDC",
    ),
    balances={"USDC": "100000", SPOT_USDC: "100000"},
    rules=Rules(first_order_id=141_682_155_424, isolates=True, fee_decimals=(6, 8), spot_money=SPOT_USDC),
    dialect=_dialect,
    keys=wallet_pair,
    raw_symbol=lambda base, _quote: base,
    leverage={"hyperliquid:BTC/USDC:USDC": 40, "hyperliquid:ETH/USDC:USDC": 25, "hyperliquid:SOL/USDC:USDC": 20},
)
