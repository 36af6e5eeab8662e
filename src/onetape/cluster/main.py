"""The process that connects a host to the others: `python -m onetape.cluster.main`, with its options as JSON on
standard input. It prints `ready` when a server was reached."""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial
from pathlib import Path
from typing import Final

import uvloop

from onetape.cluster.blocks import decode_block
from onetape.cluster.bus import Bus
from onetape.cluster.mirror import HostMirror
from onetape.ipc.process import run_process, say, stop_on_signals
from onetape.model.errors import BadInput
from onetape.options.cluster import ClusterOptions
from onetape.tape.journal import JournalReader
from onetape.tape.wait import JournalWatch, Waiter

__all__ = ["Mirroring", "main"]

ANNOUNCE_S: Final = 1.0
TICK_S: Final = 0.1
STORE_BYTES: Final = 1 << 30


class Mirroring:
    """A host's mirror and its connection. `run` returns when `stopping` is set."""

    def __init__(self, options: ClusterOptions) -> None:
        self.options = options
        self.stopping = asyncio.Event()
        self.bus = Bus(
            options.servers,
            name=f"{options.root}:{options.host}",
            root=options.root,
            received=self._received,
            changed=self._changed,
            credentials=options.credentials,
        )
        self.mirror = HostMirror(
            options.host,
            Path(options.home),
            send=self.bus.send,
            follows=options.follows,
            root=options.root,
            durable=options.durable,
            log=self._log,
        )
        self._waiter = Waiter()
        self._watched: dict[str, JournalReader] = {}
        self._followed: set[str] = set()
        self._away: set[str] = set()

    async def run(self, ready: partial[None]) -> None:
        await self.bus.connect()
        await self.bus.keep(bytes_max=STORE_BYTES, replicas=min(3, len(self.options.servers)))
        if self.bus.stored:
            self._log(f"the servers store no blocks: {self.bus.stored}")
        await self.bus.follow(self.mirror.subjects)
        self._announce()
        watch = JournalWatch(self._waiter, self.mirror.publish, asyncio.get_running_loop())
        tasks = [asyncio.ensure_future(each) for each in (self.bus.run(), self._tick(watch), self.stopping.wait())]
        ready()
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            watch.close()
            for each in tasks:
                each.cancel()
            await self.bus.close()
            self.mirror.close()

    def _announce(self) -> None:
        self.mirror.announce(time.time_ns())

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
        announced = 0.0
        while True:
            if (now := time.monotonic()) - announced >= ANNOUNCE_S:
                announced = now
                self._announce()
            self._watch()
            watch.look()
            self.mirror.tick(time.time_ns())
            await self._look_at_hosts()
            await asyncio.sleep(TICK_S)

    async def _look_at_hosts(self) -> None:
        """Follow the journals of hosts that have come; take from the store what a host that has gone sent last."""
        tapes = set(self.mirror.tapes)
        if tapes != self._followed:
            self._followed = tapes
            await self.bus.follow([*self.mirror.subjects, *tapes])
        now = time.time_ns()
        away = {host for host in self.mirror.hosts if self.mirror.is_away(host, now)}
        for host in away - self._away:
            self._log(f"{host} is away")
            for (other, journal), copy in self.mirror.copies.items():
                if other == host:
                    subject = self.mirror.tape_of(host, journal)
                    take = partial(self._stored, copy)
                    await self.bus.stored_since(subject, self.mirror.heard(host) / 1e9 - 60, take)
        for host in self._away - away:
            self._log(f"{host} is back")
        self._away = away

    def _stored(self, copy: object, message: bytes) -> None:
        copy.block(decode_block(message), time.time_ns())  # type: ignore[attr-defined]

    def _received(self, subject: str, message: bytes, reply: str) -> None:
        try:
            self.mirror.received(subject, message, reply, time.time_ns())
        except BadInput as error:
            self._log(f"{subject}: {error.message}")

    def _changed(self, what: str) -> None:
        self._log(f"nats: {what or 'connected'}")
        if not what:
            self._announce()

    def _log(self, text: str) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def main() -> int:
    return run_process(ClusterOptions, lambda options: uvloop.run(_mirror(options)))


async def _mirror(options: ClusterOptions) -> None:
    mirroring = Mirroring(options)
    stop_on_signals(mirroring)
    await mirroring.run(partial(say, "ready"))


if __name__ == "__main__":
    sys.exit(main())
