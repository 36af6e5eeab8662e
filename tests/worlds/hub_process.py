"""A hub's process and the journals of collectors that it merges, written by the test."""

from __future__ import annotations

import json
import signal
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from copied_process import begun
from onetape.ipc.operator import send_command
from onetape.model.home import hub_journal
from onetape.model.instrument import Instrument, from_symbol
from onetape.model.sections import OPERATOR
from onetape.options.collector import collector_journal
from onetape.options.hub import HubOptions, SourceOptions
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalReader, JournalWriter, Record
from waiting import wait_for

BTC = "binance:BTC/USDT:USDT"
ETH = "binance:ETH/USDT:USDT"
MS = 10**6
_QUOTE = struct.Struct("<qqqqqqQQ")
_TRADE = struct.Struct("<qqqqQQBB14x")
_MARK = struct.Struct("<qqqq")
_BOOK = struct.Struct("<qqQQQII")
_BAR = struct.Struct("<qqqqqqqqqqqq")


class SourceJournal:
    """What a collector writes. Times are ns UTC of now, unless said otherwise."""

    def __init__(self, home: Path, name: str) -> None:
        self.name = name
        self.writer = JournalWriter(
            collector_journal(home, name), process=f"collector:{name}", durable=False, heartbeat=True
        )
        self.streams: dict[str, int] = {}

    def listed(self, symbol: str, stream: int = 0, **facts: Any) -> Instrument:
        """A symbol under a number, the next one where none is said."""
        number = stream or max(self.streams.values(), default=0) + 1
        instrument = from_symbol(symbol, **{"tick": "0.1", "lot": "0.001", **facts})
        self.writer.append_instrument(number, time.time_ns(), instrument.to_msgpack())
        self.streams[symbol] = number
        return instrument

    def quote(self, symbol: str, bid: int, ask: int, *, at: int, recv: int = 0, update_id: int = 0) -> None:
        recv = recv or at
        row = _QUOTE.pack(at, recv, bid, ask, 10, 10, update_id, 0)
        self.writer.append("quote", row, stream=self.streams[symbol], time=recv)

    def trade(self, symbol: str, price: int, size: int, *, at: int, id_: int = 0, recv: int = 0) -> None:
        recv = recv or at
        row = _TRADE.pack(at, recv, price, size, id_, 0, 1, 1 if id_ else 0)
        self.writer.append("trade", row, stream=self.streams[symbol], time=recv)

    def mark(self, symbol: str, mark: int, *, at: int) -> None:
        self.writer.append("mark", _MARK.pack(at, at, mark, 0), stream=self.streams[symbol], time=at)

    def open_interest(self, symbol: str, size: int, *, at: int, recv: int = 0) -> None:
        row = struct.pack("<qqq", at, recv or at, size)
        self.writer.append("open_interest", row, stream=self.streams[symbol], time=recv or at)

    def book(
        self,
        symbol: str,
        number: int,
        bids: list[tuple[int, int]],
        asks: list[tuple[int, int]],
        *,
        at: int,
        flags: int = 0,
    ) -> None:
        """A change, or with FLAG_SNAPSHOT all levels. number: of the change; it names the one before it."""
        previous = 0 if flags else number - 1
        head = _BOOK.pack(at, at, 0, number, previous, len(bids), len(asks))
        levels = [figure for level in (*bids, *asks) for figure in level]
        row = head + struct.pack(f"<{len(levels)}q", *levels)
        self.writer.append("book", row, flags=flags, stream=self.streams[symbol], time=at)

    def bar(
        self, symbol: str, ts_open: int, close: int, *, period: int = 60 * 10**9, flags: int = 0, at: int = 0
    ) -> None:
        end = ts_open + period
        row = _BAR.pack(ts_open, end, period, close, close, close, close, 1, 0, 0, 1, 0)
        self.writer.append("bar", row, flags=flags, stream=self.streams[symbol], time=at or end)

    def health(self, kind: str, subject: str, state: str, **about: Any) -> None:
        record = {"kind": kind, "subject": subject, "state": state, **about}
        self.writer.append("health", msgspec.msgpack.encode(record), time=time.time_ns())

    def close(self) -> None:
        self.writer.close()


def hub_options(home: Path, *names: str, **more: Any) -> HubOptions:
    """Names that begin with `rest` are polled."""
    sources = [
        SourceOptions(
            name=name, journal=str(collector_journal(home, name)), transport="rest" if name.startswith("rest") else "ws"
        )
        for name in names
    ]
    return HubOptions(home=str(home), sources=sources, **{"filters": False, **more})


class HubProcess:
    def __init__(self, options: HubOptions) -> None:
        self.home = Path(options.home)
        make_token(self.home, OPERATOR)
        self.process = begun("onetape.hub.main", options)

    def end(self, number: int = signal.SIGTERM) -> None:
        self.process.stop(number)

    def ask(self, command: str, **fields: Any) -> dict[str, Any]:
        (answer,) = send_command(self.home, "hub", command, fields, f"{command}-{time.time_ns()}")
        return answer

    def feeds(self) -> dict[tuple[str, str], dict[str, Any]]:
        """By source and symbol."""
        answer = self.ask("status")
        assert answer["status"] == "applied", json.dumps(answer)
        return {(row["source"], row["symbol"]): row for row in answer["result"]["feeds"]}


@contextmanager
def hub(options: HubOptions) -> Iterator[HubProcess]:
    running = HubProcess(options)
    try:
        yield running
    finally:
        running.end()


def merged(home: Path, *types: str) -> list[Record]:
    with JournalReader(hub_journal(home)) as reader:
        return [record for record in reader if record.type in types]


def wait_merged(home: Path, type_: str, count: int) -> list[Record]:
    """Until so many frames of a type are on the hub's journal."""
    return wait_for(lambda: len(found := merged(home, type_)) >= count and found)


def sources_of(records: list[Record]) -> list[int]:
    """The number of the source that each has come from."""
    return [(record.flags >> 8) - 1 for record in records]
