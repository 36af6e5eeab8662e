"""A generated market as events or as a tape.

The flow itself is compiled (`core/exchange/flow.hpp`), and gives the same bytes for the same seed on every machine.
This module supplies instruments, starting prices and sizes, and writes the events into a journal.

    market = GeneratedMarket([flow_market("binance:BTC/USDT:USDT")], seed=7, start=0)
    with JournalWriter(path) as writer:
        market.open(writer)
        market.write(writer, 100_000)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from onetape import _core
from onetape.model import catalogue
from onetape.model.errors import BadInput, UnknownSymbol, UsageError
from onetape.model.instrument import Instrument
from onetape.model.time import DAY, SECOND, format_duration, parse_duration

if TYPE_CHECKING:
    from onetape.tape.journal import JournalWriter

__all__ = ["FLOWS", "FlowEvent", "FlowMarket", "GeneratedMarket", "RandomWalk", "Written", "flow_market", "flow_of"]

CROWD: Final = "crowd"
RANDOM_WALK: Final = "random-walk"
FLOWS: Final = (CROWD, RANDOM_WALK)  # the default first

# Realistic values of 2026, by base currency: price in dollars and volatility per year.
_NEAR_LIFE: dict[str, tuple[str, float]] = {
    "BTC": ("60000", 0.45),
    "ETH": ("2500", 0.6),
    "BNB": ("600", 0.55),
    "SOL": ("150", 0.8),
    "XRP": ("0.6", 0.8),
    "ADA": ("0.4", 0.8),
    "DOGE": ("0.12", 0.9),
    "LTC": ("70", 0.7),
    "LINK": ("12", 0.8),
    "AVAX": ("28", 0.85),
    "HYPE": ("40", 0.9),
    "PURR": ("0.2", 1.1),
}
_ELSE = ("10", 0.9)
CHUNK: Final = 1 << 16  # events: after each chunk Ctrl-C and progress are handled
_ORDER_VALUE = Decimal(3000)  # dollars: value of a typical order


@dataclass(frozen=True, slots=True)
class FlowMarket:
    """One symbol of a generated market. price: the price at its start; size: the size of a typical order."""

    instrument: Instrument
    price: Decimal
    size: Decimal
    volatility: float = 0.5  # per year
    correlation: float = 0.6  # part of its variance that comes from the factor common to all symbols


_WALK_RANGES: Final[dict[str, tuple[float, float]]] = {
    "drift": (-1e6, 1e6),
    "deviation": (0, 1e6),
    "trade_probability": (0, 1),
    "offset_deviation": (0, 1e6),
    "size": (1, 1_000_000),
    "depth_size": (1, 1_000_000),
    "levels": (1, 50),
    "step": (1, DAY),
}


@dataclass(frozen=True, slots=True)
class RandomWalk:
    """The flow `random-walk`: each step the price moves by int(N(drift, deviation)) ticks, and with `trade_probability`
    an order takes all resting orders up to int(N(0, offset_deviation)) ticks from it.

    Sizes are multiples of the market's typical order; step: ns. The first five defaults are those of the random walk in
    the public repository semenmsu/yard (as of 2026-11). Raises UsageError.
    """

    drift: float = 0.501
    deviation: float = 4.0
    trade_probability: float = 0.2
    offset_deviation: float = 6.0
    size: int = 1
    depth_size: int = 10  # size of each quoted level
    levels: int = 10  # quoted levels per side, one tick apart
    step: int = SECOND  # time between two steps at rate 1

    def __post_init__(self) -> None:
        for name, (low, high) in _WALK_RANGES.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise UsageError(
                    f"{name} {value} of the random walk is not between {low:g} and {high:g}", location="--flow-param"
                )

    def __str__(self) -> str:
        parts = [f"{name}={getattr(self, name)}" for name in _WALK_RANGES if name != "step"]
        return f"{RANDOM_WALK} {' '.join(parts)} step={format_duration(self.step)}"

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> RandomWalk:
        """Parses parameters given as text, such as `{"drift": "0", "step": "250ms"}`. Raises UsageError."""
        usual = cls()
        kinds: dict[str, type] = {name: type(getattr(usual, name)) for name in _WALK_RANGES}
        values: dict[str, Any] = {}
        for name, text in params.items():
            if name not in kinds:
                raise UsageError(
                    f"the random walk has no parameter {name!r}",
                    location="--flow-param",
                    todo=f"it has: {', '.join(kinds)}",
                )
            try:
                values[name] = parse_duration(text) if name == "step" else kinds[name](text)
            except ValueError:
                what = "a whole number" if kinds[name] is int else "a number"
                raise UsageError(
                    f"{name} of the random walk is {what}, not {text!r}", location="--flow-param"
                ) from None
        return cls(**values)

    def core(self) -> _core.RandomWalk:
        """Returns the walk in the core's form."""
        values = {name: getattr(self, name) for name in _WALK_RANGES if name != "step"}
        return _core.RandomWalk(**values, step_ns=self.step)


