"""Sends the gateway a venue's updates: quotes and trades of its market, orders and fills of the account.

The account's orders and fills are read from lists only. A message of a stream causes the next reading, but its rows are
not used, because they differ between venues and one trade may have two ids. Without streams the lists are read at a
fixed interval. An order that is missing in the list of open orders is queried, so that no end is invented.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final

from onetape.bridge.call_outcome import outcome
from onetape.bridge.rows import number
from onetape.bridge.venue import Venue

__all__ = ["watch_account", "watch_market"]

Send = Callable[[dict[str, Any]], Awaitable[None]]
GAP_S: Final = 0.2  # pause between two readings of one symbol
HINTED_S: Final = 5  # the interval of readings is longer by this factor while a stream works
OVERLAP_MS: Final = 60_000
MISSED_MAX: Final = 5
FAILED_MAX: Final = 5  # failed readings in a row before the account's updates end
RETRY_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)  # then the last
PAGES_MAX: Final = 20  # of trades per reading; the rest follows with the next reading
TRADES_SEEN: Final = 50_000


# --- the account ----------------------------------------------------------------------------------


async def watch_account(venue: Venue, send: Send, *, poll_s: float) -> None:
    """Sends the account's updates until reading fails repeatedly; the last message is then `lost`."""
    looks = {each: asyncio.Event() for each in venue.symbols}

    def hint(symbol: str | None = None) -> None:
        for name in looks if symbol not in looks else (symbol,):
            looks[name].set()

    lookers = [_Look(venue, each, send, looks[each], poll_s) for each in venue.symbols]
    for looker in lookers:
        await looker.once()
    await send({"live": True})
    venue.listeners.append(hint)
    tasks = [asyncio.create_task(looker.follow()) for looker in lookers]
    for has, name in (("watchOrders", "watch_orders"), ("watchMyTrades", "watch_my_trades")):
        if venue.has(has):
            tasks.append(asyncio.create_task(_hints(venue, name, hint, lookers)))
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
    finally:
        venue.listeners.remove(hint)
        for task in tasks:
            task.cancel()


async def _hints(venue: Venue, name: str, hint: Callable[[], None], lookers: list[_Look]) -> None:
    failures = 0
    while True:
        value, error = await outcome(getattr(venue.exchange, name)())
        del value
        hinted = error is None
        for each in lookers:
            each.hinted[name] = hinted
        if hinted:
            failures = 0
            hint()
        else:
            await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
            failures += 1


class _Look:
    """Reads one symbol's orders and trades, and sends the new ones."""

    def __init__(self, venue: Venue, symbol: str, send: Send, due: asyncio.Event, poll_s: float) -> None:
        self.hinted: dict[str, bool] = {}
        self._venue = venue
        self._symbol = symbol
        self._send = send
        self._due = due
        self._poll_s = poll_s
        self._reported: set[str] = set()  # ids of open orders
        self._missed: dict[str, int] = {}  # number of times an open order was not found
        self._seen: OrderedDict[str, None] = OrderedDict()  # ids of trades
        self._since = int(time.time() * 1000)

    async def follow(self) -> None:
        failed = 0
        while True:
            wait = self._poll_s * (HINTED_S if any(self.hinted.values()) else 1)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._due.wait()
            self._due.clear()
            _, error = await outcome(self.once())
            failed = 0 if error is None else failed + 1
            if failed >= FAILED_MAX:
                await self._send({"lost": type(error).__name__})
                return
            await asyncio.sleep(GAP_S if not failed else RETRY_S[min(failed, 3)])

    async def once(self) -> None:
        """Reads and sends once. Trades are sent before orders, so that an order's end follows its fills."""
        working = set(self._venue.open_ids)
        rows = await self._venue.open_orders_of(self._symbol)
        await self._trades()
        there = {row["id"] for row in rows}
        new = [row for row in rows if row["id"] not in self._reported]
        self._reported = there
        gone = [each for each in working - there if self._venue.open_ids.get(each) == self._symbol]
        for each in gone:
            answer = await self._venue.order({"symbol": self._symbol, "id": each, "since": 0})
            row = answer["order"]
            if row is None:
                # New orders may not be visible yet; the gateway queries those that never appear.
                self._missed[each] = self._missed.get(each, 0) + 1
                if self._missed[each] < MISSED_MAX:
                    continue
            elif row["status"] == "open":
                continue
            else:
                new.append(row)
            self._missed.pop(each, None)
            self._venue.open_ids.pop(each, None)
        if new:
            await self._send({"orders": new})

    async def _trades(self) -> None:
        said: dict[str, Any] = {"since": self._since - OVERLAP_MS}
        for _ in range(PAGES_MAX):
            page = await self._venue.fills({**said, "symbol": self._symbol})
            rows = [row for row in page["trades"] if row["id"] not in self._seen]
            for row in rows:
                self._seen[row["id"]] = None
                self._since = max(self._since, row["ms"] or 0)
            if rows:
                await self._send({"trades": rows})
            said = page["cursor"]
            if not said:
                break
        while len(self._seen) > TRADES_SEEN:
            self._seen.popitem(last=False)


