"""Write changes of a process's health into its journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from onetape.tape.journal import JournalWriter

__all__ = ["append_health"]


def append_health(writer: JournalWriter, record: Mapping[str, Any], severity: str, now: int) -> None:
    """Append a health frame, and for a critical one an `alert` frame beside it: critical alerts are read only from
    these. record: kind, subject and state, and further facts; severity "", "info": nothing is wrong. now: ns UTC."""
    words = record if severity in ("", "info") else {**record, "severity": severity}
    writer.append("health", msgspec.msgpack.encode(words), time=now)
    if severity == "critical":
        alert = {name: words[name] for name in ("kind", "subject", "state", "severity")}
        writer.append("alert", msgspec.msgpack.encode(alert), time=now)
