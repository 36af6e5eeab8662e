"""CSV files of tardis.dev, real and made."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from kind_files import BTC, MS, TARDIS_L2, TARDIS_TRADES, reasons

from onetape.data.importing import import_files
from onetape.model.errors import BadInput


def test_real_tardis_trades(shared: Path, facts: Any, tmp_path: Path, read: Any) -> None:
    file = "ticks/tardis-bitmex-xbtusd-trades.csv"
    fact = facts[file]
    out = tmp_path / "tape"
    result = import_files("tardis", [shared / file], symbol="bitmex:BTC/USD:BTC", out=out)
    assert (result.by_type, result.rejected) == ({"trade": fact["rows"]}, 0)
    tape = read(out)
    trades = tape.of("trade")
    for trade, row in ((trades[0], fact["first"]), (trades[-1], fact["last"])):
        assert (trade.data["ts_event"], trade.time) == (int(row[2]) * 1000, int(row[3]) * 1000)
        assert (trade.data["id_kind"], trade.data["side"]) == ("uuid", row[5])
        assert tape.price(trade.data["price"]) == Decimal(row[6])
        assert tape.size(trade.data["size"]) == Decimal(row[7])


def test_real_tardis_books(shared: Path, facts: Any, tmp_path: Path, read: Any) -> None:
    file = "depth-csv/tardis-binance-futures-btcusdt-book_snapshot_5.csv"
    fact = facts[file]
    out = tmp_path / "tape"
    result = import_files("tardis", [shared / file], symbol=BTC, out=out)
    assert (result.by_type, result.unsynced) == ({"book": fact["rows"]}, 0)
    tape = read(out)
    books = tape.of("book")
    assert {record.flags for record in books} == {1}
    for book, row in ((books[0], fact["first"]), (books[-1], fact["last"])):
        assert (book.data["ts_event"], book.time) == (int(row[2]) * 1000, int(row[3]) * 1000)
        (ask, ask_size), (bid, bid_size) = book.data["asks"][0], book.data["bids"][0]
        best = [tape.price(ask), tape.size(ask_size), tape.price(bid), tape.size(bid_size)]
        assert best == list(map(Decimal, row[4:8]))
        assert len(book.data["asks"]) == len(book.data["bids"]) == 5


def test_incremental_depth(load: Any, naive_book: Any, tmp_path: Path) -> None:
    def row(local: int, snapshot: str, side: str, price: str, size: str) -> str:
        return f"x,BTCUSDT,{MS}{local - 1:03d},{MS}{local:03d},{snapshot},{side},{price},{size}\n"

    text = (
        TARDIS_L2
        + row(100, "false", "bid", "99", "1")  # before the snapshot
        + row(200, "true", "bid", "100", "1")
        + row(200, "true", "bid", "99.5", "0")  # absent
        + row(200, "true", "ask", "101", "2")
        + row(210, "true", "ask", "102", "3")  # the rest of the same snapshot
        + row(300, "false", "bid", "100", "0")
        + row(300, "false", "bid", "98", "5")
        + row(400, "false", "ask", "101", "nan")
        + row(500, "true", "bid", "90", "1")  # connected again
        + row(500, "true", "ask", "91", "1")
    )
    result, tape = load("tardis", {"binance_incremental_book_L2.csv": text})
    assert (result.by_type, result.unsynced, result.rejected) == ({"book": 5}, 1, 1)
    books = tape.of("book")
    assert [record.flags for record in books] == [2, 1, 0, 0, 1]
    assert reasons(tmp_path / "tape") == [(9, "size is not finite")]
    replayed = naive_book()
    for record in books[:4]:
        replayed.apply(record)
    assert {tape.price(p): tape.size(s) for p, s in replayed.bids.items()} == {98: 5}
    assert {tape.price(p): tape.size(s) for p, s in replayed.asks.items()} == {101: 2, 102: 3}
    assert books[1].time == (MS * 1000 + 200) * 1000
    assert books[1].data["ts_event"] == (MS * 1000 + 199) * 1000


def test_derivative_tickers_quotes_and_liquidations(load: Any) -> None:
    common = "exchange,symbol,timestamp,local_timestamp,"
    hour = 3600 * 10**6
    t = MS * 1000
    ticker = (
        common
        + "funding_timestamp,funding_rate,predicted_funding_rate,open_interest,last_price,"
        + "index_price,mark_price\n"
        + f"x,BTCUSDT,{t},{t + 1},{t + hour},0.0001,,100,42000,42001.5,42002\n"
        + f"x,BTCUSDT,{t + 5},{t + 6},{t + hour},0.0002,,101.5,42000,,\n"
        + f"x,BTCUSDT,{t + hour},{t + hour + 9},{t + 9 * hour},0.0005,,,42000,42003,42004\n"
    )
    quotes = (
        common
        + "ask_amount,ask_price,bid_price,bid_amount\n"
        + f"x,BTCUSDT,{t},{t + 2},1,42000.2,42000.1,2\n"
        + f"x,BTCUSDT,{t},{t + 3},1,42000.2,,\n"
    )
    liquidations = common + f"id,side,price,amount\nx,BTCUSDT,{t},{t + 4},,sell,41000,0.1\n"
    empty = common + "id,side,price,amount\n"
    result, tape = load(
        "tardis",
        {
            "binance-futures_derivative_ticker_BTCUSDT.csv": ticker,
            "binance-futures_quotes_BTCUSDT.csv": quotes,
            "binance-futures_liquidations_BTCUSDT.csv": liquidations,
            "binance-futures_liquidations_2_BTCUSDT.csv": empty,
        },
    )
    by_type = {"quote": 2, "mark": 2, "funding": 1, "funding_rate": 3, "liquidation": 1, "open_interest": 2}
    assert result.by_type == by_type
    assert [each.data["rate"] for each in tape.of("funding_rate")] == [100_000_000, 200_000_000, 500_000_000]
    assert tape.of("funding_rate")[-1].data["next_ns"] == (t + 9 * hour) * 1000
    assert [tape.size(each.data["size"]) for each in tape.of("open_interest")] == [100, Decimal("101.5")]
    assert (result.crossed, result.rejected) == (0, 0)
    assert result.ignored == {"file without rows": 1}
    assert any("book_ticker has the venue's own" in line for line in result.assumptions)
    [funding] = tape.of("funding")
    # The rate that held last before the settlement, at the settlement's time, known at the row.
    assert funding.data["rate"] == 200_000_000
    assert funding.data["ts_event"] == (t + hour) * 1000
    assert funding.time == (t + hour + 9) * 1000
    assert funding.data["interval_ns"] == 8 * hour * 1000
    assert tape.of("quote")[1].data["bid"] == 0


def test_symbols_of_one_tardis_file(load: Any) -> None:
    text = TARDIS_TRADES + f"binance-futures,ETHUSDT,{MS}000,{MS}001,1,buy,2200.125,3\n"
    with pytest.raises(BadInput, match="several symbols: BTCUSDT, ETHUSDT"):
        load("tardis", {"t.csv": text})
    eth = "x:ETH/USDT"
    result, tape = load("tardis", {"t.csv": text}, f"BTCUSDT={BTC},ETHUSDT={eth}")
    assert result.by_symbol == {BTC: {"trade": 2}, eth: {"trade": 1}}
    decimals = {i["symbol"]: i["price_decimals"] for i in tape.instruments.values()}
    assert decimals[eth] == 3
    result, _ = load("tardis", {"t.csv": text}, f"ETHUSDT={eth}")
    assert (result.events, result.ignored) == (1, {"symbol BTCUSDT": 4 // 2})


def test_books_in_no_order_keep_their_levels(load: Any) -> None:
    """More levels than are held in memory while rows are sorted."""
    rows = 90_000
    text = TARDIS_L2 + "".join(
        f"x,BTCUSDT,{MS}000,{MS * 1000 + i * 7919 % rows},"
        f"{'true' if i == 0 else 'false'},{'bid' if i % 2 else 'ask'},{i % 100}.5,{i + 1}\n"
        for i in range(rows)
    )
    result, tape = load("tardis", {"l2.csv": text})
    assert (result.by_type, result.unsynced, result.late) == ({"book": rows}, 0, 0)
    of_time = {(MS * 1000 + i * 7919 % rows) * 1000: i for i in range(rows)}
    for record in tape.of("book"):
        i = of_time[record.time]
        [(price, size)] = record.data["bids" if i % 2 else "asks"]
        assert (tape.price(price), tape.size(size)) == (Decimal(i % 100) + Decimal("0.5"), i + 1)
