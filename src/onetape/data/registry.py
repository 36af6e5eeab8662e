"""KIND -> importer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from onetape.data.layout import Planner
from onetape.model.errors import UnknownFormat
from onetape.venues.protocol_table import Protocol


@dataclass(frozen=True, slots=True)
class Kind:
    """Says how a KIND is read.

    code: module:attribute, of a capture's message table or of a table's planner. options: those of
    the command that mean something for it. venue_names: its raw symbols are the venue's own.
    foreign: forms of files that are refused elsewhere, and that it reads. names_matter: a file's
    name says part of what it is. by_rows: a column may name its instruments.
    """

    name: str
    form: Literal["table", "capture", "recording", "events"]
    code: str = ""  # none: venue and symbols are in its own lines
    options: frozenset[str] = frozenset()
    venue_names: bool = False
    foreign: tuple[str, ...] = ()
    names_matter: bool = False
    by_rows: bool = False

    def load_protocol(self) -> Protocol:
        """Returns the message table, imported when it is first needed."""
        found = self._load()
        assert isinstance(found, Protocol)
        return found

    def load_planner(self) -> Planner:
        """Returns what settles the rows of a source."""
        found: Planner = self._load()
        return found

    def _load(self) -> Any:
        from importlib import import_module

        module, _, attribute = self.code.partition(":")
        return getattr(import_module(module), attribute)


_OF_CSV: Final = frozenset({"--tz", "--columns", "--period", "--bar-time", "--time-format", "--decimal"})
KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("csv", "table", "onetape.data.csv_layout:plan", _OF_CSV, by_rows=True),
        Kind("parquet", "table", "onetape.data.parquet:plan", _OF_CSV, foreign=("Parquet",), by_rows=True),
        Kind("funding", "table", "onetape.data.csv_layout:plan_funding", _OF_CSV, by_rows=True),
        Kind("binance-raw", "capture", "onetape.venues.binance.market:MARKET", frozenset({"--seed-book"})),
        Kind("binance-vision", "table", "onetape.data.binance_vision:plan", venue_names=True, names_matter=True),
        Kind("tardis", "table", "onetape.data.tardis:plan", venue_names=True, names_matter=True),
        Kind("ccxt", "table", "onetape.data.ccxt_json:plan", frozenset({"--period", "--bar-time"})),
        Kind(
            "freqtrade",
            "table",
            "onetape.data.freqtrade:plan",
            frozenset({"--period", "--tz"}),
            foreign=("Arrow",),
            names_matter=True,
        ),
        Kind("hftbacktest", "table", "onetape.data.hftbacktest:plan"),
        Kind("moex", "table", "onetape.data.moex:plan"),
        Kind("cryptofeed", "recording"),
        Kind("events", "events", options=frozenset({"--tz", "--ahead"})),
    )
}


class UnknownKind(UnknownFormat):
    """A KIND that nobody has heard of is a mistake in the command, not in the data."""

    exit_code = 2


def find_kind(name: str) -> Kind:
    """Raises UnknownFormat (exit 2) for a kind that is none."""
    kind = KINDS.get(name)
    if kind is not None:
        return kind
    raise UnknownKind(f"no kind of data is called {name!r}", todo=f"use one of {', '.join(KINDS)}")
