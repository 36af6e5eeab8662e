"""What must hold whatever the bytes: each target takes one damaged input.

A target raises AssertionError where the promise is broken. An OnetapeError is an answer; any other
exception, a signal or a hang is a finding.
"""

from __future__ import annotations

import io
import random
import shutil
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import msgspec
from fuzz_mutate import Target, mutate
from service_targets import SERVICE_TARGETS

from onetape._core import FLAG_SNAPSHOT, Book
from onetape.data.importing import import_files
from onetape.model.catalogue import find
from onetape.model.errors import OnetapeError
from onetape.tape.journal import Frame, JournalReader, JournalWriter
from onetape.tape.state import GroupSpec, Layout, StateReader, StateWriter
from onetape.tape.verify import verify
from onetape.venues.binance.market import MARKET as BINANCE
from onetape.venues.kraken.market import MARKET as KRAKEN

CORPUS = Path(__file__).parent / "corpus"
LAYOUT = Layout([GroupSpec(1, "g", (("a", "i"), ("b", "i"), ("sum", "i")))])
FRAMES = 60


class Tape(Target):
    """A changed segment gives the frames that were written, up to some place, and then an error."""

    sealed = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "tape"
        writer = JournalWriter(
            self.path,
            process="fuzz",
            uuid=UUID(int=7),
            segment_bytes_first=65536,
            segment_bytes_max=65536,
            durable=False,
        )
        for i in range(FRAMES):
            payload = bytes([i]) * (i * 137 % 4000)
            writer.append("log" if i % 3 else "memory", payload, flags=i, stream=i % 4, time=i)
        if self.sealed:
            writer.close()
        del writer
        self.written = self.read()
        assert len(self.written) == FRAMES
        self.segments = sorted(self.path.glob("*.tape"))
        self.contents = [segment.read_bytes() for segment in self.segments]
        if not self.sealed:
            # What the writer prepared beyond its frames is megabytes of zeros.
            self.contents = [c[: len(c.rstrip(b"\0")) + 512] for c in self.contents]
        self.seeds = self.contents
        self.kept = {p.name: p.read_bytes() for p in self.path.iterdir() if p.is_file()}
        self.at = 0

    def input(self, rng: random.Random) -> bytes:
        self.at = rng.randrange(len(self.segments))
        return mutate(self.contents[self.at], rng, rng.choice(self.seeds))

    def read(self) -> list[Frame]:
        frames = []
        with JournalReader(self.path) as reader:
            while (frame := reader.next_frame()) is not None:
                frames.append(frame)
        return frames

    def read_part(self) -> None:
        seen = 0
        try:
            with JournalReader(self.path) as reader:
                while (frame := reader.next_frame()) is not None:
                    assert frame == self.written[seen], f"frame {seen} is another one"
                    seen += 1
        except OnetapeError:
            pass
        try:
            with JournalReader(self.path) as reader:
                reader.seek_time(FRAMES // 2)
                if (frame := reader.next_frame()) is not None:
                    assert frame in self.written
        except OnetapeError:
            pass

    def restore(self) -> None:
        for path in self.path.iterdir():
            if path.name not in self.kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, content in self.kept.items():
            (self.path / name).write_bytes(content)

    def check(self, data: bytes) -> None:
        self.restore()
        segment = self.segments[self.at]
        segment.write_bytes(data)
        self.read_part()
        try:
            whole = verify(self.path).ok
        except OnetapeError:
            whole = False
        assert not whole or data == self.contents[self.at], "a changed byte was not found"


class OpenTape(Tape):
    """A journal that lost its writer: the next one continues it, or names the damage."""

    sealed = False

    def check(self, data: bytes) -> None:
        self.restore()
        self.segments[self.at].write_bytes(data)
        self.read_part()
        try:
            with JournalWriter(self.path, process="fuzz", durable=False) as writer:
                kept = writer.published
                writer.append("log", b"next", time=FRAMES)
        except OnetapeError:
            return
        assert kept <= FRAMES
        try:
            frames = self.read()
        except OnetapeError:
            return  # damage that the writer need not look at to go on: its readers name it
        assert [frame.sequence for frame in frames] == list(range(1, kept + 2))
        assert frames[:-1] == self.written[:kept]
        assert frames[-1].payload == b"next"


class State(Target):
    """A changed state table gives values as they were written, or says that it cannot."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.writer = StateWriter(folder / "state", "fuzz", LAYOUT, capacity=4)
        for i in range(3):
            self.writer.put("g", f"k{i}", {"a": i, "b": 7, "sum": i + 7}, ts=i, sequence=i)
        self.writer.publish()
        self.file = next((folder / "state").glob("*.table.*"))
        self.seeds = [self.file.read_bytes()]

    def check(self, data: bytes) -> None:
        self.file.write_bytes(data)
        try:
            reader = StateReader(self.folder / "state", "fuzz", LAYOUT)
            reader.core.set_deadline(0)
            for i in range(3):
                group = reader.get("g", f"k{i}")
                values = {"a": i, "b": 7, "sum": i + 7}
                assert group is not None, "a damaged key is not a missing one"
                assert group.values == values
                assert group.sequence == i
        except OnetapeError:
            pass


class BookPayload(Target):
    """A book never shows levels that it is not synced for, nor an unordered side."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.seeds = [
            struct.pack("<qqQQQII4q", 1, 2, 1, 2, 0, 1, 1, 100, 5, 101, 6),
            struct.pack("<qqQQQII6q", 1, 2, 3, 4, 2, 2, 1, 100, 0, 99, 4, 101, 9),
        ]

    def check(self, data: bytes) -> None:
        book = Book()
        book.apply_payload(self.seeds[0], FLAG_SNAPSHOT)
        try:
            book.apply_payload(data, data[0] & 15 if data else 0)
        except ValueError:
            return
        bids, asks = book.bids(10**6), book.asks(10**6)
        assert book.synced or not bids + asks
        assert [p for p, _ in bids] == sorted({p for p, _ in bids}, reverse=True)
        assert [p for p, _ in asks] == sorted({p for p, _ in asks})
        assert all(size > 0 for _, size in bids + asks)


