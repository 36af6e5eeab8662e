"""The leverage of contracts at the venue, as the operator sets it: a pure part of the gateway's core.

A setting that the venue refuses for now is sent again, like orders. Setting the same leverage twice is harmless, so one
whose answer is lost is reported as unknown, and repeated by the operator.
"""

from __future__ import annotations

from typing import Any

from onetape.model.errors import NotAvailable
from onetape.orders.calls import Call, Leverages
from onetape.orders.managed import HealthOut
from onetape.orders.manager import DECIDED_WITHIN, RESEND_AFTER, SENDS_MAX, OrderManager
from onetape.orders.outcome import Answer, Outcome

__all__ = ["LeverageDesk"]

_STATES = {Outcome.DONE: "set", Outcome.SETTLED: "set", Outcome.AMBIGUOUS: "unknown"}


class LeverageDesk:
    """Sends leverage settings to the venue, and reports their outcome to the journal."""

    def __init__(self, manager: OrderManager) -> None:
        self._manager = manager
        self._last: dict[str, dict[str, Any]] = {}  # by symbol: the last request of this incarnation
        self._sends: dict[str, int] = {}  # by symbol: how often it was sent
        self._due: dict[str, int] = {}  # by symbol: when it is sent again, ns by the steady clock

    def check(self, symbol: str) -> None:
        """Raises NotAvailable if the venue's adapter has no such setting."""
        if not isinstance(self._manager.venue, Leverages):
            raise NotAvailable(f"leverage is not set at {self._manager.venue.name} by us", location=symbol)

    def set(self, symbol: str, times: int, now: int, *, command: str) -> dict[str, Any]:
        """Sends a leverage setting. command: id of its command. Returns its state."""
        self._last[symbol] = {"command": command, "leverage": times, "state": "sent", "code": 0, "reason": ""}
        self._sends[symbol] = 0
        self._send(symbol, now)
        return self._last[symbol]

    def _send(self, symbol: str, now: int) -> None:
        venue, times = self._manager.venue, self._last[symbol]["leverage"]
        assert isinstance(venue, Leverages)
        self._due.pop(symbol, None)
        self._sends[symbol] += 1
        self._manager.calls.append(venue.leverage(symbol, times, now)._replace(number=times))

    def tick(self, now: int, steady: int) -> None:
        """Sends settings whose retry is due. now: the venue's time; steady: by the steady clock."""
        for symbol in [symbol for symbol, due in self._due.items() if steady >= due]:
            self._send(symbol, now)

    def answered(self, call: Call, answer: Answer, steady: int) -> None:
        """Handles the venue's answer. steady: now by the steady clock."""
        is_last = call.number == self._last.get(call.symbol, {}).get("leverage")
        is_soon = answer.retry_after <= DECIDED_WITHIN
        if answer.outcome is Outcome.SAFE and is_last and is_soon and self._sends[call.symbol] < SENDS_MAX:
            self._due[call.symbol] = steady + max(answer.retry_after, RESEND_AFTER)
            return
        state, reason = _STATES.get(answer.outcome, "refused"), f"{answer.venue_code} {answer.text}".strip()[:200]
        if state == "unknown":
            reason = "the venue has not answered: set it again"
        said = f"{call.number} {state}" + (f": {reason}" if reason else "")
        self._manager.outs.append(HealthOut("leverage", call.symbol, said))
        if is_last:
            self._last[call.symbol] |= {"state": state, "code": answer.code, "reason": reason}

    def state(self, symbol: str) -> dict[str, Any]:
        """Returns the state of the last request; {}: there was none."""
        return self._last.get(symbol, {})
