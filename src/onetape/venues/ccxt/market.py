"""The market as the bridge tells it: tops of books and trades. Raises nothing: it counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from onetape.model.enums import Side
from onetape.model.errors import OnetapeError
from onetape.model.instrument import Instrument
from onetape.model.json_text import read_json
from onetape.venues.ccxt.numbers import MILLISECOND, trade_number, units
from onetape.venues.gateways import MarketSink, MarketStream

__all__ = ["CcxtMarket"]

_SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL}


class CcxtMarket:
    """A `Market`. Where a venue has no stream of tops, they are those of its depth."""

    def __init__(self, instruments: Sequence[Instrument], sink: MarketSink, url: str, token: str) -> None:
        self._streams = {i.name: (number, i) for number, i in enumerate(instruments, 1)}
        self._sink = sink
        self._stream = MarketStream(url, (msgspec.json.encode({"token": token, "feed": "market"}),))
        self._updates = 0
        self.unknown: dict[str, int] = {}

    def streams(self) -> list[MarketStream]:
        return [self._stream]

    def take(self, message: bytes) -> None:
        try:
            value = read_json(message)
            if "quote" in value:
                self._quote(*value["quote"])
            elif "trade" in value:
                self._trade(*value["trade"])
            else:
                self._count(str(value.get("trouble") or value.get("lost") or "unknown"))
        except (LookupError, TypeError, ValueError, AttributeError, OnetapeError):
            self._count("malformed")

    def _quote(self, name: str, ms: Any, bid: str, bid_size: str, ask: str, ask_size: str) -> None:
        stream, i = self._streams[name]
        p, q = i.price_decimals, i.size_decimals
        self._updates += 1
        self._sink.quote(
            stream,
            int(ms or 0) * MILLISECOND,
            units(bid, p),
            units(ask, p),
            units(bid_size, q),
            units(ask_size, q),
            self._updates,
        )

    def _trade(self, name: str, ms: Any, price: str, size: str, side: str | None, number: str) -> None:
        stream, i = self._streams[name]
        self._sink.trade(
            stream,
            int(ms or 0) * MILLISECOND,
            units(price, i.price_decimals),
            units(size, i.size_decimals),
            _SIDES.get(side or "", Side.NONE),
            trade_number(number),
        )

    def _count(self, what: str) -> None:
        self.unknown[what] = self.unknown.get(what, 0) + 1
