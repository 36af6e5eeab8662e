"""Limit how much inputs may grow when they are decompressed."""

from __future__ import annotations

from dataclasses import dataclass

from onetape.model.errors import BadInput

CHUNK_BYTES = 1 << 20
# Below this a file may grow freely: a few zeros compress a thousandfold.
RATIO_FREE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the decompressed size of an input. The limit of a line (1 MiB) is in the core."""

    bytes_max: int = 2 << 30
    ratio_max: int = 200
    members_max: int = 100_000

    def check(self, *, expanded: int, compressed: int, location: str) -> None:
        """Raise BadInput that names the limit if an input exceeds it. expanded, compressed: bytes."""
        if expanded > self.bytes_max:
            raise BadInput(
                f"the file expands to more than {self.bytes_max:,} bytes",
                location=location,
                todo="expand it yourself and import the plain file",
            )
        if expanded > RATIO_FREE_BYTES and expanded > compressed * self.ratio_max:
            raise BadInput(
                f"the file expands more than {self.ratio_max}-fold",
                location=location,
                todo="expand it yourself, look at it, and import the plain file",
            )

    def check_members(self, count: int, *, location: str) -> None:
        """Raise BadInput if an archive has too many members."""
        if count > self.members_max:
            raise BadInput(
                f"the archive holds {count:,} members, more than {self.members_max:,}",
                location=location,
                todo="import the files one by one",
            )


DEFAULT_LIMITS = Limits()
