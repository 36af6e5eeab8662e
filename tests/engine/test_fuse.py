"""--fuse: between messages of depth the quotes say where the touch is."""

from __future__ import annotations

import random

import pytest

from onetape import Strategy
from worlds.tapes import BTC, Market, at_ns, play


class Taker(Strategy):
    """Buys and sells at market at given seconds; keeps what the robot's book shows."""

    plan = ()

    def on_start(self):
        self.subscribe(BTC, book=True)
        self.fills, self.seen = [], []
        for i, (second, _) in enumerate(self.plan):
            self.set_timer(str(i), at=at_ns(second))

    def on_timer(self, name):
        _, qty = self.plan[int(name)]
        (self.buy if qty > 0 else self.sell)(BTC, abs(qty))
        self.seen.append((self.book(BTC).best_bid, self.book(BTC).best_ask))

    def on_fill(self, fill):
        self.fills.append((fill.price, fill.qty))


def depth(tmp_path) -> Market:
    market = Market(tmp_path / "t")
    return market.book(0, [(100, 5), (99, 5), (98, 5)], [(101, 5), (102, 5), (103, 5)])


def fills(market: Market, *plan, fuse=True):
    cls = type("Taker", (Taker,), {"plan": plan})
    robot = play(cls, market.done(), fuse=fuse, cash={"USDT": 10**9}).robot
    return robot.fills, robot.seen


def test_a_newer_quote_sets_the_touch_and_its_size(tmp_path):
    market = depth(tmp_path).quote(1, 99, 102, 2, 3).quote(9, 99, 102, 2, 3)
    got, seen = fills(market, (2, 4), (3, -4))
    assert got == [(102, 3), (103, 1), (99, 2), (98, 2)]
    assert seen[0] == ((100, 5), (101, 5))  # the strategy sees the venue's depth


def test_a_touch_that_ran_through_takes_the_other_side_away(tmp_path):
    market = depth(tmp_path).quote(1, 102, 103, 2, 1).quote(9, 102, 103, 2, 1)
    assert fills(market, (2, 2), (3, -3))[0] == [(103, 1), (102, 2), (100, 1)]


def test_depth_of_the_same_moment_or_later_counts(tmp_path):
    market = depth(tmp_path).quote(1, 99, 102, 2, 3, ts_event=at_ns(0)).quote(9, 99, 102)
    assert fills(market, (2, 1))[0] == [(101, 1)]


def test_a_change_of_depth_goes_on_from_the_fused_book(tmp_path):
    market = depth(tmp_path).quote(1, 99, 102, 2, 3)
    market.book(2, [], [(102, 7)], snapshot=False).quote(9, 99, 102)
    assert fills(market, (3, 8))[0] == [(102, 7), (103, 1)]


def test_without_it_depth_decides(tmp_path):
    market = depth(tmp_path).quote(1, 99, 102, 2, 3).quote(9, 99, 102)
    assert fills(market, (2, 4), fuse=False)[0] == [(101, 4)]


@pytest.mark.parametrize("seed", range(5))
def test_quotes_that_repeat_the_depth_change_nothing(tmp_path, seed):
    """Every touch of a random book told again by a quote a little later."""
    source = random.Random(seed)
    market = Market(tmp_path / "t")
    for i in range(200):
        middle = 100 + source.randint(-5, 5)
        sizes = [source.randint(1, 9) for _ in range(4)]
        market.book(i, [(middle, sizes[0]), (middle - 1, sizes[1])], [(middle + 1, sizes[2]), (middle + 2, sizes[3])])
        market.quote(i + 0.1, middle, middle + 1, sizes[0], sizes[2])
    tape = market.done()
    plan = tuple((i + source.choice([0.05, 0.5]), source.choice([-6, 3, 12])) for i in range(150))
    cls = type("Taker", (Taker,), {"plan": plan})
    robots = [play(cls, tape, fuse=fuse, cash={"USDT": 10**9}).robot for fuse in (False, True)]
    assert robots[0].fills == robots[1].fills and len(robots[0].fills) > 100
