"""One account's orders, fills, positions and balances, folded from its gateway's journal.

| frame | what it does |
|---|---|
| instrument | its stream, and its terms from then on |
| order_request, reply, order_event | an order, see `Orders` |
| fill | its order, and the account's position, but for a trade inside; a sub-account's waits for its entry |
| entry | books the fill that it names at its sub-account |
| position | what the account had before, or has besides |
| balance | the venue's word |
| params | a robot's number, a currency's, another incarnation of the gateway |
| health | another exchange: nothing of before is there |
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import msgspec

from onetape.accounts.booked_fills import BookedFills
from onetape.accounts.booking import FORCED
from onetape.accounts.entries import MAIN, Entry
from onetape.accounts.entry_frames import unpack
from onetape.accounts.holding import Holding, Terms
from onetape.accounts.kept_money import LEDGER, OTHER_EXCHANGE
from onetape.model.decimals import decimal_text
from onetape.model.enums import EventType, PositionSide
from onetape.model.instrument import Instrument
from onetape.model.money import divide_half_even, money, money_text
from onetape.orders.books import OPENING
from onetape.orders.order import Key, Order
from onetape.orders.order_frames import FillFrame, fill_of
from onetape.orders.recover import Openings
from onetape.orders.reports import INTERNAL_TRADES, FillReport
from onetape.projections.checkpoint import Checkpoint
from onetape.projections.orders import Orders
from onetape.projections.robot_life import RobotLife
from onetape.tape.journal import Frame

__all__ = ["READ", "READ_PARTS", "AccountState", "At", "order_row", "text_of"]

READ: Final = ("instrument", "order_request", "order_event", "fill", "params", "balance", "position", "health", "reply")
READ_PARTS: Final = (*READ, "entry")  # with what sub-accounts hold

At = tuple[str, PositionSide]  # symbol and side of a position
NOTHING: Final[frozenset[At]] = frozenset()


@dataclass(slots=True)
class AccountState:
    """Holds what a gateway's journal says of its account.

    balances: currency -> (units, time); openings: which frame has opened a position; subaccounts: what each of them
    holds, where `READ_PARTS` are applied.
    """

    instruments: dict[str, Instrument] = field(default_factory=dict)
    streams: dict[int, str] = field(default_factory=dict)  # of the tape: symbols
    currencies: dict[int, str] = field(default_factory=dict)  # of the tape's numbers
    robots: dict[int, RobotLife] = field(default_factory=dict)
    placed: Orders = field(default_factory=Orders)
    booked: list[tuple[str, FillFrame]] = field(default_factory=list)  # with the symbol
    held: dict[At, Holding] = field(default_factory=dict)
    balances: dict[str, tuple[int, int]] = field(default_factory=dict)
    openings: Openings[At] = field(default_factory=lambda: Openings({}, {}))
    keeps_fills: bool = True  # else `booked` stays empty
    keeps_parts: bool = False  # else `subaccounts` does
    subaccounts: BookedFills = field(init=False)

    def __post_init__(self) -> None:
        self.subaccounts = BookedFills(self.instruments)

    @property
    def working(self) -> dict[Key, Order]:
        """Returns the orders that have not ended, by robot and order id."""
        return self.placed.working

    # --- shown ------------------------------------------------------------------------------------

    def orders(self, account: str) -> list[dict[str, Any]]:
        return [self.order(each, account) for each in self.working.values()]

    def order(self, row: Order, account: str) -> dict[str, Any]:
        instrument, life = self.instruments[row.spec.symbol], self.robots.get(row.robot)
        return {
            **order_row(row, life.client_id(row.order_id) if life else "", instrument, life),
            "kind": row.spec.trigger_kind.word,
            "average_price": text_of(instrument.price(row.spent) / row.filled) if row.filled else None,
            "tag": row.spec.tag,
            "ts_created": row.created,
            "account": account,
        }

    def fills(self, account: str) -> list[dict[str, Any]]:
        return [self.fill(symbol, row, account) for symbol, row in self.booked]

    def fill(self, symbol: str, row: FillFrame, account: str) -> dict[str, Any]:
        instrument = self.instruments[symbol]
        life = self.robots.get(row.robot)
        return {
            "order": row.order_id,
            "symbol": symbol,
            "side": str(row.side),
            "position_side": str(row.position_side),
            "price": instrument.price_text(row.price),
            "qty": instrument.size_text(row.size),
            "fee": money_text(row.fee),
            "fee_currency": self.currencies.get(row.currency, instrument.settle),
            "liquidity": str(row.liquidity),
            "id": str(row.trade_id),
            "internal": row.trade_id >= INTERNAL_TRADES,
            "ts_event": row.time,
            "account": account,
            "robot": life.name if life else "",
        }

    def positions_at(self, account: str, references: dict[str, int]) -> list[dict[str, Any]]:
        """Returns the positions, valued at prices.

        references: price units by symbol.
        """
        shown = []
        for (symbol, side), held in sorted(self.held.items()):
            price = references.get(symbol, 0)
            is_priced = bool(held.qty and held.cost)
            unrealized = held.unrealized_at(price) if price and is_priced else None
            shown.append(
                {
                    "symbol": symbol,
                    "side": str(side),
                    "qty": self.instruments[symbol].size_text(held.qty),
                    "entry_price": text_of(held.average) if is_priced else None,
                    "unrealized": None if unrealized is None else text_of(money(unrealized)),
                    "realized": text_of(money(held.realized)),
                    "price": text_of(self.instruments[symbol].price(price)) if price else None,
                    "currency": self.instruments[symbol].settle,
                    "account": account,
                }
            )
        return shown

    # --- folded -----------------------------------------------------------------------------------

    def restore(self, made: Checkpoint) -> None:
        """Goes on from a gateway's checkpoint: before the first frame, with its instruments; without balances and
        fills. What is held is what its books say, at what its ledger reckons that it cost."""
        self.robots = {life.number: life for life in made.tape.robots}
        self.currencies = {number: name for name, number in made.tape.currencies.items()}
        for order in made.orders.orders.open:
            if order.robot:
                self.placed.add(order)
        for symbol, side, state in made.money.booking.account:
            if symbol in self.instruments:
                self._holding(symbol, side).state = state
        for _, fill, _ in made.money.waiting:
            if not fill.is_internal:
                held, change = self._holding(fill.symbol, fill.position_side), fill.size * fill.side.sign
                held.fill(change, held.terms.value(fill.price, change))
        positions = {(symbol, side): qty for symbol, side, qty in made.orders.books.positions}
        for (symbol, side), qty in positions.items():
            if symbol in self.instruments:
                self.opening(symbol, side, qty)
        self.openings = Openings(made.orders.opened, positions)
        if self.keeps_parts:
            money = made.money
            self.subaccounts.restore(money.booking, money.waiting, money.openings, has_begun=bool(money.opened))

    def apply(self, frame: Frame) -> Collection[At]:
        """Takes the next frame of the journal, of one of the types of `READ`, or of `READ_PARTS`. Returns the positions
        of which sub-accounts hold another part since."""
        match frame.type:
            case EventType.INSTRUMENT.id:
                instrument = Instrument.from_msgpack(frame.payload)
                self.streams[frame.stream] = instrument.symbol
                self.instruments[instrument.symbol] = instrument
            case EventType.ORDER_REQUEST.id:
                self.placed.request(frame, self.streams[frame.stream])
            case EventType.ORDER_EVENT.id:
                self.placed.news(frame)
            case EventType.FILL.id:
                self._fill(self.streams[frame.stream], fill_of(frame.payload), frame.sequence)
            case EventType.ENTRY.id:
                return self._entry(unpack(frame.payload))
            case _:
                self._record(frame.type, msgspec.msgpack.decode(frame.payload), frame.sequence)
        return NOTHING

    def _fill(self, symbol: str, row: FillFrame, sequence: int) -> None:
        if self.keeps_fills:
            self.booked.append((symbol, row))
        self.placed.fill(row)
        life = self.robots.get(row.robot)
        if life is not None:
            life.note_fill(symbol, row.position_side, row.size * row.side.sign)
        if self.keeps_parts:
            self.subaccounts.fill(_report_of(row, symbol), life.slot if life is not None else MAIN, sequence)
        if row.trade_id >= INTERNAL_TRADES:  # the account's position stays
            return
        held = self._holding(symbol, row.position_side)
        change = row.size * row.side.sign
        was, is_priced = held.qty, bool(held.cost)
        if not is_priced:  # opened at a price that nobody knows: closing it makes no profit
            held.cost = held.terms.value(row.price, was)
        held.fill(change, held.terms.value(row.price, change))
        if not is_priced and held.qty * was > 0:
            held.cost = 0
        self.openings.note((symbol, row.position_side), held.qty, sequence)

    def _entry(self, entry: Entry) -> Collection[At]:
        if entry.note == OTHER_EXCHANGE:
            self.subaccounts.anew()
        booked = self.subaccounts.entry(entry.of, is_forced=entry.note == FORCED)
        return {(fill.symbol, fill.position_side) for fill in booked}

    def _record(self, kind: int, record: dict[str, Any], sequence: int) -> None:
        """Takes a record that is a map; orders, fills and entries have layouts."""
        match kind:
            case EventType.PARAMS.id if "robot" in record:
                number, slot, before = record["robot"], record.get("slot", MAIN), self.robots.get(record["robot"])
                robot = RobotLife(number, record["name"], record["epoch"], record["journal"], slot=slot)
                robot.held = before.held if before is not None else robot.held
                self.robots[number] = robot
            case EventType.PARAMS.id if "opened" in record:
                self.placed.incarnation()
            case EventType.PARAMS.id if "currency" in record:
                self.currencies[record["currency"]] = record["name"]
            case EventType.BALANCE.id if "currency" in record:
                time = max(record["ts_event"], self.balances.get(record["currency"], (0, 0))[1])
                self.balances[record["currency"]] = (int(record["total"]), time)
            case EventType.POSITION.id:
                self._position(record, sequence)
            case EventType.REPLY.id if "order" in record:
                self.placed.reply(record)
            case EventType.HEALTH.id if record["kind"] == "exchange" and record["state"] == "new":
                # It knows nothing of what this journal says of an earlier one.
                self.working.clear()
                self.held.clear()
                self.balances.clear()
                self.openings = Openings({}, {})
                for each in self.robots.values():
                    each.held.clear()

    def _position(self, record: dict[str, Any], sequence: int) -> None:
        symbol, side = record["symbol"], PositionSide(record["side"])
        if record["source"] == OPENING:
            self.opening(symbol, side, record["qty"])
            self.openings.note((symbol, side), record["qty"], sequence)
        elif record["source"] == LEDGER and self.keeps_parts:
            self.subaccounts.adopt(symbol, side, record["qty"], record["price"], sequence)

    def opening(self, symbol: str, side: PositionSide, size: int) -> None:
        """Takes in that the venue holds another quantity than our fills explain: its price is not known."""
        held = self._holding(symbol, side)
        if size != held.qty:
            same = size * held.qty > 0
            held.cost = divide_half_even(held.cost * abs(size), abs(held.qty)) if same else 0
            held.qty = size

    def _holding(self, symbol: str, side: PositionSide) -> Holding:
        instrument, found = self.instruments[symbol], self.held.get((symbol, side))
        if found is None:
            found = self.held[symbol, side] = Holding(Terms(instrument))
        elif found.terms.instrument is not instrument:  # it has a new version
            found.terms = Terms(instrument)
        return found


def order_row(order: Order, client_id: str, instrument: Instrument, life: RobotLife | None) -> dict[str, Any]:
    """Renders an order as commands show it. life: of its robot, None: other hands made it."""
    spec = order.spec
    return {
        "id": order.order_id,
        "client_id": client_id,
        "venue_id": order.venue_id,
        "symbol": spec.symbol,
        "side": str(spec.side),
        "position_side": str(spec.position_side),
        "type": str(spec.type),
        "price": instrument.price_text(order.price) if order.price else None,
        "trigger": instrument.price_text(spec.trigger_int) if spec.trigger_int else None,
        "qty": instrument.size_text(order.size),
        "filled": instrument.size_text(order.filled),
        "remaining": instrument.size_text(order.life.remaining),
        "state": str(order.state),
        "code": order.code,
        "reason": order.reason,
        "robot": life.name if life else "",
    }


def text_of(value: Decimal) -> str:
    """Returns an amount as people read it: twelve decimals at most."""
    return decimal_text(round(value, 12))


def _report_of(row: FillFrame, symbol: str) -> FillReport:
    """Returns a fill as the ledger's arithmetic takes it; what its fee is paid in moves no position."""
    of = (row.trade_id, row.side, row.position_side, row.price, row.size, row.time, row.fee)
    return FillReport(symbol, "", "", *of, "", row.liquidity)
