"""What a chart shows of one symbol of an account: bars, depth, trades, and the lines of its own orders, entry, stops
and liquidation. Prices come from the journal that the account's own prices come from: its gateway's, or the hub's.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from onetape.accounts.table import PositionShown
from onetape.dashboard.orders import Orders
from onetape.dashboard.reader import Reader
from onetape.dashboard.topic import Topic, Topics
from onetape.engine.accounts import at_par
from onetape.gateway.options import gateway_journal
from onetape.hub.options import hub_journal
from onetape.model.decimals import decimal_text
from onetape.model.enums import Kind
from onetape.model.errors import BadInput, OnetapeError, UnknownSymbol
from onetape.model.instrument import Instrument
from onetape.model.money import money
from onetape.model.time import DAY, HOUR, MINUTE, SECOND, TIME_MAX
from onetape.tape.journal import JournalReader
from onetape.tape.segments import is_tape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BARS_MAX", "INTERVALS", "SIDES", "Market", "bars_until", "instrument_from"]

INTERVALS: Final = {"1s": SECOND, "5s": 5 * SECOND, "1m": MINUTE, "5m": 5 * MINUTE, "1h": HOUR, "1d": DAY}
BARS_MAX: Final = 100_000
BARS: Final = 600  # to begin with
DEPTH: Final = 12  # levels of each side
TRADES: Final = 40
FAR: Final = 5  # times the price: no liquidation is near
KEPT_S: Final = 60.0  # that bars nobody looks at are followed on
_MS: Final = 10**6
SIDES: Final = ("", "buy", "sell")


class Market:
    """orders: of all accounts."""

    def __init__(self, reader: Reader, orders: Orders) -> None:
        self._reader, self._orders = reader, orders
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="market")
        self._bars: dict[tuple[str, str, str], _Bars] = {}
        self._trades: dict[tuple[str, str], _Trades] = {}

    def topics(self) -> Topics:
        return {
            "symbols": Topic(self._symbols, 2.0),
            "market": Topic(self._market, 0.1),
            "quote": Topic(self._market, 1.0),  # where many stand side by side
            "bars": Topic(self._newest, 0.1),
            "history": Topic(self._history, 5.0),
            "trades": Topic(self._recent, 0.2),
            "lines": Topic(self._lines, 0.2),
        }

    async def _symbols(self, _words: Sequence[str]) -> Any:
        """Returns what is traded, by account."""
        self._reader.refresh()
        return [
            {
                "account": name,
                "symbol": each.symbol,
                "kind": str(each.kind),
                "settle": each.settle,
                # What can be set beside it: the same thing for the same money, whatever a dollar is called.
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
        age = (views.now - seen.at) // _MS if seen.at else None
        return {
            "bids": [(text(price), size_text(size)) for price, size in bids[:DEPTH]],
            "asks": [(text(price), size_text(size)) for price, size in asks[:DEPTH]],
            "mark": text(seen.mark) if seen.mark else None,
            "funding": None if seen.rate is None else seen.rate / 1e12,
            "is_stale": age is None or age > views.market_age // _MS,
            "time": seen.at // _MS,
            "delay": round(seen.delay / _MS, 1),
        }

    # --- bars and trades ------------------------------------------------------------------------------

    async def _newest(self, words: Sequence[str]) -> Any:
        """Returns the last two bars: a page that has missed one reads them all anew."""
        bars = await self._followed(words)
        return {"bars": bars.newest(2), "first": bars.first}

    async def _history(self, words: Sequence[str]) -> Any:
        """Returns bars of the middle of the market, oldest first: (s UTC, open, high, low, close). words: account,
        symbol, interval, how many."""
        wanted = words[3] if len(words) > 3 else str(BARS)
        count = int(wanted) if wanted.isdecimal() and len(wanted) < 8 else 0
        if not 1 <= count <= BARS_MAX:
            raise BadInput(f"there are 1 to {BARS_MAX} bars", location="count")
        bars = await self._followed(words, count)
        return {"bars": bars.newest(count)}

    async def _followed(self, words: Sequence[str], count: int = BARS) -> _Bars:
        account, instrument = self._instrument(words[:2])
        interval = words[2] if len(words) > 2 else "1m"
        if interval not in INTERVALS:
            raise BadInput(f"no bars of {interval[:10]!r}: {', '.join(INTERVALS)}")
        key = account, instrument.symbol, interval
        for gone in [each for each, bars in self._bars.items() if time.monotonic() - bars.used > KEPT_S]:
            self._bars.pop(gone).close()
        bars = self._bars.get(key)
        if bars is None or bars.count < count:
            shorter = bars
            bars = self._bars[key] = _Bars(self._path(account, instrument), instrument, INTERVALS[interval], count)
            if shorter is not None:
                await self._in_thread(shorter.close)  # behind what reads it
        bars.used = time.monotonic()
        await self._in_thread(bars.take)
        return bars

    async def _recent(self, words: Sequence[str]) -> Any:
        account, instrument = self._instrument(words)
        key = account, instrument.symbol
        trades = self._trades.get(key)
        if trades is None:
            self._trades.clear()  # one symbol is looked at, as a rule
            trades = self._trades[key] = _Trades(self._path(account, instrument), instrument)
        return await self._in_thread(trades.take)

    def _path(self, account: str, instrument: Instrument) -> Path:
        home, views = self._reader.home, self._reader.views
        return hub_journal(home) if views.is_of_hub(account, instrument.symbol) else gateway_journal(home, account)

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- lines ----------------------------------------------------------------------------------------

    async def _lines(self, words: Sequence[str]) -> Any:
        """Returns what is drawn over bars: own orders, positions with entry and liquidation, stops."""
        reader = self._reader
        stops, _ = await asyncio.gather(reader.stops(), self._orders.take())
        reader.refresh()
        account, instrument = self._instrument(words)
        held = [each for key, each in reader.views.figures(account).positions.items() if key[0] == instrument.symbol]
        names = ("id", "client_id", "side", "type", "price", "trigger", "qty", "filled", "state", "robot", "tag")
        return {
            "orders": [
                {name: row[name] for name in names}
                for row in self._orders.working.get(account, ())
                if row["symbol"] == instrument.symbol
            ],
            "positions": [self._position(account, each, instrument) for each in held if each.qty],
            "stops": [
                {"side": each["side"], "protected": each["protected"], "levels": each["levels"]}
                for each in stops or ()
                if (each["account"], each["symbol"]) == (account, instrument.symbol)
            ],
        }

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
        """Returns the price at which the account's equity would meet what it has to keep, all else unchanged; None:
        there is none near, or nobody knows."""
        margin = self._reader.views.figures(account).margins.get(instrument.settle)
        if margin is None or margin.equity is None or margin.maintenance is None or held.price is None:
            return None
        size = money(held.qty) * instrument.multiplier
        if not size or instrument.kind is Kind.INVERSE:
            return None
        price = money(held.price) - (money(margin.equity) - money(margin.maintenance)) / size
        is_near = Decimal(0) < price < FAR * money(held.price)
        return decimal_text(round(price, instrument.price_decimals)) if is_near else None


def bars_until(path: Path, symbol: str, interval: str, until: int, count: int) -> list[tuple[float, ...]]:
    """Returns a tape's bars as `history` does, up to a moment, ns UTC: nothing of what came after it."""
    with JournalReader(path) as reader:
        reader.seek_time(until)
        facts = next((each for each in reader.instruments.values() if each["symbol"] == symbol), None)
    if facts is None:
        return []
    bars = _Bars(path, instrument_from(facts), INTERVALS[interval], count, until)
    bars.take()
    bars.close()
    return bars.newest(count)


