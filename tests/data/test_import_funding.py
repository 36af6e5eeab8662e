"""Funding rates, marks and open interest of one's own: `import funding`, `csv`, `parquet`, data frames, UTF-16."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from onetape.data.importing import import_frame
from onetape.model.errors import BadInput

HOUR = 3600 * 10**9
T0 = 1_767_225_600  # 2026-01-01
RATES = "date,rate\n2026-01-01 00:00:00,0.0001\n2026-01-01 08:00:00,-0.00025\n2026-01-01 16:00:00.005,0\n"


def paid(tape: Any) -> list[tuple[int, int, int]]:
    return [
        (each.data["ts_event"] // 10**9 - T0, each.data["rate"], each.data["interval_ns"])
        for each in tape.of("funding")
    ]


EXPECTED = [(0, 10**8, 8 * HOUR), (8 * 3600, -(25 * 10**7), 8 * HOUR), (16 * 3600, 0, 8 * HOUR)]


@pytest.mark.parametrize(
    "text",
    [
        RATES,
        RATES.replace("date,rate", "fundingTime,fundingRate"),
        RATES.replace("date,rate\n", ""),
        RATES.replace(",", ";"),
        RATES.replace("\n", ",x\n").replace("rate,x", "rate,note"),
        RATES.encode("utf-16"),
        b"\xfe\xff" + RATES.encode("utf-16-be"),
    ],
    ids=["named", "as Binance", "no header", "semicolons", "more columns", "UTF-16", "UTF-16 big-endian"],
)
def test_times_and_rates_are_payments(load: Any, text: str | bytes) -> None:
    result, tape = load("funding", {"f.csv": text})
    assert (result.by_type, result.rejected) == ({"funding": 3}, 0)
    assert paid(tape) == EXPECTED


def test_the_price_and_the_interval_of_each_payment_are_read(load: Any) -> None:
    text = "time,rate,mark,interval_hours\n2026-01-01,0.0001,60000.5,4\n2026-01-01T04:00,0.0002,,1\n"
    result, tape = load("funding", {"f.csv": text})
    first = tape.of("funding")[0].data
    assert (tape.price(first["mark"]), first["interval_ns"]) == (Decimal("60000.5"), 4 * HOUR)
    assert result.rejected == 1  # a mark that is empty is none


def test_several_symbols_stand_in_one_file(load: Any) -> None:
    text = "symbol,time,rate\nbinance:BTC/USDT:USDT,2026-01-01,0.0001\nbinance:ETH/USDT:USDT,2026-01-01,0.0002\n"
    result, _ = load("funding", {"f.csv": text}, symbol=None)
    assert result.by_symbol == {"binance:BTC/USDT:USDT": {"funding": 1}, "binance:ETH/USDT:USDT": {"funding": 1}}


@pytest.mark.parametrize(
    ("text", "has"),
    [
        ("time,open,high,low,close\n2026-01-01,1,2,1,2\n", "bars"),
        ("time,mark,open_interest\n2026-01-01,1,2\n", "marks or open interest"),
    ],
)
def test_another_table_is_refused_by_what_it_has(load: Any, text: str, has: str) -> None:
    with pytest.raises(BadInput, match=f"has {has}, and no funding rates"):
        load("funding", {"f.csv": text})


def test_rates_and_marks_beside_prices_are_columns_that_are_not_used(load: Any) -> None:
    text = "time,open,high,low,close,rate,mark\n2026-01-01,1,2,1,2,0.1,1\n2026-01-01T00:01,1,2,1,2,0.1,1\n"
    result, _ = load("csv", {"f.csv": text})
    assert result.by_type == {"bar": 2}


def test_marks_and_open_interest_are_a_table(load: Any) -> None:
    text = "time,markPrice,indexPrice,openInterest\n2026-01-01,100.5,100.25,7\n2026-01-01T00:01,101.5,100.75,7\n"
    result, tape = load("csv", {"f.csv": text})
    assert result.by_type == {"mark": 2, "open_interest": 1}  # it has not changed
    mark = tape.of("mark")[1].data
    assert (tape.price(mark["mark"]), tape.price(mark["index"])) == (Decimal("101.5"), Decimal("100.75"))


def test_a_rate_with_its_next_time_is_told_and_paid_when_that_moves_on(load: Any) -> None:
    text = (
        "time,mark,rate,next_funding_time\n"
        "2026-01-01,100,0.0001,2026-01-01T01:00\n2026-01-01T01:00,100,0.0003,2026-01-01T02:00\n"
    )
    result, tape = load("csv", {"f.csv": text})
    assert result.by_type == {"mark": 2, "funding_rate": 2, "funding": 1}
    assert paid(tape) == [(3600, 10**8, HOUR)]


def test_a_frame_of_rates_is_read_like_a_file(tmp_path: Path, read: Any) -> None:
    rows = [line.split(",") for line in RATES.splitlines()[1:]]
    frame = pl.DataFrame({"date": [at for at, _ in rows], "rate": [float(rate) for _, rate in rows]})
    import_frame(frame, symbol="binance:BTC/USDT:USDT", out=tmp_path / "frame")
    assert paid(read(tmp_path / "frame")) == EXPECTED


def test_what_is_cut_in_the_middle_of_a_letter_is_refused(load: Any) -> None:
    with pytest.raises(BadInput, match=r"UTF-16.*export it again"):
        load("funding", {"f.csv": RATES.encode("utf-16")[:-1]})


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_text_without_a_mark_of_its_encoding_is_refused_by_name(load: Any, encoding: str) -> None:
    with pytest.raises(BadInput, match=r"not text in UTF-8, nor in UTF-16 with a byte order mark.*encode it as UTF-8"):
        load("funding", {"f.csv": RATES.encode(encoding)})


def test_open_interest_alone_gets_the_default_tick(load: Any) -> None:
    """It has sizes and no price from which a tick could be inferred."""
    text = "time,open_interest\n2026-01-01,1000.5\n2026-01-01T00:01,1001\n"
    result, tape = load("csv", {"f.csv": text}, symbol="test:BTC/USD:USD")
    assert (result.by_type, result.rejected) == ({"open_interest": 2}, 0)
    assert set(tape.instrument["defaulted"]) >= {"tick"}


ROWS = {
    "bar": "time,open,high,low,close,volume\n{0},1,3,1,2,5\n{1},2,4,2,3,5\n",
    "trade": "time,price,size,side,id\n{0},1.5,2,buy,7\n{1},1.25,2,sell,8\n",
    "quote": "time,bid,ask,bid_size,ask_size\n{0},1.5,1.75,2,3\n{1},1.25,1.5,2,4\n",
    "funding": "time,rate,mark\n{0},0.0001,1.5\n{1},0.0002,1.25\n",
    "mark": "time,mark,index\n{0},1.5,1.25\n{1},1.25,1.75\n",
    "open_interest": "time,open_interest\n{0},1000.5\n{1},1001.25\n",
    "mbo": "time,order_id,action,side,price,size\n{0},7,add,buy,1.5,2\n{1},8,add,sell,1.75,2\n",
}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-8-sig", "parquet"])
@pytest.mark.parametrize("kind", ROWS)
def test_each_kind_of_rows_is_the_same_in_every_encoding(load: Any, kind: str, encoding: str) -> None:
    text = ROWS[kind].format(T0 + 60, T0 + 120)
    expected, plain = load("csv", {"plain.csv": text}, symbol="test:BTC/USD:USD")
    if encoding == "parquet":
        file = io.BytesIO()
        pl.read_csv(text.encode()).write_parquet(file)
        result, tape = load("parquet", {"f.parquet": file.getvalue()}, symbol="test:BTC/USD:USD")
    else:
        mark = "\ufeff" if encoding == "utf-16-be" else ""
        result, tape = load("csv", {"f.csv": (mark + text).encode(encoding)}, symbol="test:BTC/USD:USD")
    assert result.by_type == expected.by_type == {kind: 2}
    assert [each.data for each in tape.records] == [each.data for each in plain.records]
