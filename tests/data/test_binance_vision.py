"""Files of data.binance.vision: what each becomes, and what is refused."""

from __future__ import annotations

import io
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from kind_files import BTC, MS, NS, VISION_KLINE

from onetape.data.importing import import_files
from onetape.model.errors import BadInput, UnknownSymbol
from onetape.model.time import parse_time


def test_real_klines(shared: Path, facts: Any, tmp_path: Path, read: Any) -> None:
    file = "bars/binance-adabtc-1m-2021-11-27.csv"
    fact = facts[file]
    out = tmp_path / "tape"
    result = import_files("binance-vision", [shared / file], symbol="binance:ADA/BTC", out=out)
    assert (result.by_type, result.rejected) == ({"bar": fact["rows"]}, 0)
    tape = read(out)
    bars = [record.data for record in tape.of("bar")]
    assert sum(tape.price(bar["close"]) for bar in bars) == Decimal(fact["sum_close"])
    assert sum(tape.size(bar["volume"]) for bar in bars) == Decimal(fact["sum_volume"])
    assert max(tape.price(bar["high"]) for bar in bars) == Decimal(fact["max_high"])
    assert {bar["period_ns"] for bar in bars} == {60 * 10**9}
    assert bars[0]["ts_open"] == parse_time(fact["first"][0])
    assert tape.of("bar")[0].time == bars[0]["ts_close"] == bars[0]["ts_open"] + 60 * 10**9
    assert [bar["trades"] for bar in bars[:3]] == [79, 98, 50]
    scale = tape.instrument["price_decimals"] + tape.instrument["size_decimals"]
    assert Decimal(bars[0]["turnover"]).scaleb(-scale) == Decimal("1.03547608")


@pytest.mark.parametrize("unit", [1, 1000])
@pytest.mark.parametrize("header", [True, False])
def test_klines_of_both_units_and_spellings(unit: int, header: bool, load: Any) -> None:
    names = (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
        "taker_buy_quote_volume,ignore\n"
    )
    rows = "".join(
        f"{at * unit},1,2,0.5,1.5,{i},{(at + 60_000) * unit - 1},1,{i},0,0,0\n"
        for i, at in enumerate(range(MS, MS + 180_000, 60_000))
    )
    text = (names if header else "") + rows
    result, tape = load("binance-vision", {"A-1m-2024-01.csv": text}, "x:A")
    assert result.by_type == {"bar": 3}
    assert [r.time for r in tape.of("bar")] == [NS + (i + 1) * 60 * 10**9 for i in range(3)]
    assert {r.data["period_ns"] for r in tape.of("bar")} == {60 * 10**9}


@pytest.mark.parametrize(
    ("price", "size", "turnover", "kept"),
    [
        ("38416.0", "20.020", "769097.96793160", "769097.97"),  # two decimals: rounded to them
        ("38416.0", "20.020", "769097.90000000", "769097.9"),  # zeros are no decimals
        ("20000", "1", "7.50000000", "8"),
        ("0.00001234", "5.12345678", "0.00006322", "0.00006322"),
    ],
)
def test_a_turnover_with_more_decimals_than_price_and_size_is_kept(
    load: Any, price: str, size: str, turnover: str, kept: str
) -> None:
    text = f"{MS},{price},{price},{price},{price},{size},{MS + 59_999},{turnover},1,0,0,0\n"
    result, tape = load("binance-vision", {"A-1m-2024-01.csv": text}, "x:A")
    assert (result.by_type, result.rejected) == ({"bar": 1}, 0)
    scale = tape.instrument["price_decimals"] + tape.instrument["size_decimals"]
    assert Decimal(tape.of("bar")[0].data["turnover"]).scaleb(-scale) == Decimal(kept)


