"""What a path holds is told by its beginning."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from onetape.data.importing import import_files
from onetape.data.sniff import sniff
from onetape.model.errors import BadInput, UnknownFormat

CAPTURE = b'1700000000000000000 {"e":"trade","s":"A","t":1,"p":"1","q":"1","m":true}\n'
RECORDING = b"wss://ws.okx.com:8443/ws/v5/public <-> 1652459224.5300605\n"
ANSWER = b'https://api.binance.com/api/v3/depth?symbol=A -> 1652459224.5: {"lastUpdateId":1}\n'
TABLE = b"ts,price,size\n1700000000,1,1\n"


def test_tapes_captures_and_tables_are_told_apart(tmp_path: Path) -> None:
    for name, content, kind in [
        ("capture.csv", CAPTURE, "binance-raw"),
        ("capture.gz", gzip.compress(CAPTURE), "binance-raw"),
        ("recording.txt", RECORDING, "cryptofeed"),
        ("answer.gz", gzip.compress(ANSWER), "cryptofeed"),
        ("table.raw", TABLE, "csv"),
        ("sides.csv", b"time,side,price,size\n1700000000,buy,1,1\n", "csv"),
        ("ids.csv", b"id,time,price,amount\n7,1700000000,1,1\n", "csv"),
        ("quotes.csv", b"timestamp;bid;ask\n1700000000;1;2\n", "csv"),
        ("seven.csv", b"time,open,high,low,close,volume,x\n1700000000,1,2,1,2,1,1\n", "csv"),
        ("table.gz", gzip.compress(b"\n" + TABLE), "csv"),
    ]:
        (tmp_path / name).write_bytes(content)
        assert sniff(tmp_path / name) == kind
    import_files("csv", [tmp_path / "table.raw"], symbol="x:A", out=tmp_path / "tape")
    assert sniff(tmp_path / "tape") == "tape"


def test_what_is_none_of_them_is_named(tmp_path: Path) -> None:
    for name, content in [("a.json", b'{"a": 1}\n'), ("b.csv", b"a,b\n1,2\n"), ("c", b"")]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnknownFormat, match=name):
            sniff(tmp_path / name)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnknownFormat, match="holds no tape"):
        sniff(tmp_path / "folder")
    with pytest.raises(BadInput):
        sniff(tmp_path / "missing")
