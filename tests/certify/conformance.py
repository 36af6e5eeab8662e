"""What an order lives through at a venue, as a list of cases with numbers.

Each case is a function over a Desk: an `OrderProtocol` and something that carries its calls. The
same list runs against a simulated exchange in virtual time, against one behind a socket, and, with
a key, against a venue's demo account (`tools/conform.py`). So a case says only what is true of the
venue as it is documented, and never how the simulation does it.

A case gives a note, "" where there is nothing to say, and raises AssertionError where the venue did
otherwise. It leaves no order open; the order of the cases does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from onetape.model.enums import OrderState, OrderType, Side, TimeInForce, TriggerBy, TriggerKind
from onetape.model.errors import BadSignature, ClockSkew, OrderRate, OrderWouldTrigger, PermissionDenied, VenueRateLimit
from onetape.model.instrument import Instrument
from onetape.model.order import OrderSpec
from onetape.orders.calls import Call, OrderKey, OrderProtocol
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reports import BalanceReport, FillReport, OrderStatusReport, PositionReport

SECOND = 1_000_000_000
WAIT_S = 15.0  # for what the venue does in its own time
NOT_DONE = (Outcome.DEFINITIVE, Outcome.SETTLED)
STOP: Any = {"trigger_by": TriggerBy.LAST, "trigger_kind": TriggerKind.STOP}
ENDED = (OrderState.CANCELED, OrderState.EXPIRED)


class Top(NamedTuple):
    """The best prices and what stands there, in the instrument's units."""

    bid: int
    bid_size: int
    ask: int
    ask_size: int


class Mark(NamedTuple):
    """A moment, by what was traded until then: clocks of two sides do not agree to the
    millisecond, ids do."""

    since: int  # ns UTC, somewhat before
    seen: frozenset[int]


Carry = Callable[[Call], tuple[int, Mapping[str, str], bytes]]


