"""Trading live in one process: the gateway and its robot in one event loop, on the same journals.

Everything goes the same way as between processes: the market and the account's news go to the gateway's tape, the robot
reads them there and writes requests to its own journal, and the gateway takes them from that. Only nobody has to be
woken: what was written is read in the same callback.

A strategy that takes long, or hangs, keeps the gateway from its account as long. That is why two processes are the
default.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import uvloop

from onetape import _core
from onetape.gateway.bridge_process import bridged
from onetape.gateway.client import GatewayClient, checked
from onetape.gateway.gateway import Gateway
from onetape.gateway.options import GatewayOptions
from onetape.model.errors import BadConfig, OnetapeError, ProcessDown, VenueUnavailable
from onetape.robot.live import DRAIN_S, LiveOptions, account_of, gateway_options, open_live, symbols_of
from onetape.robot.robot_run import RobotRun, watch_of
from onetape.runs.outcome import RunResult

__all__ = ["LocalGateway", "Single", "drained", "run_single"]

LOOK_EVERY_S: Final = 0.25  # also when nothing comes: Ctrl-C, --seconds, a gateway that ended


class Single:
    """Lets robots and their gateway take turns until none has written anything.

    One turn in a callback: the loop writes what goes by REST when its callbacks have ended, and the robot's look at the
    tape on which its own request stands can wait for that.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.robots: list[RobotRun] = []
        self.ended: Callable[[RobotRun, BaseException | None], None] = lambda _robot, _why: None
        self._is_turning = self._is_called = False

    def _step(self, robot: RobotRun) -> None:
        """Takes one step of a robot. One that ends, by itself or by a fault, is the others' business no more."""
        fault: BaseException | None = None
        try:
            if robot.step() != _core.RunOutcome.STOPPED:
                return
        except OnetapeError as error:
            fault = error
        self.robots.remove(robot)
        self.ended(robot, fault)

    def turn(self) -> None:
        """Takes a turn of all, after anything was written to the gateway's tape."""
        if self._is_turning:
            self._is_called = True  # called by what follows
            return
        if not self.robots:
            return
        self._is_turning, self._is_called = True, False
        try:
            for robot in list(self.robots):
                self._step(robot)
            self._gateway.robots.look()
        finally:
            self._is_turning = False
        if self._is_called:
            asyncio.get_running_loop().call_soon(self.turn)


class LocalGateway:
    """Asks a gateway of this process from another thread than its loop's."""

    def __init__(self, gateway: Gateway, loop: asyncio.AbstractEventLoop) -> None:
        self._gateway = gateway
        self._loop = loop

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        async def answer() -> dict[str, Any]:
            return self._gateway.do({"do": do, **fields})

        reply = asyncio.run_coroutine_threadsafe(answer(), self._loop).result()
        return checked(do, reply)


def run_single(options: LiveOptions) -> RunResult:
    """Runs `onetape run --live --single`: until Ctrl-C or --seconds; then what works is cancelled."""
    assert options.config is not None
    account, _ = account_of(options.config, options.account)
    _refuse_another(options, account)
    symbols = symbols_of(options)

    async def work() -> RobotRun:
        async with bridged(started) as reached:
            return await _trade(options, account, reached)

    with gateway_options(options, symbols) as started:
        robot = uvloop.run(work())
    result = robot.close(keep=True)
    assert result is not None
    return result


def _refuse_another(options: LiveOptions, account: str) -> None:
    try:
        GatewayClient(options.home, account)
    except ProcessDown:
        return  # left behind by one that died
    raise BadConfig(f"a gateway of {account} runs already", location="--single", todo="leave --single out")


async def _trade(options: LiveOptions, account: str, started: GatewayOptions) -> RobotRun:
    """Trades, and returns the robot when it has ended; it is still to be closed."""
    deadline = options.deadline
    loop = asyncio.get_running_loop()
    gateway = Gateway(started, is_single=True)
    ready, stop = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    running = asyncio.ensure_future(gateway.run(ready.set))
    robot: RobotRun | None = None
    try:
        await _either(running, ready)
        if not ready.is_set():
            await running  # says why
            raise VenueUnavailable("the gateway did not start", location=started.rest)
        # It waits for the market, which comes over this loop.
        local = LocalGateway(gateway, loop)
        robot = await loop.run_in_executor(None, open_live, options, {account: local})
        single = Single(gateway)
        single.robots.append(robot)
        faults: list[BaseException | None] = []
        single.ended = lambda _robot, why: faults.append(why)
        gc.freeze()  # what is there now stays: no collection need look through it
        gateway.listener = single.turn
        single.turn()
        if options.spin:
            _stay_awake(loop, stop)
        options.doing("")
        watch = watch_of(options, deadline)
        while not (running.done() or faults or stop.is_set()) and watch([robot]):
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
        gateway.listener = None
        gateway.stopping.set()
        await asyncio.wait({running})
    await running  # a gateway that failed says so
    return robot


async def _either(running: asyncio.Future[None], event: asyncio.Event, timeout: float = 1e9) -> None:
    """Waits until the gateway ends, the event is set, or so many seconds have passed."""
    waiting = asyncio.ensure_future(event.wait())
    both: set[asyncio.Future[Any]] = {running, waiting}
    await asyncio.wait(both, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


def _stay_awake(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Makes the loop poll its sockets instead of sleeping: what comes finds it awake, and its code in the cache."""

    def turn() -> None:
        if not stop.is_set():
            loop.call_soon(turn)

    turn()


async def drained(robots: Sequence[RobotRun], turn: Callable[[], None]) -> None:
    """Cancels what works and waits for the answers: a robot that ends leaves nothing behind."""
    for robot in robots:
        robot.session.halt()
    until = time.monotonic() + DRAIN_S
    while time.monotonic() < until:
        turn()
        if not any(robot.session.loop.working(None) for robot in robots):
            return
        await asyncio.sleep(0.02)
