"""set_target: the wished position is reached, and never passed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from long_form import examples
from onetape.engine.strategy import Strategy
from onetape.engine.venue_options import Closed, VenueOptions
from onetape.tape.journal import JournalReader
from worlds.tapes import BTC, ETH, Market, at_ns, play, records


class Wishes(Strategy):
    """Sets each wish at its second."""

    plan: list = []  # noqa: RUF012 - (second, qty), set by the test

    def on_start(self):
        self.subscribe(BTC, quotes=True)
        self.left = [(at_ns(second), qty) for second, qty in self.plan]

        self.names = []

    def on_timer(self, name):
        self.names.append(name)

    def on_quote(self, quote):
        while self.left and self.left[0][0] <= self.now:
            self.set_target(BTC, self.left.pop(0)[1])


def run(tmp_path, plan, *, latency=(0.0, 0.0), step=0.01, until=3.0, size=1000.0, name="t"):
    market = Market(tmp_path / name)
    for count in range(int(until / step)):
        market.quote(count * step, 99.9, 100.1, size, size)
    mine = type("Mine", (Wishes,), {"plan": plan})
    played = play(mine, market.done(), journal=tmp_path / f"{name}-run", latency=latency)
    return played, list(positions(tmp_path / f"{name}-run"))


def positions(journal):
    """(time, position) after each fill, in units."""
    held = 0
    with JournalReader(journal) as reader:
        for record in reader:
            if record.type == "fill":
                size = record.data["size"]
                held += size if record.data["side"] == "buy" else -size
                yield record.time, held


def test_a_target_is_reached_from_either_side(tmp_path):
    played, path = run(tmp_path, [(0, 10), (1, 4), (2, -3)])
    assert [held for _, held in path] == [10_000, 4_000, -3_000]
    assert played.loop.counters()["orders"] == 3


def test_what_is_on_its_way_is_not_sent_again(tmp_path):
    _, path = run(tmp_path, [(0.1 * i, 10) for i in range(10)], latency=(0.5, 0.5))
    assert [held for _, held in path] == [10_000]


def test_a_target_that_changes_while_its_order_travels_is_reached_without_overshoot(tmp_path):
    """Raised while travelling: the rest follows. Taken back: nothing is sold before it is known
    whether the purchase was stopped."""
    _, path = run(tmp_path, [(0, 4), (0.1, 10)], latency=(0.3, 0.3), name="up")
    assert [held for _, held in path] == [4_000, 10_000]
    _, path = run(tmp_path, [(0, 10), (0.1, 0)], latency=(0.3, 0.3), name="down")
    assert [held for _, held in path] == [10_000, 0]


def test_a_cancelled_order_is_not_answered_by_selling_what_was_never_bought(tmp_path):
    """In bars a market order waits for the next open, so its cancel comes in time."""
    market = Market(tmp_path / "t")
    for minute in range(1, 8):
        market.bar(minute * 60, "1m", (100, 101, 99, 100))

    class Back(Strategy):
        def on_start(self):
            self.subscribe(BTC, bars="1m")
            self.wishes = [10, 0]

        def on_bar(self, bar):
            for wish in self.wishes:  # both within one callback: the second takes the first back
                self.set_target(BTC, wish)
            self.wishes = []

    played = play(Back, market.done(), journal=tmp_path / "run")
    assert list(positions(tmp_path / "run")) == []
    assert played.robot.position(BTC).qty == 0


def test_after_a_cancel_in_time_the_smaller_wish_is_still_reached(tmp_path):
    market = Market(tmp_path / "t")
    for minute in range(1, 8):
        market.bar(minute * 60, "1m", (100, 101, 99, 100))

    class Less(Strategy):
        def on_start(self):
            self.subscribe(BTC, bars="1m")
            self.wishes = [10, 5]

        def on_bar(self, bar):
            for wish in self.wishes:
                self.set_target(BTC, wish)
            self.wishes = []

    play(Less, market.done(), journal=tmp_path / "run")
    assert [held for _, held in positions(tmp_path / "run")] == [5_000]


def test_ten_wanted_four_filled_and_the_price_moves_never_makes_more_than_ten(tmp_path):
    """Bars give a part of their volume only: 4, then the rest at other prices."""
    market = Market(tmp_path / "t")
    for minute, (price, volume) in enumerate([(100, 8), (100, 8), (105, 8), (95, 8), (99, 80)], 1):
        market.bar(minute * 60, "1m", (price, price + 1, price - 1, price), volume)

    class Repeats(Strategy):
        def on_start(self):
            self.subscribe(BTC, bars="1m")

        def on_bar(self, bar):
            self.set_target(BTC, 10)  # asks again at each price

    play(Repeats, market.done(), journal=tmp_path / "run")
    held = [held for _, held in positions(tmp_path / "run")]
    assert held[0] == 4_000 and held[-1] == 10_000
    assert max(held) == 10_000 and all(a < b for a, b in pairwise(held))


def test_a_target_that_is_denied_at_once_is_not_sent_again_by_itself(tmp_path):
    market = Market(tmp_path / "t", size_max="5")
    for second in range(10):
        market.quote(second, 99.9, 100.1)
    mine = type("Mine", (Wishes,), {"plan": [(0, 10)]})
    played = play(mine, market.done())
    assert (played.loop.counters()["orders"], played.loop.counters()["denied"]) == (1, 1)


@pytest.mark.parametrize("latency", [0.0, 0.3])
def test_a_target_that_the_venue_refuses_is_tried_again_until_it_is_reached(tmp_path, latency):
    market = Market(tmp_path / "t")
    for tenth in range(400):
        market.quote(tenth / 10, 99.9, 100.1)
    mine = type("Mine", (Wishes,), {"plan": [(1, 10)]})
    closed = VenueOptions(closed=[Closed(at_ns(0.5), at_ns(4))])
    played = play(mine, market.done(), journal=tmp_path / "run", venue=closed, latency=(latency, latency))
    with JournalReader(tmp_path / "run") as reader:
        sent = [record.time for record in reader if record.type == "order_request"]
    # After 0.25 s, 0.5 s, 1 s and 2 s.
    waits = [round((b - a) / 10**9 - 2 * latency, 1) for a, b in pairwise(sent)]
    assert waits == [0.2, 0.5, 1.0, 2.0][: len(waits)] and len(waits) >= 3
    assert [held for _, held in positions(tmp_path / "run")] == [10_000]
    assert played.robot.names == []  # nobody hears of the timer


@pytest.mark.parametrize("latency", [0, 0.005])
def test_a_target_larger_than_the_book_is_gone_on_with_until_it_is_reached(tmp_path, latency):
    """What the book has is filled, the rest is tried again: in a quarter of a second, for something was filled."""
    market = Market(tmp_path / "t")
    for tenth in range(100):
        market.quote(tenth / 10, 99.9, 100.1, 4, 4).book(tenth / 10, [(99.9, 4)], [(100.1, 4)])
    mine = type("Mine", (Wishes,), {"plan": [(1, 10)]})
    played = play(mine, market.done(), journal=tmp_path / "run", latency=(latency, latency))
    assert played.robot.position(BTC).qty == 10
    sent = [each.data["size"] for each in records(tmp_path / "run", "order_request")]
    assert sent == [10_000, 6_000, 2_000]


def test_a_target_that_is_refused_ten_times_or_replaced_is_left(tmp_path):
    market = Market(tmp_path / "t")
    for second in range(400):
        market.quote(second, 99.9, 100.1)
    closed = VenueOptions(closed=[Closed(at_ns(0.5), at_ns(399))])
    tape = market.done()
    for name, plan, count in (("gives up", [(1, 10)], 10), ("replaced", [(1, 10), (3, 0)], 4)):
        mine = type("Mine", (Wishes,), {"plan": plan})
        played = play(mine, tape, journal=tmp_path / name, venue=closed)
        assert played.loop.counters()["orders"] == count, name


@pytest.mark.parametrize("symbol", [BTC, None])
def test_a_target_ends_with_cancel_all_also_while_it_is_refused(tmp_path, symbol):
    """What the venue refused is not tried again, and of another symbol it is."""
    market = Market(tmp_path / "t")
    market.add(ETH)
    for tenth in range(400):
        market.quote(tenth / 10, 99.9, 100.1)
        market.quote(tenth / 10, 9.9, 10.1, symbol=ETH)

    class Ends(Wishes):
        plan = [(1, 10)]  # noqa: RUF012

        def on_start(self):
            super().on_start()
            self.subscribe(ETH, quotes=True)

        def on_quote(self, quote):
            if quote.symbol == BTC and self.left and self.left[0][0] <= self.now:
                self.set_target(ETH, 10)
            super().on_quote(quote)

        def on_order(self, order):
            if order.symbol == BTC and order.state == "REJECTED":
                self.cancel_all(symbol)

    closed = VenueOptions(closed=[Closed(at_ns(0.5), at_ns(4))])
    played = play(Ends, market.done(), venue=closed, latency=(0.05, 0.05))
    assert (played.robot.position(BTC).qty, played.robot.position(ETH).qty) == (0, 10 if symbol else 0)
    assert not any(played.robot.names)


def test_a_smaller_target_ends_with_cancel_all_while_the_larger_one_is_canceled(tmp_path):
    market = Market(tmp_path / "t")
    for minute in range(1, 8):
        market.bar(minute * 60, "1m", (100, 101, 99, 100))

    class Ends(Strategy):
        def on_start(self):
            self.subscribe(BTC, bars="1m")
            self.wishes = [10, 5]

        def on_bar(self, bar):
            if self.wishes:
                for wish in self.wishes:
                    self.set_target(BTC, wish)
                self.cancel_all(BTC)
            self.wishes = []

    play(Ends, market.done(), journal=tmp_path / "run")
    assert list(positions(tmp_path / "run")) == []


def test_close_cancels_what_works_and_flattens(tmp_path):
    class Close(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.n = 0

        def on_quote(self, quote):
            self.n += 1
            if self.n == 1:
                self.set_target(BTC, 2)
                self.resting = self.buy(BTC, 1, 90)
            elif self.n == 3:
                self.close(BTC)

    market = Market(tmp_path / "t")
    for second in range(6):
        market.quote(second, 99.9, 100.1)
    robot = play(Close, market.done(), latency=(0.1, 0.1)).robot
    assert robot.position(BTC).qty == 0 and robot.resting.state == "CANCELED"


@settings(max_examples=examples(60), deadline=None)
@given(
    plan=st.lists(st.tuples(st.integers(0, 20), st.integers(-5, 5)), min_size=1, max_size=12),
    latency=st.sampled_from([(0.0, 0.0), (0.01, 0.01), (0.15, 0.05), (0.5, 0.5)]),
    size=st.sampled_from([0.5, 1000.0]),
)
def test_the_position_stays_between_the_wishes_and_ends_at_the_last(tmp_path_factory, plan, latency, size):
    """Never above the highest wish so far, nor below the lowest (flat counts as a wish)."""
    tmp_path = tmp_path_factory.mktemp("wishes")
    plan = sorted((second / 10, qty) for second, qty in plan)
    _, path = run(tmp_path, plan, latency=latency, step=0.05, until=8, size=size)
    for time, held in path:
        recorded = [0] + [qty for second, qty in plan if at_ns(second) <= time]
        assert min(recorded) * 1000 <= held <= max(recorded) * 1000
    if plan[-1][0] <= 2:
        assert (path[-1][1] if path else 0) == plan[-1][1] * 1000


def test_a_closed_venue_is_not_asked_again_and_again(tmp_path):
    """An order of before waits for a market and cannot be canceled; what is missing for the new
    wish is refused. It goes when the old one is gone, and not before."""
    market = Market(tmp_path / "t")
    market.add(ETH)
    for at in range(10):
        market.quote(at, 9.9, 10.1, symbol=ETH)
        if at >= 6:
            market.quote(at, 99.9, 100.1)

    class Two(Wishes):
        plan = [(1, 10), (3, -3)]  # noqa: RUF012

        def on_start(self):
            super().on_start()
            self.subscribe(ETH, quotes=True)
            self.refused = 0

        def on_order(self, order):
            self.refused += order.state == "REJECTED"
            if self.refused > 20:
                raise RuntimeError("the same order again and again")

    closed = VenueOptions(closed=[Closed(at_ns(2), at_ns(5))])
    played = play(Two, market.done(), journal=tmp_path / "run", venue=closed)
    assert played.robot.refused <= 4  # at 3 s, and a quarter, a half and a second after each
    assert list(positions(tmp_path / "run"))[-1] == (at_ns(6), -3_000)
