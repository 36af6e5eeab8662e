"""The process that connects a host to the others: `python -m onetape.cluster.main`, with its options as JSON on
standard input. It prints `ready` at once: servers that are away are waited for."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop

from onetape.cluster.blocks import decode_block
from onetape.cluster.bridge import OF_EACH_HOST, Bridge
from onetape.cluster.bus import Bus
from onetape.cluster.copy import JournalCopy
from onetape.cluster.credentials import Credentials
from onetape.cluster.leases import Leases
from onetape.cluster.mirror import HostMirror
from onetape.cluster.pollers import PollerLeases
from onetape.cluster.view import write_hosts
from onetape.ipc.door import OPERATOR
from onetape.ipc.names import process_of, process_socket, sockets
from onetape.ipc.process import run_process, say, stop_on_signals
from onetape.ipc.scheduling import take_short_slices
from onetape.ipc.server import listen
from onetape.ipc.token_cache import TokenCache
from onetape.model.errors import BadInput, UsageError
from onetape.net.tasks import ended
from onetape.options.cluster import CLUSTER, ClusterOptions
from onetape.security.confine import confine
from onetape.tape.journal import JournalReader
from onetape.tape.wait import JournalWatch, Waiter

__all__ = ["ClusterProcess", "main"]

ANNOUNCE_S: Final = 2.0  # a host is away after 5 s
SHOW_S: Final = 1.0
TICK_S: Final = 0.1
BRIDGE_S: Final = 0.5  # between looks which processes of other hosts take commands
PAUSE_S: Final = 0.002  # of the copies; each wake costs a gateway on the same core some 0.2 ms
STORE_BYTES: Final = 1 << 30
STORE_SINCE_S: Final = 60.0  # what a host sent in this time before it went away is taken from the store


class ClusterProcess:
    """A host's mirror and its connection. `run` returns when `stopping` is set."""

    def __init__(self, options: ClusterOptions) -> None:
        self.options = options
        self.stopping = asyncio.Event()
        self.bus = Bus(
            options.servers,
            name=f"{options.name}:{options.host}",
            root=options.name,
            received=self._received,
            changed=self._changed,
            credentials=Credentials(options.credentials) if options.credentials else None,
            ca=options.ca,
        )
        home = self.home = Path(options.home)
        self._tokens = TokenCache(home)
        self.mirror = HostMirror(options, send=self.bus.send, log=_log)
        self.bridge = Bridge(options.host, home, root=options.name, peers=options.peers, send=self.bus.send, log=_log)
        self.pollers = PollerLeases(options.host, home, root=options.name, send=self.bus.send)
        self.leases = Leases(
            options.host,
            home,
            options.leased,
            self.bus,
            let_go=self.mirror.let_go,
            is_behind=lambda journal: self.mirror.is_behind(journal, time.time_ns()),
            is_lost=lambda process: self.mirror.is_lost(process, time.time_ns()),
            log=_log,
        )
        self._waiter = Waiter()
        self._watched: dict[str, JournalReader] = {}
        self._followed: set[str] = set()
        self._away: set[str] = set()
        self._has_leases = False
        self._logged = ""  # of the servers

    async def run(self, ready: Callable[[], None]) -> None:
        """Runs until stopped. Raises BadConfig where a server refuses the credentials."""
        self._announce()
        ready()
        # Orders wait for a record at another host; otherwise a gateway that writes often is woken up for seldom.
        pause = 0.0 if self.mirror.acknowledged else PAUSE_S
        watch = JournalWatch(self._waiter, self.mirror.publish, asyncio.get_running_loop(), pause_s=pause)
        serving = await listen(process_socket(self.home, CLUSTER), self._answer)
        works = (self.bus.run(), self._connect(), self._tick(watch), serving, self.stopping.wait())
        tasks = [asyncio.ensure_future(each) for each in works]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for error in await ended(tasks):
                if isinstance(error, Exception):
                    raise error
        finally:
            watch.close()
            await self.bridge.close()
            await self.leases.close()
            self.mirror.publish()  # the last frames
            self.mirror.announce(time.time_ns(), is_last=True)
            await self.bus.flush()
            await self.bus.close()
            self.mirror.close()
            self.pollers.close()

    async def _connect(self) -> None:
        await self.bus.connect()
        replicas = min(3, len(self.options.servers))
        await self.bus.keep(bytes_max=STORE_BYTES, replicas=replicas)
        if self.bus.stored:
            _log(f"the servers store no blocks: {self.bus.stored}")
        if self.options.leased:
            await self.bus.open_leases(replicas=replicas)
            self._has_leases = True
        await self._follow()
        self._announce()
        await asyncio.Event().wait()

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "lease":
                return self.leases.answer(request)
            case "move":
                self._tokens.prove(OPERATOR, request.get("token"))
                return self.leases.answer(request)
            case other:
                raise UsageError(f"unknown request {other!r}")

    async def _follow(self) -> None:
        """Subscribe to what hosts say, and to the journals that are copied here."""
        subjects = [*self.mirror.subjects, *self.bridge.subjects, *self.mirror.tapes, self.pollers.subject]
        if self.bus.is_connected and (set(subjects) != self._followed or not self.bus.is_following):
            self._followed = set(subjects)
            await self.bus.follow(subjects)

    def _announce(self) -> None:
        remote = self.bridge.sockets
        own = sorted(process_of(path) for path in sockets(self.home) if path.name not in remote)
        self.mirror.announce(time.time_ns(), own)

    def _remote_processes(self, now: int) -> dict[str, str]:
        """Returns the processes of the same configuration that take commands on other hosts, with their hosts, of
        several the first."""
        there = {
            host: state.processes
            for host in self.options.peers
            if (state := self.mirror.hosts.get(host)) is not None and not self.mirror.is_away(host, now)
        }
        found = {f"{each}:{host}": host for host in there for each in OF_EACH_HOST if each in there[host]}
        for process, hosts in self.options.shared.items():
            for host in hosts:
                if process in there.get(host, ()) and not self.mirror.lacks(host, process):
                    if not self.leases.holds(process):
                        found[process] = host
                    break
        return found

    def _watch(self) -> None:
        """Wake for the journals that others follow, and for no others."""
        followed = self.mirror.followed
        for journal, reader in list(self._watched.items()):
            if followed.get(journal) is not reader:
                self._waiter.remove(self._watched.pop(journal))
        for journal, reader in followed.items():
            if journal not in self._watched:
                self._watched[journal] = reader
                self._waiter.add(reader)

    async def _tick(self, watch: JournalWatch) -> None:
        announced = shown = bridged = 0.0
        while True:
            now = time.monotonic()
            if self.mirror.is_due or now - announced >= ANNOUNCE_S:
                announced = now
                self._announce()
            if now - shown >= SHOW_S:
                shown = now
                self.pollers.tick()
                self._show()
            self._watch()
            watch.look()
            wall = time.time_ns()
            self.mirror.pulse(wall)
            self.mirror.tick(wall)
            if self._has_leases:
                self.leases.tick()
            self.mirror.hidden = self.leases.remote_journals
            await self._follow()
            if now - bridged >= BRIDGE_S:
                bridged = now
                await self.bridge.stand_for(self._remote_processes(wall))
            await self._look_at_hosts()
            await asyncio.sleep(TICK_S)

    def _show(self) -> None:
        server = "connected" if self.bus.is_connected else "no server answers"
        now = time.time_ns()
        rows = self.mirror.rows(now)
        leases = self.leases.shown()
        write_hosts(self.home, rows, now=now, server=server, stored=self.bus.stored, leases=leases)

    async def _look_at_hosts(self) -> None:
        """Take from the store what a host sent last before it went away."""
        now = time.time_ns()
        away = {host for host in self.mirror.hosts if self.mirror.is_away(host, now)}
        for host in away - self._away:
            _log(f"{host} is away")
            since = self.mirror.heard(host) / 1e9 - STORE_SINCE_S
            for (other, journal), copy in self.mirror.copies.items():
                if other == host and self.bus.is_connected:
                    subject = self.mirror.tape_of(host, journal)
                    await self.bus.stored_since(subject, since, partial(_take, copy))
        for host in self._away - away:
            _log(f"{host} is back")
        self._away = away

    def _received(self, subject: str, message: bytes, reply: str) -> None:
        try:
            if not (self.bridge.received(subject, message) or self.pollers.received(subject, message)):
                self.mirror.received(subject, message, reply, time.time_ns())
        except BadInput as error:
            _log(f"{subject}: {error.message}")

    def _changed(self, what: str) -> None:
        if what != self._logged:  # a server that is away is tried four times a second
            self._logged = what
            _log(f"nats: {what or 'connected'}")
        if not what:
            self._announce()


def _take(copy: JournalCopy, message: bytes) -> None:
    copy.block(decode_block(message), time.time_ns())


def _log(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def main() -> int:
    confine()
    return run_process(ClusterOptions, lambda options: uvloop.run(_run(options)))


async def _run(options: ClusterOptions) -> None:
    take_short_slices()
    process = ClusterProcess(options)
    stop_on_signals(process)
    await process.run(partial(say, "ready"))


if __name__ == "__main__":
    sys.exit(main())
