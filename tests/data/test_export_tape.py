"""Exported tables hold what the tape holds, exactly."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from onetape.data.export import FORMATS, export_tape
from onetape.data.importing import import_files
from onetape.model.errors import BadInput, NotAvailable, UsageError

T0 = 1_700_000_000_000_000_000
LINES = [
    '{"lastUpdateId":5,"bids":[["100.5","1"],["100.25","2"]],"asks":[["101","3.125"]]}',
    '{"e":"depthUpdate","s":"A","U":6,"u":7,"b":[["100.5","0"]],"a":[]}',
    '{"e":"trade","s":"A","t":77,"p":"100.75","q":"0.5","m":false,"T":1700000000000}',
    '{"u":9,"s":"A","b":"100.25","B":"2","a":"101","A":"3.125"}',
]


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    source = tmp_path / "a.raw"
    source.write_text("".join(f"{T0 + i} {text}\n" for i, text in enumerate(LINES)))
    import_files("binance-raw", [source], symbol="x:A/USD", out=tmp_path / "tape")
    return tmp_path / "tape"


def rows_of(path: Path, form: str) -> list[dict[str, Any]]:
    if form == "parquet":
        found: list[dict[str, Any]] = pytest.importorskip("polars").read_parquet(path).to_dicts()
        return found
    if form == "jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    rows = list(csv.DictReader(path.open()))
    for row in rows:
        row.update({name: json.loads(row[name]) for name in ("bids", "asks") if name in row})
    return rows


@pytest.mark.parametrize("form", FORMATS)
def test_tables_hold_the_exact_values(form: str, tape: Path, tmp_path: Path) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    result = export_tape(tape, format=form, out=tmp_path / "out")
    assert result.tables == {"book": 2, "instrument": 1, "quote": 1, "trade": 1}
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [f"{name}.{form}" for name in result.tables]

    (trade,) = rows_of(tmp_path / "out" / f"trade.{form}", form)
    assert trade["symbol"] == "x:A/USD"
    assert Decimal(trade["price"]) == Decimal("100.75")
    assert Decimal(trade["size"]) == Decimal("0.5")
    assert (trade["side"], trade["id"], int(trade["time"])) == ("buy", "77", T0 + 2)
    book = rows_of(tmp_path / "out" / f"book.{form}", form)
    levels = [
        [tuple(map(Decimal, level.values() if isinstance(level, dict) else level)) for level in b]
        for b in (book[0]["bids"], book[0]["asks"], book[1]["bids"])
    ]
    assert levels == [
        [(Decimal("100.5"), 1), (Decimal("100.25"), 2)],
        [(101, Decimal("3.125"))],
        [(Decimal("100.5"), 0)],
    ]
    assert [int(row["flags"]) for row in book] == [1, 0]


def test_decimals_are_written_with_all_places(tape: Path, tmp_path: Path) -> None:
    export_tape(tape, format="csv", out=tmp_path / "out")
    header, row = (tmp_path / "out" / "quote.csv").read_text().splitlines()
    assert header.startswith("sequence,time,symbol,flags,ts_event,ts_recv,bid,ask,bid_size")
    assert "100.25,101.00,2.000,3.125" in row


def test_a_table_is_there_whole_or_not_at_all(tape: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    export_tape(tape, format="csv", out=out)  # an empty folder is as good as none
    with pytest.raises(UsageError, match="exists"):
        export_tape(tape, format="csv", out=out)
    segment = next(tape.glob("*.tape"))
    raw = bytearray(segment.read_bytes())
    raw[len(raw) * 2 // 3] ^= 0x10
    segment.write_bytes(raw)
    with pytest.raises(Exception, match="TORN_TAPE"):
        export_tape(tape, format="csv", out=tmp_path / "damaged")
    assert not (tmp_path / "damaged").exists()


def test_what_is_no_tape_or_format_is_refused(tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no format"):
        export_tape(tape, format="xlsx", out=tmp_path / "out")
    with pytest.raises(BadInput, match="is no tape"):
        export_tape(tmp_path, format="csv", out=tmp_path / "out")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(NotAvailable, match=r'pip install "onetape\[research\]"'):
        export_tape(tape, format="parquet", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
