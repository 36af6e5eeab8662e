"""Stops that follow the market: `buy` and `sell` of kind "trailing"."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.test_protection import walk
from long_form import examples
from onetape.engine.strategy import Strategy
from onetape.model.enums import MetTrigger
from worlds.tapes import BTC, SECOND, START, Market, play, records


class Trails(Strategy):
    """Buys 2 at once, and then has a stop that trails; or, flat, one that buys."""

    size: float = 2.0
    side: str = "sell"
    options: dict = {}  # noqa: RUF012 - set by the test
    cancel_at: int = 0  # s
    cancels: str = ""

    def on_start(self):
        self.subscribe(BTC, quotes=True, trades=True)
        self.stop, self.seen, self.worked, self.events = None, set(), [], []
        self.entry = None

    def on_quote(self, quote):
        if self.entry is None:
            self.entry = self.buy(BTC, self.size) if self.side == "sell" else True
            if self.side == "buy":
                self.stop = self.buy(BTC, self.size, kind="trailing", **self.options)
            return
        if self.stop is None:
            return
        works = [order for order in self.orders(BTC) if order.trigger]
        assert len(works) <= 1  # never two at once
        self.seen |= {order.trigger for order in works}
        if self.cancel_at and self.now >= START + self.cancel_at * SECOND and self.cancels:
            cancels, self.cancels = self.cancels, ""
            if cancels == "first":
                self.cancel(self.stop)
            elif cancels == "working":
                self.cancel(works[0])
            else:
                self.cancel_all(BTC)

    def on_fill(self, fill):
        self.events.append((fill.side, fill.qty, fill.price))
        if self.side == "sell" and self.stop is None:
            self.stop = self.sell(BTC, self.size, kind="trailing", reduce_only=True, **self.options)


def trailing(**more: object) -> type[Strategy]:
    return type("Trails", (Trails,), more)


UP_AND_DOWN = [100 + step for step in range(21)] + [120 - step for step in range(21)]
DOWN_AND_UP = [100 - step for step in range(21)] + [80 + step for step in range(21)]


@pytest.mark.parametrize(
    ("side", "mids", "trail", "at"),
    [
        ("sell", UP_AND_DOWN, 5, 115),
        ("sell", UP_AND_DOWN, "5%", 114),
        ("buy", DOWN_AND_UP, 5, 85),
        ("buy", DOWN_AND_UP, "5%", 84),
    ],
)
@pytest.mark.parametrize("latency", [(0, 0), (0.02, 0.02)])
def test_it_follows_the_best_price_and_takes_where_the_market_turns_by_its_distance(
    tmp_path, side, mids, trail, at, latency
):
    made = trailing(side=side, options={"trail": trail}, size=1.0 if side == "buy" else 2.0)
    robot = play(made, walk(tmp_path / "t", mids).done(), latency=latency).robot
    _, qty, price = robot.events[-1]
    assert sum(each[1] for each in robot.events if each[0] == side) == robot.size == qty
    assert price == pytest.approx(at, abs=1.3)  # one step of the market, and a twentieth of the distance
    away = 1 if side == "sell" else -1
    assert len(robot.seen) > 10 and sorted(robot.seen)[::-away][0] * away <= at * away
    assert robot.orders(BTC) == [] and robot.stop.children == []


def test_the_order_has_the_one_that_works_as_its_child(tmp_path):
    robot = play(trailing(options={"trail": 5}), walk(tmp_path / "t", UP_AND_DOWN[:15]).done()).robot
    (child,) = robot.stop.children
    assert robot.stop.state == "CANCELED" and child.state == "ACCEPTED" and child.trigger == pytest.approx(109, abs=1.3)
    assert (child.qty, child.reduce_only, child.kind, child.tag) == (2.0, True, "stop", robot.stop.tag)


def test_a_trigger_says_where_it_begins_and_it_never_goes_back(tmp_path):
    mids = [100.0] * 5 + [101.0, 99.5, 100.5] * 5
    robot = play(trailing(options={"trail": 3, "trigger": 99}), walk(tmp_path / "t", mids).done()).robot
    assert robot.seen == {99.0} and robot.position(BTC).qty == 2


@pytest.mark.parametrize("by", ["mark", "index"])
def test_it_follows_the_price_that_fires_it(tmp_path, by):
    market = walk(tmp_path / "t", [])
    for second, mid in enumerate(UP_AND_DOWN):
        market.quote(second, 99.9, 100.1, 1000, 1000).trade(second + 0.3, 100, 1, "buy")
        other = 100 + second / 100
        market.mark(
            second + 0.5, *((mid, other)[:: 1 if by == "mark" else -1][:1]), index=other if by == "mark" else mid
        )
    robot = play(trailing(options={"trail": 5, "trigger_by": by}), market.done()).robot
    assert len(robot.seen) > 10 and robot.position(BTC).qty == 0
    assert max(robot.seen) == pytest.approx(115, abs=0.6)


@pytest.mark.parametrize("cancels", ["first", "working", "all"])
@pytest.mark.parametrize("at", [9, 10, 11])
def test_canceling_it_ends_it_whichever_of_its_orders_is_named(tmp_path, cancels, at):
    made = trailing(options={"trail": 5}, cancel_at=at, cancels=cancels)
    robot = play(made, walk(tmp_path / "t", UP_AND_DOWN).done(), latency=(0.02, 0.02)).robot
    assert robot.orders(BTC) == [] and robot.position(BTC).qty == 2 and max(robot.seen) < 108


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "trail"),
        ({"trail": 0}, "above 0"),
        ({"trail": "100%"}, "above 0"),
        ({"trail": float("nan")}, "nan"),
        ({"trail": "x"}, "'x'"),
        ({"trail": 5, "price": 100}, "no price"),
        ({"trail": 5, "post_only": True}, "post_only"),
        ({"trail": 5, "stop_loss": 3}, "attached"),
    ],
)
def test_what_is_no_trailing_stop_is_refused_and_nothing_leaves(tmp_path, options, says):
    class Refused(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.problem = None

        def on_quote(self, quote):
            if self.problem is None:
                with pytest.raises(Exception, match=says) as found:
                    self.sell(BTC, 1, kind="trailing", **options)
                self.problem = found.value

    robot = play(Refused, walk(tmp_path / "t", [100.0] * 3).done()).robot
    assert robot.problem is not None and robot.orders(BTC) == []


def test_without_a_price_it_comes_back_denied(tmp_path):
    class Early(Strategy):
        def on_start(self):
            self.order = self.sell(BTC, 1, kind="trailing", trail=5)

    robot = play(Early, walk(tmp_path / "t", [100.0] * 3).done()).robot
    assert (robot.order.state, robot.order.code) == ("DENIED", 4101) and "price" in robot.order.reason


def test_a_trigger_serves_where_no_price_is_known_yet(tmp_path):
    class Early(Strategy):
        def on_start(self):
            self.order = self.buy(BTC, 1, kind="trailing", trail=5, trigger=104)

    robot = play(Early, walk(tmp_path / "t", [100.0 - step for step in range(20)]).done()).robot
    (child,) = robot.order.children
    assert robot.order.trigger == 104 and child.trigger == pytest.approx(86, abs=1.3)


def test_what_a_thin_market_leaves_of_it_is_said(tmp_path):
    """The venue ends the order that has fired, as it does with any stop; the strategy has the first one only."""
    market = Market(tmp_path / "t")
    for second, mid in enumerate([100, 100, 100, 90, 90, 90]):
        size = 1000 if mid == 100 else 0.5
        market.book(second, [(mid - 0.1, size)], [(mid + 0.1, size)]).quote(second, mid - 0.1, mid + 0.1, size, size)
        market.trade(second + 0.1, mid, 1)
    found = play(trailing(options={"trail": 5}), market.done(), journal=tmp_path / "run")
    assert found.robot.position(BTC).qty > 0 and found.robot.stop.children == []
    said = [each.data for each in records(tmp_path / "run", "log") if each.data["level"] == "warning"]
    assert len(said) == 1 and "ended with" in said[0]["text"]


def test_one_that_the_venue_refuses_is_refused_and_sells_nothing(tmp_path):
    """As any stop: a strategy that hears REJECTED places another one."""
    market = Market(tmp_path / "t", met_triggers=MetTrigger.REFUSED)
    for second, mid in enumerate([100, 100, 80, 80, 80, 80, 81, 82, 83, 84]):
        market.quote(second, mid - 0.1, mid + 0.1, 1000, 1000)
        market.trade(second + 0.1, mid, 1)
    robot = play(trailing(options={"trail": 5}), market.done(), latency=(1.5, 0), cash={"USDT": 100_000}).robot
    assert (robot.stop.state, robot.stop.code) == ("REJECTED", 4109)
    assert robot.position(BTC).qty == 2 and robot.orders(BTC) == [] and robot.stop.children == []


@given(
    seed=st.integers(0, 10**6),
    latency=st.sampled_from([(0, 0), (0.005, 0.005), (0.7, 0.7)]),
    trail=st.sampled_from([1, 3, "2%"]),
)
@settings(max_examples=examples(40))
def test_in_any_market_all_its_orders_together_fill_no_more_than_it_and_at_most_one_works(
    tmp_path_factory, seed, latency, trail
):
    draw, mid, mids = random.Random(seed), 100.0, []
    for _ in range(80):
        mid = max(50.0, round(mid + draw.choice([-4, -1, -0.5, 0, 0.5, 1, 4]), 1))
        mids.append(mid)
    market = walk(tmp_path_factory.mktemp("market") / "t", mids, size=draw.choice([0.7, 1000.0])).done()
    robot = play(trailing(options={"trail": trail}), market, latency=latency).robot
    sold = sum(qty for side, qty, _ in robot.events if side == "sell")
    assert sold <= sum(qty for side, qty, _ in robot.events if side == "buy") + 1e-9
    if robot.position(BTC).qty > 0 and robot.stop is not None and not robot.stop.children:
        assert robot.orders(BTC) or robot.stop.state in ("SUBMITTED", "ACCEPTED")  # never left without one
