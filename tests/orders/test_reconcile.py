"""A round of reconciliation: what is asked, in which order, when it is over and what it says."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetape.model import catalogue
from onetape.model.enums import OrderNews, OrderState, PositionSide
from onetape.orders.books import OPENING
from onetape.orders.calls import Call, Purpose
from onetape.orders.managed import AccountOut, HealthOut
from onetape.orders.outcome import Answer, Outcome
from onetape.orders.reconcile import OVERLAP, SETTLE, Reconciler
from onetape.orders.reports import PositionReport
from orders.binance_manager import BTC, NOW, SECOND, STOP, SYMBOL, Desk

ETH = catalogue.find("binance:ETH/USDT:USDT")
BOTH = PositionSide.BOTH
ROUND = [
    Purpose.MODES,
    Purpose.OPEN_ORDERS,
    Purpose.OPEN_CONDITIONALS,
    Purpose.POSITIONS,
    Purpose.BALANCES,
    Purpose.FILLS,
]
FAILED = Answer(Outcome.AMBIGUOUS)


class Rounds(Desk):
    """A reconciler, and a venue that answers with what stands in `rows`, by purpose."""

    def __init__(self, *, is_new: bool = False, since: int = NOW, **more: Any) -> None:
        super().__init__()
        self.rows: dict[Purpose, tuple] = {}
        self.make(is_new=is_new, since=since, **more)

    def make(self, symbols: tuple[str, ...] = (SYMBOL,), **more: Any) -> None:
        self.reconciler = Reconciler(self.manager, symbols, **{"is_new": False, "since": NOW, **more})

    def done(self, call: Call, answer: Answer | None = None) -> bool:
        answer = answer or Answer(Outcome.DONE, self.rows.get(call.purpose, ()))
        return self.reconciler.answered(call, answer, self.now)

    def answer_all(self) -> list[Purpose]:
        calls = self.take()
        for call in calls:
            if not self.done(call):
                self.manager.answered(call, Answer(Outcome.DONE, self.rows.get(call.purpose, ())), self.now)
        return [call.purpose for call in calls]

    def tick(self, ns: int = 0) -> None:
        self.wait(ns)
        self.reconciler.tick(self.now)

    def play(self, seconds: int = 60) -> list[Purpose]:
        """Answers whatever is asked until the round is over."""
        requests = []
        until = self.now + seconds * SECOND
        while self.reconciler.is_running and self.now < until:
            requests += self.answer_all()
            self.tick(SECOND // 10)
        return requests

    def said(self) -> list[tuple[str, str, str, str]]:
        return [tuple(out)[:4] for out in self.manager.outs if isinstance(out, HealthOut)]


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


def terms(call: Call) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(call.target).query))


def test_a_round_asks_for_all_there_is_positions_before_the_fills_that_cover_them(rounds):
    rounds.make(symbols=(SYMBOL, ETH.symbol))
    rounds.manager.venue.set_instruments([BTC, ETH])
    rounds.reconciler.start(rounds.now, "start")
    assert rounds.play() == [*ROUND, Purpose.FILLS]
    assert rounds.reconciler.requests == 7
    assert rounds.said() == [("reconciled", "start", "0 differences", "info")]


def test_fills_are_asked_for_from_before_the_last_known_one(rounds):
    rounds.reconciler.start(rounds.now, "start")
    (fills,) = [call for call in rounds.take() if call.purpose is Purpose.FILLS]
    assert terms(fills)["startTime"] == str((NOW - OVERLAP) // 1_000_000)


def test_a_round_about_money_asks_for_less_and_says_nothing(rounds):
    rounds.reconciler.check(rounds.now)
    assert rounds.play() == [Purpose.BALANCES, Purpose.FILLS]
    assert rounds.said() == []
    assert rounds.reconciler.rounds == 1


@pytest.mark.parametrize("lost", [0, 1, 8])
def test_a_round_about_money_is_over_once_it_is_known_whose_its_fills_are(rounds, lost):
    """Else the balance shows a fill that the ledger has not, and is taken for right."""
    rounds.rows[Purpose.FILLS] = (rounds.fill(4, name="", venue_id="91"),)
    rounds.reconciler.check(rounds.now)
    for call in rounds.take():
        rounds.done(call)
    rounds.rows.clear()
    for _ in range(lost):
        (question,) = rounds.take()
        assert (question.purpose, question.subject.venue_id) == (Purpose.QUERY, "91")
        for _ in range(20):  # it is under way
            rounds.tick(SECOND)
        assert rounds.manager.calls == []
        rounds.manager.answered(question, FAILED, rounds.now)
        rounds.tick(SECOND)
        assert rounds.reconciler.is_running
    (question,) = rounds.take()
    row = rounds.row("web_1", OrderState.FILLED, venue_id="91", filled=4)
    rounds.manager.answered(question, Answer(Outcome.DONE, (row,)), rounds.now)
    rounds.tick(SECOND)
    assert not rounds.reconciler.is_running
    assert rounds.manager.booked == 1
    assert rounds.take() == []


def test_whose_a_fill_is_may_never_be_known_and_a_round_about_money_ends(rounds):
    rounds.rows[Purpose.FILLS] = (rounds.fill(4, name="", venue_id="91"),)
    rounds.reconciler.check(rounds.now)
    request = rounds.play()
    assert not rounds.reconciler.is_running
    assert request == [Purpose.BALANCES, Purpose.FILLS, *[Purpose.QUERY] * 9]
    assert [str(d) for d in rounds.reconciler.differences] == [f"fill {SYMBOL} 1: ours no order, the venue's a fill"]
    assert rounds.said() == []


def test_a_round_about_money_does_not_begin_another_anew(rounds):
    rounds.reconciler.start(rounds.now, "start")
    rounds.reconciler.check(rounds.now)
    assert rounds.play() == ROUND
    assert [what for what, *_ in rounds.said()] == ["reconciled"]


def test_a_round_about_money_asks_for_no_order_and_compares_no_position(rounds):
    order = rounds.place()
    rounds.manager.positions[SYMBOL, BOTH] = 7
    rounds.now += SECOND
    rounds.reconciler.check(rounds.now)
    assert rounds.play() == [Purpose.BALANCES, Purpose.FILLS]
    assert (order.ask_at, rounds.take()) == (0, [])
    assert rounds.reconciler.differences == []


@pytest.mark.parametrize("begin", ["start", "check"])
def test_where_no_fill_is_known_they_are_asked_for_from_the_first_round_on(rounds, begin):
    rounds.make(since=0)
    words = ("start",) if begin == "start" else ()
    getattr(rounds.reconciler, begin)(rounds.now, *words)
    assert rounds.reconciler.fills.complete == rounds.now


@pytest.mark.parametrize(
    ("traits", "left_out", "fills", "held"),
    [
        ({"positions": False}, [Purpose.POSITIONS], 2, ()),
        ({"spot": frozenset({SYMBOL})}, [], 2, ()),
        ({"fills_by_symbol": False}, [], 1, (PositionReport(SYMBOL, BOTH, 7, NOW),)),
    ],
)
def test_a_venue_is_asked_for_what_it_has(rounds, traits, left_out, fills, held):
    rounds.make(symbols=(SYMBOL, ETH.symbol))
    venue = rounds.manager.venue
    venue.set_instruments([BTC, ETH])
    venue.traits = venue.traits._replace(**traits)
    rounds.manager.positions[SYMBOL, BOTH] = 7  # which a venue without positions, or spot, does not have
    rounds.rows[Purpose.POSITIONS] = held
    rounds.reconciler.start(rounds.now, "start")
    requests = [purpose for purpose in ROUND[:-1] if purpose not in left_out]
    assert rounds.play() == requests + [Purpose.FILLS] * fills
    assert rounds.reconciler.differences == []


def test_a_venue_that_does_not_tell_what_moved_money_is_not_asked(rounds):
    rounds.make(moves_wanted=lambda: NOW)
    rounds.manager.venue.account_moves = lambda *_, **__: None
    rounds.reconciler.check(rounds.now)
    assert rounds.play() == [Purpose.BALANCES, Purpose.FILLS]


def test_without_a_round_nothing_is_due_and_no_answer_is_taken(rounds):
    rounds.tick(SECOND)
    assert rounds.take() == []
    assert rounds.reconciler.next_due > rounds.now + 3600 * SECOND
    assert rounds.done(rounds.manager.venue.balances(rounds.now)) is False


@pytest.mark.parametrize(("since", "wanted"), [(None, []), (NOW - 5 * SECOND, [Purpose.MOVES])])
def test_what_moved_money_is_asked_for_where_that_is_wanted(rounds, since, wanted):
    rounds.make(moves_wanted=lambda: since)
    rounds.reconciler.check(rounds.now)
    calls = list(rounds.manager.calls)
    assert rounds.play() == [Purpose.BALANCES, Purpose.FILLS, *wanted]
    assert [terms(c)["startTime"] for c in calls if c.purpose is Purpose.MOVES] == [
        str(since // 1_000_000) for _ in wanted
    ]


# --- calls that fail, and pages -------------------------------------------------------------------


@pytest.mark.parametrize("purpose", ROUND)
@pytest.mark.parametrize("wait", [0, 7 * SECOND])
def test_a_call_that_failed_is_sent_again_after_its_wait_and_the_round_waits_for_it(rounds, purpose, wait):
    rounds.reconciler.start(rounds.now, "start")
    calls = rounds.take()
    for call in calls:
        failed = Answer(Outcome.SAFE, retry_after=wait)
        assert rounds.done(call, failed if call.purpose is purpose else None)
    due = rounds.now + max(wait, SECOND)
    assert rounds.reconciler.next_due == due
    rounds.tick(due - rounds.now - 1)
    assert rounds.take() == []
    rounds.tick(1)
    (second,) = rounds.take()
    (first,) = [call for call in calls if call.purpose is purpose]
    assert second.purpose is purpose
    signed = ("timestamp", "signature")
    same = [{k: v for k, v in terms(c).items() if k not in signed} for c in (first, second)]
    assert same[0] == same[1]
    times = [int(terms(c)["timestamp"]) for c in (first, second)]
    assert times[1] - times[0] == (due - NOW) // 1_000_000  # it was signed anew
    rounds.tick(SECOND)
    assert rounds.reconciler.is_running
    rounds.done(second)
    rounds.tick()
    assert not rounds.reconciler.is_running


def test_the_next_step_is_when_the_first_failed_call_is_due(rounds):
    rounds.reconciler.start(rounds.now, "start")
    for number, call in enumerate(rounds.take()):
        rounds.done(call, Answer(Outcome.SAFE, retry_after=(9 - number) * SECOND))
    assert rounds.reconciler.next_due == rounds.now + 4 * SECOND


def test_failed_moves_are_asked_for_since_the_same_time(rounds):
    rounds.make(moves_wanted=lambda: NOW - 5 * SECOND)
    rounds.reconciler.check(rounds.now)
    for call in rounds.take():
        rounds.done(call, FAILED if call.purpose is Purpose.MOVES else None)
    rounds.tick(SECOND)
    (second,) = rounds.take()
    assert terms(second)["startTime"] == str((NOW - 5 * SECOND) // 1_000_000)
    assert terms(second)["timestamp"] == str(rounds.now // 1_000_000)


@pytest.mark.parametrize("purpose", [Purpose.FILLS, Purpose.MOVES])
def test_a_next_page_is_asked_for_from_where_the_one_before_ended(rounds, purpose):
    rounds.make(moves_wanted=lambda: NOW)
    rounds.reconciler.check(rounds.now)
    cursor = {Purpose.FILLS: "1001", Purpose.MOVES: f"{NOW // 1_000_000}:2"}[purpose]
    for call in rounds.take():
        rounds.done(call, Answer(Outcome.DONE, cursor=cursor) if call.purpose is purpose else None)
    rounds.tick()
    assert rounds.reconciler.is_running
    (more,) = rounds.take()
    assert more.purpose is purpose
    if purpose is Purpose.FILLS:
        assert (terms(more)["fromId"], terms(more).get("startTime")) == ("1001", None)
    rounds.done(more)
    rounds.tick()
    assert not rounds.reconciler.is_running


def test_the_next_round_begins_at_the_newest_fill_of_the_last_one(rounds):
    rounds.place()
    newest = NOW + 300 * SECOND
    rounds.rows[Purpose.FILLS] = (rounds.fill(1, time=newest),)
    rounds.rows[Purpose.POSITIONS] = (PositionReport(SYMBOL, BOTH, 1, NOW),)
    rounds.rows[Purpose.OPEN_ORDERS] = (rounds.row(),)
    rounds.reconciler.start(rounds.now, "start")
    assert rounds.reconciler.fills.complete == NOW
    rounds.play()
    assert rounds.reconciler.fills.complete == newest


def test_an_answer_to_another_call_is_none_of_the_round_s(rounds):
    stray = rounds.manager.venue.balances(rounds.now)
    rounds.reconciler.start(rounds.now, "start")
    assert rounds.done(stray) is False


# --- orders that no list has ----------------------------------------------------------------------


@pytest.mark.parametrize("last", [Purpose.OPEN_ORDERS, Purpose.OPEN_CONDITIONALS, Purpose.FILLS])
def test_what_no_list_has_is_asked_for_once_both_lists_and_the_fills_are_read(rounds, last):
    order = rounds.place()
    rounds.now += SECOND
    rounds.reconciler.start(rounds.now, "start")
    calls = sorted(rounds.take(), key=lambda call: call.purpose is last)
    for call in calls[:-1]:
        rounds.done(call)
    assert order.ask_at == 0
    rounds.done(calls[-1])
    assert order.ask_at == rounds.now


def test_what_no_list_has_is_asked_for_although_something_else_fails(rounds):
    order = rounds.place()
    rounds.now += SECOND
    rounds.reconciler.start(rounds.now, "start")
    *first, last = sorted(rounds.take(), key=lambda call: call.purpose is Purpose.FILLS)
    for call in first:
        rounds.done(call)
    rounds.done(last, FAILED)
    assert order.ask_at == rounds.now


@pytest.mark.parametrize("is_conditional", [False, True])
def test_what_is_listed_is_not_asked_for(rounds, is_conditional):
    order = rounds.place(**(STOP if is_conditional else {}))
    rounds.now += SECOND
    listed = Purpose.OPEN_CONDITIONALS if is_conditional else Purpose.OPEN_ORDERS
    rounds.rows[listed] = (rounds.row(order),)
    rounds.reconciler.start(rounds.now, "start")
    assert Purpose.QUERY not in [*rounds.play(), *rounds.sent()]


def test_what_was_sent_after_the_round_began_may_be_in_no_list(rounds):
    rounds.now += SECOND
    rounds.reconciler.start(rounds.now, "start")
    rounds.now += 1
    calls = rounds.take()
    order = rounds.place()
    for call in calls:
        rounds.done(call)
    assert order.ask_at == 0


@pytest.mark.parametrize(("later", "ask"), [(-1, True), (0, False), (1, False)])
def test_what_was_sent_again_since_may_be_in_no_list(rounds, later, ask):
    order = rounds.place()
    rounds.now += SECOND
    rounds.reconciler.start(rounds.now, "start")
    order.sent_at = rounds.now + later
    for call in rounds.take():
        rounds.done(call)
    assert bool(order.ask_at) is ask


def test_what_no_list_has_is_asked_for_at_once_or_when_it_was_to_be(rounds):
    order, request = rounds.place(), rounds.place("id-2")
    rounds.now += SECOND
    request.ask_at = due = rounds.now + SECOND
    assert rounds.manager.next_due == due  # nothing is marked any more
    rounds.reconciler.start(rounds.now, "start")
    for call in rounds.take():
        rounds.done(call)
    assert (order.ask_at, request.ask_at) == (rounds.now, due)
    assert rounds.manager.next_due == rounds.now


def test_a_question_about_an_order_that_is_newer_is_no_difference(rounds):
    rounds.now += SECOND
    rounds.reconciler.start(rounds.now, "start")
    rounds.now += 1
    calls = rounds.take()
    order = rounds.place()
    order.ask_at = rounds.now + SECOND
    for call in calls:
        rounds.done(call)
    rounds.tick()
    assert rounds.reconciler.differences == []
    assert not rounds.reconciler.is_running


def test_what_is_on_the_wire_or_held_is_not_asked_for(rounds):
    on_the_wire = rounds.place(accepted=False)
    rounds.take()
    held = rounds.place("id-2", accepted=False)
    rounds.take()
    held.is_held = True
    held.pending.clear()
    rounds.now += SECOND
    rounds.reconciler.start(rounds.now, "start")
    for call in rounds.take():
        rounds.done(call)
    assert (on_the_wire.ask_at, held.ask_at) == (0, 0)


# --- positions ------------------------------------------------------------------------------------


def test_new_books_begin_with_what_the_account_holds():
    rounds = Rounds(is_new=True)
    rounds.rows[Purpose.POSITIONS] = (PositionReport(SYMBOL, BOTH, 7, NOW),)
    rounds.reconciler.start(rounds.now, "start")
    rounds.play()
    assert rounds.manager.positions == {(SYMBOL, BOTH): 7}
    opening = [o for o in rounds.manager.outs if isinstance(o, AccountOut) and o.source == OPENING]
    assert [(o.name, o.amount) for o in opening] == [(SYMBOL, 7)]
    assert rounds.reconciler.differences == []
    assert ("position", f"{SYMBOL} both", "opening 7", "info") in rounds.said()


@pytest.mark.parametrize(("ours", "theirs", "outs"), [(7, 7, []), (7, 0, [0]), (0, 0, []), (7, -3, [-3])])
def test_only_what_differs_is_an_opening(ours, theirs, outs):
    """Ours: what the fills of the overlap say."""
    rounds = Rounds(is_new=True)
    rounds.manager.positions[SYMBOL, BOTH] = ours
    rounds.rows[Purpose.POSITIONS] = (PositionReport(SYMBOL, BOTH, theirs, NOW),)
    rounds.reconciler.start(rounds.now, "start")
    rounds.play()
    assert rounds.manager.positions == {(SYMBOL, BOTH): theirs}
    opening = [o for o in rounds.manager.outs if isinstance(o, AccountOut) and o.source == OPENING]
    assert [o.amount for o in opening] == outs
    said = [state for what, _, state, _ in rounds.said() if what == "position"]
    assert said == [f"opening {qty}" for qty in outs if qty]


def test_a_symbol_that_is_followed_for_the_first_time_begins_with_what_the_account_holds():
    other = ETH.symbol
    rounds = Rounds(first={other})
    rounds.rows[Purpose.POSITIONS] = (PositionReport(other, BOTH, 5, NOW), PositionReport(SYMBOL, BOTH, 7, NOW))
    rounds.reconciler.start(rounds.now, "start")
    rounds.play()
    assert rounds.manager.positions == {(other, BOTH): 5}
    assert rounds.reconciler.opened == {(other, BOTH): 5}
    assert [d.what for d in rounds.reconciler.differences] == [f"position {SYMBOL} both"]
    rounds.rows[Purpose.POSITIONS] = (PositionReport(other, BOTH, 9, rounds.now + SECOND),)
    rounds.now += 200 * SECOND
    rounds.reconciler.start(rounds.now, "again")
    rounds.play()  # once
    assert rounds.manager.positions[other, BOTH] == 5


@pytest.mark.parametrize("terms", [{"is_new": True}, {"first": {SYMBOL}}])
def test_a_fill_whose_order_is_not_known_yet_is_part_of_what_the_books_begin_with(terms):
    """The venue's position has it in it: booked after the opening, it would count twice."""
    rounds = Rounds(**terms)
    rounds.rows[Purpose.POSITIONS] = (PositionReport(SYMBOL, BOTH, 7, NOW),)
    rounds.rows[Purpose.FILLS] = (rounds.fill(7, name=""),)
    rounds.reconciler.start(rounds.now, "start")
    rounds.answer_all()
    rounds.tick()
    assert rounds.manager.unmatched and not rounds.manager.positions
    assert not [o for o in rounds.manager.outs if isinstance(o, AccountOut) and o.source == OPENING]


