"""Requests a second of ten collectors that poll one venue from ten addresses, over those of one collector.

Each collector leaves by a proxy of its own, which connects from its own loopback address; the simulated exchange limits
each address as the venue does. Prints one JSON object of figures.

    python bench/poller_addresses.py [--seconds 60]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

ADDRESSES = 10
SETTLES_S = 5.0
SYMBOLS = ["binance:BTC/USDT:USDT", "binance:ETH/USDT:USDT", "binance:SOL/USDT:USDT"]


class Proxy:
    """An HTTP proxy that connects from one address, and counts."""

    def __init__(self, source: str) -> None:
        self.source, self.requests, self.refused, self.port = source, 0, 0, 0

    async def start(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, *_ = head.decode().split(" ")
        host, port = (target if method == "CONNECT" else urlsplit(target).netloc).rsplit(":", 1)
        made = await asyncio.open_connection(host, int(port), local_addr=(self.source, 0))
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            made[1].write(self._onward(head))
        await asyncio.gather(self._carry(reader, made[1]), self._carry(made[0], writer, is_answer=True))

    def _onward(self, piece: bytes) -> bytes:
        self.requests += piece.count(b" HTTP/1.1\r\n")
        return re.sub(rb"(?m)^([A-Z]+) http://[^/]+", rb"\1 ", piece)

    async def _carry(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, is_answer: bool = False
    ) -> None:
        try:
            while piece := await source.read(1 << 16):
                self.refused += is_answer and piece.startswith((b"HTTP/1.1 429", b"HTTP/1.1 418"))
                target.write(piece if is_answer else self._onward(piece))
                await target.drain()
        except ConnectionError:
            pass
        target.close()


def onetape(folder: Path, *arguments: str) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ONETAPE_")}
    command = [sys.executable, "-m", "onetape", *arguments, "--json"]
    subprocess.run(command, cwd=folder, env=clean, check=True, stdout=subprocess.DEVNULL)


def measured(folder: Path, venue: int, proxies: list[Proxy], seconds: float) -> tuple[float, int]:
    """Returns requests a second, and how many answers refused one."""
    address = f"127.0.0.1:{venue}"
    text = f'[venues.x]\nkind = "binance-usdm"\nrest = "http://{address}"\nws = "ws://{address}"\n'
    for number, proxy in enumerate(proxies):
        text += f'[proxies.p{number}]\nurl = "http://127.0.0.1:{proxy.port}"\n'
        text += f'[collectors.c{number}]\nvenue = "x"\ntransport = "rest"\nproxy = "p{number}"\n'
        text += f"symbols = {json.dumps(SYMBOLS)}\n"
    folder.mkdir()
    (folder / "onetape.toml").write_text(text)
    onetape(folder, "up")
    try:
        time.sleep(SETTLES_S)
        before, begun = sum(each.requests for each in proxies), time.perf_counter()
        time.sleep(seconds)
        rate = (sum(each.requests for each in proxies) - before) / (time.perf_counter() - begun)
    finally:
        onetape(folder, "down")
    return rate, sum(each.refused for each in proxies)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = parser.parse_args().seconds
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    proxies = [Proxy(f"127.0.0.{number + 2}") for number in range(ADDRESSES)]
    for each in proxies:
        asyncio.run_coroutine_threadsafe(each.start(), loop).result()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            venue = found.getsockname()[1]
        command = [sys.executable, "-m", "onetape", "sim", "binance-usdm", "--port", str(venue), "--seed", "4"]
        exchange = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        stack.callback(exchange.wait)
        stack.callback(exchange.terminate)
        while socket.socket().connect_ex(("127.0.0.1", venue)):
            time.sleep(0.05)
        one, refused = measured(folder / "one", venue, proxies[:1], seconds)
        ten, more = measured(folder / "ten", venue, proxies, seconds)
    rows = [
        ("ten pollers with ten addresses over one", ten / one, "times", "more", 9.5),
        ("requests of ten pollers", ten, "requests/s", "more", None),
        ("requests that the venue refused", refused + more, "requests", "less", 0),
    ]
    names = ("name", "value", "unit", "better", "reach")
    print(json.dumps({"figures": [dict(zip(names, row, strict=True)) for row in rows]}))


if __name__ == "__main__":
    main()
