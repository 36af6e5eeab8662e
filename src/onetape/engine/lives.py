"""The lives of a run: one process of a robot after another, on one journal.

A live robot that is killed goes on in the same run. Each of its lives begins with a `params` frame
{"life": number, ...} that says all that this life began with, and ends with an `input` frame, which
names the last frame that it took. One that was killed has none: how far it had come its control
page says, and what it did last its own last frame.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from onetape.engine.plan import LiveRobot, RunPlan, toml_value
from onetape.model.enums import EventType
from onetape.tape.journal import JournalReader

__all__ = ["Life", "actions_of", "ending_record", "life_record", "lives_of", "plan_of", "seed_of"]

_INPUT = struct.Struct("<16sQQQII")  # InputPayload of core/journal/events.hpp
SEED_SPAN = 1 << 32
ENDING = "ending"


@dataclass(slots=True)
class Life:
    """number: from 1. start: when it began, ns. position: the frame of the tape that it had come to
    then. cash: money at its beginning. first, last: its frames on the run's journal, `first` the
    one that begins it. taken, crc: the last frame of the tape that it took, 0: it was killed.
    reached: up to which it had done everything, as far as is known. time: of its last own frame.
    params, on_error: what it was started with.
    news: order news and fills that it was told. memory: as it left it."""

    number: int
    start: int
    position: int
    live: LiveRobot
    cash: dict[str, Decimal]
    hedge: bool
    params: dict[str, Any]
    on_error: str
    first: int
    last: int = 0
    taken: int = 0
    crc: int = 0
    reached: int = 0
    time: int = 0
    news: int = 0
    memory: bytes = b""
    bar_sources: dict[str, str] = field(default_factory=dict)

    @property
    def has_ended(self) -> bool:
        """In good order, with closing records."""
        return self.taken > 0


def life_record(plan: RunPlan, *, start: int, position: int, reached: int) -> dict[str, Any]:
    """What the frame that begins a life says. reached: by the life before."""
    live = plan.live
    assert live is not None
    return {
        "life": live.life,
        "start": start,
        "position": position,
        "reached": reached,
        "cash": {currency: str(amount) for currency, amount in plan.cash.items()},
        "hedge": plan.hedge,
        "params": {name: toml_value(value) for name, value in plan.params.items()},
        "on_error": plan.on_error,
        "robot": live.number,
        "order_base": live.order_base,
        "account": live.account,
        "currencies": live.currencies,
        "slot": live.slot,
        "leverage": live.leverage,
        "entries_after": live.entries_after,
        "others": live.others,
        "since": live.since,
        "run_from": live.run_from,
        "heard": live.heard,
        "restart": live.restart,
        "stopped": live.stopped,
        "memory": live.memory,
    }


def ending_record(after: int) -> dict[str, Any]:
    """A life was told to end after this frame of the tape."""
    return {"kind": ENDING, "subject": "robot", "state": "asked for", "after": after}


def lives_of(journal: Path) -> list[Life]:
    """Those that the journal tells of, oldest first; none for a run that is not live."""
    lives: list[Life] = []
    wanted = ("params", "input", "command", "health", "memory", "order_event", "fill")
    with JournalReader(journal) as reader:
        # In this order: what it says that it has dealt with is then on its journal.
        control = reader.control
        end = reader.last_sequence
        for frame in reader.frames(wanted):
            if frame.sequence > end:
                break
            if frame.type == EventType.PARAMS.id:
                record = msgspec.msgpack.decode(frame.payload)
                if "life" in record:
                    if lives:
                        lives[-1].last = frame.sequence - 1
                        lives[-1].reached = max(lives[-1].reached, record["reached"])
                    lives.append(_begun(record, frame.sequence))
                elif "bar_source" in record and lives:
                    lives[-1].bar_sources[record["bar_source"]] = record["from"]
                continue
            if not lives:
                return []
            life = lives[-1]
            match frame.type:
                case EventType.INPUT.id:
                    _, _, _, life.taken, life.crc, _ = _INPUT.unpack(frame.payload)
                case EventType.MEMORY.id:
                    life.memory = frame.payload
                case EventType.COMMAND.id:  # what stands before it was dealt with
                    after = msgspec.msgpack.decode(frame.payload)["after"]
                    life.reached = max(life.reached, after[0])
                case EventType.HEALTH.id:
                    record = msgspec.msgpack.decode(frame.payload)
                    if record.get("kind") == ENDING:
                        life.live.halted_after = record["after"]
                        life.reached = max(life.reached, record["after"])
                case _:
                    life.news += 1
    if lives:
        lives[-1].last = end
        if control:
            lives[-1].reached = max(lives[-1].reached, control["progress"])
    for life in lives:
        life.time = _time_of(journal, life.last)
    return lives


def _begun(record: dict[str, Any], sequence: int) -> Life:
    live = LiveRobot(
        number=record["robot"], order_base=record["order_base"], account=record["account"],
        currencies=record["currencies"], slot=record["slot"], leverage=record["leverage"],
        entries_after=record["entries_after"], others=record["others"], life=record["life"],
        since=record["since"], run_from=record["run_from"], heard=record["heard"],
        restart=record["restart"],
        stopped=record["stopped"], memory=record["memory"],
    )  # fmt: skip
    return Life(
        number=record["life"], start=record["start"], position=record["position"], live=live,
        cash={currency: Decimal(amount) for currency, amount in record["cash"].items()},
        hedge=record["hedge"], params=record["params"],
        on_error=record["on_error"], first=sequence, reached=record["position"],
        memory=record["memory"],
    )  # fmt: skip


def _time_of(journal: Path, sequence: int) -> int:
    with JournalReader(journal) as reader:
        reader.seek_sequence(sequence)
        frame = reader.next_frame()
        return frame.time if frame is not None else 0


def plan_of(plan: RunPlan, life: Life) -> RunPlan:
    """The plan of one life of the run. Its inputs end where it ended, as far as is known."""
    made = RunPlan(**{name: getattr(plan, name) for name in RunPlan.__slots__})
    made.live, made.start, made.cash, made.hedge = life.live, life.start, life.cash, life.hedge
    made.params, made.on_error = dict(life.params), life.on_error
    made.bar_sources = dict(life.bar_sources)
    made.inputs = [
        replace(each, last_sequence=life.taken or life.reached, crc=life.crc, hash="")
        for each in plan.inputs
    ]
    return made


def actions_of(journal: Path, last: int) -> Iterator[tuple[str, int, bytes]]:
    """(symbol, time, payload) of the order requests up to frame `last`."""
    symbols: dict[int, str] = {}
    with JournalReader(journal) as reader:
        for frame in reader.frames(("instrument", "order_request")):
            if frame.sequence > last:
                return
            if frame.type == EventType.INSTRUMENT.id:
                symbols[frame.stream] = msgspec.msgpack.decode(frame.payload)["symbol"]
            else:
                yield symbols[frame.stream], frame.time, frame.payload


def seed_of(plan: RunPlan) -> int:
    """Of the strategy's randomness: a life does not draw again what the one before has drawn."""
    return plan.seed + (plan.live.life - 1) * SEED_SPAN if plan.live else plan.seed
