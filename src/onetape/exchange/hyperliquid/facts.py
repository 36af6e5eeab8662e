"""The simulated Hyperliquid: its instruments, accounts, and dialect."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from onetape.exchange.dialect import Dialect
from onetape.exchange.exchange import Rules, SimExchange
from onetape.exchange.venue_facts import VenueFacts

__all__ = ["FACTS", "wallet_pair"]


def wallet_pair(seed: int, name: str) -> tuple[str, str]:
    """Returns the address of a wallet and its private key in hexadecimal, the same for the same seed."""
    from onetape.venues.typed_data import address_of, wallet_key

    secret = f"0x{hashlib.sha256(f'{seed}/{name}/wallet'.encode()).hexdigest()}"
    return address_of(wallet_key(f"0x{0:040x}", secret).public_key.format(False)), secret


def _dialect(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.hyperliquid.venue import Hyperliquid

    return Hyperliquid(exchange, **options)


FACTS: Final = VenueFacts(
    symbols=("hyperliquid:BTC/USDC:USDC", "hyperliquid:ETH/USDC:USDC", "hyperliquid:SOL/USDC:USDC"),
    balances={"USDC": "100000"},
    rules=Rules(first_order_id=141_682_155_424, isolates=True, fee_decimals=(6, 6)),
    dialect=_dialect,
    keys=wallet_pair,
    raw_symbol=lambda base, _quote: base,
    leverage={"hyperliquid:BTC/USDC:USDC": 40, "hyperliquid:ETH/USDC:USDC": 25, "hyperliquid:SOL/USDC:USDC": 20},
)
