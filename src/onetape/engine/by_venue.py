"""Parse options with a value for all venues and others for named venues: `10ms` and `kraken=20ms,80ms`.

Several values are repeated options, one text with `;` between them, or in Python a mapping by name:
{"": "10ms", "kraken": "20ms,80ms"}. A value without a venue is for all venues that are not named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from onetape.model.errors import BadConfig
from onetape.model.symbol import is_venue

__all__ = ["ByVenue", "by_venue_text", "split_by_venue"]

ByVenue = str | Iterable[str] | Mapping[str, str]


def by_venue_text(options: ByVenue | None, *, between: str = ";") -> str | None:
    """Returns the option as one text; its values are checked when they are parsed."""
    if options is None or isinstance(options, str):
        return options
    if isinstance(options, Mapping):
        options = [f"{venue}={text}" if venue else str(text) for venue, text in options.items()]
    return between.join(map(str, options)) or None


def split_by_venue(
    options: ByVenue, *, location: str, todo: str, reserved: frozenset[str] = frozenset()
) -> tuple[str | None, dict[str, str]]:
    """Returns (text for all venues that are not named, or None; venue -> text of the named venues).

    reserved: words before a `=` that begin a value of the option and name no venue.
    Raises BadConfig for a venue named twice and for an invalid venue name.
    """
    common: str | None = None
    named: dict[str, str] = {}
    for venue, text in _parts(options, location=location, todo=todo, reserved=reserved):
        if venue in named or (not venue and common is not None):
            raise BadConfig(f"{text!r}: a second value for {venue or 'all venues'}", location=location, todo=todo)
        if venue:
            named[venue] = text
        else:
            common = text
    return common, named


def _parts(options: ByVenue, *, location: str, todo: str, reserved: frozenset[str]) -> Iterator[tuple[str, str]]:
    if isinstance(options, Mapping):
        for name, text in options.items():
            if name and not is_venue(str(name)):
                raise BadConfig(f"no venue is called {name!r}", location=location, todo=todo)
            if not isinstance(text, str):
                raise BadConfig(f"{name or 'all venues'}: not a text: {text!r}", location=location, todo=todo)
            yield name, text
        return
    for each in [options] if isinstance(options, str) else options:
        for part in each.split(";"):
            head, equals, rest = part.strip().partition("=")
            if equals and head not in reserved and is_venue(head):
                yield head, rest
            else:
                yield "", part.strip()