@dataclass
class Desk:
    """One account at one venue, that nobody else uses meanwhile.

    size: of one order, in the instrument's units, well above the smallest notional; size_max: the
    most that a case may buy, which decides whether a level can be eaten whole; weight_a_minute:
    where half of it is spent, `rest` waits for the next minute (0: never).
    """

    protocol: OrderProtocol
    instrument: Instrument
    carry: Carry
    now: Callable[[], int]  # ns UTC, the venue's
    wait: Callable[[float], None]
    top: Callable[[], Top]
    other: Callable[[str, str], OrderProtocol]  # key and secret; "" keeps ours
    size: int
    size_max: int
    prefix: str = "c"
    strange: tuple[str, str] = ("x" * 64, "wrong")  # key and secret that the venue does not know
    weight_a_minute: int = 0
    minute: int = 0
    spent: int = 0
    made: int = 0
    sent: list[str] = field(default_factory=list)

    def ask(self, call: Call, protocol: OrderProtocol | None = None) -> Answer:
        self._count(call.weight)
        status, headers, body = self.carry(call)
        received = {name.lower(): value for name, value in headers.items()}
        return (protocol or self.protocol).answer(call, status, received, body, self.now())

    def _count(self, weight: int) -> None:
        """Counts. A call is signed already and cannot wait long; `rest` waits, between cases."""
        minute = self.now() // (60 * SECOND)
        if minute != self.minute:
            self.minute, self.spent = minute, 0
        self.spent += weight

    def rest(self) -> None:
        """Between cases: waits for the next minute where most of this one's weight is spent."""
        while self.weight_a_minute and self.spent > self.weight_a_minute // 2:
            if self.now() // (60 * SECOND) != self.minute:
                return
            self.wait(1.0)

    def new_id(self) -> str:
        self.made += 1
        self.sent.append(f"{self.prefix}-{self.made}")
        return self.sent[-1]

    def spec(self, side: Side, price: int = 0, size: int = 0, **terms: Any) -> OrderSpec:
        kind = OrderType.LIMIT if price else OrderType.MARKET
        return OrderSpec(
            symbol=self.instrument.symbol, side=side, size_int=size or self.size, type=kind, price_int=price, **terms
        )

    def key(self, client_id: str, *, conditional: bool = False) -> OrderKey:
        return OrderKey(self.instrument.symbol, client_id, conditional and self.protocol.traits.conditionals)

    def priced(self, near: int, percent: float) -> int:
        """A price so many percent away, on the tick."""
        tick = int(self.instrument.tick.scaleb(self.instrument.price_decimals))
        return int(near * (1 + percent / 100)) // tick * tick

    def place(self, client_id: str, spec: OrderSpec) -> Answer:
        return self.ask(self.protocol.place(client_id, spec, self.now()))

    def cancel(self, client_id: str, *, conditional: bool = False) -> Answer:
        key = self.key(client_id, conditional=conditional)
        return self.ask(self.protocol.cancel(key, self.now()))

    def query(self, client_id: str, *, conditional: bool = False) -> Answer:
        key = self.key(client_id, conditional=conditional)
        return self.ask(self.protocol.query(key, self.now()))

    def report_of(self, client_id: str, *, conditional: bool = False) -> OrderStatusReport:
        answer = self.query(client_id, conditional=conditional)
        assert answer.outcome is Outcome.DONE, answer
        return _only(answer, OrderStatusReport)

    def open_ids(self) -> set[str]:
        """Client ids of all lists of orders that wait or work."""
        found = set()
        for call in self.protocol.open_orders(self.now()):
            answer = self.ask(call)
            assert answer.outcome is Outcome.DONE, answer
            found |= {t.client_id for t in answer.reports if isinstance(t, OrderStatusReport)}
        return found & set(self.sent)

    def position(self) -> int:
        answer = self.ask(self.protocol.positions(self.now()))
        assert answer.outcome is Outcome.DONE, answer
        rows = [t for t in answer.reports if isinstance(t, PositionReport)]
        return sum(t.qty for t in rows if t.symbol == self.instrument.symbol)

    def balance(self) -> int:
        """Of the settlement currency, in 1e-18."""
        answer = self.ask(self.protocol.balances(self.now()))
        assert answer.outcome is Outcome.DONE, answer
        rows = [t for t in answer.reports if isinstance(t, BalanceReport)]
        return next(t.total for t in rows if t.currency == self.instrument.settle)

    def mark(self) -> Mark:
        since = self.now() - 60 * SECOND
        return Mark(since, frozenset(f.trade_id for f in self._fills(since, "")))

    def fills(self, mark: Mark, cursor: str = "") -> list[FillReport]:
        """All pages, without what was there at the mark."""
        return [f for f in self._fills(mark.since, cursor) if f.trade_id not in mark.seen]

    def _fills(self, since: int, cursor: str) -> list[FillReport]:
        found: list[FillReport] = []
        for _ in range(100):
            call = self.protocol.fills(self.instrument.symbol, self.now(), since=since, cursor=cursor)
            answer = self.ask(call)
            assert answer.outcome is Outcome.DONE, answer
            found += [t for t in answer.reports if isinstance(t, FillReport)]
            cursor = answer.cursor
            if not cursor:
                return found
        raise AssertionError("fills: a hundred pages and no end")

    def until(self, holds: Callable[[], bool], what: str, seconds: float = WAIT_S) -> None:
        waited = 0.0
        while not holds():
            assert waited < seconds, f"not within {seconds:g} s: {what}"
            self.wait(0.25)
            waited += 0.25

    def flat(self) -> None:
        """Closes what a case has opened."""
        held = self.position()
        if held:
            side = Side.SELL if held > 0 else Side.BUY
            answer = self.place(self.new_id(), self.spec(side, size=abs(held), reduce_only=True))
            assert answer.outcome is Outcome.DONE, answer
            self.until(lambda: self.position() == 0, "flat again")


def _only(answer: Answer, kind: type) -> Any:
    found = [t for t in answer.reports if isinstance(t, kind)]
    assert len(found) == 1, answer
    return found[0]


def _rests(desk: Desk, percent: float = -3.0) -> tuple[str, int]:
    """A bid far below the market: its id and price."""
    name, price = desk.new_id(), desk.priced(desk.top().bid, percent)
    answer = desk.place(name, desk.spec(Side.BUY, price))
    assert answer.outcome is Outcome.DONE, answer
    return name, price


# --- the cases ------------------------------------------------------------------------------------


