"""Read the trades on a run's tapes once: for the cause of maker fills, and the own share of the market."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onetape.engine.session import Session
from onetape.report.report_data import Market, Resting
from onetape.tape.columns import read_columns
from onetape.tape.journal import JournalReader

__all__ = ["FRAMES_READ_MAX", "note_market"]

Ints = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]

FRAMES_READ_MAX = 20_000_000  # largest tape that is read; a trade takes 20 bytes of memory


def note_market(session: Session, markets: Sequence[Market], resting: Resting, span: tuple[int, int]) -> None:
    """Set `traded` and price paths of the markets and `by_trade` of the resting fills; unchanged if a tape is too
    long to read.

    span: first and last time of the run, ns; other events are ignored.
    """
    moved = np.zeros(len(markets))
    by_trade = np.zeros(len(resting.rest_ns), dtype=np.bool_)
    index = {each.symbol: i for i, each in enumerate(markets)}
    seen, is_read = 0, True
    for each in session.plan.inputs:
        path = Path(each.path)
        with JournalReader(path) as reader:
            if reader.last_sequence > FRAMES_READ_MAX:
                is_read = False
                if each.is_detail:
                    continue
                return
            tables = [
                reader.table("trade", names=("time", "stream", "size", "price")),
                reader.table("bar", names=("time", "stream", "volume", "period_ns", "low", "high", "close")),
            ]
            (trades, bars), _ = read_columns(reader.core, tables)
        seen += len(trades["time"])
        streams = {
            stream: index[facts.symbol]
            for stream, facts in session.contents(path).streams.items()
            if facts.symbol in index
        }
        for stream, market in streams.items():
            mine = resting.market == market
            times = trades["time"][trades["stream"] == stream]
            by_trade[mine] |= _are_among(resting.at[mine], times)
        if not each.is_detail:  # its volume has counted already, in another period
            _add_moved(moved, streams, markets, trades, bars, span)
    for each_market in markets:
        if len(each_market.path):  # possibly joined from several tapes
            order = np.argsort(each_market.path_ts, kind="stable")
            each_market.path_ts, each_market.path = each_market.path_ts[order], each_market.path[order]
    for market_index, each_market in enumerate(markets):
        each_market.traded = float(moved[market_index])
    if is_read and seen and len(resting.rest_ns):
        resting.by_trade = by_trade


def _add_moved(
    moved: NDArray[np.float64],
    streams: Mapping[int, int],
    markets: Sequence[Market],
    trades: Columns,
    bars: Columns,
    span: tuple[int, int],
) -> None:
    """Add volume and prices of a tape's trades, or of its bars if it has no trades."""
    prices: tuple[str, ...] = ("price",)
    rows, size = trades, trades["size"]
    if not len(trades["time"]):
        rows, size, prices = bars, bars["volume"], ("low", "high", "close")
        if len(size):  # one period only: bars of other periods contain the same volume
            keep = bars["period_ns"] == bars["period_ns"].min()
            rows, size = {name: values[keep] for name, values in bars.items()}, size[keep]
    inside = (rows["time"] >= span[0]) & (rows["time"] <= span[1])
    for stream, market in streams.items():
        mine, each = inside & (rows["stream"] == stream), markets[market]
        moved[market] += float(size[mine].sum(dtype=np.float64)) / 10.0**each.size_decimals
        path = np.column_stack([rows[name][mine] for name in prices]).ravel() / 10.0**each.price_decimals
        each.path_ts = np.append(each.path_ts, np.repeat(rows["time"][mine], len(prices)))
        each.path = np.append(each.path, path)


def _are_among(wanted: Ints, times: Ints) -> NDArray[np.bool_]:
    """Returns an array: True for each of `wanted` that is in `times`. Binary search, as a tape's times usually
    ascend; np.isin would hash or sort millions of them."""
    if not len(times):
        return np.zeros(len(wanted), dtype=np.bool_)
    ordered = times if (times[1:] >= times[:-1]).all() else np.sort(times)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.asarray(ordered[at] == wanted)