@pytest.mark.parametrize("traits", [{"positions": False}, {"spot": frozenset({SYMBOL})}])
def test_books_without_positions_begin_with_none(traits):
    rounds = Rounds(is_new=True)
    venue = rounds.manager.venue
    venue.traits = venue.traits._replace(**traits)
    rounds.manager.positions[SYMBOL, BOTH] = 7
    rounds.reconciler.start(rounds.now, "start")
    rounds.play()
    assert rounds.manager.positions == {(SYMBOL, BOTH): 7}
    assert [o for o in rounds.manager.outs if isinstance(o, AccountOut) and o.source == OPENING] == []


def test_later_the_books_are_not_made_to_agree():
    rounds = Rounds(is_new=True)
    rounds.reconciler.start(rounds.now, "start")
    rounds.play()
    rounds.rows[Purpose.POSITIONS] = (PositionReport(SYMBOL, BOTH, 7, NOW + 100 * SECOND),)
    rounds.now += 200 * SECOND
    rounds.reconciler.start(rounds.now, "again")
    rounds.play()
    assert rounds.manager.positions.get((SYMBOL, BOTH), 0) == 0
    assert [d.what for d in rounds.reconciler.differences] == [f"position {SYMBOL} both"]


def test_a_trade_between_fills_and_positions_at_the_opening_is_looked_at_once_more():
    """The positions of the first look may be without it, the fills with it, or the other way."""
    rounds = Rounds(is_new=True)
    rounds.rows[Purpose.POSITIONS] = (PositionReport(SYMBOL, BOTH, 7, NOW),)
    rounds.reconciler.start(rounds.now, "start")
    order = rounds.place("id-1", accepted=False)
    for call in [c for c in rounds.take() if c.purpose is not Purpose.PLACE]:
        rounds.done(call)
    rounds.hear(rounds.fill(2, name=order.client_id))
    rounds.tick()
    assert [c.purpose for c in rounds.manager.calls] == [Purpose.POSITIONS, Purpose.BALANCES, Purpose.FILLS]
    rounds.rows[Purpose.POSITIONS] = (PositionReport(SYMBOL, BOTH, 9, rounds.now),)
    rounds.play()
    assert rounds.manager.positions == {(SYMBOL, BOTH): 9}