def place_is_acknowledged(desk: Desk) -> str:
    name, price = _rests(desk)
    reported = desk.report_of(name)
    assert reported.state is OrderState.ACCEPTED, reported
    assert (reported.client_id, reported.price, reported.size, reported.filled) == (name, price, desk.size, 0)
    assert reported.venue_id
    assert name in desk.open_ids()
    assert desk.cancel(name).outcome is Outcome.DONE
    assert name not in desk.open_ids()
    return ""


def client_id_is_unique_while_open(desk: Desk) -> str:
    name, price = _rests(desk)
    first = desk.report_of(name).venue_id
    second = desk.place(name, desk.spec(Side.BUY, price))
    assert second.outcome in NOT_DONE, second
    assert desk.report_of(name).venue_id == first
    assert desk.cancel(name).outcome is Outcome.DONE
    later = desk.place(name, desk.spec(Side.BUY, price))
    if later.outcome is not Outcome.DONE:
        return "not free again after the order's end"
    assert desk.cancel(name).outcome is Outcome.DONE
    return "free again after the order's end"


def post_only_that_crosses_is_refused(desk: Desk) -> str:
    name, since = desk.new_id(), desk.mark()
    price = desk.priced(desk.top().ask, 0.5)
    answer = desk.place(name, desk.spec(Side.BUY, price, post_only=True))
    assert answer.outcome is Outcome.DEFINITIVE or desk.report_of(name).state in ENDED, answer
    assert name not in desk.open_ids()
    assert desk.fills(since) == []
    return "refused in the answer" if answer.outcome is Outcome.DEFINITIVE else "taken and ended"


def ioc_leaves_no_remainder(desk: Desk) -> str:
    name, top = desk.new_id(), desk.top()
    size = top.ask_size + desk.size
    eats = size <= desk.size_max
    price = top.ask if eats else desk.priced(top.bid, -3)
    spec = desk.spec(Side.BUY, price, size if eats else 0, tif=TimeInForce.IOC)
    answer = desk.place(name, spec)
    assert answer.outcome is Outcome.DONE, answer
    desk.until(lambda: desk.report_of(name).state.is_final, "the order's end")
    reported = desk.report_of(name)
    assert reported.state in ENDED or reported.filled == reported.size, reported
    assert reported.filled < reported.size or eats, reported
    assert name not in desk.open_ids()
    filled = reported.filled
    desk.flat()
    if not eats:
        return "best level too large to eat: the whole order was the remainder"
    return "part filled" if 0 < filled < size else "the book had moved"


def fill_or_kill_is_all_or_nothing(desk: Desk) -> str:
    name, since = desk.new_id(), desk.mark()
    price = desk.priced(desk.top().bid, -1)
    answer = desk.place(name, desk.spec(Side.BUY, price, tif=TimeInForce.FOK))
    if answer.outcome is Outcome.DONE:
        desk.until(lambda: desk.report_of(name).state.is_final, "the order's end")
        assert desk.report_of(name).state in ENDED
    else:
        assert answer.outcome is Outcome.DEFINITIVE, answer
        assert desk.query(name).not_found, "it left a trace"
    assert desk.fills(since) == []
    return "refused in the answer" if answer.outcome is Outcome.DEFINITIVE else "taken and ended"


def amend_changes_price_and_size(desk: Desk) -> str:
    name, _ = _rests(desk)
    price, size = desk.priced(desk.top().bid, -4), desk.size * 2
    spec = desk.spec(Side.BUY, price)
    answer = desk.ask(desk.protocol.amend(desk.key(name), spec, desk.now(), price=price, size=size))
    assert answer.outcome is Outcome.DONE, answer
    reported = desk.report_of(name)
    assert (reported.price, reported.size, reported.state) == (price, size, OrderState.ACCEPTED), reported
    assert desk.cancel(name).outcome is Outcome.DONE
    gone = desk.ask(desk.protocol.amend(desk.key(name), spec, desk.now(), price=price, size=size))
    assert gone.outcome is not Outcome.DONE, gone
    return ""


def cancel_loses_the_race_with_a_fill(desk: Desk) -> str:
    name = desk.new_id()
    assert desk.place(name, desk.spec(Side.BUY)).outcome is Outcome.DONE
    answer = desk.cancel(name)
    assert answer.outcome is not Outcome.DONE, answer
    assert answer.not_found, answer
    reported = desk.report_of(name)
    assert (reported.state, reported.filled) == (OrderState.FILLED, desk.size), reported
    desk.flat()
    return ""