# --- the market -----------------------------------------------------------------------------------


async def watch_market(venue: Venue, send: Send) -> None:
    """Sends quotes and trades of all symbols, while there is a subscriber."""
    works: list[Callable[[], Awaitable[None]]] = []
    if venue.has("watchBidsAsks"):
        works.append(lambda: _quotes(venue, send))
    else:
        works += [lambda each=each: _depth(venue, send, each) for each in venue.symbols]  # type: ignore[misc]
    if venue.has("watchTrades"):
        works += [lambda each=each: _trades(venue, send, each) for each in venue.symbols]  # type: ignore[misc]
    tasks = [asyncio.create_task(_forever(each, send)) for each in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for each in tasks:
            each.cancel()


async def _forever(work: Callable[[], Awaitable[None]], send: Send) -> None:
    """Runs `work`; when it fails, runs it again after growing pauses."""
    failures = 0
    while True:
        began = time.monotonic()
        _, error = await outcome(work())
        if isinstance(error, ConnectionError):
            raise error  # the subscriber has left
        failures = 0 if time.monotonic() - began > 10 else failures + 1
        await send({"trouble": type(error).__name__})
        await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])


async def _quotes(venue: Venue, send: Send) -> None:
    while True:
        quotes = await venue.exchange.watch_bids_asks(venue.symbols)
        for symbol, row in quotes.items():
            await _quote(
                send,
                symbol,
                row.get("timestamp"),
                (row.get("bid"), row.get("bidVolume")),
                (row.get("ask"), row.get("askVolume")),
            )


async def _depth(venue: Venue, send: Send, symbol: str) -> None:
    last: tuple[Any, ...] = ()
    while True:
        book = await venue.exchange.watch_order_book(symbol)
        if not book["bids"] or not book["asks"]:
            continue
        top = (tuple(book["bids"][0][:2]), tuple(book["asks"][0][:2]))
        if top != last:
            last = top
            await _quote(send, symbol, book.get("timestamp"), *top)


async def _quote(send: Send, symbol: str, ms: int | None, bid: tuple[Any, Any], ask: tuple[Any, Any]) -> None:
    texts = [number(each) for each in (*bid, *ask)]
    if None not in texts:
        await send({"quote": [symbol, ms, *texts]})


async def _trades(venue: Venue, send: Send, symbol: str) -> None:
    """Sends trades. Some venues begin with past trades, which are skipped."""
    began = int(time.time() * 1000)
    while True:
        for row in await venue.exchange.watch_trades(symbol):
            if (row.get("timestamp") or began) < began:
                continue
            price, amount = number(row.get("price")), number(row.get("amount"))
            if price is not None and amount is not None:
                facts = [symbol, row.get("timestamp"), price, amount, row.get("side")]
                await send({"trade": [*facts, str(row.get("id") or "")]})
