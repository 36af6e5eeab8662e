"""The facts that travel with the adapters, read once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from onetape.model.errors import NotAvailable
from onetape.model.typed import from_builtins
from onetape.venues.adapter import adapter_of
from onetape.venues.drift import Facts
from onetape.venues.error_tables import ErrorRow

__all__ = ["errors_of", "facts_of"]


@lru_cache(maxsize=8)
def facts_of(kind: str) -> Facts:
    """Raises NotAvailable for a kind of venue that has none."""
    file = files("onetape.venues").joinpath("facts", f"{kind}.toml")
    if "/" in kind or not file.is_file():
        raise NotAvailable(f"facts about {kind}", todo="docs/roadmap.md says when")
    return from_builtins(_table(kind), Facts)


def _table(kind: str) -> dict[str, Any]:
    """Returns a file's table; of a family's venue (`like`) what it says is laid over the other's, and "" takes away."""
    text = files("onetape.venues").joinpath("facts", f"{kind}.toml").read_text(encoding="utf-8")
    own = tomllib.loads(text)
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
        raise NotAvailable(f"facts about {kind}", todo="docs/roadmap.md says when")
    return errors