def part_of_an_order_fills_and_the_rest_waits(desk: Desk) -> str:
    for _ in range(5):
        name, top = desk.new_id(), desk.top()
        size = top.ask_size + desk.size
        if size > desk.size_max:
            desk.wait(1.0)
            continue
        assert desk.place(name, desk.spec(Side.BUY, top.ask, size)).outcome is Outcome.DONE
        reported = desk.report_of(name)
        canceled = desk.cancel(name)
        if reported.state is not OrderState.PARTIALLY_FILLED or canceled.outcome is not Outcome.DONE:
            desk.flat()
            continue
        ended = desk.report_of(name)
        assert ended.state is OrderState.CANCELED, ended
        assert reported.filled <= ended.filled < size, ended
        assert desk.position() == ended.filled
        desk.flat()
        return ""
    return "not seen: the best level was too large, or gone, each time"


def reduce_only_never_opens(desk: Desk) -> str:
    since = desk.mark()
    refused = desk.place(desk.new_id(), desk.spec(Side.SELL, reduce_only=True))
    assert refused.outcome is Outcome.DEFINITIVE, refused
    assert desk.position() == 0
    assert desk.place(desk.new_id(), desk.spec(Side.BUY)).outcome is Outcome.DONE
    desk.until(lambda: desk.position() == desk.size, "a position")
    name = desk.new_id()
    assert desk.place(name, desk.spec(Side.SELL, reduce_only=True)).outcome is Outcome.DONE
    desk.until(lambda: desk.position() == 0, "closed")
    assert sum(f.size for f in desk.fills(since)) == 2 * desk.size
    return ""


def a_trigger_waits_apart_and_is_canceled(desk: Desk) -> str:
    name, top = desk.new_id(), desk.top()
    spec = desk.spec(Side.BUY, trigger_int=desk.priced(top.ask, 8), **STOP)
    answer = desk.place(name, spec)
    assert answer.outcome is Outcome.DONE, answer
    reported = desk.report_of(name, conditional=True)
    assert (reported.state, reported.trigger) == (OrderState.ACCEPTED, spec.trigger_int), reported
    assert name in desk.open_ids()
    as_order = desk.query(name)
    assert desk.cancel(name, conditional=True).outcome is Outcome.DONE
    assert desk.report_of(name, conditional=True).state is OrderState.CANCELED
    assert name not in desk.open_ids()
    return "no order under its id before it fires" if as_order.not_found else "an order from the start"


def a_trigger_on_the_wrong_side_is_refused(desk: Desk) -> str:
    name, top = desk.new_id(), desk.top()
    spec = desk.spec(Side.BUY, trigger_int=desk.priced(top.bid, -5), **STOP)
    answer = desk.place(name, spec)  # a stop to buy below the market would fire at once
    assert answer.outcome is Outcome.DEFINITIVE, answer
    assert answer.code == OrderWouldTrigger.code, answer
    assert name not in desk.open_ids()
    return ""


def a_trigger_fires_and_sends_an_order(desk: Desk) -> str:
    tick = int(desk.instrument.tick.scaleb(desk.instrument.price_decimals))
    for ticks in (2, 5, 10, 20, 40, 80, 160, 320):
        name, top = desk.new_id(), desk.top()
        spec = desk.spec(Side.BUY, trigger_int=top.ask + ticks * tick, **STOP)
        answer = desk.place(name, spec)
        if answer.outcome is not Outcome.DONE:  # the last price was beyond it already
            desk.wait(1.0)
            continue
        waited = 0.0
        while waited < 4 * WAIT_S and not _is_sent(desk, name):
            desk.wait(0.5)
            waited += 0.5
        if not _is_sent(desk, name):
            assert desk.cancel(name, conditional=True).outcome is Outcome.DONE
            continue
        desk.until(lambda n=name: desk.report_of(n).state is OrderState.FILLED, "its order's fill")
        desk.until(lambda n=name: n not in desk.open_ids(), "gone from the lists")
        assert desk.position() == desk.size
        desk.flat()
        return "its order has the same client id"
    return "not seen: the market did not come by"


