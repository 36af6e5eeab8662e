"""Real tables, with their odd layouts, give what an independent script counted in them."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from onetape.data.importing import import_files, import_frame
from onetape.model.time import parse_time

KLINE = "time,open,high,low,close,volume,-,-,-,-,-,-"
BARS: dict[str, dict[str, Any]] = {
    "bars/btc-perp-1m-first-half.csv.gz": {},
    "bars/cffex-if-5m-2018-first-half.csv": {},
    "bars/fxcm-usdjpy-m1-bid-2013.csv.gz": {},
    "bars/fxcm-usdjpy-m1-ask-2013.csv.gz": {},
    "bars/binance-adabtc-1m-2021-11-27.csv": {"columns": KLINE},
}
SNAPPED = {"bars/btc-perp-1m-first-half.csv.gz"}
QUOTES: dict[str, dict[str, Any]] = {
    "ticks/eurusd-quotes-2020-01-first-half.csv": {"columns": "time,bid,ask,-"},
    "ticks/truefx-usdjpy-quotes-2013-01-first-half.csv": {},
}
TRADES: dict[str, dict[str, Any]] = {
    "ticks/ethusdt-public-trades-2023-02-02-first-half.csv": {},
    "ticks/kraken-bcheur-trades.csv": {"columns": "ts,price,amount"},
}


def load(shared: Path, file: str, out: Path, **options: Any) -> Any:
    return import_files("csv", [shared / file], symbol="x:A/USD", out=out, **options)


@pytest.mark.parametrize("file", BARS)
def test_bars(file: str, shared: Path, facts: Any, tmp_path: Path, read: Any) -> None:
    fact = facts[file]
    result = load(shared, file, tmp_path / "tape", **BARS[file])
    assert result.by_type == {"bar": fact["rows"]}
    assert result.rejected == fact["rows_violating_ohlc"] == 0
    assert (result.snapped > 0) == (file in SNAPPED)
    tape = read(tmp_path / "tape")
    bars = [record.data for record in tape.of("bar")]
    period = int(fact["modal_step_s"]) * 10**9
    assert {bar["period_ns"] for bar in bars} == {period}
    for bar, row in ((bars[0], fact["first"]), (bars[-1], fact["last"])):
        assert bar["ts_open"] == parse_time(row[0])
        assert [tape.price(bar[k]) for k in ("open", "high", "low", "close")] == list(map(Decimal, row[1:]))
    assert sum(tape.price(bar["close"]) for bar in bars) == Decimal(fact["sum_close"])
    assert max(tape.price(bar["high"]) for bar in bars) == Decimal(fact["max_high"])
    assert min(tape.price(bar["low"]) for bar in bars) == Decimal(fact["min_low"])
    if fact.get("sum_volume"):
        # One file prints floats with more digits than 64 bits have room for beside its largest.
        total, want = sum(tape.size(bar["volume"]) for bar in bars), Decimal(fact["sum_volume"])
        assert total == want or (file in SNAPPED and abs(total - want) < Decimal("1e-8"))
    holes = sum(b["ts_open"] > a["ts_close"] for a, b in pairwise(bars))
    assert holes == int(fact["steps_longer_than_modal"])


@pytest.mark.parametrize("file", QUOTES)
def test_quotes(file: str, shared: Path, facts: Any, tmp_path: Path, read: Any) -> None:
    fact = facts[file]
    result = load(shared, file, tmp_path / "tape", **QUOTES[file])
    assert result.by_type == {"quote": fact["rows"]}
    assert (result.rejected, result.crossed, result.late) == (0, fact["bid_above_ask"], 0)
    tape = read(tmp_path / "tape")
    quotes = tape.of("quote")
    assert [quotes[0].time, quotes[-1].time] == [parse_time(fact["first"][0]), parse_time(fact["last"][0])]
    for side in ("bid", "ask"):
        total = sum(tape.price(quote.data[side]) for quote in quotes)
        assert total == Decimal(fact[f"sum_{side}"])


@pytest.mark.parametrize("file", TRADES)
def test_trades(file: str, shared: Path, facts: Any, tmp_path: Path, read: Any) -> None:
    fact = facts[file]
    result = load(shared, file, tmp_path / "tape", **TRADES[file])
    assert result.by_type == {"trade": fact["n"]}
    assert result.rejected == 0
    tape = read(tmp_path / "tape")
    trades = [record.data for record in tape.of("trade")]
    assert sum(tape.size(t["size"]) for t in trades) == Decimal(fact["sum_qty"])
    total = sum(tape.price(t["price"]) * tape.size(t["size"]) for t in trades)
    assert total == Decimal(fact["sum_price_x_qty"])
    if "taker_buy_n" in fact:
        assert sum(t["side"] == "buy" for t in trades) == fact["taker_buy_n"]
    assert trades[0]["ts_event"] == parse_time(fact["first"][0])


def test_a_layout_with_receipt_times_by_columns(shared: Path, facts: Any, tmp_path: Path, read: Any) -> None:
    file = "ticks/tardis-bitmex-xbtusd-trades.csv"
    columns = "-,-,ts_event,ts_recv,id,side,price,size"
    result = load(shared, file, tmp_path / "tape", columns=columns)
    assert result.by_type == {"trade": facts[file]["rows"]}
    first = read(tmp_path / "tape").of("trade")[0]
    assert first.data["ts_event"] == int(facts[file]["first"][2]) * 1000
    assert first.time == int(facts[file]["first"][3]) * 1000
    assert first.data["id_kind"] == "uuid"


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_frames_of_candles(library: str, shared: Path, facts: Any, tmp_path: Path, read: Any) -> None:
    pl = pytest.importorskip("polars")
    file = "bars/eth_btc-5m.feather"
    frame = pl.read_ipc(shared / file)
    if library == "pandas":
        pytest.importorskip("pandas")
        frame = frame.to_pandas().set_index("date")
    result = import_frame(frame, symbol="binance:ETH/BTC", out=tmp_path / "tape")
    assert result.by_type == {"bar": facts[file]["rows"]}
    tape = read(tmp_path / "tape")
    bars = [record.data for record in tape.of("bar")]
    assert bars[0]["ts_open"] == parse_time(facts[file]["first_date"])
    assert bars[-1]["ts_open"] == parse_time(facts[file]["last_date"])
    for name, quantity in (("high", tape.price), ("volume", tape.size)):
        total = float(sum(quantity(bar[name]) for bar in bars))
        assert total == pytest.approx(facts[file][name]["sum_float64"], rel=1e-12)
