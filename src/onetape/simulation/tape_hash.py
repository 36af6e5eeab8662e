"""The identity of what happened in a simulated world: a hash of all frames of its tapes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from onetape.tape.journal import JournalReader

__all__ = ["hash_of"]


def hash_of(journals: Mapping[str, Path], homes: Sequence[Path]) -> str:
    """Returns the SHA-256 of the frames of tapes, in the order of their names. homes: folders whose places are no part
    of it, as each play has others."""
    made = hashlib.sha256()
    places = [str(home).encode() for home in homes]
    for name, path in sorted(journals.items()):
        made.update(name.encode())
        with JournalReader(path) as reader:
            for frame in reader.frames():
                payload = frame.payload
                for place in places:
                    payload = payload.replace(place, b"")
                made.update(b"%d %d %d %d " % (frame.type, frame.sequence, frame.time, frame.stream))
                made.update(payload)
    return made.hexdigest()
