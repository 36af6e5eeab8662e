"""The leverage of contracts at the venue, as the operator sets it: pure, a part of the gateway's core.

A venue takes the same leverage twice as once, so one whose answer is lost is said to be unknown, and sent again by
whoever wants it.
"""

from __future__ import annotations

from typing import Any

from onetape.model.errors import NotAvailable
from onetape.orders.calls import Call, Leverages
from onetape.orders.managed import HealthOut
from onetape.orders.manager import OrderManager
from onetape.orders.outcome import Answer, Outcome

__all__ = ["LeverageDesk"]

_STATES = {Outcome.DONE: "set", Outcome.SETTLED: "set", Outcome.AMBIGUOUS: "unknown"}


class LeverageDesk:
    """Says it to the venue, and what comes of it to the journal."""

    def __init__(self, manager: OrderManager) -> None:
        self._manager = manager
        self._last: dict[str, dict[str, Any]] = {}  # by symbol: the last that was asked for in this life

    def check(self, symbol: str) -> None:
        """Raises NotAvailable where the venue, or this gateway for it, has no such setting."""
        if not isinstance(self._manager.venue, Leverages):
            raise NotAvailable(f"leverage is not set at {self._manager.venue.name} by us", location=symbol)

    def set(self, symbol: str, times: int, now: int, *, command: str) -> dict[str, Any]:
        """Sends it. command: the id of who wants it. Returns how it stands."""
        venue = self._manager.venue
        assert isinstance(venue, Leverages)
        call = venue.leverage(symbol, times, now)._replace(number=times)
        self._manager.calls.append(call)
        self._last[symbol] = {"command": command, "leverage": times, "state": "sent", "code": 0, "reason": ""}
        return self._last[symbol]

    def answered(self, call: Call, answer: Answer) -> None:
        state, reason = _STATES.get(answer.outcome, "refused"), f"{answer.venue_code} {answer.text}".strip()[:200]
        if state == "unknown":
            reason = "the venue has not answered: set it again"
        said = f"{call.number} {state}" + (f": {reason}" if reason else "")
        self._manager.outs.append(HealthOut("leverage", call.symbol, said))
        last = self._last.get(call.symbol)
        if last is not None and last["leverage"] == call.number:
            last |= {"state": state, "code": answer.code, "reason": reason}

    def state(self, symbol: str) -> dict[str, Any]:
        """Returns how the last one stands; {}: none was asked for."""
        return self._last.get(symbol, {})
