"""Read a run's fills and orders as columns, in one pass over its journal: requests and their outcomes with times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onetape._core import forced_tag
from onetape.model.instrument import Instrument
from onetape.report.report_data import NEVER, ORDER_STATES, Fills, Orders, Resting
from onetape.store.frames import money_floats
from onetape.tape.columns import NEVER as NO_NEWS
from onetape.tape.columns import OrderRows, read_columns
from onetape.tape.journal import JournalReader

__all__ = ["RunColumns", "fill_columns", "order_columns", "read_run", "resting_columns"]

Ints = NDArray[np.int64]

_FILL = (
    "time",
    "stream",
    "order_id",
    "ts_event",
    "price",
    "size",
    "fee_low",
    "fee_high",
    "side",
    "liquidity",
    "position_side",
)
_LIMIT, _MAKER = 1, 1
_ENDS = ("", "canceled", "expired", "rejected", "denied")  # OrderEnd of core/journal/columns.hpp
assert NO_NEWS == NEVER


@dataclass(slots=True)
class RunColumns:
    """A run's journal as the report needs it. Prices and sizes are integers, times 10 to the power of the instrument's
    decimals; times are ns."""

    fills: dict[str, NDArray[Any]]
    orders: OrderRows


def read_run(journal: Path) -> RunColumns:
    """Read all columns in one pass. A run may have millions of orders: nothing is read twice."""
    with JournalReader(journal) as reader:
        fills = reader.table("fill", names=_FILL)
        (found,), orders = read_columns(reader.core, [fills], orders=True)
    return RunColumns(found, orders)


def fill_columns(run: RunColumns, instruments: Sequence[Instrument], realized: Any) -> Fills:
    """Returns the fills. realized: the ledger's profit of each fill before fees; further values are ignored."""
    rows = run.fills
    if not len(rows["time"]):
        return Fills()
    market = rows["stream"].astype(np.int64) - 1
    price_scale, size_scale = _scales(instruments, market)
    fee = money_floats(rows["fee_low"], rows["fee_high"])
    order = rows["order_id"].astype(np.int64)
    return Fills(
        ts=rows["time"],
        market=market,
        side=np.where(rows["side"] == 1, 1, -1).astype(np.int64),
        price=rows["price"] / price_scale,
        qty=rows["size"] / size_scale,
        fee=fee,
        realized=np.asarray(realized)[: len(fee)],
        is_maker=rows["liquidity"] == _MAKER,
        order=order,
        tag=_fill_tags(run.orders, order),
        position_side=rows["position_side"].astype(np.int64),
    )


def order_columns(run: RunColumns, instruments: Sequence[Instrument], fills: Fills) -> tuple[Orders, Ints]:
    """Returns (all placed orders; time at which each last took its queue position, ns of the exchange clock, or
    NEVER). Consumes the order rows of `run` to save memory.
    """
    rows = run.orders.columns
    ids = rows["id"]
    count = len(ids)
    if not count:
        return Orders(), np.zeros(0, dtype=np.int64)
    market = (rows.pop("stream") - 1).astype(np.int32)
    price_scale, size_scale = _scales(instruments, market)
    price = np.where(rows.pop("type") == _LIMIT, rows.pop("price") / price_scale, 0.0)
    trigger_units = rows.pop("trigger")  # most runs have no triggers: untouched zeros use no memory
    trigger = trigger_units / price_scale if trigger_units.any() else np.zeros(count)
    qty = rows.pop("size") / size_scale
    del rows["tag"], trigger_units, price_scale, size_scale
    row = _rows(ids, fills.order)
    filled = np.zeros(count)
    np.add.at(filled, row[row >= 0], fills.qty[row >= 0])
    full = filled >= qty * (1 - 1e-9)
    first_fill = _first(count, row, fills.ts)
    answer = _earlier(rows.pop("answer"), first_fill)
    done = rows.pop("done")
    open_end = full & (done == NEVER)
    done[open_end] = _last(count, row, fills.ts)[open_end]
    return Orders(
        id=ids,
        market=market,
        side=np.where(rows.pop("side") == 1, 1, -1).astype(np.int8),
        price=price,
        trigger=trigger,
        qty=qty,
        filled=filled,
        state=_states(rows.pop("end"), filled, full),
        ts_request=rows.pop("requested"),
        ts_answer=answer,
        ts_fill=first_fill,
        ts_done=done,
    ), rows.pop("placed")


def _scales(instruments: Sequence[Instrument], market: Any) -> tuple[Any, Any]:
    """Returns (price factor, size factor) from integers to numbers: arrays by row, or single numbers when all rows
    have one instrument."""
    prices = [10.0**each.price_decimals for each in instruments]
    sizes = [10.0**each.size_decimals for each in instruments]
    if len(instruments) == 1:
        return prices[0], sizes[0]
    return np.array(prices)[market], np.array(sizes)[market]


def _fill_tags(orders: OrderRows, order: Ints) -> list[str]:
    """Returns the tag of each fill's order (for orders by the venue their reason); an empty list if no order has
    one."""
    words = [each.decode("utf-8", "replace") for each in orders.tags]
    row = _rows(orders.columns["id"], order)
    number = orders.columns["tag"]
    found = [
        forced_tag(order_id) if at < 0 else words[number[at]]
        for order_id, at in zip(order.tolist(), row.tolist(), strict=True)
    ]
    return found if any(found) else []


def resting_columns(run: RunColumns, orders: Orders, since: Ints) -> Resting:
    """Returns how long maker fills had rested. The journal does not have their causes: see market_columns. since:
    from order_columns. An amended order counts from its amendment: correct for a new price, too short for a smaller
    size.
    """
    fills = run.fills
    maker = fills["liquidity"] == _MAKER
    row = _rows(orders.id, fills["order_id"][maker].astype(np.int64))
    at = fills["ts_event"][maker].astype(np.int64)
    market = fills["stream"][maker].astype(np.int64) - 1
    valid = (row >= 0) & (since[np.maximum(row, 0)] != NEVER)
    row, at, market = row[valid], at[valid], market[valid]
    return Resting(np.maximum(at - since[row], 0), at=at, market=market)


def _rows(ids: Ints, wanted: Ints) -> Ints:
    """Returns the row of each wanted id, -1 where there is none. ids are ascending."""
    if not len(ids):
        return np.full(len(wanted), -1, dtype=np.int64)
    at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[at] == wanted, at, -1)


def _first(count: int, row: Ints, when: Ints) -> Ints:
    """Returns the first time of each of `count` rows, NEVER without one. row, when: pairs, times ascending."""
    return _last(count, row[::-1], when[::-1])


def _last(count: int, row: Ints, when: Ints) -> Ints:
    result = np.full(count, NEVER, dtype=np.int64)
    valid = row >= 0
    result[row[valid]] = when[valid]  # reversed, so that the earliest of equal rows remains
    return result


def _earlier(one: Ints, other: Ints) -> Ints:
    """Returns the earlier of two times, either of which may be NEVER; overwrites the first."""
    valid = other != NEVER
    one[valid] = np.where(one[valid] == NEVER, other[valid], np.minimum(one[valid], other[valid]))
    return one


def _states(end: Any, filled: Any, full: Any) -> NDArray[np.int8]:
    number = {name: index for index, name in enumerate(ORDER_STATES)}
    codes = np.array([number[name or "working"] for name in _ENDS], dtype=np.int8)
    state: NDArray[np.int8] = codes[end]
    state[filled > 0] = number["partly filled"]
    state[full] = number["filled"]
    return state
