"""Select symbols of a market: all, those with the most turnover, or some by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from onetape.model.errors import UsageError

__all__ = ["Wanted", "symbols_wanted"]

STAYS: Final = 4  # a selected symbol leaves when it ranks more than top / STAYS places below the last one


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which symbols to select. names: only these, empty: all. top: this many with the largest turnover, 0: not by
    turnover."""

    names: frozenset[str] = frozenset()
    top: int = 0

    def chosen(
        self, turnovers: Mapping[str, float], current: Collection[str] = (), needed: Collection[str] = ()
    ) -> list[str]:
        """Returns the symbols with the largest turnover, and all `needed` ones. turnovers: symbol -> turnover. Symbols
        of `current` that rank near enough stay, so that two of nearly equal turnover do not alternate."""
        ranked = sorted(turnovers, key=lambda symbol: (-turnovers[symbol], symbol))
        near = {*ranked[: self.top + max(self.top // STAYS, 1)], *needed} & turnovers.keys()
        kept = (each for each in current if each in near)
        # The needed symbols separately: a process that has just started has no current ones.
        return list(dict.fromkeys([*kept, *ranked[: self.top], *sorted(near & {*needed})]))


def symbols_wanted(text: str, *, place: str = "--symbols") -> Wanted:
    """Parse `all`, `top:N` or `a,b`. Raises UsageError."""
    if text == "all":
        return Wanted()
    if text.startswith("top:"):
        count = text.removeprefix("top:")
        if not count.isascii() or not count.isdigit() or not 0 < int(count) <= 100_000:
            raise UsageError(f"{text!r} is not a number of symbols", location=place, todo="write top:50")
        return Wanted(top=int(count))
    names = frozenset(each.strip() for each in text.split(",") if each.strip())
    if not names:
        raise UsageError("no symbols", location=place, todo="write all, top:50 or symbols with commas")
    return Wanted(names)
