"""Live trading in one process: gateways and their robot in one event loop, on the same journals.

The data path is the same as between processes: market and account events go to the gateway's tape, the robot reads
them there and writes requests to its own journal, and the gateway reads that. Only no process must be woken: a write
is read in the same callback.

A strategy that takes long, or hangs, keeps the gateway from its account as long. That is why two processes are the
default.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from typing import Any, Final

import uvloop

from onetape import _core
from onetape.clients.gateway import GatewayClient, checked
from onetape.gateway.bridge_process import bridged
from onetape.gateway.gateway import Gateway
from onetape.ipc.scheduling import take_short_slices
from onetape.ipc.stop_signals import stop_signals
from onetape.model.errors import BadConfig, OnetapeError, ProcessDown, VenueUnavailable
from onetape.options.gateway import GatewayOptions
from onetape.robot.live import (
    DRAIN_S,
    LiveOptions,
    OwnExchanges,
    account_of,
    gateway_options,
    on_accounts,
    open_live,
    still_working,
    symbols_of,
    traded_on,
)
from onetape.robot.robot_run import RobotRun, watch_of
from onetape.runs.run_summary import RunResult

__all__ = ["LocalGateway", "Single", "drained", "run_single"]

LOOK_EVERY_S: Final = 0.25  # also without events: Ctrl-C, --seconds, a gateway that ended


class Single:
    """Lets robots and their gateways take turns until none has written anything.

    One turn per callback: the loop sends REST requests after its callbacks, and the robot's reading of its own
    request on the tape can wait for that.
    """

    def __init__(self) -> None:
        self._gateways: list[Gateway] = []
        self.robots: list[RobotRun] = []
        self.ended: Callable[[RobotRun, BaseException | None], None] = lambda _robot, _why: None
        self._is_turning = self._is_called = False

    def add(self, gateway: Gateway) -> None:
        """Lets the others take a turn after every write of the gateway."""
        self._gateways.append(gateway)
        gateway.listener = self.turn

    def _step(self, robot: RobotRun) -> None:
        """Takes one step of a robot. One that ends, or fails, does not stop the others."""
        fault: BaseException | None = None
        try:
            if robot.step() != _core.RunOutcome.STOPPED:
                return
        except OnetapeError as error:
            fault = error
        self.robots.remove(robot)
        self.ended(robot, fault)

    def turn(self) -> None:
        """Takes a turn of all, after a write to a gateway's tape."""
        if self._is_turning:
            self._is_called = True  # called by the following
            return
        if not self.robots:
            return
        self._is_turning, self._is_called = True, False
        try:
            for robot in list(self.robots):
                self._step(robot)
            for gateway in self._gateways:
                gateway.robots.look()
        finally:
            self._is_turning = False
        if self._is_called:
            asyncio.get_running_loop().call_soon(self.turn)


class LocalGateway:
    """Queries a gateway of this process from another thread than its loop's."""

    def __init__(self, gateway: Gateway, loop: asyncio.AbstractEventLoop) -> None:
        self._gateway = gateway
        self._loop = loop

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        async def answer() -> dict[str, Any]:
            return self._gateway.do({"do": do, **fields})

        reply = asyncio.run_coroutine_threadsafe(answer(), self._loop).result()
        return checked(do, reply)


def run_single(options: LiveOptions) -> RunResult:
    """Runs `onetape run --live --single` until Ctrl-C or --seconds; then cancels working orders."""
    config = options.config
    assert config is not None
    options = on_accounts(options)
    accounts = list(options.venues) or [account_of(config, options.account)[0]]
    for account in accounts:
        _refuse_another(options, account)
    symbols = symbols_of(options)

    async def work() -> RobotRun:
        async with AsyncExitStack() as bridges:
            reached = {name: await bridges.enter_async_context(bridged(each)) for name, each in started.items()}
            return await _trade(options, reached)

    with ExitStack() as stack:
        exchanges = OwnExchanges(config, stack, options.home)
        started = {
            name: stack.enter_context(
                gateway_options(replace(options, account=name), traded_on(options, name, symbols), exchanges)
            )
            for name in accounts
        }
        robot = uvloop.run(work())
    working = still_working([robot])
    result = robot.close(keep=True)
    assert result is not None
    result.working = working
    return result


def _refuse_another(options: LiveOptions, account: str) -> None:
    try:
        GatewayClient(options.home, account)
    except ProcessDown:
        return  # left by a dead process
    raise BadConfig(f"a gateway of {account} runs already", location="--single", todo="leave --single out")


async def _trade(options: LiveOptions, started: Mapping[str, GatewayOptions]) -> RobotRun:
    """Trades, and returns the robot when it has ended; the caller must close it."""
    take_short_slices()
    deadline = options.deadline
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in stop_signals():
        loop.add_signal_handler(number, stop.set)
    gateways = {name: Gateway(each, is_single=True) for name, each in started.items()}
    running: set[asyncio.Future[None]] = set()
    robot: RobotRun | None = None
    try:
        for gateway in gateways.values():
            await _begun(gateway, running)
        # It waits for market data, which comes over this loop.
        local = {name: LocalGateway(gateway, loop) for name, gateway in gateways.items()}
        robot = await loop.run_in_executor(None, open_live, options, local)
        single = Single()
        single.robots.append(robot)
        faults: list[BaseException | None] = []
        single.ended = lambda _robot, why: faults.append(why)
        gc.freeze()  # excludes present objects from garbage collections
        for gateway in gateways.values():
            single.add(gateway)
        single.turn()
        if options.spin:
            _stay_awake(loop, stop)
        options.doing("")
        watch = watch_of(options, deadline)
        while not (any(each.done() for each in running) or faults or stop.is_set()) and watch([robot]):
            await _either(running, stop, LOOK_EVERY_S)
            single.turn()
        if faults and faults[0] is not None:
            raise faults[0]
        await drained([robot], single.turn)
    except BaseException:
        if robot is not None:
            robot.close(keep=True)
        raise
    finally:
        for gateway in gateways.values():
            gateway.listener = None
            gateway.stopping.set()
        if running:
            await asyncio.wait(running)
    for each in running:
        await each  # raises a gateway's failure
    return robot


async def _begun(gateway: Gateway, running: set[asyncio.Future[None]]) -> None:
    """Begins a gateway, which then belongs to the running ones. Raises its failure."""
    ready = asyncio.Event()
    task = asyncio.ensure_future(gateway.run(ready.set))
    running.add(task)
    await _either({task}, ready)
    if not ready.is_set():
        await task  # raises the reason
        raise VenueUnavailable("the gateway did not start", location=gateway.options.rest)


async def _either(running: set[asyncio.Future[None]], event: asyncio.Event, timeout: float = 1e9) -> None:
    """Waits until a gateway ends, the event is set, or `timeout` seconds have passed."""
    waiting = asyncio.ensure_future(event.wait())
    both: set[asyncio.Future[Any]] = {*running, waiting}
    await asyncio.wait(both, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def _stay_awake(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Makes the loop poll its sockets instead of sleeping, so that it reacts at once with its code in the cache."""

    def turn() -> None:
        if not stop.is_set():
            loop.call_soon(turn)

    turn()


async def drained(robots: Sequence[RobotRun], turn: Callable[[], None]) -> None:
    """Cancels working orders and waits for the answers, so that an ending robot leaves none behind."""
    for robot in robots:
        robot.session.halt()
    until = time.monotonic() + DRAIN_S
    while time.monotonic() < until:
        turn()
        if not any(robot.session.loop.working(None) for robot in robots):
            return
        await asyncio.sleep(0.02)
