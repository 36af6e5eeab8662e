"""What has been done, by the id of the command that asked for it: so that none acts twice.

The newest 100,000 are kept, and every one that is younger than a day. Should a day have more than
400,000, nothing is forgotten early: whoever is not the operator is told to wait instead.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from onetape.model.time import DAY

__all__ = ["Done", "Once", "digest_of"]

NEWEST: Final = 100_000
YOUNG_NS: Final = DAY
MOST: Final = 400_000  # about 150 MB
GONE_AT_ONCE: Final = 4


def digest_of(actor: str, name: str, fields: dict[str, Any]) -> bytes:
    """Equal for the same words, however they were written: 16 bytes. The target is not among
    them: a process has more than one name."""
    words = msgspec.json.encode([actor, name, fields], order="sorted")
    return hashlib.blake2b(words, digest_size=16).digest()


@dataclass(slots=True)
class Done:
    """answer: JSON, b"" while nobody knows whether it was done."""

    digest: bytes  # b"": not known
    time: int
    answer: bytes = b""


class Once:
    def __init__(self) -> None:
        self._done: OrderedDict[str, Done] = OrderedDict()  # oldest first

    def __len__(self) -> int:
        return len(self._done)

    def find(self, id_: str) -> Done | None:
        return self._done.get(id_)

    def is_full(self, now: int) -> bool:
        self._forget(now)
        return len(self._done) >= MOST

    def began(self, id_: str, digest: bytes, now: int) -> Done:
        """It stands on the tape; what becomes of it is put into what this gives."""
        self._forget(now)
        done = self._done[id_] = Done(digest, now)
        return done

    def commanded(self, record: Mapping[str, Any], now: int) -> None:
        """Takes in a command as its frame has it; one that was refused is over. now: when it was written."""
        fields = record.get("fields")  # a tape of old had them beside the name
        digest = digest_of(record["actor"], record["command"], fields) if fields is not None else b""
        self.began(record["id"], digest, now)
        if (refused := record.get("refused")) is not None:
            self.ended(record["id"], {"id": record["id"], "status": "refused", "result": None, "error": refused})

    def ended(self, id_: str, answer: dict[str, Any]) -> None:
        """What was answered, as a tape tells it."""
        done = self._done.get(id_)
        if done is not None:
            done.answer = msgspec.json.encode(answer)

    def _forget(self, now: int) -> None:
        """A few for each that comes: a whole day of them at once would be a pause."""
        for _ in range(GONE_AT_ONCE):
            if len(self._done) <= NEWEST:
                return
            oldest = next(iter(self._done.values()))
            if now - oldest.time < YOUNG_NS:
                return
            self._done.popitem(last=False)

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> list[tuple[str, Done]]:
        """Oldest first."""
        return list(self._done.items())

    def restore(self, record: list[tuple[str, Done]]) -> None:
        self._done.update(record)
