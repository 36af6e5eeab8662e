"""Reconciliation of our books with the venue: at start, after every reconnect, and periodically.

A pure core beside the order manager. One round queries modes, all lists of working orders, positions, balances and the
fills since the last known one (paged, with overlap); every order that works here and is in no list is queried by its
id. The round ends when all is answered, no order's state is unknown, all fills have owners, and positions agree, if the
venue has any (balances are the ledger's to compare). A remaining difference is reported with both views, and never
removed by inventing a fill. A second round changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from onetape.model.enums import OrderState, PositionSide
from onetape.model.time import SECOND
from onetape.orders.books import OPENING
from onetape.orders.calls import Call, Purpose
from onetape.orders.managed import AccountOut, HealthOut
from onetape.orders.manager import OrderManager
from onetape.orders.order import Order
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.queries import sent_last
from onetape.orders.reports import FillReport, OrderStatusReport, PositionReport, VenueReport

__all__ = ["OVERLAP", "Difference", "FillHorizon", "Reconciler"]

RETRY: Final = SECOND  # after a failed call
SETTLE: Final = SECOND // 2  # pause between looks while differences remain
CHECKED: Final = "check"  # reason of a round about money alone
ROUNDS_MAX: Final = 10  # looks before a difference is reported
NOT_LISTED: Final = "not known"
OVERLAP: Final = 60 * SECOND  # fills are queried from before their horizon, because lists lag behind


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference between our books and the venue's answer, as text."""

    what: str
    ours: str
    venue: str

    def __str__(self) -> str:
        return f"{self.what}: ours {self.ours}, the venue's {self.venue}"


_OF_SOME: Final = frozenset({"periodic", "settled"})  # reasons of rounds during which the stream was not lost


@dataclass(slots=True)
class _Round:
    began: int
    reason: str
    waiting: int = 0  # unanswered calls
    retries: list[tuple[int, Call]] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)
    held: set[tuple[str, PositionSide]] = field(default_factory=set)  # positions on the pages read so far
    held_since: int = 0  # when the first of these pages was queried
    lists: int = 0  # lists of working orders queried
    lists_done: int = 0
    has_queried: bool = False  # whether orders that are in no list were queried
    missing: set[str] = field(default_factory=set)  # client ids of orders that are in no list
    calls: list[tuple[Call, int]] = field(default_factory=list)  # unanswered calls of this round with their times
    was_open: frozenset[str] = frozenset()  # client ids of orders open at the start
    looked: int = 0
    next_look: int = 0
    only_waits: bool = False  # only answers about single orders and fills are missing
    booked: int = 0  # fills booked at the last look
    requests: int = 0  # count of requests
    weight: int = 0  # weight of the requests, as the venue counts
    moves_since: int | None = None  # start time of the query of balance changes, ns UTC
    is_of_all: bool = True  # whether the fills of all symbols are queried
    queried: set[str] = field(default_factory=set)  # the symbols whose fills are queried, if not all


class FillHorizon:
    """The time up to which no fill of a symbol is missing, from which fills are queried.

    It moves only when a whole round has been answered: while pages arrive, a page of another symbol, or the newest page
    of a list that begins with the newest, proves nothing about older fills. After a lost page the queries start again
    at the beginning of the round, and overlap: fills are booked once by their ids. complete: ns by the venue's clock;
    0: nothing yet.
    """

    def __init__(self, complete: int) -> None:
        self.complete = complete  # the horizon of all symbols
        self._of: dict[str, int] = {}  # the horizon of symbols that later partial rounds queried
        self._newest = 0

    def since(self, symbol: str) -> int:
        """Returns the start time for a query."""
        return max(self._of.get(symbol, self.complete) - OVERLAP, 0)

    def begin(self, now: int) -> None:
        """Begins a round, also one that replaces another."""
        self.complete = self.complete or now
        self._newest = 0

    def reported(self, reports: Iterable[VenueReport]) -> None:
        newest = (each.time for each in reports if isinstance(each, FillReport))
        self._newest = max(self._newest, max(newest, default=0))

    def done(self, symbols: Collection[str] | None = None) -> None:
        """Advances the horizon after all pages have been answered. symbols: those queried, None: all."""
        if symbols is None:
            self.complete = max(self.complete, self._newest)
            self._of.clear()
        else:
            self._of |= {each: max(self._of.get(each, self.complete), self._newest) for each in symbols}