def test_a_position_that_the_venue_does_not_list_is_flat(rounds):
    rounds.manager.positions[SYMBOL, BOTH] = 7
    rounds.manager.venue_positions[SYMBOL, BOTH] = (7, NOW)
    rounds.reconciler.start(rounds.now, "start")
    rounds.play()
    assert [str(d) for d in rounds.reconciler.differences] == [f"position {SYMBOL} both: ours 7, the venue's 0"]


# --- three truths of a position: the list, the stream, the fills ---------------------------------


def position_of(rounds) -> tuple[int, list[int]]:
    """What the venue is believed to hold, and what was said of it, in order."""
    said = [each.amount for each in rounds.manager.outs if isinstance(each, AccountOut) and each.side is BOTH]
    return rounds.manager.venue_positions.get((SYMBOL, BOTH), (0, 0))[0], said


def requests_positions(rounds):
    rounds.reconciler.start(rounds.now, "start")
    return next(call for call in rounds.take() if call.purpose is Purpose.POSITIONS)


def test_an_empty_list_closes_a_position_whose_stream_has_frozen_and_says_so(rounds):
    """The ghost: the newest position closes, and what is left is older than it was. Nothing is sent of it, and the
    newer empty list is the one word there is."""
    rounds.hear(PositionReport(SYMBOL, BOTH, 7, rounds.now))
    rounds.wait(SECOND)
    rounds.done(requests_positions(rounds))
    assert position_of(rounds) == (0, [7, 0])


