"""Data frames follow the column rules of `csv`; both libraries give the same tape."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from onetape.data.importing import import_frame
from onetape.model.errors import BadInput

pl = pytest.importorskip("polars")
pd = pytest.importorskip("pandas")

T0 = datetime(2024, 3, 1, 12, tzinfo=UTC)


def trades(count: int = 10) -> Any:
    return pl.DataFrame(
        {
            "ts_event": [T0 + timedelta(milliseconds=i) for i in range(count)],
            "price": [100.0 + i / 10 for i in range(count)],
            "size": [0.1 + 0.2] * count,
            "side": ["buy", "sell"] * (count // 2),
            "id": list(range(count)),
        }
    )


def test_both_libraries_give_the_same_frames(tmp_path: Path, read: Any) -> None:
    frame = trades()
    import_frame(frame, symbol="x:A/USD", out=tmp_path / "a")
    import_frame(frame.to_pandas(), symbol="x:A/USD", out=tmp_path / "b")
    import_frame(frame.lazy(), symbol="x:A/USD", out=tmp_path / "c")
    records = [read(tmp_path / tape).records for tape in "abc"]
    assert records[0] == records[1] == records[2]
    import_frame(frame, symbol="x:A/USD", out=tmp_path / "d")
    segments = {(tmp_path / tape / "0000000001.tape").read_bytes() for tape in "acd"}
    assert len(segments) == 1


def test_floats_count_with_the_digits_a_double_is_sure_of(tmp_path: Path, read: Any) -> None:
    import_frame(trades(), symbol="x:A/USD", out=tmp_path / "tape")
    tape = read(tmp_path / "tape")
    assert (tape.instrument["tick"], tape.instrument["lot"]) == ("0.1", "0.1")
    assert {str(tape.size(record.data["size"])) for record in tape.of("trade")} == {"0.3"}


def test_times_without_a_zone_are_wall_times(tmp_path: Path, read: Any) -> None:
    naive = trades().with_columns(pl.col("ts_event").dt.replace_time_zone(None))
    noon = int(T0.timestamp()) * 10**9
    for number, frame in enumerate((naive, naive.to_pandas())):
        out = tmp_path / f"t{number}"
        import_frame(frame, symbol="x:A/USD", out=out, tz="Asia/Shanghai")
        assert read(out).of("trade")[0].time == noon - 8 * 3600 * 10**9
        import_frame(frame, symbol="x:A/USD", out=out, force=True)
        assert read(out).of("trade")[0].time == noon


def test_a_pandas_index_of_times_is_the_time(tmp_path: Path, read: Any) -> None:
    frame = trades().to_pandas().set_index("ts_event")
    import_frame(frame.rename_axis(None), symbol="x:A/USD", out=tmp_path / "tape")
    assert read(tmp_path / "tape").of("trade")[0].time == int(T0.timestamp()) * 10**9


def test_nanoseconds_survive_every_kind_of_column(tmp_path: Path, read: Any) -> None:
    stamps = [1_700_000_000_123_456_789 + i for i in range(4)]
    frame = pl.DataFrame({"ts": stamps, "price": [1, 2, 3, 4], "size": [1, 1, 1, 1]})
    kinds = [
        frame,
        frame.with_columns(pl.col("ts").cast(pl.Datetime("ns", "UTC"))),
        frame.with_columns(pl.col("ts").cast(pl.Datetime("ns"))),
    ]
    for number, kind in enumerate([*kinds, *(kind.to_pandas() for kind in kinds)]):
        import_frame(kind, symbol="x:A/USD", out=tmp_path / str(number))
        assert [r.time for r in read(tmp_path / str(number)).of("trade")] == stamps


def test_rows_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    frame = pl.DataFrame({"ts": [1, 2, 3, 4], "price": [1.0, None, float("nan"), 2.0], "size": [1] * 4})
    for number, kind in enumerate((frame, frame.to_pandas())):
        result = import_frame(kind, symbol="x:A/USD", out=tmp_path / str(number))
        assert (result.by_type, result.rejected) == ({"trade": 2}, 2)


def test_many_chunks_are_one_table(tmp_path: Path) -> None:
    count = 150_000
    frame = pl.DataFrame({"ts": range(count), "price": [1.5] * count, "size": [1] * count})
    assert import_frame(frame, symbol="x:A/USD", out=tmp_path / "tape").events == count


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        import_frame([1, 2], symbol="x:A/USD", out=tmp_path / "tape")
    with pytest.raises(TypeError):
        import_frame(pl.Series([1]), symbol="x:A/USD", out=tmp_path / "tape")
    with pytest.raises(BadInput, match="header is a, b"):
        import_frame(pl.DataFrame({"a": [1], "b": [2]}), symbol="x:A/USD", out=tmp_path / "tape")
    with pytest.raises(BadInput, match="lists"):
        import_frame(pl.DataFrame({"ts": [[1]]}), symbol="x:A/USD", out=tmp_path / "tape")
    with pytest.raises(BadInput, match="no rows"):
        import_frame(trades().clear(), symbol="x:A/USD", out=tmp_path / "tape")
    assert not list(tmp_path.iterdir())
