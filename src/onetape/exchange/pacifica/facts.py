"""The simulated Pacifica: its instruments, accounts, and dialect."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any, Final

from onetape.exchange.dialect import Dialect
from onetape.exchange.exchange import Rules, SimExchange
from onetape.exchange.joint import Collateral
from onetape.exchange.keys import ed25519_public
from onetape.exchange.venue_facts import VenueFacts

__all__ = ["FACTS", "wallet_pair"]


def wallet_pair(seed: int, name: str) -> tuple[str, str]:
    """Returns a Solana wallet, the same for the same seed: its address, and its private key followed by the address, in
    base58."""
    from onetape.venues.pacifica.signing import base58

    private = hashlib.sha256(f"{seed}/{name}/wallet".encode()).digest()
    public = ed25519_public(private)
    return base58(public), base58(private + public)


def _dialect(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.pacifica.venue import Pacifica

    return Pacifica(exchange, balances=FACTS.balances, **options)


FACTS: Final = VenueFacts(
    symbols=("pacifica:BTC/USDC:USDC", "pacifica:ETH/USDC:USDC", "pacifica:SOL/USDC:USDC"),
    balances={"USDC": "100000"},
    # Spot assets count by their loan-to-value ratio, up to 10,000 USD per asset (docs.pacifica.fi "Spot Collateral",
    # 2026). A USDC debt is a loan of any size from the venue's pool.
    rules=Rules(
        first_order_id=1_559_665_358,
        isolates=True,
        liquidation_parts=(2000, 5),
        collateral={
            "USDC": Collateral(Decimal(0), Decimal(0), Decimal(10**12)),
            **{
                name: Collateral(Decimal(cut), Decimal(cut), Decimal(0), Decimal(10_000))
                for name, cut in (("BTC", "0.1"), ("ETH", "0.1"), ("SOL", "0.2"))
            },
        },
    ),
    dialect=_dialect,
    keys=wallet_pair,
    raw_symbol=lambda base, _quote: base,
    leverage={"pacifica:BTC/USDC:USDC": 50, "pacifica:ETH/USDC:USDC": 50, "pacifica:SOL/USDC:USDC": 20},
)
