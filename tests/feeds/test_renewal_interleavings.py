"""A connection is replaced by another, however what both bring comes in and wherever that is ended."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onetape.feeds import market_feed
from onetape.feeds.drift_counts import DriftWatch
from onetape.feeds.malformed_counts import Rejects
from onetape.feeds.market_feed import MarketFeed
from onetape.model.instrument import from_symbol
from onetape.tape.journal import JournalReader, JournalWriter
from onetape.venues.contract import Addresses
from onetape.venues.open import open_trading_venue

KIND = "binance-usdm"
INSTRUMENT = from_symbol("binance:S/USDT:USDT", raw_symbol="SUSDT", tick="0.1", lot="0.001")
STEP_S = 0.1
TURNS = 8  # of the loop, in which all tasks that can go on have done so


def trade(number: int) -> bytes:
    row = {"e": "aggTrade", "E": 1, "T": 1795000000000, "s": "SUSDT", "a": number, "p": "1.0", "q": "1", "m": True}
    return msgspec.json.encode(row)


class Socket:
    """Has what the venue said since it was opened, until its reader ends."""

    def __init__(self, take: Callable[[bytes], bool | None]) -> None:
        self.take = take
        self.waiting: list[int] = []
        self.is_open = True

    def bring(self) -> None:
        if self.is_open and self.waiting:
            self.take(trade(self.waiting.pop(0)))


class Venue:
    def __init__(self) -> None:
        self.said = 0
        self.sockets: list[Socket] = []

    async def connected(
        self,
        _url: str,
        _hello: Sequence[bytes],
        take: Callable[[bytes], bool | None],
        opened: Callable[[], None],
        cut: asyncio.Event,
        ping: bytes = b"",
        *,
        egress: object = None,
    ) -> None:
        assert egress is None
        socket = Socket(take)
        self.sockets.append(socket)
        try:
            opened()
            await cut.wait()
        finally:
            socket.is_open = False

    def say(self) -> None:
        self.said += 1
        for socket in self.sockets:
            socket.waiting.append(self.said)


async def pass_by(clock: list[float], seconds: float) -> None:
    """Time passes in steps, and all that waits for it goes on."""
    for _ in range(round(seconds / STEP_S)):
        clock[0] += STEP_S
        for _ in range(TURNS):
            await asyncio.sleep(0)


async def renewed(folder: Path, steps: Sequence[str], drain: Sequence[int], behind: int) -> set[int]:
    """steps: of a renewal, until the feed is stopped. drain: which socket is read in each turn of the loop after it.
    behind: trades of before the renewal that the old connection has not brought when it begins. Gives those of them
    that it never has."""
    venue, clock = Venue(), [0.0]
    said: list[Any] = []
    asyncio.get_running_loop().time = lambda: clock[0]  # type: ignore[method-assign]
    with mock.patch.object(market_feed, "connected", venue.connected), JournalWriter(folder, durable=False) as writer:
        feed = MarketFeed(
            open_trading_venue(KIND, "", "", Addresses("", "ws://127.0.0.1:1", "")),
            [INSTRUMENT],
            writer,
            lambda *_: None,
            said.append,
            DriftWatch(KIND, said.append),
            Rejects(KIND, said.append),
            renew_s=10.0,
        )
        task = asyncio.ensure_future(feed.follow(0, feed.streams()[0]))
        await pass_by(clock, STEP_S)
        venue.say()
        old = venue.sockets[0]
        old.bring()
        for _ in range(behind):
            venue.say()
        await pass_by(clock, 10.0)
        old, new = venue.sockets
        for step in steps:
            match step:
                case "say":
                    venue.say()
                case "old":
                    old.bring()
                case "new" if not old.is_open:
                    for _ in range(len(new.waiting)):
                        new.bring()  # what was held back comes at once
                case "new":
                    new.bring()  # also before the old one has brought what came before it
                case "pass":
                    await pass_by(clock, 0.2)  # all in all less than a connection may stall
        task.cancel()
        for place in drain:
            await asyncio.sleep(0)
            venue.sockets[place].bring()
        with pytest.raises(asyncio.CancelledError):
            await task
        return {number for number in old.waiting if number <= 1 + behind}


def trades(folder: Path) -> list[int]:
    with JournalReader(folder) as reader:
        return [each.data["id_low"] for each in reader if each.type == "trade"]


@given(
    st.lists(st.sampled_from(["say", "old", "new", "pass"]), max_size=60),
    st.lists(st.integers(0, 1), min_size=1, max_size=TURNS),
    st.integers(0, 2),
)
@example(["say"], [0, 1, 0, 1], 0)  # one reads a trade in the turn in which the feed is stopped, and the other too
@example(["say", "old"], [1, 1, 1, 1], 0)
@example(["say", "say", "old", "new", "new", "old", *["pass"] * 30], [1], 1)  # the new one is ahead
@example(["say", "say", "new", "new", *["pass"] * 30, "say", "new"], [1], 0)  # and the old one brings nothing any more
@example(
    ["say", "old", "new", "say", "old", *["pass"] * 30, "say", "new", "new"], [1], 0
)  # it stalls as the old one ends
def test_wherever_a_renewal_is_stopped_each_trade_is_written_once_and_in_order(
    steps: list[str], drain: list[int], behind: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tape = Path(folder) / "tape"
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            missing = runner.run(renewed(tape, steps, drain, behind))
        found = trades(tape)
    assert found == [number for number in range(1, found[-1] + 1) if number not in missing]
