"""What a journal comes to at one of its frames, as a file beside it: a start reads only what came after it.

One that is damaged, of another journal, ahead of it or of another history of it is passed over with its reason. The
one before is kept, and a pin holds what comes after it against pruning.

The file: the SHA-256 of the rest in hexadecimal, a line feed, then a `Head` with what its reader keeps, as JSON.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from onetape.model.errors import OnetapeError
from onetape.model.typed import from_json
from onetape.tape.durable import write_durably
from onetape.tape.journal import JournalReader
from onetape.tape.prune import pin

__all__ = ["Head", "chain_at", "newest", "previous_of", "store"]

_HASH_BYTES: Final = 64


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Names what a checkpoint is of.

    made_by: format, version and what else its frames are read by.
    journal: its uuid.
    sequence: the last frame that is in it.
    chain: that frame's chain value.
    """

    made_by: str
    journal: bytes
    sequence: int
    chain: int


def previous_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.previous")


def chain_at(reader: JournalReader, sequence: int) -> int | None:
    """Returns a frame's chain value, None where the frame is not there. What is read before the next frame is another
    where a segment ends between them."""
    reader.seek_sequence(sequence)
    frame = reader.next_frame()
    return reader.crc if frame is not None and frame.sequence == sequence else None


def store(journal: Path, file: Path, checkpoint: Head, *, is_ours: Callable[[Head], bool], run: str) -> None:
    """Replaces the checkpoint of a journal, and pins what the one before has not. is_ours: whether one has a form that
    can be read here; run: the pin's name. Raises OSError."""
    body = msgspec.json.encode(checkpoint)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    content = hashlib.sha256(body).hexdigest().encode() + b"\n" + body
    write_durably(file, content, previous=previous_of(file))
    # What the one before has may go; where there is none that can be read here, all stays.
    before = _fitting(journal, previous_of(file), "", 0)[0]
    # With its frame, by which it is known that it fits.
    pin(journal, run, before.sequence if before is not None and is_ours(before) else 1)


H = TypeVar("H", bound=Head)


def newest(
    journal: Path, file: Path, form: type[H], *, made_by: str = "", until: int = 0, is_ours: Callable[[Head], bool]
) -> tuple[H | None, str]:
    """Reads the newest checkpoint that fits, else the one before; and why one that is there was not used, "": it was.
    made_by: what it must be made by, "": by anything; until: a frame that is not in it, 0: any."""
    refused = ""
    for each in (file, previous_of(file)):
        head, body, why = _fitting(journal, each, made_by, until)
        if head is not None and not is_ours(head):
            head, why = None, "is of another format"
        if head is not None:
            try:
                return from_json(body, form), refused
            except msgspec.DecodeError as error:
                why = f"is damaged: {error}"
        refused = refused or why
    return None, refused


def _fitting(journal: Path, file: Path, made_by: str, until: int) -> tuple[Head | None, bytes, str]:
    """Returns what a checkpoint says it is, and all of it, not decoded: megabytes, whose shape only its head and digest
    vouch for. None, and why: it is not of this journal, or is damaged."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None, b"", ""
    except OSError as error:
        return None, b"", f"cannot be read: {error.strerror}"
    digest, body = content[:_HASH_BYTES], content[_HASH_BYTES + 1 :]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        return None, b"", "is damaged"
    try:
        # Before the whole: of another format the rest may be anything.
        head = from_json(body, Head)
    except msgspec.DecodeError as error:
        return None, b"", f"is damaged: {error}"
    if made_by and head.made_by != made_by:
        return None, b"", "was made by another version, or for other instruments"
    if until and head.sequence >= until:
        return None, b"", ""
    with JournalReader(journal) as reader:
        if reader.uuid.bytes != head.journal:
            return None, b"", "is of another journal"
        if reader.last_sequence < head.sequence:
            return None, b"", "is ahead of the journal"
        try:
            chain = chain_at(reader, head.sequence)
        except OnetapeError as error:
            return None, b"", f"does not fit the journal: {error}"
        if chain != head.chain:
            return None, b"", "is of another history of the journal"
    return head, body, ""
