"""Which frames of a journal are alerts, and of what type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onetape.notify.alert import Alert, Severity, Type

__all__ = ["ROOM_MIN", "alert_of", "disk_alert"]

# kind of an alert or health frame -> type; all others of a gateway are the gateway's.
_TYPES: Final = {
    "clock": Type.CLOCK, "strategy_error": Type.RISK, "margin_call": Type.RISK,
    "liquidation": Type.RISK, "loan": Type.RISK, "adl": Type.RISK, "kill": Type.RISK,
    "loss_halt": Type.RISK,
}  # fmt: skip
_SEVERITIES: Final = {
    "warning": Severity.WARN, "warn": Severity.WARN, "critical": Severity.CRITICAL,
    "error": Severity.CRITICAL,
}  # fmt: skip
# Free space, as a share of the file system and in bytes, below which it is one or the other.
DISK_WARN: Final = (0.05, 2 << 30)
# With less no process can be started: the first segment of a journal, and what stands beside it.
ROOM_MIN: Final = 6 << 20
DISK_CRITICAL: Final = (0.01, 500 << 20)


def alert_of(process: str, event: str, record: Mapping[str, Any], time: int) -> Alert | None:
    """Of an `alert` or `health` frame on a process's journal; None for one that is none: health
    without a severity is how things go."""
    given = record.get("severity")
    if given is None and event == "health":
        return None
    severity = _SEVERITIES.get(str(given), Severity.CRITICAL)
    kind = str(record.get("kind", "alert"))
    about = str(record.get("subject") or record.get("callback") or "")
    said = str(record.get("state") or record.get("error") or "")
    where = f", {record['where']}" if record.get("where") else ""
    subject = f"{process} {kind}" + (f" {about}" if about else "")
    return Alert(
        _TYPES.get(kind, Type.GATEWAY if process.startswith("gateway") else Type.RISK),
        severity, subject, f"{kind} {about}: {said}{where}", time,
    )  # fmt: skip


def disk_alert(path: str, free: int, total: int, time: int) -> Alert | None:
    """free, total: bytes of the file system that `path` lies on."""
    for severity, (share, least) in (
        (Severity.CRITICAL, DISK_CRITICAL), (Severity.WARN, DISK_WARN),
    ):  # fmt: skip
        if free < max(min(total * share, least), ROOM_MIN):
            words = f"{free / 2**20:,.0f} MB of {total / 2**30:,.1f} GB are free"
            return Alert(Type.DISK, severity, path, words, time)
    return None
