"""One account's orders, fills, positions and balances, folded from its gateway's journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import msgspec

from onetape.accounts.entries import MAIN
from onetape.accounts.holding import Holding, Terms
from onetape.model.decimals import decimal_text
from onetape.model.enums import EventType, PositionSide
from onetape.model.instrument import Instrument
from onetape.model.money import divide_half_even, money, money_text
from onetape.orders.books import OPENING
from onetape.orders.order import Key, Order
from onetape.orders.order_frames import FillFrame, fill_of
from onetape.orders.reports import INTERNAL_TRADES
from onetape.projections.checkpoint import Checkpoint
from onetape.projections.orders import Orders
from onetape.projections.robot_life import RobotLife
from onetape.tape.journal import Frame

__all__ = ["READ", "AccountView", "text_of"]

READ: Final = ("instrument", "order_request", "order_event", "fill", "params", "balance", "position", "health", "reply")


@dataclass(slots=True)
class AccountView:
    """Holds what a gateway's journal says of its account.

    balances: currency -> (units, time).
    """

    instruments: dict[str, Instrument] = field(default_factory=dict)
    streams: dict[int, str] = field(default_factory=dict)  # of the tape: symbols
    currencies: dict[int, str] = field(default_factory=dict)  # of the tape's numbers
    robots: dict[int, RobotLife] = field(default_factory=dict)
    placed: Orders = field(default_factory=Orders)
    booked: list[tuple[str, FillFrame]] = field(default_factory=list)  # with the symbol
    held: dict[tuple[str, PositionSide], Holding] = field(default_factory=dict)
    balances: dict[str, tuple[int, int]] = field(default_factory=dict)
    # What orders have brought each robot, by number, symbol and position side: signed units.
    parts: dict[tuple[int, str, PositionSide], int] = field(default_factory=dict)
    keeps_fills: bool = True  # else `booked` stays empty

    @property
    def working(self) -> dict[Key, Order]:
        """Returns the orders that have not ended, by robot and order id."""
        return self.placed.working

    # --- shown ------------------------------------------------------------------------------------

    def orders(self, account: str) -> list[dict[str, Any]]:
        return [self.order(each, account) for each in self.working.values()]

    def order(self, row: Order, account: str) -> dict[str, Any]:
        spec = row.spec
        instrument = self.instruments[spec.symbol]
        life = self.robots.get(row.robot)
        average = text_of(instrument.price(row.spent) / row.filled) if row.filled else None
        return {
            "id": row.order_id,
            "client_id": life.client_id(row.order_id) if life else "",
            "venue_id": row.venue_id,
            "symbol": spec.symbol,
            "side": str(spec.side),
            "position_side": str(spec.position_side),
            "type": str(spec.type),
            "price": instrument.price_text(row.price) if row.price else None,
            "trigger": instrument.price_text(spec.trigger_int) if spec.trigger_int else None,
            "kind": spec.trigger_kind.word,
            "qty": instrument.size_text(row.size),
            "filled": instrument.size_text(row.filled),
            "remaining": instrument.size_text(row.left),
            "average_price": average,
            "state": str(row.state),
            "code": row.code,
            "reason": row.reason,
            "tag": spec.tag,
            "ts_created": row.created,
            "account": account,
            "robot": life.name if life else "",
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
        self.parts = {
            (life.number, symbol, PositionSide(side)): qty
            for life in made.tape.robots
            for symbol, of in life.held.items()
            for side, qty in of.items()
        }
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
        for symbol, side, qty in made.orders.books.positions:
            if symbol in self.instruments:
                self.opening(symbol, side, qty)

    def take(self, frame: Frame) -> None:
        """Folds the next frame of the journal, of one of the types of `READ`."""
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
                self.take_fill(self.streams[frame.stream], fill_of(frame.payload))
            case _:
                _cold(self, frame.type, msgspec.msgpack.decode(frame.payload))

    def take_fill(self, symbol: str, row: FillFrame) -> None:
        if self.keeps_fills:
            self.booked.append((symbol, row))
        self.placed.fill(row)
        if row.robot:
            key = row.robot, symbol, row.position_side
            self.parts[key] = self.parts.get(key, 0) + row.size * row.side.sign
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


def text_of(value: Decimal) -> str:
    """Returns an amount as people read it: twelve decimals at most."""
    return decimal_text(round(value, 12))


def _cold(view: AccountView, kind: int, record: dict[str, Any]) -> None:
    match kind:
        case EventType.PARAMS.id if "robot" in record:
            view.robots[record["robot"]] = RobotLife(
                record["robot"], record["name"], record["epoch"], record["journal"], slot=record.get("slot", MAIN)
            )
        case EventType.PARAMS.id if "opened" in record:
            view.placed.incarnation()
        case EventType.PARAMS.id if "currency" in record:
            view.currencies[record["currency"]] = record["name"]
        case EventType.BALANCE.id if "currency" in record:
            time = max(record["ts_event"], view.balances.get(record["currency"], (0, 0))[1])
            view.balances[record["currency"]] = (int(record["total"]), time)
        case EventType.POSITION.id if record["source"] == OPENING:
            view.opening(record["symbol"], PositionSide(record["side"]), record["qty"])
        case EventType.REPLY.id if "order" in record:
            view.placed.reply(record)
        case EventType.HEALTH.id if record["kind"] == "exchange" and record["state"] == "new":
            # It knows nothing of what this journal says of an earlier one.
            view.working.clear()
            view.held.clear()
            view.parts.clear()
            view.balances.clear()
