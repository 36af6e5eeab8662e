"""Read polars and pandas frames as rows of text, chunk by chunk.

Neither library is imported here: a frame brings its own.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from onetape.data.source import OnRead
from onetape.model.errors import BadInput

ROWS_A_CHUNK: Final = 1 << 16
FLOAT_DIGITS: Final = 15  # digits that a double represents exactly
INDEX_NAME: Final = "timestamp"
_SHORT_FLOATS: Final = frozenset({"float32", "float16", "float[pyarrow]", "halffloat[pyarrow]"})


class FrameSource:
    """A frame as lines of comma-separated values, with a header. It can be read repeatedly.

    Times become ns since the epoch; a time without a zone stays a wall time, as text, so that `tz` applies. Floats get
    15 significant digits. Raises TypeError for anything but a frame.
    """

    def __init__(self, frame: object) -> None:
        module = type(frame).__module__.partition(".")[0]
        self._rows: PolarsRows | _PandasRows
        if module == "polars":
            self._rows = PolarsRows(frame)
        elif module == "pandas":
            self._rows = _PandasRows(frame)
        else:
            raise TypeError(f"data must be a polars or pandas frame, a tape or a file, not {type(frame)!r}")
        self.name = f"{module} frame"

    @property
    def size(self) -> int:
        """Returns the number of rows, for progress."""
        return self._rows.count

    def chunks(self, on_read: OnRead | None = None) -> Iterator[bytes]:
        """Yields the rows as text, the header first."""
        for first in range(0, max(self._rows.count, 1), ROWS_A_CHUNK):
            if on_read is not None:
                on_read(min(ROWS_A_CHUNK, self._rows.count - first))
            yield self._rows.text(first, ROWS_A_CHUNK, header=first == 0)

    def head(self, size: int = 1 << 16) -> bytes:
        """Returns the first rows."""
        return self._rows.text(0, 100, header=True)[:size]

    def digest(self) -> bytes:
        """Returns the SHA-256 over the rows as they are read."""
        whole = hashlib.sha256()
        for chunk in self.chunks():
            whole.update(chunk)
        return whole.digest()


class PolarsRows:
    def __init__(self, frame: Any) -> None:
        import polars as pl

        if isinstance(frame, pl.LazyFrame):
            frame = frame.collect()
        if not isinstance(frame, pl.DataFrame):
            raise TypeError(f"data must be a frame, not {type(frame)!r}")
        changes = []
        for name, kind in frame.schema.items():
            column = pl.col(name)
            if isinstance(kind, pl.Datetime):
                if kind.time_zone is None:
                    changes.append(column.dt.strftime("%Y-%m-%dT%H:%M:%S%.9f"))
                else:
                    changes.append(column.dt.epoch("ns"))
            elif kind.is_float():
                changes.append(column.round_sig_figs(FLOAT_DIGITS))
            elif isinstance(kind, pl.Categorical | pl.Enum):
                changes.append(column.cast(pl.String))
            elif isinstance(kind, pl.Object):
                texts = [None if each is None else str(each) for each in frame[name]]
                frame = frame.with_columns(pl.Series(name, texts, dtype=pl.String))
            elif isinstance(kind, pl.Duration | pl.Binary):
                what = "bytes" if isinstance(kind, pl.Binary) else "durations"
                raise BadInput(f"column {name} holds {what}", location="polars frame")
            elif kind.is_nested():
                raise BadInput(f"column {name} holds lists or structs", location="polars frame")
        self._frame = frame
        self._changes = changes
        self.count: int = frame.height

    def text(self, first: int, count: int, *, header: bool) -> bytes:
        rows = self._frame.slice(first, count).with_columns(self._changes)
        text: str = rows.write_csv(include_header=header)
        return text.encode()


class _PandasRows:
    def __init__(self, frame: Any) -> None:
        import pandas as pd  # type: ignore[import-untyped]

        if not isinstance(frame, pd.DataFrame):
            raise TypeError(f"data must be a frame, not {type(frame)!r}")
        if frame.columns.nlevels == 2:
            frame = _by_ticker(pd, frame)
        if isinstance(frame.index, pd.PeriodIndex):
            frame = frame.set_axis(frame.index.to_timestamp(), axis=0)
        if isinstance(frame.index, pd.DatetimeIndex):
            frame = frame.reset_index(names=frame.index.name or INDEX_NAME)
        elif any(frame.index.names):
            frame = frame.reset_index()
        names = Counter(str(name) for name in frame.columns)
        if twice := next((name for name, count in names.items() if count > 1), ""):
            raise BadInput(f"the frame has the column {twice} twice", location="pandas frame", todo="name each once")
        self._pandas = pd
        self._frame = frame
        self.count: int = len(frame)

    def text(self, first: int, count: int, *, header: bool) -> bytes:
        pd = self._pandas
        rows = self._frame.iloc[first : first + count].copy()
        for name in rows.columns:
            column = rows[name]
            if str(column.dtype).lower() in _SHORT_FLOATS:
                rows[name] = _shortest(column)
            if not pd.api.types.is_datetime64_any_dtype(column.dtype):
                continue
            if getattr(column.dtype, "tz", None) is None:
                rows[name] = column.dt.strftime("%Y-%m-%dT%H:%M:%S.%f") + _nanoseconds(column)
            else:
                utc = column.dt.tz_convert("UTC").dt.tz_localize(None)
                try:
                    ns = utc.astype("datetime64[ns]").astype("int64")
                except ValueError:  # times after 2262: their rows are rejected
                    ns = utc.dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                rows[name] = ns.where(column.notna(), "")
        text: str = rows.to_csv(index=False, header=header, float_format=f"%.{FLOAT_DIGITS}g", lineterminator="\n")
        return text.encode()


def _shortest(column: Any) -> Any:
    """Returns the shortest decimal texts of floats of 32 or 16 bits, which do not have 15 exact digits."""
    kind = "float16" if "16" in str(column.dtype) or "half" in str(column.dtype) else "float32"
    texts = column.to_numpy(dtype=kind, na_value=float("nan")).astype(str).astype(object)
    texts[column.isna().to_numpy()] = ""
    return texts


def _by_ticker(pd: Any, frame: Any) -> Any:
    """Returns the rows of all tickers below each other, from a frame that has them side by side, as yfinance does."""
    level = next((i for i, name in enumerate(frame.columns.names) if name == "Ticker"), None)
    if level is None:
        raise BadInput(
            "the columns have two levels, and none is called Ticker",
            location="pandas frame",
            todo="give it one level of columns, with a column symbol",
        )
    tickers = frame.columns.get_level_values(level).unique()
    parts = [frame.xs(ticker, axis=1, level=level).assign(Ticker=ticker) for ticker in tickers]
    # A ticker that did not trade on a day on which others did has empty cells.
    long = pd.concat([part.dropna(how="all", subset=part.columns[:-1]) for part in parts])
    return long.rename_axis(columns=None)


def _nanoseconds(column: Any) -> Any:
    """Returns the three digits that strftime's microseconds omit."""
    return column.dt.nanosecond.map("{:03.0f}".format, na_action="ignore")
