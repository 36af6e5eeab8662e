"""Read the orders of a run with their fills from its journal, as whole numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from onetape._core import forced_tag
from onetape.engine.actions import Actions, read_actions, symbols_of
from onetape.store.frames import fee_currency_names
from onetape.tape.journal import JournalReader

__all__ = ["FilledOrder", "OrderFill", "OrdersOfRun", "read_orders"]

_ANSWERS = (1, 2)  # OrderNews of core/journal/events.hpp: accepted, rejected
_PLACE = 1
_INT64 = 2**64
_TERMS = ("type", "price", "trigger", "tif", "flags")
_FILL = (
    "sequence", "time", "robot", "order_id", "stream", "ts_event", "price", "size", "fee_low", "fee_high", "side",
    "liquidity", "fee_currency", "position_side", "trade_id",
)  # fmt: skip


@dataclass(slots=True)
class OrderFill:
    """One fill of an order. time: of the match at the exchange, ns; heard: when the robot received it, ns; price: in
    half units, as a mid may lie between two units; fee: 1e-18 of the settle currency, 0 if paid in another currency:
    then `other_fee` of `fee_currency`."""

    time: int
    price: int
    size: int
    fee: int
    liquidity: int
    heard: int = 0
    sequence: int = 0
    position_side: int = 0  # 0: net position
    other_fee: int = 0
    fee_currency: str = ""
    trade: int = 0  # the venue's trade number


@dataclass(slots=True)
class FilledOrder:
    """One placed order and its fills. time: of the decision, ns; location: of the child strategy that placed it, "":
    the run's own strategy; target: number of its parent order, 0: none; forced: the venue's reason, if the venue made
    the order."""

    symbol: str
    number: int
    time: int
    side: int
    size: int
    terms: tuple[int, ...] = ()  # further terms of the request: type, price, trigger, tif, flags
    fills: list[OrderFill] = field(default_factory=list)
    location: str = ""
    target: int = 0
    tag: str = ""
    forced: str = ""
    arrived: int = 0  # arrival at the exchange by its first report, ns; 0: no report
    answered: int = 0  # when `accepted` or `rejected` was received, ns; 0: never
    actions: Actions | None = field(default=None, repr=False)
    at: int = -1  # index into `actions`

    @property
    def filled(self) -> int:
        return sum(fill.size for fill in self.fills)

    @property
    def is_filled(self) -> bool:
        return self.filled >= self.size

    @property
    def words(self) -> str:
        return self.actions.describe(self.at) if self.actions is not None else f"{self.forced} {self.symbol}"


@dataclass(slots=True)
class OrdersOfRun:
    """The orders of a run with their fills. orders: by (robot, number), including orders by the venue; targets: the
    tape's data of each parent order, with `ended` (ns) and `missing` if its algorithm has ended."""

    actions: Actions
    orders: dict[tuple[int, int], FilledOrder]
    targets: dict[int, dict[str, Any]]

    def fills(self) -> list[tuple[FilledOrder, OrderFill]]:
        """Returns all fills in the order of the tape."""
        pairs = [(order, fill) for order in self.orders.values() for fill in order.fills]
        return sorted(pairs, key=lambda pair: pair[1].sequence)


def read_orders(journal: Path) -> OrdersOfRun:
    """Read the requests, outcomes and targets of a run's orders."""
    actions = read_actions(journal)
    orders: dict[tuple[int, int], FilledOrder] = {}
    columns = actions.columns
    by_sequence: dict[int, FilledOrder] = {}
    for at in np.flatnonzero(columns["kind"] == _PLACE).tolist():
        number = int(columns["order_id"][at])
        made = FilledOrder(
            str(columns["symbol"][at]),
            number,
            int(columns["time"][at]),
            int(columns["side"][at]),
            int(columns["size"][at]),
            tuple(int(columns[name][at]) for name in _TERMS),
            tag=bytes(columns["tag"][at]).rstrip(b"\0").decode("utf-8", "replace"),
            actions=actions,
            at=at,
        )
        orders[int(columns["robot"][at]), number] = by_sequence[int(columns["sequence"][at])] = made
    targets = _note_causes(journal, by_sequence)
    with JournalReader(journal) as reader:
        names = ("robot", "order_id", "ts_event", "time", "news")
        rows = reader.columns("order_event", names=names)
    for robot, number, ts, heard, news in zip(*(rows[name].tolist() for name in names), strict=True):
        order = orders.get((robot, number))
        if order is not None and not order.arrived:
            order.arrived, order.answered = ts, heard * (news in _ANSWERS)
    _add_fills(journal, orders)
    return OrdersOfRun(actions, orders, targets)


def _note_causes(journal: Path, by_sequence: dict[int, FilledOrder]) -> dict[int, dict[str, Any]]:
    targets = {}
    with JournalReader(journal) as reader:
        for frame in reader.frames(types=["order_request", "target", "log"]):
            schema = reader.schemas.of(frame.type)
            if schema.name == "target":
                record = schema.decode(frame.payload)
                targets[record["id"]] = {**record, "time": frame.time}
            elif schema.name == "log":
                ended = schema.decode(frame.payload).get("fields") or {}
                if ended.get("target") in targets and "missing" in ended:
                    targets[ended["target"]] |= {"ended": frame.time, "missing": ended["missing"]}
            elif len(frame.payload) > schema.payload_bytes and frame.sequence in by_sequence:
                more = schema.decode(frame.payload).get(schema.more or "", {})
                order = by_sequence[frame.sequence]
                order.location, order.target = more.get("location", ""), more.get("target", 0)
    return targets


def _add_fills(journal: Path, orders: dict[tuple[int, int], FilledOrder]) -> None:
    with JournalReader(journal) as reader:
        rows = reader.columns("fill", names=_FILL)
    symbols, _ = symbols_of(journal, rows)
    names = fee_currency_names(journal) if rows["fee_currency"].any() else {}
    for symbol, (
        sequence,
        heard,
        robot,
        number,
        _,
        ts,
        price,
        size,
        low,
        high,
        side,
        liquidity,
        currency,
        of,
        trade,
    ) in zip(symbols, zip(*(rows[name].tolist() for name in _FILL), strict=True), strict=True):
        fee = high * _INT64 + low % _INT64
        own, other = (0, fee) if currency else (fee, 0)
        placed = orders.get((robot, number))
        if placed is None:
            forced = forced_tag(number) or "unknown"
            placed = FilledOrder(symbol, number, heard, side, 0, forced=forced, arrived=ts)
            orders[robot, number] = placed
        paid_in = names.get(currency, "")
        fill = OrderFill(ts, 2 * price, size, own, liquidity, heard, sequence, of, other, paid_in, trade)
        placed.fills.append(fill)
