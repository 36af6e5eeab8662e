"""Store the state after one frame of a journal in a file beside it: a start reads only later frames.

A checkpoint that is damaged, of another journal, ahead of it or of another history of it is ignored with its reason.
The previous one is kept, and a pin protects later frames from pruning.

The file: the SHA-256 of the rest in hexadecimal, a line feed, then a `Head` with the reader's state, as JSON.
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
    """Identifies a checkpoint.

    made_by: format, version and everything else that decides how frames are read.
    journal: its uuid.
    sequence: its last frame.
    chain: that frame's chain value.
    """

    made_by: str
    journal: bytes
    sequence: int
    chain: int


def previous_of(file: Path) -> Path:
    return file.with_name(f"{file.name}.previous")


def chain_at(reader: JournalReader, sequence: int) -> int | None:
    """Returns a frame's chain value, None where the frame is missing. Between two frames the value changes where a
    segment ends."""
    reader.seek_sequence(sequence)
    frame = reader.next_frame()
    return reader.crc if frame is not None and frame.sequence == sequence else None


def store(journal: Path, file: Path, checkpoint: Head, *, is_ours: Callable[[Head], bool], run: str) -> None:
    """Replace the checkpoint of a journal, and pin the frames after the previous one. is_ours: returns whether a
    checkpoint is readable here; run: the pin's name. Raises OSError."""
    body = msgspec.json.encode(checkpoint)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    content = hashlib.sha256(body).hexdigest().encode() + b"\n" + body
    write_durably(file, content, previous=previous_of(file))
    # Frames before the previous checkpoint may go; without a readable one all frames stay.
    before = _fitting(journal, previous_of(file), "", 0)[0]
    # Including its frame, whose chain value shows whether the checkpoint fits.
    pin(journal, run, before.sequence if before is not None and is_ours(before) else 1)


H = TypeVar("H", bound=Head)


def newest(
    journal: Path, file: Path, form: type[H], *, made_by: str = "", until: int = 0, is_ours: Callable[[Head], bool]
) -> tuple[H | None, str]:
    """Returns the newest checkpoint that fits, else the previous one; and why an existing one was not used, "": it
    was. made_by: required maker, "": any; until: a frame beyond the checkpoint, 0: no limit."""
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
    """Returns a checkpoint's head and its undecoded content: megabytes, protected only by head and digest. Returns
    None and the reason: it is not of this journal, or is damaged."""
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
        # Checked before the rest, which in another format may be anything.
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
