"""The executed commands by id, so that none acts twice.

The newest 100,000 are kept, and all that are younger than a day. Beyond 400,000 in a day none is forgotten early:
senders other than the operator must wait instead.
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
    """Returns a digest of 16 bytes, equal for the same contents in any notation. The target is not included, because a
    process has several names."""
    words = msgspec.json.encode([actor, name, fields], order="sorted")
    return hashlib.blake2b(words, digest_size=16).digest()


@dataclass(slots=True)
class Done:
    """An executed command. answer: JSON, b"" while it is unknown whether it was executed."""

    digest: bytes  # b"": unknown
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
        """Adds a command that is on the tape; the caller sets the answer of the returned object."""
        self._forget(now)
        done = self._done[id_] = Done(digest, now)
        return done

    def commanded(self, record: Mapping[str, Any], now: int) -> None:
        """Adds a command from its frame; a refused one is finished. now: time of the frame."""
        fields = record.get("fields")  # old tapes have them beside the name
        digest = digest_of(record["actor"], record["command"], fields) if fields is not None else b""
        self.began(record["id"], digest, now)
        if (refused := record.get("refused")) is not None:
            self.ended(record["id"], {"id": record["id"], "status": "refused", "result": None, "error": refused})

    def ended(self, id_: str, answer: dict[str, Any]) -> None:
        """Sets the answer of a command from the tape."""
        done = self._done.get(id_)
        if done is not None:
            done.answer = msgspec.json.encode(answer)

    def _forget(self, now: int) -> None:
        """Forgets a few old commands per new one, because forgetting a whole day at once would pause the process."""
        for _ in range(GONE_AT_ONCE):
            if len(self._done) <= NEWEST:
                return
            oldest = next(iter(self._done.values()))
            if now - oldest.time < YOUNG_NS:
                return
            self._done.popitem(last=False)

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self) -> list[tuple[str, Done]]:
        """Returns all commands, oldest first."""
        return list(self._done.items())

    def restore(self, record: list[tuple[str, Done]]) -> None:
        self._done.update(record)
