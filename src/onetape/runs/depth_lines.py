"""Report how conflated the depth data of a run were, for run.toml and the assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onetape.data.quality.conflation import Conflation, conflation_of
from onetape.engine.session import Session
from onetape.model.enums import EventType
from onetape.report.report_data import Assumption

__all__ = ["depth_facts", "depth_lines", "measured_depth"]


def measured_depth(session: Session) -> dict[str, Conflation]:
    """Returns symbol -> measured conflation of the data on which orders fill; of several tapes the one with the most
    trades."""
    found: dict[str, Conflation] = {}
    details = session.detail_inventory()
    for source in session.sources:
        inventory = details if source.is_detail else session.inventory()
        wanted = {
            symbol
            for symbol, (types, _) in inventory.items()
            if symbol in session.host.instruments
            and types.get(EventType.BOOK.id)
            and types.get(EventType.TRADE.id)
            and (source.is_detail or symbol not in details)
        }
        if not wanted:
            continue
        streams = session.contents(source.path).streams
        for stream, measured in conflation_of(source.path).items():
            symbol = streams[stream].symbol if stream in streams else ""
            if symbol in wanted and measured.prints > getattr(found.get(symbol), "prints", 0):
                found[symbol] = measured
    return found


def depth_facts(measured: Mapping[str, Conflation]) -> list[dict[str, Any]]:
    """Returns the tables `[[depth]]` of run.toml."""
    return [{"symbol": symbol, **each.as_json()} for symbol, each in measured.items()]


def depth_lines(measured: Mapping[str, Conflation]) -> list[Assumption]:
    """Returns one line for each symbol: orders that joined between two messages are not seen."""
    lines = []
    for symbol, each in measured.items():
        every = f"every {each.interval_ns / 1e6:.3g} ms" if each.interval_ns else "in messages with equal times"
        text = (
            f"{symbol}: depth comes {every}; an order that joins a level between two messages is placed before "
            "other orders that joined in between, which the data do not show; "
            f"{each.explaining_share:.0%} of the trades in between explain a smaller level"
        )
        if each.stamped:
            text += f", {each.late_share:.0%} came after the depth that already had them"
        lines.append(Assumption(text, 1, key="conflation"))
    return lines
