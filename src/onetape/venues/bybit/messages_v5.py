"""Bybit's market messages, v5 of the public streams: `orderbook.N`, `publicTrade`, `tickers`.

Prices and sizes are decimal strings, size 0 takes a level away. An order book comes as a snapshot,
then as deltas whose update id `u` goes on by one; a snapshot in between (`u` 1 after a restart of
the venue's service) is a new beginning. Depth 1 is told as snapshots only. A ticker of derivatives
says in a delta only what has changed. Spot, linear and inverse have an address each, and the same
name is another instrument on each. Source: Bybit API documentation v5, "WebSocket Stream, Public:
Orderbook, Trade, Ticker", read 2026-11. Times are milliseconds.
"""

from __future__ import annotations

from typing import Any, Final

from onetape.model.enums import Kind
from onetape.venues.market_decoder import NONE, SIDES, DepthState, MalformedError, MarketOut, ms_ns

__all__ = ["Decoder", "unified"]

_SPOT_QUOTES: Final = ("USDT", "USDC", "USDE", "USD1", "EUR", "BRL", "BTC", "ETH", "DAI")
_TOP: Final = ("bid1Price", "bid1Size", "ask1Price", "ask1Size")


class Decoder:
    """Bybit v5 messages. See MarketDecoder."""

    def __init__(self, out: MarketOut, *, checks: bool = True) -> None:
        self._out = out
        self._books: dict[tuple[str, str], DepthState] = {}
        # Of one instrument's depths only the first is taken: others repeat it.
        self._depths: dict[str, str] = {}
        self._tops: dict[str, dict[str, str]] = {}

    def connected(self) -> None:
        self._tops.clear()
        for state in self._books.values():
            state.reconnected()

    def decode(self, message: Any) -> None:
        topic = message.get("topic")
        if topic is None:
            self._out.pass_over(str(message.get("op", "reply")))
            return
        name = topic.partition(".")[0]
        if name == "orderbook":
            self._depth(topic.split(".")[1], message)
        elif name == "publicTrade":
            for row in message["data"]:
                self._trade(row)
        elif name == "tickers":
            self._ticker(message)
        else:
            self._out.pass_over(name)

    def _trade(self, row: dict[str, Any]) -> None:
        if row.get("BT"):  # a block trade was agreed elsewhere, at its own price
            self._out.pass_over("block trade")
            return
        number = row["i"]
        self._out.trade(
            row["s"],
            ms_ns(row["T"]),
            row["p"],
            row["v"],
            SIDES.get(row["S"], NONE),
            int(number) if number.isdigit() else number,
        )

    def _ticker(self, message: dict[str, Any]) -> None:
        body = message["data"]
        raw = body["symbol"]
        if message["type"] == "snapshot":
            self._tops[raw] = {}
        top = self._tops.get(raw)
        if top is None or not any(key in body for key in _TOP):
            self._out.pass_over("tickers without a quote")
            return
        top.update((key, body[key]) for key in _TOP if key in body)
        # A side that is empty has empty strings.
        bid, bid_size, ask, ask_size = (top.get(key) or None for key in _TOP)
        self._out.quote(raw, ms_ns(message["ts"]), bid, bid_size, ask, ask_size)

    def _depth(self, depth: str, message: dict[str, Any]) -> None:
        body = message["data"]
        raw, number = body["s"], int(body["u"])
        if self._depths.setdefault(raw, depth) != depth:
            self._out.pass_over(f"orderbook.{depth} beside {self._depths[raw]}")
            return
        state = self._books.setdefault((raw, depth), DepthState())
        before = state.last_id
        if message["type"] == "snapshot":
            flags, previous = state.snapshot(number), 0
        elif message["type"] == "delta":
            flags, previous = state.change(fits=number == before + 1, last_id=number), before
        else:
            raise MalformedError(f"type {message['type']} is not known")
        try:
            taken = self._out.book(raw, ms_ns(message["ts"]), flags, number, previous, body["b"], body["a"])
        except BaseException:
            state.lost()
            raise
        if not taken:
            state.lost()


def unified(raw: str, kind: Kind) -> str:
    """The unified name of an instrument that no catalogue knows, "" where its name does not say:
    dated contracts are left to a catalogue."""
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
