"""The order manager of one venue account: what was requested, sent, reported, and proven.

A pure core. Inputs: robots' requests, answers, reports of the account's stream, and the time. Outputs: journal entries
(`outs`) and calls (`calls`), to be carried out in order: an intent is on the journal before its call leaves.

Guarantees:

- No order is sent twice under two ids, and none again that may have arrived: an order whose answer is lost is UNKNOWN
    and is queried, by its id, then by its fills, until its state is proven.
- Absence from a list, and a network error, prove nothing. "No such order" does `ABSENT_AFTER` after it was sent,
    because a venue refuses requests older than their window.
- A fill is booked once, by symbol, trade id and side, however and in whatever order it arrived.
- Orders placed by others are shown as foreign and never touched. Orders that are ours by their id but on no tape of
    ours are attributed by that id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from onetape._core import PendingRequest, PlainFills, PlainOrders
from onetape.model.enums import OrderNews, OrderState, RequestKind, Side, TriggerBy
from onetape.model.errors import (
    AccountMode,
    OrderOutcomeUnknown,
    OrderRate,
    OrderUnknown,
    VenueRateLimit,
    VenueRejected,
)
from onetape.model.ids import is_past_gateway
from onetape.model.time import SECOND
from onetape.orders.account_orders import AccountOrders
from onetape.orders.calls import REQUEST_KINDS, Call, OrderKey, Purpose
from onetape.orders.machine import ENDS, OrderEvent
from onetape.orders.managed import (
    FillOut,
    HealthOut,
    IntentOut,
    NewsOut,
    Out,
    Request,
    in_our_sizes,
    met,
    note_filled,
    requested_order,
    spec_of_guardian,
)
from onetape.orders.order import Order, only_reduces
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.queries import QUERY_AFTER, is_absent, next_query, order_key, queries, query_amended, request
from onetape.orders.reports import (
    AccountModeReport,
    BalanceReport,
    FillReport,
    MoveReport,
    OrderStatusReport,
    PositionReport,
    StreamReport,
    VenueReport,
)

__all__ = ["DECIDED_WITHIN", "RESEND_AFTER", "SENDS_MAX", "OrderManager", "OrderOwners"]

ANSWER_WITHIN: Final = 5 * SECOND
DECIDED_WITHIN: Final = 10 * SECOND  # an order that may open is not sent later: the market has changed
RESEND_AFTER: Final = SECOND // 5  # if the venue names no wait
SENDS_MAX: Final = 4  # of a request that the venue refuses for now, or of a lost cancel

# Bound once: a lookup of a member at its class costs as much as a call.
_PLACE: Final = RequestKind.PLACE


class OrderOwners(Protocol):
    """Finds the owner of an order that is on no tape."""

    def owner_of(self, name: str) -> tuple[int, int] | None:
        """Returns robot number and order number of a client id; None: not one of ours."""
        ...

    def is_by_hand(self, robot: int, order_id: int) -> bool:
        """Tells whether a person or a guardian placed the order."""
        ...


class OrderManager:
    """Keeps the orders of one account: takes requests, answers and reports, and makes calls and news.

    now: ns UTC.
    account: its orders; its venue makes the calls. references: a recent price of each symbol, units.
    goes_on: called before an order's end at the venue is reported, with all its fills booked; returns True if the order
    continues here and no end is reported. None: every end is reported.
    Outputs are added to `outs`, in order.
    """

    def __init__(
        self,
        account: AccountOrders,
        owners: OrderOwners,
        references: Mapping[str, int],
        outs: list[Out] | None = None,
        goes_on: Callable[[Order, OrderNews, int], bool] | None = None,
    ) -> None:
        self.account = account
        self.venue = account.venue
        self.references = references
        self.outs: list[Out] = [] if outs is None else outs
        self.calls: list[Call] = []
        self.orders = self.account.orders
        self.open = self.account.open
        self.by_robot = self.account.by_robot
        self.by_venue_id = self.account.by_venue_id
        self.books = self.account.books
        self.positions = self.books.positions
        self.venue_positions = self.books.venue_positions
        self.balances = self.books.balances
        self.mode: AccountModeReport | None = None
        self.unmatched: dict[tuple[str, int, Side], FillReport] = {}  # fills whose order is unknown so far
        self.counts: dict[str, int] = {}  # anomalies, by name
        self.touched: set[str] = set()  # symbols with news since the last round
        self.owners = owners
        # The core's fast paths: for usual orders with their reports, and for their fills; None: not used.
        self.plain: PlainOrders | None = None
        self.plain_fills: PlainFills | None = None
        self._goes_on = goes_on
        self._queried_venue_ids: set[tuple[str, str]] = set()
        self._sent = 0  # count of requests about orders
        # Of orders whose receipt was acknowledged: when to query them if nothing was reported since.
        self._acknowledged: dict[str, int] = {}

    # --- requests of robots -----------------------------------------------------------------------

    def submit(self, client_id: str, request: Request, now: int, *, held: bool = False) -> Order:
        """Accepts a new order that passed the gate, and sends it. held: it is not sent yet."""
        order = requested_order(client_id, request, now)
        self.account.place(order, is_held=held)
        self.outs.append(IntentOut(order, _PLACE, order.price, order.size))
        if not held:
            self.send(order, _PLACE, now)
        return order

    def deny(self, client_id: str, request: Request, now: int, code: int, reason: str) -> Order:
        """Records a new order that is denied and never sent."""
        order = requested_order(client_id, request, now)
        self.account.place(order)
        self.report(order, OrderNews.DENIED, now, code, reason)
        return order

    def cancel(self, order: Order, now: int) -> None:
        """Cancels an order at the venue; if its placing is unanswered, after the answer."""
        if order.is_foreign or not order.is_open:
            self.refuse(order, OrderNews.CANCEL_REJECTED, now)
            return
        if order.is_held:
            self.report(order, OrderNews.CANCELED, now)
            return
        if RequestKind.PLACE in order.pending and (order.reissue_open or not order.accepted):
            if order.cancel_wanted:
                return
            waiting = order.pending.get(RequestKind.PLACE)
            if waiting is not None and waiting.resend_at:  # refused for now: it is not at the venue
                order.pending.end(RequestKind.PLACE)
                self._refused(order, now, waiting.code, _left_unsent(waiting, now))
                return
            order.cancel_wanted = True
            self.intend(order, RequestKind.CANCEL, now)  # journaled now, so that it survives a crash before it is sent
            return
        if RequestKind.CANCEL in order.pending:
            if order.is_taken_off:  # after its removal from the venue, the order ends
                self.intend(order, RequestKind.CANCEL, now)
            return
        order.cancel_retries = 0
        self.send_cancel(order, now)

    def send_cancel(self, order: Order, now: int, *, is_reissue: bool = False) -> None:
        """Sends a cancel of an order without another open request. is_reissue: as in `IntentOut`."""
        self.intend(order, RequestKind.CANCEL, now, is_reissue=is_reissue)
        self.send(order, RequestKind.CANCEL, now)

    def intend(
        self,
        order: Order,
        kind: RequestKind,
        now: int,
        price: int = 0,
        size: int = 0,
        *,
        is_reissue: bool = False,
        share: int = 0,
    ) -> None:
        """Records the intent to cancel or amend that is sent next. price, size: 0: unchanged; is_reissue, share: as in
        `IntentOut`."""
        price, size = price or order.price, size or order.size
        self.account.request(order, kind, price, size, now, is_reissue=is_reissue)
        self.outs.append(IntentOut(order, kind, price, size, is_reissue, share))

    def cancel_once(self, order: Order, now: int) -> None:
        """Cancels an order unless a cancel is under way, for callers that repeat it until the order is gone."""
        is_requested = RequestKind.CANCEL in order.pending and not order.is_taken_off
        if not order.cancel_wanted and not is_requested:
            self.cancel(order, now)

    def cancel_ended(self, order: Order, now: int) -> None:
        """Cancels an order that has ended here but works at the venue, because no other component would."""
        self.calls.append(self.venue.cancel(order_key(order), now))

    def cancel_all(self, now: int, robot: int = 0, *, among: Iterable[str] | None = None) -> int:
        """Cancels the orders of a robot, or of all robots (0), except foreign and protective ones; returns their count.
        among: client ids, None: all working orders."""
        works = list(self.open.values()) if among is None else [self.open[name] for name in among if name in self.open]
        chosen = [o for o in works if o.robot and robot in (0, o.robot) and not o.is_protective]
        for order in chosen:
            self.cancel(order, now)
        return len(chosen)

    def amend(self, order: Order, now: int, *, price: int, size: int, share: int = 0) -> None:
        """Amends an order at the venue. share: as in `IntentOut`."""
        sent = order.is_open and not order.is_foreign and not order.conditional
        if not sent or order.is_held or not order.sends(OrderEvent.AMEND_REQUEST):
            self.refuse(order, OrderNews.UPDATE_REJECTED, now)
            return
        self.intend(order, RequestKind.AMEND, now, price, size, share=share)
        self.send(order, RequestKind.AMEND, now)

    def refuse(
        self,
        order: Order,
        news: OrderNews,
        now: int,
        code: int = OrderUnknown.code,
        reason: str = "the order is not open",
    ) -> None:
        """Refuses a change that is never sent: the order is unchanged."""
        self.outs.append(NewsOut(order, news, order.state, now, code, reason, is_local=True))

    def place_uncertain(self, client_id: str, request: Request, now: int) -> Order:
        """Adds a new order of which it is unknown whether it was sent.

        After a power loss the end of a journal may be missing, intents among it: their orders may work at the venue.
        Requests in a robot's journal after the last one that our journal records as taken are then neither sent nor
        denied: the order is UNKNOWN, queried by its id, counted as the worst case, and resolved by the venue's answer
        for that id. It counts as sent now, which is later than it was, so that absence is believed late rather than
        early.
        """
        order = requested_order(client_id, request, now)
        self.account.place(order)
        self.outs.append(IntentOut(order, _PLACE, order.price, order.size))
        self._reply_lost(order, now)
        return order

    def amend_uncertain(self, order: Order, now: int, *, price: int, size: int) -> None:
        """Adds an amendment of which it is unknown whether it was sent: the order has the old terms or the new ones."""
        if not order.sends(OrderEvent.AMEND_REQUEST):
            return
        self.intend(order, RequestKind.AMEND, now, price, size)
        self._reply_lost(order, now)

    def _reply_lost(self, order: Order, now: int) -> None:
        self.report(order, OrderNews.LOST, now, OrderOutcomeUnknown.code)
        order.lost_at = order.ask_at = now
        self.outs.append(HealthOut("order", order.client_id, "unknown"))

    # --- the wire ---------------------------------------------------------------------------------

    def answered(self, call: Call, answer: Answer, now: int, *, wall: int = 0) -> None:
        """Handles the venue's answer to a call, AMBIGUOUS if there will be none. wall: as in `hear`."""
        kind = REQUEST_KINDS.get(call.purpose)
        if kind is not None and call.subject is not None:
            order = self.orders.get(call.subject.client_id)
            if order is not None:
                self._request_answered(order, kind, call.number, answer, now, wall)
            return
        if call.purpose is Purpose.QUERY and call.subject is not None:
            self._query_answered(call.subject, answer, now)
            return
        if call.purpose is Purpose.FILLS and answer.cursor:
            self.calls.append(self.venue.fills(call.symbol, now, since=0, cursor=answer.cursor))
        self.hear(answer.reports, now, source="rest")

    def _request_answered(
        self, order: Order, kind: RequestKind, number: int, answer: Answer, now: int, wall: int
    ) -> None:
        pending = order.pending.get(kind)
        # An amendment that the stream has confirmed is done, and the next one may be under way when the answer to the
        # first arrives.
        if pending is None or pending.number != number:
            if order.is_open:
                self._count("answer nobody waits for")
            self.hear(answer.reports, now, source="rest")
            return
        may_retry = answer.outcome is Outcome.SAFE and pending.tries < SENDS_MAX
        is_late = answer.retry_after > DECIDED_WITHIN and not only_reduces(order.spec)
        may_retry = may_retry and (kind is RequestKind.CANCEL or not is_late)
        if may_retry and not (order.cancel_wanted and kind is _PLACE):
            pending.resend_at = now + max(answer.retry_after, RESEND_AFTER)
            pending.deadline = pending.resend_at + ANSWER_WITHIN
            pending.code, pending.reason = answer.code or VenueRejected.code, _words(answer)
            return
        is_acknowledged = answer.outcome is Outcome.DONE and self.venue.traits.acks
        if is_acknowledged and kind is RequestKind.AMEND:
            return  # the stream confirms it, or it is lost at its deadline
        order.pending.end(kind)
        match answer.outcome:
            case Outcome.DONE if is_acknowledged and kind is _PLACE:
                self._acknowledged[order.client_id] = now + QUERY_AFTER[3]
            case Outcome.DONE:
                self._request_done(order, kind, answer, now, wall)
            case Outcome.DEFINITIVE | Outcome.SAFE:
                self._request_refused(order, kind, answer, now)
            case Outcome.SETTLED if kind is not RequestKind.PLACE:
                self._request_refused(order, kind, answer, now)
            case _:  # an earlier attempt may have arrived, or the outcome is unknown
                self._lost(order, now)
        if order.cancel_wanted and RequestKind.PLACE not in order.pending:
            order.cancel_wanted = False
            if order.is_open:
                self.send(order, RequestKind.CANCEL, now)

    def _request_done(self, order: Order, kind: RequestKind, answer: Answer, now: int, wall: int) -> None:
        row = next((t for t in answer.reports if isinstance(t, OrderStatusReport)), None)
        if kind is _PLACE and row is not None and wall and self._is_plain(row, now, wall, is_accepted=True):
            return
        row = in_our_sizes(order, row) if row is not None else None
        if row is not None:
            self._note_ids(order, row)
        match kind:
            case RequestKind.PLACE:
                self._accepted(order, now)
            case RequestKind.CANCEL:
                if row is None and (self.venue.traits.acks or not order.conditional):
                    # The answer shows that the order ends, not how much was filled: the stream reports that, or a
                    # query.
                    order.ask_at = order.ask_at or now + QUERY_AFTER[3]
                elif row is None:
                    self._end(order, OrderNews.CANCELED, row, now)
            case _:
                price, size = order.amend_to
                self.report(order, OrderNews.UPDATED, now, price=price, size=size)
        # Its end may be no cancel (BitMEX also answers for ended orders), nor an amendment's (it would take what
        # rests).
        if kind is not RequestKind.PLACE and row is not None and row.state in ENDS:
            self._end(order, ENDS[row.state], row, now)
        if row is not None:
            self._compare(order, row, now)

    def _request_refused(self, order: Order, kind: RequestKind, answer: Answer, now: int) -> None:
        is_cancel = kind is RequestKind.CANCEL
        reason = _words(answer)
        if answer.code == AccountMode.code:  # the account's mode was changed
            self.calls.append(self.venue.modes(now))
        if answer.not_found:  # it is not there: query its state
            self._ask(order, now)
            if order.state is OrderState.PENDING_CANCEL:
                return
        code = answer.code or VenueRejected.code
        if kind is RequestKind.PLACE:
            self._refused(order, now, code, reason)
            return
        news = OrderNews.CANCEL_REJECTED if is_cancel else OrderNews.UPDATE_REJECTED
        self.report(order, news, now, code, reason)

    def _query_answered(self, key: OrderKey, answer: Answer, now: int) -> None:
        row = next((t for t in answer.reports if isinstance(t, OrderStatusReport)), None)
        order = self.orders.get(row.client_id if row is not None else key.client_id)
        # A fill that still waits is queried at its next report, and at the next look of a round.
        self._queried_venue_ids.discard((key.symbol, key.venue_id))
        if order is None:
            if row is not None:
                self._meet(row, now)
            return
        order.asking = False
        row = in_our_sizes(order, row) if row is not None else None
        if row is not None:
            self._snapshot(order, row, now)
            return
        is_it = answer.not_found and key.client_id in ("", order.name)
        if is_it and self._not_found(order, key, now):
            return
        if order.is_open:  # query again if unanswered
            order.ask_at = next_query(order, now, ended_apart=self.venue.traits.ended_apart)

    def _not_found(self, order: Order, key: OrderKey, now: int) -> bool:
        """Handles the answer that the venue does not have the order. Returns True if its next query is set."""
        if self.venue.traits.ended_apart and not key.ended:
            order.ask_other, order.ask_at = True, now
            return True
        order.not_found += 1
        has_trigger = order.spec.trigger_by is not TriggerBy.NONE and self.venue.traits.conditionals
        # It may have fired: then it is in the book, under the same client id.
        order.ask_other = has_trigger and key.conditional
        if order.accepted and not (order.reissue_open and order.filled == order.filled_outside):
            # It was at the venue: an empty query proves nothing.
            self._lost(order, now)
        elif is_absent(order, key, now, has_trigger=has_trigger):
            self.report(order, OrderNews.ABSENT, now, OrderUnknown.code)
        return False

    def send(self, order: Order, kind: RequestKind, now: int) -> None:
        """Sends a request whose intent is on the journal."""
        self._sent += 1
        order.sent(kind, now, now + ANSWER_WITHIN, self._sent)
        reference = self.references.get(order.symbol, 0)
        self.calls.append(request(self.venue, order, kind, now, number=self._sent, reference=reference))

    # --- time -------------------------------------------------------------------------------------

    def tick(self, now: int) -> None:
        """Does what is due: sends requests again, gives up lost answers, sends queries."""
        self._ask_for_acknowledged(now)
        for order in self.account.take_due(now):
            for pending in order.pending.all():
                if pending.resend_at:
                    if now >= pending.resend_at:
                        self.send(order, pending.kind, now)
                elif now >= pending.deadline:
                    order.pending.end(pending.kind)
                    self._lost(order, now)
            if order.ask_at and now >= order.ask_at and not order.asking:
                self.calls += queries(order, self.venue, now)
        self.account.look()

    def _ask_for_acknowledged(self, now: int) -> None:
        """Queries orders of whose receipt alone is known for a moment."""
        for name, due in list(self._acknowledged.items()):
            if due > now:
                break  # they are in the order of their answers
            del self._acknowledged[name]
            order = self.orders.get(name)
            if order is not None and order.state is OrderState.SUBMITTED:
                order.ask_at = order.ask_at or now

    def ask_unknown(self, now: int) -> None:
        """Queries all orders of unknown state now: the venue can be reached again."""
        for order in self.unknown:
            if not order.asking:
                order.ask_at = now

    def restate(self, step: int) -> None:
        """Shifts due times because the clock was set by `step`, ns."""
        for order in self.open.values():
            order.restate(step)

    @property
    def next_due(self) -> int:
        """Returns when `tick` has work, ns; a large number if it has none."""
        return min(self.account.next_due, next(iter(self._acknowledged.values()), self.account.next_due))

    # --- reports of the venue ---------------------------------------------------------------------

    def hear(self, reports: Iterable[VenueReport], now: int, *, source: str = "stream", wall: int = 0) -> None:
        """Handles reports of the stream, or rows of an answer. source: which of them, for the journal. wall: ns UTC,
        time of frames that are written at once; 0: none are."""
        for each in reports:
            match each:
                case FillReport():
                    self.touched.add(each.symbol)
                    if not wall or not self._is_plain_fill(each, wall):
                        self._fill(each, now)
                case OrderStatusReport():
                    self.touched.add(each.symbol)
                    if not wall or not self._is_plain(each, now, wall):
                        self._order(each, now)
                case BalanceReport():
                    self.outs += self.books.balance(each, source)
                case MoveReport():  # handled by the ledger
                    pass
                case PositionReport():
                    self.outs += self.books.position(each, source)
                case AccountModeReport():
                    self.mode = each
                case StreamReport():
                    self._count(f"{each.what} {each.detail}".strip())
                    if each.what == "settings changed":
                        self.calls.append(self.venue.modes(now))

    def _is_plain(self, report: OrderStatusReport, now: int, wall: int, *, is_accepted: bool = False) -> bool:
        """Tells whether the core has handled the report, which requires that earlier outputs are on the tape.
        is_accepted: it answers the order's placing."""
        if self.plain is None or self.outs or self.unmatched:
            return False
        return self.plain.report(report, now, now + QUERY_AFTER[1], wall, is_accepted)

    def _is_plain_fill(self, fill: FillReport, wall: int) -> bool:
        """Tells whether the core has booked the fill, which requires that earlier outputs are on the tape."""
        if self.plain_fills is None or self.outs or self.unmatched:
            return False
        return self.plain_fills.take(fill, wall)

    def resolve(self, order: Order, report: OrderStatusReport, now: int) -> None:
        """Applies an operator's resolution of an order (`resolve.resolution_of`), once it is on the journal, like a
        report of the venue. It never makes a fill: if it reports more filled than is booked, the fills are queried, and
        the order ends after they are booked."""
        # Earlier reports do not contradict the resolution.
        order.reported_filled, order.reported_end, order.reported_time = order.filled, None, 0
        order.asking = False
        self.hear([report], now, source="operator")
        if order.reported_end is not None:  # the stream will not report its fills
            order.ask_at = now
        if not order.is_open:
            self.account.resolved.add(order.client_id)

    def _order(self, word: OrderStatusReport, now: int) -> None:
        order = self.account.find(word.client_id, word.symbol, word.venue_id)
        if order is None:
            self._meet(word, now)
            return
        report = in_our_sizes(order, word)
        if report is None:
            return
        self._note_ids(order, report)
        if report.news is None:
            self._snapshot(order, report, now)
            return
        if report.news in (OrderNews.CANCELED, OrderNews.EXPIRED, OrderNews.REJECTED):
            self._end(order, report.news, report, now)
        elif report.news is OrderNews.UPDATED:
            # A confirmation of an earlier amendment is ignored: the newest one is reported, answered or, if lost,
            # queried.
            waits = order.update_open
            is_it = not waits or (report.price, report.size) == order.amend_to
            # So is one from before the booked fills: after a restart no report's time is known.
            is_it = is_it and report.size >= order.filled
            if is_it and report.time >= order.reported_time:
                order.pending.end(RequestKind.AMEND)
                self.report(order, report.news, now, price=report.price, size=report.size)
        elif report.news is OrderNews.ACCEPTED:
            self._accepted(order, now)
        elif report.news is OrderNews.UPDATE_REJECTED:
            order.pending.end(RequestKind.AMEND)
            self.report(order, report.news, now, report.code, report.reason)
        else:
            self.report(order, report.news, now)
        self._compare(order, report, now)

    def _snapshot(self, order: Order, report: OrderStatusReport, now: int) -> None:
        """Handles the venue's answer to a query for the order's status."""
        self._note_ids(order, report)
        # An ended order never works again: its end is the newest report, whatever its time.
        if report.state not in ENDS and 0 < report.time < order.reported_time:
            return  # older than the last report
        order.not_found = 0
        order.asks = 0 if order.reported_end is None else order.asks
        if report.state in ENDS:
            self._end(order, ENDS[report.state], report, now)
        elif report.state is not OrderState.UNKNOWN:
            if order.state in (OrderState.SUBMITTED, OrderState.UNKNOWN):
                self._found(order, report, now)
            elif order.state is OrderState.PENDING_CANCEL and not order.pending:
                self.report(order, OrderNews.CANCEL_REJECTED, now, VenueRejected.code)
        self._compare(order, report, now)

    def _found(self, order: Order, report: OrderStatusReport, now: int) -> None:
        """Handles a query's result that the order works at the venue. A lost cancel is sent again, at most SENDS_MAX
        times."""
        order.pending.end(_PLACE)
        is_requested = order.cancel_open and RequestKind.CANCEL not in order.pending
        is_reissue, order.cancel_wanted = order.is_taken_off, False
        order.ask_at = query_amended(order, report, now)
        if order.ask_at:  # its terms are uncertain
            self._accepted(order, now)
        else:
            self.report(order, OrderNews.FOUND, now, price=report.price, size=report.size)
            order.lost_at = 0
        if not is_requested:
            return
        order.cancel_retries += 1
        if order.cancel_retries < SENDS_MAX:
            self.send_cancel(order, now, is_reissue=is_reissue)
        elif not order.ask_at:
            code, reason = OrderOutcomeUnknown.code, "none of its cancels was answered"
            self.refuse(order, OrderNews.CANCEL_REJECTED, now, code, reason)

    def _fill(self, fill: FillReport, now: int) -> None:
        key = fill.key
        if self.books.has(fill):
            return
        order = self.account.find(fill.client_id, fill.symbol, fill.venue_id)
        if order is None and (not fill.client_id or self.owners.owner_of(fill.client_id) is not None):
            # Identified by the venue's id only, or an order not adopted yet: query the order first.
            self.unmatched[key] = fill
            self._query_venue_id((fill.symbol, fill.venue_id), now)
            return
        self.book(fill, order, now)

    @property
    def is_asking_whose(self) -> bool:
        """Tells whether a query for the owner of an unmatched fill is under way."""
        queried = self._queried_venue_ids
        return any((fill.symbol, fill.venue_id) in queried for fill in self.unmatched.values())

    def ask_unmatched(self, now: int) -> None:
        """Queries the owners of unmatched fills again, where the answer was lost."""
        for fill in self.unmatched.values():
            self._query_venue_id((fill.symbol, fill.venue_id), now)

    def _query_venue_id(self, key: tuple[str, str], now: int) -> None:
        """Queries an order by symbol and venue's id, unless that is under way."""
        if key not in self._queried_venue_ids:
            self._queried_venue_ids.add(key)
            self.calls.append(self.venue.query_venue_id(*key, now))

    def _meet(self, report: OrderStatusReport, now: int) -> None:
        """Adds an order that is on no journal of ours."""
        if report.client_id in self.orders or report.news is OrderNews.REJECTED:
            return
        if report.news is not None and self.venue.traits.brief_events:
            self._query_venue_id((report.symbol, report.venue_id), now)
            return
        if adopted := self._adopted(report.client_id):
            self._adopt(adopted, report, now)
            return
        robot, order_id = self.owners.owner_of(report.client_id) or (0, 0)
        former = self.by_robot.get((robot, order_id))
        if former is not None and former.is_open:  # placed again, but that is on no tape
            self.account.reissue(former, report.client_id, now)
            self._order(report, now)
            return
        if report.waits and self.owners.is_by_hand(robot, order_id):  # a guardian's; its intent was lost with the power
            self._adopt((robot, order_id), report, now)
            return
        order = met(report, robot, order_id)
        self.account.add(order)
        self._note_ids(order, report)
        if report.state not in ENDS and not report.client_id.startswith(self.venue.traits.forced):  # its fills say it
            word = "attributed" if robot else "foreign"
            self.outs.append(HealthOut("order", report.client_id, word, "warning", order))
        if report.state in ENDS:
            self.account.close(order)
        else:
            self._compare(order, report, now)

    def _adopted(self, client_id: str) -> tuple[int, int] | None:
        """Returns the owner of an order that a guardian placed while no gateway ran: robot and order id."""
        owner = self.owners.owner_of(client_id)
        return owner if owner is not None and is_past_gateway(owner[1]) else None

    def _adopt(self, owner: tuple[int, int], report: OrderStatusReport, now: int) -> None:
        """Adds the order to this journal as uncertain; the next listing finds it at the venue."""
        request = Request(owner[0], _PLACE, owner[1], spec_of_guardian(report))
        self.place_uncertain(report.client_id, request, now)
        self._order(report, now)

    # --- fills and ends ---------------------------------------------------------------------------

    def book(self, fill: FillReport, order: Order | None, now: int) -> None:
        key = fill.key
        self.unmatched.pop(key, None)
        if order is not None and not order.venue_id and fill.venue_id and not (fill.is_internal or order.is_met):
            self.note_venue_id(order, fill.venue_id)
        before = order.state if order is not None else None
        can_be = self.account.fill(fill, order)
        if order is None or order.is_met:
            # A list of trades may lack the client id; the queried order has it.
            name = fill.client_id or (order.client_id if order is not None else "")
            is_foreign = order is None or order.is_foreign
            self.outs.append(FillOut(order, fill, is_foreign and name.startswith(self.venue.traits.forced)))
            return
        if not can_be:
            self._count("fill of an order that cannot have one")
        self.outs.append(FillOut(order, fill))
        if order.state is OrderState.UNKNOWN or before is OrderState.UNKNOWN:
            order.lost_at = 0
        if order.reported_end is not None and order.filled >= order.reported_filled:
            self._end(order, order.reported_end, None, now)
        if not order.is_open:
            self.account.close(order)

    def _end(self, order: Order, news: OrderNews, report: OrderStatusReport | None, now: int) -> None:
        """Handles an order's end at the venue. It ends here only after all its fills are booked."""
        if report is not None:
            note_filled(order, report)
        if order.reported_filled > order.filled:
            if order.reported_end is not None and not order.asking:  # they were not listed yet
                order.ask_at = order.ask_at or next_query(order, now)
            order.reported_end = news
            return
        order.reported_end = None
        if order.filled_outside and news is OrderNews.REJECTED:
            news = OrderNews.CANCELED  # the robot was informed that it was at the venue
        if news is not OrderNews.UPDATED and self._goes_on is not None and self._goes_on(order, news, now):
            return
        if order.is_open:
            code = report.code if report is not None else 0
            reason = report.reason if report is not None else ""
            order.pending.clear()
            self.report(order, news, now, code, reason, size=order.filled)

    def _compare(self, order: Order, report: OrderStatusReport, now: int) -> None:
        """Compares quantities: the venue may have filled more than was reported, or cut a reduction to the position."""
        reduces = order.spec.reduce_only or report.reduce_only
        is_cut = reduces and 0 < report.size < order.size
        is_certain = order.accepted and order.is_open and not order.is_unknown
        if is_cut and is_certain and report.time >= order.reported_time and not order.update_open:
            self.report(order, OrderNews.UPDATED, now, size=report.size)
        if report.state is not OrderState.TRIGGERED:
            # Else it is the time of a separate trigger service: Binance dates it when the order that the trigger sent
            # has ended, later than the end itself.
            order.reported_time = max(order.reported_time, report.time)
        note_filled(order, report)
        if order.reported_filled > order.filled and order.is_open:
            # Usually its fills are under way: query a moment later.
            order.ask_at = order.ask_at or now + QUERY_AFTER[1]
        elif order.is_met and order.is_open and 0 < report.size <= order.filled:
            self._end(order, OrderNews.UPDATED, None, now)

    def _accepted(self, order: Order, now: int) -> None:
        news = OrderNews.UPDATED if order.reissue_open else OrderNews.ACCEPTED
        self.report(order, news, now, size=order.size if order.reissue_open else 0)

    def _refused(self, order: Order, now: int, code: int, reason: str) -> None:
        """Handles the venue's refusal to place an order or its rest."""
        news = OrderNews.CANCELED if order.reissue_open else OrderNews.REJECTED
        self.report(order, news, now, code, reason)

    def _lost(self, order: Order, now: int) -> None:
        if order.state is not OrderState.UNKNOWN:
            self.report(order, OrderNews.LOST, now, OrderOutcomeUnknown.code)
            if order.is_unknown:
                order.lost_at = now
                self.outs.append(HealthOut("order", order.client_id, "unknown"))
        self._ask(order, now)

    def _ask(self, order: Order, now: int) -> None:
        if not order.asking:
            order.ask_at = order.ask_at or now

    # --- ids and reports to robots ----------------------------------------------------------------

    def note_venue_id(self, order: Order, venue_id: str) -> None:
        """Adds the venue's id of an order to the index."""
        self.account.name(order, venue_id)
        for fill in [f for f in self.unmatched.values() if (f.symbol, f.venue_id) == (order.spec.symbol, venue_id)]:
            self.book(fill, order, fill.time)

    def _note_ids(self, order: Order, report: OrderStatusReport) -> None:
        if report.venue_id and report.venue_id != order.venue_id:
            self.note_venue_id(order, report.venue_id)
        if order.conditional and not report.conditional:
            self.account.fire(order)

    def report(
        self, order: Order, news: OrderNews, now: int, code: int = 0, reason: str = "", *, size: int = 0, price: int = 0
    ) -> None:
        """Applies news to an order and reports it if it changed the order."""
        is_new = self.account.news(order, news, size=size, price=price, code=code, reason=reason)
        state = order.state
        if is_new:
            self.outs.append(NewsOut(order, news, state, now, code, reason))
        elif is_new is None:
            self._count(f"{news} in {state}")
        if state.is_final:
            self.account.close(order)
        elif state is not OrderState.UNKNOWN:
            order.lost_at = 0

    def begin_anew(self) -> None:
        """Forgets all orders and holdings, because the account is at another exchange."""
        self.account.begin_anew()
        self.unmatched.clear()

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    @property
    def booked(self) -> int:
        """Returns the number of booked fills."""
        return self.books.booked

    @property
    def unknown(self) -> list[Order]:
        """Returns the orders of unknown state."""
        return self.account.all_unknown()


def _words(answer: Answer) -> str:
    return f"{answer.venue_code} {answer.text}".strip()


def _left_unsent(waiting: PendingRequest, now: int) -> str:
    """Returns why an order ends that was canceled while it waited to be sent again."""
    left = max(waiting.resend_at - now, 0) / SECOND
    words = f"{waiting.reason}; not sent again: canceled {left:.1f} s before it would have been"
    too_many = waiting.code in (OrderRate.code, VenueRateLimit.code)
    return (f"{words}. Let orders stand for longer, or send fewer" if too_many else words).lstrip("; ")
