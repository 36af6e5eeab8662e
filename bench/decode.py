"""Messages per second from a venue's bytes to events of a journal, on a real capture.

    python bench/decode.py

Quotes and depth of some 68 levels, one by one as a live gateway does it, by shape, and as the
importer does it, by table. Beside them msgspec alone, which only takes the text apart (no integers,
no journal), and the handlers of others on the same messages (`make peers`); theirs keep the last
quote and a book, ours write a tape that both can be had from. Time is this thread's own.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from onetape import _core
from onetape.tape.journal import JournalWriter, type_id
from onetape.tape.schema import schema_preamble
from onetape.venues.binance.depth import BinanceUsdmDepth
from onetape.venues.binance.market import BinanceUsdmMarket
from onetape.venues.binance.protocol import MARKET
from onetape.venues.shapes import ShapedFeed

sys.path.insert(0, str(Path(__file__).parent))
from market_tapes import CAPTURE, instrument

ROUNDS = 7
BOOK = type_id("book")
RECEIVED = 1_723_161_255_030_314_667


class _Ticker(msgspec.Struct):
    s: str
    b: str
    B: str
    a: str
    A: str
    T: int
    u: int


class _Depth(msgspec.Struct):
    s: str
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]
    T: int
    U: int
    u: int
    pu: int


class _Nobody:
    """A sink for what is not usual: there is none of it here but the first."""

    def quote(self, *told: object) -> None: ...

    def trade(self, *told: object) -> None: ...

    def mark(self, *told: object) -> None: ...


def best(run: Callable[[Path], int]) -> float:
    """Messages per second of the fastest of some runs: other work only ever slows one down."""
    rates = []
    for _ in range(ROUNDS):
        folder = Path(tempfile.mkdtemp())
        began = time.thread_time()
        done = run(folder / "tape")
        rates.append(done / (time.thread_time() - began))
        shutil.rmtree(folder)
    return max(rates)


def bare(line: bytes) -> bytes:
    """Without receipt and wrapper, as the venue sends it on an address of single streams."""
    return line.partition(b'"data":')[2].rstrip()[:-1]


def by_table(lines: list[bytes]) -> Callable[[Path], int]:
    """The importer's way: many lines at once."""
    whole = b"".join(lines)
    i = instrument()

    def run(out: Path) -> int:
        sink = _core.TapeSink(str(out), "bench", bytes([1] * 16), schema_preamble())
        streams = [(i.raw_symbol, 1, i.price_decimals, i.size_decimals, False)]
        decoder = _core.CaptureImport(
            sink, MARKET.event_path, MARKET.channel_path, list(MARKET.wrappers), MARKET.rows(), streams, False
        )
        decoder.begin_source(0)
        decoder.feed(whole)
        decoder.end_source()
        decoder.finish()
        sink.close()
        if sink.counts()[0] != len(lines) or decoder.rejected:
            sys.exit(f"{sink.counts()[0]} events of {len(lines)} messages")
        return len(lines)

    return run


def by_shape(messages: list[bytes]) -> Callable[[Path], int]:
    """The gateway's way: one message, one call."""

    def run(out: Path) -> int:
        with JournalWriter(out, durable=False) as writer:
            feed = ShapedFeed(BinanceUsdmMarket([instrument()], _Nobody()), [instrument()], writer.core)
            take = feed.take
            for message in messages:
                take(message, RECEIVED)
        if feed.slow != 1:
            sys.exit(f"{feed.slow} messages were not read by shape")
        return len(messages)

    return run


def depth_by_shape(messages: list[bytes]) -> Callable[[Path], int]:
    """The gateway's way, less the book that it keeps beside the tape."""

    def run(out: Path) -> int:
        depth = BinanceUsdmDepth(instrument(), "")
        depth.take(messages[0], RECEIVED)
        with JournalWriter(out, durable=False) as writer:
            read, append = depth.shaped.payload, writer.append_raw
            for message in messages:
                payload = read(message, RECEIVED)
                if payload is None:
                    sys.exit("a message was not read by shape")
                append(BOOK, payload, 0, 1, RECEIVED)
        return len(messages)

    return run


def by_msgspec(messages: list[bytes], form: type) -> Callable[[Path], int]:
    decode = msgspec.json.Decoder(form).decode

    def run(out: Path) -> int:
        for message in messages:
            decode(message)
        return len(messages)

    return run


def main() -> None:
    if not CAPTURE.exists():
        json.dump({"figures": []}, sys.stdout)
        return
    lines = gzip.decompress(CAPTURE.read_bytes()).splitlines(keepends=True)
    tickers = [line for line in lines if b"@bookTicker" in line[:80]]
    depth = [line for line in lines if b"@depth" in line[:80]]
    # Where it came in the capture: what was before it is joined to it.
    snapshot = next(line for line in lines if b"lastUpdateId" in line[:80])
    depth = [*depth[:4], snapshot, *depth[4:]]
    ticker_messages, depth_messages = [
        [bare(line) for line in found] for found in (tickers, (line for line in depth if line is not snapshot))
    ]
    alone = {
        "bookTicker": best(by_msgspec(ticker_messages, _Ticker)),
        "depth": best(by_msgspec(depth_messages, _Depth)),
    }
    figures = []
    for name, run, kind, reach in (
        ("decode, bookTicker one by one", by_shape(ticker_messages), "bookTicker", 1_500_000),
        ("decode, bookTicker of a capture", by_table(tickers), "bookTicker", 1_500_000),
        ("decode, depth one by one", depth_by_shape(depth_messages), "depth", 300_000),
        ("decode, depth of a capture", by_table(depth), "depth", 300_000),
    ):
        figures.append(
            {
                "name": name,
                "value": best(run),
                "unit": "messages/s",
                "better": "more",
                "reach": reach,
                "against": {"name": "msgspec alone", "value": alone[kind]},
                "beside": [f"cryptofeed {kind}", f"ccxt.pro {kind}"],
            }
        )
    json.dump({"figures": figures}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
