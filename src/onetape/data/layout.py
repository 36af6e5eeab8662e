"""What the rows of one source are: settled before they are read, by the source's kind."""

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
    """What the user has said about the tables."""

    zone: str | None = None  # UTC where nobody says
    columns: str | Sequence[str] | None = None
    period_ns: int = 0  # 0: the most frequent step
    time_is_close: bool = False
    time_format: str | None = None
    decimal: str | None = None  # comma or point


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout of a table's rows. `columns` maps the core's names to places in the row. Places count from 0.

    form: `lines` of separated values; `json` rows, lists or (with `keys`, the name of each place)
    objects; `packed` cells of 8 bytes, int64 ns and doubles; `hft`, rows of 64 bytes. `blank` names
    columns that may be empty: not known. `levels` are the places of (bid, bid size, ask, ask size),
    best first. `raw` is the instrument as the source's name says it, "" where the rows say it or
    nothing does.
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
    said: Mapping[str, object] = field(default_factory=dict)  # what was understood of a csv

    @property
    def has_period(self) -> bool:
        """Its rows are bars, whose period must be known from elsewhere."""
        return self.kind in {"bars", "marks"} and "close_time" not in self.columns


@dataclass(frozen=True, slots=True)
class Planned:
    """A source and what its rows are; `layout` None: it is passed over, counted by `why`."""

    source: TableSource
    layout: Layout | None
    why: str = ""


# What a kind of file does with one of its sources. Raises BadInput or UsageError.
Planner = Callable[[TableSource, TableOptions], Planned]


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a text: its first line with something in it, and the lines before."""

    first: str
    skipped: int
    lines: list[str]


def text_head(source: TableSource) -> Head:
    """Raises BadInput where the source is empty, or no text."""
    head = source.head(HEAD_BYTES)
    first = next((line for line in head.split(b"\n") if line.strip()), b"")
    text = first.decode("utf-8", "replace").strip("\r").lstrip("\ufeff")
    if "\0" in text or head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput("is no text in UTF-8", location=source.name, todo="look at its KIND and its encoding")
    if not text.strip():
        raise BadInput("is empty", location=source.name)
    at = head.index(first)
    lines = head[at : at + (1 << 16)].decode("utf-8", "replace").splitlines()
    return Head(text, head[:at].count(b"\n"), lines)


def stem(source: TableSource) -> str:
    """Returns the file's own name without its endings; "" for what is no file."""
    return str(getattr(source, "stem", ""))
