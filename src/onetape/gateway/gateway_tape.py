"""What a gateway writes into its journal, and how it finds itself there again.

One journal carries the venue's market and everything about the account's orders, so that a robot
follows one tape and a replay of it needs no other. Robots are numbered; each life of a robot has an
epoch, and its order ids begin at `epoch << 32`, so that no order of an earlier life is taken for
one of this (`model/ids.py`). Orders by hand have ids of their own, which the gateway gives: the
operator's, who has a number like a robot, and those of a robot whose position is closed for it. A
fee in another currency than the instrument settles in is told by a number, which a `params` frame
has given a name before: {"currency": number, "name": "BNB"}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.accounts.booking import FORCED
from onetape.accounts.entries import MAIN
from onetape.accounts.kept_money import LEDGER, KeptMoney
from onetape.accounts.sharing import split
from onetape.ipc.door import Command
from onetape.model.enums import EventType, OrderNews, PositionSide, RequestKind
from onetape.model.ids import (
    EPOCH_BITS,
    EPOCH_MAX,
    is_by_hand,
    is_past_gateway,
    next_by_hand,
    parse_client_id,
    robot_tag,
)
from onetape.model.instrument import Instrument
from onetape.model.money import divide_half_even, split_units
from onetape.model.request_key import RequestKey
from onetape.model.sections import GUARDIAN, OPERATOR
from onetape.model.time import DAY
from onetape.orders.books import OPENING
from onetape.orders.first_request import FirstRequests, OrderStatus
from onetape.orders.halts import Halts, halt_of
from onetape.orders.managed import AccountOut, CycleOut, FillOut, HealthOut, IntentOut, Managed, NewsOut, Out, TakenOut
from onetape.orders.manager import OrderManager
from onetape.orders.order_frames import (
    FORCED_FLAG,
    HELD_FLAG,
    LOCAL_FLAG,
    REISSUE_FLAG,
    REQUEST,
    NewsFrame,
    fill_of,
    news_of,
    request_of,
    share_of,
)
from onetape.orders.recover import Recovery
from onetape.orders.reports import INTERNAL_TRADES, FillReport
from onetape.projections.checkpoint import TapeRecord
from onetape.projections.found import Found, acts_on_found, is_dry_run, part_key
from onetape.projections.once import Once, digest_of
from onetape.projections.robot_life import RobotLife
from onetape.tape.health import append_health
from onetape.tape.journal import Frame, JournalReader, JournalWriter, type_id
from onetape.tape.payloads import fields

__all__ = ["GatewayTape", "is_risk", "kill_reason", "part_of"]

ROBOT_SHIFT: Final = 56  # of an internal fill's venue id: the other order's robot, above the low bits of its id

_ORDER_REQUEST: Final = type_id("order_request")
_INPUT: Final = type_id("input")
_EVENT: Final = type_id("order_event")
_PLACE: Final = RequestKind.PLACE
_AMEND: Final = RequestKind.AMEND
_INPUT_FIELDS: Final = fields("input")
_INPUT_FROM: Final = fields("input", "first_sequence", "count", "robot")
_NEWS: Final = fields("order_event")
_FILL: Final = fields("fill")
_RECOVERED: Final = (
    "instrument", "order_request", "order_event", "fill", "params", "input", "command", "position", "health", "entry",
    "reply", "transfer", "cycle",
)  # fmt: skip


def kill_reason(fields: Mapping[str, Any]) -> str:
    """Returns the reason of a kill command, never empty: an empty one is no kill."""
    return str(fields.get("reason", "")) or "by the operator"


@dataclass(slots=True)
class GatewayTape:
    """Writes the gateway's journal, and keeps the numbers that things have on it."""

    writer: JournalWriter
    instruments: Sequence[Instrument]
    streams: dict[str, int] = field(default_factory=dict)
    robots: dict[int, RobotLife] = field(default_factory=dict)
    currencies: dict[str, int] = field(default_factory=dict)  # numbers that fees have, from 1
    killed: str = ""  # why nothing new may leave, as the journal has it
    is_off_unsaid: bool = False  # the kill switch has been put off, and no health record says so yet
    halts: Halts = field(default_factory=Halts)  # likewise
    account: str = ""  # whose it is, once it was read
    since: int = 0  # frame after which it speaks of the exchange that there is now
    records: int = 0  # of orders and money, that were written
    may_lack_end: bool = False  # what the journal said last may be lost
    opened: int = 0  # epoch of the last writer that has noted that it goes on, 0: none has
    last_by_hand: int = 0  # the newest id of an order by hand
    once: Once = field(default_factory=Once)  # commands that stand on it
    # Request keys, by the client ids of the orders that have them.
    first: FirstRequests[str] = field(default_factory=lambda: FirstRequests(lambda _: None))
    # What a guardian's orders took off beyond the part of their robot, and was not handed over yet: its number,
    # and of the fill what was beyond.
    beyond: list[tuple[int, FillReport]] = field(default_factory=list)
    # What the venue has closed by itself of a robot's part, and the robot has not heard of yet; likewise.
    forced: list[tuple[int, FillReport]] = field(default_factory=list)
    # Orders that were made smaller so that a share of them may take, by client id: the size that they are to have, and
    # by how much less that is.
    shares: dict[str, tuple[int, int]] = field(default_factory=dict)
    # Commands that have no reply, by id, with what they found; one that flattens the account is over with `unkill`.
    begun: dict[str, Found] = field(default_factory=dict)
    own: Callable[[int, str, PositionSide], int] = lambda *_: 0  # a sub-account's position, signed
    _settles: dict[str, str] = field(default_factory=dict)  # by symbol

    # --- writing ----------------------------------------------------------------------------------

    def open(self, now: int) -> None:
        """Writes the instruments, each time the gateway starts, and that it has: a loss of power that this life was
        begun after must not be the next one's starting point once more."""
        for stream, instrument in enumerate(self.instruments, 1):
            self.streams[instrument.symbol] = stream
            self._settles[instrument.symbol] = instrument.settle
            self.writer.append_instrument(stream, now, instrument.to_msgpack())
        self._cold("params", {"opened": self.writer.epoch}, now)

    def write(self, out: Out, now: int) -> int:
        """Writes a record; returns the sequence of its frame, of a fill; else 0."""
        self.records += 1
        match out:
            case IntentOut():
                self._intent(out, now)
            case NewsOut():
                self._news(out, now)
            case FillOut():
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
        """A robot reads what lies on this tape so much later."""
        record = {
            "kind": "lag",
            "subject": life.name,
            "state": state,
            "robot": life.number,
            "behind_ms": behind_ns // 10**6,
        }
        append_health(self.writer, record, "warning" if behind_ns else "", now)

    def owner_of(self, name: str) -> tuple[int, int] | None:
        """Returns whose an order of this client id is, by the id alone: a robot's number, its order's."""
        parsed = parse_client_id(name)
        if parsed is None:
            return None
        for life in self.robots.values():
            if robot_tag(life.name) == parsed.tag:
                return life.number, parsed.order_id
        return None

    def is_by_hand(self, robot: int, order_id: int) -> bool:
        """Tells whether an id is of those that orders by hand have, a guardian's stops among them."""
        return robot in self.robots and (self.robots[robot].is_operator or is_by_hand(order_id))

    def next_by_hand(self, now: int) -> int:
        """Returns the id that the next order by hand has. now: ns UTC."""
        return next_by_hand(self.last_by_hand, now)

    def take_by_hand(self, now: int) -> int:
        """Gives an order by hand its id. now: ns UTC."""
        self.last_by_hand = self.next_by_hand(now)
        return self.last_by_hand

    def _note_order(self, order_id: int) -> None:
        """Takes in that there is an order of that id; it may be one by hand."""
        if is_by_hand(order_id) and not is_past_gateway(order_id):  # a guardian's follow each other on their own
            self.last_by_hand = max(self.last_by_hand, order_id)

    def order_status_in(self, manager: OrderManager) -> Callable[[str], OrderStatus | None]:
        """Returns the function that says the state of an order of a client id, and whose it is."""

        def status(name: str) -> OrderStatus | None:
            order = manager.orders.get(name)
            if order is None:
                return None
            life = self.robots.get(order.robot)
            whose = life.name if life is not None else "another robot"
            text = next(i for i in self.instruments if i.symbol == order.spec.symbol).size_text
            filled = f"{text(order.life.filled)} of {text(order.life.size)} filled"
            return OrderStatus(order.state, f"order {name} of {whose}: {order.state}, {filled}")

        return status

    def part(self, life: RobotLife, symbol: str, side: PositionSide) -> int:
        """Of a sub-account's position what is a robot's, or what is no robot's and so the operator's; signed."""
        if not life.is_operator:
            return life.held.get(symbol, {}).get(side, 0)
        robots = (each for each in self.robots.values() if each.slot == life.slot and not each.is_operator)
        return self.own(life.slot, symbol, side) - sum(self.part(each, symbol, side) for each in robots)

    def _note_fill(self, life: RobotLife, fill: FillReport, order: Managed | None) -> None:
        """To be called before the fill is in the books of its sub-account."""
        symbol, side, sign = fill.symbol, fill.position_side, fill.side.sign
        beyond, back = self.beyond, fill.size if fill.is_internal else 0
        forced, heard = self.forced, back
        self.beyond, self.forced = [], []
        for robot, each in forced:
            part = self.part(self.robots[robot], each.symbol, each.position_side)
            left = min(each.size, max(-part * each.side.sign, 0))
            if (robot, each.symbol, each.position_side, each.side) == (life.number, symbol, side, fill.side):
                left, heard = max(left - heard, 0), max(heard - left, 0)
            if left:
                self.forced.append((robot, part_of(each, left)))
        for robot, each in beyond:  # as much of it as was not traded away since
            part = self.part(self.robots[robot], each.symbol, each.position_side)
            left = min(each.size, max(part * each.side.sign, 0))
            if (robot, each.symbol, each.side) == (life.number, symbol, fill.side.opposite):
                left, back = max(left - back, 0), max(back - left, 0)
            if left:
                self.beyond.append((robot, part_of(each, left)))
        if order is not None and order.spec.tag == GUARDIAN and not fill.is_internal:
            over = fill.size - max(-sign * self.part(life, symbol, side), 0)
            if over > 0:
                self.beyond.append((life.number, part_of(fill, min(over, fill.size))))
        life.note_fill(symbol, side, sign * fill.size)

    def note_forced(self, fill: FillReport, sizes: Mapping[int, int]) -> None:
        """Takes in what the venue has closed by itself of each sub-account, once that is in their books: all who hold
        in that direction bear it in proportion, and what is no robot's needs no telling."""
        for slot, size in sizes.items():
            robots = [each for each in self.robots.values() if each.slot == slot and not each.is_operator]
            parts = {each.number: self.part(each, fill.symbol, fill.position_side) for each in robots}
            for robot, each in self.forced:  # of fills before this one, which robots have not been told of yet
                if robot in parts and (each.symbol, each.position_side) == (fill.symbol, fill.position_side):
                    parts[robot] += each.side.sign * each.size
            rest = self.own(slot, fill.symbol, fill.position_side) - fill.side.sign * size - sum(parts.values())
            parts[0] = rest  # the operator's, before it
            held = {number: -qty * fill.side.sign for number, qty in parts.items() if qty * fill.side.sign < 0}
            taken = split(min(size, sum(held.values())), held) if held else {}
            self.forced += [(robot, part_of(fill, each)) for robot, each in taken.items() if robot and each]

    def slot_of(self, robot: int) -> int:
        """Returns the sub-account that a robot trades with; for foreign orders the pool."""
        life = self.robots.get(robot)
        return life.slot if life is not None else MAIN

    def begin_anew(self) -> None:
        """Forgets what robots hold and what was asked for: at another exchange nothing is yet."""
        for life in self.robots.values():
            life.held.clear()
        self.beyond.clear()
        self.forced.clear()
        self.shares.clear()
        self.begun.clear()
        self.first = FirstRequests(lambda _: None)

    def guardian(self, account: str, epoch: int, now: int) -> None:
        """Writes which incarnation of a guardian watches the account from here on."""
        state = f"watches, epoch {epoch}"
        self._cold("health", {"kind": GUARDIAN, "subject": account, "state": state, "epoch": epoch}, now)

    def command(self, record: dict[str, Any], now: int) -> None:
        """Writes a command before it is done: `id`, `actor`, `target`, `command`, `fields`, and
        `refused` where it will not be."""
        self._cold("command", record, now)

    def command_reply(self, record: dict[str, Any], now: int) -> None:
        """Writes the reply to a command: `id`, `status`, `result`, `error`."""
        self._cold("reply", record, now)

    def transfer(self, record: Mapping[str, Any], now: int) -> None:
        """Writes the state of a transfer, each time that it changes: the last one counts."""
        self._cold("transfer", dict(record), now)

    def ensure(self, level: str) -> None:
        self.writer.ensure(level)

    def take(self, life: RobotLife, uuid: bytes, first: int, last: int, crc: int, now: int) -> None:
        """Writes which frames of a robot's journal were taken next."""
        life.taken = last
        payload = _INPUT_FIELDS.pack(uuid, life.epoch, first, last - first + 1, crc, life.number)
        self.writer.append_raw(_INPUT, payload, 0, 0, now)

    def _intent(self, out: IntentOut, now: int) -> None:
        order, spec = out.order, out.order.spec
        marks = HELD_FLAG * order.is_held + REISSUE_FLAG * out.is_reissue
        payload = REQUEST.pack(
            order.order_id,
            out.price,
            out.size,
            spec.trigger_int,
            spec.expire,
            out.kind.id,
            spec.side.id,
            spec.type.id,
            spec.tif.id,
            spec.flags | marks,
            spec.trigger_by.id,
            spec.position_side.id,
            order.robot,
            spec.tag.encode()[:32],
        )
        if spec.once is not None and out.kind is _PLACE:
            payload += msgspec.msgpack.encode(spec.once.as_record())
        if out.kind is _AMEND and not out.is_reissue:
            self._note_amendment(order, out.size, out.share)
            if out.share:
                payload += msgspec.msgpack.encode({"share": out.share})
        self.writer.append_raw(_ORDER_REQUEST, payload, 0, self.streams[spec.symbol], now)

    def _note_amendment(self, order: Managed, size: int, share: int) -> None:
        """To be called before the order has that size. One of its robot's leaves a share to be taken only where the
        order has been made smaller for it, and stays as large."""
        if share:
            self.shares[order.client_id] = size, share
        elif order.client_id in self.shares and not self.shares[order.client_id][0] == size == order.life.size:
            del self.shares[order.client_id]

    def _news(self, out: NewsOut, now: int) -> None:
        order = out.order
        if order.is_foreign:
            self._health(HealthOut("foreign order", order.client_id, str(out.news)), now)
            return
        venue = int(order.venue_id) if order.venue_id.isdigit() else 0
        payload = _NEWS.pack(
            order.order_id,
            venue,
            out.time,
            order.price,
            order.life.size,
            order.life.filled,
            out.code,
            out.news.id,
            out.state.id,
            order.robot,
            0,
        )
        stream = self.streams[order.spec.symbol]
        if out.reason:  # first: the robot reads it before it hears that the order is refused
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
            self._note_fill(self.robots[order.robot], fill, order)
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
        return self.writer.append("fill", payload, flags=FORCED_FLAG * out.is_forced, stream=stream, time=now)

    def _venue_number(self, fill: FillReport) -> int:
        """Returns the number of the venue's id of its order; of an internal trade the other order, whose id is six bits
        longer than there is room for."""
        if not fill.is_internal:
            return int(fill.venue_id) if fill.venue_id.isdigit() else 0
        robot, order_id = self.owner_of(fill.venue_id) or (0, 0)
        return robot << ROBOT_SHIFT | order_id & ((1 << ROBOT_SHIFT) - 1)

    def _venue_name(self, number: int, orders: Mapping[tuple[int, int], Managed], *, is_internal: bool) -> str:
        """orders: that the tape has, by robot and order id."""
        if not is_internal:
            return str(number) if number else ""  # not every venue's is a number
        robot, low = number >> ROBOT_SHIFT, number & ((1 << ROBOT_SHIFT) - 1)
        ids = (high << ROBOT_SHIFT | low for high in range(EPOCH_MAX + 1 >> ROBOT_SHIFT - EPOCH_BITS))
        found = next((order for each in ids if (order := orders.get((robot, each))) is not None), None)
        return found.client_id if found is not None else "foreign"

    def _fee_currency(self, fill: FillReport, now: int) -> int:
        """Returns the fee currency's number, named on the tape the first time; 0: what the instrument settles in."""
        name = fill.fee_currency
        if not name or name == self._settles[fill.symbol]:
            return 0
        number = self.currencies.get(name)
        if number is None:
            number = self.currencies[name] = len(self.currencies) + 1
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

    def _cold(self, event: str, record: dict[str, Any], now: int, stream: int = 0) -> None:
        self.writer.append(event, msgspec.msgpack.encode(record), stream=stream, time=now)

    # --- reading it again -------------------------------------------------------------------------

    def to_record(self) -> TapeRecord:
        """Makes the record of a checkpoint from the frames that were read. To be called before `open`."""
        return TapeRecord(
            list(self.robots.values()),
            self.currencies,
            self.killed,
            self.halts.to_record(),
            self.since,
            self.once.to_record(),
            self.first.to_record(),
            self.beyond,
            self.forced,
            self.opened,
            self.last_by_hand,
            self.shares,
            {name: each for name, each in self.begun.items() if self.once.find(name) is not None},
        )

    def restore(self, record: TapeRecord) -> None:
        """Goes on from a checkpoint: before the first frame."""
        self.robots = {life.number: life for life in record.robots}
        self.currencies, self.killed, self.since = record.currencies, record.killed, record.since
        self.halts.restore(record.halts)
        self.once.restore(record.once)
        self.first.restore(record.first)
        self.beyond, self.forced, self.opened = list(record.beyond), list(record.forced), record.opened
        self.last_by_hand, self.shares, self.begun = record.last_by_hand, dict(record.shares), dict(record.begun)

    def recover(self, path: Path, recovery: Recovery, kept: KeptMoney, *, start: int = 0, until: int = 0) -> None:
        """Reads everything that this journal says about orders, robots and money. Before `open`.
        start: the first frame that is read; until: the first that is not, 0: none."""
        self.own = lambda *of: kept.booking.own(*of)
        kept.fills.on_forced = self.note_forced
        with JournalReader(path) as reader:
            # What was written and not synced outlives the process, not the machine.
            control, self.account = reader.control, reader.account
            self.may_lack_end = not (control.get("closed") or control.get("same_boot"))
            if start:
                reader.seek_sequence(start)
            listed = {stream: (each["symbol"], each["settle"]) for stream, each in reader.instruments.items()}
            for frame in reader.frames(_RECOVERED, sequence_until=until):
                recovery.began(frame.time)
                match frame.type:
                    case EventType.INPUT.id:
                        first, count, number = _INPUT_FROM.unpack(frame.payload)
                        if number in self.robots:
                            self.robots[number].taken = first + count - 1
                            self.robots[number].denied.clear()
                    case EventType.ORDER_REQUEST.id:
                        self._recover_intent(frame.payload, listed[frame.stream][0], frame.time, recovery)
                    case EventType.ORDER_EVENT.id:
                        self._recover_news(news_of(frame), recovery)
                    case EventType.FILL.id:
                        fill, life = self._read_fill(frame, *listed[frame.stream], recovery.manager.by_robot)
                        if life is not None:
                            self._note_fill(life, fill, recovery.manager.orders.get(fill.client_id))
                        recovery.fill(fill, frame.sequence)
                        kept.fills.fill(fill, life.slot if life else MAIN, frame.sequence)
                    case EventType.ENTRY.id:
                        kept.entry(frame.payload)
                    case EventType.INSTRUMENT.id:
                        record = msgspec.msgpack.decode(frame.payload)
                        listed[frame.stream] = record["symbol"], record["settle"]
                    case _:
                        self._recover_record(frame, recovery, kept)
        # A writer that has opened it and not noted that may have been the first one after a loss of power.
        self.may_lack_end |= not until and self.opened not in (0, control.get("epoch", self.opened))
        self.shares = {name: each for name, each in self.shares.items() if name in recovery.manager.open}

    def _recover_record(self, frame: Frame, recovery: Recovery, kept: KeptMoney) -> None:
        """Reads a record that is a map, of names, commands and money; orders, fills and entries have layouts."""
        record = msgspec.msgpack.decode(frame.payload)
        match frame.type:
            case EventType.HEALTH.id:
                if record["kind"] == "reconciled":
                    recovery.reconciled()
                elif record["kind"] == GUARDIAN and "epoch" in record:
                    self.halts.epoch = max(self.halts.epoch, record["epoch"])
                elif record["kind"] == "kill switch":
                    self.is_off_unsaid = False
                elif record["kind"] == "exchange" and record["state"] == "new":
                    self.since = frame.sequence
                    self.begin_anew()
                    recovery.begin_anew()
            case EventType.COMMAND.id:
                self._recover_command(record, frame.time, recovery, kept)
            case EventType.REPLY.id if "status" in record:  # else of an order
                self.begun.pop(record["id"], None)
                self.once.ended(record["id"], record)
            case EventType.POSITION.id:
                side = PositionSide(record["side"])
                if record["source"] == LEDGER:
                    kept.fills.adopt(record["symbol"], side, record["qty"], record["price"], frame.sequence)
                if record["source"] == OPENING:
                    recovery.held(record["symbol"], side, record["qty"], frame.sequence)
            case EventType.PARAMS.id:
                kept.names = record.get("slots", kept.names)
                self._recover_params(record, recovery)
            case EventType.CYCLE.id if "refused" not in record:
                self.first.end(RequestKey(record["end"], record["within"]), record["slot"])
            case EventType.TRANSFER.id:
                kept.transfer(record)

    def end_flattens(self) -> None:
        """What was to be flattened is over: `unkill` came."""
        self.begun = {name: each for name, each in self.begun.items() if not each.is_kill}

    def found_by(self, command: Command) -> Found | None:
        """Returns what an earlier incarnation of the gateway was to act on; None: the command is new, or only asks, and
        is about what there is."""
        is_new = not command.is_repeated or is_dry_run(command.fields)
        return None if is_new else self.begun.get(command.id, Found([], {}))

    def _found(self, manager: OrderManager, kept: KeptMoney) -> Found:
        """Returns what works and is held by the frames that were read."""
        robots = [each for each in self.robots.values() if not each.is_operator]
        of = dict.fromkeys(
            (each.slot, symbol, side) for each in robots for symbol in each.held for side in PositionSide
        )
        parts = {}
        for slot, symbol, side in {**of, **dict.fromkeys(kept.booking.positions)}:
            for life in (*(each for each in robots if each.slot == slot), RobotLife(0, OPERATOR, 0, "", slot=slot)):
                if qty := self.part(life, symbol, side):
                    parts[part_key(slot, life.number, symbol, side)] = qty
        return Found(list(manager.open), parts)

    def _recover_command(self, record: dict[str, Any], time: int, recovery: Recovery, kept: KeptMoney) -> None:
        fields = record.get("fields")
        if fields is None:  # of a tape that had them beside the name
            fields, digest = record, b""
        else:
            digest = digest_of(record["actor"], record["command"], fields)
        self.once.began(record["id"], digest, time)
        refused = record.get("refused")
        if refused is not None:
            answer = {"id": record["id"], "status": "refused", "result": None, "error": refused}
            self.once.ended(record["id"], answer)
            return
        if acts_on_found(record.get("command", ""), fields):
            self.begun[record["id"]] = self._found(recovery.manager, kept)
        match record.get("command"):
            case "settle" if fields["as"] != "open":
                recovery.manager.resolved.add(fields["order"])
            case "flatten" if fields.get("symbol") or is_dry_run(fields):
                pass
            case "kill" | "flatten" as name:
                self.killed = kill_reason(fields)
                if name == "flatten":
                    self.begun[record["id"]] = Found([], {}, is_kill=True)
            case "unkill":
                self.killed = ""
                self.end_flattens()
                self.is_off_unsaid = True
            case "halt":
                self.halts.expire(time - DAY)  # by another clock than theirs
                self.halts.begin(halt_of(fields, actor=record["actor"], account=self.account, time=time))
            case "lift_halt":
                self.halts.lift(fields["id"])
            case "unprotected":
                self.halts.protect(fields["symbol"], int(fields.get("since", 0)))
            case "end_cycle":
                key, name = RequestKey(str(fields.get("key", ""))), fields.get("subaccount")
                if name is None:
                    self.first.end(key, MAIN)
                elif (slot := {"main": MAIN, **kept.names}.get(str(name))) is not None:
                    self.first.end(msgspec.structs.replace(key, within="subaccount"), slot)

    def _recover_params(self, record: dict[str, Any], recovery: Recovery) -> None:
        if "currency" in record:
            self.currencies[record["name"]] = record["currency"]
        if "opened" in record:
            self.opened = record["opened"]
            recovery.life_began()
        if "robot" in record:
            before = self.robots.get(record["robot"])
            self.robots[record["robot"]] = RobotLife(
                record["robot"],
                record["name"],
                record["epoch"],
                record["journal"],
                slot=record.get("slot", MAIN),
                taken=record.get("taken", 0),
                rate=record.get("rate", 0),
                held=before.held if before else {},
            )

    def _recover_intent(self, payload: bytes, symbol: str, time: int, recovery: Recovery) -> None:
        request = request_of(payload, symbol)
        life, spec = self.robots[request.robot], request.spec
        self._note_order(request.order_id)
        name = life.client_id(request.order_id)
        is_amendment = request.kind is _AMEND and not request.is_reissue
        if is_amendment and (order := recovery.manager.orders.get(name)) is not None:
            self._note_amendment(order, spec.size_int, share_of(payload))
        recovery.intent(name, request, time)
        if spec.once is not None:
            self.first.claim(spec.once, life.slot, name, life.number, time)

    def _recover_news(self, heard: NewsFrame, recovery: Recovery) -> None:
        life = self.robots.get(heard.robot)
        if life is not None:
            self._note_order(heard.order_id)
            if heard.news is OrderNews.DENIED:
                life.denied.add(heard.order_id)
            recovery.news(life.client_id(heard.order_id), heard)

    def _read_fill(
        self, frame: Frame, symbol: str, settle: str, orders: Mapping[tuple[int, int], Managed]
    ) -> tuple[FillReport, RobotLife | None]:
        """Reads a fill, and the robot whose order it is of."""
        row = fill_of(frame.payload)
        life = self.robots.get(row.robot)
        nobodys = FORCED if frame.flags & FORCED_FLAG else "foreign"  # so it is booked where its entry is to come
        fill = FillReport(
            symbol=symbol,
            client_id=life.client_id(row.order_id) if life else nobodys,
            venue_id=self._venue_name(row.venue, orders, is_internal=row.trade_id >= INTERNAL_TRADES),
            trade_id=row.trade_id,
            side=row.side,
            position_side=row.position_side,
            price=row.price,
            size=row.size,
            time=row.time,
            fee=row.fee,
            fee_currency=next((n for n, at in self.currencies.items() if at == row.currency), settle),
            liquidity=row.liquidity,
        )
        return fill, life


def part_of(fill: FillReport, size: int) -> FillReport:
    """Returns a part of a fill, with its share of the fee."""
    return fill._replace(size=size, fee=divide_half_even(fill.fee * size, fill.size))


def is_risk(out: Out) -> bool:
    """Tells whether a record must be durable: an intent, and a fill that the venue cannot report again. A cancel need
    not: it is asked for again."""
    if isinstance(out, FillOut):
        return out.fill.is_internal
    return isinstance(out, IntentOut) and out.kind is not RequestKind.CANCEL
