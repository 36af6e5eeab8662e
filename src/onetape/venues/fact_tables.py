"""The facts that travel with the adapters, read once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from onetape.model.errors import NotAvailable
from onetape.model.typed import from_builtins
from onetape.venues.drift import Facts
from onetape.venues.outcome import ErrorRow

__all__ = ["errors_of", "facts_of"]


@lru_cache(maxsize=8)
def facts_of(kind: str) -> Facts:
    """Raises NotAvailable for a kind of venue that has none."""
    file = files("onetape.venues").joinpath("facts", f"{kind}.toml")
    if "/" in kind or not file.is_file():
        raise NotAvailable(f"facts about {kind}", todo="docs/roadmap.md says when")
    return from_builtins(tomllib.loads(file.read_text(encoding="utf-8")), Facts)


def errors_of(kind: str) -> Mapping[int | str, ErrorRow]:
    """Returns the table of errors. Raises NotAvailable."""
    match kind:
        case "binance-usdm":
            from onetape.venues.binance.errors import ERRORS as BINANCE

            return BINANCE
        case "kraken":
            from onetape.venues.kraken.errors import ERRORS as KRAKEN

            return KRAKEN
    raise NotAvailable(f"facts about {kind}", todo="docs/roadmap.md says when")
