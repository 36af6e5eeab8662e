"""Robots and collectors that the operator adds and removes at run time.

Those added by command are on the supervisor's journal and are started with those of the configuration each time; one of
the configuration with the same name replaces an added one. `up` with a changed file adds and removes, too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from onetape.engine.robot_commands import PARAMS
from onetape.ipc.command_tape import CommandTape, commands_in
from onetape.ipc.door import Command, Do, Door, Handler
from onetape.model.config import with_entry, with_section, without_entry
from onetape.model.errors import BadConfig, BadInput, NotAvailable, OnetapeError, UsageError
from onetape.model.placement import host_of, is_local
from onetape.model.sections import CLUSTER, HUB, Config, RobotConfig
from onetape.notify.alert import KEYS_MAX
from onetape.notify.past_alerts import past_alerts
from onetape.options.collector import collectors_of
from onetape.options.hub import has_hub
from onetape.projections.once import Once
from onetape.security.tokens import make_token
from onetape.supervisor.alert_watch import AlertWatch
from onetape.supervisor.child import ChildFiles
from onetape.supervisor.logs import LINES_MAX, recent_lines
from onetape.supervisor.options import supervisor_journal
from onetape.supervisor.process_journal import SupervisorTape
from onetape.supervisor.reread import differences
from onetape.supervisor.restart_rules import Child, Law, State
from onetape.supervisor.start import Starter, children_of, robot_child

__all__ = ["AddedParts", "added_at"]

KINDS: Final = {"robot": "robots", "collector": "collectors"}  # of processes -> their section
ADD: Final = {f"add_{kind}": kind for kind in KINDS}
REMOVE: Final = {f"remove_{kind}": kind for kind in KINDS}
_KEYS: Final = frozenset(RobotConfig.__struct_fields__) - {PARAMS}
Added = dict[str, dict[str, Any]]  # sections by process


def added_at(home: Path, once: Once) -> Added:
    """Returns the sections of what was added to a home, by process. once: learns the ids of past commands."""
    added: Added = {}
    for past in commands_in(supervisor_journal(home), once):
        if past.status != "applied":
            continue
        if (kind := ADD.get(past.command)) is not None:
            added[f"{kind}:{past.result['name']}"] = past.result["section"]
        elif (kind := REMOVE.get(past.command)) is not None:
            added.pop(f"{kind}:{past.fields['name']}", None)
    return added


class Supervised(Protocol):
    """The processes of one home."""

    home: Path
    config: Config
    starter: Starter
    tape: SupervisorTape
    law: Law
    files: dict[str, ChildFiles]
    alerts: AlertWatch | None
    wake: asyncio.Event
    is_single: bool
    read: Callable[[], Config]

    def status(self) -> dict[str, Any]: ...
    def use(self, config: Config) -> None: ...
    def say(self, level: str, process: str, text: str) -> None: ...
    def restart(self, name: str) -> None: ...


class AddedParts:
    """Manages added robots and collectors of a supervisor, whose journal is open. door: its commands."""

    def __init__(self, supervisor: Supervised) -> None:
        self._supervisor = supervisor
        self._said: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        once = Once()
        self.added = added_at(supervisor.home, once)
        table = {
            **{name: Handler(partial(self._add, kind), fields=None, reaches_out=True) for name, kind in ADD.items()},
            **{
                name: Handler(partial(self._remove, kind), fields=("name",), reaches_out=True)
                for name, kind in REMOVE.items()
            },
            "ack": Handler(self._ack, fields=("id",)),
            "status": Handler(lambda _: supervisor.status, asks=True, anyone=True),
            "log": Handler(self._log, fields=("process", "count"), asks=True),
        }
        self.door = Door(
            ("supervisor",),
            supervisor.home,
            table,
            CommandTape(supervisor.tape.writer),
            level="disk",
            now=time.time_ns,
            done=supervisor.wake.set,
            once=once,
        )

    def names(self, kind: str) -> list[str]:
        """Returns the names of the added processes of a kind."""
        return sorted(name for of, _, name in (each.partition(":") for each in self.added) if of == kind)

    def _log(self, command: Command) -> Do:
        process, count = command.fields.get("process", ""), command.fields.get("count", 100)
        if not isinstance(process, str) or type(count) is not int or not 0 < count <= LINES_MAX:
            raise UsageError(f"log takes process, a name, and count, from 1 to {LINES_MAX}")
        return lambda: {"lines": recent_lines(self._supervisor.home, process, count)}

    def configured(self, config: Config) -> Config:
        """Returns the configuration with what was added; what no longer fits is reported."""
        for process, section in self.added.items():
            kind, _, name = process.partition(":")
            try:
                config = with_entry(config, KINDS[kind], name, section, location=f"add_{kind}")
            except BadConfig as error:
                self._said.append(f"{kind} {name}, which was added, is left out: {error}")
        return config

    def said(self) -> list[str]:
        """Returns lines for the log."""
        said, self._said = self._said, []
        return said

    def reread(self, name: str) -> dict[str, tuple[Any, Any]]:
        """Lets a configured robot use the present file from its next start on; returns, by key, old and new values.
        Raises OnetapeError for a file that cannot be read, or does not fit."""
        supervisor, robot = self._supervisor, name.partition(":")[2]
        read = supervisor.read()
        if robot not in read.robots:
            return {}
        before, now = supervisor.config.robots[robot], read.robots[robot]
        if not (changed := differences(before, now)):
            return {}
        if bool(before.variants) != bool(now.variants):
            raise NotAvailable(
                "a restart of the robot alone neither adds nor removes its variants", todo="onetape down, up"
            )
        supervisor.use(with_section(supervisor.config, ("robots", robot), read))
        if not supervisor.is_single:
            unit = supervisor.law.units[name]
            unit.child, unit.held = (robot_child(supervisor.config, robot), "its symbols are looked up")
            self._spawn(self._look_up(unit.child, now.traded_on))
        return changed

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _add(self, kind: str, command: Command) -> Do:
        fields = {key: value for key, value in command.fields.items() if key != "name"}
        name = str(command.fields.get("name", ""))
        if self._supervisor.is_single:
            raise NotAvailable(
                f"no {kind} can be added with --single", todo="write it into onetape.toml, or leave --single out"
            )
        section = self._section(fields) if kind == "robot" else _in_journal(fields)
        config = with_entry(self._supervisor.config, KINDS[kind], name, section, location=f"add_{kind}")
        if kind == "robot":
            self._check_file(config.robots[name])
        process = f"{kind}:{name}"
        self._check_free(process)
        _check_local(config, process)

        def do() -> dict[str, Any]:
            self.added[process] = section
            self._change(config)
            self._connect_anew([process])
            return {"name": name, "process": process, "section": section}

        return do

    def _check_free(self, process: str) -> None:
        """Raises UsageError for a process of this name that has not ended."""
        unit = self._supervisor.law.units.get(process)
        if unit is not None and unit.state not in (State.STOPPED, State.FAILED):
            raise UsageError(f"the last {process} is {unit.state}", todo="ask again later")

    def _change(self, config: Config) -> None:
        """Adds the processes that this configuration needs, and stops those that it does not."""
        supervisor, wanted = self._supervisor, {child.name: child for child in children_of(config)}
        supervisor.use(config)
        for name in [name for name in supervisor.law.units if name not in wanted]:
            supervisor.law.stop(name)
        for name, child in wanted.items():
            unit = supervisor.law.units.get(name)
            if unit is not None and unit.is_wanted:
                continue
            supervisor.files[name] = ChildFiles(supervisor.home, name)
            if child.kind == "robot":
                robot = name.partition(":")[2]
                make_token(supervisor.home, robot)
                supervisor.law.add(child, "its symbols are looked up")
                self._spawn(self._look_up(child, config.robots[robot].traded_on))
            else:
                supervisor.law.add(child)

    def _connect_anew(self, changed: Iterable[str]) -> None:
        """Restarts what reads the journals of collectors, or copies them from other hosts, if one has changed."""
        supervisor = self._supervisor
        if not any(each.startswith("collector:") for each in changed):
            return
        for name in (CLUSTER, HUB):
            if name in supervisor.law.units:
                supervisor.say("info", name, "started again: collectors have changed")
                supervisor.restart(name)

    # --- a changed file -----------------------------------------------------------------------------------------------

    def apply(self) -> dict[str, Any]:
        """Adds and removes the robots and collectors that the file has and has not, and restarts changed collectors.
        Returns {"applied": {process: what was done}, "refused": {process: why not}}. Raises OnetapeError for a file
        that cannot be read."""
        read, applied, refused = self._supervisor.read(), {}, {}
        for process in self._differing(read):
            try:
                applied[process] = self._applied(read, process)
            except OnetapeError as error:
                refused[process] = str(error)
        self._connect_anew(applied)
        return {"applied": applied, "refused": refused}

    def _differing(self, read: Config) -> list[str]:
        """Returns the processes that the file adds, removes, or, of collectors, changes; the removed ones last, because
        the hub needs a collector."""
        found: list[str] = []
        removed: list[str] = []
        for kind, section in KINDS.items():
            there, wanted = getattr(self._supervisor.config, section), getattr(read, section)
            for name in {**there, **wanted}:
                is_added = f"{kind}:{name}" in self.added
                is_changed = kind == "collector" and there.get(name) != wanted.get(name)
                if not is_added and ((name in there) != (name in wanted) or is_changed):
                    (found if name in wanted else removed).append(f"{kind}:{name}")
        return found + removed

    def _applied(self, read: Config, process: str) -> str:
        supervisor, (kind, _, name) = self._supervisor, process.partition(":")
        if supervisor.is_single:
            raise NotAvailable("all run in one process", location=process, todo="onetape down, up")
        section = KINDS[kind]
        is_there, is_wanted = (name in getattr(each, section) for each in (supervisor.config, read))
        if is_wanted:
            config = with_section(supervisor.config, (section, name), read)
        else:
            config = _without(supervisor.config, process)
        placed = config if is_wanted else supervisor.config
        if kind == "robot":  # of a collector each host applies its part
            _check_local(placed, process)
        if not is_there:
            self._check_free(process)
        is_running = is_there and is_wanted and process in supervisor.law.units
        self._change(config)
        if is_running and supervisor.law.units[process].is_wanted:
            supervisor.restart(process)
        done = "removed" if not is_wanted else "restarted" if is_there else "added"
        return done if is_local(placed, process) else f"{done}: {host_of(placed, process)} runs it"

    # --- commands -----------------------------------------------------------------------------------------------------

    def _section(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Returns [robots.NAME]: unknown keys are parameters; `params` is a table of them."""
        params = fields.pop(PARAMS, {})
        if isinstance(params, str):
            try:
                params = msgspec.json.decode(params)
            except msgspec.DecodeError:
                params = None
        if not isinstance(params, dict):
            raise BadConfig("params is a table", location="add_robot", todo="write name=value, or params={...}")
        section = {key: value for key, value in fields.items() if key in _KEYS}
        section["params"] = {**params, **{key: value for key, value in fields.items() if key not in _KEYS}}
        accounts = self._supervisor.config.accounts
        if not section.keys() & {"account", "accounts"} and len(accounts) == 1:
            section["account"] = next(iter(accounts))
        return _in_journal(section)

    def _check_file(self, robot: RobotConfig) -> None:
        path = robot.strategy.partition(":")[0]
        if path.endswith((".py", ".toml")) and not (self._supervisor.starter.folder / path).is_file():
            raise BadConfig(f"no strategy file {path}", location="add_robot", todo="name an existing one")

    async def _look_up(self, child: Child, accounts: list[str]) -> None:
        """Starts a robot once its gateways follow its symbols. A gateway that must follow more is restarted: its
        present robots stay."""
        supervisor, loop = self._supervisor, asyncio.get_running_loop()
        for account in accounts:
            is_more = False
            try:
                is_more = await loop.run_in_executor(None, supervisor.starter.follows_more, account)
            except OnetapeError as error:
                supervisor.say("error", child.name, str(error))
            if is_more:
                supervisor.say("info", f"gateway:{account}", "started again: it follows more symbols")
                supervisor.restart(f"gateway:{account}")
        unit = supervisor.law.units[child.name]
        unit.held = ""
        supervisor.wake.set()

    def _remove(self, kind: str, command: Command) -> Do:
        name = str(command.fields.get("name", ""))
        process = f"{kind}:{name}"
        if process not in self.added:
            there = ", ".join(self.names(kind)) or "none"
            raise UsageError(f"no {kind} {name!r} was added", todo=f"those that were: {there}")
        config = _without(self._supervisor.config, process)

        def do() -> dict[str, Any]:
            del self.added[process]
            self._change(config)
            self._connect_anew([process])
            return {"name": name, "process": process}

        return do

    def _ack(self, command: Command) -> Do:
        """Acknowledges an open alert by its id."""
        supervisor, id_ = self._supervisor, str(command.fields.get("id", ""))
        found = next((each for each in past_alerts(supervisor.home, KEYS_MAX) if each["id"] == id_), None)
        if found is None or found["cleared"] is not None:
            raise BadInput(f"no open alert {id_!r}", location="alerts ack", todo="see `onetape alerts ls`")
        record = {key: found[key] for key in ("type", "severity", "subject", "message")}
        record |= {"id": id_, "actor": command.actor, "time": time.time_ns(), "more": 0, "state": "ack"}

        def do() -> dict[str, Any]:
            supervisor.tape.alert(record)
            if supervisor.alerts is not None:
                supervisor.alerts.acknowledge(record["type"], record["subject"])
            return record

        return do


def _check_local(config: Config, process: str) -> None:
    """Raises NotAvailable where another host runs it, or the hub that merges it."""
    is_collector = process.startswith("collector:")
    users = [HUB] if is_collector and has_hub(config) else []
    todo = f"write it into the file of all hosts; {'onetape up' if is_collector else 'onetape down, up'} on each"
    for each in (process, *users):
        if not is_local(config, each):
            words = f"{each} runs on {host_of(config, each)}"
            raise NotAvailable(words, location=process, todo=todo)


def _without(config: Config, process: str) -> Config:
    """Returns the configuration without a process's section. Raises BadConfig where it is needed."""
    kind, _, name = process.partition(":")
    made = without_entry(config, KINDS[kind], name, location=process)
    if kind == "collector" and has_hub(made) and not collectors_of(made):
        raise BadConfig("the hub has no other collector", location=process, todo="add another one before")
    return made


def _in_journal(section: dict[str, Any]) -> dict[str, Any]:
    """Returns a section in the journal's form, so that the next start sees the same."""
    made: dict[str, Any] = msgspec.msgpack.decode(msgspec.msgpack.encode(section, enc_hook=str))
    return made
