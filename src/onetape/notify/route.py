"""A route: which alerts it sends to its sinks, when, and with which text. Pure: time comes as an argument.

Quiet alerts wait for the end of the quiet hours, unless they end before; so do ends of alerts sent before the quiet
hours, unless they reopen. A critical alert never waits. If `after` is set, a route sends alerts that have been open
that long without acknowledgement, repeatedly until acknowledged or ended. Non-critical alerts per minute are
limited, except ends, and the number dropped is included in the next one; an alert that reopens within a minute waits
until that has passed, unless it ends before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Final, TypeVar

from onetape.model.config import parse_quiet
from onetape.model.sections import RouteConfig
from onetape.model.time import SECOND, parse_duration, zone
from onetape.notify.alert import KEYS_MAX, TRADES, Alert, Severity

__all__ = ["Route"]

_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}  # info warn critical
PACE_NS: Final = 60 * SECOND  # shortest time between two messages about an alert that reopens repeatedly
Key = tuple[str, str]
_V = TypeVar("_V")


class Route:
    """Decides for one [notify.routes.NAME], or for [notify] itself."""

    def __init__(self, name: str, config: RouteConfig) -> None:
        self.name = name
        self.dropped = 0  # by the limit per minute
        self._config = config
        self._after = parse_duration(config.after) if config.after else 0
        self._begin, self._end, zone_name = parse_quiet(config.quiet) if config.quiet else (0, 0, "UTC")
        self._zone: tzinfo = zone(zone_name)
        self._begun: dict[Key, Severity] = {}  # alerts that were sent; their ends will be sent, too
        self._held: dict[Key, Alert] = {}  # until the end of the quiet hours, or of the minute
        self._last: dict[Key, tuple[int, Severity, int]] = {}  # time of the last sending, severity, repeats since
        self._due: dict[Key, tuple[int, Alert]] = {}  # not acknowledged, and when to send it
        self._left: deque[int] = deque()
        self._unsaid = 0  # dropped ones, to be included in the next

    def take(self, alert: Alert, now: int) -> Iterator[Alert]:
        """Yields the alerts to send now. An update changes a waiting alert here, and is yielded for alerts that wait
        in sinks."""
        key = alert.type, alert.subject
        if alert.is_update:
            self._update(key, alert)
            yield alert
        elif alert.is_end:
            held = self._held.pop(key, None)
            if held is not None and not held.is_end and key in self._last:
                time, worst, more = self._last[key]
                self._last[key] = time, worst, more + 1
            self._due.pop(key, None)
            if (severity := self._begun.get(key)) is not None:
                yield from self._leave(alert, now, severity)
        elif _RANKS[alert.severity] < _RANKS[Severity(self._config.severity)] or (
            alert.type not in self._config.types if self._config.types else alert.type in TRADES
        ):
            return
        elif not self._after:
            yield from self._leave(alert, now, alert.severity)
        elif not alert.is_note:  # it has ended: nothing to escalate
            self._update(key, alert)
            due, before = self._due.get(key, (alert.time + self._after, alert))
            worse = max(before, alert, key=lambda each: _RANKS[each.severity])
            _put(self._due, key, (due, worse))

    def _update(self, key: Key, alert: Alert) -> None:
        if (held := self._held.get(key)) is not None and held.key == alert.key and not held.is_end:
            self._held[key] = replace(held, message=alert.message)
        if (due := self._due.get(key)) is not None and due[1].key == alert.key:
            self._due[key] = due[0], replace(due[1], message=alert.message)

    def tick(self, now: int) -> Iterator[Alert]:
        """Yields the alerts that are due by time."""
        if self._held and not self._is_quiet(now):
            for key, alert in [*self._held.items()]:
                if self._is_early(key, alert, now):
                    continue
                del self._held[key]
                if key in self._due and not alert.is_end:  # it is sent now
                    self._due[key] = now + self._after, self._due[key][1]
                yield from self._leave(alert, now, alert.severity)
        for key, (due, alert) in [*self._due.items()]:
            if due <= now:
                self._due[key] = now + self._after, alert
                minutes = (now - alert.time) // (60 * SECOND)
                words = f"{alert.message} (open for {minutes} minutes, not acknowledged)"
                yield from self._leave(replace(alert, message=words), now, alert.severity)

    def acknowledge(self, type_: str, subject: str) -> None:
        """Notes the operator's acknowledgement."""
        self._held.pop((type_, subject), None)
        self._due.pop((type_, subject), None)

    def words(self, alert: Alert) -> tuple[str, str]:
        """Returns title and body, by the templates."""
        fields = {**alert.as_json(), "body": alert.body, "title": alert.title}
        fields["time"] = datetime.fromtimestamp(alert.time // SECOND, self._zone).isoformat(" ")
        title, body = self._config.title or "{title}", self._config.body or "{body}"
        return title.format_map(fields), body.format_map(fields)

    def _leave(self, alert: Alert, now: int, severity: Severity) -> Iterator[Alert]:
        """severity: for an end, of the alert that it ends."""
        key = alert.type, alert.subject
        if severity is not Severity.CRITICAL:
            if self._is_quiet(now):
                # All notes about trading are different.
                _put(self._held, (alert.type, f"{alert.subject} {alert.time}") if alert.type in TRADES else key, alert)
                return
            if self._is_early(key, alert, now):
                _put(self._held, key, alert)
                return
            if not alert.is_end and not self._has_room(now):
                self.dropped += 1
                self._unsaid += 1
                return
        if alert.is_end:
            self._begun.pop(key, None)
        elif not alert.is_note:
            self._held.pop(key, None)  # the milder one is included
            _put(self._begun, key, severity)
            alert = replace(alert, more=alert.more + self._last.pop(key, (0, severity, 0))[2])
            _put(self._last, key, (now, severity, 0))
        if self._unsaid:
            alert = replace(alert, message=f"{alert.message} ({self._unsaid} others left out by the limit per minute)")
            self._unsaid = 0
        yield alert

    def _is_early(self, key: Key, alert: Alert, now: int) -> bool:
        """Tells whether the same alert, or a more severe one, was sent within the minute; escalations have their own
        time."""
        time, worst, _ = self._last.get(key, (now - PACE_NS, Severity.INFO, 0))
        is_paced = not (self._after or alert.is_end or alert.is_note) and _RANKS[alert.severity] <= _RANKS[worst]
        return is_paced and 0 <= now - time < PACE_NS  # a clock may be set back

    def _is_quiet(self, now: int) -> bool:
        local = datetime.fromtimestamp(now // SECOND, self._zone)
        minute = local.hour * 60 + local.minute
        if self._begin <= self._end:
            return self._begin <= minute < self._end
        return minute >= self._begin or minute < self._end

    def _has_room(self, now: int) -> bool:
        most = self._config.per_minute
        while self._left and now - self._left[0] >= 60 * SECOND:
            self._left.popleft()
        if most and len(self._left) >= most:
            return False
        self._left.append(now)
        return True


def _put(kept: dict[Key, _V], key: Key, value: _V) -> None:
    """Adds an item; beyond the bound the oldest is dropped."""
    kept[key] = value
    if len(kept) > KEYS_MAX:
        del kept[next(iter(kept))]
