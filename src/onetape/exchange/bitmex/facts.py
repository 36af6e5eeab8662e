"""The simulated BitMEX: its instruments, accounts, and dialect."""

from __future__ import annotations

from typing import Any, Final

from onetape.exchange.dialect import Dialect
from onetape.exchange.exchange import Rules, SimExchange
from onetape.exchange.venue_facts import VenueFacts

__all__ = ["FACTS"]


def _dialect(exchange: SimExchange, **options: Any) -> Dialect:
    from onetape.exchange.bitmex.venue import Bitmex

    return Bitmex(exchange, **options)


FACTS: Final = VenueFacts(
    symbols=("bitmex:BTC/USD:BTC", "bitmex:BTC/EUR:BTC", "bitmex:LTC/USDT:USDT"),
    balances={"BTC": "10", "USDT": "100000"},
    rules=Rules(first_order_id=1_480_210_001),
    dialect=_dialect,
    raw_symbol=lambda base, quote: f"{'XBT' if base == 'BTC' else base}{quote}",
    # Cross margin uses the maximum leverage, which is 1 / initMargin in the venue's answers.
    leverage={"bitmex:BTC/USD:BTC": 100, "bitmex:BTC/EUR:BTC": 50, "bitmex:LTC/USDT:USDT": 33},
)
