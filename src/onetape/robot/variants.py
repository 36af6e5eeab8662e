"""Variants of a live robot: the same strategy on paper, beside it, on the same tape.

Each is a paper session on the gateway's tape that begins where the robot's run began, with its
strategy, money and parameters and those that the variant has of its own; one more, the twin, has
none. They never go ahead of the robot, so what the operator asks of it reaches them at the same
frame. All of that is on the robot's journal: killed and started again, they catch up from the
beginning of the run and are where they would have been.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape import _core
from onetape.engine.incarnations import incarnations_of, plan_of
from onetape.engine.parameters import coerced
from onetape.engine.plan import TapeInput, read_plan
from onetape.engine.robot_commands import PARAMS, RobotCommand
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import READ_AT_START, Session
from onetape.model.enums import EventType
from onetape.model.errors import BadConfig, ProcessDown
from onetape.model.sections import TWIN
from onetape.replay.replay import instrument_overrides, strategy_of
from onetape.robot.options import run_journal
from onetape.robot.robot_run import SAMPLE_NS, RobotRun
from onetape.runs.options import RunOptions
from onetape.runs.recording import begin_run, run_folder, run_uuid
from onetape.tape.journal import JournalReader

__all__ = ["Variants", "params_of_variant", "variants_file"]

RUN_WITHIN_S: Final = 30.0  # for the robot's run to be there
FRAMES_AT_ONCE: Final = 20_000  # of one variant, before the others and the signals have their turn
_COMMAND: Final = EventType.COMMAND.id


def variants_file(home: Path, robot: str) -> Path:
    """Where the runs are: {"live": run, "variants": {name: {"run": .., "params": ..}}}."""
    return home / "run" / f"variants-{robot}.json"


def params_of_variant(strategy: type[Any], live: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The robot's, and over them the variant's. Raises BadConfig for an unknown one, and for the
    symbols: a variant trades what the robot trades."""
    if fixed := sorted(READ_AT_START & set(own)):
        raise BadConfig(
            f"a variant trades what its robot trades, not another {fixed[0]}",
            location="[robots.NAME.variants.NAME]",
            todo="take it out",
        )
    return {**live, **coerced(strategy, own)}


@dataclass(slots=True)
class _Variant:
    name: str
    own: dict[str, Any]  # its own parameters
    run: RobotRun
    done: int = 0  # of what was asked


class Variants:
    """Of the run of a robot that there is now. own: parameters by variant. Raises OnetapeError."""

    def __init__(self, home: Path, robot: str, own: Mapping[str, dict[str, Any]]) -> None:
        self.home, self.robot = home, robot
        journal = _journal_of(home, robot)
        self.live = journal.parent
        self.reader = JournalReader(journal)
        self.commands: list[RobotCommand] = []
        self._variants: list[_Variant] = []
        try:
            for name, params in {TWIN: {}, **own}.items():
                self._variants.append(self._open(name, params))
            self._say()
        except BaseException:
            self.close(keep=False)
            raise

    @property
    def tape(self) -> JournalReader:
        """The gateway's, to be woken by."""
        return self._variants[0].run.session.sources[0].reader

    @property
    def is_of_this_run(self) -> bool:
        """The robot has not begun another run since."""
        journal = run_journal(self.home, f"robot:{self.robot}")
        return journal is None or journal.parent == self.live

    def turn(self) -> bool:
        """Everybody goes on as far as the robot has come, or a part of that: then True."""
        # In this order: what was asked of the robot up to there is then on its journal.
        reached = self.reader.control["progress"]
        while (raw := self.reader.next_raw()) is not None:
            if raw[0] == _COMMAND:
                record = msgspec.msgpack.decode(raw[5])
                self.commands.append(RobotCommand(record["command"], record["fields"], record["after"]))
        is_left = False
        for variant in self._variants:
            is_left = self._turn(variant, reached) or is_left
        return is_left

    def _turn(self, variant: _Variant, reached: int) -> bool:
        left = False
        for one in self.commands[variant.done :]:
            left = self._to(variant, min(one.after[0], reached))
            if left or one.after[0] > reached:
                break
            variant.done += 1
            fields = {k: v for k, v in one.fields.items() if k not in variant.own}
            if one.command != PARAMS or fields:
                variant.run.session.ask(one.command, fields)
        else:
            left = self._to(variant, reached)
        return left

    def _to(self, variant: _Variant, frame: int) -> bool:
        variant.run.session.loop.limit_source(0, frame)
        return variant.run.step(frames_max=FRAMES_AT_ONCE) == _core.RunOutcome.LIMIT

    def close(self, *, keep: bool = True) -> None:
        """keep: as runs that can be replayed; else nothing is left of them."""
        for variant in self._variants:
            variant.run.close(keep=keep)
        self._variants.clear()
        self.reader.close()

    def _open(self, name: str, own: dict[str, Any]) -> _Variant:
        plan, document = read_plan(self.live)
        life = incarnations_of(self.live / "journal")[0]
        strategy = strategy_of(self.live, plan)
        made = replace(
            plan_of(plan, life),
            live=None,
            kind="paper",
            sample_every=SAMPLE_NS,
            params=params_of_variant(strategy, life.params, own),
            leverage=max(plan.leverage, int(life.live.leverage)),
            inputs=[TapeInput(each.path) for each in plan.inputs],
        )
        folder = run_folder(None, self.home, f"{self.robot}-{name}")
        uuid = run_uuid(folder.name, made)
        session = Session(
            RunSpec(made, strategy, folder / "journal", uuid, instrument_overrides(self.live), is_growing=True)
        )
        try:
            session.open()
            named = document["state"]["strategy"]
            options = RunOptions(data=[], strategy=named, home=self.home)
            begin_run(session, folder, options, named=named, robot=f"{self.robot}/{name}")
            session.start()
        except BaseException:
            session.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return _Variant(name, own, RobotRun(session, folder, has_report=False))

    def _say(self) -> None:
        record = {
            "live": str(self.live),
            "variants": {each.name: {"run": str(each.run.folder), "params": each.own} for each in self._variants},
        }
        file = variants_file(self.home, self.robot)
        beside = file.with_suffix(".new")
        beside.touch(0o600)
        beside.write_bytes(msgspec.json.encode(record, enc_hook=str))
        beside.replace(file)


def _journal_of(home: Path, robot: str) -> Path:
    """Of the robot's run, once it has begun. Raises ProcessDown."""
    deadline = time.monotonic() + RUN_WITHIN_S
    while True:
        journal = run_journal(home, f"robot:{robot}")
        if journal is not None and (journal.parent / "run.toml").is_file() and incarnations_of(journal):
            return journal
        if time.monotonic() > deadline:
            raise ProcessDown(f"robot {robot} has begun no run", location="its variants")
        time.sleep(0.05)
