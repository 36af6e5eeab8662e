"""What the pages' process takes while many look, and over long journals.

Twenty pages, each on the market of another symbol, while 50 symbols stream: the processor of the pages' process. Then a
start over a journal of three weeks, and the equity of a year of three accounts.

    python bench/dashboard_load.py [--only pages,start,lines] [--seconds 8]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from page_home import CONFIG, FIRST, Pages, Tape, figure, instruments, journal_of, pages_of, run, streaming

from onetape.accounts.entries import MAIN, TOTAL
from onetape.model.enums import (
    Liquidity,
    OrderNews,
    OrderState,
    OrderType,
    PositionSide,
    RequestKind,
    Side,
    TimeInForce,
    TriggerBy,
)
from onetape.model.ids import EPOCH_BITS
from onetape.model.time import DAY, MINUTE
from onetape.store.records import Records, metadata
from onetape.tape.payloads import fields

REQUEST, NEWS, FILL = fields("order_request"), fields("order_event"), fields("fill")

SYMBOLS, PER_S, PAGES = 50, 1000, 20
EVENTS, ORDERS = 10_000_000, 200_000
LIFE = 1 << EPOCH_BITS  # what ids of a robot's first life begin with
TOPICS = ("market|{}", "bars|{}|1s", "lines|{}", "trades|{}")


class Looking(asyncio.Protocol):
    """A page as its server sees it: it says what it shows, and takes what comes."""

    def __init__(self, address: str, own: dict[str, str], shown: list[str]) -> None:
        host = urlsplit(address).netloc
        self.head = (
            f"GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "".join(f"{name}: {value}\r\n" for name, value in own.items())
            + f"Origin: {address}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
        body = json.dumps({"show": shown, "since": {}}).encode()
        # Masked by zeros: as it is.
        self.said = b"\x81\xfe" + len(body).to_bytes(2, "big") + bytes(4) + body
        self.taken = self.messages = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.transport.write(self.head + self.said)

    def data_received(self, data: bytes) -> None:
        self.taken += len(data)
        self.messages += data.count(b'{"topic"')


async def opened(address: str, own: dict[str, str], shown: list[str]) -> Looking:
    server = urlsplit(address)
    loop = asyncio.get_running_loop()
    _, made = await loop.create_connection(lambda: Looking(address, own, shown), server.hostname, server.port)
    return made


async def looked_at(pages: Pages, account: str, seconds: float, pause: float = 3.0) -> dict[str, float]:
    """Opens the pages; what they cost once they are all there."""
    own, made = pages.login(), []
    for each in instruments(PAGES):
        shown = [topic.format(f"{account}|{each.symbol}") for topic in TOPICS]
        made.append(await opened(pages.address, own, ["symbols", *shown]))
    await asyncio.sleep(pause)
    cpu, began, messages = pages.cpu_s, time.monotonic(), sum(each.messages for each in made)
    await asyncio.sleep(seconds)
    spent = time.monotonic() - began
    found = {
        "share": (pages.cpu_s - cpu) / spent,
        "messages": (sum(each.messages for each in made) - messages) / spent / PAGES,
    }
    for looking in made:
        looking.transport.close()
    return found


def pages(inputs: argparse.Namespace) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with streaming(journal_of(folder), SYMBOLS, PER_S), pages_of(folder) as made:
            time.sleep(1)
            found = asyncio.run(looked_at(made, "main", inputs.seconds))
    return [
        figure(f"pages: {PAGES} of them, {SYMBOLS} symbols streaming, of one core", 100 * found["share"], "%", 30),
        figure("pages: messages of each", found["messages"], "1/s", None),
    ]


def start(_: argparse.Namespace) -> list[dict[str, Any]]:
    """Over a journal of three weeks: orders and fills among its quotes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tape = Tape(journal_of(folder), SYMBOLS, began=time.time_ns() - 22 * DAY)
        trading(tape, ORDERS, EVENTS - 3 * ORDERS)
        with pages_of(folder) as made:
            own, symbol = made.login(), f"main|{instruments(1)[0].symbol}"
            took = {}
            history = (f"history|{symbol}|{each}|600" for each in ("1s", "1d"))
            for topic in (f"market|{symbol}", f"lines|{symbol}", "overview", *history):
                began = time.perf_counter()
                made.read(topic, own)
                took[topic] = time.perf_counter() - began
            return [
                figure("pages: start over 10 M events", made.ready_s, "s", 2),
                figure("pages: the slowest first answer over 10 M events", max(took.values()), "s", 2),
                figure("pages: memory at most over 10 M events", made.memory_mb(), "MB", 300),
            ]


