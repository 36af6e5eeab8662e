"""The web pages' process under the supervisor: `python -m onetape.dashboard.main`, its options as JSON on standard
input. It prints `ready` and its address when it listens."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop

from onetape import __version__
from onetape.clients.by_hand import ByHand
from onetape.dashboard.access import Session
from onetape.dashboard.actions import Doors
from onetape.dashboard.book import Book
from onetape.dashboard.broadcast import Broadcast, ended
from onetape.dashboard.decisions import Decisions
from onetape.dashboard.hedging import ControlPlane
from onetape.dashboard.market import Market
from onetape.dashboard.options import DASHBOARD, DashboardOptions
from onetape.dashboard.orders import Orders
from onetape.dashboard.overview import first_look
from onetape.dashboard.past import Past
from onetape.dashboard.processes import Processes
from onetape.dashboard.reader import Reader
from onetape.dashboard.server import DashboardServer
from onetape.dashboard.topic import Topic, Topics
from onetape.dashboard.trials import Trials
from onetape.ipc.process import run_process, serve
from onetape.options.control import has_control
from onetape.report.metrics import METRICS
from onetape.security.confine import confine
from onetape.security.tokens import make_token

__all__ = ["Dashboard", "main"]

NICE: Final = 19  # trading has priority: at 5 its p99 latency was nine times as long beside 20 pages, at 19 1.7 times


def _overview(reader: Reader, *_: object) -> Topics:
    async def make(_words: Sequence[str]) -> Any:
        return first_look(await reader.look())

    return {"overview": Topic(make, 0.5)}


GROUPS: Final[tuple[Callable[[Reader, Orders, ControlPlane], Topics], ...]] = (
    _overview,
    lambda reader, orders, _: Market(reader, orders).topics(),
    lambda reader, *_: Processes(reader).topics(),
    lambda reader, *_: Book(reader).topics(),
    lambda _reader, _orders, control: control.topics(),
)


def all_topics(reader: Reader, orders: Orders, control: ControlPlane) -> dict[str, Topic]:
    return {name: topic for group in GROUPS for name, topic in group(reader, orders, control).items()}


class Dashboard:
    """The parts of the process. stopping: set to end it."""

    def __init__(self, options: DashboardOptions) -> None:
        self.stopping = asyncio.Event()
        home, self._config = Path(options.home), options.config
        make_token(home, DASHBOARD)
        self.reader = Reader(DASHBOARD, options.config, home, records=options.records, folder=Path(options.folder))
        self.orders = Orders(options.config, home)
        self.control = ControlPlane(self.reader)
        self.past, self.decisions = Past(home), Decisions(home)
        self.trials = Trials(Path(options.folder), home)
        topics = all_topics(self.reader, self.orders, self.control)
        for each in (self.past, self.decisions, self.trials):
            topics |= each.topics()
        self.broadcast = Broadcast(topics, self.orders)
        by_hand = partial(ByHand, home, options.config, actor=DASHBOARD)
        doors = Doors(self.reader.commands, self.control, self.trials, by_hand)
        self.server = DashboardServer(options, doors, self.broadcast, self._welcome)
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.server.start()
        self._running = asyncio.ensure_future(self.broadcast.run())

    async def close(self) -> None:
        await self.server.stop()
        if self._running is not None:
            await ended(self._running)
        await self.trials.close()
        await self.past.close()
        await self.decisions.close()
        await self.control.close()
        await self.orders.close()
        await self.reader.close()

    def _welcome(self, session: Session) -> dict[str, Any]:
        """Returns facts that do not change while this process runs."""
        config = self._config
        return {
            "version": __version__,
            "now": time.time_ns() // 10**6,
            "session": session.id,
            "read_only": session.read_only,
            "accounts": {name: {"venue": each.venue} for name, each in config.accounts.items()},
            "control": has_control(config),
            "definitions": {each.key: each.hover for each in METRICS if each.note},
        }


def main() -> int:
    return run_process(DashboardOptions, _run)


def _run(options: DashboardOptions) -> None:
    confine()
    os.nice(NICE)

    async def work() -> None:
        await serve(Dashboard(options))

    uvloop.run(work())


if __name__ == "__main__":
    sys.exit(main())
