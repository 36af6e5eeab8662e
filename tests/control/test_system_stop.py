"""A stop of the system while gateways refuse, are away, or a restart is under way. Gateways and supervisor are a
script here; with real ones it runs in test_control_process.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from onetape.control import system
from onetape.control.call import Call
from onetape.control.operations import ControlTape, Operations
from onetape.control.system import System
from onetape.ipc.system import CommandResult
from onetape.model.config import parse_config
from onetape.model.errors import BlockedByRiskAlert, OnetapeError, RateLimited
from onetape.web.control_models import SystemCommand
from waiting import wait_in_loop

CONFIG = """
[venues.x]
kind = "binance-usdm"
[accounts.a]
venue = "x"
[accounts.b]
venue = "x"
[control]
"""


class World:
    """Processes that can be stopped. refusals: of (process, command), each once; before: what comes ahead of one."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.is_stopped = dict.fromkeys(("gateway:a", "gateway:b", "robot:r", "robot:s"), False)
        self.sent: list[tuple[str, str, str]] = []
        self.refusals: dict[tuple[str, str], OnetapeError] = {}
        self.before: dict[tuple[str, str], Callable[[], Awaitable[Any]]] = {}
        self.done: dict[tuple[str, str], CommandResult] = {}

    def start(self) -> None: ...

    def stop(self) -> None: ...

    async def send_command(
        self, target: str, command: str, fields: dict[str, Any], *, timeout: float, command_id: str
    ) -> CommandResult:
        self.sent.append((target, command, command_id))
        if work := self.before.pop((target, command), None):
            await work()
        if error := self.refusals.pop((target, command), None):
            return CommandResult(command_id, "refused", None, dict(error.as_json()["error"]), target)
        if (target, command_id) not in self.done:
            already = {"already": True} if self.is_stopped[target] else {}
            self.is_stopped[target] = command in ("kill", "stop")
            self.done[target, command_id] = CommandResult(command_id, "applied", already, None, target)
        return self.done[target, command_id]

    async def send_to_each(
        self, target: str, command: str, fields: dict[str, Any], *, timeout: float, id_: str
    ) -> list[CommandResult]:
        robots = [each for each in self.is_stopped if each.startswith(target)]
        return [await self.send_command(each, command, fields, timeout=timeout, command_id=id_) for each in robots]

    def life(self, work: Callable[[System, Callable[[str], Call]], Awaitable[None]]) -> None:
        """One life of the control plane over them."""

        async def run() -> None:
            tape = ControlTape(self.home)
            made = System(self.home, parse_config(CONFIG), Operations(tape), lambda: (0.0, 0.0))
            made._commands = self  # type: ignore[assignment]
            made._query = self.supervisor  # type: ignore[method-assign]
            made.resume()
            try:
                await work(made, lambda id_: Call(id_, "", "POST", "", request=SystemCommand(), operation=id_))
            finally:
                await made.close()
                tape.close()

        asyncio.run(run())

    async def supervisor(self, request: dict[str, Any]) -> dict[str, Any]:
        if work := self.before.pop(("supervisor", request["do"]), None):
            await work()
        return {"processes": []}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(system, "RETRY_S", 0.001)
    return World(tmp_path)


def test_a_gateway_that_refuses_the_kill_switch_is_sent_it_until_it_has_it(world: World) -> None:
    async def work(made: System, call: Callable[[str], Call]) -> None:
        world.refusals["gateway:a", "kill"] = RateLimited("wait")
        assert (await made.stop(call("stop-1"))).success
        assert all(world.is_stopped.values())
        assert [each[:2] for each in world.sent].count(("gateway:a", "kill")) == 2

    world.life(work)


