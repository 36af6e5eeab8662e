"""A socket for a process whose main loop is no event loop: a thread keeps the socket, and the loop's own thread answers
the requests between two of its turns. So answers may use all that the loop owns, and nothing else does.

A loop that hangs answers nothing: senders get `timeout`, and requests past their deadline are not executed when it
continues.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from onetape.ipc.server import NOT_A_REQUEST, Answer, Stream, listen, not_a_request
from onetape.model.errors import ProcessDown

__all__ = ["Beside"]


class _Call:
    __slots__ = ("done", "reply", "request")

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.reply: dict[str, Any] = {}
        self.done = threading.Event()


class Beside:
    """Serves a socket from a thread. answer, settle: as in `listen`, called in the owner's thread by `take`. rang:
    called from the socket's thread when there are requests; it must return at once. stream: shown to followers.
    is_operator: called in the socket's thread."""

    def __init__(
        self,
        path: Path,
        answer: Answer,
        *,
        settle: Callable[[], None] = lambda: None,
        rang: Callable[[], None] = lambda: None,
        stream: Stream | None = None,
        is_operator: Callable[[dict[str, Any]], bool] = lambda request: False,
    ) -> None:
        """Raises OSError if the socket cannot be made."""
        self._path = path
        self._answer, self._settle, self._rang = answer, settle, rang
        self._stream, self._is_operator = stream, is_operator
        self._calls: deque[_Call] = deque()
        self._is_closed = False
        self._began = threading.Event()
        self._failed: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._serve, name="commands", daemon=True)
        self._thread.start()
        self._began.wait()
        if self._failed is not None:
            raise self._failed

    # --- the owner's thread -----------------------------------------------------------------------

    def take(self) -> bool:
        """Answers all requests. Returns whether there were any."""
        if not self._calls:
            return False
        taken = []
        while self._calls:
            call = self._calls.popleft()
            try:
                call.reply = self._answer(call.request)
            except NOT_A_REQUEST as error:
                call.reply = not_a_request(error)
            taken.append(call)
        self._settle()
        for call in taken:
            call.done.set()
        return True

    def show(self, shown: dict[str, Any]) -> None:
        """Shows the state to all current and future followers."""
        if self._stream is not None and self._loop is not None and not self._is_closed:
            self._loop.call_soon_threadsafe(self._stream.show, shown)

    def close(self) -> None:
        """Ends the socket; open requests get no answer."""
        self._is_closed = True
        while self._calls:
            self._give_up(self._calls.popleft())
        if self._loop is not None and self._serving is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._serving.cancel)
        self._thread.join()
        with suppress(FileNotFoundError):
            self._path.unlink()

    # --- the socket's thread ----------------------------------------------------------------------

    def _serve(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            serving: Coroutine[Any, Any, None] = await listen(
                self._path, self._hand_over, stream=self._stream, is_operator=self._is_operator
            )
            self._serving = asyncio.ensure_future(serving)
        except OSError as error:
            self._failed = error
            return
        finally:
            self._began.set()
        await self._serving

    def _hand_over(self, request: dict[str, Any]) -> dict[str, Any]:
        call = _Call(request)
        self._calls.append(call)
        self._rang()
        while not call.done.wait(0.2):
            if self._is_closed:
                self._give_up(call)
        return call.reply

    @staticmethod
    def _give_up(call: _Call) -> None:
        error = ProcessDown("the process is ending").as_json()["error"]
        id_ = call.request.get("id")
        call.reply = {"id": id_ if isinstance(id_, str) else "", "status": "refused", "result": None, "error": error}
        call.done.set()
