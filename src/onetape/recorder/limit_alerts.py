"""Compares figures of accounts with their limits, and makes records of alerts that begin and end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from onetape.notify.alert import UPDATE_NS
from onetape.options.recorder import Limits

__all__ = ["Watch"]

RELEASE: Final = Decimal("0.95")  # share of a limit below which the alert ends, so that it begins once at the limit


class Watch:
    """Remembers the figures beyond their limits. limits: by account."""

    def __init__(self, limits: Mapping[str, Limits]) -> None:
        self._limits = limits
        self._beyond: dict[tuple[str, str], tuple[int, str]] = {}  # time and text of the last record

    def changes(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yields a record for each alert that begins or ends with these present figures, and every UPDATE_NS for a
        changed figure beyond its limit."""
        for row in rows:
            if (limits := self._limits.get(row["account"])) is None:
                continue
            subject = f"{row['account']} {row['currency']}"
            for kind, figure, limit in limits.of(row):
                key = kind, subject
                record = {"kind": kind, "subject": subject, "state": f"{figure:.6g}, limit {limit:f}"}
                since, before = self._beyond.get(key, (None, ""))
                if since is None and figure < limit:
                    continue
                if since is not None and figure < limit * RELEASE:
                    del self._beyond[key]
                    yield record
                elif since is None or (record["state"] != before and not 0 <= row["ts"] - since < UPDATE_NS):
                    self._beyond[key] = row["ts"], record["state"]
                    yield record | {"severity": "warning"}