def instrument_from(facts: Mapping[str, Any]) -> Instrument:
    """Returns an instrument of what a journal's reader has of it."""
    return Instrument.from_msgpack(msgspec.msgpack.encode(facts))


class _Followed:
    """A journal's rows of one instrument, from a time on, and up to one."""

    def __init__(self, path: Path, instrument: Instrument, since: int, until: int = TIME_MAX) -> None:
        self._path, self.instrument, self._since, self._until = path, instrument, since, until
        self._reader: JournalReader | None = None
        self._stream: int | None = None

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def parts(self, event: str) -> Iterator[NDArray[np.void]]:
        """Gives new rows, some ten thousand at a time; none while there is no journal or it does not have the
        instrument."""
        try:
            if self._reader is not None and self._reader.is_gone:
                self.close()
            if self._reader is None:
                if not is_tape(self._path):
                    return
                self._reader = JournalReader(self._path)
                self._reader.seek_time(self._since)
                self._stream = self._found(self._reader)
            if self._stream is None:
                self.close()
                return
            for rows in self._reader.chunks(event, time_until=self._until):
                if len(own := rows[rows["stream"] == self._stream]):
                    yield own
        except OnetapeError:
            self.close()

    def _found(self, reader: JournalReader) -> int | None:
        """Returns the instrument's stream; the reader stands where it stood. It may be listed behind that place."""
        place, symbol = reader.next_sequence, self.instrument.symbol
        for stream, record in reader.instruments.items():
            if record["symbol"] == symbol:
                return stream
        for frame in reader.frames(("instrument",)):
            if Instrument.from_msgpack(frame.payload).symbol == symbol:
                reader.seek_sequence(place)
                return frame.stream
        return None


