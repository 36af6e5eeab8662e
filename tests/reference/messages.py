"""Binance's and Kraken's live messages by the plainest reading of them: what a reader must come to.

One event is (type, stream, ts_event, numbers...), in the order of the tape's own fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from onetape.model.instrument import Instrument
from onetape.model.time import parse_time

__all__ = ["binance", "kraken"]

Event = tuple[Any, ...]
Streams = Mapping[str, tuple[int, Instrument]]


def _units(text: Any, decimals: int) -> int:
    value = Decimal(str(text)).scaleb(decimals)
    whole = value.to_integral_value()
    assert abs(value - whole) <= abs(value) / 10**9, "more decimals than the instrument has"
    return int(whole)


def _load(message: bytes) -> Any:
    return json.loads(message, parse_float=Decimal)


def _quote(found: tuple[int, Instrument], time: int, prices: Sequence[Any], sizes: Sequence[Any], number: int) -> Event:
    stream, i = found
    bid, ask = (_units(each, i.price_decimals) for each in prices)
    bid_size, ask_size = (_units(each, i.size_decimals) for each in sizes)
    return ("quote", stream, time, bid, ask, bid_size, ask_size, number)


def _trade(found: tuple[int, Instrument], time: int, price: Any, size: Any, side: str, number: int) -> Event:
    stream, i = found
    return ("trade", stream, time, _units(price, i.price_decimals), _units(size, i.size_decimals), side, number)


def _side(is_sell: Any) -> str:
    assert isinstance(is_sell, bool)
    return "sell" if is_sell else "buy"


def _mark(text: str, i: Instrument) -> int:
    return int(Decimal(text).scaleb(i.price_decimals).to_integral_value(ROUND_HALF_UP))


def binance(message: bytes, streams: Streams) -> list[Event]:
    m = _load(message)
    found = streams[m["s"]]
    match m["e"]:
        case "bookTicker":
            return [_quote(found, parse_time(m["T"]), (m["b"], m["a"]), (m["B"], m["A"]), m["u"])]
        case "aggTrade":
            return [_trade(found, parse_time(m["T"]), m["p"], m["q"], _side(m["m"]), m["a"])]
        case "markPriceUpdate":
            return [("mark", found[0], parse_time(m["E"]), _mark(m["p"], found[1]), _mark(m["i"], found[1]))]
    raise AssertionError(m["e"])


def kraken(message: bytes, streams: Streams) -> list[Event]:
    m = _load(message)
    events = []
    for row in m["data"]:
        found, time = streams[row["symbol"]], parse_time(row["timestamp"]) if row.get("timestamp") else 0
        if m["channel"] == "ticker":
            sizes = row["bid_qty"], row["ask_qty"]
            events.append(_quote(found, time, (row["bid"], row["ask"]), sizes, 0))
        elif m["type"] == "update":
            events.append(_trade(found, time, row["price"], row["qty"], row["side"], row["trade_id"]))
    return events
