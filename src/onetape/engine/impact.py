"""Parse the impact option: how a run's own takers move the recorded market, by the square-root law.

    off                                      no impact: the default
    sqrt                                     the law with the values below
    coefficient=0.7,halflife=5m,...          the law with these, and the others below
    FILE.toml                                the law that `journal impact` fitted to a run

The law itself is the core's (core/exchange/impact.hpp); docs/concepts/fills.md explains it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from onetape.model.enums import EventType
from onetape.model.errors import BadConfig, BadInput, UsageError
from onetape.model.time import DAY, HOUR, MINUTE, format_duration, parse_duration

__all__ = ["Impact", "check_volume", "parse_impact", "read_impact"]

COEFFICIENT_MAX: Final = 100.0
SPAN_MAX: Final = 366 * DAY
# Samples for volatility and volume; the core has the same number.
SAMPLES: Final = 60
# Where the data have these event types, bars neither fill orders nor count as volume.
_FINER: Final = (EventType.QUOTE, EventType.BOOK, EventType.MBO)
_FORM: Final = "write sqrt, or coefficient=0.7,halflife=5m with permanent=0.2 or window=1h beside it"


class Impact(NamedTuple):
    """displacement = coefficient * volatility * sqrt(own size / volume), in price units."""

    coefficient: float = 1.0  # of order one in measurements (Tóth et al. 2011)
    half_life: int = 30 * MINUTE  # ns in which the transient part halves
    permanent: float = 0.0  # share that follows the position, and does not decay
    window: int = HOUR  # window of volatility and volume, ns; with bars longer than a 60th of it: 60 bars

    def __str__(self) -> str:
        text = f"coefficient={self.coefficient!r},halflife={format_duration(self.half_life)}"
        return f"{text},permanent={self.permanent!r},window={format_duration(self.window)}"

    @property
    def core(self) -> tuple[float, float, int, int]:
        """Returns the arguments of the core's RecordedVenue."""
        return self.coefficient, self.permanent, self.half_life, self.window


def read_impact(text: str) -> tuple[Impact | None, str]:
    """Returns (impact law, or None for `off`; description of the fit and its error, "" without a file). text: as for
    parse_impact, or a file written by `journal impact`. Raises as parse_impact, and BadInput for an invalid file."""
    path = Path(text.strip())
    if path.suffix != ".toml":
        return parse_impact(text), ""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))["impact"]
        return parse_impact(table["law"]), str(table["words"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        todo = "name a file that `onetape journal impact` wrote"
        raise BadInput(f"no fitted impact: {problem}", location=str(path), todo=todo) from None


def parse_impact(text: str) -> Impact | None:
    """Returns the law, None for `off`. Raises BadConfig for other text."""
    if (name := text.strip()) in ("off", "sqrt"):
        return Impact() if name == "sqrt" else None
    fields: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = (each.strip() for each in part.partition("="))
        if not equals or key in fields or key not in ("coefficient", "halflife", "permanent", "window"):
            raise BadConfig(f"impact {part.strip()!r} of {text!r}", location="--impact", todo=_FORM)
        fields[key] = value
    usual = Impact()
    return Impact(
        _number(fields, "coefficient", usual.coefficient, COEFFICIENT_MAX, least=1e-9),
        _span(fields, "halflife", usual.half_life, least=1),
        _number(fields, "permanent", usual.permanent, 1.0),
        _span(fields, "window", usual.window, least=SAMPLES),
    )


def _number(fields: Mapping[str, str], key: str, usual: float, most: float, *, least: float = 0.0) -> float:
    try:
        value = float(fields.get(key, usual))
    except ValueError:
        value = -1.0
    if not least <= value <= most:
        raise BadConfig(f"{key} {fields[key]!r}", location="--impact", todo=f"give {least:g} to {most:g}")
    return value


def _span(fields: Mapping[str, str], key: str, usual: int, *, least: int) -> int:
    if key not in fields:
        return usual
    try:
        span = parse_duration(fields[key])
    except UsageError:
        span = 0
    if not least <= span <= SPAN_MAX:
        raise BadConfig(f"{key} {fields[key]!r}", location="--impact", todo="write 5m or 1h, at most 366d")
    return span


def check_volume(fills_on: Mapping[str, Mapping[int, int]]) -> None:
    """Raises BadConfig for an instrument whose data have no volume. fills_on: {type id: count} of the events that
    orders fill on."""
    without = [
        symbol
        for symbol, types in fills_on.items()
        if not types.get(EventType.TRADE.id) and any(types.get(each.id) for each in _FINER)
    ]
    if without:
        raise BadConfig(
            f"own impact needs traded volume, and {', '.join(without)} has quotes or depth without trades",
            location="--impact",
            todo="add a tape with their trades, or leave --impact out",
        )
