"""What pages may look at, by name: one table, to which each group of topics adds its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from onetape.dashboard.book import Book
from onetape.dashboard.hedging import ControlPlane
from onetape.dashboard.market import Market
from onetape.dashboard.orders import Orders
from onetape.dashboard.overview import first_look
from onetape.dashboard.processes import Processes
from onetape.dashboard.reader import Reader
from onetape.dashboard.topic import Topic, Topics

__all__ = ["GROUPS", "all_topics"]


def _overview(reader: Reader, *_: object) -> Topics:
    async def make(_words: Sequence[str]) -> Any:
        return first_look(await reader.look())

    return {"overview": Topic(make, 0.5)}


GROUPS: Final[tuple[Callable[[Reader, Orders, ControlPlane], Topics], ...]] = (
    _overview,
    lambda reader, orders, _: Market(reader, orders).topics(),
    lambda reader, *_: Processes(reader).topics(),
    lambda reader, *_: Book(reader).topics(),
    lambda _reader, _orders, control: control.topics(),
)


def all_topics(reader: Reader, orders: Orders, control: ControlPlane) -> dict[str, Topic]:
    return {name: topic for group in GROUPS for name, topic in group(reader, orders, control).items()}
