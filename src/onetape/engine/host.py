"""Serve a strategy beside the compiled loop: instruments, memory, errors.

One host a strategy. It has no clock and no files: what it writes goes to the run's journal
through the loop, at the loop's time.
"""

from __future__ import annotations

import random
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any, TypeVar

import msgspec

from onetape import _core
from onetape.engine.accounts import SHARED
from onetape.engine.bar_feeds import BarFeeds
from onetape.engine.children import location_of, make_child
from onetape.engine.handlers import KINDS, Handlers
from onetape.engine.live_money import LiveMoney
from onetape.engine.marks import BUY, SIDES
from onetape.engine.notes import Direction, Notes, Signal, number_of
from onetape.engine.plan import LiveRobot, Seat
from onetape.engine.scans import ExternalEvent, ScanEvent, Scans
from onetape.engine.source_location import place_in, source_location
from onetape.engine.tape_facts import Inventory
from onetape.model.decimals import decimal_text, to_fraction
from onetape.model.enums import EventType, OrderState
from onetape.model.errors import InvariantViolation, OrderRate, SchemaMismatch, SelfTrade, UnknownSymbol, problem_text
from onetape.model.instrument import Instrument
from onetape.model.near import list_symbols
from onetape.model.request_key import RequestKey, request_key
from onetape.model.symbol import at_exchange
from onetape.model.time import format_time
from onetape.orders.filters import Refusal

__all__ = ["MEMORY_BYTES_MAX", "Host"]

MEMORY_BYTES_MAX = 64 * 1024
KEPT = "\x1fdesk"  # a memory key on the tape that no strategy uses
MONEY_ONE = 10**18  # units of 1e-18
UNITS_MAX = 2**62
_NEAREST, _DOWN, _UP, _TOWARD_ZERO = range(4)  # Rounding of core/exchange/order_rules.hpp
FAILURES_KEPT = 100  # further ones are only on the tape

# Health that `on_health` reports: of feeds and the hub's sources, of the account's stream, and the robot's own lag.
HEARD = frozenset({"account stream", "feed", "lag", "source"})

_ALERT, _HEALTH = EventType.ALERT.id, EventType.HEALTH.id
_LOG, _MEMORY = EventType.LOG.id, EventType.MEMORY.id


S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Balance:
    """Money of one currency. total: owned; available: free for new orders; locked: held by
    working orders and positions. Open profit may be available, too, but is in no total."""

    currency: str
    total: float
    available: float
    locked: float = 0.0


@dataclass(frozen=True, slots=True)
class ExactBalance:
    """A `Balance` whose amounts are exact."""

    currency: str
    total: Fraction
    available: Fraction
    locked: Fraction


@dataclass(frozen=True, slots=True)
class Failed:
    """An exception of the strategy: callback, text, location in its source, time."""

    callback: str
    error: str
    location: str
    time: int

    @property
    def place(self) -> str:
        """Returns the location with its callback, each once."""
        return place_in(self.location or "strategy", self.callback)

    def __str__(self) -> str:
        return f"{self.error}, {self.place} at {format_time(self.time)}"


