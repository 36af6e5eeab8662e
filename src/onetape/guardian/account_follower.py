"""Follows one account in its gateway's journal for the guardian's core: positions, protective stops and prices."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Final

import msgspec

from onetape._core import TICK_RULES, TickFilter
from onetape.accounts.entries import MAIN
from onetape.feeds.hub_market import HubMarket
from onetape.guardian.core import GuardianCore
from onetape.guardian.events import FIRED, WITHDRAWN, StopRow
from onetape.guardian.hub_prices import HubPrices
from onetape.guardian.stale_orders import Top
from onetape.market.confirmed_price import PriceKind
from onetape.model.enums import EventType, Kind, PositionSide, TriggerBy, TriggerKind
from onetape.model.errors import OnetapeError
from onetape.model.home import gateway_journal
from onetape.model.instrument import Instrument
from onetape.model.sections import GUARDIAN
from onetape.options.gateway import HubOfGateway
from onetape.orders.order import Key, Order
from onetape.orders.order_frames import fill_of, request_of
from onetape.projections.account import READ_PARTS, AccountState, At
from onetape.projections.checkpoint import checkpoint_file, read_checkpoint
from onetape.risk.halt_decisions import Priced
from onetape.tape.journal import Frame, JournalReader
from onetape.tape.payloads import fields
from onetape.tape.pruned import read_pruned
from onetape.tape.segments import is_tape
from onetape.tape.wait import Waiter

__all__ = ["AccountFollower"]

LIVE: Final = (*READ_PARTS, "quote", "mark", "trade")
RECONCILED: Final = "reconciled"  # the record at the end of a reconciliation
_BID_AND_ASK: Final = fields("quote", "bid", "ask")
_MARK: Final = fields("mark", "mark")
_PRICE: Final = fields("trade", "price")
_ORDER_AND_ROBOT: Final = fields("order_event", "order_id", "robot")
# Lasting conditions are left to the core, which judges by time and by several kinds of messages, not by their count. A
# locked book has a price all the same.
NOT_JUDGED: Final = ("spike", "locked_too_long")
_GOOD, _DUPLICATE = (TICK_RULES.index(each) for each in ("none", "duplicate"))


class AccountFollower:
    """Follows one account in its gateway's journal, for the guardian's core. follow: reads from its gateway's
    checkpoint or the beginning, without prices, then new frames. hub: the market that the gateway reads, None: it has
    its own on its journal."""

    def __init__(
        self,
        account: str,
        home: Path,
        core: GuardianCore,
        slots: Mapping[str, int] = {},
        hub: HubOfGateway | None = None,
    ) -> None:
        self.account = account
        self._names = {MAIN: "main"} | {slot: name for name, slot in slots.items()}
        self._path, self._file = gateway_journal(home, account), checkpoint_file(home, account)
        self._core = core
        self.reader: JournalReader | None = None
        self.view = AccountState(keeps_fills=False, keeps_parts=True)
        self._stops: dict[Key, tuple[str, Order]] = {}  # open protective orders, with their client ids
        self._closes: dict[Key, Order] = {}  # the guardian's market orders that close
        self._others: dict[Key, str] = {}  # symbols of other orders that wait for a trigger
        self._held: dict[tuple[str, PositionSide], tuple[int, int]] = {}  # quantity and cost as last reported
        self.tops: dict[str, Top] = {}  # by symbol, if the quote is confirmed
        self._hub_quoted: dict[str, int] = {}  # time of the hub's newest quote of a symbol that was used
        self.comparisons = 0  # count of the gateway's reconciliations that ended while followed
        self._has_parts = True
        self._ticks = TickFilter(NOT_JUDGED)  # for the gateway's own market; the hub filters its own
        self._hub_options = hub
        self._hub: HubMarket | None = None
        self._hub_table = HubPrices(home)

    def follow(self, waiter: Waiter, now: int, resume: Callable[[], None] = lambda: None) -> bool:
        """Starts following. resume: called before the core gets the account's state. False: there is no journal yet, or
        it is unreadable now."""
        if not is_tape(self._path):
            return False
        try:
            reader = JournalReader(self._path)
        except OnetapeError:  # it is being created
            return False
        self.reader, self.view = reader, AccountState(keeps_fills=False, keeps_parts=True)
        self._core.forget_parts(self.account)
        self._stops.clear()
        self._closes.clear()
        self._others.clear()
        self._core.others(self.account, {})
        self._ticks = TickFilter(NOT_JUDGED)
        end, made = reader.last_sequence + 1, read_checkpoint(self._path, self._file)
        reader.seek_sequence(made.sequence + 1 if made is not None else 1)
        for stream, record in reader.instruments.items():
            self.view.streams[stream] = str(record["symbol"])
            self._instrument(Instrument.from_msgpack(msgspec.msgpack.encode(record)))
        # Without a checkpoint and the journal's beginning, sub-accounts' positions are unknown.
        self._has_parts = made is not None or read_pruned(self._path) is None
        if made is not None:
            self.view.restore(made)
        for frame in reader.frames(READ_PARTS, sequence_until=end):
            self._fold(frame)
        reader.seek_sequence(max(end, 1))
        for symbol, side in dict.fromkeys((*self.view.held, *self._held)):
            self._say_position(symbol, side, now)
        self._say_parts({key[1:] for key in self.view.subaccounts.booking.positions}, now)
        resume()
        for key, row in self.view.working.items():
            self._say_order(key, now)
            if key in self._closes:
                spec = row.spec
                self._core.close_works(self.account, spec.symbol, spec.position_side, row.left, now)
        waiter.add(reader)
        self._core.caught_up(self.account, now)
        return True

    def leave(self, waiter: Waiter) -> None:
        if self.reader is not None:
            waiter.remove(self.reader)
            self.reader.close()
            self.reader = None
            self._leave_hub()
            self._core.gateway_gone(self.account)

    def _leave_hub(self) -> None:
        if self._hub is not None:
            self._hub.close()
            self._hub = None

    def look_at_hub(self, now: int) -> None:
        """Reads the hub's market; the gateway reports a stale one."""
        if self._hub_options is None or not self.view.instruments:
            return
        if self._hub is None:
            instruments = list(self.view.instruments.values())
            self._hub = HubMarket(self._hub_options, instruments, lambda *_: None, lambda _: None, time.time_ns)
        self._hub.look(now)
        held = {symbol for symbol, _ in self.view.held}.intersection(self._hub.symbols)
        of = [self.view.instruments[symbol] for symbol in sorted(held)]
        for symbol, kind, price in self._hub_table.news(of, time.time_ns()):
            self._core.priced(self.account, symbol, kind, price, now)
        for symbol in self._hub.symbols:
            if not self._hub.silent_ns(symbol):
                bid, ask, *_ = self._hub.top(symbol)
                received, before = self._hub.received(symbol), self._hub_quoted.get(symbol)
                self._hub_quoted[symbol] = received
                if self._core.quote(self.account, symbol, bid, ask, now, is_new=received != before):
                    self.tops[symbol] = Top(bid, ask, received)

    def prices(self, assets: Collection[str], currency: str) -> Iterator[Priced]:
        """Yields prices of assets from the hub's market, because a gateway that reads the hub has no marks on its
        journal."""
        for symbol in self._hub.symbols if self._hub is not None and assets else ():
            instrument, top = self.view.instruments[symbol], self.tops.get(symbol)
            is_of = instrument.quote == currency and instrument.base in assets
            if is_of and top is not None and top.bid > 0 and top.ask > 0:
                yield Priced(instrument.base, Fraction(top.bid + top.ask, 2 * 10**instrument.price_decimals))

    def has_stop(self, name: str) -> bool:
        """Tells whether the gateway has an open protective order of that client id."""
        return any(name == each for each, _ in self._stops.values())

    def take(self, now: int) -> None:
        """Reads new frames."""
        if self.reader is None:
            return
        for frame in self.reader.frames(LIVE):
            match frame.type:
                case EventType.QUOTE.id | EventType.MARK.id | EventType.TRADE.id:
                    self._price(frame, now)
                case _:
                    self._say_parts(self._fold(frame), now)
                    self._say(frame, now)

    def _price(self, frame: Frame, now: int) -> None:
        """Reads a message of the gateway's own market, unless it is a bad tick."""
        rule = self._ticks.judge(frame.stream, frame.type, frame.time, frame.payload)
        if rule not in (_GOOD, _DUPLICATE):
            return
        symbol, is_new = self.view.streams.get(frame.stream, ""), rule == _GOOD
        match frame.type:
            case EventType.QUOTE.id:
                bid, ask = _BID_AND_ASK.unpack_from(frame.payload)
                if self._core.quote(self.account, symbol, bid, ask, now, is_new=is_new):
                    self.tops[symbol] = Top(bid, ask, frame.time)
            case EventType.MARK.id:
                (mark,) = _MARK.unpack_from(frame.payload)
                self._core.priced(self.account, symbol, PriceKind.MARK, mark, now, is_new=is_new)
            case _:
                (price,) = _PRICE.unpack_from(frame.payload)
                self._core.priced(self.account, symbol, PriceKind.TRADE, price, now, is_new=is_new)

    def _fold(self, frame: Frame) -> Collection[At]:
        """Returns the positions in which a sub-account's part has changed since."""
        booking = self.view.subaccounts.booking
        moved = self.view.apply(frame)
        if frame.type == EventType.INSTRUMENT.id:
            self._instrument(self.view.instruments[self.view.streams[frame.stream]])
        elif self.view.subaccounts.booking is not booking:  # another exchange begins
            self._core.forget_parts(self.account)
        return moved

    def _instrument(self, instrument: Instrument) -> None:
        self.view.instruments[instrument.symbol] = instrument
        self._leave_hub()  # it must be reopened with the current instruments
        if instrument.kind is not Kind.SPOT:
            self._core.instrument(self.account, instrument)

    def _say(self, frame: Frame, now: int) -> None:
        match frame.type:
            case EventType.ORDER_REQUEST.id:
                request = request_of(frame.payload, self.view.streams[frame.stream])
                self._say_order((request.robot, request.order_id), now)
            case EventType.ORDER_EVENT.id:
                order_id, robot = _ORDER_AND_ROBOT.unpack(frame.payload)
                self._say_order((robot, order_id), now)
            case EventType.FILL.id:
                fill = fill_of(frame.payload)
                # The position first, so that a fired stop is not reported as missing protection.
                self._say_position(self.view.streams[frame.stream], fill.position_side, now)
                self._say_order((fill.robot, fill.order_id), now)
            case EventType.POSITION.id | EventType.HEALTH.id:
                if frame.type == EventType.HEALTH.id:
                    self.comparisons += msgspec.msgpack.decode(frame.payload)["kind"] == RECONCILED
                for symbol, side in dict.fromkeys((*self.view.held, *self._held)):
                    self._say_position(symbol, side, now)

    def _say_position(self, symbol: str, side: PositionSide, now: int) -> None:
        held = self.view.held.get((symbol, side))
        instrument = self.view.instruments.get(symbol)
        said = (held.qty, held.cost) if held is not None else (0, 0)
        if instrument is None or instrument.kind is Kind.SPOT or self._held.get((symbol, side), (0, 0)) == said:
            return
        self._held[symbol, side] = said
        entry = None
        if held is not None and held.qty and held.cost:
            entry = held.entry * Fraction(10) ** instrument.price_decimals
        opened = self._named(self.view.openings.frame((symbol, side)))
        self._core.position(self.account, symbol, side, said[0], entry, now, opened=opened)

    def _say_parts(self, of: Collection[At], now: int) -> None:
        parts = self.view.subaccounts
        for (slot, symbol, side), own in parts.booking.positions.items() if of and self._has_parts else ():
            if (symbol, side) in of and not own.terms.is_spot:
                name = self._names.get(slot, str(slot))
                opened = self._named(parts.opened(slot, symbol, side))
                self._core.sub_account(self.account, name, symbol, side, own, now, opened=opened)

    def _named(self, frame: int) -> str:
        """Returns a name of a frame that is unique among journals."""
        return f"{self.reader.uuid} {frame}" if self.reader is not None else ""

    def _say_order(self, key: Key, now: int) -> None:
        row = self.view.working.get(key)
        self._count_other(key, row)
        if row is not None and is_protective(row):
            stop = self._stop(key, row)
            self._stops[key] = stop.client_id, row
            self._core.stop(self.account, stop, now)
        elif row is not None and row.spec.tag == GUARDIAN:
            self._closes[key] = row
        elif key in self._closes:
            ended = self._closes.pop(key)
            self._core.close_ended(self.account, ended.spec.symbol, ended.spec.position_side, ended.left)
        elif key in self._stops:
            name, last = self._stops.pop(key)
            is_canceled = last.state in WITHDRAWN and not last.is_canceling
            self._core.stop_ended(self.account, name, now, is_canceled=is_canceled)

    def _count_other(self, key: Key, row: Order | None) -> None:
        waits = row is not None and row.spec.trigger_by is not TriggerBy.NONE and row.state not in FIRED
        if (waits and row is not None and not is_protective(row)) is not (key in self._others):
            if self._others.pop(key, None) is None and row is not None:
                self._others[key] = row.spec.symbol
            self._core.others(self.account, Counter(self._others.values()))

    def _stop(self, key: Key, row: Order) -> StopRow:
        spec, life = row.spec, self.view.robots.get(key[0])
        return StopRow(
            client_id=life.client_id(key[1]) if life is not None else "",
            venue_id=row.venue_id,
            symbol=spec.symbol,
            position_side=spec.position_side,
            closes=spec.side,
            trigger=spec.trigger_int,
            left=row.left,
            state=row.state,
            is_target=spec.trigger_kind is TriggerKind.TAKE_PROFIT,
        )


def is_protective(row: Order) -> bool:
    return row.spec.tag == GUARDIAN and row.spec.trigger_by is not TriggerBy.NONE
