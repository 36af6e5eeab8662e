"""Writes a gateway's journal.

One journal carries the venue's market and all events of the account's orders, so that a robot follows one tape and a
replay of it needs no other. Robots are numbered; each incarnation of a robot has an epoch, and its order ids begin at
`epoch << 32`, so that no order of an earlier incarnation is confused with one of this (`model/ids.py`). Orders by hand
have ids of their own, which the gateway assigns: the operator's, who has a number like a robot, and those of a robot
whose position is closed for it. A fee in another currency than the instrument's settle currency is written as a number,
which an earlier `params` frame names: {"currency": number, "name": "BNB"}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from onetape.ipc.door import Command
from onetape.model.enums import RequestKind
from onetape.model.instrument import Instrument
from onetape.model.money import split_units
from onetape.model.sections import GUARDIAN
from onetape.orders.first_request import OrderStatus
from onetape.orders.managed import AccountOut, CycleOut, FillOut, HealthOut, IntentOut, NewsOut, Out, TakenOut
from onetape.orders.manager import OrderManager
from onetape.orders.order_frames import FORCED_FLAG, LOCAL_FLAG
from onetape.orders.reports import FillReport
from onetape.projections.brackets import BRACKET, Bracket
from onetape.projections.found import Found, is_dry_run
from onetape.projections.gateway_state import GatewayState
from onetape.projections.recovered_orders import ROBOT_SHIFT
from onetape.projections.robot_life import RobotLife
from onetape.projections.robot_parts import RobotParts
from onetape.tape.health import append_health
from onetape.tape.journal import JournalWriter, type_id
from onetape.tape.payloads import fields

__all__ = ["GatewayTape", "is_risk"]

_ORDER_REQUEST: Final = type_id("order_request")
_INPUT: Final = type_id("input")
_EVENT: Final = type_id("order_event")
_PLACE: Final = RequestKind.PLACE
_AMEND: Final = RequestKind.AMEND
_INPUT_FIELDS: Final = fields("input")
_FILL_EVENT: Final = type_id("fill")
_FILL: Final = fields("fill")


@dataclass(slots=True)
class GatewayTape:
    """Writes the gateway's journal, and keeps the numbers of robots and currencies on it."""

    writer: JournalWriter
    instruments: Sequence[Instrument]
    parts: RobotParts
    state: GatewayState
    currencies: dict[int, str] = field(default_factory=dict)  # by their numbers on fills, from 1
    streams: dict[str, int] = field(default_factory=dict)
    records: int = 0  # count of written records of orders and money
    is_new: bool = False  # there are frames for which readers were not woken,
    has_risk: bool = False  # frames that must be durable before a call leaves,
    is_followed: bool = True  # no frames whose consequences the core has not handled,
    has_fills: bool = False  # and fills among these
    _settles: dict[str, str] = field(default_factory=dict)  # by symbol

    @property
    def robots(self) -> dict[int, RobotLife]:
        return self.parts.robots

    # --- writing ----------------------------------------------------------------------------------

    def open(self, now: int) -> None:
        """Writes the instruments, at each start of the gateway, and the start itself, so that a later start does not
        count the same power loss again."""
        for stream, instrument in enumerate(self.instruments, 1):
            self.streams[instrument.symbol] = stream
            self._settles[instrument.symbol] = instrument.settle
            self.writer.append_instrument(stream, now, instrument.to_msgpack())
        self._cold("params", {"opened": self.writer.epoch}, now)

    def write(self, out: Out, now: int) -> int:
        """Writes a record; returns the sequence of a fill's frame, else 0."""
        self.records += 1
        self.is_new = True
        self.has_risk = self.has_risk or is_risk(out)
        match out:
            case IntentOut():
                self._intent(out, now)
            case NewsOut():
                self._news(out, now)
            case FillOut():
                self.has_fills = True
                return self._fill(out, now)
            case AccountOut():
                self._account(out, now)
            case HealthOut():
                self._health(out, now)
            case CycleOut():
                self._cycle(out, now)
            case TakenOut():
                life = self.robots[out.robot]
                self.take(life, life.uuid, out.first, out.last, 0, out.decided)
        return 0

    def append_plain(self, kind: int, payload: bytes, stream: int, time: int, is_risk: bool) -> int:
        """Writes a frame that the core has made: an intent, an order event, a fill."""
        self.records += 1
        self.is_new, self.is_followed = True, False
        self.has_risk = self.has_risk or is_risk
        self.has_fills = self.has_fills or kind == _FILL_EVENT
        return self.writer.append_raw(kind, payload, 0, stream, time)

    def attach(self, life: RobotLife, now: int) -> None:
        self.robots[life.number] = life
        self._cold(
            "params",
            {
                "robot": life.number,
                "name": life.name,
                "epoch": life.epoch,
                "journal": life.journal,
                "slot": life.slot,
                "rate": life.rate,
                "taken": life.taken,
            },
            now,
        )

    def lag(self, life: RobotLife, state: str, behind_ns: int, now: int) -> None:
        """Records by how much a robot is behind this tape."""
        record = {
            "kind": "lag",
            "subject": life.name,
            "state": state,
            "robot": life.number,
            "behind_ms": behind_ns // 10**6,
        }
        append_health(self.writer, record, "warning" if behind_ns else "", now)

    def order_status_in(self, manager: OrderManager) -> Callable[[str], OrderStatus | None]:
        """Returns the function that returns the status of an order and its owner by client id."""

        def status(name: str) -> OrderStatus | None:
            order = manager.orders.get(name)
            if order is None:
                return None
            life = self.robots.get(order.robot)
            whose = life.name if life is not None else "another robot"
            text = next(i for i in self.instruments if i.symbol == order.spec.symbol).size_text
            filled = f"{text(order.filled)} of {text(order.size)} filled"
            return OrderStatus(order.state, f"order {name} of {whose}: {order.state}, {filled}")

        return status

    def found_by(self, command: Command) -> Found | None:
        """Returns the orders and positions that an earlier incarnation of the gateway was to act on. None: the command
        is new or a dry run, and is about the current ones."""
        is_new = not command.is_repeated or is_dry_run(command.fields)
        return None if is_new else self.state.begun.get(command.id, Found([], {}))

    def guardian(self, account: str, epoch: int, now: int) -> None:
        """Writes which incarnation of a guardian watches the account from here on."""
        record = {"kind": GUARDIAN, "subject": account, "state": f"watches, epoch {epoch}", "epoch": epoch}
        self._cold("health", record, now)
        self.state.said(record)

    def bracket(self, bracket: Bracket, words: str, now: int, *, over: bool = False, severity: str = "") -> None:
        """Writes what was decided about a bracket."""
        facts = {"entry": bracket.entry, "abandoned": bracket.abandoned, "closed": bracket.closed, "over": over}
        subject = self.robots[bracket.robot].client_id(bracket.entry)
        record = {"kind": BRACKET, "subject": subject, "state": words, **facts}
        append_health(self.writer, record, severity, now)
        self.is_new = True
        self.state.said(record)

    def command(self, record: dict[str, Any], now: int) -> None:
        """Writes a command before it is executed: `id`, `actor`, `target`, `command`, `fields`, and `refused` if it
        will not be. Its changes of the gateway's state hold from this frame on."""
        self._cold("command", record, now)
        self.state.command(record, now, self.parts)

    def command_reply(self, record: dict[str, Any], now: int) -> None:
        """Writes the reply to a command: `id`, `status`, `result`, `error`."""
        self._cold("reply", record, now)
        self.state.replied(record)

    def transfer(self, record: Mapping[str, Any], now: int) -> None:
        """Writes the state of a transfer at each change: the last one counts."""
        self._cold("transfer", dict(record), now)

    def ensure(self, level: str) -> None:
        self.writer.ensure(level)

    def take(self, life: RobotLife, uuid: bytes, first: int, last: int, crc: int, now: int) -> None:
        """Writes the range of a robot's frames that were processed."""
        life.taken = last
        payload = _INPUT_FIELDS.pack(uuid, life.epoch, first, last - first + 1, crc, life.number)
        self.writer.append_raw(_INPUT, payload, 0, 0, now)

    def _intent(self, out: IntentOut, now: int) -> None:
        order, spec = out.order, out.order.spec
        payload = order.request_frame(out.kind, out.price, out.size, out.is_reissue)
        if spec.once is not None and out.kind is _PLACE:
            payload += msgspec.msgpack.encode(spec.once.as_record())
        if out.kind is _AMEND and not out.is_reissue:
            self.state.amended(order, out.size, out.share)
            if out.share:
                payload += msgspec.msgpack.encode({"share": out.share})
        self.writer.append_raw(_ORDER_REQUEST, payload, 0, self.streams[spec.symbol], now)

    def _news(self, out: NewsOut, now: int) -> None:
        order = out.order
        if order.is_foreign:
            self._health(HealthOut("foreign order", order.client_id, str(out.news)), now)
            return
        payload = order.news_frame(out.news, out.state, out.time, out.code)
        stream = self.streams[order.spec.symbol]
        if out.reason:  # first, so that the robot reads the reason before the refusal
            self._cold(
                "reply", {"robot": order.robot, "order": order.order_id, "reason": out.reason[:300]}, now, stream
            )
        self.writer.append_raw(_EVENT, payload, LOCAL_FLAG * out.is_local, stream, now)

    def _cycle(self, out: CycleOut, now: int) -> None:
        record = {"end": out.key.key, "within": out.key.within, "slot": out.slot, "robot": out.robot}
        if out.refused:
            record["refused"] = out.refused
        self._cold("cycle", record, now)

    def _fill(self, out: FillOut, now: int) -> int:
        fill, order = out.fill, out.order
        if order is not None and order.robot in self.robots:
            self.parts.note_fill(self.robots[order.robot], fill, order.spec.tag)
        low, high = split_units(fill.fee)
        payload = _FILL.pack(
            order.order_id if order else 0,
            self._venue_number(fill),
            fill.trade_id,
            fill.time,
            fill.price,
            fill.size,
            low,
            high,
            fill.side.id,
            fill.liquidity.id,
            fill.position_side.id,
            order.robot if order else 0,
            self._fee_currency(fill, now),
            0,
        )
        stream = self.streams[fill.symbol]
        return self.writer.append_raw(_FILL_EVENT, payload, FORCED_FLAG * out.is_forced, stream, now)

    def _venue_number(self, fill: FillReport) -> int:
        """Returns the venue's order id as a number, 0 if it is none; for an internal trade the other order, whose id is
        six bits longer than the field."""
        if not fill.is_internal:
            return int(fill.venue_id) if fill.venue_id.isdigit() else 0
        robot, order_id = self.parts.owner_of(fill.venue_id) or (0, 0)
        return robot << ROBOT_SHIFT | order_id & ((1 << ROBOT_SHIFT) - 1)

    def _fee_currency(self, fill: FillReport, now: int) -> int:
        """Returns the fee currency's number, named on the tape the first time; 0: the instrument's settle currency."""
        name = fill.fee_currency
        if not name or name == self._settles[fill.symbol]:
            return 0
        for number, each in self.currencies.items():
            if each == name:
                return number
        number = len(self.currencies) + 1
        self.currencies[number] = name
        self._cold("params", {"currency": number, "name": name}, now)
        return number

    def _account(self, out: AccountOut, now: int) -> None:
        record: dict[str, Any] = {"source": out.source, "ts_event": out.time}
        if out.reference:
            record["reference"] = out.reference
        if out.side is None:
            self._cold("balance", {"currency": out.name, "total": str(out.amount), **record}, now)
        else:
            stream = self.streams.get(out.name, 0)
            value = {"symbol": out.name, "side": str(out.side), "qty": out.amount, **record}
            if out.price:
                value["price"] = out.price
            self._cold("position", value, now, stream)

    def _health(self, out: HealthOut, now: int) -> None:
        record = {"kind": out.kind, "subject": out.subject, "state": out.state}
        append_health(self.writer, record, out.severity, now)
        self.state.said(record)

    def _cold(self, event: str, record: dict[str, Any], now: int, stream: int = 0) -> None:
        self.writer.append(event, msgspec.msgpack.encode(record), stream=stream, time=now)


def is_risk(out: Out) -> bool:
    """Tells whether a record must be durable: an intent, and a fill that the venue cannot report again. A cancel need
    not, because it is requested again."""
    if isinstance(out, FillOut):
        return out.fill.is_internal
    return isinstance(out, IntentOut) and out.kind is not RequestKind.CANCEL
