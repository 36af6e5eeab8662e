"""What a page may look at."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["Topic", "Topics"]


class Topic(NamedTuple):
    """Says how a topic is read. make: what there is to see now, JSON values, by the words behind the topic's name
    (`market|main|...`); it raises an OnetapeError for words that name nothing. every_s: between two looks, while a page
    shows it."""

    make: Callable[[Sequence[str]], Awaitable[Any]]
    every_s: float


Topics = Mapping[str, Topic]
