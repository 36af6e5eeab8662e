"""A gateway's own state from its journal, beside the account's state that all readers use: commands, request keys,
assigned ids, and money.

| frame | effect |
|---|---|
| order_request | claims a request key; an amendment leaves a share of its order to be taken, or takes it back |
| order_event | marks the id of an order by hand as used |
| input | sets how far a robot's journal was processed |
| command | kill switch, halts, keys; it is open until its reply |
| reply | ends a command |
| cycle | frees a request key |
| entry, transfer | money |
| params | names of sub-accounts; another incarnation of the gateway |
| health | another guardian; the kill switch was reported; another exchange; a bracket's legs given up, or its end |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from onetape.accounts.entries import MAIN
from onetape.accounts.kept_money import KeptMoney
from onetape.model.enums import RequestKind
from onetape.model.ids import is_by_hand, is_past_gateway, next_by_hand
from onetape.model.order import OrderSpec
from onetape.model.request_key import RequestKey, key_by_hand
from onetape.model.sections import GUARDIAN
from onetape.model.time import DAY
from onetape.orders.first_request import FirstRequests
from onetape.orders.halts import Halts, halt_of
from onetape.orders.order import Order
from onetape.orders.order_frames import RequestFrame, share_of
from onetape.projections.brackets import BRACKET, Brackets, terms_of
from onetape.projections.checkpoint import Checkpoint, TapeRecord
from onetape.projections.found import Found, acts_on_found, is_dry_run
from onetape.projections.once import Once
from onetape.projections.recovered_orders import RecoveredOrders
from onetape.projections.robot_life import RobotLife
from onetape.projections.robot_parts import RobotParts

__all__ = ["GatewayState", "kill_reason"]


def kill_reason(fields: Mapping[str, Any]) -> str:
    """Returns the reason of a kill command, never empty: an empty reason means no kill."""
    return str(fields.get("reason", "")) or "by the operator"


class GatewayState:
    """The state that a gateway needs at a start. orders, money: parts of it with their own rules."""

    def __init__(self, orders: RecoveredOrders, money: KeptMoney) -> None:
        self.orders, self.money = orders, money
        self.account = ""  # whose it is
        self.is_off_unsaid = False  # the kill switch has been switched off without a health record about it so far
        self.halts = Halts()
        self.once = Once()  # recorded commands
        # Request keys, by the client ids of the orders that have them.
        self.first: FirstRequests[str] = FirstRequests(lambda _: None)
        # Orders that were reduced so that a share of them may take, by client id: their new size, and the reduction.
        self.shares: dict[str, tuple[int, int]] = {}
        # Commands without a reply, by id, with what they found; one that flattens the account ends with `unkill`.
        self.begun: dict[str, Found] = {}
        self.brackets = Brackets()
        self.last_by_hand = 0  # the newest id of an order by hand
        self.opened = 0  # epoch of the last writer that has noted its start, 0: none has
        self.since = 0  # the frame after which the journal is about the current exchange

    def begin_anew(self, sequence: int) -> None:
        """Clears all requests, because the account is at another exchange. sequence: of the frame about it."""
        self.since = sequence
        self.shares.clear()
        self.begun.clear()
        self.brackets.clear()
        self.first.clear()

    # --- orders -----------------------------------------------------------------------------------

    def next_by_hand(self, now: int) -> int:
        """Returns the id of the next order by hand. now: ns UTC."""
        return next_by_hand(self.last_by_hand, now)

    def take_by_hand(self, now: int) -> int:
        """Assigns the id of an order by hand. now: ns UTC."""
        self.last_by_hand = self.next_by_hand(now)
        return self.last_by_hand

    def note_order(self, order_id: int) -> None:
        """Marks an order's id as used, if it is one of an order by hand."""
        if is_by_hand(order_id) and not is_past_gateway(order_id):  # those of a guardian have their own counter
            self.last_by_hand = max(self.last_by_hand, order_id)

    def amended(self, order: Order, size: int, share: int) -> None:
        """Handles an amendment, before the order has its size. It leaves a share to be taken only if it reduces the
        order for that purpose and the size holds."""
        name = order.client_id
        if share:
            self.shares[name] = size, share
        elif name in self.shares and not self.shares[name][0] == size == order.size:
            del self.shares[name]

    def request(self, request: RequestFrame, payload: bytes) -> None:
        """Handles a request, before its order does."""
        self.note_order(request.order_id)
        if request.kind is RequestKind.AMEND and not request.is_reissue:
            order = self.orders.find(request.robot, request.order_id)
            if order is not None:
                self.amended(order, request.spec.size_int, share_of(payload))

    def claim(self, life: RobotLife, order_id: int, spec: OrderSpec, time: int) -> None:
        """Gives the request key to an accepted order. An order by hand may begin a bracket, or be a leg of one."""
        if is_by_hand(order_id):
            self.brackets.placed(life.number, order_id, spec)
        if spec.once is not None:
            self.first.claim(spec.once, life.slot, life.client_id(order_id), life.number, time)

    # --- commands ---------------------------------------------------------------------------------

    def command(self, record: dict[str, Any], time: int, parts: RobotParts) -> None:
        """Handles a command. parts: of current positions."""
        self.once.commanded(record, time)
        if record.get("refused") is not None:
            return
        fields = record if record.get("fields") is None else record["fields"]  # old tapes have them beside the name
        if acts_on_found(record.get("command", ""), fields):
            self.begun[record["id"]] = Found(list(self.orders.account.open), parts.held(self.money.booking.positions))
        match record.get("command"):
            case "settle" if fields["as"] != "open":
                self.orders.account.resolved.add(fields["order"])
            case "flatten" if fields.get("symbol") or is_dry_run(fields):
                pass
            case "kill" | "flatten" as name:
                self.halts.killed = kill_reason(fields)
                if name == "flatten":
                    self.begun[record["id"]] = Found([], {}, is_kill=True)
            case "place" if not is_dry_run(fields) and (terms := terms_of(fields)) is not None:
                self.brackets.named[key_by_hand(record["id"]).key] = terms
            case "unkill":
                self.halts.killed = ""
                self.begun = {name: each for name, each in self.begun.items() if not each.is_kill}
                self.is_off_unsaid = True
            case "halt":
                self.halts.expire(time - DAY)  # by another clock than the halts'
                self.halts.begin(halt_of(fields, actor=record["actor"], account=self.account, time=time))
            case "lift_halt":
                self.halts.lift(fields["id"])
            case "unprotected":
                self.halts.protect(fields["symbol"], int(fields.get("since", 0)))
            case "end_cycle":
                key, name = RequestKey(str(fields.get("key", ""))), fields.get("subaccount")
                if name is None:
                    self.first.end(key, MAIN)
                elif (slot := {"main": MAIN, **self.money.names}.get(str(name))) is not None:
                    self.first.end(msgspec.structs.replace(key, within="subaccount"), slot)

    def replied(self, record: dict[str, Any]) -> None:
        self.begun.pop(record["id"], None)
        if self.brackets.named:  # its entry was denied
            self.brackets.named.pop(key_by_hand(record["id"]).key, None)
        self.once.ended(record["id"], record)

    def cycle(self, record: dict[str, Any]) -> None:
        if "refused" not in record:
            self.first.end(RequestKey(record["end"], record["within"]), record["slot"])

    def said(self, record: dict[str, Any]) -> None:
        """Handles a health record."""
        if record["kind"] == GUARDIAN and "epoch" in record:
            self.halts.epoch = max(self.halts.epoch, record["epoch"])
        elif record["kind"] == "kill switch":
            self.is_off_unsaid = False
        elif record["kind"] == BRACKET:
            self.brackets.decided(record)

    # --- checkpoints ------------------------------------------------------------------------------

    def to_record(self, parts: RobotParts, currencies: Mapping[int, str]) -> TapeRecord:
        """Makes the record of a checkpoint, without orders and money. currencies: by number."""
        return TapeRecord(
            list(parts.robots.values()),
            {name: number for number, name in currencies.items()},
            self.halts.killed,
            self.halts.to_record(),
            self.since,
            self.once.to_record(),
            self.first.to_record(),
            parts.beyond,
            parts.forced,
            self.opened,
            self.last_by_hand,
            self.shares,
            {name: each for name, each in self.begun.items() if self.once.find(name) is not None},
            *self.brackets.to_record(),
        )

    def restore(self, made: Checkpoint) -> None:
        """Continues from a checkpoint: before the first frame."""
        self.orders.restore(made.orders)
        self.money.restore(made.money)
        record = made.tape
        self.since, self.opened = record.since, record.opened
        self.halts.restore(record.halts)
        self.halts.killed = record.killed
        self.once.restore(record.once)
        self.first.restore(record.first)
        self.last_by_hand, self.shares, self.begun = record.last_by_hand, dict(record.shares), dict(record.begun)
        self.brackets.restore(record.brackets, record.bracket_terms)