def test_a_list_that_was_asked_for_before_the_stream_spoke_changes_nothing_however_late_it_comes(rounds):
    for first, then, listed in ((7, 0, 7), (0, 7, None), (7, -3, 7)):
        rounds.wait(SECOND)
        rounds.hear(PositionReport(SYMBOL, BOTH, first, rounds.now))
        call = requests_positions(rounds)
        sent_at = rounds.now
        rounds.wait(SECOND // 10)
        rounds.hear(PositionReport(SYMBOL, BOTH, then, rounds.now))
        rounds.wait(SECOND)
        rows = () if listed is None else (PositionReport(SYMBOL, BOTH, listed, sent_at),)
        rounds.done(call, Answer(Outcome.DONE, rows))
        assert position_of(rounds)[0] == then


def test_a_position_that_a_list_closed_is_opened_again_by_whoever_says_so_first(rounds):
    rounds.hear(PositionReport(SYMBOL, BOTH, 7, rounds.now))
    rounds.wait(SECOND)
    rounds.done(requests_positions(rounds))
    rounds.wait(SECOND)
    rounds.hear(PositionReport(SYMBOL, BOTH, 2, rounds.now))  # the stream
    assert position_of(rounds) == (2, [7, 0, 2])
    rounds.wait(SECOND)
    rounds.rows[Purpose.POSITIONS] = (PositionReport(SYMBOL, BOTH, 5, rounds.now),)
    rounds.done(requests_positions(rounds))  # or the next list
    assert position_of(rounds) == (5, [7, 0, 2, 5])


@given(st.lists(st.tuples(st.sampled_from(["trade", "stream", "ask", "list"]), st.integers(0, 3)), max_size=40))
def test_whichever_sources_freeze_what_stands_is_the_newest_that_any_has_said(steps):
    """The venue trades; its stream says what it holds or is frozen; lists are asked for, read off at once, and
    answered at any time or never. What is believed never goes back to what was before the last word."""
    rounds = Rounds()
    held, history, request, newest = 0, {0: 0}, [], 0  # the venue's position, by time; newest word
    for what, figure in steps:
        rounds.wait(SECOND // 100)
        match what:
            case "trade":
                held = figure - 1
                history[rounds.now] = held
            case "stream":
                rounds.hear(PositionReport(SYMBOL, BOTH, held, rounds.now))
                newest = rounds.now
            case "ask":
                request.append((requests_positions(rounds), rounds.now, held))
            case "list" if request:
                call, at, was = request.pop(figure % len(request))
                if call not in [each for each, _ in rounds.reconciler._round.calls]:
                    continue  # of a round that was begun anew
                rounds.done(call, Answer(Outcome.DONE, (PositionReport(SYMBOL, BOTH, was, at),) if was else ()))
                newest = max(newest, at)
        expected = history[max(at for at in history if at <= newest)]
        assert position_of(rounds)[0] == expected


@pytest.mark.parametrize(("ours", "theirs"), [(7, 0), (0, 7), (7, 8), (7, -7)])
def test_positions_that_differ_are_said_after_some_looks_and_not_mended(rounds, ours, theirs):
    rounds.manager.positions[SYMBOL, BOTH] = ours
    rounds.rows[Purpose.POSITIONS] = (PositionReport(SYMBOL, BOTH, theirs, NOW),) if theirs else ()
    rounds.reconciler.start(rounds.now, "start")
    request = rounds.play()
    assert request.count(Purpose.POSITIONS) == 10
    assert rounds.manager.positions == {(SYMBOL, BOTH): ours}
    what = f"position {SYMBOL} both"
    words = f"{what}: ours {ours}, the venue's {theirs}"
    assert rounds.said() == [
        ("difference", what, words, "critical"),
        ("reconciled", "start", "1 difference", "critical"),
    ]


@pytest.mark.parametrize(("held", "worst"), [(0, "warning"), (7, "critical")])
def test_an_order_that_the_venue_has_not_answered_for_is_a_warning(rounds, held, worst):
    order = rounds.place()
    order.state = OrderState.UNKNOWN
    rounds.rows[Purpose.POSITIONS] = (PositionReport(SYMBOL, BOTH, held, NOW),) if held else ()
    rounds.reconciler.start(rounds.now, "start")
    rounds.play()
    what = f"order {order.client_id}"
    said = rounds.said()
    assert ("difference", what, f"{what}: ours UNKNOWN, the venue's not known", "warning") in said
    assert said[-1] == ("reconciled", "start", "2 differences" if held else "1 difference", worst)
    assert [each[3] for each in said[:-1]] == (["critical", "warning"] if held else ["warning"])


def test_a_position_that_agrees_at_the_second_look_is_no_difference(rounds):
    rounds.manager.positions[SYMBOL, BOTH] = 7
    rounds.reconciler.start(rounds.now, "start")
    rounds.answer_all()
    rounds.tick()
    rounds.rows[Purpose.POSITIONS] = (PositionReport(SYMBOL, BOTH, 7, rounds.now),)
    rounds.play()
    assert rounds.said() == [("reconciled", "start", "0 differences", "info")]


def test_what_differs_is_looked_at_again_after_a_moment_and_not_before(rounds):
    rounds.manager.positions[SYMBOL, BOTH] = 7
    rounds.reconciler.start(rounds.now, "start")
    rounds.answer_all()
    rounds.tick()
    assert rounds.reconciler.next_due == rounds.now + SETTLE
    rounds.tick(SETTLE - 1)
    assert rounds.take() == []
    rounds.tick(1)
    assert rounds.sent() == [Purpose.POSITIONS, Purpose.BALANCES, Purpose.FILLS]


def test_positions_are_looked_at_again_although_an_order_is_unknown(rounds):
    order = rounds.place(accepted=False)
    rounds.lose()
    order.ask_at = 0  # nobody answers for it
    rounds.manager.positions[SYMBOL, BOTH] = 7
    rounds.reconciler.start(rounds.now, "start")
    rounds.answer_all()
    rounds.tick()
    rounds.tick(SETTLE)
    assert Purpose.POSITIONS in rounds.sent()


# --- what else is a difference --------------------------------------------------------------------


@pytest.mark.parametrize("accepted", [False, True])
def test_an_order_that_nobody_knows_is_waited_for_and_then_said(rounds, accepted):
    order = rounds.place(accepted=accepted)
    if accepted:
        rounds.now += SECOND  # older than the round
    else:
        rounds.lose()
    rounds.reconciler.start(rounds.now, "start")
    until = rounds.now + 60 * SECOND
    requests = []
    while rounds.reconciler.is_running and rounds.now < until:
        for call in rounds.take():
            requests.append(call.purpose)
            if not rounds.done(call):
                rounds.manager.answered(call, FAILED, rounds.now)
        rounds.tick(SECOND // 10)
    assert requests.count(Purpose.POSITIONS) == 1  # only answers about orders are waited for
    assert [d.what for d in rounds.reconciler.differences] == [f"order {order.client_id}"]


@pytest.mark.parametrize("is_newer", [False, True])
def test_an_order_whose_fills_are_missing_is_a_difference(rounds, is_newer):
    """is_newer: than the round, so that it is not among what the lists must have."""
    order = rounds.place()
    ended = rounds.row(order, OrderState.CANCELED, filled=6)
    rounds.rows[Purpose.QUERY] = (ended,)
    rounds.hear(ended)
    rounds.now += SECOND
    rounds.reconciler.start(order.created if is_newer else rounds.now, "start")
    request = rounds.play()
    assert request.count(Purpose.POSITIONS) == 10
    (found,) = rounds.reconciler.differences
    assert (found.what, found.venue) == ("order id-1", "canceled")


def test_an_order_that_has_ended_here_and_works_at_the_venue_is_said_and_canceled(rounds):
    order = rounds.place(accepted=False)
    rounds.answer(outcome=Outcome.DEFINITIVE)
    assert order.state is OrderState.REJECTED
    rounds.rows[Purpose.OPEN_ORDERS] = (rounds.row(order),)
    rounds.now += SECOND
    rounds.reconciler.start(rounds.now, "start")
    rounds.play()
    words = f"order {order.client_id}: ours REJECTED, the venue's works"
    assert [str(d) for d in rounds.reconciler.differences] == [words]
    (cancel,) = rounds.take()
    assert (cancel.purpose, cancel.subject.client_id) == (Purpose.CANCEL, order.client_id)
    rounds.manager.answered(cancel, Answer(Outcome.DONE, (rounds.row(order, OrderState.CANCELED),)), rounds.now)
    assert order.state is OrderState.REJECTED and rounds.take() == []


def test_an_order_that_ends_while_the_list_is_on_its_way_is_no_difference(rounds):
    order = rounds.place()
    rounds.rows[Purpose.OPEN_ORDERS] = (rounds.row(order),)
    rounds.now += SECOND
    rounds.reconciler.start(rounds.now, "start")
    rounds.hear(rounds.row(order, OrderState.CANCELED, news=OrderNews.CANCELED))
    rounds.play()
    assert order.state is OrderState.CANCELED
    assert (rounds.reconciler.differences, rounds.take()) == ([], [])


def test_an_order_of_other_hands_that_has_ended_here_is_theirs(rounds):
    rounds.hear(rounds.row("web_1"), rounds.row("web_1", OrderState.CANCELED, news=OrderNews.CANCELED))
    rounds.rows[Purpose.OPEN_ORDERS] = (rounds.row("web_1"),)
    rounds.now += SECOND
    rounds.reconciler.start(rounds.now, "start")
    rounds.play()
    assert (rounds.reconciler.differences, rounds.take()) == ([], [])


def test_a_fill_of_an_order_that_nobody_knows_is_a_difference(rounds):
    rounds.rows[Purpose.FILLS] = (rounds.fill(1, name="", venue_id="91"),)
    rounds.reconciler.start(rounds.now, "start")
    rounds.play()
    assert [d.what for d in rounds.reconciler.differences] == [f"fill {SYMBOL} 1"]


SYMBOLS = tuple(i.symbol for i in (BTC, ETH, catalogue.find("binance:SOL/USDT:USDT")))


@pytest.fixture
def many() -> Rounds:
    """Three symbols; the first round, which asks for the fills of all, is over."""
    made = Rounds(symbols=SYMBOLS)
    made.manager.venue.set_instruments([catalogue.find(symbol) for symbol in SYMBOLS])
    made.reconciler.start(made.now, "connected")
    assert fills_of(made) == set(SYMBOLS)
    return made


def fills_of(rounds: Rounds) -> set[str]:
    """The symbols whose fills the round asks for, until it is over."""
    queried = set()
    while rounds.reconciler.is_running:
        queried |= {call.symbol for call in rounds.manager.calls if call.purpose is Purpose.FILLS}
        rounds.answer_all()
        rounds.tick(SECOND // 10)
    return queried


def hear_of(rounds: Rounds, what: str) -> None:
    match what:
        case "fill":
            rounds.hear(rounds.fill(4, symbol=ETH.symbol, name="web_1"))
        case "order":
            rounds.place(symbol=ETH.symbol)
        case "the venue's position":
            rounds.rows[Purpose.POSITIONS] = (PositionReport(ETH.symbol, BOTH, 5, NOW),)
            rounds.manager.positions[ETH.symbol, BOTH] = 0


@pytest.mark.parametrize("what", ["", "fill", "order", "the venue's position"])
@pytest.mark.parametrize("reason", ["periodic", "settled", "check"])
def test_while_the_stream_stays_fills_are_asked_for_where_something_may_have_happened(many, reason, what):
    hear_of(many, what)
    if reason == "check":
        many.reconciler.check(many.now)
    else:
        many.reconciler.start(many.now, reason)
    is_seen = what and (reason != "check" or not what.startswith("the venue"))
    assert fills_of(many) == ({ETH.symbol} if is_seen else set())


@pytest.mark.parametrize("reason", ["connected", "asked for"])
def test_fills_of_all_are_asked_for_once_the_stream_was_away_or_a_person_asks(many, reason):
    many.reconciler.start(many.now, reason)
    many.reconciler.start(many.now, "periodic")  # in its place
    assert fills_of(many) == set(SYMBOLS)


@pytest.mark.parametrize("begin", ["start", "check"])
def test_fills_of_all_are_asked_for_where_money_differs(many, begin):
    many.reconciler._moves_wanted = lambda: NOW
    getattr(many.reconciler, begin)(many.now, *(["periodic"] if begin == "start" else []))
    assert fills_of(many) == set(SYMBOLS)


def test_a_round_of_some_symbols_leaves_the_fills_of_others_to_be_asked_for_from_before(many):
    many.hear(many.fill(4, symbol=ETH.symbol, name="web_1"))
    many.rows[Purpose.FILLS] = (many.fill(4, symbol=ETH.symbol, name="web_1", time=NOW + 60 * SECOND),)
    many.reconciler.start(many.now, "periodic")
    assert fills_of(many) == {ETH.symbol}
    many.reconciler.start(many.now, "connected")
    since = {call.symbol: terms(call)["startTime"] for call in many.manager.calls if call.purpose is Purpose.FILLS}
    assert since[SYMBOL] < since[ETH.symbol]
