"""Record the findings of checks: a count, and the first or the worst examples."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any, Final

EXAMPLES_MAX: Final = 10


@dataclass(slots=True)
class Check:
    """The count and examples of one rule in one series. Examples are the first ones, or the largest ones if they have a
    size."""

    count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)
    _sized: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)

    @property
    def wants(self) -> int:
        """Returns how many more first examples are needed."""
        return EXAMPLES_MAX - len(self.examples)

    @property
    def least(self) -> float:
        """Returns the size that an example must exceed to be kept."""
        return self._sized[0][0] if len(self._sized) >= EXAMPLES_MAX else float("-inf")

    def first(self, example: dict[str, Any]) -> None:
        """Keep an example if it is among the first."""
        if self.wants > 0:
            self.examples.append(example)

    def largest(self, size: float, sequence: int, example: dict[str, Any]) -> None:
        """Keep an example if it is among the largest; of two equal ones the earlier is kept."""
        heapq.heappush(self._sized, (size, -sequence, example))
        if len(self._sized) > EXAMPLES_MAX:
            heapq.heappop(self._sized)

    def shown(self) -> list[dict[str, Any]]:
        """Returns the examples: the first ones in the order of the tape, or the largest ones, largest first."""
        if self._sized:
            ordered = sorted(self._sized, key=lambda item: (item[0], item[1]), reverse=True)
            return [example for _, _, example in ordered]
        return self.examples


class Findings:
    """Checks by name, in the order in which they were declared."""

    def __init__(self, *names: str) -> None:
        self.checks = {name: Check() for name in names}

    def __getitem__(self, name: str) -> Check:
        return self.checks[name]

    @property
    def total(self) -> int:
        return sum(check.count for check in self.checks.values())

    def counts(self) -> dict[str, int]:
        """Returns all checks that were made, with their counts."""
        return {name: check.count for name, check in self.checks.items()}

    def examples(self) -> dict[str, list[dict[str, Any]]]:
        """Returns examples of the checks with findings."""
        return {name: check.shown() for name, check in self.checks.items() if check.count}


__all__ = ["EXAMPLES_MAX", "Check", "Findings"]
