"""Alerts of a home, from its supervisor's journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.model.home import supervisor_journal
from onetape.model.sections import Config
from onetape.notify.handbook import help_of
from onetape.notify.rules import kind_in, kind_of
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape

__all__ = ["ALERTS_MAX", "PastAlerts", "alert_rows", "past_alerts"]

ALERTS_MAX: Final = 10_000
_SEVERITIES: Final = ("INFO", "WARN", "CRITICAL")


class PastAlerts:
    """Follows the journal: all open alerts, and the newest others. id: its frame, `written` then, ns. said: the time
    of its text, ns. cleared: when its end was reported, ns; acked: when the operator acknowledged it; null: not yet."""

    def __init__(self, home: Path, last: int = ALERTS_MAX) -> None:
        self._ended: deque[dict[str, Any]] = deque(maxlen=last)
        self._path = supervisor_journal(home)
        self._reader: JournalReader | None = None
        self._going: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def take(self) -> bool:
        """Reads new frames; tells whether there were any. Raises the errors of a damaged journal."""
        if self._reader is not None and self._reader.is_gone:
            self.close()
            self._ended.clear()
            self._going.clear()
        if self._reader is None:
            if not is_tape(self._path):
                return False
            self._reader = JournalReader(self._path)
        before = self._reader.next_sequence
        for frame in self._reader.frames(("alert",)):
            self._fold(str(frame.sequence), frame.time, msgspec.msgpack.decode(frame.payload))
        return self._reader.next_sequence != before

    @property
    def found(self) -> list[dict[str, Any]]:
        """Returns the alerts, oldest first."""
        going = chain.from_iterable(self._going.values())
        return sorted([*self._ended, *going], key=lambda each: int(each["id"]))

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _fold(self, id_: str, written: int, record: dict[str, Any]) -> None:
        key = record["type"], record["subject"]
        if record.get("state") == "ack":
            for each in self._going.get(key, ()):
                each["acked"] = each["acked"] or record["time"]
                each["actor"] = record["actor"]
            return
        record["said"] = record["time"]
        if record.get("state") == "update":
            lasting = [each for each in self._going.get(key, ()) if each["severity"] == record["severity"]]
            for each in lasting:
                each["message"], each["said"] = record["message"], record["said"]
            if lasting:
                return
            record["state"] = "begin"  # its first text was lost on a full disk
        record["id"], record["written"], record["acked"] = id_, written, None
        begins = record.get("state") == "begin"
        for each in () if begins else self._going.pop(key, ()):
            each["cleared"] = record["time"]
            self._ended.append(each)
        record["cleared"] = None if begins else record["time"]
        (self._going.setdefault(key, []) if begins else self._ended).append(record)


def past_alerts(home: Path, last: int) -> list[dict[str, Any]]:
    """Returns the alerts of a home, oldest first, in the form of `PastAlerts`."""
    past = PastAlerts(home, last)
    try:
        past.take()
        return past.found
    finally:
        past.close()


def alert_rows(past: Iterable[Mapping[str, Any]], config: Config, *, is_all: bool) -> list[dict[str, Any]]:
    """Returns a row for each open alert that is not acknowledged; is_all: for all.

    id: of its first frame; since, cleared, acked: ns UTC, null: not yet. data: `more`, the number of repeats, and
    `actor` who acknowledged it. help: the handbook's section, within the documentation.
    """
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    said: dict[tuple[Any, ...], int] = {}  # time of a row's text
    for each in past:
        if each["state"] == "end":
            continue
        key = each["type"], each["subject"], each["state"], each["cleared"]
        row = rows.get(key)
        if row is None:
            said[key] = each["said"]
            rows[key] = {
                "id": each["id"],
                "type": each["type"],
                "severity": each["severity"].upper(),
                "account": _account(each["subject"], config),
                "subject": each["subject"],
                "message": each["message"],
                "since": each["time"],
                "cleared": each["cleared"],
                "acked": each["acked"],
                "data": {"more": each["more"], **({"actor": each["actor"]} if "actor" in each else {})},
                "help": help_of(kind_of(each["type"], each["subject"])),
            }
            continue
        if each["said"] >= said[key]:
            row["message"], said[key] = each["message"], each["said"]
        severity = each["severity"].upper()
        if _SEVERITIES.index(severity) > _SEVERITIES.index(row["severity"]):  # not acknowledged at this severity
            row["severity"], row["acked"] = severity, each["acked"]
            row["data"].pop("actor", None)
        else:
            row["acked"] = row["acked"] or each["acked"]
        if "actor" in each:
            row["data"]["actor"] = each["actor"]
        row["data"]["more"] += each["more"] + 1
    return [row for row in rows.values() if is_all or (row["cleared"] is None and row["acked"] is None)]


def _account(subject: str, config: Config) -> str:
    """Returns the account concerned, "": none. Gateways and robots belong to one, other subjects have it after the
    kind."""
    process, _, rest = subject.partition(" ")
    of, _, name = process.partition(":")
    if of in ("robot", "variants"):
        return config.robots[name].traded_on[0] if name in config.robots else ""
    if of not in ("gateway", "guardian", "recorder", "control"):  # no other process reports on accounts
        return ""
    if of != "gateway":
        name = rest[len(kind_in(rest)) :].strip().partition(" ")[0]
    return name if of == "gateway" or name in config.accounts else ""
