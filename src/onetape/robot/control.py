"""Carry out commands to a robot, and show its state.

A change is first recorded with its actor on the journal of the robot's process; then on the tape of its run at the
place where it takes effect, which a replay repeats; then it is applied, and answered.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from onetape.engine.parameters import described
from onetape.engine.plan import to_toml, toml_value
from onetape.engine.robot_commands import PARAMS, START, STOP, TARGETS
from onetape.ipc.beside import Beside
from onetape.ipc.door import Command, Do, Door, Handler
from onetape.ipc.names import process_socket
from onetape.ipc.server import Stream
from onetape.model.decimals import decimal_text
from onetape.model.errors import StrategyError, UsageError
from onetape.model.home import encoded
from onetape.robot.control_tape import RobotTape
from onetape.robot.robot_run import RobotRun
from onetape.tape.durable import write_durably

__all__ = ["RobotControl", "saved_file"]

SHOWN_EVERY_S: Final = 1.0


def saved_file(home: Path, name: str) -> Path:
    """Returns the file to which `save` writes a robot's section of a configuration."""
    return home / "robots" / f"{encoded(name)}.toml"


class RobotControl:
    """Carries out the commands to one robot's process, whose loop calls `turn`. rang: wakes that loop, from any
    thread. section: the robot's section of the configuration."""

    def __init__(
        self,
        name: str,
        home: Path,
        robot: RobotRun,
        tape: RobotTape,
        *,
        section: dict[str, Any],
        rang: Callable[[], None],
    ) -> None:
        self._name, self._home, self._section = name, home, section
        self._session = robot.session
        self._tape = tape
        self._is_stopped = tape.settings.stopped
        self._shown_at = 0.0
        self._described = described(self._session.strategy_class, self._session.params)
        table = {
            PARAMS: Handler(self._params, fields=None, reaches_out=True),
            STOP: Handler(self._stop, reaches_out=True),
            START: Handler(self._start, reaches_out=True),
            **{name: Handler(partial(self._target, name), fields=None, reaches_out=True) for name in TARGETS},
            "save": Handler(self._save, reaches_out=True),
            "status": Handler(lambda _: self.snapshot, asks=True, anyone=True),
        }
        self.door = Door(
            (f"robot:{name}", "robot"),
            home,
            table,
            tape,
            level="disk",
            now=time.time_ns,
            done=self._show,
            once=tape.once,
        )
        self._socket = Beside(
            process_socket(home, f"robot:{name}"),
            self.door.handle,
            settle=self.door.settle,
            rang=rang,
            stream=Stream(),
            is_operator=self.door.is_operator,
        )

    def turn(self) -> None:
        """Carry out pending commands, between two reads of the tape."""
        self._socket.take()
        if time.monotonic() - self._shown_at >= SHOWN_EVERY_S:
            self._show()

    def close(self) -> None:
        self._socket.close()

    # --- commands ---------------------------------------------------------------------------------

    def _params(self, command: Command) -> Do:
        if not command.fields:
            raise UsageError("params needs NAME=VALUE", todo=f"onetape params {self.door.names[0]}")
        made = self._session.check_change(command.fields)

        def do() -> dict[str, Any]:
            was = {name: toml_value(self._session.params[name]) for name in made}
            self._session.ask(PARAMS, command.fields)
            now = {name: toml_value(value) for name, value in made.items()}
            self._tape.settings.params |= now
            self._described = described(self._session.strategy_class, self._session.params)
            return {"params": now, "was": was}

        return do

    def _stop(self, _command: Command) -> Do:
        def do() -> dict[str, Any]:
            working, already = len(self._session.loop.working(None)), {"already": True} if self._is_stopped else {}
            self._allow(STOP)
            return {"canceled": working, **already}

        return do

    def _start(self, _command: Command) -> Do:
        if self._session.loop.halted:
            raise StrategyError(
                "the robot is halted because its strategy failed", todo=f"onetape restart robot:{self._name}"
            )
        return lambda: self._allow(START)

    def _target(self, name: str, command: Command) -> Do:
        fields = dict(command.fields)
        meant = self._session.check_target(name, fields)

        def do() -> dict[str, Any]:
            self._session.ask(name, fields)
            return {**meant, "works": self._session.works(meant["symbol"])}

        return do

    def _allow(self, command: str) -> None:
        self._session.ask(command, {})
        self._is_stopped = self._tape.settings.stopped = command == STOP

    def _save(self, _command: Command) -> Do:
        def do() -> dict[str, Any]:
            params = {name: toml_value(value) for name, value in self._session.params.items()}
            path = saved_file(self._home, self._name)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            section = {**self._section, "params": params}
            write_durably(path, to_toml({"robots": {self._name: section}}))
            path.chmod(0o600)
            return {"file": str(path), "params": params}

        return do

    # --- state ------------------------------------------------------------------------------------

    def _show(self) -> None:
        self._shown_at = time.monotonic()
        self._tape.append_memory(self._session.host.memory_bytes)
        self._socket.show(self.snapshot())

    def snapshot(self) -> dict[str, Any]:
        """Returns the complete state of the robot. Money is text; unknown values are None."""
        session, loop = self._session, self._session.loop
        symbols = {name: self._symbol(name) for name in session.host.instruments}
        main = str(session.params.get("symbol") or next(iter(symbols), ""))
        counters = loop.counters()
        shown = symbols.get(main) or dict.fromkeys(("position", "bid", "ask"))
        strategy = {
            "type": session.strategy_class.__name__,
            "name": self._name,
            "symbol": main,
            **shown,
            "symbols": symbols,
            "profit": decimal_text(session.profit),
            "currency": session.plan.currency,
            "status": self._status(),
            "total_trades": session.fills,
            "orders": len(loop.working(None)),
            "childs": [
                {"type": type(each).__name__, "name": each.location, "symbols": sorted(each._symbols)}
                for each in session.host.children
            ],
            "params": self._described,
            "section": self._section,
        }
        return {
            "machine": socket.gethostname(),
            "runner": self.door.names[0],
            "time": time.time_ns(),
            "now": loop.now,
            "superseded": counters["superseded"],
            "run": session.writer.path.parent.name if session.writer else "",
            "strategies": [strategy],
        }

    def _status(self) -> str:
        if self._session.loop.halted:
            return "halted"
        return "stopped" if self._is_stopped else "started"

    def _symbol(self, symbol: str) -> dict[str, Any]:
        loop = self._session.loop
        quote = loop.quote(symbol)
        return {
            "position": sum(loop.position(symbol, side).qty for side in self._session.host.sides_of(symbol)),
            "bid": quote.bid if quote is not None else None,
            "ask": quote.ask if quote is not None else None,
        }
