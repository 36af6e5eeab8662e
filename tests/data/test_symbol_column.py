"""Tables whose rows say which instrument they are of: each is a stream of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from onetape.data.importing import import_files, import_frame
from onetape.model.errors import BadInput, UnknownSymbol, UsageError

T0 = 1_700_000_040
HEADER = "time,symbol,open,high,low,close,volume"


def bar(at: int, name: str, price: str, step: int = 60) -> str:
    return f"{T0 + step * at},{name},{price},{price},{price},{price},1"


def write(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "panel.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def closes(tape: Any) -> dict[str, list[str]]:
    """Of each symbol its closes as written."""
    found: dict[str, list[str]] = {}
    for record in tape.of("bar"):
        instrument = tape.instruments[record.stream]
        close = record.data["close"] / 10 ** instrument["price_decimals"]
        found.setdefault(instrument["symbol"], []).append(f"{close:g}")
    return found


BY_TIME = [
    bar(at, name, price)
    for at in range(3)
    for name, price in (("BTC/USDT", f"{40000 + at}.5"), ("ETH/USDT", f"{2000 + at}.25"))
]
BY_NAME = sorted(BY_TIME, key=lambda row: row.split(",")[1])
NEWEST_FIRST = BY_TIME[::-1]


@pytest.mark.parametrize("rows", [BY_TIME, BY_NAME, NEWEST_FIRST])
def test_each_symbol_is_an_instrument_of_its_own(tmp_path, read, rows):
    result = import_files("csv", [write(tmp_path, *rows)], out=tmp_path / "t")
    assert result.symbols == ["data:BTC/USDT", "data:ETH/USDT"]
    assert result.rejected == 0
    assert result.ignored == {}
    tape = read(tmp_path / "t")
    assert closes(tape) == {
        "data:BTC/USDT": ["40000.5", "40001.5", "40002.5"],
        "data:ETH/USDT": ["2000.25", "2001.25", "2002.25"],
    }
    assert {r.data["ts_close"] - r.data["ts_open"] for r in tape.of("bar")} == {60 * 10**9}
    decimals = {i["symbol"]: i["tick"] for i in tape.instruments.values()}
    assert decimals == {"data:BTC/USDT": "0.1", "data:ETH/USDT": "0.01"}


@pytest.mark.parametrize("header", ["Ticker", "<TICKER>", "Pair", "instrument"])
def test_the_column_has_other_names_too(tmp_path, header):
    rows = [bar(at, name, "5") for at in range(2) for name in ("A", "B")]
    path = write(tmp_path, *rows, header=HEADER.replace("symbol", header))
    assert import_files("csv", [path], out=tmp_path / "t").symbols == ["data:A", "data:B"]


def test_trades_and_quotes_have_symbols_too(tmp_path):
    header = "time,symbol,price,size"
    path = write(tmp_path, f"{T0},A,5,1", f"{T0},B,7,1", header=header)
    assert import_files("csv", [path], out=tmp_path / "t").by_symbol == {"data:A": {"trade": 1}, "data:B": {"trade": 1}}


def test_more_symbols_than_are_counted_by_name(tmp_path):
    names = [f"S{number:03}" for number in range(150)]
    rows = [bar(at, name, "5") for at in range(2) for name in names]
    result = import_files("csv", [write(tmp_path, *rows)], out=tmp_path / "t")
    assert result.symbols == [f"data:{name}" for name in names]
    assert set(map(str, result.by_symbol.values())) == {"{'bar': 2}"}


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("kraken:BTC/USD", "kraken:BTC/USD"),
        ("NASDAQ:AAPL", "nasdaq:AAPL"),
        ("BTC/USDT:USDT", "data:BTC/USDT:USDT"),
        ("AAPL.US", "data:AAPL.US"),
        ("S&P 500", "data:S-P-500"),
    ],
)
def test_a_name_with_a_venue_is_itself_and_others_get_one(tmp_path, name, symbol):
    rows = [bar(at, name, "5") for at in range(2)]
    assert import_files("csv", [write(tmp_path, *rows)], out=tmp_path / "t").symbols == [symbol]


def test_a_symbol_asked_for_gives_its_venue_to_the_others(tmp_path):
    path = write(tmp_path, *BY_TIME)
    result = import_files("csv", [path], symbol="kraken:ETH/USDT", out=tmp_path / "t")
    assert result.symbols == ["kraken:BTC/USDT", "kraken:ETH/USDT"]
    named = "binance:ETH/USDT:USDT"  # whose own name there is ETHUSDT
    path = write(tmp_path, *(row.replace("/", "") for row in BY_TIME))
    result = import_files("csv", [path], symbol=named, out=tmp_path / "u")
    assert result.symbols == ["binance:BTCUSDT", named]


def test_a_symbol_that_none_of_them_is_asks_which_is_which(tmp_path):
    path = write(tmp_path, *BY_TIME)
    with pytest.raises(BadInput, match=r"several symbols: BTC/USDT, ETH/USDT.*--symbol"):
        import_files("csv", [path], symbol="x:A/USD", out=tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_a_map_takes_some_and_knows_the_bars_period(tmp_path, read):
    named = "BTC/USDT=x:BTC/USD,ETH/USDT=x:ETH/USD"
    others = [bar(at, "XRP", "1") for at in range(3)]
    result = import_files("csv", [write(tmp_path, *BY_NAME, *others)], symbol=named, out=tmp_path / "t")
    assert result.symbols == ["x:BTC/USD", "x:ETH/USD"]
    assert result.ignored == {"symbol XRP": 3}
    bars = read(tmp_path / "t").of("bar")
    assert {r.data["ts_close"] - r.data["ts_open"] for r in bars} == {60 * 10**9}
    with pytest.raises(UnknownSymbol, match="no DOGE"):
        import_files("csv", [tmp_path / "panel.csv"], symbol="DOGE=x:D/USD", out=tmp_path / "u")


def test_bars_of_several_periods_are_refused(tmp_path):
    rows = [bar(at, "A", "5") for at in range(9)] + [bar(at, "B", "5", 3600) for at in range(5)]
    with pytest.raises(BadInput, match="several periods: most of 1m, those of B of 1h"):
        import_files("csv", [write(tmp_path, *rows)], out=tmp_path / "t")


def test_what_is_seldom_traded_has_the_period_of_the_others(tmp_path, read):
    seldom = [bar(at, "B", "5") for at in (0, 7, 9, 30, 31 + 60)]
    rows = [bar(at, "A", "5") for at in range(9)] + seldom
    import_files("csv", [write(tmp_path, *rows)], out=tmp_path / "t")
    bars = read(tmp_path / "t").of("bar")
    assert {r.data["ts_close"] - r.data["ts_open"] for r in bars} == {60 * 10**9}


def test_a_damaged_row_names_no_symbol(tmp_path):
    rows = [*BY_TIME, f"{T0},total,1", f"{T0},total,1,1,1,1,1,1,1"]
    path = write(tmp_path, *rows)
    path.write_bytes(path.read_bytes().replace(b",ETH/USDT,", b", ETH/USDT ,"))
    result = import_files("csv", [path], out=tmp_path / "t")
    assert result.symbols == ["data:ETH/USDT", "data:BTC/USDT"]  # in the order of their own names
    assert result.rejected == 2


def test_names_of_a_file_without_a_header(tmp_path):
    path = tmp_path / "bare.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"A,{T0},5,1\r\nB,{T0},6,1\r\n".encode())
    result = import_files("csv", [path], columns="symbol,time,price,size", out=tmp_path / "t")
    assert result.by_symbol == {"data:A": {"trade": 1}, "data:B": {"trade": 1}}


def test_two_names_that_would_be_one_symbol_are_refused(tmp_path):
    rows = [bar(at, name, "5") for at in range(2) for name in ("A B", "A*B")]
    with pytest.raises(UsageError, match="two names in the file become data:A-B"):
        import_files("csv", [write(tmp_path, *rows)], out=tmp_path / "t")


def test_a_row_without_a_symbol_is_rejected(tmp_path):
    result = import_files("csv", [write(tmp_path, *BY_TIME, bar(3, "", "5"))], out=tmp_path / "t")
    assert (result.events, result.rejected) == (6, 1)


def test_without_such_a_column_the_symbol_must_be_given(tmp_path):
    path = write(tmp_path, f"{T0},5,1", header="time,price,size")
    with pytest.raises(UsageError, match="does not say which instrument"):
        import_files("csv", [path], out=tmp_path / "t")


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_frames_have_symbol_columns_too(tmp_path, library, read):
    frames = pytest.importorskip(library)
    columns = {
        "Date": [T0, T0, T0 + 60, T0 + 60],
        "Ticker": ["A", "B"] * 2,
        **{name: [5.0, 7.5, 6.0, 8.5] for name in ("Open", "High", "Low", "Close")},
    }
    result = import_frame(frames.DataFrame(columns), out=tmp_path / "t")
    assert result.symbols == ["data:A", "data:B"]
    assert closes(read(tmp_path / "t")) == {"data:A": ["5", "6"], "data:B": ["7.5", "8.5"]}
