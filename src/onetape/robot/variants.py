"""Run variants of a live robot: the same strategy on paper, beside it, on the same tape.

Each is a paper session on the robot's tapes that begins where the robot's run began, with its strategy and money,
and its parameters overridden by the variant's; one more, the twin, overrides none. They never go ahead of the robot,
and take frames of several tapes in its order, so operator's commands reach them at the same frame. All this is on
the robot's journal: after a restart, they catch up from the beginning of the run to the same state.
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
from onetape.engine.incarnations import IN_ORDER, incarnations_of, plan_of
from onetape.engine.parameters import coerced
from onetape.engine.plan import SEQUENCE_NEVER, LiveRobot, Seat, TapeInput, read_plan
from onetape.engine.robot_commands import PARAMS, RobotCommand
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import READ_AT_START, Session
from onetape.model.enums import EventType
from onetape.model.errors import BadConfig, ProcessDown
from onetape.model.home import variants_file
from onetape.model.sections import TWIN
from onetape.replay.repeating import instrument_overrides, strategy_of
from onetape.robot.options import run_journal
from onetape.robot.robot_run import SAMPLE_NS, RobotRun
from onetape.runs.options import RunOptions
from onetape.runs.recording import begin_run, run_folder, run_uuid
from onetape.security.private import replace_private
from onetape.tape.journal import JournalReader
from onetape.tape.payloads import fields

__all__ = ["Variants", "params_of_variant"]

RUN_WITHIN_S: Final = 30.0  # longest wait for the robot's run to begin
FRAMES_AT_ONCE: Final = 20_000  # of one variant, before the others and signals get their turn
PART_MAX: Final = 10_000  # frames of the other tapes
_TAKEN: Final = fields("input", "source", "first_sequence", "count")
_COMMAND, _INPUT, _PARAMS = EventType.COMMAND.id, EventType.INPUT.id, EventType.PARAMS.id


def params_of_variant(strategy: type[Any], live: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the robot's parameters, overridden by the variant's. Raises BadConfig for an unknown one, and for the
    symbols: a variant trades the robot's."""
    if fixed := sorted(READ_AT_START & set(own)):
        raise BadConfig(
            f"a variant cannot change {fixed[0]}: it trades the symbols of its robot",
            location="[robots.NAME.variants.NAME]",
            todo="leave it out",
        )
    return {**live, **coerced(strategy, own)}


@dataclass(slots=True)
class _Variant:
    name: str
    own: dict[str, Any]  # parameters of its own
    run: RobotRun


@dataclass(slots=True)
class _Part:
    """The robot's progress: up to this frame of its gateway's tape, with these of the others (as `order_inputs`
    takes them), and the command it got then."""

    reached: int
    steps: list[tuple[int, int, int, int]]
    command: RobotCommand | None = None
    is_last: bool = False  # of available frames


