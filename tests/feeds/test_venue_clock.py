"""How often a venue is asked for its time: when the time since the last answer is over, or something is off, and not
before. The venue is a simulated exchange on the loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise

import aiohttp
import pytest

from exchange.venue_client import served
from onetape.feeds import venue_clock
from onetape.feeds.query_line import VenueLine
from onetape.feeds.venue_clock import VenueClock, keep_clock
from onetape.net.tasks import ended
from onetape.orders.calls import Call
from onetape.orders.managed import HealthOut
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue
from waiting import wait_in_loop

NEVER = 10**9  # seconds
LOOKS = 20


class Line(VenueLine):
    """Notes when it asks, by the machine's steady clock. is_away: nobody answers."""

    def __init__(self, port: int, clock: VenueClock) -> None:
        rest = f"http://127.0.0.1:{port}"
        venue = open_trading_venue("binance-usdm", "", "", Addresses(rest, "", ""))
        super().__init__(venue, rest, clock, keeps=False)
        self.requests: list[float] = []
        self.is_away = False

    async def request(self, call: Call) -> tuple[int, dict[str, str], bytes]:
        self.requests.append(time.monotonic())
        if self.is_away:
            raise aiohttp.ClientConnectionError
        return await super().request(call)


class Looked(VenueClock):
    """Counts how often it is looked whether the machine's clock was set. set_by: ns that it is set by next."""

    looks = set_by = 0

    def jumped(self) -> int:
        self.looks += 1
        jump, self.set_by = self.set_by, 0
        return jump


@pytest.fixture
def port():
    with served("binance-usdm", seed=3) as (_, port):
        yield port


def keep(port: int, play: Callable, patch: pytest.MonkeyPatch, **seconds: float) -> list[HealthOut]:
    """Keeps a clock as configured while `play` runs; what is not named is a thousandth of a second."""
    for name in ("ASK_EVERY_S", "QUERY_EVERY_S", "LOOK_EVERY_S"):
        patch.setattr(venue_clock, name, seconds.get(name, 0.001))
    said: list[HealthOut] = []

    async def work() -> None:
        line = Line(port, Looked())
        async with line.open():
            keeper = asyncio.ensure_future(keep_clock(line, said.append))
            try:
                await play(line, line.clock)
            finally:
                await ended([keeper])

    asyncio.run(work())
    return said


async def looked_on(clock: Looked, looks: int = LOOKS) -> None:
    until = clock.looks + looks
    await wait_in_loop(lambda: clock.looks >= until)


def test_a_clock_that_nothing_speaks_against_is_not_asked_for_before_its_time(port, monkeypatch):
    async def play(line: Line, clock: Looked) -> None:
        await looked_on(clock)
        assert line.requests == []  # the process has learned it before
        clock.distrust()
        await wait_in_loop(lambda: clock.readings)
        await looked_on(clock)
        assert len(line.requests) == 1  # an answer is good for as long as the first one was

    assert keep(port, play, monkeypatch, ASK_EVERY_S=NEVER) == []


def test_a_venue_that_does_not_answer_is_asked_anew_after_the_usual_time_and_no_sooner(port, monkeypatch):
    async def play(line: Line, clock: Looked) -> None:
        line.is_away = True
        clock.distrust()
        await wait_in_loop(lambda: line.requests)
        await looked_on(clock)
        assert len(line.requests) == 1 and not clock.readings

    keep(port, play, monkeypatch, ASK_EVERY_S=NEVER)


def test_between_two_questions_lies_the_whole_time_and_then_the_venue_is_asked(port, monkeypatch):
    times: list[float] = []

    async def play(line: Line, clock: Looked) -> None:
        await wait_in_loop(lambda: clock.readings >= 4)
        times.extend(line.requests)

    keep(port, play, monkeypatch, ASK_EVERY_S=0.05)
    assert min(after - before for before, after in pairwise(times)) >= 0.05


def test_a_clock_that_is_always_distrusted_is_asked_for_once_in_a_while(port, monkeypatch):
    times: list[float] = []

    async def play(line: Line, clock: Looked) -> None:
        def distrusts() -> bool:
            clock.distrust()
            return clock.readings >= 4

        await wait_in_loop(distrusts)
        times.extend(line.requests)

    keep(port, play, monkeypatch, ASK_EVERY_S=NEVER, QUERY_EVERY_S=0.05)
    assert min(after - before for before, after in pairwise(times)) >= 0.05


def test_a_clock_of_the_machine_that_was_set_is_said_and_the_venue_asked_at_once(port, monkeypatch):
    async def play(line: Line, clock: Looked) -> None:
        clock.set_by = -3600 * 10**9
        await wait_in_loop(lambda: clock.readings)
        await looked_on(clock)
        assert len(line.requests) == 1

    (said,) = keep(port, play, monkeypatch, ASK_EVERY_S=NEVER)
    assert said.state == "the machine's clock was set by -3600.000 s"


def test_the_usual_times_are_minutes_and_seconds():
    """Both ways: a venue counts requests, and a clock drifts by milliseconds in an hour."""
    assert 60 <= venue_clock.ASK_EVERY_S <= 600
    assert 0.5 <= venue_clock.QUERY_EVERY_S <= 5
    assert venue_clock.LOOK_EVERY_S <= 1
