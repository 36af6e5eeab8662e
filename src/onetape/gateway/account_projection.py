"""One account's orders, fills, positions and balances, folded from its gateway's journal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from onetape.accounts.entries import MAIN, TOTAL
from onetape.accounts.holding import Holding, Terms
from onetape.accounts.ledger import Ledger
from onetape.gateway.checkpoint import Checkpoint, read_checkpoint
from onetape.gateway.gateway_tape import RobotLife
from onetape.model.decimals import decimal_text
from onetape.model.enums import EventType, PositionSide
from onetape.model.errors import OnetapeError, TornTape
from onetape.model.instrument import Instrument
from onetape.model.money import divide_half_even, money, money_text
from onetape.orders.books import OPENING
from onetape.orders.order import Key, Order
from onetape.orders.order_frames import FillFrame, fill_of
from onetape.orders.reports import INTERNAL_TRADES
from onetape.projections.orders import Orders
from onetape.tape.journal import Frame, JournalReader
from onetape.tape.payloads import fields
from onetape.tape.segments import is_tape, list_segments

__all__ = [
    "READ",
    "AccountView",
    "FollowedAccount",
    "begun_view",
    "last_prices",
    "pruned_checkpoint",
    "read_account",
    "time_of",
]

READ: Final = ("instrument", "order_request", "order_event", "fill", "params", "balance", "position", "health", "reply")
QUOTES_BACK: Final = 20_000  # frames in which the last quote of a symbol is looked for
_BID_AND_ASK: Final = fields("quote", "bid", "ask")


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


def read_account(path: Path, file: Path | None = None) -> AccountView:
    """Reads all of a gateway's journal that concerns its account. file: its checkpoint, from which a journal without
    its beginning is read on; of fills there are those that it still has."""
    with JournalReader(path) as reader:
        view = begun_view(reader, file)
        for frame in reader.frames(READ):
            view.take(frame)
    return view


def begun_view(
    reader: JournalReader, file: Path | None = None, *, keeps_fills: bool = True, is_whole: bool = True
) -> AccountView:
    """Returns a view of an account as of the place where its gateway's journal is to be read on: its beginning, or that
    of the checkpoint `file` where that is pruned, or not wanted whole. Raises TornTape where none fits."""
    view, made = AccountView(keeps_fills=keeps_fills), None
    if not is_whole and file is not None:
        made = read_checkpoint(reader.path, file)
    made = made or pruned_checkpoint(reader.path, file)
    if made is not None:
        reader.seek_sequence(made.sequence + 1)  # whose instruments are all that there were
    for stream, record in reader.instruments.items():
        view.streams[stream] = record["symbol"]
        view.instruments[record["symbol"]] = Instrument.from_msgpack(msgspec.msgpack.encode(record))
    if made is not None:
        if keeps_fills:
            reader.seek_sequence(list_segments(reader.path)[0].first_seq)
            for frame in reader.frames(("fill",), sequence_until=made.sequence + 1):
                view.booked.append((view.streams[frame.stream], fill_of(frame.payload)))
        view.restore(made)
        ledger = Ledger.from_record(made.money.ledger)
        at = time_of(reader, made)
        view.balances = {name: (ledger.slots(name)[TOTAL], at) for name in ledger.currencies()}
    return view


class FollowedAccount:
    """Follows an account on its gateway's journal, without fills, whatever becomes of that. view: as of the last
    `take`."""

    def __init__(self, path: Path, file: Path) -> None:
        """file: of its gateway's checkpoint."""
        self._path, self._file = path, file
        self._reader: JournalReader | None = None
        self.view = AccountView(keeps_fills=False)

    def take(self, fold: Callable[[Frame], None] | None = None, *, back: int = 0) -> bool:
        """Reads what is new, at first from the gateway's checkpoint on; tells whether anything was. fold: takes each
        frame in the view's place; also, at first, so many frames of before the checkpoint, of which a view without
        orders is made."""
        if self._reader is not None and self._reader.is_gone:
            self.close()
        try:
            if self._reader is None:
                if not is_tape(self._path):
                    return False
                self._reader = JournalReader(self._path)
                self.view = begun_view(self._reader, self._file, keeps_fills=False, is_whole=False)
                if fold is not None:
                    self._fold_back(self._reader, fold, back)
            is_new = False
            for frame in self._reader.frames(READ):
                is_new = True
                (fold or self.view.take)(frame)
        except OnetapeError:  # it is being made, or damaged, which its gateway says
            self.close()
            return True
        return is_new

    def _fold_back(self, reader: JournalReader, fold: Callable[[Frame], None], back: int) -> None:
        view, place = self.view, reader.next_sequence
        if (start := max(list_segments(self._path)[0].first_seq, reader.last_sequence - back)) < place:
            self.view = AccountView(
                instruments=dict(view.instruments),
                streams=dict(view.streams),
                currencies=dict(view.currencies),
                robots=dict(view.robots),
                keeps_fills=False,
            )
            reader.seek_sequence(start)
            for frame in reader.frames(READ, sequence_until=place):
                fold(frame)
            self.view = view

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


def pruned_checkpoint(path: Path, file: Path | None) -> Checkpoint | None:
    """Returns the checkpoint of a journal whose beginning has been pruned; None: it is whole. Raises TornTape where
    none fits."""
    segments = list_segments(path)
    if file is None or not segments or segments[0].first_seq == 1:
        return None
    made = read_checkpoint(path, file)
    if made is None:
        why = "its beginning has been pruned, and no checkpoint of it fits"
        raise TornTape(why, location=str(path), todo=f"start its gateway, or bring {file.name} back")
    return made


def time_of(reader: JournalReader, made: Checkpoint) -> int:
    """Returns the time of a checkpoint's frame, ns UTC; the reader goes on behind it."""
    reader.seek_sequence(made.sequence)
    frame = reader.next_frame()
    assert frame is not None  # it is looked for before a checkpoint is said to fit
    return frame.time


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


def last_prices(view: AccountView, path: Path) -> dict[str, int]:
    """Returns the mid of the last quote of each symbol, where there is one near the tape's end, in the instrument's
    units, as the gateway reckons with it."""
    found: dict[str, int] = {}
    with JournalReader(path) as reader:
        reader.seek_sequence(max(1, reader.last_sequence - QUOTES_BACK))
        for frame in reader.frames(("quote",)):
            bid, ask = _BID_AND_ASK.unpack_from(frame.payload)
            symbol = view.streams.get(frame.stream, "")
            if symbol in view.instruments:
                found[symbol] = (bid + ask) // 2
    return found