class _Bars(_Followed):
    """count: bars that are wanted; first: of the first one, s UTC."""

    def __init__(self, path: Path, instrument: Instrument, interval: int, count: int, until: int = TIME_MAX) -> None:
        super().__init__(path, instrument, (min(time.time_ns(), until) // interval - count) * interval, until)
        self.count, self.used, self.first = count, time.monotonic(), 0
        self._interval = interval
        self._bars: dict[int, list[float]] = {}  # s UTC -> open, high, low, close

    def newest(self, count: int) -> list[tuple[float, ...]]:
        return [(at, *self._bars[at]) for at in list(self._bars)[-count:]]

    def take(self) -> None:
        for rows in self.parts("quote"):
            self._add(rows[(rows["bid"] > 0) & (rows["ask"] > 0)])

    def _add(self, rows: NDArray[np.void]) -> None:
        import numpy as np

        if not len(rows):
            return
        slots = rows["time"] // self._interval
        middle = (rows["bid"] + rows["ask"]) / (2 * 10**self.instrument.price_decimals)
        starts = np.flatnonzero(np.diff(slots, prepend=slots[0] - 1))
        highs, lows = np.maximum.reduceat(middle, starts), np.minimum.reduceat(middle, starts)
        ends = np.append(starts[1:], len(middle)) - 1
        seconds = slots[starts] * (self._interval // SECOND)
        for at, first, high, low, last in zip(
            seconds.tolist(), middle[starts].tolist(), highs.tolist(), lows.tolist(), middle[ends].tolist(), strict=True
        ):
            bar = self._bars.get(at)
            if bar is None:
                self._bars[at] = [first, high, low, last]
            else:
                bar[1:] = max(bar[1], high), min(bar[2], low), last
        while len(self._bars) > BARS_MAX:
            del self._bars[next(iter(self._bars))]
        self.first = next(iter(self._bars))


class _Trades(_Followed):
    def __init__(self, path: Path, instrument: Instrument) -> None:
        super().__init__(path, instrument, time.time_ns() - 5 * MINUTE)
        self._newest: deque[tuple[int, str, str, str]] = deque(maxlen=TRADES)

    def take(self) -> list[tuple[int, str, str, str]]:
        """Returns (ms UTC, price, size, side), the newest first."""
        for rows in self.parts("trade"):
            for at, price, size, side in zip(
                *(rows[name][-TRADES:].tolist() for name in ("ts_event", "price", "size", "side")), strict=True
            ):
                text = self.instrument.price_text(price), self.instrument.size_text(size)
                self._newest.append((at // _MS, *text, SIDES[side]))
        return list(reversed(self._newest))
