"""The whole system in the REST interface: state of its processes, stop and restart.

A stop is a state: it is on the tape and holds until a restart. The kill switch is sent to each gateway until it
confirms, also by the next run of this process. Processes that were stopped before a system stop stay stopped after its
end.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.control.call import Call
from onetape.control.operations import Operations
from onetape.ipc.connection import Connection, Gone
from onetape.ipc.names import process_socket
from onetape.ipc.system import CommandResult, IPCCommandSystem
from onetape.ipc.token_cache import TokenCache
from onetape.model.errors import (
    BY_CODE,
    BlockedByRiskAlert,
    DiskFull,
    DuplicateCommand,
    NotAvailable,
    OnetapeError,
    ProcessDown,
    ServiceTimeout,
)
from onetape.model.sections import Config
from onetape.model.time import MS, SECOND
from onetape.notify.alert import Type
from onetape.options.control import CONTROL
from onetape.web.control_models import Alert, Performance, Service, SystemReply, SystemStatus

__all__ = ["System"]

KEPT_S: Final = 0.25  # a look at the processes is reused this long
ASK_WITHIN_S: Final = 2.0
STOP_WITHIN_S: Final = 15.0  # until a stop reports who has not answered
RESTART_WITHIN_S: Final = 75.0
RETRY_S: Final = 1.0
LOOK_S: Final = 0.05
# The processes that a restart restarts, in this order; exchanges are not ours, and the control plane answers the
# caller.
RESTARTED: Final = ("collector", "hub", "recorder", "gateway", "guardian", "robot", "variants")
DONE: Final = (DuplicateCommand.code, NotAvailable.code)  # already done; a gateway that only keeps books does not trade


class System:
    """Shows, stops and restarts the system. performance: mean ms per call and calls per second, of the last minute;
    faults: number of alerts of each process, besides those of its end."""

    def __init__(
        self,
        home: Path,
        config: Config,
        operations: Operations,
        performance: Callable[[], tuple[float, float]],
        faults: Callable[[], Counter[str]] = Counter,
    ) -> None:
        self._home, self._config, self._operations = home, config, operations
        self._performance, self._faults = performance, faults
        self._commands = IPCCommandSystem(CONTROL, home=home)  # its own: no stop waits behind hedges
        self._commands.start()
        self._supervisor = Connection(process_socket(home, "supervisor"))
        self._tokens = TokenCache(home)
        self._looking: asyncio.Task[dict[str, Any]] | None = None
        self._looked: tuple[float, dict[str, Any]] = (-KEPT_S, {})
        self._shown: tuple[dict[str, Any], SystemStatus] | None = None  # of a look, and its result
        self._killing: dict[str, asyncio.Task[None]] = {}  # by process
        self._refusals: dict[str, str] = {}  # why a gateway has not confirmed the kill switch
        self._began = time.time_ns()
        self._stopped = ""  # by this operation
        self._stopped_at = 0  # ns UTC
        self._reason = ""
        self._stopped_before: dict[str, bool] = {}  # of processes that the stop has reached
        self._restarted = 0  # ns UTC
        for _, at, record in operations.tape.read():
            if record.get("kind") == "system":
                self._note(record, at)

    def resume(self) -> None:
        """Continues sending what an earlier run had not sent to all."""
        if self._stopped:
            self._kill(self._stopped, self._reason)

    @property
    def alert(self) -> Alert | None:
        """Returns the alert of a stop, named by its operation; None: the system is not stopped."""
        if not self._stopped:
            return None
        return Alert(
            id=self._stopped,
            type=f"{Type.RISK}-alert",
            severity="CRITICAL",
            account_id="",
            message=f"the system is stopped: {self._reason}",
            timestamp=self._stopped_at // MS,
            data={"subject": "control system", "cleared": None, "acked": None, "more": 0, "blocks": True},
        )

    def check_runs(self) -> None:
        """Raises BlockedByRiskAlert while the system is stopped."""
        if (alert := self.alert) is not None:
            raise BlockedByRiskAlert(
                f"alert {alert.id} goes on: {alert.message}", todo="POST /api/v1/system/restart lets it trade again"
            )

    async def close(self) -> None:
        for task in self._killing.values():
            task.cancel()
        await asyncio.gather(*self._killing.values(), return_exceptions=True)
        self._commands.stop()
        self._supervisor.close()

    # --- requests ----------------------------------------------------------------------------

    async def status(self, call: Call) -> SystemStatus:
        now = time.time_ns()
        try:
            seen = await self._look()
        except ProcessDown:
            seen = {"processes": [], "since": self._began, "running": False}
        if self._shown is None or self._shown[0] is not seen:
            self._shown = seen, self._status_of(seen, now)
        shown = self._shown[1]
        return msgspec.structs.replace(
            shown,
            status="stopped" if self._stopped else shown.status,
            uptime=max(0, now - max(int(seen.get("since", self._began)), self._restarted)) / MS,
            total_operations=self._operations.total,
        )

    def _status_of(self, seen: dict[str, Any], now: int) -> SystemStatus:
        """Returns the status from one look at the processes. now: its time."""
        processes = seen["processes"]
        mean, rate = self._performance()
        faults = self._faults()
        is_well = seen["running"] and all(each["state"] != "failed" for each in processes)
        return SystemStatus(
            status="running" if is_well else "error",
            uptime=0.0,
            services=[_service(each, now, each["restarts"] + faults[each["name"]]) for each in processes],
            performance=Performance(
                avg_response_time=mean,
                operations_per_second=rate,
                memory_usage=sum(each["memory_bytes"] or 0 for each in processes) / 2**20,
                cpu_usage=sum(each["cpu_percent"] or 0 for each in processes),
            ),
            active_accounts=sum(each["kind"] == "gateway" and each["state"] == "running" for each in processes),
            total_operations=0,
        )

    async def stop(self, call: Call) -> SystemReply:
        """Refuses new orders at all gateways and stops robots, whose orders are canceled; protective stops stay. Raises
        ServiceTimeout naming the processes that have not confirmed (gateways are sent it until they do); DiskFull for a
        stop that is done but not on the tape."""
        reason = f"POST /system/stop by {call.actor}: {call.request.reason or 'no reason'}"[:200]
        killing = self._kill(call.operation, reason)
        full: DiskFull | None = None
        try:
            self._save("stopped", call.operation, reason=reason)
        except DiskFull as error:
            full = error
        robots = await self._commands.send_to_each(
            "robot", "stop", {}, timeout=ASK_WITHIN_S, id_=f"{call.operation}.robots"
        )
        failed = {each.process: each.error["message"] for each in robots if each.error is not None}
        for each in robots:
            self._reached(each.process, each, call.operation)
        if killing:
            await asyncio.wait(killing.values(), timeout=STOP_WITHIN_S)
        failed |= self._late()
        if failed:
            raise ServiceTimeout(
                f"stopped, but {_listed(failed)}",
                todo="the kill switch is sent to each gateway until it confirms; onetape status shows them",
            )
        if full is not None:
            raise DiskFull(
                f"stopped, but not recorded on the tape: {full.what}", todo="make room, then stop it once more"
            )
        return self._reply(call, "stopped")

    async def restart(self, call: Call) -> SystemReply:
        """Restarts all processes, each with its state, and ends the stop that was on at the call, completely or not at
        all. Raises ServiceTimeout, ProcessDown, BlockedByRiskAlert for a stop issued meanwhile."""
        deadline, stopped = time.monotonic() + RESTART_WITHIN_S, self._stopped
        seen = await self._query({"do": "status"})
        wanted: dict[str, int] = {}
        for kind in RESTARTED:
            for each in (each for each in seen["processes"] if each["kind"] == kind):
                answer = await self._query({"do": "restart", "name": each["name"], **self._proof()})
                wanted[each["name"]] = int(answer["starts"])
        while waits := _not_back(await self._query({"do": "status"}), wanted):
            if time.monotonic() > deadline:
                raise ServiceTimeout(f"not back within {RESTART_WITHIN_S:.0f} s: {', '.join(waits)}")
            await asyncio.sleep(LOOK_S)
        await self._let_trade(call.operation, stopped)
        self._looked = (-KEPT_S, {})
        return self._reply(call, "running")

    # --- a stop -----------------------------------------------------------------------------------

    def _kill(self, operation: str, reason: str, *, repeats: bool = False) -> dict[str, asyncio.Task[None]]:
        """Sends each gateway the kill switch until it confirms. repeats: even if a sender already runs."""
        for process in self._gateways():
            before = self._killing.get(process)
            if repeats or before is None or before.done():
                self._killing[process] = asyncio.ensure_future(self._until_killed(process, operation, reason, before))
        return dict(self._killing)

    async def _until_killed(self, process: str, operation: str, reason: str, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await before
        fields, id_ = {"reason": reason}, f"{operation}.kill"
        while True:
            answer = await self._commands.send_command(process, "kill", fields, timeout=ASK_WITHIN_S, command_id=id_)
            if answer.error is None or answer.error["code"] in DONE:
                break
            self._refusals[process] = answer.error["message"]
            await asyncio.sleep(RETRY_S)
        self._refusals.pop(process, None)
        self._reached(process, answer, operation)

    def _late(self) -> dict[str, str]:
        """Returns the gateways without the kill switch, and why."""
        late = [name for name, task in self._killing.items() if not task.done()]
        return {name: self._refusals.get(name, "has not answered") for name in late}

    def _reached(self, process: str, answer: CommandResult, operation: str) -> None:
        """Stores whether a process had been stopped before the system was."""
        if process not in self._stopped_before:
            with suppress(DiskFull):
                is_before = bool((answer.result or {}).get("already"))
                self._save("reached", operation, process=process, stopped_before=is_before)

    async def _let_trade(self, operation: str, stopped: str) -> None:
        """Ends a stop for all processes that it has stopped; for gateways all or none. stopped: by this operation."""
        if stopped and stopped == self._stopped:
            if self._killing:
                await asyncio.wait(self._killing.values(), timeout=STOP_WITHIN_S)
            if late := self._late():
                raise ServiceTimeout(f"still stopped: {_listed(late)}")
            sent = await self._send_each(self._ours(self._gateways()), "unkill", f"{operation}.unkill", STOP_WITHIN_S)
            failed = [each for each in sent if each.error is not None and each.error["code"] not in DONE]
            if failed or self._stopped != stopped:
                self._kill(operation, self._reason, repeats=True)
            _raise_first(failed, "still stopped: ")
        if self._stopped not in ("", stopped):
            raise BlockedByRiskAlert(f"restarted, but stopped meanwhile by {self._stopped}")
        robots = self._ours([each for each in self._stopped_before if each not in self._gateways()])
        self._save("running", operation)
        sent = await self._send_each(robots, "start", f"{operation}.robots", ASK_WITHIN_S)
        _raise_first([each for each in sent if each.error is not None], "the system runs, but ")

    def _gateways(self) -> list[str]:
        return [f"gateway:{account}" for account in self._config.accounts]

    def _ours(self, processes: list[str]) -> list[str]:
        return [each for each in processes if not self._stopped_before.get(each)]

    async def _send_each(self, processes: list[str], command: str, id_: str, within_s: float) -> list[CommandResult]:
        sent = (self._commands.send_command(each, command, {}, timeout=within_s, command_id=id_) for each in processes)
        return list(await asyncio.gather(*sent))

    # --- the supervisor ---------------------------------------------------------------------------

    async def _look(self) -> dict[str, Any]:
        """Returns the state of the processes, at most KEPT_S old. Raises ProcessDown."""
        at, seen = self._looked
        if time.monotonic() - at < KEPT_S:
            return seen
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._query({"do": "status"}))
        seen = await asyncio.shield(self._looking)
        self._looked = time.monotonic(), seen
        return seen

    async def _query(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = await self._supervisor.ask(request, time.time_ns() + int(ASK_WITHIN_S * SECOND))
        except (Gone, TimeoutError) as error:
            raise ProcessDown("the supervisor does not answer", location=str(self._home)) from error
        if answer.get("status") == "refused":
            raise _error_of(answer["error"], "supervisor")
        if "error" in answer:
            raise ProcessDown(f"the supervisor: {answer['error']}")
        return answer

    def _proof(self) -> dict[str, str]:
        return {"actor": CONTROL, "token": self._tokens.of(CONTROL)}

    # --- the tape ---------------------------------------------------------------------------------

    def _save(self, state: str, operation: str, **facts: Any) -> None:
        """Sets a state and writes it. It counts in this run even if it cannot be written. Raises DiskFull."""
        record = {"kind": "system", "operation": operation, "state": state, **facts}
        self._note(record, time.time_ns())
        self._operations.tape.append(record)

    def _note(self, record: dict[str, Any], at: int) -> None:
        match record["state"]:
            case "stopped":
                self._stopped, self._stopped_at = record["operation"], at
                self._reason = record.get("reason", "")
            case "reached":
                self._stopped_before.setdefault(record["process"], record["stopped_before"])
            case "running":
                self._stopped, self._restarted = "", at
                self._stopped_before.clear()

    def _reply(self, call: Call, status: Any) -> SystemReply:
        return SystemReply(success=True, operation_id=call.operation, timestamp=time.time_ns() // MS, status=status)


def _service(process: dict[str, Any], now: int, errors: int) -> Service:
    """Returns a process as a service. A process without a heartbeat of its own (the pages) was seen by its supervisor
    now."""
    age, is_seen = process["heartbeat_age_ms"], process["state"] == "running"
    heard = now // MS - age if age is not None else now // MS if is_seen else 0
    return Service(name=process["name"], status=process["state"], last_heartbeat=heard, error_count=errors)


def _not_back(seen: dict[str, Any], wanted: dict[str, int]) -> list[str]:
    """Returns the processes that have not restarted since `wanted` starts, or do not run yet. Raises ProcessDown for
    one that never will."""
    waits = []
    for each in seen["processes"]:
        if each["name"] not in wanted:
            continue
        if each["state"] == "failed":
            raise ProcessDown(f"{each['name']} failed: {each['reason']}", todo="onetape logs says more")
        if each["state"] != "running" or each["starts"] <= wanted[each["name"]]:
            waits.append(each["name"])
    return waits


def _listed(whys: dict[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in whys.items())


def _raise_first(answers: list[CommandResult], what: str) -> None:
    for answer in answers:
        if answer.error is not None:
            raise _error_of({**answer.error, "message": f"{what}{answer.error['message']}"}, answer.process)


def _error_of(error: dict[str, Any], process: str) -> OnetapeError:
    return BY_CODE.get(error["code"], ProcessDown)(error["message"], location=process)
