"""Robots that the operator adds and removes at run time.

They are on the supervisor's journal and are started with those of the configuration each time; a robot of the
configuration with the same name replaces an added one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from onetape.engine.robot_commands import PARAMS
from onetape.ipc.command_tape import CommandTape, commands_in
from onetape.ipc.door import Command, Do, Door, Handler
from onetape.model.config import with_robot, with_section
from onetape.model.errors import BadConfig, BadInput, NotAvailable, OnetapeError, UsageError
from onetape.model.sections import Config, RobotConfig
from onetape.notify.alert import KEYS_MAX
from onetape.notify.past_alerts import past_alerts
from onetape.projections.once import Once
from onetape.security.tokens import make_token
from onetape.supervisor.alert_watch import AlertWatch
from onetape.supervisor.child import ChildFiles
from onetape.supervisor.logs import LINES_MAX, recent_lines
from onetape.supervisor.options import supervisor_journal
from onetape.supervisor.process_journal import SupervisorTape
from onetape.supervisor.reread import differences
from onetape.supervisor.restart_rules import Child, Law, State
from onetape.supervisor.start import Starter, robot_child

__all__ = ["AddedRobots", "added_at"]

ADD, REMOVE = "add_robot", "remove_robot"
_KEYS: Final = frozenset(RobotConfig.__struct_fields__) - {PARAMS}


def added_at(home: Path, once: Once) -> dict[str, dict[str, Any]]:
    """Returns the sections of the robots added to a home, by name. once: learns the ids of past commands."""
    added: dict[str, dict[str, Any]] = {}
    for past in commands_in(supervisor_journal(home), once):
        if past.status != "applied":
            continue
        if past.command == ADD:
            added[past.result["name"]] = past.result["section"]
        elif past.command == REMOVE:
            added.pop(past.fields["name"], None)
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


class AddedRobots:
    """Manages added robots of a supervisor, whose journal is open. door: its commands."""

    def __init__(self, supervisor: Supervised) -> None:
        self._supervisor = supervisor
        self._said: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        once = Once()
        self.added = added_at(supervisor.home, once)
        table = {
            ADD: Handler(self._add, fields=None, reaches_out=True),
            REMOVE: Handler(self._remove, fields=("name",), reaches_out=True),
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

    def _log(self, command: Command) -> Do:
        process, count = command.fields.get("process", ""), command.fields.get("count", 100)
        if not isinstance(process, str) or type(count) is not int or not 0 < count <= LINES_MAX:
            raise UsageError(f"log takes process, a name, and count, from 1 to {LINES_MAX}")
        return lambda: {"lines": recent_lines(self._supervisor.home, process, count)}

    def configured(self, config: Config) -> Config:
        """Returns the configuration with the added robots; those that no longer fit are reported."""
        for name, section in self.added.items():
            try:
                config = with_robot(config, name, section, location=ADD)
            except BadConfig as error:
                self._said.append(f"robot {name}, which was added, is left out: {error}")
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
            self._spawn(self._begin(unit.child, now.traded_on))
        return changed

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- commands ---------------------------------------------------------------------------------

    def _add(self, command: Command) -> Do:
        fields = {key: value for key, value in command.fields.items() if key != "name"}
        name = str(command.fields.get("name", ""))
        if self._supervisor.is_single:
            raise NotAvailable(
                "no robot can be added with --single", todo="write it into onetape.toml, or leave --single out"
            )
        section = self._section(fields)
        supervisor = self._supervisor
        config = with_robot(supervisor.config, name, section, location=ADD)
        self._check_file(config.robots[name])
        unit = supervisor.law.units.get(f"robot:{name}")
        if unit is not None and unit.state not in (State.STOPPED, State.FAILED):
            raise UsageError(f"the last robot {name} is {unit.state}", todo="ask again later")

        def do() -> dict[str, Any]:
            self.added[name] = section
            supervisor.use(config)
            make_token(supervisor.home, name)
            child = robot_child(config, name)
            supervisor.files[child.name] = ChildFiles(supervisor.home, child.name)
            supervisor.law.add(child, "its symbols are looked up")
            self._spawn(self._begin(child, config.robots[name].traded_on))
            return {"name": name, "process": child.name, "section": section}

        return do

    def _section(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Returns [robots.NAME]: unknown keys are parameters; `params` is a table of them."""
        params = fields.pop(PARAMS, {})
        if isinstance(params, str):
            try:
                params = msgspec.json.decode(params)
            except msgspec.DecodeError:
                params = None
        if not isinstance(params, dict):
            raise BadConfig("params is a table", location=ADD, todo="write name=value, or params={...}")
        section = {key: value for key, value in fields.items() if key in _KEYS}
        section["params"] = {**params, **{key: value for key, value in fields.items() if key not in _KEYS}}
        accounts = self._supervisor.config.accounts
        if not section.keys() & {"account", "accounts"} and len(accounts) == 1:
            section["account"] = next(iter(accounts))
        # In the journal's form, so that the next start sees the same.
        packed = msgspec.msgpack.encode(section, enc_hook=str)
        made: dict[str, Any] = msgspec.msgpack.decode(packed)
        return made

    def _check_file(self, robot: RobotConfig) -> None:
        path = robot.strategy.partition(":")[0]
        if path.endswith((".py", ".toml")) and not (self._supervisor.starter.folder / path).is_file():
            raise BadConfig(f"no strategy file {path}", location=ADD, todo="name an existing one")

    async def _begin(self, child: Child, accounts: list[str]) -> None:
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

    def _remove(self, command: Command) -> Do:
        name = str(command.fields.get("name", ""))
        if name not in self.added:
            there = ", ".join(self.added) or "none"
            raise UsageError(f"no robot {name!r} was added", todo=f"those that were: {there}")
        supervisor = self._supervisor

        def do() -> dict[str, Any]:
            del self.added[name]
            robots = {key: each for key, each in supervisor.config.robots.items() if key != name}
            supervisor.use(msgspec.structs.replace(supervisor.config, robots=robots))
            supervisor.law.stop(f"robot:{name}")
            return {"name": name, "process": f"robot:{name}"}

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
