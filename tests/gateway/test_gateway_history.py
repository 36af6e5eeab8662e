"""Whatever a venue answers to a question for bars, the robot is answered, and the gateway lives."""

from __future__ import annotations

import asyncio
import json
import shutil
from types import SimpleNamespace

import aiohttp
import msgspec
import pytest

from onetape.feeds import query_line
from onetape.gateway import bar_history
from onetape.gateway.bar_history import HistoryDesk, Wanted
from onetape.hub.listings import Listing as ListedAtHub
from onetape.hub.market_table import MarketTable
from onetape.model import catalogue
from onetape.orders.order_frames import OPEN_FLAG
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.venues.binance.past import BinancePast
from onetape.venues.kraken.past import KrakenPast
from onetape.venues.past_market import EMPTY_FLAG
from worlds.frames import HISTORY

SECOND, MS = 10**9, 10**6
MINUTE = 60 * SECOND
NOW = 1_795_000_000 // 3600 * 3600 * SECOND + 90 * SECOND
I = catalogue.find("binance:BTC/USDT:USDT")  # noqa: E741


class Line:
    """Answers each question with the next of what was prepared, and the last one again."""

    def __init__(self, *answers, past=None) -> None:
        self.answers = list(answers)
        self.requests: list[str] = []
        self.venue = SimpleNamespace(past=past or BinancePast())

    async def request(self, call):
        self.requests.append(call.target)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        status, body = answer
        return status, {}, body


def history_of(tmp_path, line: Line, wanted: Wanted, *, full: bool = False, hub=None):
    """The reply, and the frames before it."""

    async def ask(writer: JournalWriter) -> None:
        tasks = []
        desk = HistoryDesk(
            line,
            [I],
            writer,
            spawn=lambda work: tasks.append(asyncio.ensure_future(work)),
            written=lambda: None,
            hub=hub,
        )
        desk.is_paused = full
        assert desk.ask(3, [wanted], NOW) == {"after": writer.published}
        await asyncio.gather(*tasks)

    with JournalWriter(tmp_path / "j", process="gateway:main") as writer:
        writer.append_instrument(1, NOW, I.to_msgpack())
        asyncio.run(ask(writer))
    with JournalReader(tmp_path / "j") as reader:
        frames = list(reader.frames(("history", "reply")))
    *rows, reply = frames
    record = msgspec.msgpack.decode(reply.payload)
    assert (record["symbol"], record["period"]) == (wanted.symbol, wanted.period)
    assert record["robot"] == 3
    assert [row.sequence for row in rows] == list(range(record["first"], record["last"] + 1))
    return record, rows


def kline(at: int, volume: str = "1.000") -> list:
    ms = at // MS
    return [ms, "100.0", "110.0", "90.0", "105.0", volume, ms + 59_999, "101.5", 7, "0", "0", "0"]


