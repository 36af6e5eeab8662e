"""Read the series that a strategy plotted (`self.plot`) from its run's journal."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from onetape.report.report_data import Plots
from onetape.tape.journal import JournalReader

__all__ = ["plotted", "read_plots", "series_name"]


def plotted(reader: JournalReader) -> Iterator[tuple[int, str, float | None]]:
    """Yields the time (ns UTC), the name and the value of each point, None in gaps."""
    decode = reader.schemas.named("plot").decode
    for frame in reader.frames(("plot",)):
        said = decode(frame.payload)
        yield frame.time, series_name(said), said["value"]


def series_name(said: Mapping[str, Any]) -> str:
    """Returns the name of a series; for a strategy inside another one with its location (`/parent/child name`). said:
    record of a `plot` frame."""
    return f"{said['location']} {said['name']}" if "location" in said else str(said["name"])


def read_plots(reader: JournalReader) -> Plots:
    """Returns each series by name, in the order of their first values; nan in gaps."""
    found: dict[str, tuple[array[int], array[float]]] = {}
    for time, name, value in plotted(reader):
        times, values = found.setdefault(name, (array("q"), array("d")))
        times.append(time)
        values.append(math.nan if value is None else value)
    return {
        name: (np.array(times, dtype=np.int64), np.array(values, dtype=np.float64))
        for name, (times, values) in found.items()
    }
