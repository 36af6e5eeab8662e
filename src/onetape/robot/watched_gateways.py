"""Whether a robot's gateways are there: an account that is away takes no orders."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from onetape.engine.robot_commands import AWAY, BACK
from onetape.engine.session import Session
from onetape.model.errors import ProcessDown
from onetape.tape.journal import Frame, JournalReader

__all__ = ["WatchedGateways"]

LOOK_S: Final = 0.5  # whether its gateway's journal is where it was
GATEWAY_GONE_S: Final = 60.0  # the supervisor has given it up by then, or is about to


class WatchedGateways:
    """Looks whether a robot's gateways are there. Where it has several, one that is away takes no orders until its
    tape says that it trades: they are denied at once, and the other accounts are traded on."""

    def __init__(self, session: Session) -> None:
        self._session = session
        live = session.plan.live
        assert live is not None
        self._accounts = [seat.account for seat in live.seats]
        self._away: dict[int, float] = {}  # since when, by number
        self._news: dict[int, JournalReader] = {}  # of those of several that are away
        self._looked = time.monotonic()

    def look(self) -> None:
        """Raises ProcessDown where all stay away; also when a journal that it follows is not the gateway's any more."""
        now = time.monotonic()
        readers = [source.reader for source in self._session.sources[: len(self._accounts)]]
        for number, reader in enumerate(readers):
            if reader.core.writer_alive:
                self._away.pop(number, None)
            elif number not in self._away:
                self._away[number] = now
            if len(readers) > 1:
                self._note(number, reader)
        if len(self._away) == len(readers) and now - max(self._away.values()) > GATEWAY_GONE_S:
            raise ProcessDown("its gateway is gone", location="the robot's loop")
        if now - self._looked > LOOK_S:
            self._looked = now
            for reader in readers:
                if reader.is_gone:
                    raise ProcessDown(
                        "its gateway's journal was deleted, or another one is in its place", location=str(reader.path)
                    )

    def _note(self, number: int, reader: JournalReader) -> None:
        fields = {"account": self._accounts[number], "gateway": number}
        if (news := self._news.get(number)) is None:
            if number in self._away:
                self._news[number] = news = JournalReader(reader.path)
                news.seek_sequence(news.last_sequence + 1)  # not what it has said of its last run
                self._session.ask(AWAY, fields)
        elif number not in self._away and any(_says_live(frame) for frame in news.frames(("health",))):
            self._news.pop(number).close()
            self._session.ask(BACK, fields)


def _says_live(frame: Frame) -> bool:
    record = msgspec.msgpack.decode(frame.payload)
    return (record["kind"], record["state"]) == ("account stream", "live")
