"""Compare prices of one instrument at several venues, with the age of each quote."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from onetape.model.symbol import parse_symbol
from onetape.model.time import MINUTE, MS
from onetape.tape.journal import JournalReader

__all__ = ["QUOTE_AGE_MAX", "LastQuote", "SpreadRow", "last_quotes", "spread_rows"]

QUOTE_AGE_MAX: Final = MINUTE  # older quotes, relative to the newest of all, are ignored


class LastQuote(NamedTuple):
    """The last quote of one symbol: prices, and when it was received, ns UTC."""

    symbol: str
    bid: float
    ask: float
    time: int


@dataclass(frozen=True, slots=True)
class SpreadRow:
    """The best pair of venues: sell at one venue's bid, buy at the other's ask. symbol: common part of the
    venues' symbols. venues: the symbol with the bid, then the one with the ask. spread: bid less ask; above 0 the
    pair would earn before fees."""

    symbol: str
    venues: tuple[str, str]
    bid: float
    ask: float
    age_ms: dict[str, float]

    @property
    def spread(self) -> float:
        return self.bid - self.ask

    @property
    def spread_bps(self) -> float:
        return self.spread / ((self.bid + self.ask) / 2) * 10_000

    def as_json(self) -> dict[str, Any]:
        return {
            "symbol": self.symbol,
            "venues": list(self.venues),
            "bid": self.bid,
            "ask": self.ask,
            "spread": float(f"{self.spread:.12g}"),
            "spread_bps": float(f"{self.spread_bps:.6g}"),
            "age_ms": self.age_ms,
        }


def last_quotes(paths: Sequence[Path], now: int | None = None) -> tuple[list[LastQuote], int]:
    """Returns the newest two-sided quote of each symbol, up to `QUOTE_AGE_MAX` old, sorted by symbol, and the time:
    `now` (ns) or that of the newest frame. Raises the reader's error for a damaged journal."""
    newest = now if now is not None else max(map(_last_time, paths), default=0)
    found: dict[str, LastQuote] = {}
    for path in paths:
        with JournalReader(path) as reader:
            reader.seek_sequence(reader.last_sequence)
            instruments = dict(reader.instruments)  # stream -> instrument: quotes have only stream numbers
            reader.seek_time(newest - QUOTE_AGE_MAX)
            for rows in reader.chunks("quote"):
                sided = rows[(rows["bid"] > 0) & (rows["ask"] > 0)]
                # The last row of each stream.
                streams = dict(zip(sided["stream"].tolist(), range(len(sided)), strict=True))
                for stream, at in streams.items():
                    facts = instruments[stream]
                    row, scale = sided[at], 10.0 ** facts["price_decimals"]
                    prices = int(row["bid"]) / scale, int(row["ask"]) / scale
                    quote = LastQuote(facts["symbol"], *prices, int(row["time"]))
                    if quote.symbol not in found or found[quote.symbol].time <= quote.time:
                        found[quote.symbol] = quote
    return [found[symbol] for symbol in sorted(found)], newest


def _last_time(path: Path) -> int:
    with JournalReader(path) as reader:
        reader.seek_sequence(reader.last_sequence)
        frame = reader.next_frame()
        return frame.time if frame is not None else 0


def spread_rows(
    quotes: Iterable[LastQuote], now: int, names: Mapping[str, Sequence[str]] | None = None
) -> list[SpreadRow]:
    """Returns a row for each instrument at two venues or more, the widest spread first. names: symbols by common name,
    as [symbols] of a configuration. Other symbols are compared by base and quote, spot and perpetuals together; dated
    contracts, options and free names are compared with nothing."""
    groups: dict[str, list[LastQuote]] = {}
    named = {symbol: name for name, symbols in (names or {}).items() for symbol in symbols}
    for quote in quotes:
        parsed = parse_symbol(quote.symbol)
        name = named.get(quote.symbol)
        if name is None and parsed.is_unified and parsed.expiry is None:
            name = f"{parsed.base}/{parsed.quote}"
        if name is not None:
            groups.setdefault(name, []).append(quote)
    rows = []
    for name, group in groups.items():
        pairs = [
            (sold, bought)
            for sold, bought in itertools.permutations(group, 2)
            if parse_symbol(sold.symbol).venue != parse_symbol(bought.symbol).venue
        ]
        if not pairs:
            continue
        sold, bought = max(pairs, key=lambda pair: pair[0].bid - pair[1].ask)
        # A quote later than `now` has age 0.
        ages = {each.symbol: max(now - each.time, 0) / MS for each in (sold, bought)}
        rows.append(SpreadRow(name, (sold.symbol, bought.symbol), sold.bid, bought.ask, ages))
    return sorted(rows, key=lambda row: (-row.spread_bps, row.symbol))
