"""Small tapes from plain numbers, and strategies played over them.

market = Market(tmp_path / "a.tape")
market.quote(0, 99.9, 100.1)           # seconds after START, bid, ask
market.trade(1, 100.1, 0.5, "buy")
robot = play(Mine, market.done()).robot
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from onetape.engine.latency import Latency
from onetape.engine.plan import RunPlan, TapeInput
from onetape.engine.run_spec import RunSpec
from onetape.engine.session import Session
from onetape.engine.strategy import Strategy
from onetape.model.instrument import from_symbol
from onetape.model.time import parse_period
from onetape.tape.journal import JournalReader, JournalWriter, Record

BTC = "binance:BTC/USDT:USDT"
ETH = "binance:ETH/USDT:USDT"
START = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z
SECOND = 10**9
MS = 10**6

_QUOTE = struct.Struct("<qqqqqqQQ")
_TRADE = struct.Struct("<qqqqQQBB14x")
_BOOK = struct.Struct("<qqQQQII")
_LEVEL = struct.Struct("<qq")
_MARK = struct.Struct("<qqqq")
_RATE = struct.Struct("<qqqqqB7x")
_LAST = struct.Struct("<q")
_BAR = struct.Struct("<qqqqqqqqqqqq")
_SIDES = {"none": 0, "buy": 1, "sell": 2}
_SNAPSHOT = 1


def records(journal: Path, *types: str) -> list[Record]:
    """Of these kinds, in order."""
    with JournalReader(journal) as reader:
        return [record for record in reader if record.type in types]


def at_ns(seconds: float) -> int:
    """START plus `seconds`, exact to the microsecond."""
    return START + round(seconds * 1_000_000) * 1000


class Market:
    """A tape under construction. Times are seconds after START and must not go back."""

    def __init__(self, path: Path, symbol: str = BTC, **facts: Any) -> None:
        self.path = path
        self._writer = JournalWriter(path, process="test", durable=False)
        self._streams: dict[str, int] = {}
        self._facts: dict[str, Any] = {}
        self.symbol = symbol
        self.add(symbol, **facts)

    def add(self, symbol: str, **facts: Any) -> None:
        """One more instrument; the first is the default of the methods below."""
        facts = {"tick": "0.1", "lot": "0.001", **facts}
        self._streams[symbol] = len(self._streams) + 1
        self._facts[symbol] = from_symbol(symbol, **facts)
        self._writer.append_instrument(self._streams[symbol], START, self._facts[symbol].to_msgpack())

    def _units(self, symbol: str, price: float, size: float = 0) -> tuple[int, int]:
        facts = self._facts[symbol]
        return round(price * 10**facts.price_decimals), round(size * 10**facts.size_decimals)

    def raw(self, event: str, payload: bytes, at: float) -> None:
        """A frame as no writer of ours would make it."""
        self._append(event, payload, at, None)

    def _append(self, event: str, payload: bytes, at: float, symbol: str | None, flags: int = 0):
        self._writer.append(event, payload, flags=flags, stream=self._streams[symbol or self.symbol], time=at_ns(at))

    def quote(
        self,
        at: float,
        bid: float,
        ask: float,
        bid_size: float = 1000,
        ask_size: float = 1000,
        *,
        symbol: str | None = None,
        ts_event: int | None = None,
    ) -> Market:
        bid_int, bid_units = self._units(symbol or self.symbol, bid, bid_size)
        ask_int, ask_units = self._units(symbol or self.symbol, ask, ask_size)
        time = at_ns(at)
        event = time if ts_event is None else ts_event
        row = _QUOTE.pack(event, time, bid_int, ask_int, bid_units, ask_units, 0, 0)
        self._append("quote", row, at, symbol)
        return self

    def trade(
        self,
        at: float,
        price: float,
        size: float,
        side: str = "buy",
        *,
        symbol: str | None = None,
        ts_event: int | None = None,
    ) -> Market:
        price_int, units = self._units(symbol or self.symbol, price, size)
        row = _TRADE.pack(
            at_ns(at) if ts_event is None else ts_event, at_ns(at), price_int, units, 0, 0, _SIDES[side], 0
        )
        self._append("trade", row, at, symbol)
        return self

    def book(
        self,
        at: float,
        bids: Iterable[tuple[float, float]],
        asks: Iterable[tuple[float, float]],
        *,
        snapshot: bool = True,
        symbol: str | None = None,
        ts_event: int | None = None,
    ) -> Market:
        event = at_ns(at) if ts_event is None else ts_event
        levels = [[self._units(symbol or self.symbol, *level) for level in s] for s in (bids, asks)]
        head = _BOOK.pack(event, at_ns(at), 0, 0, 0, len(levels[0]), len(levels[1]))
        tail = b"".join(_LEVEL.pack(*level) for side in levels for level in side)
        self._append("book", head + tail, at, symbol, _SNAPSHOT if snapshot else 0)
        return self

    def bar(
        self,
        close_at: float,
        period: str,
        prices: tuple[float, float, float, float],
        volume: float = 1000,
        *,
        symbol: str | None = None,
        at: float | None = None,
        flags: int = 0,
    ) -> Market:
        """A venue bar [close_at - period, close_at): open, high, low, close. at: when it was told, at its end unless
        said otherwise."""
        length = parse_period(period)
        units = [self._units(symbol or self.symbol, price)[0] for price in prices]
        size = self._units(symbol or self.symbol, 0, volume)[1]
        close = at_ns(close_at)
        row = _BAR.pack(close - length, close, length, *units, size, 0, 0, -1, 0)
        self._append("bar", row, close_at if at is None else at, symbol, flags)
        return self

    def mark(self, at: float, price: float, *, index: float = 0, symbol: str | None = None) -> Market:
        units = [self._units(symbol or self.symbol, each)[0] for each in (price, index)]
        self._append("mark", _MARK.pack(at_ns(at), at_ns(at), *units), at, symbol)
        return self

    def funding(
        self, at: float, rate: str, mark: float = 0, *, interval_h: float = 0, symbol: str | None = None
    ) -> Market:
        units = self._units(symbol or self.symbol, mark)[0]
        share = int(Decimal(rate) * 10**12)
        row = _MARK.pack(at_ns(at), at_ns(at), share, units)
        self._append("funding", row + _LAST.pack(round(interval_h * 3600 * SECOND)), at, symbol)
        return self

    def funding_rate(
        self, at: float, rate: str, *, predicted: str | None = None, next_s: float = 0, symbol: str | None = None
    ) -> Market:
        shares = [int(Decimal(each or 0) * 10**12) for each in (rate, predicted)]
        due = at_ns(next_s) if next_s else 0
        row = _RATE.pack(at_ns(at), at_ns(at), *shares, due, predicted is not None)
        self._append("funding_rate", row, at, symbol)
        return self

    def open_interest(self, at: float, size: float, *, symbol: str | None = None) -> Market:
        units = self._units(symbol or self.symbol, 0, size)[1]
        self._append("open_interest", struct.pack("<qqq", at_ns(at), at_ns(at), units), at, symbol)
        return self

    def version(self, at: float, symbol: str | None = None, **changes: Any) -> Market:
        """The instrument's facts change: a new version on the tape."""
        name = symbol or self.symbol
        recorded = msgspec.structs.asdict(self._facts[name])
        facts = {k: v for k, v in recorded.items() if k not in ("symbol", "venue")} | changes
        facts["version"] = recorded["version"] + 1
        self._facts[name] = from_symbol(name, **facts)
        self._writer.append_instrument(self._streams[name], at_ns(at), self._facts[name].to_msgpack())
        return self

    def done(self) -> Path:
        self._writer.close()
        return self.path


