"""JSON of ccxt and the data folder of freqtrade: exact as written, or at 15 digits."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kind_files import BTC, CCXT_OHLCV, CCXT_TRADES, MS, NS, reasons

from onetape.data.importing import import_files
from onetape.data.sniff import sniff
from onetape.model.errors import BadInput, OnetapeError
from onetape.model.time import parse_time


@pytest.mark.parametrize("kind", ["ccxt", "freqtrade"])
def test_real_candles_of_json(kind: str, shared: Path, facts: Any, tmp_path: Path, read: Any) -> None:
    file = "bars/unittest_btc-1m-first-half.json.gz"
    fact = facts[file]
    out = tmp_path / "tape"
    result = import_files(kind, [shared / file], symbol="x:UNITTEST/BTC", out=out)
    assert (result.by_type, result.rejected, result.snapped) == ({"bar": fact["rows"]}, 0, 0)
    tape = read(out)
    bars = [record.data for record in tape.of("bar")]
    for bar, row in ((bars[0], fact["first"]), (bars[-1], fact["last"])):
        assert bar["ts_open"] == parse_time(row[0])
        assert [tape.price(bar[k]) for k in ("open", "high", "low", "close")] == list(map(Decimal, row[1:]))
    assert sum(tape.price(bar["close"]) for bar in bars) == Decimal(fact["sum_close"])
    assert sum(tape.size(bar["volume"]) for bar in bars) == Decimal(fact["sum_volume"])


def test_numbers_of_json_are_those_written(load: Any) -> None:
    rows = [
        f"[{MS}, 0.1, 0.3000000000000001, 0.1, 0.2, null]",
        f"[{MS + 60_000}, 1.5E-5, 1e-3, 1.5e-05, 0.00002, 12345678.12345678]",
    ]
    result, tape = load("ccxt", {"a.json": "\n".join(rows)}, "x:A/USD", period="1m")
    assert (result.by_type, result.rejected) == ({"bar": 2}, 0)
    first, second = (record.data for record in tape.of("bar"))
    assert tape.price(first["high"]) == Decimal("0.3000000000000001")
    assert tape.price(second["open"]) == Decimal("0.000015")
    assert tape.size(second["volume"]) == Decimal("12345678.12345678")


def test_trades_of_ccxt(load: Any) -> None:
    lines = "\n".join(json.dumps(row) for row in json.loads(CCXT_TRADES))
    pretty = json.dumps(json.loads(CCXT_TRADES), indent=2)
    for text in (CCXT_TRADES, lines, pretty):
        result, tape = load("ccxt", {"trades.json": text})
        assert (result.by_type, result.rejected) == ({"trade": 2}, 0)
        trades = [record.data for record in tape.of("trade")]
        assert [(t["id_low"], t["side"]) for t in trades] == [(7, "sell"), (8, "buy")]
        assert [tape.price(t["price"]) for t in trades] == [Decimal("42000.5"), 42001]
    eth = CCXT_TRADES.replace("BTC/USDT:USDT", "ETH/USDT:USDT", 1)
    with pytest.raises(BadInput, match="several symbols"):
        load("ccxt", {"trades.json": eth})
    both = f"BTC/USDT:USDT={BTC},ETH/USDT:USDT=binance:ETH/USDT:USDT"
    result, _ = load("ccxt", {"trades.json": eth}, both)
    assert {symbol: sum(n.values()) for symbol, n in result.by_symbol.items()} == {BTC: 1, "binance:ETH/USDT:USDT": 1}


def test_bad_rows_at_the_front_are_rejected(load: Any, tmp_path: Path) -> None:
    text = f"[[{MS - 60_000},null,1,1,1,1],[],[{MS - 120_000},1,2]," + CCXT_OHLCV[1:]
    for kind in ("ccxt", "freqtrade"):
        result, _ = load(kind, {"a.json": text}, "x:A/USD")
        assert (result.by_type, result.rejected) == ({"bar": 2}, 3)
        assert sniff(tmp_path / "a.json") == "ccxt"
    text = CCXT_TRADES.replace("[", '[{"info": {}},', 1)
    result, _ = load("ccxt", {"a.json": text})
    assert (result.by_type, result.rejected) == ({"trade": 2}, 1)


def test_rows_that_are_no_rows_are_rejected(load: Any, tmp_path: Path) -> None:
    text = CCXT_OHLCV[:-1] + f', 7, [1, 2], {{"a": 1}}, [{MS + 180_000},1,2,1,1,1]'
    result, _ = load("ccxt", {"a.json": text}, "x:A/USD")
    assert (result.by_type, result.rejected) == ({"bar": 3}, 4)
    assert [reason for _, reason in reasons(tmp_path / "tape")] == [
        "is no row: neither a list nor an object",
        "row has fewer values than it needs",
        "row is an object, and not a list",
        "the list is not closed: the file ends in the middle",
    ]


@pytest.mark.parametrize("file", ["bars/eth_btc-5m.feather", "bars/xrp_usdt-perp-5m.feather"])
def test_real_candles_of_feather(file: str, shared: Path, facts: Any, tmp_path: Path, read: Any) -> None:
    pytest.importorskip("pyarrow")
    fact = facts[file]
    out = tmp_path / "tape"
    result = import_files("freqtrade", [shared / file], symbol="x:A/BTC", out=out)
    assert (result.by_type, result.rejected) == ({"bar": fact["rows"]}, 0)
    tape = read(out)
    bars = [record.data for record in tape.of("bar")]
    assert bars[0]["ts_open"] == parse_time(fact["first_date"])
    assert bars[-1]["ts_open"] == parse_time(fact["last_date"])
    for name, quantity in [(n, tape.price) for n in ("open", "high", "low", "close")] + [("volume", tape.size)]:
        values = [quantity(bar[name]) for bar in bars]
        assert float(sum(values)) == pytest.approx(fact[name]["sum_float64"], rel=1e-12)
        assert float(min(values)) == pytest.approx(fact[name]["min"], rel=1e-14)
        assert float(max(values)) == pytest.approx(fact[name]["max"], rel=1e-14)
    # 15 digits: no trace of binary fractions.
    assert tape.instrument["price_decimals"] <= 8


def test_real_funding_and_candles_of_feather_together(shared: Path, facts: Any, tmp_path: Path, read: Any) -> None:
    pytest.importorskip("pyarrow")
    files = ["funding/xrp_usdt-perp-8h-funding.feather", "bars/xrp_usdt-perp-5m.feather"]
    names = ["XRP_USDT_USDT-8h-funding_rate.feather", "XRP_USDT_USDT-5m-futures.feather"]
    for file, name in zip(files, names, strict=True):
        (tmp_path / name).write_bytes((shared / file).read_bytes())
    out = tmp_path / "tape"
    symbol = "binance:XRP/USDT:USDT"
    paths = [tmp_path / name for name in names]
    result = import_files("freqtrade", paths, symbol=symbol, out=out)
    fact = facts[files[0]]
    assert result.by_type == {"bar": facts[files[1]]["rows"], "funding": fact["rows"]}
    fundings = read(out).of("funding")
    assert fundings[0].data["ts_event"] == parse_time(fact["first_date"])
    assert {record.data["interval_ns"] for record in fundings} == {8 * 3600 * 10**9}
    total = Decimal(sum(record.data["rate"] for record in fundings)).scaleb(-12)
    assert float(total) == pytest.approx(fact["open"]["sum_float64"], rel=1e-12)
    # By a map, the names of the files say which is which.
    both = import_files("freqtrade", paths, symbol=f"XRP/USDT:USDT={symbol}", out=tmp_path / "mapped")
    assert both.by_symbol == result.by_symbol


def test_real_trades_of_freqtrade(shared: Path, facts: Any, tmp_path: Path, read: Any) -> None:
    for number, file in enumerate(
        [
            "ticks/xrp_eth-trades-2019-10-first-half.json.gz",
            "ticks/ethusdt-public-trades-2023-02-02-first-half.csv",
            "ticks/kraken-bcheur-trades.csv",
        ]
    ):
        fact = facts[file]
        out = tmp_path / f"tape{number}"
        result = import_files("freqtrade", [shared / file], symbol="x:A/B", out=out)
        assert (result.by_type, result.rejected) == ({"trade": fact["n"]}, 0)
        tape = read(out)
        trades = [record.data for record in tape.of("trade")]
        assert sum(tape.size(t["size"]) for t in trades) == Decimal(fact["sum_qty"])
        total = sum(tape.price(t["price"]) * tape.size(t["size"]) for t in trades)
        assert total == Decimal(fact["sum_price_x_qty"])
        if "taker_buy_n" in fact:
            assert sum(t["side"] == "buy" for t in trades) == fact["taker_buy_n"]
        if "first_id" in fact:
            ids = (trades[0]["id_low"], trades[-1]["id_low"])
            assert ids == (fact["first_id"], fact["last_id"])


def feather(path: Path, columns: dict[str, Any], times: str = "date", **options: Any) -> Path:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(columns)
    if times in columns:
        frame = frame.with_columns(pl.col(times).cast(pl.Datetime("ms", "UTC")))
    frame.write_ipc(path, **options)
    return path


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_feather_of_any_compression_with_senseless_numbers(compression: str, tmp_path: Path, read: Any) -> None:
    pytest.importorskip("pyarrow")
    times: list[Any] = [MS + 60_000 * i for i in range(6)]
    columns = {
        "date": [*times[:5], None],
        "open": [1.0, 0.1 + 0.2, float("nan"), float("inf"), None, 1.0],
        "high": [2.0] * 6,
        "low": [0.1] * 6,
        "close": [1.5] * 6,
        "volume": [10.0, 0.1, 1, 1, 1, 1],
    }
    path = feather(tmp_path / "A_B-1m.feather", columns, compression=compression)
    result = import_files("freqtrade", [path], symbol="x:A/B", out=tmp_path / "tape")
    assert (result.by_type, result.rejected) == ({"bar": 2}, 4)
    assert [reason for _, reason in reasons(tmp_path / "tape")] == [
        "open is not finite",
        "open is not finite",
        "open is not finite",
        "time is empty",
    ]
    tape = read(tmp_path / "tape")
    assert tape.price(tape.of("bar")[1].data["open"]) == Decimal("0.3")


def test_trades_and_marks_of_feather(tmp_path: Path, read: Any) -> None:
    pytest.importorskip("pyarrow")
    trades = {
        "timestamp": [MS, MS + 1],
        "id": ["1", "abc"],
        "type": [None, None],
        "side": ["buy", "sell"],
        "price": [1.1, 1.2],
        "amount": [5.0, 0.1],
        "cost": [1.0, 1.0],
    }
    path = feather(tmp_path / "A_B-trades.feather", trades, "")
    out = tmp_path / "tape"
    result = import_files("freqtrade", [path], symbol="x:A/B", out=out)
    assert result.by_type == {"trade": 2}
    tape = read(out)
    assert [r.data["side"] for r in tape.of("trade")] == ["buy", "sell"]
    assert tape.price(tape.of("trade")[0].data["price"]) == Decimal("1.1")
    candles = {"date": [MS], **{name: [1.5] for name in ("open", "high", "low", "close")}}
    path = feather(tmp_path / "A_B-8h-mark.feather", candles | {"volume": [0.0]})
    import_files("freqtrade", [path], symbol="x:A/B", out=tmp_path / "marks")
    [mark] = read(tmp_path / "marks").of("mark")
    assert mark.time == NS + 8 * 3600 * 10**9


def test_damaged_feather_is_refused(shared: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    raw = (shared / "bars/xrp_usdt-perp-5m.feather").read_bytes()
    path = tmp_path / "A_B-5m.feather"
    for number in range(120):
        at = number * len(raw) // 120
        for data in (raw[:at], raw[:at] + b"\xff" * 16 + raw[at + 16 :]):
            path.write_bytes(data)
            try:
                import_files("freqtrade", [path], symbol="x:A/B", out=tmp_path / "t", force=True)
            except OnetapeError as error:
                assert error.exit_code == 3, error
    with gzip.open(tmp_path / "B_C-5m.feather.gz", "wb") as file:
        file.write(raw)
    with pytest.raises(BadInput, match="unpack it"):
        import_files("freqtrade", [tmp_path / "B_C-5m.feather.gz"], symbol="x:A", out=tmp_path / "u")


def test_a_bomb_of_feather_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    times = np.full(500_000, MS)
    columns = {"date": times} | {name: np.ones(500_000) for name in ("open", "high", "low", "close", "volume")}
    path = feather(tmp_path / "A_B-1m.feather", columns, compression="zstd")
    assert path.stat().st_size < 100_000
    with pytest.raises(BadInput, match="200-fold"):
        import_files("freqtrade", [path], symbol="x:A/B", out=tmp_path / "tape")


def test_feather_without_the_extra_says_which(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from onetape.model.errors import NotAvailable

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(NotAvailable, match=r"onetape\[research\]"):
        import_files("freqtrade", [shared / "bars/eth_btc-5m.feather"], symbol="x:A", out=tmp_path / "t")
