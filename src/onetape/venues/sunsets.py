"""Interfaces that venues retire, with their dates: `sunsets.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Sequence
from enum import IntEnum
from functools import lru_cache
from importlib.resources import files
from typing import Final

import msgspec

from onetape.model.time import DAY, parse_time
from onetape.model.typed import from_builtins

__all__ = ["SOON_DAYS", "WARNING_DAYS", "Stage", "Sunset", "due", "read_sunsets"]

WARNING_DAYS: Final = 30
SOON_DAYS: Final = 7


class Stage(IntEnum):
    """How near a date is. OVER: it has come, and our adapter still needs the old interface."""

    AHEAD = 1  # at most WARNING_DAYS
    SOON = 2  # at most SOON_DAYS
    OVER = 3


class Sunset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An interface that a venue retires. date: YYYY-MM-DD UTC, from when on it does not work; uses_old: our adapter
    still needs it."""

    kind: str
    feature: str
    date: str
    replacement: str
    source: str
    uses_old: bool = False

    def days(self, now: int) -> int:
        """Returns the days until the date, rounded up; 0 or less: it has come. now: ns UTC."""
        return -((now - parse_time(self.date)) // DAY)

    def stage(self, now: int) -> Stage | None:
        """Returns how near the date is; None: far, or past and of no matter. now: ns UTC."""
        days = self.days(now)
        if days <= 0:
            return Stage.OVER if self.uses_old else None
        return Stage.SOON if days <= SOON_DAYS else Stage.AHEAD if days <= WARNING_DAYS else None

    def text(self, now: int) -> str:
        """Describes the change for a person. now: ns UTC."""
        days = self.days(now)
        when = "has ended" if days <= 0 else f"ends in {days} day{'s' * (days > 1)}"
        need = "this version still needs it" if self.uses_old else "this version does not use it"
        return f"{self.feature} {when} ({self.date}), replaced by {self.replacement}; {need} ({self.source})"


@lru_cache(maxsize=1)
def read_sunsets() -> tuple[Sunset, ...]:
    """Returns the shipped table, by date."""
    text = files("onetape.venues").joinpath("sunsets.toml").read_text(encoding="utf-8")
    rows = from_builtins(tomllib.loads(text)["sunsets"], list[Sunset])
    return tuple(sorted(rows, key=lambda each: each.date))


def due(kinds: Collection[str], now: int, rows: Sequence[Sunset] | None = None) -> list[tuple[Sunset, Stage]]:
    """Returns what kinds of venues retire soon, or have retired though our adapter needs it. now: ns UTC; rows: instead
    of the shipped table."""
    stages = ((each, each.stage(now)) for each in (read_sunsets() if rows is None else rows) if each.kind in kinds)
    return [(each, stage) for each, stage in stages if stage is not None]