def test_months_are_merged_whatever_their_order(load: Any) -> None:
    def month(first: int) -> str:
        return "".join(
            f"{MS + i * 60_000},1,2,0.5,1.5,1,{MS + i * 60_000 + 59_999},1,1,0,0,0\n" for i in range(first, first + 5)
        )

    later, earlier = month(5), month(0)
    result, tape = load("binance-vision", {"BTCUSDT-1m-2024-02.csv": later, "BTCUSDT-1m-2024-01.csv": earlier})
    times = [r.time for r in tape.of("bar")]
    assert times == sorted(times) and len(times) == 10 and result.late == 0


def test_trades_of_every_market(load: Any) -> None:
    spot_agg = f"7,42000.5,0.5,1,2,{MS}000,True,True\n"
    futures_agg = f"8,42000.25,0.5,1,2,{MS + 1},false\n"
    spot = f"9,42000,2,84000,{MS + 2},False,True\n"
    futures = f"id,price,qty,quote_qty,time,is_buyer_maker\n10,42000,3,126000,{MS + 3},true\n"
    result, tape = load(
        "binance-vision",
        {
            "BTCUSDT-aggTrades-2024-01-01.csv": spot_agg,
            "BTCUSDT-aggTrades-2024-01-02.csv": futures_agg,
            "BTCUSDT-trades-2024-01-01.csv": spot,
            "BTCUSDT-trades-2024-01-02.csv": futures,
        },
    )
    assert (result.by_type, result.rejected) == ({"trade": 4}, 0)
    trades = [record.data for record in tape.of("trade")]
    assert [t["side"] for t in trades] == ["sell", "buy", "buy", "sell"]
    assert [t["id_low"] for t in trades] == [7, 8, 9, 10]
    assert [t["ts_event"] for t in trades] == [NS + i * 10**6 for i in range(4)]
    assert [tape.size(t["size"]) for t in trades] == [Decimal("0.5")] * 2 + [2, 3]
    # Without a name that says it, the columns do.
    for row in (spot_agg, futures_agg, spot, futures):
        assert load("binance-vision", {"x.csv": row}, "x:A")[0].by_type == {"trade": 1}


def test_quotes_funding_marks_and_liquidations(load: Any) -> None:
    kline = "{0},1,2,0.5,{1},0,{2},0,60,0,0,0\n"
    files = {
        "BTCUSDT-bookTicker-2024-01-01.csv": (
            "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,"
            f"event_time\n5,41999.9,1,42000.1,2,{MS},{MS + 3}\n"
        ),
        "BTCUSDT-fundingRate-2024-01.csv": (
            "calc_time,funding_interval_hours,last_funding_rate\n"
            f"{MS + 1},8,-0.00012345\n{MS + 1 + 28_800_000},8,0.0001\n"
        ),
        "markPriceKlines/BTCUSDT-1m-2024-01.csv": kline.format(MS, "42001.25", MS + 59_999),
        "indexPriceKlines/BTCUSDT-1m-2024-01.csv": kline.format(MS, "42002.5", MS + 59_999),
        "BTCUSDT-liquidationSnapshot-2024-01-01.csv": (
            "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,"
            f"last_fill_quantity,accumulated_fill_quantity\n{MS + 2},SELL,LIMIT,IOC,0.5,41000,"
            "41100,FILLED,0.5,0.5\n"
        ),
        "BTCUSDT-metrics-2024-01-01.csv": (
            "create_time,symbol,sum_open_interest,sum_open_interest_value,count_toptrader_long_short_ratio,"
            "sum_toptrader_long_short_ratio,count_long_short_ratio,sum_taker_long_short_vol_ratio\n"
            "2024-01-01 00:05:00,BTCUSDT,81234.567,3400000000.1,1.5,1.2,1.1,0.9\n"
        ),
    }
    result, tape = load("binance-vision", files)
    assert result.by_type == {"quote": 1, "mark": 2, "funding": 2, "liquidation": 1, "open_interest": 1}
    [held] = tape.of("open_interest")
    assert (tape.size(held.data["size"]), held.time) == (Decimal("81234.567"), 1_704_067_500 * 10**9)
    [quote] = tape.of("quote")
    assert (quote.time, quote.data["update_id"]) == (NS, 5)
    first, second = (record.data for record in tape.of("funding"))
    assert (first["rate"], second["rate"]) == (-123_450_000, 100_000_000)
    assert first["ts_event"] == NS + 10**6 and first["interval_ns"] == 8 * 3600 * 10**9
    marks = tape.of("mark")
    assert {record.time for record in marks} == {NS + 60 * 10**9}
    # Both come at one moment; a frame keeps what the other one said.
    assert tape.price(marks[-1].data["mark"]) == Decimal("42001.25")
    assert tape.price(marks[-1].data["index"]) == Decimal("42002.5")
    [liquidation] = tape.of("liquidation")
    assert liquidation.data["side"] == "sell"
    assert tape.size(liquidation.data["size"]) == Decimal("0.5")


