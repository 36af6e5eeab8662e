"""A topic that a page may view."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["Topic", "Topics"]


class Topic(NamedTuple):
    """How a topic is read. make: returns the present JSON values, by the words behind the topic's name
    (`market|main|...`); raises an OnetapeError for invalid words. every_s: between two reads, while a page shows it."""

    make: Callable[[Sequence[str]], Awaitable[Any]]
    every_s: float


Topics = Mapping[str, Topic]
