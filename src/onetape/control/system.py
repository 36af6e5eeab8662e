"""The whole system by the REST interface: how its processes are, their stop and their restart.

A stop is a state: what stands on the tape holds until a restart. Gateways that do not answer are sent the kill switch
until they do, also by the next life of this process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from onetape.control.call import Call
from onetape.control.models import Performance, Service, SystemReply, SystemStatus
from onetape.control.operations import Operations
from onetape.control.options import CONTROL
from onetape.ipc.connection import Connection, Gone
from onetape.ipc.names import process_socket
from onetape.ipc.system import CommandResult, IPCCommandSystem
from onetape.ipc.token_cache import TokenCache
from onetape.model.errors import BY_CODE, BlockedByRiskAlert, OnetapeError, ProcessDown, ServiceTimeout
from onetape.model.sections import Config
from onetape.model.time import SECOND

__all__ = ["System"]

KEPT_S: Final = 0.25  # so long one look at the processes serves all who ask
ASK_WITHIN_S: Final = 2.0
STOP_WITHIN_S: Final = 15.0  # until a stop says who has not answered
RESTART_WITHIN_S: Final = 75.0
RETRY_S: Final = 1.0
LOOK_S: Final = 0.05
# What a restart begins anew, in this order; exchanges are not ours, and the control plane answers the caller.
RESTARTED: Final = ("collector", "hub", "recorder", "gateway", "guardian", "robot", "variants")
MS: Final = 10**6


class System:
    """performance: mean ms of a call and calls per second, of the last minute."""

    def __init__(
        self, home: Path, config: Config, operations: Operations, performance: Callable[[], tuple[float, float]]
    ) -> None:
        self._home, self._config, self._operations = home, config, operations
        self._performance = performance
        self._commands = IPCCommandSystem(CONTROL, home=home)
        self._commands.start()
        self._supervisor = Connection(process_socket(home, "supervisor"))
        self._tokens = TokenCache(home)
        self._looking: asyncio.Task[dict[str, Any]] | None = None
        self._looked: tuple[float, dict[str, Any]] = (-KEPT_S, {})
        self._killing: dict[str, asyncio.Task[CommandResult]] = {}
        self._began = time.time_ns()
        self._stopped = ""  # by which operation
        self._restarted = 0  # ns UTC
        for _, at, record in operations.tape.read():
            if record.get("kind") == "system":
                self._note(record["state"], record["operation"], at)

    def resume(self) -> None:
        """Sends on what an earlier life had not sent to all."""
        if self._stopped:
            self._kill(self._stopped, "stopped")

    def check_runs(self) -> None:
        """Raises BlockedByRiskAlert while the system is stopped."""
        if self._stopped:
            raise BlockedByRiskAlert(
                f"the system is stopped, by {self._stopped}", todo="POST /api/v1/system/restart lets it trade again"
            )

    async def close(self) -> None:
        for task in self._killing.values():
            task.cancel()
        await asyncio.gather(*self._killing.values(), return_exceptions=True)
        self._commands.stop()
        self._supervisor.close()

    # --- what is asked ----------------------------------------------------------------------------

    async def status(self, call: Call) -> SystemStatus:
        now = time.time_ns()
        try:
            seen = await self._look()
        except ProcessDown:
            seen = {"processes": [], "since": self._began, "running": False}
        processes = seen["processes"]
        alive = [each for each in processes if each["state"] == "running"]
        mean, rate = self._performance()
        is_well = seen["running"] and all(each["state"] != "failed" for each in processes)
        return SystemStatus(
            status="stopped" if self._stopped else "running" if is_well else "error",
            uptime=max(0, now - max(int(seen.get("since", self._began)), self._restarted)) / MS,
            services=[_service(each, now) for each in processes],
            performance=Performance(
                avg_response_time=mean,
                operations_per_second=rate,
                memory_usage=sum(each["memory_bytes"] or 0 for each in processes) / 2**20,
                cpu_usage=sum(each["cpu_percent"] or 0 for each in processes),
            ),
            active_accounts=sum(each["kind"] == "gateway" for each in alive),
            total_operations=self._operations.total,
        )

    async def stop(self, call: Call) -> SystemReply:
        """Refuses new orders at all gateways, stops robots, whose orders are canceled; protective stops stay. Raises
        ServiceTimeout for who has not answered: a gateway gets it as soon as it does."""
        self._save("stopped", call.operation)
        reason = f"POST /system/stop by {call.actor}: {call.request.reason or 'no reason said'}"[:200]
        killing = self._kill(call.operation, reason)
        _, late = await asyncio.wait(killing.values(), timeout=STOP_WITHIN_S) if killing else (set(), set())
        robots = await self._commands.send_to_each(
            "robot", "stop", {}, timeout=ASK_WITHIN_S, id_=f"{call.operation}.robots"
        )
        silent = [f"gateway:{name}" for name, task in killing.items() if task in late]
        silent += [each.process for each in robots if each.status == "timeout"]
        if silent:
            raise ServiceTimeout(
                f"stopped, but {', '.join(silent)} has not answered",
                todo="a gateway is sent it until it does; onetape status says how they are",
            )
        return self._reply(call, "stopped")

    async def restart(self, call: Call) -> SystemReply:
        """Begins all processes anew, each with its state, and ends a stop. Raises ServiceTimeout, ProcessDown."""
        deadline = time.monotonic() + RESTART_WITHIN_S
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
        if self._stopped:
            await self._let_trade(call.operation)
        self._save("running", call.operation)
        self._looked = (-KEPT_S, {})
        return self._reply(call, "running")

    # --- a stop -----------------------------------------------------------------------------------

    def _kill(self, operation: str, reason: str) -> dict[str, asyncio.Task[CommandResult]]:
        """Sends each gateway the kill switch until it has it."""
        for account in self._config.accounts:
            task = self._killing.get(account)
            if task is None or task.done():
                self._killing[account] = asyncio.ensure_future(
                    self._until_done(f"gateway:{account}", "kill", {"reason": reason}, f"{operation}.kill")
                )
        return dict(self._killing)

    async def _until_done(self, target: str, command: str, fields: dict[str, Any], id_: str) -> CommandResult:
        while True:
            answer = await self._commands.send_command(target, command, fields, timeout=ASK_WITHIN_S, command_id=id_)
            if answer.status != "timeout":
                return answer
            await asyncio.sleep(RETRY_S)

    async def _let_trade(self, operation: str) -> None:
        for task in self._killing.values():
            task.cancel()
        await asyncio.gather(*self._killing.values(), return_exceptions=True)
        self._killing.clear()
        gateways = [f"gateway:{account}" for account in self._config.accounts]
        sent: list[Awaitable[CommandResult]] = [
            self._commands.send_command(each, "unkill", {}, timeout=STOP_WITHIN_S, command_id=f"{operation}.unkill")
            for each in gateways
        ]
        answers = [
            *await asyncio.gather(*sent),
            *await self._commands.send_to_each("robot", "start", {}, timeout=ASK_WITHIN_S, id_=f"{operation}.robots"),
        ]
        for answer in answers:
            if answer.error is not None:
                raise _error_of(answer.error, answer.process)

    # --- the supervisor ---------------------------------------------------------------------------

    async def _look(self) -> dict[str, Any]:
        """Returns how the processes are, at most KEPT_S old. Raises ProcessDown."""
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

    def _save(self, state: str, operation: str) -> None:
        self._operations.tape.append({"kind": "system", "operation": operation, "state": state})
        self._note(state, operation, time.time_ns())

    def _note(self, state: str, operation: str, at: int) -> None:
        self._stopped = operation if state == "stopped" else ""
        if state == "running":
            self._restarted = at

    def _reply(self, call: Call, status: Any) -> SystemReply:
        return SystemReply(success=True, operation_id=call.operation, timestamp=time.time_ns() // MS, status=status)


def _service(process: dict[str, Any], now: int) -> Service:
    """error_count: how often it was started anew."""
    age = process["heartbeat_age_ms"]
    heard = 0 if age is None else now // MS - age
    return Service(name=process["name"], status=process["state"], last_heartbeat=heard, error_count=process["restarts"])


def _not_back(seen: dict[str, Any], wanted: dict[str, int]) -> list[str]:
    """Returns those that have not begun anew since `wanted` starts, or do not run yet. Raises ProcessDown for one that
    will not."""
    waits = []
    for each in seen["processes"]:
        if each["name"] not in wanted:
            continue
        if each["state"] == "failed":
            raise ProcessDown(f"{each['name']} failed: {each['reason']}", todo="onetape logs says more")
        if each["state"] != "running" or each["starts"] <= wanted[each["name"]]:
            waits.append(each["name"])
    return waits


def _error_of(error: dict[str, Any], process: str) -> OnetapeError:
    return BY_CODE.get(error["code"], ProcessDown)(error["message"], location=process)
