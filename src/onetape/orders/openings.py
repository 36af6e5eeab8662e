"""The journal frame that opened each position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

__all__ = ["Openings"]

K = TypeVar("K", bound=tuple[str, ...])


class Openings(Generic[K]):
    """Identifies positions, or parts of one, by the frames that opened them, so that a new position is not confused
    with an earlier one."""

    def __init__(self, frames: Mapping[str, int], held: Mapping[K, int]) -> None:
        self._opened = {key: (qty > 0, frames.get(" ".join(key), 0)) for key, qty in held.items() if qty}

    def note(self, key: K, qty: int, sequence: int) -> None:
        """Notes the quantity after the frame of this sequence."""
        if not qty:
            self._opened.pop(key, None)
        elif key not in self._opened or self._opened[key][0] != (qty > 0):
            self._opened[key] = qty > 0, sequence

    def frame(self, key: K) -> int:
        """Returns the frame that opened a position, 0: unknown, or flat."""
        return self._opened.get(key, (False, 0))[1]

    def frames(self) -> dict[str, int]:
        """Returns all frames, for a checkpoint."""
        return {" ".join(key): frame for key, (_, frame) in self._opened.items()}