class Import(Target):
    """A damaged file is imported with its bad rows counted, or refused by name."""

    kind = "csv"
    symbol: str | None = "binance:BTC/USDT:USDT"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        corpus = CORPUS / self.kind
        if corpus.is_dir():
            self.seeds = [path.read_bytes() for path in sorted(corpus.iterdir())]

    def check(self, data: bytes) -> None:
        source = self.folder / "input.txt"
        source.write_bytes(data)
        out = self.folder / "out"
        try:
            result = import_files(self.kind, [source], symbol=self.symbol, out=out, force=True)
        except OnetapeError:
            return
        assert verify(out).ok
        with JournalReader(out) as reader:
            kinds = [record.type for record in reader]
        assert len([kind for kind in kinds if kind != "instrument"]) == result.events


class Capture(Import):
    kind = "binance-raw"


class BinanceVision(Import):
    kind = "binance-vision"


class Tardis(Import):
    kind = "tardis"


class Ccxt(Import):
    kind = "ccxt"


class Moex(Import):
    kind = "moex"


class Freqtrade(Import):
    """JSON, CSV, and Feather of both compressions."""

    kind = "freqtrade"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import polars as pl

        times = pl.Series([1_704_067_200_000 + 60_000 * i for i in range(40)])
        frame = pl.DataFrame(
            {"date": times.cast(pl.Datetime("ms", "UTC"))}
            | {name: [1.5] * 40 for name in ("open", "high", "low", "close", "volume")}
        )
        trades = pl.DataFrame(
            {"timestamp": times, "id": ["7"] * 40, "side": ["buy"] * 40} | {"price": [1.5] * 40, "amount": [0.25] * 40}
        )
        for table in (frame, trades):
            for compression in ("lz4", "zstd", "uncompressed"):
                file = io.BytesIO()
                table.write_ipc(file, compression=compression)
                self.seeds.append(file.getvalue())