class Variants:
    """Runs the variants beside the robot's current run. own: parameters by variant. Raises OnetapeError."""

    def __init__(self, home: Path, robot: str, own: Mapping[str, dict[str, Any]]) -> None:
        self.home, self.robot = home, robot
        journal = _journal_of(home, robot)
        self.live = journal.parent
        self.reader = JournalReader(journal)
        self._life = incarnations_of(journal)[0]
        self._came_to = self._life.position  # progress on the gateway's tape, by the robot's journal
        self._part: _Part | None = None  # incarnation they are in
        self._variants: list[_Variant] = []
        try:
            for name, params in {TWIN: {}, **own}.items():
                self._variants.append(self._open(name, params))
            self._life.live.order.clear()  # read once more from its beginning
            self._say()
        except BaseException:
            self.close(keep=False)
            raise

    @property
    def tapes(self) -> list[JournalReader]:
        """Returns the tapes that wake it: the robot's journal, and its gateway's."""
        return [self.reader, self._variants[0].run.session.sources[0].reader]

    @property
    def is_of_this_run(self) -> bool:
        """Returns True until the robot has begun another run."""
        journal = run_journal(self.home, f"robot:{self.robot}")
        return journal is None or journal.parent == self.live

    def turn(self) -> bool:
        """Advance the variants to the robot's progress; returns True when only a part was done."""
        if self._part is None:
            self._part = self._next_part()
            for each in self._variants:
                loop = each.run.session.loop
                if self._part.steps:
                    loop.order_inputs(self._part.steps)
                loop.limit_source(0, self._part.reached)
        part, is_left = self._part, False
        for each in self._variants:
            is_left = each.run.step(frames_max=FRAMES_AT_ONCE) == _core.RunOutcome.LIMIT or is_left
            if (writer := each.run.session.writer) is not None:
                writer.progress(each.run.session.loop.source_position(0)[0])
        if is_left:
            return True
        self._part = None
        if part.command is not None:
            for each in self._variants:
                fields = {k: v for k, v in part.command.fields.items() if k not in each.own}
                if part.command.command != PARAMS or fields:
                    each.run.session.ask(part.command.command, fields)
        return not part.is_last

    def _next_part(self) -> _Part:
        # In this order: the robot's frames of the other tapes up to there are then on its journal.
        reached = self.reader.control["progress"]
        steps: list[tuple[int, int, int, int]] = []
        while len(steps) < PART_MAX:
            if (raw := self.reader.next_raw()) is None:
                return _Part(max(reached, self._came_to), steps, is_last=True)
            type_, flags, _, _, _, payload = raw
            if type_ == _COMMAND:
                record = msgspec.msgpack.decode(payload)
                command = RobotCommand(record["command"], record["fields"], record["after"])
                return _Part(command.after[0], steps, command)
            if type_ == _INPUT and flags & IN_ORDER:
                uuid, first, count = _TAKEN.unpack(payload)
                if number := self._life.tapes.index(uuid):
                    steps.append((self._came_to, number, first, first + count - 1))
                else:
                    self._came_to = first + count - 1
            elif type_ == _PARAMS and (record := msgspec.msgpack.decode(payload)).get("life", 1) > 1:
                # Commands while the robot was away reach the variants, which were there.
                self._came_to, *others = record["positions"]
                steps += ((self._came_to, number, 0, last) for number, last in enumerate(others, 1))
        return _Part(self._came_to, steps)

    def close(self, *, keep: bool = True) -> None:
        """Close all runs. keep: as runs that can be replayed; otherwise they are removed."""
        for variant in self._variants:
            variant.run.close(keep=keep)
        self._variants.clear()
        self.reader.close()

    def _open(self, name: str, own: dict[str, Any]) -> _Variant:
        plan, document = read_plan(self.live)
        life, live = self._life, self._life.live
        strategy = strategy_of(self.live, plan)
        made = replace(
            plan_of(plan, life),
            live=LiveRobot(
                number=0,
                order_base=0,
                account=live.account,
                venue=live.venue,
                more=[Seat(account=seat.account, venue=seat.venue) for seat in live.more],
                stopped=live.stopped,
                positions=live.positions,
                market=live.market,
                market_more=live.market_more,
                market_from=live.market_from,
                market_named=live.market_named,
            ),
            kind="paper",
            sample_every=SAMPLE_NS,
            params=params_of_variant(strategy, life.params, own),
            leverage=max(plan.leverage, int(live.leverage)),
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
            for each in session.sources[1:]:  # from now on by the frames that the robot has taken
                session.loop.limit_source(each.number, SEQUENCE_NEVER)
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
        replace_private(variants_file(self.home, self.robot), msgspec.json.encode(record, enc_hook=str))


def _journal_of(home: Path, robot: str) -> Path:
    """Returns the journal of the robot's run, once it has begun. Raises ProcessDown."""
    deadline = time.monotonic() + RUN_WITHIN_S
    while True:
        journal = run_journal(home, f"robot:{robot}")
        if journal is not None and (journal.parent / "run.toml").is_file() and incarnations_of(journal):
            return journal
        if time.monotonic() > deadline:
            raise ProcessDown(f"robot {robot} has not started a run", location="its variants")
        time.sleep(0.05)
