"""BitMEX's market messages: tables `orderBookL2`, `quote` and `trade`.

Levels have an id, and their price comes once, with the partial or the insert: a decoder must
remember it. Sizes are contracts. Source: BitMEX API documentation, "WebSocket API", read 2026-11.
"""

from __future__ import annotations

from typing import Any

from onetape.venues.market_decoder import NONE, SIDES, DepthState, MalformedError, MarketOut, iso_ns

ZERO = "0"
_OTHER = {"Buy": "Sell", "Sell": "Buy"}


class _Book:
    """Prices by (id, side) of one instrument."""

    __slots__ = ("prices", "state")

    def __init__(self) -> None:
        self.prices: dict[tuple[int, str], str] = {}
        self.state = DepthState()


class Decoder:
    """BitMEX realtime messages. See MarketDecoder."""

    def __init__(self, out: MarketOut, *, checks: bool = True) -> None:
        self._out = out
        self._books: dict[str, _Book] = {}

    def connected(self) -> None:
        for book in self._books.values():
            book.state.reconnected()

    def decode(self, message: Any) -> None:
        table = message.get("table")
        if table is None:
            self._out.pass_over("info" if "info" in message else "reply")
            return
        action = message["action"]
        if table in ("orderBookL2", "orderBookL2_25"):
            self._depth(message, action)
        elif table == "trade":
            self._trades(message["data"], action)
        elif table == "quote":
            self._quotes(message["data"])
        else:
            self._out.pass_over(str(table))

    def _quotes(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self._out.quote(
                row["symbol"],
                iso_ns(row.get("timestamp")),
                row.get("bidPrice"),
                row.get("bidSize"),
                row.get("askPrice"),
                row.get("askSize"),
            )

    def _trades(self, rows: list[dict[str, Any]], action: str) -> None:
        if action != "insert":  # a partial repeats the last trade before we came
            for _ in rows:
                self._out.pass_over(f"trade {action}")
            return
        for row in rows:
            self._out.trade(
                row["symbol"],
                iso_ns(row["timestamp"]),
                row["price"],
                row["size"],
                SIDES.get(row.get("side", ""), NONE),
                row.get("trdMatchID"),
            )

    def _depth(self, message: dict[str, Any], action: str) -> None:
        rows = message["data"]
        by_symbol: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_symbol.setdefault(row["symbol"], []).append(row)
        if action == "partial" and not rows:  # an empty book is one too
            named = (message.get("filter") or {}).get("symbol")
            if not named:
                raise MalformedError("a partial names no symbol")
            by_symbol[named] = []
        for raw, found in by_symbol.items():
            self._one_book(raw, action, found)

    def _one_book(self, raw: str, action: str, rows: list[dict[str, Any]]) -> None:
        book = self._books.get(raw)
        if book is None:
            book = self._books[raw] = _Book()
        prices = book.prices
        sides: dict[str, list[tuple[str, object]]] = {"Buy": [], "Sell": []}
        fits = True
        if action == "partial":
            prices.clear()
        try:
            for row in rows:
                key = row["id"], row["side"]
                levels = sides[key[1]]
                if action == "update":
                    price = prices.get(key)
                    if price is None:
                        # The level changed sides: it keeps its id and price.
                        other = key[0], _OTHER[key[1]]
                        price = prices.pop(other, None)
                        if price is None:
                            fits = False
                            continue
                        prices[key] = price
                        sides[other[1]].append((price, ZERO))
                    levels.append((price, row["size"]))
                elif action == "delete":
                    price = prices.pop(key, None)
                    if price is None:
                        fits = False
                    else:
                        levels.append((price, ZERO))
                elif action in ("insert", "partial"):
                    prices[key] = price = row["price"]
                    levels.append((price, row["size"]))
                else:
                    raise MalformedError(f"action {action} is not known")
        except BaseException:
            book.state.lost()
            raise
        flags = book.state.snapshot() if action == "partial" else book.state.change(fits=fits)
        stamp = iso_ns(rows[-1].get("timestamp")) if rows else 0
        if not self._out.book(raw, stamp, flags, 0, 0, sides["Buy"], sides["Sell"]):
            book.state.lost()


def unified(raw: str) -> str:
    """The unified name of an instrument that no catalogue knows, "" where its name does not say:
    most of BitMEX's settle in bitcoin whatever they are quoted in."""
    return ""
