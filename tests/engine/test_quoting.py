"""set_quotes: only differences are sent, in one batch, cancels first."""

from __future__ import annotations

from pathlib import Path

import pytest

from onetape.engine.strategy import Strategy
from worlds.tapes import BTC, Market, play, records


def sent(journal: Path) -> list[tuple[int, str, str, float, float]]:
    return [
        (r.time, r.data["kind"], r.data["side"], r.data["price"] / 10, r.data["size"] / 1000)
        for r in records(journal, "order_request")
    ]


def quoted(tmp_path: Path, ladders: list[tuple[list, list]], *, keep_within=0, market=None):
    """Plays one ladder a second; gives (the requests of each second, the strategy)."""

    class Quoter(Strategy):
        def on_start(self):
            self.subscribe(BTC, quotes=True)
            self.left = list(ladders)

        def on_quote(self, quote):
            if self.left:
                bids, asks = self.left.pop(0)
                self.set_quotes(BTC, bids, asks, keep_within=keep_within)

    if market is None:
        market = Market(tmp_path / "t")
        for second in range(len(ladders) + 1):
            market.quote(second, 99.9, 100.1)
    robot = play(Quoter, market.done(), journal=tmp_path / "run").robot
    batches: dict[int, list] = {}
    for time, *rest in sent(tmp_path / "run"):
        batches.setdefault(time, []).append(tuple(rest))
    return list(batches.values()), robot


def test_an_equal_ladder_sends_nothing(tmp_path):
    ladder = ([(99, 1), (98, 2)], [(101, 1)])
    batches, robot = quoted(tmp_path, [ladder, ladder, ladder])
    assert batches == [[("place", "buy", 99, 1), ("place", "buy", 98, 2), ("place", "sell", 101, 1)]]
    assert len(robot.orders(BTC)) == 3


def test_one_moved_level_is_one_cancel_and_one_order_cancel_first(tmp_path):
    batches, _ = quoted(tmp_path, [([(99, 1), (98, 1)], [(101, 1)]), ([(99, 1), (97, 1)], [(101, 1)])])
    assert batches[1] == [("cancel", "buy", 98, 1), ("place", "buy", 97, 1)]


def test_an_empty_side_cancels_that_side_only(tmp_path):
    batches, robot = quoted(tmp_path, [([(99, 1)], [(101, 1)]), ([], [(101, 1)])])
    assert batches[1] == [("cancel", "buy", 99, 1)]
    assert [o.side for o in robot.orders(BTC)] == ["sell"]


def test_a_changed_size_is_a_difference(tmp_path):
    batches, _ = quoted(tmp_path, [([(99, 1)], []), ([(99, 2)], [])])
    assert batches[1] == [("cancel", "buy", 99, 1), ("place", "buy", 99, 2)]


def test_sizes_of_zero_are_no_level(tmp_path):
    batches, _ = quoted(tmp_path, [([(99, 0)], [(101, 1)])])
    assert batches == [[("place", "sell", 101, 1)]]


@pytest.mark.parametrize("size", [-1, float("nan"), "x"])
def test_a_size_that_is_none_is_refused_by_its_side_and_places_nothing(tmp_path, size):
    batches, robot = quoted(tmp_path, [([(99, 1)], [(101, size)])])
    assert batches == []
    (failure,) = robot._host.failures
    assert failure.error == (
        f"ValueError: asks: a size is 0 (no level) or a number that the instrument can carry, not {size!r}"
    )


def test_a_partly_filled_level_that_is_still_wanted_keeps_its_place(tmp_path):
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1, 5, 5).quote(0.1, 99.9, 100.1, 5, 5)
    market.quote(0.5, 99, 99.2, 1, 1).trade(1, 98.8, 0.4, "sell").quote(2, 99, 99.2, 1, 1)
    batches, robot = quoted(tmp_path, [([(98.9, 1)], [])] * 4, market=market)
    assert len(batches) == 1
    assert [(o.price, o.remaining) for o in robot.orders(BTC)] == [(98.9, 0.6)]


def test_a_filled_level_is_placed_again(tmp_path):
    market = Market(tmp_path / "t").quote(0, 99.9, 100.1).quote(1, 98, 98.2).quote(2, 99.9, 100.1)
    batches, _ = quoted(tmp_path, [([(99, 1)], [])] * 3, market=market)
    assert [batch for batch in batches if batch[0][0] == "place"][-1] == [("place", "buy", 99, 1)]


@pytest.mark.parametrize(("ticks", "requests"), [(0, 0), (1, 0), (2, 0), (-2, 0), (3, 2), (-3, 2)])
def test_keep_within_leaves_near_orders_where_they_are(tmp_path, ticks, requests):
    batches, _ = quoted(tmp_path, [([(99, 1)], []), ([(99 - ticks / 10, 1)], [])], keep_within=2)
    assert sum(len(batch) for batch in batches[1:]) == requests
