"""The account's stream over a real socket: when it is there, when it is gone, who is told."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import picows
import pytest

from onetape.feeds.malformed_counts import Rejects
from onetape.gateway.account_feed import AccountFeed
from onetape.model.errors import VenueRejected
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import StreamReport, VenueReport
from onetape.security.redaction import Redactor
from onetape.venues.contract import AccountStreamDefaults
from waiting import PATIENCE_S


class Server(picows.WSListener):
    """Says what it is to say, and waits or closes."""

    def __init__(self, words: list[bytes], *, closes: bool) -> None:
        self.words, self.closes = words, closes

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        for word in self.words:
            transport.send(picows.WSMsgType.TEXT, word)
        if self.closes:
            transport.send_close()
            transport.disconnect()

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.TEXT and frame.get_payload_as_bytes() == b"and?":
            transport.send(picows.WSMsgType.TEXT, b"live")


class Stream(AccountStreamDefaults):
    """Live from the word `live` on, broken by `gap`."""

    def __init__(self, url: str) -> None:
        self.url, self.is_live, self.broken = url, False, ""

    def reports_of(self, message: bytes) -> list[VenueReport]:
        if message == b"nonsense":
            raise ValueError(message)
        self.is_live = self.is_live or message == b"live"
        self.broken = "a gap" if message == b"gap" else ""
        return [StreamReport(message.decode())]


class Asking(Stream):
    """Says `and?` once it has heard `go`, to be told `live`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asks = False

    def reports_of(self, message: bytes) -> list[VenueReport]:
        self.asks = message == b"go"
        return super().reports_of(message)

    def due(self) -> list[bytes]:
        return [b"and?"] if self.asks else []


class Deaf(Stream):
    """Is never live."""

    def reports_of(self, message: bytes) -> list[VenueReport]:
        return [StreamReport(message.decode())]


async def follow(
    words: list[bytes],
    until: str,
    *,
    closes: bool = False,
    answers: list[Answer] | None = None,
    kinds: tuple[type[Stream], ...] = (Stream,),
) -> list[str]:
    """What the feed says until it says the last of it so often as `until` has words. kinds: of its connections."""
    said: list[str] = []
    done = asyncio.Event()

    def say(word: str) -> None:
        said.append(word)
        if said.count(until.split()[0]) >= len(until.split()):
            done.set()

    server = await picows.ws_create_server(lambda _: Server(words, closes=closes), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    left = list(answers or [])

    async def ask(call: object) -> Answer:
        return left.pop(0) if left else Answer(Outcome.DONE, value="key")

    venue = SimpleNamespace(
        stream_key=lambda now, keep=False: None,
        keep_key_s=0,
        account_streams=lambda key: [kind(f"ws://127.0.0.1:{port}/") for kind in kinds],
    )
    line = SimpleNamespace(
        venue=venue, ask=ask, clock=SimpleNamespace(now=lambda: 0), hide=Redactor(), rest="r", pace=None, egress=None
    )
    feed = AccountFeed(
        line,
        hear=lambda reported: [say(each.what) for each in reported],
        came=lambda: say("came"),
        went=lambda: say("went"),
        watch=SimpleNamespace(account=lambda message: None),
        rejects=Rejects("v", lambda out: say(out.kind)),
    )
    task = asyncio.ensure_future(feed.follow())
    try:
        await asyncio.wait(
            {asyncio.ensure_future(done.wait()), task}, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED
        )
        if task.done():
            task.result()
        return said
    finally:
        task.cancel()
        server.close()


def test_a_stream_is_there_once_it_is_live_and_what_it_tells_is_heard():
    assert asyncio.run(follow([b"one", b"live", b"two"], "two")) == ["one", "live", "came", "two"]


def test_the_end_of_a_stream_is_said_each_time_once():
    said = asyncio.run(follow([b"live"], "went went", closes=True))
    assert said == ["live", "came", "went"] * 2


def test_one_that_has_missed_something_is_left_and_made_again():
    said = asyncio.run(follow([b"live", b"gap"], "went"))
    assert said == ["live", "gap", "came", "went"] or said == ["live", "came", "gap", "went"]


def test_what_cannot_be_read_ends_the_connection_which_is_made_again():
    said = asyncio.run(follow([b"live", b"nonsense"], "went went"))
    assert said == ["live", "came", "malformed", "went", "live", "came", "went"]


def test_one_that_never_was_live_never_went():
    said = asyncio.run(follow([b"one"], "one one", closes=True))
    assert "went" not in said


def test_an_account_that_is_refused_from_the_first_is_not_asked_again_and_again():
    refused = Answer(Outcome.DEFINITIVE, text="wrong key")
    with pytest.raises(VenueRejected, match="wrong key"):
        asyncio.run(follow([], "came", answers=[refused, refused]))


def test_a_refusal_after_it_has_told_may_be_the_venue_s_bad_hour():
    answers = [Answer(Outcome.DONE, value="key"), Answer(Outcome.DEFINITIVE, text="later")]
    said = asyncio.run(follow([b"live"], "went went", closes=True, answers=answers))
    assert said == ["live", "came", "went"] * 2


def test_what_a_venue_must_be_told_after_a_message_is_sent_then():
    assert asyncio.run(follow([b"go"], "came", kinds=(Asking,))) == ["go", "live", "came"]


def test_a_stream_of_two_connections_is_there_once_both_are_live_and_gone_with_either():
    said = asyncio.run(follow([b"go"], "came", kinds=(Asking, Asking)))
    assert said.count("live") == 2 and said[-1] == "came"
    assert asyncio.run(follow([b"live"], "went", closes=True, kinds=(Stream, Stream))).count("came") == 1
    assert asyncio.run(follow([b"live"], "live live", kinds=(Stream, Deaf))) == ["live", "live"]
