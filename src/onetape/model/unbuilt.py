"""List sections of the configuration that this release does not support yet: one table for `up` and `doctor`.

Remove a row when its feature is built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from onetape.model.errors import NotAvailable
from onetape.model.sections import Config

__all__ = ["SECTIONS", "unbuilt"]

SECTIONS: Final = {"cluster": "several machines"}


def unbuilt(config: Config) -> Iterator[NotAvailable]:
    """Returns each configured section without effect, with its line. A section switched off by `enabled = false` is
    not listed."""
    for section, what in SECTIONS.items():
        if config.has(section) and getattr(getattr(config, section), "enabled", True):
            yield _missing(what, section, config.location(section), f"remove [{section}]")


def _missing(what: str, section: str, location: str, todo: str) -> NotAvailable:
    return NotAvailable(
        f"[{section}] is not built yet: {what}",
        location=location or f"[{section}]",
        todo=f"{todo}, or write enabled = false" if section != "cluster" else todo,
    )