class Hftbacktest(Import):
    """The array by itself: a damaged archive is the same to every kind."""

    kind = "hftbacktest"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import numpy as np

        from onetape.data.hftbacktest import ROW

        ns = 1_704_067_200_000_000_000
        rows = []
        for i in range(30):
            side = 1 << (28 + i % 2)
            kind = (1, 2, 3, 4, 5, 10)[i // 3 % 6]
            row = (3 << 30 | side | kind, ns + i, ns + i + 5, 100.5 + i, 0.1 * (i % 4), 0, 0, 0.0)
            rows.append(row)
        file = io.BytesIO()
        np.save(file, np.array(rows, dtype=ROW))
        self.seeds.append(file.getvalue())


class Recording(Import):
    kind = "cryptofeed"
    symbol = None


class Messages(Target):
    """A live message is read, refused or passed over, whatever bytes it is, and what is read is a
    tape; the same message comes to the same."""

    seeds_of = (
        b'{"e":"bookTicker","u":51,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30",'
        b'"A":"2.510","T":1723161256313,"E":1723161256313}',
        b'{"e":"aggTrade","E":17,"a":59,"s":"BTCUSDT","p":"2001.30","q":"0.012","m":true,"T":16}',
        b'{"e":"markPriceUpdate","E":1723161257000,"s":"BTCUSDT","p":"6.97500000","i":"7.38"}',
        b'{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USDT","bid":10594.2,'
        b'"bid_qty":2.5,"ask":105944.3,"ask_qty":3e-2,"last":1.0e5,"change_pct":0.24}]}',
        b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USDT","side":"buy",'
        b'"price":105944.2,"qty":0.002,"trade_id":8,"timestamp":"2023-10-06T17:35:55.440295Z"},'
        b'{"symbol":"BTC/USDT","side":"sell","price":105910.5,"qty":1,"trade_id":9,'
        b'"timestamp":"2023-10-06T17:35:56.1Z"}]}',
    )

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.seeds = list(self.seeds_of)
        found = find("binance:BTC/USDT:USDT")
        assert found is not None
        instrument = msgspec.structs.replace(found, price_decimals=2, size_decimals=3)
        self.writer = JournalWriter(folder / "live", durable=False)
        self.readers = [table.live([(raw, instrument)]) for table, raw in ((BINANCE, "BTCUSDT"), (KRAKEN, "BTC/USDT"))]

    def check(self, data: bytes) -> None:
        for reader in self.readers:
            results = []
            for message in (data, data, *self.seeds_of):
                before = reader.rejected, self.writer.core.published
                reader.take(message, 1_795_000_000_000_000_000, self.writer.core)
                after = reader.rejected, self.writer.core.published
                results.append(tuple(new - old for old, new in zip(before, after, strict=True)))
            assert results[0][0] == results[1][0] <= 1
            assert sum(refused for refused, _ in results[2:]) == 0


TARGETS: dict[str, Callable[[Path], Target]] = {
    "tape": Tape,
    "open-tape": OpenTape,
    "state": State,
    "book": BookPayload,
    "csv": Import,
    "capture": Capture,
    "binance-vision": BinanceVision,
    "tardis": Tardis,
    "ccxt": Ccxt,
    "freqtrade": Freqtrade,
    "hftbacktest": Hftbacktest,
    "moex": Moex,
    "cryptofeed": Recording,
    "messages": Messages,
    **SERVICE_TARGETS,
}


def make(name: str) -> Target:
    return TARGETS[name](Path(tempfile.mkdtemp(prefix=f"onetape-fuzz-{name}-")))
