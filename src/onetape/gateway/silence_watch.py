"""Detects a connected account stream that reports nothing, and a venue that does not answer. Pure: times are
arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from onetape.market.silence import Attention
from onetape.model.time import SECOND
from onetape.orders.calls import Call
from onetape.orders.gate import Gate
from onetape.orders.managed import HealthOut
from onetape.orders.manager import OrderManager
from onetape.orders.outcome import Answer
from onetape.orders.reports import StreamReport, VenueReport
from onetape.orders.stream_probe import StreamProbe

__all__ = ["Listening", "Outage"]

OUTAGE_REPORT_EVERY: Final = SECOND  # also before the first report: most are settled by then


class Listening:
    """Measures the time that a gateway has attended, and sets its gate's state after silence.

    probe: interval of probes of a quiet stream, ns, 0: never.
    cut: replaces the stream's connection.
    """

    def __init__(self, account: str, manager: OrderManager, gate: Gate, *, probe: int, cut: Callable[[], None]) -> None:
        self._account = account
        self._manager = manager
        self._gate = gate
        self._cut = cut
        self._attention = Attention()
        self._outage = Outage(account)
        self._probe = StreamProbe(manager, probe)
        self._cuts = 0

    @property
    def attended(self) -> int:
        """Returns ns since the process began, without its stalls."""
        return self._attention.now

    @property
    def is_silent(self) -> bool:
        """Tells whether the stream is connected but reports nothing."""
        return self._probe.is_silent

    def look(self, now: int, steady: int) -> None:
        """Checks the stream and the process for silence; to be called many times a second. now: the venue's time;
        steady: of a monotonic clock."""
        if stalled := self._attention.look(steady):
            words = f"this process stood still for {stalled / SECOND:.1f} s"
            self._say("stall", words, "warning")
        self._probe.tick(self._attention.now, now)
        unknown = (order.client_id for order in self._manager.unknown)
        if said := self._outage.look(unknown, now):
            self._manager.outs.append(said)
        self._believe()

    def status(self, *, is_up: bool) -> dict[str, Any]:
        probe, attention = self._probe, self._attention
        return {
            "account_stream": {"up": is_up, "stale": probe.is_silent, "probes": probe.sent, "silences": probe.found},
            "stalls": {"count": attention.stalls, "longest_ms": attention.longest // 10**6},
        }

    # --- the account's stream ---------------------------------------------------------------------

    def reports(self, reports: Sequence[VenueReport]) -> None:
        if not all(isinstance(each, StreamReport) for each in reports):
            self._probe.heard(self._attention.now)

    def came(self) -> None:
        self._probe.came(self._attention.now)

    def went(self) -> None:
        self._probe.went()
        self._say("account stream", "lost", "warning")

    def reconciled(self, *, is_new: bool) -> None:
        """Handles the end of a reconciliation.

        is_new: trading may begin.
        """
        self._probe.reconciled(self._attention.now)
        if is_new and not self._gate.is_deaf:
            self._say("account stream", "live")

    def answered(self, call: Call, answer: Answer) -> bool:
        """Handles the answer to a probe, with effect before the next order.

        Returns False for a call that is not a probe.
        """
        is_ours = self._probe.answered(call, answer, self._attention.now)
        if is_ours:
            self._believe()
        return is_ours

    def _believe(self) -> None:
        gate, is_silent = self._gate, self._probe.is_silent
        if self._cuts != self._probe.found:
            self._cuts = self._probe.found
            self._cut()
        if is_silent != gate.is_deaf:
            gate.is_deaf = is_silent
            self._say("account stream", *(("stale", "warning") if is_silent else ("live",)))

    def _say(self, kind: str, state: str, severity: str = "info") -> None:
        self._manager.outs.append(HealthOut(kind, self._account, state, severity))


class Outage:
    """Reports orders of unknown outcome as one outage, once, with their count. It begins with the first of them and
    ends when there is none. account: its name."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._names: set[str] = set()  # of all that were unknown in it
        self._reported = ""  # the last report, "": none
        self._due = 0

    def look(self, unknown: Iterable[str], now: int) -> HealthOut | None:
        """Reports changes. unknown: client ids of the unknown orders now."""
        current = set(unknown)
        if current and not self._names:
            self._due = now + OUTAGE_REPORT_EVERY
        self._names |= current
        count = len(self._names)
        if current:
            words = f"{count} of unknown outcome, {len(current)} now"
            if words == self._reported or now < self._due:
                return None
            self._reported, self._due = words, now + OUTAGE_REPORT_EVERY
            return HealthOut("unknown orders", self._account, words, "warning")
        was_reported, self._reported = self._reported, ""
        self._names.clear()
        return HealthOut("unknown orders", self._account, f"{count} settled") if was_reported else None
