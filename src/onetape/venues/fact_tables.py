"""The facts and error tables that are shipped with the adapters, read once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from onetape.model.errors import NotAvailable
from onetape.model.typed import from_builtins
from onetape.venues.adapter import adapter_of
from onetape.venues.ccxt.facts import READ
from onetape.venues.drift import Facts
from onetape.venues.error_tables import ErrorRow

__all__ = ["errors_of", "facts_date", "facts_of", "has_facts"]


def has_facts(kind: str) -> bool:
    """Tells whether there are facts about a kind of venue, with which its messages can be compared."""
    return (found := _facts(kind)) is not None and bool(found.messages)


def facts_date(kind: str) -> str:
    """Returns the date on which the facts about a kind of venue were read, YYYY-MM-DD; "": it has none."""
    if kind.startswith("ccxt:"):
        return READ
    return "" if (found := _facts(kind)) is None else found.read


def facts_of(kind: str) -> Facts:
    """Returns the facts of a kind of venue. Raises NotAvailable if its messages are not described."""
    if (found := _facts(kind)) is None or not found.messages:
        raise NotAvailable(f"onetape has no facts about {kind} to compare messages with", todo="see docs/roadmap.md")
    return found


@lru_cache(maxsize=8)
def _facts(kind: str) -> Facts | None:
    return from_builtins(_table(kind), Facts) if "/" not in kind and _file(kind).is_file() else None


def _file(kind: str) -> Traversable:
    return files("onetape.venues").joinpath("facts", f"{kind}.toml")


def _table(kind: str) -> dict[str, Any]:
    """Returns a file's table. With `like` it starts from the table of that kind: entries override, "" removes an
    entry."""
    own = tomllib.loads(_file(kind).read_text(encoding="utf-8"))
    like = own.pop("like", "")
    return _laid_over(_table(like), own) if like else own


def _laid_over(table: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in own.items():
        if value == "":
            del table[name]
        elif isinstance(value, dict) and isinstance(table.get(name), dict):
            _laid_over(table[name], value)
        else:
            table[name] = value
    return table


def errors_of(kind: str) -> Mapping[int | str, ErrorRow]:
    """Returns the table of errors. Raises NotAvailable."""
    if (errors := adapter_of(kind).errors) is None:
        raise NotAvailable(f"onetape has no error table of {kind} to compare answers with", todo="see docs/roadmap.md")
    return errors
