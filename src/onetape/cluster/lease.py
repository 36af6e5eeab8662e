"""One host at a time runs a process: a lease in the servers' key-value store, renewed by its holder.

A pure core: what the store answers, and when, comes in by calls, which return what to write there. Hosts need no common
clock. A holder counts from the moment at which it sent a renewal. Another host counts from the moment at which it saw
that renewal, which is later, and waits longer: the holder has ended by then, unless the other's clock runs a fifth
faster.
"""

from __future__ import annotations

import secrets
from typing import Final, NamedTuple

import msgspec

from onetape.model.time import MS, SECOND
from onetape.options.cluster import LEASE_HELD, LEASE_TAKEN

__all__ = ["Lease", "LeaseRecord", "LeaseWrite"]

RENEWED_EVERY: Final = 500 * MS
BEGINS_WITHIN: Final = 20 * SECOND  # from taking the lease until the process asks for it
REQUESTED_WITHIN: Final = 10 * SECOND  # a process that has not asked for so long does not come back
WRITTEN_WITHIN: Final = 2 * SECOND  # a write without an answer is repeated


class LeaseRecord(msgspec.Struct, frozen=True):
    """What the store has. host: the holder, "": it was released. token: higher for each next holder, and for each start
    of the process. to: the host that shall have it next, "": any. number: of the write: a host knows its own by it."""

    host: str
    token: int
    to: str = ""
    number: int = 0


class LeaseWrite(NamedTuple):
    """A record to write, if the store still has this revision of the old one; 0: none."""

    record: LeaseRecord
    revision: int


class Lease:
    """One process's lease, as one host sees it. Times are of this host's monotonic clock, ns. is_first: the process
    belongs here; another host waits when the store has no record."""

    def __init__(self, host: str, *, is_first: bool, now: int) -> None:
        self._host, self.is_first, self._began = host, is_first, now
        self.record: LeaseRecord | None = None  # in the store, as last seen
        self._revision = 0
        self._seen_at = 0  # when this revision was seen first
        self._renewed_at = 0  # when our renewal was sent that the store has; 0: the lease is not ours
        self._writing: tuple[LeaseRecord, int] | None = None  # a write without an answer, and when it was sent
        self.is_read = False  # the store has answered
        self._alive_until = 0
        self._floor = 0
        self._goes_to = ""
        self._token = 0  # highest one seen
        self._writes = secrets.randbits(62)
        self.can_take = False  # this host has what the process needs to begin

    @property
    def holder(self) -> str:
        """Returns the host that the store names, "": none."""
        return self.record.host if self.record is not None else ""

    @property
    def goes_to(self) -> str:
        """Returns the host that shall have it next, "": any."""
        return self._goes_to or (self.record.to if self.record is not None else "")

    # --- the process -------------------------------------------------------------------------------

    def requested(self, now: int, floor: int) -> tuple[int, int]:
        """The process asks for a token above `floor`. Returns the token, 0: there is none yet, and until when it may
        open."""
        self._alive_until, self._floor = max(self._alive_until, now + REQUESTED_WITHIN), floor
        if self.record is None or not self._renewed_at or self.record.token <= floor:
            return 0, 0
        return self.record.token, self._renewed_at + LEASE_HELD

    def move(self, host: str) -> None:
        """Let another host have it, once the process has ended here."""
        self._goes_to = host if host != self._host else ""

    def ended(self) -> None:
        """The process has ended here."""
        self._alive_until = 0

    def release(self) -> LeaseWrite | None:
        """The process has ended, and this host goes, too: returns what to write so that another one need not wait."""
        if self.record is None or self.holder != self._host:
            return None
        return LeaseWrite(LeaseRecord("", self.record.token, self._goes_to), self._revision)

    # --- the store ---------------------------------------------------------------------------------

    def seen(self, record: LeaseRecord | None, revision: int, now: int) -> None:
        """The store has this revision. record None: it has none."""
        self.is_read = True
        if revision == self._revision:
            return
        if self._writing is not None and record == self._writing[0]:
            self.written(revision, now)  # its answer was lost, or is on its way
            return
        if record is None or record.host != self._host or self.record is None or record.token != self.record.token:
            self._renewed_at = 0  # else it is a renewal of ours, whose answer was lost
        if record is not None and record.host != self._host:
            self._goes_to = ""
        if record is None:
            self._began = now  # the store has lost it: whoever held it may still count on it
        self._token = max(self._token, record.token if record is not None else 0)
        self.record, self._revision, self._seen_at = record, revision, now

    def written(self, revision: int, now: int) -> None:
        """The store has taken our write."""
        if self._writing is None:
            return
        (record, sent), self._writing = self._writing, None
        if record.host != self._host:
            self._goes_to = ""
        elif self.holder != self._host:
            self._alive_until = now + BEGINS_WITHIN
        self.record, self._revision, self._seen_at = record, revision, now
        self._token = max(self._token, record.token)
        self._renewed_at = sent if record.host == self._host else 0

    def refused(self) -> None:
        """The store has another revision than our write expected: it is seen next."""
        self._writing = None

    def tick(self, now: int) -> LeaseWrite | None:
        """Called several times a second. Returns what to write."""
        if self._writing is not None and now - self._writing[1] < WRITTEN_WITHIN:
            return None
        self._writing = None
        record = self._next(now) if self.is_read else None
        if record is None:
            return None
        self._writes += 1
        record = msgspec.structs.replace(record, number=self._writes)
        self._writing = (record, now)
        return LeaseWrite(record, self._revision)

    def _next(self, now: int) -> LeaseRecord | None:
        record = self.record
        if record is not None and record.host == self._host:
            return self._as_holder(record, now)
        if not self.can_take:
            return None
        if record is None:
            is_free = self.is_first or now - self._began > LEASE_TAKEN
        else:
            is_released = not record.host and record.to in ("", self._host)
            is_free = is_released or now - self._seen_at > LEASE_TAKEN
        return LeaseRecord(self._host, max(self._token, self._floor) + 1) if is_free else None

    def _as_holder(self, record: LeaseRecord, now: int) -> LeaseRecord | None:
        if self._goes_to and now >= self._alive_until:
            return LeaseRecord("", record.token, self._goes_to)
        if now >= self._alive_until:
            return None  # the process has ended, and does not come back: another host may have it
        if record.token <= self._floor:
            return LeaseRecord(self._host, self._floor + 1)
        return record if now - self._renewed_at >= RENEWED_EVERY else None
