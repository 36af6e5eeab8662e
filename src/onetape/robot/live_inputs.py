"""List the tapes of a live robot: its gateways', the hub's where that has its market, and those of named collectors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from onetape.engine.parameters import coerced, parameters_of
from onetape.engine.plan import LiveRobot
from onetape.model.home import gateway_journal
from onetape.model.symbol import is_unified
from onetape.options.collector import collector_journal

__all__ = ["hub_of", "live_inputs", "with_market"]


def live_inputs(
    home: Path, accounts: Iterable[str], hub: Mapping[str, Any] | None, streams: Sequence[str]
) -> list[Path]:
    """Returns their journals, in this order. hub: the gateways' information on it when the robot attached."""
    gateways = [gateway_journal(home, account) for account in accounts]
    merged = [Path(hub["journal"])] if hub else []
    return [*gateways, *merged, *(collector_journal(home, name) for name in streams)]


def hub_of(replies: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Returns the hub, with the symbols that all of a robot's gateways take from it and follow themselves; None: no
    gateway reads one."""
    hubs = [reply["hub"] for reply in replies if reply.get("hub")]
    return (
        {**hubs[0], **{name: [s for hub in hubs for s in hub[name]] for name in ("symbols", "own")}} if hubs else None
    )


def with_market(
    live: LiveRobot, hub: Mapping[str, Any] | None, strategy: type[Any], params: Mapping[str, Any]
) -> LiveRobot:
    """Returns the robot with the symbols whose market comes from the hub: its gateways', except those they follow
    themselves, and all others named by the strategy's parameters."""
    if not hub:
        return live
    chosen = coerced(strategy, params)
    values = [chosen.get(name, each.default) for name, each in parameters_of(strategy).items()]
    texts = [text for value in values for text in (value if isinstance(value, (list, tuple)) else [value])]
    named = {text for text in texts if isinstance(text, str) and is_unified(text)}
    more = named - {*hub["symbols"], *hub["own"]}
    return replace(live, market=sorted({*hub["symbols"]}), market_more=sorted(more), market_named=True)