def _is_sent(desk: Desk, name: str) -> bool:
    """Tells whether there is an order under its id that waits for no trigger."""
    answer = desk.query(name)
    return answer.outcome is Outcome.DONE and not _only(answer, OrderStatusReport).waits


def ended_orders_can_be_queried(desk: Desk) -> str:
    name, _ = _rests(desk)
    number = desk.report_of(name).venue_id
    assert desk.cancel(name).outcome is Outcome.DONE
    assert desk.report_of(name).state is OrderState.CANCELED
    by_number = desk.ask(desk.protocol.query_venue_id(desk.instrument.symbol, number, desk.now()))
    assert _only(by_number, OrderStatusReport).client_id == name
    assert desk.query(f"{desk.prefix}-never").not_found
    second = desk.cancel(name)
    assert second.outcome is not Outcome.DONE and second.not_found, second
    return ""


def fills_are_paged_without_gap_or_repeat(desk: Desk) -> str:
    since = desk.mark()
    for side in (Side.BUY, Side.SELL) * 2:
        assert desk.place(desk.new_id(), desk.spec(side)).outcome is Outcome.DONE
    desk.until(lambda: sum(f.size for f in desk.fills(since)) == 4 * desk.size, "four fills")
    found = desk.fills(since)
    ids = [f.trade_id for f in found]
    assert len(set(ids)) == len(ids), ids
    assert ids == sorted(ids), ids
    for at, number in enumerate(ids):
        rest = [f.trade_id for f in desk.fills(since, cursor=str(number))]
        assert rest == ids[at:], (number, rest)
    return ""


def balances_follow_from_fills(desk: Desk) -> str:
    """Exactly, where fees are of the settlement currency and no funding falls between."""
    i, since, before = desk.instrument, desk.mark(), desk.balance()
    for side in (Side.BUY, Side.SELL):
        assert desk.place(desk.new_id(), desk.spec(side)).outcome is Outcome.DONE
    desk.until(lambda: sum(f.size for f in desk.fills(since)) == 2 * desk.size, "both fills")
    found = desk.fills(since)
    if any(f.fee_currency != i.settle for f in found):
        return "fees are of another currency"
    gained = sum(i.notional_units(f.price, f.size) * (-1 if f.side is Side.BUY else 1) for f in found)
    paid = sum(f.fee for f in found)
    desk.until(lambda: desk.balance() != before, "a changed balance")
    off = desk.balance() - before - gained + paid
    # Venues keep eight decimals of each booking.
    assert abs(off) <= len(found) * 2 * 10**10, f"off by {off / 1e18:.12f}"
    return "" if not off else f"off by {off / 1e18:.12f}"


def positions_are_the_sum_of_fills(desk: Desk) -> str:
    since = desk.mark()
    for side, size in ((Side.BUY, 2), (Side.SELL, 1), (Side.SELL, 3)):
        answer = desk.place(desk.new_id(), desk.spec(side, size=size * desk.size))
        assert answer.outcome is Outcome.DONE, answer
    desk.until(lambda: sum(f.size for f in desk.fills(since)) == 6 * desk.size, "all fills")
    net = sum(f.size * (1 if f.side is Side.BUY else -1) for f in desk.fills(since))
    assert desk.position() == net == -2 * desk.size
    desk.flat()
    return ""


def a_wrong_clock_is_said_and_changes_nothing(desk: Desk) -> str:
    for ahead in (-3600, 3600):
        name = desk.new_id()
        spec = desk.spec(Side.BUY, desk.priced(desk.top().bid, -3))
        call = desk.protocol.place(name, spec, desk.now() + ahead * SECOND)
        answer = desk.ask(call)
        assert answer.code == ClockSkew.code, answer
        assert answer.outcome in (Outcome.SAFE, Outcome.AMBIGUOUS), answer
        assert desk.query(name).not_found
    return "" if answer.outcome is Outcome.SAFE else "a used nonce gets the same error: the order must be queried"


