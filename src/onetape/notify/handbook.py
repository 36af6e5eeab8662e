"""The failure handbook: what each alert and each error number means, what the system does about it by itself, and what
is left to do. Its text is `handbook.toml`."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

import msgspec

from onetape.model.errors import BY_CODE, BadInput
from onetape.model.near import did_you_mean
from onetape.model.typed import from_builtins

__all__ = ["PAGE", "Entry", "Handbook", "Section", "anchor_of", "help_of", "plain_text", "read_handbook", "section_of"]

PAGE: Final = "concepts/handbook.html"  # within the documentation
_LINK: Final = re.compile(r"\[([^]]+)\]\([^)]+\)")


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry as in the file, Markdown. look: commands that only read."""

    automatic: str
    look: list[str]
    todo: str
    means: str = ""
    source: str = ""
    severity: str = ""
    page: str = ""


class Handbook(NamedTuple):
    """alerts: by kind; errors: by number."""

    alerts: dict[str, Entry]
    errors: dict[int, Entry]


class Section(NamedTuple):
    """An entry with its title and its address within the documentation."""

    title: str
    address: str
    entry: Entry

    def as_json(self) -> dict[str, Any]:
        """Returns the entry as plain text."""
        entry, shown = self.entry, {"title": self.title}
        shown |= {name: plain_text(getattr(entry, name)) for name in ("severity", "means", "automatic")}
        return {**shown, "look": entry.look, "todo": plain_text(entry.todo), "help": self.address}


@lru_cache(maxsize=1)
def read_handbook() -> Handbook:
    """Returns the shipped handbook."""
    found = tomllib.loads(files("onetape.notify").joinpath("handbook.toml").read_text(encoding="utf-8"))
    alerts = from_builtins(found["alerts"], dict[str, Entry])
    errors = {int(code): each for code, each in from_builtins(found["errors"], dict[str, Entry]).items()}
    means = {code: " ".join((BY_CODE[code].__doc__ or "").split()) for code in errors}
    return Handbook(alerts, {code: msgspec.structs.replace(each, means=means[code]) for code, each in errors.items()})


def anchor_of(kind: str) -> str:
    """Returns the anchor of an alert's section."""
    return f"alert-{kind.replace(' ', '-')}"


def help_of(kind: str) -> str:
    """Returns the address of an alert's section within the documentation, "": there is none."""
    return f"{PAGE}#{anchor_of(kind)}" if kind else ""


def section_of(word: str) -> Section:
    """Returns the section of an alert's kind, an error's number or an error's name. Raises BadInput."""
    book = read_handbook()
    if (entry := book.alerts.get(word.lower().removeprefix("alert-"))) is not None:
        kind = word.lower().removeprefix("alert-")
        return Section(f"alert {kind}", help_of(kind), entry)
    for code, error in book.errors.items():
        if word.upper() in (str(code), BY_CODE[code].name):
            return Section(f"error {BY_CODE[code].name}({code})", f"{PAGE}#error-{code}", error)
    words = [*book.alerts, *(BY_CODE[code].name for code in book.errors)]
    raise BadInput(
        f"the handbook has no {word[:40]!r}",
        todo=did_you_mean(word, words) or "give the kind of an alert, the id of an open one, or an error's number",
    )


def plain_text(markdown: str) -> str:
    """Returns text without links."""
    return _LINK.sub(r"\1", markdown)