def test_what_does_not_stop_is_named_with_its_reason(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "STOP_WITHIN_S", 0.01)

    async def work(made: System, call: Callable[[str], Call]) -> None:
        go = asyncio.Event()
        world.before["gateway:b", "kill"] = go.wait
        world.refusals["robot:r", "stop"] = RateLimited("too many commands")
        with pytest.raises(OnetapeError, match=r"robot:r: .*too many commands.*; gateway:b: has not answered"):
            await made.stop(call("stop-1"))
        with pytest.raises(OnetapeError, match="still stopped: gateway:b"):
            await made.restart(call("restart-1"))
        assert world.is_stopped["gateway:a"]
        go.set()

    world.life(work)


@pytest.mark.parametrize("when", [("supervisor", "status"), ("gateway:b", "unkill")])
def test_a_stop_during_a_restart_holds(world: World, when: tuple[str, str]) -> None:
    async def work(made: System, call: Callable[[str], Call]) -> None:
        await made.stop(call("stop-1"))
        world.before[when] = lambda: made.stop(call("stop-2"))
        with pytest.raises(BlockedByRiskAlert, match="stop-2"):
            await made.restart(call("restart-1"))
        await wait_in_loop(lambda: all(world.is_stopped.values()))
        with pytest.raises(BlockedByRiskAlert, match="stop-2"):
            made.check_runs()
        await made.restart(call("restart-2"))
        assert not any(world.is_stopped.values())

    world.life(work)


def test_where_one_gateway_cannot_be_let_trade_all_stay_stopped(world: World) -> None:
    async def work(made: System, call: Callable[[str], Call]) -> None:
        await made.stop(call("stop-1"))
        world.refusals["gateway:b", "unkill"] = RateLimited("wait")
        with pytest.raises(RateLimited, match="still stopped: "):
            await made.restart(call("restart-1"))
        await wait_in_loop(lambda: all(world.is_stopped.values()))
        with pytest.raises(BlockedByRiskAlert):
            made.check_runs()

    world.life(work)


def test_a_robot_that_does_not_start_stops_no_others(world: World) -> None:
    async def work(made: System, call: Callable[[str], Call]) -> None:
        await made.stop(call("stop-1"))
        world.refusals["robot:r", "start"] = RateLimited("it is halted")
        with pytest.raises(RateLimited, match="the system runs, but it is halted"):
            await made.restart(call("restart-1"))
        made.check_runs()
        assert [name for name, is_so in world.is_stopped.items() if is_so] == ["robot:r"]

    world.life(work)


def test_who_was_stopped_before_stays_so_also_in_another_life_and_after_two_stops(world: World) -> None:
    async def stops(made: System, call: Callable[[str], Call]) -> None:
        world.is_stopped |= {"gateway:a": True, "robot:s": True}
        await made.stop(call("stop-1"))
        await made.stop(call("stop-2"))

    async def later(made: System, call: Callable[[str], Call]) -> None:
        await made.restart(call("restart-1"))
        assert [name for name, is_so in world.is_stopped.items() if is_so] == ["gateway:a", "robot:s"]

    world.life(stops)
    world.life(later)


def test_a_stop_is_an_alert_that_its_refusals_name_until_the_restart(world: World) -> None:
    def named(made: System) -> str:
        assert made.alert is not None and (made.alert.severity, made.alert.account_id) == ("CRITICAL", "")
        assert made.alert.data["blocks"] and made.alert.timestamp > 0 and "lunch" in made.alert.message
        with pytest.raises(BlockedByRiskAlert) as refused:
            made.check_runs()
        assert f"alert {made.alert.id} goes on: {made.alert.message}" == refused.value.what
        return made.alert.id

    async def stops(made: System, call: Callable[[str], Call]) -> None:
        assert made.alert is None
        first = call("stop-1")
        first.request = SystemCommand(reason="lunch")
        await made.stop(first)
        assert named(made) == "stop-1"

    async def later(made: System, call: Callable[[str], Call]) -> None:
        assert named(made) == "stop-1"
        await made.restart(call("restart-1"))
        assert made.alert is None

    world.life(stops)
    world.life(later)
