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
from onetape.model.time import SECOND
from onetape.options.cluster import LEASE_HELD, LEASE_SENDS

__all__ = ["HostLease"]

REQUEST_EVERY_S: Final = 0.25
ANSWER_WITHIN_NS: Final = SECOND
GRACE: Final = LEASE_SENDS - LEASE_HELD  # from the lease's end until the gateway ends, ns


class HostLease:
    """process: `gateway:NAME`. Times are of the monotonic clock."""

    def __init__(self, home: Path, process: str) -> None:
        self._process = process
        self._connection = Connection(process_socket(home, CLUSTER))
        self.token = 0  # 0: not held yet
        self.until_ns = 0  # nothing may be opened after it

    async def take(self, floor: int, stopping: asyncio.Event) -> bool:
        """Waits for a token above `floor`, the epoch of the journal's last writer. False: it is to stop."""
        while not stopping.is_set():
            token, until = await self._ask(floor)
            if token:
                self.token, self.until_ns = token, until
                return True
            await asyncio.sleep(REQUEST_EVERY_S)
        return False

    async def keep(self) -> None:
        """Renews it until it is lost. Raises NoLease then: nothing may be sent to the venue any more."""
        while True:
            await asyncio.sleep(REQUEST_EVERY_S)
            token, until = await self._ask(self.token - 1)
            if token and token != self.token:
                raise NoLease(f"{self._process} of another start holds the lease", todo="this one ends")
            self.until_ns = max(self.until_ns, until)
            self.check()

    def check(self) -> None:
        """Raises NoLease once another host may trade on the account."""
        late = time.monotonic_ns() - self.until_ns
        if late > GRACE:
            raise NoLease(
                f"the lease of {self._process} ended {late / SECOND:.1f} s ago: another host may trade on the account",
                todo="see onetape status --all: is a NATS server reachable?",
            )

    async def _ask(self, floor: int) -> tuple[int, int]:
        """Returns the token and until when nothing is opened elsewhere; (0, 0): there is no answer."""
        sent = time.monotonic_ns()
        try:
            request = {"do": "lease", "process": self._process, "floor": floor}
            answer = await self._connection.ask(request, time.time_ns() + ANSWER_WITHIN_NS)
            return int(answer["token"]), sent + int(answer["left_ms"]) * (SECOND // 1000)
        except (OSError, TimeoutError, LookupError):
            return 0, 0

    def close(self) -> None:
        self._connection.close()
