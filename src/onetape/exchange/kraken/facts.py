"""The simulated Kraken spot: its instruments, accounts, and dialect."""

from __future__ import annotations

from typing import Any, Final

from onetape.exchange.dialect import Dialect
from onetape.exchange.exchange import Rules, SimExchange
from onetape.exchange.venue_facts import VenueFacts

__all__ = ["FACTS"]


def _dialect(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.kraken.venue import KrakenSpot

    return KrakenSpot(exchange, **options)


FACTS: Final = VenueFacts(
    symbols=("kraken:BTC/USD", "kraken:ETH/USD", "kraken:XRP/USD"),
    balances={"USD": "100000", "BTC": "1", "ETH": "20", "XRP": "50000"},
    rules=Rules(self_trade="cancel_incoming", fee_decimals=(5, 8)),
    dialect=_dialect,
    raw_symbol="{}/{}".format,
)
