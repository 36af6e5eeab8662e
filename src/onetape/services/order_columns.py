"""A run's orders as columns, read off its journal: what was asked, and what came of it when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onetape._core import forced_tag
from onetape.engine.plan import TapeInput
from onetape.model.instrument import Instrument
from onetape.store.frames import instruments_of
from onetape.store.report_data import NEVER, ORDER_STATES, Fills, Orders, Resting
from onetape.tape.journal import JournalReader

__all__ = ["fill_tags", "order_columns", "resting_columns"]

Ints = NDArray[np.int64]

TRADES_READ_MAX = 5_000_000  # of the tapes, to tell what filled a resting order: 40 MB of times
_ASKED = ("time", "stream", "order_id", "side", "type", "price", "size", "trigger")
_NEWS = ("time", "order_id", "news", "ts_event", "size")
_PLACE, _LIMIT = 1, 1
# OrderNews of core/journal/events.hpp
_ACCEPTED, _REJECTED, _CANCELED, _EXPIRED, _TRIGGERED, _UPDATED = range(1, 7)


def order_columns(
    journal: Path, instruments: Sequence[Instrument], fills: Fills, *, denied: int
) -> tuple[Orders, Ints]:
    """All placed orders, and for each when it last took its place at the exchange (ns, the
    exchange's clock; NEVER where it did not).

    denied: how many never left. The tape has no news of them, nor of orders that were still under
    way when the run ended: these are the last ones.
    """
    with JournalReader(journal) as reader:
        asked = reader.columns("order_request", names=_ASKED, where=_is_placed)
    with JournalReader(journal) as reader:
        news = reader.columns("order_event", names=_NEWS)
    ids = asked["order_id"].astype(np.int64)
    count = len(ids)
    if not count:
        return Orders(), np.zeros(0, dtype=np.int64)
    market = asked["stream"].astype(np.int64) - 1
    price_scale = np.array([10.0**each.price_decimals for each in instruments])[market]
    size_scale = np.array([10.0**each.size_decimals for each in instruments])[market]
    # Ordinals of one robot: ascending, so a place is found by search.
    row = _rows(ids, news["order_id"].astype(np.int64))
    known = row >= 0
    row, when = row[known], news["time"][known].astype(np.int64)
    kind, at_venue = news["news"][known], news["ts_event"][known].astype(np.int64)
    fill_row = _rows(ids, fills.order)
    filled = np.zeros(count)
    np.add.at(filled, fill_row[fill_row >= 0], fills.qty[fill_row >= 0])
    qty = asked["size"] / size_scale
    updated = kind == _UPDATED
    qty[row[updated]] = news["size"][known][updated] / size_scale[row[updated]]
    first_fill = _first(count, fill_row, fills.ts)
    answer = _earlier(_first(count, row, when), first_fill)
    ended = np.isin(kind, (_REJECTED, _CANCELED, _EXPIRED))
    done = _first(count, row[ended | (kind == _TRIGGERED)], when[ended | (kind == _TRIGGERED)])
    full = filled >= qty * (1 - 1e-9)
    last_fill = _last(count, fill_row, fills.ts)
    done = np.where(full & (done == NEVER), last_fill, done)
    took_place = np.isin(kind, (_ACCEPTED, _TRIGGERED, _UPDATED))
    orders = Orders(
        id=ids,
        market=market,
        side=np.where(asked["side"] == 1, 1, -1).astype(np.int64),
        price=np.where(asked["type"] == _LIMIT, asked["price"] / price_scale, 0.0),
        trigger=asked["trigger"] / price_scale,
        qty=qty,
        filled=filled,
        state=_states(count, row, kind, filled, full, answer, denied),
        ts_request=asked["time"].astype(np.int64),
        ts_answer=answer,
        ts_fill=first_fill,
        ts_done=done,
    )
    return orders, _last(count, row[took_place], at_venue[took_place])


def fill_tags(journal: Path, fills: Fills) -> list[str]:
    """The tag of each fill's order, of the venue's own orders why it made them; empty where no
    order has one."""
    with JournalReader(journal) as reader:
        asked = reader.columns("order_request", names=("order_id", "tag"), where=_is_placed)
    row = _rows(asked["order_id"].astype(np.int64), fills.order)
    tags = asked["tag"]
    words: dict[bytes, str] = {}  # zero-padded UTF-8; few differ, so each is decoded once
    found = []
    for order, at in zip(fills.order.tolist(), row.tolist(), strict=True):
        if at < 0:
            found.append(forced_tag(order))
            continue
        raw = bytes(tags[at])
        if raw not in words:
            words[raw] = raw.rstrip(b"\0").decode("utf-8", "replace")
        found.append(words[raw])
    return found if any(found) else []


def resting_columns(
    journal: Path,
    inputs: Sequence[TapeInput],
    symbols: Sequence[str],
    orders: Orders,
    since: Ints,
) -> Resting:
    """How long maker fills had waited, and whether a trade of the tape has their time.

    since: as order_columns gives it. An order that was amended waits from then on, which is right
    for a new price and too short for a smaller size.
    """
    with JournalReader(journal) as reader:
        fills = reader.columns("fill", names=("stream", "order_id", "ts_event", "liquidity"))
    maker = fills["liquidity"] == 1
    row = _rows(orders.id, fills["order_id"][maker].astype(np.int64))
    at = fills["ts_event"][maker].astype(np.int64)
    stream = fills["stream"][maker].astype(np.int64) - 1
    known = (row >= 0) & (since[np.maximum(row, 0)] != NEVER)
    row, at, stream = row[known], at[known], stream[known]
    rest = np.maximum(at - since[row], 0)
    if not len(rest):
        return Resting(rest)
    return Resting(rest, _by_trade(inputs, symbols, at, stream))


def _by_trade(
    inputs: Sequence[TapeInput], symbols: Sequence[str], at: Ints, stream: Ints
) -> NDArray[np.bool_] | None:
    """Which of the times `at` are those of a trade of the same instrument on the tapes. None
    where there are no trades, or more than it is worth reading."""
    result = np.zeros(len(at), dtype=np.bool_)
    seen = 0
    for each in inputs:
        with JournalReader(Path(each.path)) as reader:
            if reader.last_sequence > 4 * TRADES_READ_MAX:
                return None
            trades = reader.columns("trade", names=("time", "stream"))
        seen += len(trades["time"])
        for number, facts in instruments_of(Path(each.path)).items():
            symbol = facts["symbol"]
            if symbol not in symbols:
                continue
            times = trades["time"][trades["stream"] == number]
            mine = stream == list(symbols).index(symbol)
            result[mine] |= _are_among(at[mine], times.astype(np.int64))
    return result if seen else None


def _are_among(wanted: Ints, times: Ints) -> NDArray[np.bool_]:
    """Which of `wanted` are in `times`. A search, because those of a tape ascend as a rule: numpy's
    own way hashes or sorts millions of them."""
    if not len(times):
        return np.zeros(len(wanted), dtype=np.bool_)
    ordered = times if (times[1:] >= times[:-1]).all() else np.sort(times)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.asarray(ordered[at] == wanted)


def _is_placed(rows: NDArray[np.void]) -> NDArray[np.bool_]:
    return np.asarray(rows["kind"] == _PLACE)


def _rows(ids: Ints, wanted: Ints) -> Ints:
    """The row of each wanted id, -1 where there is none. ids ascend."""
    if not len(ids):
        return np.full(len(wanted), -1, dtype=np.int64)
    at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[at] == wanted, at, -1)


def _first(count: int, row: Ints, when: Ints) -> Ints:
    """The first time of each row, NEVER without one. Times ascend."""
    return _last(count, row[::-1], when[::-1])


def _last(count: int, row: Ints, when: Ints) -> Ints:
    result = np.full(count, NEVER, dtype=np.int64)
    known = row >= 0
    result[row[known]] = when[known]  # of equal rows the last one stays
    return result


def _earlier(one: Ints, other: Ints) -> Ints:
    both = np.minimum(one, other)
    return np.where(one == NEVER, other, np.where(other == NEVER, one, both))


def _states(
    count: int, row: Ints, kind: Any, filled: Any, full: Any, answer: Ints, denied: int
) -> Ints:
    number = {name: index for index, name in enumerate(ORDER_STATES)}
    state = np.full(count, number["working"], dtype=np.int64)
    for news, name in ((_CANCELED, "canceled"), (_EXPIRED, "expired"), (_REJECTED, "rejected")):
        state[row[kind == news]] = number[name]
    state[filled > 0] = number["partly filled"]
    state[full] = number["filled"]
    silent = np.flatnonzero(answer == NEVER)
    state[silent[:denied]] = number["denied"]
    return state
