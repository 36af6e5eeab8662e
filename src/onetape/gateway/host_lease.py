"""The lease under which a gateway with a standby trades: only while it holds, no other host trades on the account.

The host's process `cluster` renews it in the servers' store; this gateway asks it, over a local socket, until when.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

from onetape.ipc.connection import Connection
from onetape.ipc.names import process_socket
from onetape.model.errors import NoLease
from onetape.model.sections import CLUSTER
from onetape.model.time import MS, SECOND
from onetape.options.cluster import LEASE_HELD, LEASE_SENDS

__all__ = ["HostLease", "Term"]

REQUEST_EVERY_S: Final = 0.25
ANSWER_WITHIN_NS: Final = SECOND
GRACE: Final = LEASE_SENDS - LEASE_HELD  # from the lease's end until the gateway ends, ns


class Term:
    """Until when a gateway may trade, by the answers that it has. Times are of the monotonic clock, ns."""

    def __init__(self) -> None:
        self.token = 0  # 0: not held yet
        self.until = 0  # nothing may be opened after it

    def answered(self, token: int, left: int, sent: int) -> bool:
        """Takes an answer to a request. token 0: another host has the lease, or nobody knows; left: ns that it held
        when the answer was made. Returns False if a later start of the process has it."""
        if token and self.token not in (0, token):
            return False
        if token and left:  # with nothing left it may have ended long ago
            self.token, self.until = token, max(self.until, sent + left)
        return True

    def late(self, now: int) -> int:
        """Returns how long nothing may be sent any more, 0: it may be."""
        return max(0, now - self.until - GRACE)


class HostLease:
    """Holds a process's lease while it trades. process: `gateway:NAME`."""

    def __init__(self, home: Path, process: str) -> None:
        self._process = process
        self._connection = Connection(process_socket(home, CLUSTER))
        self._term = Term()

    @property
    def token(self) -> int:
        return self._term.token

    @property
    def until_ns(self) -> int:
        """Returns until when something may be opened."""
        return self._term.until

    async def take(self, floor: int, stopping: asyncio.Event) -> bool:
        """Waits for a token above `floor`, the epoch of the journal's last writer. False: it is to stop."""
        while not stopping.is_set():
            await self._ask(floor)
            if self.token:
                return True
            await asyncio.sleep(REQUEST_EVERY_S)
        return False

    async def keep(self) -> None:
        """Renews it. Raises NoLease once a later start of the process has it; `check` for all other ends."""
        while True:
            await asyncio.sleep(REQUEST_EVERY_S)
            await self._ask(self.token - 1)

    def check(self) -> None:
        """Raises NoLease once another host may trade on the account."""
        if late := self._term.late(time.monotonic_ns()):
            ago = (late + GRACE) / SECOND
            raise NoLease(
                f"the lease of {self._process} ended {ago:.1f} s ago: another host may trade on the account",
                todo="see onetape status --all: is a NATS server reachable?",
            )

    async def _ask(self, floor: int) -> None:
        sent = time.monotonic_ns()
        request = {"do": "lease", "process": self._process, "floor": floor}
        try:
            answer = await self._connection.ask(request, time.time_ns() + ANSWER_WITHIN_NS)
            token, left = int(answer["token"]), int(answer["left_ms"]) * MS
        except (OSError, TimeoutError, LookupError):
            return
        if not self._term.answered(token, left, sent):
            raise NoLease(f"{self._process} of a later start holds the lease", todo="this one ends")

    def close(self) -> None:
        self._connection.close()