TRADE = {"a": 41, "p": "106.0", "q": "0.500", "T": (NOW - SECOND) // MS, "m": True}


def good(*rows: object) -> tuple[int, bytes]:
    return 200, json.dumps(list(rows)).encode()


def test_bars_and_what_runs_stand_on_the_tape(tmp_path):
    opened = NOW - 30 * SECOND
    line = Line(good(kline(opened - 2 * MINUTE), kline(opened - MINUTE, "0")), good(TRADE))
    record, rows = history_of(tmp_path, line, Wanted(I.symbol, MINUTE, 2))
    assert (record["bars"], record["reason"]) == (2, "")
    assert [row.flags for row in rows] == [0, EMPTY_FLAG, OPEN_FLAG]
    assert {row.stream for row in rows} == {1}
    first, _, running = (HISTORY.unpack(row.payload) for row in rows)
    p, q = 10**I.price_decimals, 10**I.size_decimals
    assert first == (
        opened - 2 * MINUTE,
        opened - MINUTE,
        MINUTE,
        100 * p,
        110 * p,
        90 * p,
        105 * p,
        q,
        1015 * p * q // 10,
        0,
        7,
        0,
    )
    assert running[0] == opened
    assert (running[7], running[10], running[11]) == (q // 2, 1, 41)
    assert "limit=2" in line.requests[0]
    assert "startTime" in line.requests[1]


def test_bars_that_a_hub_has_are_not_asked_for(tmp_path):
    """Of ten the venue is asked for those that are missing, in one question from the first to the last of them."""
    opened, listed = NOW - 30 * SECOND, ListedAtHub(0, I, {0})
    p, q = 10**I.price_decimals, 10**I.size_decimals

    def first_request(*lacking: int) -> str:
        table = MarketTable(tmp_path, 45)
        for place in range(45):
            if place not in lacking:
                prices = (100 * p, 110 * p, 90 * p, 105 * p, q, 7, 1015 * p * q // 10, 0)
                table.put_bar(listed, (opened - (place + 1) * MINUTE, MINUTE, *prices), 1)
        line = Line(good(*(kline(opened - (place + 1) * MINUTE) for place in reversed(lacking))), good(TRADE))
        if not lacking:
            line.answers.pop(0)
        record, rows = history_of(tmp_path, line, Wanted(I.symbol, MINUTE, 10), hub=tmp_path)
        table.close()
        for left in (tmp_path / "j", tmp_path / "state"):
            shutil.rmtree(left)
        assert (record["bars"], record["reason"]) == (10, "")
        found = [HISTORY.unpack(row.payload) for row in rows]
        assert [each[0] for each in found] == [opened - n * MINUTE for n in range(10, -1, -1)]
        assert {each[3:11] for each in found[:-1]} == {(100 * p, 110 * p, 90 * p, 105 * p, q, 1015 * p * q // 10, 0, 7)}
        return line.requests[0]

    assert "aggTrades" in first_request()  # what runs alone
    assert f"startTime={(opened - MINUTE) // MS}&" in first_request(0)
    assert (
        f"startTime={(opened - 9 * MINUTE) // MS}&endTime={(opened - 2 * MINUTE) // MS - 1}&limit=7"
        in first_request(2, 5, 8)
    )


DEEP = b"[" * 20_000
WRONG = {
    "no JSON": (200, b"<html>"),
    "another shape": (200, b'{"code":-1}'),
    "short rows": (200, b"[[1,2]]"),
    "words for numbers": good(["x", "y", "z", "a", "b", "c", "d", "e", "f"]),
    "beyond 64 bits": good([NOW // MS, *["9" * 40] * 5, 0, "9" * 40, 1]),
    "deep": (200, DEEP),
    "a time that is none": good([2**80, "1.0", "1.0", "1.0", "1.0", "1.0", 0, "1.0", 1]),
    "refused": (400, b'{"code":-1121,"msg":"Invalid symbol."}'),
    "nothing": (200, b""),
}


@pytest.mark.parametrize("period", [5 * SECOND, MINUTE])
@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_answer_is_said(tmp_path, what, period):
    record, rows = history_of(tmp_path, Line(WRONG[what]), Wanted(I.symbol, period, 3))
    assert record["reason"]
    assert (record["bars"], rows) == (0, [])


@pytest.mark.parametrize("body", [b'{"error":["EQuery:Unknown asset pair"]}', b"{}", b"[]", DEEP])
def test_kraken_says_no(tmp_path, body):
    line = Line((200, body), past=KrakenPast())
    record, rows = history_of(tmp_path, line, Wanted(I.symbol, MINUTE, 3))
    assert record["reason"]
    assert not rows


def test_a_venue_that_stumbles_is_asked_again(tmp_path, monkeypatch):
    monkeypatch.setattr(query_line, "REPEAT_S", 0.0)
    line = Line((503, b""), (429, b""), aiohttp.ClientError(), good(TRADE))
    record, rows = history_of(tmp_path, line, Wanted(I.symbol, MINUTE, 0))
    assert record["reason"] == ""
    assert [row.flags for row in rows] == [OPEN_FLAG]
    assert len(line.requests) == 4


def test_a_venue_that_does_not_answer_keeps_nobody_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr(bar_history, "HISTORY_WITHIN_S", 0.1)
    record, rows = history_of(tmp_path, Line((503, b"")), Wanted(I.symbol, MINUTE, 0))
    assert "within 0.1 s" in record["reason"]
    assert not rows


def test_a_full_disk_takes_no_bars(tmp_path):
    record, rows = history_of(tmp_path, Line(good(TRADE)), Wanted(I.symbol, MINUTE, 0), full=True)
    assert record["reason"] == "no room for the journal"
    assert not rows


def test_so_many_at_a_time(tmp_path):
    with JournalWriter(tmp_path / "j", process="gateway:main") as writer:
        desk = HistoryDesk(Line(), [I], writer, spawn=lambda work: None, written=lambda: None)
        assert "error" in desk.ask(1, [Wanted(I.symbol, MINUTE, 1)] * 257, NOW)


def test_a_symbol_that_is_not_traded_here(tmp_path):
    line = Line(good(TRADE))
    record, rows = history_of(tmp_path, line, Wanted("binance:NIX/USDT", MINUTE, 1))
    assert record["reason"]
    assert not rows
    assert line.requests == []


@pytest.mark.parametrize(
    ("period", "bars", "now"), [(0, 1, NOW), (-1, 1, NOW), (2**62, 1, NOW), (MINUTE, -1, NOW), (MINUTE, 1, 2**63)]
)
def test_what_is_no_period_reaches_nothing(tmp_path, period, bars, now):
    with JournalWriter(tmp_path / "j", process="gateway:main") as writer:
        desk = HistoryDesk(Line(), [I], writer, spawn=pytest.fail, written=lambda: None)
        assert "error" in desk.ask(1, [Wanted(I.symbol, period, bars)], now)
