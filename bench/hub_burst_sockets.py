"""A burst over real sockets: three collectors of a venue follow a symbol each over two WebSockets, whose other ends
send 200,000 messages a second together for ten seconds, trades and quotes; the hub's process merges what they write.

The messages were made before: a sender copies bytes from a file to its socket when they are due, so that processor time
is the collectors' and the hub's. Where these are slower the sockets are full and the senders wait; nothing is left out.
What is merged is counted trade by trade, and the own memory of all four processes is looked at all the while.

    python bench/hub_burst_sockets.py [--seconds 10] [--rate 200000]
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from hub_burst import counted, own_mib, run
from hub_failover import started

from onetape.exchange.server import VenueServer
from onetape.exchange.venues import Crowd, open_venue
from onetape.model.time import SECOND
from onetape.options.collector import VenueFeedOptions, collector_journal
from onetape.options.hub import HubOptions, SourceOptions

SYMBOLS = ("BTC", "ETH", "SOL")
SLICE_S = 0.01
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Burst(NamedTuple):
    sent: int  # messages, over all sockets
    rate: float  # of them a second, from the first until the last was merged
    sent_rate: float  # until the last was taken by its socket
    trades: int
    lost: int
    doubled: int
    grown_mib: float  # memory of the process that grew most, over that before the first message


def framed(text: str) -> bytes:
    """A message of a server."""
    whole = text.encode().ljust(126)  # as long as two bytes of length have to say
    return b"\x81\x7e" + len(whole).to_bytes(2, "big") + whole


def written(path: Path, base: str, kind: str, slices: int, each: int, begins: int) -> list[int]:
    """What one socket sends, by slices; their sizes. begins: ms UTC, from where on the venue's times run."""
    sizes = []
    with path.open("wb") as file:
        for n in range(slices):
            at = begins + n * round(SLICE_S * 1000)
            first = n * each + 1
            if kind == "market":
                texts = [
                    f'{{"e":"aggTrade","E":{at},"s":"{base}USDT","a":{i},"p":"{100 + n % 2}","q":"1","f":{i},'
                    f'"l":{i},"T":{at},"m":false,"nq":"1"}}'
                    for i in range(first, first + each)
                ]
            else:
                texts = [
                    f'{{"e":"bookTicker","u":{i},"s":"{base}USDT","b":"{100 + n % 2}","B":"1","a":"102",'
                    f'"A":"1","T":{at},"E":{at}}}'
                    for i in range(first, first + each)
                ]
            sizes.append(file.write(b"".join(map(framed, texts))))
    return sizes


class Senders:
    """What is sent is made first; sockets that are connected then wait for `go`."""

    def __init__(self, folder: Path, seconds: float, rate: int) -> None:
        self.slices = round(seconds / SLICE_S)
        self.each = round(rate * SLICE_S / len(SYMBOLS) / 2)
        self.go, self.began = threading.Event(), 0.0
        self.files: dict[tuple[str, str], tuple[Path, list[int]]] = {}
        self.connected: set[str] = set()
        self.ended: list[float] = []
        begins = round(time.time() * 1000)
        for base in SYMBOLS:
            for kind in ("public", "market"):
                path = folder / f"{base}-{kind}"
                self.files[base, kind] = path, written(path, base, kind, self.slices, self.each, begins)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4096)
        path = head.split(b" ")[1].decode()
        (key,) = (
            line.split(b":")[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        base = next(each for each in SYMBOLS if each.lower() in path)
        self.connected.add(path)
        mark = framed(f'{{"e":"markPriceUpdate","E":1,"s":"{base}USDT","p":"100","i":"100","r":"0.0001","T":1}}')
        while not self.go.wait(0.5):
            if "/market" in path:  # which the venue sends each second: without it the other end connects anew
                connection.sendall(mark)
        # A connection that is made after it, because nothing comes any more, has nothing to bring.
        file, sizes = self.files.pop((base, "market" if "/market" in path else "public"), (Path(os.devnull), []))
        at = 0
        with file.open("rb") as source:
            for n, size in enumerate(sizes):
                time.sleep(max(self.began + n * SLICE_S - time.monotonic(), 0))
                until = at + size
                while at < until:
                    at += os.sendfile(connection.fileno(), source.fileno(), at, until - at)
        self.ended.append(time.monotonic())
        connection.recv(1)  # stays open until the other end has gone


def exchange() -> int:
    """For what is asked by requests: which instruments there are."""
    server = VenueServer(open_venue("binance-usdm", seed=7, now=time.time_ns(), market=Crowd(0.1, 5 * SECOND)))
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return asyncio.run_coroutine_threadsafe(server.start("127.0.0.1", 0), loop).result()


def burst(home: Path, seconds: float, rate: int) -> Burst:
    rest, senders = exchange(), Senders(home, seconds, rate)
    with ExitStack() as stack:
        processes = []
        for base in SYMBOLS:
            options = VenueFeedOptions(
                name=base,
                home=str(home),
                kind="binance-usdm",
                rest=f"http://127.0.0.1:{rest}",
                ws=f"ws://127.0.0.1:{senders.port}",
                symbols=f"binance:{base}/USDT:USDT",
                renew_ns=3600 * SECOND,
                listings_ns=3600 * SECOND,
                percent=95,
                klines="",
            )
            processes.append(started("onetape.collector.main", options))
        sources = [
            SourceOptions(name=base, journal=str(collector_journal(home, base)), transport="ws") for base in SYMBOLS
        ]
        processes.append(started("onetape.hub.main", HubOptions(home=str(home), sources=sources)))
        for each in processes:
            stack.callback(each.wait)
            stack.callback(each.terminate)
        while len(senders.connected) < 2 * len(SYMBOLS):
            time.sleep(0.05)
        before = [own_mib(each.pid) for each in processes]
        most = list(before)

        def look() -> None:
            most[:] = [max(own_mib(each.pid), last) for each, last in zip(processes, most, strict=True)]

        senders.began = time.monotonic()
        senders.go.set()
        lost, doubled, heard = counted(home, len(SYMBOLS), senders.slices * senders.each, look)
        sent = senders.slices * senders.each * len(SYMBOLS) * 2
        grown = max(last - first for last, first in zip(most, before, strict=True))
        spent = [max(each - senders.began, seconds) for each in (heard, max(senders.ended, default=heard))]
        return Burst(sent, sent / spent[0], sent / spent[1], sent // 2, lost, doubled, grown)


if __name__ == "__main__":
    run(
        burst,
        "hub, burst over sockets",
        lambda found: [
            ("messages taken by sockets", found.sent_rate, "messages/s", "more", {"reach": 200_000}),
            ("messages merged", found.rate, "messages/s", "more", {}),
            ("trades lost or doubled", found.lost + found.doubled, "trades", "less", {"reach": 0}),
            ("memory of a process grew by", found.grown_mib, "MiB", "less", {}),
        ],
    )
