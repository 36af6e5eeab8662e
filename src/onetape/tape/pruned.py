"""Record in a small file beside a journal's segments which of them retention removed."""

from __future__ import annotations

from pathlib import Path

import msgspec

from onetape.model.errors import TornTape
from onetape.model.typed import from_json
from onetape.tape.durable import write_durably

__all__ = ["PRUNED_FILE", "Pruned", "read_pruned", "write_pruned"]

PRUNED_FILE = "pruned.json"


class Pruned(msgspec.Struct, frozen=True):
    """The end of the removed segments."""

    segment: int
    sequence: int  # last removed sequence
    seal: str  # of that segment, hex: start of the remaining chain


def read_pruned(directory: Path) -> Pruned | None:
    path = directory / PRUNED_FILE
    try:
        return from_json(path.read_bytes(), Pruned)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise TornTape(f"{path}: {error}", todo="write it again or restore it") from None


def write_pruned(directory: Path, pruned: Pruned) -> None:
    """Replace the file atomically, on disk before segments are removed."""
    write_durably(directory / PRUNED_FILE, msgspec.json.encode(pruned))
