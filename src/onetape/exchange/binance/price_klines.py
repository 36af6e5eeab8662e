"""Binance USD-M: klines of mark, index and premium index.

Source: "Mark Price Kline", "Index Price Kline" and "Premium index Kline" of the USD-M
documentation, read 2026-11: as klines, with zeros for what is traded, and the number of prices
where trades are counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onetape.exchange.bars import PriceBars
from onetape.exchange.binance.public import INTERVALS, PublicData, klines_of
from onetape.exchange.binance.terms import in_time, whole
from onetape.exchange.binance.wire import Refused, ms, price_text
from onetape.exchange.listing import PREMIUM_DECIMALS, Listing

__all__ = ["price_klines"]

LIMITS = (500, 1500)  # usual, most


def price_klines(public: PublicData, kind: str, params: dict[str, str]) -> list[list[Any]]:
    """kind: mark, index or premium. Raises Refused."""
    if kind == "index":
        params = {**params, "symbol": params.get("pair", "")}
        if not params["symbol"]:
            raise Refused(-1102, "pair")
    listing = public.listing(params)
    minutes = INTERVALS.get(params.get("interval", ""))
    if minutes is None:
        raise Refused(-1120)
    limit = min(whole(params.get("limit") or str(LIMITS[0]), "limit"), LIMITS[1])
    bars, text = _of(listing, kind)
    found = [b for b in klines_of(bars.bars, minutes) if in_time(b.open_time, params)]
    found = found[:limit] if params.get("startTime") else found[-limit:]
    return [
        [
            ms(bar.open_time),
            text(bar.open),
            text(bar.high),
            text(bar.low),
            text(bar.close),
            "0",
            ms(bar.close_time) - 1,
            "0",
            bar.trades,
            "0",
            "0",
            "0",
        ]
        for bar in found
    ]


def _of(listing: Listing, kind: str) -> tuple[PriceBars, Callable[[int], str]]:
    if kind == "premium":
        return listing.premium_bars, lambda value: f"{value / 10**PREMIUM_DECIMALS:.8f}"
    bars = listing.mark_bars if kind == "mark" else listing.index_bars
    return bars, lambda value: price_text(listing.instrument, value)
