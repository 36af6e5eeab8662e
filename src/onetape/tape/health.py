"""How a process writes a change of its health into its journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from onetape.tape.journal import JournalWriter

__all__ = ["append_health"]


def append_health(writer: JournalWriter, record: Mapping[str, Any], severity: str, now: int) -> None:
    """Appends a health frame, and where it is critical an `alert` frame beside it: critical alerts are read from those
    alone. record: kind, subject and state, and what else belongs to them; severity "", "info": nothing is wrong. now:
    ns UTC."""
    words = record if severity in ("", "info") else {**record, "severity": severity}
    writer.append("health", msgspec.msgpack.encode(words), time=now)
    if severity == "critical":
        alert = {name: words[name] for name in ("kind", "subject", "state", "severity")}
        writer.append("alert", msgspec.msgpack.encode(alert), time=now)
