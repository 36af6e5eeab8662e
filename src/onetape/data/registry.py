"""Register the importers by KIND."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from onetape.data.layout import Planner
from onetape.model.errors import UnknownFormat
from onetape.model.near import did_you_mean
from onetape.venues.protocol_table import Protocol


@dataclass(frozen=True, slots=True)
class Kind:
    """The reader of a KIND.

    code: module:attribute of a capture's message table, or of a table's planner. options: the command's options that
    apply. venue_names: its raw symbols are the venue's own. foreign: file formats that only this kind reads.
    names_matter: a file's name is part of the tape's identity. by_rows: a column may name the instruments.
    """

    name: str
    form: Literal["table", "capture", "recording", "events"]
    code: str = ""  # "": the file's lines name venue and symbols
    options: frozenset[str] = frozenset()
    venue_names: bool = False
    foreign: tuple[str, ...] = ()
    names_matter: bool = False
    by_rows: bool = False

    def load_protocol(self) -> Protocol:
        """Returns the message table, imported on first use."""
        found = self._load()
        assert isinstance(found, Protocol)
        return found

    def load_planner(self) -> Planner:
        """Returns the function that settles the layout of a source's rows."""
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
    """An unknown KIND, which is an error of the command, not of the data."""

    exit_code = 2


def find_kind(name: str) -> Kind:
    """Returns a kind. Raises UnknownFormat (exit 2) for an unknown one."""
    kind = KINDS.get(name)
    if kind is not None:
        return kind
    todo = f"{did_you_mean(name, KINDS)} use one of {', '.join(KINDS)}".strip()
    raise UnknownKind(f"no kind of data is called {name!r}", location="KIND", todo=todo)
