"""Bybit's market messages, v2 of the public streams: topics `orderBookL2_25`, `orderBook_200`,
`trade`.

Levels carry their price with every change, the id is the price in another writing. `cross_seq`
grows with the venue's engine, shared by all instruments of it: it orders messages and shows no
gap. Source: Bybit API documentation v2, "WebSocket Data", as kept by public archives, read
2026-11.
"""

from __future__ import annotations

from typing import Any

from onetape.venues.market_decoder import NONE, SIDES, DepthState, MalformedError, MarketOut, iso_ns, ms_ns

ZERO = "0"


class _Book:
    __slots__ = ("ids", "state")

    def __init__(self) -> None:
        self.ids: set[tuple[str, str]] = set()
        self.state = DepthState()


class Decoder:
    """Bybit v2 messages. See MarketDecoder."""

    def __init__(self, out: MarketOut, *, checks: bool = True) -> None:
        self._out = out
        self._books: dict[str, _Book] = {}

    def connected(self) -> None:
        for book in self._books.values():
            book.state.reconnected()

    def decode(self, message: Any) -> None:
        topic = message.get("topic")
        if topic is None:
            self._out.pass_over("reply")
            return
        name, _, raw = topic.partition(".")
        if name == "trade":
            for row in message["data"]:
                stamp = row.get("trade_time_ms")
                self._out.trade(
                    row["symbol"],
                    ms_ns(stamp) if stamp else iso_ns(row["timestamp"]),
                    row["price"],
                    row["size"],
                    SIDES.get(row["side"], NONE),
                    row.get("trade_id"),
                )
        elif name.startswith("orderBook"):
            self._depth(raw.rpartition(".")[2], message)
        else:
            self._out.pass_over(name)

    def _depth(self, raw: str, message: dict[str, Any]) -> None:
        book = self._books.get(raw)
        if book is None:
            book = self._books[raw] = _Book()
        number = int(message.get("cross_seq") or 0)
        stamp = int(message.get("timestamp_e6") or 0) * 1000
        sides: dict[str, list[tuple[str, object]]] = {"Buy": [], "Sell": []}
        ids, data = book.ids, message["data"]
        fits = number >= book.state.last_id
        try:
            if message["type"] == "snapshot":
                ids.clear()
                for row in data["order_book"] if isinstance(data, dict) else data:
                    ids.add((str(row["id"]), row["side"]))
                    sides[row["side"]].append((row["price"], row["size"]))
                flags = book.state.snapshot(number)
            elif message["type"] == "delta":
                for row in data["delete"]:
                    key = str(row["id"]), row["side"]
                    fits = fits and key in ids
                    ids.discard(key)
                    sides[row["side"]].append((row["price"], ZERO))
                for row in data["update"]:
                    key = str(row["id"]), row["side"]
                    fits = fits and key in ids
                    ids.add(key)
                    sides[row["side"]].append((row["price"], row["size"]))
                for row in data["insert"]:
                    ids.add((str(row["id"]), row["side"]))
                    sides[row["side"]].append((row["price"], row["size"]))
                flags = book.state.change(fits=fits, last_id=number)
            else:
                raise MalformedError(f"type {message['type']} is not known")
        except BaseException:
            book.state.lost()
            raise
        # cross_seq is no number of this book's messages: it does not go along as one.
        if not self._out.book(raw, stamp, flags, 0, 0, sides["Buy"], sides["Sell"]):
            book.state.lost()


def unified(raw: str) -> str:
    """`BTCUSDT` is linear, `BTCUSD` inverse; dated ones are left to a catalogue."""
    for quote in ("USDT", "USDC"):
        if raw.endswith(quote) and raw[: -len(quote)].isalnum():
            return f"{raw[: -len(quote)]}/{quote}:{quote}"
    if raw.endswith("USD") and raw[:-3].isalnum():
        return f"{raw[:-3]}/USD:{raw[:-3]}"
    return ""
