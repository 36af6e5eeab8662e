"""Makes rows of SQL from the frames of one gateway's journal. Pure: frames in, rows out, time is the tape's.

Money comes from the tape's `entry` frames, to the unit: each leg of our money is a row of `income`, and is added to
the sums of its day. Positions and round trips come from the same booking code as the gateway's, with the same fills,
so that a row can be explained from the tape.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from typing import Final

import msgspec

from onetape.accounts.booking import FORCED, Booking
from onetape.accounts.entries import MAIN, TOTAL, Cause, Entry, Leg
from onetape.accounts.entry_frames import unpack
from onetape.accounts.kept_money import LEDGER, OTHER_EXCHANGE
from onetape.model.enums import EventType, Kind, OrderNews, PositionSide, RequestKind
from onetape.model.ids import parse_client_id, robot_tag
from onetape.model.instrument import DECIMALS_MAX, Instrument
from onetape.model.money import MONEY_DECIMALS, divide_half_even, money_text
from onetape.model.sections import OPERATOR
from onetape.model.time import DAY, HOUR, MINUTE
from onetape.model.typed import from_json
from onetape.orders.order import Key, apply_fill, apply_news, apply_request, placed
from onetape.orders.order_frames import FillFrame, fill_of, news_of, request_of
from onetape.orders.reports import INTERNAL_TRADES, FillReport
from onetape.recorder.batch import Batch, FillKey, Row
from onetape.recorder.income import income_of
from onetape.recorder.kept import ProjectionRecord, RecordedOrder, Robot, Trip, Waiting, order_of_row
from onetape.recorder.own_holdings import OwnHoldings
from onetape.recorder.worth import CAPITAL, Figures, Worth
from onetape.store.record_queries import ONE
from onetape.tape.journal import Frame
from onetape.tape.payloads import fields

__all__ = ["ENDED", "READ", "Projection"]

READ: Final = (
    "instrument",
    "order_request",
    "order_event",
    "fill",
    "params",
    "position",
    "health",
    "entry",
    "reply",
    "quote",
)
# Minutes without a frame that are still written. After a longer gap of the journal nobody confirmed the figures of the
# time between.
GAP_MAX: Final = 1440

# A denial before an order is sent is no event of a venue, but an end all the same.
ENDED: Final = ("FILLED", "CANCELED", "REJECTED", "DENIED", "EXPIRED")
# The gateway's last report on an order placed elsewhere -> how the order ends.
_LAST: Final = {
    "canceled": OrderNews.CANCELED,
    "expired": OrderNews.EXPIRED,
    "rejected": OrderNews.REJECTED,
    "absent": OrderNews.CANCELED,
}
NOT_FOUND: Final = "its journal was lost, and it did not work at the venue any more"

_SCALES: Final[tuple[int, ...]] = tuple(10**decimals for decimals in range(max(DECIMALS_MAX, MONEY_DECIMALS) + 1))
_BID_AND_ASK: Final = fields("quote", "bid", "ask")


def _number(units: int, decimals: int) -> float:
    """Returns the nearest double: a quotient of integers is rounded once."""
    return units / _SCALES[decimals]


def _average(value: int, size: int, instrument: Instrument) -> str:
    """Returns the average price, with 12 decimals, of a size with this value."""
    return money_text(divide_half_even(value * 10**12, size * _SCALES[instrument.price_decimals]) * 10**6)


def _signed(value: int) -> int:
    """Converts an unsigned 64-bit id to SQL's signed integers."""
    return value - (1 << 64) if value >= 1 << 63 else value


