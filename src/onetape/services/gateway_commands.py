"""What an operator may tell a gateway to do: on its journal and on disk first, then done, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onetape.model.errors import BadInput
from onetape.orders.gate import Gate
from onetape.orders.manager import OrderManager
from onetape.orders.reconcile import Reconciler
from onetape.orders.settle import settle, settled_as
from onetape.services.gateway_journal import GatewayTape
from onetape.services.gateway_spans import Spans

__all__ = ["Commands"]


class Commands:
    """now: gives the venue's time. carry_out: takes what the manager wants after a command."""

    def __init__(
        self,
        manager: OrderManager,
        gate: Gate,
        reconciler: Reconciler,
        tape: GatewayTape,
        *,
        now: Callable[[], int],
        carry_out: Callable[[], None],
        spans: Spans,
    ) -> None:
        self._spans = spans
        self._manager = manager
        self._gate = gate
        self._reconciler = reconciler
        self._tape = tape
        self._now = now
        self._carry_out = carry_out
        self._answers: dict[str, dict[str, Any]] = {}  # by id, so that none acts twice

    def execute(self, id_: str, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        """The answer: {id, status, result, error}."""
        if id_ in self._answers:
            return {**self._answers[id_], "status": "duplicate"}
        answer: dict[str, Any] = {"id": id_, "status": "applied", "result": None, "error": None}
        now = self._now()
        match name:
            case "kill":
                reason = str(fields.get("reason", "")) or "by the operator"
                self._note(id_, name, {"reason": reason})
                self._gate.killed = reason
                answer["result"] = {"canceled": self._manager.cancel_all(now)}
            case "unkill":
                self._note(id_, name, fields)
                self._gate.killed = ""
            case "cancel_all":
                self._note(id_, name, fields)
                answer["result"] = {"canceled": self._manager.cancel_all(now)}
            case "reconcile":
                self._note(id_, name, fields)
                self._reconciler.start(now, "asked for")
            case "settle":
                self._settle(id_, fields, now, answer)
            case "latency":  # a question: it changes nothing
                answer["result"] = self._spans.summary()
            case _:
                answer["status"] = "refused"
                answer["error"] = f"a gateway knows no command {name!r}"
        self._answers[id_] = answer
        self._carry_out()
        return answer

    def _settle(self, id_: str, fields: dict[str, Any], now: int, answer: dict[str, Any]) -> None:
        try:
            order, told = settled_as(self._manager, self._gate.instruments, fields)
        except BadInput as refusal:
            answer["status"], answer["error"] = "refused", refusal.what
            return
        self._note(id_, "settle", fields)
        settle(self._manager, order, told, now)
        answer["result"] = {"order": order.client_id, "state": str(order.state)}

    def _note(self, id_: str, name: str, fields: dict[str, Any]) -> None:
        self._tape.command(id_, name, fields, self._now())
        self._tape.writer.ensure("disk")
