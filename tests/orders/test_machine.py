"""Every pair is decided, and the same deliveries in any order end alike."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetape.model.enums import FINAL_STATES, OrderState
from onetape.model.errors import InvariantViolation
from onetape.orders.machine import FILLS, TABLE, Effect, OrderEvent
from reference.order_life import OrderLife, resolve

S, E = OrderState, OrderEvent
LONG = bool(os.environ.get("ONETAPE_LONG"))


def test_every_pair_is_decided() -> None:
    assert set(TABLE) == set(OrderState)
    assert all(set(row) == set(OrderEvent) for row in TABLE.values())


def test_an_end_is_only_left_for_filled() -> None:
    for state in FINAL_STATES:
        targets = {cell for cell in TABLE[state].values() if isinstance(cell, OrderState)}
        assert targets <= {S.FILLED}
        assert Effect.OPEN not in TABLE[state].values()
        assert Effect.GONE not in TABLE[state].values()


def test_a_time_out_never_ends_an_order() -> None:
    for state, row in TABLE.items():
        for event in (E.REPLY_LOST, E.MISSING):
            assert row[event] in (S.UNKNOWN, Effect.SAME, Effect.IMPOSSIBLE), state


def test_a_fill_is_booked_wherever_an_order_was_sent() -> None:
    never_sent = {S.INITIALIZED, S.DENIED}
    for state, row in TABLE.items():
        for event in FILLS:
            assert (row[event] is Effect.IMPOSSIBLE) == (state in never_sent)


def test_requests_are_never_a_breach_of_protocol() -> None:
    for row in TABLE.values():
        assert Effect.IMPOSSIBLE not in (row[E.CANCEL_REQUEST], row[E.AMEND_REQUEST])
        assert Effect.REFUSED not in [row[e] for e in OrderEvent if not e.is_ours]


def play(*steps: str, size: int = 10) -> OrderLife:
    """`accept`, `fill 4`, `amend_request 20`: trade ids count up, `fill 4 #1` names one."""
    order = OrderLife(size)
    for number, step in enumerate(steps):
        word, *rest = step.split()
        if word == "fill":
            order.on_fill(rest[1] if len(rest) > 1 else str(number), int(rest[0]))
        else:
            order.on_event(OrderEvent(word), size=int(rest[0]) if rest else 0)
    return order


STORIES = """
# a plain life
submit accept fill_4 fill_6                                  -> FILLED 10
submit reject                                                -> REJECTED 0
submit deny                                                  -> DENIED 0
deny                                                         -> DENIED 0
cancel_request                                               -> CANCELED 0
submit accept expire                                         -> EXPIRED 0
submit accept fill_4 expire                                  -> EXPIRED 4
submit accept cancel_request cancel_ack                      -> CANCELED 0
submit accept venue_cancel                                   -> CANCELED 0
# trade before acknowledgement
submit fill_4                                                -> PARTIALLY_FILLED 4
submit fill_4 accept                                         -> PARTIALLY_FILLED 4
submit fill_10 accept                                        -> FILLED 10
# fill during cancel, cancel refused because of it
submit accept cancel_request fill_4                          -> PENDING_CANCEL 4
submit accept cancel_request fill_4 cancel_reject            -> PARTIALLY_FILLED 4
submit accept cancel_request fill_10 cancel_reject           -> FILLED 10
submit accept cancel_request cancel_ack fill_4               -> CANCELED 4
submit accept cancel_request cancel_ack fill_10              -> FILLED 10
submit accept cancel_request cancel_reject                   -> ACCEPTED 0
submit accept trigger cancel_request cancel_reject           -> TRIGGERED 0
# cancel before acknowledgement
submit cancel_request                                        -> PENDING_CANCEL 0
submit cancel_request accept                                 -> PENDING_CANCEL 0
submit cancel_request reject cancel_reject                   -> REJECTED 0
submit cancel_request cancel_ack accept                      -> CANCELED 0
submit cancel_request cancel_reject                          -> SUBMITTED 0
# amendments
submit accept amend_request_20 amend_ack_20 fill_10          -> PARTIALLY_FILLED 10
submit accept amend_request_20 fill_10                       -> PENDING_UPDATE 10
submit accept amend_request_20 fill_10 amend_reject          -> FILLED 10
submit accept amend_request_20 fill_10 amend_ack_20          -> PARTIALLY_FILLED 10
submit accept fill_5 amend_request_5 amend_ack_5             -> FILLED 5
submit accept amend_request_5 fill_5                         -> PENDING_UPDATE 5
submit accept amend_request_5 fill_5 amend_ack_5             -> FILLED 5
submit accept amend_request_5 cancel_request amend_ack_5     -> PENDING_CANCEL 0
submit accept amend_request_5 cancel_request cancel_reject   -> PENDING_UPDATE 0
submit accept amend_request_5 cancel_request cancel_ack      -> CANCELED 0
submit accept fill_4 amend_ack_4                             -> FILLED 4
# lost and late replies
submit reply_lost                                            -> UNKNOWN 0
submit reply_lost accept                                     -> ACCEPTED 0
submit reply_lost reject                                     -> REJECTED 0
submit reply_lost fill_4                                     -> PARTIALLY_FILLED 4
submit reply_lost found_working                              -> ACCEPTED 0
submit reply_lost found_absent                               -> REJECTED 0
submit reply_lost reply_lost missing                         -> UNKNOWN 0
submit accept reply_lost                                     -> ACCEPTED 0
submit accept cancel_request reply_lost                      -> UNKNOWN 0
submit accept cancel_request reply_lost accept               -> UNKNOWN 0
submit accept cancel_request reply_lost fill_4               -> UNKNOWN 4
submit accept cancel_request reply_lost cancel_ack           -> CANCELED 0
submit accept cancel_request reply_lost cancel_reject        -> ACCEPTED 0
submit accept cancel_request reply_lost found_working        -> ACCEPTED 0
submit accept cancel_request reply_lost found_absent         -> CANCELED 0
submit cancel_request reply_lost accept                      -> UNKNOWN 0
submit cancel_request reply_lost cancel_reject               -> UNKNOWN 0
submit reply_lost cancel_request accept                      -> UNKNOWN 0
submit reply_lost cancel_request cancel_ack                  -> CANCELED 0
submit accept amend_request_20 reply_lost fill_10            -> UNKNOWN 10
submit accept amend_request_20 reply_lost fill_10 amend_reject -> FILLED 10
submit accept amend_request_20 reply_lost found_working_20   -> ACCEPTED 0
submit accept fill_4 missing                                 -> UNKNOWN 4
submit accept fill_4 missing found_working                   -> PARTIALLY_FILLED 4
submit accept found_absent                                   -> UNKNOWN 0
# duplicates
submit accept accept accept                                  -> ACCEPTED 0
submit accept fill_4_#7 fill_4_#7                            -> PARTIALLY_FILLED 4
submit accept cancel_request cancel_ack cancel_ack           -> CANCELED 0
submit accept fill_10 cancel_ack                             -> FILLED 10
submit fill_12                                               -> FILLED 12
submit fill_10 fill_2                                        -> FILLED 12
# stops
submit accept trigger fill_10                                -> FILLED 10
submit trigger accept                                        -> TRIGGERED 0
submit accept fill_4 trigger                                 -> PARTIALLY_FILLED 4
submit accept trigger reject                                 -> REJECTED 0
submit reject trigger accept                                 -> REJECTED 0
submit reject fill_4                                         -> REJECTED 4
"""
ROWS = [row for row in STORIES.splitlines() if row and not row.startswith("#")]


@pytest.mark.parametrize("row", ROWS)
def test_story(row: str) -> None:
    steps, _, end = row.partition("->")
    state, filled = end.split()
    order = play(*(step if step.count("_") == 0 else spaced(step) for step in steps.split()))
    assert (order.state.value, order.filled) == (state, int(filled))


def spaced(step: str) -> str:
    """`fill_4_#7` -> `fill 4 #7`; the names of events keep their underscores."""
    words = step.split("_")
    keep = [w for w in words if not (w.isdigit() or w.startswith("#"))]
    return " ".join(["_".join(keep), *(w for w in words if w.isdigit() or w.startswith("#"))])


@pytest.mark.parametrize(
    "steps",
    [
        ["submit", "accept", "fill 4", "reject"],
        ["submit", "accept", "fill 10", "reject"],
        ["submit", "reject", "found_working"],
        ["submit", "reject", "fill 4"],
        ["accept"],
        ["fill 4"],
        ["submit", "fill 12"],
    ],
)
def test_what_breaks_the_protocol_is_counted(steps: list[str]) -> None:
    assert play(*steps).impossible == 1


def test_our_own_impossible_request_is_a_bug() -> None:
    with pytest.raises(InvariantViolation, match="submit cannot follow in state SUBMITTED"):
        play("submit", "submit")


@pytest.mark.parametrize(
    ("steps", "request_", "sent"),
    [
        ([], "submit", True),
        ([], "cancel_request", False),
        (["submit"], "cancel_request", True),
        (["submit", "accept"], "amend_request", True),
        (["submit", "accept", "cancel_request"], "cancel_request", False),
        (["submit", "reply_lost"], "cancel_request", True),
        (["submit", "reply_lost"], "amend_request", False),
        (["submit", "accept", "fill 10"], "cancel_request", False),
    ],
)
def test_which_requests_leave(steps: list[str], request_: str, sent: bool) -> None:
    assert play(*steps).is_sent(OrderEvent(request_)) is sent


def test_remaining_ends_with_the_order() -> None:
    assert play("submit", "accept", "fill 4").remaining == 6
    assert play("submit", "accept", "fill 4", "expire").remaining == 0
    assert play("submit", "fill 12").remaining == 0


# Any order of deliveries ends alike.


@dataclass(frozen=True)
class History:
    """What really happened at the venue: news it sends, and how that must end with us."""

    size: int
    news: tuple[tuple[str, int], ...]  # (event or trade id, quantity)
    end: OrderState
    filled: int


@st.composite
def histories(draw: st.DrawFn) -> History:
    fills = draw(st.lists(st.integers(1, 9), max_size=4))
    total = sum(fills)
    booked = [(f"#{number}", size) for number, size in enumerate(fills)]
    head = [("accept", 0)] + ([("trigger", 0)] if draw(st.booleans()) else [])
    end = draw(st.sampled_from(["full", "cancel_ack", "venue_cancel", "expire", "reject"]))
    if end == "full" and fills:
        return History(total, tuple(head + booked), S.FILLED, total)
    if end == "reject" or not total:
        return History(5, (*(head if total else ()), ("reject", 0)), S.REJECTED, 0)
    rest = draw(st.integers(1, 9))
    state = S.EXPIRED if end == "expire" else S.CANCELED
    word = "cancel_ack" if end == "full" else end
    return History(total + rest, (*head, *booked, (word, 0)), state, total)


def deliver(order: OrderLife, news: tuple[str, int]) -> None:
    word, size = news
    if word.startswith("#"):
        order.on_fill(word, size)
    else:
        order.on_event(OrderEvent(word), size=size)


SMALL = [
    History(10, (("accept", 0), ("#1", 4), ("#2", 6)), S.FILLED, 10),
    History(10, (("accept", 0), ("#1", 4), ("cancel_ack", 0)), S.CANCELED, 4),
    History(10, (("accept", 0), ("#1", 4), ("venue_cancel", 0)), S.CANCELED, 4),
    History(10, (("accept", 0), ("#1", 4), ("expire", 0)), S.EXPIRED, 4),
    History(10, (("accept", 0), ("trigger", 0), ("#1", 10)), S.FILLED, 10),
    History(10, (("accept", 0), ("trigger", 0), ("reject", 0)), S.REJECTED, 0),
    History(10, (("reject", 0),), S.REJECTED, 0),
]


@pytest.mark.parametrize("history", SMALL)
def test_every_interleaving_of_a_small_history_ends_alike(history: History) -> None:
    """Not by chance but all: orders of delivery, one of them doubled, a cancel and a lost reply
    of ours at every place between."""
    count = 0
    for doubled in history.news:
        for order_of in set(permutations((*history.news, doubled))):
            places = range(len(order_of) + 1)
            for cancel, lost in product(places, places):
                life = OrderLife(history.size)
                life.on_event(E.SUBMIT)
                for place in places:
                    if place == cancel:
                        life.on_event(E.CANCEL_REQUEST)
                    if place == lost:
                        life.on_event(E.REPLY_LOST)
                    if place < len(order_of):
                        deliver(life, order_of[place])
                assert life.state is history.end, (order_of, cancel, lost)
                assert life.filled == history.filled
                assert life.impossible == 0
                count += 1
    assert count >= 9


@settings(max_examples=20_000 if LONG else 200, deadline=None)
@given(history=histories(), data=st.data())
def test_deliveries_in_any_order_and_twice_end_alike(history: History, data: st.DataObject) -> None:
    copies = [n for n in history.news for _ in range(data.draw(st.integers(1, 2)))]
    order = OrderLife(history.size)
    order.on_event(E.SUBMIT)
    for news in data.draw(st.permutations(copies)):
        # Between any two deliveries we may ask for things, run out of patience, or look.
        for ours in data.draw(
            st.lists(st.sampled_from([E.CANCEL_REQUEST, E.REPLY_LOST, E.MISSING, E.CANCEL_REJECT]), max_size=2)
        ):
            order.on_event(ours)
        deliver(order, news)
    assert order.state is history.end
    assert order.filled == history.filled
    assert order.impossible == 0


@settings(max_examples=5_000 if LONG else 100, deadline=None)
@given(fills=st.lists(st.integers(1, 9), min_size=1, max_size=4), size=st.integers(1, 60), data=st.data())
def test_an_amendment_to_what_gets_filled_ends_filled(fills: list[int], size: int, data: st.DataObject) -> None:
    total = sum(fills)
    order = OrderLife(max(size, total))
    order.on_event(E.SUBMIT)
    order.on_event(E.AMEND_REQUEST, size=total)
    news = [("accept", 0), ("amend_ack", total), *((f"#{n}", q) for n, q in enumerate(fills))]
    for item in data.draw(st.permutations(news)):
        deliver(order, item)
    assert order.state is S.FILLED
    assert (order.filled, order.impossible) == (total, 0)


EVENTS = [event for event in OrderEvent if event not in FILLS and not event.is_ours]


@settings(max_examples=20_000 if LONG else 200, deadline=None)
@given(data=st.data())
def test_whatever_a_venue_sends_the_account_of_fills_holds(data: st.DataObject) -> None:
    """Random news, lawful or not: no exception, every new trade id booked once, ends hold."""
    order = OrderLife(10)
    order.on_event(E.SUBMIT)
    booked: dict[str, int] = {}
    for _ in range(data.draw(st.integers(1, 25))):
        before = order.state
        if data.draw(st.booleans()):
            trade, size = data.draw(st.integers(0, 8)), data.draw(st.integers(1, 6))
            cell = order.on_fill(str(trade), size)
            assert cell is not Effect.IMPOSSIBLE or before is S.DENIED
            if cell is not Effect.IMPOSSIBLE:
                booked.setdefault(str(trade), size)
        else:
            choices = [*EVENTS, E.CANCEL_REQUEST, E.AMEND_REQUEST]
            order.on_event(data.draw(st.sampled_from(choices)), size=data.draw(st.integers(0, 12)))
        assert order.filled == sum(booked.values())
        if before.is_final:
            assert order.state in (before, S.FILLED)
        assert resolve(order, Effect.SAME) is order.state


def test_the_documented_table_is_this_one() -> None:
    tool = Path(__file__).resolve().parents[2] / "tools" / "order_table.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], check=False)
    assert done.returncode == 0, "run tools/order_table.py"
