"""Kraken Futures' market messages: feeds `book`, `trade`, `ticker` and `ticker_lite`.

A book message is one level with a number that goes on by one. Source: Kraken Futures API
documentation, "Websocket API", read 2026-11. Times are milliseconds; numbers are JSON numbers.
"""

from __future__ import annotations

import re
from typing import Any

from onetape.venues.market_decoder import NONE, SIDES, DepthState, MarketOut, ms_ns

_NAME = re.compile(r"(?:PI|FI|PF|FF)_([A-Z0-9]+?)(USD|EUR|XBT)(?:_(\d{6}))?\Z")


class Decoder:
    """Kraken Futures v1 messages. See MarketDecoder."""

    def __init__(self, out: MarketOut, *, checks: bool = True) -> None:
        self._out = out
        self._books: dict[str, DepthState] = {}

    def connected(self) -> None:
        for state in self._books.values():
            state.reconnected()

    def decode(self, message: Any) -> None:
        feed = message.get("feed")
        if "event" in message or feed is None:
            self._out.pass_over(str(message.get("event", "unnamed")))
        elif feed == "book":
            self._change(message)
        elif feed == "book_snapshot":
            self._snapshot(message)
        elif feed == "trade":
            self._out.trade(
                message["product_id"],
                ms_ns(message["time"]),
                message["price"],
                message["qty"],
                SIDES.get(message["side"], NONE),
                message.get("uid") or message.get("seq"),
            )
        elif feed in ("ticker", "ticker_lite"):
            self._out.quote(
                message["product_id"],
                ms_ns(message.get("time")),
                message.get("bid"),
                message.get("bid_size"),
                message.get("ask"),
                message.get("ask_size"),
            )
        else:
            self._out.pass_over(str(feed))

    def _state(self, raw: str) -> DepthState:
        state = self._books.get(raw)
        if state is None:
            state = self._books[raw] = DepthState()
        return state

    def _snapshot(self, message: dict[str, Any]) -> None:
        raw, number = message["product_id"], int(message["seq"])
        bids = [(row["price"], row["qty"]) for row in message["bids"]]
        asks = [(row["price"], row["qty"]) for row in message["asks"]]
        state = self._state(raw)
        flags = state.snapshot(number)
        stamp = ms_ns(message.get("timestamp"))
        if not self._out.book(raw, stamp, flags, number, 0, bids, asks):
            state.lost()

    def _change(self, message: dict[str, Any]) -> None:
        raw, number = message["product_id"], int(message["seq"])
        state = self._state(raw)
        level = [(message["price"], message["qty"])]
        bids, asks = (level, []) if message["side"] == "buy" else ([], level)
        before = state.last_id
        flags = state.change(fits=number == before + 1, last_id=number)
        stamp = ms_ns(message.get("timestamp"))
        if not self._out.book(raw, stamp, flags, number, before, bids, asks):
            state.lost()


def unified(raw: str) -> str:
    """`PI_XBTUSD` is BTC/USD:BTC, `FI_..._210924` is dated, `PF_` settles in the quote."""
    found = _NAME.match(raw.upper())
    if found is None:
        return ""
    base = "BTC" if found[1] == "XBT" else found[1]
    quote = "BTC" if found[2] == "XBT" else found[2]
    settle = base if raw[:1].upper() + raw[1:2].upper() in ("PI", "FI") else quote
    return f"{base}/{quote}:{settle}" + (f"-{found[3]}" if found[3] else "")
