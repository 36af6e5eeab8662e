"""Sources of prices: the hub's sources, and gateways' own feeds of symbols without a hub; and the selected one."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec.structs import replace

from onetape.figures.views import Views
from onetape.ipc.system import IPCCommandSystem
from onetape.model.errors import BY_CODE, BadInput, MarketDataUnavailable, NotAvailable, OnetapeError
from onetape.model.near import did_you_mean
from onetape.model.sections import HUB
from onetape.model.time import MS
from onetape.options.hub import has_hub
from onetape.web.control_models import Failover, FailoverReply, Feed, FeedsReply, FeedState

__all__ = ["Market", "feed_of_gateway"]

FAILOVER: Final = "failover"  # type of the record
AUTO: Final = "auto"  # name instead of a feed: the freshest one
ANSWER_WITHIN_S: Final = 5.0
WATCH_EVERY_S: Final = 1.0
KEPT_MAX: Final = 10  # at most so many records of failovers in as many minutes, then only the last one
FAILING: Final = 5  # a feed outside the hub fails after so many times the maximum age of a price
_STATES: Final[tuple[FeedState, ...]] = ("healthy", "degraded", "failing")

Rows = Sequence[Mapping[str, Any]]


def feed_of_gateway(account: str) -> str:
    return f"{account}:ws"


class Market:
    """The states of the feeds, and the source of prices. moved: called when the source changes, so that deltas are
    checked; keep: writes a record of the change, which `restore` reads after a restart."""

    def __init__(self, views: Views, commands: IPCCommandSystem) -> None:
        self._views, self._commands = views, commands
        self.keep: Callable[[dict[str, Any]], object] = lambda _record: None
        self.moved: Callable[[], None] = lambda: None
        self._unkept: dict[str, Any] | None = None
        self._kept: deque[float] = deque(maxlen=KEPT_MAX)  # times of records, s
        self._failures: Counter[str] = Counter()  # feed -> number of failures
        self._failing: set[str] = set()
        self.active: str | None = None  # the last known source
        self.last_failover: int | None = None  # ms UTC

    def restore(self, records: Iterable[Mapping[str, Any]]) -> None:
        for record in records:
            if record.get("kind") == FAILOVER:
                self.last_failover = record["at"]

    async def feeds(self) -> FeedsReply:
        """Returns the state of each feed, and the one that most prices come from. Raises MarketDataUnavailable if
        the hub does not answer."""
        views = self._views
        views.refresh()
        feeds, active = [self._own(account) for account in views.accounts() if views.has_own_market(account)], None
        if has_hub(views.config):
            rows = await self._rows()
            feeds, active = [*_of_hub(rows, views.now), *feeds], _most_taken(rows)
        else:
            active = next((each.feed_id for state in _STATES for each in feeds if each.status == state), None)
        self._taken_from(active)
        return FeedsReply(feeds=self._counted(feeds), active_feed=active, last_failover=self.last_failover)

    def _counted(self, feeds: Sequence[Feed]) -> list[Feed]:
        """Returns feeds with our failure counts added to their errors, as a silent feed reports none itself."""
        failing = {each.feed_id for each in feeds if each.status == "failing"}
        self._failures.update(failing - self._failing)
        self._failing = failing
        return [replace(each, error_count=each.error_count + self._failures[each.feed_id]) for each in feeds]

    def _taken_from(self, active: str | None) -> None:
        before = self.active
        if active is not None and active != before:
            self.active = active
        if before not in (None, self.active):  # the first source replaces none
            self.last_failover = time.time_ns() // MS
            self._unkept = {"kind": FAILOVER, "previous": before, "active": active, "at": self.last_failover}
            self.moved()
        now = time.monotonic()
        if self._unkept is not None and (len(self._kept) < KEPT_MAX or now - self._kept[0] >= 60 * KEPT_MAX):
            with suppress(OnetapeError, OSError):  # the next check writes it again
                self.keep(self._unkept)
                self._unkept = None
                self._kept.append(now)

    async def failover(self, request: Failover, operation: str = "") -> FailoverReply:
        """Pin all symbols of a source to it, until another source or `auto` is named. Raises BadInput for an unknown
        source, MarketDataUnavailable for a failing one; nothing has changed then."""
        before = await self.feeds()
        target = request.target_feed
        is_auto = target == AUTO and has_hub(self._views.config)
        found = next((each for each in before.feeds if each.feed_id == target), None)
        if found is None and not is_auto:
            names = [each.feed_id for each in before.feeds]
            todo = did_you_mean(target, names) or f"there are {', '.join(names) or 'none'}"
            raise BadInput(f"no feed {target[:80]!r}", location="targetFeed", todo=todo)
        if found is not None and found.status == "failing":
            raise MarketDataUnavailable(f"{target} is failing", location="targetFeed", todo="name a feed that works")
        if is_auto or target in self._views.config.collectors:
            await self._pin(target, operation)
        elif target != before.active_feed:
            words = f"{target} prices one account, and no other feed does"
            raise NotAvailable(words, location="targetFeed", todo="add [hub] and a [collectors.NAME] for each source")
        after = before.active_feed if is_auto else target
        self._taken_from(after)
        return FailoverReply(
            success=True,
            operation_id=operation,
            timestamp=time.time_ns() // MS,
            previous_feed=before.active_feed,
            active_feed=after,
        )

    async def watch(self) -> None:
        """Watch for changes of the source and report them; never returns."""
        while True:
            with suppress(OnetapeError):
                await self.feeds()
            await asyncio.sleep(WATCH_EVERY_S)

    async def _rows(self) -> Rows:
        answer = await self._commands.send_command(HUB, "status", {}, timeout=ANSWER_WITHIN_S)
        if answer.error is not None:
            raise MarketDataUnavailable(f"the hub: {answer.error['message']}", location=HUB, todo="onetape status")
        rows: Rows = answer.result["feeds"]
        traded = {symbol for tape in self._views.tapes.values() for symbol in tape.instruments}
        return [row for row in rows if row["symbol"] in traded] or rows

    async def _pin(self, source: str, operation: str) -> None:
        """Pins symbols to a source. Each symbol's command has an id of its own, so that a repeated call changes
        nothing."""
        rows = await self._rows()
        symbols = [row["symbol"] for row in rows if source in (AUTO, row["source"])]
        for symbol in dict.fromkeys(symbols):
            fields = {"symbol": symbol, "source": source}
            id_ = f"{operation} {symbol}" if operation else None
            answer = await self._commands.send_command(HUB, "pin", fields, timeout=ANSWER_WITHIN_S, command_id=id_)
            if answer.error is not None:
                raise BY_CODE[answer.error["code"]](answer.error["message"])

    def _own(self, account: str) -> Feed:
        """Returns the state of a gateway's own feed, judged by its newest price."""
        views, tape = self._views, self._views.tapes[account]
        newest = max(tape.seen.values(), key=lambda each: each.at, default=None)
        age = views.now - newest.at if newest is not None else FAILING * views.market_age + 1
        is_down = views.figures(account).why.startswith("its gateway")
        state = 2 if is_down or age > FAILING * views.market_age else int(age > views.market_age)
        return Feed(
            feed_id=feed_of_gateway(account),
            status=_STATES[state],
            latency=round(newest.delay / MS, 3) if newest is not None else None,
            last_update=newest.at // MS if newest is not None else 0,
            error_count=tape.errors,
        )


def _of_hub(rows: Rows, now: int) -> list[Feed]:
    """Returns each source with the worst state and the largest delay of its symbols."""
    by: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by.setdefault(row["source"], []).append(row)
    found = []
    for source, own in by.items():
        ages = [row["age_ms"] for row in own if row["age_ms"] is not None]
        late = [row["latency_ms"] for row in own if row["latency_ms"] is not None]
        found.append(
            Feed(
                feed_id=source,
                status=_STATES[max(_STATES.index(row["state"]) for row in own)],
                latency=max(late, default=None),
                last_update=max(int(now / MS - min(ages)), 0) if ages else 0,
                error_count=max(row["errors"] for row in own),
            )
        )
    return found


def _most_taken(rows: Rows) -> str | None:
    """Returns the pinned source, else the source of most current values; None without sources."""
    shares: dict[str, float] = {}
    for row in rows:
        share = 2.0 if row["pinned"] else row["share"] if row["state"] != "failing" else 0.0
        shares[row["source"]] = shares.get(row["source"], 0.0) + share
    best = max(shares, key=lambda each: shares[each], default=None)
    return best if best is not None and shares[best] else None
