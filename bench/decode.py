"""Messages per second from a venue's bytes to events of a journal, on a real capture.

    python bench/decode.py

Quotes and depth of some 68 levels, one by one as a live gateway does it, and many at once as the
importer does it. Beside them msgspec alone, which only takes the text apart (no integers,
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
from onetape.tape.journal import JournalWriter
from onetape.tape.schema import schema_preamble
from onetape.venues.binance.market import MARKET, live_market

sys.path.insert(0, str(Path(__file__).parent))
from market_tapes import CAPTURE, instrument

ROUNDS = 7
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
        decoder = _core.CaptureImport(sink, MARKET.as_core(), streams, False)
        decoder.begin_source(0)
        decoder.feed(whole)
        decoder.end_source()
        decoder.finish()
        sink.close()
        if sink.counts()[0] != len(lines) or decoder.rejected:
            sys.exit(f"{sink.counts()[0]} events of {len(lines)} messages")
        return len(lines)

    return run


def one_by_one(messages: list[bytes]) -> Callable[[Path], int]:
    """The gateway's way: one message, one call."""

    def run(out: Path) -> int:
        market = live_market([instrument()])
        with JournalWriter(out, durable=False) as writer:
            take, core = market.take, writer.core
            for message in messages:
                take(message, RECEIVED, core)
        if market.rejected:
            sys.exit(f"{market.rejected} messages were not read")
        return len(messages)

    return run


def depth_one_by_one(messages: list[bytes]) -> Callable[[Path], int]:
    """The gateway's way, less the book that it keeps beside the tape."""

    def run(out: Path) -> int:
        i = instrument()
        reader = MARKET.live([(i.raw_symbol, i)])
        with JournalWriter(out, durable=False) as writer:
            take, core = reader.take, writer.core
            for message in messages:
                take(message, RECEIVED, core)
        if reader.rejected:
            sys.exit(f"{reader.rejected} messages were not read")
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
    ticker_messages = [bare(line) for line in tickers]
    depth_messages = [line.partition(b" ")[2].rstrip() if line is snapshot else bare(line) for line in depth]
    changes = [message for message in depth_messages if b"lastUpdateId" not in message[:80]]
    alone = {"bookTicker": best(by_msgspec(ticker_messages, _Ticker)), "depth": best(by_msgspec(changes, _Depth))}
    figures = []
    for name, run, kind, reach in (
        ("decode, bookTicker one by one", one_by_one(ticker_messages), "bookTicker", 1_500_000),
        ("decode, bookTicker of a capture", by_table(tickers), "bookTicker", 1_500_000),
        ("decode, depth one by one", depth_one_by_one(depth_messages), "depth", 300_000),
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
