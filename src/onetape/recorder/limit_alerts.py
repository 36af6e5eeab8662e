"""Figures of accounts beyond a limit, as records of alerts that begin and end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from onetape.notify.alert import UPDATE_NS
from onetape.options.recorder import Limits

__all__ = ["Watch"]

RELEASE: Final = Decimal("0.95")  # of a limit: below it the alert ends, and at the limit it begins but once


class Watch:
    """Remembers what is beyond its limit. limits: by account."""

    def __init__(self, limits: Mapping[str, Limits]) -> None:
        self._limits = limits
        self._beyond: dict[tuple[str, str], tuple[int, str]] = {}  # when it was said last, and how it was then

    def changes(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yields a record for each alert that begins or ends with these figures, which are of now, and each UPDATE_NS
        for a figure that has changed beyond its limit."""
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