def a_bad_signature_is_refused(desk: Desk) -> str:
    stranger = desk.other("", desk.strange[1])
    name = desk.new_id()
    spec = desk.spec(Side.BUY, desk.priced(desk.top().bid, -3))
    answer = desk.ask(stranger.place(name, spec, desk.now()), stranger)
    is_wallet = bool(getattr(stranger, "nonce_owner", ""))  # then it is the good signature of an unknown one
    expected = PermissionDenied if is_wallet else BadSignature
    assert (answer.outcome, answer.code) == (Outcome.DEFINITIVE, expected.code), answer
    assert desk.query(name).not_found
    return "another wallet is no agent" if is_wallet else ""


def an_unknown_key_is_refused(desk: Desk) -> str:
    stranger = desk.other(*desk.strange)
    answer = desk.ask(stranger.balances(desk.now()), stranger)
    assert answer.outcome is Outcome.DEFINITIVE, answer
    assert answer.code in (PermissionDenied.code, BadSignature.code), answer
    return ""


def impossible_orders_are_refused(desk: Desk) -> str:
    price, i = desk.priced(desk.top().bid, -3), desk.instrument
    too_small = [desk.spec(Side.BUY, price, 1)] if i.price(price) * i.size(1) < i.notional_min else []
    for spec in (
        *too_small,
        desk.spec(Side.BUY, price, 10**15),  # above every limit
        desk.spec(Side.BUY, desk.priced(price, -95)),  # worth less than the smallest notional
    ):
        name = desk.new_id()
        answer = desk.place(name, spec)
        assert answer.outcome is Outcome.DEFINITIVE, (spec, answer)
        assert answer.text, answer
        assert desk.query(name).not_found
    return ""


def the_dead_man_cancels_what_works(desk: Desk) -> str:
    name, _ = _rests(desk)
    stop, top = desk.new_id(), desk.top()
    waits = desk.spec(Side.BUY, trigger_int=desk.priced(top.ask, 8), **STOP)
    assert desk.place(stop, waits).outcome is Outcome.DONE
    call = desk.protocol.dead_man(desk.instrument.symbol, desk.now(), after=2 * SECOND)
    assert call is not None, "no such thing for a symbol alone"
    assert desk.ask(call).outcome is Outcome.DONE
    assert name in desk.open_ids()
    desk.until(lambda: name not in desk.open_ids(), "canceled by the dead man")
    assert desk.report_of(name).state is OrderState.CANCELED
    left = stop in desk.open_ids()
    if left:
        assert desk.cancel(stop, conditional=True).outcome is Outcome.DONE
    return "conditional orders stay" if left else "conditional orders go with it"


def too_many_requests_wait(desk: Desk) -> str:
    for _ in range(400):
        answer = desk.ask(desk.protocol.open_orders(desk.now())[0])
        if answer.outcome is not Outcome.DONE:
            break
    assert answer.outcome is Outcome.SAFE, answer
    assert answer.code in (VenueRateLimit.code, OrderRate.code), answer
    assert 0 < answer.retry_after <= 60 * SECOND, answer
    return "waits are named in whole seconds"


class Case(NamedTuple):
    id: str
    run: Callable[[Desk], str]
    simulated_only: bool = False

    @property
    def name(self) -> str:
        return self.run.__name__.replace("_", " ")


_CASES = (
    place_is_acknowledged, client_id_is_unique_while_open, post_only_that_crosses_is_refused,
    ioc_leaves_no_remainder, fill_or_kill_is_all_or_nothing, amend_changes_price_and_size,
    cancel_loses_the_race_with_a_fill, part_of_an_order_fills_and_the_rest_waits,
    reduce_only_never_opens, a_trigger_waits_apart_and_is_canceled,
    a_trigger_on_the_wrong_side_is_refused, a_trigger_fires_and_sends_an_order,
    ended_orders_can_be_queried, fills_are_paged_without_gap_or_repeat,
    balances_follow_from_fills, positions_are_the_sum_of_fills,
    a_wrong_clock_is_said_and_changes_nothing, a_bad_signature_is_refused,
    an_unknown_key_is_refused, impossible_orders_are_refused, the_dead_man_cancels_what_works,
    too_many_requests_wait,
)  # fmt: skip
# Asking for a ban is no test of somebody else's server.
CASES = tuple(Case(f"C-{number:02d}", run, run is too_many_requests_wait) for number, run in enumerate(_CASES, 1))
