"""The chart of one symbol of an account: bars, depth, trades, and lines of its own orders, entry, stops and
liquidation. Prices come from the same journal as the account's: its gateway's, or the hub's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from onetape.accounts.table import PositionShown
from onetape.dashboard.bars import INTERVALS, TRADES, Bars, Fills, Followed, Trades, base_of
from onetape.dashboard.orders import Orders
from onetape.dashboard.queue import QueueFollowed, Resting
from onetape.dashboard.reader import Reader
from onetape.dashboard.topic import Topic, Topics
from onetape.engine.accounts import at_par
from onetape.model.decimals import decimal_text
from onetape.model.enums import Kind
from onetape.model.errors import BadInput, UnknownSymbol
from onetape.model.home import gateway_journal, hub_journal
from onetape.model.instrument import Instrument
from onetape.model.money import money
from onetape.model.time import MINUTE, MS, SECOND, TIME_MAX

__all__ = ["BARS_MAX", "Market"]

BARS_MAX: Final = 100_000  # per answer
BARS: Final = 600  # initially
S_MAX: Final = TIME_MAX // SECOND
DEPTH: Final = 12  # levels per side
FAR: Final = 5  # a liquidation price beyond this multiple of the price is not shown
KEPT_S: Final = 60.0  # how long bars without viewers are followed
FOLLOWED_MAX: Final = 48  # readers: twelve symbols of three pages
TRADES_BACK: Final = 5 * MINUTE
T = TypeVar("T", bound=Followed)


class Market:
    """Shows the markets of accounts. orders: of all accounts."""

    def __init__(self, reader: Reader, orders: Orders) -> None:
        self._reader, self._orders = reader, orders
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="market")
        self._followed: dict[tuple[str, Path, str, int], Followed] = {}  # the latest used last

    def topics(self) -> Topics:
        return {
            "symbols": Topic(self._symbols, 2.0),
            "market": Topic(self._market, 0.1),
            "quote": Topic(self._market, 1.0),  # for pages with many symbols side by side
            "bars": Topic(self._newest, 0.1),
            "history": Topic(self._history, 5.0),
            "marks": Topic(self._marks, 5.0),
            "trades": Topic(self._recent, 0.2),
            "lines": Topic(self._lines, 0.2),
        }

    async def _symbols(self, _words: Sequence[str]) -> Any:
        """Returns the traded symbols, by account."""
        self._reader.refresh()
        return [
            {
                "account": name,
                "symbol": each.symbol,
                "kind": str(each.kind),
                "settle": each.settle,
                # The key for comparisons: the same base in the same money, whatever the dollar's name.
                "pair": f"{each.base}/{'USD' if at_par(each.quote, 'USD') else each.quote}",
                "price_decimals": each.price_decimals,
                "size_decimals": each.size_decimals,
            }
            for name, tape in self._reader.views.tapes.items()
            for each in tape.instruments.values()
        ]

    def _instrument(self, words: Sequence[str]) -> tuple[str, Instrument]:
        """Raises UnknownSymbol."""
        account, symbol = (*words, "", "")[:2]
        tape = self._reader.views.tapes.get(account)
        found = tape.instruments.get(symbol) if tape is not None else None
        if found is None:
            raise UnknownSymbol(f"{account[:40]} does not trade {symbol[:60]}")
        return account, found

    # --- quote and depth ------------------------------------------------------------------------------

    async def _market(self, words: Sequence[str]) -> Any:
        views = self._reader.refresh()
        account, instrument = self._instrument(words)
        seen = views.seen(account, instrument)
        bids, asks = seen.levels()
        text, size_text = instrument.price_text, instrument.size_text
        age = (views.now - seen.at) // MS if seen.at else None
        return {
            "bids": [(text(price), size_text(size)) for price, size in bids[:DEPTH]],
            "asks": [(text(price), size_text(size)) for price, size in asks[:DEPTH]],
            "mark": text(seen.mark) if seen.mark else None,
            "funding": None if seen.rate is None else seen.rate / 1e12,
            "is_stale": age is None or age > views.market_age // MS,
            "time": seen.at // MS,
            "delay": round(seen.delay / MS, 1),
        }

    # --- bars and trades ------------------------------------------------------------------------------

    async def _newest(self, words: Sequence[str]) -> Any:
        """Returns the last two bars that are completely read; a page that has missed one reads the newest anew."""
        bars, interval = self._bars(words)

        def work() -> dict[str, Any]:
            bars.ahead()
            return {"bars": bars.page(interval, 2)[0]}

        return await self._in_thread(work)

    async def _history(self, words: Sequence[str]) -> Any:
        """Returns whole bars of the mid price, oldest first: (s UTC, open, high, low, close); fewer if they are
        further back than one step: with `more` the caller repeats the call. words: account, symbol, interval, how
        many, before when (s UTC)."""
        bars, interval = self._bars(words)
        count, before = _number(words, 3, "count", 1, BARS_MAX, BARS), _number(words, 4, "before", 0, S_MAX, S_MAX)

        def work() -> dict[str, Any]:
            bars.ahead()
            found, more = bars.page(interval, count, before)
            if len(found) < count:
                bars.back()
                found, more = bars.page(interval, count, before)
            return {"bars": found, "more": more}

        return await self._in_thread(work)

    def _bars(self, words: Sequence[str]) -> tuple[Bars, int]:
        account, instrument = self._instrument(words[:2])
        name = words[2] if len(words) > 2 else "1m"
        if name not in INTERVALS:
            raise BadInput(f"no bars of {name[:10]!r}: {', '.join(INTERVALS)}")
        base = base_of(INTERVALS[name])
        path = self._path(account, instrument)
        return self._kept(("bars", path, instrument.symbol, base), lambda: Bars(path, instrument, base)), INTERVALS[
            name
        ]

    async def _marks(self, words: Sequence[str]) -> Any:
        """Returns own fills as marks on bars, and the last sequence included; `more` instead if they are further
        back than one step. words: account, symbol, interval, from when, before when (s UTC)."""
        account, instrument = self._instrument(words[:2])
        interval = INTERVALS.get(words[2] if len(words) > 2 else "", SECOND)
        since, before = _number(words, 3, "from", 0, S_MAX, 0), _number(words, 4, "before", 0, S_MAX, S_MAX)
        path = gateway_journal(self._reader.home, account)
        fills = self._kept(("fills", path, instrument.symbol, 0), lambda: Fills(path, instrument))

        def work() -> dict[str, Any]:
            is_all = fills.ahead()
            if fills.since > since * SECOND:
                fills.back()
            if not is_all or (fills.since > since * SECOND and not fills.is_whole):
                return {"more": True, "marks": [], "sequence": 0}
            newest = int(fills.rows[-1, 0]) if len(fills.rows) else 0
            return {"more": False, "marks": fills.marks(interval, since, before), "sequence": newest}

        return await self._in_thread(work)

    async def _recent(self, words: Sequence[str]) -> Any:
        account, instrument = self._instrument(words)
        path = self._path(account, instrument)
        trades = self._kept(("trades", path, instrument.symbol, 0), lambda: Trades(path, instrument))

        def work() -> Any:
            trades.ahead()
            if len(trades.rows) < TRADES and trades.since > time.time_ns() - TRADES_BACK:
                trades.back()
            return trades.newest()

        return await self._in_thread(work)

    def _path(self, account: str, instrument: Instrument) -> Path:
        home, views = self._reader.home, self._reader.views
        return hub_journal(home) if views.is_of_hub(account, instrument.symbol) else gateway_journal(home, account)

    def _kept(self, key: tuple[str, Path, str, int], made: Callable[[], T]) -> T:
        """Returns the reader of that name; drops readers without recent viewers, and the oldest beyond the bound."""
        now = time.monotonic()
        found = self._followed.pop(key, None) or made()
        self._followed[key], found.used = found, now
        idle = [name for name, each in self._followed.items() if now - each.used > KEPT_S]
        for name in dict.fromkeys([*idle, *list(self._followed)[:-FOLLOWED_MAX]]):
            self._thread.submit(self._followed.pop(name).close)  # after reads in progress
        return cast(T, found)

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- lines ----------------------------------------------------------------------------------------

    async def _lines(self, words: Sequence[str]) -> Any:
        """Returns the lines drawn over bars: own orders, positions with entry and liquidation, stops."""
        reader = self._reader
        stops, _ = await asyncio.gather(reader.stops(), self._orders.take())
        reader.refresh()
        account, instrument = self._instrument(words)
        held = [each for key, each in reader.views.figures(account).positions.items() if key[0] == instrument.symbol]
        names = ("id", "client_id", "side", "type", "price", "trigger", "qty", "filled", "state", "robot", "tag")
        rows = [row for row in self._orders.working.get(account, ()) if row["symbol"] == instrument.symbol]
        ahead = await self._ahead(account, instrument, rows)
        return {
            "orders": [{**{name: row[name] for name in names}, "ahead": ahead.get(row["client_id"])} for row in rows],
            "positions": [self._position(account, each, instrument) for each in held if each.qty],
            "stops": [
                {name: each[name] for name in ("side", "protected", "levels", "targets")}
                for each in stops or ()
                if (each["account"], each["symbol"]) == (account, instrument.symbol)
            ],
        }

    async def _ahead(self, account: str, instrument: Instrument, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Returns an estimate of the quantity ahead of each resting order, by its client id."""
        config = self._reader.config
        shows_own = config.venues[config.accounts[account].venue].mode != "sim"  # a tape does not contain our orders
        resting = [
            Resting(row["client_id"], row["side"] == "buy", row["rests"], left if shows_own else 0)
            for row in rows
            if row["rests"] is not None and row["type"] == "limit" and not row["trigger"]
            for left in (instrument.size_int(row["remaining"]),)
        ]
        path = self._path(account, instrument)
        queue = self._kept(("queue", path, instrument.symbol, 0), lambda: QueueFollowed(path, instrument))
        found: dict[str, str] = await self._in_thread(lambda: queue.look(resting, time.time_ns()))
        return found

    def _position(self, account: str, held: PositionShown, instrument: Instrument) -> dict[str, Any]:
        price = None if held.price is None else decimal_text(round(money(held.price), instrument.price_decimals))
        return {
            "side": str(held.side),
            "qty": decimal_text(money(held.qty)),
            "entry": decimal_text(round(money(held.entry), instrument.price_decimals)) if held.entry else None,
            "price": price,
            "unrealized": None if held.unrealized is None else decimal_text(round(money(held.unrealized), 8)),
            "realized": decimal_text(round(money(held.realized), 8)),
            "settle": instrument.settle,
            "liquidation": self._liquidation(account, held, instrument),
        }

    def _liquidation(self, account: str, held: PositionShown, instrument: Instrument) -> str | None:
        """Returns the price at which the account's equity would fall to its maintenance margin, all else unchanged;
        None: none near, or unknown."""
        margin = self._reader.views.figures(account).margins.get(instrument.settle)
        if margin is None or margin.equity is None or margin.maintenance is None or held.price is None:
            return None
        size = money(held.qty) * instrument.multiplier
        if not size or instrument.kind is Kind.INVERSE:
            return None
        price = money(held.price) - (money(margin.equity) - money(margin.maintenance)) / size
        is_near = Decimal(0) < price < FAR * money(held.price)
        return decimal_text(round(price, instrument.price_decimals)) if is_near else None


def _number(words: Sequence[str], index: int, name: str, low: int, high: int, default: int) -> int:
    text = words[index] if len(words) > index else ""
    if not text:
        return default
    value = int(text) if text.isdecimal() and len(text) < 12 else -1
    if not low <= value <= high:
        raise BadInput(f"{text[:20]!r} is not from {low} to {high}", location=name)
    return value
