"""Whether a gateway's market and account are still told, while they are connected."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from onetape.market.silence import Attention
from onetape.model.time import SECOND
from onetape.orders.calls import Call
from onetape.orders.managed import HealthOut
from onetape.orders.outage import Outage
from onetape.orders.outcome import Answer
from onetape.orders.stream_probe import StreamProbe
from onetape.orders.told import StreamTold, Told

if TYPE_CHECKING:
    from onetape.gateway.gateway import Gateway

__all__ = ["Listening"]


class Listening:
    """Of one gateway: the time that it has attended, and what it concludes from silence."""

    def __init__(self, gateway: Gateway) -> None:
        self.tell: Callable[[str], None] = lambda words: None  # what is not well, for `status`
        self._gateway = gateway
        self._account = gateway.options.account
        self._attention = Attention()
        self._outage = Outage(self._account)
        self._probe: StreamProbe
        self._told = ""

    def begin(self) -> None:
        """Once there is an order manager."""
        gateway = self._gateway
        self._probe = StreamProbe(gateway.manager, int(gateway.venue.probe_s * SECOND))

    def look(self, now: int) -> None:
        """Many times a second. now: the venue's time."""
        gateway = self._gateway
        if stalled := self._attention.look(time.monotonic_ns()):
            words = f"this process stood still for {stalled / SECOND:.1f} s"
            self._say("stall", words, "warning")
        gateway.market.look(self._attention.now)
        gateway.depth.look(self._attention.now)
        self._probe.tick(self._attention.now, now)
        unknown = (order.client_id for order in gateway.manager.unknown)
        if said := self._outage.look(unknown, now):
            gateway.manager.outs.append(said)
        self._believe()
        stale = ["account stream"] * self._probe.is_silent + list(gateway.market.stale)
        words = f"stale: {', '.join(stale)}"[:200] if stale else ""
        if words != self._told:
            self._told = words
            self.tell(words)

    def status(self) -> dict[str, Any]:
        probe, attention = self._probe, self._attention
        return {
            "account_stream": {
                "up": self._gateway.account.is_up,
                "stale": probe.is_silent,
                "probes": probe.sent,
                "silences": probe.found,
            },
            "stalls": {"count": attention.stalls, "longest_ms": attention.longest // 10**6},
        }

    # --- the account's stream ---------------------------------------------------------------------

    def heard(self, told: Sequence[Told]) -> None:
        if not all(isinstance(each, StreamTold) for each in told):
            self._probe.heard(self._attention.now)

    def came(self) -> None:
        self._probe.came(self._attention.now)

    def went(self) -> None:
        self._probe.went()
        self._say("account stream", "lost", "warning")

    def reconciled(self, *, is_new: bool) -> None:
        """is_new: trading may begin."""
        self._probe.reconciled(self._attention.now)
        if is_new and not self._gateway.gate.is_deaf:
            self._say("account stream", "live")

    def answered(self, call: Call, answer: Answer) -> bool:
        """False: the call is none of ours. What follows holds before the next order."""
        is_ours = self._probe.answered(call, answer, self._attention.now)
        if is_ours:
            self._believe()
        return is_ours

    def _believe(self) -> None:
        gate, is_silent = self._gateway.gate, self._probe.is_silent
        if is_silent == gate.is_deaf:
            return
        gate.is_deaf = is_silent
        if is_silent:
            self._say("account stream", "stale", "warning")
            self._gateway.account.cut()
        else:
            self._say("account stream", "live")

    def _say(self, kind: str, state: str, severity: str = "info") -> None:
        self._gateway.manager.outs.append(HealthOut(kind, self._account, state, severity))
