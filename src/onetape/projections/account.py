"""One account's orders, fills, positions and balances, folded from its gateway's journal.

A restarting gateway reads its own journal with the same `apply`, with `GatewayState` beside.

| frame | effect |
|---|---|
| instrument | sets its stream, and its terms from then on |
| order_request, reply, order_event | change an order, see `Orders` |
| fill | changes its order, and the account's position, except for an internal trade; a sub-account's waits for its
entry |
| entry | books the fill that it names at its sub-account |
| position | sets a position from before the journal, or an external one |
| balance | sets the venue's balance |
| params | set a robot's number, a currency's, another incarnation of the gateway |
| health | another exchange: clears all earlier state |
| input, command, cycle, transfer | only for a restarting gateway, see `GatewayState` |
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, MutableSequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import msgspec

from onetape.accounts.booked_fills import BookedFills
from onetape.accounts.booking import FORCED
from onetape.accounts.entries import MAIN
from onetape.accounts.entry_frames import unpack
from onetape.accounts.holding import Holding, Terms
from onetape.accounts.kept_money import LEDGER, OTHER_EXCHANGE
from onetape.model.decimals import decimal_text
from onetape.model.enums import EventType, OrderNews, PositionSide
from onetape.model.instrument import Instrument
from onetape.model.money import divide_half_even, money, money_text
from onetape.orders.books import OPENING
from onetape.orders.openings import Openings
from onetape.orders.order import Key, Order
from onetape.orders.order_frames import FORCED_FLAG, FillFrame, NewsFrame, fill_of, news_of, request_of
from onetape.orders.order_record import order_of
from onetape.orders.reports import INTERNAL_TRADES, FillReport
from onetape.projections.checkpoint import Checkpoint
from onetape.projections.gateway_state import GatewayState
from onetape.projections.orders import Orders
from onetape.projections.robot_life import RobotLife
from onetape.projections.robot_parts import RobotParts
from onetape.tape.journal import Frame
from onetape.tape.payloads import fields

__all__ = ["READ", "READ_ALL", "READ_PARTS", "AccountState", "At", "order_row", "text_of"]

READ: Final = ("instrument", "order_request", "order_event", "fill", "params", "balance", "position", "health", "reply")
READ_PARTS: Final = (*READ, "entry")  # with sub-accounts' positions
READ_ALL: Final = (*READ_PARTS, "input", "command", "cycle", "transfer")  # all that a restarting gateway reads

_INPUT: Final = fields("input", "first_sequence", "count", "robot")

At = tuple[str, PositionSide]  # symbol and side of a position
NOTHING: Final[frozenset[At]] = frozenset()


@dataclass(slots=True)
class AccountState:
    """The account's state by its gateway's journal.

    balances: currency -> (units, time); openings: the frames that opened positions; subaccounts: their positions, if
    `READ_PARTS` are applied.
    """

    instruments: dict[str, Instrument] = field(default_factory=dict)
    streams: dict[int, str] = field(default_factory=dict)  # symbols by the tape's stream numbers
    currencies: dict[int, str] = field(default_factory=dict)  # by the tape's numbers
    robots: dict[int, RobotLife] = field(default_factory=dict)
    placed: Orders = field(init=False)
    booked: MutableSequence[tuple[str, FillFrame]] = field(default_factory=list)  # with the symbol
    held: dict[At, Holding] = field(default_factory=dict)
    balances: dict[str, tuple[int, int]] = field(default_factory=dict)
    openings: Openings[At] = field(default_factory=lambda: Openings({}, {}))
    keeps_fills: bool = True  # else `booked` stays empty
    keeps_parts: bool = False  # else `subaccounts` stays empty
    gateway: GatewayState | None = None
    subaccounts: BookedFills = field(init=False)
    parts: RobotParts = field(init=False)

    def __post_init__(self) -> None:
        gateway = self.gateway
        self.placed = Orders() if gateway is None else gateway.orders
        self.subaccounts = BookedFills(self.instruments) if gateway is None else gateway.money.fills
        self.parts = RobotParts(self.robots, lambda *of: self.subaccounts.booking.own(*of))
        self.subaccounts.on_forced = self.parts.note_forced

    @property
    def working(self) -> dict[Key, Order]:
        """Returns the orders that have not ended, by robot and order id."""
        return self.placed.working

    # --- display ----------------------------------------------------------------------------------

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
            "client_id": life.client_id(row.order_id) if life else "",
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
        """Returns the positions, valued at prices, with the ledger's cost and profit if parts are kept.

        references: price units by symbol.
        """
        shown, ledger = [], self.subaccounts.booking.account
        for (symbol, side), held in sorted(self.held.items()):
            price = references.get(symbol, 0)
            # The ledger inserts late fills where the venue had them; `held` adds them where they are on the tape.
            booked = ledger.get((symbol, side))
            if booked is not None and not booked.terms.is_spot and held.cost and booked.qty == held.qty:
                held = booked
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

    # --- frames -----------------------------------------------------------------------------------

    def restore(self, made: Checkpoint) -> None:
        """Continues from a gateway's checkpoint: before the first frame, with its instruments; without balances and
        fills. Positions are those of its books, at their cost in its ledger."""
        self.robots.update({life.number: life for life in made.tape.robots})
        self.currencies.update({number: name for name, number in made.tape.currencies.items()})
        self.parts.beyond, self.parts.forced = list(made.tape.beyond), list(made.tape.forced)
        if self.gateway is not None:
            self.gateway.restore(made)
        else:
            for order in made.orders.orders.open:
                if order.robot:
                    self.placed.add(order_of(order))
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
        if self.keeps_parts and self.gateway is None:
            money = made.money
            self.subaccounts.restore(money.booking, money.waiting, money.openings, has_begun=bool(money.opened))

    def to_records(self) -> dict[str, Any]:
        """Makes a gateway's records for a checkpoint. To be called before any other use of its orders."""
        gateway = self.gateway
        assert gateway is not None
        return {
            "orders": gateway.orders.to_record(self.openings.frames()),
            "tape": gateway.to_record(self.parts, self.currencies),
            "money": gateway.money.to_record(),
        }

    def list_instruments(self, records: Mapping[int, Mapping[str, Any]]) -> None:
        """Sets the instruments of its journal up to some frame, by stream."""
        for stream, record in records.items():
            self.streams[stream] = record["symbol"]
            self.instruments[record["symbol"]] = Instrument.from_msgpack(msgspec.msgpack.encode(record))

    def apply(self, frame: Frame) -> Collection[At]:
        """Applies the next frame of the journal, of a type in `READ`, `READ_PARTS` or, with a gateway's state,
        `READ_ALL`. Returns the positions in which sub-accounts' parts have changed."""
        match frame.type:
            case EventType.INSTRUMENT.id:
                instrument = Instrument.from_msgpack(frame.payload)
                self.streams[frame.stream] = instrument.symbol
                self.instruments[instrument.symbol] = instrument
            case EventType.ORDER_REQUEST.id:
                self._request(frame, self.streams[frame.stream])
            case EventType.ORDER_EVENT.id:
                self._news(news_of(frame))
            case EventType.FILL.id:
                self._fill(self.streams[frame.stream], fill_of(frame.payload), frame)
            case EventType.ENTRY.id:
                return self._entry(frame.payload)
            case EventType.INPUT.id:
                self._input(*_INPUT.unpack(frame.payload))
            case _:
                self._record(frame, msgspec.msgpack.decode(frame.payload))
        return NOTHING

    def _request(self, frame: Frame, symbol: str) -> None:
        request, gateway = request_of(frame.payload, symbol), self.gateway
        life = self.robots.get(request.robot)
        if gateway is not None:
            gateway.request(request, frame.payload)
        self.placed.request(request, frame.time, life)
        if gateway is not None and life is not None:
            gateway.claim(life, request.order_id, request.spec, frame.time)

    def _news(self, news: NewsFrame) -> None:
        if self.gateway is not None and (life := self.robots.get(news.robot)) is not None:
            self.gateway.note_order(news.order_id)
            if news.news is OrderNews.DENIED:
                life.denied.add(news.order_id)
        self.placed.news(news)

    def _input(self, first: int, count: int, robot: int) -> None:
        """Notes which requests on a robot's journal the gateway has processed."""
        if (life := self.robots.get(robot)) is not None:
            life.taken = first + count - 1
            life.denied.clear()

    def _fill(self, symbol: str, row: FillFrame, frame: Frame) -> None:
        if self.keeps_fills:
            self.booked.append((symbol, row))
        life, fill, sequence = self.robots.get(row.robot), None, frame.sequence
        if self.keeps_parts:
            fill = self._report_of(row, symbol, life, is_forced=bool(frame.flags & FORCED_FLAG))
            if life is not None:
                order = self.placed.find(row.robot, row.order_id)
                self.parts.note_fill(life, fill, order.spec.tag if order is not None else "")
        elif life is not None:
            life.note_fill(symbol, row.position_side, row.size * row.side.sign)
        if self.gateway is not None:
            self.gateway.brackets.filled(row.order_id, row.price, row.size)
        self.placed.fill(row, fill)
        if fill is not None:
            self.subaccounts.fill(fill, life.slot if life is not None else MAIN, sequence)
        if row.trade_id >= INTERNAL_TRADES:  # the account's position does not change
            return
        held = self._holding(symbol, row.position_side)
        change = row.size * row.side.sign
        was, is_priced = held.qty, bool(held.cost)
        if not is_priced:  # its entry price is unknown: closing it realizes no profit
            held.cost = held.terms.value(row.price, was)
        held.fill(change, held.terms.value(row.price, change))
        if not is_priced and held.qty * was > 0:
            held.cost = 0
        self.openings.note((symbol, row.position_side), held.qty, sequence)

    def _report_of(self, row: FillFrame, symbol: str, life: RobotLife | None, *, is_forced: bool) -> FillReport:
        nobodys = FORCED if is_forced else "foreign"  # a foreign fill is booked with its entry
        return FillReport(
            symbol=symbol,
            client_id=life.client_id(row.order_id) if life is not None else nobodys,
            venue_id=self.placed.venue_name(row),
            trade_id=row.trade_id,
            side=row.side,
            position_side=row.position_side,
            price=row.price,
            size=row.size,
            time=row.time,
            fee=row.fee,
            fee_currency=self.currencies.get(row.currency, self.instruments[symbol].settle),
            liquidity=row.liquidity,
        )

    def _entry(self, payload: bytes) -> Collection[At]:
        if self.gateway is not None:
            self.gateway.money.entry(payload)
            return NOTHING
        entry = unpack(payload)
        if entry.note == OTHER_EXCHANGE:
            self.subaccounts.anew()
        booked = self.subaccounts.entry(entry.of, is_forced=entry.note == FORCED)
        return {(fill.symbol, fill.position_side) for fill in booked}

    def _record(self, frame: Frame, record: dict[str, Any]) -> None:
        """Applies a record that is a map; orders, fills and entries have fixed layouts."""
        gateway = self.gateway
        match frame.type:
            case EventType.PARAMS.id:
                self._params(record)
            case EventType.BALANCE.id if "currency" in record:
                time = max(record["ts_event"], self.balances.get(record["currency"], (0, 0))[1])
                self.balances[record["currency"]] = (int(record["total"]), time)
            case EventType.POSITION.id:
                self._position(record, frame.sequence)
            case EventType.REPLY.id if "order" in record:
                self.placed.reply(record)
            case EventType.REPLY.id if gateway is not None and "id" in record:  # without: bars that a robot asked for
                gateway.replied(record)
            case EventType.HEALTH.id if record["kind"] == "exchange" and record["state"] == "new":
                self._begin_anew(frame.sequence)
            case EventType.HEALTH.id if record["kind"] == "reconciled":
                self.placed.reconciled()
            case EventType.HEALTH.id if gateway is not None:
                gateway.said(record)
            case EventType.COMMAND.id if gateway is not None:
                gateway.command(record, frame.time, self.parts)
            case EventType.CYCLE.id if gateway is not None:
                gateway.cycle(record)
            case EventType.TRANSFER.id if gateway is not None:
                gateway.money.transfer(record)

    def _begin_anew(self, sequence: int) -> None:
        """Clears all state, because the account is at another exchange."""
        self.placed.begin_anew()
        self.held.clear()
        self.balances.clear()
        self.openings = Openings({}, {})
        self.parts.begin_anew()
        if self.gateway is not None:
            self.gateway.begin_anew(sequence)

    def _params(self, record: dict[str, Any]) -> None:
        if "robot" in record:
            number, before = record["robot"], self.robots.get(record["robot"])
            self.robots[number] = RobotLife(
                number,
                record["name"],
                record["epoch"],
                record["journal"],
                slot=record.get("slot", MAIN),
                taken=record.get("taken", 0),
                rate=record.get("rate", 0),
                held=before.held if before is not None else {},
            )
        elif "opened" in record:
            self.placed.incarnation()
            if self.gateway is not None:
                self.gateway.opened = record["opened"]
        elif "currency" in record:
            self.currencies[record["currency"]] = record["name"]
        elif "slots" in record and self.gateway is not None:
            self.gateway.money.names = record["slots"]

    def _position(self, record: dict[str, Any], sequence: int) -> None:
        symbol, side = record["symbol"], PositionSide(record["side"])
        if record["source"] == OPENING:
            self.opening(symbol, side, record["qty"])
            self.placed.opening(symbol, side, record["qty"])
            self.openings.note((symbol, side), record["qty"], sequence)
        elif record["source"] == LEDGER and self.keeps_parts:
            self.subaccounts.adopt(symbol, side, record["qty"], record["price"], sequence)

    def opening(self, symbol: str, side: PositionSide, size: int) -> None:
        """Sets a position to the venue's, which our fills do not explain: its entry price is unknown."""
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
    """Renders an order for commands. life: of its robot, None: a foreign order."""
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
        "remaining": instrument.size_text(order.remaining),
        "state": str(order.state),
        "code": order.code,
        "reason": order.reason,
        "robot": life.name if life else "",
    }


def text_of(value: Decimal) -> str:
    """Renders an amount for people, with at most twelve decimals."""
    return decimal_text(round(value, 12))
