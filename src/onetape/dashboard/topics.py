"""What pages may look at, by name: one table, to which each group of topics adds its rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from onetape.dashboard.overview import first_look
from onetape.dashboard.reader import Reader

__all__ = ["GROUPS", "Topic", "Topics", "all_topics"]


class Topic(NamedTuple):
    """make: what there is to see now, JSON values, by the words behind the topic's name (`market|main|...`); it raises
    an OnetapeError for words that name nothing. every_s: between two looks, while a page shows it."""

    make: Callable[[Sequence[str]], Awaitable[Any]]
    every_s: float


Topics = Mapping[str, Topic]


def _overview(reader: Reader) -> Topics:
    async def make(_words: Sequence[str]) -> Any:
        return first_look(await reader.look())

    return {"overview": Topic(make, 0.5)}


GROUPS: Final[tuple[Callable[[Reader], Topics], ...]] = (_overview,)


def all_topics(reader: Reader) -> dict[str, Topic]:
    return {name: topic for group in GROUPS for name, topic in group(reader).items()}
