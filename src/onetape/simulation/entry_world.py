"""A gateway world whose orders go over a kept-open WebSocket.

What is on one connection stays in its order; the connection may be cut before a request arrives,
after it, or while answers are on their way, and our side learns of it later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onetape.exchange.dialect import Connection
from onetape.orders.calls import Call
from onetape.simulation.gateway_life import Home
from onetape.simulation.world import MS, SECOND, World
from onetape.venues.order_entry import EntrySession


class EntryWorld(World):
    """`World(...)` with an order line."""

    session: EntrySession | None = None
    socket: Connection | None = None
    key_call: Call | None = None
    lines = 0  # that were begun
    there = back = 0  # when the last message arrives, each way

    def begin_gateway(self, home: Home, **options: Any) -> None:
        super().begin_gateway(home, **options)
        self.protocol.signs_late = True
        if self.socket is not None:
            self.dialect.disconnect(self.socket)
        self.session = self.socket = self.key_call = None
        self.begin_line(0)

    # --- the connection ---------------------------------------------------------------------------

    def begin_line(self, wait: int) -> None:
        self.lines += 1
        self.at(self.now + wait, self.open_entry, self.lines)

    def open_entry(self, line: int) -> None:
        if line != self.lines:
            return  # of an earlier life
        self.key_call = self.venue.entry_key(self.now)
        if self.key_call is None:
            self.connect_entry("")
        else:
            self.leave(self.key_call)

    def connect_entry(self, key: str) -> None:
        path = self.venue.entry_url or "/v2"
        socket = Connection(1_000_000 + self.count, path, "", "127.0.0.1", self.now)
        is_refused = self.key_call is not None and not key
        if is_refused or not self.dialect.connect(socket, self.now):
            self.begin_line(SECOND)
            return
        self.socket, self.session = socket, EntrySession(self.venue.entry_dialect(key))
        self.there = self.back = self.now
        for message in self.session.opened(self.now):
            self.speak(message)

    def cut_line(self) -> None:
        """The venue's side is gone now, ours learns of it later."""
        if self.socket is None:
            return
        self.seen["line cut"] += 1
        self.dialect.disconnect(self.socket)
        self.socket = None
        wait = int(self.random.uniform(0.01, 3) * SECOND)
        self.at(self.now + wait, self.lose, self.session)

    def lose(self, session: EntrySession) -> None:
        if session is not self.session:
            return  # who held it was killed meanwhile
        self.session = None
        for call, answer in session.closed():
            self.take(call, answer)
        self.begin_line(int(self.random.uniform(0.2, 3) * SECOND))

    # --- there ------------------------------------------------------------------------------------

    def leave(self, call: Call) -> None:
        message = self.session.send(call, self.now) if self.session is not None else None
        if message is not None:
            self.seen["over the line"] += 1
            self.seen[call.purpose.value] += 1
            self.speak(message)
        else:
            super().leave(self.protocol.signed(call, self.now))

    def speak(self, message: bytes) -> None:
        if self.socket is None:
            return  # nobody is there any more, and nobody here knows
        self.there = max(self.there + MS, self.now + self.way())
        self.at(self.there, self.reach, self.socket, message)

    def reach(self, socket: Connection, message: bytes) -> None:
        if socket is not self.socket:
            return
        if self.chance("lose_request"):
            self.cut_line()
            return
        self.dialect.message(socket, message, self.now)
        if self.chance("lose_answer"):
            self.cut_line()

    # --- back -------------------------------------------------------------------------------------

    def venue_step(self) -> None:
        super().venue_step()
        if self.socket is None:
            return
        out, self.socket.out = self.socket.out, []
        for message in out:
            if not isinstance(message, bytes):
                self.cut_line()
                return
            self.back = max(self.back + 1, self.now + self.way())
            self.at(self.back, self.read, self.session, message)

    def read(self, session: EntrySession, message: bytes) -> None:
        if session is not self.session or session.broken:
            return
        for call, answer in session.take(message, self.now):
            self.take(call, answer)
        if session.broken:
            self.cut_line()

    def gateway_step(self) -> None:
        super().gateway_step()  # what was decided before goes out before
        if self.session is not None:
            late = self.session.late(self.now)
            for call, answer in late:
                self.take(call, answer)
            if late:
                super().gateway_step()

    def answer(self, call: Call, status: int, headers: Mapping[str, str], body: bytes) -> None:
        if call is not self.key_call:
            super().answer(call, status, headers, body)
        elif self.is_waited_for(call):
            received = {name.lower(): value for name, value in headers.items()}
            self.connect_entry(self.protocol.answer(call, status, received, body, self.now).value)

    def lost(self, call: Call) -> None:
        if call is not self.key_call:
            super().lost(call)
        elif self.is_waited_for(call):
            self.begin_line(SECOND)
