"""One account's orders, fills, positions and balances, folded from its gateway's journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.model.decimals import decimal_text
from onetape.model.enums import (
    EventType,
    Kind,
    Liquidity,
    OrderState,
    PositionSide,
    RequestKind,
    Side,
)
from onetape.model.instrument import Instrument
from onetape.model.money import join_units, money
from onetape.model.order import OrderSpec
from onetape.orders.books import OPENING
from onetape.orders.told import INTERNAL_TRADES
from onetape.services.gateway_journal import FILL, NEWS, QUOTE, RobotLife, request_of
from onetape.tape.journal import JournalReader

__all__ = ["AccountView", "last_quotes", "read_account"]

READ: Final = (
    "instrument", "order_request", "order_event", "fill", "params", "balance", "position",
    "health", "reply",
)  # fmt: skip
QUOTES_BACK: Final = 20_000  # frames in which the last quote of a symbol is looked for


@dataclass(slots=True)
class OrderRow:
    spec: OrderSpec
    robot: int
    order_id: int
    created: int
    state: OrderState = OrderState.SUBMITTED
    venue_id: int = 0
    price: int = 0
    size: int = 0
    filled: int = 0
    traded: int = 0  # quantity of its fills that were booked,
    spent: int = 0  # and price times quantity
    code: int = 0
    reason: str = ""


@dataclass(slots=True)
class Held:
    """A position by its fills, at average cost. cost: price times quantity, of what is held."""

    size: int = 0
    cost: Decimal = Decimal(0)
    realized: Decimal = Decimal(0)


@dataclass(slots=True)
class FillRow:
    symbol: str
    robot: int
    order_id: int
    trade: int
    time: int
    price: int
    size: int
    fee: int
    side: Side
    liquidity: Liquidity
    position_side: PositionSide
    currency: int = 0  # of its fee, by the tape's number; 0: what the instrument settles in


@dataclass(slots=True)
class AccountView:
    """balances: currency -> (units, time). working: by robot and order id."""

    instruments: dict[str, Instrument] = field(default_factory=dict)
    streams: dict[int, str] = field(default_factory=dict)  # of the tape: symbols
    currencies: dict[int, str] = field(default_factory=dict)  # of the tape's numbers
    robots: dict[int, RobotLife] = field(default_factory=dict)
    working: dict[tuple[int, int], OrderRow] = field(default_factory=dict)
    booked: list[FillRow] = field(default_factory=list)
    held: dict[tuple[str, PositionSide], Held] = field(default_factory=dict)
    balances: dict[str, tuple[int, int]] = field(default_factory=dict)

    # --- shown ------------------------------------------------------------------------------------

    def orders(self, account: str) -> list[dict[str, Any]]:
        return [self._order(row, account) for row in self.working.values()]

    def _order(self, row: OrderRow, account: str) -> dict[str, Any]:
        spec = row.spec
        instrument = self.instruments[spec.symbol]
        price = row.price or spec.price_int
        size = row.size or spec.size_int
        life = self.robots.get(row.robot)
        average = _text(instrument.price(row.spent) / row.traded) if row.traded else None
        return {
            "id": row.order_id,
            "client_id": life.client_id(row.order_id) if life else "",
            "venue_id": str(row.venue_id) if row.venue_id else "",
            "symbol": spec.symbol,
            "side": str(spec.side),
            "position_side": str(spec.position_side),
            "type": str(spec.type),
            "price": instrument.price_text(price) if price else None,
            "trigger": instrument.price_text(spec.trigger_int) if spec.trigger_int else None,
            "qty": instrument.size_text(size),
            "filled": instrument.size_text(row.filled),
            "remaining": instrument.size_text(size - row.filled),
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
        return [self._fill(row, account) for row in self.booked]

    def _fill(self, row: FillRow, account: str) -> dict[str, Any]:
        instrument = self.instruments[row.symbol]
        life = self.robots.get(row.robot)
        return {
            "order": row.order_id,
            "symbol": row.symbol,
            "side": str(row.side),
            "position_side": str(row.position_side),
            "price": instrument.price_text(row.price),
            "qty": instrument.size_text(row.size),
            "fee": decimal_text(money(row.fee)),
            "fee_currency": self.currencies.get(row.currency, instrument.settle),
            "liquidity": str(row.liquidity),
            "id": str(row.trade),
            "internal": row.trade >= INTERNAL_TRADES,
            "ts_event": row.time,
            "account": account,
            "robot": life.name if life else "",
        }

    def positions_at(self, account: str, quotes: dict[str, Decimal]) -> list[dict[str, Any]]:
        """quotes: the middle, by symbol."""
        shown = []
        for (symbol, side), held in sorted(self.held.items()):
            instrument, mid = self.instruments[symbol], quotes.get(symbol)
            entry = _price(instrument, held)
            unrealized = None
            if mid is not None and entry is not None:
                unrealized = _gain(instrument, held.size, entry, mid)
            shown.append(
                {
                    "symbol": symbol,
                    "side": str(side),
                    "qty": instrument.size_text(held.size),
                    "entry_price": _text(entry),
                    "unrealized": _text(unrealized),
                    "realized": _text(held.realized),
                    "account": account,
                }
            )
        return shown

    # --- folded -----------------------------------------------------------------------------------

    def take_fill(self, row: FillRow) -> None:
        self.booked.append(row)
        order = self.working.get((row.robot, row.order_id))
        if order is not None:
            order.traded += row.size
            order.spent += row.price * row.size
            order.filled = max(order.filled, order.traded)
            if order.filled >= (order.size or order.spec.size_int):
                del self.working[row.robot, row.order_id]
            elif order.state in (OrderState.SUBMITTED, OrderState.ACCEPTED):
                order.state = OrderState.PARTIALLY_FILLED
        if row.trade >= INTERNAL_TRADES:  # the account's position stays
            return
        instrument = self.instruments[row.symbol]
        held = self.held.setdefault((row.symbol, row.position_side), Held())
        signed = row.size * row.side.sign
        price = instrument.price(row.price)
        if held.size * signed < 0:  # it closes
            closed = min(abs(signed), abs(held.size)) * (1 if held.size > 0 else -1)
            entry = _price(instrument, held)
            if entry is not None:
                held.realized += _gain(instrument, closed, entry, price)
            held.cost -= held.cost * closed / held.size
            held.size -= closed
            signed += closed
        held.size += signed
        held.cost += _weight(instrument, price) * signed

    def opening(self, symbol: str, side: PositionSide, size: int) -> None:
        """The venue holds another quantity than our fills explain: its price is not known."""
        held = self.held.setdefault((symbol, side), Held())
        if size != held.size:
            same = size * held.size > 0
            held.cost = held.cost * size / held.size if same else Decimal(0)
            held.size = size


def _weight(instrument: Instrument, price: Decimal) -> Decimal:
    """What is averaged: the price, of inverse contracts its reciprocal."""
    return 1 / price if instrument.kind is Kind.INVERSE else price


def _price(instrument: Instrument, held: Held) -> Decimal | None:
    if not held.size or not held.cost:
        return None
    return _weight(instrument, held.cost / held.size)


def _gain(instrument: Instrument, size: int, entry: Decimal, now: Decimal) -> Decimal:
    qty = instrument.size(abs(size)) * instrument.multiplier * (1 if size > 0 else -1)
    if instrument.kind is Kind.INVERSE:
        return qty * (1 / entry - 1 / now)
    return qty * (now - entry)


def text_of(value: Decimal) -> str:
    """As people read it: twelve decimals at most."""
    return decimal_text(round(value, 12))


def _text(value: Decimal | None) -> str | None:
    return None if value is None else text_of(value)


def read_account(path: Path) -> AccountView:
    """All of a gateway's journal that concerns its account."""
    view = AccountView()
    symbols = view.streams
    with JournalReader(path) as reader:
        for stream, record in reader.instruments.items():
            symbols[stream] = record["symbol"]
        for frame in reader.frames(READ):
            match frame.type:
                case EventType.INSTRUMENT.id:
                    instrument = Instrument.from_msgpack(frame.payload)
                    symbols[frame.stream] = instrument.symbol
                    view.instruments[instrument.symbol] = instrument
                case EventType.ORDER_REQUEST.id:
                    _request(view, frame.payload, symbols[frame.stream], frame.time)
                case EventType.ORDER_EVENT.id:
                    _news(view, frame.payload)
                case EventType.FILL.id:
                    view.take_fill(_fill(frame.payload, symbols[frame.stream]))
                case _:
                    _cold(view, frame.type, msgspec.msgpack.decode(frame.payload))
    return view


