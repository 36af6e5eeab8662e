"""Find where a replay first differs from its run, comparing both tapes frame by frame, with the market around it.

The comparison covers actions and everything else that a run records: order events, fills, memory,
logs, and state hashes, one every thousand actions. So the cause is found before it changes
an action.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from onetape.engine.incarnations import Life
from onetape.engine.plan import RunPlan
from onetape.replay.frames_around import FramesAround
from onetape.store.frame_words import FrameWords
from onetape.tape.journal import Frame, JournalReader, Record

__all__ = ["Part", "first_differing_frame"]

BEFORE: Final = 3  # equal frames shown before the difference
# Frame types that record a run's behavior, without those of its start and end.
TYPES: Final = (
    "order_request",
    "order_event",
    "fill",
    "balance",
    "position",
    "transfer",
    "memory",
    "log",
    "alert",
    "health",
)


@dataclass(frozen=True, slots=True)
class Part:
    """A part to compare, one incarnation or the whole run: the repetition's tape and the recorded frames."""

    repeated: Path
    plan: RunPlan
    life: Life | None = None

    @property
    def first(self) -> int:
        return self.life.first if self.life else 0

    @property
    def last(self) -> int | None:
        return self.life.last if self.life else None

    @property
    def may_lack_its_end(self) -> bool:
        return self.life is not None and not self.life.has_ended


def first_differing_frame(recorded: Path, parts: list[Part], until: int | None = None) -> dict[str, Any] | None:
    """Returns the first difference: `life`, `time`, `recorded` and `repeated` (None: no frame on that side),
    `before` (the last equal ones), `input` (the market's frame and its neighbours, as in FramesAround). None: the
    tapes are equal. until: ns; later frames are not compared."""
    for index, part in enumerate(parts):
        found = _in_part(recorded, part, until)
        if found is not None:
            return {"life": index + 1, **found}
    return None


def _in_part(recorded: Path, part: Part, until: int | None) -> dict[str, Any] | None:
    with JournalReader(recorded) as ours, JournalReader(part.repeated) as theirs:
        if part.first:
            ours.seek_sequence(part.first)
        left = _frames(ours, part.last, until)
        right = _frames(theirs, None, until)
        before: deque[Frame] = deque(maxlen=BEFORE)
        while True:
            a, b = next(left, None), next(right, None)
            if a is None and (b is None or part.may_lack_its_end):
                return None
            if a is None or b is None or _content(a) != _content(b):
                break
            before.append(a)
        time = min(each.time for each in (a, b) if each is not None)
    around = FramesAround(part.plan)
    try:
        place = around.at(_places(part.plan, time))
    finally:
        around.close()
    return {
        "time": time,
        "recorded": _words(recorded, a),
        "repeated": _words(part.repeated, b),
        "before": [_words(recorded, each) for each in before],
        "input": place,
    }


def _frames(reader: JournalReader, last: int | None, until: int | None) -> Iterator[Frame]:
    for frame in reader.frames(TYPES):
        if last is not None and frame.sequence > last:
            return
        if until is not None and frame.time > until:
            return
        yield frame


def _content(frame: Frame) -> tuple[int, int, int, bytes]:
    return frame.type, frame.time, frame.stream, frame.payload


def _words(journal: Path, frame: Frame | None) -> dict[str, Any] | None:
    if frame is None:
        return None
    with JournalReader(journal) as reader:
        reader.seek_sequence(frame.sequence)
        record: Record | None = reader.next()
        assert record is not None
        body = FrameWords(reader).of(record)
    return {
        "seq": record.sequence,
        "time": record.time,
        "type": record.type,
        "symbol": body.pop("symbol", ""),
        "data": body,
    }


def _places(plan: RunPlan, time: int) -> list[int]:
    """Returns the last frame of each tape up to this time."""
    found = []
    for each in plan.inputs:
        with JournalReader(Path(each.path)) as reader:
            reader.seek_time(time + 1)
            found.append(max(0, reader.next_sequence - 1))
    return found
