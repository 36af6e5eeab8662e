"""Generate a market on a tape: quotes, trades, depth, bars and marks. Equal seeds give equal tapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from onetape.data.staging import staged
from onetape.exchange.flow import FLOWS, GeneratedMarket, flow_market, flow_of
from onetape.model.errors import UsageError
from onetape.tape.journal import JournalWriter

__all__ = ["DEFAULT_SYMBOL", "SAMPLE_START", "SampleSummary", "write_sample"]

DEFAULT_SYMBOL = "binance:BTC/USDT:USDT"
SAMPLE_START = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z
_NAMESPACE = UUID("5b1c8f5e-6a58-4f7c-9d0b-0f6d3a6c7e21")  # namespace of generated tapes' identities


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """Facts of a written sample. Times are ns UTC."""

    tape: str
    symbols: list[str]
    events: int
    by_type: dict[str, int]
    by_symbol: dict[str, dict[str, int]]
    first_ts: int
    last_ts: int
    seed: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SampleMarket:
    """The generated market.

    flow: `crowd`, or `random-walk` with RandomWalk's fields as text in flow_params. by_order: depth as single orders
    (market by order) instead of levels.
    """

    seed: int = 1
    symbols: Sequence[str] = (DEFAULT_SYMBOL,)
    start: int = SAMPLE_START
    rate: float = 1.0
    flow: str = FLOWS[0]
    flow_params: Mapping[str, str] = field(default_factory=dict)
    by_order: bool = False


def write_sample(
    out: str | Path,
    *,
    events: int = 200_000,
    force: bool = False,
    progress: Callable[[float, float | None], None] | None = None,
    **market: Any,
) -> SampleSummary:
    """Write `events` events of a generated market to a new tape. market: the fields of SampleMarket. force: replace a
    tape at `out` once the new one is complete. progress: called with (events written, events).

    The instruments' own frames are not counted. The tape's identity is derived from the arguments: the same call gives
    the same tape, byte for byte.
    """
    path, wanted = Path(out), SampleMarket(**market)
    if events < 1:
        raise UsageError(f"a sample needs at least one event, not {events}")
    walk = flow_of(wanted.flow, wanted.flow_params)
    seed, start, rate, by_order = wanted.seed, wanted.start, wanted.rate, wanted.by_order
    symbols = wanted.symbols
    generated = GeneratedMarket(
        [flow_market(symbol) for symbol in symbols], seed=seed, start=start, rate=rate, walk=walk, by_order=by_order
    )
    name = f"{seed} {start} {rate!r} {' '.join(symbols)}"
    name += f" {walk}" if walk is not None else ""
    name += " by order" if by_order else ""
    identity = uuid5(_NAMESPACE, name)
    with (
        staged(path, force=force, may_be_empty=True) as directory,
        JournalWriter(directory, process="sample", uuid=identity, durable=False) as writer,
    ):
        generated.open(writer)
        written = generated.write(writer, events, progress=progress)
    return SampleSummary(
        tape=str(path),
        symbols=list(symbols),
        events=written.events,
        by_type=written.by_type,
        by_symbol=written.by_symbol,
        first_ts=written.first_ts,
        last_ts=written.last_ts,
        seed=seed,
    )
