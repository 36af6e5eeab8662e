"""The socket of a process: one line of JSON in, one line of answer out.

Only processes of the same user are served. A line has at most 64 kB and must be complete within ten seconds, and at
most 64 requests of one sender wait; further requests are refused at once, and a sender of many more is disconnected. A
sender silent for a minute is disconnected, and if all places are taken, the one silent for longest. A few more places
are reserved for the operator, who proves it with the first line.

In one turn of the event loop each sender gets one answer, and one call of `settle` covers them all: a flooding sender
only delays itself, and the process continues its other work.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from onetape.ipc.local_socket import bound
from onetape.model.errors import InvariantViolation, OnetapeError, PermissionDenied, RateLimited, UsageError
from onetape.security.private import private_folder

__all__ = [
    "FOLLOW",
    "LINE_BYTES_MAX",
    "NOT_A_REQUEST",
    "RESERVED",
    "SENDERS_MAX",
    "WAITING_MAX",
    "Answer",
    "Stream",
    "listen",
    "not_a_request",
]

LINE_BYTES_MAX: Final = 1 << 16
WAITING_MAX: Final = 64
SENDERS_MAX: Final = 256
RESERVED: Final = 16  # additional places for the operator
IDLE_S: Final = 60.0  # longest time without a request; a follower of the stream may be silent
PROVEN_WITHIN_S: Final = 2.0  # time to prove, on a place reserved for the operator
WHOLE_WITHIN_S: Final = 10.0
LINGER_S: Final = 1.0  # wait before a refused sender is disconnected
TURN_MAX: Final = 16  # answers per turn of the loop
FOLLOW: Final = "follow_snapshots"
_PEER: Final = struct.Struct("3i")  # pid, uid, gid

# Errors that a request of a foreign process may cause in an answer.
NOT_A_REQUEST: Final = (
    msgspec.MsgspecError,
    LookupError,
    TypeError,
    ValueError,
    ArithmeticError,
    RecursionError,
    OSError,
    OnetapeError,
)
Answer = Callable[[dict[str, Any]], dict[str, Any]]
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
_encode = msgspec.json.encode


class Stream:
    """The state that a process shows, completely each time. A follower (`{"do": "follow_snapshots"}`) gets the last one
    at once and every next one as a line of its own. A slow reader misses some, and the next one is complete again:
    nothing piles up.

    Of the server's thread alone.
    """

    def __init__(self) -> None:
        self._followers: set[_Sender] = set()
        self._last = b""

    def show(self, shown: dict[str, Any]) -> None:
        self._last = _encode({"snapshot": shown})
        for each in self._followers:
            each.show(self._last)

    def follow(self, sender: _Sender) -> bytes:
        """Adds a follower; returns the last state, b"": there is none yet."""
        self._followers.add(sender)
        sender.is_following = True
        return self._last

    def leave(self, sender: _Sender) -> None:
        self._followers.discard(sender)


async def listen(
    path: Path,
    answer: Answer,
    settle: Callable[[], None] = lambda: None,
    stream: Stream | None = None,
    *,
    is_operator: Callable[[dict[str, Any]], bool] = lambda request: False,
) -> Coroutine[Any, Any, None]:
    """Opens the socket; returns the coroutine that serves it. settle: called once before answers leave. is_operator:
    tells whether a request proves that it is the operator's."""
    private_folder(path.parent)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    table = _Table(answer, settle, stream, is_operator)
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(lambda: _Sender(table), sock=bound(path))
    path.chmod(0o600)

    async def serve() -> None:
        """Serves until cancelled, or until an answer raises."""
        looking = asyncio.ensure_future(_hang_up_on_the_silent(table))
        try:
            await table.serve()
        finally:
            looking.cancel()
            server.close()
            table.close()

    return serve()


async def _hang_up_on_the_silent(table: _Table) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(IDLE_S / 4)
        table.hang_up(loop.time() - IDLE_S)


