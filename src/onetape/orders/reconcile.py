"""From what we believe to what the venue says: at start, after every reconnect, and now and then.

A pure core beside the order manager. One round asks for modes, both lists of working orders,
positions, balances and the fills since the last known one (paged, with overlap); every order that
works here and is in no list is asked for by its id. The round is over when all has been answered,
no order's state is unknown, it is known whose the fills are, and positions agree, where the venue
has any (balances are the ledger's to compare); a difference that stays is said, with both views,
and is never mended by inventing a fill. A second round changes nothing.
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

RETRY: Final = SECOND  # after a call that failed
SETTLE: Final = SECOND // 2  # between looks at what is not yet settled
CHECKED: Final = "check"  # why a round about money alone was made
ROUNDS_MAX: Final = 10  # looks at what differs, before that is said
NOT_LISTED: Final = "not known"
OVERLAP: Final = 60 * SECOND  # fills are asked for from so long before their horizon: lists lag behind


@dataclass(frozen=True, slots=True)
class Difference:
    """Describes one difference between our books and the venue's answer."""

    what: str
    ours: str
    venue: str

    def __str__(self) -> str:
        return f"{self.what}: ours {self.ours}, the venue's {self.venue}"


_OF_SOME: Final = frozenset({"periodic", "settled"})  # reasons of rounds in which no stream was away


@dataclass(slots=True)
class _Round:
    began: int
    reason: str
    waiting: int = 0  # answers
    retries: list[tuple[int, Call]] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)
    lists: int = 0  # of working orders that were asked for
    lists_done: int = 0
    has_queried: bool = False  # for orders that no list has
    missing: set[str] = field(default_factory=set)  # these, by our client id
    calls: list[tuple[Call, int]] = field(default_factory=list)  # of this round, unanswered, and when each was made
    was_open: frozenset[str] = frozenset()  # client ids of what was open here as it began
    looked: int = 0
    next_look: int = 0
    only_waits: bool = False  # for answers about orders and fills, which are asked one by one
    booked: int = 0  # fills, when it last looked
    requests: int = 0  # requests
    weight: int = 0  # of these, as the venue counts
    moves_since: int | None = None  # what moved money since then is asked for
    is_of_all: bool = True  # asks for the fills of all symbols
    queried: set[str] = field(default_factory=set)  # else of these


class FillHorizon:
    """Keeps up to when no fill of a symbol is missing, and so from when on they are asked for.

    It moves only when a whole round has been answered: while pages are coming, a page of another
    symbol, or the newest page of a list that begins with the newest, says nothing about what is
    older. A page that is lost is asked for again from the beginning of the round, and overlaps:
    fills are booked once by their ids. complete: ns by the venue's clock; 0: there is nothing yet.
    """

    def __init__(self, complete: int) -> None:
        self.complete = complete  # of all symbols
        self._of: dict[str, int] = {}  # of those that rounds have asked for since
        self._newest = 0

    def since(self, symbol: str) -> int:
        """Returns the time that a query names."""
        return max(self._of.get(symbol, self.complete) - OVERLAP, 0)

    def begin(self, now: int) -> None:
        """Begins a round, also one that replaces another."""
        self.complete = self.complete or now
        self._newest = 0

    def reported(self, reports: Iterable[VenueReport]) -> None:
        newest = (each.time for each in reports if isinstance(each, FillReport))
        self._newest = max(self._newest, max(newest, default=0))

    def done(self, symbols: Collection[str] | None = None) -> None:
        """Takes in that all pages have been answered. symbols: that were asked for, None: all."""
        if symbols is None:
            self.complete = max(self.complete, self._newest)
            self._of.clear()
        else:
            self._of |= {each: max(self._of.get(each, self.complete), self._newest) for each in symbols}


