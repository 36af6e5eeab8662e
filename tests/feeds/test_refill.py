"""Gaps that a lost stream leaves on the tape are filled with the venue's trades and bars, each once."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from exchange.venue_client import served
from onetape._core import FLAG_LATE
from onetape.exchange.faults import parse_faults
from onetape.feeds import refill
from onetape.feeds.query_line import VenueLine
from onetape.feeds.refill import Refill
from onetape.feeds.venue_clock import VenueClock
from onetape.model import catalogue
from onetape.model.home import gateway_journal
from onetape.model.time import MINUTE, SECOND
from onetape.tape.journal import JournalReader
from onetape.venues.open import Addresses, open_trading_venue
from waiting import PATIENCE_S, wait_for
from worlds.gateway_process import GatewayProcess
from worlds.hub_process import SourceJournal

BTC = "binance:BTC/USDT:USDT"


class World:
    """A tape with a gap, beside a venue that has its trades and bars."""

    def __init__(self, folder: Path, kind: str, port: int, symbol: str = BTC) -> None:
        self.journal, self.symbol = SourceJournal(folder, "feed"), symbol
        self.instrument = self.journal.listed(symbol, **facts_of(symbol))
        rest = f"http://127.0.0.1:{port}"
        venue = open_trading_venue(kind, "", "", Addresses(rest, "", ""))
        self.requests: list[object] = []
        self.line = VenueLine(venue, rest, VenueClock(), keeps=False, out=self.requests.append)
        self.said: list[tuple[str, str, str]] = []
        self.tasks: list[asyncio.Task] = []

    def trade(self, row) -> None:
        self.journal.trade(self.symbol, row.price, row.size, at=row.time, id_=row.trade_id)

    async def lose(self, bring, *, ago: int = 0, bars: int = 0, pauses: bool = False) -> None:
        """Loses the stream; afterwards `bring` writes what the next one brings."""

        def spawn(work) -> None:
            self.tasks.append(asyncio.ensure_future(work))

        async with self.line.open(), asyncio.timeout(PATIENCE_S):
            made = Refill(
                self.line,
                self.journal.writer,
                spawn=spawn,
                say=lambda out: self.said.append((out.kind, out.subject, out.state)),
            )
            made.is_paused = pauses
            if ago:
                wall = time.time_ns()
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(refill.time, "time_ns", lambda: wall - ago)
                    made.lost({1: self.instrument}, bars)
            else:
                made.lost({1: self.instrument}, bars)
            made.lost({1: self.instrument}, bars)  # the other stream, at the same time
            bring()
            await asyncio.gather(*self.tasks)
        assert len(self.tasks) == 1

    def rows(self, event: str):
        with JournalReader(self.journal.writer.path) as reader:
            return [each for each in reader if each.type == event]


def facts_of(symbol: str) -> dict[str, str]:
    found = catalogue.find(symbol)
    return {"tick": str(found.tick), "lot": str(found.lot), "raw_symbol": found.raw_symbol}


@pytest.fixture
def venue():
    with served("binance-usdm", limits=False, rate=20) as (dialect, port):
        yield dialect, port


def test_the_trades_between_the_last_and_the_next_one_are_written_late_with_the_venues_times(venue, tmp_path):
    dialect, port = venue
    made = list(dialect.exchange.listings[0].trades)[-60:]
    world = World(tmp_path, "binance-usdm", port)
    for row in made[:20]:
        world.trade(row)
    asyncio.run(world.lose(lambda: [world.trade(row) for row in made[50:]]))
    rows = world.rows("trade")
    late = [each for each in rows if each.flags & FLAG_LATE]
    assert [each.data["id_low"] for each in late] == [each.trade_id for each in made[20:50]]
    exact = [(each.time, each.price, each.size, str(each.side)) for each in made[20:50]]
    assert [(d["ts_event"], d["price"], d["size"], d["side"]) for d in (each.data for each in late)] == [
        (at - at % 10**6, *rest) for at, *rest in exact
    ]
    assert world.said == [("refill", BTC, "trades: 30 filled")]


def test_nothing_is_requested_where_nothing_is_missing(venue, tmp_path):
    dialect, port = venue
    made = list(dialect.exchange.listings[0].trades)[-10:]
    world = World(tmp_path, "binance-usdm", port)
    for row in made[:5]:
        world.trade(row)
    asyncio.run(world.lose(lambda: world.trade(made[5])))
    assert len(world.rows("trade")) == 6 and world.said == [] and world.requests == []


def test_without_an_earlier_trade_on_the_tape_those_since_then_are_written(venue, tmp_path):
    dialect, port = venue
    made = list(dialect.exchange.listings[0].trades)[-30:]
    world = World(tmp_path, "binance-usdm", port)
    asyncio.run(world.lose(lambda: world.trade(made[-1]), ago=time.time_ns() - made[0].time - 1))
    late = [each.data["id_low"] for each in world.rows("trade") if each.flags & FLAG_LATE]
    assert late and late[-1] == made[-2].trade_id and [*range(late[0], late[-1] + 1)] == late


def test_what_the_venue_does_not_have_any_more_is_said_to_be_lost(venue, tmp_path):
    dialect, port = venue
    made = list(dialect.exchange.listings[0].trades)[-10:]
    world = World(tmp_path, "binance-usdm", port)
    world.trade(made[0])
    ahead = made[-1]._replace(trade_id=made[-1].trade_id + 10_000)  # numbers that the venue has not given yet
    asyncio.run(world.lose(lambda: world.trade(ahead)))
    late = [each for each in world.rows("trade") if each.flags & FLAG_LATE]
    assert len(late) >= 9
    assert world.said == [("refill", BTC, f"trades: {len(late)} filled, {10_008 - len(late)} lost")]


def test_on_a_full_disk_nothing_is_written(venue, tmp_path):
    dialect, port = venue
    made = list(dialect.exchange.listings[0].trades)[-10:]
    world = World(tmp_path, "binance-usdm", port)
    world.trade(made[0])
    asyncio.run(world.lose(lambda: world.trade(made[5]), pauses=True))
    assert len(world.rows("trade")) == 2


@pytest.mark.parametrize(("kind", "symbol"), [("binance-usdm", BTC), ("bybit", "bybit:BTC/USDT:USDT")])
def test_bars_that_ended_meanwhile_are_written_unless_the_stream_brought_them(tmp_path, kind, symbol):
    with served(kind, limits=False, rate=20) as (dialect, port):
        world = World(tmp_path, kind, port, symbol)
        trades = list(dialect.exchange.listings[0].trades)
        now = time.time_ns()
        opened = now - now % MINUTE - 2 * MINUTE

        def bring() -> None:
            world.trade(trades[-1])
            world.journal.bar(symbol, opened + MINUTE, 7, at=now)

        asyncio.run(world.lose(bring, ago=now - opened - SECOND, bars=MINUTE))
    bars = {each.data["ts_open"]: (each.data["close"], each.flags & FLAG_LATE) for each in world.rows("bar")}
    assert len(bars) == len(world.rows("bar")) and {*bars} >= {opened, opened + MINUTE}
    assert bars[opened][1] == FLAG_LATE and bars[opened + MINUTE] == (7, 0)
    assert ("refill", symbol, f"bars: {len(bars) - 1} filled") in world.said  # one more where a minute ended meanwhile


def test_a_gateway_fills_the_gaps_of_its_own_streams(tmp_path):
    with served("binance-usdm", limits=False, rate=40, faults="# none yet") as (dialect, port):
        gateway = GatewayProcess("binance-usdm", tmp_path / "home", port, dialect.exchange.accounts[0])
        gateway.start()
        try:
            tape = gateway_journal(gateway.home, "main")
            wait_for(lambda: numbers_of(tape))
            dialect.add(parse_faults('[[fault]]\naction = "disconnect"'), dialect.exchange.now)

            def is_filled() -> bool:
                with JournalReader(tape) as reader:
                    return any(each.type == "health" and each.data["kind"] == "refill" for each in reader)

            wait_for(is_filled)
        finally:
            gateway.kill()
    found = numbers_of(tape)
    assert (
        sorted(found) == [*range(min(found), max(found) + 1)] != found
    )  # none is missing or twice, and some came late


def numbers_of(tape: Path) -> list[int]:
    with JournalReader(tape) as reader:
        return [each.data["id_low"] for each in reader if each.type == "trade"]
