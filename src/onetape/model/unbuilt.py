"""What a configuration may name and this release does not have: one table, which `up` and `doctor`
read. Whoever builds one of them takes its row away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from onetape.model.errors import NotAvailable
from onetape.model.sections import Config

__all__ = ["SECTIONS", "unbuilt"]

SECTIONS: Final = {"cluster": "more machines than one"}


def unbuilt(config: Config) -> Iterator[NotAvailable]:
    """Each section that is written and would do nothing, with its line. One that is switched off
    by `enabled = false` does what it says."""
    for section, what in SECTIONS.items():
        if config.has(section) and getattr(getattr(config, section), "enabled", True):
            yield _missing(what, section, config.location(section), f"take [{section}] out")


def _missing(what: str, section: str, location: str, todo: str) -> NotAvailable:
    return NotAvailable(
        f"[{section}] is not built yet: {what}",
        location=location or f"[{section}]",
        todo=f"{todo}, or write enabled = false" if section != "cluster" else todo,
    )