class Reconciler:
    """Compares our books with the venue's answers, in rounds.

    symbols: whose fills are queried: all of them after a lost stream, on request, and if money differs; else, if each
    needs its own query, those that may have changed. A missing fill of another symbol shows in the balance.
    is_new: there is no tape of an earlier incarnation, so the books begin with the holdings at the first round.
    first: symbols that no earlier incarnation followed, whose books begin in the same way.
    moves_wanted: returns since when balance changes are to be read in the next round, whatever its reason; None: not at
    all.
    """

    def __init__(
        self,
        manager: OrderManager,
        symbols: Iterable[str],
        *,
        is_new: bool,
        since: int = 0,
        first: Collection[str] = (),
        moves_wanted: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.manager = manager
        self.symbols = tuple(symbols)
        self.is_new = is_new
        self.fills = FillHorizon(since)
        self._moves_wanted = moves_wanted
        self._first = frozenset(first)
        self.opened: dict[tuple[str, PositionSide], int] = {}  # positions added when symbols' books began
        self.differences: list[Difference] = []
        self.rounds = 0
        self.requests = 0  # requests of the last round
        self.weight = 0  # of the last full round
        self.compared_at = 0  # end of the last full round, ns
        self.had_unknown = False  # some order's state was unknown at its end
        self._round: _Round | None = None

    @property
    def is_running(self) -> bool:
        return self._round is not None

    @property
    def is_comparing(self) -> bool:
        """Tells whether a full round is running, not one about money alone."""
        return self._round is not None and self._round.reason != CHECKED

    def check(self, now: int) -> None:
        """Begins a round about money alone: balances, the fills until then and, if wanted, other balance changes. A
        running round already does that and more."""
        if self._round is None:
            since = self._moves_wanted()
            is_of_all = since is not None or not self.rounds
            self._round = _Round(began=now, reason=CHECKED, has_queried=True, moves_since=since, is_of_all=is_of_all)
            self.fills.begin(now)
            self._look(now)

    def start(self, now: int, reason: str) -> None:
        """Begins a full round, replacing a running one."""
        was_open = frozenset(self.manager.open)
        since = self._moves_wanted()
        # A round that replaces another queries at least what that one did.
        is_of_all = self._round is not None and self._round.is_of_all
        is_of_all |= reason not in _OF_SOME or since is not None or not self.rounds
        self._round = _Round(began=now, reason=reason, was_open=was_open, moves_since=since, is_of_all=is_of_all)
        self.fills.begin(now)
        venue = self.manager.venue
        self._call(venue.modes(now), now)
        lists = venue.open_orders(now)
        self._round.lists = len(lists)
        for call in lists:
            self._call(call, now)
        self._look(now)

    def _look(self, now: int) -> None:
        """Queries positions first, then fills, so that the fills cover the positions."""
        assert self._round is not None
        venue = self.manager.venue
        self._round.looked += 1
        self._round.next_look = 0
        self._round.booked = self.manager.booked
        if venue.traits.positions and self._round.reason != CHECKED:
            self._call(venue.positions(now), now)
        self._call(venue.balances(now), now)
        for symbol in self._queried() if venue.traits.fills_by_symbol else self.symbols[:1]:
            self._call(venue.fills(symbol, now, since=self.fills.since(symbol)), now)
        if self._round.moves_since is not None:
            moves = venue.account_moves(now, since=self._round.moves_since)
            if moves is not None:  # after the fills, which show the trades booked as such
                self._call(moves, now)

    def _queried(self) -> Collection[str]:
        """Returns the symbols whose fills this round queries."""
        current, manager = self._round, self.manager
        assert current is not None
        if current.is_of_all:
            return self.symbols
        current.queried |= manager.touched
        current.queried |= {order.spec.symbol for order in manager.open.values()}
        current.queried |= {symbol for (symbol, _), qty in manager.positions.items() if qty}
        current.queried |= {symbol for (symbol, _), (qty, _) in manager.venue_positions.items() if qty}
        return [symbol for symbol in self.symbols if symbol in current.queried]

    def _call(self, call: Call, now: int) -> None:
        assert self._round is not None
        self._round.waiting += 1
        self._round.requests += 1
        self._round.weight += call.weight
        self._send(call, now)

    def _send(self, call: Call, now: int) -> None:
        assert self._round is not None
        self._round.calls.append((call, now))
        self.manager.calls.append(call)

    def answered(self, call: Call, answer: Answer, now: int) -> bool:
        """Handles the answer to a call of the round.

        Returns False for a call of another component.
        """
        current = self._round
        at = -1 if current is None else _index_of(call, current.calls)
        if current is None or at < 0:
            return False
        _, queried_at = current.calls.pop(at)
        current.waiting -= 1
        if answer.outcome is not Outcome.DONE:
            current.retries.append((now + max(answer.retry_after, RETRY), call))
            self._ask_for_missing(now)
            return True
        if call.purpose in (Purpose.OPEN_ORDERS, Purpose.OPEN_CONDITIONALS):
            current.listed.update(t.client_id for t in answer.reports if isinstance(t, OrderStatusReport))
            current.lists_done += not answer.cursor
        if call.purpose is Purpose.POSITIONS:
            self._note_held(call, answer, queried_at)
        self.manager.hear(answer.reports, now, source="rest")
        self.fills.reported(answer.reports)
        if answer.cursor:
            self._ask_for_more(call, answer.cursor, now)
        self._ask_for_missing(now)
        return True

    def _ask_for_more(self, call: Call, cursor: str, now: int) -> None:
        venue = self.manager.venue
        match call.purpose:
            case Purpose.OPEN_ORDERS | Purpose.OPEN_CONDITIONALS:
                self._call(venue.more_orders(call, cursor, now), now)
            case Purpose.POSITIONS:
                self._call(venue.more_positions(cursor, now), now)
            case Purpose.FILLS:
                self._call(venue.fills(call.symbol, now, since=0, cursor=cursor), now)
            case _ if self._round is not None and self._round.moves_since is not None:
                more = venue.account_moves(now, since=0, cursor=cursor)
                assert more is not None
                self._call(more, now)

    def tick(self, now: int) -> None:
        """Sends what is due, and ends the round when every answer has arrived."""
        current = self._round
        if current is None:
            return
        for due, call in [r for r in current.retries if r[0] <= now]:
            current.retries.remove((due, call))
            current.waiting += 1
            self._send(self._renewed(call, now), now)
        if current.waiting or current.retries:
            return
        if current.next_look:
            if now < current.next_look:
                return
            if not current.only_waits:
                self._look(now)
                return
            current.looked += not self.manager.is_asking_whose
            current.next_look = 0
        is_check = current.reason == CHECKED
        begins = self.is_new and not self.rounds
        if begins or (self._first and not is_check):
            if self.manager.booked != current.booked:  # a trade came between: repeat
                self._look(now)
                return
            if self.manager.unmatched and current.looked < ROUNDS_MAX:  # its fill is part of the venue's holdings
                self.manager.ask_unmatched(now)
                current.next_look, current.only_waits = now + SETTLE, True
                return
            if begins:
                self._begin_books(now)
            else:
                self.opened = self._begin_first(now)
            self._first = frozenset()
        ended = self._working_ended()
        differences = self._unmatched() if is_check else self._compare(ended)
        if differences and current.looked < ROUNDS_MAX:
            self.manager.ask_unmatched(now)
            current.next_look = now + SETTLE
            only_asks = all(each.venue == NOT_LISTED for each in differences)
            current.only_waits = is_check or only_asks
            return
        self._finish(differences, ended, now)

    def _renewed(self, call: Call, now: int) -> Call:
        """Signs a call again, because the old one's window may have passed."""
        venue = self.manager.venue
        match call.purpose:
            case Purpose.MODES:
                return venue.modes(now)
            case Purpose.POSITIONS:
                return venue.positions(now)
            case Purpose.BALANCES:
                return venue.balances(now)
            case Purpose.MOVES:
                since = self._round.moves_since if self._round is not None else None
                moves = venue.account_moves(now, since=since or 0)
                return call if moves is None else moves
            case Purpose.FILLS:
                return venue.fills(call.symbol, now, since=self.fills.since(call.symbol))
            case _:
                every = venue.open_orders(now)
                return next(c for c in every if (c.purpose, c.part) == (call.purpose, call.part))

    def _ask_for_missing(self, now: int) -> None:
        """Queries the orders that are in no list, after all lists are read. Pending fills come first: orders that they
        complete, nearly all after an hour away, need no query."""
        current = self._round
        assert current is not None
        if current.has_queried or current.lists_done < current.lists:
            return
        if any(call.purpose is Purpose.FILLS for call, _ in current.calls):
            return
        current.has_queried = True
        for order in list(self.manager.open.values()):
            if order.name in current.listed or order.pending or order.is_held:
                continue
            if sent_last(order) >= current.began:
                continue
            order.ask_at = order.ask_at or now
            current.missing.add(order.client_id)

    def _note_held(self, call: Call, answer: Answer, queried_at: int) -> None:
        """Notes the listed positions, and after the last page as flat each that the venue does not list, as of the time
        of the first page."""
        current = self._round
        assert current is not None
        if not call.part:
            current.held, current.held_since = set(), queried_at
        current.held |= {(t.symbol, t.side) for t in answer.reports if isinstance(t, PositionReport)}
        if answer.cursor:
            return
        gone = [key for key in self.manager.venue_positions if key not in current.held]
        for symbol, side in gone:
            flat = PositionReport(symbol, side, 0, current.held_since)
            self.manager.outs += self.manager.books.position(flat, "rest")

    def _begin_first(self, now: int) -> dict[tuple[str, PositionSide], int]:
        """Begins the books of newly followed symbols whose fills since the last known one do not add up to the venue's
        position; returns the differences added."""
        before = dict(self.manager.positions)
        self._begin_books(now, self._first)
        after = self.manager.positions.items()
        return {key: qty - before.get(key, 0) for key, qty in after if qty != before.get(key, 0)}

    def _begin_books(self, now: int, symbols: Collection[str] | None = None) -> None:
        """Sets our positions to the venue's. symbols: only of these; None: all."""
        traits = self.manager.venue.traits
        # A position that the venue does not list is flat, whatever the overlapping fills say.
        for key in dict.fromkeys((*self.manager.venue_positions, *self.manager.positions)):
            if (symbols is not None and key[0] not in symbols) or not traits.has_position(key[0]):
                continue
            qty, _ = self.manager.venue_positions.get(key, (0, 0))
            if qty != self.manager.positions.get(key, 0):
                self.manager.positions[key] = qty
                if qty:
                    subject = f"{key[0]} {key[1]}"
                    self.manager.outs.append(HealthOut("position", subject, f"opening {qty}"))
                self.manager.outs.append(AccountOut(key[0], key[1], qty, now, OPENING))

    def _compare(self, ended: list[Order]) -> list[Difference]:
        manager = self.manager
        current, found = self._round, []
        assert current is not None
        keys = {*manager.positions, *manager.venue_positions}
        for key in sorted(each for each in keys if manager.venue.traits.has_position(each[0])):
            ours = manager.positions.get(key, 0)
            theirs = manager.venue_positions.get(key, (0, 0))[0]
            if ours != theirs:
                found.append(Difference(f"position {key[0]} {key[1]}", str(ours), str(theirs)))
        for order in manager.open.values():
            is_queried = order.client_id in current.missing and (order.asking or order.ask_at)
            if is_queried or order.state is OrderState.UNKNOWN or order.reported_end is not None:
                venue = str(order.reported_end or NOT_LISTED)
                found.append(Difference(f"order {order.client_id}", str(order.state), venue))
        for order in ended:
            by = ", by an operator" if order.client_id in manager.account.resolved else ""
            found.append(Difference(f"order {order.client_id}", f"{order.state}{by}", "works"))
        return found + self._unmatched()

    def _working_ended(self) -> list[Order]:
        """Returns orders of ours that the venue lists as working, though they had ended here before the query: by a
        refusal, an absence, or an operator's wrong resolution."""
        current, found = self._round, []
        assert current is not None
        for name in sorted(current.listed):
            order = self.manager.orders.get(name)
            if order is None or order.is_open or order.is_foreign or name != order.name:
                continue
            if order.client_id not in current.was_open and sent_last(order) < current.began:
                found.append(order)
        return found

    def _unmatched(self) -> list[Difference]:
        """Returns fills that are not booked because their owner is unknown; the balance includes them."""
        return [
            Difference(f"fill {fill.symbol} {fill.trade_id}", "no order", "a fill")
            for fill in self.manager.unmatched.values()
        ]

    def _finish(self, differences: list[Difference], ended: list[Order], now: int) -> None:
        assert self._round is not None
        self.differences = differences
        for order in ended:
            if order.client_id not in self.manager.account.resolved:  # else an operator looks into it
                self.manager.cancel_ended(order, now)
        queried = self.symbols if self._round.is_of_all else self._round.queried
        self.fills.done(None if self._round.is_of_all else queried)
        self.manager.touched.difference_update(queried)
        self.rounds += 1
        self.requests = self._round.requests
        reason, weight = self._round.reason, self._round.weight
        self._round = None
        if reason == CHECKED:
            return
        self.compared_at, self.weight = now, weight
        self.had_unknown = bool(differences and self.manager.unknown)
        outs, worst = self.manager.outs, "info"
        for each in differences:
            # An unanswered query is no contradiction: it is repeated until answered.
            severity = "warning" if each.venue == NOT_LISTED else "critical"
            worst = "critical" if "critical" in (severity, worst) else severity
            outs.append(HealthOut("difference", each.what, str(each), severity))
        count = len(differences)
        word = "difference" if count == 1 else "differences"
        outs.append(HealthOut("reconciled", reason, f"{count} {word}", worst))

    def restate(self, step: int) -> None:
        """Shifts times because the clock was set by `step`, ns."""
        self.compared_at += step
        if (current := self._round) is not None:
            current.began += step
            current.next_look += step if current.next_look else 0
            current.retries = [(due + step, call) for due, call in current.retries]

    @property
    def next_due(self) -> int:
        current = self._round
        if current is None or current.waiting:
            return 2**62
        if current.retries:
            return min(due for due, _ in current.retries)
        return current.next_look


def _index_of(call: Call, calls: list[tuple[Call, int]]) -> int:
    """Returns the index of this very call, not of an equal one with another purpose."""
    return next((at for at, (each, _) in enumerate(calls) if each is call), -1)
