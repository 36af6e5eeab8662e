"""Which symbols of a market somebody wants: all, those with the most turnover, or some by name."""

from __future__ import annotations

from dataclasses import dataclass

from onetape.model.errors import UsageError

__all__ = ["Wanted", "symbols_wanted"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """names: these alone, none: all. top: of all so many with the greatest turnover."""

    names: frozenset[str] = frozenset()
    top: int = 0


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
