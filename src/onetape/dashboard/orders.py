"""Orders and fills of all accounts from their gateways' journals, followed outside the loop: present working orders,
and each event once, by account and sequence, so that pages can resume."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.dashboard.queue import Rests
from onetape.model.enums import EventType, OrderState
from onetape.model.home import gateway_journal
from onetape.model.sections import Config
from onetape.model.time import MS
from onetape.orders.order import Order
from onetape.orders.order_frames import fill_of
from onetape.projections.checkpoint import checkpoint_file
from onetape.projections.followed_account import FollowedAccount
from onetape.tape.journal import Frame
from onetape.tape.payloads import fields

__all__ = ["Orders", "joined"]

KEPT: Final = 2000  # events per account, for pages that resume
FRAMES_BACK: Final = 40 * KEPT  # frames before the checkpoint in which events are searched
WORKING_MAX: Final = 500  # shown at most
_NEWS: Final = fields("order_event", "order_id", "ts_event", "robot")
_RESTING: Final = (OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED)


class Orders:
    """Follows the orders of all accounts: `take` reads new frames. All reading is in a thread of its own, so that a
    long journal blocks nobody."""

    def __init__(self, config: Config, home: Path) -> None:
        self._accounts = {
            name: _Account(name, gateway_journal(home, name), checkpoint_file(home, name)) for name in config.accounts
        }
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="orders")
        self._taking: asyncio.Future[None] | None = None
        self.working: dict[str, list[dict[str, Any]]] = {}  # by account

    async def close(self) -> None:
        if self._taking is not None:
            await asyncio.wait([self._taking])
        self._thread.shutdown()
        for each in self._accounts.values():
            each.close()

    async def take(self) -> None:
        """Reads new frames; one read at a time serves all waiting callers."""
        if self._taking is None or self._taking.done():
            self._taking = asyncio.get_running_loop().run_in_executor(self._thread, self._take)
        await asyncio.shield(self._taking)

    def since(self, cursors: Mapping[str, int]) -> list[bytes]:
        """Returns events after these sequences, each as JSON; for an account without one all kept events."""
        return [
            text
            for name, each in self._accounts.items()
            for sequence, text in list(each.events)
            if sequence > cursors.get(name, 0)
        ]

    def cursors(self) -> dict[str, int]:
        return {name: each.events[-1][0] for name, each in self._accounts.items() if each.events}

    def _take(self) -> None:
        for name, each in self._accounts.items():
            if each.news() or name not in self.working:
                self.working[name] = each.working()


class _Account(FollowedAccount):
    def __init__(self, name: str, path: Path, checkpoint: Path) -> None:
        super().__init__(path, checkpoint)
        self._name = name
        self.events: deque[tuple[int, bytes]] = deque(maxlen=KEPT)
        self._rests: dict[tuple[int, int], Rests] = {}  # by robot and order id

    def news(self) -> bool:
        """Reads new frames; tells whether there were any."""
        return self.take(self._fold, back=FRAMES_BACK)

    def working(self) -> list[dict[str, Any]]:
        view = self.view
        self._rests = {key: each for key, each in self._rests.items() if key in view.working}
        found = []
        for key, each in list(view.working.items())[-WORKING_MAX:]:
            if key not in self._rests:  # it came to rest before the read part
                self._note(key, each, time.time_ns(), time.time_ns())
            row = view.order(each, self._name)
            found.append({**row, "ts_created": row["ts_created"] // MS, "rests": self._rests.get(key)})
        return found

    def _note(self, key: tuple[int, int], row: Order, at: int, stamp: int) -> None:
        if row.state in _RESTING:
            rests = Rests(at, stamp, row.price, row.size)
            self._rests[key] = self._rests[key].moved(rests) if key in self._rests else rests

    def _fold(self, frame: Frame) -> None:
        view = self.view
        if frame.type == EventType.FILL.id:
            view.apply(frame)
            if self._is_late(frame):
                self._keep(frame, self._fill(frame))
        elif frame.type == EventType.ORDER_EVENT.id:
            order_id, stamp, robot = _NEWS.unpack(frame.payload)
            row = view.working.get(key := (robot, order_id))
            view.apply(frame)
            if row is not None and key in view.working:
                self._note(key, row, frame.time, stamp)
            if row is not None and self._is_late(frame):
                self._keep(frame, {"kind": "order", **_order(view.order(row, self._name))})
        else:
            view.apply(frame)

    def _is_late(self, frame: Frame) -> bool:
        """Tells whether a frame may still be among the events: without a checkpoint the whole journal is read."""
        return self._reader is not None and frame.sequence > self._reader.last_sequence - FRAMES_BACK

    def _fill(self, frame: Frame) -> dict[str, Any]:
        fill = fill_of(frame.payload)
        shown = self.view.fill(self.view.streams[frame.stream], fill, self._name)
        return {"kind": "fill", **shown, "ts_event": fill.time // MS}

    def _keep(self, frame: Frame, shown: dict[str, Any]) -> None:
        record = {**shown, "account": self._name, "sequence": frame.sequence, "at": frame.time // MS}
        self.events.append((frame.sequence, msgspec.json.encode(record)))


def _order(row: dict[str, Any]) -> dict[str, Any]:
    names = ("id", "client_id", "symbol", "side", "type", "price", "qty", "filled", "state", "code", "reason", "robot")
    return {name: row[name] for name in names}


def joined(events: Iterable[bytes]) -> str:
    """Returns the message with events for a page."""
    return f'{{"events":[{b",".join(events).decode()}]}}'
