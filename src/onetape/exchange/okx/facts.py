"""The simulated OKX: its instruments, accounts, and dialect."""

from __future__ import annotations

from typing import Any, Final

from onetape.exchange.dialect import Dialect
from onetape.exchange.exchange import Rules, SimExchange
from onetape.exchange.venue_facts import VenueFacts

__all__ = ["FACTS"]


def _dialect(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.okx.venue import Okx

    return Okx(exchange, **options)


FACTS: Final = VenueFacts(
    symbols=("okx:BTC/USDT:USDT", "okx:ETH/USDT:USDT", "okx:SOL/USDT:USDT", "okx:BTC/USD:BTC", "okx:BTC/USDT"),
    balances={"USDT": "100000", "BTC": "1"},
    rules=Rules(first_order_id=2_000_000_000_000_000_001, fee_decimals=(9, 9), isolates=True, has_passwords=True),
    dialect=_dialect,
    dated_raw=lambda perpetual, date: f"{perpetual.removesuffix('SWAP')}{date}",
    leverage={
        "okx:SOL/USDT:USDT": 50,
        **{f"okx:{name}": 100 for name in ("BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USD:BTC")},
    },
)
