"""Describe the layout of a source's rows, which its kind determines before they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from onetape.data.source import OnRead
from onetape.model.errors import BadInput

HEAD_BYTES: Final = 1 << 20

RowKind = Literal[
    "quotes",
    "trades",
    "bars",
    "marks",
    "funding",
    "liquidations",
    "tickers",
    "book_snapshots",
    "book_changes",
    "sides",
    "orders",
]
Levels = Sequence[tuple[int, int, int, int]]


class TableSource(Protocol):
    """A stream of rows that can be read twice: a file, or a data frame."""

    @property
    def name(self) -> str: ...

    def chunks(self, on_read: OnRead | None = None) -> Iterable[bytes]: ...

    def head(self, size: int = ...) -> bytes: ...


@dataclass(frozen=True, slots=True)
class TableOptions:
    """The user's options for tables."""

    zone: str | None = None  # UTC by default
    columns: str | Sequence[str] | None = None
    period_ns: int = 0  # 0: the most frequent step
    time_is_close: bool = False
    time_format: str | None = None
    decimal: str | None = None  # comma or point


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a table's rows. `columns` maps the core's names to indices in the row, from 0.

    form: `lines` of separated values; `json` rows, lists or (with `keys`, the name of each index) objects; `packed`
    cells of 8 bytes, int64 ns and doubles; `hft`, rows of 64 bytes. `blank` names columns that may be empty: unknown.
    `levels` are the indices of (bid, bid size, ask, ask size), best first. `raw` is the instrument in the source's
    name, "" if only the rows name it, or nothing does.
    """

    kind: RowKind
    columns: dict[str, int] = field(default_factory=dict)
    form: Literal["lines", "json", "packed", "hft"] = "lines"
    fields: int = 0
    separator: str = ","
    skip_lines: int = 0
    blank: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    levels: Levels = ()
    implied_decimals: int = 0
    period_ns: int = 0
    raw: str = ""
    ignored: tuple[str, ...] = ()  # columns that mean nothing here
    note: str = ""  # for the result's assumptions
    said: Mapping[str, object] = field(default_factory=dict)  # interpretation of a csv

    @property
    def has_period(self) -> bool:
        """True when the rows are bars that do not show their period."""
        return self.kind in {"bars", "marks"} and "close_time" not in self.columns


@dataclass(frozen=True, slots=True)
class Planned:
    """A source and its layout; layout: None if the source is skipped, and counted under `why`."""

    source: TableSource
    layout: Layout | None
    why: str = ""


# Plans a source of one kind. Raises BadInput or UsageError.
Planner = Callable[[TableSource, TableOptions], Planned]


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a text: its first line that is not blank, and the number of lines before it."""

    first: str
    skipped: int
    lines: list[str]


def text_head(source: TableSource) -> Head:
    """Returns the beginning of a text. Raises BadInput if the source is empty, or no text."""
    head = source.head(HEAD_BYTES)
    first = next((line for line in head.split(b"\n") if line.strip()), b"")
    text = first.decode("utf-8", "replace").strip("\r").lstrip("\ufeff")
    if "\0" in text or head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput(
            "the file is not text in UTF-8, nor in UTF-16 with a byte order mark",
            location=source.name,
            todo="encode it as UTF-8, or name another KIND",
        )
    if not text.strip():
        raise BadInput("the file is empty", location=source.name, todo="download or export it again")
    at = head.index(first)
    lines = head[at : at + (1 << 16)].decode("utf-8", "replace").splitlines()
    return Head(text, head[:at].count(b"\n"), lines)


def stem(source: TableSource) -> str:
    """Returns the file's name without folder and extensions; "" for a source that is no file."""
    return str(getattr(source, "stem", ""))
