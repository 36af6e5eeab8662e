"""Show the frames of a run's tapes around one position: the last one taken, some before, some after."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onetape.engine.plan import RunPlan
from onetape.store.frame_words import FrameWords
from onetape.tape.journal import JournalReader

__all__ = ["AROUND", "FramesAround"]

AROUND = 5  # frames shown on each side
_BODY_MAX = 40  # levels shown of a book message


@dataclass(slots=True)
class _Tape:
    name: str
    is_detail: bool
    number: int
    reader: JournalReader
    words: FrameWords
    last: int


class FramesAround:
    """Reads frames around a position; its readers are independent of the repetition."""

    def __init__(self, plan: RunPlan) -> None:
        self._tapes = []
        for number, each in enumerate(plan.inputs):
            reader = JournalReader(Path(each.path))
            self._tapes.append(
                _Tape(f"input{number}", each.is_detail, number, reader, FrameWords(reader), each.last_sequence)
            )

    def at(self, taken: list[int], around: int = AROUND) -> dict[str, Any]:
        """Returns `frame`, `before`, `after` (oldest first). taken: the last frame taken of each tape."""
        past: list[tuple[tuple[int, int, int], dict[str, Any]]] = []
        coming: list[tuple[tuple[int, int, int], dict[str, Any]]] = []
        for tape, place in zip(self._tapes, taken, strict=True):
            first = max(1, place - around)
            for shown in self._read(tape, first, min(place + around, tape.last)):
                # The loop takes frames of equal times in this order.
                key = (shown["time"], 0 if tape.is_detail else 1, tape.number)
                (past if shown["seq"] <= place else coming).append((key, shown))
        past.sort(key=lambda each: each[0])
        coming.sort(key=lambda each: each[0])
        frames = [shown for _, shown in past]
        return {
            "frame": frames[-1] if frames else None,
            "before": frames[:-1][-around:] if around else [],
            "after": [shown for _, shown in coming[:around]],
        }

    def _read(self, tape: _Tape, first: int, last: int) -> list[dict[str, Any]]:
        if last < first:
            return []
        if tape.reader.next_sequence != first:
            tape.reader.seek_sequence(first)
        found = []
        while tape.reader.next_sequence <= last and (record := tape.reader.next()) is not None:
            body = tape.words.of(record)
            symbol = body.pop("symbol", "")
            found.append(
                {
                    "tape": tape.name,
                    "seq": record.sequence,
                    "time": record.time,
                    "type": record.type,
                    "symbol": symbol,
                    "data": {name: _bounded(value) for name, value in body.items()},
                }
            )
        return found

    def close(self) -> None:
        for tape in self._tapes:
            tape.reader.close()
        self._tapes = []


def _bounded(value: Any) -> Any:
    if isinstance(value, list) and len(value) > _BODY_MAX:
        return [*value[:_BODY_MAX], f"... {len(value) - _BODY_MAX} more"]
    return value
