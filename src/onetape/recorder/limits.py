"""Figures of accounts beyond a limit, as records of alerts that begin and end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

__all__ = ["Limits", "Watch"]

RELEASE: Final = Decimal("0.95")  # of a limit: below it the alert ends, and at the limit it begins but once


class Limits(msgspec.Struct, frozen=True):
    """The limits of one account. delta: currency -> decimal text; shares of 1, 0: none."""

    delta: dict[str, str] = {}
    utilization: float = 0.0
    drawdown: float = 0.0

    def of(self, row: Mapping[str, Any]) -> Iterator[tuple[str, Decimal, Decimal]]:
        """(kind, figure, limit) of a row of `record_risk`."""
        if most := self.delta.get(row["currency"]):
            yield "delta", abs(Decimal(row["delta"])), Decimal(most)
        if self.utilization:
            used = row["utilization"]
            if used is None:  # there is nothing to cover it, or nothing at all
                used = "Infinity" if Decimal(row["equity"]) < 0 else 0
            yield "utilization", Decimal(str(used)), Decimal(str(self.utilization))
        if self.drawdown:
            yield "drawdown", Decimal(str(row["drawdown"])), Decimal(str(self.drawdown))


class Watch:
    """Remembers what is beyond its limit. limits: by account."""

    def __init__(self, limits: Mapping[str, Limits]) -> None:
        self._limits, self._beyond = limits, set[tuple[str, str]]()

    def changes(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """A record for each alert that begins or ends with these figures, which are of now."""
        for row in rows:
            if (limits := self._limits.get(row["account"])) is None:
                continue
            subject = f"{row['account']} {row['currency']}"
            for kind, figure, limit in limits.of(row):
                key = kind, subject
                record = {"kind": kind, "subject": subject, "state": f"{figure:.6g}, limit {limit:f}"}
                if key in self._beyond and figure < limit * RELEASE:
                    self._beyond.remove(key)
                    yield record
                elif key not in self._beyond and figure >= limit:
                    self._beyond.add(key)
                    yield record | {"severity": "warning"}
