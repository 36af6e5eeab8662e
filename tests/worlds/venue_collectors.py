"""A collector of a venue as a process, beside a simulated exchange of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from copied_process import Copied, begun
from onetape.engine.tape_facts import streams_of
from onetape.exchange.dialect import Dialect
from onetape.ipc.door import OPERATOR
from onetape.ipc.system import IPCCommandSystem
from onetape.model.time import SECOND
from onetape.options.collector import VenueFeedOptions, collector_journal
from onetape.security.tokens import make_token
from onetape.tape.journal import JournalReader, Record
from waiting import PATIENCE_S, wait_for
from worlds.gateway_process import WS_PATH

NAME = "feed"


def options_of(kind: str, home: Path, port: int, **more: Any) -> VenueFeedOptions:
    chosen: dict[str, Any] = {
        "name": NAME,
        "home": str(home),
        "kind": kind,
        "rest": f"http://127.0.0.1:{port}",
        "ws": f"ws://127.0.0.1:{port}{WS_PATH[kind]}",
        "renew_ns": 3600 * SECOND,
        "listings_ns": SECOND // 2,
        "percent": 95,
    }
    return VenueFeedOptions(**chosen | more)


@contextmanager
def collecting(options: VenueFeedOptions) -> Iterator[Copied]:
    """From when its journal is open until the block ends."""
    process = begun("onetape.collector.main", options)
    try:
        yield process
    finally:
        process.stop()


def status(home: Path, name: str = NAME) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        system = IPCCommandSystem(OPERATOR, home=home)
        system.start()
        try:
            answer = await system.send_command(f"collector:{name}", "status", {}, timeout=PATIENCE_S)
            return dict(answer["result"])
        finally:
            system.stop()

    make_token(home, OPERATOR)
    return asyncio.run(ask())


def frames(home: Path, *types: str, name: str = NAME) -> list[Record]:
    with JournalReader(collector_journal(home, name)) as reader:
        return [record for record in reader if record.type in types]


def alerts(home: Path, *kinds: str, name: str = NAME) -> list[tuple[str, str]]:
    """Subject and state of what its health frames say."""
    found = [each.data for each in frames(home, "health", name=name)]
    return [(each["subject"], each["state"]) for each in found if each["kind"] in kinds]


def trades(home: Path, symbol: str, name: str = NAME) -> list[tuple[int, int, int]]:
    """Number, price and size of a symbol's, in the order of the tape."""
    numbers = {n for n, i in streams_of(collector_journal(home, name)).items() if i.symbol == symbol}
    found = (each for each in frames(home, "trade", name=name) if each.stream in numbers)
    return [(each.data["id_low"], each.data["price"], each.data["size"]) for each in found]


def assert_whole(home: Path, dialect: Dialect, symbol: str) -> int:
    """Of a symbol's trades none is missing on the tape, and none there twice: they are those of the exchange's own
    list, which keeps the last thousand. Gives how many."""
    (listing,) = (each for each in dialect.exchange.listings if each.instrument.symbol == symbol)
    found = trades(home, symbol)
    kept = [(t.trade_id, t.price, t.size) for t in list(listing.trades) if t.trade_id >= found[0][0]]
    last = [each for each in found if each[0] >= kept[0][0]]
    assert last and last == [each for each in kept if each[0] <= found[-1][0]]
    numbers = [each[0] for each in found]
    assert all(a < b for a, b in pairwise(numbers))
    return len(found)


def wait_until_heard(home: Path) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = status(home)
        return found if found["hears"] else None

    found: dict[str, Any] = wait_for(look)
    return found
