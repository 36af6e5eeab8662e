"""A home as its gateway's journal leaves it, made here, and the pages' process over it: what `dashboard.py` and
`dashboard_load.py` measure. As a program it writes what streams: `page_home.py JOURNAL SYMBOLS QUOTES-A-SECOND`."""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, Request, build_opener

import msgspec
import numpy as np

from onetape.dashboard.access import KEY_HEADER
from onetape.dashboard.options import dashboard_options, link_of
from onetape.model.catalogue import find
from onetape.model.home import gateway_journal
from onetape.model.instrument import Instrument
from onetape.model.time import SECOND
from onetape.store.config import load_config
from onetape.tape.journal import JournalWriter
from onetape.tape.schema import built_in

QUOTE = struct.Struct("<6qQQ")
QUOTE_TYPE = 2
BLOCK = 200_000
FIRST = 600_002  # units: a bid
CONFIG = """
[venues.x]
kind = "binance-usdm"
mode = "sim"
[accounts.main]
venue = "x"
[dashboard]
port = 0
"""


def instruments(count: int) -> list[Instrument]:
    first = find("binance:BTC/USDT:USDT")
    assert first is not None
    more = [
        msgspec.structs.replace(first, symbol=f"binance:C{n:02}/USDT:USDT", base=f"C{n:02}", raw_symbol=f"C{n:02}USDT")
        for n in range(1, count)
    ]
    return [first, *more]


class Tape:
    """The journal of a gateway. stream: 1 for the first symbol."""

    def __init__(self, path: Path, symbols: int = 1, *, began: int | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.writer = JournalWriter(path, process=f"gateway:{path.name}", account=path.name, durable=False)
        for stream, each in enumerate(instruments(symbols), 1):
            self.writer.append_instrument(stream, began or time.time_ns(), each.to_msgpack())

    def tick(self, bid: int, stream: int = 1) -> int:
        """Returns when it was written, ns UTC."""
        now = time.time_ns()
        self.writer.append("quote", QUOTE.pack(now, now, bid, bid + 2, 1000, 1000, 0, 0), stream=stream, time=now)
        return now

    def past(self, count: int, until: int, every: int, stream: int = 1) -> None:
        """So many quotes, one each `every` ns, up to `until`."""
        times = until - np.arange(count, 0, -1, dtype=np.int64) * every
        walk = np.cumsum(np.random.default_rng(7).integers(-20, 21, count)) + FIRST
        for begin in range(0, count, BLOCK):
            part = slice(begin, begin + BLOCK)
            rows = np.zeros(len(times[part]), dtype=built_in()[QUOTE_TYPE].payload_dtype)
            rows["ts_event"] = rows["ts_recv"] = times[part]
            rows["bid"], rows["ask"] = walk[part], walk[part] + 2
            rows["bid_size"] = rows["ask_size"] = 1000
            self.writer.append_batch("quote", stream, rows)


def stream(path: Path, symbols: int, per_s: int) -> None:
    """Quotes of all symbols in turn, until it is ended."""
    tape, bid, sent, began = Tape(path, symbols), FIRST, 0, time.monotonic()
    while True:
        for sent in range(sent, int((time.monotonic() - began) * per_s)):  # noqa: B020
            bid += 1 if sent % 3 else -1
            tape.tick(bid, 1 + sent % symbols)
        time.sleep(0.01)


@contextmanager
def streaming(path: Path, symbols: int, per_s: int) -> Iterator[None]:
    child = subprocess.Popen([sys.executable, __file__, str(path), str(symbols), str(per_s)])
    try:
        yield
    finally:
        child.kill()
        child.wait()


@contextmanager
def pages_of(folder: Path, config: str = CONFIG, records: str = "") -> Iterator[Pages]:
    """The pages' process over `folder/.onetape`."""
    made = Pages(folder, config, records)
    try:
        yield made
    finally:
        made.process.terminate()
        made.process.wait()


class Pages:
    """ready_s: from its start until it listens."""

    def __init__(self, folder: Path, config: str, records: str) -> None:
        self.home = folder / ".onetape"
        self.home.mkdir(exist_ok=True)
        file = folder / "pages.toml"
        file.write_text(config)
        options = dashboard_options(load_config(file, {}), home=self.home, folder=folder)
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "onetape.dashboard.main"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(msgspec.json.encode(msgspec.structs.replace(options, records=records)))
        self.process.stdin.close()
        self.address = self.process.stdout.readline().decode().split()[-1]
        self.ready_s = time.perf_counter() - began

    @property
    def link(self) -> str:
        return link_of(self.home)

    def login(self) -> dict[str, str]:
        """Returns the headers of a page that is logged in."""

        class Stays(HTTPRedirectHandler):
            def http_error_303(self, _request, answer, *_):  # type: ignore[no-untyped-def]
                return answer

        answer = build_opener(Stays).open(self.link)
        name, value = next(iter(SimpleCookie(answer.headers["Set-Cookie"]).items()))
        return {"Cookie": f"{name}={value.value}", KEY_HEADER: answer.headers["Location"].removeprefix("/#key=")}

    def read(self, topic: str, own: dict[str, str]) -> bytes:
        """Returns a topic's answer. Raises SystemExit where it is refused."""
        wanted = Request(f"{self.address}/read?topic={quote(topic)}", headers=own)
        try:
            body: bytes = build_opener().open(wanted).read()
        except HTTPError as error:
            raise SystemExit(f"{topic}: {error.read().decode()}") from None
        return body

    @property
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self, what: str = "VmHWM") -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(each.split()[1]) for each in lines if each.startswith(f"{what}:")) / 1000


def journal_of(folder: Path, account: str = "main") -> Path:
    return gateway_journal(folder / ".onetape", account)


def figure(name: str, value: float, unit: str, reach: float | None) -> dict[str, Any]:
    return {"name": name, "value": round(value, 3), "unit": unit, "better": "less", "reach": reach}


def run(
    parser: argparse.ArgumentParser, parts: Mapping[str, Callable[[argparse.Namespace], list[dict[str, Any]]]]
) -> None:
    """Prints the figures of the parts that the command line names, else of all."""
    parser.add_argument("--only", default=",".join(parts), help="parts, by comma")
    inputs = parser.parse_args()
    figures = [each for part in inputs.only.split(",") for each in parts[part](inputs)]
    print(json.dumps({"load_average": os.getloadavg()[0], "figures": figures}))


def percent(values: list[float], which: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * which // 100)]


if __name__ == "__main__":
    stream(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))

__all__ = ["SECOND", "Pages", "Tape", "journal_of", "pages_of", "percent", "streaming"]
