"""Bybit's market messages, v5 of the public streams: `orderbook.N`, `publicTrade`, `tickers`.

Prices and sizes are decimal strings, size 0 removes a level. An order book comes as a snapshot, then as deltas whose
update id `u` increases by one; a later snapshot (`u` 1 after a restart of the venue's service) begins again. Depth 1 is
sent as snapshots only. A derivative's ticker delta has only the changed fields. A block trade was agreed off the book,
at its own price. Spot, linear and inverse have separate addresses, where the same name means different instruments.
Source: Bybit API documentation v5, "WebSocket Stream, Public: Orderbook, Trade, Ticker", read 2026-11. Times are
milliseconds.
"""

from __future__ import annotations

from typing import Final

from onetape.model.enums import Kind
from onetape.venues.protocol_table import Message, Protocol, top

_SPOT_QUOTES: Final = ("USDT", "USDC", "USDE", "USD1", "EUR", "BRL", "BTC", "ETH", "DAI")

MARKET: Final = Protocol(
    event_path="topic",
    separator=".",
    answer_path="op",
    rows=("data",),
    messages=(
        Message(
            kind="checked_book",
            event="orderbook",
            roles={
                "symbol": "data.s",
                "time": "ts",
                "action": "type",
                "last_id": "data.u",
                "bids": "data.b",
                "asks": "data.a",
            },
            required=("symbol", "time", "action", "last_id", "bids", "asks"),
            whole="snapshot",
        ),
        Message(
            kind="trade",
            event="publicTrade",
            roles={
                "symbol": "data.s",
                "time": "data.T",
                "price": "data.p",
                "size": "data.v",
                "side": "data.S",
                "id": "data.i",
            },
            required=("symbol", "time", "price", "size", "side", "id"),
            only=("data.BT", "false"),
        ),
        Message(
            kind="quote",
            event="tickers",
            roles={
                "symbol": "data.symbol",
                "time": "ts",
                "action": "type",
                **top("data.bid1Price", "data.bid1Size", "data.ask1Price", "data.ask1Size"),
            },
            required=("symbol", "time", "action"),
            whole="snapshot",
        ),
    ),
)


def unified(raw: str, kind: Kind) -> str:
    """Returns the unified name of an instrument that is in no catalogue, "" if its raw name is ambiguous: dated
    contracts need a catalogue."""
    if kind is Kind.INVERSE:
        base = raw.removesuffix("USD")
        return f"{base}/USD:{base}" if base != raw and base.isalnum() else ""
    if kind is Kind.LINEAR:
        if raw.endswith("PERP") and raw[:-4].isalnum():
            return f"{raw[:-4]}/USDC:USDC"
        return next(
            (
                f"{raw.removesuffix(quote)}/{quote}:{quote}"
                for quote in ("USDT", "USDC")
                if raw.endswith(quote) and raw[: -len(quote)].isalnum()
            ),
            "",
        )
    return next(
        (
            f"{raw.removesuffix(quote)}/{quote}"
            for quote in _SPOT_QUOTES
            if raw.endswith(quote) and raw[: -len(quote)].isalnum()
        ),
        "",
    )