class Reconciler:
    """Compares our books with the venue's answers, in rounds.

    symbols: whose fills are asked for: all of them once a stream was away, by request, and where money differs;
    else, where each is a question, those in which something may have happened. A fill that is missing elsewhere shows
    in the balance.
    is_new: there is no tape of an earlier incarnation, so that what the account holds at the first
    round is where the books begin.
    first: symbols that no earlier incarnation has followed, so that the same holds for what is held in them.
    moves_wanted: says since when what moved money is to be read in the next round, whatever that is
    made for; None: not.
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
        self.opened: dict[tuple[str, PositionSide], int] = {}  # positions that the books began with later than the rest
        self.differences: list[Difference] = []
        self.rounds = 0
        self.requests = 0  # requests of the last round
        self.weight = 0  # of the last one that compared all
        self.compared_at = 0  # when the last one ended that was not about money alone, ns
        self.had_unknown = False  # what became of an order nobody knew at its end
        self._round: _Round | None = None

    @property
    def is_running(self) -> bool:
        return self._round is not None

    @property
    def is_comparing(self) -> bool:
        """Tells whether a round runs that is not about money alone."""
        return self._round is not None and self._round.reason != CHECKED

    def check(self, now: int) -> None:
        """Begins a round about money alone: what the account holds, the fills until then and, where that is wanted,
        what moved money. One that runs already does that and more."""
        if self._round is None:
            since = self._moves_wanted()
            is_of_all = since is not None or not self.rounds
            self._round = _Round(began=now, reason=CHECKED, has_queried=True, moves_since=since, is_of_all=is_of_all)
            self.fills.begin(now)
            self._look(now)

    def start(self, now: int, reason: str) -> None:
        """Begins a round; one that runs is begun anew."""
        was_open = frozenset(self.manager.open)
        since = self._moves_wanted()
        # What is begun in the place of another round asks for what that one did.
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
        """Asks for positions first, then for fills: so the fills cover what the positions show."""
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
            if moves is not None:  # after the fills: these tell which trades are booked as such
                self._call(moves, now)

    def _queried(self) -> Collection[str]:
        """Returns the symbols whose fills this round asks for."""
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
        """Takes in the answer to a call of the round.

        False: the call is none of the round's.
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
            current.lists_done += 1
        if call.purpose is Purpose.POSITIONS:
            self._note_flat(answer, queried_at)
        self.manager.hear(answer.reports, now, source="rest")
        self.fills.reported(answer.reports)
        if answer.cursor:
            self._ask_for_more(call, answer.cursor, now)
        self._ask_for_missing(now)
        return True

    def _ask_for_more(self, call: Call, cursor: str, now: int) -> None:
        venue = self.manager.venue
        if call.purpose is not Purpose.MOVES:
            self._call(venue.fills(call.symbol, now, since=0, cursor=cursor), now)
        elif self._round is not None and self._round.moves_since is not None:
            more = venue.account_moves(now, since=0, cursor=cursor)
            assert more is not None
            self._call(more, now)

    def tick(self, now: int) -> None:
        """Sends what is due, and ends the round when every answer has come."""
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
            if self.manager.booked != current.booked:  # a trade came between: once more
                self._look(now)
                return
            if self.manager.unmatched and current.looked < ROUNDS_MAX:  # its fill is part of what the venue has
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
        """Signs a call anew: the old one's window may have passed."""
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
                both = venue.open_orders(now)
                return next(c for c in both if c.purpose is call.purpose)

    def _ask_for_missing(self, now: int) -> None:
        """Asks for the orders that neither list has, once both are read. The fills on their way come first: what they
        complete need not be asked for, and after an hour away that is nearly all."""
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

    def _note_flat(self, answer: Answer, queried_at: int) -> None:
        """Notes as flat each position that the venue does not list, as of the query: what was said since is newer."""
        listed = {(t.symbol, t.side) for t in answer.reports if isinstance(t, PositionReport)}
        gone = [key for key in self.manager.venue_positions if key not in listed]
        for symbol, side in gone:
            self.manager.outs += self.manager.books.position(PositionReport(symbol, side, 0, queried_at), "rest")

    def _begin_first(self, now: int) -> dict[tuple[str, PositionSide], int]:
        """Begins the books of symbols that are followed for the first time, where the fills since the last known one do
        not come to what the venue has; returns by how much each position is larger."""
        before = dict(self.manager.positions)
        self._begin_books(now, self._first)
        after = self.manager.positions.items()
        return {key: qty - before.get(key, 0) for key, qty in after if qty != before.get(key, 0)}

    def _begin_books(self, now: int, symbols: Collection[str] | None = None) -> None:
        """symbols: of these alone."""
        if not self.manager.venue.traits.positions:
            return
        # A position that the venue does not list is flat, whatever the fills of the overlap say.
        for key in dict.fromkeys((*self.manager.venue_positions, *self.manager.positions)):
            if symbols is not None and key[0] not in symbols:
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
        for key in sorted(keys) if manager.venue.traits.positions else ():
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
        """Returns the orders of ours that the venue lists as working and that had ended here before it was asked: a
        refusal was believed, or an absence, or an operator's word that was wrong."""
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
        """Returns fills that are not booked, since it is not known yet whose they are: the balance has them."""
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
            # An order that the venue has not answered for is no contradiction: it is asked for until it has.
            severity = "warning" if each.venue == NOT_LISTED else "critical"
            worst = "critical" if "critical" in (severity, worst) else severity
            outs.append(HealthOut("difference", each.what, str(each), severity))
        count = len(differences)
        word = "difference" if count == 1 else "differences"
        outs.append(HealthOut("reconciled", reason, f"{count} {word}", worst))

    def restate(self, step: int) -> None:
        """Takes in that the clock was set by `step`, ns."""
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
    """Returns the index of this very call, not of an equal one that serves another purpose."""
    return next((at for at, (each, _) in enumerate(calls) if each is call), -1)
