"""Tables as exports of venues and charting programs have them: their names are understood, and
what was read under which name is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from onetape.data.importing import import_files
from onetape.model.errors import BadInput
from onetape.tape.journal import JournalReader

T0 = 1_700_000_000
BAR = {"open": 1, "high": 4, "low": 1, "close": 3}


def brought(tmp_path: Path, header: str, *rows: str):
    source = tmp_path / "x.csv"
    source.write_text("\n".join([header, *rows]) + "\n")
    result = import_files("csv", [source], symbol="csv:MYDATA", out=tmp_path / "t")
    with JournalReader(tmp_path / "t") as reader:
        return result, [r for r in reader if r.type in ("bar", "trade", "quote")]


@pytest.mark.parametrize(
    ("name", "header", "row", "volume"),
    [
        ("TradingView", "time,open,high,low,close,Volume", "{t},1,4,1,3,7", 7),
        ("Yahoo", "Date,Open,High,Low,Close,Adj Close,Volume", "{t},1,4,1,3,3,7", 7),
        ("Stooq", "Date,Open,High,Low,Close,Volume", "{t},1,4,1,3,7", 7),
        (
            "CryptoDataDownload",
            "Unix,Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT,tradecount",
            "{t},2023-11-14 22:13:20,BTC/USDT,1,4,1,3,7,21,5",
            7,
        ),
        ("the money first", "Unix,Open,High,Low,Close,Volume USDT,Volume BTC", "{t},1,4,1,3,21,7", 7),
        ("Binance", "Open time,Open,High,Low,Close,Volume,Close time", "{t}000,1,4,1,3,7,9", 7),
        ("Kraken", "time,open,high,low,close,vwap,volume,count", "{t},1,4,1,3,2,7,9", 7),
        ("Dukascopy", "Gmt time,Open,High,Low,Close,Volume", "{t},1,4,1,3,7", 7),
        ("MetaTrader", "time,open,high,low,close,tick_volume,spread", "{t},1,4,1,3,7,0", 7),
        ("only money", "Unix,Open,High,Low,Close,Volume USDT", "{t},1,4,1,3,21", 0),
    ],
)
def test_bars(tmp_path, name, header, row, volume):
    rows = [row.format(t=T0 + 60 * at) for at in range(3)]
    _, records = brought(tmp_path, header, *rows)
    assert [r.type for r in records] == ["bar"] * 3
    first = records[0].data
    assert first["ts_open"] == T0 * 10**9
    # Bars alone tell no tick: a unit is near a ten-thousandth of the price. Sizes are whole numbers.
    unit = 10**4 if volume else 1
    assert [first[key] for key in BAR] == [price * unit for price in BAR.values()]
    assert first["volume"] == volume


@pytest.mark.parametrize(
    ("header", "row", "kind"),
    [
        ("time,price,qty", "{t},9,2", "trade"),
        ("Time,Price,Quantity,Side,Trade ID", "{t},9,2,buy,77", "trade"),
        ("ts,price,amount,quantity", "{t},9,2,5", "trade"),
        ("time,bid_price,bid_qty,ask_price,ask_qty", "{t},8,2,9,2", "quote"),
        ("time,best_bid,best_ask", "{t},8,9", "quote"),
    ],
)
def test_trades_and_quotes(tmp_path, header, row, kind):
    _, (record,) = brought(tmp_path, header, row.format(t=T0))
    assert record.type == kind
    if kind == "trade":
        assert (record.data["price"], record.data["size"]) == (9, 2)
    else:
        assert (record.data["bid"], record.data["ask"]) == (8, 9)


def test_what_was_read_under_another_name_is_said(tmp_path):
    result, _ = brought(tmp_path, "Open time,Price,Qty,Quote qty", f"{T0},9,2,18", f"{T0 + 1},9,2,18")
    assert "columns read as: Open time as time, Qty as size" in result.assumptions
    assert "column Quote qty" in result.ignored


def test_our_own_names_go_first_and_are_not_mentioned(tmp_path):
    result, (record,) = brought(tmp_path, "time,price,size,qty", f"{T0},9,2,5")
    assert record.data["size"] == 2
    assert not any("read as" in line for line in result.assumptions)
    assert "column qty" in result.ignored


def test_what_is_not_understood_shows_the_header(tmp_path):
    with pytest.raises(BadInput, match="the header is when, what"):
        brought(tmp_path, "when,what", f"{T0},2")


@pytest.mark.parametrize(("price", "tick"), [("60000", "1"), ("1500", "0.1"), ("100", "0.01"), ("100.125", "0.001")])
def test_bars_alone_tell_no_tick_coarser_than_a_ten_thousandth_of_the_price(tmp_path, price, tick):
    """A stop at 97.5 is one at 97.5, though the few bars there are happen to have whole prices."""
    rows = [f"{T0 + 60 * at},{price},{price},{price},{price},7" for at in range(3)]
    brought(tmp_path, "time,open,high,low,close,volume", *rows)
    with JournalReader(tmp_path / "t") as reader:
        assert len(list(reader)) > 3
        (facts,) = reader.instruments.values()
    assert (facts["tick"], facts["inferred"]) == (tick, ["tick", "lot"])
