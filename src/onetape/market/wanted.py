"""Which symbols of a market somebody wants: all, those with the most turnover, or some by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from onetape.model.errors import UsageError

__all__ = ["Wanted", "symbols_wanted"]

STAYS: Final = 4  # one of those with the most goes once it is a fourth of their number behind the last


@dataclass(frozen=True, slots=True)
class Wanted:
    """Says which symbols are wanted. names: these alone, none: all. top: of all so many with the greatest turnover."""

    names: frozenset[str] = frozenset()
    top: int = 0

    def chosen(
        self, turnovers: Mapping[str, float], current: Collection[str] = (), needed: Collection[str] = ()
    ) -> list[str]:
        """Choose those with the greatest turnover, by symbol, anew: of the `current` ones those stay that are near
        enough, or needed, so that two of nearly the same take no turns."""
        ranked = sorted(turnovers, key=lambda symbol: (-turnovers[symbol], symbol))
        near = {*ranked[: self.top + max(self.top // STAYS, 1)], *needed} & turnovers.keys()
        kept = (each for each in current if each in near)
        # The needed ones by themselves: of a process that has just begun none is current.
        return list(dict.fromkeys([*kept, *ranked[: self.top], *sorted(near & {*needed})]))


def symbols_wanted(text: str, *, place: str = "--symbols") -> Wanted:
    """`all`, `top:N` or `a,b`. Raises UsageError."""
    if text == "all":
        return Wanted()
    if text.startswith("top:"):
        count = text.removeprefix("top:")
        if not count.isascii() or not count.isdigit() or not 0 < int(count) <= 100_000:
            raise UsageError(f"{text!r} is no number of symbols", location=place, todo="write top:50")
        return Wanted(top=int(count))
    names = frozenset(each.strip() for each in text.split(",") if each.strip())
    if not names:
        raise UsageError("no symbols", location=place, todo="write all, top:50 or symbols with commas")
    return Wanted(names)
