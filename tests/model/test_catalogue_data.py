"""The catalogue against recorded markets: every price on its tick, every size on its lot."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from onetape.model import catalogue
from onetape.model.enums import Kind
from onetape.model.instrument import Instrument
from onetape.model.time import parse_time

LINES_MAX = 3000

Level = tuple[str, Decimal, Decimal]  # the venue's name, price, size


def lines(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        yield from islice(file, LINES_MAX)


def payloads(path: Path) -> Iterator[Any]:
    for line in lines(path):
        head, _, text = line.partition(" " if ".raw" in path.name else ": ")
        if head.replace(".", "").isdigit():
            yield json.loads(text, parse_float=Decimal, parse_int=Decimal)


def binance(path: Path) -> Iterator[Level]:
    for message in payloads(path):
        data = message.get("data", message)
        if data.get("e") in ("depthUpdate", "trade", "aggTrade"):
            if "p" in data:
                yield data["s"], Decimal(data["p"]), Decimal(data["q"])
                continue
            for price, size in data["b"] + data["a"]:
                yield data["s"], Decimal(price), Decimal(size)


def bitmex(path: Path) -> Iterator[Level]:
    for message in payloads(path):
        for row in message.get("data", []):
            if message["table"] == "trade":
                yield row["symbol"], row["price"], row["size"]
            if message["table"] == "quote" and "bidPrice" in row:
                yield row["symbol"], row["bidPrice"], row["bidSize"]


def krakenfutures(path: Path) -> Iterator[Level]:
    for message in payloads(path):
        if message.get("feed") in ("book", "trade") and "price" in message:
            yield message["product_id"], message["price"], message["qty"]


def kraken(path: Path) -> Iterator[Level]:
    for message in payloads(path):
        if isinstance(message, list):
            for part in message[1:-2]:
                for key in ("a", "b", "as", "bs"):
                    for price, size, *_ in part.get(key, []):
                        yield message[-1], Decimal(price), Decimal(size)


CAPTURES = [
    ("binance-usdm/btcusdt-2024-08-08.raw.gz", binance, "binance", Kind.LINEAR, "2024-08-08"),
    ("binance-coinm/btcusd_perp-2024-08-08.raw.gz", binance, "binance", None, "2024-08-08"),
    ("binance-spot/btcusdt-2024-08-08.raw.gz", binance, "binance", Kind.SPOT, "2024-08-08"),
    ("binance-usdm/4-symbols-2021-07-22-first-half.ws.txt", binance, "binance", Kind.LINEAR, "2021-07-22"),
    ("binance-spot/4-symbols-2021-10-12.ws.txt", binance, "binance", Kind.SPOT, "2021-10-12"),
    ("bitmex/10-symbols-2021-07-22-first-half.ws.txt", bitmex, "bitmex", None, "2021-07-22"),
    ("kraken-futures/10-products-2021-07-22-first-half.ws.txt.gz", krakenfutures, "krakenfutures", None, "2021-07-22"),
    ("kraken-spot/10-pairs-2021-04-17-first-quarter.book.ws.txt.gz", kraken, "kraken", None, "2021-04-17"),
]


@pytest.mark.parametrize(("name", "read", "venue", "kind", "at"), CAPTURES, ids=[row[0] for row in CAPTURES])
def test_recorded_prices_lie_on_the_tick(
    shared: Path, name: str, read: Any, venue: str, kind: Kind | None, at: str
) -> None:
    seen: dict[str, Instrument | None] = {}
    checked = 0
    for raw, price, size in read(shared / name):
        if raw not in seen:
            seen[raw] = catalogue.find_raw(venue, raw, kind=kind, at=parse_time(at))
        instrument = seen[raw]
        if instrument is None:
            assert venue == "bitmex", f"{raw} is not in the catalogue"  # quanto contracts
            continue
        assert price % instrument.tick == 0, (raw, price)
        # Orders left from before a change of lot still rest, far from the market.
        is_old = venue == "binance" and kind is Kind.SPOT
        assert size % instrument.lot == 0 or is_old, (raw, size)
        checked += 1
    assert checked > 100