class Played:
    """A finished session that has not let go of its objects yet."""

    def __init__(self, session: Session, journal: Path | None) -> None:
        self.session = session
        self.robot: Any = session.robot
        self.host = session.host
        self.loop = session.loop
        self.journal = journal

    @property
    def equity(self) -> Decimal:
        return Decimal(self.loop.equity_text)

    @property
    def action_hash(self) -> str:
        return self.loop.action_hash().hex()


def session_of(
    strategy: type[Strategy],
    *tapes: Path,
    journal: Path | None = None,
    latency: tuple[float, float] | Latency = (0, 0),
    **plan: Any,
) -> Session:
    """A session as a backtest makes it. latency: seconds to the exchange, and back."""
    plan.setdefault("fee", (Decimal(0), Decimal(0)))
    if not isinstance(latency, Latency):
        latency = Latency(round(latency[0] * SECOND), round(latency[1] * SECOND))
    inputs = [TapeInput(str(tape)) for tape in tapes]
    made = RunPlan(strategy=strategy.__name__, inputs=inputs, latency=latency, **plan)
    session = Session(RunSpec(made, strategy, journal))
    _sessions.append(session)
    return session


_sessions: list[Session] = []  # whose journals, threads and exchange nobody has let go of


def close_sessions() -> None:
    """Of all that were played. Looked at afterwards, they are kept until a file of tests has ended."""
    while _sessions:
        _sessions.pop().close()


def play(
    strategy: type[Strategy],
    *tapes: Path,
    journal: Path | None = None,
    latency: tuple[float, float] | Latency = (0, 0),
    **plan: Any,
) -> Played:
    """Runs `strategy` over whole tapes; without latency and fees unless told otherwise."""
    session = session_of(strategy, *tapes, journal=journal, latency=latency, **plan)
    session.open()
    session.start()
    session.step()
    session.finish()
    return Played(session, journal)
