"""A value that is missing, does not fit or makes no sense is rejected with its row, or said: it never becomes 0."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kind_files import BTC, MOEX_STATS, MOEX_TRADES, MS, NS, VISION_KLINE, reasons

from onetape.data.events import read_events
from onetape.data.importing import import_frame
from onetape.model.errors import BadInput

pl = pytest.importorskip("polars")
pd = pytest.importorskip("pandas")

HOURS_8 = 8 * 3_600_000
TARDIS = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount\n"
FUNDING = "calc_time,funding_interval_hours,last_funding_rate\n"
LIQUIDATIONS = (
    "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,last_fill_quantity,"
    "accumulated_fill_quantity\n"
)
MARKS = "markPriceKlines/BTCUSDT-1m-2024-01.csv"


def kline(number: int, **changed: object) -> str:
    at = MS + 60_000 * number
    cells: dict[str, object] = {
        "open_time": at,
        "open": 2,
        "high": 3,
        "low": 1,
        "close": 2,
        "volume": 5,
        "close_time": at + 59_999,
    }
    cells |= {"quote_volume": "10.12345678", "count": 7, "a": 0, "b": 0, "c": 0} | changed
    return ",".join(map(str, cells.values())) + "\n"


def tardis(number: int, *, event: int = 0, receipt: int | None = None) -> str:
    received = MS * 1000 + number if receipt is None else receipt
    return f"binance-futures,BTCUSDT,{event or MS * 1000},{received},{number},buy,1.5,2\n"


# What is bad, kind, file, a good row or more, the bad row, its reason. The bad row stands last.
BAD_ROWS: dict[str, tuple[str, str, str, str, str]] = {
    "turnover below 0": (
        "binance-vision", "BTCUSDT-1m-2024-01.csv", kline(0), kline(1, quote_volume=-5), "turnover is negative",
    ),
    "mark of 0": ("binance-vision", MARKS, kline(0), kline(1, close=0, low=0), "price is zero"),
    "interval of 0": (
        "binance-vision", "BTCUSDT-fundingRate-2024-01.csv", f"{FUNDING}{MS},8,0.0001\n", f"{MS + HOURS_8},0,0.0001\n",
        "interval is zero",
    ),
    "settlement twice": (
        "binance-vision", "BTCUSDT-fundingRate-2024-01.csv", f"{FUNDING}{MS},8,0.0001\n", f"{MS},8,0.0001\n",
        "funding of this time was already read",
    ),
    "liquidation of 0": (
        "binance-vision", "BTCUSDT-liquidationSnapshot-2024-01-01.csv",
        f"{LIQUIDATIONS}{MS},SELL,LIMIT,IOC,0.5,42000,1,FILLED,1,1\n", f"{MS},SELL,LIMIT,IOC,0,42000,1,FILLED,1,1\n",
        "size is zero",
    ),
    "receipt of 0": ("tardis", "trades.csv", TARDIS + tardis(1), tardis(2, receipt=0), "ts_recv is zero"),
    "time of 0": (
        "csv", "trades.csv", f"timestamp,price,size\n{MS},1.5,2\n", "0,1.5,2\n", "time is zero",
    ),
    "time of 0.0": (
        "csv", "trades.csv", f"timestamp,price,size\n{MS},1.5,2\n", "0.0,1.5,2\n", "time is zero",
    ),
    "a point among millionths": (
        "moex", "fx.trades", MOEX_TRADES, MOEX_TRADES.splitlines()[1].replace("65585000", "65.585") + "\n",
        "price has a point, and the others of the file have none",
    ),
    "unknown action": (
        "moex", "fx.stats", MOEX_STATS, MOEX_STATS.splitlines()[0].replace("bid,0", "bid,7") + "\n",
        "action is none that is known",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_ROWS)
def test_a_row_with_a_senseless_value_is_rejected_and_named(what: str, load: Any, tmp_path: Path) -> None:
    kind, name, good, bad, reason = BAD_ROWS[what]
    symbol = "moex:USD/RUB" if kind == "moex" else BTC
    result, _ = load(kind, {name: good}, symbol)
    assert result.rejected == 0
    expected = result.by_type
    result, _ = load(kind, {name: good + bad}, symbol)
    assert (result.by_type, result.rejected) == (expected, 1)
    line = good.count("\n") + 1
    assert reasons(tmp_path / "tape") == [(line, reason)]


def test_a_time_of_0_counts_where_all_rows_are_near_it(load: Any) -> None:
    rows = "timestamp,price,size\n0,1.5,2\n1,1.5,2\n"
    result, tape = load("csv", {"trades.csv": rows}, "x:A/USD")
    assert (result.rejected, [trade.time for trade in tape.of("trade")]) == (0, [0, 10**9])
    text = f"timestamp,price,size\n1970-01-01,1.5,2\n{MS},1.5,2\n"
    result, tape = load("csv", {"trades.csv": text}, "x:A/USD")
    assert (result.rejected, tape.of("trade")[0].time) == (0, 0)


def test_a_time_of_0_in_a_feather_file_is_rejected(tmp_path: Path, load: Any) -> None:
    stamps = pd.to_datetime([0, MS, MS + 300_000, MS + 600_000], unit="ms", utc=True)
    frame = pd.DataFrame({"date": stamps, "open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0, "volume": 1.0})
    frame.to_feather(tmp_path / "made.feather", compression="uncompressed")
    content = (tmp_path / "made.feather").read_bytes()
    result, _ = load("freqtrade", {"A_USD-5m.feather": content}, "x:A/USD")
    assert (result.by_type, reasons(tmp_path / "tape")) == ({"bar": 3}, [(1, "time is zero")])


@pytest.mark.parametrize("time", ["45292", "45292.5", "2020", "202001", "0930"])
def test_small_numbers_as_times_are_said_to_be_seconds(time: str, load: Any) -> None:
    result, _ = load("csv", {"trades.csv": f"time,price,size\n{time},1.5,2\n"}, "x:A/USD")
    note = f"times such as {time} were taken as seconds since 1970: --time-format says what else they are"
    assert note in result.assumptions
    for options in ({"time_format": "s"}, {}):
        text = f"time,price,size\n{time if options else '20240101'},1.5,2\n"
        result, _ = load("csv", {"trades.csv": text}, "x:A/USD", **options)
        assert not [line for line in result.assumptions if "since 1970" in line]


# --- Messages -------------------------------------------------------------------------------------


def message(kind: str, **changed: object) -> dict[str, Any]:
    wholes: dict[str, dict[str, Any]] = {
        "trade": {"e": "trade", "E": MS, "s": "BTCUSDT", "t": 7, "p": "1.5", "q": "2", "m": True, "T": MS},
        "quote": {"e": "bookTicker", "E": MS, "s": "BTCUSDT", "u": 7, "b": "1", "B": "1", "a": "2", "A": "1", "T": MS},
        "mark": {"e": "markPriceUpdate", "E": MS, "s": "BTCUSDT", "p": "1.5", "i": "1.5", "r": "0.0001", "T": MS},
        "open_interest": {"openInterest": "5", "symbol": "BTCUSDT", "time": MS},
        "liquidation": {"s": "BTCUSDT", "S": "SELL", "p": "1.5", "z": "2", "T": MS},
        "bar": {"t": MS - 60_000, "T": MS - 1, "o": "2", "h": "3", "l": "1", "c": "2", "v": "5", "q": "1.25", "n": 7},
    }
    found = wholes[kind] | changed
    if kind == "liquidation":
        return {"e": "forceOrder", "E": MS, "o": found}
    return {"e": "kline", "E": MS, "s": "BTCUSDT", "k": found | {"x": True}} if kind == "bar" else found


BAD_MESSAGES: list[tuple[str, dict[str, object], str]] = [
    ("trade", {"p": None}, "price is null"),
    ("trade", {"q": None}, "size is null"),
    ("quote", {"b": None}, "bid is null"),
    ("mark", {"p": None}, "mark price is null"),
    ("mark", {"p": "0.00000000"}, "mark price is zero"),
    ("open_interest", {"openInterest": None}, "size is null"),
    ("liquidation", {"p": None}, "price is null"),
    ("liquidation", {"z": "0"}, "size is zero"),
    ("bar", dict.fromkeys("ohlc"), "open is null"),
    ("bar", {"q": "-1"}, "turnover is negative"),
    ("bar", {"t": 0}, "open time is not given"),
    ("bar", {"t": ""}, "open time is not given"),
]


@pytest.mark.parametrize(("kind", "changed", "reason"), BAD_MESSAGES)
def test_a_message_with_a_senseless_value_is_rejected_and_named(
    kind: str, changed: dict[str, object], reason: str, import_text: Any, rejects: Any
) -> None:
    lines = [f"{NS} {json.dumps(message(kind))}\n", f"{NS + 10**9} {json.dumps(message(kind, **changed))}\n"]
    result = import_text("".join(lines), kind="binance-raw", symbol=BTC)
    more = {"funding_rate": 1} if kind == "mark" else {}
    assert (result.by_type, result.rejected) == ({kind: 1} | more, 1)
    assert [(each["line"], each["reason"]) for each in rejects()] == [(2, reason)]


@pytest.mark.parametrize(
    "changed", [{"b": None, "B": None}, {"b": None, "B": "0"}, {"b": "", "B": ""}, {"b": "0", "B": "0"}]
)
def test_an_empty_side_has_neither_price_nor_size(
    changed: dict[str, object], import_text: Any, tmp_path: Any, read: Any
) -> None:
    import_text(f"{NS} {json.dumps(message('quote', **changed))}\n", kind="binance-raw", symbol=BTC)
    (quote,) = read(tmp_path / "tape").of("quote")
    assert (quote.data["bid"], quote.data["bid_size"]) == (0, 0)


def test_ids_that_no_event_holds_are_counted(import_text: Any) -> None:
    long = "x" * 17
    result = import_text(f"timestamp,price,size,id\n{MS},1.5,2,{long}\n{MS},1.5,2,{long[1:]}\n")
    assert result.ignored == {"trade id longer than 16 letters": 1}
    lines = [f"{NS} {json.dumps(message('trade', t=each))}\n" for each in (long, 7, long[1:])]
    result = import_text("".join(lines), kind="binance-raw", symbol=BTC)
    assert (result.by_type, result.ignored) == ({"trade": 3}, {"trade id longer than 16 letters": 1})


# --- What belongs to which instrument, and in which unit ------------------------------------------


def test_trades_of_two_symbols_are_not_mixed_where_the_first_names_none(load: Any, tmp_path: Path) -> None:
    trade = {"timestamp": MS, "price": 1.5, "amount": 2}
    rows = [trade | {"symbol": None}, trade | {"symbol": "BTC/USDT:USDT"}, trade | {"symbol": "BTC/USDT:USDT"}]
    result, _ = load("ccxt", {"trades.json": json.dumps(rows)}, BTC)
    assert (result.by_type, reasons(tmp_path / "tape")) == ({"trade": 2}, [(1, "symbol is empty")])
    with pytest.raises(BadInput, match="several"):
        load("ccxt", {"trades.json": json.dumps([*rows, trade | {"symbol": "ETH/USDT:USDT"}])}, BTC)


def test_in_a_file_with_points_whole_numbers_are_no_millionths(load: Any) -> None:
    good = MOEX_TRADES.splitlines()
    rows = [good[0], *(good[1].replace("65585000,20000000", each) for each in ("65.5,20", "65,7"))]
    result, tape = load("moex", {"fx.trades": "\n".join(rows) + "\n"}, "moex:USD/RUB")
    trades = [(str(tape.price(t.data["price"])), str(tape.size(t.data["size"]))) for t in tape.of("trade")]
    assert (result.rejected, trades) == (0, [("65.5", "20"), ("65.0", "7")])


def test_files_whose_times_overlap_are_named(load: Any) -> None:
    rows = [f"{i},1.5,2,1,1,{MS + i},true\n" for i in range(4)]
    names = [f"BTCUSDT-aggTrades-2024-01-0{i}.csv" for i in (1, 2)]
    whole = load("binance-vision", {names[0]: "".join(rows[:2]), names[1]: "".join(rows[2:])}, BTC)[0]
    assert not [line for line in whole.assumptions if "overlap" in line]
    result, _ = load("binance-vision", {names[0]: "".join(rows[:3]), names[1]: "".join(rows[1:])}, BTC)
    assert result.by_type == {"trade": 6}
    (note,) = [line for line in result.assumptions if "overlap" in line]
    assert note.endswith("overlap in time: rows that both have are there twice")
    bars = {"BTCUSDT-1m-2024-01.csv": VISION_KLINE, "BTCUSDT-1m-2024-01-01.csv": VISION_KLINE}
    assert load("binance-vision", bars, BTC)[0].rejected == 1


# --- Data frames ----------------------------------------------------------------------------------

TIMES = pd.date_range("2024-01-01", periods=3, freq="1min", tz="UTC")
SHORT = ["float32", "float16", "Float32", "float[pyarrow]"]


@pytest.mark.parametrize(("library", "kind"), [("polars", "float32"), *(("pandas", kind) for kind in SHORT)])
def test_short_floats_are_the_shortest_decimals_that_name_them(
    library: str, kind: str, tmp_path: Path, read: Any
) -> None:
    prices = [1.25, 0.5, 123.4] if kind == "float16" else [123.45, 0.1, 61800.3]
    if library == "pandas":
        frame: Any = pd.DataFrame({"timestamp": TIMES, "price": pd.array(prices).astype(kind), "size": 1})
    else:
        frame = pl.DataFrame({"timestamp": TIMES.to_numpy(), "price": np.array(prices, kind), "size": 1})
    import_frame(frame, symbol="x:A/USD", out=tmp_path / "tape")
    tape = read(tmp_path / "tape")
    assert [float(tape.price(trade.data["price"])) for trade in tape.of("trade")] == prices
    assert tape.instrument["tick"] == "0.01"


def test_a_short_float_that_is_missing_is_rejected(tmp_path: Path) -> None:
    price = np.array([1.5, np.nan, np.inf], "float32")
    result = import_frame(
        pd.DataFrame({"timestamp": TIMES, "price": price, "size": 1}), symbol="x:A/USD", out=tmp_path / "tape"
    )
    assert [reason for _, reason in reasons(tmp_path / "tape")] == ["price is empty", "price is not finite"]
    assert result.by_type == {"trade": 1}


def _twice() -> Any:
    frame = pd.DataFrame({"timestamp": TIMES, "price": 1.5, "size": 1, "more": 2})
    return frame.set_axis(["timestamp", "price", "size", "price"], axis=1)


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        (_twice(), "column price twice"),
        (pl.DataFrame({"time": [timedelta(1)], "price": [1.5], "size": [1]}), "column time holds durations"),
        (pl.DataFrame({"time": [MS], "price": [b"1.5"], "size": [1]}), "column price holds bytes"),
    ],
)
def test_a_frame_that_cannot_be_read_is_refused_by_its_column(frame: Any, what: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=what):
        import_frame(frame, symbol="x:A/USD", out=tmp_path / "tape")


def test_objects_and_far_times_in_frames_are_read_row_by_row(tmp_path: Path) -> None:
    times = pl.Series("time", list(TIMES), dtype=pl.Object)
    result = import_frame(
        pl.DataFrame({"price": [1.5] * 3, "size": 1}).with_columns(times), symbol="x:A/USD", out=tmp_path / "a"
    )
    assert (result.by_type, result.first_ts) == ({"trade": 3}, NS)
    far = pd.Series(np.array(["1500-01-01", "2024-01-01"], "datetime64[s]")).dt.tz_localize("UTC")
    result = import_frame(pd.DataFrame({"time": far, "price": 1.5, "size": 1}), symbol="x:A/USD", out=tmp_path / "b")
    assert (result.by_type, result.rejected, result.first_ts) == ({"trade": 1}, 1, NS)


def test_feather_of_short_floats_and_of_two_columns_of_one_name(load: Any, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    feather = pytest.importorskip("pyarrow.feather")
    numbers = {name: np.array([1.1] * 3, "float32") for name in ("open", "high", "low", "close", "volume")}
    table = pa.table({"date": TIMES, **numbers})
    feather.write_feather(table, tmp_path / "made.feather", compression="uncompressed")
    content = (tmp_path / "made.feather").read_bytes()
    _, tape = load("freqtrade", {"A_USD-1m.feather": content}, "x:A/USD")
    assert {str(tape.price(bar.data["close"])).rstrip("0") for bar in tape.of("bar")} == {"1.1"}
    doubled = table.append_column("close", table.column("open"))
    feather.write_feather(doubled, tmp_path / "made.feather", compression="uncompressed")
    content = (tmp_path / "made.feather").read_bytes()
    with pytest.raises(BadInput, match="a column is there twice"):
        load("freqtrade", {"A_USD-1m.feather": content}, "x:A/USD")


# --- Events ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("time,v,v\n2026-01-01,1,2\n", "the header names a column twice"),
        ("time,v,w\n2026-01-01,1\n", "fewer cells than the header"),
        ("time,v\n2026-01-01,1,2\n", "more cells than the header"),
    ],
)
def test_a_table_of_events_whose_cells_are_of_no_column_is_refused(text: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "calendar.csv").write_text(text)
    with pytest.raises(BadInput, match=what):
        read_events([tmp_path / "calendar.csv"])


def test_no_number_of_an_event_is_left_out_and_an_endless_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "calendar.parquet"
    pl.DataFrame({"time": ["2026-01-01"], "a": [float("nan")], "b": [1.5]}).write_parquet(path)
    (row,) = read_events([path])
    assert set(json.loads(row.body)) == {"ts_event", "b"}
    pl.DataFrame({"time": ["2026-01-01"], "a": [float("inf")]}).write_parquet(path)
    with pytest.raises(BadInput, match="infinity"):
        read_events([path])
