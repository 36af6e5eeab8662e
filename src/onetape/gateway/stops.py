"""The commands that stop a gateway from opening: halts and bans, unprotected positions, and a guardian's lease. Each
begins and ends on the tape, with its cause and its figures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from onetape.gateway.gateway_tape import GatewayTape
from onetape.model.errors import NotOwner, RateLimited, UsageError
from onetape.model.time import SECOND, format_time
from onetape.options.gateway import GatewayOptions
from onetape.orders.gate import Gate
from onetape.orders.halts import Halt, Level, Scope, halt_of
from onetape.orders.managed import HealthOut
from onetape.orders.order import Order

__all__ = ["LEASE_MAX", "Stops"]

_GATEWAY: Final = "gateway"  # as an actor
LEASE_MAX: Final = 60 * SECOND  # a guardian renews it more often
FIRST_LEASE_MAX: Final = 10 * SECOND  # a guardian that starts beside its gateways has its lease by then


class Stops:
    """Begins and ends stops of new risk. say: adds a record to those that the core carries out."""

    def __init__(
        self,
        gate: Gate,
        tape: GatewayTape,
        options: GatewayOptions,
        *,
        say: Callable[[HealthOut], None],
        wall: Callable[[], int],
    ) -> None:
        self._gate = gate
        self._halts = gate.halts
        self._tape = tape
        self._account = options.account
        self._executions = options.executions_max, options.executions_ns
        self._executed: dict[str, deque[int]] = {}  # times of fills, by sub-account
        self._say = say
        self._wall = wall
        self._is_watched = False
        self._lease_due = 0  # deadline of the first lease, the venue's time; 0: it was taken
        self._killed = "on" if tape.state.is_off_unsaid else ""  # as last reported

    def open(self, now: int) -> None:
        """Reports what still holds after a start. now: the venue's time."""
        self._look_at_switch()
        self._halts.expire(now)
        for halt in self._halts:
            self._say(_begun(halt))
        if not self._gate.around.is_guarded:  # the guardian that reported it is gone, and nothing would report its end
            self._halts.unprotected.clear()
        for symbol, since in self._halts.unprotected.items():
            self._say(_bare(symbol, since))
        self._lease_due = now + FIRST_LEASE_MAX if self._gate.around.is_guarded else 0

    def restate(self, step: int) -> None:
        """Shifts the lease's end because the clock was set by `step`, ns. Halts end at absolute times."""
        self._halts.lease_until += step if self._halts.lease_until else 0
        self._lease_due += step if self._lease_due else 0

    def look(self, now: int) -> None:
        """Ends what has expired, and reports the kill switch."""
        self._look_at_switch()
        for halt in self._halts.expire(now) if self._halts else ():
            self._say(HealthOut("halt", _about(halt), f"over: {halt.rule}, since {format_time(halt.since)}"))
        if self._is_watched and now >= self._halts.lease_until:
            self.end_lease(f"its lease ended at {format_time(self._halts.lease_until)}", now)
        elif self._lease_due and now >= self._lease_due:
            self.end_lease("does not watch", now)

    def _look_at_switch(self) -> None:
        if (killed := self._halts.killed) == self._killed:
            return
        self._killed = killed
        if killed:
            self._say(HealthOut("kill switch", self._account, f"on: {killed}", "warning"))
        else:
            self._say(HealthOut("kill switch", self._account, "off"))

    # --- halts ------------------------------------------------------------------------------------

    def wanted(self, fields: Mapping[str, Any], *, actor: str, time: int) -> Halt:
        """Makes the halt that a command requests. Raises UsageError, RateLimited."""
        halt = halt_of(fields, actor=actor, account=self._account, time=time)
        if not self._halts.has_room(halt):
            raise RateLimited("too many halts hold", todo="lift some")
        return halt

    def found(self, id_: str) -> Halt:
        """Returns the active halt of that id. Raises UsageError if there is none."""
        halt = self._halts.find(id_)
        if halt is None:
            raise UsageError(f"no halt {id_[:80]!r} holds here", todo="onetape halts lists them")
        return halt

    def begin(self, halt: Halt, before: Halt | None, now: int) -> dict[str, Any]:
        """Reports a halt that has begun, and cancels the working orders that it forbids. before: the halt of the same
        id that it replaces."""
        if before is not None and _about(before) != _about(halt):
            self._say(HealthOut("halt", _about(before), f"over: {halt.rule} takes its place"))
        self._say(_begun(halt))
        self._gate.hold_to_stops(now)
        return halt.as_json()

    def lift(self, halt: Halt, *, actor: str, reason: str) -> dict[str, Any]:
        """Reports a halt that was lifted."""
        self._say(HealthOut("halt", _about(halt), f"lifted by {actor}: {reason}" if reason else f"lifted by {actor}"))
        return halt.as_json()

    def executed(self, order: Order, trade_id: int, now: int) -> None:
        """Counts a fill of a robot's order. A sub-account with more fills than allowed is halted until an operator
        lifts it."""
        most, within = self._executions
        if not most or not order.robot:
            return
        strategy = self._gate.around.strategy_of(order.robot)
        times = self._executed.setdefault(strategy, deque())
        times.append(now)
        while times[0] <= now - within:
            times.popleft()
        if len(times) <= most:
            return
        times.clear()
        fields = {
            "strategy": strategy,
            "rule": f"executions {most} in {within / SECOND:g} s",
            "reason": f"more than {most} executions within {within / SECOND:g} s",
        }
        halt = self.wanted(fields, actor=_GATEWAY, time=self._wall())
        id_ = f"executions {order.client_id} {trade_id}"
        record = {"id": id_, "actor": _GATEWAY, "command": "halt", "target": f"gateway:{self._account}"}
        before = self._halts.find(halt.id)
        self._tape.command({**record, "fields": fields}, self._wall())
        result = self.begin(halt, before, now)
        self._tape.command_reply({"id": id_, "status": "applied", "result": result, "error": None}, self._wall())

    def rows(self) -> list[dict[str, Any]]:
        return [halt.as_json() for halt in self._halts]

    # --- a guardian -------------------------------------------------------------------------------

    def protect(self, symbol: str, since: int) -> dict[str, Any]:
        """Reports since when a position has no verified stop, ns; 0: it has one."""
        self._say(_bare(symbol, since) if since else HealthOut("protection", symbol, "has a verified stop"))
        return {"unprotected": dict(self._halts.unprotected)}

    def lease(self, until: int, epoch: int, *, now: int, wall: int) -> dict[str, Any]:
        """Takes a guardian's lease until that time. until and wall: ns of this machine's clock; now: the venue's.
        Raises NotOwner for the lease of a replaced guardian, UsageError."""
        if epoch < self._halts.epoch:
            raise NotOwner(f"epoch {epoch} of the guardian is over, {self._halts.epoch} holds the lease")
        if until - wall > LEASE_MAX:
            raise UsageError(f"a lease is at most {LEASE_MAX // SECOND} s long")
        if epoch > self._halts.epoch or not self._is_watched:
            self._tape.guardian(self._account, epoch, wall)
        self._halts.epoch, self._halts.lease_until = epoch, now + until - wall
        self._is_watched, self._lease_due = True, 0
        return {"until_ns": until, "epoch": epoch, "unprotected": list(self._halts.unprotected)}

    @property
    def is_watched(self) -> bool:
        """Tells whether a guardian's lease holds."""
        return self._is_watched

    def end_lease(self, why: str, now: int) -> None:
        """Ends the lease because its holder does not watch; a living guardian takes it again. now: the venue's time."""
        self._halts.lease_until = min(self._halts.lease_until, now)
        self._is_watched, self._lease_due = False, 0
        if self._gate.around.is_guarded:
            self._say(HealthOut("guardian", self._account, f"{why}: nothing new is opened", "critical"))

    def status(self) -> dict[str, Any]:
        lease = {
            "until_ns": self._halts.lease_until,
            "epoch": self._halts.epoch,
            "wanted": self._gate.around.is_guarded,
        }
        return {
            "halts": self.rows(),
            "unprotected": dict(self._halts.unprotected),
            "lease": lease,
            "killed": self._halts.killed,
        }


def _about(halt: Halt) -> str:
    return f"{halt.name} {halt.rule}"


def _begun(halt: Halt) -> HealthOut:
    until = f"until {format_time(halt.until)}" if halt.until else "until it is lifted"
    lost = f"lost {halt.loss} by {halt.rule}, at most {halt.limit}" if halt.loss else f"{halt.rule} by {halt.actor}"
    why = f": {halt.reason}" if halt.reason else ""
    severity = "warning" if halt.scope is Scope.SYMBOL or halt.level is Level.ADD else "critical"
    return HealthOut("halt", _about(halt), f"{lost}, {until}{why}", severity)


def _bare(symbol: str, since: int) -> HealthOut:
    return HealthOut("protection", symbol, f"no verified stop since {format_time(since)}", "critical")
