"""The latency of an order in a gateway: three spans between four stamps, as histograms.

    received      the message that the robot decided on was in this process (its frame's time)
    decided       the gateway accepted the robot's request
    out           the order's bytes were passed to the kernel
    acknowledged  the venue's answer arrived

The stamps are of the wall clock, which all processes of a machine share; a span in which it was set back is left out.
No decision reads these figures.
"""

from __future__ import annotations

from typing import Any, Final

from onetape._core import Durations
from onetape.model.ids import robot_tag, tag_of
from onetape.orders.calls import ORDER_PURPOSES, Call
from onetape.orders.outcome import Answer, Outcome

__all__ = ["Histogram", "Spans"]

WAITING_MAX: Final = 10_000  # unanswered requests; beyond it the oldest is dropped
LE_US: Final = tuple(step * 10**power for power in range(6) for step in (10, 25, 50))  # 10 us to 5 s
SPANS: Final = ("received_to_decided", "decided_to_out", "out_to_acknowledged")
PERCENTS: Final = ((50.0, "p50_us"), (99.0, "p99_us"), (99.9, "p999_us"))


class Histogram(Durations):
    """Counts durations in a fixed set of a few hundred buckets. The core counts."""

    def summary(self) -> dict[str, Any]:
        """Returns the count, percentiles and sum in microseconds, and the cumulative counts `le_us`."""
        row: dict[str, Any] = {"count": self.count}
        for percent, name in PERCENTS:
            row[name] = self.percentile(percent) / 1000
        row["max_us"] = self.largest / 1000
        row["sum_us"] = self.total / 1000
        row["le_us"] = {str(us): self.at_most(us * 1000) for us in LE_US}
        return row


class Spans:
    """Measures the spans of a request, from its market message to its answer: of all robots, and of each, by the tag in
    its client ids.

    decided_at: time at which the requests being carried out were accepted; 0 at other times.
    """

    def __init__(self) -> None:
        self.decided_at = 0
        self._all = Row()
        self._of: dict[str, tuple[str, Row]] = {}  # by tag: a robot's name, and its orders
        self._unsent: dict[tuple[str, str], int] = {}  # requests that wait for a connection: when decided
        self._waiting: dict[tuple[str, str], int] = {}  # unanswered requests: when sent

    def follow(self, robot: str) -> None:
        """Measures a robot's orders separately, too."""
        self._of.setdefault(robot_tag(robot), (robot, Row()))

    def decided(self, received: int, now: int, robot: str) -> None:
        """Notes that a robot's request was accepted. received: ns UTC, of the message that it was decided on."""
        if now >= received:
            self._note(0, robot_tag(robot), now - received)

    def waits(self, call: Call) -> None:
        """Notes that a request waits for a connection."""
        if self.decided_at and (key := _key(call)) is not None:
            _keep(self._unsent, key, self.decided_at)

    def out(self, call: Call, now: int) -> None:
        """Notes that a request was passed to the kernel."""
        if (key := _key(call)) is None:
            return
        decided = self._unsent.pop(key, 0) or self.decided_at
        if 0 < decided <= now:
            self._note(1, tag_of(key[1]), now - decided)
        _keep(self._waiting, key, now)

    def answered(self, call: Call, answer: Answer, now: int) -> None:
        """Notes the answer to a request. An abandoned one (AMBIGUOUS) gives no span."""
        if (key := _key(call)) is None:
            return
        self._unsent.pop(key, None)  # refused before it was sent
        out = self._waiting.pop(key, 0)
        if out and now >= out and answer.outcome is not Outcome.AMBIGUOUS:
            self._note(2, tag_of(key[1]), now - out)

    def _note(self, span: int, tag: str, ns: int) -> None:
        self._all[span].note(ns)
        if tag in self._of:
            self._of[tag][1][span].note(ns)

    def summary(self) -> dict[str, dict[str, Any]]:
        return self._all.summary()

    def by_robot(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Returns the summary of each robot."""
        return {name: row.summary() for name, row in self._of.values()}


class Row(tuple[Histogram, Histogram, Histogram]):
    """Holds the three spans of some requests."""

    __slots__ = ()

    def __new__(cls) -> Row:
        return super().__new__(cls, (Histogram(), Histogram(), Histogram()))

    def summary(self) -> dict[str, dict[str, Any]]:
        return {name: each.summary() for name, each in zip(SPANS, self, strict=True)}


def _key(call: Call) -> tuple[str, str] | None:
    """Returns the key of a request about an order; None: the call is none."""
    if call.purpose not in ORDER_PURPOSES or call.subject is None:
        return None
    return call.purpose, call.subject.client_id


def _keep(stamps: dict[tuple[str, str], int], key: tuple[str, str], ns: int) -> None:
    if len(stamps) >= WAITING_MAX:
        del stamps[next(iter(stamps))]
    stamps[key] = ns
