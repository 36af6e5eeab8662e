"""Read the incarnations of a live run: one robot process after another, on one journal.

A live robot that is killed continues in the same run. Each incarnation begins with a `params` frame
{"life": number, ...} that records its initial state, and ends with an `input` frame, which names the last input
frame it took.
A killed one has no such frame: its control page shows the last frame that it processed, its own last frame its last
action.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from onetape import _core
from onetape.engine.accounts import Accounts
from onetape.engine.plan import History, LiveRobot, RunPlan, live_robot_of, seat_record, toml_value
from onetape.model.enums import EventType
from onetape.tape.journal import Frame, JournalReader
from onetape.tape.payloads import fields

__all__ = [
    "IN_ORDER",
    "REPLAY",
    "BrokenOff",
    "Life",
    "actions_of",
    "broken_off_of",
    "broken_off_record",
    "ending_record",
    "incarnations_of",
    "life_record",
    "plan_of",
    "seed_of",
    "with_orders",
]

_TAKEN = fields("input", "source", "first_sequence", "count", "crc")
SEED_SPAN = 1 << 32
ENDING = "ending"
BROKEN_OFF = "broken off"
IN_ORDER = 1  # flag of an input frame: input_in_order of core/journal/events.hpp
NEVER_LEFT = 1  # flag of an order_event frame: order_never_left there
# Fields of LiveRobot with the same name in the frame that begins an incarnation.
_LIVE = (
    "order_base", "account", "venue", "currencies", "since", "run_from", "heard", "restart", "stopped", "slot",
    "leverage", "entries_after", "others", "memory",
)  # fmt: skip
_OF_HUB = ("market", "market_more", "market_from", "market_named")
REPLAY = "replay"  # after a restart: the strategy is rebuilt from the tape


class BrokenOff(NamedTuple):
    """A hung callback that was aborted. since: when it began, ns; sequence: of the frame that records it."""

    since: int
    sequence: int


@dataclass(slots=True)
class Life:
    """One incarnation of a live run. number: from 1. start: ns. position: last frame of the first tape before its
    start. cash: money at its start. first, last: its first and last frame on the run's journal. taken, crc: sequence
    and chain value of the last input frame it took from the first tape, 0: it was killed. reached: last frame of the
    first tape that it certainly processed. time: ns, of its last own frame, or before the aborted callback. params,
    on_error: start options. tapes: identities of its inputs, the gateway's first. came_to: frame of the first tape in
    the last recorded input order. ends: tape identity -> (last frame taken, its chain value), of the other tapes.
    news: number of order events and fills received, by gateway. memory: at its end. accounts: money at its start,
    where each venue has its own account. broken_off: the aborted callback, or None."""

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
    news: list[int] = field(default_factory=list)
    memory: bytes = b""
    bar_sources: dict[str, str] = field(default_factory=dict)
    history: list[History] = field(default_factory=list)
    tapes: list[bytes] = field(default_factory=list)
    came_to: int = 0
    ends: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    accounts: Accounts = field(default_factory=dict)
    broken_off: BrokenOff | None = None

    @property
    def has_ended(self) -> bool:
        """True when it ended in good order, with closing records: all its actions can be repeated."""
        return self.taken > 0 and self.broken_off is None

    @property
    def frames(self) -> tuple[int, int]:
        """First and last frame between which its actions can be repeated."""
        return self.first, self.last if self.broken_off is None else self.broken_off.sequence


def life_record(plan: RunPlan, *, start: int, position: int, reached: int, tapes: list[bytes]) -> dict[str, Any]:
    """Returns the record of the frame that begins an incarnation. reached: last frame processed by the previous
    incarnation. tapes: identities of the inputs."""
    live = plan.live
    assert live is not None
    return {
        "life": live.life,
        "start": start,
        "position": position,
        "reached": reached,
        "cash": _texts(plan.cash),
        "hedge": plan.hedge,
        "params": {name: toml_value(value) for name, value in plan.params.items()},
        "on_error": plan.on_error,
        "robot": live.number,
        **{name: getattr(live, name) for name in _LIVE},
        "tapes": tapes,
        "positions": live.positions,
        **({name: getattr(live, name) for name in _OF_HUB} if live.market else {}),
        **({"more": [seat_record(seat) for seat in live.more]} if live.more else {}),
        **({"accounts": {name: _texts(cash) for name, cash in plan.accounts.items()}} if plan.accounts else {}),
    }


def _texts(cash: Mapping[str, Decimal]) -> dict[str, str]:
    return {currency: str(amount) for currency, amount in cash.items()}


def _amounts(cash: Mapping[str, str]) -> dict[str, Decimal]:
    return {currency: Decimal(amount) for currency, amount in cash.items()}


def ending_record(after: list[int]) -> dict[str, Any]:
    """Returns the record of a requested end of an incarnation, after these frames of its tapes."""
    return {"kind": ENDING, "subject": "robot", "state": "asked for", "after": after[0], "others": after[1:]}


def broken_off_record(moment: int) -> dict[str, Any]:
    """Returns the record of an aborted callback that began at this time (ns): its actions until then cannot be
    repeated."""
    return {"kind": BROKEN_OFF, "subject": "robot", "since": moment}


def broken_off_of(journal: Path) -> BrokenOff | None:
    """Returns the aborted callback of a run with one incarnation; None: there was none."""
    with JournalReader(journal) as reader:
        for frame in reader.frames(("health",)):
            record = msgspec.msgpack.decode(frame.payload)
            if record.get("kind") == BROKEN_OFF:
                return BrokenOff(record["since"], frame.sequence)
    return None


def incarnations_of(journal: Path) -> list[Life]:
    """Returns the incarnations on the journal, oldest first; none for a run that is not live."""
    incarnations: list[Life] = []
    wanted = ("instrument", "params", "input", "command", "health", "memory", "order_event", "fill")
    venues: dict[int, str] = {}  # by stream
    with JournalReader(journal) as reader:
        # Read the control page first: the frames it counts as processed are then on the journal.
        control = reader.control
        end = reader.last_sequence
        for frame in reader.frames(wanted):
            if frame.sequence > end:
                break
            if frame.type == EventType.PARAMS.id:
                record = msgspec.msgpack.decode(frame.payload)
                if "life" in record:
                    if incarnations:
                        incarnations[-1].last = frame.sequence - 1
                        incarnations[-1].reached = max(incarnations[-1].reached, record["reached"])
                    incarnations.append(_begun(record, frame.sequence))
                elif "bar_source" in record and incarnations:
                    incarnations[-1].bar_sources[record["bar_source"]] = record["from"]
                elif "history" in record and incarnations:
                    incarnations[-1].history += (History(**each) for each in record["history"])
                continue
            if not incarnations:
                return []
            life = incarnations[-1]
            match frame.type:
                case EventType.INSTRUMENT.id:
                    venues[frame.stream] = msgspec.msgpack.decode(frame.payload)["symbol"].partition(":")[0]
                case EventType.INPUT.id:
                    _took(life, frame)
                case EventType.MEMORY.id:
                    life.memory = frame.payload
                case EventType.COMMAND.id:  # frames before a command were processed
                    after = msgspec.msgpack.decode(frame.payload)["after"]
                    life.reached = max(life.reached, after[0])
                case EventType.HEALTH.id:
                    record = msgspec.msgpack.decode(frame.payload)
                    if record.get("kind") == ENDING and life.broken_off is None:
                        after = [record["after"], *record.get("others", ())]
                        life.live = replace(life.live, halted_after=after[0], halted_at=after)
                        life.reached = max(life.reached, record["after"])
                    elif record.get("kind") == BROKEN_OFF:
                        life.broken_off = BrokenOff(record["since"], frame.sequence)
                case EventType.ORDER_EVENT.id if frame.flags & NEVER_LEFT:
                    pass  # an event of the robot itself, from no gateway
                case _:
                    life.news[life.live.gateway_of(venues.get(frame.stream, ""))] += 1
    if incarnations:
        incarnations[-1].last = end
        if control:
            incarnations[-1].reached = max(incarnations[-1].reached, control["progress"])
    for life in incarnations:
        life.time = life.broken_off.since - 1 if life.broken_off else _time_of(journal, life.last)
    return incarnations


def _took(life: Life, frame: Frame) -> None:
    uuid, first, count, crc = _TAKEN.unpack(frame.payload)
    last = first + count - 1
    is_other = bool(life.tapes) and uuid != life.tapes[0]
    match bool(frame.flags & IN_ORDER), is_other:
        case True, True:
            number = life.tapes.index(uuid)
            life.live.order.extend((life.came_to, number, each) for each in range(first, last + 1))
        case True, False:
            life.came_to = last
        case False, True:
            life.ends[uuid] = last, crc
        case _:
            life.taken, life.crc = last, crc


def _begun(record: dict[str, Any], sequence: int) -> Life:
    names = ("life", *_LIVE, *_OF_HUB, "positions", "more")
    live = live_robot_of({name: record[name] for name in names if name in record} | {"number": record["robot"]})
    return Life(
        number=record["life"],
        start=record["start"],
        position=record["position"],
        live=live,
        cash=_amounts(record["cash"]),
        accounts={name: _amounts(cash) for name, cash in record.get("accounts", {}).items()},
        hedge=record["hedge"],
        params=record["params"],
        on_error=record["on_error"],
        first=sequence,
        reached=record["position"],
        memory=record["memory"],
        tapes=record.get("tapes", []),
        came_to=record["position"],
        news=[0] * len(live.seats),
    )


def _time_of(journal: Path, sequence: int) -> int:
    with JournalReader(journal) as reader:
        reader.seek_sequence(sequence)
        frame = reader.next_frame()
        return frame.time if frame is not None else 0


def plan_of(plan: RunPlan, life: Life) -> RunPlan:
    """Returns the plan of one incarnation. Its inputs end where the incarnation ended, as far as is known."""
    ends = [(life.taken or life.reached, life.crc)]
    ends += [_end_of(life, number) for number in range(1, len(plan.inputs))]
    return replace(
        plan,
        live=life.live,
        start=life.start,
        cash=life.cash,
        accounts=life.accounts,
        hedge=life.hedge,
        params=dict(life.params),
        on_error=life.on_error,
        bar_sources=dict(life.bar_sources),
        history=list(life.history),
        inputs=[
            replace(each, last_sequence=last, crc=crc, hash="")
            for each, (last, crc) in zip(plan.inputs, ends, strict=True)
        ],
    )


def _end_of(life: Life, number: int) -> tuple[int, int]:
    """Returns (last frame of tape `number` that was certainly processed, its chain value or 0). The last frame that a
    killed incarnation took may not have been processed."""
    if (end := life.ends.get(life.tapes[number])) is not None:
        return end
    order = life.live.order
    sure = order[:-1] if order and order[-1][0] >= life.reached else order
    taken = [sequence for _, source, sequence in sure if source == number]
    return (taken[-1] if taken else life.live.positions[number]), 0


def actions_of(journal: Path, last: int) -> Iterator[tuple[str, int, bytes]]:
    """Yields (symbol, time, payload) of the order requests up to frame `last`."""
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
    """Returns the seed of an incarnation's random source: it must not repeat the draws of the one before."""
    return plan.seed + (plan.live.life - 1) * SEED_SPAN if plan.live else plan.seed


def with_orders(value: Any, working: Mapping[int, _core.Order]) -> Any:
    """Returns the value with each order of the previous incarnation replaced by this one's object, where it still
    works."""
    match value:
        case _core.Order():
            return working.get(value.id, value)
        case dict():
            made = {key: with_orders(each, working) for key, each in value.items()}
            value.clear()
            value.update(made)
        case list() | deque():
            found = [with_orders(each, working) for each in value]
            value.clear()
            value.extend(found)
        case tuple() if type(value) is tuple:
            return tuple(with_orders(each, working) for each in value)
    return value