def flow_of(name: str, params: Mapping[str, str]) -> RandomWalk | None:
    """Parses `--flow` and its parameters. Returns None for the crowd, which has no parameters. Raises UsageError."""
    if name == RANDOM_WALK:
        return RandomWalk.parse(params)
    if name != CROWD:
        raise UsageError(f"unknown flow {name!r}", location="--flow", todo=f"one of {', '.join(FLOWS)}")
    if params:
        raise UsageError(f"the flow {CROWD} has no parameters", location="--flow-param", todo="--flow random-walk")
    return None


class FlowEvent(NamedTuple):
    """One generated event. payload: in the fixed layout of its type; symbol: the index of its market."""

    type: int
    flags: int
    symbol: int
    time: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """What one call has appended. Times are ns UTC, 0 without events."""

    first_ts: int
    last_ts: int
    by_symbol: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def by_type(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for counts in self.by_symbol.values():
            for name, count in counts.items():
                total[name] = total.get(name, 0) + count
        return total

    @property
    def events(self) -> int:
        return sum(self.by_type.values())


def flow_market(symbol: str, instrument: Instrument | None = None) -> FlowMarket:
    """Returns a market with realistic values for a symbol of the catalogue, or for the instrument."""
    found = instrument or catalogue.find(symbol)
    if found is None:
        raise UnknownSymbol(
            f"the catalogue has no {symbol}",
            location="generated market",
            todo="give a symbol of the catalogue, such as binance:BTC/USDT:USDT",
        )
    text, volatility = _NEAR_LIFE.get(found.base, _ELSE)
    price = _on_step(Decimal(text), found.tick)
    if price < 100 * found.tick:
        price = 1000 * found.tick
    value = found.multiplier if found.kind.name == "INVERSE" else price * found.multiplier
    size = max(_on_step(_ORDER_VALUE / value, found.lot), found.lot, found.size_min)
    if found.notional_min:
        # If the venue refused the crowd's smallest orders, the market would stand still.
        smallest = found.notional_min / value * 4
        size = max(size, _on_step(smallest, found.lot, up=True))
    return FlowMarket(found, price, size, volatility)


class GeneratedMarket:
    """Seeded order flow in a matching engine for each symbol.

    start: ns UTC. rate: 1 is about thirty events per second and symbol, or one step per `step` for a random walk. walk:
    the random walk that replaces the crowd. by_order: publish depth as single orders (mbo) instead of levels. The
    market never ends.
    """

    def __init__(
        self,
        markets: Sequence[FlowMarket],
        *,
        seed: int = 1,
        start: int = 0,
        rate: float = 1.0,
        walk: RandomWalk | None = None,
        by_order: bool = False,
    ) -> None:
        symbols = [market.instrument.symbol for market in markets]
        if len(set(symbols)) != len(symbols):
            raise BadInput("a symbol is given twice", location=", ".join(symbols))
        self.markets = tuple(markets)
        self.start = start
        self.core = _core.OrderFlow(
            [_symbol(market) for market in markets],
            seed & (2**64 - 1),
            start,
            rate,
            None if walk is None else walk.core(),
            by_order,
        )

    def open(self, writer: JournalWriter) -> None:
        """Writes the instruments: streams 1, 2, ... in the order of the markets."""
        for stream, market in enumerate(self.markets, start=1):
            writer.append_instrument(stream, self.start, market.instrument.to_msgpack())

    def write(
        self,
        writer: JournalWriter,
        count: int,
        *,
        until: int | None = None,
        progress: Callable[[float, float | None], None] | None = None,
    ) -> Written:
        """Appends `count` events, fewer if the next one is not before `until` (ns UTC). progress: called with
        (events written, count)."""
        streams = list(range(1, len(self.markets) + 1))
        counts: dict[str, dict[str, int]] = {m.instrument.symbol: {} for m in self.markets}
        first = last = done = 0
        while done < count:
            wanted = min(count - done, CHUNK)
            result = self.core.write(writer.core, wanted, streams, until)
            written = 0
            for by_type, more in zip(counts.values(), result["by_symbol"], strict=True):
                for name, number in more.items():
                    by_type[name] = by_type.get(name, 0) + number
                    written += number
            first, last = first or result["first_ts"], result["last_ts"] or last
            done += written
            if progress is not None:
                progress(done, count)
            if written < wanted:
                break
        return Written(first, last, counts)

    def next(self, until: int | None = None) -> FlowEvent | None:
        """Returns the next event, or None if it is not before `until`."""
        event: Any = self.core.next(until)
        return None if event is None else FlowEvent(*event)

    def events(self, until: int) -> Iterator[FlowEvent]:
        """Yields all events before `until`; call again with a later time to continue."""
        while (event := self.next(until)) is not None:
            yield event

    @property
    def next_time(self) -> int:
        """Returns a lower bound for the time of the next event."""
        return int(self.core.next_time)


def _on_step(value: Decimal, step: Decimal, *, up: bool = False) -> Decimal:
    steps = (value / step).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)
    return steps * step


def _symbol(market: FlowMarket) -> dict[str, Any]:
    instrument = market.instrument
    return {
        "spec": _core.InstrumentSpec(**instrument.spec()),
        "price": int(market.price.scaleb(instrument.price_decimals)),
        "size_typical": int(market.size.scaleb(instrument.size_decimals)),
        "volatility": market.volatility,
        "correlation": market.correlation,
    }