def test_what_is_no_book_and_what_no_name_tells_is_refused(load: Any) -> None:
    depth = "timestamp,percentage,depth,notional\n2024-01-01 00:00:05,-5,1,2\n"
    with pytest.raises(BadInput, match="no book"):
        load("binance-vision", {"BTCUSDT-bookDepth-2024-01-01.csv": depth})
    marks = f"{MS},1,2,0.5,1.5,0,{MS + 59_999},0,60,0,0,0\n"
    with pytest.raises(BadInput, match="mark or index"):
        load("binance-vision", {"BTCUSDT-1m-2024-01.csv": marks})
    with pytest.raises(BadInput, match="rows have 3 columns, and klines have 12"):
        load("binance-vision", {"BTCUSDT-1m-2024-01.csv": "1,2,3\n"})
    with pytest.raises(BadInput, match="no known file"):
        load("binance-vision", {"BTCUSDT-aggTrades-2024-01.csv": VISION_KLINE})


def test_several_symbols_need_a_map(load: Any) -> None:
    files = {
        "BTCUSDT-1m-2024-01.csv": VISION_KLINE,
        "ETHUSDT-1m-2024-01.csv": VISION_KLINE,
        "XRPUSDT-1m-2024-01.csv": VISION_KLINE,
    }
    with pytest.raises(BadInput, match="several symbols: BTCUSDT, ETHUSDT, XRPUSDT"):
        load("binance-vision", files)
    eth = "binance:ETH/USDT:USDT"
    result, _ = load("binance-vision", files, f"BTCUSDT={BTC},ETHUSDT={eth}")
    assert result.by_symbol == {BTC: {"bar": 1}, eth: {"bar": 1}}
    assert result.ignored == {"symbol XRPUSDT": 1}
    with pytest.raises(UnknownSymbol, match="has no DOGEUSDT"):
        load("binance-vision", files, f"DOGEUSDT={BTC}")
    with pytest.raises(BadInput, match="is of ETHUSDT"):
        load("binance-vision", {"ETHUSDT-1m-2024-01.csv": VISION_KLINE})


def test_the_venues_archives_hold_checksums_beside(load: Any) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("BTCUSDT-1m-2024-01.csv", VISION_KLINE)
        archive.writestr("BTCUSDT-1m-2024-01.zip.CHECKSUM", "ab12  BTCUSDT-1m-2024-01.zip\n")
    result, _ = load("binance-vision", {"BTCUSDT-1m-2024-01.zip": packed.getvalue()})
    assert result.ignored == {"checksum file": 1} and result.by_type == {"bar": 1}


def test_months_as_periods(load: Any) -> None:
    rows = "".join(
        f"{parse_time(a) // 10**6},1,2,0.5,1.5,1,{parse_time(b) // 10**6 - 1},1,1,0,0,0\n"
        for a, b in [("2024-01-01", "2024-02-01"), ("2024-02-01", "2024-03-01")]
    )
    _, tape = load("binance-vision", {"BTCUSDT-1mo-2024-01.csv": rows})
    days = [record.data["period_ns"] // (86400 * 10**9) for record in tape.of("bar")]
    assert days == [31, 29]
