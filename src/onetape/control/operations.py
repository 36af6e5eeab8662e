"""Operations of the control plane, each carried out once, on the process's tape.

An operation begins with a `command` frame and ends with a `reply` frame; the records of its saga between them are
`memory` frames, other calls are `log` frames. An operation that a killed process left is begun again under its own id
when its key is repeated, and continues from its records.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from onetape.model.errors import DiskFull, DuplicateCommand
from onetape.model.time import DAY, MS, SECOND
from onetape.model.typed import from_json
from onetape.options.control import CONTROL, control_journal
from onetape.projections.once import Once, digest_of
from onetape.tape.journal import JournalReader, JournalWriter, type_id
from onetape.tape.prune import pin
from onetape.tape.segments import is_tape
from onetape.web.tokens import AUTO

__all__ = ["ControlTape", "Ended", "Operations", "Saved", "Wanted", "has_ended"]

STOP: Final = "system_stop"
SHOWN_MAX: Final = 100_000  # operations whose records are found by their id
KEPT_BYTES_MAX: Final = 2048  # of fields and answers of calls that do not act; of longer ones the digest
LOGS_PER_COUNT: Final = 4096  # frames, so that each segment has the counts


class Saved(NamedTuple):
    """A record of a saga. time: ns UTC."""

    sequence: int
    time: int
    record: dict[str, Any]


class ControlTape:
    """The journal of the control plane, of which this is the one writer. Raises JournalLocked."""

    def __init__(self, home: Path) -> None:
        self.path = control_journal(home)
        self.appended_bytes = 0  # total
        self.writer = JournalWriter(self.path, process=CONTROL, created=time.time_ns(), heartbeat=True)
        pin(self.path, CONTROL, 0)  # the process restores its state from it alone

    def append(self, record: dict[str, Any], event: str = "memory") -> int:
        """Writes a record, with the id of its operation as `operation`; returns its sequence. It survives kill -9 from
        then on, and power loss after `ensure`. On a full disk calls are not written, all other records may use the
        reserve. Raises DiskFull."""
        payload, now = msgspec.msgpack.encode(record), time.time_ns()
        self.appended_bytes += len(payload)
        try:
            return self.writer.append(event, payload, time=now)
        except DiskFull:
            if event == "log":
                raise
            return int(self.writer.append_urgent(type_id(event), payload, 0, 0, now))

    def read(self) -> Iterator[Saved]:
        """Reads the records of all runs of the process, oldest first."""
        return self.records(("memory",))

    def records(self, events: tuple[str, ...], first: int = 0, last: int = 0) -> Iterator[Saved]:
        """Reads the records of some kinds. first, last: sequences, 0: from the beginning, to the end."""
        if not is_tape(self.path):
            return
        with JournalReader(self.path) as reader:
            if first:
                reader.seek_sequence(first)
            for frame in reader.frames(events, sequence_until=last + 1 if last else 0):
                yield Saved(frame.sequence, frame.time, msgspec.msgpack.decode(frame.payload))

    async def ensure(self) -> None:
        """Waits until everything written is on the disk."""
        await asyncio.get_running_loop().run_in_executor(None, self.writer.ensure, "disk")

    def close(self) -> None:
        self.writer.close()


class Wanted(NamedTuple):
    """A requested operation. kind: prefix of its id; name: of the route; key: of the caller, "": none. acts: it may
    send something; a dry run does not."""

    kind: str
    name: str
    actor: str
    request: str
    fields: dict[str, Any]
    key: str = ""
    acts: bool = True


def has_ended(records: list[Saved]) -> bool:
    """Tells whether an operation was answered, and everything it began has ended."""
    kinds = Counter(each.record.get("kind") for each in records)
    moved = sum(each.record.get("is_over", False) for each in records)
    is_answered = any("answer" in each.record for each in records)
    return is_answered and kinds["saga_begun"] <= kinds["saga_ended"] and kinds["move_begun"] <= moved


class Ended(NamedTuple):
    """The answer to an operation. answer: JSON. repeated: of an earlier call with the same key. written: its bytes on
    the tape."""

    operation: str
    status: int
    answer: msgspec.Raw
    repeated: bool = False
    written: int = 0


class _Kept(msgspec.Struct):
    operation: str
    status: int
    answer: msgspec.Raw


Work = Callable[[str], Awaitable[tuple[int, bytes]]]


class Operations:
    """Assigns ids to operations and carries each out once. now: ns UTC."""

    def __init__(self, tape: ControlTape, now: Callable[[], int] = time.time_ns) -> None:
        self.tape = tape
        self.total = 0  # of all runs of the process
        self._now = now
        self._once = Once()
        self._operations: dict[str, str] = {}  # by key, of unfinished operations
        self._running: dict[str, asyncio.Task[Ended]] = {}
        self._numbers: dict[str, tuple[str, int]] = {}  # by kind: the day, and its last number
        self._places: OrderedDict[str, tuple[int, int]] = OrderedDict()  # first and last sequence, 0: not ended
        # Unanswered operations of earlier runs of the process, with their keys.
        self._left: dict[str, tuple[Wanted, str]] = {}
        self._logs = 0
        self._bytes: dict[str, int] = {}  # on the tape, of unfinished operations
        self._restore()

    # --- one operation ----------------------------------------------------------------------------

    async def run(self, wanted: Wanted, work: Work) -> Ended:
        """Returns the result of an operation, which continues if the first caller disconnects. work: gets its id,
        returns HTTP status and JSON. Raises DuplicateCommand if the key belongs to another operation."""
        if not wanted.key:
            return await self._begin(wanted, self._new_id(wanted.kind), work, "")
        key = f"{wanted.actor}\n{wanted.key}"
        done = self._once.find(key)
        digest = digest_of(wanted.actor, wanted.name, wanted.fields)
        if done is None:
            return await self._begin(wanted, self._new_id(wanted.kind), work, key)
        if done.digest != digest:
            raise DuplicateCommand(
                "this Idempotency-Key was sent with another request", location=wanted.key[:80], todo="take a new key"
            )
        if done.answer:
            kept = from_json(done.answer, _Kept)
            return Ended(kept.operation, kept.status, kept.answer, repeated=True)
        operation = self._operations[key]
        if (running := self._running.get(operation)) is None:  # left by a killed process
            return (await self._go(wanted, operation, work, key))._replace(repeated=True)
        return (await asyncio.shield(running))._replace(repeated=True, written=0)

    async def _begin(self, wanted: Wanted, operation: str, work: Work, key: str) -> Ended:
        now = self._now()
        self.total += 1
        record = {"operation": operation, **wanted._asdict(), "total": self.total}
        if not wanted.acts and (digest := _digest_of_long(wanted.fields)):
            record |= {"fields": digest, "digest": digest_of(wanted.actor, wanted.name, wanted.fields)}
        if at := self._written(wanted, record, "command"):
            self._place(operation, at, 0)
        if key:
            self._once.began(key, digest_of(wanted.actor, wanted.name, wanted.fields), now)
            self._operations[key] = operation
        return await self._go(wanted, operation, work, key)

    async def _go(self, wanted: Wanted, operation: str, work: Work, key: str) -> Ended:
        return await asyncio.shield(self._started(wanted, operation, work, key))

    def _started(self, wanted: Wanted, operation: str, work: Work, key: str) -> asyncio.Task[Ended]:
        self._left.pop(operation, None)
        task = asyncio.ensure_future(self._carry_out(wanted, operation, work, key))
        self._running[operation] = task
        task.add_done_callback(lambda _: self._forget(operation))
        return task

    def _forget(self, operation: str) -> None:
        """Drops the state of a running operation when it has ended in any way."""
        self._running.pop(operation, None)
        self._bytes.pop(operation, None)

    def resume(self, is_begun: Callable[[str], bool], work_of: Callable[[Wanted], Work]) -> None:
        """Resumes operations that earlier runs began and did not answer, except those that automatic mode resumes
        itself. A caller that repeats the key waits for the same operation."""
        for operation, (wanted, key) in list(self._left.items()):
            if wanted.acts and wanted.actor != AUTO and is_begun(operation):
                self._started(wanted, operation, work_of(wanted), key)

    async def _carry_out(self, wanted: Wanted, operation: str, work: Work, key: str) -> Ended:
        if wanted.acts:  # a caller that repeats it after a power loss must find it
            await self.tape.ensure()
        status, answer = await work(operation)
        self.ended(operation, status, answer, wanted, key)
        return Ended(operation, status, msgspec.Raw(answer), written=self._bytes.get(operation, 0))

    def ended(self, operation: str, status: int, answer: bytes, wanted: Wanted, key: str) -> None:
        record = {
            "operation": operation,
            "request": wanted.request,
            "key": key,
            "status": status,
            "answer": msgspec.json.decode(answer),
        }
        if not wanted.acts and not key and (digest := _digest_of_long(record["answer"])):
            record["answer"] = digest  # no call can request it again with a key
        if at := self._written(wanted, record, "reply"):
            self._place(operation, self._places.get(operation, (at, 0))[0], at)
        if key:
            self._answered(key, operation, status, answer)

    def _written(self, wanted: Wanted, record: dict[str, Any], event: str) -> int:
        """Returns the record's sequence; 0 for a stop on a full disk, which is carried out all the same."""
        before, operation = self.tape.appended_bytes, record["operation"]
        try:
            at = self.tape.append(record, event)
        except DiskFull:
            if wanted.name != STOP:
                raise
            return 0
        self._bytes[operation] = self._bytes.get(operation, 0) + self.tape.appended_bytes - before
        return at

    async def drained(self, within_s: float) -> None:
        """Waits for running operations; unfinished ones continue in the next run."""
        if self._running:
            _, late = await asyncio.wait(self._running.values(), timeout=within_s)
            for each in late:
                each.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def log(self, record: dict[str, Any]) -> int:
        """Writes a call after its answer, if the disk has room. Returns its bytes."""
        before = self.tape.appended_bytes
        with suppress(DiskFull):
            self.tape.append(record, "log")
            self._logs += 1
            if self._logs % LOGS_PER_COUNT == 0:
                self.tape.append({"counts": self._numbers, "total": self.total}, "command")
        return self.tape.appended_bytes - before

    def records(self, operation: str) -> list[Saved] | None:
        """Reads an operation's records from the tape, including those of its saga after the answer: blocking. None:
        unknown id."""
        place = self._places.get(operation)
        if place is None:
            return None
        found = self._between(operation, *place)
        return found if has_ended(found) or not place[1] else found + self._between(operation, place[1] + 1, 0)

    def _between(self, operation: str, first: int, last: int) -> list[Saved]:
        found = self.tape.records(("command", "memory", "reply"), first, last)
        return [each for each in found if each.record.get("operation") == operation]

    # --- ids --------------------------------------------------------------------------------------

    def _new_id(self, kind: str) -> str:
        """Returns `KIND-YYYYMMDD-NNN`, UTC. The number is the millisecond of the day: a counter would repeat in another
        home, and gateways and venues identify commands and transfers by it. Unique even if the clock goes back."""
        now = self._now()
        today, ms = datetime.fromtimestamp(now // SECOND, UTC).strftime("%Y%m%d"), now % DAY // MS + 1
        day, last = self._numbers.get(kind, ("", 0))
        day, number = (today, ms) if (today, ms) > (day, last) else (day, last + 1)
        self._numbers[kind] = day, number
        return f"{kind}-{day}-{number:03}"

    def _note_id(self, operation: str) -> None:
        kind, day, number = operation.rsplit("-", 2)
        self._numbers[kind] = max(self._numbers.get(kind, ("", 0)), (day, int(number)))

    def _place(self, operation: str, first: int, last: int) -> None:
        self._places[operation] = first, last
        if len(self._places) > SHOWN_MAX:
            self._places.popitem(last=False)

    # --- earlier runs ----------------------------------------------------------------------------

    def _answered(self, key: str, operation: str, status: int, answer: bytes) -> None:
        self._once.ended(key, {"operation": operation, "status": status, "answer": msgspec.Raw(answer)})
        self._operations.pop(key, None)

    def _restore(self) -> None:
        young = self._now() - DAY
        for sequence, at, record in self.tape.records(("command", "reply")):
            if "counts" in record:
                for kind, (day, number) in record["counts"].items():
                    self._numbers[kind] = max(self._numbers.get(kind, ("", 0)), (day, number))
                self.total = max(self.total, record["total"])
                continue
            operation = record["operation"]
            first = self._places.get(operation, (0, 0))[0]
            if "answer" in record:
                self._left.pop(operation, None)
                self._place(operation, first, sequence)
                if record["key"] in self._operations:
                    answer = msgspec.json.encode(record["answer"])
                    self._answered(record["key"], operation, record["status"], answer)
                continue
            self._note_id(operation)
            self._place(operation, sequence, 0)
            self.total = max(self.total, record["total"])
            key = f"{record['actor']}\n{record['key']}" if record["key"] else ""
            self._left[operation] = Wanted(**{name: record[name] for name in Wanted._fields}), key
            if key and at >= young:
                digest = record.get("digest") or digest_of(record["actor"], record["name"], record["fields"])
                self._once.began(key, digest, at)
                self._operations[key] = operation


def _digest_of_long(value: Any) -> dict[str, Any]:
    """Returns the digest that replaces fields or an answer too long for the tape, {}: short enough."""
    data = msgspec.json.encode(value)
    if len(data) <= KEPT_BYTES_MAX:
        return {}
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