class _Table:
    """Keeps all senders, and the order of their turns."""

    def __init__(
        self,
        answer: Answer,
        settle: Callable[[], None],
        stream: Stream | None,
        is_operator: Callable[[dict[str, Any]], bool],
    ) -> None:
        self.answer = answer
        self.settle = settle
        self.stream = stream
        self.is_operator = is_operator
        # In the order of silence, the longest first.
        self.senders: dict[_Sender, None] = {}
        self._is_closed = False
        self._waiting: deque[_Sender] = deque()
        self._wanted: asyncio.Future[None] | None = None  # while no sender waits

    def enter(self, sender: _Sender) -> None:
        """Adds a sender, disconnecting the one silent for longest if all places are taken. The sender is refused if
        none is free, and must prove to be the operator on a reserved place. One that was accepted while the server
        ended is disconnected, because nobody would answer it."""
        if self._is_closed:
            sender.close()
            return
        if len(self.senders) >= SENDERS_MAX:
            silent = next((each for each in self.senders if each.is_silent), None)
            if silent is not None:
                silent.close()
        if len(self.senders) >= SENDERS_MAX + RESERVED:
            sender.refuse(RateLimited(f"more than {SENDERS_MAX} senders at a time"))
            return
        if len(self.senders) >= SENDERS_MAX:
            sender.has_to_prove(PROVEN_WITHIN_S)
        self.senders[sender] = None

    def heard(self, sender: _Sender) -> None:
        """Moves a sender to the end of the order of silence."""
        if self.senders.pop(sender, sender) is None:
            self.senders[sender] = None

    def hang_up(self, before: float) -> None:
        """Disconnects senders that are silent since that time."""
        for each in [each for each in self.senders if each.is_silent and each.heard_at < before]:
            each.close()

    def wants(self, sender: _Sender) -> None:
        self._waiting.append(sender)
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    async def serve(self) -> None:
        """Answers turn by turn, until cancelled or an answer raises."""
        loop = asyncio.get_running_loop()
        while True:
            if self._waiting:
                await asyncio.sleep(0)  # lets the process do its other work
            else:
                self._wanted = loop.create_future()
                await self._wanted
            self._turn()

    def _turn(self) -> None:
        replies: list[tuple[_Sender, bytes]] = []
        for _ in range(min(TURN_MAX, len(self._waiting))):
            sender = self._waiting.popleft()
            if sender.lines and not sender.is_closed:
                replies.append((sender, self._reply_to(sender, sender.lines.popleft())))
        self.settle()
        for sender, line in replies:
            sender.tell(line)
            sender.go_on()

    def _reply_to(self, sender: _Sender, line: bytes) -> bytes:
        try:
            request = _decode(line)
            if sender.is_unproven:
                if not self.is_operator(request):
                    sender.refuse(RateLimited(f"more than {SENDERS_MAX} senders at a time"))
                    return b""
                sender.is_unproven = False
            if self.stream is not None and request["do"] == FOLLOW:
                return self.stream.follow(sender)
            return _encode(self.answer(request))
        except NOT_A_REQUEST as error:
            return _encode(not_a_request(error))

    def close(self) -> None:
        self._is_closed = True
        for sender in list(self.senders):
            sender.close()


