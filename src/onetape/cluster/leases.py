"""The leases of a host's processes: kept in the servers' store, asked for by processes over a local socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.cluster.blocks import token
from onetape.cluster.bus import Bus
from onetape.cluster.lease import Lease, LeaseRecord, LeaseWrite
from onetape.cluster.links import show_copy
from onetape.ipc.fence import Fence
from onetape.model.errors import OnetapeError, UsageError
from onetape.model.home import file_of, hosts_of
from onetape.model.time import MS
from onetape.model.typed import from_json
from onetape.tape.durable import sync_folder
from onetape.tape.journal import last_written

__all__ = ["Leases"]

READ_EVERY: Final = 500 * MS
OTHER_HOST: Final = "another host"  # holds the account's lock here while its gateway may run elsewhere


class Leases:
    """Holds the leases of `leased`: processes, and whether they belong to this host. let_go: called with host and
    journal before the copy becomes the journal that continues here. is_behind: tells whether a host that is there has
    frames of a journal that are not copied yet. is_lost: tells whether all hosts of a process are there, and none has
    its journal."""

    def __init__(
        self,
        host: str,
        home: Path,
        leased: Mapping[str, bool],
        bus: Bus,
        *,
        let_go: Callable[[str, str], None],
        is_behind: Callable[[str], bool],
        is_lost: Callable[[str], bool],
        log: Callable[[str], object],
    ) -> None:
        self.host, self.home = host, home
        self._bus, self._let_go, self._log = bus, let_go, log
        self._is_behind, self._is_lost = is_behind, is_lost
        now = time.monotonic_ns()
        self.of = {process: Lease(host, is_first=is_first, now=now) for process, is_first in leased.items()}
        self._fences = {process: Fence(home, process.partition(":")[2], holder=OTHER_HOST) for process in leased}
        self._read_at = dict.fromkeys(leased, 0)
        self._in_place: set[str] = set()  # ours, and their journals can be continued here
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def holds(self, process: str) -> bool:
        """Returns True for a process that this host runs, or may run soon."""
        return process in self.of and self.of[process].holder == self.host

    @property
    def remote_journals(self) -> frozenset[str]:
        """Returns the journals of leased processes that this host does not continue."""
        return frozenset(f"journal/{file_of(process)}" for process in self.of if process not in self._in_place)

    def shown(self) -> dict[str, dict[str, Any]]:
        """Returns {process: {host, to, token}} of the leases that are known. host: the one that may run it, "": none
        yet."""
        return {
            process: {
                "host": lease.holder if lease.holder != self.host or process in self._in_place else "",
                "to": lease.goes_to,
                "token": lease.record.token if lease.record is not None else 0,
            }
            for process, lease in self.of.items()
            if lease.is_read
        }

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answers a process that asks for its lease with {token left_ms}, and the operator who moves one with {process
        from to lease}. Raises UsageError."""
        process = str(request["process"])
        lease = self.of.get(process)
        if lease is None:
            raise UsageError(f"{process[:80]} has no standby", todo='write standby = "HOST" into its [accounts.NAME]')
        if request["do"] == "lease":
            now = time.monotonic_ns()
            number, until = lease.requested(now, int(request["floor"]))
            return {"token": number, "left_ms": max(0, until - now) // MS}
        if lease.holder != self.host or lease.record is None:
            raise UsageError(f"{process} runs on {lease.holder or 'no host'}", todo="ask there")
        lease.move(str(request["to"]))
        return {"process": process, "from": self.host, "to": str(request["to"]), "lease": lease.record.token}

    def tick(self) -> None:
        """Called ten times a second: reads and writes what is due, and keeps journals and locks in their places."""
        now = time.monotonic_ns()
        for process, lease in self.of.items():
            self._place(process, lease)
            if not self._bus.is_connected or process in self._tasks:
                continue
            if (write := lease.tick(now)) is not None:
                self._begin(process, self._write(process, lease, write))
            elif lease.holder != self.host and now - self._read_at[process] > READ_EVERY:
                self._begin(process, self._read(process, lease))

    async def close(self) -> None:
        """Releases what this host holds, after its processes have ended: another host need not wait."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for process, lease in self.of.items():
            if self._bus.is_connected and (write := lease.release()) is not None and self._fences[process].take():
                await self._bus.write_lease(token(process), msgspec.json.encode(write.record), write.revision)

    # --- the store -----------------------------------------------------------------------------------

    def _begin(self, process: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[process] = asyncio.ensure_future(work)
        task.add_done_callback(lambda _: self._tasks.pop(process, None))

    async def _read(self, process: str, lease: Lease) -> None:
        self._read_at[process] = time.monotonic_ns()
        found = await self._bus.read_lease(token(process))
        if found is not None:
            content, revision = found
            lease.seen(from_json(content, LeaseRecord) if content else None, revision, time.monotonic_ns())
            if lease.holder != self.host:
                self._look(process, lease)

    async def _write(self, process: str, lease: Lease, write: LeaseWrite) -> None:
        before = lease.holder
        revision = await self._bus.write_lease(token(process), msgspec.json.encode(write.record), write.revision)
        if revision == 0:
            lease.refused()
            await self._read(process, lease)
        elif revision is not None:  # else there was no answer: whether it was written shows later
            lease.written(revision, time.monotonic_ns())
        if lease.holder != before:
            self._log(f"{process}: the lease goes from {before or 'no host'} to {lease.holder or 'no host'}")

    # --- journals and locks --------------------------------------------------------------------------

    def _look(self, process: str, lease: Lease) -> None:
        """Looks whether this host could run a process that another one runs."""
        if self._newest(process) is not None:
            lease.can_take = not self._is_behind(f"journal/{file_of(process)}")
        else:
            lease.can_take = lease.record is None or (lease.is_first and self._is_lost(process))
        if lease.holder and self._fences[process].is_held:
            self._set_aside(process, lease.holder)

    def _place(self, process: str, lease: Lease) -> None:
        """Lets the process run here, or keeps the account's lock against it."""
        if lease.holder != self.host:
            self._in_place.discard(process)
            if lease.is_read:
                self._fences[process].take()
        elif lease.goes_to:
            if self._fences[process].take():  # the process has ended
                lease.ended()
        elif process not in self._in_place:
            try:
                self._bring_in(process)
            except (OSError, OnetapeError) as error:
                self._log(f"{process}: its journal cannot be brought here: {error}")
                return
            self._fences[process].release()
            self._in_place.add(process)

    def _newest(self, process: str) -> Path | None:
        """Returns the copy or journal of a process with the newest writer, None: there is none."""
        name = file_of(process)
        own = self.home / "journal" / name
        paths = [*([] if own.is_symlink() else [own]), *hosts_of(self.home).glob(f"*/journal/{name}")]
        ages = {path: age for path in paths if (age := _age(path)) > (0, 0)}
        return max(ages, key=lambda path: ages[path], default=None)

    def _bring_in(self, process: str) -> None:
        """Makes the newest journal of a process the one that it continues here."""
        own, newest = self.home / "journal" / file_of(process), self._newest(process)
        if newest is None or newest == own:
            return
        self._let_go(newest.parent.parent.name, f"journal/{own.name}")
        if own.is_symlink():
            own.unlink()
        elif own.exists():
            _put_aside(own)
        own.parent.mkdir(mode=0o700, exist_ok=True)
        newest.rename(own)
        sync_folder(own.parent)

    def _set_aside(self, process: str, holder: str) -> None:
        """Puts our journal aside once the holder's copy has a newer writer: readers here then see the copy."""
        own = self.home / "journal" / file_of(process)
        copy = hosts_of(self.home) / token(holder) / "journal" / own.name
        if not own.is_symlink() and own.exists() and _age(copy)[0] > _age(own)[0]:
            _put_aside(own)
            show_copy(own, copy)


def _age(journal: Path) -> tuple[int, int]:
    """Returns (epoch, last sequence) of a journal, (0, 0): there are no frames, or none can be read."""
    try:
        return last_written(journal)
    except OnetapeError:
        return 0, 0


def _put_aside(journal: Path) -> None:
    journal.rename(journal.with_name(f"{journal.name}.until-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"))
