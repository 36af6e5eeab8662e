"""Small tapes for the tests of this folder."""

from __future__ import annotations

from pathlib import Path

import msgspec

from onetape.tape.journal import JournalWriter

UUID = bytes(range(16))
SMALL = {"segment_bytes_first": 64 << 10, "segment_bytes_max": 256 << 10, "durable": False}
INSTRUMENT = {"symbol": "sim:BTC/USDT", "price_decimals": 2, "size_decimals": 3}


def instrument(**facts: object) -> bytes:
    return msgspec.msgpack.encode({**INSTRUMENT, **facts})


def write_quotes(writer: JournalWriter, count: int, first: int = 0) -> None:
    for i in range(first, first + count):
        writer.append_quote(1, i * 1000, i * 1000 - 5, 10_000 + i, 10_001 + i, 5, 6)


def make_tape(path: Path, quotes: int = 100, *, close: bool = True, **options: object) -> None:
    """An instrument, then quotes. close False: left as a killed writer leaves it."""
    inputs = {**SMALL, "uuid": UUID, "process": "test", **options}
    writer = JournalWriter(path, **inputs)  # type: ignore[arg-type]
    writer.append_instrument(1, 0, instrument())
    write_quotes(writer, quotes)
    if close:
        writer.close()


def frame_places(path: Path) -> list[int]:
    """Offsets of the frames of a segment file, and last the offset behind them."""
    data = path.read_bytes()
    at = int.from_bytes(data[80:88], "little")
    places = [at]
    while (length := int.from_bytes(data[at : at + 4], "little")) != 0:
        at += (length + 7) & ~7
        places.append(at)
    return places
