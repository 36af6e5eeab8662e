"""History through ccxt: the library itself, its addresses led to a server on the loopback that
speaks a venue's own dialect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from history_server import Fault, Server, serving

from onetape.data import ccxt_pages
from onetape.data.ccxt_pages import PageFetcher, Pages, make_exchange
from onetape.data.fetching import FetchOptions, fetch
from onetape.data.importing import import_files
from onetape.data.registry import KINDS
from onetape.model.errors import (
    BadInput,
    NotAvailable,
    UnknownSymbol,
    UsageError,
    VenueRateLimit,
    VenueRejected,
    VenueUnavailable,
)
from onetape.model.symbol import parse_symbol
from onetape.security.private import private_folder

pytest.importorskip("ccxt", reason="the extra `bridge` is not installed")

MINUTE = 60_000
FIRST = 1_704_067_200_000  # 2024-01-01
SYMBOL = "kraken:BTC/USD"
PAGE = 500
PAIR = {
    "altname": "XBTUSD",
    "wsname": "XBT/USD",
    "aclass_base": "currency",
    "base": "XXBT",
    "aclass_quote": "currency",
    "quote": "ZUSD",
    "lot": "unit",
    "cost_decimals": 5,
    "pair_decimals": 1,
    "lot_decimals": 8,
    "lot_multiplier": 1,
    "leverage_buy": [],
    "leverage_sell": [],
    "fees": [[0, 0.4]],
    "fees_maker": [[0, 0.25]],
    "fee_volume_currency": "ZUSD",
    "ordermin": "0.0001",
    "costmin": "0.5",
    "tick_size": "0.1",
    "status": "online",
}
ASSETS = {
    "XXBT": {"aclass": "currency", "altname": "XBT", "decimals": 10, "display_decimals": 5},
    "ZUSD": {"aclass": "currency", "altname": "USD", "decimals": 4, "display_decimals": 2},
}


class Kraken:
    """GET /0/public/..., the part of it that history needs. `since` is exclusive there."""

    def __init__(self, minutes: int, trades: list[tuple[int, int]]) -> None:
        self.minutes = minutes
        self.trades = trades  # (ms, id)
        self.holes: set[int] = set()

    def __call__(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        name = path.rpartition("/")[2]
        if name == "AssetPairs":
            return self.answer({"XXBTZUSD": PAIR})
        if name == "Assets":
            return self.answer(ASSETS)
        if name == "OHLC":
            since = int(query["since"][0])
            rows = [
                [s, "100.1", "100.5", "99.9", "100.2", "100.1", f"{i}.25", 7]
                for i in range(self.minutes)
                if (s := FIRST // 1000 + i * 60) > since and i not in self.holes
            ]
            return self.answer({"XXBTZUSD": rows[:PAGE], "last": 0})
        if name == "Trades":
            since_ns = int(float(query["since"][0]) * 1e9)  # seconds
            rows = [
                ["100.1", "0.5", ms / 1000, "b", "l", "", number]
                for ms, number in self.trades
                if ms * 1_000_000 >= since_ns
            ]
            count = int(query.get("count", ["1000"])[0])
            return self.answer({"XXBTZUSD": rows[:count], "last": "0"})
        return 404, {"error": ["EGeneral:Unknown method"]}

    @staticmethod
    def answer(value: Any) -> tuple[int, Any]:
        return 200, {"error": [], "result": value}


@pytest.fixture
def server() -> Iterator[Server]:
    trades = [(FIRST + i * 7_000, i + 1) for i in range(1001)]
    with serving(Server(api=Kraken(1001, trades))) as made:
        yield made


def pages(server: Server, folder: Path, what: Any = "ohlcv", **options: Any) -> Pages:
    symbol = parse_symbol(SYMBOL)
    exchange = make_exchange(symbol, base_url=server.url)
    exchange.rateLimit = 1
    private_folder(folder)
    defaults: dict[str, Any] = {
        "first_ms": FIRST,
        "end_ms": FIRST + 1001 * MINUTE,
        "limit": PAGE,
        "sleep": lambda seconds: None,
    }
    options = {**defaults, **options}
    return PageFetcher(exchange=exchange, symbol=symbol, what=what, folder=folder, **options).run()


def rows_of(found: Pages) -> list[Any]:
    return [row for path in found.files for row in json.loads(path.read_text())]


def count_of(server: Server, name: str) -> int:
    return sum(f"/{name}?" in path for path, _ in server.log)


def test_1001_candles_are_three_pages_without_gap_or_overlap(server: Server, tmp_path: Path) -> None:
    found = pages(server, tmp_path / "p")
    assert [len(json.loads(p.read_text())) for p in found.files] == [500, 500, 1]
    times = [row[0] for row in rows_of(found)]
    assert times == [FIRST + i * MINUTE for i in range(1001)]
    assert count_of(server, "OHLC") == 3
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in (tmp_path / "p").iterdir())


def test_a_refusal_midway_is_waited_for(server: Server, tmp_path: Path) -> None:
    waits: list[float] = []
    made = pages(server, tmp_path / "p", end_ms=FIRST + 600 * MINUTE)
    assert made.rows == 600
    server.faults = [Fault("/OHLC", "status", (429, {}), times=3)]
    found = pages(server, tmp_path / "q", sleep=waits.append)
    assert found.rows == 1001
    assert waits == [1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("/OHLC", "status", (429, {}), times=99), VenueRateLimit),
        (Fault("/OHLC", "status", (503, {}), times=99), VenueUnavailable),
    ],
)
def test_where_patience_ends_the_next_call_goes_on_from_the_last_page(
    server: Server, tmp_path: Path, fault: Fault, error: type
) -> None:
    whole = server.api

    def breaks_after_one(path: str, query: Any) -> Any:
        if path.endswith("/OHLC"):
            server.faults = [fault]  # from the second request on
        return whole(path, query)

    server.api = breaks_after_one
    with pytest.raises(error, match="attempts"):
        pages(server, tmp_path / "p")
    server.api, server.faults = whole, []
    server.log.clear()
    found = pages(server, tmp_path / "p")
    assert (found.resumed, found.requests, count_of(server, "OHLC")) == (1, 2, 2)
    assert [row[0] for row in rows_of(found)] == [FIRST + i * MINUTE for i in range(1001)]


@pytest.mark.parametrize("harm", ["page", "journal", "half line", "page gone", "stray"])
def test_what_is_damaged_on_disk_is_asked_for_again(server: Server, tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "p"
    expected = rows_of(pages(server, folder))
    second, journal = folder / "000002.json", folder / ccxt_pages.JOURNAL
    if harm == "page":
        second.write_text(second.read_text().replace("100.1", "999.1", 1))
    elif harm == "journal":
        journal.write_bytes(b"\x00\xff nonsense\n")
    elif harm == "half line":
        journal.write_bytes(journal.read_bytes()[:-20])
    elif harm == "page gone":
        second.unlink()
    else:
        (folder / "000009.json").write_text("[]")
    server.log.clear()
    found = pages(server, folder)
    assert rows_of(found) == expected
    assert count_of(server, "OHLC") == {"journal": 3, "half line": 1, "stray": 0}.get(harm, 2)
    assert not (folder / "000009.json").exists()


def test_a_second_call_asks_for_nothing(server: Server, tmp_path: Path) -> None:
    pages(server, tmp_path / "p")
    server.log.clear()
    assert pages(server, tmp_path / "p").rows == 1001
    assert server.log == []


def test_a_candle_that_is_not_over_is_left_out(server: Server, tmp_path: Path) -> None:
    found = pages(server, tmp_path / "p", end_ms=FIRST + 10 * MINUTE + 30_000)
    assert found.rows == 10


def test_times_without_candles_are_gone_over(server: Server, tmp_path: Path) -> None:
    server.api.holes = set(range(100, 1000))
    found = pages(server, tmp_path / "p")
    assert found.rows == 101
    early = pages(server, tmp_path / "q", first_ms=FIRST - 2000 * MINUTE)
    assert early.rows == 101


def test_trades_of_one_moment_are_neither_lost_nor_doubled(server: Server, tmp_path: Path) -> None:
    # Pages end in the middle of moments with several trades.
    times = [FIRST + (i // 7) * 1000 for i in range(1001)]
    server.api.trades = [(ms, i + 1) for i, ms in enumerate(times)]
    found = pages(server, tmp_path / "p", "trades", limit=100)
    rows = rows_of(found)
    assert [int(row["id"]) for row in rows] == list(range(1, 1002))
    assert [row["timestamp"] for row in rows] == times
    assert found.notes == []
    assert "info" not in rows[0]


def test_more_trades_of_one_moment_than_a_page_holds_are_said(server: Server, tmp_path: Path) -> None:
    server.api.trades = [(FIRST + 5, i + 1) for i in range(150)] + [(FIRST + 1900, 500)]
    found = pages(server, tmp_path / "p", "trades", limit=100)
    assert [int(row["id"]) for row in rows_of(found)] == [*range(1, 101), 500]
    assert "more than 100 trades" in found.notes[0]


def test_hours_without_trades_are_gone_over(server: Server, tmp_path: Path) -> None:
    server.api.trades = [(FIRST + h * 3_600_000, h + 1) for h in (0, 9, 15)]
    found = pages(server, tmp_path / "p", "trades")
    assert found.rows == 3


def test_what_the_venue_does_not_have(server: Server, tmp_path: Path) -> None:
    symbol = parse_symbol("kraken:NO/SUCH")
    exchange = make_exchange(symbol, base_url=server.url)
    with pytest.raises(UnknownSymbol, match="NO/SUCH"):
        one = {"exchange": exchange, "symbol": symbol, "what": "ohlcv", "folder": tmp_path}
        PageFetcher(**one, first_ms=FIRST, end_ms=FIRST + MINUTE).run()
    with pytest.raises(UsageError, match="knows no exchange"):
        make_exchange(parse_symbol("nowhere:BTC/USD"))
    server.api = lambda path, query: (200, {"error": ["EGeneral:Invalid arguments"]})
    with pytest.raises((VenueRejected, UnknownSymbol)):
        pages(server, tmp_path / "x")


def test_a_number_that_is_not_finite_is_no_candle(server: Server, tmp_path: Path) -> None:
    exchange = make_exchange(parse_symbol(SYMBOL), base_url=server.url)
    exchange.fetch_ohlcv = lambda *_: [[FIRST, 1.5, 2, 1, 1.5, float("nan")]]
    one = {"exchange": exchange, "symbol": parse_symbol(SYMBOL), "what": "ohlcv", "folder": tmp_path}
    with pytest.raises(BadInput, match="not finite"):
        PageFetcher(**one, first_ms=FIRST, end_ms=FIRST + MINUTE).run()
    assert not list(tmp_path.iterdir())


def test_without_the_library_the_extra_is_named(monkeypatch: Any) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(NotAvailable, match=r"ccxt is not installed") as caught:
        make_exchange(parse_symbol(SYMBOL))
    assert "onetape[bridge]" in caught.value.todo


def test_the_limit_of_requests_is_the_librarys(server: Server) -> None:
    assert make_exchange(parse_symbol(SYMBOL)).enableRateLimit is True
    assert make_exchange(parse_symbol(SYMBOL)).rateLimit >= 50


def test_fetching_as_one_call(server: Server, tmp_path: Path) -> None:
    """Down to the tape where this build imports ccxt's pages, else down to the pages."""
    out = tmp_path / "tape"
    options: dict[str, Any] = {
        "symbol": SYMBOL,
        "folder": tmp_path / "kept",
        "make_folder": private_folder,
        "type_": "ohlcv",
        "period": "1m",
        "start": "2024-01-01",
        "end": "2024-01-01T16:41",
        "base_url": server.url,
        "now": datetime(2024, 3, 1, tzinfo=UTC),
    }
    if "ccxt" in KINDS:
        made = fetch(FetchOptions("ccxt", **options, out=out))
        assert made.imported is not None
        assert made.imported.by_type == {"bar": 1001}
        return
    with pytest.raises(NotAvailable, match="importing ccxt") as caught:
        fetch(FetchOptions("ccxt", **options, out=out))
    assert "kept in" in caught.value.todo
    found = fetch(FetchOptions("ccxt", **options))
    assert (found.rows, found.cached) == (1001, 3)
    text = "".join(
        ",".join(str(cell) for cell in row) + "\n" for path in found.files for row in json.loads(path.read_text())
    )
    table = tmp_path / "rows.csv"
    table.write_text("time,open,high,low,close,volume\n" + text)
    result = import_files("csv", [table], symbol=SYMBOL, out=out, period="1m")
    assert result.by_type == {"bar": 1001}
