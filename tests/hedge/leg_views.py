"""Accounts of a symbol as views, made of a few figures."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from onetape.hedge.model import LegView, Level
from onetape.model.instrument import Instrument, from_symbol

FACTS: dict[str, Any] = {
    "tick": "0.1",
    "lot": "0.001",
    "maintenance_rate": "0.005",
    "funding_interval": 8 * 3600 * 10**9,
}


def perpetual(venue: str, **facts: Any) -> Instrument:
    return from_symbol(f"{venue}:BTC/USDT:USDT", **{**FACTS, **facts})


def view(account: str, position: str = "0", utilization: str = "0", **fields: Any) -> LegView:
    """An account with an equity of 10,000 at ten times leverage, of which `utilization` is used. The venue is the
    account's first word; bids and asks: one tick around the mark."""
    mark = Decimal(fields.pop("mark", "50000"))
    equity = Decimal(fields.pop("equity", "10000"))
    instrument = fields.pop("instrument", None) or perpetual(account.split("-")[0])
    depth = Decimal(fields.pop("depth", "100"))
    held = Decimal(position)
    made = LegView(
        account=account,
        venue=instrument.venue,
        instrument=instrument,
        position=held,
        mark=mark,
        bids=(Level(mark - instrument.tick, depth),),
        asks=(Level(mark + instrument.tick, depth),),
        equity=equity,
        available=equity * (1 - Decimal(utilization)),
        gross=abs(held) * mark,
        maintenance=abs(held) * mark * instrument.maintenance_rate,
        leverage=10,
        taker_fee=Decimal("0.0005"),
        maker_fee=Decimal("0.0002"),
        market_at=1,
        account_at=1,
    )
    return replace(made, **fields)
