"""What pages are sent: each topic read once for all, states conflated, no event lost."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from onetape.dashboard.broadcast import TOPICS_MAX, Broadcast, Page, ended
from onetape.dashboard.topic import Topic
from onetape.model.errors import BadInput
from waiting import wait_in_loop


class Tape:
    """Events of one account, as Orders has them."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, bytes]] = []

    async def take(self) -> None:
        pass

    def since(self, cursors) -> list[bytes]:
        return [row for at, row in self.rows if at > cursors.get("a", 0)]

    def cursors(self) -> dict[str, int]:
        return {"a": self.rows[-1][0]} if self.rows else {}

    def add(self, count: int) -> None:
        first = len(self.rows) + 1
        self.rows += [(n, b'{"sequence":%d}' % n) for n in range(first, first + count)]


class Slow:
    """A page whose connection takes a message only when it is let."""

    def __init__(self) -> None:
        self.got: list[dict] = []
        self.room = asyncio.Event()
        self.page = Page(self.send)
        self.writing = asyncio.ensure_future(self.page.write())

    async def send(self, text: str) -> None:
        await self.room.wait()
        self.got.append(json.loads(text))

    def topics(self) -> list:
        return [each["data"] for each in self.got if "topic" in each]

    def events(self) -> list[int]:
        return [each["sequence"] for message in self.got for each in message.get("events", ())]


def played(work) -> None:
    async def run() -> None:
        made = SimpleNamespace(count=0, tape=Tape())

        async def count(_words):
            made.count += 1
            return made.count

        async def fails(_words):
            raise BadInput("no such thing")

        made.broadcast = Broadcast({"count": Topic(count, 0.1), "fails": Topic(fails, 0.1)}, made.tape)
        running = asyncio.ensure_future(made.broadcast.run())
        made.pages = [Slow(), Slow()]
        made.broadcast.pages = {each.page for each in made.pages}
        try:
            await work(made)
        finally:
            await ended(running)
            for each in made.pages:
                await ended(each.writing)

    asyncio.run(run())


def test_a_topic_is_read_once_for_all_pages_and_not_while_nobody_looks():
    async def work(made) -> None:
        fast, other = made.pages
        fast.room.set()
        other.room.set()
        await asyncio.sleep(0.3)
        assert made.count == 0
        for each in made.pages:
            made.broadcast.show(each.page, ["count"], {})
        await wait_in_loop(lambda: len(fast.topics()) >= 3 and len(other.topics()) >= 3)
        assert fast.topics()[:3] == other.topics()[:3]
        assert made.broadcast.counts["made"] == made.count

    played(work)


def test_a_slow_page_gets_the_newest_state_and_every_event():
    async def work(made) -> None:
        fast, slow = made.pages
        fast.room.set()
        for each in made.pages:
            made.broadcast.show(each.page, ["count"], {})
        made.tape.add(1000)
        await wait_in_loop(lambda: len(fast.topics()) >= 5 and len(fast.events()) == 1000)
        seen = made.count
        slow.room.set()
        await wait_in_loop(lambda: slow.topics() and len(slow.events()) == 1000)
        assert slow.events() == list(range(1, 1001))
        # One was on its way when it stalled; of the others only the newest was kept.
        assert len([each for each in slow.topics() if each <= seen]) <= 2

    played(work)


def test_a_page_that_comes_back_goes_on_from_its_cursor():
    async def work(made) -> None:
        first, second = made.pages
        first.room.set()
        second.room.set()
        made.tape.add(10)
        made.broadcast.show(first.page, [], {"a": 7})
        await wait_in_loop(lambda: first.events() == [8, 9, 10])
        made.tape.add(2)
        await wait_in_loop(lambda: first.events()[-2:] == [11, 12])
        assert not second.events()  # it has not said where it was

    played(work)


def test_a_topic_that_fails_says_why_and_one_that_is_none_is_refused():
    async def work(made) -> None:
        page = made.pages[0]
        page.room.set()
        made.broadcast.show(page.page, ["fails|x"], {})
        await wait_in_loop(lambda: any(each.get("error") == "no such thing" for each in page.got))
        for names in (["none"], ["count"] * (TOPICS_MAX + 1)):
            with pytest.raises(BadInput):
                made.broadcast.show(page.page, names, {})

    played(work)
