"""A process's socket beside a loop that is no event loop: a thread keeps it, and what is asked is
answered by the loop's own thread, between two of its turns. So an answer may touch whatever the
loop owns, and nothing else does.

A loop that does not come back answers nothing: senders are told `timeout`, and what is past its
deadline is not done when it does come back.
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
    """answer, settle: as `listen` has them, called in the owner's thread by `take`. rang: called
    from the other one when there is something to take; it must return at once. stream: what is
    shown to whoever follows. is_operator: called in the other thread."""

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
        """Raises OSError where the socket cannot be made."""
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
        """Answers all that was asked. Whether there was anything."""
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
        """Shows it to all who follow, and to who will next."""
        if self._stream is not None and self._loop is not None and not self._is_closed:
            self._loop.call_soon_threadsafe(self._stream.show, shown)

    def close(self) -> None:
        """Nobody is answered any more."""
        self._is_closed = True
        while self._calls:
            self._give_up(self._calls.popleft())
        if self._loop is not None and self._serving is not None:
            with suppress(RuntimeError):  # it has ended already
                self._loop.call_soon_threadsafe(self._serving.cancel)
        self._thread.join()
        with suppress(FileNotFoundError):
            self._path.unlink()

    # --- the other thread -------------------------------------------------------------------------

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
        error = ProcessDown("the process ends").as_json()["error"]
        id_ = call.request.get("id")
        call.reply = {"id": id_ if isinstance(id_, str) else "", "status": "refused", "result": None, "error": error}
        call.done.set()