def _request(view: AccountView, payload: bytes, symbol: str, time: int) -> None:
    robot, kind, order_id, spec, _ = request_of(payload, symbol)
    if kind is RequestKind.PLACE:
        view.working[robot, order_id] = OrderRow(spec, robot, order_id, time)


def _news(view: AccountView, payload: bytes) -> None:
    order_id, venue, _, price, size, filled, code, _, state, robot, _ = NEWS.unpack(payload)
    row = view.working.get((robot, order_id))
    if row is None:
        return
    row.state, row.venue_id = OrderState.from_id(state), venue
    row.price, row.size, row.code = price, size, code
    row.filled = max(filled, row.traded)
    if row.state.is_final:
        del view.working[robot, order_id]


def _fill(payload: bytes, symbol: str) -> FillRow:
    (
        order_id, _, trade, time, price, size, low, high, side, liquidity, position, robot,
        currency, _,
    ) = FILL.unpack(payload)  # fmt: skip
    return FillRow(
        symbol, robot, order_id, trade, time, price, size, join_units(low, high),
        Side.from_id(side), Liquidity.from_id(liquidity), PositionSide.from_id(position),
        currency,
    )  # fmt: skip


def _cold(view: AccountView, kind: int, record: dict[str, Any]) -> None:
    match kind:
        case EventType.PARAMS.id if "robot" in record:
            view.robots[record["robot"]] = RobotLife(
                record["robot"], record["name"], record["epoch"], record["journal"]
            )
        case EventType.PARAMS.id if "currency" in record:
            view.currencies[record["currency"]] = record["name"]
        case EventType.BALANCE.id if "currency" in record:
            time = max(record["ts_event"], view.balances.get(record["currency"], (0, 0))[1])
            view.balances[record["currency"]] = (int(record["total"]), time)
        case EventType.POSITION.id if record["source"] == OPENING:
            view.opening(record["symbol"], PositionSide(record["side"]), record["qty"])
        case EventType.REPLY.id if "order" in record:
            row = view.working.get((record["robot"], record["order"]))
            if row is not None:
                row.reason = record["reason"]
        case EventType.HEALTH.id if record["kind"] == "exchange" and record["state"] == "new":
            # It knows nothing of what this journal says of an earlier one.
            view.working.clear()
            view.held.clear()
            view.balances.clear()


def last_quotes(view: AccountView, path: Path) -> dict[str, Decimal]:
    """The middle of the last quote of each symbol, where there is one near the tape's end."""
    raw: dict[int, tuple[int, int]] = {}
    with JournalReader(path) as reader:
        reader.seek_sequence(max(1, reader.last_sequence - QUOTES_BACK))
        for frame in reader.frames(("quote",)):
            _, _, bid, ask, *_ = QUOTE.unpack_from(frame.payload)
            raw[frame.stream] = (bid, ask)
    found = {}
    for stream, (bid, ask) in raw.items():
        symbol = view.streams.get(stream, "")
        if symbol in view.instruments:
            found[symbol] = view.instruments[symbol].price(bid + ask) / 2
    return found
