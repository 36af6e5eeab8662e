"""All of a configuration in one process: `python -m onetape.supervisor.single_main`, its options as JSON on standard
input.

Exchanges, gateways and robots share one event loop and write the same journals as separate processes, so that
readers see no difference. A slow strategy keeps all others waiting, and its crash ends all: that is why processes
are the default.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import uvloop

from onetape.exchange.chain import Chain
from onetape.exchange.kept_state import VenueState
from onetape.exchange.options import VenueOptions
from onetape.exchange.server import LOOPBACK, VenueServer, opened, ready_line
from onetape.gateway.bridge_process import bridged
from onetape.gateway.gateway import Gateway
from onetape.ipc.process import run_process
from onetape.ipc.scheduling import take_short_slices
from onetape.model.errors import OnetapeError, VenueUnavailable
from onetape.model.typed import from_json
from onetape.options.gateway import GatewayOptions
from onetape.robot.control import RobotControl
from onetape.robot.control_tape import RobotTape
from onetape.robot.live import still_working, working_text
from onetape.robot.main import begun, halted_words, live_options, section_of
from onetape.robot.options import RobotOptions
from onetape.robot.robot_run import RobotRun
from onetape.security.confine import confine
from onetape.supervisor.child import ChildFiles
from onetape.supervisor.live_single import LocalGateway, Single, drained
from onetape.supervisor.options import SingleOptions
from onetape.supervisor.parts import FAILED, RUNNING, STARTING, STOPPED, Parts
from onetape.supervisor.restart_rules import Child
from onetape.supervisor.start import Starter, children_of

LOOK_EVERY_S: Final = 0.1  # also without events


class _Robot:
    """A trading robot with its options and command handler."""

    def __init__(self, robot: RobotRun, tape: RobotTape, control: RobotControl) -> None:
        self.robot, self.tape, self.control = robot, tape, control
        self.is_halted = False

    def close(self) -> None:
        self.control.close()
        self.robot.close(keep=True)
        self.tape.close()


class House:
    """Runs all parts in this process. `run` returns after a stop; it raises a gateway's failure."""

    def __init__(self, options: SingleOptions) -> None:
        self.options = options
        self.home = Path(options.home)
        self.starter = Starter(options.config, home=self.home, folder=Path(options.folder), environ=options.secrets)
        self.parts = Parts(self.home)
        self.stopping = asyncio.Event()
        self._venues: list[tuple[str, VenueServer, VenueState | None]] = []
        self._gateways: dict[str, tuple[Gateway, asyncio.Task[None]]] = {}
        self._single = Single()
        self._single.ended = self._robot_ended
        self._robots: dict[str, _Robot] = {}

    async def run(self, ready: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stopping.set)
        children = children_of(self.starter.config)
        self.parts.begin([child.name for child in children])
        try:
            for child in children:
                if self.stopping.is_set():
                    break
                await self._begin(child)
            gc.freeze()  # excludes present objects from garbage collections
            ready()
            while not self.stopping.is_set():
                self._look()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.stopping.wait(), LOOK_EVERY_S)
        finally:
            await self._end()

    async def _begin(self, child: Child) -> None:
        """Begins a part. A part that cannot run is reported; parts that do not need it run."""
        away = [need for need in child.needs if self.parts.state(need) != RUNNING]
        if away:
            self.parts.tell(child.name, FAILED, f"{', '.join(away)} does not run")
            return
        kinds = {"venue": self._venue, "gateway": self._gateway, "robot": self._robot}
        begin = kinds.get(child.kind)
        if begin is None:
            self.parts.tell(child.name, FAILED, "it needs a process of its own: start without `--single`")
            return
        self.parts.tell(child.name, STARTING)
        try:
            await begin(child)
        except OnetapeError as error:
            sys.stderr.write(f"{child.name}: {error}\n")
            self.parts.tell(child.name, FAILED, str(error))
        else:
            self.parts.tell(child.name, RUNNING)

    async def _options(self, child: Child) -> bytes:
        exchange = self.options.exchanges.get(child.name.partition(":")[2], "")
        return await asyncio.get_running_loop().run_in_executor(
            None, lambda: self.starter.options(child, is_first=self.options.is_first, exchange=exchange)
        )

    async def _venue(self, child: Child) -> None:
        options = from_json(await self._options(child), VenueOptions)
        for note in self.starter.notes:
            sys.stderr.write(f"{note}\n")
        self.starter.notes.clear()
        dialect, kept = await asyncio.get_running_loop().run_in_executor(None, opened, options)
        server = VenueServer(dialect, chain=Chain(Path(options.chain), dialect.exchange))
        try:
            port = await server.start(LOOPBACK, options.port)
        except OSError:  # another process has taken it meanwhile
            port = await server.start(LOOPBACK, 0)
        self._venues.append((child.name, server, kept))
        line = ready_line(dialect, options.kind, LOOPBACK, port)
        self.starter.tells(child.name, line.encode() + b"\n")

    async def _gateway(self, child: Child) -> None:
        started = from_json(await self._options(child), GatewayOptions)
        ready = asyncio.Event()
        made: list[Gateway] = []

        async def work() -> None:
            async with bridged(started) as reached:
                made.append(Gateway(reached, is_single=True))
                asyncio.get_running_loop().set_exception_handler(made[0].tasks.callback_failed)
                made[0].tell = partial(self.parts.tell, child.name, RUNNING)
                await made[0].run(ready.set)

        running = asyncio.ensure_future(work())
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not ready.is_set():
            await running  # raises the reason
            raise VenueUnavailable("the gateway did not start", location=started.rest)
        self._single.add(made[0])
        self._gateways[child.name] = (made[0], running)

    async def _robot(self, child: Child) -> None:
        options = from_json(await self._options(child), RobotOptions)
        loop = asyncio.get_running_loop()
        accounts = options.venues or (options.account,)
        places = {name: LocalGateway(self._gateways[f"gateway:{name}"][0], loop) for name in accounts}
        tape = RobotTape(self.home, options.name, options.params)
        try:
            # It waits for market data, which comes over this loop.
            robot = await loop.run_in_executor(None, begun, options, live_options(options), tape, places)
        except BaseException:
            tape.close()
            raise
        control = RobotControl(
            options.name, self.home, robot, tape, section=section_of(options), rang=lambda: _soon(loop, self._look)
        )
        self._robots[child.name] = _Robot(robot, tape, control)
        ChildFiles(self.home, child.name).out.write_text(f"ready {robot.folder / 'journal'}\n")
        self._single.robots.append(robot)
        self._single.turn()

    # --- while it runs ----------------------------------------------------------------------------

    def _look(self) -> None:
        for name, (gateway, running) in self._gateways.items():
            if running.done() and not self.stopping.is_set():
                self.parts.tell(name, FAILED, "it has ended")
                self.stopping.set()  # `_end` gives the reason; the supervisor restarts everything
            gateway.robots.look()
        self._single.turn()
        for name, each in list(self._robots.items()):
            each.control.turn()
            session = each.robot.session
            if session.writer is not None:
                session.writer.progress(session.loop.source_position(0)[0])
            if session.loop.halted and not each.is_halted and session.host.failures:
                each.is_halted = True
                self.parts.tell(name, RUNNING, halted_words(each.robot))

    def _robot_ended(self, robot: RobotRun, why: BaseException | None) -> None:
        for name, each in list(self._robots.items()):
            if each.robot is robot:
                sys.stderr.write(f"{name}: {why or 'it has stopped itself'}\n")
                self.parts.tell(name, FAILED if why else STOPPED, str(why or "ended by itself"))
                del self._robots[name]
                each.close()

    # --- the end ----------------------------------------------------------------------------------

    async def _end(self) -> None:
        """Ends all in reverse order: robots cancel and wait for the answers."""
        if not any(running.done() for _, running in self._gateways.values()):
            await drained(self._single.robots, self._single.turn)
        for name, each in self._robots.items():
            if working := still_working([each.robot]):
                sys.stderr.write(f"{name}: {working_text(working)}\n")
            each.close()
            self.parts.tell(name, STOPPED)
        faults: list[BaseException] = []
        for name, (gateway, running) in self._gateways.items():
            gateway.listener = None
            gateway.stopping.set()
            await asyncio.wait({running})
            if (fault := running.exception()) is not None:
                faults.append(fault)
            self.parts.tell(name, STOPPED)
        for name, server, kept in self._venues:
            await server.stop()
            if kept is not None:
                kept.close()
            self.parts.tell(name, STOPPED)
        if faults:
            raise faults[0]


def _soon(loop: asyncio.AbstractEventLoop, do: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # it has ended
        loop.call_soon_threadsafe(do)


def main() -> int:
    return run_process(SingleOptions, _run)


def _run(options: SingleOptions) -> None:
    confine()
    take_short_slices()
    out, sys.stdout = sys.stdout, sys.stderr  # a strategy's prints must not mix with our output

    def say_ready() -> None:
        out.write("ready\n")
        out.flush()

    uvloop.run(House(options).run(say_ready))


if __name__ == "__main__":
    sys.exit(main())
