"""Read the actions of a run as a table, compare two tables and describe their differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onetape.model.enums import TriggerKind
from onetape.model.instrument import Instrument
from onetape.model.order import TRIGGER_KIND_SHIFT
from onetape.model.time import format_time
from onetape.tape.journal import JournalReader

__all__ = ["Actions", "first_difference", "read_actions", "symbols_of"]

# Only these columns are compared: no ids of runs, no paths, no versions.
FIELDS = (
    "time",
    "kind",
    "robot",
    "order_id",
    "symbol",
    "side",
    "type",
    "price",
    "size",
    "trigger",
    "tif",
    "flags",
    "tag",
)
_KINDS = ("", "place", "cancel", "amend")
_SIDES = ("none", "buy", "sell")
_TYPES = ("", "limit", "market")
_TIFS = ("", "GTC", "IOC", "FOK", "GTD")


@dataclass(slots=True)
class Actions:
    """Columns of equal length in tape order, with the instruments and codes needed to read them."""

    columns: dict[str, NDArray[Any]]
    instruments: dict[str, Instrument]

    def __len__(self) -> int:
        return len(self.columns["time"])

    def head(self, count: int) -> Actions:
        """Returns the first `count` actions."""
        return Actions({n: c[:count] for n, c in self.columns.items()}, self.instruments)

    def where(self, keep: NDArray[np.bool_]) -> Actions:
        """Returns the actions for which `keep` is true."""
        return Actions({n: c[keep] for n, c in self.columns.items()}, self.instruments)

    def and_then(self, other: Actions) -> Actions:
        """Returns these actions followed by those of the other table."""
        return Actions(
            {name: np.concatenate((c, other.columns[name])) for name, c in self.columns.items()},
            {**self.instruments, **other.instruments},
        )

    def describe(self, index: int) -> str:
        """Describes one action in words."""
        row = {name: column[index] for name, column in self.columns.items()}
        symbol = str(row["symbol"])
        facts = self.instruments[symbol]
        kind = _KINDS[int(row["kind"])]
        text = f"{kind} order {int(row['order_id'])}"
        if kind != "cancel":
            text += f" {_SIDES[int(row['side'])]} {facts.size_text(int(row['size']))}"
            if int(row["type"]) == 1:
                text += f" at {facts.price_text(int(row['price']))} {_TIFS[int(row['tif'])]}"
            else:
                text += " at market"
            if int(row["trigger"]):
                word = TriggerKind.from_id(int(row["flags"]) >> TRIGGER_KIND_SHIFT).word
                text += f" {word or 'trigger'} {facts.price_text(int(row['trigger']))}"
        return f"{text} {symbol} at {format_time(int(row['time']))}"


def read_actions(journal: Path) -> Actions:
    """Returns all order requests of a run's journal."""
    with JournalReader(journal) as reader:
        rows = reader.columns("order_request")
    symbols, facts = symbols_of(journal, rows)
    columns: dict[str, NDArray[Any]] = {"symbol": symbols, "sequence": rows["sequence"]}
    for name in FIELDS:
        if name != "symbol":
            columns[name] = rows[name]
    return Actions(columns, facts)


def symbols_of(journal: Path, rows: Mapping[str, NDArray[Any]]) -> tuple[NDArray[Any], dict[str, Instrument]]:
    """Returns the symbol of each row of a run's journal, and the run's instruments. rows: need columns `stream` and
    `sequence`."""
    facts: dict[str, Instrument] = {}
    symbols = np.full(len(rows["stream"]), "", dtype=object)
    with JournalReader(journal) as reader:
        for frame in reader.frames(types=["instrument"]):
            instrument = Instrument.from_msgpack(frame.payload)
            facts[instrument.symbol] = instrument
            # An incarnation that starts here may number its instruments differently.
            later = (rows["stream"] == frame.stream) & (rows["sequence"] > frame.sequence)
            symbols[later] = instrument.symbol
    return symbols, facts


def first_difference(a: Actions, b: Actions) -> tuple[int, int, str]:
    """Compare actions one by one in order; returns (number of differences, index of the first or -1, the first in
    words). Actions that only one table has are differences.
    """
    common = min(len(a), len(b))
    differs = np.zeros(common, dtype=bool)
    for name in FIELDS:
        left, right = a.columns[name][:common], b.columns[name][:common]
        differs |= np.asarray(left != right, dtype=bool)
    count = int(differs.sum()) + abs(len(a) - len(b))
    if not count:
        return 0, -1, ""
    if differs.any():
        index = int(np.argmax(differs))
        names = [name for name in FIELDS if a.columns[name][index] != b.columns[name][index]]
        return (
            count,
            index,
            (f"action {index + 1}: {a.describe(index)}, but {b.describe(index)} (differs in {', '.join(names)})"),
        )
    longer, word = (a, "second") if len(a) > len(b) else (b, "first")
    return count, common, f"action {common + 1}: {longer.describe(common)}, nothing in the {word}"
