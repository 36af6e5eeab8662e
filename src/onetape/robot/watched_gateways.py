"""Watch what a robot follows: an account without a gateway takes no orders, and a tape may be replaced."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from onetape.engine.robot_commands import AWAY, BACK
from onetape.engine.session import Session
from onetape.model.errors import ProcessDown
from onetape.tape.journal import Frame, JournalReader

__all__ = ["WatchedGateways"]

LOOK_S: Final = 0.5  # interval of checking its gateway's journal
GATEWAY_GONE_S: Final = 60.0  # by then the supervisor has given the gateway up, or is about to


class WatchedGateways:
    """Watches a robot's gateways. With several, one that is away takes no orders until its tape says that it trades:
    its orders are denied at once, and the other accounts go on trading."""

    def __init__(self, session: Session) -> None:
        self._session = session
        live = session.plan.live
        assert live is not None
        self._accounts = [seat.account for seat in live.seats]
        self._away: dict[int, float] = {}  # since when it is away, by number
        self._news: dict[int, JournalReader] = {}  # denied ones, when there are several
        self._looked = time.monotonic()

    def look(self) -> None:
        """Raises ProcessDown when all stay away, or when a followed journal is no longer the gateway's."""
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
            raise ProcessDown("the gateway of the robot has ended", location="the robot's loop")
        if now - self._looked > LOOK_S:
            self._looked = now
            for source in self._session.sources:  # of the hub of another host, too, which may take the place of one
                if source.reader.is_gone:
                    raise ProcessDown("the journal was deleted or replaced", location=str(source.reader.path))

    def _note(self, number: int, reader: JournalReader) -> None:
        fields = {"account": self._accounts[number], "gateway": number}
        if (news := self._news.get(number)) is None:
            if number in self._away:
                self._news[number] = news = JournalReader(reader.path)
                news.seek_sequence(news.last_sequence + 1)  # its last run's state must not count
                self._session.ask(AWAY, fields)
        elif number not in self._away and any(_says_live(frame) for frame in news.frames(("health",))):
            self._news.pop(number).close()
            self._session.ask(BACK, fields)


def _says_live(frame: Frame) -> bool:
    record = msgspec.msgpack.decode(frame.payload)
    return (record["kind"], record["state"]) == ("account stream", "live")
