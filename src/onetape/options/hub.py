"""The options of the hub, and the path of its journal. Light to import."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from onetape.model.errors import BadConfig
from onetape.model.sections import HUB, Config
from onetape.model.time import parse_duration
from onetape.options.collector import collector_journal

__all__ = ["HUB", "HubOptions", "SourceOptions", "brought_by_hub", "has_hub", "hub_options"]

SOURCES_MAX: Final = 255


class SourceOptions(msgspec.Struct, frozen=True, kw_only=True):
    """One merged collector. transport: ws, rest, or the kind of an external feed."""

    name: str
    journal: str
    transport: str


class HubOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of the hub. sources: by priority, which decides between values of the same time.
    stale_ns: a source slower than the fastest by more than this is degraded. klines: bars in the table for each
    symbol and period. spin_s: seconds of busy-polling before a sleep."""

    home: str
    sources: list[SourceOptions]
    stale_ns: int = 2 * 10**9
    klines: int = 45
    filters: bool = True
    spin_s: float = 0.0


def has_hub(config: Config) -> bool:
    """Returns True when the hub is configured and enabled."""
    return config.has(HUB) and config.hub.enabled


def brought_by_hub(config: Config, venue: str, symbols: Sequence[str]) -> list[str]:
    """Returns those symbols of a venue that the hub certainly provides: a collector of the venue follows "all", or
    names them. `top:N` guarantees none, as its selection changes."""
    if not has_hub(config):
        return []
    of_venue = [each for each in config.collectors.values() if each.enabled and each.venue == venue]
    wanted = [each.symbols or "all" for each in of_venue if each.kind == "venue"]
    listed = [set(each.split(",") if isinstance(each, str) else each) for each in wanted]
    return [symbol for symbol in symbols if any("all" in names or symbol in names for names in listed)]


def hub_options(config: Config, *, home: Path) -> HubOptions:
    """Makes the options. Raises BadConfig for collectors that cannot be merged."""
    sources = [
        SourceOptions(
            name=name,
            journal=str(collector_journal(home, name)),
            transport=each.transport if each.kind == "venue" else each.kind,
        )
        for name, each in config.collectors.items()
        if each.enabled
    ]
    if not sources:
        raise BadConfig("there is nothing to merge", location="[hub]", todo="add a [collectors.NAME]")
    if len(sources) > SOURCES_MAX:
        raise BadConfig(f"the hub merges at most {SOURCES_MAX} collectors, not {len(sources)}", location="[hub]")
    return HubOptions(
        home=str(home),
        # Streams before polls: their values of the same time are fresher.
        sources=sorted(sources, key=lambda each: each.transport == "rest"),
        stale_ns=parse_duration(config.hub.stale),
        klines=config.hub.klines,
        filters=config.hub.filter,
        spin_s=parse_duration(config.hub.spin) / 1e9 if config.hub.spin else 0.0,
    )