class _Sender(asyncio.Protocol):
    def __init__(self, table: _Table) -> None:
        self.lines: deque[bytes] = deque()  # at most WAITING_MAX
        self.is_closed = False
        self._table = table
        self._transport: asyncio.Transport | None = None
        self._part = bytearray()  # of an incomplete line
        self._late: asyncio.TimerHandle | None = None
        self.heard_at = 0.0  # by the loop's clock
        self.is_unproven = False  # on a place for the operator
        self.is_following = False
        self._is_due = False  # a turn was requested
        self._is_slow = False  # it does not read its answers

    # --- the connection ---------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.heard_at = asyncio.get_running_loop().time()
        if not _is_own(self._transport.get_extra_info("socket")):
            self.refuse(PermissionDenied("another user's process"))
        else:
            self._table.enter(self)

    def has_to_prove(self, within_s: float) -> None:
        """Requires the operator's token in the first line."""
        self.is_unproven = True
        asyncio.get_running_loop().call_later(within_s, self._not_proven)

    def _not_proven(self) -> None:
        if self.is_unproven and not self.is_closed:
            self.refuse(RateLimited(f"more than {SENDERS_MAX} senders at a time"))

    @property
    def is_silent(self) -> bool:
        """Tells whether it waits for no answer and follows nothing, or does not read its answers."""
        return self._is_slow or not (self.lines or self._is_due or self.is_following)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self._table.senders.pop(self, None)
        if self._table.stream is not None:
            self._table.stream.leave(self)
        self._not_late()

    def pause_writing(self) -> None:
        self._is_slow = True
        self.heard_at = asyncio.get_running_loop().time()
        if self._transport is not None and not self.is_closed:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_slow = False
        if self._transport is not None and not self.is_closed:
            self._transport.resume_reading()
        self.go_on()

    def close(self) -> None:
        self.is_closed = True
        self._table.senders.pop(self, None)
        self._not_late()
        if self._transport is not None:
            self._transport.close()

    # --- lines ------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        if self.is_closed:
            return
        self.heard_at = asyncio.get_running_loop().time()
        self._table.heard(self)
        self._part += data
        *lines, rest = self._part.split(b"\n")
        self._part = rest
        if len(self.lines) + len(lines) > 2 * WAITING_MAX:
            self.refuse(RateLimited(f"more than {WAITING_MAX} requests wait"))
            return
        for line in lines:
            if len(line) > LINE_BYTES_MAX:
                self.refuse(_too_long())
                return
            if len(self.lines) < WAITING_MAX:
                self.lines.append(bytes(line))
            else:
                self._too_many(bytes(line))
        if len(rest) > LINE_BYTES_MAX:
            self.refuse(_too_long())
            return
        if not rest or lines:
            self._not_late()
        if rest and self._late is None:
            loop = asyncio.get_running_loop()
            self._late = loop.call_later(WHOLE_WITHIN_S, self._give_up)
        self.go_on()

    def go_on(self) -> None:
        """Requests a turn if there is something to answer, and the sender reads."""
        if self.lines and not (self._is_due or self._is_slow or self.is_closed):
            self._is_due = True
            self._table.wants(self)

    def tell(self, line: bytes) -> None:
        self._is_due = False
        self.heard_at = asyncio.get_running_loop().time()
        if line:
            self._write(line)

    def show(self, line: bytes) -> None:
        """Sends a line without a request; dropped if the sender does not read."""
        if not self._is_slow:
            self._write(line)

    def _write(self, line: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(line + b"\n")

    def _too_many(self, line: bytes) -> None:
        """Refuses a request at once, before those that wait."""
        try:
            id_ = str(_decode(line).get("id", ""))
        except (msgspec.MsgspecError, ValueError, RecursionError):
            id_ = ""
        error = RateLimited(f"more than {WAITING_MAX} requests wait", todo="await answers")
        reply = {"id": id_, "status": "refused", "result": None, **error.as_json()}
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_encode(reply) + b"\n")

    def refuse(self, error: OnetapeError) -> None:
        """Refuses and disconnects: the sending side at once, the receiving side a little later, because closing a
        socket with unread data discards its last answers."""
        self.is_closed = True
        self._not_late()
        self._table.senders.pop(self, None)
        if self._transport is not None and not self._transport.is_closing():
            reply = {"id": "", "status": "refused", "result": None, **error.as_json()}
            self._transport.write(_encode(reply) + b"\n")
            self._transport.write_eof()
            asyncio.get_running_loop().call_later(LINGER_S, self._transport.close)

    def _give_up(self) -> None:
        self.refuse(UsageError(f"a line was not complete within {WHOLE_WITHIN_S:g} s"))

    def _not_late(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def not_a_request(error: Exception) -> dict[str, Any]:
    """Returns the answer to a request that cannot be carried out. Raises InvariantViolation, which is not the sender's
    fault."""
    if isinstance(error, InvariantViolation):
        raise error
    if isinstance(error, OnetapeError):
        return {"error": str(error)}
    return {"error": f"not a request: {type(error).__name__}"}


def _too_long() -> OnetapeError:
    return UsageError(f"a line has at most {LINE_BYTES_MAX} bytes")


def _is_own(peer: Any) -> bool:
    """Tells whether the process at the other end is of our user. If the system does not report it (macOS), the folder's
    mode keeps others out."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return True
    _, uid, _ = _PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, option, _PEER.size))
    return bool(uid == os.getuid())
