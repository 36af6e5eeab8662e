"""The frames of a journal that are alerts, their types, and their ends.

An alert stays open until its end: a frame of the same kind and subject without severity, or of the kind that its row
names. A restarted process ends all of its older alerts: it reports persisting problems again. A note reports an
event; it leaves nothing open, and ends open alerts of the same kind and subject.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

from onetape.notify.alert import Alert, Severity, Type, is_about_sinks
from onetape.venues.sunsets import Stage, Sunset, due

__all__ = [
    "KINDS",
    "MADE",
    "ROOM_MIN",
    "SUNSET",
    "Kind",
    "alert_of",
    "disk_alert",
    "ended_by",
    "kind_in",
    "kind_of",
    "sunset_alerts",
]


class Kind(NamedTuple):
    """A kind of alert, or of health frame with a severity. ends: the kind that ends all of this one in the process,
    "": its own does, for each subject. notes: prefixes of states that are notes; ("",): all are."""

    type: Type
    ends: str = ""
    notes: tuple[str, ...] = ()


_NOTE: Final = ("",)

KINDS: Final = {
    # Of gateways:
    "account stream": Kind(Type.FAILOVER),  # lost, stale - live
    "balance": Kind(Type.LEDGER, notes=("corrected", "reset")),  # differs - agrees
    "budget": Kind(Type.PROXY),  # used up - available again
    "checkpoint": Kind(Type.PROCESS),  # not made, not used - made
    "bars": Kind(Type.FAILOVER, notes=_NOTE),  # filled, corrected, lost
    "bracket": Kind(Type.STOP, notes=_NOTE),  # a leg is given up
    "clock": Kind(Type.CLOCK, notes=_NOTE),  # was corrected
    "dead man": Kind(Type.RISK),  # off - armed
    "difference": Kind(Type.LEDGER, ends="reconciled"),
    "disk": Kind(Type.DISK),  # no room - there is room again
    "drift": Kind(Type.PROCESS, notes=_NOTE),
    "fee asset": Kind(Type.LEDGER, notes=_NOTE),  # bought, or the reason why not
    "feed": Kind(Type.FAILOVER, notes=("gap",)),  # lost, stale - connected, live
    "forced close": Kind(Type.RISK, notes=("settlement",)),  # liquidated by the venue: open until acknowledged
    "guardian": Kind(Type.RISK),  # its lease is over - watches
    "standby": Kind(Type.RISK),  # it lacks records - has them
    "halt": Kind(Type.RISK),  # begun - over, lifted
    "hot": Kind(Type.FAILOVER),  # a collector's condition is stale - fresh
    "kill switch": Kind(Type.RISK),  # on - off
    "lag": Kind(Type.PROCESS),  # behind - caught up
    "ledger": Kind(Type.LEDGER),  # waits for a price - has one
    "malformed": Kind(Type.PROCESS, notes=_NOTE),
    "market": Kind(Type.FAILOVER),  # stale - live
    "order": Kind(Type.RISK, notes=_NOTE),  # of an external order
    "order entry": Kind(Type.FAILOVER),  # lost - connected
    "other symbol": Kind(Type.RISK, notes=("is followed",)),  # the account trades it, though it is not configured
    "proxy": Kind(Type.PROXY),  # makes no connection - works again
    "reconciled": Kind(Type.LEDGER, ends="reconciled"),  # with differences - without
    "recovered": Kind(Type.LEDGER, ends="reconciled"),
    "refill": Kind(Type.FAILOVER, notes=_NOTE),  # of trades and bars that a stream missed: filled, lost
    "robot": Kind(Type.PROCESS),  # lost - attached
    "stall": Kind(Type.PROCESS, notes=_NOTE),
    "sub-account": Kind(Type.LEDGER),  # money removed - allocated
    # late, of unknown outcome - done
    "transfer": Kind(Type.LEDGER, notes=("expired", "failed", "has been")),
    "unknown orders": Kind(Type.RISK),  # their number - settled
    # Of the hub:
    "source": Kind(Type.FAILOVER),  # failing, unreadable - degraded, healthy
    # Of the control plane:
    "hedge": Kind(Type.RISK),  # an operation stands still, leaves a leg naked for longer - has ended
    "margin": Kind(Type.LEDGER),  # stranded in a wallet - moved on
    # Of the guardian:
    "gateway": Kind(Type.PROCESS),  # dead, the guardian acts in its place - back
    "halt refused": Kind(Type.RISK, notes=_NOTE),  # by a gateway
    "hard stop": Kind(Type.STOP),  # flattening - flat
    "income": Kind(Type.RISK),  # not counted - counted
    "ladder": Kind(Type.STOP, notes=_NOTE),
    "ladders": Kind(Type.STOP),  # of an account, cut by the venue's bound - whole
    "lease": Kind(Type.RISK),  # refused - held
    "local stop": Kind(Type.STOP, notes=_NOTE),
    "position differs": Kind(Type.RISK, notes=_NOTE),
    "protection": Kind(Type.STOP),  # lost - stands, flat
    "stop canceled": Kind(Type.STOP),  # by an external action - stands, flat
    "stale order": Kind(Type.RISK, notes=_NOTE),  # canceled, a share takes
    "take-profits": Kind(Type.STOP, notes=_NOTE),
    # Of the recorder:
    "delta": Kind(Type.DELTA),  # beyond its limit - within
    "day": Kind(Type.DAY, notes=_NOTE),
    "drawdown": Kind(Type.RISK),
    "fill": Kind(Type.FILL, notes=_NOTE),
    "position": Kind(Type.POSITION, notes=_NOTE),
    "records": Kind(Type.LEDGER),  # the database is away - written
    "utilization": Kind(Type.UTILIZATION),
    # Of the bot:
    "telegram": Kind(Type.FAILOVER),  # no answer, refused - answers
    # Of robots:
    "adl": Kind(Type.RISK, notes=_NOTE),
    "liquidation": Kind(Type.RISK, notes=_NOTE),
    "loan": Kind(Type.RISK, notes=_NOTE),
    "margin_call": Kind(Type.RISK),  # called - covered
    "settlement": Kind(Type.RISK, notes=_NOTE),
    "strategy_error": Kind(Type.RISK),  # until its process is restarted
}
# Kinds of alerts that no frame of a process makes: the supervisor's own, and the control plane's stop of the system.
MADE: Final = ("process", "host", "sink", "sunset", "machine clock", "disk space", "test", "system stop")
_SEVERITIES: Final = {
    "info": Severity.INFO,
    "warning": Severity.WARN,
    "warn": Severity.WARN,
    "critical": Severity.CRITICAL,
    "error": Severity.CRITICAL,
}
# Free space, as a share of the file system and in bytes; the smaller limit counts.
DISK_WARN: Final = (0.05, 2 << 30)
# The room that a process needs to start: the first segment of a journal, and the files beside it.
SUNSET: Final = "sunset"  # subject of alerts about what a venue retires: sunset:KIND FEATURE, and more as it nears
_NEARS: Final = {Stage.AHEAD: "", Stage.SOON: " soon", Stage.OVER: " over"}
ROOM_MIN: Final = 6 << 20
DISK_CRITICAL: Final = (0.01, 500 << 20)


def alert_of(process: str, event: str, record: Mapping[str, Any], time: int) -> Alert | None:
    """Makes the alert of an `alert` or `health` frame on a process's journal; None for other frames: health without
    a severity is a normal report."""
    named = record.get("severity")
    if event == "health" and named in (None, "critical"):  # a critical one is also written as an alert
        return None
    severity = _SEVERITIES.get(str(named), Severity.CRITICAL)
    kind = str(record.get("kind", "alert"))
    about = _about(record)
    said = str(record.get("state") or record.get("error") or "")
    location = f", {record['where']}" if record.get("where") else ""
    location += f": {record['why']}" if record.get("why") else ""
    its = Type.PROCESS if process.startswith("gateway") else Type.RISK
    row = KINDS.get(kind, Kind(its, notes=_NOTE))
    return Alert(
        row.type,
        severity,
        _subject(process, kind, about),
        f"{kind} {about}: {said}{location}",
        time,
        is_note=said.startswith(row.notes),
    )


def ended_by(process: str, event: str, record: Mapping[str, Any]) -> list[str]:
    """Returns the prefixes of the subjects of alerts that a frame ends."""
    kind = str(record.get("kind", ""))
    if event != "health" or record.get("severity") is not None:
        return []
    ended = [_subject(process, name, "") for name, row in KINDS.items() if row.ends == kind]
    if kind in KINDS and not KINDS[kind].ends:
        ended.append(_subject(process, kind, _about(record)))
    return ended


def _about(record: Mapping[str, Any]) -> str:
    names = ("subject", "callback", "symbol", "currency")
    return next((str(record[name]) for name in names if record.get(name)), "")


def _subject(process: str, kind: str, about: str) -> str:
    return f"{process} {kind} {about}".rstrip()


def kind_in(rest: str) -> str:
    """Returns the kind of an alert by its subject without the process, "": none."""
    return max((each for each in KINDS if f"{rest} ".startswith(f"{each} ")), key=len, default="")


def kind_of(type_: str, subject: str) -> str:
    """Returns the kind of an alert, one of KINDS or of MADE; "": an alert of another version."""
    process, _, rest = subject.partition(" ")
    name, kind = process.partition(":")[0], kind_in(rest)
    if is_about_sinks(subject):
        return "sink"
    if name in ("host", SUNSET):
        return name
    if type_ == Type.TEST:
        return "test"
    if type_ == Type.CLOCK and not rest:
        return "machine clock"
    if type_ == Type.DISK:  # its subject is a path, which may have blanks
        return kind if name == "gateway" else "disk space"
    return kind if rest else "process"


def disk_alert(path: str, free: int, total: int, time: int) -> Alert | None:
    """Makes the alert about disk space. free, total: bytes of the file system of `path`."""
    for severity, (share, least) in ((Severity.CRITICAL, DISK_CRITICAL), (Severity.WARN, DISK_WARN)):
        if free < max(min(total * share, least), ROOM_MIN):
            words = f"{free / 2**20:,.0f} MB of {total / 2**30:,.1f} GB are free"
            return Alert(Type.DISK, severity, path, words, time)
    return None


def sunset_alerts(kinds: Collection[str], now: int, rows: Sequence[Sunset] | None = None) -> dict[str, Alert]:
    """Makes the alerts about what kinds of venues retire, by subject: another one at each stage. Critical is only what
    our adapter needs within a week. now: ns UTC; rows: instead of the shipped table."""
    found = {}
    for each, stage in due(kinds, now, rows):
        is_critical = each.uses_old and stage is not Stage.AHEAD
        subject = f"{SUNSET}:{each.kind} {each.feature}{_NEARS[stage]}"
        severity = Severity.CRITICAL if is_critical else Severity.WARN
        found[subject] = Alert(Type.PROCESS, severity, subject, f"{each.kind}: {each.text(now)}", now)
    return found