def trading(tape: Tape, orders: int, quotes: int) -> None:
    """So many orders with their news and fills, evenly among quotes of three weeks."""
    until, words = time.time_ns(), (Side.BUY.id, OrderType.MARKET.id, TimeInForce.GTC.id, 0, TriggerBy.LAST.id)
    life = {"robot": 1, "name": "mm", "epoch": 1, "journal": "", "slot": MAIN}
    tape.writer.append("params", msgspec.msgpack.encode(life), time=until - 22 * DAY)
    parts = 200
    for part in range(parts):
        at = until - 21 * DAY * (parts - part) // parts
        tape.past(quotes // parts, at, 21 * DAY // quotes)
        for n in range(LIFE + part * orders // parts, LIFE + (part + 1) * orders // parts):
            request = REQUEST.pack(n + 1, 0, 10, 0, 0, RequestKind.PLACE.id, *words, PositionSide.BOTH.id, 1, b"")
            tape.writer.append("order_request", request, stream=1, time=at)
            facts = (n + 1, n + 1, at, 0, 10, 0, 0, OrderNews.ACCEPTED.id, OrderState.ACCEPTED.id, 1, 0)
            tape.writer.append("order_event", NEWS.pack(*facts), stream=1, time=at)
            last = (Side.BUY.id, Liquidity.TAKER.id, PositionSide.BOTH.id, 1, 0, 0)
            fill = FILL.pack(n + 1, n + 1, n + 1, at, FIRST, 10, 10**15, 0, *last)
            tape.writer.append("fill", fill, stream=1, time=at)


def lines(_: argparse.Namespace) -> list[dict[str, Any]]:
    """A year of minutes of three accounts, as a recorder leaves them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = folder / ".onetape"
        home.mkdir()
        year_of_equity(home)
        with pages_of(folder, CONFIG + "[recorder]\n", records="sqlite:///store.db") as made:
            own, took = made.login(), {}
            for look in ("first", "second"):
                began = time.perf_counter()
                made.read("equity_lines|all|all", own)
                took[look] = time.perf_counter() - began
            return [
                figure("pages: equity of a year of three accounts, first look", took["first"], "s", None),
                figure("pages: equity of a year of three accounts, later looks", took["second"], "s", 0.2),
                figure("pages: memory at most with a year of equity", made.memory_mb(), "MB", 250),
            ]


def year_of_equity(home: Path) -> None:
    records = Records("sqlite:///store.db", home=home)
    table = metadata.tables["record_equity"]
    count, now = 365 * 1440, time.time_ns() // MINUTE * MINUTE
    names = [each.name for each in table.columns]
    with records.transaction() as connection:
        for account in ("main", "second", "third"):
            facts = {
                "account": f"'{account}'", "slot": str(TOTAL), "currency": "'USDT'", "ts": f"{now} - i * {MINUTE}",
                "subaccount": "''", "strategy": "''", "equity": "100000 + (i * 7919 % 1000)", "capital": "100000",
                "unrealized": "0", "drawdown": "0.01",
            }  # fmt: skip
            cells = ", ".join(facts.get(each, "0") for each in names)
            connection.exec_driver_sql(
                f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
                f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {cells} FROM n"
            )
    records.close()


PARTS = {"pages": pages, "start": start, "lines": lines}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    run(parser, PARTS)


if __name__ == "__main__":
    main()