class Host:
    """Answers the loop's questions and the strategy's slower services."""

    def __init__(
        self,
        *,
        on_error: str,
        override_fees: Callable[[Instrument], Instrument],
        wanted: Callable[[str], bool],
        inventory: Callable[[], Inventory],
        bar_sources: Mapping[str, str],
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self.loop: _core.TradingLoop
        self.is_hedged = False
        self.legs_with_entry = False  # true where orders fill only on bars
        self.seed = 0  # of this incarnation's random source
        self.sources = 0  # number of the run's inputs
        self.robot: Any = None  # the run's own strategy
        self.children: list[Any] = []  # of all depths, by number
        self._child_locations: set[str] = set()
        self.robot_numbers: list[int] = []  # by gateway: the robot's number there; gateways' tapes come first
        self.notes_choices = False  # record choices at once: a live run may be killed before its end
        self.keeps_owners = False  # a symbol belongs to the first tape that names it
        self.market: frozenset[str] | None = None  # symbols with market data from the hub; None: no hub
        self._traded: frozenset[str] = frozenset()  # symbols of `market` that a gateway trades
        self._hub_streams: dict[str, tuple[int, Instrument]] = {}  # instruments on the hub's tape, by symbol
        self.is_apart = False  # true: an account at each venue, not one for all
        self.counted: list[int] = []  # indexes into `money` that are summed to the equity
        self.counts: Callable[[str], bool] = bool  # is the currency part of the equity?
        self.accounts: dict[str, str] = {}  # account name -> venue of its symbols, "": all venues
        self.shares_exchange = False  # several accounts at one exchange; read for each order
        self._venues_at: list[str] = []  # by gateway: venue in the names of its symbols
        self.leverages: dict[str, float] = {}  # by venue, of its account
        self.new_instrument: Callable[[], None] | None = None  # called for instruments that appear during the run
        # Called with (index, instrument) for each instrument once the run's journal is open.
        self.note_instrument: Callable[[int, Instrument], None] | None = None
        # Called with (venue, the core's number) for each group of instruments that share one volume for fee tiers.
        self.new_volume_group: Callable[[str, int], None] | None = None
        self.memory: dict[str, Any] = {}
        self.kept: dict[str, Any] = {}  # state of desks by strategy; saved with memory in a live run
        self.missed: list[_core.Fill] = []  # during on_start: fills since the last process ended
        self.bars = BarFeeds(self, bar_sources, inventory)
        self.scans = Scans(self)
        self.failures: list[Failed] = []
        self.random: random.Random | None = None  # the strategy's
        # Of a compiled strategy: the exception of its callback, and its own close().
        self.take_problem: Callable[[], BaseException] | None = None
        self.close: Callable[[str], _core.Order | None] | None = None
        self.instruments: dict[str, Instrument] = {}
        self.money: list[tuple[str, str]] = []  # account and currency, by the core's number
        self.subscriptions: set[tuple[str, str]] = set()  # (symbol, kind)
        self._on_error = on_error
        self._override_fees = override_fees
        self._wanted = wanted
        self._progress = progress
        self._index: dict[str, int] = {}
        self._owners: dict[str, int] = {}  # symbol -> number of the tape that defines its instrument
        self._venues: dict[str, int] = {}
        self._volume_groups: dict[tuple[str, bool, str], int] = {}
        self._memory_last = b""
        self._fee_currencies: dict[tuple[int, str], int] = {}  # -> the gateway's number of it
        self._gateway_accounts: list[str] = []  # account of each gateway
        self._live: dict[str, LiveMoney] = {}  # by account
        self._order_base = 0  # order ids at a gateway begin after this
        self._notes: Notes | None = None
        self._handlers: Handlers | None = None

    # --- instruments -----------------------------------------------------------------------------

    def add_instrument(self, instrument: Instrument) -> int:
        """Returns the instrument's index in the run, new or of an earlier version."""
        instrument = self._override_fees(instrument)
        symbol = instrument.symbol
        listed = self._index.get(symbol)
        if listed is not None:
            if instrument != self.instruments[symbol]:
                if not self.loop.update_instrument(listed, _spec(instrument)):
                    raise SchemaMismatch(
                        f"{symbol} changes its decimals",
                        location="instrument frame",
                        todo="cut the run at the change with --from or --to",
                    )
                self.loop.set_terms(listed, self._terms(instrument))
                self.instruments[symbol] = instrument
            return listed
        index = self.loop.add_instrument(
            symbol,
            _spec(instrument),
            self.money_index(self.account_of(instrument.venue), instrument.settle),
            self.money_index(self.account_of(instrument.venue), instrument.base),
            instrument.settle,
        )
        self.loop.set_terms(index, self._terms(instrument))
        self.instruments[symbol] = instrument
        self._index[symbol] = index
        for (gateway, currency), number in self._fee_currencies.items():  # the symbol may be ours from here on
            self.name_fee_currency(gateway, currency, number)
        if self.new_instrument is not None:
            self.new_instrument()
        if self.note_instrument is not None:
            self.note_instrument(index, instrument)
        return index

    def _terms(self, instrument: Instrument) -> _core.InstrumentTerms:
        terms = instrument.terms()
        terms["venue"] = self.venue_number(instrument.venue)
        if instrument.fee_tiers:
            groups = self._volume_groups
            if instrument.volume_group not in groups:
                groups[instrument.volume_group] = len(groups) + 1
                if self.new_volume_group is not None:
                    self.new_volume_group(instrument.venue, len(groups))
            terms["volume_group"] = groups[instrument.volume_group]
        return _core.InstrumentTerms(**terms)

    def venue_number(self, venue: str) -> int:
        """Returns the core's number of a venue, from 1."""
        return self._venues.setdefault(venue, len(self._venues) + 1)

    @property
    def venues(self) -> Mapping[str, int]:
        """Returns the numbers of the venues seen or named."""
        return self._venues

    @property
    def volume_groups(self) -> Mapping[tuple[str, bool, str], int]:
        """Returns the core's number of the group of instruments that share one volume for fee tiers."""
        return self._volume_groups

    def account_of(self, venue: str) -> str:
        """Returns the account that a venue's orders draw on."""
        return venue if self.is_apart else SHARED

    def venue_of(self, account: str) -> str:
        """Returns the venue of an account's symbols, "": all venues. Raises UnknownSymbol for an unknown account."""
        if account not in self.accounts:
            there = ", ".join(filter(None, self.accounts)) or "one without a name"
            raise UnknownSymbol(f"no account {account!r}", todo=f"the run's: {there}")
        return self.accounts[account]

    def equity_of(self, account: str) -> float:
        """Returns an account's part of the equity. Raises UnknownSymbol for an unknown account."""
        owner = self.account_of(self.venue_of(account))
        return sum(float(self.loop.equity_of_text(n)) for n in self.counted if self.money[n][0] == owner)

    def money_index(self, account: str, currency: str) -> int:
        """Returns the core's number of a currency of an account."""
        if (account, currency) not in self.money:
            self.money.append((account, currency))
        return self.money.index((account, currency))

    def name_fee_currency(self, gateway: int, currency: str, number: int) -> None:
        """Map a gateway's number of a fee currency to the robot's money. A fee in a currency without a balance here
        (coins that only pay fees) is shown, and deducted from no balance."""
        self._fee_currencies[gateway, currency] = number
        money = self._gateway_accounts[gateway], currency
        ours = self.money.index(money) if money in self.money else -1
        self.loop.set_fee_currency(gateway, number, ours, currency)

    def params_frame(self, gateway: int, payload: bytes) -> None:
        """Process a `params` frame of a gateway, in a live run."""
        record = msgspec.msgpack.decode(payload)
        if isinstance(record, dict) and "currency" in record:
            self.name_fee_currency(gateway, record["name"], record["currency"])

    def _follow_ledger(self, gateway: int, seat: Seat) -> None:
        """Take the robot's money from its sub-account's entries on the gateway's tape."""
        account = self._gateway_accounts[gateway]
        index = partial(self.live_money_index, gateway)
        self._live[account] = LiveMoney(self.loop, gateway, seat, self.instruments, index)
        self.loop.follow_ledger(gateway, seat.entries_after)
        for currency, amount in seat.others.items():
            self.loop.deposit(index(currency), decimal_text(Decimal(amount)))

    def live_money_index(self, gateway: int, currency: str) -> int:
        count = len(self.money)
        index = self.money_index(self._gateway_accounts[gateway], currency)
        number = self._fee_currencies.get((gateway, currency))
        if index == count and number is not None:  # from now on fees are deducted from this money
            self.name_fee_currency(gateway, currency, number)
        return index

    def entry_frame(self, gateway: int, payload: bytes) -> None:
        """Process a ledger entry of a gateway, in a live run."""
        self._live[self._gateway_accounts[gateway]].entry(payload)

    @property
    def currencies(self) -> list[str]:
        """Returns all currencies, each once."""
        return list(dict.fromkeys(currency for _, currency in self.money))

    def instrument_frame(self, source: int, stream: int, payload: bytes) -> int:
        """Process an instrument frame of a tape. Returns the instrument's index in the run, or -1 when the run does
        not use it or takes its facts from another tape."""
        instrument = self.instrument_on(source, payload)
        if not self._wanted(instrument.symbol):
            return -1
        if self.market is not None and source == self._hub_source:
            return self._hub_instrument(stream, instrument)
        owner = self._owners.setdefault(instrument.symbol, source)
        if self.keeps_owners and owner != source:
            return -1
        index = self.add_instrument(instrument)
        if not self._venues_at:  # recorded data: all accounts share one market
            for symbol in self._further(instrument.symbol):
                self.add_instrument(_renamed(instrument, symbol))
            self._share(source, stream, instrument.symbol)
        return self._map_hub(instrument.symbol, index)

    def instrument_on(self, source: int, payload: bytes) -> Instrument:
        """Returns an instrument of a tape. For a further account at one exchange the symbol's venue includes the
        account."""
        instrument = Instrument.from_msgpack(payload)
        venue = self._venues_at[source] if source < len(self._venues_at) else ""
        if "@" not in venue or instrument.venue != at_exchange(venue):
            return instrument
        return _renamed(instrument, f"{venue}:{instrument.symbol.partition(':')[2]}")

    def _further(self, symbol: str) -> list[str]:
        """Returns the symbol's names on the other named accounts at its exchange."""
        exchange, name = symbol.split(":", 1)
        further = (venue for venue in self.accounts.values() if "@" in venue)
        return [f"{venue}:{name}" for venue in further if at_exchange(venue) == exchange]

    def _share(self, source: int, stream: int, symbol: str) -> None:
        """Deliver a stream's market data also to the symbol's names on other accounts, if these instruments exist
        already."""
        for each in self._further(symbol):
            if each in self._index:
                self.loop.share_stream(source, stream, self._index[symbol], self._index[each])

    def trade_on(self, accounts: dict[str, str]) -> None:
        """Sets the accounts of the run. accounts: name -> venue of the account's symbols, "": all."""
        self.accounts = accounts
        self.shares_exchange = any("@" in venue for venue in accounts.values())

    def on_account(self, symbol: str, account: str) -> str:
        """Returns the name of the symbol on an account. Raises UnknownSymbol when it is not traded there."""
        venue, (exchange, _, name) = self.venue_of(account), symbol.partition(":")
        if venue not in ("", exchange) and at_exchange(venue) != exchange:
            raise UnknownSymbol(f"{symbol} is not traded on account {account}")
        return f"{venue or exchange}:{name}"

    def on_all(self, symbol: str) -> list[str]:
        """Returns the names of the same instrument on each account of the run at its exchange."""
        exchange, name = at_exchange(symbol).split(":", 1)
        found = [f"{venue}:{name}" for venue in self.accounts.values() if at_exchange(venue) == exchange]
        return [each for each in found if each in self.instruments] or [symbol]

    def self_trade(self, symbol: str, side: int, price: Any) -> Refusal | None:
        """Returns a Refusal when the order could trade with an own order on another account at its exchange, else
        None."""
        if not self.shares_exchange:
            return None
        symbols = self.on_all(symbol)
        quote = next(filter(None, map(self.loop.quote, symbols)), None)  # one exchange, one market
        touch = (None, None) if quote is None else (quote.ask, quote.bid)  # prices that market orders meet
        price = touch[side != BUY] if price is None else price
        for other in symbols:
            for order in self.loop.working(other) if other != symbol else ():
                waits = order.trigger is not None and order.state != OrderState.TRIGGERED
                if waits or (order.side == "buy") == (side == BUY):
                    continue
                there = touch[side == BUY] if order.price is None else order.price
                away = 0 if price is None or there is None else Decimal(str(price)) - Decimal(str(there))
                if (away >= 0) if side == BUY else (away <= 0):
                    return Refusal(SelfTrade.code, f"own order {order.client_id} works on {other}")
        return None

    @property
    def _hub_source(self) -> int:
        return len(self._gateway_accounts)

    def follow_hub(self, traded: Iterable[str], more: Iterable[str]) -> None:
        """Follow a hub's tape, the next one after the gateways'. Market data of these symbols come only from the hub.
        traded: symbols that a gateway trades and whose instruments it defines; more: symbols that are only
        followed."""
        self.market, self._traded = frozenset(traded) | frozenset(more), frozenset(traded)

    def _hub_instrument(self, stream: int, instrument: Instrument) -> int:
        """Returns the instrument's index in the run, or -1: the symbol is not followed, its units differ from the
        gateway's, or the gateway has not defined it yet."""
        symbol = instrument.symbol
        if self.market is None or symbol not in self.market:
            return -1
        if symbol not in self._traded:
            self._owners.setdefault(symbol, self._hub_source)
            return self.add_instrument(instrument)
        self._hub_streams[symbol] = stream, instrument
        if not self._same_units(instrument):
            return -1
        self._share(self._hub_source, stream, symbol)
        return self._index[symbol]

    def _same_units(self, instrument: Instrument) -> bool:
        """Returns True when the hub's decimals equal the gateway's. A hub's instrument with other decimals is
        ignored: its prices would be misread."""
        listed = self.instruments.get(instrument.symbol)
        return listed is not None and all(
            getattr(listed, name) == getattr(instrument, name) for name in ("price_decimals", "size_decimals")
        )

    def _map_hub(self, symbol: str, index: int) -> int:
        """Map the hub's stream of a symbol that a gateway has just defined."""
        listed = at_exchange(symbol)
        stream, instrument = self._hub_streams.get(listed, (0, None))
        if instrument is not None and self._same_units(instrument):
            self.loop.map_stream(self._hub_source, stream, self._index[listed])
            self._share(self._hub_source, stream, listed)
        return index

    def is_traded_live(self, symbol: str) -> bool:
        """Returns True when a live robot's gateway trades the symbol; other symbols are only followed."""
        return self.notes_choices and self._owners.get(symbol, self._hub_source) < self._hub_source

    def gateway_of(self, symbol: str) -> int:
        """Returns the number of the tape of the gateway that trades the symbol."""
        return self._owners.get(symbol, 0)

    def check_conflation(self, symbol: str) -> None:
        """Warn when a live robot has a symbol from its gateway: such frames are never conflated."""
        if self.is_traded_live(symbol) and symbol not in (self.market or ()):
            self.log(f"{symbol}: conflate works only with a hub; a gateway's updates are all delivered", "warning", {})

    def external_event(self, time: int, payload: bytes) -> ExternalEvent:
        """Returns an external event's record, with the time of its frame as `time`."""
        record = msgspec.msgpack.decode(payload)
        return ExternalEvent({"time": time, **(record if isinstance(record, dict) else {"value": record})})

    def make_scan(self, request: bytes) -> None:
        """Start a scan from a recorded request, when a replay does not call the strategy."""
        self.scans.repeat(request)

    def scan_event(self, number: int, symbol: str, matched: bool, ts: int, values: list[float]) -> ScanEvent:
        """Returns a change of scan `number`, as passed to on_event."""
        return self.scans.event(number, symbol, matched, ts, values)

    def health_frame(self, source: int, payload: bytes) -> tuple[str, str, str] | None:
        """Returns (kind, subject, state) of a health frame, or None when it is not for this robot."""
        record = msgspec.msgpack.decode(payload)
        if not isinstance(record, dict) or record.get("kind") not in HEARD:
            return None
        if "robot" in record and [record["robot"]] != self.robot_numbers[source : source + 1]:
            return None
        return record["kind"], str(record.get("subject", "")), str(record.get("state", ""))

    def instrument_of(self, symbol: str) -> Instrument:
        """Returns the instrument of a symbol. Raises UnknownSymbol with the symbols there are."""
        found = self.instruments.get(symbol)
        if found is None:
            self.unknown_symbol(symbol)
        return found  # type: ignore[return-value]

    def sides_of(self, symbol: str) -> tuple[str | None, ...]:
        """Returns the sides of a symbol's positions: long and short in hedge mode, but spot has none."""
        return SIDES if self.is_hedged and self.instrument_of(symbol).kind != "spot" else (None,)

    def index_of(self, symbol: str) -> int:
        """Returns the core's number of an instrument. Raises UnknownSymbol."""
        self.instrument_of(symbol)
        return self._index[symbol]

    def unknown_symbol(self, symbol: object) -> None:
        """Raises UnknownSymbol."""
        raise UnknownSymbol(f"{symbol} is not in the data", todo=list_symbols(symbol, self.instruments))

    # --- compiled strategies ---------------------------------------------------------------------

    def compiled_random(self, what: int, a: float, b: float) -> float:
        """Returns random, uniform, gauss, randint of the strategy's own random source."""
        assert self.random is not None
        match what:
            case 0:
                return self.random.random()
            case 1:
                return self.random.uniform(a, b)
            case 2:
                return self.random.gauss(a, b)
            case _:
                return self.random.randint(int(a), int(b))

    def compiled_problem(self) -> BaseException:
        """Returns the exception raised by a compiled callback."""
        assert self.take_problem is not None
        problem = self.loop.compiled_error
        return problem if isinstance(problem, BaseException) else self.take_problem()

    # --- orders ----------------------------------------------------------------------------------

    def to_units(self, value: object, decimals: int, step: int, rounding: int) -> int | None:
        """Convert Decimal, text and numpy numbers to units, a multiple of step; None: not a number that an order can
        carry. rounding: the core's."""
        try:
            exact = to_fraction(value) * 10**decimals / step
        except ValueError:
            return None
        nearest = round(exact)
        if abs(exact - nearest) <= abs(exact) / 10**9:
            steps = nearest
        else:
            down = exact.numerator // exact.denominator
            is_lower = rounding == _DOWN or (rounding == _TOWARD_ZERO and exact > 0)
            steps = nearest if rounding == _NEAREST else down if is_lower else down + 1
        units = steps * step
        return units if abs(units) <= UNITS_MAX else None

    def place_with(
        self,
        once: str | RequestKey | None,
        signal: Signal | int | None,
        *terms: Any,
        refusal: tuple[int, str] | None = None,
    ) -> _core.Order:
        """Place and return an order with a request key or a signal. terms: arguments of `place`; refusal: the order
        is denied for this reason, and never leaves."""
        notes = self.notes
        key = request_key(once) if once is not None else None
        if refusal is None and key is not None:
            refusal = notes.refusal(key)
        refusal = refusal or self.self_trade(terms[0], terms[1], terms[3])
        more = notes.more(key, number_of(signal))
        code, reason = refusal or (0, "")
        order = self.loop.place_with(more, code, reason, *terms)
        if key is not None:
            notes.claim(key, order)
        return order

    def place_for(self, owner: str, *terms: Any) -> _core.Order:
        """Place and return a desk's order. owner: location of the desk's strategy, "": the run's own strategy."""
        if not owner:
            return self.loop.place(*terms)
        with self.notes.at(owner):
            return self.loop.place_with(self.notes.more(None, 0), 0, "", *terms)

    def place_attached(self, owner: str, attached: tuple[int, int, int], *terms: Any) -> _core.Order:
        """Place and return a leg that is sent together with its entry. attached: as the core's `place_with` takes
        it."""
        with self.notes.at(owner):
            arguments: tuple[Any, ...] = (self.notes.attached(attached[0]), 0, "", *terms, attached)
            return self.loop.place_with(*arguments)

    def target_for(
        self, signal: Signal | int, symbol: str, qty: Any, reduce_only: bool = False, side: str | None = None
    ) -> _core.Order | None:
        """Set the target of a signal (set_target)."""
        self.instrument_of(symbol)
        target, more = self.notes.target(symbol, qty, number_of(signal))
        order = self.loop.set_target(symbol, qty, reduce_only, more, side)
        self.tell("target", target)
        return order

    def signal(self, symbol: str, direction: Direction, facts: dict[str, Any]) -> Signal:
        self.instrument_of(symbol)
        made = self.notes.signal(symbol, direction, facts)
        self.tell("signal", made)
        return made

    @property
    def may_have_plots(self) -> bool:
        """Returns whether the run's journal may have `plot` frames, of this incarnation or an earlier one."""
        return self._notes is not None or bool(self.robot_numbers)

    @property
    def notes(self) -> Notes:
        """Notes of the strategy, created on first use: most strategies only place orders."""
        if self._notes is None:
            self._notes = Notes(self.loop, self.sources, _or_text)
            self._notes.gateway_decides = bool(self.robot_numbers)
            self._notes.base = self._order_base
        return self._notes

    def name_gateways(self, robot: LiveRobot) -> None:
        """Set the gateways; their tapes are the run's first. A symbol is defined by the first tape that names it."""
        self.keeps_owners = True
        self.trade_on({seat.account: seat.venue for seat in robot.seats})
        self._gateway_accounts = [seat.venue if self.is_apart else SHARED for seat in robot.seats]
        self._venues_at = [seat.venue for seat in robot.seats]
        self.leverages = {seat.venue: seat.leverage for seat in robot.seats}

    def go_live(self, robot: LiveRobot) -> None:
        """Send orders to gateways, as the robot whose number the seat has there."""
        self.robot_numbers, self._order_base = [seat.number for seat in robot.seats if seat.number], robot.order_base
        for gateway, seat in enumerate(robot.seats):
            for currency, number in seat.currencies.items():
                self.name_fee_currency(gateway, currency, number)
            if seat.slot:
                self._follow_ledger(gateway, seat)

    def reply_frame(self, gateway: int, payload: bytes) -> None:
        """Process a gateway's reason for refusing an order, in a live run."""
        record = msgspec.msgpack.decode(payload)
        if isinstance(record, dict) and record.get("robot") == self.robot_numbers[gateway] and "order" in record:
            self.loop.note_reason(record["order"], str(record["reason"]))

    # --- handlers --------------------------------------------------------------------------------

    def handlers_of(self, base: type) -> Handlers:
        """Returns the handlers, created on first use; from then on the strategy's callbacks go through them."""
        if self._handlers is None:
            robot = self.robot
            own = {
                kind: getattr(robot, f"on_{kind}")
                for kind in sorted(KINDS)
                if getattr(type(robot), f"on_{kind}", None) is not getattr(base, f"on_{kind}", None)
            }
            self._handlers = Handlers(self.loop, own, self.callback_failed)
        return self._handlers

    @property
    def handlers(self) -> Handlers | None:
        """The registered handlers; None: nothing was ever registered."""
        return self._handlers

    def make_child(self, parent: Any, base: type, kind: type[S], name: str, params: dict[str, Any]) -> S:
        """Returns a strategy inside another one; see engine/children.py."""
        location = f"{location_of(parent)}/{name}"
        if location in self._child_locations:
            raise ValueError(f"{location_of(parent)} has a child {name!r}")
        self._child_locations.add(location)
        on = self.handlers_of(base).on
        number = len(self.children) + 1
        self.children.append(None)  # its own number, while it creates children
        made = make_child(parent, base, kind, name, params, number, on)
        self.children[number - 1] = made
        return made

    def tell(self, kind: str, event: Any) -> bool:
        """Dispatch an event that no frame of a tape carries to the handlers. Returns False when there are no
        handlers."""
        if self._handlers is None:
            return False
        self._handlers.tell(kind, event)
        return True

    # --- account ---------------------------------------------------------------------------------

    def balance(self, currency: str, venue: str | None = None) -> Balance:
        """Returns the balance of the account that a venue's orders use; without a venue, of all accounts together.
        Zero for an unknown currency. Raises UnknownSymbol for a venue that the data do not have."""
        if venue is not None and all(each.venue != venue for each in self.instruments.values()):
            there = ", ".join(sorted({each.venue for each in self.instruments.values()}))
            raise UnknownSymbol(
                f"the data have no instrument of venue {venue!r}",
                location="balance",
                todo=f"the data has: {there or 'no instrument'}",
            )
        account = None if venue is None else self.account_of(venue)
        numbers = [
            index for index, (owner, name) in enumerate(self.money) if name == currency and account in (None, owner)
        ]
        return Balance(currency, *map(float, self._exact(currency, numbers)))

    @property
    def balances(self) -> list[tuple[str, ExactBalance]]:
        """Returns (account, balance) of all money."""
        return [
            (account, ExactBalance(currency, *self._exact(currency, [number])))
            for number, (account, currency) in enumerate(self.money)
        ]

    def _exact(self, currency: str, numbers: list[int]) -> tuple[Fraction, Fraction, Fraction]:
        """Returns total, available and locked of a currency."""
        total = _exact_sum(map(self.loop.balance_text, numbers))
        if self._live:
            owners = {self.money[number][0] for number in numbers} & self._live.keys()
            locked = Fraction(sum(self._live[owner].locked(currency) for owner in owners), MONEY_ONE)
            return total, total - locked, locked
        return (
            total,
            _exact_sum(map(self.loop.available_text, numbers)),
            _exact_sum(map(self.loop.locked_text, numbers)),
        )

    def profit(self, symbol: str) -> float:
        """Returns the profit of one symbol from fills, fees, funding and its open position, in its settle currency."""
        return float(self.loop.gained_text(self.index_of(symbol)))

    # --- records ---------------------------------------------------------------------------------

    def append(self, type_id: int, record: Mapping[str, Any] | msgspec.Struct) -> None:
        """Append a MessagePack frame to the run's journal, at the loop's time."""
        self.loop.append_cold(type_id, msgspec.msgpack.encode(record, enc_hook=_or_text))

    def log(self, text: str, level: str, fields: Mapping[str, Any]) -> None:
        """Append a log frame; warnings and errors are also shown."""
        self.append(_LOG, {"level": level, "text": text, "fields": dict(fields)})
        if level in ("warning", "error"):
            print(f"{format_time(self.loop.now)} {level}: {text}", file=sys.stderr)

    def settle_memory(self) -> None:
        """Write changed memory to the tape after a callback, before its orders leave."""
        try:
            kept = {KEPT: self.kept} if self.kept else {}
            encoded = msgspec.msgpack.encode(self.memory | kept, enc_hook=_number)
        except (TypeError, ValueError, OverflowError) as problem:
            raise TypeError(f"memory holds plain values only: {problem}") from None
        if encoded == self._memory_last:
            return
        if len(encoded) > MEMORY_BYTES_MAX:
            size = len(msgspec.msgpack.encode(self.memory, enc_hook=_number))
            if size > MEMORY_BYTES_MAX:
                raise ValueError(f"memory is {size} bytes, at most {MEMORY_BYTES_MAX}")
        self._memory_last = encoded
        self.loop.append_cold(_MEMORY, encoded)

    def restore_memory(self, encoded: bytes) -> None:
        """Restore the memory of an earlier incarnation, which is on the tape already."""
        self.memory, self._memory_last = msgspec.msgpack.decode(encoded), encoded
        self.kept = self.memory.pop(KEPT, {})

    @property
    def memory_bytes(self) -> bytes:
        """Returns the memory as last written, MessagePack."""
        return self._memory_last

    def note_state(self) -> str:
        """Write the current state hash to the tape and return it."""
        said = self._notes.digest if self._notes is not None else b""
        digest = self.loop.state_hash(self._memory_last + said).hex()
        self.append(_HEALTH, {"kind": "state", "subject": "robot", "state": digest})
        return digest

    def callback_failed(self, callback: str, problem: BaseException) -> bool:
        """Journal an exception of the strategy and halt it unless on_error is "continue". Returns True: the run goes
        on."""
        if isinstance(problem, InvariantViolation):
            raise problem
        words = problem_text(problem)
        failed = Failed(callback, words, source_location(problem), self.loop.now)
        self._note_failure(failed, "".join(traceback.format_exception(problem))[-8000:])
        if self._on_error != "continue":
            self._halt()
        return True

    def refusal_storm(self, order: _core.Order) -> None:
        """Halt a strategy whose same order was refused more often within a second than the robot reports, also with
        `on_error` "continue": it would repeat the order forever."""
        words = (
            f"{OrderRate.name}({OrderRate.code}): the same order, {order.side} {order.symbol}, was "
            f"refused more than {_core.REFUSALS_MAX} times within a second with {order.code}"
        )
        words += f", {order.reason}" if order.reason else ""
        self._note_failure(Failed("on_order", words, "", self.loop.now), "")
        self._halt()

    def _halt(self) -> None:
        """Halt the robot as `on_error` says. If positions are flattened, their targets are dropped, also for the next
        incarnation."""
        flattens = self._on_error == "flatten"
        if flattens and self.kept:
            self.kept.clear()
            self.loop.touch_memory()
        self.loop.halt(flattens)

    def below_lot(self, service: str, symbol: str) -> None:
        """Log once per service that less than one lot was requested, which has no effect. The run counts each case."""
        lot = decimal_text(self.instruments[symbol].lot)
        words = f"{service}: a quantity below one lot ({lot} for {symbol}) has no effect"
        self.log(words, "warning", {"symbol": symbol})

    def _note_failure(self, failed: Failed, trace: str) -> None:
        if len(self.failures) < FAILURES_KEPT:
            self.failures.append(failed)
        said = {"callback": failed.callback, "error": failed.error, "where": failed.location}
        kind = {"kind": "strategy_error", "severity": "critical"}
        self.append(_ALERT, {**kind, **said, "traceback": trace})

    def pulse(self, frames: int, now: int) -> None:
        """Report progress, a few times a second at most."""
        if self._progress is not None:
            self._progress(frames, now)


def _exact_sum(texts: Iterable[str]) -> Fraction:
    return sum(map(Fraction, texts), Fraction(0))


def _number(value: Any) -> Any:
    """Returns a numpy scalar as a plain number: means and maxima are common."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    raise TypeError(f"not {type(value).__name__}")


def _or_text(value: Any) -> Any:
    """Returns any value as text for a log line: a log line must not stop a strategy."""
    try:
        return _number(value)
    except TypeError:
        return str(value)


def _renamed(instrument: Instrument, symbol: str) -> Instrument:
    """Returns the instrument with the name that it has on another account."""
    return msgspec.structs.replace(instrument, symbol=symbol, venue=symbol.partition(":")[0])


def _spec(instrument: Instrument) -> _core.InstrumentSpec:
    return _core.InstrumentSpec(**instrument.spec())
