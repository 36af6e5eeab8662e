"""By which frame of a journal each position was opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

__all__ = ["Openings"]

K = TypeVar("K", bound=tuple[str, ...])


class Openings(Generic[K]):
    """Names each position, or part of one, by the frame that opened it, so that another one is not taken for it."""

    def __init__(self, frames: Mapping[str, int], held: Mapping[K, int]) -> None:
        self._opened = {key: (qty > 0, frames.get(" ".join(key), 0)) for key, qty in held.items() if qty}

    def note(self, key: K, qty: int, sequence: int) -> None:
        """Takes in that so much is held by the frame of this sequence."""
        if not qty:
            self._opened.pop(key, None)
        elif key not in self._opened or self._opened[key][0] != (qty > 0):
            self._opened[key] = qty > 0, sequence

    def frame(self, key: K) -> int:
        """Returns the frame that opened a position, 0: it is not known, or flat."""
        return self._opened.get(key, (False, 0))[1]

    def frames(self) -> dict[str, int]:
        """Returns all frames, as a checkpoint has them."""
        return {" ".join(key): frame for key, (_, frame) in self._opened.items()}