class Projection:
    """Folds one gateway's journal. account: its name; journal: its uuid in hex; leverage: for the margin of
    positions. recorded: fills of an earlier journal of the account, which the venue may report again until this
    one's books have begun. earlier: rows of open orders in such a journal, of symbols that this one lacks."""

    def __init__(self, account: str, journal: str, *, leverage: float = 1.0) -> None:
        self.account, self.journal = account, journal
        self.recorded: Container[FillKey] = ()
        self.earlier: list[Row] = []
        # Orders of earlier journals that the gateway has not looked up yet.
        self._not_found: set[Key] = set()
        self._instruments: dict[str, Instrument] = {}
        self._streams: dict[int, str] = {}
        self._currencies: dict[int, str] = {}
        self._robots: dict[int, Robot] = {}
        self._orders: dict[Key, RecordedOrder] = {}  # negative: of an earlier journal, of no robot of this one
        self._waiting: dict[int, Waiting] = {}
        self._booking = Booking(self._instruments)
        self._own = OwnHoldings(lambda name: self._booking.terms(name))
        self._trips: dict[tuple[int, str, PositionSide], Trip] = {}
        self._worth = Worth(self._instruments, leverage=leverage)
        self._slots: dict[str, int] = {}
        self._unread: dict[int, bytes] = {}  # the last quote of each stream, unparsed
        self._minute = 0  # of the last sample, 0: none yet
        self.is_begun = False  # the ledger has an entry
        self._is_flat = True  # there was no position before
        self.now = 0
        self._moved: dict[tuple[int, str, PositionSide], int] = {}  # positions changed since the last drain, and when
        self._batch = Batch()
        self._take = {
            EventType.INSTRUMENT.id: self._instrument,
            EventType.ORDER_REQUEST.id: self._request,
            EventType.ORDER_EVENT.id: self._news,
            EventType.FILL.id: self._fill,
            EventType.PARAMS.id: self._params,
            EventType.POSITION.id: self._position,
            EventType.HEALTH.id: self._health,
            EventType.ENTRY.id: self._entry,
            EventType.REPLY.id: self._reply,
        }

    # --- frames -----------------------------------------------------------------------------------

    def take(self, frame: Frame) -> None:
        """Applies one frame of a type in READ. Frames come in the order of the tape."""
        time = frame.time
        if time >= self._minute + MINUTE and self.is_begun:
            self._sample(time)
        if time > self.now:
            self.now = time
        if frame.type == _QUOTE:
            if _NONE not in (frame.payload[16:24], frame.payload[24:32]):  # a side is missing: no price
                self._unread[frame.stream] = frame.payload
        else:
            self._take[frame.type](frame)

    def quoted(self, instrument: Instrument, bid: int, ask: int) -> None:
        """Applies a quote that is not on this tape. instrument: of its source; one with other units is left out."""
        own = self._instruments.get(instrument.symbol)
        if own is not None and own.price_decimals == instrument.price_decimals and bid and ask:
            self._read_quotes()
            self._worth.quotes[instrument.symbol] = bid, ask

    def continues(self, lines: Iterable[tuple[int, str]]) -> None:
        """Continues the equity lines of an earlier journal of the account."""
        self._worth.lines |= set(lines)

    def drain(self) -> Batch:
        """Returns the changes since the last time, with the present figures."""
        if self.is_begun:
            self._read_quotes()
            rows = self._batch.changed.setdefault("record_risk", {})
            for row in self.risk():
                rows[self.account, row["slot"], row["currency"]] = row
        for key, ts in self._moved.items():
            row = self._position_row(key, ts)
            self._batch.changed.setdefault("record_positions", {})[self.account, key[0], key[1], str(key[2])] = row
        self._moved.clear()
        made, self._batch = self._batch, Batch()
        return made

    def risk(self) -> Iterator[Row]:
        """Yields the present figures of the account and of its sub-accounts."""
        return self._rows(self.now, self._worth.figures(self._booking))

    def _instrument(self, frame: Frame) -> None:
        instrument = Instrument.from_msgpack(frame.payload)
        self._streams[frame.stream] = instrument.symbol
        self._instruments[instrument.symbol] = instrument
        self._worth.add_instrument(instrument)
        for row in [row for row in self.earlier if row["symbol"] == instrument.symbol]:
            self.earlier.remove(row)
            order = order_of_row(row, instrument, min((0, *(robot for robot, _ in self._orders))) - 1)
            order.take_incarnation()
            self._orders[order.key] = RecordedOrder(order, row)
            self._not_found.add(order.key)

    def _params(self, frame: Frame) -> None:
        record = msgspec.msgpack.decode(frame.payload)
        if "robot" in record:
            self._robots[record["robot"]] = Robot(record["name"], record.get("slot", MAIN))
        elif "currency" in record:
            self._currencies[record["currency"]] = record["name"]
        elif "slots" in record:
            self._slots = record["slots"]
        elif "opened" in record:
            for recorded in self._orders.values():
                recorded.order.take_incarnation()

    def _position(self, frame: Frame) -> None:
        record = msgspec.msgpack.decode(frame.payload)
        instrument = self._instruments.get(record["symbol"])
        if record["source"] == LEDGER and record["qty"] and record.get("price") and instrument is not None:
            side = PositionSide(record["side"])
            if instrument.kind is not Kind.SPOT:
                self._booking.adopt(record["symbol"], side, record["qty"], record["price"])
                self._own.adopt(MAIN, record["symbol"], side, record["qty"], record["price"])
                self._is_flat = False
                self._moved[MAIN, record["symbol"], side] = frame.time
                qty, price = instrument.size_text(record["qty"]), instrument.price_text(record["price"])
                self._opens(frame, record["symbol"], side, qty, price)

    def _opens(
        self, frame: Frame, symbol: str = "", side: PositionSide = PositionSide.BOTH, qty: str = "", price: str = ""
    ) -> None:
        """Adds a position with which the books begin; without a symbol: they begin here, and earlier ones do not
        count."""
        row = {"journal": self.journal, "seq": frame.sequence, "account": self.account, "symbol": symbol}
        row |= {"position_side": str(side), "ts": frame.time, "qty_exact": qty, "price_exact": price}
        self._batch.added.setdefault("record_openings", []).append(row)

    def _health(self, frame: Frame) -> None:
        record = msgspec.msgpack.decode(frame.payload)
        match record.get("kind"), record.get("state"):
            case "exchange", "new":  # the present exchange does not know them
                rows = [*self.earlier, *(each.row for each in self._orders.values())]
                self._expire(rows, frame.time, OTHER_EXCHANGE)
                self._orders.clear()
                self.earlier.clear()
            case "reconciled", _:
                gone = [self._orders.pop(key) for key in sorted(self._not_found)]
                self._expire([each.row for each in gone], frame.time, NOT_FOUND)
            case "order", "attributed" | "foreign" as word:
                self._seen(record["subject"], OrderNews.FOUND, frame.time, is_attributed=word == "attributed")
                return
            case "foreign order", word:
                if (last := _LAST.get(str(word))) is not None:
                    self._seen(record["subject"], last, frame.time)
                return
            case _:
                return
        self._not_found.clear()

    # --- orders of earlier journals ---------------------------------------------------------------

    def _earlier(self, tag: str, order_id: int) -> Key | None:
        """Returns the key of an open order of an earlier journal. tag: of its robot."""
        for key, recorded in self._orders.items():
            strategy = recorded.row["strategy"]
            if key[0] < 0 and key[1] == order_id and (strategy == OPERATOR or robot_tag(strategy) == tag):
                return key
        return None

    def _take_over(self, key: Key, robot: int) -> None:
        """Continues an order of an earlier journal. robot: its owner in this one, 0: nobody."""
        self._not_found.discard(key)
        if robot:
            recorded = self._orders.pop(key)
            recorded.order.robot = robot
            self._orders[recorded.order.key] = recorded

    def _seen(self, client_id: str, news: OrderNews, time: int, *, is_attributed: bool = False) -> None:
        """Handles an order at the venue that the gateway's journal lacks: found, or reported as ended.
        is_attributed: it belongs to an attached robot."""
        named = parse_client_id(client_id)
        if named is None or (key := self._earlier(named.tag, named.order_id)) is None:
            return
        recorded = self._orders[key]
        recorded.order.take_news(news, 0)
        numbers = (n for n, each in self._robots.items() if is_attributed and robot_tag(each.name) == named.tag)
        self._take_over(key, next(numbers, 0))
        self._changed(recorded, time)

    def _expire(self, rows: list[Row], time: int, reason: str) -> None:
        for row in rows:
            before = _counted(row)
            row |= {"state": "EXPIRED", "ts_last": time, "reason": reason}
            self._note(row, before)

    # --- orders -----------------------------------------------------------------------------------

    def strategy(self, robot: int) -> str:
        """Returns the name of the robot with this number; "": an external order."""
        found = self._robots.get(robot)
        if found is None:
            return ""
        return OPERATOR if found.name.partition(":")[0] == OPERATOR else found.name

    def _request(self, frame: Frame) -> None:
        symbol = self._streams[frame.stream]
        request = request_of(frame.payload, symbol)
        robot, order_id, spec = request.robot, request.order_id, request.spec
        if (recorded := self._orders.get((robot, order_id))) is not None:
            if request.kind is not RequestKind.PLACE:
                apply_request(recorded.order, request)
            return
        if request.kind is not RequestKind.PLACE:
            return
        name = self._robots[robot].name if robot in self._robots else ""
        if (key := self._earlier(robot_tag(name), order_id)) is not None:
            self._take_over(key, robot)
            return
        self._read_quotes()
        instrument = self._instruments[symbol]
        bid, ask = self._worth.quotes.get(symbol, (0, 0))
        row = {
            "journal": self.journal,
            "robot": robot,
            "order_id": _signed(order_id),
            "account": self.account,
            "strategy": self.strategy(robot),
            "venue_order_id": "",
            "ts_created": frame.time,
            "ts_last": frame.time,
            "symbol": symbol,
            "side": str(spec.side),
            "type": str(spec.type),
            "price": _number(spec.price_int, instrument.price_decimals) if spec.price_int else None,
            "qty": _number(spec.size_int, instrument.size_decimals),
            "filled": 0.0,
            "average_price": None,
            "state": "DENIED" if request.is_denied else "SUBMITTED",
            "code": 0,
            "reason": None,
            "tag": spec.tag,
            "bid": _number(bid, instrument.price_decimals) if bid else None,
            "ask": _number(ask, instrument.price_decimals) if ask else None,
        }
        self._note(row, ())
        if not request.is_denied:
            self._orders[robot, order_id] = RecordedOrder(placed(request, frame.time), row)

    def _news(self, frame: Frame) -> None:
        news = news_of(frame)
        if (recorded := self._orders.get((news.robot, news.order_id))) is not None:
            apply_news(recorded.order, news)
            self._changed(recorded, frame.time)

    def _reply(self, frame: Frame) -> None:
        record = msgspec.msgpack.decode(frame.payload)
        recorded = self._orders.get((record["robot"], record["order"])) if "order" in record else None
        if recorded is not None:
            recorded.order.reason = record["reason"]

    def _traded(self, fill: FillFrame, time: int) -> None:
        recorded = self._orders.get((fill.robot, fill.order_id))
        if recorded is None and fill.venue:
            earlier = (each for key, each in self._orders.items() if key[0] < 0)
            recorded = next((each for each in earlier if each.order.venue_id == str(fill.venue)), None)
        if recorded is not None:
            apply_fill(recorded.order, fill)
            self._changed(recorded, time)

    def _changed(self, recorded: RecordedOrder, time: int) -> None:
        """Writes the present row of an order, and drops an ended one."""
        order, row = recorded.order, recorded.row
        instrument, before = self._instruments[order.spec.symbol], _counted(row)
        row |= {
            "ts_last": time,
            "state": str(order.state),
            "code": order.code,
            "reason": order.reason or None,
            "venue_order_id": order.venue_id,
            "price": _number(order.price, instrument.price_decimals) if order.price else None,
            "qty": _number(order.size, instrument.size_decimals),
            "filled": _number(order.filled, instrument.size_decimals),
        }
        if order.filled:
            row["average_price"] = _number(order.spent, instrument.price_decimals) / order.filled
        self._note(row, before)
        if order.state.is_final:
            del self._orders[order.key]
            self._not_found.discard(order.key)

    def _note(self, row: Row, before: tuple[str, ...]) -> None:
        """Updates the counts of the hour in which the order was made. before: its former counts."""
        self._batch.changed.setdefault("record_orders", {})[row["journal"], row["robot"], row["order_id"]] = row
        if (now := _counted(row)) is not before:
            for kind in now:
                if kind not in before:
                    self._count(row["strategy"], row["symbol"], row["ts_created"], kind, ONE)

    def _count(self, strategy: str, symbol: str, ts: int, kind: str, amount: int, asset: str = "") -> None:
        key = (self.account, strategy, symbol, ts // HOUR, kind, asset)
        self._batch.hours[key] = self._batch.hours.get(key, 0) + amount

    # --- fills and money --------------------------------------------------------------------------

    def _fill(self, frame: Frame) -> None:
        symbol = self._streams[frame.stream]
        instrument, fill = self._instruments[symbol], fill_of(frame.payload)
        currency = self._currencies.get(fill.currency, instrument.settle) if fill.currency else instrument.settle
        if not self.is_begun and (symbol, _signed(fill.trade_id), str(fill.side), fill.time) in self.recorded:
            return
        strategy = self.strategy(fill.robot)
        self._count(strategy, symbol, frame.time, "fills", ONE)
        if fill.trade_id < INTERNAL_TRADES:  # trades unknown to the venue are no volume
            value = instrument.notional_units(fill.price, fill.size)
            self._count(strategy, symbol, frame.time, "volume", value, instrument.settle)
        self._batch.added.setdefault("record_fills", []).append(
            {
                "journal": self.journal,
                "seq": frame.sequence,
                "account": self.account,
                "strategy": strategy,
                "robot": fill.robot,
                "ts": frame.time,
                "ts_event": fill.time,
                "order_id": _signed(fill.order_id),
                "trade_id": _signed(fill.trade_id),
                "symbol": symbol,
                "side": str(fill.side),
                "position_side": str(fill.position_side),
                "price": _number(fill.price, instrument.price_decimals),
                "qty": _number(fill.size, instrument.size_decimals),
                "fee": _number(fill.fee, MONEY_DECIMALS),
                "fee_currency": currency,
                "liquidity": str(fill.liquidity),
                "price_exact": instrument.price_text(fill.price),
                "qty_exact": instrument.size_text(fill.size),
                "fee_exact": money_text(fill.fee),
            }
        )
        self._traded(fill, frame.time)
        if self.is_begun:
            report = FillReport(
                symbol,
                "",
                "",
                fill.trade_id,
                fill.side,
                fill.position_side,
                fill.price,
                fill.size,
                fill.time,
                fill.fee,
                "" if currency == instrument.settle else currency,
                fill.liquidity,
            )
            self._waiting[frame.sequence] = Waiting(report, fill.robot, frame.time, fill.order_id)

    def _entry(self, frame: Frame) -> None:
        entry = unpack(frame.payload)
        if not self.is_begun or entry.note == OTHER_EXCHANGE:
            self._opens(frame)
        self.is_begun, self.recorded = True, ()
        if not self._minute:
            self._minute = frame.time // MINUTE * MINUTE
        if entry.note == OTHER_EXCHANGE:
            self._anew()
        caused = self._waiting.get(entry.of) if entry.of else None
        symbol = caused.fill.symbol if caused is not None else ""
        if entry.cause is Cause.FUNDING:
            symbol = entry.note
        settle = self._instruments[symbol].settle if symbol in self._instruments else ""
        ours = income_of(entry)
        if caused is not None and symbol in self._instruments and self._instruments[symbol].kind is Kind.SPOT:
            ours = self._of_coins(ours, caused)
        robot, own = 0, None
        if caused is not None:
            robot, own = caused.robot, caused.fill if entry.note != FORCED and symbol in self._instruments else None
        owned = self._own.owned(ours, own, self._slot(robot), self.strategy(robot), symbol, self._owner)
        for part, (kind, leg, owner) in enumerate(owned):
            # A fee belongs to the row of its trade's settle currency, whatever currency it is paid in.
            row_of = settle if kind == "fee" and settle else leg.currency
            self._income(frame, entry, part, kind, leg, strategy=owner, symbol=symbol, currency=row_of)
        if caused is not None:
            while entry.of in self._waiting:  # an earlier one that still waits has no entry of its own
                at = next(iter(self._waiting))
                waiting = self._waiting.pop(at)
                is_own = at == entry.of
                if not is_own:
                    self._own.fill(waiting.fill, self._slot(waiting.robot), self.strategy(waiting.robot))
                self._book(waiting, ours if is_own else [], at, is_forced=is_own and entry.note == FORCED)
        elif entry.cause is Cause.FUNDING:
            self._paid(ours, symbol)

    def _anew(self) -> None:
        """Starts anew for another exchange: the former one's positions are gone."""
        gone = self._booking.positions
        self._booking = Booking(self._instruments)
        self._own.clear()
        for slot, symbol, side in gone:
            self._batch.changed.setdefault("record_positions", {})[self.account, slot, symbol, str(side)] = None
        self._moved.clear()
        self._trips.clear()
        self._waiting.clear()
        self._worth.anew()

    def _owner(self, slot: int, symbol: str) -> str:
        """Returns the owner of a sub-account's position: the strategy that opened it, else its only robot."""
        for (at, name, _), trip in self._trips.items():
            if (at, name) == (slot, symbol):
                return trip.strategy
        named = {each.name for number, each in self._robots.items() if each.slot == slot and self._is_robot(number)}
        return named.pop() if len(named) == 1 and symbol else ""

    def _is_robot(self, number: int) -> bool:
        return self.strategy(number) not in ("", OPERATOR)

    def _income(
        self, frame: Frame, entry: Entry, part: int, kind: str, leg: Leg, *, strategy: str, symbol: str, currency: str
    ) -> None:
        self._batch.added.setdefault("record_income", []).append(
            {
                "journal": self.journal,
                "seq": frame.sequence,
                "part": part,
                "account": self.account,
                "strategy": strategy,
                "slot": leg.holder,
                "symbol": symbol,
                "ts": entry.time,
                "ts_booked": frame.time,
                "kind": kind,
                "currency": currency,
                "asset": leg.currency,
                "amount": _number(leg.amount, MONEY_DECIMALS),
                "amount_exact": money_text(leg.amount),
                "fill": entry.of,
                "reference": entry.reference[:200],
            }
        )
        if kind in CAPITAL:
            self._read_quotes()
        self._worth.move(leg.holder, leg.currency, leg.amount, kind=kind)
        key = (self.account, strategy, symbol, entry.time // DAY, currency, kind, leg.currency)
        self._batch.days[key] = self._batch.days.get(key, 0) + leg.amount

    # --- positions and round trips ----------------------------------------------------------------

    def _of_coins(self, legs: list[tuple[str, Leg]], waiting: Waiting) -> list[tuple[str, Leg]]:
        """Books a spot fill. Its movements are `traded`, at cost; `realized` is the proceeds of a sale above the
        cost."""
        fill, slot = waiting.fill, self._slot(waiting.robot)
        held = self._booking.positions.get((slot, fill.symbol, fill.position_side))
        before = held.realized if held is not None else 0
        self._booking.fill(fill, slot)
        made = self._booking.positions[slot, fill.symbol, fill.position_side].realized - before
        settle = self._booking.terms(fill.symbol).settle
        found = [("traded" if kind == "realized" else kind, leg) for kind, leg in legs]
        if made:
            found += [("traded", Leg(slot, settle, -made)), ("realized", Leg(slot, settle, made))]
        return found

    def _book(self, waiting: Waiting, legs: list[tuple[str, Leg]], sequence: int, *, is_forced: bool) -> None:
        fill = waiting.fill
        if fill.symbol not in self._instruments or self._instruments[fill.symbol].kind is Kind.SPOT:
            return
        place = fill.symbol, fill.position_side
        before = {key: held.state for key, held in self._booking.sharing(*place)}
        if is_forced:
            self._booking.forced(fill)
        else:
            self._booking.fill(fill, self._slot(waiting.robot))
        for key, held in self._booking.sharing(*place):
            if held.state == before.get(key):
                continue
            self._moved[key] = waiting.ts
            qty = before.get(key, (0, 0, 0))[0]
            if is_forced:
                self._own.close_by_force(fill, key[0], held.qty - qty)
            if held.qty != qty:
                self._step(key, qty, held.qty, waiting, legs, sequence)

    def _position_row(self, key: tuple[int, str, PositionSide], ts: int) -> Row:
        slot, symbol, side = key
        held, instrument = self._booking.positions[key], self._instruments[symbol]
        return {
            "account": self.account,
            "slot": slot,
            "symbol": symbol,
            "position_side": str(side),
            "ts": ts,
            "qty": _number(held.qty, instrument.size_decimals),
            "qty_exact": instrument.size_text(held.qty),
            "entry_price": float(held.average) if held.qty else None,
            "realized_exact": money_text(held.realized),
        }

    def _slot(self, robot: int) -> int:
        found = self._robots.get(robot)
        return found.slot if found is not None else MAIN

    def _step(
        self,
        key: tuple[int, str, PositionSide],
        before: int,
        after: int,
        waiting: Waiting,
        legs: list[tuple[str, Leg]],
        sequence: int,
    ) -> None:
        """Handles a change of a sub-account's position. A reversal closes a trip and opens the next, and its fee is
        divided by quantity."""
        fill, trip = waiting.fill, self._trips.get(key)
        slot, symbol, _ = key
        fees: dict[str, int] = {}
        realized = 0
        for kind, leg in legs:
            if leg.holder == slot and kind == "fee":
                fees[leg.currency] = fees.get(leg.currency, 0) - leg.amount
            elif leg.holder == slot and kind == "realized":
                realized += leg.amount
        change = after - before
        closes = min(abs(before), abs(change)) if before * change < 0 else 0
        part = dict(fees) if closes == abs(change) else {a: f * closes // abs(change) for a, f in fees.items()}
        if closes and trip is not None:
            trip.closed += closes
            trip.closed_value += closes * fill.price
            trip.realized += realized
            trip.fills += 1
            _add(trip.fees, part)
            self._profit(trip, trip.realized)
        if before and (after == 0 or before * after < 0):
            self._trips.pop(key, None)
            if trip is not None:
                self._closed(key, trip, fill.time, sequence)
            trip = None
        opens = abs(change) - closes
        if not opens:
            return
        if trip is None:
            self._read_quotes()
            bid, ask = self._worth.quotes.get(symbol, (0, 0))
            instrument = self._instruments[symbol]
            context = {
                "bid": instrument.price_text(bid) if bid else None,
                "ask": instrument.price_text(ask) if ask else None,
                "order": waiting.order_id,
                "robot": waiting.robot,
                "equity": money_text(self._worth.equity(self._booking, instrument.settle)),
            }
            trip = self._trips[key] = Trip(fill.time, self.strategy(waiting.robot), 1 if after > 0 else -1, context)
        trip.opened += opens
        trip.opened_value += opens * fill.price
        trip.qty_max = max(trip.qty_max, abs(after))
        trip.cost_max = max(trip.cost_max, abs(self._booking.terms(symbol).value(fill.price, after)))
        trip.fills += not closes
        _add(trip.fees, {asset: fee - part.get(asset, 0) for asset, fee in fees.items()})

    def _paid(self, legs: list[tuple[str, Leg]], symbol: str) -> None:
        """Adds funding to the trips of the positions' owners."""
        for kind, leg in legs:
            for (slot, name, _), trip in self._trips.items():
                if kind == "funding" and (slot, name) == (leg.holder, symbol):
                    trip.funding += leg.amount
                    break

    def _closed(self, key: tuple[int, str, PositionSide], trip: Trip, ts: int, sequence: int) -> None:
        slot, symbol, side = key
        instrument = self._instruments[symbol]
        settle = instrument.settle
        net = trip.realized + trip.funding - trip.fees.get(settle, 0)
        self._batch.added.setdefault("record_trips", []).append(
            {
                "journal": self.journal,
                "seq": sequence,
                "slot": slot,
                "account": self.account,
                "strategy": trip.strategy,
                "symbol": symbol,
                "position_side": str(side),
                "side": "long" if trip.sign > 0 else "short",
                "ts_open": trip.ts_open,
                "ts_close": ts,
                "duration_ns": ts - trip.ts_open,
                "fills": trip.fills,
                "qty": instrument.size_text(trip.qty_max),
                "entry_price": _average(trip.opened_value, trip.opened, instrument) if trip.opened else None,
                "exit_price": _average(trip.closed_value, trip.closed, instrument),
                "cost": money_text(trip.cost_max),
                "peak": money_text(trip.profit_max),
                "trough": money_text(trip.profit_min),
                "realized": money_text(trip.realized),
                "funding": money_text(trip.funding),
                "fees": msgspec.json.encode({asset: money_text(fee) for asset, fee in trip.fees.items()}).decode(),
                "net": money_text(net),
                "currency": settle,
                "context": msgspec.json.encode(trip.context).decode(),
            }
        )

    @staticmethod
    def _profit(trip: Trip, profit: int) -> None:
        trip.profit_max, trip.profit_min = max(trip.profit_max, profit), min(trip.profit_min, profit)

    # --- samples ----------------------------------------------------------------------------------

    def _read_quotes(self) -> None:
        for stream, payload in self._unread.items():
            bid, ask = _BID_AND_ASK.unpack_from(payload)
            symbol = self._streams.get(stream, "")
            if symbol in self._instruments:
                self._worth.quotes[symbol] = bid, ask
        self._unread.clear()

    def _sample(self, time: int) -> None:
        """Writes the figures at each full minute up to `time`; minutes without a frame repeat them. A pause of more
        than a day is left out."""
        self._read_quotes()
        last = time // MINUTE * MINUTE
        first = self._minute + MINUTE
        if last - first >= GAP_MAX * MINUTE:
            first = last
        for key, trip in self._trips.items():
            held = self._booking.positions[key]
            mark = self._worth.mark(key[1])
            if mark and held.cost:
                self._profit(trip, trip.realized + held.unrealized_at(mark))
        rows = self._batch.added.setdefault("record_equity", [])
        begun = self._worth.begin(self._booking, is_flat=self._is_flat)
        rows += self._rows(first - MINUTE, begun, is_begin=True)
        figures = self._worth.sample(self._booking)
        for ts in range(first, last + 1, MINUTE):
            rows += self._rows(ts, figures)
        self._minute = last

    def _rows(self, ts: int, figures: dict[tuple[int, str], Figures], *, is_begin: bool = False) -> Iterator[Row]:
        names = {slot: name for name, slot in self._slots.items()} | {TOTAL: "", MAIN: "main"}
        robots: dict[int, set[str]] = {}
        for number, robot in self._robots.items():
            if self._is_robot(number):
                robots.setdefault(robot.slot, set()).add(robot.name)
        for slot, row in self._worth.rows(figures, is_begin=is_begin):
            yield {
                "account": self.account,
                "slot": slot,
                "subaccount": names.get(slot, str(slot)),
                "strategy": ",".join(sorted(robots.get(slot, ()))),
                "ts": ts,
                **row,
            }

    # --- state ------------------------------------------------------------------------------------

    def to_record(self) -> bytes:
        """Returns the state after all frames so far. Call it after `drain`."""
        return msgspec.json.encode(
            ProjectionRecord(
                instruments={symbol: each.to_msgpack() for symbol, each in self._instruments.items()},
                streams=self._streams,
                currencies=self._currencies,
                robots=self._robots,
                open_orders=[each.record for each in self._orders.values()],
                waiting=list(self._waiting.items()),
                booking=self._booking.to_record(),
                own=self._own.to_record(),
                trips=[(*key, trip) for key, trip in self._trips.items()],
                worth=self._worth.to_record(),
                slots=self._slots,
                minute=self._minute,
                now=self.now,
                is_begun=self.is_begun,
                is_flat=self._is_flat,
                earlier=self.earlier,
                not_found=sorted(self._not_found),
            )
        )

    def restore(self, record: bytes) -> None:
        """Restores the state, before the first frame."""
        kept = from_json(record, ProjectionRecord)
        for symbol, packed in kept.instruments.items():
            self._instruments[symbol] = Instrument.from_msgpack(packed)
            self._worth.add_instrument(self._instruments[symbol])
        self._streams, self._currencies, self._robots = kept.streams, kept.currencies, kept.robots
        self._orders = {each.key: each for each in map(RecordedOrder.of, kept.open_orders)}
        for robot, order_id, former in kept.orders:
            row = former["row"]
            order = order_of_row(row, self._instruments[row["symbol"]], robot)
            self._orders[robot, order_id] = RecordedOrder(order, row)
        self._booking.restore(kept.booking)
        self._trips = {(slot, symbol, side): trip for slot, symbol, side, trip in kept.trips}
        self._worth.restore(kept.worth)
        self._slots, self._waiting = kept.slots, dict(kept.waiting)
        if kept.own is None:
            self._own.begin(self._booking, self._owner)
        else:
            self._own.restore(row for row in kept.own if row[2] in self._instruments)
        self._minute, self.now, self.is_begun = kept.minute, kept.now, kept.is_begun
        self._is_flat = kept.is_flat
        self.earlier, self._not_found = kept.earlier, set(kept.not_found)


# By whether something is filled: state -> its counts, "": any other state.
_COUNTED: Final[tuple[dict[str, tuple[str, ...]], ...]] = tuple(
    {"": made, "DENIED": (*made, "denied"), "CANCELED": (*made, "canceled")} for made in (("made",), ("made", "filled"))
)
_QUOTE: Final = EventType.QUOTE.id
_NONE: Final = bytes(8)


def _counted(row: Row) -> tuple[str, ...]:
    """Returns the counts of an order: made; and denied before it was sent, filled (also partly), canceled."""
    by_state = _COUNTED[bool(row["filled"] > 0)]
    return by_state.get(row["state"], by_state[""])


def _add(sums: dict[str, int], more: dict[str, int]) -> None:
    for name, amount in more.items():
        if amount:
            sums[name] = sums.get(name, 0) + amount
