"""The supervisor: starts the configured processes, watches them, and stops them.

A shell around `restart_rules`, which decides. Its own end, however sudden, ends no other process: the next
supervisor of this home finds the running ones in the journal, and takes over.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.cluster.view import hosts_now
from onetape.ipc.names import process_socket
from onetape.ipc.server import listen
from onetape.ipc.stop_signals import stop_signals
from onetape.model.byte_size import parse_bytes
from onetape.model.errors import OnetapeError
from onetape.model.sections import CONTROL, DASHBOARD, GUARDIAN, OPERATOR, Config
from onetape.model.time import SECOND, parse_duration
from onetape.notify.alert import Alert
from onetape.notify.rules import ROOM_MIN, sunset_alerts
from onetape.security.private import private_folder
from onetape.security.tokens import make_token
from onetape.store.config import keep_config
from onetape.supervisor.added_parts import KINDS, AddedParts
from onetape.supervisor.alert_watch import JOURNALED, AlertWatch, routes_of
from onetape.supervisor.child import ChildFiles, Process
from onetape.supervisor.fork_server import ForkServer
from onetape.supervisor.heartbeat import Pulses, journal_of
from onetape.supervisor.log import SystemLog
from onetape.supervisor.metrics import Metrics, OrderCounts
from onetape.supervisor.options import has_metrics, supervisor_socket
from onetape.supervisor.parts import RUNNING, SINGLE, parts_of
from onetape.supervisor.process_figures import Figures
from onetape.supervisor.process_journal import SupervisorTape
from onetape.supervisor.reread import changes, reread, section_of
from onetape.supervisor.restart_rules import SILENT_S, Child, Do, Law, State, Step, Unit
from onetape.supervisor.retention import keep_to
from onetape.supervisor.start import ASK_WITHIN_S, Starter, children_of, not_wanted
from onetape.telegram.options import telegram_actor

__all__ = ["Supervisor"]

BUSY_S: Final = 0.02  # between two looks while something starts or stops
QUIET_S: Final = 0.25
FIGURES_EVERY_S: Final = 1.0
REMOTE_WITHIN: Final = 5 * SECOND  # time to connect to other hosts, ns
FAULT_S: Final = 1.0  # pause before failed work of the supervisor is retried
SILENT_LOOKS: Final = 4  # looks in a row without a heartbeat, before a process counts as silent
STATUS_WITHIN_S: Final = 2.0  # for scrapers
PORT_PAUSE_S: Final = 5.0  # before a port in use is tried again
PAUSE_MS: Final = 1000  # time without a heartbeat after which `status` reports it


class Supervisor:
    """Supervises one home. `run` returns when all has been stopped."""

    def __init__(
        self, config: Config, starter: Starter, home: Path, *, single: bool = False, forks: ForkServer | None = None
    ) -> None:
        """single: all in one process, unless another supervisor has left several. forks: the fork server. Raises
        JournalLocked if a supervisor runs already."""
        self.config, self.starter, self.home = config, starter, home
        private_folder(home / "journal")
        private_folder(home / "run")
        self.wake = asyncio.Event()
        self._forks_heard = asyncio.Event()
        self._requests = count(1)
        self.figures = Figures()
        self._figures_at = 0.0
        self.since = time.time_ns()
        self.tape = SupervisorTape(home)
        keep, size = config.logs.keep, config.logs.size
        self.log = SystemLog(home, keep_ns=parse_duration(keep) if keep else 0, size=parse_bytes(size))
        self.added = AddedParts(self)
        self.use(self.added.configured(config))
        self.file = ""  # of the configuration
        self.read: Callable[[], Config] = lambda: self.config
        found = self._left()
        self.is_single = SINGLE in found if found else single
        self.law = Law([Child(SINGLE, SINGLE)] if self.is_single else children_of(self.config))
        self.starter.exchanges = self.tape.left.exchanges
        self._leased = [f"gateway:{name}" for name, account in self.config.accounts.items() if account.standby]
        for name in self._leased:
            if (unit := self.law.units.get(name)) is not None:
                unit.held = "waits for its lease"
        self.pulses = Pulses(home)
        self.alerts: AlertWatch | None = None
        self.metrics: Metrics | None = None
        self.counts = OrderCounts() if has_metrics(config) else None
        self.files = {name: ChildFiles(home, name) for name in self.law.units}
        self.processes: dict[str, Process] = {}
        self.forks = forks
        self._shown: dict[str, tuple[State, str]] = {}
        self._silent_looks: dict[str, int] = {}
        self._stuck_looks: dict[str, int] = {}
        self._said: dict[str, str] = {}  # the last error of each
        self._tasks: set[asyncio.Task[None]] = set()

    def use(self, config: Config) -> None:
        """Uses this configuration from here on."""
        self.config = self.starter.config = config
        keep_config(self.home, config)

    # --- running ----------------------------------------------------------------------------------

    async def run(self, settled: Callable[[], None] = lambda: None) -> None:
        """Runs until all is stopped. settled: called once, when all run or have failed."""
        loop = asyncio.get_running_loop()
        for number in stop_signals():
            loop.add_signal_handler(number, self.stop)
        listening = await self._listen()
        lasting = [
            asyncio.ensure_future(self._lasting("a request", listening, self._serve)),
            asyncio.ensure_future(self._lasting("retention", self._keep(), self._keep)),
        ]
        try:
            self.say("info", "supervisor", f"began, process {os.getpid()}")
            for text in self.added.said():
                self.say("warning", "supervisor", text)
            self._make_tokens()
            self._adopt()
            self._watch_for_alerts(loop)
            if self.counts is not None:
                measure = partial(self._measure, self.counts, loop)
                lasting.append(asyncio.ensure_future(self._lasting("metrics", measure(), measure)))
            self._hear_forks(loop)
            if not self.is_single:
                self.starter.ask_robot = lambda options: asyncio.run_coroutine_threadsafe(
                    self._ask_robot(options), loop
                ).result(2 * ASK_WITHIN_S)
                loop.run_in_executor(None, self.starter.prepare)
            is_settled = False
            while not self.law.is_down:
                self._look()
                for step in self.law.step(time.monotonic()):
                    self._do(step)
                self._show()
                if not is_settled and self.law.is_settled:
                    is_settled = True
                    settled()
                self.wake.clear()
                pause = BUSY_S if self._is_busy else QUIET_S
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), pause)
            self._show()
            self.say("info", "supervisor", "all stopped")
        finally:
            if self.metrics is not None:
                await self.metrics.close()
            if self.alerts is not None:
                await loop.run_in_executor(None, self.alerts.close)
                await asyncio.sleep(0)  # delivers its last messages
            for each in lasting:
                each.cancel()
            await asyncio.gather(*lasting, *self._tasks, return_exceptions=True)
            with suppress(FileNotFoundError):
                supervisor_socket(self.home).unlink()
            self.pulses.close()
            self.tape.close()

    async def _listen(self) -> Coroutine[Any, Any, None]:
        door = self.added.door
        return await listen(supervisor_socket(self.home), self.answer, door.settle, is_operator=door.is_operator)

    async def _serve(self) -> None:
        await (await self._listen())

    def _keep(self) -> Coroutine[Any, Any, None]:
        say = partial(self.say, "info", "retention")
        return keep_to(self.home, lambda: self.config, say)

    async def _lasting(self, what: str, work: Awaitable[None], retry: Callable[[], Awaitable[None]]) -> None:
        """Runs work of its own until cancelled. No one restarts a supervisor: an exception is logged, and the work
        is retried; requests must be answered, and the disk must not fill up."""
        while True:
            try:
                await work
            except Exception as error:
                said = f"{what} raised {type(error).__name__}: {error}"
                self.say("error", "supervisor", said)
            await asyncio.sleep(FAULT_S)
            work = retry()

    def stop(self) -> None:
        """Stops all processes, in reverse order."""
        self.law.stop_all()
        for unit in self.law.units.values():
            if unit.state is State.FAILED:  # it stays so
                self._not_wanted(unit)
        self.wake.set()

    def _not_wanted(self, unit: Unit) -> None:
        """Notes that its robots' next start begins new runs."""
        for child in self.children if self.is_single else (unit.child,):
            if child.kind == "robot":
                not_wanted(self.home, child.name.partition(":")[2])

    @property
    def _is_busy(self) -> bool:
        units = self.law.units.values()
        return any(unit.state not in (State.RUNNING, State.FAILED, State.STOPPED) for unit in units)

    def _watch_for_alerts(self, loop: asyncio.AbstractEventLoop) -> None:
        self.alerts = AlertWatch(
            self.home,
            self._journals,
            tell=lambda record: _soon(loop, self.tape.alert, record),
            said=lambda text: _soon(loop, self.say, "warning", "alerts", text),
            log=lambda process, text: _soon(loop, self.say, "info", process, text),
            routes=routes_of(self.config.notify, self.starter.environ, self.starter.folder),
            counts=self.counts,
            sunsets=self._sunsets,
        )

    def _sunsets(self, now: int) -> dict[str, Alert]:
        """Returns the alerts about what the configured real venues retire. now: ns UTC."""
        return sunset_alerts({each.kind for each in self.config.venues.values() if each.mode != "sim"}, now)

    async def _measure(self, counts: OrderCounts, loop: asyncio.AbstractEventLoop) -> None:
        """Serves metrics once their port is free, until cancelled."""
        assert self.alerts is not None
        figures, said = self.alerts.figures, ""

        async def status() -> dict[str, Any]:
            return self.status()

        def status_in_loop() -> dict[str, Any]:
            return asyncio.run_coroutine_threadsafe(status(), loop).result(STATUS_WITHIN_S)

        port = self.config.metrics.port
        made = Metrics(self.home, counts, status=status_in_loop, alerts=figures)
        while self.metrics is None:
            try:
                made.open(port)
                self.metrics = made
            except OSError as error:
                if (words := f"no metrics at port {port}: {error}") != said:
                    self.say("error", "supervisor", said := words)
                await asyncio.sleep(PORT_PAUSE_S)
        await asyncio.Event().wait()

    def _journals(self) -> dict[str, Path]:
        """Returns the journals with the processes' alerts."""
        journaled = (each for each in self.children if each.kind in JOURNALED)
        found: dict[Path, str] = {}
        for each in journaled:
            if (path := journal_of(self.home, each.name, each.kind)) is not None:
                found.setdefault(path, each.name)  # a standby uses that of the process that it follows
        return {name: path for path, name in found.items()}

    @property
    def children(self) -> list[Child]:
        """Lists all wanted parts, in whatever process."""
        if self.is_single:
            return children_of(self.config)
        return [unit.child for unit in list(self.law.units.values())]

    def _left(self) -> set[str]:
        """Returns the processes that an earlier supervisor left running."""
        found = set()
        for name, record in self.tape.left.processes.items():
            process = Process.find(record["pid"], record["started"]) if record["pid"] else None
            if process is not None:
                process.close()
                found.add(name)
        return found

    def _make_tokens(self) -> None:
        make_token(self.home, OPERATOR)
        make_token(self.home, GUARDIAN)
        make_token(self.home, CONTROL)
        make_token(self.home, DASHBOARD)
        for chat in self.config.notify.telegram.chats if self.config.notify.telegram is not None else ():
            make_token(self.home, telegram_actor(chat))
        for account in self.config.accounts.values():
            for name in account.subaccounts:
                make_token(self.home, name)
        for name in self.config.robots:
            make_token(self.home, name)

    def _adopt(self) -> None:
        now = time.monotonic()
        for name, record in self.tape.left.processes.items():
            found = Process.find(record["pid"], record["started"]) if record["pid"] else None
            if found is None:
                continue
            if name not in self.law.units:  # no longer configured
                found.signal(signal.SIGTERM)
                found.close()
                self.say("warning", name, "is no longer in the configuration: asked to stop")
                continue
            ready = record["state"] == State.RUNNING
            self.law.adopted(name, now, ready=ready, restarts=record["restarts"])
            self._watch(name, found)
            self.say("info", name, f"taken over, process {found.pid}")

    # --- actions ----------------------------------------------------------------------------------

    def _do(self, step: Step) -> None:
        process = self.processes.get(step.name)
        match step.do:
            case Do.START:
                self._show()
                task = asyncio.ensure_future(self._start(self.law.units[step.name]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case Do.STOP if process is not None:
                process.signal(signal.SIGTERM)
            case Do.KILL if process is not None:
                process.signal(signal.SIGKILL)
            case _:
                pass  # being created: `_start` handles it

    async def _start(self, unit: Unit) -> None:
        name = unit.child.name
        exchange = self.tape.left.exchanges.get(name.partition(":")[2], "")
        try:
            options = await asyncio.get_running_loop().run_in_executor(None, lambda: self._options(unit, exchange))
            await self._forks_heard.wait()
            if unit.state is not State.STARTING:  # it is no longer wanted
                self.law.ended(name, time.monotonic(), 0)
                return
            process = self._make(unit)
        except OnetapeError as error:
            self.say("error", name, str(error))
            self.law.ended(name, time.monotonic(), error.exit_code, str(error))
            self.wake.set()
            return
        except OSError as error:
            self.say("error", name, f"cannot start: {error}")
            self.law.ended(name, time.monotonic(), 1, f"cannot start: {error.strerror}")
            self.wake.set()
            return
        self.tape.process(unit, process.pid, process.started)
        process.go(options)
        self._watch(name, process)

    def _options(self, unit: Unit, exchange: str) -> bytes:
        before = len(self.starter.notes)
        made = self.starter.options(unit.child, is_first=unit.starts == 1, exchange=exchange)
        inside = self.children if self.is_single else (unit.child,)  # one after the other
        unit.within = sum(map(self.starter.starts_within, inside))
        for note in self.starter.notes[before:]:
            self.say("warning", unit.child.name, note)
        return made

    def _make(self, unit: Unit) -> Process:
        self.log.begin(self.files[unit.child.name].err)
        self._said.pop(unit.child.name, None)
        kind, name = unit.child.kind, unit.child.name
        made = Process.make(kind, name, self.files[name], self.starter.clean, self.forks)
        self._forks_said()
        return made

    async def _ask_robot(self, options: bytes) -> str:
        """Returns the output of a robot's process with these options."""
        loop, name = asyncio.get_running_loop(), f"asked {next(self._requests)}"
        await self._forks_heard.wait()
        files, ended = ChildFiles(self.home, name), asyncio.Event()
        process = Process.make("robot", name, files, self.starter.clean, self.forks)
        process.go(options)
        loop.add_reader(process.file, ended.set)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), ASK_WITHIN_S)
        finally:
            loop.remove_reader(process.file)
            process.signal(signal.SIGKILL)
            process.end()
            self._forks_said()
        said = files.out.read_text(errors="replace")
        for file in (files.out, files.err):
            file.unlink()
        return said

    def _hear_forks(self, loop: asyncio.AbstractEventLoop) -> None:
        """Reads the fork server's messages; nothing is created before it has imported its modules, or is found
        missing."""
        if self.forks is None:
            self._forks_heard.set()
            return
        loop.add_reader(self.forks.file, self._forks_said)

    def _forks_said(self) -> None:
        if self.forks is None:
            return
        self.forks.read()
        if self.forks.has_ended:
            asyncio.get_running_loop().remove_reader(self.forks.file)
            self.forks = None
            self.say("warning", "supervisor", "the fork server ended: processes start slowly")
        if self.forks is None or self.forks.is_ready:
            self._forks_heard.set()

    def _watch(self, name: str, process: Process) -> None:
        self.processes[name] = process
        self._said.pop(name, None)  # of an earlier one: no reason for this one's end
        asyncio.get_running_loop().add_reader(process.file, self._gone, name)
        self.wake.set()

    def _gone(self, name: str) -> None:
        process = self.processes.pop(name)
        asyncio.get_running_loop().remove_reader(process.file)
        code = process.end()
        self._forks_said()
        self._complaints(name)
        unit = self.law.units[name]
        wanted = unit.state is not State.STOPPING
        self.law.ended(name, time.monotonic(), code, self._said.get(name, "") if code else "")
        self.pulses.forget(name)
        if wanted:
            level = "error" if unit.state is State.FAILED else "warning"
            self.say(level, name, f"process {process.pid} ended: {unit.reason}")
            if self.alerts is not None:  # it may be restarted before the next look
                self.alerts.process(name, unit.state, unit.reason)
        self.wake.set()

    # --- checks -----------------------------------------------------------------------------------

    def _look(self) -> None:
        if time.monotonic() > self._figures_at + FIGURES_EVERY_S:
            self._figures_at = time.monotonic()
            pids = {os.getpid(), *(process.pid for process in self.processes.values())}
            self.figures.keep(pids)
            for pid in pids:
                self.figures.look(pid)
        self._look_at_disk()
        if self.config.hosts:
            self._look_at_remote()
        for name, unit in self.law.units.items():
            if name not in self.processes:
                continue
            self._complaints(name)
            if unit.state is State.STARTING and (line := self.files[name].line()):
                self._became_ready(unit, line)
            elif unit.state is State.STARTING:
                self.law.tells(name, self.files[name].said() or unit.reason)
            elif unit.state is State.RUNNING:
                self._listen_to(unit)
                self._judge(unit)

    def _look_at_remote(self) -> None:
        """Looks which needed processes of other hosts take commands."""
        units = self.law.units
        needed = {need for unit in units.values() for need in unit.child.needs}
        needed = {name for name in needed if name not in units or name in self._leased}
        there = {name for name in needed if process_socket(self.home, name).exists()}
        if there == needed or time.time_ns() > self.since + REMOTE_WITHIN:
            self.law.remote = there
        if self._leased:
            self._look_at_leases()

    def _look_at_leases(self) -> None:
        """Lets a process with a standby run here while this host has its lease. While that is unknown, it stays as it
        is; a gateway itself ends in time."""
        seen = hosts_now(self.home)
        for name, lease in (seen["leases"] if seen is not None else {}).items():
            unit, host, to = self.law.units.get(name), lease["host"], lease["to"]
            if unit is None or not (host or to):
                continue
            is_ours = host == self.config.cluster.host and to in ("", host)
            why = "" if is_ours else f"it moves to {to}" if to else f"{host} runs it"
            if unit.held or unit.standby != why:
                unit.held = ""
                self.say("info", name, why or "this host has its lease")
                for step in self.law.hold(name, why, time.monotonic()):
                    self._do(step)

    def _look_at_disk(self) -> None:
        """Checks the disk: a process begins with a segment of its journal, so without room none is started, and
        processes that end meanwhile have not failed."""
        free = shutil.disk_usage(self.home).free
        if free < ROOM_MIN:
            self.law.lacks_room = f"waits for room on the disk, {free / 2**20:.1f} MB are free"
        else:
            self.law.lacks_room = ""
            self.tape.flush()

    def _listen_to(self, unit: Unit) -> None:
        """Checks a process's heartbeat. After a sleep of the machine, or a change of its clock, every heartbeat looks
        old, but not twice in a row: they come ten times a second."""
        name = unit.child.name
        if self.is_single:  # while one of its journals has a heartbeat
            ages = [self.pulses.silent_s(each.name, each.kind) for each in self.children]
            silent = min(filter(None, ages), default=0.0)
        else:
            silent = self.pulses.silent_s(name, unit.child.kind, self.processes[name].pid)
        if silent <= SILENT_S:
            self._silent_looks.pop(name, None)
            return
        looks = self._silent_looks[name] = self._silent_looks.get(name, 0) + 1
        if looks < SILENT_LOOKS:
            return
        for step in self.law.silent(name, silent):
            self.say("error", name, unit.reason)
            self._do(step)

    def _judge(self, unit: Unit) -> None:
        """Judges a process by its own reports, and a robot by its effects on others."""
        name, now = unit.child.name, time.monotonic()
        if unit.child.kind in ("gateway", "robot"):
            self.law.tells(name, self.files[name].said())
        if unit.child.kind != "robot":
            return
        steps = self.law.heavy(name, now, self.figures.memory(self.processes[name].pid))
        # A machine that was asleep: not twice in a row.
        stuck = self.pulses.stuck_s(name, "robot", unit.child.gateway)
        if not stuck or stuck <= unit.child.bounds.stuck_after:
            self._stuck_looks.pop(name, None)
        else:
            looks = self._stuck_looks[name] = self._stuck_looks.get(name, 0) + 1
            if looks >= SILENT_LOOKS:
                steps += self.law.stuck(name, now, stuck)
        for step in steps:
            self.say("error", name, unit.reason)
            self._do(step)

    def _complaints(self, name: str) -> None:
        if said := self.log.take(time.time_ns(), name, self.files[name].err):
            self._said[name] = said

    def _became_ready(self, unit: Unit, line: bytes) -> None:
        name = unit.child.name
        account = name.partition(":")[2]
        if unit.child.kind == "venue":
            self._moved(name, line)
        elif unit.child.kind == "gateway":
            self._stands_by(account)
        elif unit.child.kind == SINGLE:
            parts = parts_of(self.home, self.processes[SINGLE].pid)
            for account in self.config.accounts:
                if parts[f"gateway:{account}"].state == RUNNING:
                    self._stands_by(account)
        self.law.ready(name, time.monotonic())

    def _stands_by(self, account: str) -> None:
        """Notes the exchange of its gateway's journal from now on."""
        uuid = self.starter.exchange_of(account)
        if uuid and self.tape.left.exchanges.get(account) != uuid:
            self.tape.exchange(account, uuid)

    def _moved(self, venue: str, line: bytes) -> None:
        """Stores a simulated exchange's address. If it has changed, its gateways are restarted."""
        before = self.starter.ready_line(venue)
        self.starter.tells(venue, line)
        if before is None or before["rest"] == msgspec.json.decode(line)["rest"]:
            return
        for name, unit in self.law.units.items():
            if venue in unit.child.needs and unit.is_alive:
                for step in self.law.restart(name, time.monotonic()):
                    self._do(step)

    def _show(self) -> None:
        """Writes every change to the journal and the log."""
        for name, unit in self.law.units.items():
            if self._shown.get(name) == (unit.state, unit.reason):
                continue
            before = self._shown.get(name)
            self._shown[name] = (unit.state, unit.reason)
            if unit.state is State.STOPPED:
                self._not_wanted(unit)
            process = self.processes.get(name)
            if self.alerts is not None:
                self.alerts.process(name, unit.state, unit.reason)
            if process is not None or not unit.is_alive:
                self.tape.process(unit, process.pid if process else 0, process.started if process else 0)
            if before is None or before[0] is not unit.state:
                level = "error" if unit.state is State.FAILED else "info"
                why = f": {unit.reason}" if unit.reason else ""
                self.say(level, name, f"{unit.state}{why}")

    def say(self, level: str, process: str, text: str) -> None:
        self.log.write(time.time_ns(), level, process, text)

    # --- requests ---------------------------------------------------------------------------------

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answers a request: our user may read; changes are the operator's."""
        door = self.added.door
        match request["do"]:
            case "status":
                return self.status()
            case "command" | "who":
                return door.handle(request)
            case _ if (refused := door.refusal(request)) is not None:
                return refused
            case "down":
                self.tape.command("down", {})
                self.say("info", "supervisor", "asked to stop everything")
                self.stop()
                return {}
            case "restart":
                return self._restart(str(request["name"]))
            case "changes":
                return self._changes()
            case "apply":
                return self._apply()
            case other:
                return {"error": f"unknown request {other!r}"}

    def _restart(self, name: str) -> dict[str, Any]:
        there = [child.name for child in self.children]
        if name not in there:
            return {"error": f"no process {name!r}; there is: {', '.join(there)}"}
        if not any(unit.is_wanted for unit in self.law.units.values()):
            return {"error": "everything is being stopped"}
        others: list[str] = []
        try:
            if name.startswith("robot:"):
                changed = self.added.reread(name)
            else:
                config, changed = reread(self.config, self.read(), name)
                self.use(config)
                section = section_of(name)
                others = [each for each in there if changed and each != name and section_of(each) == section]
        except OnetapeError as error:
            return {"status": "refused", **error.as_json()}
        self.tape.command("restart", {"process": name})
        self.say("info", name, "asked to restart")
        for key, (was, now) in changed.items():
            self.say("info", name, f"{key} was {was}, is {now}")
        if name.startswith("robot:") and (changed or self.starter.is_renewed(name)):
            self.say("info", name, "its parameters or source have changed: a new run begins")
            not_wanted(self.home, name.partition(":")[2])
        process = SINGLE if self.is_single else name
        self.restart(process)
        for other in others:  # a standby has the same options
            self.restart(other)
        return {"starts": self.law.units[process].starts, "changed": changed}

    def _apply(self) -> dict[str, Any]:
        try:
            done = self.added.apply()
        except OnetapeError as error:
            return {"file": self.file, "error": str(error)}
        if done["applied"]:
            self.tape.command("apply", done)
        for process, what in done["applied"].items():
            self.say("info", process, f"{what}: the file has changed")
        self.wake.set()
        return done

    def _changes(self) -> dict[str, Any]:
        """Returns the file's differences to the running configuration: `reread.changes`."""
        try:
            read = self.read()
        except OnetapeError as error:
            return {"file": self.file, "error": str(error)}
        for kind, section in KINDS.items():
            own = getattr(self.config, section)
            more = {name: own[name] for name in self.added.names(kind) if name in own}
            read = msgspec.structs.replace(read, **{section: {**more, **getattr(read, section)}})
        # The first one has a section: a guardian before its standby.
        names = [child.name for child in reversed(self.children)]
        return {"file": self.file, "changed": changes(self.config, read, names)}

    def restart(self, name: str) -> None:
        """Restarts one process: stops it, and starts it again."""
        for step in self.law.restart(name, time.monotonic()):
            self._do(step)
        self.wake.set()

    def status(self) -> dict[str, Any]:
        """Returns the status in CONTRACT's form, with a reason for each state."""
        processes = [{**self.pulses.own(), **self.figures.of(os.getpid())}]
        alone = self.processes.get(SINGLE)
        parts = parts_of(self.home, alone.pid) if alone is not None else {}
        for child in self.children:
            name = SINGLE if self.is_single else child.name
            unit, process = self.law.units[name], self.processes.get(name)
            state, reason = str(unit.state), unit.why
            if unit.state in (State.STARTING, State.RUNNING) and child.name in parts:
                state, reason = parts[child.name]
            processes.append(
                {
                    "name": child.name,
                    "kind": child.kind,
                    "pid": process.pid if process else None,
                    "state": state,
                    **self.pulses.ages(child.name, child.kind, child.gateway),
                    **self.figures.of(process.pid if process else None),
                    "restarts": unit.restarts,
                    "reason": reason,
                    "starts": unit.starts,
                }
            )
            if state == RUNNING and not reason:
                processes[-1]["reason"] = _pause(processes[-1])
        return {
            "running": True,
            "settled": self.law.is_settled,
            "processes": processes,
            "notes": list(self.starter.notes),
            "added": self.added.names("robot"),
            "removed": sorted(
                each.name
                for each in self.children
                if each.kind in KINDS and each.name.partition(":")[2] not in getattr(self.config, KINDS[each.kind])
            ),
            "since": self.since,
            "metrics": self.metrics.address if self.metrics is not None else None,
            "control": self._address(CONTROL),
            "dashboard": self._address(DASHBOARD),
        }

    def _address(self, name: str) -> str | None:
        """Returns a process's address, None while it does not run."""
        unit = self.law.units.get(name)
        if unit is None or unit.state is not State.RUNNING:
            return None
        return self.files[name].line().decode().removeprefix("ready ").strip() or None


def _pause(shown: dict[str, Any]) -> str:
    """Returns a possibly passing problem of a running process."""
    heard, came = shown["heartbeat_age_ms"], shown["progress_age_ms"]
    if heard is not None and heard > PAUSE_MS:
        return f"no heartbeat for {heard / 1000:.1f} s"
    if shown["lag"] and came is not None and came > PAUSE_MS:
        return f"no progress for {came / 1000:.1f} s, {shown['lag']} frames behind"
    return ""


def _soon(loop: asyncio.AbstractEventLoop, do: Callable[..., None], *arguments: Any) -> None:
    """Runs `do` in the loop's thread, from another one; does nothing if the loop has ended."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(do, *arguments)
